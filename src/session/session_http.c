#include "session_http.h"

#include "ecdsa.h"
#include "http_rows.h"
#include "reconcile.h"
#include "session.h"
#include "timestamp.h"

/* A trip has 30 to 80 scans (C-032); more than this are not shown, and the answer says so. */
#define SCANS_SHOWN_MAX 2000

static const char *const statuses[] = {"active", "paused", "complete", "abandoned", "voided", NULL};
static const char *const reconciles[] = {"open", "pending", "reconciled", "mismatch", NULL};

#define SESSION_FIELDS                                                                             \
    {.name = "sessionId",                                                                          \
     .type = HTTP_TEXT,                                                                            \
     .source = "s.session_id",                                                                     \
     .summary = "{cart}.{epoch}.{counter of its start}."},                                         \
        {.name = "cartId", .type = HTTP_TEXT, .source = "s.cart_id", .summary = "The cart."},      \
        {.name = "storeId", .type = HTTP_TEXT, .source = "s.store_id", .summary = "The store."},   \
        {.name = "accountId",                                                                      \
         .type = HTTP_UUID,                                                                        \
         .nullable = true,                                                                         \
         .source = "s.account_id",                                                                 \
         .summary = "Opaque; null for a guest."},                                                  \
        {.name = "status",                                                                         \
         .type = HTTP_CHOICE,                                                                      \
         .choices = statuses,                                                                      \
         .source = "s.status",                                                                     \
         .summary = "Where the trip stands."},                                                     \
        {.name = "holdReason",                                                                     \
         .type = HTTP_TEXT,                                                                        \
         .nullable = true,                                                                         \
         .source = "s.hold_reason",                                                                \
         .summary = "While paused."},                                                              \
        {.name = "startedAt",                                                                      \
         .type = HTTP_TIME,                                                                        \
         .source = "s.started_at",                                                                 \
         .summary = "The cart's clock."},                                                          \
        {.name = "endedAt",                                                                        \
         .type = HTTP_TIME,                                                                        \
         .nullable = true,                                                                         \
         .source = "s.ended_at",                                                                   \
         .summary = "The cart's clock."},                                                          \
        {.name = "lastCounter",                                                                    \
         .type = HTTP_INTEGER,                                                                     \
         .source = "s.last_counter",                                                               \
         .summary = "Of the last event that changed it."},                                         \
        {.name = "endCounter",                                                                     \
         .type = HTTP_INTEGER,                                                                     \
         .nullable = true,                                                                         \
         .source = "s.end_counter",                                                                \
         .summary = "Of its end; null for one the platform ended."},                               \
        {.name = "identityMethod",                                                                 \
         .type = HTTP_TEXT,                                                                        \
         .nullable = true,                                                                         \
         .source = "s.identity_method",                                                            \
         .summary = "How the shopper was identified."},                                            \
        {.name = "identityConflict",                                                               \
         .type = HTTP_BOOLEAN,                                                                     \
         .source = "s.identity_conflict",                                                          \
         .summary = "A second, different identity came; the first was kept."},                     \
        {.name = "itemCount",                                                                      \
         .type = HTTP_INTEGER,                                                                     \
         .nullable = true,                                                                         \
         .source = "s.item_count",                                                                 \
         .summary = "As the cart said at the end."},                                               \
        {.name = "scanCount",                                                                      \
         .type = HTTP_INTEGER,                                                                     \
         .nullable = true,                                                                         \
         .source = "s.scan_count",                                                                 \
         .summary = "As the cart said at the end."},                                               \
        {.name = "unpriced",                                                                       \
         .type = HTTP_INTEGER,                                                                     \
         .nullable = true,                                                                         \
         .source = "s.unpriced",                                                                   \
         .summary = "Quantity without a price, as the cart said at the end."},                     \
        {.name = "total",                                                                          \
         .type = HTTP_MONEY,                                                                       \
         .nullable = true,                                                                         \
         .source = "s.total_minor",                                                                \
         .summary = "As the cart said at the end."},                                               \
        {.name = "currency",                                                                       \
         .type = HTTP_TEXT,                                                                        \
         .nullable = true,                                                                         \
         .source = "s.currency",                                                                   \
         .summary = "ISO 4217."},                                                                  \
        {.name = "computedItemCount",                                                              \
         .type = HTTP_INTEGER,                                                                     \
         .source = "s.computed_item_count",                                                        \
         .summary = "As the platform counts."},                                                    \
        {.name = "computedScanCount",                                                              \
         .type = HTTP_INTEGER,                                                                     \
         .source = "s.computed_scan_count",                                                        \
         .summary = "As the platform counts."},                                                    \
        {.name = "computedTotal",                                                                  \
         .type = HTTP_MONEY,                                                                       \
         .source = "s.computed_total_minor",                                                       \
         .summary = "As the platform adds up."},                                                   \
        {.name = "reconcileState",                                                                 \
         .type = HTTP_CHOICE,                                                                      \
         .choices = reconciles,                                                                    \
         .source = "s.reconcile_state",                                                            \
         .summary = "Whether the two agree."},                                                     \
        {.name = "reconcileReasons",                                                               \
         .type = HTTP_LIST,                                                                        \
         .source = "s.reconcile_reasons",                                                          \
         .summary = "Why they do not."},                                                           \
        {.name = "lateEvents",                                                                     \
         .type = HTTP_INTEGER,                                                                     \
         .source = "s.late_events",                                                                \
         .summary = "Came for it after it had ended."},                                            \
    {                                                                                              \
        .name = "weightMismatches", .type = HTTP_INTEGER, .source = "s.mismatch_count",            \
        .summary = "Scans whose weight was not the expected one."                                  \
    }

