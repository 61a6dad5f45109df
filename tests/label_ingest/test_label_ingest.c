/* What labels say, into real PostgreSQL and real telemetry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "label_stream.h"
#include "label_world.h"

#define ONE    "ESP32-000001"
#define TWO    "ESP32-000002"
#define LABELS 4

static struct label_world world;

static int fresh(void **state)
{
    (void)state;
    label_world_close(&world);
    world.rate_per_second = 0;
    world.rate_burst = 0;
    label_world_reset(&world, LABELS);
    label_world_open(&world, "ingest-1-labels");
    return 0;
}

static void say(const char *id, const char *tail, const char *payload)
{
    label_world_offer(&world, id, tail, payload);
}

static void said(const char *id, const char *tail, const char *payload)
{
    say(id, tail, payload);
    label_world_flush(&world);
}

static void expect(const char *sql, const char *expected)
{
    label_world_expect(&world, sql, expected);
}

static int64_t number(const char *sql)
{
    return label_world_number(&world, sql);
}

static json_t *answer_to(const char *id)
{
    return json_loads(label_world_answer(&world, id), 0, NULL);
}

static int64_t through_told(const char *id)
{
    json_t *answer = answer_to(id);
    int64_t through = -1;
    if (answer != NULL) {
        const json_t *events = json_object_get(answer, "events");
        through = events == NULL ? 0 : json_integer_value(json_object_get(events, "through"));
    }
    json_decref(answer);
    return through;
}

#define ASK "{\"deviceId\":\"ESP32-000001\"}"
#define STATE(label, version)                                                                      \
    "SELECT state FROM delivery WHERE label_id = '" label "' AND version = " #version
#define OPEN_ALERTS(cause)                                                                         \
    "SELECT count(*) FROM alert WHERE status <> 'resolved' AND cause_key = '" cause "'"

/* ---- deliveries ---- */

static void an_ack_with_the_digest_ends_its_delivery(void **state)
{
    (void)state;
    label_world_delivery(&world, 1, 3, "ab", "sent");
    label_world_delivery(&world, 2, 3, "ab", "sent");
    say(ONE, "ack", label_world_ack(1, 1, 3, "ab"));
    said(TWO, "ack", label_world_ack(2, 1, 3, "cd"));
    expect(STATE(ONE, 3), "displayed");
    expect(STATE(TWO, 3), "sent"); /* it shows something else */
    expect("SELECT encode(shown_digest, 'hex') || ' ' || shown_version || ' ' || "
           "shown_price_minor || ' ' || shown_product_id || ' ' || online FROM label "
           "WHERE label_id = '" TWO "'",
           "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd 3 6500 TEA-1 true");
    assert_int_equal(number("SELECT stream_through FROM label WHERE label_id = '" ONE "'"), 1);
    assert_int_equal(label_world_stored(&world, ONE, 1), 1);
    expect("SELECT last_update_at AT TIME ZONE 'UTC' || '' FROM label WHERE label_id = '" ONE "'",
           "2026-11-21 10:00:00");
}

static void another_labels_ack_ends_nothing(void **state)
{
    (void)state;
    label_world_delivery(&world, 1, 3, "ab", "sent");
    char forged[1024];
    const char *ack = label_world_ack(1, 1, 3, "ab");
    (void)snprintf(forged, sizeof forged, "%s", ack);
    memcpy(strstr(forged, "ESP32-000001"), "ESP32-000002", 12);
    said(TWO, "ack", forged);
    expect(STATE(ONE, 3), "sent");
    said(TWO, "ack", ack); /* nor with another's name in the body */
    expect(STATE(ONE, 3), "sent");
    expect("SELECT reason || ' ' || claimed_device FROM dead_letter", "other_device " TWO);
}

static void a_duplicate_ack_changes_nothing(void **state)
{
    (void)state;
    label_world_delivery(&world, 1, 3, "ab", "sent");
    said(ONE, "ack", label_world_ack(1, 1, 3, "ab"));
    pg_fixture_sql(world.super, "UPDATE delivery SET finished_at = '2026-01-01'");
    said(ONE, "ack", label_world_ack(1, 1, 3, "ab"));
    said(ONE, "ack", label_world_ack(1, 2, 3, "ab")); /* the same update, told anew */
    assert_int_equal(number("SELECT count(*) FROM delivery WHERE finished_at = '2026-01-01'"), 1);
    assert_int_equal(label_world_figures(&world).duplicates, 1);
    assert_int_equal(label_world_stored(&world, ONE, 1), 2);
}

