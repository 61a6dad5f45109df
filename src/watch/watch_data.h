/* watch_data.h: what the live terminal view shows, asked of the REST face: /api/summary, /readyz
 * and /metrics. A part that does not answer leaves its figures unknown; nothing here fails for
 * long.
 */
#ifndef WATCH_DATA_H
#define WATCH_DATA_H

#include <stdbool.h>
#include <stdint.h>

#define WATCH_PARTS_MAX 8
#define WATCH_UNKNOWN   INT64_MIN

struct watch_part {
    char name[24];
    bool ready;
    char detail[96];
};

struct watch_data {
    int64_t at_ms;  /* monotonic clock: rates are taken between two of these */
    bool reachable; /* the REST face answered */
    int64_t trips;
    int64_t open_sessions;
    int64_t unreconciled;
    int64_t carts;
    int64_t carts_seen;
    int64_t labels;
    int64_t labels_online;
    int64_t displays_under_way;
    int64_t displays_failing;
    int64_t events_stored;
    int64_t queued_on_carts;
    int64_t rejected;
    int64_t open_alerts;
    int64_t received;   /* by ingest since it started, repeats too */
    int64_t duplicates; /* of these */
    int64_t waiting;    /* messages in ingest's queue */
    uint16_t part_count;
    struct watch_part parts[WATCH_PARTS_MAX]; /* as /readyz names them */
};

/* Asks the REST face on 127.0.0.1; takes at most three times timeout_ms. */
void watch_data_read(uint16_t port, unsigned timeout_ms, struct watch_data *ret);
/* Sum of the samples of one name in the Prometheus text format; WATCH_UNKNOWN: there is none. */
int64_t watch_data_metric(const char *text, const char *name);

#endif
