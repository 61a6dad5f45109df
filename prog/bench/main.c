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
#include "bench_round.h"
#include "bench_store.h"
#include "bench_verify.h"

struct options {
    bool json;
    bool no_memory;
    bool no_broker;
    bool floor;
    size_t carts;
    size_t messages;
    unsigned rounds;
    double seconds;
};

static const char usage[] =
    "usage: endcap-bench [--json] [--carts N] [--messages N] [--seconds S] [--rounds N]\n"
    "       [--no-memory] [--no-broker]\n"
    "Measures targets P1..P5, P25, P29 and P30, each beside its baseline, with fsync on, and "
    "prints "
    "a table.\n"
    "  --json        one JSON object instead\n"
    "  --carts N     carts that send (1..1000, default 64)\n"
    "  --messages N  of each run, signed beforehand (1000..10000000, default 100000)\n"
    "  --seconds S   for the loops without messages (default 3)\n"
    "  --rounds N    each run so often, the best one counts (default 2)\n"
    "  --no-memory, --no-broker  leave P2, P4, P25 and P29, or P3 and P5, out\n"
    "  --floor       only what the bare broker gives, for the label targets' baselines, as JSON\n";

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

static int misuse(const char *word, const char *words)
{
    (void)fprintf(stderr, "endcap-bench: `%s` %s; see endcap-bench --help\n", word, words);
    return 2;
}

/* -1: go on; otherwise the exit status. */
static int read_options(int argc, char **argv, struct options *o)
{
    static const struct option names[] = {
        {"json", no_argument, NULL, 'j'},           {"carts", required_argument, NULL, 'c'},
        {"messages", required_argument, NULL, 'm'}, {"seconds", required_argument, NULL, 's'},
        {"rounds", required_argument, NULL, 'r'},   {"no-memory", no_argument, NULL, 'M'},
        {"no-broker", no_argument, NULL, 'B'},      {"floor", no_argument, NULL, 'f'},
        {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0}};
    double number = 0;
    opterr = 0;
    for (int c = 0; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        if (c == 'j') {
            o->json = true;
        } else if (c == 'M') {
            o->no_memory = true;
        } else if (c == 'B') {
            o->no_broker = true;
        } else if (c == 'f') {
            o->floor = true;
        } else if (c == 'c' && read_number(optarg, 1, 1000, &number)) {
            o->carts = (size_t)number;
        } else if (c == 'm' && read_number(optarg, 1000, 1e7, &number)) {
            o->messages = (size_t)number;
        } else if (c == 'r' && read_number(optarg, 1, 100, &number)) {
            o->rounds = (unsigned)number;
        } else if (c == 's' && read_number(optarg, 0.1, 600, &number)) {
            o->seconds = number;
        } else if (c == 'h') {
            (void)fputs(usage, stdout);
            return 0;
        } else {
            return misuse(argv[optind - 1],
                          "is no option, or its value is missing or out of range");
        }
    }
    return optind < argc ? misuse(argv[optind], "is no option") : -1;
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
    bench_store_run(b->carts, &run, 500, store, &b->report);
    bench_store_run(b->carts, &run, 20, store, &b->report);
    bench_load_run_free(&run);
    (void)rmdir(directory);
}

static void keep_best(struct bench_ingest_figure *best, const struct bench_ingest_figure *next)
{
    double again = best->again_per_second > next->again_per_second ? best->again_per_second
                                                                   : next->again_per_second;
    if (next->per_second > best->per_second) {
        *best = *next;
    }
    best->again_per_second = again;
}

/* From memory, with a PostgreSQL of its own on the same cores; false: there is none here. */
static bool memory_round(struct bench *b, const struct bench_load_run *run, unsigned workers,
                         struct bench_ingest_figure *best)
{
    struct bench_ingest_world world;
    struct bench_ingest_figure figure;
    if (!bench_ingest_start(b->carts, b->o.carts, true, &world)) {
        return false;
    }
    bench_ingest_memory(&world, run, workers, &figure);
    bench_ingest_stop(&world);
    keep_best(best, &figure);
    return true;
}

static bool one_core_round(struct bench *b, const struct bench_load_run *run,
                           struct bench_ingest_figure *best)
{
    cpu_set_t every;
    cpu_set_t first;
    CPU_ZERO(&first);
    CPU_SET(0, &first);
    if (sched_getaffinity(0, sizeof every, &every) != 0 ||
        sched_setaffinity(0, sizeof first, &first) != 0) {
        perror("endcap-bench: cannot choose a core");
        exit(1);
    }
    bool ran = memory_round(b, run, 1, best);
    (void)sched_setaffinity(0, sizeof every, &every);
    return ran;
}

