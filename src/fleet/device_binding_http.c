#include "device_binding_http.h"

#include <stdlib.h>
#include <string.h>

#include "delivery_configure.h"
#include "delivery_refresh.h"
#include "device_binding.h"
#include "device_http.h"
#include "fleet_audit.h"
#include "fleet_place.h"
#include "fleet_table.h"
#include "http_rows.h"
#include "http_transact.h"

static const struct http_field product_fields[] = {{.name = "productId",
                                                    .type = HTTP_TEXT,
                                                    .required = true,
                                                    .min = 1,
                                                    .max = 32,
                                                    .charset = "A-Za-z0-9._/-",
                                                    .summary = "SKU of the store or its region."},
                                                   {.name = NULL}};
static const struct http_schema product_schema = {"DeviceProduct", "What a label is to show.",
                                                  product_fields};
static const struct http_field row_fields[] = {
    {.name = "deviceId", .type = HTTP_TEXT, .required = true, .summary = "A label."},
    {.name = "productId", .type = HTTP_TEXT, .required = true, .summary = "Its product."},
    {.name = NULL}};
static const struct http_schema row_schema = {"BindingRow", "One label's product.", row_fields};
static const struct http_field bind_fields[] = {
    {.name = "storeId",
     .type = HTTP_TEXT,
     .summary = "The labels' store; or as query parameter, with a CSV."},
    {.name = "bindings",
     .type = HTTP_LIST,
     .required = true,
     .of = &row_schema,
     .summary = "At most 10,000, each label once."},
    {.name = NULL}};
static const struct http_schema bind_schema = {
    "BindingTable", "Products of many labels. As CSV: columns deviceId, productId.", bind_fields};
static const struct http_field bound_fields[] = {
    {.name = "rows", .type = HTTP_INTEGER, .summary = "Taken in."},
    {.name = "changed", .type = HTTP_INTEGER, .summary = "Others were bound so already."},
    {.name = "deliveries", .type = HTTP_INTEGER, .summary = "Labels that get new content."},
    {.name = NULL}};
static const struct http_schema bound_schema = {"BindingsDone", "What a table of bindings did.",
                                                bound_fields};
static const struct http_field place_fields[] = {{.name = "aisle",
                                                  .type = HTTP_TEXT,
                                                  .required = true,
                                                  .min = 1,
                                                  .max = FLEET_PLACE_BYTES_MAX,
                                                  .summary = "Aisle, or section."},
                                                 {.name = "shelf",
                                                  .type = HTTP_TEXT,
                                                  .min = 1,
                                                  .max = FLEET_PLACE_BYTES_MAX,
                                                  .summary = "Shelf in the aisle."},
                                                 {.name = "position",
                                                  .type = HTTP_TEXT,
                                                  .min = 1,
                                                  .max = FLEET_PLACE_BYTES_MAX,
                                                  .summary = "On the shelf."},
                                                 {.name = NULL}};
static const struct http_schema place_schema = {"DeviceMove", "Where a label hangs from now on.",
                                                place_fields};
static const struct http_field gateway_fields[] = {{.name = "gatewayId",
                                                    .type = HTTP_TEXT,
                                                    .min = 6,
                                                    .max = 23,
                                                    .charset = "A-Z0-9-",
                                                    .summary = "A gateway of the store; absent: "
                                                               "none."},
                                                   {.name = NULL}};
static const struct http_schema gateway_schema = {"DeviceGateway", "What a label is behind.",
                                                  gateway_fields};
static const struct http_field history_fields[] = {
    {.name = "bindingId", .type = HTTP_INTEGER, .source = "b.binding_id", .summary = "Rises."},
    {.name = "deviceId", .type = HTTP_TEXT, .source = "b.label_id", .summary = "The label."},
    {.name = "productId",
     .type = HTTP_TEXT,
     .nullable = true,
     .source = "i.sku",
     .summary = "Bound to; null: unbound."},
    {.name = "changedBy",
     .type = HTTP_TEXT,
     .source = "b.actor",
     .summary = "Account id, or the name of an automation."},
    {.name = "at", .type = HTTP_TIME, .source = "b.created_at", .summary = "When."},
    {.name = NULL}};
