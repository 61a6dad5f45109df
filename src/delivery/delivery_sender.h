/* delivery_sender.h: gets deliveries to labels: a thread with a PostgreSQL connection of its own.
 *
 * It wakes when somebody committed new ones (LISTEN endcap_delivery) and when one is due again,
 * takes up to a thousand at a time, marks them, signs them and hands them to the broker's
 * connection. Any number of senders may run: each row is taken by one. It may be thrown away at any
 * moment: what was marked and not handed over is sent again a second later.
 *
 * While the broker's connection is away nothing is taken: deliveries stay as they are, and no
 * attempt is counted.
 */
#ifndef DELIVERY_SENDER_H
#define DELIVERY_SENDER_H

#include "err.h"
#include "model.h"
#include "span.h"

struct delivery_sender; /* opaque */

struct delivery_sender_settings {
    struct model_place place;
    const char *instance;     /* shown in pg_stat_activity; must stay */
    const char *platform_key; /* PEM file of the key that signs */

    void *user; /* given to the callbacks, which come from the sender's thread */
    bool (*connected)(void *user);
    /* QoS 1, never retained, with `signature` as the user property SHELF_SIGNATURE_PROPERTY.
     * RES_FULL: asked again in a moment. RES_UNAVAILABLE and others: sent again when it is due. */
    enum res (*publish)(void *user, const char *topic, struct span payload, struct span signature);
    /* Trouble began (why) or is over (NULL). */
    void (*on_trouble)(void *user, const char *why);
};

/* Errors as model_connect and platform_signer_open. Starts no thread. */
MUST_CHECK enum res delivery_sender_new(const struct delivery_sender_settings *settings,
                                        struct delivery_sender **ret, struct err *why);
/* Stops the thread first. NULL is fine. */
void delivery_sender_free(struct delivery_sender *s);
/* RES_NO_MEMORY: no thread. */
MUST_CHECK enum res delivery_sender_start(struct delivery_sender *s, struct err *why);
/* Ends the thread; no callback comes after it. Before the connection to the broker is closed, whose
 * own callbacks may still use the sender. */
void delivery_sender_stop(struct delivery_sender *s);
/* The connection to the broker was made (anew). Thread-safe. `again`: it was lost before; then
 * ingest needs a moment to learn which labels are still there. */
void delivery_sender_connected(struct delivery_sender *s, bool again);

/* Counted since delivery_sender_new; thread-safe. */
struct delivery_sender_figures {
    int64_t sent;    /* messages handed over */
    int64_t retried; /* of them, not the first of their delivery */
    int64_t parked;  /* pending: the label was away */
    int64_t failed;
    int64_t dropped; /* marked, then the connection was away */
    int64_t batches;
};
void delivery_sender_figures(struct delivery_sender *s, struct delivery_sender_figures *ret);

#endif
