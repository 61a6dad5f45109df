/* endcap-bench: the performance targets, each figure beside a baseline measured in the same run. */
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_broker.h"
#include "bench_ingest.h"
#include "bench_load.h"
#include "bench_report.h"
#include "bench_store.h"
#include "bench_verify.h"

struct options {
    bool json;
    bool no_memory;
    bool no_broker;
    size_t carts;
    size_t messages;
    double seconds;
};

static const char usage[] =
    "usage: endcap-bench [--json] [--carts N] [--messages N] [--seconds S] [--no-memory] "
    "[--no-broker]\n"
    "Measures targets P1..P5, P25, P29 and P30, each beside its baseline, with fsync on, and "
    "prints "
    "a table.\n"
    "  --json        one JSON object instead\n"
    "  --carts N     carts that send (1..1000, default 64)\n"
    "  --messages N  messages of each run, signed beforehand (default 100000)\n"
    "  --seconds S   for the loops without messages (default 3)\n"
    "  --no-memory, --no-broker  leave P2, P4, P25 and P29, or P3 and P5, out\n";

static bool read_number(const char *text, double least, double most, double *ret)
{
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= least && value <= most)) {
        return false;
    }
    *ret = value;
    return true;
}

/* -1: go on; otherwise the exit status. */
static int read_options(int argc, char **argv, struct options *o)
{
    static const struct option names[] = {
        {"json", no_argument, NULL, 'j'},           {"carts", required_argument, NULL, 'c'},
        {"messages", required_argument, NULL, 'm'}, {"seconds", required_argument, NULL, 's'},
        {"no-memory", no_argument, NULL, 'M'},      {"no-broker", no_argument, NULL, 'B'},
        {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0}};
    double number = 0;
    for (int c = 0; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        if (c == 'j') {
            o->json = true;
        } else if (c == 'M') {
            o->no_memory = true;
        } else if (c == 'B') {
            o->no_broker = true;
        } else if (c == 'c' && read_number(optarg, 1, 1000, &number)) {
            o->carts = (size_t)number;
        } else if (c == 'm' && read_number(optarg, 1000, 1e7, &number)) {
            o->messages = (size_t)number;
        } else if (c == 's' && read_number(optarg, 0.1, 600, &number)) {
            o->seconds = number;
        } else {
            (void)fputs(usage, c == 'h' ? stdout : stderr);
            return c == 'h' ? 0 : 2;
        }
    }
    if (optind < argc) {
        (void)fputs(usage, stderr);
        return 2;
    }
    return -1;
}

/* What the measurements hand on to each other. */
struct bench {
    struct options o;
    size_t per_cart;
    struct bench_load_cart *carts;
    struct bench_report report;
    double cores;
    double v; /* verifications a second, one core */
    int64_t epoch;
};

/* Messages no ingest has seen: each run is an epoch of its own. */
static void next_run(struct bench *b, struct bench_load_run *ret)
{
    bench_load_run(b->carts, b->o.carts, b->per_cart, ++b->epoch, ret);
}

static void measure_store(struct bench *b)
{
    struct bench_load_run run;
    char directory[] = "/tmp/endcap-bench-XXXXXX";
    char store[64];
    if (mkdtemp(directory) == NULL) {
        perror("endcap-bench: cannot make a directory in /tmp");
        exit(1);
    }
    (void)snprintf(store, sizeof store, "%s/telemetry", directory);
    next_run(b, &run);
    b->v = bench_verify_run(b->carts, b->o.carts, &run, b->o.seconds, &b->report);
    bench_store_run(b->carts, &run, 500, store, true, &b->report);
    bench_store_run(b->carts, &run, 20, store, true, &b->report);
    bench_load_run_free(&run);
    (void)rmdir(directory);
}

