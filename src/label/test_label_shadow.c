/* Shadow, configuration, events and their release, certificates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base64.h"
#include "test_label.h"

#define CASES 120

static void assert_shows(const struct test_label *w, const struct shelf_display *d)
{
    struct label_view v = test_label_look(w);
    assert_true(v.shows);
    assert_int_equal(v.version, d->version);
    assert_memory_equal(v.digest, d->digest, SHELF_DIGEST_BYTES);
    assert_memory_equal(w->panel.digest, d->digest, SHELF_DIGEST_BYTES);
}

/* Feature: smartshelf-india, Property 42: Shadow Synchronization on Reconnection */
static void asks_for_the_shadow_on_every_reconnect(void **state)
{
    (void)state;
    printf("Feature: smartshelf-india, Property 42: Shadow Synchronization on Reconnection (%d "
           "cases), seed %llu\n",
           CASES, (unsigned long long)test_label_seed());
    struct test_label *w = test_label_new(test_label_seed() + 42);
    test_label_ready(w);
    for (int i = 0; i < CASES; i++) {
        test_label_link_cut(w);
        test_label_run(w, (int64_t)rng_below(&w->rng, 20000));
        if (rng_below(&w->rng, 3) == 0) {
            assert_true(test_label_boot(w));
        }
        unsigned before = w->gets;
        test_label_link_mend(w);
        while (!w->connected) {
            test_label_run(w, 10);
        }
        test_label_run(w, 10);
        assert_int_equal(w->gets, before + 1);
        assert_true(test_label_look(w).synced);
    }
    test_label_free(w);
}

static void asks_again_until_it_is_answered(void **state)
{
    (void)state;
    struct test_label *w = test_label_new(1);
    w->mute = true;
    assert_true(test_label_boot(w));
    test_label_run(w, 400000);
    assert_int_equal(test_label_look(w).counts.queries, 11); /* 0, 3, 9, 21, 45, 93, 153 ... s */
    w->mute = false;
    test_label_run(w, LABEL_QUERY_MAX_MS);
    assert_true(test_label_look(w).synced);
    test_label_free(w);
}

/* Feature: smartshelf-india, Property 43: Latest Update Application After Offline */
static void applies_the_newest_of_many_updates_only(void **state)
{
    (void)state;
    printf("Feature: smartshelf-india, Property 43: Latest Update Application After Offline (%d "
           "cases), seed %llu\n",
           CASES, (unsigned long long)test_label_seed());
    struct test_label *w = test_label_new(test_label_seed() + 43);
    int64_t version = 0;
    test_label_ready(w);
    for (int i = 0; i < CASES; i++) {
        test_label_link_cut(w);
        test_label_run(w, (int64_t)rng_below(&w->rng, 100000));
        for (uint64_t n = 1 + rng_below(&w->rng, 6); n > 0; n--) {
            test_label_price(w, ++version);
        }
        size_t acks = w->ack_count;
        unsigned refreshes = w->panel.refreshes;
        test_label_link_mend(w);
        test_label_run(w, 70000);
        assert_shows(w, &w->display.display);
        assert_int_equal(w->panel.refreshes, refreshes + 1);
        for (size_t a = acks; a < w->ack_count; a++) {
            assert_int_equal(w->acks[a].version, version); /* none of the others was confirmed */
        }
        assert_true(w->ack_count > acks);
    }
    test_label_free(w);
}

static void takes_a_late_older_answer_for_what_it_is(void **state)
{
    (void)state;
    struct test_label *w = test_label_new(2);
    test_label_ready(w);
    test_label_price(w, 1);
    test_label_send_state(w, SHELF_DELTA);
    struct test_label_down old = w->downs[0];
    test_label_run(w, 10);
    assert_shows(w, &w->display.display);
    test_label_price(w, 2);
    test_label_send_state(w, SHELF_DELTA);
    w->downs[w->down_count++] = old;
    test_label_run(w, 10);
    assert_shows(w, &w->display.display);
    assert_int_equal(test_label_acks(w, SHELF_REFUSED, NULL, NULL), 1);
    test_label_free(w);
}

