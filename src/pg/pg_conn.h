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
#include "pg_array.h"
#include "pg_get.h"
#include "pg_params.h"

#define PG_STATEMENTS_MAX 256 /* different query texts on one connection */
#define PG_PIPELINE_MAX                                                                            \
    64 /* queries between two pg_conn_pipeline_finish: libpq could block beyond */
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

/* One query. *ret_rows (may be NULL when rows do not matter) is for PQclear. Failures:
 * RES_CONFLICT unique or exclusion, RES_INVALID other constraint or data error, RES_DENIED
 * privilege or row security, RES_AGAIN serialization or deadlock, RES_EXPIRED statement timeout,
 * RES_FULL disk or memory of the server, RES_UNAVAILABLE connection lost or server stopping, RES_IO
 * anything else. */
MUST_CHECK enum res pg_conn_run(struct pg_conn *c, const char *sql, const struct pg_params *params,
                                PGresult **ret_rows, struct err *why);
/* BEGIN, COMMIT, SET, migrations: one or several commands, no parameters, no rows. */
MUST_CHECK enum res pg_conn_command(struct pg_conn *c, const char *sql, struct err *why);
/* Ends a transaction: COMMIT when `r` is RES_OK, else ROLLBACK. Answers `r`, or what the COMMIT
 * did; `why` keeps the words of the first failure. */
MUST_CHECK enum res pg_conn_end(struct pg_conn *c, enum res r, struct err *why);
/* After a failure: "23505" and the constraint's name, "" when there is none. */
const char *pg_conn_sqlstate(const struct pg_conn *c);
const char *pg_conn_constraint(const struct pg_conn *c);
/* Pipeline: many queries, one round trip. From begin to finish is one implicit transaction unless
 * BEGIN and COMMIT are among the queries: all or nothing. Parameters are copied by add. RES_FULL
 * from add: finish first. */
MUST_CHECK enum res pg_conn_pipeline_begin(struct pg_conn *c, struct err *why);
MUST_CHECK enum res pg_conn_pipeline_add(struct pg_conn *c, const char *sql,
                                         const struct pg_params *params, struct err *why);
/* Waits for every answer and leaves pipeline mode. Results in order of add (NULL visit: not
 * wanted), valid during the call. The first failure is returned, the rest was not done. */
typedef enum res (*pg_conn_visit)(void *user, size_t index, const PGresult *rows);
MUST_CHECK enum res pg_conn_pipeline_finish(struct pg_conn *c, pg_conn_visit visit, void *user,
                                            struct err *why);

#endif
