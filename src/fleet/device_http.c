#include "device_http.h"

#include <assert.h>

#include "http_rows.h"

#define TIME(column_) "to_char(" column_ " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
#define TEXT_OF(name_, source_, summary_)                                                          \
    {                                                                                              \
        .name = (name_), .type = HTTP_TEXT, .nullable = true, .source = (source_),                 \
        .summary = (summary_)                                                                      \
    }
#define NUMBER_OF(name_, source_, summary_)                                                        \
    {                                                                                              \
        .name = (name_), .type = HTTP_INTEGER, .nullable = true, .source = (source_),              \
        .summary = (summary_)                                                                      \
    }
#define TIME_OF(name_, source_, summary_)                                                          \
    {                                                                                              \
        .name = (name_), .type = HTTP_TIME, .nullable = true, .source = (source_),                 \
        .summary = (summary_)                                                                      \
    }

static const char *const kinds[] = {"cart", "label", NULL};
static const char *const states[] = {"online", "asleep", "offline", "unreachable", NULL};
static const char *const languages[] = {"en", "hi", "ta", "te", "bn", "mr", NULL};
enum sort { BY_ID, BY_BATTERY, BY_LAST_SEEN };
static const char *const sorts[] = {"id", "battery", "lastSeen", NULL};

static const struct http_field location_fields[] = {TEXT_OF("aisle", NULL, "Aisle, or section."),
                                                    TEXT_OF("shelf", NULL, "Shelf in the aisle."),
                                                    TEXT_OF("position", NULL, "On the shelf."),
                                                    {.name = NULL}};
static const struct http_schema location_schema = {"DeviceLocation", "Where a label hangs.",
                                                   location_fields};

#define LOCATION                                                                                   \
    "CASE WHEN d.aisle IS NOT NULL THEN jsonb_build_object('aisle', d.aisle, 'shelf', d.shelf, "   \
    "'position', d.position) END"
#define DEVICE_FIELDS                                                                              \
    {.name = "deviceId", .type = HTTP_TEXT, .source = "d.device_id", .summary = "Its id."},        \
        {.name = "kind",                                                                           \
         .type = HTTP_CHOICE,                                                                      \
         .choices = kinds,                                                                         \
         .source = "d.kind",                                                                       \
         .summary = "What it is."},                                                                \
        {.name = "storeId", .type = HTTP_TEXT, .source = "d.store_id", .summary = "Its store."},   \
        TEXT_OF("productId", "d.product_id", "SKU it is bound to; null: unassigned."),             \
        {.name = "location",                                                                       \
         .type = HTTP_OBJECT,                                                                      \
         .nullable = true,                                                                         \
         .of = &location_schema,                                                                   \
         .source = LOCATION,                                                                       \
         .summary = "Where a label hangs; null: not said."},                                       \
        TEXT_OF("displayType", "d.display_type", "eink or tft."),                                  \
        TEXT_OF("firmwareVersion", "d.firmware", "Version that runs."),                            \
        TEXT_OF("language", "d.language", "Its own, else its section's, else its store's."),       \
        NUMBER_OF("batteryLevel", "d.battery_pct", "Percent."),                                    \
        NUMBER_OF("batteryDaysLeft", "d.battery_days_left",                                        \
                  "Estimate from the average daily consumption; null: no consumption seen."),      \
        NUMBER_OF("signalStrength", "d.signal_dbm", "dBm."),                                       \
        {.name = "online",                                                                         \
         .type = HTTP_BOOLEAN,                                                                     \
         .source = "d.online",                                                                     \
         .summary = "Connected, as far as the platform knows."},                                   \
        {.name = "state",                                                                          \
         .type = HTTP_CHOICE,                                                                      \
         .choices = states,                                                                        \
         .source = "d.state",                                                                      \
         .summary = "unreachable: its gateway is down."},                                          \
        {.name = "needsInspection",                                                                \
         .type = HTTP_BOOLEAN,                                                                     \
         .source = INSPECT,                                                                        \
         .summary = "Offline for more than 24 hours."},                                            \
        TIME_OF("lastSeen", "d.last_seen_at", "Our clock at its last message."),                   \
        TIME_OF("lastUpdate", "d.last_update_at", "Last refresh of its display."),                 \
        TIME_OF("asleepUntil", "d.asleep_until", "It announced deep sleep until then."),           \
        NUMBER_OF("syncIntervalSeconds", "d.sync_interval_s", "How often it comes by unasked."),   \
        TEXT_OF("gatewayId", "d.gateway_id", "The gateway it is behind."),                         \
    {                                                                                              \
        .name = "provisionedAt", .type = HTTP_TIME, .source = "d.provisioned_at",                  \
        .summary = "When it joined the fleet."                                                     \
    }
