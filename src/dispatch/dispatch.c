#include "dispatch.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog_top.h"
#include "dispatch_catalogue.h"
#include "downlink.h"
#include "process_metric.h"

#define COMMAND_EVERY_MS 250
#define SLOW_EVERY_MS    5000
#define METRICS_EVERY_MS 1000
#define COMMANDS_MAX     500 /* a step */

struct dispatch {
    struct dispatch_settings settings;
    struct pg_conn *conn;
    struct platform_signer *signer;
    struct downlink downlink;
    struct dispatch_catalogue *catalogue;
    bool listening;
    bool broken; /* the connection must be made anew */
    int64_t commands_ms;
    int64_t slow_ms;
    int64_t metrics_ms;
    _Atomic bool broker_is_new;
    _Atomic int64_t rejects;
    struct dispatch_figures figures;
};

/* Those due now, marked as sent in the same statement: what is not delivered is due again later. */
static const char due_sql[] =
    "WITH due AS (SELECT c.cart_id, c.number FROM command c JOIN cart k ON k.cart_id = c.cart_id "
    "WHERE c.state IN ('queued', 'sent') AND c.expires_at > now() AND (c.state = 'queued' "
    "OR c.sent_at < now() - interval '1 s' * $2::float8 "
    "OR (k.last_seen_at > c.sent_at + interval '1 s' AND c.send_count < 2)) "
    "ORDER BY c.cart_id, c.number LIMIT $1 FOR UPDATE OF c SKIP LOCKED) "
    "UPDATE command c SET state = 'sent', sent_at = now(), send_count = c.send_count + 1 FROM due "
    "WHERE c.cart_id = due.cart_id AND c.number = due.number "
    "RETURNING c.cart_id::text, c.number, c.kind, c.session_id, c.version, c.reason, c.expires_at";

static const char expire_sql[] = "UPDATE command SET state = 'expired', answered_at = now() "
                                 "WHERE state IN ('queued', 'sent') AND expires_at <= now()";

static const char offline_sql[] =
    "WITH gone AS (UPDATE cart SET online = false WHERE online AND last_seen_at < now() - "
    "CASE WHEN mode = 'active' THEN interval '1 s' * $1::float8 ELSE interval '1 s' * $2::float8 "
    "END RETURNING cart_id, store_id) "
    "SELECT raise_alert(store_id, 'device_offline', 'medium', cart_id, NULL, "
    "'device_offline:' || cart_id, "
    "'A cart has not been heard of for three health intervals.') FROM gone";

static const char online_sql[] =
    "UPDATE alert a SET status = 'resolved', resolved_at = now() FROM cart c "
    "WHERE a.kind = 'device_offline' AND a.status <> 'resolved' AND c.cart_id = a.device_id "
    "AND c.online";

/* The version of the cart's streams rises with it: that is how ingest learns of it. */
static const char abandon_sql[] =
    "WITH silent AS (SELECT s.session_id, s.cart_id FROM session s "
    "WHERE s.status IN ('active', 'paused') AND NOT EXISTS (SELECT FROM cart_stream t "
    "WHERE t.cart_id = s.cart_id AND t.updated_at >= now() - interval '1 s' * $1::float8) "
    "AND s.first_received_at < now() - interval '1 s' * $1::float8 "
    "ORDER BY s.session_id LIMIT 100 FOR UPDATE SKIP LOCKED), "
    "told AS (UPDATE cart_stream t SET version = t.version + 1 FROM silent "
    "WHERE t.cart_id = silent.cart_id) "
    "UPDATE session s SET status = 'abandoned', hold_reason = NULL, ended_at = now(), "
    "reconcile_state = 'mismatch', "
    "reconcile_reasons = array_append(s.reconcile_reasons, 'timeout') "
    "FROM silent WHERE s.session_id = silent.session_id";

