/* bench_ingest.h: the whole ingest with a PostgreSQL and telemetry of its own: from memory (P2, P4,
 * P29, P25) and behind the broker (P3, P5).
 */
#ifndef BENCH_INGEST_H
#define BENCH_INGEST_H

#include "bench_broker.h"
#include "ingest.h"
#include "pg_fixture.h"

struct bench_ingest_world {
    struct pg_fixture pg;
    struct bench_load_cart *carts;
    size_t cart_count;
    enum telemetry_sync sync;
    char platform_key[192];
    unsigned runs; /* each gets telemetry and a writer of its own */
};

/* False: there is no PostgreSQL on this machine. `durable` false: no fsync anywhere. */
bool bench_ingest_start(struct bench_load_cart *carts, size_t cart_count, bool durable,
                        struct bench_ingest_world *ret);
void bench_ingest_stop(struct bench_ingest_world *w);

struct bench_ingest_figure {
    double per_second; /* wall clock, until all is committed */
    double cpu;        /* seconds a message, this process: parse, verify, dedup, telemetry, acks */
    double database_cpu;     /* seconds a message, the PostgreSQL backends that serve it */
    double again_per_second; /* the same messages once more: duplicates */
    double commit_ms;        /* a batch, mean */
    double batch;            /* messages, mean */
};
/* From memory. workers 0: one a core. */
void bench_ingest_memory(struct bench_ingest_world *w, const struct bench_load_run *run,
                         unsigned workers, struct bench_ingest_figure *ret);
/* Through the broker: carts with windows, commit-acks over the broker. */
void bench_ingest_broker(struct bench_ingest_world *w, const struct bench_broker *b,
                         const struct bench_load_run *run, struct bench_ingest_figure *ret);

#endif
