#include "delivery_metrics.h"

#include "pg_rows.h"

#define COLUMN_BYTES_MAX 65536

static const char upsert_sql[] =
    "WITH fresh AS (SELECT $1::text AS instance, i.* FROM unnest($2::text[], $3::text[], "
    "$4::bigint[]) AS i(name, kind, value) UNION ALL "
    "SELECT $1, 'delivery_open_' || s.state, 'gauge', count(d.state) FROM (VALUES ('queued'), "
    "('sent'), ('pending')) AS s(state) LEFT JOIN delivery d ON d.finished_at IS NULL AND d.state "
    "= "
    "s.state GROUP BY s.state) "
    "INSERT INTO process_metric (process, instance, name, kind, value) "
    "SELECT 'worker', instance, name, kind, value FROM fresh "
    "ON CONFLICT (process, instance, name, labels) "
    "DO UPDATE SET value = excluded.value, updated_at = now()";

/* Ids begin with their millisecond: the window is a range of the primary key. */
static const char times_sql[] =
    "WITH seen AS (SELECT state, extract(epoch FROM finished_at - created_at) * 1000 AS ms "
    "FROM delivery WHERE delivery_id >= (lpad(to_hex($2::bigint - 2 * $3::bigint), 12, '0') ||"
    "repeat('0', 20))::uuid AND delivery_id < (lpad(to_hex($2::bigint - $3::bigint), 12, '0') || "
    "repeat('0', 20))::uuid AND kind = 'display'), "
    "figures AS (SELECT count(*) AS created, count(*) FILTER (WHERE state = 'displayed') AS shown, "
    "percentile_disc(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY ms) "
    "FILTER (WHERE state = 'displayed') AS ms FROM seen), "
    "fresh AS (SELECT f.* FROM figures CROSS JOIN LATERAL (VALUES "
    "('delivery_display_ms_p50', ms[1]), ('delivery_display_ms_p95', ms[2]), "
    "('delivery_display_ms_p99', ms[3]), ('delivery_window_created', created), "
    "('delivery_window_displayed', shown)) AS f(name, value)) "
    "INSERT INTO process_metric (process, instance, name, kind, value) "
    "SELECT 'worker', $1::text, name, 'gauge', coalesce(value, 0) FROM fresh "
    "ON CONFLICT (process, instance, name, labels) "
    "DO UPDATE SET value = excluded.value, updated_at = now()";

enum res delivery_metrics_write(struct pg_conn *c, const char *instance,
                                const struct delivery_sender_figures *f, struct err *why)
{
    const struct {
        const char *name;
        int64_t value;
    } figures[] = {
        {"delivery_sent_total", f->sent},       {"delivery_retried_total", f->retried},
        {"delivery_parked_total", f->parked},   {"delivery_failed_total", f->failed},
        {"delivery_dropped_total", f->dropped}, {"delivery_batches_total", f->batches},
    };
    struct pg_rows rows;
    struct pg_params p;
    pg_rows_init(&rows, 3, COLUMN_BYTES_MAX);
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++) {
        pg_array_span(pg_rows_next(&rows), span_text(figures[i].name, 64));
        pg_array_span(pg_rows_next(&rows), SPAN_LIT("counter"));
        pg_array_i64(pg_rows_next(&rows), figures[i].value);
        pg_rows_end(&rows);
    }
    pg_params_init(&p);
    pg_params_cstr(&p, instance);
    for (size_t i = 0; i < rows.columns; i++) {
        pg_params_cstr(&p, pg_array_close(&rows.column[i]));
    }
    enum res r = pg_conn_run(c, upsert_sql, &p, NULL, why);
    pg_rows_deinit(&rows);
    return r;
}

enum res delivery_metrics_times(struct pg_conn *c, const char *instance, int64_t now_ms,
                                struct err *why)
{
    struct pg_params p;
    pg_params_init(&p);
    pg_params_cstr(&p, instance);
    pg_params_i64(&p, now_ms);
    pg_params_i64(&p, DELIVERY_METRICS_WINDOW_MS);
    return pg_conn_run(c, times_sql, &p, NULL, why);
}