#define INSPECT                                                                                    \
    "coalesce(d.state = 'offline' AND d.last_seen_at < now() - interval '24 hours', false)"

static const struct http_field device_fields[] = {DEVICE_FIELDS, {.name = NULL}};
static const struct http_schema device_schema = {"Device", "A label or cart.", device_fields};

/* ---- one ---- */

static const struct http_field shown_fields[] = {
    {.name = "price", .type = HTTP_MONEY, .nullable = true, .summary = "It confirmed to show."},
    TEXT_OF("productId", NULL, "It confirmed to show."),
    {.name = "digest", .type = HTTP_TEXT, .summary = "SHA-256 of the content, hexadecimal."},
    NUMBER_OF("version", NULL, "Of the display it confirmed."),
    TEXT_OF("language", NULL, "Of the text on it."),
    TIME_OF("at", NULL, "When it confirmed."),
    {.name = NULL}};
static const struct http_schema shown_schema = {"DeviceShown", "What a label confirmed to show.",
                                                shown_fields};
static const struct http_field delivery_fields[] = {
    {.name = "deliveryId", .type = HTTP_UUID, .summary = "The updateId of the message."},
    {.name = "kind", .type = HTTP_TEXT, .summary = "display, config or flash."},
    {.name = "state", .type = HTTP_TEXT, .summary = "queued, sent or pending."},
    {.name = "version", .type = HTTP_INTEGER, .summary = "Of this kind and device."},
    {.name = "attempts", .type = HTTP_INTEGER, .summary = "Sends so far."},
    {.name = "createdAt", .type = HTTP_TIME, .summary = "When it was asked for."},
    {.name = NULL}};
static const struct http_schema delivery_schema = {
    "DeviceDelivery", "A change on its way to a device.", delivery_fields};
static const struct http_field certificate_fields[] = {
    {.name = "serial", .type = HTTP_TEXT, .summary = "Hexadecimal."},
    {.name = "notAfter", .type = HTTP_TIME, .summary = "Valid until."},
    {.name = NULL}};
static const struct http_schema certificate_schema = {
    "DeviceCertificate", "The newest valid certificate.", certificate_fields};

#define SHOWN                                                                                      \
    "CASE WHEN l.shown_digest IS NOT NULL THEN jsonb_build_object('price', "                       \
    "round(l.shown_price_minor / 100.0, 2), 'productId', l.shown_product_id, 'digest', "           \
    "encode(l.shown_digest, 'hex'), 'version', l.shown_version, 'language', l.shown_language, "    \
    "'at', " TIME("l.shown_at") ") END"
/* Against what was last asked of it; a label nothing was asked of yet is not in step either. */
#define IN_SYNC                                                                                    \
    "CASE WHEN d.kind = 'label' THEN coalesce(l.shown_digest = (SELECT v.content_digest FROM "     \
    "delivery v WHERE v.label_id = d.device_id AND v.kind = 'display' ORDER BY v.version DESC "    \
    "LIMIT 1), false) END"
