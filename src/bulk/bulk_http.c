#include "bulk_http.h"

#include <stdlib.h>
#include <string.h>

#include "bulk_job.h"
#include "bulk_report.h"
#include "http_rows.h"

#define ISSUER           "operator" /* until there are accounts */
#define REPORT_ROW_BYTES 2048       /* with quotes; a change is a few fields */

static const char *const kinds[] = {"config", "price", NULL};
static const char *const states[] = {"running", "done", "failed", NULL};
static const char *const row_states[] = {"queued", "running", "succeeded",
                                         "failed", "offline", NULL};

#define COUNT(field, what, words)                                                                  \
    {                                                                                              \
        .name = (field), .type = HTTP_INTEGER, .source = (what), .summary = (words)                \
    }
static const struct http_field job_fields[] = {
    {.name = "jobId", .type = HTTP_UUID, .source = "j.job_id", .summary = "Its id."},
    {.name = "storeId", .type = HTTP_TEXT, .source = "j.store_id", .summary = "The store."},
    {.name = "kind",
     .type = HTTP_CHOICE,
     .choices = kinds,
     .source = "j.kind",
     .summary = "What is changed."},
    {.name = "state",
     .type = HTTP_CHOICE,
     .choices = states,
     .source = "j.state",
     .summary = "done: no row is queued or running."},
    {.name = "retryOf",
     .type = HTTP_UUID,
     .nullable = true,
     .source = "j.retry_of",
     .summary = "The job whose failed rows these are."},
    {.name = "rows", .type = HTTP_INTEGER, .source = "j.row_count", .summary = "All of them."},
    COUNT("queued", "n.queued", "Not begun."),
    COUNT("running", "n.running", "Applied; labels are being told."),
    COUNT("succeeded", "n.succeeded", "Every label of it confirmed, or there was none to tell."),
    COUNT("failed", "n.failed", "Refused, or a label did not confirm."),
    COUNT("offline", "n.offline", "A label is not there and will get it when it is back."),
    {.name = "createdBy",
     .type = HTTP_TEXT,
     .source = "j.created_by",
     .summary = "Account id, or the name of an automation."},
    {.name = "createdAt", .type = HTTP_TIME, .source = "j.created_at", .summary = "Uploaded."},
    {.name = "finishedAt",
     .type = HTTP_TIME,
     .nullable = true,
     .source = "j.finished_at",
     .summary = "When it was done."},
    {.name = NULL}};
static const struct http_schema job_schema = {"BulkJob", "Many changes uploaded at once.",
                                              job_fields};
/* clang-format off */
#define TALLY(state) "coalesce(sum(difference) FILTER (WHERE state = '" state "'), 0)::bigint AS " state
#define JOB_FROM                                                                                   \
    "bulk_job j CROSS JOIN LATERAL (SELECT "                                                       \
    TALLY("queued") ", " TALLY("running") ", " TALLY("succeeded") ", " TALLY("failed") ", "        \
    TALLY("offline") " FROM bulk_tally t WHERE t.job_id = j.job_id) n"
/* clang-format on */

static const struct http_field row_fields[] = {
    {.name = "row",
     .type = HTTP_INTEGER,
     .source = "r.row_number",
     .summary = "From 1, in the order of the upload."},
    {.name = "target", .type = HTTP_TEXT, .source = "r.target", .summary = "Device id, or SKU."},
    {.name = "change", .type = HTTP_OBJECT, .source = "r.change", .summary = "As it was taken in."},
    {.name = "state",
     .type = HTTP_CHOICE,
     .choices = row_states,
     .source = "r.state",
     .summary = "What became of it."},
    {.name = "detail",
     .type = HTTP_TEXT,
     .nullable = true,
     .source = "r.detail",
     .summary = "Why it failed, or which label is not there."},
    {.name = "finishedAt",
     .type = HTTP_TIME,
     .nullable = true,
     .source = "r.finished_at",
     .summary = "When it succeeded or failed."},
    {.name = NULL}};
static const struct http_schema row_schema = {"BulkRow", "One row of a bulk job.", row_fields};

static const struct http_field started_fields[] = {
    {.name = "jobId", .type = HTTP_UUID, .summary = "The new job."},
    {.name = "rows", .type = HTTP_INTEGER, .summary = "All of them."},
    {.name = NULL}};
const struct http_schema bulk_http_started_schema = {"BulkStarted", "A bulk job that has begun.",
                                                     started_fields};

