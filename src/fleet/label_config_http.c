#include "label_config_http.h"

#include <stdlib.h>
#include <string.h>

#include "bulk_http.h"
#include "bulk_job.h"
#include "delivery_configure.h"
#include "device_http.h"
#include "fleet_audit.h"
#include "fleet_table.h"
#include "http_rows.h"
#include "http_transact.h"
#include "label_config.h"
#include "label_group.h"

#define ARRAY_BYTES_MAX (8 * 1024 * 1024)
#define ONE_BYTES_MAX   4096

static const char *const languages[] = {"en", "hi", "ta", "te", "bn", "mr", NULL};

/* Documents only: label_config.c judges, texts of a CSV and numbers of JSON alike. */
#define CONFIG_FIELDS                                                                              \
    {.name = "refreshIntervalSeconds",                                                             \
     .type = HTTP_INTEGER,                                                                         \
     .min = 0,                                                                                     \
     .max = 3600,                                                                                  \
     .summary = "Least time between two refreshes."},                                              \
        {.name = "ledBrightness",                                                                  \
         .type = HTTP_INTEGER,                                                                     \
         .min = 1,                                                                                 \
         .max = 100,                                                                               \
         .summary = "Per cent."},                                                                  \
        {.name = "idleTimeoutSeconds",                                                             \
         .type = HTTP_INTEGER,                                                                     \
         .min = 0,                                                                                 \
         .max = 86400,                                                                             \
         .summary = "Nothing pending for so long: deep sleep. 0: never."},                         \
        {.name = "syncIntervalPeakSeconds",                                                        \
         .type = HTTP_INTEGER,                                                                     \
         .min = 5,                                                                                 \
         .max = 86400,                                                                             \
         .summary = "Comes by so often in peak hours."},                                           \
        {.name = "syncIntervalOffPeakSeconds",                                                     \
         .type = HTTP_INTEGER,                                                                     \
         .min = 5,                                                                                 \
         .max = 86400,                                                                             \
         .summary = "And outside them."},                                                          \
        {.name = "peakFrom",                                                                       \
         .type = HTTP_TEXT,                                                                        \
         .min = 5,                                                                                 \
         .max = 5,                                                                                 \
         .charset = "0-9:",                                                                        \
         .summary = "HH:MM of the store's day."},                                                  \
    {                                                                                              \
        .name = "peakTo", .type = HTTP_TEXT, .min = 5, .max = 5,                                   \
        .charset = "0-9:", .summary = "HH:MM; before peakFrom: over midnight."                     \
    }
#define LANGUAGE_FIELD                                                                             \
    {                                                                                              \
        .name = "language", .type = HTTP_CHOICE, .choices = languages,                             \
        .summary = "The label's own, before its section's and store's."                            \
    }

static const struct http_field one_fields[] = {CONFIG_FIELDS, LANGUAGE_FIELD, {.name = NULL}};
static const struct http_schema one_schema = {"LabelConfig",
                                              "At least one of a label's parameters.", one_fields};
static const struct http_field default_fields[] = {CONFIG_FIELDS, {.name = NULL}};
static const struct http_schema default_schema = {
    "LabelDefaults", "Parameters of a store's labels where nothing else was said.", default_fields};
static const struct http_field row_fields[] = {
    {.name = "deviceId", .type = HTTP_TEXT, .required = true, .summary = "A label of the store."},
    CONFIG_FIELDS,
    LANGUAGE_FIELD,
    {.name = NULL}};
static const struct http_schema row_schema = {"LabelConfigRow", "One label's parameters.",
                                              row_fields};
static const struct http_field table_fields[] = {{.name = "rows",
                                                  .type = HTTP_LIST,
                                                  .required = true,
                                                  .of = &row_schema,
                                                  .summary = "At most 10,000, each label once."},
                                                 {.name = NULL}};
static const struct http_schema table_schema = {
    "LabelConfigTable", "Parameters of many labels. As CSV: the same names as columns.",
    table_fields};
static const struct http_field told_fields[] = {
    {.name = "storeId", .type = HTTP_TEXT, .summary = "The store."},
    {.name = "config", .type = HTTP_OBJECT, .summary = "As labels get it, by their own names."},
    {.name = "labels", .type = HTTP_INTEGER, .summary = "Labels of the store."},
    {.name = "changed", .type = HTTP_INTEGER, .summary = "Labels that get a new configuration."},
    {.name = NULL}};
static const struct http_schema told_schema = {"LabelDefaultsTold", "What new defaults did.",
                                               told_fields};

