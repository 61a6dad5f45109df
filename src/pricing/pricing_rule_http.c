#include "pricing_rule_http.h"

#include <stdlib.h>
#include <string.h>

#include "http_rows.h"
#include "http_transact.h"
#include "pricing_reply.h"
#include "pricing_rule.h"
#include "pricing_run.h"
#include "pricing_update_http.h"

#define CHANGES_SHOWN_MAX 1000
#define DOCUMENT_BYTES    2048
#define PRIORITY_MAX      1000000

static const char *const kinds[] = {"match", "percent", "min_margin", "schedule", NULL};
static const char *const all_kinds[] = {"match",    "percent", "min_margin",
                                        "schedule", "expiry",  NULL};

#define PARAMETER_NAMES                                                                            \
    "match: adjustPercent, minMarginPercent, maxAgeHours. percent: percent, of (base, mrp, "       \
    "cost). "                                                                                      \
    "schedule: the same with days, from, to. min_margin: marginPercent."

static const struct http_field rule_fields[] = {
    {.name = "ruleId", .type = HTTP_UUID, .source = "r.rule_id", .summary = "Its id."},
    {.name = "storeId", .type = HTTP_TEXT, .source = "r.store_id", .summary = "The store."},
    {.name = "title", .type = HTTP_TEXT, .source = "r.title", .summary = "For people."},
    {.name = "kind",
     .type = HTTP_CHOICE,
     .choices = all_kinds,
     .source = "r.kind",
     .summary = "What it does."},
    {.name = "category",
     .type = HTTP_TEXT,
     .nullable = true,
     .source = "r.category",
     .summary = "Only products of this category."},
    {.name = "productId",
     .type = HTTP_TEXT,
     .nullable = true,
     .source = "(SELECT i.sku FROM item i WHERE i.item_id = r.item_id)",
     .summary = "Only this product; with neither: every product of the store."},
    {.name = "priority",
     .type = HTTP_INTEGER,
     .source = "r.priority",
     .summary = "The highest that gives a price wins, the older one where they are equal."},
    {.name = "parameters",
     .type = HTTP_OBJECT,
     .source = "r.parameters",
     .summary = PARAMETER_NAMES},
    {.name = "enabled", .type = HTTP_BOOLEAN, .source = "r.enabled", .summary = "Whether it runs."},
    {.name = "createdBy", .type = HTTP_TEXT, .source = "r.created_by", .summary = "Account id."},
    {.name = "createdAt", .type = HTTP_TIME, .source = "r.created_at", .summary = "Since when."},
    {.name = NULL}};
static const struct http_schema rule_schema = {"PricingRule", "An automatic price.", rule_fields};

#define TITLE(must)                                                                                \
    {                                                                                              \
        .name = "title", .type = HTTP_TEXT, .required = (must), .min = 1, .max = 120,              \
        .summary = "For people."                                                                   \
    }
#define PRIORITY                                                                                   \
    {                                                                                              \
        .name = "priority", .type = HTTP_INTEGER, .min = -PRIORITY_MAX, .max = PRIORITY_MAX,       \
        .fallback = 0, .summary = "The highest that gives a price wins."                           \
    }
#define PARAMETERS(must)                                                                           \
    {                                                                                              \
        .name = "parameters", .type = HTTP_OBJECT, .required = (must), .summary = PARAMETER_NAMES  \
    }
#define ENABLED                                                                                    \
    {                                                                                              \
        .name = "enabled", .type = HTTP_BOOLEAN, .summary = "Whether it runs; true unless given."  \
    }
static const struct http_field new_fields[] = {
    PRICING_STORE,
    TITLE(true),
    {.name = "kind",
     .type = HTTP_CHOICE,
     .required = true,
     .choices = kinds,
     .summary = "What it does."},
    {.name = "category",
     .type = HTTP_TEXT,
     .min = 1,
     .max = 120,
     .summary = "Only products of this category."},
    {.name = "productId",
     .type = HTTP_TEXT,
     .min = 1,
     .max = 32,
     .charset = "A-Za-z0-9._/-",
     .summary = "Only this product (SKU), not with category."},
    PRIORITY,
    PARAMETERS(true),
    ENABLED,
    {.name = NULL}};
static const struct http_schema new_schema = {"PricingRuleNew", "A new rule.", new_fields};
static const struct http_field patch_fields[] = {
    TITLE(false), PRIORITY, PARAMETERS(false), ENABLED, {.name = NULL}};
