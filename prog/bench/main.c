/* endcap-bench: the performance targets, each figure beside a baseline measured in the same run. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_load.h"
#include "bench_report.h"
#include "bench_store.h"
#include "bench_verify.h"

struct options {
    bool json;
    size_t carts;
    size_t messages;
    double seconds;
};

static const char usage[] =
    "usage: endcap-bench [--json] [--carts N] [--messages N] [--seconds S]\n"
    "Measures targets P1..P5, P25, P29 and P30, each beside its baseline, with fsync on, and "
    "prints "
    "a table.\n"
    "  --json        one JSON object instead\n"
    "  --carts N     carts that send (1..1000, default 64)\n"
    "  --messages N  messages of each run, signed beforehand (default 100000)\n"
    "  --seconds S   for the loops without messages (default 3)\n";

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
        {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0}};
    double number = 0;
    for (int c = 0; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        if (c == 'j') {
            o->json = true;
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

int main(int argc, char **argv)
{
    struct options o = {.carts = 64, .messages = 100000, .seconds = 3};
    struct bench_report report;
    struct bench_load_run run;
    char directory[] = "/tmp/endcap-bench-XXXXXX";
    char store[64];
    int status = read_options(argc, argv, &o);
    if (status >= 0) {
        return status;
    }
    if (mkdtemp(directory) == NULL) {
        perror("endcap-bench: cannot make a directory in /tmp");
        return 1;
    }
    (void)snprintf(store, sizeof store, "%s/telemetry", directory);
    bench_report_init(&report);
    struct bench_load_cart *carts = bench_load_carts(o.carts);
    bench_load_run(carts, o.carts, o.messages / o.carts + 1, 1, &run);
    (void)bench_verify_run(carts, o.carts, &run, o.seconds, &report);
    bench_store_run(carts, &run, 500, store, true, &report);
    bench_store_run(carts, &run, 20, store, true, &report);
    bench_load_run_free(&run);
    bench_load_carts_free(carts, o.carts);
    (void)rmdir(directory);
    if (o.json) {
        bench_report_json(&report);
    } else {
        bench_report_table(&report);
    }
    return 0;
}
