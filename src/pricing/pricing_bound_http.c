#include "pricing_bound_http.h"

#include "http_rows.h"
#include "http_transact.h"
#include "price_check.h"
#include "pricing_reply.h"
#include "pricing_update_http.h"

static const struct http_field bound_fields[] = {
    {.name = "storeId", .type = HTTP_TEXT, .source = "b.store_id", .summary = "The store."},
    {.name = "category", .type = HTTP_TEXT, .source = "b.category", .summary = "The category."},
    {.name = "min", .type = HTTP_MONEY, .source = "b.min_minor", .summary = "The least price."},
    {.name = "max", .type = HTTP_MONEY, .source = "b.max_minor", .summary = "The highest price."},
    {.name = "currency",
     .type = HTTP_TEXT,
     .source = "(SELECT s.currency FROM store s WHERE s.store_id = b.store_id)",
     .summary = "Of both: the store's."},
    {.name = NULL}};
static const struct http_schema bound_schema = {
    "PriceBounds", "The least and highest price of a category.", bound_fields};
static const struct http_field body_fields[] = {
    PRICING_STORE,
    {.name = "min", .type = HTTP_MONEY, .required = true, .summary = "The least price."},
    {.name = "max",
     .type = HTTP_MONEY,
     .required = true,
     .summary = "The highest price, at least min."},
    {.name = NULL}};
static const struct http_schema body_schema = {"PriceBoundsUpdate", "New bounds of a category.",
                                               body_fields};

#define CATEGORY                                                                                   \
    {                                                                                              \
        HTTP_IN_PATH,                                                                              \
        {                                                                                          \
            .name = "category", .type = HTTP_TEXT, .required = true, .min = 1, .max = 120,         \
            .summary = "The category."                                                             \
        }                                                                                          \
    }
static const struct http_param list_params[] = {PRICING_STORE_FILTER, HTTP_PARAM_LIMIT,
                                                HTTP_PARAM_CURSOR, HTTP_PARAM_END};
static const struct http_param one_params[] = {
    CATEGORY, {HTTP_IN_QUERY, PRICING_STORE}, HTTP_PARAM_END};
static const struct http_param put_params[] = {CATEGORY, HTTP_PARAM_END};
static const char *const errors[] = {PRICING_REPLY_ERRORS, NULL};

static const struct http_rows_list bounds = {
    .schema = &bound_schema,
    .from = "category_bound b",
    .filters = (const struct http_rows_filter[]){{"storeId", "b.store_id = ?"}, {NULL, NULL}},
    .cursor_kind = 'c',
    .keys = {{"b.store_id", "text"}, {"b.category", "text"}}};

static void list_bounds(struct http_request *q, void *context)
{
    http_rows_page(q, context, &bounds);
}

static void get_bound(struct http_request *q, void *context)
{
    struct pg_params p;
    pg_params_init(&p);
    pg_params_cstr(&p, http_request_text(q, "storeId"));
    pg_params_cstr(&p, http_request_text(q, "category"));
    json_t *one = http_rows_one(q, context, &bound_schema, "category_bound b",
                                "b.store_id = $1 AND b.category = $2", &p);
    if (one != NULL) {
        http_reply_json(q, one);
    }
}