static void a_late_ack_ends_a_failed_delivery_and_its_alert(void **state)
{
    (void)state;
    label_world_delivery(&world, 1, 3, "ab", "failed");
    pg_fixture_sql(world.super, "SELECT raise_alert('STORE-1', 'price_update_failed', 'high', '" ONE
                                "', NULL, 'price_update_failed:" ONE "', 'no answer')");
    said(ONE, "ack", label_world_ack(1, 1, 3, "ab"));
    expect(STATE(ONE, 3), "displayed");
    assert_int_equal(number(OPEN_ALERTS("price_update_failed:" ONE)), 0);
}

static void an_alert_stays_while_a_newer_delivery_is_failed(void **state)
{
    (void)state;
    label_world_delivery(&world, 1, 3, "ab", "failed");
    label_world_delivery(&world, 1, 4, "cd", "failed");
    pg_fixture_sql(world.super, "SELECT raise_alert('STORE-1', 'price_update_failed', 'high', '" ONE
                                "', NULL, 'price_update_failed:" ONE "', 'no answer')");
    said(ONE, "ack", label_world_ack(1, 1, 3, "ab"));
    assert_int_equal(number(OPEN_ALERTS("price_update_failed:" ONE)), 1);
    said(ONE, "ack", label_world_ack(1, 2, 4, "cd"));
    assert_int_equal(number(OPEN_ALERTS("price_update_failed:" ONE)), 0);
}

static void a_refusal_fails_the_delivery_at_once_and_says_so(void **state)
{
    (void)state;
    label_world_delivery(&world, 1, 3, "ab", "sent");
    said(ONE, "ack",
         "{\"deviceId\":\"" ONE "\",\"epoch\":1,\"counter\":1,\"kind\":\"display\","
         "\"status\":\"refused\",\"updateId\":\"00000000-0000-4000-8000-000001000003\","
         "\"version\":3,\"why\":\"digest\"}");
    expect("SELECT state || ' ' || detail FROM delivery", "failed digest");
    expect("SELECT kind || ' ' || severity || ' ' || device_id FROM alert",
           "price_update_failed high " ONE);
}

static void a_status_confirms_what_a_lost_ack_did_not(void **state)
{
    (void)state;
    label_world_delivery(&world, 1, 3, "ab", "sent");
    label_world_delivery(&world, 2, 3, "ab", "failed");
    const char *more = ",\"shown\":{\"version\":3,\"digest\":"
                       "\"abababababababababababababababababababababababababababababababab\","
                       "\"price\":65.00,\"productId\":\"TEA-1\"}";
    say(ONE, "status", label_world_status(1, 1, 80, more));
    said(TWO, "status", label_world_status(2, 1, 80, more));
    expect(STATE(ONE, 3), "displayed");
    expect(STATE(TWO, 3), "displayed");
    assert_int_equal(number("SELECT count(*) FROM label WHERE shown_version = 3"), 2);
}

static void an_applied_configuration_is_confirmed_and_sets_the_interval(void **state)
{
    (void)state;
    pg_fixture_sql(world.super,
                   "UPDATE shadow SET desired = '{\"config\": {\"version\": 7, "
                   "\"syncPeakSeconds\": 60, \"syncOffPeakSeconds\": 600}}' WHERE device_id = '" ONE
                   "'; INSERT INTO delivery (delivery_id, label_id, store_id, kind, version, "
                   "state) VALUES ('00000000-0000-4000-8000-000000000007', '" ONE
                   "', 'STORE-1', 'config', 7, 'sent')");
    said(ONE, "ack",
         "{\"deviceId\":\"" ONE "\",\"epoch\":1,\"counter\":1,\"kind\":\"config\","
         "\"status\":\"applied\",\"updateId\":\"00000000-0000-4000-8000-000000000007\","
         "\"version\":7}");
    expect(STATE(ONE, 7), "displayed");
    expect("SELECT config_version || ' ' || sync_interval_s FROM label WHERE label_id = '" ONE "'",
           "7 600");
    said(ONE, "status", label_world_status(1, 2, 12, ",\"configVersion\":7"));
    expect("SELECT config_version || ' ' || sync_interval_s FROM label WHERE label_id = '" ONE "'",
           "7 2400"); /* low battery: four times as seldom */
}