/* Feature: smartshelf-india, Property 45: Event Queue Transmission on Reconnection */
static void sends_every_queued_event_when_it_is_back(void **state)
{
    (void)state;
    printf("Feature: smartshelf-india, Property 45: Event Queue Transmission on Reconnection (%d "
           "cases), seed %llu\n",
           CASES, (unsigned long long)test_label_seed());
    int64_t events = 0;
    for (int i = 0; i < CASES; i++) {
        struct test_label *w = test_label_new(test_label_seed() + (uint64_t)i);
        test_label_ready(w);
        w->loss_per_mille = (unsigned)rng_below(&w->rng, 400);
        w->repeat_per_mille = (unsigned)rng_below(&w->rng, 300);
        for (int n = 1; n <= 30; n++) {
            uint64_t dice = rng_below(&w->rng, 10);
            test_label_price(w, n);
            test_label_send_display(w);
            test_label_run(w, (int64_t)rng_below(&w->rng, 3000));
            w->board.reading.battery_pct = (int32_t)rng_below(&w->rng, 101);
            if (dice == 0) {
                test_label_link_cut(w);
            } else if (dice == 1) {
                assert_true(test_label_boot(w));
            } else if (dice == 2) {
                w->full = !w->full;
            } else if (dice > 6) {
                test_label_link_mend(w);
            }
        }
        test_label_link_mend(w);
        w->full = false;
        w->loss_per_mille = 0;
        test_label_run(w, 1200000);
        assert_int_equal(test_label_missing(w), 0);
        assert_true(test_label_look(w).queued <= 1); /* the last status waits for the next answer */
        assert_int_equal(test_label_look(w).dropped, 0);
        events += test_label_look(w).last_counter;
        test_label_free(w);
    }
    printf("%lld events\n", (long long)events);
}

static void keeps_at_most_100_events_and_tells_what_it_dropped(void **state)
{
    (void)state;
    struct test_label *w = test_label_new(3);
    test_label_ready(w);
    test_label_run(w, 1000);
    w->mute = true; /* connected, and nothing is released */
    struct shelf_flash flash;
    int64_t version = 0;
    for (int i = 1; i <= 400; i++) {
        if (i <= 200) { /* health's share is used up first, then the lamp's, ... */
            w->board.reading.battery_pct = i % 2 == 0 ? 10 : 90;
            test_label_run(w, LABEL_BATTERY_MS);
            assert_true(test_label_look(w).queued <= 61);
        } else if (i <= 300) {
            flash = test_label_flash(w, i, SHELF_STOP, 0);
            test_label_send_flash(w, &flash);
            test_label_run(w, 10);
            assert_true(test_label_look(w).queued <= 76);
        } else { /* ... and displayed prices have the most room */
            test_label_price(w, ++version);
            test_label_send_display(w);
            test_label_run(w, 10);
        }
        assert_true(test_label_look(w).queued <= LABEL_EVENTS_MAX);
    }
    assert_int_equal(test_label_look(w).queued, LABEL_EVENTS_MAX - 1);
    int64_t dropped = test_label_look(w).dropped;
    assert_true(dropped > 250);
    assert_true(
        test_label_boot(w)); /* the count outlives a restart but for what came since it was told */
    assert_true(test_label_look(w).dropped > 0);
    w->mute = false;
    test_label_run(w, 400000);
    assert_int_equal(test_label_missing(w), 0);
    assert_int_equal(w->status.dropped, test_label_look(w).dropped);
    assert_shows(w, &w->display.display);
    test_label_free(w);
}