#define PENDING                                                                                    \
    "SELECT coalesce(jsonb_agg(jsonb_build_object('deliveryId', v.delivery_id, 'kind', v.kind, "   \
    "'state', v.state, 'version', v.version, 'attempts', v.attempts, 'createdAt', " TIME(          \
        "v.created_at") ") ORDER BY v.created_at), '[]') FROM delivery v WHERE v.label_id = "      \
                        "d.device_id AND v.state IN ('queued', 'sent', 'pending')"
#define CERTIFICATE                                                                                \
    "SELECT jsonb_build_object('serial', k.serial, 'notAfter', " TIME(                             \
        "k.not_after") ") FROM device_certificate k WHERE k.device_id = d.device_id AND "          \
                       "k.revoked_at IS NULL AND k.replaced_at IS NULL"

static const struct http_field detail_fields[] = {
    DEVICE_FIELDS,
    {.name = "shown",
     .type = HTTP_OBJECT,
     .nullable = true,
     .of = &shown_schema,
     .source = SHOWN,
     .summary = "What a label confirmed to show; null: nothing yet."},
    {.name = "inSync",
     .type = HTTP_BOOLEAN,
     .nullable = true,
     .source = IN_SYNC,
     .summary = "A label shows what it was last asked to; null: a cart."},
    {.name = "pending",
     .type = HTTP_LIST,
     .of = &delivery_schema,
     .source = PENDING,
     .summary = "Changes on their way, oldest first."},
    {.name = "certificate",
     .type = HTTP_OBJECT,
     .nullable = true,
     .of = &certificate_schema,
     .source = CERTIFICATE,
     .summary = "Null: it has none that is valid, and cannot connect."},
    {.name = NULL}};
const struct http_schema device_http_detail = {
    "DeviceDetail", "A device, what it shows and what it waits for.", detail_fields};

#define DETAIL_FROM "device d LEFT JOIN label l ON l.label_id = d.device_id"

enum res device_http_read(struct pg_conn *c, const char *device_id, json_t **ret_device,
                          struct err *why)
{
    struct pg_params p;
    pg_params_init(&p);
    pg_params_cstr(&p, device_id);
    return http_rows_read_one(c, "SELECT ", &device_http_detail,
                              " FROM " DETAIL_FROM " WHERE d.device_id = $1", &p, ret_device, why);
}

static void get_device(struct http_request *q, void *context)
{
    struct pg_params p;
    pg_params_init(&p);
    pg_params_cstr(&p, http_request_text(q, "id"));
    json_t *device =
        http_rows_one(q, context, &device_http_detail, DETAIL_FROM, "d.device_id = $1", &p);
    if (device != NULL) {
        http_reply_json(q, device);
    }
}

/* ---- lists ---- */

static const struct http_param list_params[] = {
    {HTTP_IN_QUERY,
     {.name = "storeId",
      .type = HTTP_TEXT,
      .min = 3,
      .max = 24,
      .charset = "A-Z0-9-",
      .summary = "Only devices of this store."}},
    {HTTP_IN_QUERY,
     {.name = "kind", .type = HTTP_CHOICE, .choices = kinds, .summary = "Only these."}},
    {HTTP_IN_QUERY,
     {.name = "state",
      .type = HTTP_CHOICE,
      .choices = states,
      .summary = "Only devices in this state."}},
    {HTTP_IN_QUERY,
     {.name = "aisle",
      .type = HTTP_TEXT,
      .min = 1,
      .max = 40,
      .summary = "Only labels of this aisle."}},
    {HTTP_IN_QUERY,
     {.name = "productId",
      .type = HTTP_TEXT,
      .min = 1,
      .max = 32,
      .charset = "A-Za-z0-9._/-",
      .summary = "Only labels bound to this product."}},
    {HTTP_IN_QUERY,
     {.name = "language",
      .type = HTTP_CHOICE,
      .choices = languages,
      .summary = "Only devices that show this language."}},
    {HTTP_IN_QUERY,
     {.name = "gatewayId",
      .type = HTTP_TEXT,
      .min = 6,
      .max = 23,
      .charset = "A-Z0-9-",
      .summary = "Only labels behind this gateway."}},
    {HTTP_IN_QUERY,
     {.name = "batteryBelow",
      .type = HTTP_INTEGER,
      .min = 1,
      .max = 101,
      .summary = "Only devices whose battery is below so many percent."}},
    {HTTP_IN_QUERY,
     {.name = "needsInspection",
      .type = HTTP_BOOLEAN,
      .summary = "Only devices that are, or are not, offline for more than 24 hours."}},
    {HTTP_IN_QUERY,
     {.name = "q",
      .type = HTTP_TEXT,
      .min = 1,
      .max = 24,
      .charset = "A-Z0-9-",
      .summary = "Only ids that begin so."}},
    {HTTP_IN_QUERY,
     {.name = "sort",
      .type = HTTP_CHOICE,
      .choices = sorts,
      .summary = "battery: lowest first; lastSeen: longest silent first. Default id."}},
    HTTP_PARAM_LIMIT,
    HTTP_PARAM_CURSOR,
    HTTP_PARAM_END};
