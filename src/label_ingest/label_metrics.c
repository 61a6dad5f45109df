#include "label_metrics.h"

#include <string.h>

#include "pg_rows.h"

#define COLUMN_BYTES_MAX (64 * 1024)

static const char upsert_sql[] =
    "INSERT INTO process_metric (process, instance, name, labels, kind, value) "
    "SELECT 'ingest', i.instance, i.name, i.labels::jsonb, i.kind, i.value "
    "FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[]) "
    "AS i(instance, name, labels, kind, value) "
    "ON CONFLICT (process, instance, name, labels) "
    "DO UPDATE SET value = excluded.value, updated_at = now()";
#define COLUMNS 5

static void put(struct pg_rows *rows, const char *instance, const char *name, struct span labels,
                const char *kind, int64_t value)
{
    pg_array_span(pg_rows_next(rows), span_of(instance, strlen(instance)));
    pg_array_span(pg_rows_next(rows), span_of(name, strlen(name)));
    pg_array_span(pg_rows_next(rows), labels);
    pg_array_span(pg_rows_next(rows), span_of(kind, strlen(kind)));
    pg_array_i64(pg_rows_next(rows), value);
    pg_rows_end(rows);
}

static void put_all(struct pg_rows *rows, const char *instance,
                    const struct label_ingest_figures *f)
{
    const struct {
        const char *name;
        const char *kind;
        int64_t value;
    } figures[] = {
        {"label_ingest_received_total", "counter", f->received},
        {"label_ingest_stored_events_total", "counter", f->stored},
        {"label_ingest_duplicates_total", "counter", f->duplicates},
        {"label_ingest_rate_limited_total", "counter", f->rate_limited},
        {"label_ingest_unfiled_total", "counter", f->unfiled},
        {"label_ingest_presences_total", "counter", f->presences},
        {"label_ingest_answers_total", "counter", f->answers},
        {"label_ingest_batches_total", "counter", f->batches},
        {"label_ingest_commit_microseconds_total", "counter", f->commit_us},
        {"label_ingest_commit_microseconds_max", "gauge", f->commit_us_max},
        {"label_ingest_queue_messages", "gauge", f->queue_depth},
        {"label_ingest_devices", "gauge", f->devices},
        {"ingest_waits_for_disk", "gauge", f->waits_for_disk},
    };
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++) {
        put(rows, instance, figures[i].name, SPAN_LIT("{}"), figures[i].kind, figures[i].value);
    }
    if (f->broker_connected >= 0) {
        put(rows, instance, "ingest_broker_connected", SPAN_LIT("{}"), "gauge",
            f->broker_connected);
    }
    for (size_t i = 0; i < LABEL_INGEST_REFUSALS; i++) {
        char labels[96];
        struct sink out;
        sink_init(&out, labels, sizeof labels);
        sink_text(&out, "{\"reason\":\"");
        sink_text(&out, label_ingest_refusal_name((enum label_ingest_refusal)i));
        sink_text(&out, "\"}");
        put(rows, instance, "label_ingest_refused_total", sink_span(&out), "counter",
            f->refused[i]);
    }
}

enum res label_metrics_write(struct pg_conn *conn, const char *instance,
                             const struct label_ingest_figures *figures, struct err *why)
{
    struct pg_rows rows;
    struct pg_params params;
    pg_rows_init(&rows, COLUMNS, COLUMN_BYTES_MAX);
    put_all(&rows, instance, figures);
    pg_params_init(&params);
    bool whole = true;
    for (size_t i = 0; i < COLUMNS; i++) {
        const char *text = pg_array_close(&rows.column[i]);
        whole = whole && text != NULL;
        pg_params_cstr(&params, text);
    }
    enum res res = whole ? pg_conn_run(conn, upsert_sql, &params, NULL, why) : RES_NO_MEMORY;
    pg_rows_deinit(&rows);
    return res;
}
