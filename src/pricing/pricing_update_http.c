#include "pricing_update_http.h"

#include <stdio.h>
#include <string.h>

#include "http_once.h"
#include "http_rows.h"
#include "price_book.h"
#include "pricing_reply.h"

#define AHEAD_MS_MAX (INT64_C(731) * 86400000) /* two years */

static const char *const outcomes[] = {"changed", "same", "scheduled", "requested", NULL};
static const char *const reasons[] = {"manual", "correction", "competitor_match", NULL};

static const struct http_field change_fields[] = {
    {.name = "outcome",
     .type = HTTP_CHOICE,
     .choices = outcomes,
     .summary = "same: it was this price already, nothing was written."},
    {.name = "storeId", .type = HTTP_TEXT, .summary = "The store."},
    {.name = "productId", .type = HTTP_TEXT, .summary = "The product's SKU."},
    {.name = "price", .type = HTTP_MONEY, .summary = "What was asked for."},
    {.name = "previousPrice", .type = HTTP_MONEY, .summary = "The price before."},
    {.name = "chargedPrice",
     .type = HTTP_MONEY,
     .nullable = true,
     .summary = "What cart and till charge from now; lower while a rise reaches the shelf."},
    {.name = "currency", .type = HTTP_TEXT, .summary = "Of all of them."},
    {.name = "version",
     .type = HTTP_INTEGER,
     .nullable = true,
     .summary = "Of the product's price, from 1."},
    {.name = "labels",
     .type = HTTP_INTEGER,
     .nullable = true,
     .summary = "Labels that are being told: as many updates began."},
    {.name = "scheduleId",
     .type = HTTP_UUID,
     .nullable = true,
     .summary = "With outcome scheduled."},
    {.name = "effectiveAt",
     .type = HTTP_TIME,
     .nullable = true,
     .summary = "With outcome scheduled: when it takes effect."},
    {.name = "requestId",
     .type = HTTP_UUID,
     .nullable = true,
     .summary = "With outcome requested: the till system is asked for it."},
    {.name = NULL}};
static const struct http_schema change_schema = {"PriceChange", "What became of a price.",
                                                 change_fields};

static const struct http_field update_fields[] = {
    PRICING_STORE,
    PRICING_PRODUCT,
    {.name = "price",
     .type = HTTP_MONEY,
     .required = true,
     .summary = "Positive, at most 2 decimals and 999999.99, never above the MRP."},
    {.name = "currency",
     .type = HTTP_TEXT,
     .min = 1,
     .max = 8,
     .charset = "A-Za-z",
     .summary = "When given, it must be the store's."},
    {.name = "reason", .type = HTTP_CHOICE, .choices = reasons, .summary = "manual unless given."},
    {.name = "effectiveAt",
     .type = HTTP_TEXT,
     .min = 16,
     .max = 24,
     .charset = "0-9T:Z.-",
     .summary = "2026-11-22T18:00 in the store's own time, or with Z in UTC; absent: now."},
    {.name = NULL}};
static const struct http_schema update_schema = {"PriceUpdate", "A new price of one product.",
                                                 update_fields};

static const struct http_field rollback_fields[] = {
    PRICING_STORE,
    PRICING_PRODUCT,
    {.name = "version",
     .type = HTTP_INTEGER,
     .required = true,
     .min = 1,
     .max = 2147483647,
     .summary = "The version whose price it shall have again."},
    {.name = NULL}};
static const struct http_schema rollback_schema = {
    "PriceRollback", "Back to an earlier price, as a new version.", rollback_fields};

static const char *const errors[] = {PRICING_REPLY_ERRORS, PRICING_REPLY_TILL, HTTP_ONCE_ERRORS,
                                     NULL};
static const struct http_param once_params[] = {HTTP_PARAM_ONCE_MAYBE, HTTP_PARAM_END};

/* ---- replies ---- */

static json_t *money(int64_t minor)
{
    return json_real((double)minor / 100.0);
}

static json_t *change_json(const char *outcome, const char *store_id, const char *product_id,
                           int64_t price_minor, const struct price_result *result)
{
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:n, s:s, s:n, s:n, s:n, s:n, s:n}", "outcome",
                     outcome, "storeId", store_id, "productId", product_id, "price",
                     money(price_minor), "previousPrice", money(result->previous_minor),
                     "chargedPrice", "currency", result->limits.currency, "version", "labels",
                     "scheduleId", "effectiveAt", "requestId");
}

