#include "telemetry_http.h"

#include <string.h>

#include "http_request.h"
#include "telemetry_readers.h"
#include "telemetry_types.h"
#include "timestamp.h"

/* In the order of telemetry_types.h: a choice's index is the type's number. */
static const char *const types[TELEMETRY_TYPES + 1] = {
    "scan",  "session-start", "session-end", "identify", "health",
    "fault", "boot",          "status",      "ack",      NULL};

static const struct http_field fields[] = {
    {.name = "deviceId", .type = HTTP_TEXT, .summary = "Who says so."},
    {.name = "storeId", .type = HTTP_TEXT, .summary = "Its store at that time."},
    {.name = "sessionId", .type = HTTP_TEXT, .nullable = true, .summary = "Shopping trip."},
    {.name = "type", .type = HTTP_CHOICE, .choices = types, .summary = "What kind of event."},
    {.name = "epoch", .type = HTTP_INTEGER, .summary = "With device and counter: its identity."},
    {.name = "counter", .type = HTTP_INTEGER, .summary = "Rises by one within the epoch."},
    {.name = "deviceTime", .type = HTTP_TIME, .summary = "The device's clock."},
    {.name = "receivedAt", .type = HTTP_TIME, .summary = "Our clock."},
    {.name = "body",
     .type = HTTP_OBJECT,
     .summary = "As docs/wire.md or docs/label-wire.md describes it."},
    {.name = "raw",
     .type = HTTP_TEXT,
     .summary = "The body's exact bytes, padding included: what a signature covers."},
    {.name = "signature",
     .type = HTTP_TEXT,
     .nullable = true,
     .summary = "ECDSA P-256, r and s, hexadecimal; when asked for. Labels do not sign."},
    {.name = NULL}};
static const struct http_schema schema = {"TelemetryEvent", "One event of a device.", fields};

static const struct http_param params[] = {
    {HTTP_IN_QUERY,
     {.name = "device",
      .type = HTTP_TEXT,
      .min = 1,
      .max = 40,
      .charset = "A-Z0-9-",
      .summary = "Only of this device."}},
    {HTTP_IN_QUERY,
     {.name = "session",
      .type = HTTP_TEXT,
      .min = 1,
      .max = 64,
      .charset = "A-Z0-9.-",
      .summary = "Only of this session."}},
    {HTTP_IN_QUERY,
     {.name = "storeId",
      .type = HTTP_TEXT,
      .min = 3,
      .max = 24,
      .charset = "A-Z0-9-",
      .summary = "Only of this store."}},
    {HTTP_IN_QUERY,
     {.name = "type", .type = HTTP_CHOICE, .choices = types, .summary = "Only this kind."}},
    {HTTP_IN_QUERY, {.name = "from", .type = HTTP_TIME, .summary = "Device time, inclusive."}},
    {HTTP_IN_QUERY, {.name = "to", .type = HTTP_TIME, .summary = "Device time, exclusive."}},
    {HTTP_IN_QUERY,
     {.name = "signature", .type = HTTP_BOOLEAN, .summary = "Whether to show signatures."}},
    HTTP_PARAM_LIMIT,
    HTTP_PARAM_CURSOR,
    HTTP_PARAM_END};

static struct span text_param(const struct http_request *q, const char *name)
{
    const char *text = http_request_text(q, name);
    return text == NULL ? SPAN_NONE : span_text(text, HTTP_CURSOR_MAX);
}

static json_t *time_json(int64_t ms)
{
    char text[TIMESTAMP_TEXT_BYTES];
    struct sink s;
    sink_init(&s, text, sizeof text);
    timestamp_write(&s, ms);
    return s.overflow ? json_null() : json_stringn(text, s.size);
}

static json_t *text_json(struct span text)
{
    return text.size == 0 ? json_null() : json_stringn((const char *)text.data, text.size);
}

struct collect {
    json_t *items;
    bool signatures;
};

