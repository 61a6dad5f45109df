/* endcap-fleet as it ships: 200 labels over mutual TLS against a real Mosquitto; the test is the
 * platform. usage: test_endcap_fleet PATH-OF-ENDCAP-FLEET
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "test_fleet_world.h"

#define LABELS 200

static struct world w;

static void price_all(int64_t first_minor)
{
    for (size_t i = 0; i < w.count; i++) {
        world_price(&w, &w.labels[i], first_minor + (int64_t)i, false);
    }
}

static int64_t stat_of(const char *name)
{
    json_t *answer = world_ask(&w, "{\"get\":\"stats\"}");
    const json_t *value = json_object_get(json_object_get(answer, "stats"), name);
    assert_true(json_is_integer(value));
    int64_t number = json_integer_value(value);
    json_decref(answer);
    return number;
}

static int64_t member_of(const char *id, const char *name)
{
    json_t *answer = world_ask(&w, "{\"get\":\"dump\",\"on\":\"%s\"}", id);
    const json_t *devices = json_object_get(answer, "devices");
    assert_int_equal(json_array_size(devices), 1);
    const json_t *value = json_object_get(json_array_get(devices, 0), name);
    assert_true(json_is_integer(value));
    int64_t number = json_integer_value(value);
    json_decref(answer);
    return number;
}

static void assert_nothing_wrong(void)
{
    for (size_t i = 0; i < w.count; i++) {
        assert_int_equal(w.labels[i].wrong, 0);
    }
}

static void connects_and_asks_for_its_shadow(void **state)
{
    (void)state;
    world_wait(&w, "{\"wait\":{\"connected\":true,\"synced\":true}}");
    assert_int_equal(stat_of("connected"), LABELS);
    assert_int_equal(stat_of("handshakes"), LABELS);
    assert_int_equal(stat_of("failures"), 0);
    assert_int_equal(stat_of("signaturesRefused"), 0);
}

static void shows_and_confirms_signed_updates(void **state)
{
    (void)state;
    price_all(1000);
    world_expect_shown(&w);
    world_until_displayed(&w, 0, w.count);
    price_all(2000);
    world_expect_shown(&w);
    world_until_displayed(&w, 0, w.count);
    assert_nothing_wrong();
    json_t *answer = world_ask(&w, "{\"get\":\"stats\"}");
    const json_t *display = json_object_get(json_object_get(answer, "stats"), "displayMs");
    assert_int_equal(json_integer_value(json_object_get(display, "count")), 2 * LABELS);
    json_decref(answer);
}

static void comes_back_after_the_broker_was_gone(void **state)
{
    (void)state;
    broker_fixture_kill(&w.broker);
    world_wait(&w, "{\"wait\":{\"connected\":false}}");
    for (size_t i = 0; i < w.count; i++) {
        world_price(&w, &w.labels[i], 3000, true);
    }
    broker_fixture_restart(&w.broker);
    world_connect(&w);
    world_wait(&w, "{\"wait\":{\"connected\":true,\"synced\":true}}");
    world_expect_shown(&w);
    world_until_displayed(&w, 0, w.count);
    assert_true(stat_of("losses") >= LABELS);
}

static void keeps_the_picture_over_a_brown_out(void **state)
{
    (void)state;
    int64_t times = member_of(w.labels[0].id, "times");
    json_t *answer = world_ask(&w, "{\"do\":\"brownout\",\"on\":\"25%%\",\"ms\":100}");
    assert_int_equal(json_integer_value(json_object_get(answer, "count")), LABELS / 4);
    json_decref(answer);
    json_decref(world_ask(&w, "{\"do\":\"brownout\",\"on\":\"%s\",\"ms\":100}", w.labels[0].id));
    world_wait(&w, "{\"wait\":{\"state\":\"down\"},\"on\":\"%s\"}", w.labels[0].id);
    world_expect_shown(&w);
    world_wait(&w, "{\"wait\":{\"connected\":true,\"synced\":true,\"state\":\"running\"}}");
    assert_int_equal(member_of(w.labels[0].id, "times"), times); /* not drawn again */
}