/* The body as one row, judged; the caller decrefs ret->patch. */
static void read_body(const struct http_request *q, bool with_language, struct label_config *ret,
                      struct fleet_refusal *wrong)
{
    struct span body = http_request_body(q);
    json_t *root = json_loadb((const char *)body.data, body.size, JSON_REJECT_DUPLICATES, NULL);
    json_t *wrapped = json_pack("{s:[O]}", "rows", root == NULL ? json_null() : root);
    /* without deviceId, which only a table has */
    json_t *rows = fleet_table_json(wrapped, "rows", label_config_columns + 1, wrong);
    const json_t *row = json_array_get(rows, 0);
    label_config_read(row, 0, ret, wrong);
    if (!with_language && json_object_get(row, "language") != NULL) {
        fleet_refusal_add(wrong, 0, "language", SPAN_NONE,
                          "said of a store's sections, not of its defaults");
    }
    json_decref(rows);
    json_decref(wrapped);
    json_decref(root);
}

/* ---- one label ---- */

static const char language_sql[] =
    "UPDATE label SET language = coalesce($2, language) WHERE label_id = $1 AND retired_at IS NULL";

static enum res configure(struct http_request *q, struct pg_conn *c,
                          const struct label_config *config, struct err *why)
{
    static const struct delivery_cause cause = {.job_id = NULL};
    const char *const ids[] = {http_request_text(q, "id")};
    struct delivery_count count;
    struct pg_params p;
    PGresult *rows = NULL;
    char *patch = json_dumps(config->patch, JSON_COMPACT);
    const char *const patches[] = {patch};
    pg_params_init(&p);
    pg_params_cstr(&p, ids[0]);
    pg_params_cstr(&p, config->language[0] != '\0' ? config->language : NULL);
    enum res r = pg_conn_run(c, language_sql, &p, &rows, why);
    if (r == RES_OK && pg_get_touched(rows) == 0) {
        http_reply_error(q, HTTP_ERROR_NOT_FOUND, NULL);
        r = RES_DENIED;
    }
    PQclear(rows);
    if (r == RES_OK && config->language[0] != '\0') {
        r = delivery_refresh_labels(c, ids, 1, &cause, &count, why);
    }
    if (r == RES_OK) {
        r = delivery_configure(c, ids, patches, 1, &cause, 0, &count, why);
    }
    free(patch);
    return r;
}

static enum res change_one(struct http_request *q, struct pg_conn *c, json_t **ret_answer,
                           struct err *why)
{
    struct label_config config;
    struct fleet_refusal wrong;
    json_t *device = NULL;
    const char *id = http_request_text(q, "id");
    fleet_refusal_init(&wrong);
    read_body(q, true, &config, &wrong);
    enum res r = fleet_refusal_reply(&wrong, q) ? RES_DENIED : configure(q, c, &config, why);
    if (r == RES_OK) {
        r = device_http_read(c, id, &device, why);
    }
    if (r == RES_OK) {
        r = fleet_audit_write(q, c, json_string_value(json_object_get(device, "storeId")),
                              "device.configure", "device", id, json_incref(config.patch), why);
    }
    if (r == RES_OK) {
        *ret_answer = json_incref(device);
    }
    json_decref(device);
    json_decref(config.patch);
    fleet_refusal_deinit(&wrong);
    return r;
}

/* ---- a store's defaults ---- */

static const char default_sql[] =
    "INSERT INTO label_default (store_id, config) SELECT store_id, $2::text::jsonb FROM store "
    "WHERE store_id = $1 ON CONFLICT (store_id) DO UPDATE SET config = excluded.config, "
    "updated_at = now()";
static const char labels_sql[] =
    "SELECT label_id::text FROM label WHERE store_id = $1 AND retired_at IS NULL ORDER BY label_id";

static enum res set_default(struct http_request *q, struct pg_conn *c, const json_t *patch,
                            struct err *why)
{
    struct pg_params p;
    PGresult *rows = NULL;
    char *text = json_dumps(patch, JSON_COMPACT);
    pg_params_init(&p);
    pg_params_cstr(&p, http_request_text(q, "id"));
    pg_params_cstr(&p, text);
    enum res r = pg_conn_run(c, default_sql, &p, &rows, why);
    if (r == RES_OK && pg_get_touched(rows) == 0) {
        http_reply_error(q, HTTP_ERROR_NOT_FOUND, NULL);
        r = RES_DENIED;
    }
    PQclear(rows);
    free(text);
    return r;
}

