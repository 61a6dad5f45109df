/* Products, their languages, and the till system's door over REST, with a real PostgreSQL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_fixture.h"
#include "rng.h"

static struct api_fixture x;
static struct pg_conn *super;
static struct rng rng;

static const char *const languages[] = {"en", "hi", "ta", "te", "bn", "mr"};
/* Words of each language's script. */
static const char *const words[][3] = {{"Tea", "Green \"best\"", "Milk, 1 l"},
                                       {"चाय", "हरी चाय", "दूध १ ली"},
                                       {"தேநீர்", "பச்சை தேநீர்", "பால்"},
                                       {"టీ", "గ్రీన్ టీ", "పాలు"},
                                       {"চা", "সবুজ চা", "দুধ"},
                                       {"चहा", "हिरवा चहा", "दूध"}};

static int fresh(void **state)
{
    (void)state;
    pg_fixture_sql(super,
                   "TRUNCATE endcap.alert, endcap.delivery, endcap.translation_gap, endcap.price, "
                   "endcap.pos_sync, endcap.catalogue_import, endcap.catalogue_version, "
                   "endcap.shadow CASCADE; DELETE FROM endcap.label; DELETE FROM "
                   "endcap.item_batch; DELETE FROM endcap.item; UPDATE endcap.store SET "
                   "catalogue_master = CASE store_id WHEN 'STORE-A' THEN 'platform' ELSE 'pos' "
                   "END");
    return 0;
}

static struct http_client_reply send(const struct api *api, const char *method, const char *path,
                                     const char *type, const char *body)
{
    static char request[1 << 20];
    (void)snprintf(request, sizeof request,
                   "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                   "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n%s",
                   method, path, type, strlen(body), body);
    return api_fixture_ask(api, request);
}

static json_t *ok(const char *method, const char *path, const char *type, const char *body,
                  unsigned status)
{
    struct http_client_reply r = send(x.api, method, path, type, body);
    json_t *value = json_loads(r.body, 0, NULL);
    if (r.status != status || value == NULL) {
        fail_msg("%s %s: %s", method, path, r.text);
    }
    http_client_reply_deinit(&r);
    return value;
}

static void no(const char *method, const char *path, const char *type, const char *body,
               unsigned status, const char *code)
{
    api_fixture_is_error(send(x.api, method, path, type, body), status, code);
}

static const char *text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static int64_t number(const char *sql)
{
    PGresult *rows = NULL;
    struct err why = {""};
    if (pg_conn_run(super, sql, NULL, &rows, &why) != RES_OK) {
        fail_msg("%s: %s", sql, why.text);
    }
    int64_t n = PQntuples(rows) == 0 ? -1 : pg_get_i64(rows, 0, 0);
    PQclear(rows);
    return n;
}

#define JSON     "application/json"
#define CSV      "text/csv"
#define PRODUCTS "/api/products?storeId=STORE-A"

static void make(const char *sku)
{
    char body[300];
    (void)snprintf(body, sizeof body,
                   "{\"productId\":\"%s\",\"name\":{\"en\":\"Tea\"},\"price\":65,\"mrp\":70,"
                   "\"category\":\"Drinks\"}",
                   sku);
    json_decref(ok("POST", PRODUCTS, JSON, body, 201));
}

