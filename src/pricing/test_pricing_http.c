/* Pricing over REST: the real server on a real database, as the operator and as another store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "bulk_http.h"
#include "bulk_job.h"
#include "http_client.h"
#include "http_server.h"
#include "pg_pool.h"
#include "price_check.h"
#include "pricing_bound_http.h"
#include "pricing_fixture.h"
#include "pricing_rule_http.h"
#include "pricing_step.h"
#include "pricing_update_http.h"
#include "pricing_upload_http.h"
#include "pricing_view_http.h"
#include "rng.h"

#define TIMEOUT_MS 20000
#define GROUPS     6

struct face {
    const char *stores; /* NULL: every one */
    struct pg_pool *pool;
    struct pricing_update_http update;
    struct http_group groups[GROUPS];
    struct http_table table;
    struct http_metrics *metrics;
    struct http_server *server;
};
static struct pg_fixture pg;
static struct pg_conn *super;
static struct pg_conn *worker;
static struct face ours;
static struct face of_b = {.stores = "STORE-B"};

/* ---- the server ---- */

static enum res open_connection(void *user, struct pg_conn **ret, struct err *why)
{
    const struct face *f = user;
    enum res r = model_connect(&pg.place, MODEL_API, "test", PG_API_TIMEOUT_MS, ret, why);
    return r == RES_OK
               ? model_scope(*ret, f->stores == NULL ? "operator" : "stores", f->stores, NULL, why)
               : r;
}

static void must(enum res r, const struct err *why)
{
    if (r != RES_OK) {
        print_error("%s: %s\n", res_name(r), why->text);
        fail();
    }
}

static int start_face(struct face *f)
{
    struct err why = {""};
    const struct pg_pool_settings pool = {.open = open_connection,
                                          .user = f,
                                          .connections = 2,
                                          .wait_ms_max = 5000,
                                          .query_ms_max = 30000};
    if (pg_pool_new(&pool, &f->pool, &why) != RES_OK) {
        return 1;
    }
    f->update.pool = f->pool;
    if (price_group_new(f->pool, &f->update.group, &why) != RES_OK) {
        return 1;
    }
    const struct http_group groups[GROUPS] = {
        {pricing_update_http_routes, &f->update}, {pricing_upload_http_routes, f->pool},
        {pricing_view_http_routes, f->pool},      {pricing_rule_http_routes, f->pool},
        {pricing_bound_http_routes, f->pool},     {bulk_http_routes, f->pool}};
    memcpy(f->groups, groups, sizeof groups);
    f->table = (struct http_table){f->groups, GROUPS};
    f->metrics = http_metrics_new(&f->table);
    struct http_server_settings settings = http_server_defaults;
    settings.table = &f->table;
    settings.metrics = f->metrics;
    settings.workers = 2;
    return http_server_start(&settings, &f->server, &why) == RES_OK ? 0 : 1;
}

static void stop_face(struct face *f)
{
    http_server_stop(f->server);
    http_metrics_free(f->metrics);
    price_group_free(f->update.group);
    pg_pool_free(f->pool);
}

/* ---- asking ---- */

static unsigned last_status;
static char last_body[1024 * 1024];

/* The JSON of the answer; NULL when it is none (last_body has it). */
static json_t *send_as(const struct face *f, const char *method, const char *target,
                       const char *media, const char *body)
{
    struct http_client_reply reply = {.status = 0};
    struct err why = {""};
    size_t size = strlen(body) + 512;
    char *request = malloc(size);
    assert_non_null(request);
    int n = snprintf(request, size,
                     "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: "
                     "%s\r\nContent-Length: %zu\r\n\r\n%s",
                     method, target, media, strlen(body), body);
    must(http_client_exchange("127.0.0.1", http_server_port(f->server), span_of(request, (size_t)n),
                              TIMEOUT_MS, &reply, &why),
         &why);
    free(request);
    last_status = reply.status;
    (void)snprintf(last_body, sizeof last_body, "%s", reply.body);
    http_client_reply_deinit(&reply);
    return json_loads(last_body, 0, NULL);
}

static json_t *ask(const char *method, const char *target, const char *body)
{
    return send_as(&ours, method, target, "application/json", body);
}

static json_t *get(const char *target)
{
    struct http_client_reply reply = {.status = 0};
    struct err why = {""};
    must(http_client_get("127.0.0.1", http_server_port(ours.server), target, TIMEOUT_MS, &reply,
                         &why),
         &why);
    last_status = reply.status;
    (void)snprintf(last_body, sizeof last_body, "%s", reply.body);
    http_client_reply_deinit(&reply);
    return json_loads(last_body, 0, NULL);
}

