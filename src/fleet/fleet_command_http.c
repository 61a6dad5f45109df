#include "fleet_command_http.h"

#include <assert.h>
#include <string.h>

#include "http_once.h"
#include "http_rows.h"

#define EXPIRES_S_MIN     10
#define EXPIRES_S_MAX     86400
#define EXPIRES_S_DEFAULT 300
/* A run of digits this long in free text may be a card or phone number (R18). */
#define DIGITS_MAX 11
#define ISSUER     "operator" /* until there are accounts */

enum kind { SLEEP, WAKE, CUSTOMER_OVERRIDE, PAUSE, CANCEL, RESTART, CATALOGUE };
/* As the wire names them; firmware is a rollout's to send. */
static const char *const kinds[] = {"sleep",  "wake",    "customer-override", "pause",
                                    "cancel", "restart", "catalogue",         NULL};

static const struct http_field command_fields[] = {
    {.name = "cartId", .type = HTTP_TEXT, .source = "cart_id", .summary = "The cart."},
    {.name = "number",
     .type = HTTP_INTEGER,
     .source = "number",
     .summary = "Rises with every command to this cart."},
    {.name = "kind",
     .type = HTTP_CHOICE,
     .choices = kinds,
     .source = "kind",
     .summary = "What it is told."},
    {.name = "sessionId",
     .type = HTTP_TEXT,
     .nullable = true,
     .source = "session_id",
     .summary = "The session meant."},
    {.name = "version",
     .type = HTTP_INTEGER,
     .nullable = true,
     .source = "version",
     .summary = "Of the catalogue."},
    {.name = "reason",
     .type = HTTP_TEXT,
     .nullable = true,
     .source = "reason",
     .summary = "For the log."},
    {.name = "state", .type = HTTP_TEXT, .source = "state", .summary = "queued."},
    {.name = "issuedAt", .type = HTTP_TIME, .source = "issued_at", .summary = "Now."},
    {.name = "expiresAt",
     .type = HTTP_TIME,
     .source = "expires_at",
     .summary = "After this the cart ignores it."},
    {.name = NULL}};
static const struct http_schema command_schema = {"CommandQueued", "A command on its way.",
                                                  command_fields};

static const struct http_field body_fields[] = {
    {.name = "kind",
     .type = HTTP_CHOICE,
     .required = true,
     .choices = kinds,
     .summary = "What the cart is told."},
    {.name = "sessionId",
     .type = HTTP_TEXT,
     .min = 1,
     .max = 64,
     .charset = "A-Z0-9.-",
     .summary = "With pause, cancel and restart: the session meant."},
    {.name = "version",
     .type = HTTP_INTEGER,
     .min = 1,
     .max = 9007199254740991,
     .summary = "With catalogue, and only then: the version to have."},
    {.name = "reason",
     .type = HTTP_TEXT,
     .min = 1,
     .max = 64,
     .charset = " -~",
     .summary = "Words for the log; no long numbers."},
    {.name = "expiresInS",
     .type = HTTP_INTEGER,
     .min = EXPIRES_S_MIN,
     .max = EXPIRES_S_MAX,
     .fallback = EXPIRES_S_DEFAULT,
     .summary = "Seconds until the cart ignores it."},
    {.name = NULL}};
static const struct http_schema body_schema = {"CommandRequest", "A command for a cart.",
                                               body_fields};

static const struct http_param params[] = {{HTTP_IN_PATH,
                                            {.name = "id",
                                             .type = HTTP_TEXT,
                                             .required = true,
                                             .min = 1,
                                             .max = 24,
                                             .charset = "A-Z0-9-",
                                             .summary = "The cart."}},
                                           HTTP_PARAM_ONCE,
                                           HTTP_PARAM_END};
static const char *const errors[] = {"NO_OPEN_SESSION", "SESSION_OPEN", HTTP_ONCE_ERRORS, NULL};

static bool has_long_number(const char *text)
{
    size_t run = 0;
    for (; *text != '\0' && run <= DIGITS_MAX; text++) {
        run = *text >= '0' && *text <= '9' ? run + 1 : 0;
    }
    return run > DIGITS_MAX;
}

/* Rules between fields; false: the 400 is replied. */
static bool check_body(struct http_request *q)
{
    enum kind kind = (enum kind)http_request_number(q, "kind");
    const char *reason = http_request_text(q, "reason");
    if ((kind == CATALOGUE) != http_request_has(q, "version")) {
        http_reply_error_field(q, "version", "", "given with kind catalogue, and only then");
    } else if (http_request_has(q, "sessionId") && kind != PAUSE && kind != CANCEL &&
               kind != RESTART) {
        http_reply_error_field(q, "sessionId", http_request_text(q, "sessionId"),
                               "given with pause, cancel or restart only");
    } else if (reason != NULL && has_long_number(reason)) {
        http_reply_error_field(q, "reason", "", "no number of 12 digits or more");
    } else {
        return true;
    }
    return false;
}

