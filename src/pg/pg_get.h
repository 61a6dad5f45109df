/* pg_get.h: reading the rows of a query. */
#ifndef PG_GET_H
#define PG_GET_H

#include <libpq-fe.h>

#include "span.h"

/* Reading a binary result. Types: text kinds and domains over them, jsonb, bytea, uuid, bool,
 * int2/4/8, float8, timestamptz; anything else is cast to text in the query. Asking for a type the
 * column doesn't have stops the process (a bug in our query). NULL reads as the empty span, 0,
 * false. */
bool pg_get_is_null(const PGresult *rows, int row, int column);
struct span pg_get_span(const PGresult *rows, int row, int column); /* text, jsonb or bytea */
int64_t pg_get_i64(const PGresult *rows, int row, int column);
bool pg_get_bool(const PGresult *rows, int row, int column);
double pg_get_double(const PGresult *rows, int row, int column);
int64_t pg_get_time_ms(const PGresult *rows, int row, int column);
/* 36 characters and a NUL. */
void pg_get_uuid(const PGresult *rows, int row, int column, char ret[37]);
/* Rows an INSERT, UPDATE or DELETE touched. */
int64_t pg_get_touched(const PGresult *rows);

#endif