static const struct http_schema patch_schema = {"PricingRuleUpdate", "What shall be different.",
                                                patch_fields};

static const struct http_field run_body_fields[] = {
    PRICING_STORE,
    {.name = "dryRun",
     .type = HTTP_BOOLEAN,
     .required = true,
     .summary = "true: nothing is changed, only told."},
    {.name = NULL}};
static const struct http_schema run_body_schema = {"PricingRunRequest", "Which store's rules.",
                                                   run_body_fields};
static const char *const run_outcomes[] = {"planned", "changed", "refused", NULL};
static const struct http_field change_fields[] = {
    {.name = "productId", .type = HTTP_TEXT, .summary = "The product's SKU."},
    {.name = "price", .type = HTTP_MONEY, .summary = "By the rules."},
    {.name = "previousPrice", .type = HTTP_MONEY, .summary = "Now, or before."},
    {.name = "ruleId",
     .type = HTTP_UUID,
     .nullable = true,
     .summary = "Whose price it is; null: no rule's any more, back to the base."},
    {.name = "ruleTitle", .type = HTTP_TEXT, .nullable = true, .summary = "Its title."},
    {.name = "outcome", .type = HTTP_CHOICE, .choices = run_outcomes, .summary = "What became."},
    {.name = "refused", .type = HTTP_TEXT, .nullable = true, .summary = "The limits it breaks."},
    {.name = NULL}};
static const struct http_schema change_schema = {"PricingRunChange", "A price by the rules.",
                                                 change_fields};
static const struct http_field run_fields[] = {
    {.name = "storeId", .type = HTTP_TEXT, .summary = "The store."},
    {.name = "dryRun", .type = HTTP_BOOLEAN, .summary = "Whether nothing was changed."},
    {.name = "lookedAt", .type = HTTP_INTEGER, .summary = "Products that rules cover."},
    {.name = "changes", .type = HTTP_INTEGER, .summary = "Prices that differ, refused ones too."},
    {.name = "refused", .type = HTTP_INTEGER, .summary = "Prices that may not be."},
    {.name = "items",
     .type = HTTP_LIST,
     .of = &change_schema,
     .summary = "The first 1,000 of them."},
    {.name = NULL}};
static const struct http_schema run_schema = {"PricingRun", "What a store's rules do.", run_fields};

static const struct http_param list_params[] = {
    PRICING_STORE_FILTER,
    {HTTP_IN_QUERY,
     {.name = "kind", .type = HTTP_CHOICE, .choices = all_kinds, .summary = "Only these."}},
    {HTTP_IN_QUERY, {.name = "enabled", .type = HTTP_BOOLEAN, .summary = "Only these."}},
    HTTP_PARAM_LIMIT,
    HTTP_PARAM_CURSOR,
    HTTP_PARAM_END};
static const struct http_param id_params[] = {
    {HTTP_IN_PATH, {.name = "id", .type = HTTP_UUID, .required = true, .summary = "The rule."}},
    HTTP_PARAM_END};
static const char *const new_errors[] = {PRICING_REPLY_TILL, "TOO_MANY_RULES", HTTP_ONCE_ERRORS,
                                         NULL};
static const struct http_param new_params[] = {HTTP_PARAM_ONCE_MAYBE, HTTP_PARAM_END};
static const char *const run_errors[] = {PRICING_REPLY_TILL, NULL};

static const struct http_rows_list rules = {
    .schema = &rule_schema,
    .from = "pricing_rule r",
    .filters = (const struct http_rows_filter[]){{"storeId", "r.store_id = ?"},
                                                 {"kind", "r.kind = ?"},
                                                 {"enabled", "r.enabled = ?"},
                                                 {NULL, NULL}},
    .cursor_kind = 'l',
    .keys = {{"r.created_at", "timestamptz"}, {"r.rule_id", "uuid"}}};

static void list_rules(struct http_request *q, void *context)
{
    http_rows_page(q, context, &rules);
}

/* ---- reading a rule of a request ---- */

