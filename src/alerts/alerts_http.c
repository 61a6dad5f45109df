#include "alerts_http.h"

#include <string.h>

#include "alert_kind.h"
#include "http_rows.h"
#include "http_transact.h"
#include "http_uri.h"

#define ISSUER          "operator" /* until there are accounts */
#define ACKNOWLEDGE_MAX 200
#define IDS_BYTES_MAX   (ACKNOWLEDGE_MAX * (HTTP_UUID_BYTES + 3) + 2)

static const char *const severities[] = {"low", "medium", "high", NULL};
static const char *const statuses[] = {"open", "acknowledged", "resolved", NULL};

static const struct http_field fields[] = {
    {.name = "alertId", .type = HTTP_UUID, .source = "a.alert_id", .summary = "Its id."},
    {.name = "storeId",
     .type = HTTP_TEXT,
     .nullable = true,
     .source = "a.store_id",
     .summary = "Null: of the platform itself."},
    {.name = "kind", .type = HTTP_TEXT, .source = "a.kind", .summary = "What it is about."},
    {.name = "alertType",
     .type = HTTP_TEXT,
     .source = "a.kind",
     .summary = "The kind by its name in the label document."},
    {.name = "severity",
     .type = HTTP_CHOICE,
     .choices = severities,
     .source = "a.severity",
     .summary = "How bad."},
    {.name = "deviceId",
     .type = HTTP_TEXT,
     .nullable = true,
     .source = "a.device_id",
     .summary = "Cart or label."},
    {.name = "sessionId",
     .type = HTTP_TEXT,
     .nullable = true,
     .source = "a.session_id",
     .summary = "Shopping trip."},
    {.name = "productId",
     .type = HTTP_TEXT,
     .nullable = true,
     .source = "a.product_id",
     .summary = "SKU."},
    {.name = "demandScore",
     .type = HTTP_MONEY, /* a decimal with two digits */
     .nullable = true,
     .source = "round(a.demand_score * 100)",
     .summary = "Of an empty shelf: units sold a day."},
    {.name = "message", .type = HTTP_TEXT, .source = "a.message", .summary = "One sentence."},
    {.name = "status",
     .type = HTTP_CHOICE,
     .choices = statuses,
     .source = "a.status",
     .summary = "Whether somebody saw to it."},
    {.name = "occurrences",
     .type = HTTP_INTEGER,
     .source = "a.occurrences",
     .summary = "How often the same cause was seen."},
    {.name = "createdAt", .type = HTTP_TIME, .source = "a.created_at", .summary = "First seen."},
    {.name = "lastSeenAt", .type = HTTP_TIME, .source = "a.last_seen_at", .summary = "Last seen."},
    {.name = "acknowledgedAt",
     .type = HTTP_TIME,
     .nullable = true,
     .source = "a.acknowledged_at",
     .summary = "When somebody took it up."},
    {.name = "acknowledgedBy",
     .type = HTTP_TEXT,
     .nullable = true,
     .source = "a.acknowledged_by",
     .summary = "Account id."},
    {.name = "resolvedAt",
     .type = HTTP_TIME,
     .nullable = true,
     .source = "a.resolved_at",
     .summary = "When its cause was gone."},
    {.name = "resolvedBy",
     .type = HTTP_TEXT,
     .nullable = true,
     .source = "a.resolved_by",
     .summary = "Account id; null: the platform saw that the cause is gone."},
    {.name = NULL}};
const struct http_schema alerts_http_schema = {"Alert", "Something somebody must know.", fields};

static const struct http_param params[] = {
    {HTTP_IN_QUERY,
     {.name = "storeId",
      .type = HTTP_TEXT,
      .min = 3,
      .max = 24,
      .charset = "A-Z0-9-",
      .summary = "Only of this store."}},
    {HTTP_IN_QUERY,
     {.name = "status", .type = HTTP_CHOICE, .choices = statuses, .summary = "Only these."}},
    {HTTP_IN_QUERY,
     {.name = "severity", .type = HTTP_CHOICE, .choices = severities, .summary = "Only these."}},
    {HTTP_IN_QUERY,
     {.name = "kind",
      .type = HTTP_TEXT,
      .min = 1,
      .max = 40,
      .charset = "a-z0-9_",
      .summary = "Only of this kind; empty_shelf: by demand."}},
    {HTTP_IN_QUERY,
     {.name = "deviceId",
      .type = HTTP_TEXT,
      .min = 1,
      .max = 40,
      .charset = "A-Z0-9-",
      .summary = "Only of this device."}},
    HTTP_PARAM_LIMIT,
    HTTP_PARAM_CURSOR,
    HTTP_PARAM_END};
static const struct http_param id_params[] = {
    {HTTP_IN_PATH, {.name = "id", .type = HTTP_UUID, .required = true, .summary = "The alert."}},
    HTTP_PARAM_END};

static const struct http_rows_filter filters[] = {
    {"storeId", "a.store_id = ?"}, {"status", "a.status = ?"},      {"severity", "a.severity = ?"},
    {"kind", "a.kind = ?"},        {"deviceId", "a.device_id = ?"}, {NULL, NULL}};
