#include "shadow_http.h"

#include <stdlib.h>
#include <string.h>

#include "http_request.h"
#include "http_rows.h"
#include "http_transact.h"
#include "shadow.h"
#include "shadow_read.h"

#define ID_BYTES_MAX  40
#define KEY_BYTES_MAX 64
#define TEXT_FORM     (JSON_COMPACT | JSON_REAL_PRECISION(15))
#define ACTOR         "operator" /* until there are accounts */

static const struct http_field state_fields[] = {
    {.name = "desired", .type = HTTP_OBJECT, .summary = "What the device should be."},
    {.name = "reported",
     .type = HTTP_OBJECT,
     .summary = "What it says it is; batteryLevel, online, lastPrice, productId, location and "
                "language are always there."},
    {.name = "delta", .type = HTTP_OBJECT, .summary = "What of desired it does not have yet."},
    {.name = NULL}};
static const struct http_schema state_schema = {"ShadowState", "Both sides, and what differs.",
                                                state_fields};
static const struct http_field fields[] = {
    {.name = "deviceId", .type = HTTP_TEXT, .summary = "The device."},
    {.name = "storeId", .type = HTTP_TEXT, .summary = "Its store."},
    {.name = "version", .type = HTTP_INTEGER, .summary = "Rises with every change."},
    {.name = "state", .type = HTTP_OBJECT, .of = &state_schema, .summary = "The shadow."},
    {.name = "desiredAt",
     .type = HTTP_TIME,
     .nullable = true,
     .summary = "Last change of desired."},
    {.name = "reportedAt",
     .type = HTTP_TIME,
     .nullable = true,
     .summary = "Last change of what the device itself put into its shadow."},
    {.name = NULL}};
static const struct http_schema schema = {"Shadow", "A device's shadow.", fields};

static const struct http_field change_state_fields[] = {
    {.name = "desired",
     .type = HTTP_OBJECT,
     .required = true,
     .summary = "Merged by RFC 7396: only what is named changes, null deletes. Not display, "
                "config, price, syncInterval and certificate, which have operations of their own."},
    {.name = NULL}};
static const struct http_schema change_state_schema = {"ShadowChangeState", "What changes.",
                                                       change_state_fields};
static const struct http_field change_fields[] = {
    {.name = "state",
     .type = HTTP_OBJECT,
     .required = true,
     .of = &change_state_schema,
     .summary = "What changes."},
    {.name = "version",
     .type = HTTP_INTEGER,
     .min = 1,
     .max = INT64_C(9007199254740991),
     .summary = "The version the change is based on; another one is a conflict."},
    {.name = NULL}};
static const struct http_schema change_schema = {"ShadowChange", "A change of desired.",
                                                 change_fields};

static const struct http_param params[] = {{HTTP_IN_PATH,
                                            {.name = "id",
                                             .type = HTTP_TEXT,
                                             .required = true,
                                             .min = 5,
                                             .max = 24,
                                             .charset = "A-Z0-9-",
                                             .summary = "The device."}},
                                           HTTP_PARAM_END};
static const char *const errors[] = {"VERSION_CONFLICT", "RESERVED_KEY", NULL};

/* ---- looking ---- */

static enum res keep(void *user, const struct shadow_document *d)
{
    *(json_t **)user = shadow_read_json(d);
    return RES_OK;
}

/* *ret stays NULL when there is no such device. */
static enum res read_one(struct pg_conn *c, const char *id, json_t **ret, struct err *why)
{
    char list[ID_BYTES_MAX];
    struct sink s;
    sink_init(&s, list, sizeof list - 1);
    sink_byte(&s, '{');
    sink_text(&s, id);
    sink_byte(&s, '}');
    list[s.size] = '\0';
    return s.overflow ? RES_OK : shadow_read(c, list, keep, ret, why);
}

static void get_shadow(struct http_request *q, void *context)
{
    struct pg_conn *c = NULL;
    struct err why = {""};
    json_t *answer = NULL;
    enum res r = pg_pool_take(context, &c, &why);
    if (r == RES_OK) {
        r = read_one(c, http_request_text(q, "id"), &answer, &why);
        pg_pool_give(context, c);
    }
    if (r != RES_OK) {
        json_decref(answer);
        http_rows_fail(q, r, &why);
    } else if (answer == NULL) {
        http_reply_error(q, HTTP_ERROR_NOT_FOUND, NULL);
    } else {
        http_reply_json(q, answer);
    }
}

