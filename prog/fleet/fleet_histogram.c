#include "fleet_histogram.h"

static unsigned bucket_of(uint64_t value)
{
    if (value < FLEET_HISTOGRAM_STEPS) {
        return (unsigned)value;
    }
    unsigned power = 63u - (unsigned)__builtin_clzll(value); /* >= 4 */
    return (power - 3) * FLEET_HISTOGRAM_STEPS +
           (unsigned)(value >> (power - 4) & (FLEET_HISTOGRAM_STEPS - 1));
}

static int64_t end_of(unsigned bucket)
{
    if (bucket < FLEET_HISTOGRAM_STEPS) {
        return bucket;
    }
    unsigned power = bucket / FLEET_HISTOGRAM_STEPS + 3;
    uint64_t step = UINT64_C(1) << (power - 4);
    return (int64_t)((FLEET_HISTOGRAM_STEPS + bucket % FLEET_HISTOGRAM_STEPS + 1) * step - 1);
}

void fleet_histogram_add(struct fleet_histogram *h, int64_t value)
{
    uint64_t counted = value < 0 ? 0 : (uint64_t)value;
    h->buckets[bucket_of(counted)]++;
    h->count++;
    h->most = value > h->most ? value : h->most;
}

int64_t fleet_histogram_at(const struct fleet_histogram *h, unsigned per_mille)
{
    uint64_t wanted = (h->count * per_mille + 999) / 1000;
    uint64_t seen = 0;
    for (unsigned i = 0; i < FLEET_HISTOGRAM_BUCKETS && wanted > 0; i++) {
        seen += h->buckets[i];
        if (seen >= wanted) {
            return end_of(i) < h->most ? end_of(i) : h->most;
        }
    }
    return 0;
}
