/* Which of a label's events are stored, by example and against simulated labels.
 *
 * Feature: smartshelf-india, Property 45: Event Queue Transmission on Reconnection
 * (the platform's side)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "label_stream.h"
#include "rng.h"

#define ROUNDS     300
#define EVENTS_MAX 1500

static struct rng rng;

static enum label_stream_place take(struct label_stream *s, int64_t counter)
{
    struct label_stream_lost lost;
    return label_stream_take(s, 1, counter, &lost);
}

static void advances_only_without_holes(void **state)
{
    (void)state;
    struct label_stream s;
    label_stream_init(&s, 1, 10);
    assert_int_equal(take(&s, 10), LABEL_STREAM_SEEN);
    assert_int_equal(take(&s, 12), LABEL_STREAM_NEW);
    assert_int_equal(take(&s, 138), LABEL_STREAM_NEW);
    assert_int_equal(s.through, 10);
    assert_true(label_stream_has_hole(&s));
    assert_int_equal(take(&s, 12), LABEL_STREAM_SEEN);
    assert_int_equal(take(&s, 138), LABEL_STREAM_SEEN);
    assert_int_equal(take(&s, 11), LABEL_STREAM_NEW);
    assert_int_equal(s.through, 12);
    for (int64_t c = 137; c > 12; c--) {
        assert_int_equal(take(&s, c), LABEL_STREAM_NEW);
    }
    assert_int_equal(s.through, 138);
    assert_false(label_stream_has_hole(&s));
}

static void a_counter_that_no_label_can_reach_moves_it(void **state)
{
    (void)state;
    struct label_stream s;
    struct label_stream_lost lost;
    label_stream_init(&s, 1, 10);
    assert_int_equal(label_stream_take(&s, 1, 139, &lost), LABEL_STREAM_NEW);
    assert_int_equal(lost.from, 11);
    assert_int_equal(lost.to, 39);
    assert_int_equal(s.through, 39);
    assert_int_equal(take(&s, 139), LABEL_STREAM_SEEN);
}

static void an_answer_is_evidence_once(void **state)
{
    (void)state;
    struct label_stream s;
    label_stream_init(&s, 1, 10);
    (void)take(&s, 13);
    for (int i = 0; i < 5; i++) {
        (void)take(&s, 13); /* sent again by the broker, perhaps: nobody was answered */
    }
    label_stream_tell(&s);
    for (int i = 0; i < 5; i++) {
        (void)take(&s, 13);
    }
    assert_int_equal(s.through, 10);
    label_stream_tell(&s);
    (void)take(&s, 13);
    assert_int_equal(s.through, 13);
}

static void epochs_rise(void **state)
{
    (void)state;
    struct label_stream s;
    struct label_stream_lost lost;
    label_stream_init(&s, 1, 10);
    assert_int_equal(label_stream_take(&s, 2, 1, &lost), LABEL_STREAM_NEW);
    assert_int_equal(s.through, 1);
    assert_int_equal(label_stream_take(&s, 1, 11, &lost), LABEL_STREAM_PAST);
    assert_int_equal(s.epoch, 2);
    label_stream_merge(&s, 1, 500);
    assert_int_equal(s.through, 1);
    label_stream_merge(&s, 2, 7);
    assert_int_equal(s.through, 7);
}

static void a_gap_record_closes_its_hole_only(void **state)
{
    (void)state;
    struct label_stream s;
    label_stream_init(&s, 1, 10);
    (void)take(&s, 15);
    label_stream_gap(&s, 1, 12, 14);
    assert_int_equal(s.through, 10);
    label_stream_gap(&s, 1, 1, 11);
    assert_int_equal(s.through, 15);
    label_stream_gap(&s, 2, 16, 20);
    label_stream_gap(&s, 1, 16, 15 + LABEL_STREAM_WINDOW + 1);
    label_stream_gap(&s, 1, 20, 16);
    assert_int_equal(s.through, 15);
}

static void another_process_fills_the_hole(void **state)
{
    (void)state;
    struct label_stream s;
    label_stream_init(&s, 1, 10);
    (void)take(&s, 13);
    label_stream_merge(&s, 1, 12);
    assert_int_equal(s.through, 13);
    label_stream_merge(&s, 1, 11);
    assert_int_equal(s.through, 13);
}

/* ---- a label that forgets only what it was told to ---- */

struct robot {
    int64_t written;  /* events so far */
    int64_t released; /* through */
    int64_t next;     /* to send */
    bool damaged[EVENTS_MAX + 1];
    bool stored[EVENTS_MAX + 1]; /* by the platform */
    struct label_stream stream;  /* the platform's memory */
    int64_t committed;           /* and its database */
    int64_t given_up;            /* counters told as lost */
};

