/* delivery_write.h: private to this folder: new content into shadows, with a delivery each, in one
 * round trip whatever their number.
 */
#ifndef DELIVERY_WRITE_H
#define DELIVERY_WRITE_H

#include "delivery_refresh.h"
#include "pg_rows.h"

#define DELIVERY_UUID_BYTES 37 /* with the NUL */

struct delivery_write {
    struct pg_rows shadows;
    struct pg_rows deliveries;
    struct pg_rows gaps;
};

/* One delivery; digest without data: no display. */
struct delivery_row {
    const char *delivery_id;
    struct span label_id;
    struct span store_id;
    const char *kind;
    int64_t version;
    struct span digest;
    const char *item_id; /* or NULL */
    int64_t price_id;    /* 0: none */
    int64_t row_number;  /* 0: none */
    bool online;
    bool gated;        /* what it supersedes still waits for the carts; so must this */
    struct span patch; /* of desired, JSON */
};

void delivery_write_init(struct delivery_write *w);
void delivery_write_deinit(struct delivery_write *w);
void delivery_write_add(struct delivery_write *w, const struct delivery_row *row,
                        const struct delivery_cause *cause);
/* A product without a translation. */
void delivery_write_gap(struct delivery_write *w, struct span store_id, const char *item_id,
                        const char *language);
/* Does it all, and wakes the sender. Errors as pg_conn_run. */
MUST_CHECK enum res delivery_write_run(struct delivery_write *w, struct pg_conn *c,
                                       struct err *why);
/* A new id, ordered by time (RFC 9562, version 7), so that the newest stand together in the index.
 * RES_IO: no random numbers. */
MUST_CHECK enum res delivery_write_id(int64_t now_ms, char ret[DELIVERY_UUID_BYTES]);

#endif
