/* Sleep, sync intervals, low battery, the lamp, backoff. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "label_power.h"
#include "test_label.h"

#define CASES     120
#define HOUR_MS   INT64_C(3600000)
#define MINUTE_MS INT64_C(60000)

/* Feature: smartshelf-india, Property 66: Deep Sleep Mode Activation */
static void sleeps_when_nothing_is_pending_for_the_idle_timeout(void **state)
{
    (void)state;
    printf("Feature: smartshelf-india, Property 66: Deep Sleep Mode Activation (%d cases), seed "
           "%llu\n",
           CASES, (unsigned long long)test_label_seed());
    for (int i = 0; i < CASES; i++) {
        struct test_label *w = test_label_new(test_label_seed() + (uint64_t)i);
        struct shelf_config config = test_label_config();
        config.idle_timeout_s = 5 + (int32_t)rng_below(&w->rng, 200);
        config.sync_peak_s = 300 + (int32_t)rng_below(&w->rng, 2000);
        config.sync_off_peak_s = config.sync_peak_s;
        test_label_configure(w, 1, &config);
        test_label_ready(w);
        int64_t idle_ms = (int64_t)config.idle_timeout_s * 1000;
        /* Updates keep it awake: one comes before each timeout. */
        for (int n = 1; n <= 3; n++) {
            test_label_run(w, idle_ms - 1000);
            assert_int_equal(test_label_look(w).link, LABEL_ONLINE);
            test_label_price(w, n);
            test_label_send_display(w);
            test_label_run(w, 10);
        }
        test_label_run(w, idle_ms - 1000);
        assert_int_equal(w->power.sleeps, 0);
        test_label_run(w, 1000 + LABEL_SLEEP_LINGER_MS + 100);
        assert_int_equal(test_label_look(w).link, LABEL_ASLEEP);
        assert_int_equal(w->power.sleeps, 1);
        assert_int_equal(w->power.duration_ms, (int64_t)config.sync_peak_s * 1000);
        assert_int_equal(w->status.reason, SHELF_SLEEP);
        assert_int_equal(w->status.sleep_s, config.sync_peak_s);
        assert_false(w->connected);
        assert_memory_equal(w->panel.digest, w->display.display.digest, SHELF_DIGEST_BYTES);
        test_label_free(w);
    }
}

static void wakes_syncs_applies_and_sleeps_again(void **state)
{
    (void)state;
    struct test_label *w = test_label_new(1);
    struct shelf_config config = test_label_config();
    config.idle_timeout_s = 60;
    config.sync_peak_s = 600;
    config.sync_off_peak_s = 600;
    test_label_configure(w, 1, &config);
    test_label_ready(w);
    test_label_run(w, 61000);
    for (int n = 1; n <= 5; n++) {
        assert_int_equal(test_label_look(w).link, LABEL_ASLEEP);
        test_label_price(w, n);
        unsigned gets = w->gets;
        unsigned steps = w->steps;
        int64_t rest_ms = test_label_look(w).asleep_until_ms - w->now_ms;
        assert_in_range(rest_ms, 500000, 600000);
        test_label_run(w, rest_ms);
        assert_int_equal(w->steps, steps); /* asleep costs nothing */
        if (n % 2 == 0) {                  /* RAM was lost in deep sleep: it starts anew */
            w->settings.woken = true;
            assert_true(test_label_boot(w));
        }
        test_label_run(w, 20000);
        assert_int_equal(test_label_look(w).version, n);
        assert_true(w->gets > gets);
        assert_int_equal(test_label_missing(w), 0);
        assert_int_equal(test_label_acks(w, SHELF_DISPLAYED, w->display.update_id, NULL), 1);
        test_label_run(w, 60000); /* an update keeps it awake as long as any */
    }
    unsigned connects = test_label_look(w).counts.connects;
    test_label_run(w, HOUR_MS);
    assert_true(test_label_look(w).counts.connects - connects <= 6);
    test_label_free(w);
}