static void a_new_product_has_every_field(void **state)
{
    (void)state;
    json_t *p =
        ok("POST", PRODUCTS, JSON,
           "{\"productId\":\"TEA-1\",\"barcode\":\"4006381333931\",\"name\":{\"en\":\"Tea\","
           "\"hi\":\"चाय\"},\"price\":65.5,\"mrp\":70.00,\"category\":\"Drinks\",\"stock\":"
           "4,\"reorderLevel\":2,\"currency\":\"INR\",\"perKg\":false}",
           201);
    pg_fixture_sql(super, "INSERT INTO endcap.item_batch (item_id, store_id, batch_number, "
                          "expires_on) SELECT item_id, store_id, 'B' || n, '2030-01-01'::date + n "
                          "FROM endcap.item, generate_series(1, 2) n");
    json_decref(p);
    p = api_fixture_json(x.api, "/api/products/TEA-1");
    assert_string_equal(text(p, "storeId"), "STORE-A");
    assert_string_equal(text(p, "barcode"), "04006381333931");
    assert_string_equal(text(p, "expiryDate"), "2030-01-02");
    assert_string_equal(text(p, "batchNumber"), "B1");
    assert_string_equal(text(json_object_get(p, "name"), "hi"), "चाय");
    assert_true(json_number_value(json_object_get(p, "price")) > 65.49);
    assert_true(json_is_null(json_object_get(p, "flashSalePrice")));
    assert_true(json_is_false(json_object_get(p, "isFlashSale")));
    assert_int_equal(json_array_size(json_object_get(p, "missingTranslations")), 4);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(p, "inventory"), "reorderLevel")), 2);
    json_decref(p);
    pg_fixture_sql(super, "UPDATE endcap.item SET is_flash_sale = true, regular_minor = "
                          "price_minor, price_minor = 5000");
    p = api_fixture_json(x.api, "/api/products/TEA-1?storeId=STORE-A");
    assert_true(json_number_value(json_object_get(p, "price")) > 65.49);
    assert_true(json_number_value(json_object_get(p, "flashSalePrice")) < 50.01);
    json_decref(p);
    assert_int_equal(number("SELECT count(*) FROM endcap.price WHERE reason = 'manual'"), 1);
}

static void a_product_is_made_once_and_where_the_platform_decides(void **state)
{
    (void)state;
    make("TEA-1");
    no("POST", PRODUCTS, JSON, "{\"productId\":\"TEA-1\",\"name\":\"Other\",\"price\":5}", 409,
       "PRODUCT_EXISTS");
    no("POST", PRODUCTS, JSON, "{\"productId\":\"TEA-1\",\"name\":\"Tea\",\"price\":65}", 409,
       "PRODUCT_EXISTS");
    assert_int_equal(number("SELECT count(*) FROM endcap.item WHERE name ->> 'en' = 'Tea'"), 1);
    no("POST", "/api/products?storeId=STORE-B", JSON,
       "{\"productId\":\"A\",\"name\":\"A\",\"price\":5}", 409, "CATALOGUE_MASTER");
    no("POST", "/api/products?storeId=STORE-NONE", JSON, "{}", 404, "NOT_FOUND");
    no("POST", PRODUCTS, JSON,
       "{\"productId\":\"A\",\"name\":\"A\",\"price\":5},{\"productId\":\"B\",\"name\":\"B\","
       "\"price\":5}",
       400, "INVALID_PARAMETER");
    /* what was deleted may be made again, and is the same item */
    pg_fixture_sql(super, "UPDATE endcap.item SET deleted_at = now()");
    make("TEA-1");
    assert_int_equal(number("SELECT count(*) FROM endcap.item"), 1);
}

static void every_bad_field_of_a_new_product_is_listed_and_nothing_written(void **state)
{
    (void)state;
    struct http_client_reply r = send(
        x.api, "POST", PRODUCTS, JSON,
        "{\"productId\":\"A B\",\"barcode\":\"4006381333932\",\"name\":{\"en\":\"\"},\"price\":"
        "1.005,\"mrp\":-1,\"currency\":\"USD\",\"stock\":-5}");
    json_t *root = json_loads(r.body, 0, NULL);
    json_t *details = json_object_get(json_object_get(root, "error"), "details");
    static const char *const wrong[] = {"productId", "barcode", "name",    "price",
                                        "mrp",       "stock",   "currency"};
    assert_int_equal(r.status, 400);
    assert_string_equal(text(json_object_get(root, "error"), "code"), "INVALID_PRICE");
    for (size_t w = 0; w < sizeof wrong / sizeof wrong[0]; w++) {
        bool found = false;
        size_t i = 0;
        json_t *one = NULL;
        json_array_foreach(details, i, one)
        {
            found = found || strcmp(text(one, "field"), wrong[w]) == 0;
        }
        if (!found) {
            fail_msg("%s is not in %s", wrong[w], r.body);
        }
    }
    json_decref(root);
    http_client_reply_deinit(&r);
    assert_int_equal(number("SELECT count(*) FROM endcap.item"), 0);
}

