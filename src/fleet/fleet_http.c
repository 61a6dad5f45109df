#include "fleet_http.h"

#include "http_rows.h"

#define STATE                                                                                      \
    "CASE WHEN c.maintenance IS NOT NULL THEN 'maintenance'"                                       \
    " WHEN c.last_seen_at IS NULL OR c.last_seen_at < now() - CASE c.mode"                         \
    " WHEN 'active' THEN interval '180 seconds' ELSE interval '15 minutes' END THEN 'offline'"     \
    " WHEN c.fault_at > coalesce(c.last_boot_at, '-infinity') AND NOT EXISTS (SELECT FROM "        \
    "session s"                                                                                    \
    " WHERE s.cart_id = c.cart_id AND s.status = 'complete' AND s.ended_at > c.fault_at"           \
    " AND s.started_at > c.fault_at - interval '1 day') THEN 'fault'"                              \
    " WHEN c.battery_pct < 20 THEN 'low-battery'"                                                  \
    " WHEN EXISTS (SELECT FROM session s WHERE s.cart_id = c.cart_id"                              \
    " AND s.status IN ('active', 'paused')) THEN 'in-use' ELSE 'idle' END"
#define OPEN_SESSION                                                                               \
    "SELECT s.session_id FROM session s WHERE s.cart_id = c.cart_id"                               \
    " AND s.status IN ('active', 'paused')"
#define LOCATION                                                                                   \
    "CASE WHEN c.x_cm IS NOT NULL THEN jsonb_build_object('xCm', c.x_cm, 'yCm', c.y_cm) END"
/* A timestamptz inside jsonb, in the one form we write. */
#define TIME(column_) "to_char(" column_ " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
#define STREAMS                                                                                    \
    "SELECT coalesce(jsonb_agg(jsonb_build_object('epoch', t.epoch, 'watermark', t.watermark,"     \
    " 'updatedAt', " TIME("t.updated_at") ") ORDER BY t.epoch DESC), '[]')"                        \
                                          " FROM cart_stream t WHERE t.cart_id = c.cart_id"
#define COMMANDS                                                                                   \
    "SELECT coalesce(jsonb_agg(jsonb_build_object('number', m.number, 'kind', m.kind,"             \
    " 'state', m.state, 'issuedAt', " TIME("m.issued_at") ", 'expiresAt', " TIME(                  \
        "m.expires_at") ", 'answeredAt', " TIME("m.answered_"                                      \
                                                "at") ")"                                          \
                                                      " ORDER BY m.number DESC), '[]') FROM "      \
                                                      "(SELECT * FROM command k WHERE k.cart_id "  \
                                                      "= c.cart_id"                                \
                                                      " ORDER BY k.number DESC LIMIT 20) m"

static const char *const states[] = {"idle",    "in-use",      "low-battery", "fault",
                                     "offline", "maintenance", NULL};
static const char *const modes[] = {"active", "idle", "sleeping", NULL};
static const char *const links[] = {"wifi", "lte", NULL};
static const char *const flags[] = {"cleaning", "charging", "repair", NULL};

static const struct http_field location_fields[] = {
    {.name = "xCm", .type = HTTP_INTEGER, .summary = "Centimetres on the store's floor plan."},
    {.name = "yCm", .type = HTTP_INTEGER, .summary = "Centimetres on the store's floor plan."},
    {.name = NULL}};
static const struct http_schema location_schema = {
    "CartLocation", "Last known place; kept when the cart goes offline.", location_fields};