static void reply_changed(struct http_request *q, const struct price_change *change,
                          const struct price_result *result)
{
    json_t *reply = change_json(result->outcome == PRICE_SAME ? "same" : "changed",
                                http_request_text(q, "storeId"), http_request_text(q, "productId"),
                                change->price_minor, result);
    (void)json_object_set_new(reply, "chargedPrice", money(result->charged_minor));
    (void)json_object_set_new(reply, "version", json_integer(result->version));
    (void)json_object_set_new(reply, "labels", json_integer(result->labels));
    http_reply_json(q, reply);
}

static void reply_faults(struct http_request *q, unsigned faults, const struct price_limits *limits,
                         const char *price, const char *currency)
{
    json_t *details = json_array();
    pricing_reply_add(details, 0, faults, limits, price, currency);
    pricing_reply_refused(q, details, faults);
}

/* ---- what is asked ---- */

struct asked {
    const char *store_id;
    const char *currency; /* NULL: not said */
    const char *price_text;
    struct price_change change;
    struct price_order order;
    unsigned faults; /* of the number itself */
};

static void reply_unknown(struct http_request *q, enum res r)
{
    char words[160];
    const char *store = http_request_text(q, "storeId");
    if (r == RES_NOT_FOUND) {
        pricing_reply_no_store(q, store);
        return;
    }
    (void)snprintf(words, sizeof words, "Store %s has no product %s.", store,
                   http_request_text(q, "productId"));
    http_reply_error(q, HTTP_ERROR_NOT_FOUND, words);
}

/* Everything that is wrong with it, without a change; false: replied. */
static bool look(struct http_request *q, struct pg_conn *c, const struct asked *a,
                 struct price_result *result, bool *ret_till)
{
    struct err why = {""};
    struct price_change change = a->change;
    change.price_minor = a->faults == 0 ? change.price_minor : 1;
    enum res r = price_book_look(c, a->store_id, &change, 1, result, ret_till, &why);
    if (r == RES_NOT_FOUND || (r == RES_OK && result->outcome == PRICE_UNKNOWN_ITEM)) {
        reply_unknown(q, r);
    } else if (r != RES_OK) {
        http_rows_fail(q, r, &why);
    } else {
        unsigned faults = a->faults != 0 ? a->faults : result->faults;
        faults |= result->faults & PRICE_CURRENCY;
        if (faults == 0) {
            return true;
        }
        reply_faults(q, faults, &result->limits, a->price_text, a->currency);
    }
    return false;
}

/* ---- ask the till system ---- */

/* This and those below: RES_DENIED: it replied an error. */
static enum res request_price(struct http_request *q, struct pg_conn *c, const struct asked *a)
{
    struct price_result result = {.outcome = PRICE_SAME};
    struct pg_params p;
    struct err why = {""};
    PGresult *rows = NULL;
    bool till = false;
    if (!look(q, c, a, &result, &till)) {
        return RES_DENIED;
    }
    pg_params_init(&p);
    pg_params_cstr(&p, a->store_id);
    pg_params_cstr(&p, result.item_id);
    pg_params_i64(&p, a->change.price_minor);
    pg_params_cstr(&p, a->order.reason);
    pg_params_cstr(&p, a->order.changed_by);
    enum res r = pg_conn_run(c,
                             "INSERT INTO price_request (store_id, item_id, price_minor, reason, "
                             "requested_by) VALUES ($1, $2::uuid, $3::bigint, $4, $5) "
                             "RETURNING request_id",
                             &p, &rows, &why);
    if (r != RES_OK) {
        http_rows_fail(q, r, &why);
        return RES_DENIED;
    }
    char id[37];
    pg_get_uuid(rows, 0, 0, id);
    PQclear(rows);
    json_t *reply = change_json("requested", a->store_id, http_request_text(q, "productId"),
                                a->change.price_minor, &result);
    (void)json_object_set_new(reply, "requestId", json_string(id));
    http_reply_json_status(q, 202, reply);
    return RES_OK;
}

/* ---- later ---- */

/* 2026-11-22T18:00[:00[.000]][Z] */
static bool is_time_form(const char *text, bool *ret_utc)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd.ddd";
    size_t size = strlen(text);
    *ret_utc = size > 0 && text[size - 1] == 'Z';
    size -= *ret_utc ? 1 : 0;
    if (size != 16 && size != 19 && size != 23) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        bool fine = form[i] == 'd' ? text[i] >= '0' && text[i] <= '9' : text[i] == form[i];
        if (!fine) {
            return false;
        }
    }
    return true;
}