static void reports_damaged_events_as_a_gap(void **state)
{
    (void)state;
    struct test_label *w = test_label_new(4);
    test_label_ready(w);
    test_label_run(w, 400000);
    w->mute = true;
    for (int i = 1; i <= 12; i++) {
        test_label_price(w, i);
        test_label_send_display(w);
        test_label_run(w, 100);
    }
    test_label_power_off(w);
    int64_t last = test_label_look(w).last_counter;
    /* Zeros over one record in the midst: its version of the JSON's digest names it. */
    size_t queue =
        (LABEL_STORE_MEMORY_SECTORS + LABEL_CACHE_SECTORS) * (size_t)TEST_LABEL_SECTOR_BYTES;
    memset(w->flash->bytes + queue + 5 * 176, 0, 160);
    w->mute = false;
    assert_true(test_label_boot(w));
    test_label_run(w, 400000);
    assert_true(w->gap_from > 0 && w->gap_to >= w->gap_from && w->gap_to <= last);
    assert_int_equal(test_label_missing(w), 0);
    assert_true(test_label_look(w).queued <= 1);
    test_label_free(w);
}

static void applies_configuration_and_keeps_it(void **state)
{
    (void)state;
    struct test_label *w = test_label_new(5);
    test_label_ready(w);
    struct shelf_config config = test_label_config();
    config.led_brightness_pct = 33;
    config.sync_peak_s = 77;
    config.sync_off_peak_s = 77;
    config.language = SHELF_TA;
    test_label_configure(w, 4, &config);
    for (int i = 0; i < 3; i++) {
        test_label_send_config(w);
        test_label_run(w, 10);
    }
    struct test_label_ack ack;
    assert_int_equal(test_label_acks(w, SHELF_APPLIED, w->config_id, &ack), 3);
    assert_int_equal(ack.version, 4);
    assert_int_equal(test_label_look(w).counts.repeated, 2);
    assert_int_equal(w->report.config_version, 4);
    test_label_configure(w, 3, &config);
    test_label_send_config(w);
    test_label_run(w, 10);
    assert_int_equal(test_label_acks(w, SHELF_REFUSED, NULL, &ack), 1);
    assert_string_equal(ack.why, "older");
    w->has_config = false;
    assert_true(test_label_boot(w));
    test_label_run(w, 10);
    assert_int_equal(test_label_look(w).config_version, 4);
    assert_int_equal(test_label_look(w).sync_s, 77);
    assert_int_equal(test_label_look(w).lamp_pct, 33);
    assert_int_equal(w->status.language, SHELF_TA);
    test_label_free(w);
}

static void keeps_time_by_the_platform_whatever_its_own_clock_says(void **state)
{
    (void)state;
    static const int64_t skews[] = {0, 86400000, -86400000, 7, -123456789};
    for (size_t i = 0; i < sizeof skews / sizeof skews[0]; i++) {
        struct test_label *w = test_label_new(6);
        struct test_label_ack ack;
        w->skew_ms = skews[i];
        assert_true(test_label_boot(w));
        assert_int_equal(test_label_look(w).time_ms, 0);
        test_label_run(w, 100);
        test_label_price(w, 1);
        test_label_send_display(w);
        test_label_run(w, 10);
        assert_int_equal(test_label_acks(w, SHELF_DISPLAYED, w->display.update_id, &ack), 1);
        assert_in_range(ack.time_ms, TEST_LABEL_UTC_MS, TEST_LABEL_UTC_MS + w->now_ms);
        struct shelf_flash flash = test_label_flash(w, 1, SHELF_BLINK, 5);
        test_label_send_flash(w, &flash);
        test_label_run(w, 10);
        assert_int_equal(w->led.pattern, LED_BLINK);
        test_label_run(w, 300000);
        assert_shows(w, &w->display.display);
        assert_int_equal(test_label_missing(w), 0);
        test_label_free(w);
    }
}

/* --- certificates --- */

static void ask_for_certificate(struct test_label *w, int64_t number, const char *der)
{
    struct sink s;
    sink_init(&s, w->der, sizeof w->der);
    base64_write(&s, span_text(der, 64));
    w->certificate = (struct shelf_certificate){.number = number, .der = sink_span(&s)};
    w->version++;
    test_label_send_state(w, SHELF_DELTA);
}

