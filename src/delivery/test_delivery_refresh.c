/* What is true becomes what labels shall show: content, digests, deliveries, gaps, as the api. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "delivery_refresh.h"
#include "delivery_review.h"
#include "pg_fixture.h"
#include "rng.h"
#include "shelf.h"

#define TEA  "00000000-0000-4000-8000-000000000001"
#define MILK "00000000-0000-4000-8000-000000000002"
#define RICE "00000000-0000-4000-8000-000000000003"

static struct pg_fixture pg;
static struct pg_conn *super;
static struct pg_conn *api;

static int fresh(void **state)
{
    (void)state;
    pg_fixture_sql(
        super, "TRUNCATE delivery, translation_gap, alert, store_section, item_batch, "
               "catalogue_version, shadow CASCADE; DELETE FROM label; DELETE FROM item; "
               "UPDATE store SET primary_language = 'en', settings = '{}';"
               "INSERT INTO item (item_id, store_id, sku, gtin, name, category, price_minor, "
               "mrp_minor, currency, per_kg) VALUES ('" TEA "', 'STORE-1', 'TEA-1', "
               "'08901234567890', '{\"en\": \"Tea\", \"hi\": \"चाय\"}', 'Drinks', 6500, 7000, "
               "'INR', false), ('" MILK "', 'STORE-1', 'MILK-1', '08901234567891', "
               "'{\"en\": \"Milk\"}', 'Dairy', 2800, NULL, 'INR', false), ('" RICE
               "', 'STORE-1', 'RICE-1', '08901234567892', '{\"en\": \"Rice\"}', 'Food', 9900, "
               "NULL, 'INR', true);"
               "INSERT INTO label (label_id, store_id, item_id, aisle, language, online) VALUES "
               "('ESP32-TEA001', 'STORE-1', '" TEA "', 'A1', NULL, true), "
               "('ESP32-TEA002', 'STORE-1', '" TEA "', 'A2', 'hi', true), "
               "('ESP32-MILK01', 'STORE-1', '" MILK "', 'A2', NULL, false), "
               "('ESP32-FREE01', 'STORE-1', NULL, NULL, NULL, true)");
    return 0;
}

static int64_t number(const char *sql)
{
    PGresult *rows = NULL;
    struct err why = {""};
    if (pg_conn_run(super, sql, NULL, &rows, &why) != RES_OK) {
        fail_msg("%s", why.text);
    }
    int64_t n = PQntuples(rows) == 0 ? -1 : pg_get_i64(rows, 0, 0);
    PQclear(rows);
    return n;
}

/* The first column of the one row, as C text. */
static const char *text(const char *sql)
{
    static char out[2048];
    PGresult *rows = NULL;
    struct err why = {""};
    if (pg_conn_run(super, sql, NULL, &rows, &why) != RES_OK) {
        fail_msg("%s", why.text);
    }
    assert_int_equal(PQntuples(rows), 1);
    assert_int_equal(span_copy_text(pg_get_span(rows, 0, 0), out, sizeof out), RES_OK);
    PQclear(rows);
    return out;
}

static void must(enum res r, const struct err *why)
{
    if (r != RES_OK) {
        fail_msg("%s: %s", res_name(r), why->text);
    }
}

static struct delivery_count refresh_because(const struct delivery_cause *cause,
                                             const char *const *items, size_t count)
{
    struct err why = {""};
    struct delivery_count got = {0, 0};
    struct delivery_item list[4];
    for (size_t i = 0; i < count; i++) {
        list[i] = (struct delivery_item){.item_id = items[i], .row_number = (int64_t)i + 1};
    }
    must(pg_conn_command(api, "BEGIN", &why), &why);
    must(delivery_refresh_items(api, list, count, cause, &got, &why), &why);
    must(pg_conn_command(api, "COMMIT", &why), &why);
    return got;
}