/* As the indexes of 0019_alert_functions.sql have it. */
static const struct http_rows_list by_severity = {
    .schema = &alerts_http_schema,
    .from = "alert a",
    .filters = filters,
    .cursor_kind = 'a',
    .newest_first = true,
    .keys = {{"CASE a.severity WHEN 'high' THEN 3 WHEN 'medium' THEN 2 ELSE 1 END", "integer"},
             {"a.created_at", "timestamptz"},
             {"a.alert_id", "uuid"}}};
static const struct http_rows_list by_demand = {
    .schema = &alerts_http_schema,
    .from = "alert a",
    .filters = filters,
    .cursor_kind = 'e',
    .newest_first = true,
    .keys = {{"coalesce(a.demand_score, -1)", "double precision"},
             {"a.created_at", "timestamptz"},
             {"a.alert_id", "uuid"}}};

static void list_alerts(struct http_request *q, void *context)
{
    const char *kind = http_request_text(q, "kind");
    bool demand = kind != NULL && strcmp(kind, alert_kind_entry(ALERT_EMPTY_SHELF)->name) == 0;
    http_rows_page(q, context, demand ? &by_demand : &by_severity);
}

static void one_alert(struct http_request *q, void *context)
{
    struct pg_params p;
    pg_params_init(&p);
    pg_params_cstr(&p, http_request_text(q, "id"));
    json_t *alert = http_rows_one(q, context, &alerts_http_schema, "alert a",
                                  "a.alert_id = $1::text::uuid", &p);
    if (alert != NULL) {
        http_reply_json(q, alert);
    }
}

/* ---- acknowledging and resolving ---- */

static const struct http_field acknowledge_fields[] = {
    {.name = "alertId", .type = HTTP_UUID, .summary = "The alert; or:"},
    {.name = "alertIds", .type = HTTP_LIST, .summary = "1 to 200 alerts: all or none."},
    {.name = NULL}};
static const struct http_schema acknowledge_schema = {
    "AlertAcknowledgement", "Which alerts somebody takes up.", acknowledge_fields};
static const struct http_field acknowledged_fields[] = {
    {.name = "items", .type = HTTP_LIST, .of = &alerts_http_schema, .summary = "As they are now."},
    {.name = NULL}};
static const struct http_schema acknowledged_schema = {
    "AcknowledgedAlerts", "The alerts that were named.", acknowledged_fields};
static const char *const acknowledge_errors[] = {"ALERT_RESOLVED", NULL};

/* The ids as the text of an array. RES_DENIED: replied. */
static enum res read_ids(struct http_request *q, struct sink *s, size_t *ret_count)
{
    const json_t *list = http_request_json(q, "alertIds");
    const char *one = http_request_text(q, "alertId");
    size_t count = one != NULL ? 1 : json_array_size(list);
    if ((one == NULL) == (list == NULL)) {
        http_reply_error_field(q, "alertId", "", "either alertId or alertIds");
        return RES_DENIED;
    }
    if (count < 1 || count > ACKNOWLEDGE_MAX) {
        http_reply_error_field(q, "alertIds", "", "1 to 200 alerts");
        return RES_DENIED;
    }
    for (size_t i = 0; i < count; i++) {
        const char *id = one != NULL ? one : json_string_value(json_array_get(list, i));
        struct span text = id == NULL ? SPAN_NONE : span_text(id, HTTP_UUID_BYTES + 1);
        if (text.data == NULL || !http_uri_is_uuid(text)) {
            http_reply_error_field(q, "alertIds", id == NULL ? "" : id, "UUIDs");
            return RES_DENIED;
        }
        sink_text(s, i == 0 ? "{" : ",");
        sink_bytes(s, text);
    }
    sink_text(s, "}");
    *ret_count = count;
    return RES_OK;
}

/* Locks them, in the order of their ids. RES_DENIED: one is not there or over, and replied. */
static enum res check_alerts(struct http_request *q, struct pg_conn *c, const char *ids,
                             struct err *why)
{
    struct pg_params p;
    PGresult *rows = NULL;
    json_t *over = NULL;
    pg_params_init(&p);
    pg_params_cstr(&p, ids);
    enum res r = pg_conn_run(c,
                             "SELECT u.id::text, a.status FROM (SELECT DISTINCT id FROM "
                             "unnest($1::uuid[]) AS i(id)) u LEFT JOIN LATERAL (SELECT status "
                             "FROM alert WHERE alert_id = u.id FOR UPDATE) a ON true ORDER BY u.id",
                             &p, &rows, why);
    for (int i = 0; r == RES_OK && i < PQntuples(rows); i++) {
        if (pg_get_is_null(rows, i, 1)) {
            http_reply_error(q, HTTP_ERROR_NOT_FOUND, NULL);
            r = RES_DENIED;
        } else if (span_equal(pg_get_span(rows, i, 1), SPAN_LIT("resolved"))) {
            over = over == NULL ? json_array() : over;
            struct span id = pg_get_span(rows, i, 0);
            (void)json_array_append_new(over,
                                        json_pack("{s:s, s:s%, s:s}", "field", "alertId", "value",
                                                  id.data, id.size, "constraint", "not resolved"));
        }
    }
    PQclear(rows);
    if (r == RES_OK && over != NULL) {
        http_reply_error_details(q, HTTP_ERROR_CONFLICT, "ALERT_RESOLVED",
                                 "An alert is resolved already; none was acknowledged.", over);
        return RES_DENIED;
    }
    json_decref(over);
    return r;
}