enum res dispatch_new(const struct dispatch_settings *settings, struct dispatch **ret,
                      struct err *why)
{
    assert(settings->publish != NULL && settings->instance != NULL);
    struct dispatch *d = calloc(1, sizeof *d);
    if (d == NULL) {
        return RES_NO_MEMORY;
    }
    d->settings = *settings;
    if (d->settings.abandon_s == 0) {
        d->settings.abandon_s = DISPATCH_ABANDON_DEFAULT_S;
    }
    if (d->settings.catalogue_items == 0) {
        d->settings.catalogue_items = CATALOG_TOP_ITEMS;
    }
    enum res res = platform_signer_open(settings->platform_key, &d->signer, why);
    if (res == RES_OK) {
        downlink_init(&d->downlink, d->signer);
        res = model_connect(&settings->place, MODEL_WORKER, settings->instance, 0, &d->conn, why);
    }
    if (res == RES_OK) {
        struct dispatch_catalogue_settings c = {
            .conn = d->conn, .downlink = &d->downlink, .dispatch = &d->settings};
        res = dispatch_catalogue_new(&c, &d->catalogue);
    }
    if (res != RES_OK) {
        dispatch_free(d);
        return res;
    }
    *ret = d;
    return RES_OK;
}

void dispatch_free(struct dispatch *d)
{
    if (d != NULL) {
        dispatch_catalogue_free(d->catalogue);
        pg_conn_close(d->conn);
        platform_signer_close(d->signer);
        free(d);
    }
}

void dispatch_broker_is_new(struct dispatch *d)
{
    atomic_store(&d->broker_is_new, true);
}

void dispatch_rejected(struct dispatch *d)
{
    (void)atomic_fetch_add(&d->rejects, 1);
}

void dispatch_figures(const struct dispatch *d, struct dispatch_figures *ret)
{
    *ret = d->figures;
    ret->rejects = atomic_load(&d->rejects);
}

static enum res run(struct dispatch *d, const char *sql, const struct pg_params *params,
                    int64_t *ret_touched, struct err *why)
{
    PGresult *rows = NULL;
    enum res res = pg_conn_run(d->conn, sql, params, &rows, why);
    if (res == RES_OK) {
        *ret_touched = pg_get_touched(rows);
        PQclear(rows);
    }
    return res;
}

/* The number of a name in the wire's enumeration. */
static int64_t kind_of(struct span name)
{
    for (int64_t kind = WIRE_CMD_SLEEP; kind <= WIRE_CMD_FIRMWARE; kind++) {
        const char *known = wire_enum_name(WIRE_COMMAND, "kind", kind);
        if (known != NULL && span_equal(name, span_of(known, strlen(known)))) {
            return kind;
        }
    }
    return WIRE_ABSENT;
}

static void send_command(struct dispatch *d, const PGresult *rows, int row, int64_t now_ms)
{
    struct wire_downlink m;
    wire_downlink_init(&m, WIRE_COMMAND);
    m.cart_id = pg_get_span(rows, row, 0);
    m.time_ms = now_ms;
    m.command.number = pg_get_i64(rows, row, 1);
    m.command.kind = kind_of(pg_get_span(rows, row, 2));
    m.command.session_id = pg_get_span(rows, row, 3);
    if (!pg_get_is_null(rows, row, 4)) {
        m.command.version = pg_get_i64(rows, row, 4);
    }
    m.command.reason = pg_get_span(rows, row, 5);
    m.command.expires_ms = pg_get_time_ms(rows, row, 6);
    if (downlink_make(&d->downlink, &m) == RES_OK &&
        d->settings.publish(d->settings.user, d->downlink.topic, downlink_frame(&d->downlink),
                            false)) {
        d->figures.commands_sent++;
    }
}