static struct delivery_count refresh(const char *item)
{
    struct delivery_cause cause = {0};
    return refresh_because(&cause, &item, 1);
}

static struct delivery_count refresh_labels(const char *const *labels, size_t count)
{
    struct err why = {""};
    struct delivery_count got = {0, 0};
    struct delivery_cause cause = {0};
    must(pg_conn_command(api, "BEGIN", &why), &why);
    must(delivery_refresh_labels(api, labels, count, &cause, &got, &why), &why);
    must(pg_conn_command(api, "COMMIT", &why), &why);
    return got;
}

static struct delivery_count refresh_label(const char *label)
{
    return refresh_labels(&label, 1);
}

#define DISPLAY(label) "SELECT desired -> 'display' FROM shadow WHERE device_id = '" label "'"

/* Decodes what the label would be sent; the digest must be the content's. */
static struct shelf_display shown(const char *sql)
{
    static uint8_t block[8192];
    static char json[4096];
    struct arena arena;
    struct shelf_display d;
    struct shelf_detail detail = {NULL, NULL};
    arena_init(&arena, block, sizeof block);
    PGresult *rows = NULL;
    struct err why = {""};
    must(pg_conn_run(super, sql, NULL, &rows, &why), &why);
    assert_int_equal(PQntuples(rows), 1);
    assert_int_equal(span_copy_text(pg_get_span(rows, 0, 0), json, sizeof json), RES_OK);
    PQclear(rows);
    if (shelf_display_decode(span_text(json, sizeof json), &arena, &d, &detail) != RES_OK) {
        fail_msg("%s %s in %s", detail.field, detail.rule, json);
    }
    return d;
}

static void assert_span(struct span got, const char *want)
{
    if (!span_equal(got, span_text(want, 1000))) {
        fail_msg("%.*s is not %s", (int)got.size, (const char *)got.data, want);
    }
}

static void every_label_of_the_product_gets_a_delivery_of_its_own(void **state)
{
    (void)state;
    struct delivery_count got = refresh(TEA);
    assert_int_equal(got.labels, 2);
    assert_int_equal(got.changed, 2);
    assert_int_equal(
        number("SELECT count(*) FROM delivery d JOIN shadow s ON s.device_id = "
               "d.label_id WHERE d.state = 'queued' AND d.attempts = 0 AND d.version = 1 "
               "AND d.item_id = '" TEA "' AND d.kind = 'display' "
               "AND s.desired -> 'display' ->> 'updateId' = d.delivery_id::text "
               "AND s.desired -> 'display' ->> 'digest' = encode(d.content_digest, "
               "'hex')"),
        2);
    struct shelf_display d = shown(DISPLAY("ESP32-TEA001"));
    assert_int_equal(d.template, SHELF_STANDARD);
    assert_span(d.name, "Tea");
    assert_span(d.product_id, "TEA-1");
    assert_int_equal(d.price_minor, 6500);
    assert_int_equal(d.mrp_minor, 7000);
    assert_span(d.url, "https://endcap.local/p/00000000000040008000000000000001");
    assert_string_equal(text("SELECT nfc_slug FROM item WHERE sku = 'TEA-1'"),
                        "00000000000040008000000000000001");
    assert_string_equal(text("SELECT (desired ->> 'price') || ' ' || (desired ->> 'flashEnabled') "
                             "FROM shadow WHERE device_id = 'ESP32-TEA001'"),
                        "65.00 false");
}

static void the_same_content_again_is_no_delivery(void **state)
{
    (void)state;
    (void)refresh(TEA);
    int64_t version = number("SELECT sum(version)::bigint FROM shadow");
    struct delivery_count got = refresh(TEA);
    assert_int_equal(got.labels, 2);
    assert_int_equal(got.changed, 0);
    assert_int_equal(number("SELECT count(*) FROM delivery"), 2);
    assert_int_equal(number("SELECT sum(version)::bigint FROM shadow"), version);
}