static enum res read_alerts(struct pg_conn *c, const char *ids, json_t **ret_items, struct err *why)
{
    struct pg_params p;
    pg_params_init(&p);
    pg_params_cstr(&p, ids);
    return http_rows_read(c, "SELECT ", &alerts_http_schema,
                          " FROM alert a WHERE a.alert_id = ANY ($1::uuid[]) ORDER BY a.alert_id",
                          &p, ret_items, why);
}

static enum res do_acknowledge(struct http_request *q, struct pg_conn *c, json_t **ret_answer,
                               struct err *why)
{
    char ids[IDS_BYTES_MAX + 1];
    struct sink s;
    size_t count = 0;
    struct pg_params p;
    json_t *items = NULL;
    sink_init(&s, ids, IDS_BYTES_MAX);
    enum res r = read_ids(q, &s, &count);
    if (r != RES_OK) {
        return r;
    }
    ids[s.size] = '\0';
    r = check_alerts(q, c, ids, why);
    if (r == RES_OK) {
        pg_params_init(&p);
        pg_params_cstr(&p, ids);
        r = pg_conn_run(c,
                        "UPDATE alert SET status = 'acknowledged', acknowledged_at = now(), "
                        "acknowledged_by = '" ISSUER "' WHERE alert_id = ANY ($1::uuid[]) AND "
                        "status = 'open'",
                        &p, NULL, why);
    }
    if (r == RES_OK) {
        r = read_alerts(c, ids, &items, why);
    }
    if (r == RES_OK) {
        *ret_answer = json_pack("{s:o}", "items", items);
    }
    return r;
}

static enum res do_resolve(struct http_request *q, struct pg_conn *c, json_t **ret_answer,
                           struct err *why)
{
    char ids[HTTP_UUID_BYTES + 3];
    struct sink s;
    struct pg_params p;
    json_t *items = NULL;
    sink_init(&s, ids, sizeof ids - 1);
    sink_text(&s, "{");
    sink_text(&s, http_request_text(q, "id"));
    sink_text(&s, "}");
    ids[s.size] = '\0';
    pg_params_init(&p);
    pg_params_cstr(&p, ids);
    enum res r = pg_conn_run(c,
                             "UPDATE alert SET status = 'resolved', resolved_at = now(), "
                             "resolved_by = '" ISSUER "' WHERE alert_id = ANY ($1::uuid[]) AND "
                             "status <> 'resolved'",
                             &p, NULL, why);
    if (r == RES_OK) {
        r = read_alerts(c, ids, &items, why);
    }
    if (r != RES_OK) {
        return r;
    }
    *ret_answer = json_incref(json_array_get(items, 0));
    json_decref(items);
    if (*ret_answer == NULL) {
        http_reply_error(q, HTTP_ERROR_NOT_FOUND, NULL);
        return RES_DENIED;
    }
    return RES_OK;
}

static void acknowledge(struct http_request *q, void *context)
{
    http_transact_run(q, context, do_acknowledge);
}

static void resolve(struct http_request *q, void *context)
{
    http_transact_run(q, context, do_resolve);
}

const struct http_route alerts_http_routes[] = {
    {.method = HTTP_GET,
     .path = "/api/alerts",
     .operation = "listAlerts",
     .summary = "Alerts: the worst first, then the newest; empty shelves by demand.",
     .tag = "alerts",
     .params = params,
     .reply = &alerts_http_schema,
     .page = true,
     .permission = "alert.read",
     .handle = list_alerts},
    {.method = HTTP_GET,
     .path = "/api/alerts/{id}",
     .operation = "getAlert",
     .summary = "One alert.",
     .tag = "alerts",
     .params = id_params,
     .reply = &alerts_http_schema,
     .permission = "alert.read",
     .handle = one_alert},
    {.method = HTTP_POST,
     .path = "/api/alerts/acknowledge",
     .operation = "acknowledgeAlerts",
     .summary = "Somebody takes them up; again changes nothing.",
     .tag = "alerts",
     .body = &acknowledge_schema,
     .reply = &acknowledged_schema,
     .errors = acknowledge_errors,
     .permission = "alert.acknowledge",
     .handle = acknowledge},
    {.method = HTTP_POST,
     .path = "/api/alerts/{id}/resolve",
     .operation = "resolveAlert",
     .summary = "Its cause is gone; again changes nothing.",
     .tag = "alerts",
     .params = id_params,
     .reply = &alerts_http_schema,
     .permission = "alert.acknowledge",
     .handle = resolve},
    HTTP_ROUTE_END};