/* P2 and what comes with it; and P29, which wants everything, PostgreSQL too, on one core first. */
static void measure_memory(struct bench *b)
{
    struct bench_ingest_world world;
    struct bench_ingest_figure one;
    struct bench_ingest_figure all;
    struct bench_load_run run;
    cpu_set_t every;
    cpu_set_t first;
    CPU_ZERO(&first);
    CPU_SET(0, &first);
    next_run(b, &run);
    if (sched_getaffinity(0, sizeof every, &every) != 0 ||
        sched_setaffinity(0, sizeof first, &first) != 0) {
        perror("endcap-bench: cannot choose a core");
        exit(1);
    }
    if (!bench_ingest_start(b->carts, b->o.carts, true, &world)) {
        return;
    }
    bench_ingest_memory(&world, &run, 1, &one);
    bench_ingest_stop(&world);
    (void)sched_setaffinity(0, sizeof every, &every);
    if (!bench_ingest_start(b->carts, b->o.carts, true, &world)) {
        return;
    }
    bench_ingest_memory(&world, &run, 0, &all);
    bench_ingest_stop(&world);
    bench_load_run_free(&run);
    struct bench_report_row *row =
        bench_report_add(&b->report, "P2", "ingest from memory, all cores", "messages/s",
                         all.per_second, "V x C", b->v * b->cores, 0.8, 0.88);
    bench_report_note(row, "durable; batches of %.0f, %.1f ms a commit", all.batch, all.commit_ms);
    (void)bench_report_add(&b->report, "P4", "duplicates rejected, all cores", "messages/s",
                           all.again_per_second, "V x C", b->v * b->cores, 10, 20);
    row = bench_report_add(&b->report, "P25", "CPU of a message from memory", "us",
                           (all.cpu + all.database_cpu) * 1e6, "1/V", 1e6 / b->v, 1.6, 1.35);
    bench_report_note(row, "ingest %.1f us, its PostgreSQL backend %.1f us", all.cpu * 1e6,
                      all.database_cpu * 1e6);
    (void)bench_report_add(&b->report, "P29", "P2 on all cores against one", "messages/s",
                           all.per_second, "all processes on one core", one.per_second, 1.85, 1.95);
}

static double broker_ingest(struct bench *b, const struct bench_broker *broker, bool durable,
                            struct bench_ingest_figure *ret)
{
    struct bench_ingest_world world;
    struct bench_load_run run;
    if (!bench_ingest_start(b->carts, b->o.carts, durable, &world)) {
        return 0;
    }
    next_run(b, &run);
    bench_ingest_broker(&world, broker, &run, ret);
    bench_ingest_stop(&world);
    bench_load_run_free(&run);
    return ret->per_second;
}

static void measure_broker(struct bench *b)
{
    struct bench_broker broker;
    struct bench_broker_figure bare;
    struct bench_ingest_figure durable;
    struct bench_ingest_figure loose;
    struct bench_load_run run;
    if (!bench_broker_start(b->carts, b->o.carts, &broker)) {
        return;
    }
    next_run(b, &run);
    bench_broker_run(&broker, b->carts, b->o.carts, &run, &bare);
    bench_load_run_free(&run);
    double p3 = broker_ingest(b, &broker, true, &durable);
    double off = p3 > 0 ? broker_ingest(b, &broker, false, &loose) : 0;
    bench_broker_stop(&broker);
    if (p3 <= 0 || off <= 0) {
        return;
    }
    struct bench_report_row *row =
        bench_report_add(&b->report, "P3", "end to end through Mosquitto", "messages/s", p3,
                         "C/(1/V + 1/B)", b->cores / (1 / b->v + 1 / bare.per_second), 0.75, 0.85);
    bench_report_note(row,
                      "B %.0f/s, which costs %.0f us of CPU a message (%.0f us the broker, the "
                      "rest carts and receiver on the same cores): no more than %.0f/s fit here",
                      bare.per_second, bare.all_cpu * 1e6, bare.broker_cpu * 1e6,
                      b->cores / (1 / b->v + bare.all_cpu));
    row = bench_report_add(&b->report, "P5", "P3, with fsync against without", "messages/s", p3,
                           "the same without fsync in telemetry and PostgreSQL", off, 0.9, 0.95);
    bench_report_note(row, "%.1f and %.1f ms a commit, batches of %.0f and %.0f", durable.commit_ms,
                      loose.commit_ms, durable.batch, loose.batch);
}

int main(int argc, char **argv)
{
    struct bench b = {.o = {.carts = 64, .messages = 100000, .seconds = 3}};
    int status = read_options(argc, argv, &b.o);
    if (status >= 0) {
        return status;
    }
    b.cores = (double)sysconf(_SC_NPROCESSORS_ONLN);
    b.per_cart = b.o.messages / b.o.carts + 1;
    bench_report_init(&b.report);
    b.carts = bench_load_carts(b.o.carts);
    measure_store(&b);
    if (!b.o.no_memory) {
        measure_memory(&b);
    }
    if (!b.o.no_broker) {
        measure_broker(&b);
    }
    bench_load_carts_free(b.carts, b.o.carts);
    if (b.o.json) {
        bench_report_json(&b.report);
    } else {
        bench_report_table(&b.report);
    }
    return 0;
}
