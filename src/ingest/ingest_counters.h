/* ingest_counters.h: the figures of one ingest object, counted by any thread. */
#ifndef INGEST_COUNTERS_H
#define INGEST_COUNTERS_H

#include <stdatomic.h>

#include "wire.h"

struct ingest_counters {
    _Atomic int64_t received;
    _Atomic int64_t accepted;
    _Atomic int64_t duplicates;
    _Atomic int64_t far;
    _Atomic int64_t rate_limited;
    _Atomic int64_t refused[WIRE_REFUSALS];
    _Atomic int64_t stored;
    _Atomic int64_t batches;
    _Atomic int64_t commit_us;
    _Atomic int64_t commit_us_max;
    _Atomic int64_t acks;
    _Atomic int64_t payments;
    _Atomic int64_t products;
    _Atomic int64_t late;
    _Atomic int64_t illegal;
    _Atomic int64_t conflicts;
};

#define INGEST_COUNT(counters, name, n)                                                            \
    ((void)atomic_fetch_add_explicit(&(counters)->name, (n), memory_order_relaxed))
#define INGEST_COUNTED(counters, name) atomic_load_explicit(&(counters)->name, memory_order_relaxed)

#endif
