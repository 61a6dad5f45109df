/* pg_array.h: many rows as one parameter. */
#ifndef PG_ARRAY_H
#define PG_ARRAY_H

#include "span.h"

/* The text of a one-dimensional array, to pass many rows as one parameter and unnest() them:
 *   INSERT ... SELECT * FROM unnest($1::text[], $2::bigint[])
 * Grows on the heap up to `bytes_max`; once that is passed or memory fails, pg_array_text answers
 * NULL and the caller RES_LIMIT. */
struct pg_array {
    char *text;
    size_t size;
    size_t room;
    size_t bytes_max;
    size_t count;
    bool failed;
};
void pg_array_init(struct pg_array *a, size_t bytes_max);
void pg_array_deinit(struct pg_array *a);
void pg_array_reset(struct pg_array *a); /* empty, memory kept */
void pg_array_null(struct pg_array *a);
void pg_array_span(struct pg_array *a, struct span text);
void pg_array_i64(struct pg_array *a, int64_t value);
void pg_array_bool(struct pg_array *a, bool value);
void pg_array_bytes(struct pg_array *a, struct span bytes);
void pg_array_time_ms(struct pg_array *a, int64_t time_ms);
/* Closes the array; NULL when it failed. Valid until the next call. */
const char *pg_array_close(struct pg_array *a);

#endif