#define JOB_ID                                                                                     \
    {                                                                                              \
        HTTP_IN_PATH,                                                                              \
        {                                                                                          \
            .name = "id", .type = HTTP_UUID, .required = true, .summary = "The job."               \
        }                                                                                          \
    }
static const struct http_param list_params[] = {
    {HTTP_IN_QUERY,
     {.name = "storeId",
      .type = HTTP_TEXT,
      .min = 3,
      .max = 24,
      .charset = "A-Z0-9-",
      .summary = "Only of this store."}},
    {HTTP_IN_QUERY,
     {.name = "kind", .type = HTTP_CHOICE, .choices = kinds, .summary = "Only these."}},
    {HTTP_IN_QUERY,
     {.name = "state", .type = HTTP_CHOICE, .choices = states, .summary = "Only these."}},
    HTTP_PARAM_LIMIT,
    HTTP_PARAM_CURSOR,
    HTTP_PARAM_END};
static const struct http_param one_params[] = {JOB_ID, HTTP_PARAM_END};
static const struct http_param row_params[] = {
    JOB_ID,
    {HTTP_IN_QUERY,
     {.name = "state", .type = HTTP_CHOICE, .choices = row_states, .summary = "Only these."}},
    HTTP_PARAM_LIMIT,
    HTTP_PARAM_CURSOR,
    HTTP_PARAM_END};
static const char *const retry_errors[] = {"NOTHING_TO_RETRY", NULL};

static const struct http_rows_list jobs = {
    .schema = &job_schema,
    .from = JOB_FROM,
    .filters = (const struct http_rows_filter[]){{"storeId", "j.store_id = ?"},
                                                 {"kind", "j.kind = ?"},
                                                 {"state", "j.state = ?"},
                                                 {NULL, NULL}},
    .cursor_kind = 'b',
    .newest_first = true,
    .keys = {{"j.created_at", "timestamptz"}, {"j.job_id", "uuid"}}};
static const struct http_rows_list job_rows = {
    .schema = &row_schema,
    .from = "bulk_row r",
    .filters = (const struct http_rows_filter[]){{"id", "r.job_id = ?::uuid"},
                                                 {"state", "r.state = ?"},
                                                 {NULL, NULL}},
    .cursor_kind = 'r',
    .keys = {{"r.row_number", "bigint"}}};

static void list_jobs(struct http_request *q, void *context)
{
    http_rows_page(q, context, &jobs);
}

static void list_rows(struct http_request *q, void *context)
{
    http_rows_page(q, context, &job_rows);
}

static json_t *job_of(struct http_request *q, void *context)
{
    struct pg_params p;
    pg_params_init(&p);
    pg_params_cstr(&p, http_request_text(q, "id"));
    return http_rows_one(q, context, &job_schema, JOB_FROM, "j.job_id = $1::uuid", &p);
}

static void get_job(struct http_request *q, void *context)
{
    json_t *job = job_of(q, context);
    if (job != NULL) {
        http_reply_json(q, job);
    }
}

/* ---- the report ---- */

static const char report_sql[] =
    "SELECT row_number::text, target, CASE WHEN change ? 'priceMinor' THEN "
    "((change ->> 'priceMinor')::numeric / 100)::numeric(12, 2)::text ELSE change::text END, "
    "state, coalesce(detail, ''), coalesce(to_char(finished_at AT TIME ZONE 'UTC', "
    "'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), '') FROM bulk_row WHERE job_id = $1::uuid "
    "ORDER BY row_number";
static const char *const report_columns[] = {"row",   "target", "change",
                                             "state", "detail", "finishedAt"};
#define REPORT_COLUMNS (sizeof report_columns / sizeof report_columns[0])

static size_t report_bytes(const PGresult *rows)
{
    size_t bytes = REPORT_ROW_BYTES; /* the header */
    for (int row = 0; row < PQntuples(rows); row++) {
        for (size_t k = 0; k < REPORT_COLUMNS; k++) {
            bytes += pg_get_span(rows, row, (int)k).size * 2 + 4;
        }
        bytes += 2;
    }
    return bytes;
}

