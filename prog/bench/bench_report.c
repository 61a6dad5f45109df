#include "bench_report.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <jansson.h>
#include <libpq-fe.h>
#include <mosquitto.h>
#include <openssl/crypto.h>
#include <sqlite3.h>
#include <zstd.h>

static void cpu_name(char *name, size_t size)
{
    char line[BENCH_REPORT_TEXT];
    (void)snprintf(name, size, "unknown CPU");
    FILE *file = fopen("/proc/cpuinfo", "re");
    if (file == NULL) {
        return;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon != NULL) {
            (void)snprintf(name, size, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
            break;
        }
    }
    (void)fclose(file);
}

void bench_report_init(struct bench_report *r)
{
    char cpu[96];
    struct utsname kernel = {.release = ""};
    int major = 0;
    int minor = 0;
    int revision = 0;
    *r = (struct bench_report){.count = 0};
    cpu_name(cpu, sizeof cpu);
    (void)uname(&kernel);
    (void)mosquitto_lib_version(&major, &minor, &revision);
    (void)snprintf(r->machine, sizeof r->machine, "%s, %ld cores, %s %s", cpu,
                   sysconf(_SC_NPROCESSORS_ONLN), kernel.sysname, kernel.release);
    (void)snprintf(r->versions, sizeof r->versions,
                   "OpenSSL %s; SQLite %s; zstd %s; Mosquitto %d.%d.%d; libpq %d.%d; gcc %s",
                   OpenSSL_version(OPENSSL_VERSION_STRING), sqlite3_libversion(),
                   ZSTD_versionString(), major, minor, revision, PQlibVersion() / 10000,
                   PQlibVersion() % 10000, __VERSION__);
}

struct bench_report_row *bench_report_add(struct bench_report *r, const char *id, const char *what,
                                          const char *unit, double value, const char *against,
                                          double baseline, double floor, double target)
{
    assert(r->count < BENCH_REPORT_ROWS_MAX);
    struct bench_report_row *row = &r->rows[r->count++];
    *row = (struct bench_report_row){.id = id,
                                     .what = what,
                                     .unit = unit,
                                     .value = value,
                                     .against = against,
                                     .baseline = baseline,
                                     .ratio = baseline > 0 ? value / baseline : 0,
                                     .floor = floor,
                                     .target = target,
                                     .less_is_better = target < floor};
    return row;
}

void bench_report_note(struct bench_report_row *row, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(row->note, sizeof row->note, format, args);
    va_end(args);
}

static const char *verdict(const struct bench_report_row *row)
{
    bool floor = row->less_is_better ? row->ratio <= row->floor : row->ratio >= row->floor;
    bool target = row->less_is_better ? row->ratio <= row->target : row->ratio >= row->target;
    return target ? "target" : floor ? "floor" : "BELOW";
}

void bench_report_table(const struct bench_report *r)
{
    (void)printf("%s\n%s\n\n", r->machine, r->versions);
    (void)printf("%-5s %-42s %12s %12s %8s %7s %7s  %s\n", "id", "measured", "value", "baseline",
                 "ratio", "floor", "target", "reached");
    for (size_t i = 0; i < r->count; i++) {
        const struct bench_report_row *row = &r->rows[i];
        (void)printf("%-5s %-42s %12.2f %12.2f %8.3f %7.2f %7.2f  %s\n", row->id, row->what,
                     row->value, row->baseline, row->ratio, row->floor, row->target, verdict(row));
        (void)printf("      %s, against %s%s%s\n", row->unit, row->against,
                     row->note[0] != '\0' ? "; " : "", row->note);
    }
}

void bench_report_json(const struct bench_report *r)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < r->count; i++) {
        const struct bench_report_row *row = &r->rows[i];
        (void)json_array_append_new(
            rows, json_pack("{s:s, s:s, s:s, s:f, s:s, s:f, s:f, s:f, s:f, s:s, s:s}", "id",
                            row->id, "what", row->what, "unit", row->unit, "value", row->value,
                            "against", row->against, "baseline", row->baseline, "ratio", row->ratio,
                            "floor", row->floor, "target", row->target, "reached", verdict(row),
                            "note", row->note));
    }
    json_t *all =
        json_pack("{s:s, s:s, s:o}", "machine", r->machine, "versions", r->versions, "rows", rows);
    (void)json_dumpf(all, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
    (void)printf("\n");
    json_decref(all);
}