static enum res tell_store(struct http_request *q, struct pg_conn *c,
                           const struct label_config *config, json_t **ret_answer, struct err *why)
{
    static const struct delivery_cause cause = {.job_id = NULL};
    struct label_group labels = {.count = 0};
    struct delivery_count count = {0, 0};
    struct pg_params p;
    const char *store = http_request_text(q, "id");
    pg_params_init(&p);
    pg_params_cstr(&p, store);
    enum res r = label_group_find(c, labels_sql, &p, &labels, why);
    if (r == RES_OK && labels.count > 0) {
        r = delivery_configure(c, labels.ids, NULL, labels.count, &cause, 0, &count, why);
    }
    if (r == RES_OK) {
        r = fleet_audit_write(q, c, store, "store.label_defaults", "store", store,
                              json_incref(config->patch), why);
    }
    if (r == RES_OK) {
        *ret_answer =
            json_pack("{s:s, s:O, s:I, s:I}", "storeId", store, "config", config->patch, "labels",
                      (json_int_t)labels.count, "changed", (json_int_t)count.changed);
    }
    label_group_free(&labels);
    return r;
}

static enum res change_default(struct http_request *q, struct pg_conn *c, json_t **ret_answer,
                               struct err *why)
{
    struct label_config config;
    struct fleet_refusal wrong;
    fleet_refusal_init(&wrong);
    read_body(q, false, &config, &wrong);
    enum res r = fleet_refusal_reply(&wrong, q) ? RES_DENIED : set_default(q, c, config.patch, why);
    if (r == RES_OK) {
        r = tell_store(q, c, &config, ret_answer, why);
    }
    json_decref(config.patch);
    fleet_refusal_deinit(&wrong);
    return r;
}

/* ---- many labels ---- */

static const char strangers_sql[] =
    "SELECT * FROM (SELECT x.n::bigint, x.device, l.label_id IS NULL AS stranger, x.device IN "
    "(SELECT d FROM unnest($2::text[]) AS t(d) GROUP BY d HAVING count(*) > 1) AS twice FROM "
    "unnest($2::text[]) WITH ORDINALITY AS x(device, n) LEFT JOIN label l ON l.label_id = x.device "
    "AND l.store_id = $1 AND l.retired_at IS NULL) AS judged WHERE stranger OR twice ORDER BY n";

struct table {
    const char *store;
    json_t *rows;
    struct pg_array targets;
    struct pg_array changes;
    struct fleet_refusal wrong;
};

/* Every row is judged, whatever the others are. */
static void judge_rows(struct table *t)
{
    size_t i = 0;
    json_t *row = NULL;
    json_array_foreach(t->rows, i, row)
    {
        struct label_config config;
        const char *id = json_string_value(json_object_get(row, "deviceId"));
        if (id == NULL) {
            fleet_refusal_add(&t->wrong, i + 1, "deviceId", SPAN_NONE, "required, a text");
        }
        label_config_read(row, i + 1, &config, &t->wrong);
        if (config.language[0] != '\0') {
            (void)json_object_set_new(config.patch, "language", json_string(config.language));
        }
        char *change = json_dumps(config.patch, JSON_COMPACT);
        pg_array_span(&t->targets, id == NULL ? SPAN_LIT("") : span_text(id, 64));
        pg_array_span(&t->changes,
                      change == NULL ? SPAN_LIT("{}") : span_of(change, strlen(change)));
        free(change);
        json_decref(config.patch);
    }
}

static enum res judge_devices(struct pg_conn *c, struct table *t, struct err *why)
{
    struct pg_params p;
    PGresult *rows = NULL;
    const char *targets = pg_array_close(&t->targets);
    if (targets == NULL) {
        err_set(why, "the rows of a table do not fit in memory");
        return RES_LIMIT;
    }
    pg_params_init(&p);
    pg_params_cstr(&p, t->store);
    pg_params_cstr(&p, targets);
    enum res r = pg_conn_run(c, strangers_sql, &p, &rows, why);
    for (int i = 0; r == RES_OK && i < PQntuples(rows); i++) {
        struct span id = pg_get_span(rows, i, 1);
        if (id.size > 0) { /* else told already */
            fleet_refusal_add(&t->wrong, (size_t)pg_get_i64(rows, i, 0), "deviceId", id,
                              pg_get_bool(rows, i, 2) ? "a label of the store" : "each label once");
        }
    }
    PQclear(rows);
    return r;
}