static void is_status(unsigned status)
{
    if (last_status != status) {
        fail_msg("%u instead of %u: %.600s", last_status, status, last_body);
    }
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

static int64_t minor_of(const json_t *object, const char *key)
{
    double value = json_number_value(json_object_get(object, key));
    return (int64_t)(value * 100.0 + 0.5);
}

static int64_t int_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static const json_t *item_of(const json_t *page, size_t i)
{
    return json_array_get(json_object_get(page, "items"), i);
}

static size_t items_of(const json_t *page)
{
    return json_array_size(json_object_get(page, "items"));
}

static int fresh(void **state)
{
    (void)state;
    pricing_fixture_fresh(super);
    return 0;
}

static int64_t number(const char *sql)
{
    return pricing_fixture_number(super, sql);
}

static void run(enum res (*step)(struct pg_conn *c, int64_t now_ms, struct err *why))
{
    struct err why = {""};
    must(step(worker, 0, &why), &why);
}

#define UPDATE(sku, price)                                                                         \
    "{\"storeId\": \"STORE-A\", \"productId\": \"" sku "\", \"price\": " price "}"

static json_t *update(const char *body, unsigned status)
{
    json_t *reply = ask("POST", "/api/pricing/update", body);
    is_status(status);
    return reply;
}

/* ---- one price ---- */

static void a_change_answers_what_became_of_it(void **state)
{
    (void)state;
    json_t *reply = update(UPDATE("TEA", "69.50"), 200);
    assert_string_equal(text_of(reply, "outcome"), "changed");
    assert_int_equal(minor_of(reply, "price"), 6950);
    assert_int_equal(minor_of(reply, "previousPrice"), 6500);
    assert_int_equal(minor_of(reply, "chargedPrice"), 6500);
    assert_int_equal(int_of(reply, "version"), 2);
    assert_int_equal(int_of(reply, "labels"), 2);
    json_decref(reply);
    reply = get("/api/pricing/current/TEA?storeId=STORE-A");
    assert_int_equal(minor_of(reply, "price"), 6950);
    assert_int_equal(minor_of(reply, "chargedPrice"), 6500);
    assert_int_equal(int_of(reply, "labelsWaiting"), 2);
    json_decref(reply);
    reply = update(UPDATE("TEA", "69.5"), 200);
    assert_string_equal(text_of(reply, "outcome"), "same");
    assert_int_equal(int_of(reply, "version"), 2);
    json_decref(reply);
    reply = get("/api/pricing/history/TEA?storeId=STORE-A");
    assert_int_equal(items_of(reply), 2);
    assert_int_equal(minor_of(item_of(reply, 0), "price"), 6950);
    assert_int_equal(minor_of(item_of(reply, 0), "previousPrice"), 6500);
    assert_string_equal(text_of(item_of(reply, 0), "changeReason"), "manual");
    assert_string_equal(text_of(item_of(reply, 0), "changedBy"), "operator");
    assert_int_equal(int_of(item_of(reply, 0), "version"), 2);
    assert_int_equal(strlen(text_of(item_of(reply, 0), "timestamp")), 24);
    json_decref(reply);
}

static void history_is_paged_and_cut_by_time(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        char body[128];
        (void)snprintf(body, sizeof body, UPDATE("RICE", "1%d0"), i);
        json_decref(update(body, 200));
    }
    json_t *page = get("/api/pricing/history/RICE?storeId=STORE-A&limit=4");
    assert_int_equal(items_of(page), 4);
    char target[600];
    (void)snprintf(target, sizeof target,
                   "/api/pricing/history/RICE?storeId=STORE-A&limit=4&cursor=%s",
                   text_of(page, "nextCursor"));
    json_decref(page);
    page = get(target);
    assert_int_equal(items_of(page), 2);
    assert_int_equal(int_of(item_of(page, 1), "version"), 1);
    json_decref(page);
    page = get("/api/pricing/history/RICE?from=2099-01-01T00:00:00.000Z");
    assert_int_equal(items_of(page), 0);
    json_decref(page);
    page = get("/api/pricing/history/RICE?to=2099-01-01T00:00:00.000Z");
    assert_int_equal(items_of(page), 6);
    json_decref(page);
}

static void every_broken_rule_of_a_price_is_listed(void **state)
{
    (void)state;
    int64_t before = pricing_fixture_print(super);
    json_t *reply = update("{\"storeId\": \"STORE-A\", \"productId\": \"TEA\", \"price\": "
                           "-10.123, \"currency\": \"USD\"}",
                           400);
    json_t *error = json_object_get(reply, "error");
    assert_string_equal(text_of(error, "code"), "INVALID_PRICE");
    assert_string_equal(text_of(error, "message"), "Price must be a positive number");
    json_t *details = json_object_get(error, "details");
    assert_int_equal(json_array_size(details), 3);
    assert_string_equal(text_of(json_array_get(details, 0), "constraint"), "positive");
    assert_string_equal(text_of(json_array_get(details, 0), "value"), "-10.123");
    assert_string_equal(text_of(json_array_get(details, 1), "constraint"), "at most 2 decimals");
    assert_string_equal(text_of(json_array_get(details, 2), "field"), "currency");
    json_decref(reply);
    reply = update(UPDATE("TEA", "70.01"), 400);
    error = json_object_get(reply, "error");
    assert_string_equal(text_of(error, "code"), "PRICE_ABOVE_MRP");
    assert_string_equal(text_of(json_object_get(error, "details"), "field"), "price");
    json_decref(reply);
    assert_int_equal(pricing_fixture_print(super), before);
}

/* ---- every way in, every price that may not be ---- */

struct bad {
    const char *sku;
    const char *price;
    const char *currency;
    const char *code;
};
static const struct bad bad_prices[] = {{"TEA", "70.01", "INR", "PRICE_ABOVE_MRP"},
                                        {"TEA", "-10", "INR", "INVALID_PRICE"},
                                        {"TEA", "0", "INR", "INVALID_PRICE"},
                                        {"TEA", "12.345", "INR", "INVALID_PRICE"},
                                        {"TEA", "12.340", "INR", "INVALID_PRICE"},
                                        {"MILK", "1000000", "INR", "INVALID_PRICE"},
                                        {"MILK", "999999.991", "INR", "INVALID_PRICE"},
                                        {"MILK", "1e3", "INR", "INVALID_PRICE"},
                                        {"TEA", "60", "USD", "INVALID_CURRENCY"},
                                        {"RICE", "49.99", "INR", "PRICE_OUT_OF_BOUNDS"},
                                        {"RICE", "200.01", "INR", "PRICE_OUT_OF_BOUNDS"}};
