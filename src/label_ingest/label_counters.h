/* label_counters.h: the figures of one label_ingest, counted by any thread. */
#ifndef LABEL_COUNTERS_H
#define LABEL_COUNTERS_H

#include <stdatomic.h>

#include "label_ingest.h"

struct label_counters {
    _Atomic int64_t received;
    _Atomic int64_t stored;
    _Atomic int64_t duplicates;
    _Atomic int64_t rate_limited;
    _Atomic int64_t unfiled;
    _Atomic int64_t refused[LABEL_INGEST_REFUSALS];
    _Atomic int64_t presences;
    _Atomic int64_t answers;
    _Atomic int64_t batches;
    _Atomic int64_t commit_us;
    _Atomic int64_t commit_us_max;
};

#define LABEL_COUNT(counters, name, n)                                                             \
    ((void)atomic_fetch_add_explicit(&(counters)->name, (n), memory_order_relaxed))
#define LABEL_COUNTED(counters, name) atomic_load_explicit(&(counters)->name, memory_order_relaxed)

#endif
