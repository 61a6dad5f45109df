#include "gateway_http.h"

#include "fleet_audit.h"
#include "http_rows.h"
#include "http_transact.h"

static const char *const states[] = {"up", "down", "unknown", NULL};

#define LAST_SEEN                                                                                  \
    "(SELECT max(l.last_seen_at) FROM label l WHERE l.gateway_id = g.gateway_id AND l.retired_at " \
    "IS NULL)"
#define STATE                                                                                      \
    "CASE WHEN g.down_since IS NOT NULL THEN 'down' WHEN " LAST_SEEN " IS NULL THEN 'unknown' "    \
    "ELSE 'up' END"
#define LABELS(and)                                                                                \
    "SELECT count(*) FROM label l WHERE l.gateway_id = g.gateway_id AND l.retired_at IS NULL " and

static const struct http_field gateway_fields[] = {
    {.name = "gatewayId", .type = HTTP_TEXT, .source = "g.gateway_id", .summary = "Its id."},
    {.name = "storeId", .type = HTTP_TEXT, .source = "g.store_id", .summary = "Its store."},
    {.name = "state",
     .type = HTTP_CHOICE,
     .choices = states,
     .source = STATE,
     .summary = "down: its labels are unreachable; unknown: none was ever heard of."},
    {.name = "downSince",
     .type = HTTP_TIME,
     .nullable = true,
     .source = "g.down_since",
     .summary = "Null: not down."},
    {.name = "markedDownBy",
     .type = HTTP_TEXT,
     .nullable = true,
     .source = "g.marked_down_by",
     .summary = "Account id of who took it out of service; null: nobody."},
    {.name = "lastSeen",
     .type = HTTP_TIME,
     .nullable = true,
     .source = LAST_SEEN,
     .summary = "When the last of its labels was heard of."},
    {.name = "labels", .type = HTTP_INTEGER, .source = LABELS(""), .summary = "Behind it."},
    {.name = "labelsOnline",
     .type = HTTP_INTEGER,
     .source = LABELS("AND l.online"),
     .summary = "Of them, connected."},
    {.name = "createdAt", .type = HTTP_TIME, .source = "g.created_at", .summary = "Registered."},
    {.name = NULL}};
static const struct http_schema gateway_schema = {"Gateway", "A bridge between labels and broker.",
                                                  gateway_fields};
static const struct http_field new_fields[] = {{.name = "gatewayId",
                                                .type = HTTP_TEXT,
                                                .required = true,
                                                .min = 6,
                                                .max = 23,
                                                .charset = "A-Z0-9-",
                                                .summary = "GW-[A-Z0-9-]{3,20}"},
                                               {.name = "storeId",
                                                .type = HTTP_TEXT,
                                                .required = true,
                                                .min = 3,
                                                .max = 24,
                                                .charset = "A-Z0-9-",
                                                .summary = "Its store."},
                                               {.name = NULL}};
static const struct http_schema new_schema = {"GatewayNew", "A gateway to be registered.",
                                              new_fields};
static const struct http_field mark_fields[] = {
    {.name = "outOfService",
     .type = HTTP_BOOLEAN,
     .required = true,
     .summary = "True: its labels are unreachable until it is said to be back."},
    {.name = NULL}};
static const struct http_schema mark_schema = {"GatewayMark", "A gateway taken out of service.",
                                               mark_fields};

static const struct http_param list_params[] = {
    {HTTP_IN_QUERY,
     {.name = "storeId",
      .type = HTTP_TEXT,
      .min = 3,
      .max = 24,
      .charset = "A-Z0-9-",
      .summary = "Only gateways of this store."}},
    {HTTP_IN_QUERY,
     {.name = "state", .type = HTTP_CHOICE, .choices = states, .summary = "Only in this state."}},
    HTTP_PARAM_LIMIT,
    HTTP_PARAM_CURSOR,
    HTTP_PARAM_END};
static const struct http_param one_params[] = {{HTTP_IN_PATH,
                                                {.name = "id",
                                                 .type = HTTP_TEXT,
                                                 .required = true,
                                                 .min = 1,
                                                 .max = 23,
                                                 .charset = "A-Z0-9-",
                                                 .summary = "The gateway."}},
                                               HTTP_PARAM_END};
static const char *const post_errors[] = {"ID_TAKEN", NULL};

static const struct http_rows_list gateways = {
    .schema = &gateway_schema,
    .from = "gateway g",
    .filters = (const struct http_rows_filter[]){{"storeId", "g.store_id = ?"},
                                                 {"state", STATE " = ?"},
                                                 {NULL, NULL}},
    .cursor_kind = 'g',
    .keys = {{"g.gateway_id", "text"}}};

static void list_gateways(struct http_request *q, void *context)
{
    http_rows_page(q, context, &gateways);
}

static void reply_gateway(struct http_request *q, void *context, const char *id)
{
    struct pg_params p;
    pg_params_init(&p);
    pg_params_cstr(&p, id);
    json_t *gateway = http_rows_one(q, context, &gateway_schema, "gateway g",
                                    "g.gateway_id = $1 AND g.retired_at IS NULL", &p);
    if (gateway != NULL) {
        http_reply_json(q, gateway);
    }
}