#define BAD_COUNT (sizeof bad_prices / sizeof bad_prices[0])

struct way {
    const char *name;
    const char *target;
    const char *media;
    const char *format; /* sku, price, currency */
};
static const struct way ways[] = {
    {"update", "/api/pricing/update", "application/json",
     "{\"storeId\": \"STORE-A\", \"productId\": \"%s\", \"price\": %s, \"currency\": \"%s\"}"},
    {"schedule", "/api/pricing/update", "application/json",
     "{\"storeId\": \"STORE-A\", \"productId\": \"%s\", \"price\": %s, \"currency\": \"%s\", "
     "\"effectiveAt\": \"2027-01-02T18:00\"}"},
    {"bulk JSON", "/api/pricing/bulk-update", "application/json",
     "{\"storeId\": \"STORE-A\", \"updates\": [{\"productId\": \"%s\", \"price\": %s, "
     "\"currency\": \"%s\"}]}"},
    {"bulk CSV", "/api/pricing/bulk-update?storeId=STORE-A", "text/csv",
     "productId,price,currency\r\n%s,%s,%s\r\n"}};

static void no_way_lets_a_bad_price_in(void **state)
{
    (void)state;
    int64_t before = pricing_fixture_print(super);
    for (size_t w = 0; w < sizeof ways / sizeof ways[0]; w++) {
        for (size_t i = 0; i < BAD_COUNT; i++) {
            const struct bad *b = &bad_prices[i];
            char body[400];
            char *at = body;
            /* the formats are of this table: three texts each */
            const char *rest = ways[w].format;
            const char *const texts[] = {b->sku, b->price, b->currency};
            for (size_t k = 0; k < 3; k++) {
                const char *mark = strstr(rest, "%s");
                assert_non_null(mark);
                memcpy(at, rest, (size_t)(mark - rest));
                at += mark - rest;
                memcpy(at, texts[k], strlen(texts[k]));
                at += strlen(texts[k]);
                rest = mark + 2;
            }
            (void)snprintf(at, (size_t)(body + sizeof body - at), "%s", rest);
            json_t *reply = send_as(&ours, "POST", ways[w].target, ways[w].media, body);
            if (last_status != 400 ||
                strcmp(text_of(json_object_get(reply, "error"), "code"), b->code) != 0) {
                fail_msg("%s of %s: %u %s", ways[w].name, body, last_status, last_body);
            }
            json_decref(reply);
            if (pricing_fixture_print(super) != before) {
                fail_msg("%s of %s changed something", ways[w].name, body);
            }
        }
    }
}

/* What was let in before its limits changed is judged again when its time comes. */
static void limits_that_change_meanwhile_still_hold(void **state)
{
    (void)state;
    json_t *reply = ask("POST", "/api/pricing/bulk-update",
                        "{\"storeId\": \"STORE-A\", \"updates\": [{\"productId\": \"TEA\", "
                        "\"price\": 69}, {\"productId\": \"RICE\", \"price\": 60}]}");
    is_status(202);
    json_decref(reply);
    json_decref(update(UPDATE("MILK", "30"), 200));
    pg_fixture_sql(super, "UPDATE item SET mrp_minor = 6800 WHERE sku = 'TEA'; UPDATE "
                          "category_bound SET min_minor = 7000; UPDATE item SET mrp_minor = 3000 "
                          "WHERE sku = 'MILK'");
    run(pricing_step_bulk);
    assert_int_equal(number("SELECT count(*) FROM bulk_row WHERE state = 'failed'"), 2);
    assert_int_equal(number("SELECT price_minor FROM item WHERE sku = 'TEA'"), 6500);
    pg_fixture_sql(super, "UPDATE item SET price_minor = 2500, mrp_minor = 2700, charge_minor = "
                          "NULL WHERE sku = 'MILK'");
    reply = ask("POST", "/api/pricing/rollback",
                "{\"storeId\": \"STORE-A\", \"productId\": \"MILK\", \"version\": 2}");
    is_status(400);
    assert_string_equal(text_of(json_object_get(reply, "error"), "code"), "PRICE_ABOVE_MRP");
    json_decref(reply);
}

/* Feature: smartshelf-india, Property 12: Price History Logging. What is accepted is kept to the
 * last digit, and what is not leaves no trace, for prices in and beyond the range with up to four
 * decimals. */
