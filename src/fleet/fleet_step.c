#include "fleet_step.h"

#include <assert.h>

#include "alert_level.h"
#include "battery_days.h"
#include "fleet_rotation.h"

#define BATTERY_LABELS_MAX 2000 /* of one transaction */
#define BATTERY_BYTES_MAX  (1024 * 1024)
#define RENEWALS_MAX       100 /* of one step */

/* One of several workers at a time; who finds it taken has nothing to do. */
static enum res begin(struct pg_conn *c, const char *lock_sql, bool *ret_ours, struct err *why)
{
    PGresult *rows = NULL;
    enum res r = pg_conn_command(c, "BEGIN", why);
    if (r == RES_OK) {
        r = pg_conn_run(c, lock_sql, NULL, &rows, why);
    }
    if (r == RES_OK) {
        *ret_ours = pg_get_bool(rows, 0, 0);
    }
    PQclear(rows);
    return r;
}

static enum res end(struct pg_conn *c, enum res r, struct err *why)
{
    if (r == RES_OK) {
        return pg_conn_command(c, "COMMIT", why);
    }
    enum res undone = pg_conn_command(c, "ROLLBACK", NULL);
    (void)undone; /* a connection that cannot roll back is dead, and so is its transaction */
    return r;
}

static enum res run_all(struct pg_conn *c, const char *lock_sql, const char *const *statements,
                        size_t count, int64_t now_ms, struct err *why)
{
    bool ours = false;
    enum res r = begin(c, lock_sql, &ours, why);
    for (size_t i = 0; r == RES_OK && ours && i < count; i++) {
        struct pg_params p;
        pg_params_init(&p);
        pg_params_time_ms(&p, now_ms);
        r = pg_conn_run(c, statements[i], &p, NULL, why);
    }
    return end(c, r, why);
}

/* ---- presence ---- */

/* $1 is now. */
#define INTERVAL "l.sync_interval_s * interval '1 second'"
#define ASLEEP   "coalesce(l.asleep_until + " INTERVAL " >= $1::timestamptz, false)"
#define SILENT   "(l.last_seen_at < $1::timestamptz - 3 * " INTERVAL " AND NOT " ASLEEP ")"
#define BEHIND_DOWN                                                                                \
    "EXISTS (SELECT FROM gateway g WHERE g.gateway_id = l.gateway_id AND "                         \
    "g.down_since IS NOT NULL)"
#define IS_OPEN(cause)                                                                             \
    "EXISTS (SELECT FROM alert a WHERE a.cause_key = " cause " AND a.status <> 'resolved')"

/* Until then a label that was low keeps to the longer interval. */
#define BATTERY_FINE "25"
static_assert(ALERT_BATTERY_RESOLVE_PCT == 25, "as in the query");

static const char lock_presence[] =
    "SELECT pg_try_advisory_xact_lock(hashtext('endcap fleet presence'))";

