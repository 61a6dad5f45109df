#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rng.h"
#include "stream_window.h"

#define MODEL_COUNTERS 6000

static uint64_t seed(void)
{
    const char *given = getenv("ENDCAP_SEED");
    uint64_t value = given != NULL ? strtoull(given, NULL, 10) : 20261121;
    print_message("seed %llu\n", (unsigned long long)value);
    return value;
}

static void advances_through_counters_in_order(void **state)
{
    (void)state;
    struct stream_window w;
    stream_window_init(&w, 0);
    for (int64_t c = 1; c <= 3000; c++) {
        assert_int_equal(stream_window_place(&w, c), STREAM_WINDOW_NEW);
        stream_window_mark(&w, c);
        assert_int_equal(w.watermark, c);
        assert_int_equal(stream_window_place(&w, c), STREAM_WINDOW_SEEN);
    }
    assert_true(stream_window_is_flat(&w));
}

static void remembers_what_came_early(void **state)
{
    (void)state;
    struct stream_window w;
    stream_window_init(&w, 10);
    stream_window_mark(&w, 13);
    stream_window_mark(&w, 12);
    assert_int_equal(w.watermark, 10);
    assert_int_equal(stream_window_place(&w, 12), STREAM_WINDOW_SEEN);
    assert_int_equal(stream_window_place(&w, 11), STREAM_WINDOW_NEW);
    stream_window_mark(&w, 11);
    assert_int_equal(w.watermark, 13);
}

static void refuses_to_look_beyond_its_bitmap(void **state)
{
    (void)state;
    struct stream_window w;
    stream_window_init(&w, 5);
    assert_int_equal(stream_window_place(&w, 5 + STREAM_WINDOW_BITS), STREAM_WINDOW_NEW);
    assert_int_equal(stream_window_place(&w, 6 + STREAM_WINDOW_BITS), STREAM_WINDOW_FAR);
    stream_window_mark(&w, 5 + STREAM_WINDOW_BITS);
    assert_int_equal(stream_window_place(&w, 5), STREAM_WINDOW_SEEN);
    assert_int_equal(stream_window_place(&w, 6), STREAM_WINDOW_NEW);
}

static void a_gap_at_the_watermark_jumps_however_long(void **state)
{
    (void)state;
    struct stream_window w;
    stream_window_init(&w, 7);
    stream_window_mark(&w, 9);
    assert_true(stream_window_gap(&w, 8, 8));
    assert_int_equal(w.watermark, 9);
    assert_true(stream_window_gap(&w, 3, 900000));
    assert_int_equal(w.watermark, 900000);
    assert_true(stream_window_is_flat(&w));
}

static void a_gap_ahead_is_taken_as_far_as_the_bitmap_reaches(void **state)
{
    (void)state;
    struct stream_window w;
    stream_window_init(&w, 0);
    assert_false(stream_window_gap(&w, 2, 5000));
    stream_window_mark(&w, 1);
    assert_int_equal(w.watermark, STREAM_WINDOW_BITS);
    assert_true(stream_window_gap(&w, 2, 5000));
    assert_int_equal(w.watermark, 5000);
}

static void refuses_a_stored_bitmap_that_cannot_be(void **state)
{
    (void)state;
    struct stream_window w;
    uint8_t bytes[STREAM_WINDOW_BYTES_MAX + 1] = {1};
    assert_int_equal(stream_window_read(0, span_of(bytes, 1), &w), RES_INVALID);
    bytes[0] = 2;
    assert_int_equal(stream_window_read(0, span_of(bytes, sizeof bytes), &w), RES_INVALID);
    assert_int_equal(stream_window_read(-1, span_of(bytes, 1), &w), RES_INVALID);
    assert_int_equal(stream_window_read(0, span_of(bytes, 1), &w), RES_OK);
    assert_int_equal(stream_window_place(&w, 2), STREAM_WINDOW_SEEN);
}

/* One flag a counter: the plainest thing that can be right. */
struct model {
    bool taken[MODEL_COUNTERS + 1];
    int64_t watermark;
};

static void model_take(struct model *m, int64_t counter)
{
    m->taken[counter] = true;
    while (m->watermark < MODEL_COUNTERS && m->taken[m->watermark + 1]) {
        m->watermark++;
    }
}

static void model_gap(struct model *m, int64_t from, int64_t to)
{
    int64_t last = m->watermark + STREAM_WINDOW_BITS;
    bool jumps = from <= m->watermark + 1;
    for (int64_t c = from; c <= to && (jumps || c <= last); c++) {
        m->taken[c] = true;
    }
    if (jumps || from <= last) {
        model_take(m, from);
    }
}

static void compare(const struct model *m, const struct stream_window *w)
{
    assert_int_equal(w->watermark, m->watermark);
    for (int64_t c = 1; c <= MODEL_COUNTERS; c++) {
        enum stream_window_place expected = m->taken[c] ? STREAM_WINDOW_SEEN : STREAM_WINDOW_NEW;
        if (!m->taken[c] && c - m->watermark > STREAM_WINDOW_BITS) {
            expected = STREAM_WINDOW_FAR;
        }
        assert_int_equal(stream_window_place(w, c), expected);
    }
}

static void store_and_load(struct stream_window *w)
{
    uint8_t bytes[STREAM_WINDOW_BYTES_MAX];
    struct sink s;
    sink_init(&s, bytes, sizeof bytes);
    stream_window_write(w, &s);
    assert_false(s.overflow);
    struct stream_window again;
    assert_int_equal(stream_window_read(w->watermark, sink_span(&s), &again), RES_OK);
    *w = again;
}

static void equals_a_model_under_random_marks_gaps_and_reloads(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, seed());
    for (int round = 0; round < 200; round++) {
        struct model model = {{0}, 0};
        struct stream_window w;
        stream_window_init(&w, 0);
        for (int i = 0; i < 600; i++) {
            int64_t reach = rng_below(&rng, 10) == 0 ? 1500 : 40;
            int64_t counter = model.watermark + 1 + (int64_t)rng_below(&rng, (uint64_t)reach);
            uint64_t what = rng_below(&rng, 60);
            if (counter > MODEL_COUNTERS) {
                break;
            }
            if (what == 0) {
                int64_t to = counter + (int64_t)rng_below(&rng, 1400);
                to = to > MODEL_COUNTERS ? MODEL_COUNTERS : to;
                model_gap(&model, counter, to);
                bool whole = stream_window_gap(&w, counter, to);
                assert_int_equal(whole, model.taken[to]);
            } else if (what == 1) {
                store_and_load(&w);
            } else if (stream_window_place(&w, counter) == STREAM_WINDOW_NEW) {
                model_take(&model, counter);
                stream_window_mark(&w, counter);
            }
            assert_int_equal(w.watermark, model.watermark);
        }
        compare(&model, &w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(advances_through_counters_in_order),
        cmocka_unit_test(remembers_what_came_early),
        cmocka_unit_test(refuses_to_look_beyond_its_bitmap),
        cmocka_unit_test(a_gap_at_the_watermark_jumps_however_long),
        cmocka_unit_test(a_gap_ahead_is_taken_as_far_as_the_bitmap_reaches),
        cmocka_unit_test(refuses_a_stored_bitmap_that_cannot_be),
        cmocka_unit_test(equals_a_model_under_random_marks_gaps_and_reloads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
