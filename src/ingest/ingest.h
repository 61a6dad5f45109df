/* ingest.h: from the broker to disk: nothing is lost, nothing counts twice (design section 6).
 *
 *   ingest_offer -> rate, duplicates -> [line] -> signature workers -> committer:
 *     telemetry block (fsync) -> one PostgreSQL transaction -> signed commit-acks and answers
 *
 * The object owns its threads and its connections but no network: the caller offers messages and
 * publishes what it is given, so the process, the tests and the benchmark run the same code. It may
 * be thrown away at any moment without flushing: what was not acknowledged is sent again by the
 * carts, what is in telemetry is found again by the next ingest_new of the same writer.
 *
 * Several processes may serve the same carts; each needs a writer name of its own.
 */
#ifndef INGEST_H
#define INGEST_H

#include "err.h"
#include "model.h"
#include "span.h"
#include "telemetry.h"
#include "wire.h"

#define INGEST_BATCH_MAX         2048
#define INGEST_QUEUE_DEFAULT     8192
#define INGEST_LINGER_DEFAULT_MS 5
#define INGEST_RATE_DEFAULT      2000 /* messages/s of one device; a cart drains its flash at this */
#define INGEST_BURST_DEFAULT     4000
#define INGEST_RATE_NONE         (-1)
#define INGEST_WRITER_BYTES_MAX  48

struct ingest; /* opaque */

enum ingest_state {
    INGEST_RUNNING,
    INGEST_WAITS_FOR_DATABASE, /* PostgreSQL does not answer: nothing is acknowledged meanwhile */
    INGEST_WAITS_FOR_DISK,     /* telemetry cannot be written: full, or an I/O error */
};

struct ingest_settings {
    struct model_place place;
    const char *telemetry_directory;
    const char *writer;       /* "ingest-1": unique among the processes, the same after a restart */
    const char *platform_key; /* PEM file of the key that signs answers */
    enum telemetry_sync sync;
    unsigned workers;        /* signature threads; 0: one per core */
    uint64_t queue_messages; /* a power of two; 0: the default */
    unsigned linger_ms;      /* how long a batch waits for more; 0: the default */
    int64_t rate_per_second; /* 0: the default, or INGEST_RATE_NONE */
    int64_t rate_burst;      /* 0: the default */

    void *user; /* given to the callbacks, which come from the committer's thread */
    /* To be sent, QoS 1, never retained. May be dropped: every answer is asked for again. */
    void (*publish)(void *user, const char *topic, struct span payload);
    /* The state changed; `words` says why in one sentence. May be NULL. */
    void (*on_state)(void *user, enum ingest_state state, const char *words);
};

/* Connects, loads the devices, and applies what telemetry has beyond the checkpoint. Errors as
 * model_connect, telemetry_open, platform_signer_open. */
MUST_CHECK enum res ingest_new(const struct ingest_settings *settings, struct ingest **ret,
                               struct err *why);
/* Stops at once; what is in the line is dropped. NULL is fine. */
void ingest_free(struct ingest *in);

/* Thread-safe. RES_OK: taken (or dropped for a reason that is counted). RES_AGAIN: the line is
 * full, stop reading for a while. */
MUST_CHECK enum res ingest_offer(struct ingest *in, struct span topic, struct span frame,
                                 int64_t now_ms);
/* Waits until the line has room or timeout_ms passed. */
void ingest_wait_room(struct ingest *in, int64_t timeout_ms);
/* Waits until all that was offered before is committed and answered. RES_AGAIN: not in time. */
MUST_CHECK enum res ingest_flush(struct ingest *in, int64_t timeout_ms);
/* Reads devices anew from PostgreSQL before the next batch (it happens each second anyway). */
void ingest_refresh(struct ingest *in);
/* Told by the process that owns the connection to the broker, for /readyz. Thread-safe. */
void ingest_note_broker(struct ingest *in, bool connected);
enum ingest_state ingest_state(const struct ingest *in);

/* Counted since ingest_new. */
struct ingest_figures {
    int64_t received;
    int64_t accepted;   /* events stored or accounted for, each once */
    int64_t duplicates; /* sent again, the same body */
    int64_t far;        /* too far ahead of the watermark, dropped */
    int64_t rate_limited;
    int64_t refused[WIRE_REFUSALS];
    int64_t stored; /* events appended to telemetry */
    int64_t batches;
    int64_t commit_us; /* sum over batches: telemetry and PostgreSQL */
    int64_t commit_us_max;
    int64_t acks;
    int64_t payments;
    int64_t products;
    int64_t late;
    int64_t illegal;
    int64_t conflicts; /* batches done again because another process was faster */
    int64_t queue_depth;
    int64_t devices;
    int64_t waits_for_disk;   /* 1 or 0 */
    int64_t broker_connected; /* 1 or 0; -1: ingest_note_broker was never called */
};
void ingest_figures(struct ingest *in, struct ingest_figures *ret);

#endif