static const struct http_field session_fields[] = {SESSION_FIELDS, {.name = NULL}};
static const struct http_schema session_schema = {"Session", "One shopping trip.", session_fields};

static const struct http_field payment_fields[] = {
    {.name = "amount", .type = HTTP_MONEY, .source = "p.amount_minor", .summary = "What was paid."},
    {.name = "currency", .type = HTTP_TEXT, .source = "p.currency", .summary = "ISO 4217."},
    {.name = "status",
     .type = HTTP_TEXT,
     .source = "p.status",
     .summary = "What the terminal said: approved or declined."},
    {.name = "outcome",
     .type = HTTP_TEXT,
     .source = "p.outcome",
     .summary = "What the cart was answered: accepted or refused."},
    {.name = "refuseReason",
     .type = HTTP_TEXT,
     .nullable = true,
     .source = "p.refuse_reason",
     .summary = "Why it was refused."},
    {.name = "deviceTime",
     .type = HTTP_TIME,
     .source = "p.device_time",
     .summary = "The cart's clock."},
    {.name = "createdAt", .type = HTTP_TIME, .source = "p.created_at", .summary = "Our clock."},
    {.name = NULL}};
static const struct http_schema payment_schema = {
    "Payment", "One authorization; the token itself is not shown.", payment_fields};

static const struct http_field scan_fields[] = {
    {.name = "counter", .type = HTTP_INTEGER, .summary = "Of the event."},
    {.name = "line", .type = HTTP_INTEGER, .summary = "Of the basket."},
    {.name = "gtin", .type = HTTP_TEXT, .summary = "As read."},
    {.name = "sku", .type = HTTP_TEXT, .nullable = true, .summary = "Null: unknown product."},
    {.name = "quantity", .type = HTTP_INTEGER, .summary = "Negative: taken out again."},
    {.name = "price",
     .type = HTTP_MONEY,
     .nullable = true,
     .summary = "Of one unit, frozen at the scan."},
    {.name = "resolves",
     .type = HTTP_INTEGER,
     .nullable = true,
     .summary = "Counter of the scan whose price this one brings."},
    {.name = "weightVerdict", .type = HTTP_TEXT, .summary = "ok, mismatch, unstable or unknown."},
    {.name = "expectedG", .type = HTTP_INTEGER, .nullable = true, .summary = "Grams."},
    {.name = "deltaG",
     .type = HTTP_INTEGER,
     .nullable = true,
     .summary = "What the weight platform saw, grams."},
    {.name = "deviceTime", .type = HTTP_TIME, .summary = "The cart's clock."},
    {.name = "receivedAt", .type = HTTP_TIME, .summary = "Our clock."},
    {.name = "runningItems", .type = HTTP_INTEGER, .summary = "Items so far."},
    {.name = "runningTotal", .type = HTTP_MONEY, .summary = "Total so far."},
    {.name = NULL}};
static const struct http_schema scan_schema = {"Scan", "One barcode read.", scan_fields};

static const struct http_field detail_fields[] = {
    SESSION_FIELDS,
    {.name = "payment",
     .type = HTTP_OBJECT,
     .nullable = true,
     .of = &payment_schema,
     .summary = "Null: not paid at the cart."},
    {.name = "scans", .type = HTTP_LIST, .of = &scan_schema, .summary = "In counter order."},
    {.name = "runningTotal", .type = HTTP_MONEY, .summary = "After the last scan shown."},
    {.name = "scansCut", .type = HTTP_BOOLEAN, .summary = "There are more than are shown."},
    {.name = NULL}};
