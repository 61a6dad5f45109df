/* What an ack costs: 10,000 labels confirm a delivery each, round after round, with fsync. CPU of
 * this process (the making of the messages is subtracted) and of its PostgreSQL backend.
 *
 * usage: bench_label_ingest [ROUNDS]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "label_world.h"

#define LABELS 10000

static struct label_world world;

static double own_cpu(void)
{
    struct rusage u;
    (void)getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static double cpu_of(int64_t pid)
{
    char path[64];
    char text[1024];
    (void)snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
    size_t size = 0;
    if (file_read(path, text, sizeof text - 1, &size, NULL) != RES_OK) {
        return 0;
    }
    text[size] = '\0';
    const char *at = strrchr(text, ')');
    for (int field = 2; at != NULL && field < 14; field++) { /* proc(5): utime is the 14th */
        at = strchr(at + 1, ' ');
    }
    char *end = NULL;
    unsigned long user = at == NULL ? 0 : strtoul(at, &end, 10);
    unsigned long kernel = at == NULL ? 0 : strtoul(end, NULL, 10);
    return (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
}

static void make_deliveries(int64_t version)
{
    char sql[1024];
    (void)snprintf(sql, sizeof sql,
                   "INSERT INTO delivery (delivery_id, label_id, store_id, kind, version, "
                   "content_digest, item_id, state, attempts, sent_at) SELECT "
                   "('00000000-0000-4000-8000-' || lpad(n::text, 6, '0') || '%06lld')::uuid, "
                   "'ESP32-' || lpad(n::text, 6, '0'), '" LABEL_WORLD_STORE "', 'display', %lld, "
                   "decode(repeat('ab', 32), 'hex'), '" LABEL_WORLD_ITEM "', 'sent', 1, now() FROM "
                   "generate_series(1, %d) AS n",
                   (long long)version, (long long)version, LABELS);
    pg_fixture_sql(world.super, sql);
}

static double making_cpu(int64_t version)
{
    double before = own_cpu();
    size_t bytes = 0;
    for (unsigned i = 1; i <= LABELS; i++) {
        bytes += strlen(label_world_ack(i, version, version, "ab"));
    }
    return bytes > 0 ? own_cpu() - before : 0;
}

int main(int argc, char **argv)
{
    long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 5;
    if (!label_world_start(&world, PG_FIXTURE_DURABLE)) {
        return 77;
    }
    world.sync = TELEMETRY_SYNC_FULL;
    world.linger_ms = LABEL_INGEST_LINGER_DEFAULT_MS;
    label_world_reset(&world, LABELS);
    label_world_open(&world, "bench-labels");
    int64_t pid = label_world_number(
        &world, "SELECT pid::bigint FROM pg_stat_activity WHERE usename = 'endcap_ingest'");
    for (int64_t round = 1; round <= rounds; round++) {
        make_deliveries(round);
        double making = making_cpu(round);
        double own = own_cpu();
        double database = cpu_of(pid);
        int64_t batches = label_world_figures(&world).batches;
        int64_t began_ms = clock_monotonic_ms();
        for (unsigned i = 1; i <= LABELS; i++) {
            char id[16];
            (void)snprintf(id, sizeof id, "ESP32-%06u", i);
            label_world_offer(&world, id, "ack", label_world_ack(i, round, round, "ab"));
        }
        label_world_flush(&world);
        int64_t took_ms = clock_monotonic_ms() - began_ms;
        (void)printf("{\"round\": %lld, \"acks\": %d, \"batches\": %lld, \"acks_per_s\": %.0f, "
                     "\"ingest_us\": %.1f, \"postgres_us\": %.1f}\n",
                     (long long)round, LABELS,
                     (long long)(label_world_figures(&world).batches - batches),
                     LABELS * 1000.0 / (double)took_ms, (own_cpu() - own - making) * 1e6 / LABELS,
                     (cpu_of(pid) - database) * 1e6 / LABELS);
    }
    bool all = label_world_number(&world, "SELECT count(*) FROM delivery WHERE state <> "
                                          "'displayed'") == 0;
    label_world_stop(&world);
    return all ? 0 : 1;
}