static void get_gateway(struct http_request *q, void *context)
{
    reply_gateway(q, context, http_request_text(q, "id"));
}

/* ---- changes ---- */

static enum res read_back(struct pg_conn *c, const char *id, json_t **ret_answer, struct err *why)
{
    struct pg_params p;
    pg_params_init(&p);
    pg_params_cstr(&p, id);
    return http_rows_read_one(c, "SELECT ", &gateway_schema,
                              " FROM gateway g WHERE g.gateway_id = $1", &p, ret_answer, why);
}

static enum res register_gateway(struct http_request *q, struct pg_conn *c, json_t **ret_answer,
                                 struct err *why)
{
    struct pg_params p;
    PGresult *rows = NULL;
    const char *id = http_request_text(q, "gatewayId");
    const char *store = http_request_text(q, "storeId");
    pg_params_init(&p);
    pg_params_cstr(&p, id);
    pg_params_cstr(&p, store);
    enum res r = pg_conn_run(c,
                             "INSERT INTO gateway (gateway_id, store_id) SELECT $1, store_id FROM "
                             "store WHERE store_id = $2",
                             &p, &rows, why);
    if (r == RES_CONFLICT) {
        http_reply_error_code(q, HTTP_ERROR_CONFLICT, "ID_TAKEN", "This id is not free.");
        return RES_DENIED;
    }
    if (r == RES_INVALID) {
        http_reply_error_field(q, "gatewayId", id, "GW-[A-Z0-9-]{3,20}");
        return RES_DENIED;
    }
    if (r == RES_OK && pg_get_touched(rows) == 0) {
        http_reply_error_field(q, "storeId", store, "a store that exists");
        r = RES_DENIED;
    }
    PQclear(rows);
    if (r == RES_OK) {
        r = fleet_audit_write(q, c, store, "gateway.register", "gateway", id, json_object(), why);
    }
    return r == RES_OK ? read_back(c, id, ret_answer, why) : r;
}

/* Who brings it back only ends his own word: whether it is down is judged anew by its labels. */
static const char mark_sql[] =
    "UPDATE gateway SET down_since = CASE WHEN $2::boolean THEN coalesce(down_since, now()) END, "
    "marked_down_by = CASE WHEN $2::boolean THEN '" FLEET_AUDIT_ACTOR "' END "
    "WHERE gateway_id = $1 AND retired_at IS NULL RETURNING store_id::text";

static enum res mark(struct http_request *q, struct pg_conn *c, json_t **ret_answer,
                     struct err *why)
{
    struct pg_params p;
    PGresult *rows = NULL;
    char store[32];
    const char *id = http_request_text(q, "id");
    bool out = http_request_number(q, "outOfService") != 0;
    pg_params_init(&p);
    pg_params_cstr(&p, id);
    pg_params_bool(&p, out);
    enum res r = pg_conn_run(c, mark_sql, &p, &rows, why);
    if (r == RES_OK && PQntuples(rows) == 0) {
        http_reply_error(q, HTTP_ERROR_NOT_FOUND, NULL);
        r = RES_DENIED;
    }
    if (r == RES_OK) {
        r = span_copy_text(pg_get_span(rows, 0, 0), store, sizeof store);
    }
    PQclear(rows);
    if (r == RES_OK) {
        r = fleet_audit_write(q, c, store, "gateway.mark", "gateway", id,
                              json_pack("{s:b}", "outOfService", out), why);
    }
    return r == RES_OK ? read_back(c, id, ret_answer, why) : r;
}

static void post_gateway(struct http_request *q, void *context)
{
    http_transact_run(q, context, register_gateway);
}

static void put_state(struct http_request *q, void *context)
{
    http_transact_run(q, context, mark);
}

const struct http_route gateway_http_routes[] = {
    {.method = HTTP_GET,
     .path = "/api/gateways",
     .operation = "listGateways",
     .summary = "Gateways by id, with what their labels tell of them.",
     .tag = "devices",
     .params = list_params,
     .reply = &gateway_schema,
     .page = true,
     .permission = "device.read",
     .handle = list_gateways},
    {.method = HTTP_GET,
     .path = "/api/gateways/{id}",
     .operation = "getGateway",
     .summary = "One gateway.",
     .tag = "devices",
     .params = one_params,
     .reply = &gateway_schema,
     .permission = "device.read",
     .handle = get_gateway},
    {.method = HTTP_POST,
     .path = "/api/gateways",
     .operation = "registerGateway",
     .summary = "Registers a gateway, so that labels can be said to be behind it.",
     .tag = "devices",
     .body = &new_schema,
     .reply = &gateway_schema,
     .status = 201,
     .errors = post_errors,
     .permission = "device.provision",
     .handle = post_gateway},
    {.method = HTTP_PUT,
     .path = "/api/gateways/{id}/state",
     .operation = "markGateway",
     .summary = "Takes a gateway out of service, or says that it is back.",
     .tag = "devices",
     .params = one_params,
     .body = &mark_schema,
     .reply = &gateway_schema,
     .permission = "device.configure",
     .handle = put_state},
    HTTP_ROUTE_END};