static enum res add_event(void *user, const struct telemetry_event *e, telemetry_position position)
{
    (void)position;
    struct collect *c = user;
    char hex[2 * WIRE_SIGNATURE_BYTES];
    struct sink s;
    sink_init(&s, hex, sizeof hex);
    sink_hex(&s, e->signature);
    json_t *signature = c->signatures && s.size > 0 ? json_stringn(hex, s.size) : json_null();
    json_t *body = json_loadb((const char *)e->body.data, e->body.size, 0, NULL);
    json_t *event = json_pack(
        "{s:o, s:o, s:o, s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "deviceId",
        text_json(e->device_id), "storeId", text_json(e->store_id), "sessionId",
        text_json(e->session_id), "type", e->type < TELEMETRY_TYPES ? types[e->type] : "other",
        "epoch", (json_int_t)e->epoch, "counter", (json_int_t)e->counter, "deviceTime",
        time_json(e->device_time_ms), "receivedAt", time_json(e->received_ms), "body",
        body != NULL ? body : json_object(), "raw", text_json(e->body), "signature", signature);
    return json_array_append_new(c->items, event) == 0 ? RES_OK : RES_NO_MEMORY;
}

static void list_events(struct http_request *q, void *context)
{
    struct http_cursor cursor = {.count = 0};
    if (http_request_cursor(q, 'e', 1, &cursor) == RES_INVALID) {
        return;
    }
    const struct telemetry_filter filter = {
        .device_id = text_param(q, "device"),
        .session_id = text_param(q, "session"),
        .store_id = text_param(q, "storeId"),
        .type_mask = http_request_has(q, "type")
                         ? UINT64_C(1) << (unsigned)http_request_number(q, "type")
                         : 0,
        .from_ms = http_request_number(q, "from"),
        .to_ms = http_request_number(q, "to"),
    };
    struct telemetry *t = NULL;
    struct err why;
    struct telemetry_page page;
    struct collect c = {json_array(), http_request_number(q, "signature") != 0};
    enum res r = telemetry_readers_take(context, &t, &why);
    if (r == RES_OK) {
        r = telemetry_query(t, &filter, cursor.count > 0 ? cursor.parts[0] : "",
                            (size_t)http_request_number(q, "limit"), add_event, &c, &page, &why);
        telemetry_readers_give(context, t, r == RES_OK || r == RES_INVALID);
    }
    if (r != RES_OK) {
        json_decref(c.items);
        if (r != RES_INVALID) {
            http_request_note(q, why.text);
        }
        http_reply_error(q, r == RES_INVALID ? HTTP_ERROR_CURSOR : HTTP_ERROR_UNAVAILABLE, NULL);
        return;
    }
    char next[HTTP_CURSOR_MAX + 1] = "";
    if (page.next_cursor[0] != '\0') {
        const char *const parts[] = {page.next_cursor};
        http_request_cursor_write('e', parts, 1, next);
    }
    http_reply_page(q, c.items, next);
}

static const struct http_field total_fields[] = {
    {.name = "events", .type = HTTP_INTEGER, .summary = "Stored, archived days not counted."},
    {.name = "blocks", .type = HTTP_INTEGER, .summary = "Durable batches."},
    {.name = "bodyBytes", .type = HTTP_INTEGER, .summary = "Of bodies and signatures as received."},
    {.name = "storedBytes", .type = HTTP_INTEGER, .summary = "Of the files on disk."},
    {.name = NULL}};
static const struct http_schema total_schema = {"TelemetryTotals", "How much there is.",
                                                total_fields};

static void show_totals(struct http_request *q, void *context)
{
    struct telemetry *t = NULL;
    struct telemetry_totals totals;
    struct err why;
    enum res r = telemetry_readers_take(context, &t, &why);
    if (r == RES_OK) {
        r = telemetry_totals(t, &totals, &why);
        telemetry_readers_give(context, t, r == RES_OK);
    }
    if (r != RES_OK) {
        http_request_note(q, why.text);
        http_reply_error(q, HTTP_ERROR_UNAVAILABLE, NULL);
        return;
    }
    http_reply_json(q,
                    json_pack("{s:I, s:I, s:I, s:I}", "events", (json_int_t)totals.events, "blocks",
                              (json_int_t)totals.blocks, "bodyBytes", (json_int_t)totals.body_bytes,
                              "storedBytes", (json_int_t)totals.stored_bytes));
}

const struct http_route telemetry_http_routes[] = {
    {.method = HTTP_GET,
     .path = "/api/telemetry",
     .operation = "listTelemetry",
     .summary = "Events in the order of device time.",
     .tag = "telemetry",
     .params = params,
     .reply = &schema,
     .page = true,
     .permission = "telemetry.read",
     .handle = list_events},
    {.method = HTTP_GET,
     .path = "/api/telemetry/totals",
     .operation = "getTelemetryTotals",
     .summary = "How much telemetry there is.",
     .tag = "telemetry",
     .reply = &total_schema,
     .permission = "telemetry.read",
     .handle = show_totals},
    HTTP_ROUTE_END};