static const struct http_param one_params[] = {DEVICE_HTTP_PARAM_ID, HTTP_PARAM_END};

static const struct http_rows_filter filters[] = {{"storeId", "d.store_id = ?"},
                                                  {"kind", "d.kind = ?"},
                                                  {"state", "d.state = ?"},
                                                  {"aisle", "d.aisle = ?"},
                                                  {"productId", "d.product_id = ?"},
                                                  {"language", "d.language = ?"},
                                                  {"gatewayId", "d.gateway_id = ?"},
                                                  {"batteryBelow", "d.battery_pct < ?"},
                                                  {"needsInspection", INSPECT " = ?"},
                                                  {"q", "d.device_id LIKE ? || '%'"},
                                                  {NULL, NULL}};
/* One list for each order; a device that has not said comes last (battery) or first (lastSeen). */
#define LIST(from_, letter)                                                                        \
    .schema = &device_schema, .from = (from_), .filters = filters, .cursor_kind = (letter)
static const struct http_rows_list sorted[] = {
    [BY_BATTERY] = {LIST("device d", 'w'),
                    .keys = {{"coalesce(d.battery_pct, 101)", "bigint"}, {"d.device_id", "text"}}},
    [BY_LAST_SEEN] = {LIST("device d", 'x'),
                      .keys = {{"coalesce(d.last_seen_at, '-infinity')", "timestamptz"},
                               {"d.device_id", "text"}}}};
/* By id: CART- is before ESP32-, and each kind has its index. */
static const struct http_rows_list by_id[] = {
    {LIST("device_cart d", 'v'), .keys = {{"d.device_id", "text"}}},
    {LIST("device_label d", 'v'), .keys = {{"d.device_id", "text"}}}};

static void list_devices(struct http_request *q, void *context)
{
    enum sort sort =
        http_request_has(q, "sort") ? (enum sort)http_request_number(q, "sort") : BY_ID;
    if (sort != BY_ID) {
        http_rows_page(q, context, &sorted[sort]);
    } else if (http_request_has(q, "kind")) {
        http_rows_page(q, context, &by_id[http_request_number(q, "kind")]);
    } else {
        http_rows_chain(q, context, by_id, sizeof by_id / sizeof by_id[0]);
    }
}

const struct http_route device_http_routes[] = {
    {.method = HTTP_GET,
     .path = "/api/devices",
     .operation = "listDevices",
     .summary = "Labels and carts, filtered and sorted.",
     .tag = "devices",
     .params = list_params,
     .reply = &device_schema,
     .page = true,
     .permission = "device.read",
     .handle = list_devices},
    {.method = HTTP_GET,
     .path = "/api/devices/{id}",
     .operation = "getDevice",
     .summary = "One device, what it shows and what it waits for.",
     .tag = "devices",
     .params = one_params,
     .reply = &device_http_detail,
     .permission = "device.read",
     .handle = get_device},
    HTTP_ROUTE_END};