static const struct http_schema history_schema = {"DeviceBinding", "A change of a label's product.",
                                                  history_fields};

/* ---- one label ---- */

/* RES_DENIED: replied. */
static enum res refuse_one(struct http_request *q, const struct fleet_refusal *wrong)
{
    const char *field = json_string_value(json_object_get(json_array_get(wrong->list, 0), "field"));
    if (field != NULL && strcmp(field, "productId") == 0) {
        http_reply_error_code(q, HTTP_ERROR_NOT_FOUND, "PRODUCT_NOT_FOUND",
                              "The label's store has no such product.");
    } else {
        http_reply_error(q, HTTP_ERROR_NOT_FOUND, NULL);
    }
    return RES_DENIED;
}

static enum res reply_device(struct http_request *q, struct pg_conn *c, const char *action,
                             json_t *detail, json_t **ret_answer, struct err *why)
{
    json_t *device = NULL;
    const char *id = http_request_text(q, "id");
    enum res r = device_http_read(c, id, &device, why);
    if (r != RES_OK) {
        json_decref(detail);
        return r;
    }
    r = fleet_audit_write(q, c, json_string_value(json_object_get(device, "storeId")), action,
                          "device", id, detail, why);
    if (r == RES_OK) {
        *ret_answer = device;
    } else {
        json_decref(device);
    }
    return r;
}

static enum res bind_one(struct http_request *q, struct pg_conn *c, const char *product,
                         int64_t *ret_changed, struct err *why)
{
    const struct device_binding one = {http_request_text(q, "id"), product};
    struct device_binding_count count = {0, 0};
    struct fleet_refusal wrong;
    fleet_refusal_init(&wrong);
    enum res r =
        device_binding_apply(c, NULL, &one, 1, false, FLEET_AUDIT_ACTOR, &wrong, &count, why);
    if (r == RES_OK && wrong.count > 0) {
        r = refuse_one(q, &wrong);
    }
    fleet_refusal_deinit(&wrong);
    if (r == RES_OK) {
        *ret_changed = count.changed;
    }
    return r;
}

static enum res bind(struct http_request *q, struct pg_conn *c, json_t **ret_answer,
                     struct err *why)
{
    int64_t changed = 0;
    const char *product = http_request_text(q, "productId");
    enum res r = bind_one(q, c, product, &changed, why);
    return r == RES_OK ? reply_device(q, c, "device.bind", json_pack("{s:s}", "product", product),
                                      ret_answer, why)
                       : r;
}

static enum res unbind(struct http_request *q, struct pg_conn *c, json_t **ret_answer,
                       struct err *why)
{
    int64_t changed = 0;
    enum res r = bind_one(q, c, NULL, &changed, why);
    if (r == RES_OK && changed == 0) {
        http_reply_error_code(q, HTTP_ERROR_CONFLICT, "NOT_BOUND",
                              "This label is bound to no product.");
        r = RES_DENIED;
    }
    return r == RES_OK ? reply_device(q, c, "device.unbind", json_object(), ret_answer, why) : r;
}

/* ---- many labels ---- */

static const char *const columns[] = {"deviceId", "productId", NULL};

static json_t *read_table(const struct http_request *q, char ret_store[32],
                          struct fleet_refusal *wrong)
{
    struct span body = http_request_body(q);
    const char *store = http_request_text(q, "storeId");
    json_t *root = NULL;
    json_t *rows = NULL;
    if (http_request_media(q) == 0) {
        root = json_loadb((const char *)body.data, body.size, JSON_REJECT_DUPLICATES, NULL);
        if (!json_is_object(root)) {
            fleet_refusal_add(wrong, 0, "body", SPAN_NONE, "a JSON object");
        } else {
            rows = fleet_table_json(root, "bindings", columns, wrong);
            const char *said = json_string_value(json_object_get(root, "storeId"));
            store = said != NULL ? said : store;
        }
    } else {
        rows = fleet_table_csv(body, columns, wrong);
    }
    if (store == NULL || span_copy_text(span_text(store, 64), ret_store, 32) != RES_OK) {
        fleet_refusal_add(wrong, 0, "storeId", SPAN_NONE, "required");
        ret_store[0] = '\0';
    }
    json_decref(root);
    return rows;
}

