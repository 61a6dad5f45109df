#include "process_metric.h"

#include <string.h>

#include "pg_rows.h"

#define COLUMNS          4
#define COLUMN_BYTES_MAX ((size_t)PROCESS_METRIC_MAX * 128)

static const char upsert_sql[] =
    "INSERT INTO process_metric (process, instance, name, labels, kind, value) "
    "SELECT $1, $2, i.name, CASE WHEN i.reason = '' THEN '{}' ELSE "
    "jsonb_build_object('reason', i.reason) END, i.kind, i.value "
    "FROM unnest($3::text[], $4::text[], $5::text[], $6::bigint[]) "
    "AS i(name, reason, kind, value) "
    "ON CONFLICT (process, instance, name, labels) "
    "DO UPDATE SET value = excluded.value, updated_at = now()";

static struct span text_of(const char *text)
{
    return span_of(text, strlen(text));
}

enum res process_metric_write(struct pg_conn *c, const char *process, const char *instance,
                              const struct process_metric *metrics, size_t count, struct err *why)
{
    if (count > PROCESS_METRIC_MAX) {
        err_set(why, "%zu figures at once; at most %d", count, PROCESS_METRIC_MAX);
        return RES_LIMIT;
    }
    struct pg_rows rows;
    struct pg_params params;
    pg_rows_init(&rows, COLUMNS, COLUMN_BYTES_MAX);
    for (size_t i = 0; i < count; i++) {
        pg_array_span(pg_rows_next(&rows), text_of(metrics[i].name));
        pg_array_span(pg_rows_next(&rows),
                      text_of(metrics[i].reason != NULL ? metrics[i].reason : ""));
        pg_array_span(pg_rows_next(&rows), text_of(metrics[i].gauge ? "gauge" : "counter"));
        pg_array_i64(pg_rows_next(&rows), metrics[i].value);
        pg_rows_end(&rows);
    }
    pg_params_init(&params);
    pg_params_cstr(&params, process);
    pg_params_cstr(&params, instance);
    bool whole = true;
    for (size_t i = 0; i < COLUMNS; i++) {
        const char *text = pg_array_close(&rows.column[i]);
        whole = whole && text != NULL;
        pg_params_cstr(&params, text);
    }
    enum res r = RES_NO_MEMORY;
    if (whole) {
        r = pg_conn_run(c, upsert_sql, &params, NULL, why);
    } else {
        err_set(why, "out of memory for the figures of %s", process);
    }
    pg_rows_deinit(&rows);
    return r;
}