static void renews_its_certificate(void **state)
{
    (void)state;
    struct test_label *w = test_label_new(7);
    test_label_ready(w);
    ask_for_certificate(w, 1, "");
    test_label_run(w, 1000);
    assert_int_equal(w->renewal.requested, 1);
    assert_int_equal(w->report.certificate_number, 1);
    uint8_t csr[64];
    struct sink s;
    sink_init(&s, csr, sizeof csr);
    assert_int_equal(base64_read(span_text(w->csr, sizeof w->csr), &s), RES_OK);
    assert_true(span_equal(sink_span(&s), SPAN_LIT("request 1")));
    unsigned attempts = w->attempts;
    ask_for_certificate(w, 1, "certificate 1");
    test_label_run(w, 5000);
    assert_int_equal(w->attempts, attempts + 1);
    assert_int_equal(w->renewal.present, 1);
    assert_int_equal(test_label_look(w).certificate_number, 1);
    assert_int_equal(w->report.certificate_number, 1);
    assert_int_equal(w->report.csr.size, 0);
    test_label_send_state(w, SHELF_DELTA); /* still in the shadow: nothing more to do */
    test_label_run(w, 5000);
    assert_int_equal(w->attempts, attempts + 1);
    assert_true(test_label_boot(w));
    test_label_run(w, 1000);
    assert_int_equal(test_label_look(w).certificate_number, 1);
    test_label_free(w);
}

static void goes_back_to_the_old_certificate_when_the_new_one_is_refused(void **state)
{
    (void)state;
    struct test_label *w = test_label_new(8);
    test_label_ready(w);
    ask_for_certificate(w, 1, "");
    test_label_run(w, 1000);
    w->refuse_renewed = true;
    ask_for_certificate(w, 1, "certificate 1");
    test_label_run(w, 60000);
    assert_true(test_label_look(w).synced);
    assert_int_equal(test_label_look(w).certificate_number, 0);
    assert_int_equal(w->renewal.commits, 0);
    assert_false(w->renewal.renewed_selected);
    assert_true(w->attempts <= 2 + 2 * LABEL_TRIALS_MAX);
    test_label_price(w, 1);
    test_label_send_display(w);
    test_label_run(w, 10);
    assert_shows(w, &w->display.display);
    /* A network that is away is no refusal. */
    w->refuse_renewed = false;
    ask_for_certificate(w, 2, "");
    test_label_run(w, 1000);
    ask_for_certificate(w, 2, "certificate 2");
    w->down = true;
    test_label_run(w, 10);
    w->down = false;
    test_label_run(w, 1200000);
    assert_int_equal(test_label_look(w).certificate_number, 2);
    test_label_free(w);
}

static void refuses_a_certificate_for_another_key(void **state)
{
    (void)state;
    struct test_label *w = test_label_new(9);
    test_label_ready(w);
    ask_for_certificate(w, 1, "");
    test_label_run(w, 1000);
    unsigned attempts = w->attempts;
    ask_for_certificate(w, 1, "certificate 9");
    test_label_run(w, 10000);
    assert_int_equal(w->attempts, attempts);
    assert_int_equal(w->notes[LABEL_NOTE_RENEWED], 1);
    test_label_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_for_the_shadow_on_every_reconnect),
        cmocka_unit_test(asks_again_until_it_is_answered),
        cmocka_unit_test(applies_the_newest_of_many_updates_only),
        cmocka_unit_test(takes_a_late_older_answer_for_what_it_is),
        cmocka_unit_test(sends_every_queued_event_when_it_is_back),
        cmocka_unit_test(keeps_at_most_100_events_and_tells_what_it_dropped),
        cmocka_unit_test(reports_damaged_events_as_a_gap),
        cmocka_unit_test(applies_configuration_and_keeps_it),
        cmocka_unit_test(keeps_time_by_the_platform_whatever_its_own_clock_says),
        cmocka_unit_test(renews_its_certificate),
        cmocka_unit_test(goes_back_to_the_old_certificate_when_the_new_one_is_refused),
        cmocka_unit_test(refuses_a_certificate_for_another_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
