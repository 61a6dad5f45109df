/* bench_publish.h: carts that send a run through a broker over mutual TLS, from processes of their
 * own. A cart has at most 32 events on their way beyond what was acknowledged, as real ones do
 * (design: delivery).
 */
#ifndef BENCH_PUBLISH_H
#define BENCH_PUBLISH_H

#include <stdatomic.h>
#include <sys/types.h>

#include "bench_load.h"
#include "broker_fixture.h"

#define BENCH_PUBLISH_WINDOW        32
#define BENCH_PUBLISH_PROCESSES_MAX 8

/* Memory that all the processes see. */
struct bench_publish_shared {
    _Atomic int connected; /* carts */
    _Atomic int go;
    _Atomic int stop;
    _Atomic int64_t through[BENCH_LOAD_CARTS_MAX]; /* counters acknowledged, by cart */
};

struct bench_publish {
    struct bench_publish_shared *shared;
    pid_t children[BENCH_PUBLISH_PROCESSES_MAX];
    size_t child_count;
};

struct bench_publish_plan {
    const struct broker_fixture *fixture;
    const struct broker_identity_files *files; /* one a cart */
    const struct bench_load_cart *carts;
    size_t cart_count;
    const struct bench_load_run *run;
    bool commit_acks; /* wait for the platform's; otherwise the receiver raises shared->through */
    size_t processes;
};

/* Forks (so before other threads are made), connects all, returns when they are ready. Failures end
 * the process. */
void bench_publish_start(const struct bench_publish_plan *plan, struct bench_publish *ret);
/* Lets them send. */
void bench_publish_go(struct bench_publish *p);
/* CPU seconds the processes have used. */
double bench_publish_cpu(const struct bench_publish *p);
/* Ends them, whatever they do. */
void bench_publish_end(struct bench_publish *p);

#endif
