/* The life of a delivery: every state with every event, and properties over random lives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "delivery.h"
#include "rng.h"

#define CASES 200

static struct rng rng;

static struct delivery in_state(enum delivery_state state, int attempts)
{
    return (struct delivery){.state = state,
                             .attempts = attempts,
                             .created_ms = 1000,
                             .not_before_ms = 1000,
                             .sent_ms = 1000,
                             .expires_ms = DELIVERY_NEVER_MS};
}

static struct delivery_world at(int64_t now_ms, bool online)
{
    return (struct delivery_world){.now_ms = now_ms, .online = online};
}

static void a_queued_delivery_is_sent_at_once(void **state)
{
    (void)state;
    struct delivery d;
    struct delivery_world w = at(5000, true);
    delivery_init(&d, 5000, true);
    assert_int_equal(delivery_turn(&d, &w), DELIVERY_SEND);
    assert_int_equal(d.state, DELIVERY_SENT);
    assert_int_equal(d.attempts, 1);
    assert_int_equal(delivery_due_ms(&d, &w), 6000);
}

static void an_offline_label_costs_no_attempt(void **state)
{
    (void)state;
    struct delivery d;
    struct delivery_world w = at(5000, false);
    delivery_init(&d, 5000, true);
    assert_int_equal(delivery_turn(&d, &w), DELIVERY_PARK);
    assert_int_equal(d.state, DELIVERY_PENDING);
    assert_int_equal(d.attempts, 0);
    w.now_ms = 5000000;
    assert_int_equal(delivery_turn(&d, &w), DELIVERY_REST);
    delivery_init(&d, 5000, false);
    assert_int_equal(d.state, DELIVERY_PENDING);
}

static void a_label_that_is_back_fetches_its_shadow_first_then_sends_begin_anew(void **state)
{
    (void)state;
    struct delivery d = in_state(DELIVERY_SENT, 4);
    delivery_label_gone(&d);
    assert_int_equal(d.state, DELIVERY_PENDING);
    assert_int_equal(d.attempts, 4);
    delivery_label_back(&d, 20000);
    struct delivery_world w = at(20000 + DELIVERY_GRACE_MS - 1, true);
    assert_int_equal(delivery_turn(&d, &w), DELIVERY_REST);
    w.now_ms++;
    assert_int_equal(delivery_turn(&d, &w), DELIVERY_SEND);
    assert_int_equal(d.attempts, 1);
}

static void what_was_missed_is_swept_up(void **state)
{
    (void)state;
    struct delivery d;
    struct delivery_world w = at(9000, false);
    delivery_init(&d, 5000, false);
    delivery_sweep(&d, &w);
    assert_int_equal(delivery_turn(&d, &w), DELIVERY_REST);
    w.online = true;
    delivery_sweep(&d, &w);
    assert_int_equal(delivery_turn(&d, &w), DELIVERY_SEND);
}

static void a_fall_waits_for_the_catalogue_but_not_for_ever(void **state)
{
    (void)state;
    struct delivery d;
    struct delivery_world w = at(5000, true);
    delivery_init(&d, 5000, true);
    d.after_catalogue = true;
    assert_int_equal(delivery_turn(&d, &w), DELIVERY_REST);
    struct delivery published = d;
    w.catalogue_published = true;
    assert_int_equal(delivery_turn(&published, &w), DELIVERY_SEND);
    w.catalogue_published = false;
    w.now_ms = 5000 + DELIVERY_GATE_MS - 1;
    assert_int_equal(delivery_turn(&d, &w), DELIVERY_REST);
    w.now_ms++;
    assert_int_equal(delivery_turn(&d, &w), DELIVERY_SEND);
}

static void a_flash_command_is_not_begun_after_its_time(void **state)
{
    (void)state;
    struct delivery d;
    delivery_init(&d, 5000, false);
    d.expires_ms = 30000;
    struct delivery_world w = at(30000, false);
    delivery_sweep(&d, &w);
    assert_int_equal(delivery_turn(&d, &w), DELIVERY_FAIL);
    assert_int_equal(d.state, DELIVERY_FAILED);
}

static void a_late_acknowledgement_counts_and_a_second_one_changes_nothing(void **state)
{
    (void)state;
    struct delivery d = in_state(DELIVERY_FAILED, 4);
    assert_true(delivery_confirm(&d));
    assert_int_equal(d.state, DELIVERY_DISPLAYED);
    assert_false(delivery_confirm(&d));
    assert_false(delivery_refuse(&d));
    assert_int_equal(d.state, DELIVERY_DISPLAYED);
}

static void what_was_superseded_stays_so(void **state)
{
    (void)state;
    struct delivery d = in_state(DELIVERY_SENT, 2);
    delivery_supersede(&d);
    assert_int_equal(d.state, DELIVERY_SUPERSEDED);
    assert_false(delivery_confirm(&d));
    struct delivery_world w = at(100000, true);
    assert_int_equal(delivery_turn(&d, &w), DELIVERY_REST);
    struct delivery failed = in_state(DELIVERY_FAILED, 4);
    delivery_supersede(&failed);
    assert_int_equal(failed.state, DELIVERY_FAILED);
}

/* Each state and attempt, each event: nothing leaves an end but by a late acknowledgement, and an
 * open delivery is always due some day or waits for its label. */