#define CART_FIELDS                                                                                \
    {.name = "cartId", .type = HTTP_TEXT, .source = "c.cart_id", .summary = "Its id."},            \
        {.name = "storeId", .type = HTTP_TEXT, .source = "c.store_id", .summary = "Its store."},   \
        {.name = "serial",                                                                         \
         .type = HTTP_TEXT,                                                                        \
         .source = "c.serial",                                                                     \
         .summary = "Burnt at the factory."},                                                      \
        {.name = "state",                                                                          \
         .type = HTTP_CHOICE,                                                                      \
         .choices = states,                                                                        \
         .source = STATE,                                                                          \
         .summary = "What the locator shows."},                                                    \
        {.name = "openSession",                                                                    \
         .type = HTTP_TEXT,                                                                        \
         .nullable = true,                                                                         \
         .source = OPEN_SESSION,                                                                   \
         .summary = "Id of the session that is open on it."},                                      \
        {.name = "mode",                                                                           \
         .type = HTTP_CHOICE,                                                                      \
         .nullable = true,                                                                         \
         .choices = modes,                                                                         \
         .source = "c.mode",                                                                       \
         .summary = "Of its last health."},                                                        \
        {.name = "batteryPct",                                                                     \
         .type = HTTP_INTEGER,                                                                     \
         .nullable = true,                                                                         \
         .source = "c.battery_pct",                                                                \
         .summary = "Percent."},                                                                   \
        {.name = "signalDbm",                                                                      \
         .type = HTTP_INTEGER,                                                                     \
         .nullable = true,                                                                         \
         .source = "c.signal_dbm",                                                                 \
         .summary = "Of the link in use."},                                                        \
        {.name = "link",                                                                           \
         .type = HTTP_CHOICE,                                                                      \
         .nullable = true,                                                                         \
         .choices = links,                                                                         \
         .source = "c.link",                                                                       \
         .summary = "The link in use."},                                                           \
        {.name = "laserDeciC",                                                                     \
         .type = HTTP_INTEGER,                                                                     \
         .nullable = true,                                                                         \
         .source = "c.laser_deci_c",                                                               \
         .summary = "Scanner laser, tenths of a degree Celsius."},                                 \
        {.name = "driftG",                                                                         \
         .type = HTTP_INTEGER,                                                                     \
         .nullable = true,                                                                         \
         .source = "c.drift_g",                                                                    \
         .summary = "Calibration drift of the weight platform, grams."},                           \
        {.name = "location",                                                                       \
         .type = HTTP_OBJECT,                                                                      \
         .nullable = true,                                                                         \
         .of = &location_schema,                                                                   \
         .source = LOCATION,                                                                       \
         .summary = "Last known place."},                                                          \
        {.name = "queuedEvents",                                                                   \
         .type = HTTP_INTEGER,                                                                     \
         .nullable = true,                                                                         \
         .source = "c.queued_events",                                                              \
         .summary = "Waiting on its flash at its last health."},                                   \
        {.name = "firmware",                                                                       \
         .type = HTTP_TEXT,                                                                        \
         .nullable = true,                                                                         \
         .source = "c.firmware",                                                                   \
         .summary = "Version that runs."},                                                         \
        {.name = "hardware",                                                                       \
         .type = HTTP_TEXT,                                                                        \
         .nullable = true,                                                                         \
         .source = "c.hardware",                                                                   \
         .summary = "Board revision."},                                                            \
        {.name = "slot",                                                                           \
         .type = HTTP_TEXT,                                                                        \
         .nullable = true,                                                                         \
         .source = "c.slot",                                                                       \
         .summary = "Firmware bank, A or B."},                                                     \
        {.name = "catalogueVersion",                                                               \
         .type = HTTP_INTEGER,                                                                     \
         .nullable = true,                                                                         \
         .source = "c.catalog_version",                                                            \
         .summary = "Of its product cache; 0: none."},                                             \
        {.name = "faultCode",                                                                      \
         .type = HTTP_TEXT,                                                                        \
         .nullable = true,                                                                         \
         .source = "c.fault_code",                                                                 \
         .summary = "Newest fault not yet cleared."},                                              \
        {.name = "faultAt",                                                                        \
         .type = HTTP_TIME,                                                                        \
         .nullable = true,                                                                         \
         .source = "c.fault_at",                                                                   \
         .summary = "When."},                                                                      \
        {.name = "maintenance",                                                                    \
         .type = HTTP_CHOICE,                                                                      \
         .nullable = true,                                                                         \
         .choices = flags,                                                                         \
         .source = "c.maintenance",                                                                \
         .summary = "Out of service for."},                                                        \
        {.name = "maintenanceBy",                                                                  \
         .type = HTTP_TEXT,                                                                        \
         .nullable = true,                                                                         \
         .source = "c.maintenance_by",                                                             \
         .summary = "Account id, or the name of an automation."},                                  \
        {.name = "maintenanceAt",                                                                  \
         .type = HTTP_TIME,                                                                        \
         .nullable = true,                                                                         \
         .source = "c.maintenance_at",                                                             \
         .summary = "Since."},                                                                     \
        {.name = "lastSeenAt",                                                                     \
         .type = HTTP_TIME,                                                                        \
         .nullable = true,                                                                         \
         .source = "c.last_seen_at",                                                               \
         .summary = "Our clock at its last event."},                                               \
        {.name = "lastDeviceTime",                                                                 \
         .type = HTTP_TIME,                                                                        \
         .nullable = true,                                                                         \
         .source = "c.last_device_time",                                                           \
         .summary = "Its own clock at that event; the difference is skew."},                       \
    {                                                                                              \
        .name = "provisionedAt", .type = HTTP_TIME, .source = "c.provisioned_at",                  \
        .summary = "When it joined the fleet."                                                     \
    }

static const struct http_field stream_fields[] = {
    {.name = "epoch", .type = HTTP_INTEGER, .summary = "Rises when a cart loses its counter."},
    {.name = "watermark",
     .type = HTTP_INTEGER,
     .summary = "Everything through this counter is on disk or accounted for."},
    {.name = "updatedAt", .type = HTTP_TIME, .summary = "When it last rose."},
    {.name = NULL}};