static const char *const presence_sql[] = {
    /* The interval that was in force when a label was last heard of is the one it has to keep, four
     * times as long on a low battery. Only of those that were heard of since the step before, or
     * little longer. */
    "UPDATE label l SET sync_interval_s = x.interval_s FROM (SELECT l.label_id, least(86400, "
    "CASE WHEN l.battery_pct < " BATTERY_FINE " THEN 4 ELSE 1 END * CASE WHEN CASE "
    "WHEN k.peak_from <= k.peak_to THEN k.minute >= k.peak_from AND k.minute < k.peak_to ELSE "
    "k.minute >= k.peak_from OR k.minute < k.peak_to END THEN k.peak_s ELSE k.off_peak_s END) AS "
    "interval_s FROM label l JOIN store s USING (store_id) JOIN shadow h ON h.device_id = "
    "l.label_id CROSS JOIN LATERAL (SELECT (h.desired #>> '{config,peakFromMinute}')::integer AS "
    "peak_from, (h.desired #>> '{config,peakToMinute}')::integer AS peak_to, (h.desired #>> "
    "'{config,syncPeakSeconds}')::integer AS peak_s, (h.desired #>> "
    "'{config,syncOffPeakSeconds}')::integer AS off_peak_s, (extract(hour FROM l.last_seen_at AT "
    "TIME ZONE s.timezone) * 60 + extract(minute FROM l.last_seen_at AT TIME ZONE "
    "s.timezone))::integer AS minute) AS k WHERE l.retired_at IS NULL AND l.last_seen_at BETWEEN "
    "$1::timestamptz - interval '1 minute' AND $1::timestamptz) AS x WHERE x.label_id = l.label_id "
    "AND l.sync_interval_s <> "
    "x.interval_s",
    "UPDATE label l SET online = false WHERE l.online AND l.retired_at IS NULL AND " SILENT,
    "WITH heard AS (SELECT l.gateway_id, l.online, " ASLEEP " AS asleep, l.last_seen_at, "
    "max(l.last_seen_at) OVER w AS newest, max(3 * " INTERVAL ") OVER w AS spread FROM label l "
    "WHERE l.gateway_id IS NOT NULL AND l.retired_at IS NULL AND l.last_seen_at IS NOT NULL WINDOW "
    "w AS (PARTITION BY l.gateway_id)), judged AS (SELECT gateway_id, bool_or(online) AS online, "
    "max(newest) AS newest, NOT bool_or(online OR asleep) AND count(*) FILTER (WHERE last_seen_at "
    ">= newest - spread) >= 2 AS silent FROM heard GROUP BY gateway_id) UPDATE gateway g SET "
    "online = j.online, last_seen_at = j.newest, down_since = CASE WHEN g.marked_down_by IS NOT "
    "NULL THEN g.down_since WHEN j.online THEN NULL WHEN j.silent THEN coalesce(g.down_since, "
    "$1::timestamptz) "
    "ELSE g.down_since END FROM judged j WHERE g.gateway_id = j.gateway_id AND g.retired_at IS "
    "NULL AND (g.online, g.last_seen_at, g.down_since IS NULL) IS DISTINCT FROM (j.online, "
    "j.newest, CASE WHEN g.marked_down_by IS NOT NULL THEN g.down_since IS NULL WHEN j.online THEN "
    "true WHEN j.silent THEN false ELSE g.down_since IS NULL END)",
    /* One for the gateway instead of one for each label; none where an operator knows already. */
    "SELECT count(raise_alert(g.store_id, 'gateway_offline', 'high', g.gateway_id, NULL, "
    "'gateway_offline:' || g.gateway_id, 'Gateway ' || g.gateway_id || ' is down: all of its "
    "labels went silent together.')) FROM gateway g WHERE g.down_since IS NOT NULL AND "
    "g.marked_down_by IS NULL AND g.retired_at IS NULL AND $1::timestamptz IS NOT NULL AND "
    "NOT " IS_OPEN("'gateway_offline:' || g.gateway_id"),
    "UPDATE alert a SET status = 'resolved', resolved_at = $1::timestamptz FROM gateway g WHERE "
    "a.kind = "
    "'gateway_offline' AND a.status <> 'resolved' AND g.gateway_id = a.device_id AND (g.down_since "
    "IS NULL OR g.marked_down_by IS NOT NULL OR g.retired_at IS NOT NULL)",
    "SELECT count(raise_alert(l.store_id, 'device_offline', 'medium', l.label_id, NULL, "
    "'device_offline:' || l.label_id, 'Label ' || l.label_id || ' has not been heard of for three "
    "of its sync intervals.')) FROM label l WHERE NOT l.online AND l.retired_at IS NULL "
    "AND " SILENT " AND NOT " BEHIND_DOWN " AND NOT " IS_OPEN("'device_offline:' || l.label_id"),
    "UPDATE alert a SET status = 'resolved', resolved_at = $1::timestamptz FROM label l WHERE "
    "a.kind = "
    "'device_offline' AND a.status <> 'resolved' AND l.label_id = a.device_id AND (l.online OR "
    "l.retired_at IS NOT NULL OR NOT " SILENT " OR " BEHIND_DOWN ")",
    "SELECT count(raise_alert(d.store_id, 'offline_24h', 'medium', d.id, NULL, 'offline_24h:' || "
    "d.id, 'Device ' || d.id || ' has been offline for more than 24 hours; inspect it.')) FROM "
    "(SELECT l.label_id::text AS id, l.store_id FROM label l WHERE NOT l.online AND l.retired_at "
    "IS NULL AND l.last_seen_at < $1::timestamptz - interval '24 hours' AND NOT " ASLEEP
    " AND NOT " BEHIND_DOWN " UNION ALL SELECT k.cart_id::text, k.store_id FROM cart k WHERE NOT "
    "k.online AND k.retired_at IS NULL AND k.maintenance IS NULL AND k.last_seen_at < "
    "$1::timestamptz - "
    "interval '24 hours') AS d WHERE NOT " IS_OPEN("'offline_24h:' || d.id"),
    "UPDATE alert a SET status = 'resolved', resolved_at = $1::timestamptz WHERE a.kind = "
    "'offline_24h' AND "
    "a.status <> 'resolved' AND NOT EXISTS (SELECT FROM label l WHERE l.label_id = a.device_id AND "
    "NOT l.online AND l.retired_at IS NULL AND l.last_seen_at < $1::timestamptz - interval '24 "
    "hours' AND "
    "NOT " ASLEEP ") AND NOT EXISTS (SELECT FROM cart k WHERE k.cart_id = a.device_id AND NOT "
    "k.online AND k.retired_at IS NULL AND k.last_seen_at < $1::timestamptz - interval '24 hours')",
};

