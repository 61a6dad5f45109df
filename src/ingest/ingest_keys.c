#include "ingest_keys.h"

#include <string.h>

/* At most one certificate of a device is not revoked; it wins over the revoked ones before it. */
#define SELECT_KEYS                                                                                \
    "SELECT DISTINCT ON (c.device_id) c.device_id, c.store_id::text, s.region, c.public_key, "     \
    "c.revoked_at IS NOT NULL FROM device_certificate c JOIN store s ON s.store_id = c.store_id "  \
    "WHERE c.kind = 'cart' "
#define NEWEST_FIRST " ORDER BY c.device_id, c.revoked_at DESC NULLS FIRST, c.issued_at DESC"

static const char all_sql[] = SELECT_KEYS NEWEST_FIRST;
static const char recent_sql[] =
    SELECT_KEYS "AND (c.issued_at > now() - interval '15 seconds' "
                "OR c.revoked_at > now() - interval '15 seconds')" NEWEST_FIRST;
static const char one_sql[] = SELECT_KEYS "AND c.device_id = $1" NEWEST_FIRST;

void ingest_keys_init(struct ingest_keys *k, struct ingest_devices *devices)
{
    memset(k, 0, sizeof *k);
    k->devices = devices;
}

static enum res take(struct ingest_keys *k, const PGresult *rows, struct err *why)
{
    enum res res = RES_OK;
    (void)pthread_mutex_lock(&k->devices->lock);
    for (int i = 0; i < PQntuples(rows) && res == RES_OK; i++) {
        res = ingest_devices_put(k->devices, pg_get_span(rows, i, 0), pg_get_span(rows, i, 1),
                                 pg_get_span(rows, i, 2), pg_get_span(rows, i, 3),
                                 pg_get_bool(rows, i, 4));
    }
    (void)pthread_mutex_unlock(&k->devices->lock);
    if (res != RES_OK) {
        err_set(why, "the devices cannot be kept in memory: %s", res_name(res));
    }
    return res;
}

enum res ingest_keys_refresh(struct ingest_keys *k, struct pg_conn *conn, int64_t now_ms,
                             struct err *why)
{
    bool recent = k->looked_ms > 0 && now_ms - k->looked_ms < INGEST_KEYS_RECENT_MS;
    struct pg_params params;
    pg_params_init(&params);
    PGresult *rows = NULL;
    enum res res = pg_conn_run(conn, recent ? recent_sql : all_sql, &params, &rows, why);
    if (res == RES_OK) {
        res = take(k, rows, why);
        PQclear(rows);
    }
    if (res == RES_OK) {
        k->looked_ms = now_ms;
    }
    return res;
}

enum res ingest_keys_find(struct ingest_keys *k, struct pg_conn *conn, struct span id,
                          int64_t now_ms, struct err *why)
{
    uint64_t print = fingerprint_of(k->devices->key, id);
    size_t slot = (size_t)print % INGEST_KEYS_NEGATIVE;
    if (k->unknown[slot].id == print && k->unknown[slot].until_ms > now_ms) {
        return RES_NOT_FOUND;
    }
    struct pg_params params;
    pg_params_init(&params);
    pg_params_text(&params, id);
    PGresult *rows = NULL;
    enum res res = pg_conn_run(conn, one_sql, &params, &rows, why);
    if (res != RES_OK) {
        return res;
    }
    if (PQntuples(rows) == 0) {
        k->unknown[slot].id = print;
        k->unknown[slot].until_ms = now_ms + INGEST_KEYS_NEGATIVE_MS;
        res = RES_NOT_FOUND;
    } else {
        res = take(k, rows, why);
    }
    PQclear(rows);
    return res;
}
