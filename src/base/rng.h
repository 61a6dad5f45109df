/* rng.h: a small deterministic generator (SplitMix64) for tests, jitter and simulation; never for
 * keys. One seed replays everything. Freestanding.
 */
#ifndef RNG_H
#define RNG_H

#include <stdint.h>

struct rng {
    uint64_t state;
};

void rng_init(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);
/* Uniform in [0, bound), bound > 0. */
uint64_t rng_below(struct rng *r, uint64_t bound);

#endif