static void what_failed_is_tried_anew_with_an_id_of_its_own(void **state)
{
    (void)state;
    (void)refresh(TEA);
    pg_fixture_sql(super, "UPDATE delivery SET state = 'failed', finished_at = now() "
                          "WHERE label_id = 'ESP32-TEA001'");
    assert_int_equal(refresh(TEA).changed, 1);
    assert_int_equal(number("SELECT count(*) FROM delivery WHERE label_id = 'ESP32-TEA001' AND "
                            "version = 2 AND state = 'queued'"),
                     1);
}

static void a_newer_content_supersedes_the_open_delivery(void **state)
{
    (void)state;
    (void)refresh(TEA);
    pg_fixture_sql(super, "UPDATE item SET price_minor = 6000 WHERE sku = 'TEA-1'");
    assert_int_equal(refresh(TEA).changed, 2);
    assert_int_equal(number("SELECT count(*) FROM delivery WHERE state = 'superseded' AND version "
                            "= 1 AND finished_at IS NOT NULL"),
                     2);
    assert_int_equal(number("SELECT count(*) FROM delivery WHERE state = 'queued' AND version = 2"),
                     2);
    assert_int_equal(shown(DISPLAY("ESP32-TEA002")).price_minor, 6000);
}

static void a_sale_a_withdrawal_and_no_product_have_templates_of_their_own(void **state)
{
    (void)state;
    pg_fixture_sql(super, "UPDATE item SET is_flash_sale = true, regular_minor = 6500, "
                          "price_minor = 4900 WHERE sku = 'TEA-1'");
    (void)refresh(TEA);
    struct shelf_display d = shown(DISPLAY("ESP32-TEA001"));
    assert_int_equal(d.template, SHELF_SALE);
    assert_int_equal(d.regular_minor, 6500);
    pg_fixture_sql(super, "INSERT INTO item_batch (item_id, store_id, batch_number, expires_on, "
                          "state) VALUES ('" TEA "', 'STORE-1', 'B1', current_date - 3, 'listed')");
    (void)refresh(TEA);
    d = shown(DISPLAY("ESP32-TEA001"));
    assert_int_equal(d.template, SHELF_WITHDRAWN);
    assert_int_equal(d.price_minor, 0);
    pg_fixture_sql(super, "INSERT INTO item_batch (item_id, store_id, batch_number, expires_on) "
                          "VALUES ('" TEA "', 'STORE-1', 'B2', current_date + 30)");
    (void)refresh(TEA);
    assert_int_equal(shown(DISPLAY("ESP32-TEA001")).template, SHELF_SALE);
    pg_fixture_sql(super, "UPDATE item SET deleted_at = now() WHERE sku = 'TEA-1'");
    (void)refresh(TEA);
    assert_int_equal(shown(DISPLAY("ESP32-TEA001")).template, SHELF_WITHDRAWN);
    assert_int_equal(refresh_label("ESP32-FREE01").changed, 1);
    d = shown(DISPLAY("ESP32-FREE01"));
    assert_int_equal(d.template, SHELF_UNASSIGNED);
    assert_int_equal(d.product_id.size, 0);
}

static void an_offline_label_is_pending_without_an_attempt(void **state)
{
    (void)state;
    (void)refresh(MILK);
    assert_int_equal(
        number("SELECT count(*) FROM delivery WHERE state = 'pending' AND attempts = 0 "
               "AND next_attempt_at IS NULL"),
        1);
}

static void a_fall_waits_for_the_catalogue(void **state)
{
    (void)state;
    pg_fixture_sql(super, "INSERT INTO catalogue_version (store_id, version, item_count) VALUES "
                          "('STORE-1', 7, 3)");
    struct delivery_cause fall = {.fall_first = true};
    const char *tea = TEA;
    (void)refresh_because(&fall, &tea, 1);
    assert_int_equal(number("SELECT count(*) FROM delivery WHERE after_catalogue = 7"), 2);
}