/* The parameters as the database gets them. RES_DENIED: every fault is replied. */
static enum res read_parameters(struct http_request *q, enum pricing_kind kind, char **ret_text)
{
    struct pricing_rule rule;
    struct pricing_rule_faults faults = {.count = 0};
    char *text =
        json_dumps(http_request_json(q, "parameters"), JSON_COMPACT | JSON_REAL_PRECISION(15));
    if (text == NULL || strlen(text) > DOCUMENT_BYTES) {
        free(text);
        http_reply_error_field(q, "parameters", "", "at most 2048 bytes of JSON");
        return RES_DENIED;
    }
    if (pricing_rule_read(kind, span_text(text, DOCUMENT_BYTES), &rule, &faults) == RES_OK) {
        *ret_text = text;
        return RES_OK;
    }
    json_t *details = json_array();
    for (size_t i = 0; i < faults.count; i++) {
        char field[48] = "parameters.";
        struct sink s;
        sink_init(&s, field + 11, sizeof field - 12);
        sink_text(&s, faults.items[i].field);
        field[11 + s.size] = '\0';
        pricing_reply_add_field(details, 0, field, span_text(faults.items[i].value, 40),
                                faults.items[i].constraint);
    }
    free(text);
    pricing_reply_refused(q, details, 0);
    return RES_DENIED;
}

/* "" : a rule of a category or of all. RES_DENIED: replied. */
static enum res find_place(struct http_request *q, struct pg_conn *c, char ret_item[37],
                           struct err *why)
{
    struct pg_params p;
    PGresult *rows = NULL;
    pg_params_init(&p);
    pg_params_cstr(&p, http_request_text(q, "storeId"));
    pg_params_cstr(&p, http_request_text(q, "productId"));
    enum res r = pg_conn_run(c,
                             "SELECT catalogue_master, (SELECT item_id FROM item i WHERE "
                             "i.store_id = $1 AND i.sku = $2 AND i.deleted_at IS NULL), (SELECT "
                             "count(*) FROM pricing_rule r WHERE r.store_id = $1) FROM store "
                             "WHERE store_id = $1",
                             &p, &rows, why);
    if (r != RES_OK) {
        return r;
    }
    r = RES_DENIED;
    if (PQntuples(rows) == 0) {
        pricing_reply_no_store(q, http_request_text(q, "storeId"));
    } else if (span_equal(pg_get_span(rows, 0, 0), SPAN_LIT("pos"))) {
        pricing_reply_till(q);
    } else if (http_request_has(q, "productId") && pg_get_is_null(rows, 0, 1)) {
        http_reply_error_field(q, "productId", http_request_text(q, "productId"),
                               "a product of the store");
    } else if (pg_get_i64(rows, 0, 2) >= PRICING_RUN_RULES_MAX) {
        http_reply_error_code(q, HTTP_ERROR_CONFLICT, new_errors[1],
                              "A store has at most 200 pricing rules; remove one first.");
    } else {
        r = RES_OK;
        ret_item[0] = '\0';
        if (!pg_get_is_null(rows, 0, 1)) {
            pg_get_uuid(rows, 0, 1, ret_item);
        }
    }
    PQclear(rows);
    return r;
}

/* The rule as a statement returned it, noted in the audit trail. */
static enum res answer_rule(struct http_request *q, struct pg_conn *c, const char *sql_head,
                            const struct pg_params *p, const char *action, json_t **ret_answer,
                            struct err *why)
{
    enum res r = http_rows_read_one(c, sql_head, &rule_schema, "", p, ret_answer, why);
    if (r == RES_NOT_FOUND) {
        http_reply_error(q, HTTP_ERROR_NOT_FOUND, NULL);
        r = RES_DENIED;
    } else if (r == RES_OK) {
        r = pricing_reply_audit(q, c, json_string_value(json_object_get(*ret_answer, "storeId")),
                                action, "pricing_rule",
                                json_string_value(json_object_get(*ret_answer, "ruleId")),
                                *ret_answer, why);
    }
    return r;
}

