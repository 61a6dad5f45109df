/* bench_store.h: P30 and the cost of an append, on the telemetry store alone.
 */
#ifndef BENCH_STORE_H
#define BENCH_STORE_H

#include "bench_load.h"
#include "bench_report.h"

/* Appends the run in batches of `batch` to a store in `directory` (made, and removed after). Adds
 * the ratio of bytes and, for large batches, the CPU of an append. */
void bench_store_run(const struct bench_load_cart *carts, const struct bench_load_run *run,
                     size_t batch, const char *directory, struct bench_report *report);

#endif