enum res fleet_step_presence(struct pg_conn *c, int64_t now_ms, struct err *why)
{
    static_assert(FLEET_STEP_MISSED == 3 && FLEET_STEP_GATEWAY_LABELS == 2, "as in the queries");
    return run_all(c, lock_presence, presence_sql, sizeof presence_sql / sizeof presence_sql[0],
                   now_ms, why);
}

/* ---- battery ---- */

static const char lock_battery[] =
    "SELECT pg_try_advisory_xact_lock(hashtext('endcap fleet battery'))";
static const char recent_sql[] =
    "SELECT label_id::text, (day - date '1970-01-01')::bigint, first_pct, last_pct FROM "
    "label_battery WHERE label_id IN (SELECT b.label_id FROM label_battery b WHERE b.label_id > $1 "
    "AND b.day >= ($2::timestamptz AT TIME ZONE 'UTC')::date - 1 AND b.updated_at > "
    "$2::timestamptz - interval "
    "'30 minutes' GROUP BY b.label_id ORDER BY b.label_id LIMIT $3::bigint) ORDER BY label_id, day";
static const char estimate_sql[] =
    "UPDATE label l SET battery_days_left = x.days FROM unnest($1::text[], $2::integer[]) AS "
    "x(label_id, days) WHERE l.label_id = x.label_id AND l.battery_days_left IS DISTINCT FROM "
    "x.days";
static const char *const forget_sql[] = {
    "DELETE FROM label_battery WHERE day < ($1::timestamptz AT TIME ZONE 'UTC')::date - 60"};

struct estimates {
    struct pg_array ids;
    struct pg_array days;
    char last[24]; /* label of the batch */
};

static size_t estimate_one(const PGresult *rows, size_t from, struct estimates *e)
{
    struct battery_day days[64];
    struct span id = pg_get_span(rows, (int)from, 0);
    size_t count = 0;
    size_t at = from;
    for (; at < (size_t)PQntuples(rows) && span_equal(pg_get_span(rows, (int)at, 0), id); at++) {
        if (count == sizeof days / sizeof days[0]) { /* the newest are those that matter */
            for (size_t i = 1; i < count; i++) {
                days[i - 1] = days[i];
            }
            count--;
        }
        days[count++] = (struct battery_day){pg_get_i64(rows, (int)at, 1),
                                             (int32_t)pg_get_i64(rows, (int)at, 2),
                                             (int32_t)pg_get_i64(rows, (int)at, 3)};
    }
    int32_t left = battery_days_left(days, count);
    pg_array_span(&e->ids, id);
    if (left == BATTERY_DAYS_UNKNOWN) {
        pg_array_null(&e->days);
    } else {
        pg_array_i64(&e->days, left);
    }
    return at;
}

static enum res store_estimates(struct pg_conn *c, struct estimates *e, struct err *why)
{
    struct pg_params p;
    const char *ids = pg_array_close(&e->ids);
    const char *days = pg_array_close(&e->days);
    if (ids == NULL || days == NULL) {
        err_set(why, "out of memory for battery estimates");
        return RES_NO_MEMORY;
    }
    pg_params_init(&p);
    pg_params_cstr(&p, ids);
    pg_params_cstr(&p, days);
    return pg_conn_run(c, estimate_sql, &p, NULL, why);
}

/* *ret_more: there may be further labels. */
static enum res battery_batch(struct pg_conn *c, int64_t now_ms, struct estimates *e,
                              bool *ret_more, struct err *why)
{
    struct pg_params p;
    PGresult *rows = NULL;
    size_t labels = 0;
    pg_params_init(&p);
    pg_params_cstr(&p, e->last);
    pg_params_time_ms(&p, now_ms);
    pg_params_i64(&p, BATTERY_LABELS_MAX);
    enum res r = pg_conn_run(c, recent_sql, &p, &rows, why);
    pg_array_reset(&e->ids);
    pg_array_reset(&e->days);
    size_t at = 0;
    while (r == RES_OK && at < (size_t)PQntuples(rows)) {
        r = span_copy_text(pg_get_span(rows, (int)at, 0), e->last, sizeof e->last);
        at = estimate_one(rows, at, e);
        labels++;
    }
    if (r == RES_OK && labels > 0) {
        r = store_estimates(c, e, why);
    }
    PQclear(rows);
    *ret_more = r == RES_OK && labels == BATTERY_LABELS_MAX;
    return r;
}