static void any_price_is_kept_exactly_or_refused(void **state)
{
    (void)state;
    print_message("Feature: smartshelf-india, Property 12: Price History Logging (200 cases)\n");
    struct rng rng;
    rng_init(&rng, pricing_fixture_seed());
    pg_fixture_sql(super, "UPDATE item SET mrp_minor = NULL");
    int64_t expected = 2800;
    int64_t versions = 1;
    for (int i = 0; i < 200; i++) {
        char body[200];
        int64_t whole = (int64_t)rng_below(&rng, i % 4 == 0 ? 3000000 : 1000000);
        unsigned decimals = (unsigned)rng_below(&rng, 5);
        static const unsigned scale[] = {1, 10, 100, 1000, 10000};
        unsigned fraction = (unsigned)rng_below(&rng, scale[decimals]);
        char price[40];
        if (decimals == 0) {
            (void)snprintf(price, sizeof price, "%lld", (long long)whole);
        } else {
            (void)snprintf(price, sizeof price, "%lld.%0*u", (long long)whole, (int)decimals,
                           fraction);
        }
        int64_t minor = whole * 100 + (decimals == 1   ? fraction * 10
                                       : decimals == 2 ? fraction
                                                       : 0);
        bool fine = decimals <= 2 && minor >= 1 && minor <= PRICE_MINOR_MAX;
        (void)snprintf(body, sizeof body,
                       "{\"storeId\": \"STORE-A\", \"productId\": \"MILK\", \"price\": %s}", price);
        json_t *reply = update(body, fine ? 200 : 400);
        json_decref(reply);
        versions += fine && minor != expected;
        expected = fine ? minor : expected;
        reply = get("/api/pricing/current/MILK?storeId=STORE-A");
        assert_int_equal(minor_of(reply, "price"), expected);
        assert_int_equal(int_of(reply, "version"), versions);
        json_decref(reply);
    }
}

/* ---- later, by request, back ---- */

static void a_price_to_come_is_in_the_stores_own_time(void **state)
{
    (void)state;
    json_t *reply = update("{\"storeId\": \"STORE-A\", \"productId\": \"TEA\", \"price\": 60, "
                           "\"effectiveAt\": \"2027-01-02T18:00\"}",
                           202);
    assert_string_equal(text_of(reply, "outcome"), "scheduled");
    assert_string_equal(text_of(reply, "effectiveAt"), "2027-01-02T12:30:00.000Z");
    json_decref(reply);
    reply = update("{\"storeId\": \"STORE-A\", \"productId\": \"TEA\", \"price\": 61, "
                   "\"effectiveAt\": \"2027-01-02T18:00:00Z\"}",
                   202);
    assert_string_equal(text_of(reply, "effectiveAt"), "2027-01-02T18:00:00.000Z");
    json_decref(reply);
    static const char *const wrong[] = {
        "2020-01-02T18:00", "2027-02-30T18:00",  "2027-01-02 18:00",   "2027-01-02T25:00",
        "2127-01-02T18:00", "2027-01-02T18:00:", "2027-01-02T18:00ZZ", "TTTTTTTTTTTTTTTT"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char body[200];
        (void)snprintf(body, sizeof body,
                       "{\"storeId\": \"STORE-A\", \"productId\": \"TEA\", \"price\": 60, "
                       "\"effectiveAt\": \"%s\"}",
                       wrong[i]);
        json_decref(update(body, 400));
    }
    assert_int_equal(number("SELECT count(*) FROM price_schedule"), 2);
    json_t *page = get("/api/pricing/schedule?storeId=STORE-A&state=waiting");
    assert_int_equal(items_of(page), 2);
    assert_int_equal(minor_of(item_of(page, 0), "price"), 6000);
    char target[120];
    (void)snprintf(target, sizeof target, "/api/pricing/schedule/%s",
                   text_of(item_of(page, 0), "scheduleId"));
    json_decref(page);
    json_decref(ask("DELETE", target, ""));
    is_status(200);
    json_decref(ask("DELETE", target, ""));
    is_status(409);
    json_decref(ask("DELETE", "/api/pricing/schedule/00000000-0000-4000-8000-00000000dead", ""));
    is_status(404);
    pg_fixture_sql(super, "UPDATE price_schedule SET effective_at = now()");
    run(pricing_step_schedule);
    assert_int_equal(number("SELECT price_minor FROM item WHERE sku = 'TEA'"), 6100);
}

#define KEY_A      "6b1f6f0e-0000-4000-8000-00000000000a"
#define KEY_B      "6b1f6f0e-0000-4000-8000-00000000000b"
#define KEY_C      "6b1f6f0e-0000-4000-8000-00000000000c"
#define KEY_D      "6b1f6f0e-0000-4000-8000-00000000000d"
#define KEYED(key) "application/json\r\nIdempotency-Key: " key

/* C-202 */
static void a_repeated_key_gets_the_first_answer_again(void **state)
{
    static const char later[] = "{\"storeId\": \"STORE-A\", \"productId\": \"TEA\", \"price\": "
                                "60, \"effectiveAt\": \"2027-01-02T18:00\"}";
    static const char bulk[] = "{\"storeId\": \"STORE-A\", \"updates\": [{\"productId\": \"TEA\", "
                               "\"price\": 62}]}";
    (void)state;
    const struct {
        const char *media;
        const char *target;
        const char *body;
        unsigned status;
    } cases[] = {{KEYED(KEY_A), "/api/pricing/update", UPDATE("TEA", "61"), 200},
                 {KEYED(KEY_B), "/api/pricing/update", later, 202},
                 {KEYED(KEY_C), "/api/pricing/bulk-update", bulk, 202}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *first = send_as(&ours, "POST", cases[i].target, cases[i].media, cases[i].body);
        is_status(cases[i].status);
        json_decref(update(UPDATE("TEA", "63"), 200));
        json_t *again = send_as(&ours, "POST", cases[i].target, cases[i].media, cases[i].body);
        is_status(cases[i].status);
        assert_true(json_equal(first, again));
        json_decref(first);
        json_decref(again);
        json_decref(send_as(&ours, "POST", cases[i].target, cases[i].media,
                            "{\"storeId\": \"STORE-A\", \"productId\": \"TEA\", \"price\": 1}"));
        is_status(409);
    }
    assert_int_equal(number("SELECT price_minor FROM item WHERE sku = 'TEA'"), 6300);
    assert_int_equal(number("SELECT count(*) FROM price_schedule"), 1);
    assert_int_equal(number("SELECT count(*) FROM bulk_job"), 1);
}