static void fill(const json_t *rows, struct device_binding *bindings, struct fleet_refusal *wrong)
{
    size_t i = 0;
    json_t *row = NULL;
    json_array_foreach(rows, i, row)
    {
        bindings[i].device_id = json_string_value(json_object_get(row, "deviceId"));
        bindings[i].product_id = json_string_value(json_object_get(row, "productId"));
        if (bindings[i].device_id == NULL) {
            fleet_refusal_add(wrong, i + 1, "deviceId", SPAN_NONE, "required, a text");
        }
        if (bindings[i].product_id == NULL) {
            fleet_refusal_add(wrong, i + 1, "productId", SPAN_NONE, "required, a text");
        }
    }
}

static enum res bind_table(struct http_request *q, struct pg_conn *c, json_t **ret_answer,
                           struct err *why)
{
    char store[32];
    struct device_binding_count count = {0, 0};
    struct fleet_refusal wrong;
    fleet_refusal_init(&wrong);
    json_t *rows = read_table(q, store, &wrong);
    size_t n = json_array_size(rows);
    struct device_binding *bindings = calloc(n + 1, sizeof *bindings);
    enum res r = bindings == NULL ? RES_NO_MEMORY : RES_OK;
    if (r == RES_OK) {
        fill(rows, bindings, &wrong);
    } else {
        err_set(why, "out of memory for %zu bindings", n);
    }
    if (r == RES_OK && wrong.count == 0) {
        r = device_binding_apply(c, store, bindings, n, true, FLEET_AUDIT_ACTOR, &wrong, &count,
                                 why);
    }
    if (r == RES_OK && fleet_refusal_reply(&wrong, q)) {
        r = RES_DENIED;
    }
    if (r == RES_OK) {
        r = fleet_audit_write(q, c, store, "device.bind_many", "store", store,
                              json_pack("{s:I}", "changed", (json_int_t)count.changed), why);
    }
    if (r == RES_OK) {
        *ret_answer =
            json_pack("{s:I, s:I, s:I}", "rows", (json_int_t)n, "changed",
                      (json_int_t)count.changed, "deliveries", (json_int_t)count.delivered);
    }
    free(bindings);
    json_decref(rows);
    fleet_refusal_deinit(&wrong);
    return r;
}

/* ---- place ---- */

static const char store_sql[] = "SELECT store_id::text FROM label WHERE label_id = $1 "
                                "AND retired_at IS NULL FOR NO KEY UPDATE";
static const char move_sql[] =
    "UPDATE label SET aisle = $2, shelf = $3, position = $4 WHERE label_id = $1";

static enum res store_of(struct http_request *q, struct pg_conn *c, char *ret_store, size_t size,
                         struct err *why)
{
    struct pg_params p;
    PGresult *rows = NULL;
    pg_params_init(&p);
    pg_params_cstr(&p, http_request_text(q, "id"));
    enum res r = pg_conn_run(c, store_sql, &p, &rows, why);
    if (r == RES_OK && PQntuples(rows) == 0) {
        http_reply_error(q, HTTP_ERROR_NOT_FOUND, NULL);
        r = RES_DENIED;
    }
    if (r == RES_OK) {
        r = span_copy_text(pg_get_span(rows, 0, 0), ret_store, size);
    }
    PQclear(rows);
    return r;
}