/* ---- the newest word wins ---- */

static void an_older_event_never_overwrites_a_newer_one(void **state)
{
    (void)state;
    say(ONE, "status", label_world_status(1, 5, 40, ""));
    said(ONE, "ack", label_world_ack(1, 6, 9, "ee"));
    label_world_close(&world); /* another process, which knows nothing */
    label_world_open(&world, "ingest-2-labels");
    say(ONE, "status", label_world_status(1, 3, 90, ""));
    said(ONE, "ack", label_world_ack(1, 4, 8, "dd"));
    expect("SELECT battery_pct || ' ' || shown_version FROM label WHERE label_id = '" ONE "'",
           "40 9");
    label_world_close(&world);
    label_world_open(&world, "ingest-1-labels");
    said(ONE, "status", label_world_status(1, 7, 39, "")); /* it shows nothing any more */
    expect("SELECT battery_pct || ' ' || (shown_digest IS NULL) FROM label WHERE label_id = '" ONE
           "'",
           "39 true");
}

/* ---- the stream ---- */

static void the_stream_advances_only_without_holes(void **state)
{
    (void)state;
    say(ONE, "ack", label_world_ack(1, 1, 1, "aa"));
    say(ONE, "ack", label_world_ack(1, 2, 2, "aa"));
    say(ONE, "ack", label_world_ack(1, 5, 5, "aa"));
    said(ONE, "shadow/get", ASK);
    assert_int_equal(through_told(ONE), 2);
    say(ONE, "ack", label_world_ack(1, 4, 4, "aa"));
    say(ONE, "ack", label_world_ack(1, 3, 3, "aa"));
    said(ONE, "shadow/get", ASK);
    assert_int_equal(through_told(ONE), 5);
    assert_int_equal(label_world_stored(&world, ONE, 1), 5);
    assert_int_equal(world.unsigned_answers, 0);
    assert_int_equal(number("SELECT count(*) FROM alert"), 0);
}

static void a_new_epoch_begins_at_one_and_an_old_one_releases_nothing(void **state)
{
    (void)state;
    say(ONE, "ack", label_world_ack(1, 1, 1, "aa"));
    said(ONE, "status",
         "{\"deviceId\":\"" ONE "\",\"epoch\":2,\"counter\":1,\"reason\":\"boot\","
         "\"batteryLevel\":80,\"signalStrength\":-61,\"displayType\":\"tft\","
         "\"firmwareVersion\":\"1.2.4\"}");
    say(ONE, "ack", label_world_ack(1, 2, 2, "aa")); /* of epoch 1, on its way since */
    said(ONE, "shadow/get", ASK);
    assert_int_equal(through_told(ONE), 1);
    expect("SELECT stream_epoch || ' ' || firmware || ' ' || display_type FROM label WHERE "
           "label_id = '" ONE "'",
           "2 1.2.4 tft");
    assert_int_equal(label_world_stored(&world, ONE, 1), 2);
    assert_int_equal(label_world_stored(&world, ONE, 2), 1);
}

static void a_gap_record_is_believed_and_told(void **state)
{
    (void)state;
    say(ONE, "ack", label_world_ack(1, 1, 1, "aa"));
    say(ONE, "status", label_world_status(1, 5, 80, ",\"gap\":{\"from\":2,\"to\":4}"));
    said(ONE, "shadow/get", ASK);
    assert_int_equal(through_told(ONE), 5);
    expect("SELECT kind || ' ' || cause_key || ' ' || message FROM alert",
           "event_gap event_gap:" ONE " Events 2 to 4 of label " ONE " are lost.");
}

/* As after our database was restored from a backup: the label has released what we lack. */
static void a_label_that_is_ahead_of_us_is_not_stuck(void **state)
{
    (void)state;
    say(ONE, "ack", label_world_ack(1, 5000, 1, "aa"));
    say(ONE, "ack", label_world_ack(1, 5001, 2, "aa"));
    said(ONE, "shadow/get", ASK);
    for (int i = 0; i < LABEL_STREAM_STUCK; i++) {
        assert_true(through_told(ONE) < 5000);
        say(ONE, "ack", label_world_ack(1, 5000, 1, "aa")); /* its oldest */
        say(ONE, "ack", label_world_ack(1, 5001, 2, "aa"));
        said(ONE, "shadow/get", ASK);
    }
    assert_int_equal(through_told(ONE), 5001);
    assert_int_equal(number(OPEN_ALERTS("event_gap:" ONE)), 1);
}