static void every_event_in_every_state(void **state)
{
    (void)state;
    for (int s = 0; s < DELIVERY_STATES; s++) {
        int least = s == DELIVERY_SENT ? 1 : 0;
        int most = s == DELIVERY_QUEUED ? 0 : DELIVERY_SENDS;
        for (int attempts = least; attempts <= most; attempts++) {
            for (int event = 0; event < 14; event++) {
                struct delivery was = in_state((enum delivery_state)s, attempts);
                was.sent_ms = 500; /* no turn is at that time */
                struct delivery d = was;
                struct delivery_world w = at(1000 + 1000 * (event % 7), event >= 7);
                enum delivery_action did = delivery_turn(&d, &w);
                bool open = delivery_is_open(&was);
                assert_true(open || did == DELIVERY_REST);
                assert_int_equal(did == DELIVERY_SEND, d.sent_ms != was.sent_ms);
                assert_true(d.attempts <= DELIVERY_SENDS);
                assert_int_equal(did == DELIVERY_FAIL, open && d.state == DELIVERY_FAILED);
                assert_true(did != DELIVERY_SEND || w.online);
                if (delivery_is_open(&d) && d.state != DELIVERY_PENDING) {
                    assert_true(delivery_due_ms(&d, &w) < DELIVERY_NEVER_MS);
                }
                delivery_supersede(&d);
                assert_false(delivery_is_open(&d));
            }
        }
    }
}

/* Feature: smartshelf-india, Property 9: Price Update Retry with Exponential Backoff
 * Feature: smartshelf-india, Property 10: Failed Update Logging and Alerting */
static void a_mute_label_is_asked_exactly_four_times_1_2_4_s_apart_then_it_has_failed(void **state)
{
    (void)state;
    print_message(
        "Feature: smartshelf-india, Property 9: Price Update Retry with Exponential Backoff (200 "
        "cases)\n"
        "Feature: smartshelf-india, Property 10: Failed Update Logging and Alerting (200 cases)\n");
    for (int i = 0; i < CASES; i++) {
        static const int64_t apart_ms[] = {0, 1000, 3000, 7000, 11000};
        struct delivery d;
        int64_t start = (int64_t)rng_below(&rng, 1000000);
        int64_t late = (int64_t)rng_below(&rng, 50); /* how late each turn comes */
        int64_t debt = 0;
        int sends = 0;
        int fails = 0;
        delivery_init(&d, start, true);
        struct delivery_world w = at(start, true);
        for (size_t step = 0; step < sizeof apart_ms / sizeof apart_ms[0] && delivery_is_open(&d);
             step++) {
            w.now_ms = delivery_due_ms(&d, &w) + late;
            debt += late;
            enum delivery_action did = delivery_turn(&d, &w);
            assert_int_equal(w.now_ms, start + apart_ms[step] + debt);
            sends += did == DELIVERY_SEND;
            fails += did == DELIVERY_FAIL;
        }
        assert_int_equal(sends, DELIVERY_SENDS);
        assert_int_equal(fails, 1);
        assert_int_equal(d.state, DELIVERY_FAILED);
        w.now_ms += 1000000;
        assert_int_equal(delivery_turn(&d, &w), DELIVERY_REST);
    }
}

/* Whatever happens, a delivery is never sent to a label that is away, never before a second after
 * its last send, and never again once it has ended. */
static void random_lives_keep_the_rules(void **state)
{
    (void)state;
    for (int i = 0; i < 2000; i++) {
        struct delivery d;
        struct delivery_world w = at(0, rng_below(&rng, 2) == 0);
        int64_t last_send = -DELIVERY_GRACE_MS;
        delivery_init(&d, 0, w.online);
        d.after_catalogue = rng_below(&rng, 4) == 0;
        for (int step = 0; step < 40; step++) {
            w.now_ms += (int64_t)rng_below(&rng, 1500);
            uint64_t event = rng_below(&rng, 40);
            bool was_open = delivery_is_open(&d);
            if (event < 3) {
                w.online = !w.online;
                if (w.online) {
                    delivery_label_back(&d, w.now_ms);
                } else {
                    delivery_label_gone(&d);
                }
            } else if (event == 3) {
                (void)delivery_confirm(&d);
            } else if (event == 4) {
                delivery_supersede(&d);
            } else if (event == 5) {
                delivery_sweep(&d, &w);
            } else if (event == 6) {
                w.catalogue_published = true;
            }
            enum delivery_action did = delivery_turn(&d, &w);
            if (did == DELIVERY_SEND) {
                assert_true(w.online);
                assert_true(was_open);
                assert_true(w.now_ms - last_send >= 1000 || d.attempts == 1);
                last_send = w.now_ms;
            }
            assert_in_range(d.attempts, 0, DELIVERY_SENDS);
        }
    }
}

int main(void)
{
    const char *given = getenv("ENDCAP_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 20261121;
    print_message("seed %llu\n", (unsigned long long)seed);
    rng_init(&rng, seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_queued_delivery_is_sent_at_once),
        cmocka_unit_test(an_offline_label_costs_no_attempt),
        cmocka_unit_test(a_label_that_is_back_fetches_its_shadow_first_then_sends_begin_anew),
        cmocka_unit_test(what_was_missed_is_swept_up),
        cmocka_unit_test(a_fall_waits_for_the_catalogue_but_not_for_ever),
        cmocka_unit_test(a_flash_command_is_not_begun_after_its_time),
        cmocka_unit_test(a_late_acknowledgement_counts_and_a_second_one_changes_nothing),
        cmocka_unit_test(what_was_superseded_stays_so),
        cmocka_unit_test(every_event_in_every_state),
        cmocka_unit_test(a_mute_label_is_asked_exactly_four_times_1_2_4_s_apart_then_it_has_failed),
        cmocka_unit_test(random_lives_keep_the_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