static void what_takes_the_place_of_a_waiting_fall_waits_too(void **state)
{
    (void)state;
    pg_fixture_sql(super, "INSERT INTO catalogue_version (store_id, version, item_count) VALUES "
                          "('STORE-1', 7, 3)");
    struct delivery_cause fall = {.fall_first = true};
    const char *tea = TEA;
    (void)refresh_because(&fall, &tea, 1);
    pg_fixture_sql(super, "UPDATE delivery SET state = 'displayed', finished_at = now() "
                          "WHERE label_id = 'ESP32-TEA002'");
    pg_fixture_sql(super, "UPDATE item SET mrp_minor = 6900 WHERE sku = 'TEA-1'");
    assert_int_equal(refresh(TEA).changed, 2);
    assert_int_equal(number("SELECT count(*) FROM delivery WHERE label_id = 'ESP32-TEA001' AND "
                            "version = 2 AND after_catalogue = 7"),
                     1);
    assert_int_equal(number("SELECT count(*) FROM delivery WHERE label_id = 'ESP32-TEA002' AND "
                            "version = 2 AND after_catalogue IS NULL"),
                     1);
}

static void what_was_taken_back_is_delivered_anew(void **state)
{
    (void)state;
    (void)refresh(TEA);
    pg_fixture_sql(super, "UPDATE delivery SET state = 'superseded', finished_at = now() "
                          "WHERE label_id = 'ESP32-TEA001'"); /* as retiring a label does */
    assert_int_equal(refresh(TEA).changed, 1);
}

static void review_all(void)
{
    struct pg_conn *worker = pg_fixture_connect(&pg, MODEL_WORKER);
    struct err why = {""};
    for (int64_t part = 0; part < DELIVERY_REVIEW_PARTS; part++) {
        must(delivery_review_step(worker, part * DELIVERY_REVIEW_STEP_MS, &why), &why);
    }
    pg_conn_close(worker);
}

/* Everything is on its label since an hour. */
static void confirm_all(void)
{
    pg_fixture_sql(super, "UPDATE delivery SET state = 'displayed', created_at = now() - interval "
                          "'1 hour', finished_at = now() - interval '1 hour'; UPDATE label l SET "
                          "shown_version = d.version, shown_digest = d.content_digest, shown_at = "
                          "d.finished_at FROM delivery d WHERE d.kind = 'display' AND d.label_id = "
                          "l.label_id");
}

static void a_label_that_shows_another_than_it_confirmed_is_told_again(void **state)
{
    (void)state;
    review_all(); /* every label has its content and configuration from now on */
    confirm_all();
    review_all();
    assert_int_equal(number("SELECT count(*) FROM delivery WHERE finished_at IS NULL"), 0);
    pg_fixture_sql(super, "UPDATE label SET shown_version = 7, shown_digest = sha256('another'), "
                          "shown_at = now() - interval '2 minutes' WHERE label_id = "
                          "'ESP32-TEA001'");
    review_all();
    assert_int_equal(number("SELECT count(*) FROM delivery WHERE finished_at IS NULL"), 1);
    assert_int_equal(number("SELECT version FROM delivery WHERE finished_at IS NULL AND label_id = "
                            "'ESP32-TEA001'"),
                     8);
    assert_int_equal(shown(DISPLAY("ESP32-TEA001")).version, 8);
}

static void what_became_false_by_itself_is_found(void **state)
{
    (void)state;
    review_all();
    confirm_all();
    pg_fixture_sql(super, "INSERT INTO item_batch (item_id, store_id, batch_number, expires_on, "
                          "state) VALUES ('" TEA "', 'STORE-1', 'B1', current_date - 3, 'listed')");
    review_all();
    assert_int_equal(shown(DISPLAY("ESP32-TEA001")).template, SHELF_WITHDRAWN);
    assert_int_equal(shown(DISPLAY("ESP32-TEA002")).template, SHELF_WITHDRAWN);
    pg_fixture_sql(super, "DELETE FROM item_batch");
    review_all(); /* what was given something a moment ago waits for the next round */
    assert_int_equal(shown(DISPLAY("ESP32-TEA001")).template, SHELF_WITHDRAWN);
}

