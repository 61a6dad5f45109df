/* feed_count.h: how many deliveries and devices of each store are in which state: kept, so that
 * only what changed is told. For feed.c. Used by one thread.
 */
#ifndef FEED_COUNT_H
#define FEED_COUNT_H

#include "pg_conn.h"

enum feed_count_kind { FEED_COUNT_DELIVERIES, FEED_COUNT_DEVICES, FEED_COUNT_KINDS };

struct feed_count_store {
    char store_id[25];
    char data[192]; /* JSON */
};
struct feed_count {
    struct feed_count_store *stores; /* in the order of their ids */
    size_t store_count;
};

/* Reads the counts anew and tells each store's to `visit`, and whether it is another than before.
 * Errors as pg_conn_run; RES_NO_MEMORY. */
MUST_CHECK enum res
feed_count_look(struct feed_count *count, enum feed_count_kind kind, struct pg_conn *c,
                enum res (*visit)(void *user, const struct feed_count_store *store, bool changed),
                void *user, struct err *why);
void feed_count_deinit(struct feed_count *count);

#endif