static void stays_awake_for_what_is_pending_or_lit(void **state)
{
    (void)state;
    struct test_label *w = test_label_new(2);
    struct shelf_config config = test_label_config();
    config.idle_timeout_s = 10;
    config.refresh_interval_s = 100;
    test_label_configure(w, 1, &config);
    test_label_ready(w);
    test_label_price(w, 1);
    test_label_send_display(w);
    test_label_run(w, 80000); /* waits for the refresh interval since the first screen */
    assert_true(test_label_look(w).pending);
    assert_int_equal(test_label_look(w).link, LABEL_ONLINE);
    test_label_run(w, 21000);
    assert_int_equal(test_label_look(w).version, 1);
    struct shelf_flash flash = test_label_flash(w, 1, SHELF_PULSE, 60);
    test_label_send_flash(w, &flash);
    test_label_run(w, 59000);
    assert_int_equal(test_label_look(w).link, LABEL_ONLINE);
    test_label_run(w, 10000);
    assert_int_equal(test_label_look(w).link, LABEL_ASLEEP);
    test_label_free(w);
}

/* Feature: smartshelf-india, Property 69: Differential Sleep Schedule Configuration */
static void syncs_by_the_stores_hour_of_the_day(void **state)
{
    (void)state;
    printf("Feature: smartshelf-india, Property 69: Differential Sleep Schedule Configuration (%d "
           "cases), seed %llu\n",
           CASES, (unsigned long long)test_label_seed());
    struct rng rng;
    rng_init(&rng, test_label_seed());
    for (int i = 0; i < CASES; i++) {
        struct test_label *w = test_label_new(test_label_seed() + (uint64_t)i);
        struct shelf_config config = test_label_config();
        config.peak_from_min = (int32_t)rng_below(&rng, 1440);
        config.peak_to_min = (int32_t)rng_below(&rng, 1440);
        config.utc_offset_min = (int32_t)rng_below(&rng, 1681) - 840;
        config.sync_peak_s = 5 + (int32_t)rng_below(&rng, 600);
        config.sync_off_peak_s = config.sync_peak_s + 1 + (int32_t)rng_below(&rng, 3600);
        test_label_configure(w, 1, &config);
        w->now_ms = (int64_t)rng_below(&rng, 86400000) + 1000;
        test_label_ready(w);
        /* The hour, counted another way: minute by minute from the peak's begin. */
        int64_t local = (TEST_LABEL_UTC_MS + w->now_ms) / MINUTE_MS + config.utc_offset_min;
        int32_t minute = (int32_t)(local % 1440);
        bool peak = config.peak_from_min == config.peak_to_min;
        for (int32_t m = config.peak_from_min; m != config.peak_to_min; m = (m + 1) % 1440) {
            peak = peak || m == minute;
        }
        int32_t sync_s = peak ? config.sync_peak_s : config.sync_off_peak_s;
        assert_int_equal(test_label_look(w).sync_s, sync_s);
        unsigned gets = w->gets;
        test_label_run(w, (int64_t)sync_s * 1000 * 15 / 16 - 2000 < 0
                              ? 0
                              : (int64_t)sync_s * 1000 * 15 / 16 - 2000);
        assert_true(w->gets - gets <= 1); /* at most one to release the first events */
        gets = w->gets;
        test_label_run(w, (int64_t)sync_s * 1000 / 16 + 3000);
        assert_true(w->gets > gets);
        assert_int_equal(w->status.reason, SHELF_INTERVAL);
        test_label_free(w);
    }
}

