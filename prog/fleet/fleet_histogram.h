/* fleet_histogram.h: a distribution of durations in 4 KB, exact to a sixteenth. */
#ifndef FLEET_HISTOGRAM_H
#define FLEET_HISTOGRAM_H

#include <stdint.h>

#define FLEET_HISTOGRAM_STEPS   16 /* of one power of two */
#define FLEET_HISTOGRAM_BUCKETS (64 * FLEET_HISTOGRAM_STEPS)

struct fleet_histogram {
    uint64_t count;
    int64_t most;
    uint32_t buckets[FLEET_HISTOGRAM_BUCKETS];
};

/* A negative one counts as 0. */
void fleet_histogram_add(struct fleet_histogram *h, int64_t value);
/* The least value that `per_mille` of all are at or below, rounded up to its bucket's end, at most
 * the largest seen; 0 when there are none. */
int64_t fleet_histogram_at(const struct fleet_histogram *h, unsigned per_mille);

#endif
