/* pg_migrate.h: numbered migrations, embedded in the program. Knows no table.
 *
 * The build turns NNNN_name.sql files into a list (embed_migrations.py). Each runs once, in number
 * order, in a transaction of its own and as `owner`; its number, name and SHA-256 are recorded in
 * SCHEMA.schema_migration in the same transaction. Two processes that migrate at once take turns.
 */
#ifndef PG_MIGRATE_H
#define PG_MIGRATE_H

#include "pg_conn.h"

struct pg_migration {
    int number;
    const char *name;   /* "stores" of 0002_stores.sql */
    const char *sha256; /* 64 lower-case hexadecimal digits of the file */
    const char *sql;
};

struct pg_migrations {
    const struct pg_migration *list; /* rising numbers */
    size_t count;
    const char *schema; /* created when missing, owned by `owner` */
    const char *owner;  /* role without login; the connection must be allowed to SET ROLE to it */
};

/* Brings the database up to the list. *ret_applied: how many ran now. RES_CORRUPT: an applied
 * migration was changed, or one is applied that this program does not know (an older program on a
 * newer database); the words name it. Else the results of pg_conn_command, with the migration
 * named; what ran before it stays. */
MUST_CHECK enum res pg_migrate(struct pg_conn *c, const struct pg_migrations *migrations,
                               size_t *ret_applied, struct err *why);

#endif