static void rows_of_a_job_are_named(void **state)
{
    (void)state;
    pg_fixture_sql(super,
                   "TRUNCATE bulk_job CASCADE; INSERT INTO bulk_job (job_id, store_id, kind, "
                   "row_count, created_by) VALUES ('" TEA "', 'STORE-1', 'price', 2, 'me')");
    struct delivery_cause job = {.job_id = TEA};
    const char *both[] = {TEA, MILK};
    (void)refresh_because(&job, both, 2);
    assert_int_equal(number("SELECT count(*) FROM delivery WHERE job_id = '" TEA
                            "' AND row_number = "
                            "1 AND item_id = '" TEA "'"),
                     2);
    assert_int_equal(number("SELECT row_number FROM delivery WHERE item_id = '" MILK "'"), 2);
}

static void a_stores_own_link_is_used_when_it_fits(void **state)
{
    (void)state;
    pg_fixture_sql(super, "UPDATE store SET settings = "
                          "'{\"productUrl\": \"https://shop.example/x/{slug}?src=tag\"}'");
    (void)refresh(TEA);
    assert_span(shown(DISPLAY("ESP32-TEA001")).url,
                "https://shop.example/x/00000000000040008000000000000001?src=tag");
    pg_fixture_sql(super,
                   "UPDATE store SET settings = '{\"productUrl\": \"https://shop.example\"}'");
    (void)refresh(TEA);
    assert_span(shown(DISPLAY("ESP32-TEA001")).url,
                "https://endcap.local/p/00000000000040008000000000000001");
}

/* Feature: smartshelf-india, Property 63: Translated Display Content
 * Feature: smartshelf-india, Property 64: Translation Fallback to English */