/* Another aisle may speak another language: place, language and text go out together. */
static enum res move_label(struct http_request *q, struct pg_conn *c,
                           const struct fleet_place *place, struct err *why)
{
    static const struct delivery_cause cause = {.job_id = NULL};
    static const char *const no_patch[] = {NULL};
    const char *const ids[] = {http_request_text(q, "id")};
    struct delivery_count count;
    struct pg_params p;
    pg_params_init(&p);
    pg_params_cstr(&p, ids[0]);
    pg_params_cstr(&p, place->aisle);
    pg_params_cstr(&p, place->shelf);
    pg_params_cstr(&p, place->position);
    enum res r = pg_conn_run(c, move_sql, &p, NULL, why);
    if (r == RES_OK) {
        r = delivery_refresh_labels(c, ids, 1, &cause, &count, why); /* items before shadows */
    }
    return r == RES_OK ? delivery_configure(c, ids, no_patch, 1, &cause, 0, &count, why) : r;
}

static enum res move(struct http_request *q, struct pg_conn *c, json_t **ret_answer,
                     struct err *why)
{
    char store[32];
    struct fleet_place place;
    struct fleet_refusal wrong;
    fleet_refusal_init(&wrong);
    json_t *said = json_object();
    static const char *const names[] = {"aisle", "shelf", "position"};
    for (size_t i = 0; i < 3; i++) {
        if (http_request_has(q, names[i])) {
            (void)json_object_set_new(said, names[i], json_string(http_request_text(q, names[i])));
        }
    }
    fleet_place_read(said, &place, &wrong);
    enum res r = store_of(q, c, store, sizeof store, why);
    if (r == RES_OK) {
        r = fleet_place_check(c, store, &place, &wrong, why);
    }
    if (r == RES_OK && fleet_refusal_reply(&wrong, q)) {
        r = RES_DENIED;
    }
    if (r == RES_OK) {
        r = move_label(q, c, &place, why);
    }
    if (r == RES_OK) {
        r = reply_device(q, c, "device.move", json_incref(said), ret_answer, why);
    }
    json_decref(said);
    fleet_refusal_deinit(&wrong);
    return r;
}

/* ---- gateway ---- */

static const char behind_sql[] =
    "UPDATE label l SET gateway_id = $2 WHERE label_id = $1 AND ($2::text IS NULL OR EXISTS "
    "(SELECT FROM gateway g WHERE g.gateway_id = $2 AND g.store_id = l.store_id AND g.retired_at "
    "IS NULL))";

static enum res put_behind(struct http_request *q, struct pg_conn *c, json_t **ret_answer,
                           struct err *why)
{
    char store[32];
    struct pg_params p;
    PGresult *rows = NULL;
    const char *gateway = http_request_text(q, "gatewayId");
    enum res r = store_of(q, c, store, sizeof store, why);
    if (r != RES_OK) {
        return r;
    }
    pg_params_init(&p);
    pg_params_cstr(&p, http_request_text(q, "id"));
    pg_params_cstr(&p, gateway);
    r = pg_conn_run(c, behind_sql, &p, &rows, why);
    if (r == RES_OK && pg_get_touched(rows) == 0) {
        http_reply_error_field(q, "gatewayId", gateway, "a gateway of the store");
        r = RES_DENIED;
    }
    PQclear(rows);
    return r == RES_OK ? reply_device(q, c, "device.gateway",
                                      json_pack("{s:s?}", "gateway", gateway), ret_answer, why)
                       : r;
}

/* ---- routes ---- */

static const struct http_rows_list history = {
    .schema = &history_schema,
    .from = "label_binding b LEFT JOIN item i USING (item_id)",
    .filters = (const struct http_rows_filter[]){{"id", "b.label_id = ?"}, {NULL, NULL}},
    .cursor_kind = 'h',
    .newest_first = true,
    .keys = {{"b.binding_id", "bigint"}}};

static void put_product(struct http_request *q, void *context)
{
    http_transact_run(q, context, bind);
}

static void delete_product(struct http_request *q, void *context)
{
    http_transact_run(q, context, unbind);
}