/* ---- health ---- */

static void a_low_battery_is_told_once_and_over_at_25(void **state)
{
    (void)state;
    static const struct {
        int battery;
        int64_t open;
    } steps[] = {{20, 0}, {19, 1}, {21, 1}, {18, 1}, {24, 1}, {25, 0}, {20, 0}, {19, 1}};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        said(ONE, "status", label_world_status(1, (int64_t)i + 1, steps[i].battery, ""));
        assert_int_equal(number(OPEN_ALERTS("low_battery:" ONE)), steps[i].open);
    }
    assert_int_equal(number("SELECT count(*) FROM alert"), 2);
    assert_int_equal(number("SELECT max(occurrences) FROM alert"), 1);
    expect("SELECT first_pct || ' ' || last_pct FROM label_battery", "20 19");
}

/* ---- presence and sleep ---- */

#define ONLINE   "SELECT online || '' FROM label WHERE label_id = '" ONE "'"
#define UP(at)   "{\"online\":true,\"at\":" #at ",\"serial\":\"0A1B\"}"
#define DOWN(at) "{\"online\":false,\"at\":" #at "}"

static void presence_is_a_hint_in_the_brokers_order(void **state)
{
    (void)state;
    label_world_delivery(&world, 1, 3, "ab", "sent");
    said(NULL, "presence/" ONE, UP(2000));
    expect(ONLINE, "true");
    expect("SELECT connected_serial FROM label WHERE label_id = '" ONE "'", "0A1B");
    said(NULL, "presence/" ONE, DOWN(1000)); /* of the session before */
    expect(ONLINE, "true");
    expect(STATE(ONE, 3), "sent");
    said(NULL, "presence/" ONE, DOWN(3000));
    expect(ONLINE, "false");
    expect(STATE(ONE, 3), "pending");
    assert_int_equal(number("SELECT attempts FROM delivery"), 1);
    said(ONE, "status", label_world_status(1, 1, 80, "")); /* its own word wins */
    expect(ONLINE, "true");
    said(NULL, "presence/CART-0001", DOWN(1)); /* none of ours */
    said(NULL, "presence/ESP32-NOBODY", DOWN(1));
    assert_int_equal(number("SELECT count(*) FROM dead_letter"), 0);
}

static void who_is_not_counted_is_not_here(void **state)
{
    (void)state;
    pg_fixture_sql(world.super, "UPDATE label SET online = true, connected_at = '2026-01-01', "
                                "last_seen_at = '2026-01-01'");
    label_world_delivery(&world, 1, 3, "ab", "sent");
    label_world_delivery(&world, 2, 3, "ab", "sent");
    say(NULL, "presence/" TWO, UP(1800000000500));
    said(NULL, "presence/broker", "{\"started\":1700000000000,\"counted\":1800000000000}");
    expect(ONLINE, "false");
    expect("SELECT string_agg(label_id, ',') FROM label WHERE online", TWO);
    expect(STATE(ONE, 3), "pending");
    expect(STATE(TWO, 3), "sent");
}

static void a_label_that_announces_sleep_is_asleep(void **state)
{
    (void)state;
    label_world_delivery(&world, 1, 3, "ab", "sent");
    said(ONE, "status", label_world_status(1, 1, 80, ",\"reason\":\"sleep\",\"sleepSeconds\":600"));
    expect(ONLINE, "false");
    expect("SELECT (asleep_until > now() + interval '590 seconds') || '' FROM label "
           "WHERE label_id = '" ONE "'",
           "true");
    expect(STATE(ONE, 3), "pending");
    said(NULL, "presence/" ONE, DOWN(4000));
    expect("SELECT (asleep_until IS NULL) || '' FROM label WHERE label_id = '" ONE "'", "false");
    said(ONE, "shadow/get", ASK);
    expect("SELECT online || ' ' || (asleep_until IS NULL) FROM label WHERE label_id = '" ONE "'",
           "true true");
    expect("SELECT (next_attempt_at > now() + interval '3 seconds') || '' FROM delivery", "true");
}

