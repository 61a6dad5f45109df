/* ingest_apply.h: what one event of a cart does to the entities, in counter order, written into the
 * batch's changes. Pure but for the changes it gathers: it reads no clock and asks no server.
 */
#ifndef INGEST_APPLY_H
#define INGEST_APPLY_H

#include "ingest_changes.h"
#include "ingest_counters.h"

/* The clock of a cart may be ahead of ours by this much before it is flagged (C-135). */
#define INGEST_SKEW_MS 300000

/* A payment that must be answered when the batch is committed. */
struct ingest_payment {
    struct ingest_device *device;
    int64_t epoch;
    int64_t counter;
    char token[65];
    bool answered;
    bool accepted;
    char reason[41];
};

/* A product that a cart asked for by scanning it. */
struct ingest_want {
    struct ingest_device *device;
    int64_t epoch;
    int64_t counter;
    char gtin[15]; /* as read */
};

struct ingest_apply {
    struct ingest_devices *devices;
    struct ingest_changes *changes;
    struct ingest_counters *counters;
    struct ingest_payment *payments;
    size_t payment_count;
    size_t payment_room;
    struct ingest_want *wants;
    size_t want_count;
    size_t want_room;
    bool session_changed; /* of the cart under way: its row is due */
    bool muted;           /* file the events instead of applying them: one of them cannot be */
    struct session scratch;
    struct session older;
};

/* One accounted-for event. */
struct ingest_fact {
    struct ingest_device *device;
    const struct wire_event *event;
    const uint8_t *digest; /* SHA-256 of the body */
    struct span body;
    struct span signature;
    int64_t received_ms;
};

void ingest_apply_init(struct ingest_apply *a, struct ingest_devices *devices,
                       struct ingest_changes *changes, struct ingest_counters *counters);
void ingest_apply_deinit(struct ingest_apply *a);
/* Before each attempt at a batch. */
void ingest_apply_reset(struct ingest_apply *a);
/* RES_NO_MEMORY: the batch cannot be done now. */
MUST_CHECK enum res ingest_apply_event(struct ingest_apply *a, const struct ingest_fact *fact);
/* After the last event of a cart in the batch. */
void ingest_apply_cart_done(struct ingest_apply *a, struct ingest_device *device);
/* A session-end that was stored before came again: its payment is answered again. */
MUST_CHECK enum res ingest_apply_ask(struct ingest_apply *a, struct ingest_device *device,
                                     const struct wire_event *end);

#endif