/* A refusal is not kept: with the same key the next try may succeed. */
static void a_refused_change_leaves_its_key_unused(void **state)
{
    (void)state;
    json_decref(send_as(&ours, "POST", "/api/pricing/update", KEYED(KEY_D), UPDATE("TEA", "-1")));
    is_status(400);
    json_decref(send_as(&ours, "POST", "/api/pricing/update", KEYED(KEY_D), UPDATE("TEA", "61")));
    is_status(200);
    assert_int_equal(number("SELECT price_minor FROM item WHERE sku = 'TEA'"), 6100);
}

static void a_till_systems_store_is_asked_not_told(void **state)
{
    (void)state;
    json_t *reply =
        update("{\"storeId\": \"STORE-P\", \"productId\": \"PEN\", \"price\": 12}", 202);
    assert_string_equal(text_of(reply, "outcome"), "requested");
    json_decref(reply);
    assert_int_equal(number("SELECT price_minor FROM item WHERE sku = 'PEN'"), 1000);
    reply = get("/api/pricing/requests?storeId=STORE-P&state=open");
    assert_int_equal(items_of(reply), 1);
    assert_int_equal(minor_of(item_of(reply, 0), "price"), 1200);
    assert_int_equal(minor_of(item_of(reply, 0), "currentPrice"), 1000);
    json_decref(reply);
    json_decref(update("{\"storeId\": \"STORE-P\", \"productId\": \"PEN\", \"price\": -1}", 400));
    json_decref(ask("POST", "/api/pricing/bulk-update",
                    "{\"storeId\": \"STORE-P\", \"updates\": [{\"productId\": \"PEN\", "
                    "\"price\": 12}]}"));
    is_status(409);
    json_decref(
        ask("POST", "/api/pricing/rules/run", "{\"storeId\": \"STORE-P\", \"dryRun\": false}"));
    is_status(409);
    json_decref(update("{\"storeId\": \"STORE-P\", \"productId\": \"PEN\", \"price\": 12, "
                       "\"effectiveAt\": \"2027-01-02T18:00\"}",
                       409));
    assert_int_equal(number("SELECT count(*) FROM price_request"), 1);
}

static void a_rollback_is_a_new_version(void **state)
{
    (void)state;
    json_decref(update(UPDATE("TEA", "60"), 200));
    json_t *reply = ask("POST", "/api/pricing/rollback",
                        "{\"storeId\": \"STORE-A\", \"productId\": \"TEA\", \"version\": 1}");
    is_status(200);
    assert_int_equal(minor_of(reply, "price"), 6500);
    assert_int_equal(int_of(reply, "version"), 3);
    json_decref(reply);
    assert_int_equal(number("SELECT count(*) FROM price WHERE reason = 'rollback' AND version = 3"),
                     1);
    json_decref(ask("POST", "/api/pricing/rollback",
                    "{\"storeId\": \"STORE-A\", \"productId\": \"TEA\", \"version\": 9}"));
    is_status(404);
}

/* ---- bulk ---- */

static void one_bad_row_refuses_the_upload_and_every_fault_is_named(void **state)
{
    (void)state;
    int64_t before = pricing_fixture_print(super);
    json_t *reply = ask("POST", "/api/pricing/bulk-update",
                        "{\"storeId\": \"STORE-A\", \"updates\": ["
                        "{\"productId\": \"TEA\", \"price\": 60},"
                        "{\"productId\": \"MILK\", \"price\": -1.999, \"currency\": \"EUR\"},"
                        "{\"productId\": \"NONE\", \"price\": 5},"
                        "{\"productId\": \"TEA\", \"price\": 61},"
                        "{\"productId\": \"RICE\", \"price\": \"70\"},"
                        "{\"productId\": \"A B\", \"price\": 5},"
                        "{\"productId\": \"PEN\"}]}");
    is_status(400);
    const json_t *details = json_object_get(json_object_get(reply, "error"), "details");
    static const struct {
        int64_t row;
        const char *field;
    } expected[] = {{2, "price"},     {2, "price"}, {2, "currency"},  {3, "productId"},
                    {4, "productId"}, {5, "price"}, {6, "productId"}, {7, "price"}};
    assert_int_equal(json_array_size(details), 8);
    for (size_t i = 0; i < 8; i++) {
        bool found = false;
        for (size_t k = 0; k < 8; k++) {
            const json_t *d = json_array_get(details, k);
            found = found || (int_of(d, "row") == expected[i].row &&
                              strcmp(text_of(d, "field"), expected[i].field) == 0);
        }
        if (!found) {
            fail_msg("no detail of row %d, %s: %s", (int)expected[i].row, expected[i].field,
                     last_body);
        }
    }
    json_decref(reply);
    assert_int_equal(pricing_fixture_print(super), before);
}