/* ---- the shadow ---- */

static void a_question_is_answered_with_what_is_desired(void **state)
{
    (void)state;
    pg_fixture_sql(
        world.super,
        "UPDATE shadow SET version = 12, desired = '{\"display\": {\"deviceId\": \"" ONE
        "\", \"version\": 3, \"price\": 65.00}, \"config\": {\"version\": 2}, \"price\": 65.00, "
        "\"certificate\": {\"number\": 1}}' WHERE device_id = '" ONE "'");
    say(ONE, "ack", label_world_ack(1, 1, 1, "aa"));
    said(ONE, "shadow/get", ASK);
    json_t *answer = answer_to(ONE);
    assert_non_null(answer);
    assert_string_equal(json_string_value(json_object_get(answer, "deviceId")), ONE);
    assert_int_equal(json_integer_value(json_object_get(answer, "version")), 12);
    const json_t *display = json_object_get(answer, "display");
    assert_int_equal(json_integer_value(json_object_get(display, "version")), 3);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(answer, "certificate"), "number")), 1);
    assert_non_null(json_object_get(answer, "timestamp"));
    assert_non_null(strstr(label_world_answer(&world, ONE), "\"price\": 65.00")); /* as stored */
    assert_int_equal(through_told(ONE), 1);
    assert_int_equal(world.unsigned_answers, 0);
    json_decref(answer);
}

static void a_report_is_merged_and_raises_the_version_once(void **state)
{
    (void)state;
    const char *report = "{\"deviceId\":\"" ONE "\",\"location\":{\"aisle\":\"A1\",\"shelf\":"
                         "\"2\",\"position\":\"3\"},\"certificate\":{\"number\":2,\"csr\":"
                         "\"QUJDRA==\"}}";
    pg_fixture_sql(world.super,
                   "UPDATE shadow SET reported = '{\"own\": 1}' WHERE device_id = '" ONE "'");
    said(ONE, "shadow/update", report);
    said(ONE, "shadow/update", report);
    expect("SELECT version || ' ' || (reported -> 'own') || ' ' || (reported #>> "
           "'{location,aisle}') || ' ' || (reported #>> '{certificate,csr}') FROM shadow "
           "WHERE device_id = '" ONE "'",
           "2 1 A1 QUJDRA==");
    said(ONE, "shadow/update", "{\"deviceId\":\"" ONE "\",\"certificate\":{\"number\":2}}");
    expect("SELECT version || ' ' || (reported -> 'certificate') || ' ' || (reported #>> "
           "'{location,aisle}') FROM shadow WHERE device_id = '" ONE "'",
           "3 {\"number\": 2} A1");
}

/* ---- what is refused ---- */

static void each_refused_message_is_filed_with_its_field(void **state)
{
    (void)state;
    static char large[SHELF_UP_BYTES_MAX + 400];
    memset(large, ' ', sizeof large - 1);
    say(ONE, "status", "{\"deviceId\":\"" ONE "\",\"batteryLevel\":101}");
    say(ONE, "ack", "not json");
    say(ONE, "ack", large);
    say("ESP32-NOBODY", "shadow/get", "{\"deviceId\":\"ESP32-NOBODY\"}");
    say(NULL, "smartshelf/ESP32-000001/price/update", "{}");
    say(NULL, "smartshelf//ack", "{}");
    label_world_flush(&world);
    expect("SELECT string_agg(reason || ':' || coalesce(field, '-'), ' ' ORDER BY reason, field) "
           "FROM dead_letter",
           "bad_field:batteryLevel bad_field:payload too_long:- topic:- unknown_device:-");
    expect("SELECT store_id || '' FROM dead_letter WHERE field = 'batteryLevel'", "STORE-1");
    assert_int_equal(number("SELECT sum(occurrences)::bigint FROM dead_letter"), 6);
    assert_int_equal(label_world_figures(&world).refused[LABEL_INGEST_TOPIC], 2);
    said(ONE, "ack", label_world_ack(1, 1, 1, "aa")); /* and life goes on */
    assert_int_equal(label_world_stored(&world, ONE, 1), 1);
}

