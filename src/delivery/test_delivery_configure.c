/* What was said for a store, a section and a label becomes the label's configuration. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "delivery_configure.h"
#include "pg_fixture.h"
#include "shelf.h"

#define JOB "00000000-0000-4000-8000-000000000009"

static struct pg_fixture pg;
static struct pg_conn *super;
static struct pg_conn *api;
static struct err why;

static int fresh(void **state)
{
    (void)state;
    pg_fixture_sql(super,
                   "TRUNCATE delivery, store_section, label_default, shadow CASCADE; "
                   "DELETE FROM label; UPDATE store SET primary_language = 'mr';"
                   "INSERT INTO label (label_id, store_id, aisle, shelf, position, online) VALUES "
                   "('ESP32-AAA001', 'STORE-1', 'A1', 'S2', '3', true), "
                   "('ESP32-AAA002', 'STORE-1', NULL, NULL, NULL, true)");
    return 0;
}

static int64_t number(const char *sql)
{
    PGresult *rows = NULL;
    if (pg_conn_run(super, sql, NULL, &rows, &why) != RES_OK) {
        fail_msg("%s", why.text);
    }
    int64_t n = PQntuples(rows) == 0 ? -1 : pg_get_i64(rows, 0, 0);
    PQclear(rows);
    return n;
}

static enum res configure_as(const struct delivery_cause *cause, const char *const *labels,
                             const char *const *patches, size_t count, int64_t first_row,
                             struct delivery_count *ret)
{
    assert_int_equal(pg_conn_command(api, "BEGIN", &why), RES_OK);
    enum res r = delivery_configure(api, labels, patches, count, cause, first_row, ret, &why);
    struct err unused;
    enum res end = pg_conn_command(api, r == RES_OK ? "COMMIT" : "ROLLBACK", &unused);
    assert_int_equal(end, RES_OK);
    return r;
}

static int64_t configure(const char *label, const char *patch)
{
    struct delivery_cause cause = {0};
    struct delivery_count got = {0, 0};
    if (configure_as(&cause, &label, &patch, 1, 0, &got) != RES_OK) {
        fail_msg("%s", why.text);
    }
    return got.changed;
}

static struct shelf_config config_of(const char *label)
{
    static uint8_t block[8192];
    static char json[4096];
    struct arena arena;
    struct shelf_config c;
    struct shelf_detail detail;
    struct pg_params p;
    PGresult *rows = NULL;
    pg_params_init(&p);
    pg_params_cstr(&p, label);
    arena_init(&arena, block, sizeof block);
    assert_int_equal(pg_conn_run(super,
                                 "SELECT desired -> 'config' FROM shadow WHERE device_id = $1", &p,
                                 &rows, &why),
                     RES_OK);
    assert_int_equal(span_copy_text(pg_get_span(rows, 0, 0), json, sizeof json), RES_OK);
    PQclear(rows);
    assert_int_equal(shelf_config_decode(span_text(json, sizeof json), &arena, &c, &detail),
                     RES_OK);
    return c;
}

static void without_a_word_it_is_the_factorys_with_place_and_language(void **state)
{
    (void)state;
    assert_int_equal(configure("ESP32-AAA001", NULL), 1);
    struct shelf_config c = config_of("ESP32-AAA001");
    assert_int_equal(c.led_brightness_pct, 80);
    assert_int_equal(c.sync_peak_s, 300);
    assert_int_equal(c.sync_off_peak_s, 1800);
    assert_int_equal(c.peak_from_min, 480);
    assert_int_equal(c.idle_timeout_s, 0);
    assert_int_equal(c.utc_offset_min, 330);
    assert_int_equal(c.language, SHELF_MR);
    assert_true(span_equal(c.aisle, SPAN_LIT("A1")));
    assert_true(span_equal(c.position, SPAN_LIT("3")));
    assert_int_equal(
        number("SELECT count(*) FROM delivery WHERE kind = 'config' AND version = 1 AND "
               "state = 'queued' AND content_digest IS NULL"),
        1);
    assert_int_equal(number("SELECT (desired ->> 'syncInterval')::bigint FROM shadow"), 300);
    assert_int_equal(configure("ESP32-AAA001", NULL), 0);
}

static void a_labels_own_word_goes_before_the_stores_and_can_be_taken_back(void **state)
{
    (void)state;
    pg_fixture_sql(super, "INSERT INTO label_default (store_id, config) VALUES ('STORE-1', "
                          "'{\"ledBrightness\": 50, \"syncPeakSeconds\": 120}')");
    (void)configure("ESP32-AAA001", NULL);
    assert_int_equal(config_of("ESP32-AAA001").led_brightness_pct, 50);
    assert_int_equal(configure("ESP32-AAA001", "{\"ledBrightness\": 20}"), 1);
    assert_int_equal(config_of("ESP32-AAA001").led_brightness_pct, 20);
    assert_int_equal(config_of("ESP32-AAA001").version, 2);
    pg_fixture_sql(super, "UPDATE label_default SET config = '{\"ledBrightness\": 60, "
                          "\"syncPeakSeconds\": 60}'");
    assert_int_equal(configure("ESP32-AAA001", NULL), 1);
    assert_int_equal(config_of("ESP32-AAA001").led_brightness_pct, 20);
    assert_int_equal(config_of("ESP32-AAA001").sync_peak_s, 60);
    assert_int_equal(configure("ESP32-AAA001", "{\"ledBrightness\": null}"), 1);
    assert_int_equal(config_of("ESP32-AAA001").led_brightness_pct, 60);
    assert_int_equal(number("SELECT count(*) FROM delivery WHERE state = 'superseded'"), 3);
}

static void a_patch_names_neither_place_nor_language_nor_version(void **state)
{
    (void)state;
    (void)configure("ESP32-AAA001", "{\"language\": \"ta\", \"version\": 99, \"location\": "
                                    "{\"aisle\": \"Z\"}}");
    struct shelf_config c = config_of("ESP32-AAA001");
    assert_int_equal(c.language, SHELF_MR);
    assert_int_equal(c.version, 1);
    assert_true(span_equal(c.aisle, SPAN_LIT("A1")));
}

static void a_value_that_cannot_be_changes_nothing(void **state)
{
    (void)state;
    struct delivery_cause cause = {0};
    struct delivery_count got = {-1, -1};
    const char *labels[] = {"ESP32-AAA002", "ESP32-AAA001"};
    const char *patches[] = {NULL, "{\"ledBrightness\": 101}"};
    assert_int_equal(configure_as(&cause, labels, patches, 2, 0, &got), RES_INVALID);
    assert_non_null(strstr(why.text, "ledBrightness"));
    assert_non_null(strstr(why.text, "ESP32-AAA001"));
    assert_int_equal(got.labels, -1);
    assert_int_equal(number("SELECT count(*) FROM delivery"), 0);
}

static void rows_of_a_job_are_named_from_the_first(void **state)
{
    (void)state;
    pg_fixture_sql(super,
                   "TRUNCATE bulk_job CASCADE; INSERT INTO bulk_job (job_id, store_id, kind, "
                   "row_count, created_by) VALUES ('" JOB "', 'STORE-1', 'config', 9, 'me')");
    struct delivery_cause cause = {.job_id = JOB};
    struct delivery_count got = {0, 0};
    const char *labels[] = {"ESP32-AAA002", "ESP32-AAA001"};
    assert_int_equal(configure_as(&cause, labels, NULL, 2, 5, &got), RES_OK);
    assert_int_equal(got.changed, 2);
    assert_int_equal(number("SELECT row_number FROM delivery WHERE label_id = 'ESP32-AAA002'"), 5);
    assert_int_equal(number("SELECT row_number FROM delivery WHERE label_id = 'ESP32-AAA001'"), 6);
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
        cmocka_unit_test_setup(without_a_word_it_is_the_factorys_with_place_and_language, fresh),
        cmocka_unit_test_setup(a_labels_own_word_goes_before_the_stores_and_can_be_taken_back,
                               fresh),
        cmocka_unit_test_setup(a_patch_names_neither_place_nor_language_nor_version, fresh),
        cmocka_unit_test_setup(a_value_that_cannot_be_changes_nothing, fresh),
        cmocka_unit_test_setup(rows_of_a_job_are_named_from_the_first, fresh),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_conn_close(api);
    pg_conn_close(super);
    pg_fixture_stop(&pg);
    return failed;
}