static void broken_uploads_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *media;
        const char *body;
    } cases[] = {
        {"application/json", ""},
        {"application/json", "[]"},
        {"application/json", "{\"storeId\": \"STORE-A\"}"},
        {"application/json", "{\"storeId\": \"STORE-A\", \"updates\": []}"},
        {"application/json", "{\"storeId\": \"STORE-A\", \"updates\": [1]}"},
        {"application/json", "{\"storeId\": \"STORE-A\", \"updates\": {}}"},
        {"application/json", "{\"storeId\": \"STORE-A\", \"updates\": [{\"productId\": \"TEA\", "
                             "\"price\": 60}"},
        {"application/json", "{\"storeId\": \"STORE-A\", \"updates\": [{\"productId\": \"TEA\", "
                             "\"price\": 60, \"price\": 61}]}"},
        {"application/json", "{\"storeId\": \"STORE-A\", \"updates\": [{\"productId\": \"TEA\", "
                             "\"price\": 60, \"cost\": 1}]}"},
        {"application/json", "{\"storeId\": 7, \"updates\": [{\"productId\": \"TEA\", \"price\": "
                             "60}]}"},
        {"application/json", "{\"updates\": [{\"productId\": \"TEA\", \"price\": 60}]} x"},
        {"text/csv", ""},
        {"text/csv", "productId,price\n"},
        {"text/csv", "productId,cost\nTEA,60\n"},
        {"text/csv", "productId,price,price\nTEA,60,60\n"},
        {"text/csv", "productId,price\nTEA\n"},
        {"text/csv", "productId,price\nTEA,\n"},
        {"text/csv", "productId,price\nTEA,\"60\n"},
        {"text/csv", "productId,price\n=TEA,60\n"}};
    int64_t before = pricing_fixture_print(super);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *reply = send_as(&ours, "POST", "/api/pricing/bulk-update?storeId=STORE-A",
                                cases[i].media, cases[i].body);
        if (last_status != 400) {
            fail_msg("%s: %u %s", cases[i].body, last_status, last_body);
        }
        json_decref(reply);
    }
    json_decref(send_as(&ours, "POST", "/api/pricing/bulk-update", "text/csv",
                        "productId,price\nTEA,60\n"));
    is_status(400);
    json_decref(send_as(&ours, "POST", "/api/pricing/bulk-update?storeId=STORE-X", "text/csv",
                        "productId,price\nTEA,60\n"));
    is_status(404);
    assert_int_equal(pricing_fixture_print(super), before);
}

static void a_job_runs_reports_and_is_retried(void **state)
{
    (void)state;
    char target[120];
    json_t *reply =
        send_as(&ours, "POST", "/api/pricing/bulk-update?storeId=STORE-A", "text/csv",
                "\xEF\xBB\xBFprice,productId\r\n60.5,TEA\r\n\"29\",MILK\r\n100,RICE\r\n");
    is_status(202);
    char job[64];
    (void)snprintf(job, sizeof job, "%s", text_of(reply, "jobId"));
    assert_int_equal(int_of(reply, "rows"), 3);
    json_decref(reply);
    (void)snprintf(target, sizeof target, "/api/bulk-jobs/%s", job);
    reply = get(target);
    assert_int_equal(int_of(reply, "queued"), 3);
    json_decref(reply);
    pg_fixture_sql(super, "UPDATE item SET mrp_minor = 6000, price_minor = 6000 WHERE sku = 'TEA'");
    run(pricing_step_bulk);
    run(bulk_job_step);
    reply = get(target);
    assert_string_equal(text_of(reply, "state"), "done");
    assert_int_equal(int_of(reply, "succeeded"), 1);
    assert_int_equal(int_of(reply, "failed"), 1);
    assert_int_equal(int_of(reply, "offline"), 1);
    json_decref(reply);
    (void)snprintf(target, sizeof target, "/api/bulk-jobs/%s/report", job);
    json_decref(get(target));
    is_status(200);
    assert_non_null(strstr(last_body, "row,target,change,state,detail,finishedAt\r\n"));
    assert_non_null(strstr(last_body, "1,TEA,60.50,failed,\"the price must be at most 60.00, the "
                                      "maximum retail price\","));
    assert_non_null(strstr(last_body, "2,MILK,29.00,offline,"));
    (void)snprintf(target, sizeof target, "/api/bulk-jobs/%s/rows?state=failed", job);
    reply = get(target);
    assert_int_equal(items_of(reply), 1);
    json_decref(reply);
    (void)snprintf(target, sizeof target, "/api/bulk-jobs/%s/retry", job);
    reply = ask("POST", target, "");
    is_status(202);
    assert_int_equal(int_of(reply, "rows"), 1);
    assert_string_equal(text_of(reply, "retryOf"), job);
    (void)snprintf(target, sizeof target, "/api/bulk-jobs/%s/retry", text_of(reply, "jobId"));
    json_decref(reply);
    json_decref(ask("POST", target, ""));
    is_status(409);
    reply = get("/api/bulk-jobs?storeId=STORE-A&kind=price");
    assert_int_equal(items_of(reply), 2);
    json_decref(reply);
}

static void an_upload_has_ten_thousand_rows_at_most(void **state)
{
    (void)state;
    size_t room = 20001 * 20;
    char *body = malloc(room);
    assert_non_null(body);
    pg_fixture_sql(super,
                   "INSERT INTO item (store_id, sku, gtin, name, category, price_minor, currency) "
                   "SELECT 'STORE-A', 'B' || n, to_char(n, 'FM00000000000000'), '{\"en\": \"x\"}', "
                   "'X', 100, 'INR' FROM generate_series(1, 10001) n");
    for (int extra = 0; extra < 2; extra++) {
        int at = snprintf(body, room, "productId,price\n");
        for (int i = 1; i <= 10000 + extra; i++) {
            at += snprintf(body + at, room - (size_t)at, "B%d,2.5\n", i);
        }
        json_decref(
            send_as(&ours, "POST", "/api/pricing/bulk-update?storeId=STORE-A", "text/csv", body));
        is_status(extra == 0 ? 202 : 400);
    }
    free(body);
    assert_int_equal(number("SELECT count(*) FROM bulk_row"), 10000);
}