static const struct http_schema detail_schema = {
    "SessionDetail", "A shopping trip with its scans and payment.", detail_fields};

static const struct http_param list_params[] = {
    {HTTP_IN_QUERY,
     {.name = "storeId",
      .type = HTTP_TEXT,
      .min = 3,
      .max = 24,
      .charset = "A-Z0-9-",
      .summary = "Only of this store."}},
    {HTTP_IN_QUERY,
     {.name = "cart",
      .type = HTTP_TEXT,
      .min = 1,
      .max = 24,
      .charset = "A-Z0-9-",
      .summary = "Only of this cart."}},
    {HTTP_IN_QUERY,
     {.name = "status", .type = HTTP_CHOICE, .choices = statuses, .summary = "Only these."}},
    {HTTP_IN_QUERY,
     {.name = "reconcile", .type = HTTP_CHOICE, .choices = reconciles, .summary = "Only these."}},
    {HTTP_IN_QUERY, {.name = "from", .type = HTTP_TIME, .summary = "Started at or after."}},
    {HTTP_IN_QUERY, {.name = "to", .type = HTTP_TIME, .summary = "Started before."}},
    HTTP_PARAM_LIMIT,
    HTTP_PARAM_CURSOR,
    HTTP_PARAM_END};
static const struct http_param one_params[] = {{HTTP_IN_PATH,
                                                {.name = "id",
                                                 .type = HTTP_TEXT,
                                                 .required = true,
                                                 .min = 1,
                                                 .max = 64,
                                                 .charset = "A-Z0-9.-",
                                                 .summary = "The session."}},
                                               HTTP_PARAM_END};

static const struct http_rows_filter filters[] = {{"storeId", "s.store_id = ?"},
                                                  {"cart", "s.cart_id = ?"},
                                                  {"status", "s.status = ?"},
                                                  {"reconcile", "s.reconcile_state = ?"},
                                                  {"from", "s.started_at >= ?"},
                                                  {"to", "s.started_at < ?"},
                                                  {NULL, NULL}};
static const struct http_rows_list sessions = {
    .schema = &session_schema,
    .from = "session s",
    .filters = filters,
    .cursor_kind = 's',
    .newest_first = true,
    .keys = {{"s.started_at", "timestamptz"}, {"s.session_id", "text"}}};

static void list_sessions(struct http_request *q, void *context)
{
    struct session_http *c = context;
    http_rows_page(q, c->pool, &sessions);
}

/* ---- scans ---- */

struct scans {
    struct span session_id;
    struct reconcile fold;
    json_t *items;
    bool cut;
};

static json_t *number_json(int64_t number)
{
    return number == WIRE_ABSENT ? json_null() : json_integer(number);
}

static json_t *money_json(int64_t minor)
{
    return minor == WIRE_ABSENT ? json_null() : json_real((double)minor / 100.0);
}

static json_t *text_json(struct span text)
{
    return text.size == 0 ? json_null() : json_stringn((const char *)text.data, text.size);
}

static json_t *time_json(int64_t ms)
{
    char text[TIMESTAMP_TEXT_BYTES];
    struct sink s;
    sink_init(&s, text, sizeof text);
    timestamp_write(&s, ms);
    return s.overflow ? json_null() : json_stringn(text, s.size);
}

static json_t *scan_json(const struct telemetry_event *e, const struct wire_scan *scan,
                         const struct reconcile *fold)
{
    json_t *o = json_object();
    const char *weight =
        scan->weight == WIRE_ABSENT ? NULL : wire_enum_name(WIRE_SCAN, "weight", scan->weight);
    (void)json_object_set_new(o, "counter", json_integer(e->counter));
    (void)json_object_set_new(o, "line", number_json(scan->line));
    (void)json_object_set_new(o, "gtin", text_json(scan->gtin));
    (void)json_object_set_new(o, "sku", text_json(scan->sku));
    (void)json_object_set_new(o, "quantity", number_json(scan->quantity));
    (void)json_object_set_new(o, "price", money_json(scan->price));
    (void)json_object_set_new(o, "resolves", number_json(scan->resolves));
    (void)json_object_set_new(o, "weightVerdict", json_string(weight != NULL ? weight : "unknown"));
    (void)json_object_set_new(o, "expectedG", number_json(scan->weight_expected_g));
    (void)json_object_set_new(o, "deltaG", number_json(scan->weight_delta_g));
    (void)json_object_set_new(o, "deviceTime", time_json(e->device_time_ms));
    (void)json_object_set_new(o, "receivedAt", time_json(e->received_ms));
    (void)json_object_set_new(o, "runningItems", json_integer(fold->item_count));
    (void)json_object_set_new(o, "runningTotal", money_json(fold->total_minor));
    return o;
}