static void what_the_model_refuses_is_filed_and_stops_nobody(void **state)
{
    (void)state;
    pg_fixture_sql(world.super, "ALTER TABLE label ADD CONSTRAINT spoiler CHECK (shown_version IS "
                                "NULL OR shown_version <> 13)");
    for (unsigned i = 1; i <= LABELS; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "ESP32-%06u", i);
        say(id, "ack", label_world_ack(i, 1, i == 3 ? 13 : 1, "aa"));
    }
    said(ONE, "shadow/get", ASK);
    pg_fixture_sql(world.super, "ALTER TABLE label DROP CONSTRAINT spoiler");
    expect("SELECT claimed_device || ' ' || reason || ' ' || counter FROM dead_letter",
           "ESP32-000003 not_applied 1");
    assert_int_equal(number("SELECT count(*) FROM label WHERE stream_through = 1"), LABELS);
    assert_int_equal(number("SELECT count(*) FROM label WHERE shown_version = 1"), LABELS - 1);
    assert_int_equal(through_told(ONE), 1);
}

static void a_label_that_floods_is_held_back_alone(void **state)
{
    (void)state;
    label_world_close(&world);
    world.rate_per_second = 1;
    world.rate_burst = 10;
    label_world_open(&world, "ingest-1-labels");
    for (int i = 1; i <= 50; i++) {
        say(ONE, "ack", label_world_ack(1, i, 1, "aa"));
    }
    said(TWO, "ack", label_world_ack(2, 1, 1, "aa"));
    assert_in_range(label_world_figures(&world).rate_limited, 35, 40);
    assert_int_equal(number("SELECT stream_through FROM label WHERE label_id = '" TWO "'"), 1);
}

static void garbage_fills_the_desk_only_so_far(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        char text[32];
        (void)snprintf(text, sizeof text, "garbage %d", i);
        say(ONE, "ack", text);
    }
    label_world_flush(&world);
    assert_in_range(number("SELECT count(*) FROM dead_letter"), 18, 30);
    assert_int_equal(label_world_figures(&world).refused[LABEL_INGEST_BAD_FIELD], 100);
}

/* ---- trouble ---- */

static void a_lost_database_connection_costs_nothing(void **state)
{
    (void)state;
    label_world_delivery(&world, 1, 3, "ab", "sent");
    said(ONE, "status", label_world_status(1, 1, 80, ""));
    pg_fixture_sql(world.super, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                                "usename = 'endcap_ingest'");
    said(ONE, "ack", label_world_ack(1, 2, 3, "ab"));
    expect(STATE(ONE, 3), "displayed");
    assert_int_equal(label_world_stored(&world, ONE, 1), 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, fresh)
    const struct CMUnitTest tests[] = {
        TEST(an_ack_with_the_digest_ends_its_delivery),
        TEST(another_labels_ack_ends_nothing),
        TEST(a_duplicate_ack_changes_nothing),
        TEST(a_late_ack_ends_a_failed_delivery_and_its_alert),
        TEST(an_alert_stays_while_a_newer_delivery_is_failed),
        TEST(a_refusal_fails_the_delivery_at_once_and_says_so),
        TEST(a_status_confirms_what_a_lost_ack_did_not),
        TEST(an_applied_configuration_is_confirmed_and_sets_the_interval),
        TEST(an_older_event_never_overwrites_a_newer_one),
        TEST(the_stream_advances_only_without_holes),
        TEST(a_new_epoch_begins_at_one_and_an_old_one_releases_nothing),
        TEST(a_gap_record_is_believed_and_told),
        TEST(a_label_that_is_ahead_of_us_is_not_stuck),
        TEST(a_low_battery_is_told_once_and_over_at_25),
        TEST(presence_is_a_hint_in_the_brokers_order),
        TEST(who_is_not_counted_is_not_here),
        TEST(a_label_that_announces_sleep_is_asleep),
        TEST(a_question_is_answered_with_what_is_desired),
        TEST(a_report_is_merged_and_raises_the_version_once),
        TEST(each_refused_message_is_filed_with_its_field),
        TEST(what_the_model_refuses_is_filed_and_stops_nobody),
        TEST(a_label_that_floods_is_held_back_alone),
        TEST(garbage_fills_the_desk_only_so_far),
        TEST(a_lost_database_connection_costs_nothing),
    };
    if (!label_world_start(&world, PG_FIXTURE_FAST)) {
        return 77;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    label_world_stop(&world);
    return failed;
}
