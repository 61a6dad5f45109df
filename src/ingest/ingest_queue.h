/* ingest_queue.h: the bounded line of messages between the network, the signature workers and the
 * committer. Messages leave in the order they came in, whatever worker was faster: a cart's events
 * stay in counter order.
 *
 * A slot goes FREE -> OFFERED -> (a worker) -> READY -> (the committer) -> FREE. When the line is
 * full the network thread stops reading: that is the backpressure.
 */
#ifndef INGEST_QUEUE_H
#define INGEST_QUEUE_H

#include <pthread.h>

#include "ingest_device.h"
#include "wire.h"

/* More than a device may send, so that a message that is too long can still be judged and filed. */
#define INGEST_FRAME_BYTES_MAX 1024
#define INGEST_TOPIC_BYTES_MAX 96
#define INGEST_CLAIM_MAX       16 /* messages a worker takes at once */
/* A line that is an eighth full is a crowd: a batch waits much longer to be large, which makes each
 * event cheaper (a row, an answer and its signature a cart and batch) and nobody's answer later,
 * since answers wait for the line anyway. It never waits for messages that are not in the line. */
#define INGEST_CROWDED_PART  8
#define INGEST_CROWDED_TIMES 40

struct ingest_message {
    /* by ingest_offer */
    struct ingest_device *device; /* NULL: not known */
    int64_t received_ms;
    enum wire_type topic_type;
    bool topic_fits; /* "cart/{id}/{type}" */
    bool repeated;   /* the same body is stored already: only an answer is wanted */
    size_t topic_size;
    size_t claimed_size; /* the device part of the topic, a prefix of `claimed` */
    size_t frame_size;   /* bytes kept */
    size_t frame_whole;  /* bytes that came */
    uint64_t print;      /* of all but the last 64 bytes */
    /* by a worker */
    bool ready;
    bool appended;        /* in telemetry already: never again */
    bool has_identity;    /* epoch and counter were readable and name the topic's device */
    bool signature_valid; /* the device's own, over the body */
    enum wire_refusal refusal;
    struct wire_detail detail;
    struct span body;
    struct span signature;
    int64_t epoch;
    int64_t counter;
    uint8_t digest[WIRE_DIGEST_BYTES]; /* SHA-256 of the body */
    struct wire_event event;           /* when refusal is WIRE_FINE; points into `frame` */
    char topic[INGEST_TOPIC_BYTES_MAX];
    char claimed[INGEST_DEVICE_ID_BYTES_MAX];
    uint8_t frame[INGEST_FRAME_BYTES_MAX];
};

struct ingest_queue {
    pthread_mutex_t lock;
    pthread_cond_t work;  /* for workers */
    pthread_cond_t ready; /* for the committer */
    pthread_cond_t room;  /* for the network thread and flush */
    struct ingest_message *slots;
    uint64_t size; /* a power of two */
    uint64_t offered;
    uint64_t claimed;
    uint64_t freed;
    bool stopping;
    bool poked; /* the committer has something else to do */
};

/* size: a power of two. RES_NO_MEMORY. */
MUST_CHECK enum res ingest_queue_init(struct ingest_queue *q, uint64_t size);
void ingest_queue_deinit(struct ingest_queue *q);
/* Every wait below ends, with nothing, from now on. */
void ingest_queue_stop(struct ingest_queue *q);

/* Copies *head's fields by ingest_offer, and topic and frame (cut to their limits). RES_AGAIN: no
 * room. */
MUST_CHECK enum res ingest_queue_offer(struct ingest_queue *q, const struct ingest_message *head,
                                       struct span topic, struct span frame);
/* Waits until there is room, or the queue stops, or timeout_ms passed. */
void ingest_queue_wait_room(struct ingest_queue *q, int64_t timeout_ms);
/* Waits until everything offered before the call was freed. RES_AGAIN: not within timeout_ms. */
MUST_CHECK enum res ingest_queue_wait_empty(struct ingest_queue *q, int64_t timeout_ms);

/* A worker's share: the first of *ret_count messages from *ret_first on; 0 when stopping. */
void ingest_queue_claim(struct ingest_queue *q, uint64_t *ret_first, size_t *ret_count);
void ingest_queue_done(struct ingest_queue *q, uint64_t first, size_t count);
struct ingest_message *ingest_queue_at(struct ingest_queue *q, uint64_t index);

/* The committer: how many messages are ready from ingest_queue_first on, at most `most`. Waits up
 * to idle_ms for the first, a poke or the stop; then up to linger_ms (INGEST_CROWDED_TIMES as long
 * in a crowd) for `most`, unless nothing more is on its way. */
size_t ingest_queue_ready(struct ingest_queue *q, size_t most, int64_t idle_ms, int64_t linger_ms);
uint64_t ingest_queue_first(const struct ingest_queue *q);
void ingest_queue_free(struct ingest_queue *q, size_t count);
void ingest_queue_poke(struct ingest_queue *q);
/* Waits for timeout_ms, or until the queue stops. */
void ingest_queue_pause(struct ingest_queue *q, int64_t timeout_ms);
bool ingest_queue_stopping(struct ingest_queue *q);
/* Messages in the line. */
uint64_t ingest_queue_depth(struct ingest_queue *q);

#endif
