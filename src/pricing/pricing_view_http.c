#include "pricing_view_http.h"

#include "http_rows.h"
#include "http_transact.h"
#include "pricing_reply.h"
#include "pricing_update_http.h"

#define TEXT(field, from, words)                                                                   \
    {                                                                                              \
        .name = (field), .type = HTTP_TEXT, .source = (from), .summary = (words)                   \
    }
#define TEXT_OR_NULL(field, from, words)                                                           \
    {                                                                                              \
        .name = (field), .type = HTTP_TEXT, .nullable = true, .source = (from), .summary = (words) \
    }
#define NUMBER(field, from, words)                                                                 \
    {                                                                                              \
        .name = (field), .type = HTTP_INTEGER, .source = (from), .summary = (words)                \
    }
#define TIME(field, from, words)                                                                   \
    {                                                                                              \
        .name = (field), .type = HTTP_TIME, .source = (from), .summary = (words)                   \
    }
#define TIME_OR_NULL(field, from, words)                                                           \
    {                                                                                              \
        .name = (field), .type = HTTP_TIME, .nullable = true, .source = (from), .summary = (words) \
    }
#define ID(field, from, words)                                                                     \
    {                                                                                              \
        .name = (field), .type = HTTP_UUID, .source = (from), .summary = (words)                   \
    }
#define MONEY(field, from, words)                                                                  \
    {                                                                                              \
        .name = (field), .type = HTTP_MONEY, .source = (from), .summary = (words)                  \
    }
#define MONEY_OR_NULL(field, from, words)                                                          \
    {                                                                                              \
        .name = (field), .type = HTTP_MONEY, .nullable = true, .source = (from),                   \
        .summary = (words)                                                                         \
    }

/* ---- history ---- */

static const struct http_field history_fields[] = {
    TEXT("productId", "i.sku", "The product's SKU."),
    TEXT("storeId", "p.store_id", "The store."),
    NUMBER("version", "p.version", "From 1, without a hole."),
    MONEY("price", "p.price_minor", "From then on."),
    MONEY_OR_NULL("previousPrice", "p.previous_minor", "Until then; null: the first."),
    TEXT("currency", "p.currency", "Of both."),
    {.name = "isFlashSale",
     .type = HTTP_BOOLEAN,
     .source = "p.is_flash_sale",
     .summary = "A sale."},
    TEXT("changeReason", "p.reason",
         "import, manual, bulk, rule, competitor_match, schedule, "
         "rollback, pos_sync, flash_sale_start, ..."),
    TEXT("changedBy", "p.changed_by", "Account id, or the name of an automation."),
    TIME("timestamp", "p.valid_from", "When it took effect."),
    TIME_OR_NULL("until", "p.valid_to", "Null: the price now."),
    {.name = NULL}};
static const struct http_schema history_schema = {"PriceHistory", "A price a product had.",
                                                  history_fields};
static const struct http_param history_params[] = {
    {HTTP_IN_PATH, PRICING_PRODUCT},
    PRICING_STORE_FILTER,
    {HTTP_IN_QUERY,
     {.name = "from", .type = HTTP_TIME, .summary = "That took effect then or later."}},
    {HTTP_IN_QUERY, {.name = "to", .type = HTTP_TIME, .summary = "That took effect before."}},
    HTTP_PARAM_LIMIT,
    HTTP_PARAM_CURSOR,
    HTTP_PARAM_END};
/* By the items first: of a product with few prices the planner would read all of everybody's. */
#define PRICES_OF_SKU "p.item_id = ANY (ARRAY(SELECT x.item_id FROM item x WHERE x.sku = ?))"
static const struct http_rows_list history = {
    .schema = &history_schema,
    .from = "price p JOIN item i USING (item_id)",
    .filters = (const struct http_rows_filter[]){{"productId", PRICES_OF_SKU},
                                                 {"storeId", "i.store_id = ?"},
                                                 {"from", "p.valid_from >= ?"},
                                                 {"to", "p.valid_from < ?"},
                                                 {NULL, NULL}},
    .cursor_kind = 'p',
    .newest_first = true,
    .keys = {{"p.price_id", "bigint"}}};

static void list_history(struct http_request *q, void *context)
{
    http_rows_page(q, context, &history);
}

/* ---- deliveries ---- */

