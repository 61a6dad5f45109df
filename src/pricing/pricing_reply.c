#include "pricing_reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add(json_t *details, int64_t row, const char *field, const char *value,
                const char *constraint)
{
    if (json_array_size(details) >= PRICING_REPLY_DETAILS_MAX) {
        return;
    }
    struct http_error_list list = {.count = 0}; /* shows a value as far as it is printable */
    http_error_add(&list, span_text(field, 48), span_text(value, HTTP_ERROR_VALUE_BYTES_MAX + 1),
                   constraint);
    json_t *one = json_object();
    if (row > 0) {
        (void)json_object_set_new(one, "row", json_integer(row));
    }
    (void)json_object_set_new(one, "field", json_string(list.items[0].field));
    (void)json_object_set_new(one, "value", json_string(list.items[0].value));
    (void)json_object_set_new(one, "constraint", json_string(list.items[0].constraint));
    (void)json_array_append_new(details, one);
}

void pricing_reply_add(json_t *details, int64_t row, unsigned faults,
                       const struct price_limits *limits, const char *price, const char *currency)
{
    for (unsigned i = 0; i < PRICE_FAULT_KINDS; i++) {
        enum price_fault fault = (enum price_fault)(1U << i);
        if ((faults & fault) == 0) {
            continue;
        }
        char rule[PRICE_RULE_BYTES + 1];
        struct sink s;
        sink_init(&s, rule, PRICE_RULE_BYTES);
        price_check_rule(fault, limits, &s);
        rule[s.size] = '\0';
        const char *value = fault == PRICE_CURRENCY ? currency : price;
        add(details, row, price_check_field(fault), value == NULL ? "" : value, rule);
    }
}

void pricing_reply_add_field(json_t *details, int64_t row, const char *field, struct span value,
                             const char *constraint)
{
    char text[HTTP_ERROR_VALUE_BYTES_MAX + 1];
    struct sink s;
    sink_init(&s, text, sizeof text - 1);
    sink_bytes(&s,
               span_of(value.data, value.size < sizeof text - 1 ? value.size : sizeof text - 1));
    text[s.size] = '\0';
    add(details, row, field, text, constraint);
}

static const char *words_of(unsigned faults)
{
    if ((faults & (PRICE_NOT_A_NUMBER | PRICE_NOT_POSITIVE)) != 0) {
        return "Price must be a positive number";
    }
    if ((faults & (PRICE_DECIMALS | PRICE_RANGE)) != 0) {
        return "Price must have at most 2 decimals and be at most 999999.99";
    }
    if ((faults & PRICE_CURRENCY) != 0) {
        return "The currency must be the store's";
    }
    if ((faults & PRICE_ABOVE_MRP) != 0) {
        return "Price must not exceed the maximum retail price";
    }
    return faults != 0 ? "Price must be within the bounds of its category"
                       : "The request is not as it must be; see details";
}

void pricing_reply_refused(struct http_request *q, json_t *details, unsigned faults)
{
    const char *code = "INVALID_PARAMETER";
    for (unsigned i = 0; i < PRICE_FAULT_KINDS; i++) {
        if ((faults & 1U << i) != 0) {
            code = price_check_code((enum price_fault)(1U << i));
            break;
        }
    }
    if (json_array_size(details) == 1) {
        json_t *one = json_incref(json_array_get(details, 0));
        json_decref(details);
        details = one;
    }
    http_reply_error_details(q, HTTP_ERROR_PARAMETER, code, words_of(faults), details);
}

void pricing_reply_no_store(struct http_request *q, const char *store_id)
{
    char words[64];
    (void)snprintf(words, sizeof words, "There is no store %s.", store_id);
    http_reply_error(q, HTTP_ERROR_NOT_FOUND, words);
}

void pricing_reply_till(struct http_request *q)
{
    http_reply_error_code(q, HTTP_ERROR_CONFLICT, PRICING_REPLY_TILL,
                          "The prices of this store come from its till system; change it there.");
}

enum res pricing_reply_audit(struct http_request *q, struct pg_conn *c, const char *store_id,
                             const char *action, const char *target_kind, const char *target,
                             const json_t *detail, struct err *why)
{
    struct pg_params p;
    char *text = json_dumps(detail, JSON_COMPACT | JSON_REAL_PRECISION(15));
    if (text == NULL) {
        err_set(why, "out of memory for an audit record");
        return RES_NO_MEMORY;
    }
    pg_params_init(&p);
    pg_params_cstr(&p, store_id);
    pg_params_cstr(&p, PRICING_REPLY_ISSUER);
    pg_params_cstr(&p, action);
    pg_params_cstr(&p, target_kind);
    pg_params_cstr(&p, target);
    pg_params_cstr(&p, http_request_id(q));
    pg_params_cstr(&p, text);
    enum res r = pg_conn_run(c,
                             "INSERT INTO audit_event (store_id, actor, action, target_kind, "
                             "target, request_id, detail) VALUES ($1, $2, $3, $4, $5, $6::uuid, "
                             "$7::jsonb)",
                             &p, NULL, why);
    free(text);
    return r;
}
