/* ingest_commit.h: makes one batch of verified messages durable and tells the carts.
 *
 * The order is the promise: telemetry block (fsync), then one PostgreSQL transaction with streams,
 * checkpoint and effects, then the answers. Whatever goes wrong before the transaction is known to
 * be committed, the carts of the batch are dropped from memory, read again, and the batch is done
 * anew: events that were accounted for after all show as SEEN and have no second effect.
 *
 * Used by one thread.
 */
#ifndef INGEST_COMMIT_H
#define INGEST_COMMIT_H

#include "ingest.h"
#include "ingest_answer.h"
#include "ingest_apply.h"
#include "ingest_keys.h"

enum ingest_part {
    INGEST_PART_REFUSED, /* to the dead letters; accounts for nothing */
    INGEST_PART_EVENT,
    INGEST_PART_POISON, /* signed by its device, but its body is invalid: filed and accounted for */
    INGEST_PART_ASK,    /* a payment to be answered again */
    INGEST_PART_NONE,
};

struct ingest_item {
    struct ingest_message *m;
    uint32_t order;
    enum ingest_part part;
    bool accepted; /* new, in this attempt */
    bool filed;    /* refused in this attempt: file it */
    bool looked;   /* compared with telemetry, in this attempt */
    bool differs;  /* telemetry has another body under its counter */
    enum wire_refusal refusal;
};

struct ingest_commit {
    const char *writer;
    struct ingest_devices *devices;
    struct ingest_counters *counters;
    struct pg_conn *conn;
    struct telemetry *telemetry;
    struct ingest_answer answer;
    struct ingest_keys keys;
    struct token_bucket strangers; /* what devices that nobody knows may put on the desk */
    struct ingest_changes changes;
    struct ingest_apply apply;
    telemetry_position position; /* of the last block */
    bool partial;                /* the block's other events are still to come: no checkpoint yet */
    bool disk_failed;            /* the last attempt failed at telemetry */
    bool refused;                /* PostgreSQL refused its rows: a rule of the model is broken */
    struct ingest_item items[INGEST_BATCH_MAX];
    size_t count;
    struct telemetry_event events[INGEST_BATCH_MAX];
    struct ingest_device *carts[INGEST_BATCH_MAX]; /* of the batch, each once */
    size_t cart_count;
    /* accounted for by the commit under way, per item of `carts` */
    bool acked[INGEST_BATCH_MAX];
    int64_t now_ms;
};

void ingest_commit_init(struct ingest_commit *c, const char *writer, struct ingest_devices *devices,
                        struct ingest_counters *counters);
void ingest_commit_deinit(struct ingest_commit *c);

/* Takes a batch over: at most INGEST_BATCH_MAX messages, which must live until the batch is done.
 */
void ingest_commit_begin(struct ingest_commit *c, struct ingest_message *const *messages,
                         size_t count);
/* One attempt at the batch. RES_OK: committed; RES_CONFLICT, RES_AGAIN: try again at once;
 * RES_FULL, RES_IO: telemetry could not be written; RES_UNAVAILABLE: PostgreSQL is away (reconnect
 * first). With c->refused, whatever the result, an event cannot be applied: split the batch, and
 * when it has one message try again with `muted`. After a failure nothing of the batch is in
 * memory. */
MUST_CHECK enum res ingest_commit_attempt(struct ingest_commit *c, bool muted, struct err *why);
/* After a committed attempt: commit-acks, payment answers, products, rejects. */
void ingest_commit_answer(struct ingest_commit *c);
/* Acknowledgements that duplicates asked for, and alerts of floods. */
MUST_CHECK enum res ingest_commit_notices(struct ingest_commit *c, struct err *why);

#endif