static enum res add_scan(void *user, const struct telemetry_event *e, telemetry_position position)
{
    (void)position;
    struct scans *s = user;
    if (e->type != WIRE_SCAN || !span_equal(e->session_id, s->session_id)) {
        return RES_OK;
    }
    if (json_array_size(s->items) == SCANS_SHOWN_MAX) {
        s->cut = true;
        return RES_FULL; /* ends the walk */
    }
    struct wire_event event;
    unsigned unknown = 0;
    struct wire_detail detail;
    uint8_t digest[WIRE_DIGEST_BYTES];
    if (wire_event_decode(e->body, &event, &unknown, &detail) != WIRE_FINE) {
        return RES_CORRUPT; /* what was stored was valid */
    }
    enum res r = ecdsa_sha256(e->body, digest);
    if (r == RES_OK) {
        r = reconcile_scan(&s->fold, &event.scan, e->counter, digest, ecdsa_sha256_two);
    }
    if (r == RES_OK) {
        (void)json_array_append_new(s->items, scan_json(e, &event.scan, &s->fold));
    }
    return r;
}

/* RES_OK also when the list was cut. */
static enum res read_scans(struct telemetry_readers *readers, struct span id, int64_t last,
                           struct scans *s, struct err *why)
{
    struct span cart;
    int64_t epoch = 0;
    int64_t start = 0;
    struct telemetry *t = NULL;
    enum res r = wire_session_id_read(id, &cart, &epoch, &start);
    if (r != RES_OK) {
        err_set(why, "a session's id is not its cart, epoch and counter");
        return r;
    }
    r = telemetry_readers_take(readers, &t, why);
    if (r != RES_OK) {
        return r;
    }
    r = telemetry_read_stream(t, cart, epoch, start, last, add_scan, s, why);
    telemetry_readers_give(readers, t, r == RES_OK || r == RES_FULL);
    return s->cut ? RES_OK : r;
}

/* The counter after which there is nothing of this trip; no end while it is open, since a scan
 * changes no row. */
static int64_t last_counter_of(const json_t *session)
{
    if (json_is_null(json_object_get(session, "endedAt"))) {
        return INT64_MAX;
    }
    int64_t end = json_integer_value(json_object_get(session, "endCounter"));
    int64_t last = json_integer_value(json_object_get(session, "lastCounter"));
    return end > last ? end : last;
}

static void get_session(struct http_request *q, void *context)
{
    struct session_http *c = context;
    const char *id = http_request_text(q, "id");
    struct pg_params p;
    pg_params_init(&p);
    pg_params_cstr(&p, id);
    json_t *session =
        http_rows_one(q, c->pool, &detail_schema, "session s", "s.session_id = $1", &p);
    if (session == NULL) {
        return;
    }
    json_t *payments =
        http_rows_all(q, c->pool, &payment_schema, "payment p", "p.session_id = $1", "", &p);
    if (payments == NULL) {
        json_decref(session);
        return;
    }
    json_t *payment = json_array_get(payments, 0);
    (void)json_object_set(session, "payment", payment != NULL ? payment : json_null());
    json_decref(payments);
    struct scans s = {.session_id = span_text(id, 64), .items = json_array()};
    struct err why;
    reconcile_init(&s.fold);
    enum res r = read_scans(c->telemetry, s.session_id, last_counter_of(session), &s, &why);
    if (r != RES_OK) {
        json_decref(session);
        json_decref(s.items);
        http_request_note(q, why.text);
        http_reply_error(q, HTTP_ERROR_UNAVAILABLE, NULL);
        return;
    }
    (void)json_object_set_new(session, "scans", s.items);
    (void)json_object_set_new(session, "runningTotal", money_json(s.fold.total_minor));
    (void)json_object_set_new(session, "scansCut", json_boolean(s.cut));
    http_reply_json(q, session);
}

const struct http_route session_http_routes[] = {
    {.method = HTTP_GET,
     .path = "/api/sessions",
     .operation = "listSessions",
     .summary = "Shopping trips, newest first.",
     .tag = "sessions",
     .params = list_params,
     .reply = &session_schema,
     .page = true,
     .permission = "session.read",
     .handle = list_sessions},
    {.method = HTTP_GET,
     .path = "/api/sessions/{id}",
     .operation = "getSession",
     .summary = "One trip with its scans, running total and payment.",
     .tag = "sessions",
     .params = one_params,
     .reply = &detail_schema,
     .permission = "session.read",
     .handle = get_session},
    HTTP_ROUTE_END};