static enum res step_commands(struct dispatch *d, int64_t now_ms, struct err *why)
{
    struct pg_params params;
    pg_params_init(&params);
    int64_t expired;
    enum res res = run(d, expire_sql, &params, &expired, why);
    if (res != RES_OK) {
        return res;
    }
    d->figures.commands_expired += expired;
    pg_params_init(&params);
    pg_params_i64(&params, COMMANDS_MAX);
    pg_params_double(&params, DISPATCH_RESEND_S);
    PGresult *rows = NULL;
    res = pg_conn_run(d->conn, due_sql, &params, &rows, why);
    if (res != RES_OK) {
        return res;
    }
    for (int i = 0; i < PQntuples(rows); i++) {
        send_command(d, rows, i, now_ms);
    }
    PQclear(rows);
    return RES_OK;
}

static enum res step_catalogues(struct dispatch *d, int64_t now_ms, struct err *why)
{
    bool all = atomic_exchange(&d->broker_is_new, false);
    enum res res = dispatch_catalogue_step(d->catalogue, now_ms, all, &d->figures.catalogues, why);
    return res == RES_AGAIN ? RES_OK : res;
}

static enum res step_slow(struct dispatch *d, struct err *why)
{
    struct pg_params params;
    int64_t touched;
    pg_params_init(&params);
    pg_params_double(&params, DISPATCH_ACTIVE_S * DISPATCH_MISSED);
    pg_params_double(&params, DISPATCH_IDLE_S * DISPATCH_MISSED);
    enum res res = run(d, offline_sql, &params, &touched, why);
    if (res != RES_OK) {
        return res;
    }
    d->figures.offline += touched;
    pg_params_init(&params);
    res = run(d, online_sql, &params, &touched, why);
    if (res != RES_OK) {
        return res;
    }
    pg_params_init(&params);
    pg_params_double(&params, (double)d->settings.abandon_s);
    res = run(d, abandon_sql, &params, &touched, why);
    if (res == RES_OK) {
        d->figures.abandoned += touched;
    }
    return res;
}

static enum res step_metrics(struct dispatch *d, struct err *why)
{
    struct dispatch_figures f;
    dispatch_figures(d, &f);
    const struct process_metric metrics[] = {
        {.name = "worker_commands_sent_total", .value = f.commands_sent},
        {.name = "worker_commands_expired_total", .value = f.commands_expired},
        {.name = "worker_catalogues_published_total", .value = f.catalogues},
        {.name = "worker_carts_offline_total", .value = f.offline},
        {.name = "worker_sessions_abandoned_total", .value = f.abandoned},
        {.name = "worker_rejects_total", .value = f.rejects},
    };
    return process_metric_write(d->conn, "worker", d->settings.instance, metrics,
                                sizeof metrics / sizeof metrics[0], why);
}

static bool due(int64_t *last_ms, int64_t every_ms, int64_t now_ms)
{
    if (now_ms - *last_ms < every_ms && now_ms >= *last_ms) {
        return false;
    }
    *last_ms = now_ms;
    return true;
}

static enum res do_due(struct dispatch *d, int64_t now_ms, struct err *why)
{
    enum res res = RES_OK;
    if (due(&d->commands_ms, COMMAND_EVERY_MS, now_ms)) {
        res = step_commands(d, now_ms, why);
    }
    if (res == RES_OK && due(&d->metrics_ms, METRICS_EVERY_MS, now_ms)) {
        res = step_metrics(d, why);
    }
    if (res == RES_OK && due(&d->slow_ms, SLOW_EVERY_MS, now_ms)) {
        res = step_slow(d, why);
    }
    if (res == RES_OK) {
        res = step_catalogues(d, now_ms, why);
    }
    return res;
}

enum res dispatch_step(struct dispatch *d, int64_t now_ms, struct err *why)
{
    if (d->broken) {
        enum res res = pg_conn_reconnect(d->conn, why);
        if (res != RES_OK) {
            return res;
        }
        d->broken = false;
        d->listening = false;
    }
    enum res res = RES_OK;
    if (!d->listening) {
        res = dispatch_catalogue_listen(d->catalogue, why);
        d->listening = res == RES_OK;
    }
    if (res == RES_OK) {
        res = do_due(d, now_ms, why);
    }
    d->broken = res == RES_UNAVAILABLE || !pg_conn_alive(d->conn);
    return res;
}
