/* pg_conn.h: one connection to PostgreSQL, with words on failure. Knows no table.
 *
 * Every query is a prepared statement, prepared by itself the first time its text is used on the
 * connection; results always come in binary form and are read with the pg_get_* functions.
 *
 *   struct pg_params p;
 *   pg_params_init(&p);
 *   pg_params_text(&p, cart_id);
 *   PGresult *rows = NULL;
 *   r = pg_conn_run(c, "SELECT battery_pct FROM cart WHERE cart_id = $1", &p, &rows, why);
 *   ... pg_get_i64(rows, 0, 0) ...
 *   PQclear(rows);
 *
 * A connection is used by one thread at a time. When the server goes away calls answer
 * RES_UNAVAILABLE; pg_conn_reconnect makes it usable again (statements are prepared anew).
 */
#ifndef PG_CONN_H
#define PG_CONN_H

#include <libpq-fe.h>

#include "err.h"
#include "span.h"

#define PG_PARAMS_MAX        48
#define PG_STATEMENTS_MAX    256 /* different query texts on one connection */
#define PG_PIPELINE_MAX      64 /* queries between two pg_pipeline_finish: libpq could block beyond */
#define PG_API_TIMEOUT_MS    5000 /* S-015 */
#define PG_CONNECT_TIMEOUT_S 5

struct pg_conn; /* opaque */

struct pg_conn_settings {
    const char *place;         /* libpq keywords without user and password: host, dbname, sslmode */
    const char *user;          /* role */
    const char *password_file; /* holds the password and perhaps a newline; NULL: none needed */
    const char *application;   /* shown in pg_stat_activity; may be NULL */
    const char *options;       /* "-c search_path=..." and the like; may be NULL */
    int statement_timeout_ms;  /* 0: none */
};

/* RES_UNAVAILABLE (no server, or it refuses), RES_DENIED (wrong role or password), RES_IO (password
 * file). The settings' texts are copied. */
MUST_CHECK enum res pg_conn_open(const struct pg_conn_settings *settings, struct pg_conn **ret,
                                 struct err *why);
void pg_conn_close(struct pg_conn *c);
/* Drops the connection, whatever its state, and opens a new one once. */
MUST_CHECK enum res pg_conn_reconnect(struct pg_conn *c, struct err *why);
bool pg_conn_alive(const struct pg_conn *c);
/* For LISTEN and polling. */
PGconn *pg_conn_handle(struct pg_conn *c);

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

/* One query. *ret_rows (may be NULL when rows do not matter) is for PQclear. Failures:
 * RES_CONFLICT unique or exclusion, RES_INVALID other constraint or data error, RES_DENIED
 * privilege or row security, RES_AGAIN serialization or deadlock, RES_EXPIRED statement timeout,
 * RES_FULL disk or memory of the server, RES_UNAVAILABLE connection lost or server stopping, RES_IO
 * anything else. */
MUST_CHECK enum res pg_conn_run(struct pg_conn *c, const char *sql, const struct pg_params *params,
                                PGresult **ret_rows, struct err *why);
/* BEGIN, COMMIT, SET, migrations: one or several commands, no parameters, no rows. */
MUST_CHECK enum res pg_conn_command(struct pg_conn *c, const char *sql, struct err *why);
/* After a failure: "23505" and the constraint's name, "" when there is none. */
const char *pg_conn_sqlstate(const struct pg_conn *c);
const char *pg_conn_constraint(const struct pg_conn *c);
/* Rows an INSERT, UPDATE or DELETE touched. */
int64_t pg_rows_touched(const PGresult *rows);

/* Pipeline: many queries, one round trip. From begin to finish is one implicit transaction unless
 * BEGIN and COMMIT are among the queries: all or nothing. Parameters are copied by add. RES_FULL
 * from add: finish first. */
MUST_CHECK enum res pg_pipeline_begin(struct pg_conn *c, struct err *why);
MUST_CHECK enum res pg_pipeline_add(struct pg_conn *c, const char *sql,
                                    const struct pg_params *params, struct err *why);
/* Waits for every answer and leaves pipeline mode. Results in order of add (NULL visit: not
 * wanted), valid during the call. The first failure is returned, the rest was not done. */
typedef enum res (*pg_visit)(void *user, size_t index, const PGresult *rows);
MUST_CHECK enum res pg_pipeline_finish(struct pg_conn *c, pg_visit visit, void *user,
                                       struct err *why);

/* Reading a binary result. Types: text kinds and domains over them, jsonb, bytea, uuid, bool,
 * int2/4/8, float8, timestamptz; anything else is cast to text in the query. Asking for a type the
 * column doesn't have stops the process (a bug in our query). NULL reads as the empty span, 0,
 * false. */
bool pg_is_null(const PGresult *rows, int row, int column);
struct span pg_get_span(const PGresult *rows, int row, int column); /* text, jsonb or bytea */
int64_t pg_get_i64(const PGresult *rows, int row, int column);
bool pg_get_bool(const PGresult *rows, int row, int column);
double pg_get_double(const PGresult *rows, int row, int column);
int64_t pg_get_time_ms(const PGresult *rows, int row, int column);
/* 36 characters and a NUL. */
void pg_get_uuid(const PGresult *rows, int row, int column, char ret[37]);

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