/* RES_DENIED: a fault of either number, replied. */
static enum res read_both(struct http_request *q, int64_t *ret_min, int64_t *ret_max)
{
    static const char *const names[] = {"min", "max"};
    const struct price_limits none = {.currency = ""};
    int64_t minor[2] = {0, 0};
    unsigned all = 0;
    json_t *details = json_array();
    for (size_t i = 0; i < 2; i++) {
        const char *text = http_request_text(q, names[i]);
        unsigned faults = price_check_read(span_text(text, HTTP_NUMBER_BYTES), &minor[i]);
        char words[PRICE_FAULT_KINDS * PRICE_RULE_BYTES];
        struct sink s;
        sink_init(&s, words, sizeof words - 1);
        price_check_words(faults, &none, &s);
        words[s.size] = '\0';
        if (faults != 0) {
            pricing_reply_add_field(details, 0, names[i], span_text(text, HTTP_NUMBER_BYTES),
                                    words);
        }
        all |= faults;
    }
    if (all == 0 && minor[0] > minor[1]) {
        pricing_reply_add_field(details, 0, "max",
                                span_text(http_request_text(q, "max"), HTTP_NUMBER_BYTES),
                                "at least min");
    }
    if (json_array_size(details) > 0) {
        pricing_reply_refused(q, details, all);
        return RES_DENIED;
    }
    json_decref(details);
    *ret_min = minor[0];
    *ret_max = minor[1];
    return RES_OK;
}

static enum res put(struct http_request *q, struct pg_conn *c, json_t **ret_answer, struct err *why)
{
    struct pg_params p;
    PGresult *rows = NULL;
    int64_t min = 0;
    int64_t max = 0;
    const char *store_id = http_request_text(q, "storeId");
    const char *category = http_request_text(q, "category");
    enum res r = read_both(q, &min, &max);
    if (r != RES_OK) {
        return r;
    }
    pg_params_init(&p);
    pg_params_cstr(&p, store_id);
    pg_params_cstr(&p, category);
    pg_params_i64(&p, min);
    pg_params_i64(&p, max);
    r = pg_conn_run(c,
                    "INSERT INTO category_bound (store_id, category, min_minor, max_minor) SELECT "
                    "store_id, $2, $3::bigint, $4::bigint FROM store WHERE store_id = $1 "
                    "ON CONFLICT (store_id, category) DO UPDATE SET min_minor = "
                    "excluded.min_minor, max_minor = excluded.max_minor RETURNING (SELECT "
                    "currency::text FROM store WHERE store_id = $1)",
                    &p, &rows, why);
    if (r == RES_OK && PQntuples(rows) == 0) {
        http_reply_error(q, HTTP_ERROR_NOT_FOUND, NULL);
        r = RES_DENIED;
    } else if (r == RES_OK) {
        struct span currency = pg_get_span(rows, 0, 0);
        json_t *answer = json_pack("{s:s, s:s, s:f, s:f, s:s%}", "storeId", store_id, "category",
                                   category, "min", (double)min / 100.0, "max", (double)max / 100.0,
                                   "currency", (const char *)currency.data, currency.size);
        r = pricing_reply_audit(q, c, store_id, "price.bounds", "category", category, answer, why);
        *ret_answer = answer;
    }
    PQclear(rows);
    return r;
}

static void put_bound(struct http_request *q, void *context)
{
    http_transact_run(q, context, put);
}

const struct http_route pricing_bound_http_routes[] = {
    {.method = HTTP_GET,
     .path = "/api/pricing/bounds",
     .operation = "listPriceBounds",
     .summary = "The bounds of every category that has some.",
     .tag = "pricing",
     .params = list_params,
     .reply = &bound_schema,
     .page = true,
     .permission = "pricing.read",
     .handle = list_bounds},
    {.method = HTTP_GET,
     .path = "/api/pricing/bounds/{category}",
     .operation = "getPriceBounds",
     .summary = "The bounds of one category.",
     .tag = "pricing",
     .params = one_params,
     .reply = &bound_schema,
     .permission = "pricing.read",
     .handle = get_bound},
    {.method = HTTP_PUT,
     .path = "/api/pricing/bounds/{category}",
     .operation = "setPriceBounds",
     .summary = "Sets the bounds of a category; prices that are outside already stay until they "
                "change.",
     .tag = "pricing",
     .params = put_params,
     .body = &body_schema,
     .reply = &bound_schema,
     .errors = errors,
     .permission = "pricing.configure",
     .handle = put_bound},
    HTTP_ROUTE_END};