/* Locks the cart, so that numbers rise one by one. RES_DENIED: refused and replied. */
static enum res check_cart(struct http_request *q, struct pg_conn *c, struct err *why)
{
    struct pg_params p;
    PGresult *rows = NULL;
    pg_params_init(&p);
    pg_params_cstr(&p, http_request_text(q, "id"));
    enum res r = pg_conn_run(c,
                             "SELECT (SELECT s.session_id FROM session s WHERE s.cart_id = "
                             "c.cart_id AND s.status IN ('active', 'paused')) FROM cart c "
                             "WHERE c.cart_id = $1 AND c.retired_at IS NULL FOR UPDATE",
                             &p, &rows, why);
    if (r != RES_OK) {
        return r;
    }
    enum kind kind = (enum kind)http_request_number(q, "kind");
    const char *meant = http_request_text(q, "sessionId");
    bool known = PQntuples(rows) == 1;
    struct span open = known ? pg_get_span(rows, 0, 0) : SPAN_NONE;
    r = RES_DENIED;
    if (!known) {
        http_reply_error(q, HTTP_ERROR_NOT_FOUND, NULL);
    } else if ((kind == PAUSE || kind == CANCEL) && open.size == 0) {
        http_reply_error_code(q, HTTP_ERROR_CONFLICT, "NO_OPEN_SESSION",
                              "No session is open on this cart.");
    } else if (meant != NULL && !span_equal(open, span_text(meant, 64))) {
        http_reply_error_code(q, HTTP_ERROR_CONFLICT, "NO_OPEN_SESSION",
                              "That session is not open on this cart.");
    } else if (kind == RESTART && open.size > 0) {
        http_reply_error_code(q, HTTP_ERROR_CONFLICT, "SESSION_OPEN",
                              "A session is open on this cart; cancel it first.");
    } else {
        r = RES_OK;
    }
    PQclear(rows);
    return r;
}

static void command_params(const struct http_request *q, struct pg_params *p)
{
    pg_params_init(p);
    pg_params_cstr(p, http_request_text(q, "id"));
    pg_params_cstr(p, http_request_text(q, "kind"));
    pg_params_cstr(p, http_request_text(q, "sessionId"));
    if (http_request_has(q, "version")) {
        pg_params_i64(p, http_request_number(q, "version"));
    } else {
        pg_params_null(p);
    }
    pg_params_cstr(p, http_request_text(q, "reason"));
    pg_params_i64(p, http_request_number(q, "expiresInS"));
}

static const char audit_sql[] =
    "INSERT INTO audit_event (store_id, actor, action, target_kind, target, request_id, detail) "
    "SELECT store_id, '" ISSUER "', 'cart.command', 'cart', cart_id, $3::text::uuid, "
    "jsonb_build_object('number', number, 'kind', kind, 'session', session_id) "
    "FROM command WHERE cart_id = $1 AND number = $2::bigint";

static enum res insert_command(struct http_request *q, struct pg_conn *c, json_t **ret_answer,
                               struct err *why)
{
    struct pg_params p;
    json_t *answer = NULL;
    command_params(q, &p);
    enum res r = http_rows_read_one(
        c,
        "INSERT INTO command (cart_id, number, store_id, kind, session_id, version, "
        "reason, issued_by, expires_at) SELECT c.cart_id, (SELECT "
        "coalesce(max(m.number), 0) + 1 FROM command m WHERE m.cart_id = c.cart_id), "
        "c.store_id, $2, $3, $4::bigint, $5, '" ISSUER "', now() + $6::bigint * "
        "interval '1 second' FROM cart c WHERE c.cart_id = $1 RETURNING ",
        &command_schema, "", &p, &answer, why);
    if (r != RES_OK) {
        return r;
    }
    pg_params_init(&p);
    pg_params_cstr(&p, http_request_text(q, "id"));
    pg_params_i64(&p, json_integer_value(json_object_get(answer, "number")));
    pg_params_cstr(&p, http_request_id(q));
    r = pg_conn_run(c, audit_sql, &p, NULL, why);
    if (r != RES_OK) {
        json_decref(answer);
        return r;
    }
    *ret_answer = answer;
    return RES_OK;
}

static enum res queue_command(struct http_request *q, struct pg_conn *c, json_t **ret_answer,
                              struct err *why)
{
    enum res r = check_cart(q, c, why);
    return r == RES_OK ? insert_command(q, c, ret_answer, why) : r;
}

static void post_command(struct http_request *q, void *context)
{
    if (check_body(q)) {
        http_once_run(q, context, queue_command);
    }
}

const struct http_route fleet_command_http_routes[] = {{.method = HTTP_POST,
                                                        .path = "/api/carts/{id}/commands",
                                                        .operation = "queueCommand",
                                                        .summary = "Queues a command for a cart.",
                                                        .tag = "fleet",
                                                        .params = params,
                                                        .body = &body_schema,
                                                        .reply = &command_schema,
                                                        .status = 201,
                                                        .errors = errors,
                                                        .permission = "cart.command",
                                                        .handle = post_command},
                                                       HTTP_ROUTE_END};