static const struct http_schema stream_schema = {"CartStream", "A cart's events of one epoch.",
                                                 stream_fields};

static const struct http_field command_fields[] = {
    {.name = "number", .type = HTTP_INTEGER, .summary = "Rises with every command."},
    {.name = "kind", .type = HTTP_TEXT, .summary = "What the cart is told."},
    {.name = "state",
     .type = HTTP_TEXT,
     .summary = "queued, sent, done, ignored, expired or refused."},
    {.name = "issuedAt", .type = HTTP_TIME, .summary = "When it was given."},
    {.name = "expiresAt", .type = HTTP_TIME, .summary = "After this the cart ignores it."},
    {.name = "answeredAt",
     .type = HTTP_TIME,
     .nullable = true,
     .summary = "When the cart said what became of it."},
    {.name = NULL}};
static const struct http_schema command_schema = {"Command", "What the platform tells a cart.",
                                                  command_fields};

static const struct http_field cart_fields[] = {CART_FIELDS, {.name = NULL}};
static const struct http_schema cart_schema = {"Cart", "A smart cart and its latest state.",
                                               cart_fields};
static const struct http_field detail_fields[] = {CART_FIELDS,
                                                  {.name = "streams",
                                                   .type = HTTP_LIST,
                                                   .of = &stream_schema,
                                                   .source = STREAMS,
                                                   .summary = "Its streams, newest epoch first."},
                                                  {.name = "commands",
                                                   .type = HTTP_LIST,
                                                   .of = &command_schema,
                                                   .source = COMMANDS,
                                                   .summary = "The latest 20, newest first."},
                                                  {.name = NULL}};
static const struct http_schema detail_schema = {
    "CartDetail", "A cart with its streams and its latest commands.", detail_fields};

static const struct http_param list_params[] = {{HTTP_IN_QUERY,
                                                 {.name = "storeId",
                                                  .type = HTTP_TEXT,
                                                  .min = 3,
                                                  .max = 24,
                                                  .charset = "A-Z0-9-",
                                                  .summary = "Only carts of this store."}},
                                                {HTTP_IN_QUERY,
                                                 {.name = "state",
                                                  .type = HTTP_CHOICE,
                                                  .choices = states,
                                                  .summary = "Only carts in this state."}},
                                                {HTTP_IN_QUERY,
                                                 {.name = "firmware",
                                                  .type = HTTP_TEXT,
                                                  .min = 1,
                                                  .max = 32,
                                                  .charset = "A-Za-z0-9._+-",
                                                  .summary = "Only carts that run this version."}},
                                                HTTP_PARAM_LIMIT,
                                                HTTP_PARAM_CURSOR,
                                                HTTP_PARAM_END};

static const struct http_param one_params[] = {{HTTP_IN_PATH,
                                                {.name = "id",
                                                 .type = HTTP_TEXT,
                                                 .required = true,
                                                 .min = 1,
                                                 .max = 24,
                                                 .charset = "A-Z0-9-",
                                                 .summary = "The cart."}},
                                               HTTP_PARAM_END};

static const struct http_rows_filter filters[] = {{"storeId", "c.store_id = ?"},
                                                  {"state", STATE " = ?"},
                                                  {"firmware", "c.firmware = ?"},
                                                  {NULL, NULL}};
static const struct http_rows_list carts = {.schema = &cart_schema,
                                            .from = "cart c",
                                            .filters = filters,
                                            .cursor_kind = 'c',
                                            .keys = {{"c.cart_id", "text"}}};

static void list_carts(struct http_request *q, void *context)
{
    http_rows_page(q, context, &carts);
}

static void get_cart(struct http_request *q, void *context)
{
    struct pg_params p;
    pg_params_init(&p);
    pg_params_cstr(&p, http_request_text(q, "id"));
    json_t *cart = http_rows_one(q, context, &detail_schema, "cart c", "c.cart_id = $1", &p);
    if (cart != NULL) {
        http_reply_json(q, cart);
    }
}

const struct http_route fleet_http_routes[] = {
    {.method = HTTP_GET,
     .path = "/api/carts",
     .operation = "listCarts",
     .summary = "Carts by id, with what the locator shows.",
     .tag = "fleet",
     .params = list_params,
     .reply = &cart_schema,
     .page = true,
     .permission = "cart.read",
     .handle = list_carts},
    {.method = HTTP_GET,
     .path = "/api/carts/{id}",
     .operation = "getCart",
     .summary = "One cart.",
     .tag = "fleet",
     .params = one_params,
     .reply = &detail_schema,
     .permission = "cart.read",
     .handle = get_cart},
    HTTP_ROUTE_END};
