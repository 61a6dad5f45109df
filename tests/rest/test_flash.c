/* A light to find a label by, asked for over REST. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "fleet_fixture.h"
#include "shelf.h"

static struct fleet_fixture f;

#define HERE "/api/devices/ESP32-FLASH1/flash"
#define AWAY "/api/devices/ESP32-FLASH2/flash"

static int fresh(void **state)
{
    (void)state;
    pg_fixture_sql(f.su,
                   "DELETE FROM delivery; DELETE FROM shadow; DELETE FROM label; "
                   "INSERT INTO label (label_id, store_id, online) VALUES "
                   "('ESP32-FLASH1', 'STORE-A', true), ('ESP32-FLASH2', 'STORE-A', false); "
                   "INSERT INTO shadow (device_id, store_id) SELECT label_id, store_id FROM label");
    return 0;
}

static void assert_text(json_t *answer, const char *key, const char *want)
{
    assert_string_equal(fleet_fixture_string(answer, key), want);
}

static void a_label_that_is_there_is_told(void **state)
{
    (void)state;
    char body[2000];
    uint8_t block[4096];
    struct arena arena;
    struct shelf_flash flash;
    struct shelf_detail detail;
    json_t *answer = fleet_fixture_do(f.api, "POST", HERE,
                                      "{\"pattern\": \"blink\", \"durationSeconds\": 45, "
                                      "\"color\": \"green\"}",
                                      202);
    assert_text(answer, "state", "queued");
    assert_text(answer, "deviceId", "ESP32-FLASH1");
    fleet_fixture_text(&f,
                       "SELECT body::text FROM delivery WHERE kind = 'flash' AND state = 'queued'",
                       body, sizeof body);
    arena_init(&arena, block, sizeof block);
    assert_int_equal(shelf_flash_decode(span_text(body, sizeof body), &arena, &flash, &detail),
                     RES_OK);
    assert_int_equal(flash.pattern, SHELF_BLINK);
    assert_int_equal(flash.duration_s, 45);
    assert_int_equal(flash.colour, SHELF_GREEN);
    assert_true(
        span_equal(flash.update_id, span_text(fleet_fixture_string(answer, "updateId"), 36)));
    assert_int_equal(flash.expires_ms - flash.timestamp_ms, 55000);
    json_decref(answer);
    assert_int_equal(fleet_fixture_number(&f, "SELECT count(*) FROM audit_event WHERE action = "
                                              "'label.flash' AND target = 'ESP32-FLASH1'"),
                     1);
}

static void a_label_that_is_away_is_reported_at_once_and_kept(void **state)
{
    (void)state;
    json_t *answer = fleet_fixture_do(f.api, "POST", AWAY, "{\"pattern\": \"pulse\"}", 202);
    assert_text(answer, "state", "offline");
    json_decref(answer);
    assert_int_equal(
        fleet_fixture_number(&f, "SELECT count(*) FROM delivery WHERE state = 'pending' AND "
                                 "next_attempt_at IS NULL AND body ->> 'duration' = '30'"),
        1);
}

static void a_stop_takes_the_place_of_the_light(void **state)
{
    (void)state;
    json_decref(fleet_fixture_do(f.api, "POST", HERE, "{\"pattern\": \"solid\"}", 202));
    json_decref(fleet_fixture_do(f.api, "DELETE", HERE, NULL, 202));
    assert_int_equal(
        fleet_fixture_number(&f, "SELECT count(*) FROM delivery WHERE state = 'superseded'"), 1);
    assert_int_equal(
        fleet_fixture_number(&f, "SELECT count(*) FROM delivery n JOIN delivery o USING (label_id) "
                                 "WHERE n.state = 'queued' AND n.body ->> 'flashPattern' = 'stop' "
                                 "AND o.state = 'superseded' AND n.version > o.version"),
        1);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    json_decref(fleet_fixture_refused(f.api, "POST", HERE, "{\"pattern\": \"stop\"}", 400,
                                      "INVALID_PARAMETER"));
    json_decref(fleet_fixture_refused(f.api, "POST", HERE,
                                      "{\"pattern\": \"pulse\", \"durationSeconds\": 601}", 400,
                                      "INVALID_PARAMETER"));
    json_decref(fleet_fixture_refused(f.api, "POST", "/api/devices/ESP32-NOSUCH/flash",
                                      "{\"pattern\": \"pulse\"}", 404, "NOT_FOUND"));
    json_decref(fleet_fixture_refused(f.api_of_b, "POST", HERE, "{\"pattern\": \"pulse\"}", 404,
                                      "NOT_FOUND"));
    assert_int_equal(fleet_fixture_number(&f, "SELECT count(*) FROM delivery"), 0);
}

int main(void)
{
    if (!fleet_fixture_start(&f)) {
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_label_that_is_there_is_told, fresh),
        cmocka_unit_test_setup(a_label_that_is_away_is_reported_at_once_and_kept, fresh),
        cmocka_unit_test_setup(a_stop_takes_the_place_of_the_light, fresh),
        cmocka_unit_test_setup(what_cannot_be_is_refused, fresh),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fleet_fixture_stop(&f);
    return failed;
}
