/* impairment.h: a network between a device and the real one that loses, repeats and reorders what
 * is published, by chance from a seed; for demonstrations of what the delivery contract bears.
 */
#ifndef IMPAIRMENT_H
#define IMPAIRMENT_H

#include "network.h"
#include "rng.h"

#define IMPAIRMENT_FRAME_BYTES_MAX 2048
#define IMPAIRMENT_TOPIC_BYTES_MAX 64
#define IMPAIRMENT_MEMORY          32  /* frames that may be replayed */
#define IMPAIRMENT_HELD_MAX        8   /* frames held back at once */
#define IMPAIRMENT_HOLD_MS         300 /* at most */

struct impairment_frame {
    uint8_t topic[IMPAIRMENT_TOPIC_BYTES_MAX];
    uint8_t bytes[IMPAIRMENT_FRAME_BYTES_MAX];
    size_t topic_size;
    size_t size; /* 0: none here */
    int64_t due_ms;
};

struct impairment {
    struct network network; /* use this */
    const struct network *real;
    struct rng rng;
    double drop; /* each 0..1, by published frame */
    double replay;
    double reorder;
    int64_t now_ms; /* set by the owner */
    uint64_t dropped;
    uint64_t replayed;
    uint64_t reordered;
    size_t memory_next;
    struct impairment_frame memory[IMPAIRMENT_MEMORY];
    struct impairment_frame held[IMPAIRMENT_HELD_MAX];
};

void impairment_init(struct impairment *i, const struct network *real, uint64_t seed);
/* Sends what was held back long enough. */
void impairment_tick(struct impairment *i);

#endif