static void names_are_in_the_labels_language_or_english_with_one_alert(void **state)
{
    (void)state;
    static const char *const languages[] = {"en", "hi", "ta", "te", "bn", "mr"};
    const char *given = getenv("ENDCAP_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 20261121;
    print_message(
        "Feature: smartshelf-india, Property 63: Translated Display Content (120 cases)\n"
        "Feature: smartshelf-india, Property 64: Translation Fallback to English (120 cases)\n"
        "seed %llu\n",
        (unsigned long long)seed);
    struct rng rng;
    rng_init(&rng, seed);
    int64_t gaps = 0;
    bool seen[6] = {false};
    for (int i = 0; i < 120; i++) {
        char sql[900];
        size_t own = rng_below(&rng, 7);     /* 6: none of its own */
        size_t section = rng_below(&rng, 7); /* 6: no section */
        size_t store = rng_below(&rng, 6);
        size_t has = rng_below(&rng, 64) | 1; /* which translations there are */
        size_t want = own < 6 ? own : section < 6 ? section : store;
        char name[300] = "{";
        for (size_t l = 0; l < 6; l++) {
            if ((has >> l & 1) != 0) {
                size_t at = strlen(name);
                (void)snprintf(name + at, sizeof name - at, "%s\"%s\": \"%s %d\"", l > 0 ? "," : "",
                               languages[l], languages[l], i);
            }
        }
        (void)snprintf(sql, sizeof sql,
                       "UPDATE store SET primary_language = '%s'; DELETE FROM store_section; "
                       "UPDATE item SET name = '%s}' WHERE sku = 'MILK-1'; "
                       "UPDATE label SET language = %s%s%s WHERE label_id = 'ESP32-MILK01'",
                       languages[store], name, own < 6 ? "'" : "",
                       own < 6 ? languages[own] : "NULL", own < 6 ? "'" : "");
        pg_fixture_sql(super, sql);
        if (section < 6) {
            (void)snprintf(sql, sizeof sql,
                           "INSERT INTO store_section (store_id, aisle, language) "
                           "VALUES ('STORE-1', 'A2', '%s')",
                           languages[section]);
            pg_fixture_sql(super, sql);
        }
        (void)refresh(MILK);
        struct shelf_display d = shown(DISPLAY("ESP32-MILK01"));
        bool there = (has >> want & 1) != 0;
        char expected[40];
        (void)snprintf(expected, sizeof expected, "%s %d", languages[there ? want : 0], i);
        assert_int_equal(d.language, want);
        assert_span(d.name, expected);
        if (!there && !seen[want]) {
            seen[want] = true;
            gaps++;
        }
        assert_int_equal(number("SELECT count(*) FROM alert WHERE kind = 'missing_translation' AND "
                                "product_id = 'MILK-1' AND occurrences = 1"),
                         gaps);
        assert_int_equal(number("SELECT count(*) FROM translation_gap"), gaps);
    }
    assert_int_equal(gaps, 5);
}

static void labels_bound_anew_show_their_new_product(void **state)
{
    (void)state;
    (void)refresh(TEA);
    pg_fixture_sql(super, "UPDATE label SET item_id = '" MILK "' WHERE label_id = 'ESP32-TEA001'");
    const char *labels[] = {"ESP32-TEA002", "ESP32-TEA001"};
    struct delivery_count got = refresh_labels(labels, 2);
    assert_int_equal(got.labels, 2);
    assert_int_equal(got.changed, 1);
    assert_span(shown(DISPLAY("ESP32-TEA001")).product_id, "MILK-1");
}

static void a_retired_label_is_left_alone(void **state)
{
    (void)state;
    pg_fixture_sql(super, "UPDATE label SET retired_at = now() WHERE label_id = 'ESP32-TEA001'");
    assert_int_equal(refresh(TEA).labels, 1);
}

int main(void)
{
    if (!pg_fixture_start(&pg, PG_FIXTURE_FAST)) {
        return 77;
    }
    super = pg_fixture_superuser(&pg);
    api = pg_fixture_connect(&pg, MODEL_API);
    pg_fixture_store(super, "STORE-1");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_label_of_the_product_gets_a_delivery_of_its_own, fresh),
        cmocka_unit_test_setup(the_same_content_again_is_no_delivery, fresh),
        cmocka_unit_test_setup(what_failed_is_tried_anew_with_an_id_of_its_own, fresh),
        cmocka_unit_test_setup(a_newer_content_supersedes_the_open_delivery, fresh),
        cmocka_unit_test_setup(a_sale_a_withdrawal_and_no_product_have_templates_of_their_own,
                               fresh),
        cmocka_unit_test_setup(an_offline_label_is_pending_without_an_attempt, fresh),
        cmocka_unit_test_setup(a_fall_waits_for_the_catalogue, fresh),
        cmocka_unit_test_setup(what_takes_the_place_of_a_waiting_fall_waits_too, fresh),
        cmocka_unit_test_setup(what_was_taken_back_is_delivered_anew, fresh),
        cmocka_unit_test_setup(a_label_that_shows_another_than_it_confirmed_is_told_again, fresh),
        cmocka_unit_test_setup(what_became_false_by_itself_is_found, fresh),
        cmocka_unit_test_setup(rows_of_a_job_are_named, fresh),
        cmocka_unit_test_setup(a_stores_own_link_is_used_when_it_fits, fresh),
        cmocka_unit_test_setup(names_are_in_the_labels_language_or_english_with_one_alert, fresh),
        cmocka_unit_test_setup(labels_bound_anew_show_their_new_product, fresh),
        cmocka_unit_test_setup(a_retired_label_is_left_alone, fresh),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_conn_close(api);
    pg_conn_close(super);
    pg_fixture_stop(&pg);
    return failed;
}