/* ---- rules, bounds, deliveries ---- */

static void rules_are_made_shown_changed_and_removed(void **state)
{
    (void)state;
    json_t *reply = ask("POST", "/api/pricing/rules",
                        "{\"storeId\": \"STORE-A\", \"title\": \"Drinks\", \"kind\": \"percent\", "
                        "\"category\": \"DRINKS\", \"priority\": 5, \"parameters\": {\"percent\": "
                        "-12.5}}");
    is_status(201);
    char target[120];
    (void)snprintf(target, sizeof target, "/api/pricing/rules/%s", text_of(reply, "ruleId"));
    json_decref(reply);
    reply = ask("POST", "/api/pricing/rules/run", "{\"storeId\": \"STORE-A\", \"dryRun\": true}");
    is_status(200);
    assert_int_equal(int_of(reply, "changes"), 1);
    assert_string_equal(text_of(item_of(reply, 0), "outcome"), "planned");
    assert_string_equal(text_of(item_of(reply, 0), "ruleTitle"), "Drinks");
    assert_int_equal(minor_of(item_of(reply, 0), "price"), 5688);
    json_decref(reply);
    assert_int_equal(number("SELECT price_minor FROM item WHERE sku = 'TEA'"), 6500);
    json_decref(ask("PATCH", target, "{\"parameters\": {\"percent\": -20}, \"title\": \"D\"}"));
    is_status(200);
    json_decref(ask("PATCH", target, "{\"parameters\": {\"days\": []}}"));
    is_status(400);
    reply = ask("POST", "/api/pricing/rules/run", "{\"storeId\": \"STORE-A\", \"dryRun\": false}");
    assert_string_equal(text_of(item_of(reply, 0), "outcome"), "changed");
    json_decref(reply);
    assert_int_equal(number("SELECT price_minor FROM item WHERE sku = 'TEA'"), 5200);
    reply = get("/api/pricing/rules?storeId=STORE-A&enabled=true");
    assert_int_equal(items_of(reply), 1);
    assert_string_equal(text_of(item_of(reply, 0), "title"), "D");
    json_decref(reply);
    json_decref(ask("DELETE", target, ""));
    is_status(200);
    json_decref(ask("DELETE", target, ""));
    is_status(404);
    json_decref(
        ask("POST", "/api/pricing/rules/run", "{\"storeId\": \"STORE-A\", \"dryRun\": false}"));
    assert_int_equal(number("SELECT price_minor FROM item WHERE sku = 'TEA'"), 6500);
    assert_int_equal(number("SELECT count(*) FROM audit_event WHERE action LIKE 'price.rule%'"), 3);
}

static void every_fault_of_a_rule_is_listed(void **state)
{
    (void)state;
    json_t *reply =
        ask("POST", "/api/pricing/rules",
            "{\"storeId\": \"STORE-A\", \"title\": \"x\", \"kind\": \"schedule\", \"parameters\": "
            "{\"days\": [\"someday\"], \"from\": \"25:00\", \"percent\": 1.234}}");
    is_status(400);
    const json_t *details = json_object_get(json_object_get(reply, "error"), "details");
    assert_int_equal(json_array_size(details), 4);
    assert_string_equal(text_of(json_array_get(details, 0), "field"), "parameters.days");
    json_decref(reply);
    json_decref(ask("POST", "/api/pricing/rules",
                    "{\"storeId\": \"STORE-A\", \"title\": \"x\", \"kind\": \"percent\", "
                    "\"category\": \"A\", \"productId\": \"TEA\", \"parameters\": {\"percent\": "
                    "5}}"));
    is_status(400);
    json_decref(ask("POST", "/api/pricing/rules",
                    "{\"storeId\": \"STORE-A\", \"title\": \"x\", \"kind\": \"percent\", "
                    "\"productId\": \"NONE\", \"parameters\": {\"percent\": 5}}"));
    is_status(400);
    assert_int_equal(number("SELECT count(*) FROM pricing_rule"), 0);
}

static void bounds_are_set_and_then_hold(void **state)
{
    (void)state;
    json_t *reply = ask("PUT", "/api/pricing/bounds/DRINKS",
                        "{\"storeId\": \"STORE-A\", \"min\": 50.5, \"max\": 66}");
    is_status(200);
    assert_int_equal(minor_of(reply, "min"), 5050);
    json_decref(reply);
    json_decref(update(UPDATE("TEA", "66.01"), 400));
    reply = get("/api/pricing/bounds/DRINKS?storeId=STORE-A");
    assert_int_equal(minor_of(reply, "max"), 6600);
    assert_string_equal(text_of(reply, "currency"), "INR");
    json_decref(reply);
    reply = get("/api/pricing/bounds?storeId=STORE-A");
    assert_int_equal(items_of(reply), 2);
    json_decref(reply);
    static const char *const wrong[] = {"\"min\": 5, \"max\": 4", "\"min\": 0, \"max\": 4",
                                        "\"min\": 1.234, \"max\": 4", "\"min\": 1"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char body[120];
        (void)snprintf(body, sizeof body, "{\"storeId\": \"STORE-A\", %s}", wrong[i]);
        json_decref(ask("PUT", "/api/pricing/bounds/DRINKS", body));
        is_status(400);
    }
    json_decref(ask("PUT", "/api/pricing/bounds/X",
                    "{\"storeId\": \"NOPE\", \"min\": 1, "
                    "\"max\": 2}"));
    is_status(404);
}