static const char *const delivery_states[] = {"queued",     "sent",   "displayed", "pending",
                                              "superseded", "failed", NULL};
static const char *const delivery_kinds[] = {"display", "config", "flash", NULL};
static const struct http_field delivery_fields[] = {
    ID("deliveryId", "d.delivery_id", "The updateId of the message."),
    TEXT("deviceId", "d.label_id", "The label."),
    TEXT("storeId", "d.store_id", "The store."),
    TEXT_OR_NULL("productId", "i.sku", "What the label shows; null: nothing, or no display."),
    {.name = "kind",
     .type = HTTP_CHOICE,
     .choices = delivery_kinds,
     .source = "d.kind",
     .summary = "What is delivered."},
    NUMBER("version", "d.version", "Rises with each of its kind to this label."),
    MONEY_OR_NULL("price", "p.price_minor", "Of the price version behind it."),
    {.name = "state",
     .type = HTTP_CHOICE,
     .choices = delivery_states,
     .source = "d.state",
     .summary = "displayed: the label confirmed the digest of what it shows. pending: it is asleep "
                "or offline."},
    NUMBER("attempts", "d.attempts", "Sent so often: once and at most three times more."),
    TEXT_OR_NULL("digest", "encode(d.content_digest, 'hex')", "SHA-256 of what it shall show."),
    {.name = "jobId",
     .type = HTTP_UUID,
     .nullable = true,
     .source = "d.job_id",
     .summary = "The bulk job that asked for it."},
    TIME("createdAt", "d.created_at", "When the change was made."),
    TIME_OR_NULL("sentAt", "d.sent_at", "Last sent."),
    TIME_OR_NULL("finishedAt", "d.finished_at", "Displayed, superseded or failed."),
    TEXT_OR_NULL("detail", "d.detail", "Why it failed."),
    {.name = NULL}};
static const struct http_schema delivery_schema = {
    "Delivery", "One change on its way to one label.", delivery_fields};
static const struct http_param delivery_params[] = {
    PRICING_STORE_FILTER,
    PRICING_PRODUCT_FILTER,
    {HTTP_IN_QUERY,
     {.name = "deviceId",
      .type = HTTP_TEXT,
      .min = 1,
      .max = 24,
      .charset = "A-Z0-9-",
      .summary = "Only to this label."}},
    {HTTP_IN_QUERY,
     {.name = "state", .type = HTTP_CHOICE, .choices = delivery_states, .summary = "Only these."}},
    {HTTP_IN_QUERY, {.name = "jobId", .type = HTTP_UUID, .summary = "Only of this bulk job."}},
    HTTP_PARAM_LIMIT,
    HTTP_PARAM_CURSOR,
    HTTP_PARAM_END};
#define DELIVERY_FROM                                                                              \
    "delivery d LEFT JOIN item i ON i.item_id = d.item_id LEFT JOIN price p ON p.price_id = "      \
    "d.price_id"
/* Delivery ids begin with the time they were made. */
static const struct http_rows_list deliveries = {
    .schema = &delivery_schema,
    .from = DELIVERY_FROM,
    .filters = (const struct http_rows_filter[]){{"storeId", "d.store_id = ?"},
                                                 {"productId", "i.sku = ?"},
                                                 {"deviceId", "d.label_id = ?"},
                                                 {"state", "d.state = ?"},
                                                 {"jobId", "d.job_id = ?::uuid"},
                                                 {NULL, NULL}},
    .cursor_kind = 'v',
    .newest_first = true,
    .keys = {{"d.delivery_id", "uuid"}}};

static void list_deliveries(struct http_request *q, void *context)
{
    http_rows_page(q, context, &deliveries);
}

static const struct http_param id_params[] = {
    {HTTP_IN_PATH, {.name = "id", .type = HTTP_UUID, .required = true, .summary = "Which one."}},
    HTTP_PARAM_END};

static void get_delivery(struct http_request *q, void *context)
{
    struct pg_params p;
    pg_params_init(&p);
    pg_params_cstr(&p, http_request_text(q, "id"));
    json_t *one =
        http_rows_one(q, context, &delivery_schema, DELIVERY_FROM, "d.delivery_id = $1::uuid", &p);
    if (one != NULL) {
        http_reply_json(q, one);
    }
}

/* ---- prices to come ---- */