static void survives_power_cuts_in_the_middle_of_writes(void **state)
{
    (void)state;
    for (unsigned writes = 1; writes <= 6; writes++) {
        json_decref(
            world_ask(&w, "{\"do\":\"brownout\",\"on\":40,\"ms\":20,\"writes\":%u}", writes));
        price_all(4000 + 100 * (int64_t)writes);
        world_expect_shown(&w);
    }
    json_decref(world_ask(&w, "{\"do\":\"heal\"}"));
    world_wait(&w, "{\"wait\":{\"connected\":true,\"synced\":true}}");
    world_expect_shown(&w);
    world_until_displayed(&w, 0, w.count);
    assert_nothing_wrong();
    assert_int_equal(stat_of("startFailures"), 0);
}

static void says_nothing_while_muted(void **state)
{
    (void)state;
    json_decref(
        world_ask(&w, "{\"do\":\"mute\",\"on\":[\"%s\",\"%s\"]}", w.labels[3].id, w.labels[4].id));
    price_all(5000);
    world_expect_shown(&w);
    world_until_displayed(&w, 0, 3);
    world_until_displayed(&w, 5, w.count);
    assert_int_equal(w.labels[3].displayed, 0);
    assert_int_equal(w.labels[4].displayed, 0);
    assert_true(stat_of("muted") >= 2);
    json_decref(world_ask(&w, "{\"do\":\"mute\",\"on\":\"all\",\"what\":\"none\"}"));
    json_decref(world_ask(&w, "{\"do\":\"disconnect\",\"on\":\"all\"}"));
    world_until_displayed(&w, 3, 5); /* it was an event on flash all the time */
}

static void refuses_what_the_platform_did_not_sign(void **state)
{
    (void)state;
    struct world_label *l = &w.labels[7];
    world_wait(&w, "{\"wait\":{\"connected\":true,\"synced\":true}}");
    char before[sizeof l->digest_text];
    memcpy(before, l->digest_text, sizeof before);
    json_decref(world_ask(&w, "{\"do\":\"refuse\",\"on\":\"%s\"}", l->id));
    world_price(&w, l, 7777, false);
    for (int i = 0; i < 2000 && l->refused == 0; i++) {
        world_run(&w, 5);
    }
    assert_true(l->refused > 0);
    world_wait(&w, "{\"wait\":{\"digest\":\"%s\"},\"on\":\"%s\"}", before, l->id);
    assert_int_equal(l->displayed, 0);
    json_decref(world_ask(&w, "{\"do\":\"heal\"}"));
    world_price(&w, l, 7778, false);
    world_expect_shown(&w);
}

static void bears_loss_delay_and_silence(void **state)
{
    (void)state;
    json_decref(world_ask(&w, "{\"do\":\"loss\",\"up\":20,\"down\":20}"));
    json_decref(world_ask(&w, "{\"do\":\"delay\",\"on\":\"labels\",\"least\":0,\"most\":50}"));
    json_decref(world_ask(&w, "{\"do\":\"cut\",\"on\":20,\"ms\":500}"));
    json_decref(world_ask(&w, "{\"do\":\"offline\",\"on\":20,\"ms\":300}"));
    json_decref(world_ask(&w, "{\"do\":\"sleep\",\"on\":20,\"ms\":200}"));
    json_decref(world_ask(&w, "{\"do\":\"clock\",\"on\":20,\"ahead\":3600000,\"ppm\":50000}"));
    price_all(6000);
    world_run(&w, 1000);
    json_decref(world_ask(&w, "{\"do\":\"heal\"}"));
    json_decref(world_ask(&w, "{\"do\":\"disconnect\"}"));
    world_expect_shown(&w);
    world_until_displayed(&w, 0, w.count);
    assert_nothing_wrong();
    assert_true(stat_of("lostOnPurpose") > 0);
}

