/* model_migrations.h: the list the build makes of every NNNN_name.sql. */
#ifndef MODEL_MIGRATIONS_H
#define MODEL_MIGRATIONS_H

#include "pg_migrate.h"

extern const struct pg_migration model_migrations_list[];
extern const size_t model_migrations_count;

#endif
