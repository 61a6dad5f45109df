#include "bench_store.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_clock.h"
#include "telemetry.h"

/* A busy ingest's batch; the target of 3 us an event is for these. */
#define APPEND_BATCH     500
#define APPEND_US_FLOOR  3.0
#define APPEND_US_TARGET 2.0

static _Noreturn void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "endcap-bench: store: %s: %s\n", what, why);
    exit(1);
}

static void remove_all(const char *directory)
{
    DIR *d = opendir(directory);
    if (d != NULL) {
        for (struct dirent *item = readdir(d); item != NULL; item = readdir(d)) {
            if (item->d_name[0] != '.') {
                (void)unlinkat(dirfd(d), item->d_name, 0);
            }
        }
        (void)closedir(d);
    }
    (void)rmdir(directory);
}

static struct telemetry_event event_of(const struct bench_load_cart *carts,
                                       const struct bench_load_run *run,
                                       const struct bench_load_message *m)
{
    size_t body = m->size - (size_t)WIRE_SIGNATURE_BYTES;
    return (struct telemetry_event){
        .device_id = span_text(carts[m->cart].id, BENCH_LOAD_ID_BYTES),
        .store_id = SPAN_LIT(BENCH_LOAD_STORE),
        .session_id = span_text(m->session_id, sizeof m->session_id),
        .type = m->type,
        .epoch = run->epoch,
        .counter = m->counter,
        .device_time_ms = m->time_ms,
        .received_ms = m->time_ms + 60,
        .body = span_of(m->frame, body),
        .signature = span_of(m->frame + body, WIRE_SIGNATURE_BYTES),
    };
}

void bench_store_run(const struct bench_load_cart *carts, const struct bench_load_run *run,
                     size_t batch, const char *directory, struct bench_report *report)
{
    const struct telemetry_settings settings = {directory, "bench", TELEMETRY_SYNC_FULL};
    struct telemetry *t = NULL;
    struct telemetry_totals totals;
    struct err why = {""};
    struct telemetry_event *events = calloc(batch, sizeof *events);
    if (events == NULL || telemetry_open(&settings, &t, &why) != RES_OK) {
        die("cannot open", why.text);
    }
    double wall = bench_clock_wall();
    double cpu = bench_clock_cpu();
    size_t appended = 0;
    for (; appended + batch <= run->count; appended += batch) {
        telemetry_position position = 0;
        for (size_t i = 0; i < batch; i++) {
            events[i] = event_of(carts, run, &run->messages[appended + i]);
        }
        if (telemetry_append(t, events, batch, run->messages[0].time_ms, &position, &why) !=
            RES_OK) {
            die("cannot append", why.text);
        }
    }
    cpu = bench_clock_cpu() - cpu;
    wall = bench_clock_wall() - wall;
    telemetry_close(t); /* moves the log into the file */
    if (telemetry_open(&settings, &t, &why) != RES_OK ||
        telemetry_totals(t, &totals, &why) != RES_OK) {
        die("cannot read back", why.text);
    }
    telemetry_close(t);
    double cpu_us = cpu / (double)appended * 1e6;
    double per_second = (double)appended / wall;
    struct bench_report_row *row = NULL;
    if (batch >= APPEND_BATCH) {
        row = bench_report_add(report, "store", "CPU of an append, per event", "us", cpu_us,
                               "one microsecond", 1, APPEND_US_FLOOR, APPEND_US_TARGET);
        bench_report_note(row, "batches of %zu, durable, %.0f events/s of wall clock", batch,
                          per_second);
    }
    row = bench_report_add(report, "P30", "stored bytes per byte of telemetry", "bytes",
                           (double)totals.stored_bytes, "bodies and signatures as received",
                           (double)totals.body_bytes, 0.6, 0.35);
    bench_report_note(row, "%zu events in batches of %zu, %.0f bytes each, %.1f us of CPU an event",
                      appended, batch, (double)totals.body_bytes / (double)appended, cpu_us);
    free(events);
    remove_all(directory);
}