/* ---- changing ---- */

static void add_detail(json_t *details, const char *object, const char *key, const char *words)
{
    char field[2 * KEY_BYTES_MAX + 16];
    struct sink s;
    sink_init(&s, field, sizeof field - 1);
    sink_text(&s, object);
    sink_bytes(&s, span_text(key, KEY_BYTES_MAX));
    field[s.size] = '\0';
    (void)json_array_append_new(
        details, json_pack("{s:s, s:n, s:s}", "field", field, "value", "constraint", words));
}

/* The new keys of `state` and `desired`, each judged; false: the 400 or 409 is replied. */
static bool check(struct http_request *q, const json_t *state, const json_t *desired)
{
    json_t *wrong = json_array();
    json_t *reserved = json_array();
    const char *key;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)state, key, value)
    {
        if (strcmp(key, "desired") != 0) {
            add_detail(wrong, "state.", key, "only desired can be changed; the device reports");
        } else if (!json_is_object(value)) {
            add_detail(wrong, "state.", key, "an object");
        }
    }
    if (json_object_get(state, "desired") == NULL) {
        add_detail(wrong, "state.", "desired", "required");
    }
    json_object_foreach((json_t *)(uintptr_t)desired, key, value)
    {
        if (key[0] == '\0' || strlen(key) > KEY_BYTES_MAX) {
            add_detail(wrong, "state.desired.", key, "a key of 1 to 64 bytes");
        } else if (shadow_read_is_reserved(key)) {
            add_detail(reserved, "state.desired.", key,
                       "changed by prices, configuration and certificate renewal only");
        }
    }
    bool fine = json_array_size(wrong) + json_array_size(reserved) == 0;
    if (json_array_size(wrong) > 0) {
        const struct http_error_text *text = http_error_text(HTTP_ERROR_PARAMETER);
        http_reply_error_details(q, HTTP_ERROR_PARAMETER, text->code, text->message, wrong);
        wrong = NULL;
    } else if (!fine) {
        http_reply_error_details(q, HTTP_ERROR_CONFLICT, "RESERVED_KEY",
                                 "These keys have operations of their own.", reserved);
        reserved = NULL;
    }
    json_decref(wrong);
    json_decref(reserved);
    return fine;
}

static enum res limit(struct http_request *q)
{
    http_reply_error_field(q, "state.desired", "",
                           "the whole of it at most 8192 bytes and 6 levels deep");
    return RES_DENIED;
}

/* Only the keys that the patch names are written: the others stay as PostgreSQL has them, to the
 * last digit. */
static enum res write_change(struct http_request *q, struct pg_conn *c, const json_t *patch,
                             const json_t *desired, struct err *why)
{
    struct pg_array gone;
    struct pg_params p;
    json_t *put = json_object();
    const char *key;
    json_t *value = NULL;
    pg_array_init(&gone, 65536);
    json_object_foreach((json_t *)(uintptr_t)patch, key, value)
    {
        json_t *now = json_object_get(desired, key);
        if (now == NULL) {
            pg_array_span(&gone, span_text(key, KEY_BYTES_MAX));
        } else {
            (void)json_object_set(put, key, now);
        }
    }
    char *text = json_dumps(put, TEXT_FORM);
    const char *list = pg_array_close(&gone);
    enum res r = RES_NO_MEMORY;
    if (text != NULL && list != NULL) {
        pg_params_init(&p);
        pg_params_cstr(&p, http_request_text(q, "id"));
        pg_params_cstr(&p, list);
        pg_params_cstr(&p, text);
        r = pg_conn_run(c,
                        "UPDATE shadow SET desired = (desired - $2::text[]) || $3::text::jsonb, "
                        "version = version + 1, desired_at = now(), delta_version = CASE WHEN "
                        "device_id LIKE 'ESP32-%' THEN version + 1 END WHERE device_id = $1",
                        &p, NULL, why);
    }
    free(text);
    json_decref(put);
    pg_array_deinit(&gone);
    return r == RES_INVALID ? limit(q) : r;
}

