/* bench_round.h: a message there and an answer back through the bare broker, as a label's update
 * and its acknowledgement pass it.
 */
#ifndef BENCH_ROUND_H
#define BENCH_ROUND_H

#include "bench_broker.h"

struct bench_round_figure {
    double p50_ms;
    double p99_ms;
};
/* `count` rounds of the first cart, one after the other, at most 1,000 a second. Ends the process
 * on failure. */
void bench_round_run(const struct bench_broker *b, const struct bench_load_cart *carts,
                     size_t count, struct bench_round_figure *ret);

#endif