static void goes_on_where_a_killed_fleet_was(void **state)
{
    (void)state;
    int64_t epoch = member_of(w.labels[9].id, "epoch");
    int64_t counter = member_of(w.labels[9].id, "lastCounter");
    (void)world_end(&w, SIGKILL);
    world_start(&w, (const char *const[]){"--off", NULL});
    world_expect_shown(&w); /* the picture needs no power */
    json_decref(world_ask(&w, "{\"do\":\"on\"}"));
    world_wait(&w, "{\"wait\":{\"connected\":true,\"synced\":true}}");
    assert_int_equal(member_of(w.labels[9].id, "epoch"), epoch);
    assert_true(member_of(w.labels[9].id, "lastCounter") > counter);
}

static void refuses_requests_it_does_not_understand(void **state)
{
    (void)state;
    world_refused(&w, "[]", "one JSON object");
    world_refused(&w, "{", "one JSON object");
    world_refused(&w, "{\"do\":\"explode\"}", "`do` is none of");
    world_refused(&w, "{\"do\":\"cut\",\"on\":\"ESP32-NOBODY\"}", "neither all");
    world_refused(&w, "{\"do\":\"cut\",\"for\":3}", "`for` is unknown");
    world_refused(&w, "{\"do\":\"cut\",\"ms\":-1}", "within its limits");
    world_refused(&w, "{\"do\":\"mute\",\"what\":\"loud\"}", "`what` is");
    world_refused(&w, "{\"wait\":{\"colour\":1}}", "cannot be waited for");
    world_refused(&w, "{\"get\":\"money\"}", "dump, stats or end");
    world_refused(&w, "{\"do\":\"cut\",\"at\":-1}", "number of seconds");
}

static void does_planned_actions_when_they_are_due(void **state)
{
    (void)state;
    const char *id = w.labels[11].id;
    json_decref(world_ask(&w, "{\"do\":\"off\",\"on\":\"%s\",\"at\":0.1}", id));
    world_wait(&w, "{\"wait\":{\"state\":\"off\"},\"on\":\"%s\"}", id);
    json_decref(world_ask(&w, "{\"do\":\"on\",\"on\":\"%s\",\"at\":0.1}", id));
    world_wait(&w, "{\"wait\":{\"connected\":true},\"on\":\"%s\"}", id);
}

static void ends_in_order_and_reports(void **state)
{
    (void)state;
    int status = world_end(&w, SIGTERM);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    json_t *report = json_load_file(w.report, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(report, "labels")), LABELS);
    assert_true(json_is_number(json_object_get(json_object_get(report, "handshakeMs"), "p99")));
    json_decref(report);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: test_endcap_fleet PATH-OF-ENDCAP-FLEET\n");
        return 2;
    }
    if (!world_open(&w, argv[1], LABELS)) {
        return 77;
    }
    world_start(&w, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connects_and_asks_for_its_shadow),
        cmocka_unit_test(shows_and_confirms_signed_updates),
        cmocka_unit_test(comes_back_after_the_broker_was_gone),
        cmocka_unit_test(keeps_the_picture_over_a_brown_out),
        cmocka_unit_test(survives_power_cuts_in_the_middle_of_writes),
        cmocka_unit_test(says_nothing_while_muted),
        cmocka_unit_test(refuses_what_the_platform_did_not_sign),
        cmocka_unit_test(bears_loss_delay_and_silence),
        cmocka_unit_test(refuses_requests_it_does_not_understand),
        cmocka_unit_test(does_planned_actions_when_they_are_due),
        cmocka_unit_test(goes_on_where_a_killed_fleet_was),
        cmocka_unit_test(ends_in_order_and_reports),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    world_close(&w);
    return failed == 0 ? 0 : 1;
}