/* A random object of texts; English always. */
static json_t *some_texts(unsigned *ret_there)
{
    json_t *texts = json_object();
    *ret_there = 0;
    for (size_t l = 0; l < 6; l++) {
        if (l == 0 || rng_below(&rng, 2) == 0) {
            (void)json_object_set_new(texts, languages[l],
                                      json_string(words[l][rng_below(&rng, 3)]));
            *ret_there |= 1U << l;
        }
    }
    return texts;
}

/* Feature: smartshelf-india, Property 61: Multi-Language Product Input
 * Feature: smartshelf-india, Property 63: Translated Display Content
 * Feature: smartshelf-india, Property 64: Translation Fallback to English */
static void texts_are_stored_shown_and_their_gaps_told_and_closed(void **state)
{
    (void)state;
    print_message(
        "Feature: smartshelf-india, Property 61: Multi-Language Product Input (100 cases)\n"
        "Feature: smartshelf-india, Property 63: Translated Display Content (100 cases)\n"
        "Feature: smartshelf-india, Property 64: Translation Fallback to English (100 cases)\n");
    make("TEA-1");
    for (size_t l = 0; l < 6; l++) {
        char sql[300];
        (void)snprintf(sql, sizeof sql,
                       "INSERT INTO endcap.label (label_id, store_id, item_id, language, online) "
                       "SELECT 'ESP32-LANG0%zu', store_id, item_id, '%s', true FROM endcap.item",
                       l, languages[l]);
        pg_fixture_sql(super, sql);
    }
    for (int i = 0; i < 100; i++) {
        unsigned there = 0;
        unsigned described = 0;
        json_t *name = some_texts(&there);
        json_t *description = some_texts(&described);
        json_t *body = json_pack("{s:O, s:O}", "name", name, "description", description);
        char *sent = json_dumps(body, 0);
        json_decref(ok("PUT", "/api/products/TEA-1/texts", JSON, sent, 200));
        json_t *p = api_fixture_json(x.api, "/api/products/TEA-1?storeId=STORE-A");
        assert_true(json_equal(json_object_get(p, "name"), name));
        assert_true(json_equal(json_object_get(p, "description"), description));
        for (size_t l = 0; l < 6; l++) {
            bool has = (there >> l & 1) != 0;
            char sql[700];
            (void)snprintf(sql, sizeof sql,
                           "SELECT count(*) FROM endcap.shadow h, endcap.item i WHERE h.device_id "
                           "= 'ESP32-LANG0%zu' AND h.desired -> 'display' ->> 'language' = '%s' "
                           "AND h.desired -> 'display' -> 'displayText' ->> '%s' = i.name ->> "
                           "'%s'",
                           l, languages[l], has ? languages[l] : "en", has ? languages[l] : "en");
            assert_int_equal(number(sql), 1);
            (void)snprintf(
                sql, sizeof sql,
                "SELECT count(*) FROM endcap.alert WHERE status <> 'resolved' AND kind = "
                "'missing_translation' AND cause_key = 'missing_translation:TEA-1:%s'",
                languages[l]);
            assert_int_equal(number(sql), has ? 0 : 1);
            (void)snprintf(sql, sizeof sql,
                           "SELECT count(*) FROM endcap.translation_gap WHERE language = '%s'",
                           languages[l]);
            assert_int_equal(number(sql), has ? 0 : 1);
        }
        free(sent);
        json_decref(p);
        json_decref(body);
        json_decref(name);
        json_decref(description);
    }
}