static enum res create(struct http_request *q, struct pg_conn *c, json_t **ret_answer,
                       struct err *why)
{
    struct pg_params p;
    char item_id[37];
    char *parameters = NULL;
    if (http_request_has(q, "category") && http_request_has(q, "productId")) {
        http_reply_error_field(q, "productId", http_request_text(q, "productId"),
                               "not together with category");
        return RES_DENIED;
    }
    enum res r = read_parameters(q, (enum pricing_kind)http_request_number(q, "kind"), &parameters);
    if (r == RES_OK) {
        r = find_place(q, c, item_id, why);
    }
    if (r == RES_OK) {
        pg_params_init(&p);
        pg_params_cstr(&p, http_request_text(q, "storeId"));
        pg_params_cstr(&p, http_request_text(q, "title"));
        pg_params_cstr(&p, http_request_text(q, "kind"));
        pg_params_cstr(&p, http_request_text(q, "category"));
        pg_params_cstr(&p, item_id[0] == '\0' ? NULL : item_id);
        pg_params_i64(&p, http_request_number(q, "priority"));
        pg_params_cstr(&p, parameters);
        pg_params_bool(&p, !http_request_has(q, "enabled") || http_request_number(q, "enabled"));
        pg_params_cstr(&p, PRICING_REPLY_ISSUER);
        r = answer_rule(q, c,
                        "INSERT INTO pricing_rule AS r (store_id, title, kind, category, item_id, "
                        "priority, parameters, enabled, created_by) VALUES ($1, $2, $3, $4, "
                        "$5::uuid, $6::bigint, $7::jsonb, $8, $9) RETURNING ",
                        &p, "price.rule_create", ret_answer, why);
    }
    free(parameters);
    return r;
}

/* RES_DENIED: there is none, or it is of another capability; replied. */
static enum res kind_of_rule(struct http_request *q, struct pg_conn *c, enum pricing_kind *ret,
                             struct err *why)
{
    struct pg_params p;
    PGresult *rows = NULL;
    pg_params_init(&p);
    pg_params_cstr(&p, http_request_text(q, "id"));
    enum res r = pg_conn_run(c, "SELECT kind FROM pricing_rule WHERE rule_id = $1::uuid FOR UPDATE",
                             &p, &rows, why);
    if (r == RES_OK &&
        (PQntuples(rows) == 0 || pricing_rule_kind_read(pg_get_span(rows, 0, 0), ret) != RES_OK)) {
        http_reply_error(q, HTTP_ERROR_NOT_FOUND, NULL);
        r = RES_DENIED;
    }
    PQclear(rows);
    return r;
}

static enum res change(struct http_request *q, struct pg_conn *c, json_t **ret_answer,
                       struct err *why)
{
    struct pg_params p;
    enum pricing_kind kind = PRICING_KINDS;
    char *parameters = NULL;
    enum res r = kind_of_rule(q, c, &kind, why);
    if (r == RES_OK && http_request_has(q, "parameters")) {
        r = read_parameters(q, kind, &parameters);
    }
    if (r == RES_OK) {
        pg_params_init(&p);
        pg_params_cstr(&p, http_request_text(q, "id"));
        pg_params_cstr(&p, http_request_text(q, "title"));
        if (http_request_has(q, "priority")) {
            pg_params_i64(&p, http_request_number(q, "priority"));
        } else {
            pg_params_null(&p);
        }
        pg_params_cstr(&p, parameters);
        pg_params_cstr(&p, http_request_text(q, "enabled"));
        r = answer_rule(q, c,
                        "UPDATE pricing_rule r SET title = coalesce($2, title), priority = "
                        "coalesce($3::bigint, priority), parameters = coalesce($4::jsonb, "
                        "parameters), enabled = coalesce($5::text::boolean, enabled) WHERE "
                        "rule_id = $1::uuid RETURNING ",
                        &p, "price.rule_change", ret_answer, why);
    }
    free(parameters);
    return r;
}

static enum res drop(struct http_request *q, struct pg_conn *c, json_t **ret_answer,
                     struct err *why)
{
    struct pg_params p;
    enum pricing_kind kind = PRICING_KINDS;
    enum res r = kind_of_rule(q, c, &kind, why);
    if (r == RES_OK) {
        pg_params_init(&p);
        pg_params_cstr(&p, http_request_text(q, "id"));
        r = answer_rule(q, c, "DELETE FROM pricing_rule r WHERE rule_id = $1::uuid RETURNING ", &p,
                        "price.rule_delete", ret_answer, why);
    }
    return r;
}

static void post_rule(struct http_request *q, void *context)
{
    http_transact_run(q, context, create);
}

static void patch_rule(struct http_request *q, void *context)
{
    http_transact_run(q, context, change);
}

static void delete_rule(struct http_request *q, void *context)
{
    http_transact_run(q, context, drop);
}

/* ---- run ---- */

