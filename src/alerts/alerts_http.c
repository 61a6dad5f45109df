#include "alerts_http.h"

#include "http_rows.h"

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
    {.name = NULL}};
static const struct http_schema schema = {"Alert", "Something somebody must know.", fields};

static const struct http_param params[] = {
    {HTTP_IN_QUERY,
     {.name = "store",
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
      .summary = "Only of this kind."}},
    {HTTP_IN_QUERY,
     {.name = "device",
      .type = HTTP_TEXT,
      .min = 1,
      .max = 40,
      .charset = "A-Z0-9-",
      .summary = "Only of this device."}},
    HTTP_PARAM_LIMIT,
    HTTP_PARAM_CURSOR,
    HTTP_PARAM_END};

static const struct http_rows_filter filters[] = {
    {"store", "a.store_id = ?"}, {"status", "a.status = ?"},    {"severity", "a.severity = ?"},
    {"kind", "a.kind = ?"},      {"device", "a.device_id = ?"}, {NULL, NULL}};
static const struct http_rows_list alerts = {
    .schema = &schema,
    .from = "alert a",
    .filters = filters,
    .cursor_kind = 'a',
    .newest_first = true,
    .keys = {{"a.created_at", "timestamptz"}, {"a.alert_id", "uuid"}}};

static void list_alerts(struct http_request *q, void *context)
{
    http_rows_page(q, context, &alerts);
}

const struct http_route alerts_http_routes[] = {{.method = HTTP_GET,
                                                 .path = "/api/alerts",
                                                 .operation = "listAlerts",
                                                 .summary = "Alerts, newest first.",
                                                 .tag = "alerts",
                                                 .params = params,
                                                 .reply = &schema,
                                                 .page = true,
                                                 .permission = "alert.read",
                                                 .handle = list_alerts},
                                                HTTP_ROUTE_END};