static const char *const schedule_states[] = {"waiting", "applied", "cancelled", "refused", NULL};
static const struct http_field schedule_fields[] = {
    ID("scheduleId", "s.schedule_id", "Its id."),
    TEXT("storeId", "s.store_id", "The store."),
    TEXT("productId", "i.sku", "The product's SKU."),
    MONEY("price", "s.price_minor", "The price to come."),
    TEXT("currency", "i.currency", "Its currency."),
    TEXT("changeReason", "s.reason", "Why."),
    TIME("effectiveAt", "s.effective_at", "When it takes effect."),
    {.name = "state",
     .type = HTTP_CHOICE,
     .choices = schedule_states,
     .source = "s.state",
     .summary = "refused: it broke a limit when its time came."},
    TEXT_OR_NULL("detail", "s.detail", "Why it was refused."),
    TEXT("createdBy", "s.created_by", "Account id, or the name of an automation."),
    TIME("createdAt", "s.created_at", "When it was planned."),
    TIME_OR_NULL("finishedAt", "s.finished_at", "Applied, cancelled or refused."),
    {.name = NULL}};
static const struct http_schema schedule_schema = {"PriceSchedule", "A price to come.",
                                                   schedule_fields};
static const struct http_param schedule_params[] = {
    PRICING_STORE_FILTER,
    PRICING_PRODUCT_FILTER,
    {HTTP_IN_QUERY,
     {.name = "state", .type = HTTP_CHOICE, .choices = schedule_states, .summary = "Only these."}},
    HTTP_PARAM_LIMIT,
    HTTP_PARAM_CURSOR,
    HTTP_PARAM_END};
#define SCHEDULE_FROM "price_schedule s JOIN item i USING (item_id)"
static const struct http_rows_list schedules = {
    .schema = &schedule_schema,
    .from = SCHEDULE_FROM,
    .filters = (const struct http_rows_filter[]){{"storeId", "s.store_id = ?"},
                                                 {"productId", "i.sku = ?"},
                                                 {"state", "s.state = ?"},
                                                 {NULL, NULL}},
    .cursor_kind = 's',
    .keys = {{"s.effective_at", "timestamptz"}, {"s.schedule_id", "uuid"}}};

static void list_schedules(struct http_request *q, void *context)
{
    http_rows_page(q, context, &schedules);
}

static const char *const cancel_errors[] = {"NOT_WAITING", NULL};

/* Waits for a worker that is applying it, then sees what it became. */
static enum res cancel(struct http_request *q, struct pg_conn *c, json_t **ret_answer,
                       struct err *why)
{
    struct pg_params p;
    PGresult *rows = NULL;
    pg_params_init(&p);
    pg_params_cstr(&p, http_request_text(q, "id"));
    enum res r = pg_conn_run(c,
                             "WITH s AS (UPDATE price_schedule SET state = 'cancelled', "
                             "finished_at = now() WHERE schedule_id = $1::uuid AND state = "
                             "'waiting' RETURNING store_id) SELECT s.store_id FROM s UNION ALL "
                             "SELECT NULL FROM price_schedule WHERE schedule_id = $1::uuid "
                             "AND NOT EXISTS (SELECT FROM s)",
                             &p, &rows, why);
    if (r != RES_OK) {
        return r;
    }
    char store_id[32] = "";
    if (PQntuples(rows) == 0) {
        http_reply_error(q, HTTP_ERROR_NOT_FOUND, NULL);
        r = RES_DENIED;
    } else if (pg_get_is_null(rows, 0, 0)) {
        http_reply_error_code(q, HTTP_ERROR_CONFLICT, cancel_errors[0],
                              "This price has taken effect, was cancelled or was refused already.");
        r = RES_DENIED;
    } else {
        r = span_copy_text(pg_get_span(rows, 0, 0), store_id, sizeof store_id);
    }
    PQclear(rows);
    if (r == RES_OK) {
        json_t *nothing = json_object();
        r = pricing_reply_audit(q, c, store_id, "price.cancel", "price_schedule",
                                http_request_text(q, "id"), nothing, why);
        json_decref(nothing);
    }
    if (r == RES_OK) {
        *ret_answer =
            json_pack("{s:s, s:s}", "scheduleId", http_request_text(q, "id"), "state", "cancelled");
    }
    return r;
}

