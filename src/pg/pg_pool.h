/* pg_pool.h: a few connections shared by many threads. Knows no table.
 *
 * Connections are opened when first needed and opened again after the server was away. While it is
 * away takers learn so at once (it is tried again twice a second), and a server that hangs without
 * closing is cut after query_ms_max: a thread is never lost to it.
 */
#ifndef PG_POOL_H
#define PG_POOL_H

#include "pg_conn.h"

struct pg_pool; /* opaque */

struct pg_pool_settings {
    /* Opens one connection, ready to use. */
    enum res (*open)(void *user, struct pg_conn **ret, struct err *why);
    void *user;
    size_t connections;
    unsigned wait_ms_max;  /* for a free one */
    unsigned query_ms_max; /* from take to give; beyond the server's own statement timeout */
};

/* Opens nothing yet. RES_NO_MEMORY, RES_IO. */
MUST_CHECK enum res pg_pool_new(const struct pg_pool_settings *settings, struct pg_pool **ret,
                                struct err *why);
/* Every connection was given back. NULL is fine. */
void pg_pool_free(struct pg_pool *p);
/* A live connection. RES_UNAVAILABLE: no server, or none free in time. */
MUST_CHECK enum res pg_pool_take(struct pg_pool *p, struct pg_conn **ret, struct err *why);
void pg_pool_give(struct pg_pool *p, struct pg_conn *c);
/* One query on any connection. It is run a second time on a new connection when the first one turns
 * out to be dead (the server was restarted): only for what may be done twice. Else as pg_conn_run.
 */
MUST_CHECK enum res pg_pool_run(struct pg_pool *p, const char *sql, const struct pg_params *params,
                                PGresult **ret_rows, struct err *why);

#endif