/* False: replied. */
static bool read_time(struct http_request *q, struct pg_conn *c, const char *store_id,
                      int64_t *ret_ms)
{
    const char *text = http_request_text(q, "effectiveAt");
    struct pg_params p;
    struct err why = {""};
    PGresult *rows = NULL;
    bool utc = false;
    int64_t at_ms = 0;
    int64_t now_ms = 0;
    enum res r = RES_INVALID;
    if (is_time_form(text, &utc)) {
        pg_params_init(&p);
        pg_params_cstr(&p, text);
        pg_params_bool(&p, utc);
        pg_params_cstr(&p, store_id);
        r = pg_conn_run(c,
                        "SELECT CASE WHEN $2 THEN $1::text::timestamptz ELSE $1::text::timestamp "
                        "AT TIME ZONE timezone END, now() FROM store WHERE store_id = $3",
                        &p, &rows, &why);
    }
    if (r == RES_OK && PQntuples(rows) == 0) {
        reply_unknown(q, RES_NOT_FOUND);
        r = RES_NOT_FOUND;
    } else if (r == RES_OK) {
        at_ms = pg_get_time_ms(rows, 0, 0);
        now_ms = pg_get_time_ms(rows, 0, 1);
        r = at_ms > now_ms && at_ms - now_ms <= AHEAD_MS_MAX ? RES_OK : RES_INVALID;
    }
    PQclear(rows);
    if (r == RES_INVALID) {
        http_reply_error_field(q, "effectiveAt", text,
                               "a time to come within two years, 2026-11-22T18:00 in the store's "
                               "time or 2026-11-22T12:30Z");
    } else if (r == RES_OK) {
        *ret_ms = at_ms;
    } else if (r != RES_NOT_FOUND) {
        http_rows_fail(q, r, &why);
    }
    return r == RES_OK;
}

static enum res schedule_price(struct http_request *q, struct pg_conn *c, const struct asked *a)
{
    struct price_result result = {.outcome = PRICE_SAME};
    struct pg_params p;
    struct err why = {""};
    PGresult *rows = NULL;
    bool till = false;
    int64_t at_ms = 0;
    if (!look(q, c, a, &result, &till) || !read_time(q, c, a->store_id, &at_ms)) {
        return RES_DENIED;
    }
    if (till) {
        pricing_reply_till(q);
        return RES_DENIED;
    }
    pg_params_init(&p);
    pg_params_cstr(&p, a->store_id);
    pg_params_cstr(&p, result.item_id);
    pg_params_i64(&p, a->change.price_minor);
    pg_params_cstr(&p, a->order.reason);
    pg_params_time_ms(&p, at_ms);
    pg_params_cstr(&p, a->order.changed_by);
    enum res r = pg_conn_run(c,
                             "INSERT INTO price_schedule (store_id, item_id, price_minor, reason, "
                             "effective_at, created_by) VALUES ($1, $2::uuid, $3::bigint, $4, $5, "
                             "$6) RETURNING schedule_id, to_char(effective_at AT TIME ZONE 'UTC', "
                             "'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')",
                             &p, &rows, &why);
    if (r != RES_OK) {
        http_rows_fail(q, r, &why);
        return RES_DENIED;
    }
    char id[37];
    struct span at = pg_get_span(rows, 0, 1);
    pg_get_uuid(rows, 0, 0, id);
    json_t *reply = change_json("scheduled", a->store_id, http_request_text(q, "productId"),
                                a->change.price_minor, &result);
    (void)json_object_set_new(reply, "scheduleId", json_string(id));
    (void)json_object_set_new(reply, "effectiveAt", json_stringn((const char *)at.data, at.size));
    PQclear(rows);
    http_reply_json_status(q, 202, reply);
    return RES_OK;
}

/* ---- handlers ---- */

/* What is not simply a change now. */
static enum res update_otherwise(struct http_request *q, struct pg_conn *c, const struct asked *a)
{
    struct price_result result;
    bool till = false;
    if (http_request_has(q, "effectiveAt")) {
        return schedule_price(q, c, a);
    }
    if (a->faults == 0) {
        return request_price(q, c, a);
    }
    bool fine = look(q, c, a, &result, &till);
    (void)fine; /* it has a fault: it is replied */
    return RES_DENIED;
}

static enum res reply_result(struct http_request *q, const struct asked *a, enum res r,
                             const struct price_result *result, const struct err *why)
{
    if (r == RES_NOT_FOUND || (r == RES_OK && result->outcome == PRICE_UNKNOWN_ITEM)) {
        reply_unknown(q, r);
    } else if (r != RES_OK) {
        http_rows_fail(q, r, why);
    } else if (result->outcome == PRICE_REFUSED) {
        reply_faults(q, result->faults, &result->limits, a->price_text, a->currency);
    } else {
        reply_changed(q, &a->change, result);
        return RES_OK;
    }
    return RES_DENIED;
}