static void wrong_texts_are_all_named_and_change_nothing(void **state)
{
    (void)state;
    make("TEA-1");
    struct http_client_reply r =
        send(x.api, "PUT", "/api/products/TEA-1/texts", JSON,
             "{\"name\":{\"fr\":\"Thé\",\"hi\":\"\",\"ta\":7},\"description\":{\"en\":\"card "
             "4111111111111111\"}}");
    assert_int_equal(r.status, 400);
    static const char *const wrong[] = {"name.en", "name.fr", "name.hi", "name.ta",
                                        "description.en"};
    for (size_t w = 0; w < sizeof wrong / sizeof wrong[0]; w++) {
        assert_non_null(strstr(r.body, wrong[w]));
    }
    assert_null(strstr(r.body, "4111"));
    http_client_reply_deinit(&r);
    no("PUT", "/api/products/TEA-1/texts", JSON, "{}", 400, NULL);
    no("PUT", "/api/products/NONE/texts", JSON, "{\"name\":{\"en\":\"x\"}}", 404, "NOT_FOUND");
    api_fixture_is_error(
        send(x.api_of_b, "PUT", "/api/products/TEA-1/texts", JSON, "{\"name\":{\"en\":\"x\"}}"),
        404, "NOT_FOUND");
    assert_int_equal(number("SELECT count(*) FROM endcap.item WHERE name = '{\"en\": \"Tea\"}'"),
                     1);
}

static void lists_filter_by_text_category_and_missing_language(void **state)
{
    (void)state;
    json_decref(ok("POST", "/api/pos/STORE-B/sync?mode=full", CSV,
                   "sku,name,name_hi,category,price\nTEA-1,Green tea,हरी चाय,Drinks,65\n"
                   "TEA-2,Black tea,,Drinks,60\nSALT,Salt,नमक,Food,20\n",
                   200));
    make("TEA-1");
    static const struct {
        const char *query;
        size_t count;
    } asked[] = {{"", 4},
                 {"?storeId=STORE-B", 3},
                 {"?q=TEA", 3},
                 {"?q=SALT", 1},
                 {"?q=%E0%A4%A8%E0%A4%AE%E0%A4%95", 1},
                 {"?q=100%25", 0},
                 {"?category=Food", 1},
                 {"?missingTranslation=hi", 2},
                 {"?missingTranslation=hi&storeId=STORE-B", 1},
                 {"?missingTranslation=en", 0}};
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        char target[200];
        (void)snprintf(target, sizeof target, "/api/products%s", asked[i].query);
        json_t *page = api_fixture_json(x.api, target);
        if (json_array_size(json_object_get(page, "items")) != asked[i].count) {
            fail_msg("%s: %zu", target, json_array_size(json_object_get(page, "items")));
        }
        json_decref(page);
    }
    api_fixture_is_error(api_fixture_get(x.api, "/api/products/TEA-1"), 400, "INVALID_PARAMETER");
    json_t *of_b = api_fixture_json(x.api_of_b, "/api/products/TEA-1");
    assert_string_equal(text(of_b, "storeId"), "STORE-B");
    json_decref(of_b);
}

/* ---- the till system ---- */

