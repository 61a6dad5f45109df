/* pg_params.h: the parameters of one query, without the heap. */
#ifndef PG_PARAMS_H
#define PG_PARAMS_H

#include "span.h"

#define PG_PARAMS_MAX 48

/* Parameters: texts and numbers are kept by reference or inside, never copied to the heap; what a
 * span points to must live until the call. More than PG_PARAMS_MAX stops the process: the number is
 * in our own query text. */
struct pg_params {
    int count;
    const char *values[PG_PARAMS_MAX];
    int lengths[PG_PARAMS_MAX];
    int formats[PG_PARAMS_MAX];
    size_t used;
    char scratch[PG_PARAMS_MAX * 32];
    char texts[2048]; /* short spans get their NUL here; longer ones must be bytes or C strings */
    size_t texts_used;
};
void pg_params_init(struct pg_params *p);
void pg_params_null(struct pg_params *p);
/* At most 2,048 bytes of spans in one set of parameters; size 0 with data NULL is NULL. Beyond that
 * pg_conn_run answers RES_LIMIT. A NUL inside ends the text, as everywhere in PostgreSQL. */
void pg_params_text(struct pg_params *p, struct span text);
void pg_params_cstr(struct pg_params *p, const char *text); /* any length; NULL is NULL */
void pg_params_i64(struct pg_params *p, int64_t value);
void pg_params_bool(struct pg_params *p, bool value);
void pg_params_double(struct pg_params *p, double value);
void pg_params_bytes(struct pg_params *p, struct span bytes); /* bytea; data NULL is NULL */
void pg_params_time_ms(struct pg_params *p, int64_t time_ms); /* timestamptz */

#endif