static bool is_plain(const struct http_request *q, const struct asked *a)
{
    return a->faults == 0 && !http_request_has(q, "effectiveAt");
}

static void read_update(const struct http_request *q, struct asked *ret)
{
    const char *reason = http_request_text(q, "reason");
    struct asked a = {
        .store_id = http_request_text(q, "storeId"),
        .currency = http_request_text(q, "currency"),
        .price_text = http_request_text(q, "price"),
        .change = {.item_id = "", .product_id = span_text(http_request_text(q, "productId"), 32)},
        .order = {.reason = reason == NULL ? "manual" : reason,
                  .changed_by = PRICING_REPLY_ISSUER}};
    a.order.store_id = a.store_id;
    a.change.currency = a.currency == NULL ? SPAN_NONE : span_text(a.currency, 8);
    a.faults = price_check_read(span_text(a.price_text, HTTP_NUMBER_BYTES), &a.change.price_minor);
    *ret = a;
}

/* The transaction of an Idempotency-Key. */
static enum res update_once(struct http_request *q, struct pg_conn *c, json_t **ret_answer,
                            struct err *why)
{
    struct asked a;
    struct price_result result = {.outcome = PRICE_SAME};
    (void)ret_answer; /* it replies itself */
    read_update(q, &a);
    enum res r = RES_CONFLICT;
    if (is_plain(q, &a)) {
        r = price_book_change(c, &a.order, &a.change, 1, &result, why);
    }
    return r == RES_CONFLICT ? update_otherwise(q, c, &a) : reply_result(q, &a, r, &result, why);
}

/* Without a key many changes share a transaction. */
static void post_update(struct http_request *q, void *context)
{
    struct pricing_update_http *h = context;
    struct price_result result = {.outcome = PRICE_SAME};
    struct err why = {""};
    struct pg_conn *c = NULL;
    struct asked a;
    if (http_once_is_asked(q)) {
        http_once_run(q, h->pool, update_once);
        return;
    }
    read_update(q, &a);
    enum res r = RES_CONFLICT;
    if (is_plain(q, &a)) {
        r = price_group_change(h->group, &a.order, &a.change, &result, &why);
    }
    if (r != RES_CONFLICT) {
        r = reply_result(q, &a, r, &result, &why);
    } else {
        r = pg_pool_take(h->pool, &c, &why);
        if (r == RES_OK) {
            r = update_otherwise(q, c, &a);
            pg_pool_give(h->pool, c);
        } else {
            http_rows_fail(q, r, &why);
        }
    }
    (void)r; /* it is replied */
}

/* RES_DENIED: no such version of a product of the store; it is replied. */
static enum res price_of_version(struct http_request *q, struct pg_pool *pool, int64_t *ret_minor,
                                 struct err *why)
{
    struct pg_params p;
    PGresult *rows = NULL;
    pg_params_init(&p);
    pg_params_cstr(&p, http_request_text(q, "storeId"));
    pg_params_cstr(&p, http_request_text(q, "productId"));
    pg_params_i64(&p, http_request_number(q, "version"));
    enum res r = pg_pool_run(pool,
                             "SELECT p.price_minor FROM item i JOIN price p USING (item_id) WHERE "
                             "i.store_id = $1 AND i.sku = $2 AND i.deleted_at IS NULL AND "
                             "p.version = $3::bigint",
                             &p, &rows, why);
    if (r == RES_OK && PQntuples(rows) == 0) {
        http_reply_error(q, HTTP_ERROR_NOT_FOUND,
                         "The store has no such product, or the product no such version.");
        r = RES_DENIED;
    } else if (r == RES_OK) {
        *ret_minor = pg_get_i64(rows, 0, 0);
    }
    PQclear(rows);
    return r;
}

static void post_rollback(struct http_request *q, void *context)
{
    struct pricing_update_http *h = context;
    struct price_result result = {.outcome = PRICE_SAME};
    struct err why = {""};
    char text[24];
    struct asked a = {
        .store_id = http_request_text(q, "storeId"),
        .price_text = text,
        .change = {.item_id = "", .product_id = span_text(http_request_text(q, "productId"), 32)},
        .order = {.reason = "rollback", .changed_by = PRICING_REPLY_ISSUER}};
    a.order.store_id = a.store_id;
    enum res r = price_of_version(q, h->pool, &a.change.price_minor, &why);
    (void)snprintf(text, sizeof text, "%lld.%02lld", (long long)(a.change.price_minor / 100),
                   (long long)(a.change.price_minor % 100));
    if (r == RES_OK) {
        r = price_group_change(h->group, &a.order, &a.change, &result, &why);
    }
    if (r == RES_CONFLICT) {
        pricing_reply_till(q);
    } else if (r != RES_DENIED) {
        r = reply_result(q, &a, r, &result, &why);
        (void)r; /* it is replied */
    }
}