static void a_synchronisation_is_taken_repeated_refused_and_its_health_told(void **state)
{
    (void)state;
    static const char *const sync = "/api/pos/STORE-B/sync";
    json_t *never = api_fixture_json(x.api, "/api/pos/STORE-B");
    assert_string_equal(text(never, "health"), "never");
    json_decref(never);
    json_t *r = ok("POST", sync, JSON,
                   "{\"items\":[{\"productId\":\"TEA\",\"name\":{\"en\":\"Tea\",\"mr\":\"चहा\"},"
                   "\"price\":65.5,\"mrp\":70}]}",
                   200);
    assert_string_equal(text(r, "state"), "done");
    assert_int_equal(json_integer_value(json_object_get(r, "added")), 1);
    json_decref(r);
    r = ok("POST", sync, JSON,
           "{\"items\":[{\"productId\":\"TEA\",\"name\":{\"en\":\"Tea\",\"mr\":\"चहा\"},"
           "\"price\":65.5,\"mrp\":70}]}",
           200);
    assert_string_equal(text(r, "state"), "repeated");
    json_decref(r);
    struct http_client_reply bad = send(
        x.api, "POST", sync, JSON,
        "{\"items\":[{\"productId\":\"TEA\",\"name\":\"Tea\",\"price\":71,\"mrp\":70},"
        "{\"productId\":\"B\",\"name\":{\"en\":\"B\"},\"price\":1.234,\"currency\":\"USD\"}]}");
    assert_int_equal(bad.status, 400);
    json_t *root = json_loads(bad.body, 0, NULL);
    json_t *details = json_object_get(json_object_get(root, "error"), "details");
    assert_string_equal(text(json_object_get(root, "error"), "code"), "POS_ROWS_REFUSED");
    assert_int_equal(json_array_size(details), 3); /* a price, a price and a currency */
    assert_int_equal(json_integer_value(json_object_get(json_array_get(details, 2), "line")), 2);
    json_decref(root);
    http_client_reply_deinit(&bad);
    json_t *health = api_fixture_json(x.api_of_b, "/api/pos/STORE-B");
    assert_string_equal(text(health, "health"), "refused");
    assert_string_equal(text(health, "catalogueMaster"), "pos");
    assert_non_null(text(health, "lastGoodAt"));
    assert_int_equal(json_array_size(json_object_get(health, "syncs")), 3);
    json_decref(health);
    assert_int_equal(number("SELECT count(*) FROM endcap.alert WHERE kind = 'pos_sync' AND status "
                            "= 'open'"),
                     1);
    json_decref(ok("POST", sync, CSV, "sku,name,price\nTEA,Tea,66\n", 200));
    assert_int_equal(number("SELECT count(*) FROM endcap.alert WHERE status <> 'resolved'"), 0);
    no("POST", "/api/pos/STORE-NONE/sync", CSV, "sku,name,price\nTEA,Tea,66\n", 404, "NOT_FOUND");
    no("POST", sync, "text/plain", "x", 415, NULL);
    no("POST", sync, JSON, "{\"items\":7}", 400, "INVALID_PARAMETER");
    no("POST", "/api/pos/STORE-B/sync?mode=half", CSV, "x", 400, NULL);
    api_fixture_is_error(
        send(x.api_of_b, "POST", "/api/pos/STORE-A/sync", CSV, "sku,name,price\nTEA,Tea,66\n"), 404,
        "NOT_FOUND");
}

static void an_older_version_of_the_till_comes_too_late(void **state)
{
    (void)state;
    json_t *r = ok("POST", "/api/pos/STORE-B/sync?sourceVersion=12", CSV,
                   "sku,name,price\nTEA,Tea,66\n", 200);
    assert_string_equal(text(r, "sourceVersion"), "12");
    json_decref(r);
    no("POST", "/api/pos/STORE-B/sync?sourceVersion=11", CSV, "sku,name,price\nTEA,Tea,67\n", 409,
       "STALE_VERSION");
    assert_int_equal(number("SELECT price_minor FROM endcap.item"), 6600);
}

int main(void)
{
    if (!api_fixture_possible(&x)) {
        return 77;
    }
    if (!api_fixture_start(&x)) {
        return 1;
    }
    super = pg_fixture_superuser(&x.pg);
    rng_init(&rng, api_fixture_seed());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_new_product_has_every_field, fresh),
        cmocka_unit_test_setup(a_product_is_made_once_and_where_the_platform_decides, fresh),
        cmocka_unit_test_setup(every_bad_field_of_a_new_product_is_listed_and_nothing_written,
                               fresh),
        cmocka_unit_test_setup(texts_are_stored_shown_and_their_gaps_told_and_closed, fresh),
        cmocka_unit_test_setup(wrong_texts_are_all_named_and_change_nothing, fresh),
        cmocka_unit_test_setup(lists_filter_by_text_category_and_missing_language, fresh),
        cmocka_unit_test_setup(a_synchronisation_is_taken_repeated_refused_and_its_health_told,
                               fresh),
        cmocka_unit_test_setup(an_older_version_of_the_till_comes_too_late, fresh),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_conn_close(super);
    api_fixture_stop(&x);
    return failed;
}
