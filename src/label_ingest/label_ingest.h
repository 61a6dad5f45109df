/* label_ingest.h: what labels say, from the broker to disk (S-020, S-021, S-037..S-041, P45).
 *
 *   label_ingest_offer -> limits -> [line] -> committer: decode ->
 *     telemetry block (fsync) -> one PostgreSQL transaction -> signed answers to shadow/get
 *
 * Takes the topics smartshelf/{id}/status, ack, shadow/get and shadow/update, presence/{id} and
 * presence/broker. Like ingest.h it owns its thread and its connection but no network, and may be
 * thrown away at any moment: a label keeps its events until an answer says that they are stored.
 *
 * Several processes may serve the same labels; each needs a writer name of its own.
 */
#ifndef LABEL_INGEST_H
#define LABEL_INGEST_H

#include "err.h"
#include "model.h"
#include "shelf.h"
#include "telemetry.h"

#define LABEL_INGEST_BATCH_MAX         2048
#define LABEL_INGEST_QUEUE_DEFAULT     8192
#define LABEL_INGEST_LINGER_DEFAULT_MS 20
#define LABEL_INGEST_RATE_DEFAULT      100 /* messages/s of one label */
#define LABEL_INGEST_BURST_DEFAULT     400 /* it sends its whole queue of 100 after an outage */
#define LABEL_INGEST_RATE_NONE         (-1)
#define LABEL_INGEST_WRITER_BYTES_MAX  48
#define LABEL_INGEST_DEVICES_MAX       200000 /* remembered by one process */

struct label_ingest; /* opaque */

enum label_ingest_state {
    LABEL_INGEST_RUNNING,
    LABEL_INGEST_WAITS_FOR_DATABASE,
    LABEL_INGEST_WAITS_FOR_DISK, /* telemetry cannot be written */
};

/* Why a message was refused. */
enum label_ingest_refusal {
    LABEL_INGEST_TOPIC,          /* none of ours */
    LABEL_INGEST_TOO_LONG,       /* more than SHELF_UP_BYTES_MAX */
    LABEL_INGEST_BAD_FIELD,      /* not JSON, or a field breaks its rule */
    LABEL_INGEST_OTHER_DEVICE,   /* the body names another label than the topic */
    LABEL_INGEST_UNKNOWN_DEVICE, /* no such label, or it is retired */
    LABEL_INGEST_NOT_APPLIED,    /* PostgreSQL refused its effects */
    LABEL_INGEST_REFUSALS
};
/* "topic", ...: the dead letter's reason. */
const char *label_ingest_refusal_name(enum label_ingest_refusal refusal);

struct label_ingest_settings {
    struct model_place place;
    const char *telemetry_directory;
    const char *writer;       /* "ingest-1-labels": unique, the same after a restart */
    const char *platform_key; /* PEM file of the key that signs answers */
    enum telemetry_sync sync;
    uint64_t queue_messages; /* a power of two; 0: the default */
    unsigned linger_ms;      /* how long a batch waits for more; 0: the default */
    int64_t rate_per_second; /* 0: the default, or LABEL_INGEST_RATE_NONE */
    int64_t rate_burst;      /* 0: the default */

    void *user; /* given to the callbacks, which come from the committer's thread */
    /* To be sent, QoS 1, never retained, with `signature` as the user property
     * SHELF_SIGNATURE_PROPERTY. May be dropped: a label asks again. */
    void (*publish)(void *user, const char *topic, struct span payload, struct span signature);
    /* The state changed; `words` says why in one sentence. May be NULL. */
    void (*on_state)(void *user, enum label_ingest_state state, const char *words);
};

/* Errors as model_connect, telemetry_open, platform_signer_open. */
MUST_CHECK enum res label_ingest_new(const struct label_ingest_settings *settings,
                                     struct label_ingest **ret, struct err *why);
/* Stops at once; what is in the line is dropped. NULL is fine. */
void label_ingest_free(struct label_ingest *in);

/* Thread-safe. RES_OK: taken (or dropped for a reason that is counted). RES_AGAIN: the line is
 * full, stop reading for a while. */
MUST_CHECK enum res label_ingest_offer(struct label_ingest *in, struct span topic,
                                       struct span payload, int64_t now_ms);
/* Waits until the line has room or timeout_ms passed. */
void label_ingest_wait_room(struct label_ingest *in, int64_t timeout_ms);
/* Waits until all that was offered before is committed and answered. RES_AGAIN: not in time. */
MUST_CHECK enum res label_ingest_flush(struct label_ingest *in, int64_t timeout_ms);
/* Told by the process that owns the connection to the broker, for /readyz. Thread-safe. */
void label_ingest_note_broker(struct label_ingest *in, bool connected);
enum label_ingest_state label_ingest_state(const struct label_ingest *in);

/* Counted since label_ingest_new. */
struct label_ingest_figures {
    int64_t received;
    int64_t stored;     /* events appended to telemetry */
    int64_t duplicates; /* events stored before */
    int64_t rate_limited;
    int64_t unfiled; /* refused messages beyond what one label may fill the desk with */
    int64_t refused[LABEL_INGEST_REFUSALS];
    int64_t presences;
    int64_t answers; /* to shadow/get */
    int64_t batches;
    int64_t commit_us; /* sum over batches: telemetry and PostgreSQL */
    int64_t commit_us_max;
    int64_t queue_depth;
    int64_t devices;
    int64_t waits_for_disk;   /* 1 or 0 */
    int64_t broker_connected; /* 1 or 0; -1: label_ingest_note_broker was never called */
};
void label_ingest_figures(struct label_ingest *in, struct label_ingest_figures *ret);

#endif