static const struct http_field cancelled_fields[] = {
    {.name = "scheduleId", .type = HTTP_UUID, .summary = "Its id."},
    {.name = "state", .type = HTTP_CHOICE, .choices = schedule_states, .summary = "cancelled."},
    {.name = NULL}};
static const struct http_schema cancelled_schema = {
    "PriceCancelled", "A price that will not take effect.", cancelled_fields};

static void delete_schedule(struct http_request *q, void *context)
{
    http_transact_run(q, context, cancel);
}

/* ---- requests to the till system ---- */

static const char *const request_states[] = {"open", "done", "withdrawn", NULL};
static const struct http_field request_fields[] = {
    ID("requestId", "r.request_id", "Its id."),
    TEXT("storeId", "r.store_id", "The store."),
    TEXT("productId", "i.sku", "The product's SKU."),
    MONEY("price", "r.price_minor", "What was asked for."),
    MONEY("currentPrice", "i.price_minor", "What it costs now."),
    TEXT("currency", "i.currency", "Of both."),
    TEXT("changeReason", "r.reason", "Why."),
    TEXT("requestedBy", "r.requested_by", "Account id, or the name of an automation."),
    {.name = "state",
     .type = HTTP_CHOICE,
     .choices = request_states,
     .source = "r.state",
     .summary = "done: a synchronisation brought this price."},
    TIME("createdAt", "r.created_at", "When it was asked for."),
    TIME_OR_NULL("finishedAt", "r.finished_at", "Done or withdrawn."),
    {.name = NULL}};
static const struct http_schema request_schema = {
    "PriceRequest", "A price that the till system is asked for.", request_fields};
static const struct http_param request_params[] = {
    PRICING_STORE_FILTER,
    PRICING_PRODUCT_FILTER,
    {HTTP_IN_QUERY,
     {.name = "state", .type = HTTP_CHOICE, .choices = request_states, .summary = "Only these."}},
    HTTP_PARAM_LIMIT,
    HTTP_PARAM_CURSOR,
    HTTP_PARAM_END};
static const struct http_rows_list requests = {
    .schema = &request_schema,
    .from = "price_request r JOIN item i USING (item_id)",
    .filters = (const struct http_rows_filter[]){{"storeId", "r.store_id = ?"},
                                                 {"productId", "i.sku = ?"},
                                                 {"state", "r.state = ?"},
                                                 {NULL, NULL}},
    .cursor_kind = 'q',
    .newest_first = true,
    .keys = {{"r.created_at", "timestamptz"}, {"r.request_id", "uuid"}}};

static void list_requests(struct http_request *q, void *context)
{
    http_rows_page(q, context, &requests);
}

#define LIST(at, name, words, rule, schema_, handler)                                              \
    {                                                                                              \
        .method = HTTP_GET, .path = (at), .operation = (name), .summary = (words),                 \
        .tag = "pricing", .params = (rule), .reply = (schema_), .page = true,                      \
        .permission = "pricing.read", .handle = (handler)                                          \
    }
const struct http_route pricing_view_http_routes[] = {
    LIST("/api/pricing/history/{productId}", "listPriceHistory",
         "Every price a product had, newest first: who, when and why.", history_params,
         &history_schema, list_history),
    LIST("/api/pricing/deliveries", "listDeliveries",
         "What is on its way to labels and what became of it, newest first.", delivery_params,
         &delivery_schema, list_deliveries),
    {.method = HTTP_GET,
     .path = "/api/pricing/deliveries/{id}",
     .operation = "getDelivery",
     .summary = "One change on its way to one label.",
     .tag = "pricing",
     .params = id_params,
     .reply = &delivery_schema,
     .permission = "pricing.read",
     .handle = get_delivery},
    LIST("/api/pricing/schedule", "listPriceSchedules", "Prices to come, the next one first.",
         schedule_params, &schedule_schema, list_schedules),
    {.method = HTTP_DELETE,
     .path = "/api/pricing/schedule/{id}",
     .operation = "cancelPriceSchedule",
     .summary = "Cancels a price that has not taken effect yet.",
     .tag = "pricing",
     .params = id_params,
     .reply = &cancelled_schema,
     .errors = cancel_errors,
     .permission = "pricing.write",
     .handle = delete_schedule},
    LIST("/api/pricing/requests", "listPriceRequests",
         "Prices that till systems are asked for, newest first.", request_params, &request_schema,
         list_requests),
    HTTP_ROUTE_END};
