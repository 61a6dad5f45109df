/* delivery_take.h: private to this folder: the statements by which deliveries move (delivery.h).
 * What is to be published is marked as sent before it is: sent twice is harmless, never unmarked.
 */
#ifndef DELIVERY_TAKE_H
#define DELIVERY_TAKE_H

#include "pg_conn.h"
#include "shelf.h"

#define DELIVERY_TAKE_MAX 1000 /* rows a statement */

struct delivery_taken {
    struct span label_id;
    struct span kind;    /* display, config, flash */
    struct span state;   /* sent, pending, failed */
    int64_t attempts;    /* 1: the first send */
    struct span payload; /* JSON as PostgreSQL prints it; none: no longer what the shadow holds */
};

/* Moves up to `limit` deliveries that are due; the alerts of those that failed are raised in the
 * same statement. Errors as pg_conn_run. PQclear *ret. */
MUST_CHECK enum res delivery_take(struct pg_conn *c, int64_t limit, PGresult **ret,
                                  struct err *why);
void delivery_take_row(const PGresult *rows, int row, struct delivery_taken *ret);
/* delivery_sweep of every row. */
MUST_CHECK enum res delivery_take_sweep(struct pg_conn *c, int64_t *ret_swept, struct err *why);
/* How long until the next turn finds something, at most max_ms. */
MUST_CHECK enum res delivery_take_wait(struct pg_conn *c, int64_t max_ms, int64_t *ret_ms,
                                       struct err *why);

#endif
