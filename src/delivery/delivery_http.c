#include "delivery_http.h"

#include <string.h>

#include "delivery_flash.h"
#include "http_rows.h"
#include "http_transact.h"
#include "timestamp.h"

#define ACTOR "operator" /* until there are accounts */

/* As the wire names them (shelf.h), in the order of the enumerations. */
static const char *const patterns[] = {"pulse", "blink", "solid", NULL};
static const char *const colours[] = {"blue", "red", "green", "yellow", "white", NULL};
_Static_assert(SHELF_PULSE == 0 && SHELF_SOLID == 2, "patterns stand in the wire's order");
_Static_assert(SHELF_BLUE == 0 && SHELF_WHITE == 4 && SHELF_COLOURS == 5, "and colours");

static const struct http_field body_fields[] = {
    {.name = "pattern",
     .type = HTTP_CHOICE,
     .required = true,
     .choices = patterns,
     .summary = "How the LED lights."},
    {.name = "durationSeconds",
     .type = HTTP_INTEGER,
     .min = 1,
     .max = DELIVERY_FLASH_S_MAX,
     .fallback = DELIVERY_FLASH_S_DEFAULT,
     .summary = "Then it goes out by itself."},
    {.name = "color",
     .type = HTTP_CHOICE,
     .choices = colours,
     .summary = "Where the LED has colours; blue when not said."},
    {.name = NULL}};
static const struct http_schema body_schema = {"FlashRequest", "A light to find the label by.",
                                               body_fields};
static const char *const states[] = {"queued", "offline", NULL};
static const struct http_field reply_fields[] = {
    {.name = "updateId", .type = HTTP_UUID, .summary = "Of the command on its way."},
    {.name = "deviceId", .type = HTTP_TEXT, .summary = "The label."},
    {.name = "state",
     .type = HTTP_CHOICE,
     .choices = states,
     .summary = "offline: the label is away; should it come back before expiresAt it is told."},
    {.name = "expiresAt", .type = HTTP_TIME, .summary = "Not begun after this."},
    {.name = NULL}};
static const struct http_schema reply_schema = {"FlashQueued", "A light on its way.", reply_fields};
#define PARAM_ID                                                                                   \
    {                                                                                              \
        HTTP_IN_PATH,                                                                              \
        {                                                                                          \
            .name = "id", .type = HTTP_TEXT, .required = true, .min = 1,                           \
            .max = SHELF_ID_BYTES_MAX, .charset = "A-Z0-9-", .summary = "The label."               \
        }                                                                                          \
    }
static const struct http_param params[] = {PARAM_ID, HTTP_PARAM_END};
static const struct http_param begin_params[] = {PARAM_ID, HTTP_PARAM_ONCE_MAYBE, HTTP_PARAM_END};
static const char *const begin_errors[] = {HTTP_ONCE_ERRORS, NULL};

static const char audit_sql[] =
    "INSERT INTO audit_event (store_id, actor, action, target_kind, target, request_id, detail) "
    "VALUES ($1, '" ACTOR "', 'label.flash', 'device', $2, $3::text::uuid, "
    "jsonb_build_object('pattern', $4::text, 'seconds', $5::bigint))";

static enum res audit(struct http_request *q, struct pg_conn *c, const struct delivery_flash *flash,
                      enum shelf_pattern pattern, int32_t duration_s, struct err *why)
{
    struct pg_params p;
    pg_params_init(&p);
    pg_params_cstr(&p, flash->store_id);
    pg_params_cstr(&p, http_request_text(q, "id"));
    pg_params_cstr(&p, http_request_id(q));
    pg_params_cstr(&p, shelf_pattern_name(pattern));
    pg_params_i64(&p, duration_s);
    return pg_conn_run(c, audit_sql, &p, NULL, why);
}

static json_t *reply_of(const char *id, const struct delivery_flash *flash)
{
    char expires[TIMESTAMP_TEXT_BYTES + 1];
    struct sink s;
    sink_init(&s, expires, sizeof expires - 1);
    timestamp_write(&s, flash->expires_ms);
    expires[s.size] = '\0';
    return json_pack("{s:s, s:s, s:s, s:s}", "updateId", flash->update_id, "deviceId", id, "state",
                     flash->online ? "queued" : "offline", "expiresAt", expires);
}

static enum res flash(struct http_request *q, struct pg_conn *c, enum shelf_pattern pattern,
                      int32_t duration_s, enum shelf_colour colour, json_t **ret_answer,
                      struct err *why)
{
    const char *id = http_request_text(q, "id");
    struct delivery_flash made;
    enum res r = delivery_flash(c, span_text(id, SHELF_ID_BYTES_MAX), pattern, duration_s, colour,
                                &made, why);
    if (r == RES_NOT_FOUND) {
        http_reply_error(q, HTTP_ERROR_NOT_FOUND, NULL);
        return RES_DENIED;
    }
    if (r == RES_OK) {
        r = audit(q, c, &made, pattern, duration_s, why);
    }
    if (r == RES_OK) {
        *ret_answer = reply_of(id, &made);
        r = *ret_answer == NULL ? RES_NO_MEMORY : RES_OK;
    }
    return r;
}

static enum res begin_flash(struct http_request *q, struct pg_conn *c, json_t **ret_answer,
                            struct err *why)
{
    enum shelf_colour colour = http_request_has(q, "color")
                                   ? (enum shelf_colour)http_request_number(q, "color")
                                   : SHELF_BLUE;
    return flash(q, c, (enum shelf_pattern)http_request_number(q, "pattern"),
                 (int32_t)http_request_number(q, "durationSeconds"), colour, ret_answer, why);
}

static enum res end_flash(struct http_request *q, struct pg_conn *c, json_t **ret_answer,
                          struct err *why)
{
    return flash(q, c, SHELF_STOP, 0, SHELF_BLUE, ret_answer, why);
}

static void post_flash(struct http_request *q, void *context)
{
    /* twice is harmless: the second takes the place of the first */
    http_transact_run(q, context, begin_flash);
}

static void delete_flash(struct http_request *q, void *context)
{
    http_transact_run(q, context, end_flash);
}

const struct http_route delivery_http_routes[] = {{.method = HTTP_POST,
                                                   .path = "/api/devices/{id}/flash",
                                                   .operation = "flashDevice",
                                                   .summary = "Lights a label's LED.",
                                                   .tag = "fleet",
                                                   .params = begin_params,
                                                   .body = &body_schema,
                                                   .reply = &reply_schema,
                                                   .status = 202,
                                                   .errors = begin_errors,
                                                   .permission = "device.flash",
                                                   .handle = post_flash},
                                                  {.method = HTTP_DELETE,
                                                   .path = "/api/devices/{id}/flash",
                                                   .operation = "stopFlashingDevice",
                                                   .summary = "Puts a label's LED out.",
                                                   .tag = "fleet",
                                                   .params = params,
                                                   .reply = &reply_schema,
                                                   .status = 202,
                                                   .permission = "device.flash",
                                                   .handle = delete_flash},
                                                  HTTP_ROUTE_END};