static void deliveries_tell_what_became_of_a_change(void **state)
{
    (void)state;
    json_decref(update(UPDATE("TEA", "60"), 200));
    json_decref(update(UPDATE("MILK", "30"), 200));
    json_t *page = get("/api/pricing/deliveries?productId=TEA&state=queued");
    assert_int_equal(items_of(page), 2);
    assert_int_equal(minor_of(item_of(page, 0), "price"), 6000);
    assert_int_equal(strlen(text_of(item_of(page, 0), "digest")), 64);
    char target[120];
    (void)snprintf(target, sizeof target, "/api/pricing/deliveries/%s",
                   text_of(item_of(page, 0), "deliveryId"));
    json_decref(page);
    page = get(target);
    assert_string_equal(text_of(page, "state"), "queued");
    json_decref(page);
    page = get("/api/pricing/deliveries?deviceId=ESP32-MILK01&limit=1");
    assert_int_equal(items_of(page), 1);
    assert_string_equal(text_of(item_of(page, 0), "state"), "pending");
    json_decref(page);
}

static void another_store_sees_and_changes_nothing(void **state)
{
    (void)state;
    json_decref(update(UPDATE("TEA", "60"), 200));
    int64_t before = pricing_fixture_print(super);
    static const struct {
        const char *method;
        const char *target;
        const char *body;
        unsigned status;
    } cases[] = {
        {"POST", "/api/pricing/update", UPDATE("TEA", "61"), 404},
        {"POST", "/api/pricing/update", UPDATE("TEA", "-61"), 404},
        {"POST", "/api/pricing/rollback",
         "{\"storeId\": \"STORE-A\", \"productId\": \"TEA\", \"version\": 1}", 404},
        {"POST", "/api/pricing/bulk-update",
         "{\"storeId\": \"STORE-A\", \"updates\": [{\"productId\": \"TEA\", \"price\": 61}]}", 404},
        {"POST", "/api/pricing/rules/run", "{\"storeId\": \"STORE-A\", \"dryRun\": false}", 404},
        {"POST", "/api/pricing/rules",
         "{\"storeId\": \"STORE-A\", \"title\": \"x\", \"kind\": \"percent\", \"parameters\": "
         "{\"percent\": 5}}",
         404},
        {"PUT", "/api/pricing/bounds/GRAIN", "{\"storeId\": \"STORE-A\", \"min\": 1, \"max\": 2}",
         404},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_decref(
            send_as(&of_b, cases[i].method, cases[i].target, "application/json", cases[i].body));
        is_status(cases[i].status);
    }
    assert_int_equal(pricing_fixture_print(super), before);
    struct http_client_reply reply = {.status = 0};
    struct err why = {""};
    static const char *const lists[] = {"/api/pricing/history/TEA", "/api/pricing/deliveries",
                                        "/api/pricing/bounds"};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        must(http_client_get("127.0.0.1", http_server_port(of_b.server), lists[i], TIMEOUT_MS,
                             &reply, &why),
             &why);
        assert_non_null(strstr(reply.body, "\"items\":[]"));
        http_client_reply_deinit(&reply);
    }
}

int main(void)
{
    if (!pg_fixture_start(&pg, PG_FIXTURE_FAST)) {
        return 77;
    }
    super = pg_fixture_superuser(&pg);
    worker = pg_fixture_connect(&pg, MODEL_WORKER);
    pricing_fixture_stores(super);
    if (start_face(&ours) != 0 || start_face(&of_b) != 0) {
        print_error("the servers do not start\n");
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_change_answers_what_became_of_it, fresh),
        cmocka_unit_test_setup(history_is_paged_and_cut_by_time, fresh),
        cmocka_unit_test_setup(every_broken_rule_of_a_price_is_listed, fresh),
        cmocka_unit_test_setup(no_way_lets_a_bad_price_in, fresh),
        cmocka_unit_test_setup(limits_that_change_meanwhile_still_hold, fresh),
        cmocka_unit_test_setup(any_price_is_kept_exactly_or_refused, fresh),
        cmocka_unit_test_setup(a_price_to_come_is_in_the_stores_own_time, fresh),
        cmocka_unit_test_setup(a_repeated_key_gets_the_first_answer_again, fresh),
        cmocka_unit_test_setup(a_refused_change_leaves_its_key_unused, fresh),
        cmocka_unit_test_setup(a_till_systems_store_is_asked_not_told, fresh),
        cmocka_unit_test_setup(a_rollback_is_a_new_version, fresh),
        cmocka_unit_test_setup(one_bad_row_refuses_the_upload_and_every_fault_is_named, fresh),
        cmocka_unit_test_setup(broken_uploads_are_refused, fresh),
        cmocka_unit_test_setup(a_job_runs_reports_and_is_retried, fresh),
        cmocka_unit_test_setup(an_upload_has_ten_thousand_rows_at_most, fresh),
        cmocka_unit_test_setup(rules_are_made_shown_changed_and_removed, fresh),
        cmocka_unit_test_setup(every_fault_of_a_rule_is_listed, fresh),
        cmocka_unit_test_setup(bounds_are_set_and_then_hold, fresh),
        cmocka_unit_test_setup(deliveries_tell_what_became_of_a_change, fresh),
        cmocka_unit_test_setup(another_store_sees_and_changes_nothing, fresh),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    stop_face(&ours);
    stop_face(&of_b);
    pg_conn_close(worker);
    pg_conn_close(super);
    pg_fixture_stop(&pg);
    return failed;
}