static void post_bind(struct http_request *q, void *context)
{
    http_transact_run(q, context, bind_table);
}

static void put_location(struct http_request *q, void *context)
{
    http_transact_run(q, context, move);
}

static void put_gateway(struct http_request *q, void *context)
{
    http_transact_run(q, context, put_behind);
}

static void list_bindings(struct http_request *q, void *context)
{
    http_rows_page(q, context, &history);
}

static const struct http_param one_params[] = {DEVICE_HTTP_PARAM_ID, HTTP_PARAM_END};
static const struct http_param list_params[] = {DEVICE_HTTP_PARAM_ID, HTTP_PARAM_LIMIT,
                                                HTTP_PARAM_CURSOR, HTTP_PARAM_END};
static const struct http_param bind_params[] = {{HTTP_IN_QUERY,
                                                 {.name = "storeId",
                                                  .type = HTTP_TEXT,
                                                  .min = 3,
                                                  .max = 24,
                                                  .charset = "A-Z0-9-",
                                                  .summary = "The labels' store, with a CSV."}},
                                                HTTP_PARAM_ONCE_MAYBE,
                                                HTTP_PARAM_END};
static const char *const bind_media[] = {"application/json", "text/csv", NULL};
static const char *const product_errors[] = {"PRODUCT_NOT_FOUND", NULL};
static const char *const bind_errors[] = {HTTP_ONCE_ERRORS, NULL};
static const char *const unbind_errors[] = {"NOT_BOUND", NULL};

const struct http_route device_binding_http_routes[] = {
    {.method = HTTP_PUT,
     .path = "/api/devices/{id}/product",
     .operation = "bindDevice",
     .summary = "Binds a label to a product; it gets the new content.",
     .tag = "devices",
     .params = one_params,
     .body = &product_schema,
     .reply = &device_http_detail,
     .errors = product_errors,
     .permission = "device.bind",
     .handle = put_product},
    {.method = HTTP_DELETE,
     .path = "/api/devices/{id}/product",
     .operation = "unbindDevice",
     .summary = "Frees a label; it shows that it is unassigned.",
     .tag = "devices",
     .params = one_params,
     .reply = &device_http_detail,
     .errors = unbind_errors,
     .permission = "device.bind",
     .handle = delete_product},
    {.method = HTTP_POST,
     .path = "/api/devices/bind",
     .operation = "bindDevices",
     .summary = "Binds up to 10,000 labels at once; all or, when any row is wrong, none. The same "
                "table again changes nothing.",
     .tag = "devices",
     .params = bind_params,
     .body = &bind_schema,
     .media = bind_media,
     .body_bytes_max = FLEET_TABLE_BYTES_MAX,
     .reply = &bound_schema,
     .errors = bind_errors,
     .permission = "device.bind",
     .handle = post_bind},
    {.method = HTTP_PUT,
     .path = "/api/devices/{id}/location",
     .operation = "moveDevice",
     .summary = "Says where a label hangs; it gets the configuration and language of the place.",
     .tag = "devices",
     .params = one_params,
     .body = &place_schema,
     .reply = &device_http_detail,
     .permission = "device.bind",
     .handle = put_location},
    {.method = HTTP_PUT,
     .path = "/api/devices/{id}/gateway",
     .operation = "setDeviceGateway",
     .summary = "Says which gateway a label is behind, or, without one, that it is behind none.",
     .tag = "devices",
     .params = one_params,
     .body = &gateway_schema,
     .reply = &device_http_detail,
     .permission = "device.bind",
     .handle = put_gateway},
    {.method = HTTP_GET,
     .path = "/api/devices/{id}/bindings",
     .operation = "listDeviceBindings",
     .summary = "What a label was bound to, newest first.",
     .tag = "devices",
     .params = list_params,
     .reply = &history_schema,
     .page = true,
     .permission = "device.read",
     .handle = list_bindings},
    HTTP_ROUTE_END};