static void platform_takes(struct robot *r, int64_t counter)
{
    struct label_stream_lost lost;
    if (label_stream_take(&r->stream, 1, counter, &lost) == LABEL_STREAM_NEW) {
        r->stored[counter] = true;
    }
    for (int64_t c = lost.from; lost.from > 0 && c <= lost.to; c++) {
        r->given_up += r->stored[c] ? 0 : 1;
    }
    r->committed = r->stream.through;
}

static void label_sends(struct robot *r, uint64_t loss_of_1000)
{
    while (r->next <= r->written) {
        int64_t counter = r->next++;
        if (!r->damaged[counter] && rng_below(&rng, 1000) >= loss_of_1000) {
            platform_takes(r, counter);
        }
    }
}

static void label_asks(struct robot *r)
{
    label_stream_tell(&r->stream);
    r->released = r->stream.through > r->released ? r->stream.through : r->released;
    r->next = r->released + 1;
}

static void forget(struct robot *r)
{
    label_stream_init(&r->stream, 1, r->committed);
}

/* Whatever is lost on the way, and however often the platform's memory is: an event that the label
 * still has is stored before it may forget it, and in the end the label may forget everything. */
static void everything_queued_arrives_and_nothing_is_released_before(void **state)
{
    (void)state;
    static struct robot r;
    (void)printf("Feature: smartshelf-india, Property 45: Event Queue Transmission on Reconnection "
                 "(300 cases)\n");
    for (int round = 0; round < ROUNDS; round++) {
        memset(&r, 0, sizeof r);
        r.next = 1;
        label_stream_init(&r.stream, 0, 0);
        bool lossy = rng_below(&rng, 2) == 0;
        bool damage = rng_below(&rng, 2) == 0;
        for (int turns = 0; r.written < EVENTS_MAX - 100; turns++) {
            assert_true(turns < 10 * EVENTS_MAX); /* else its queue is full for good */
            for (uint64_t n = rng_below(&rng, 40);
                 n > 0 && r.written - r.released < LABEL_STREAM_HELD; n--) {
                r.written++;
                r.damaged[r.written] = damage && rng_below(&rng, 100) == 0;
            }
            label_sends(&r, 0);
            label_asks(&r);
            if (lossy && rng_below(&rng, 4) == 0) { /* a batch dies with its process */
                uint64_t n = rng_below(&rng, 30);
                while (n-- > 0 && r.written - r.released < LABEL_STREAM_HELD) {
                    r.written++;
                }
                r.next = r.written + 1;
                forget(&r);
            }
        }
        for (int i = 0; i < 100 && r.released < r.written; i++) {
            label_asks(&r);
            label_sends(&r, 0);
        }
        int64_t damaged = 0;
        for (int64_t c = 1; c <= r.written; c++) {
            damaged += r.damaged[c];
            if (!r.damaged[c] && !r.stored[c]) {
                fail_msg("round %d: event %lld was released and is not stored", round,
                         (long long)c);
            }
        }
        /* A damaged one at the very end is only known with the event after it. */
        int64_t tail = 0;
        while (tail < r.written && r.damaged[r.written - tail]) {
            tail++;
        }
        assert_int_equal(r.released, r.written - tail);
        assert_int_equal(r.given_up, damaged - tail);
    }
}

/* With losses inside a connection too, which MQTT does not have, a label is never stuck. */
static void a_label_is_never_stuck(void **state)
{
    (void)state;
    static struct robot r;
    for (int round = 0; round < ROUNDS; round++) {
        memset(&r, 0, sizeof r);
        r.written = 1 + (int64_t)rng_below(&rng, EVENTS_MAX - 1);
        r.released = r.written > 100 ? r.written - (int64_t)rng_below(&rng, 100) : 0;
        r.next = r.released + 1; /* our database is older than the label */
        label_stream_init(&r.stream, 1, (int64_t)rng_below(&rng, 100));
        for (int i = 0; i < 400 && r.released < r.written; i++) {
            label_sends(&r, 300);
            label_asks(&r);
        }
        if (r.written - r.released > 0) {
            fail_msg("round %d: stuck at %lld of %lld", round, (long long)r.released,
                     (long long)r.written);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(advances_only_without_holes),
        cmocka_unit_test(a_counter_that_no_label_can_reach_moves_it),
        cmocka_unit_test(an_answer_is_evidence_once),
        cmocka_unit_test(epochs_rise),
        cmocka_unit_test(a_gap_record_closes_its_hole_only),
        cmocka_unit_test(another_process_fills_the_hole),
        cmocka_unit_test(everything_queued_arrives_and_nothing_is_released_before),
        cmocka_unit_test(a_label_is_never_stuck),
    };
    const char *env = getenv("ENDCAP_SEED");
    uint64_t seed = env != NULL ? strtoull(env, NULL, 10) : (uint64_t)time(NULL);
    (void)printf("ENDCAP_SEED=%llu\n", (unsigned long long)seed);
    rng_init(&rng, seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