enum res fleet_step_battery(struct pg_conn *c, int64_t now_ms, struct err *why)
{
    struct estimates e = {.last = ""};
    bool more = true;
    enum res r = RES_OK;
    pg_array_init(&e.ids, BATTERY_BYTES_MAX);
    pg_array_init(&e.days, BATTERY_BYTES_MAX);
    while (r == RES_OK && more) {
        bool ours = false;
        more = false;
        r = begin(c, lock_battery, &ours, why);
        if (r == RES_OK && ours) {
            r = battery_batch(c, now_ms, &e, &more, why);
        }
        r = end(c, r, why);
    }
    pg_array_deinit(&e.ids);
    pg_array_deinit(&e.days);
    return r == RES_OK ? run_all(c, lock_battery, forget_sql, 1, now_ms, why) : r;
}

/* ---- certificates ---- */

static const char lock_certificates[] =
    "SELECT pg_try_advisory_xact_lock(hashtext('endcap fleet certificates'))";

/* The newest of each device that may still connect. */
#define ENDING                                                                                     \
    "k.revoked_at IS NULL AND k.replaced_at IS NULL AND k.not_after < $1::timestamptz + interval " \
    "'7 days' AND "                                                                                \
    "NOT EXISTS (SELECT FROM label l WHERE l.label_id = k.device_id AND l.retired_at IS NOT "      \
    "NULL) AND NOT EXISTS (SELECT FROM cart t WHERE t.cart_id = k.device_id AND t.retired_at IS "  \
    "NOT NULL)"
static const char *const expiring_sql[] = {
    "SELECT count(raise_alert(k.store_id, 'certificate_expiring', 'high', k.device_id, NULL, "
    "'certificate_expiring:' || k.device_id, 'The certificate of ' || k.device_id || ' ends on ' "
    "|| to_char(k.not_after AT TIME ZONE 'UTC', 'YYYY-MM-DD') || '; without a new one it cannot "
    "connect.')) FROM device_certificate k WHERE " ENDING
    " AND NOT " IS_OPEN("'certificate_expiring:' || k.device_id"),
    "UPDATE alert a SET status = 'resolved', resolved_at = $1::timestamptz WHERE a.kind = "
    "'certificate_expiring' AND a.status <> 'resolved' AND NOT EXISTS (SELECT FROM "
    "device_certificate k WHERE k.device_id = a.device_id AND " ENDING ")",
};
static const char to_renew_sql[] =
    "SELECT l.label_id::text FROM device_certificate k JOIN label l ON l.label_id = k.device_id "
    "LEFT JOIN label_renewal r ON r.label_id = l.label_id WHERE k.kind = 'label' AND k.revoked_at "
    "IS NULL AND k.replaced_at IS NULL AND l.retired_at IS NULL AND k.not_after > $1::timestamptz "
    "AND (r.requested_at < $1::timestamptz - interval '7 days' OR (r.label_id IS NULL AND "
    "k.not_after < $1::timestamptz + interval '30 days')) ORDER BY k.not_after LIMIT $2::bigint";

static enum res begin_renewals(struct pg_conn *c, int64_t now_ms, struct err *why)
{
    struct pg_params p;
    PGresult *rows = NULL;
    char id[24];
    int64_t number = 0;
    bool ours = false;
    enum res r = begin(c, lock_certificates, &ours, why);
    pg_params_init(&p);
    pg_params_time_ms(&p, now_ms);
    pg_params_i64(&p, RENEWALS_MAX);
    if (r == RES_OK && ours) {
        r = pg_conn_run(c, to_renew_sql, &p, &rows, why);
    }
    for (int i = 0; r == RES_OK && i < PQntuples(rows); i++) {
        r = span_copy_text(pg_get_span(rows, i, 0), id, sizeof id);
        if (r == RES_OK) {
            r = fleet_rotation_request(c, id, now_ms, &number, why);
        }
    }
    PQclear(rows);
    return end(c, r, why);
}

enum res fleet_step_certificates(struct pg_conn *c, int64_t now_ms, struct err *why)
{
    static_assert(FLEET_STEP_EXPIRING_DAYS == 7, "as in the queries");
    static_assert(FLEET_STEP_RENEW_DAYS == 30, "as in the queries");
    static_assert(FLEET_STEP_RETRY_DAYS == 7, "as in the queries");
    enum res r = run_all(c, lock_certificates, expiring_sql,
                         sizeof expiring_sql / sizeof expiring_sql[0], now_ms, why);
    return r == RES_OK ? begin_renewals(c, now_ms, why) : r;
}