static enum res audit(struct http_request *q, struct pg_conn *c, const json_t *patch,
                      struct err *why)
{
    struct pg_params p;
    char *text = json_dumps(patch, TEXT_FORM);
    pg_params_init(&p);
    pg_params_cstr(&p, http_request_text(q, "id"));
    pg_params_cstr(&p, http_request_id(q));
    pg_params_cstr(&p, text);
    enum res r = pg_conn_run(
        c,
        "INSERT INTO audit_event (store_id, actor, action, target_kind, target, request_id, "
        "detail) "
        "SELECT store_id, '" ACTOR "', 'device.shadow', 'device', device_id, $2::text::uuid, "
        "jsonb_build_object('version', version, 'keys', left((SELECT string_agg(k, ' ') FROM "
        "jsonb_object_keys($3::text::jsonb) AS k), 1000)) FROM shadow WHERE device_id = $1",
        &p, NULL, why);
    free(text);
    return r;
}

static enum res refuse_version(struct http_request *q, int64_t version)
{
    json_t *details =
        json_pack("{s:s, s:I, s:s}", "field", "version", "value",
                  (json_int_t)http_request_number(q, "version"), "constraint", "the shadow's");
    (void)json_object_set_new(details, "currentVersion", json_integer((json_int_t)version));
    http_reply_error_details(q, HTTP_ERROR_CONFLICT, "VERSION_CONFLICT",
                             "The shadow has another version by now.", details);
    return RES_DENIED;
}

/* With the shadow's row held. */
static enum res merge_into(struct http_request *q, struct pg_conn *c, const PGresult *rows,
                           const json_t *patch, struct err *why)
{
    int64_t version = pg_get_i64(rows, 0, 0);
    struct span text = pg_get_span(rows, 0, 1);
    if (http_request_has(q, "version") && http_request_number(q, "version") != version) {
        return refuse_version(q, version);
    }
    bool changed = false;
    json_t *desired = json_loadb((const char *)text.data, text.size, 0, NULL);
    enum res r = desired == NULL ? RES_NO_MEMORY : shadow_merge(desired, patch, &changed);
    if (r == RES_LIMIT) {
        r = limit(q);
    } else if (r == RES_OK && changed) {
        r = write_change(q, c, patch, desired, why);
        if (r == RES_OK) {
            r = audit(q, c, patch, why);
        }
    }
    json_decref(desired);
    return r;
}

static const char make_sql[] =
    "INSERT INTO shadow (device_id, store_id) SELECT device_id, store_id FROM device "
    "WHERE device_id = $1 ON CONFLICT DO NOTHING";
static const char hold_sql[] = "SELECT version, desired FROM shadow s WHERE device_id = $1 AND "
                               "EXISTS (SELECT FROM device d WHERE d.device_id = s.device_id) "
                               "FOR UPDATE";

static enum res change(struct http_request *q, struct pg_conn *c, json_t **ret_answer,
                       struct err *why)
{
    struct pg_params p;
    PGresult *rows = NULL;
    const char *id = http_request_text(q, "id");
    const json_t *state = http_request_json(q, "state");
    const json_t *patch = json_object_get(state, "desired");
    if (!check(q, state, patch)) {
        return RES_DENIED;
    }
    pg_params_init(&p);
    pg_params_cstr(&p, id);
    enum res r = pg_conn_run(c, make_sql, &p, NULL, why);
    if (r == RES_OK) {
        r = pg_conn_run(c, hold_sql, &p, &rows, why);
    }
    if (r == RES_OK && PQntuples(rows) == 0) {
        http_reply_error(q, HTTP_ERROR_NOT_FOUND, NULL);
        r = RES_DENIED;
    }
    if (r == RES_OK) {
        r = merge_into(q, c, rows, patch, why);
    }
    PQclear(rows);
    return r == RES_OK ? read_one(c, id, ret_answer, why) : r;
}

static void patch_shadow(struct http_request *q, void *context)
{
    http_transact_run(q, context, change);
}

const struct http_route shadow_http_routes[] = {
    {.method = HTTP_GET,
     .path = "/api/devices/{id}/shadow",
     .operation = "getShadow",
     .summary = "What a device should be and what it says it is.",
     .tag = "fleet",
     .params = params,
     .reply = &schema,
     .permission = "device.read",
     .handle = get_shadow},
    {.method = HTTP_PATCH,
     .path = "/api/devices/{id}/shadow",
     .operation = "changeShadow",
     .summary = "Merges a change into what a device should be.",
     .tag = "fleet",
     .params = params,
     .body = &change_schema,
     .reply = &schema,
     .errors = errors,
     .permission = "device.configure",
     .handle = patch_shadow},
    HTTP_ROUTE_END};