static void reply_report(struct http_request *q, const PGresult *rows)
{
    size_t size_max = report_bytes(rows);
    char *text = malloc(size_max);
    if (text == NULL) {
        http_reply_error(q, HTTP_ERROR_UNAVAILABLE, "Out of memory; try again.");
        return;
    }
    struct sink s;
    bool first = true;
    sink_init(&s, text, size_max);
    for (size_t k = 0; k < REPORT_COLUMNS; k++) {
        bulk_report_field(&s, &first, span_text(report_columns[k], 16));
    }
    bulk_report_end(&s, &first);
    for (int row = 0; row < PQntuples(rows); row++) {
        for (size_t k = 0; k < REPORT_COLUMNS; k++) {
            bulk_report_field(&s, &first, pg_get_span(rows, row, (int)k));
        }
        bulk_report_end(&s, &first);
    }
    http_reply_text(q, text, s.size);
}

static void get_report(struct http_request *q, void *context)
{
    struct pg_params p;
    struct err why;
    PGresult *rows = NULL;
    json_t *job = job_of(q, context);
    if (job == NULL) {
        return;
    }
    json_decref(job);
    pg_params_init(&p);
    pg_params_cstr(&p, http_request_text(q, "id"));
    enum res r = pg_pool_run(context, report_sql, &p, &rows, &why);
    if (r == RES_OK) {
        reply_report(q, rows);
    } else {
        http_rows_fail(q, r, &why);
    }
    PQclear(rows);
}

/* ---- retry ---- */

static enum res retry(struct pg_conn *c, const char *job_id, char ret_id[BULK_JOB_ID_BYTES + 1],
                      struct err *why)
{
    enum res r = pg_conn_command(c, "BEGIN", why);
    if (r == RES_OK) {
        r = bulk_job_retry(c, job_id, ISSUER, ret_id, why);
    }
    return pg_conn_end(c, r, why);
}

static void post_retry(struct http_request *q, void *context)
{
    char job_id[BULK_JOB_ID_BYTES + 1];
    struct err why;
    struct pg_conn *c = NULL;
    struct pg_params p;
    enum res r = pg_pool_take(context, &c, &why);
    if (r == RES_OK) {
        r = retry(c, http_request_text(q, "id"), job_id, &why);
        pg_pool_give(context, c);
    }
    if (r == RES_NOT_FOUND) {
        http_reply_error(q, HTTP_ERROR_NOT_FOUND, NULL);
    } else if (r == RES_CONFLICT) {
        http_reply_error_code(q, HTTP_ERROR_CONFLICT, "NOTHING_TO_RETRY", why.text);
    } else if (r != RES_OK) {
        http_rows_fail(q, r, &why);
    } else {
        pg_params_init(&p);
        pg_params_cstr(&p, job_id);
        json_t *job = http_rows_one(q, context, &job_schema, JOB_FROM, "j.job_id = $1::uuid", &p);
        if (job != NULL) {
            http_reply_json(q, job);
        }
    }
}

const struct http_route bulk_http_routes[] = {
    {.method = HTTP_GET,
     .path = "/api/bulk-jobs",
     .operation = "listBulkJobs",
     .summary = "Bulk jobs with live counts, newest first.",
     .tag = "bulk",
     .params = list_params,
     .reply = &job_schema,
     .page = true,
     .permission = "bulk.read",
     .handle = list_jobs},
    {.method = HTTP_GET,
     .path = "/api/bulk-jobs/{id}",
     .operation = "getBulkJob",
     .summary = "One bulk job with live counts.",
     .tag = "bulk",
     .params = one_params,
     .reply = &job_schema,
     .permission = "bulk.read",
     .handle = get_job},
    {.method = HTTP_GET,
     .path = "/api/bulk-jobs/{id}/rows",
     .operation = "listBulkRows",
     .summary = "The rows of a bulk job and what became of each.",
     .tag = "bulk",
     .params = row_params,
     .reply = &row_schema,
     .page = true,
     .permission = "bulk.read",
     .handle = list_rows},
    {.method = HTTP_GET,
     .path = "/api/bulk-jobs/{id}/report",
     .operation = "getBulkReport",
     .summary = "Every row and what became of it, as comma-separated values.",
     .tag = "bulk",
     .params = one_params,
     .content_type = "text/csv",
     .permission = "bulk.read",
     .handle = get_report},
    {.method = HTTP_POST,
     .path = "/api/bulk-jobs/{id}/retry",
     .operation = "retryBulkJob",
     .summary = "A new job with the failed rows of this one, and only those.",
     .tag = "bulk",
     .params = one_params,
     .reply = &job_schema,
     .status = 202,
     .errors = retry_errors,
     .permission = "bulk.write",
     .handle = post_retry},
    HTTP_ROUTE_END};