static enum res start_job(struct http_request *q, struct pg_conn *c, struct table *t,
                          json_t **ret_answer, struct err *why)
{
    char job_id[BULK_JOB_ID_BYTES + 1];
    const struct bulk_job_new job = {t->store, BULK_CONFIG, FLEET_AUDIT_ACTOR};
    enum res r = bulk_job_create(c, &job, &t->targets, &t->changes, job_id, why);
    if (r == RES_OK) {
        r = fleet_audit_write(q, c, t->store, "device.configure_many", "store", t->store,
                              json_pack("{s:s}", "job", job_id), why);
    }
    if (r == RES_OK) {
        *ret_answer =
            json_pack("{s:s, s:I}", "jobId", job_id, "rows", (json_int_t)json_array_size(t->rows));
    }
    return r;
}

static json_t *read_rows(const struct http_request *q, struct fleet_refusal *wrong)
{
    struct span body = http_request_body(q);
    if (http_request_media(q) == 0) {
        return fleet_table_csv(body, label_config_columns, wrong);
    }
    json_t *root = json_loadb((const char *)body.data, body.size, JSON_REJECT_DUPLICATES, NULL);
    json_t *rows = fleet_table_json(root, "rows", label_config_columns, wrong);
    json_decref(root);
    return rows;
}

static enum res upload(struct http_request *q, struct pg_conn *c, json_t **ret_answer,
                       struct err *why)
{
    struct table t = {.store = http_request_text(q, "storeId")};
    pg_array_init(&t.targets, ARRAY_BYTES_MAX);
    pg_array_init(&t.changes, ARRAY_BYTES_MAX);
    fleet_refusal_init(&t.wrong);
    t.rows = read_rows(q, &t.wrong);
    judge_rows(&t);
    enum res r = json_array_size(t.rows) > 0 ? judge_devices(c, &t, why) : RES_OK;
    if (r == RES_OK && fleet_refusal_reply(&t.wrong, q)) {
        r = RES_DENIED;
    }
    if (r == RES_OK) {
        r = start_job(q, c, &t, ret_answer, why);
    }
    pg_array_deinit(&t.targets);
    pg_array_deinit(&t.changes);
    fleet_refusal_deinit(&t.wrong);
    json_decref(t.rows);
    return r;
}

/* ---- routes ---- */

static void put_config(struct http_request *q, void *context)
{
    http_transact_run(q, context, change_one);
}

static void put_default(struct http_request *q, void *context)
{
    http_transact_run(q, context, change_default);
}

static void post_table(struct http_request *q, void *context)
{
    http_once_run(q, context, upload);
}

#define STORE_RULE                                                                                 \
    .type = HTTP_TEXT, .required = true, .min = 3, .max = 24, .charset = "A-Z0-9-",                \
    .summary = "The store."
static const struct http_param one_params[] = {DEVICE_HTTP_PARAM_ID, HTTP_PARAM_END};
static const struct http_param default_params[] = {{HTTP_IN_PATH, {.name = "id", STORE_RULE}},
                                                   HTTP_PARAM_END};
static const struct http_param table_params[] = {
    {HTTP_IN_QUERY, {.name = "storeId", STORE_RULE}}, HTTP_PARAM_ONCE, HTTP_PARAM_END};
static const char *const one_media[] = {"application/json", NULL};
static const char *const table_media[] = {"text/csv", "application/json", NULL};
static const char *const table_errors[] = {HTTP_ONCE_ERRORS, NULL};

const struct http_route label_config_http_routes[] = {
    {.method = HTTP_PUT,
     .path = "/api/devices/{id}/config",
     .operation = "configureDevice",
     .summary = "Changes parameters of a label; those not given stay.",
     .tag = "devices",
     .params = one_params,
     .body = &one_schema,
     .media = one_media,
     .body_bytes_max = ONE_BYTES_MAX,
     .reply = &device_http_detail,
     .permission = "device.configure",
     .handle = put_config},
    {.method = HTTP_PUT,
     .path = "/api/stores/{id}/label-defaults",
     .operation = "setLabelDefaults",
     .summary = "Replaces the parameters of a store's labels where nothing else was said of one.",
     .tag = "stores",
     .params = default_params,
     .body = &default_schema,
     .media = one_media,
     .body_bytes_max = ONE_BYTES_MAX,
     .reply = &told_schema,
     .permission = "device.configure",
     .handle = put_default},
    {.method = HTTP_POST,
     .path = "/api/devices/bulk-config",
     .operation = "configureDevices",
     .summary = "Parameters of up to 10,000 labels; every bad row and field is answered, and then "
                "nothing is done.",
     .tag = "devices",
     .params = table_params,
     .body = &table_schema,
     .media = table_media,
     .body_bytes_max = FLEET_TABLE_BYTES_MAX,
     .reply = &bulk_http_started_schema,
     .status = 202,
     .errors = table_errors,
     .permission = "device.configure",
     .handle = post_table},
    HTTP_ROUTE_END};
