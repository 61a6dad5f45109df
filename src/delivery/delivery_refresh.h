/* delivery_refresh.h: makes labels show what is true now. THE one way content reaches a shadow:
 * whoever changes a price, a name, a binding, a language, a sale or a withdrawal calls this in the
 * same transaction, and nothing else writes desired.display.
 *
 * For each label chosen it composes what it shall show (item, the label's language or its section's
 * or its store's, English where a translation is missing), and where the digest differs from
 * desired.display it writes the shadow, supersedes the label's open delivery and inserts a new one.
 * A missing translation is noted with one alert per product and language (P64). A label that is not
 * online gets its delivery as `pending`: the shadow brings it. The same content again is delivered
 * only when its last delivery failed.
 *
 * The caller has begun a transaction and holds the items' rows (FOR UPDATE, ordered by item_id);
 * this takes the shadows' rows in the order of label ids, so two callers never wait for each other
 * in a circle. Commit wakes the sender (NOTIFY endcap_delivery).
 */
#ifndef DELIVERY_REFRESH_H
#define DELIVERY_REFRESH_H

#include "pg_conn.h"

#define DELIVERY_CHANNEL "endcap_delivery"

/* Why: written into each delivery. */
struct delivery_cause {
    const char *job_id; /* of a bulk job, or NULL */
    bool fall_first;    /* where the price falls: not before the carts were told (design section 7);
                           the caller has raised the store's catalogue version already */
};

/* What the labels of one item were given; rows of a bulk job are named by row_number (0: none). */
struct delivery_item {
    const char *item_id; /* uuid */
    int64_t price_id;    /* of the price version behind it; 0: none */
    int64_t row_number;
};

struct delivery_count {
    int64_t labels;  /* looked at */
    int64_t changed; /* got a new delivery */
};

/* Every label bound to these items, each named once. Errors as pg_conn_run; RES_LIMIT: too many. */
MUST_CHECK enum res delivery_refresh_items(struct pg_conn *c, const struct delivery_item *items,
                                           size_t count, const struct delivery_cause *cause,
                                           struct delivery_count *ret, struct err *why);
/* These labels, whatever they show: binding, language, a label just provisioned. */
MUST_CHECK enum res delivery_refresh_labels(struct pg_conn *c, const char *const *label_ids,
                                            size_t count, const struct delivery_cause *cause,
                                            struct delivery_count *ret, struct err *why);

#endif