static json_t *change_json(const struct pricing_run_change *change)
{
    char words[PRICE_FAULT_KINDS * PRICE_RULE_BYTES];
    struct sink s;
    sink_init(&s, words, sizeof words - 1);
    price_check_words(change->faults, &change->limits, &s);
    words[s.size] = '\0';
    bool by_rule = change->rule_id[0] != '\0';
    return json_pack("{s:s, s:f, s:f, s:s?, s:s?, s:s, s:s?}", "productId", change->product_id,
                     "price", (double)change->price_minor / 100.0, "previousPrice",
                     (double)change->previous_minor / 100.0, "ruleId",
                     by_rule ? change->rule_id : NULL, "ruleTitle",
                     by_rule ? change->rule_title : NULL, "outcome", run_outcomes[change->outcome],
                     "refused", change->outcome == PRICING_RUN_REFUSED ? words : NULL);
}

static void reply_run(struct http_request *q, const struct pricing_run *run)
{
    json_t *items = json_array();
    for (size_t i = 0; i < run->count && i < CHANGES_SHOWN_MAX; i++) {
        (void)json_array_append_new(items, change_json(&run->changes[i]));
    }
    http_reply_json(q, json_pack("{s:s, s:b, s:I, s:I, s:I, s:o}", "storeId",
                                 http_request_text(q, "storeId"), "dryRun",
                                 (int)http_request_number(q, "dryRun"), "lookedAt",
                                 (json_int_t)run->looked_at, "changes", (json_int_t)run->count,
                                 "refused", (json_int_t)run->refused, "items", items));
}

static void post_run(struct http_request *q, void *context)
{
    struct err why = {""};
    struct pg_conn *c = NULL;
    struct pricing_run run = {.count = 0};
    enum res r = pg_pool_take(context, &c, &why);
    if (r == RES_OK) {
        r = pricing_run_store(c, http_request_text(q, "storeId"),
                              http_request_number(q, "dryRun") != 0, &run, &why);
        pg_pool_give(context, c);
    }
    if (r == RES_NOT_FOUND) {
        pricing_reply_no_store(q, http_request_text(q, "storeId"));
    } else if (r == RES_CONFLICT) {
        pricing_reply_till(q);
    } else if (r != RES_OK) {
        http_rows_fail(q, r, &why);
    } else {
        reply_run(q, &run);
    }
    pricing_run_deinit(&run);
}

const struct http_route pricing_rule_http_routes[] = {
    {.method = HTTP_GET,
     .path = "/api/pricing/rules",
     .operation = "listPricingRules",
     .summary = "Automatic pricing rules, the oldest first.",
     .tag = "pricing",
     .params = list_params,
     .reply = &rule_schema,
     .page = true,
     .permission = "pricing.read",
     .handle = list_rules},
    {.method = HTTP_POST,
     .path = "/api/pricing/rules",
     .operation = "createPricingRule",
     .summary = "A new rule; it runs within the minute.",
     .tag = "pricing",
     .params = new_params,
     .body = &new_schema,
     .reply = &rule_schema,
     .status = 201,
     .finds = true,
     .errors = new_errors,
     .permission = "pricing.configure",
     .handle = post_rule},
    {.method = HTTP_PATCH,
     .path = "/api/pricing/rules/{id}",
     .operation = "changePricingRule",
     .summary = "Changes a rule's title, priority, parameters, or whether it runs.",
     .tag = "pricing",
     .params = id_params,
     .body = &patch_schema,
     .reply = &rule_schema,
     .permission = "pricing.configure",
     .handle = patch_rule},
    {.method = HTTP_DELETE,
     .path = "/api/pricing/rules/{id}",
     .operation = "deletePricingRule",
     .summary = "Removes a rule; what it had priced returns to its base within the minute.",
     .tag = "pricing",
     .params = id_params,
     .reply = &rule_schema,
     .permission = "pricing.configure",
     .handle = delete_rule},
    {.method = HTTP_POST,
     .path = "/api/pricing/rules/run",
     .operation = "runPricingRules",
     .summary = "Runs a store's rules now, or tells what they would change and which rule would.",
     .tag = "pricing",
     .body = &run_body_schema,
     .reply = &run_schema,
     .finds = true,
     .errors = run_errors,
     .permission = "pricing.configure",
     .handle = post_run},
    HTTP_ROUTE_END};
