#include "shadow_read.h"

#include <string.h>

#include "shadow.h"
#include "timestamp.h"

const char *const shadow_read_reserved[] = {"display",      "config",      "price",
                                            "syncInterval", "certificate", NULL};

bool shadow_read_is_reserved(const char *key)
{
    for (const char *const *name = shadow_read_reserved; *name != NULL; name++) {
        if (strcmp(*name, key) == 0) {
            return true;
        }
    }
    return false;
}

/* What a label shows is what is desired when the digests are the same; what it runs on, when the
 * versions are. A label's word about its place comes before ours about where it should be. */
#define SHOWS  "(l.shown_digest = decode(s.desired #>> '{display,digest}', 'hex'))"
#define RUNS   "(l.config_version = (s.desired #>> '{config,version}')::bigint)"
#define PRICE  "round(l.shown_price_minor / 100.0, 2)"
#define STORED "coalesce(s.reported, '{}')"
static const char read_sql[] =
    "SELECT d.device_id, d.store_id, d.kind = 'label', coalesce(s.version, 1), "
    "coalesce(s.desired, '{}'), " STORED " || jsonb_build_object('batteryLevel', d.battery_pct, "
    "'online', d.online, 'signalStrength', d.signal_dbm, 'firmwareVersion', d.firmware) || "
    "CASE WHEN l.label_id IS NULL THEN '{}' ELSE jsonb_build_object('lastPrice', " PRICE ", "
    "'productId', l.shown_product_id, 'language', CASE WHEN " SHOWS " THEN s.desired #>> "
    "'{display,language}' ELSE coalesce(l.shown_language, d.language) END, 'location', "
    "coalesce(s.reported -> 'location', CASE WHEN l.aisle IS NOT NULL THEN jsonb_strip_nulls("
    "jsonb_build_object('aisle', l.aisle, 'shelf', l.shelf, 'position', l.position)) END), "
    "'displayVersion', l.shown_version, 'displayDigest', encode(l.shown_digest, 'hex'), "
    "'configVersion', nullif(l.config_version, 0)) END, "
    /* the same, under the names of desired */
    STORED " || jsonb_strip_nulls(jsonb_build_object('price', " PRICE
    ", 'display', CASE WHEN " SHOWS " THEN s.desired -> 'display' END, 'config', CASE WHEN " RUNS
    " THEN s.desired -> 'config' "
    "END, 'syncInterval', CASE WHEN " RUNS " THEN s.desired -> 'syncInterval' END, "
    "'flashEnabled', coalesce(s.reported -> 'flashEnabled', 'false'), 'certificate', "
    "CASE WHEN s.reported #> '{certificate,number}' = s.desired #> '{certificate,number}' AND NOT "
    "s.reported -> 'certificate' ? 'csr' THEN s.desired -> 'certificate' END)), "
    "s.desired_at, s.reported_at FROM device d LEFT JOIN label l ON l.label_id = d.device_id "
    "LEFT JOIN shadow s ON s.device_id = d.device_id WHERE d.device_id = ANY ($1::text[]) "
    "ORDER BY d.device_id";

void shadow_document_deinit(struct shadow_document *d)
{
    json_decref(d->desired);
    json_decref(d->reported);
    json_decref(d->delta);
}

static json_t *object_of(const PGresult *rows, int row, int column)
{
    struct span text = pg_get_span(rows, row, column);
    return json_loadb((const char *)text.data, text.size, 0, NULL);
}

static enum res read_row(const PGresult *rows, int row, struct shadow_document *ret)
{
    json_t *comparable = object_of(rows, row, 6);
    struct shadow_document d = {.is_label = pg_get_bool(rows, row, 2),
                                .version = pg_get_i64(rows, row, 3),
                                .desired = object_of(rows, row, 4),
                                .reported = object_of(rows, row, 5),
                                .desired_ms = pg_get_time_ms(rows, row, 7),
                                .reported_ms = pg_get_time_ms(rows, row, 8)};
    if (comparable != NULL && d.desired != NULL) {
        d.delta = shadow_delta(d.desired, comparable);
    }
    json_decref(comparable);
    if (d.delta == NULL || d.reported == NULL ||
        span_copy_text(pg_get_span(rows, row, 0), d.device_id, sizeof d.device_id) != RES_OK ||
        span_copy_text(pg_get_span(rows, row, 1), d.store_id, sizeof d.store_id) != RES_OK) {
        shadow_document_deinit(&d);
        return RES_NO_MEMORY;
    }
    *ret = d;
    return RES_OK;
}

enum res shadow_read(struct pg_conn *c, const char *device_ids, shadow_read_visit visit, void *user,
                     struct err *why)
{
    struct pg_params p;
    PGresult *rows = NULL;
    pg_params_init(&p);
    pg_params_cstr(&p, device_ids);
    enum res r = pg_conn_run(c, read_sql, &p, &rows, why);
    for (int i = 0; r == RES_OK && i < PQntuples(rows); i++) {
        struct shadow_document d;
        r = read_row(rows, i, &d);
        if (r == RES_OK) {
            r = visit(user, &d);
            shadow_document_deinit(&d);
        } else {
            err_set(why, "no memory to read a shadow");
        }
    }
    PQclear(rows);
    return r;
}

static json_t *time_json(int64_t ms)
{
    char text[TIMESTAMP_TEXT_BYTES];
    struct sink s;
    sink_init(&s, text, sizeof text);
    timestamp_write(&s, ms);
    return ms == 0 || s.overflow ? json_null() : json_stringn(text, s.size);
}

json_t *shadow_read_json(const struct shadow_document *d)
{
    return json_pack("{s:s, s:s, s:I, s:{s:O, s:O, s:O}, s:o, s:o}", "deviceId", d->device_id,
                     "storeId", d->store_id, "version", (json_int_t)d->version, "state", "desired",
                     d->desired, "reported", d->reported, "delta", d->delta, "desiredAt",
                     time_json(d->desired_ms), "reportedAt", time_json(d->reported_ms));
}