/* Feature: smartshelf-india, Property 70: Low Battery Power Saving Mode */
static void spares_a_low_battery_until_it_is_charged_enough(void **state)
{
    (void)state;
    printf("Feature: smartshelf-india, Property 70: Low Battery Power Saving Mode (%d cases), seed "
           "%llu\n",
           CASES, (unsigned long long)test_label_seed());
    struct test_label *w = test_label_new(test_label_seed() + 70);
    bool low = false;
    struct shelf_config config = test_label_config();
    test_label_ready(w);
    for (int i = 1; i <= CASES; i++) {
        config.led_brightness_pct = 1 + (int32_t)rng_below(&w->rng, 100);
        config.sync_peak_s = 60 + (int32_t)rng_below(&w->rng, 5000);
        config.sync_off_peak_s = config.sync_peak_s;
        test_label_configure(w, i, &config);
        test_label_send_config(w);
        test_label_run(w, 10);
        w->board.reading.battery_pct = 15 + (int32_t)rng_below(&w->rng, 15);
        low = w->board.reading.battery_pct < (low ? 25 : 20);
        test_label_run(w, LABEL_BATTERY_MS);
        struct shelf_flash flash = test_label_flash(w, i, SHELF_SOLID, 3);
        test_label_send_flash(w, &flash);
        test_label_run(w, 10);
        if (rng_below(&w->rng, 4) == 0) {
            assert_true(test_label_boot(w)); /* between 20 and 25 it must remember */
            test_label_run(w, 100);
            flash = test_label_flash(w, i + 1, SHELF_SOLID, 3);
        }
        struct label_view v = test_label_look(w);
        assert_int_equal(v.low_battery, low);
        int32_t pct = config.led_brightness_pct;
        assert_int_equal(v.lamp_pct, low && pct > 1 ? pct / 2 : pct);
        assert_int_equal(v.sync_s, low ? config.sync_peak_s * 4 : config.sync_peak_s);
        if (v.lamp != SHELF_STOP) {
            assert_int_equal(w->led.brightness_pct, v.lamp_pct);
        }
        test_label_run(w, 5000);
    }
    test_label_free(w);
}

static void tells_at_once_that_its_battery_is_low(void **state)
{
    (void)state;
    struct test_label *w = test_label_new(3);
    test_label_ready(w);
    w->board.reading.battery_pct = 20;
    test_label_run(w, 400000);
    assert_int_equal(w->notes[LABEL_NOTE_BATTERY], 0);
    w->board.reading.battery_pct = 19;
    test_label_run(w, 400000);
    assert_int_equal(w->notes[LABEL_NOTE_BATTERY], 1);
    assert_int_equal(w->status.battery_pct, 19);
    test_label_free(w);
}

/* --- lamp --- */

static void lights_each_pattern_for_its_duration(void **state)
{
    (void)state;
    static const struct {
        enum shelf_pattern pattern;
        enum led_pattern led;
    } cases[] = {{SHELF_PULSE, LED_PULSE}, {SHELF_BLINK, LED_BLINK}, {SHELF_SOLID, LED_SOLID}};
    struct test_label *w = test_label_new(4);
    test_label_ready(w);
    for (size_t i = 0; i < 3; i++) {
        struct shelf_flash flash = test_label_flash(w, (int64_t)i + 1, cases[i].pattern, 30);
        char id[SHELF_UPDATE_ID_BYTES + 1];
        assert_int_equal(span_copy_text(flash.update_id, id, sizeof id), RES_OK);
        test_label_send_flash(w, &flash);
        test_label_run(w, 10);
        assert_int_equal(w->led.pattern, cases[i].led);
        assert_int_equal(w->led.colour, LED_GREEN);
        assert_int_equal(w->led.brightness_pct, 80);
        assert_int_equal(test_label_acks(w, SHELF_STARTED, id, NULL), 1);
        test_label_run(w, 29000);
        assert_int_equal(w->led.pattern, cases[i].led);
        test_label_run(w, 1000);
        assert_int_equal(w->led.pattern, LED_OFF);
        assert_int_equal(test_label_acks(w, SHELF_STOPPED, id, NULL), 1);
    }
    test_label_free(w);
}

static void the_newest_flash_command_wins(void **state)
{
    (void)state;
    struct test_label *w = test_label_new(5);
    test_label_ready(w);
    struct shelf_flash flash = test_label_flash(w, 5, SHELF_BLINK, 600);
    test_label_send_flash(w, &flash);
    test_label_run(w, 1000);
    flash = test_label_flash(w, 4, SHELF_SOLID, 600); /* overtaken on the way */
    test_label_send_flash(w, &flash);
    test_label_run(w, 1000);
    assert_int_equal(w->led.pattern, LED_BLINK);
    flash = test_label_flash(w, 6, SHELF_PULSE, 10);
    test_label_send_flash(w, &flash);
    test_label_run(w, 1000);
    assert_int_equal(w->led.pattern, LED_PULSE);
    test_label_run(w, 10000);
    assert_int_equal(w->led.pattern, LED_OFF); /* and the first does not come back */
    flash = test_label_flash(w, 7, SHELF_SOLID, 600);
    test_label_send_flash(w, &flash);
    test_label_run(w, 10);
    struct shelf_flash stop = test_label_flash(w, 8, SHELF_STOP, 0);
    test_label_send_flash(w, &stop);
    test_label_run(w, 10);
    assert_int_equal(w->led.pattern, LED_OFF);
    test_label_free(w);
}

