/* label_line.h: the bounded line of messages between the network and the committer. They leave in
 * the order they came in. A full line makes the network thread wait: that is the backpressure.
 */
#ifndef LABEL_LINE_H
#define LABEL_LINE_H

#include <pthread.h>

#include "label_device.h"
#include "shelf.h"

/* More than a label may send, so that a message that is too long can still be judged and filed. */
#define LABEL_LINE_PAYLOAD_BYTES_MAX (SHELF_UP_BYTES_MAX + 64)
#define LABEL_LINE_TOPIC_BYTES_MAX   96
/* A line that is an eighth full is a crowd: a batch waits longer to be large, which makes each
 * message cheaper, and nobody's answer later. */
#define LABEL_LINE_CROWDED_PART  8
#define LABEL_LINE_CROWDED_TIMES 5

enum label_line_kind { LABEL_LINE_SHELF, LABEL_LINE_PRESENCE, LABEL_LINE_BROKER, LABEL_LINE_NONE };

struct label_message {
    enum label_line_kind kind;
    enum shelf_topic topic_kind; /* of a LABEL_LINE_SHELF */
    struct label_device *device; /* NULL: not a label's topic */
    int64_t received_ms;
    bool stored; /* in telemetry already: never again */
    size_t topic_size;
    size_t payload_size;  /* bytes kept */
    size_t payload_whole; /* bytes that came */
    char topic[LABEL_LINE_TOPIC_BYTES_MAX];
    uint8_t payload[LABEL_LINE_PAYLOAD_BYTES_MAX];
};

struct label_line {
    pthread_mutex_t lock;
    pthread_cond_t ready; /* for the committer */
    pthread_cond_t room;  /* for the network thread and flush */
    struct label_message *slots;
    uint64_t size; /* a power of two */
    uint64_t offered;
    uint64_t freed;
    bool stopping;
};

/* RES_NO_MEMORY. */
MUST_CHECK enum res label_line_init(struct label_line *l, uint64_t size);
void label_line_deinit(struct label_line *l);
/* Every wait ends, with nothing, from now on. */
void label_line_stop(struct label_line *l);
bool label_line_stopping(struct label_line *l);

/* Copies kind, topic_kind, device and received_ms of *head, and topic and payload, cut to their
 * limits. RES_AGAIN: no room. */
MUST_CHECK enum res label_line_offer(struct label_line *l, const struct label_message *head,
                                     struct span topic, struct span payload);
/* Waits until there is room, or the line stops, or timeout_ms passed. */
void label_line_wait_room(struct label_line *l, int64_t timeout_ms);
/* Waits until everything offered before was freed. RES_AGAIN: not within timeout_ms. */
MUST_CHECK enum res label_line_wait_empty(struct label_line *l, int64_t timeout_ms);

/* How many messages are there, at most `most`: waits up to idle_ms for the first, then up to
 * linger_ms for `most` (LABEL_LINE_CROWDED_TIMES as long in a crowd). */
size_t label_line_ready(struct label_line *l, size_t most, int64_t idle_ms, int64_t linger_ms);
/* The i-th of them. */
struct label_message *label_line_at(struct label_line *l, size_t i);
void label_line_free(struct label_line *l, size_t count);
/* Waits for timeout_ms, or until the line stops. */
void label_line_pause(struct label_line *l, int64_t timeout_ms);
uint64_t label_line_depth(struct label_line *l);

#endif