/* ---- the price now ---- */

static const struct http_field price_fields[] = {
    {.name = "storeId", .type = HTTP_TEXT, .source = "i.store_id", .summary = "The store."},
    {.name = "productId", .type = HTTP_TEXT, .source = "i.sku", .summary = "The product's SKU."},
    {.name = "price",
     .type = HTTP_MONEY,
     .source = "i.price_minor",
     .summary = "What the labels show, or are about to."},
    {.name = "chargedPrice",
     .type = HTTP_MONEY,
     .source = "coalesce(i.charge_minor, i.price_minor)",
     .summary = "What cart and till charge."},
    {.name = "mrp",
     .type = HTTP_MONEY,
     .nullable = true,
     .source = "i.mrp_minor",
     .summary = "Maximum retail price of the product; a batch may have a lower one."},
    {.name = "isFlashSale", .type = HTTP_BOOLEAN, .source = "i.is_flash_sale", .summary = "Sale."},
    {.name = "regularPrice",
     .type = HTTP_MONEY,
     .nullable = true,
     .source = "i.regular_minor",
     .summary = "Before the sale."},
    {.name = "currency", .type = HTTP_TEXT, .source = "i.currency", .summary = "Of all of them."},
    {.name = "version",
     .type = HTTP_INTEGER,
     .source = "i.price_version",
     .summary = "Of the price."},
    {.name = "since",
     .type = HTTP_TIME,
     .nullable = true,
     .source = "(SELECT p.valid_from FROM price p WHERE p.item_id = i.item_id AND p.valid_to IS "
               "NULL)",
     .summary = "When it took effect."},
    {.name = "labels",
     .type = HTTP_INTEGER,
     .source = "(SELECT count(*) FROM label l WHERE l.item_id = i.item_id)",
     .summary = "Labels of the product."},
    {.name = "labelsWaiting",
     .type = HTTP_INTEGER,
     .source = "(SELECT count(*) FROM label l JOIN delivery d ON d.label_id = l.label_id AND "
               "d.kind = 'display' AND d.state IN ('queued', 'sent', 'pending') WHERE l.item_id = "
               "i.item_id)",
     .summary = "Labels that do not show it yet."},
    {.name = NULL}};
static const struct http_schema price_schema = {"Price", "A product's price now.", price_fields};
static const struct http_param price_params[] = {
    {HTTP_IN_PATH, PRICING_PRODUCT}, {HTTP_IN_QUERY, PRICING_STORE}, HTTP_PARAM_END};

static void get_price(struct http_request *q, void *context)
{
    const struct pricing_update_http *h = context;
    struct pg_params p;
    pg_params_init(&p);
    pg_params_cstr(&p, http_request_text(q, "storeId"));
    pg_params_cstr(&p, http_request_text(q, "productId"));
    json_t *price = http_rows_one(q, h->pool, &price_schema, "item i",
                                  "i.store_id = $1 AND i.sku = $2 AND i.deleted_at IS NULL", &p);
    if (price != NULL) {
        http_reply_json(q, price);
    }
}

const struct http_route pricing_update_http_routes[] = {
    {.method = HTTP_POST,
     .path = "/api/pricing/update",
     .operation = "updatePrice",
     .summary = "Changes the price of one product; 202 when it is scheduled, or only requested "
                "because the store's prices come from its till system.",
     .tag = "pricing",
     .params = once_params,
     .body = &update_schema,
     .reply = &change_schema,
     .other_status = 202,
     .finds = true,
     .errors = errors,
     .permission = "pricing.write",
     .handle = post_update},
    {.method = HTTP_POST,
     .path = "/api/pricing/rollback",
     .operation = "rollBackPrice",
     .summary = "Gives a product the price of an earlier version again.",
     .tag = "pricing",
     .body = &rollback_schema,
     .reply = &change_schema,
     .finds = true,
     .errors = errors,
     .permission = "pricing.write",
     .handle = post_rollback},
    {.method = HTTP_GET,
     .path = "/api/pricing/current/{productId}",
     .operation = "getPrice",
     .summary = "What the shelf shows and what is charged.",
     .tag = "pricing",
     .params = price_params,
     .reply = &price_schema,
     .permission = "pricing.read",
     .handle = get_price},
    HTTP_ROUTE_END};