/* P2 and what comes with it. */
static void measure_memory(struct bench *b)
{
    struct bench_ingest_figure one = {0};
    struct bench_ingest_figure all = {0};
    struct bench_load_run run;
    double at_once = 0;
    next_run(b, &run);
    for (unsigned i = 0; i < b->o.rounds; i++) {
        double now = bench_verify_cores((size_t)b->cores, 1);
        at_once = now > at_once ? now : at_once;
        if (!memory_round(b, &run, 0, &all) || !one_core_round(b, &run, &one)) {
            bench_load_run_free(&run);
            return;
        }
    }
    bench_load_run_free(&run);
    double base = b->v * b->cores;
    double cpu = all.cpu + all.database_cpu;
    struct bench_report_row *row =
        bench_report_add(&b->report, "P2", "ingest from memory, all cores", "messages/s",
                         all.per_second, "V x C", base, 0.8, 0.88);
    bench_report_note(row,
                      "durable; batches of %.0f, %.1f ms a commit; OpenSSL's loop on all cores at "
                      "once ran at %.0f/s; by its CPU alone %.0f/s",
                      all.batch, all.commit_ms, at_once, b->cores / cpu);
    (void)bench_report_add(&b->report, "P4", "duplicates rejected, all cores", "messages/s",
                           all.again_per_second, "V x C", base, 10, 20);
    row = bench_report_add(&b->report, "P25", "CPU of a message from memory", "us", cpu * 1e6,
                           "1/V", 1e6 / b->v, 1.6, 1.35);
    bench_report_note(row, "ingest %.1f us, its PostgreSQL backend %.1f us", all.cpu * 1e6,
                      all.database_cpu * 1e6);
    (void)bench_report_add(&b->report, "P29", "P2 on all cores against one", "messages/s",
                           all.per_second, "all processes on one core", one.per_second, 1.85, 1.95);
}

static bool broker_round(struct bench *b, const struct bench_broker *broker, bool durable,
                         struct bench_ingest_figure *best)
{
    struct bench_ingest_world world;
    struct bench_ingest_figure figure;
    struct bench_load_run run;
    if (!bench_ingest_start(b->carts, b->o.carts, durable, &world)) {
        return false;
    }
    next_run(b, &run);
    bench_ingest_broker(&world, broker, &run, &figure);
    bench_ingest_stop(&world);
    bench_load_run_free(&run);
    keep_best(best, &figure);
    return true;
}

static void bare_round(struct bench *b, const struct bench_broker *broker,
                       struct bench_broker_figure *best)
{
    struct bench_broker_figure figure;
    struct bench_load_run run;
    next_run(b, &run);
    bench_broker_run(broker, b->carts, b->o.carts, &run, &figure);
    bench_load_run_free(&run);
    if (figure.per_second > best->per_second) {
        *best = figure;
    }
}

static void measure_broker(struct bench *b)
{
    struct bench_broker broker;
    struct bench_broker_figure bare = {0};
    struct bench_ingest_figure durable = {0};
    struct bench_ingest_figure loose = {0};
    if (!bench_broker_start(b->carts, b->o.carts, &broker)) {
        return;
    }
    bool ran = true;
    for (unsigned i = 0; i < b->o.rounds && ran; i++) {
        bare_round(b, &broker, &bare);
        ran = broker_round(b, &broker, true, &durable) && broker_round(b, &broker, false, &loose);
    }
    bench_broker_stop(&broker);
    if (!ran) {
        return;
    }
    double base = b->cores / (1 / b->v + 1 / bare.per_second);
    struct bench_report_row *row =
        bench_report_add(&b->report, "P3", "end to end through Mosquitto", "messages/s",
                         durable.per_second, "C/(1/V + 1/B)", base, 0.75, 0.85);
    bench_report_note(row,
                      "B %.0f/s, which costs %.0f us of CPU a message (%.0f us the broker, the "
                      "rest carts and receiver on the same cores): no more than %.0f/s fit here; "
                      "ingest %.0f us",
                      bare.per_second, bare.all_cpu * 1e6, bare.broker_cpu * 1e6,
                      b->cores / (1 / b->v + bare.all_cpu), durable.cpu * 1e6);
    row = bench_report_add(&b->report, "P5", "P3, with fsync against without", "messages/s",
                           durable.per_second, "the same without fsync in telemetry and PostgreSQL",
                           loose.per_second, 0.9, 0.95);
    bench_report_note(row, "%.1f and %.1f ms a commit, batches of %.0f and %.0f", durable.commit_ms,
                      loose.commit_ms, durable.batch, loose.batch);
}

#define FLOOR_ROUNDS 3000

/* False: there is no broker here. */
static bool print_floor(struct bench *b)
{
    struct bench_broker broker;
    struct bench_broker_figure bare = {0};
    struct bench_round_figure round;
    if (!bench_broker_start(b->carts, b->o.carts, &broker)) {
        return false;
    }
    for (unsigned i = 0; i < b->o.rounds; i++) {
        bare_round(b, &broker, &bare);
    }
    bench_round_run(&broker, b->carts, FLOOR_ROUNDS, &round);
    bench_broker_stop(&broker);
    (void)printf("{\"passages_per_second\":%.0f,\"passage_cpu_us\":%.2f,\"broker_cpu_us\":%.2f,"
                 "\"round_trip_p50_ms\":%.3f,\"round_trip_p99_ms\":%.3f}\n",
                 bare.per_second, bare.all_cpu * 1e6, bare.broker_cpu * 1e6, round.p50_ms,
                 round.p99_ms);
    return true;
}

int main(int argc, char **argv)
{
    struct bench b = {.o = {.carts = 64, .messages = 100000, .rounds = 2, .seconds = 3}};
    int status = read_options(argc, argv, &b.o);
    if (status >= 0) {
        return status;
    }
    b.cores = (double)sysconf(_SC_NPROCESSORS_ONLN);
    b.per_cart = b.o.messages / b.o.carts + 1;
    bench_report_init(&b.report);
    b.carts = bench_load_carts(b.o.carts);
    if (b.o.floor) {
        bool there = print_floor(&b);
        bench_load_carts_free(b.carts, b.o.carts);
        return there ? 0 : 1;
    }
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