static void lights_nothing_for_a_replayed_or_late_command(void **state)
{
    (void)state;
    struct test_label *w = test_label_new(6);
    test_label_ready(w);
    struct shelf_flash flash = test_label_flash(w, 1, SHELF_BLINK, 5);
    test_label_send_flash(w, &flash);
    struct test_label_down old = w->downs[0];
    test_label_run(w, 20000);
    assert_int_equal(w->led.pattern, LED_OFF);
    w->downs[w->down_count++] = old;
    test_label_run(w, 10);
    assert_true(test_label_boot(w)); /* it remembers over a restart */
    test_label_run(w, 100);
    unsigned sets = w->led.sets;
    w->downs[w->down_count++] = old;
    test_label_run(w, 10);
    assert_int_equal(w->led.sets, sets);
    flash = test_label_flash(w, 2, SHELF_BLINK, 5);
    flash.expires_ms = TEST_LABEL_UTC_MS + w->now_ms - 1;
    test_label_send_flash(w, &flash);
    test_label_run(w, 20000);
    assert_int_equal(w->led.sets, sets);
    test_label_free(w);
}

/* --- backoff --- */

static void backs_off_to_a_minute_and_after_ten_failures_to_five(void **state)
{
    (void)state;
    static const int64_t pauses[] = {1000,  2000,  4000,  8000,  16000,  32000,
                                     60000, 60000, 60000, 60000, 300000, 300000};
    struct test_label *w = test_label_new(7);
    w->down = true;
    assert_true(test_label_boot(w));
    test_label_run(w, 1);
    for (size_t i = 0; i < sizeof pauses / sizeof pauses[0]; i++) {
        unsigned attempts = w->attempts;
        int64_t from_ms = w->now_ms;
        while (w->attempts == attempts) {
            test_label_run(w, 10);
        }
        int64_t pause_ms = w->now_ms - from_ms;
        assert_in_range(pause_ms, pauses[i] * 9 / 10 - 20, pauses[i] + 20);
    }
    assert_true(test_label_look(w).low_power);
    w->down = false;
    test_label_run(w, 301000);
    assert_true(test_label_look(w).synced);
    assert_false(test_label_look(w).low_power);
    test_label_free(w);
}

static void gives_an_attempt_up_that_has_no_outcome(void **state)
{
    (void)state;
    struct test_label *w = test_label_new(8);
    w->silent = true;
    assert_true(test_label_boot(w));
    test_label_run(w, LABEL_CONNECT_TIMEOUT_MS + 2000);
    assert_int_equal(w->attempts, 2);
    w->silent = false;
    test_label_run(w, 1000);
    assert_true(test_label_look(w).synced);
    test_label_free(w);
}

static void costs_a_step_a_sync_when_idle(void **state)
{
    (void)state;
    struct test_label *w = test_label_new(9);
    test_label_ready(w);
    test_label_run(w, 120000);
    unsigned steps = w->steps;
    test_label_run(w, 10 * HOUR_MS);
    assert_true(w->steps - steps < 10 * 12 * 10);
    test_label_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sleeps_when_nothing_is_pending_for_the_idle_timeout),
        cmocka_unit_test(wakes_syncs_applies_and_sleeps_again),
        cmocka_unit_test(stays_awake_for_what_is_pending_or_lit),
        cmocka_unit_test(syncs_by_the_stores_hour_of_the_day),
        cmocka_unit_test(spares_a_low_battery_until_it_is_charged_enough),
        cmocka_unit_test(tells_at_once_that_its_battery_is_low),
        cmocka_unit_test(lights_each_pattern_for_its_duration),
        cmocka_unit_test(the_newest_flash_command_wins),
        cmocka_unit_test(lights_nothing_for_a_replayed_or_late_command),
        cmocka_unit_test(backs_off_to_a_minute_and_after_ten_failures_to_five),
        cmocka_unit_test(gives_an_attempt_up_that_has_no_outcome),
        cmocka_unit_test(costs_a_step_a_sync_when_idle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
