/* The small things everything stands on: span, sink, money, timestamp, arena, rng, err. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "arena.h"
#include "err.h"
#include "money.h"
#include "rng.h"
#include "span.h"
#include "timestamp.h"

#define ROUNDS 2000

static struct rng start_rng(uint64_t usual)
{
    struct rng rng;
    const char *from = getenv("ENDCAP_SEED");
    uint64_t seed = from != NULL ? strtoull(from, NULL, 10) : usual;
    print_message("seed %llu (ENDCAP_SEED)\n", (unsigned long long)seed);
    rng_init(&rng, seed);
    return rng;
}

static struct span text(const char *s)
{
    return span_of(s, strlen(s));
}

/* --- span --- */

static void spans_compare_as_bytes_then_length(void **state)
{
    (void)state;
    assert_true(span_equal(SPAN_LIT("ab"), SPAN_LIT("ab")));
    assert_true(span_equal(SPAN_NONE, SPAN_LIT("")));
    assert_false(span_equal(SPAN_LIT("ab"), SPAN_LIT("abc")));
    assert_true(span_compare(SPAN_LIT("ab"), SPAN_LIT("abc")) < 0);
    assert_true(span_compare(SPAN_LIT("b"), SPAN_LIT("abc")) > 0);
    assert_int_equal(span_compare(SPAN_NONE, SPAN_LIT("")), 0);
    assert_true(span_compare(SPAN_LIT("\x7f"), SPAN_LIT("\x80")) < 0);
    assert_true(span_equal_secret(SPAN_LIT("secret"), SPAN_LIT("secret")));
    assert_false(span_equal_secret(SPAN_LIT("secret"), SPAN_LIT("secreT")));
    assert_false(span_equal_secret(SPAN_LIT("secret"), SPAN_LIT("secre")));
    assert_true(span_equal_secret(SPAN_NONE, SPAN_NONE));
}

static void a_span_becomes_a_text_only_when_it_fits(void **state)
{
    (void)state;
    char out[4] = "old";
    assert_int_equal(span_copy_text(SPAN_LIT("abcd"), out, sizeof out), RES_LIMIT);
    assert_string_equal(out, "old");
    assert_int_equal(span_copy_text(SPAN_LIT("abc"), out, sizeof out), RES_OK);
    assert_string_equal(out, "abc");
    assert_int_equal(span_copy_text(SPAN_NONE, out, sizeof out), RES_OK);
    assert_string_equal(out, "");
    assert_int_equal(span_text("abcdef", 3).size, 3);
    assert_int_equal(span_text("ab", 3).size, 2);
}

/* --- sink --- */

static void a_sink_never_writes_beyond_its_end_and_remembers(void **state)
{
    (void)state;
    uint8_t data[8];
    memset(data, '#', sizeof data);
    struct sink s;
    sink_init(&s, data, 5);
    sink_text(&s, "abc");
    sink_text(&s, "def");
    assert_true(s.overflow);
    assert_int_equal(s.size, 3);
    sink_byte(&s, 'x'); /* would fit, but nothing follows an overflow */
    assert_true(span_equal(sink_span(&s), SPAN_LIT("abc")));
    assert_memory_equal(data + 5, "###", 3);
    sink_init(&s, data, 5);
    sink_text(&s, "abcde");
    assert_false(s.overflow);
    sink_bytes(&s, SPAN_NONE);
    assert_false(s.overflow);
}

static void numbers_are_written_to_their_limits(void **state)
{
    (void)state;
    char data[128];
    struct sink s;
    sink_init(&s, data, sizeof data);
    sink_u64(&s, 0);
    sink_byte(&s, ' ');
    sink_u64(&s, UINT64_MAX);
    sink_byte(&s, ' ');
    sink_i64(&s, INT64_MIN);
    sink_byte(&s, ' ');
    sink_i64(&s, INT64_MAX);
    sink_byte(&s, ' ');
    sink_u64_padded(&s, 7, 3);
    sink_byte(&s, ' ');
    sink_u64_padded(&s, 12345, 3);
    sink_byte(&s, ' ');
    sink_hex(&s, SPAN_LIT("\x00\xff\x1a"));
    assert_true(span_equal(
        sink_span(&s), text("0 18446744073709551615 -9223372036854775808 9223372036854775807 007 "
                            "12345 00ff1a")));
}

/* --- money --- */

static void money_survives_writing_and_reading(void **state)
{
    (void)state;
    struct rng rng = start_rng(100);
    for (unsigned i = 0; i < ROUNDS; i++) {
        int64_t minor =
            (int64_t)rng_below(&rng, 2 * (uint64_t)MONEY_MINOR_MAX + 1) - MONEY_MINOR_MAX;
        minor = i == 0    ? MONEY_MINOR_MAX
                : i == 1  ? -MONEY_MINOR_MAX
                : i < 300 ? minor % 1000
                          : minor;
        char data[32];
        struct sink s;
        sink_init(&s, data, sizeof data);
        money_write(&s, minor);
        int64_t back = 1;
        assert_int_equal(money_read(sink_span(&s), &back), RES_OK);
        assert_int_equal(back, minor);
    }
}

static void money_is_read_in_json_form_with_two_digits_at_most(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t minor;
    } good[] = {{"0", 0},       {"0.05", 5},       {"12", 1200},
                {"12.5", 1250}, {"-12.50", -1250}, {"9999999999.99", MONEY_MINOR_MAX},
                {"-0.01", -1}};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        int64_t minor = 77;
        assert_int_equal(money_read(text(good[i].text), &minor), RES_OK);
        assert_int_equal(minor, good[i].minor);
    }
    static const char *const bad[] = {"",   "-",  ".5",   "1.",  "1.234", "01",    "+1",  "1e2",
                                      " 1", "1 ", "1,50", "--1", "0x1",   "1.2.3", "-.5", "NaN"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t minor = 77;
        assert_int_equal(money_read(text(bad[i]), &minor), RES_INVALID);
        assert_int_equal(minor, 77);
    }
    static const char *const large[] = {"10000000000", "-10000000000.00", "10000000000.01",
                                        "99999999999999999999999999999999"};
    for (size_t i = 0; i < sizeof large / sizeof large[0]; i++) {
        int64_t minor = 77;
        assert_int_equal(money_read(text(large[i]), &minor), RES_LIMIT);
        assert_int_equal(minor, 77);
    }
}

static void money_sums_stop_at_the_limit(void **state)
{
    (void)state;
    int64_t minor = 77;
    assert_int_equal(money_times(1250, -3, &minor), RES_OK);
    assert_int_equal(minor, -3750);
    assert_int_equal(money_times(MONEY_MINOR_MAX, 2, &minor), RES_LIMIT);
    assert_int_equal(money_times(INT64_MAX, INT64_MAX, &minor), RES_LIMIT);
    assert_int_equal(money_plus(MONEY_MINOR_MAX, 1, &minor), RES_LIMIT);
    assert_int_equal(money_plus(INT64_MIN, -1, &minor), RES_LIMIT);
    assert_int_equal(money_plus(MONEY_MINOR_MAX, -1, &minor), RES_OK);
    assert_int_equal(minor, MONEY_MINOR_MAX - 1);
}

/* --- timestamp --- */

/* The C library's calendar as an oracle. */
static void times_are_written_as_the_c_library_says_and_read_back(void **state)
{
    (void)state;
    struct rng rng = start_rng(3339);
    for (unsigned i = 0; i < ROUNDS; i++) {
        int64_t ms = (int64_t)rng_below(&rng, (uint64_t)TIMESTAMP_MS_MAX + 1);
        ms = i == 0 ? 0 : i == 1 ? TIMESTAMP_MS_MAX : ms;
        time_t seconds = (time_t)(ms / 1000);
        struct tm tm;
        char wanted[64];
        assert_non_null(gmtime_r(&seconds, &tm));
        size_t size = strftime(wanted, sizeof wanted, "%Y-%m-%dT%H:%M:%S", &tm);
        (void)snprintf(wanted + size, sizeof wanted - size, ".%03dZ", (int)(ms % 1000));
        char data[TIMESTAMP_TEXT_BYTES];
        struct sink s;
        sink_init(&s, data, sizeof data);
        timestamp_write(&s, ms);
        assert_false(s.overflow);
        assert_true(span_equal(sink_span(&s), text(wanted)));
        int64_t back = -1;
        assert_int_equal(timestamp_read(sink_span(&s), &back), RES_OK);
        assert_int_equal(back, ms);
    }
}

static void other_forms_of_time_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "2026-11-21T17:19:26Z",
        "2026-11-21T17:19:26.12Z",
        "2026-11-21T17:19:26.1234Z",
        "2026-11-21 17:19:26.123Z",
        "2026-11-21t17:19:26.123z",
        "2026-11-21T17:19:26.123+00:00",
        "2026-13-01T00:00:00.000Z",
        "2026-00-01T00:00:00.000Z",
        "2026-11-00T00:00:00.000Z",
        "2026-04-31T00:00:00.000Z",
        "2026-02-29T00:00:00.000Z",
        "2100-02-29T00:00:00.000Z",
        "2026-11-21T24:00:00.000Z",
        "2026-11-21T17:60:00.000Z",
        "2026-12-31T23:59:60.000Z",
        "1969-12-31T23:59:59.999Z",
        "2026-11-21T17:19:2a.123Z",
        "-026-11-21T17:19:26.123Z",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t ms = 77;
        if (timestamp_read(text(bad[i]), &ms) != RES_INVALID || ms != 77) {
            fail_msg("%s", bad[i]);
        }
    }
    int64_t ms;
    assert_int_equal(timestamp_read(SPAN_LIT("2024-02-29T23:59:59.999Z"), &ms), RES_OK);
    char data[64];
    struct sink s;
    sink_init(&s, data, sizeof data);
    timestamp_write(&s, -1);
    assert_true(s.overflow);
    sink_init(&s, data, sizeof data);
    timestamp_write(&s, TIMESTAMP_MS_MAX + 1);
    assert_true(s.overflow);
}

static void days_and_dates_are_inverse(void **state)
{
    (void)state;
    for (int64_t day = -800000; day < 800000; day += 37) {
        int year;
        unsigned month;
        unsigned d;
        timestamp_civil(day, &year, &month, &d);
        assert_in_range(month, 1, 12);
        assert_in_range(d, 1, 31);
        assert_int_equal(timestamp_days(year, month, d), day);
    }
    assert_int_equal(timestamp_days(1970, 1, 1), 0);
    assert_int_equal(timestamp_days(2000, 3, 1), 11017);
}

/* --- arena --- */

static void an_arena_hands_out_aligned_zeroed_separate_pieces(void **state)
{
    (void)state;
    struct rng rng = start_rng(16);
    static _Alignas(16) uint8_t block[4096];
    for (unsigned round = 0; round < 100; round++) {
        struct arena a;
        memset(block, 0xaa, sizeof block);
        size_t skew = rng_below(&rng, 17);
        arena_init(&a, block + skew, sizeof block - 32);
        uint8_t *end = block + skew;
        for (;;) {
            size_t size = rng_below(&rng, 200);
            uint8_t *piece = arena_take(&a, size);
            if (piece == NULL) {
                assert_true(size + 16 > a.size_max - a.used);
                break;
            }
            assert_int_equal((uintptr_t)piece % 16, 0);
            assert_true(piece >= end);
            for (size_t i = 0; i < size; i++) {
                assert_int_equal(piece[i], 0);
                piece[i] = 0x55;
            }
            end = piece + size;
        }
        assert_true(end <= block + skew + a.size_max);
        assert_int_equal(block[skew + a.size_max], 0xaa);
        volatile size_t huge = SIZE_MAX;
        assert_null(arena_take(&a, huge));
        arena_reset(&a);
        assert_non_null(arena_take(&a, 100));
    }
}

static void an_arena_copies_or_says_full(void **state)
{
    (void)state;
    _Alignas(16) uint8_t block[32];
    struct arena a;
    arena_init(&a, block, sizeof block);
    struct span copy = arena_copy(&a, SPAN_LIT("hello"));
    assert_true(span_equal(copy, SPAN_LIT("hello")));
    assert_null(arena_copy(&a, SPAN_LIT("0123456789abcdefg")).data);
    assert_non_null(arena_copy(&a, SPAN_LIT("0123456789abcdef")).data);
}

/* --- rng, err --- */

static void a_seed_replays_and_bounds_hold(void **state)
{
    (void)state;
    struct rng a;
    struct rng b;
    rng_init(&a, 1);
    rng_init(&b, 1);
    bool seen[7] = {false};
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t value = rng_below(&a, 7);
        assert_true(value < 7);
        assert_int_equal(value, rng_below(&b, 7));
        seen[value] = true;
    }
    for (size_t i = 0; i < 7; i++) {
        assert_true(seen[i]);
    }
    assert_int_equal(rng_below(&a, 1), 0);
    /* The first output of SplitMix64 for seed 0, as published. */
    rng_init(&a, 0);
    assert_true(rng_next(&a) == UINT64_C(0xe220a8397b1dcdaf));
}

static void words_gain_a_prefix_and_never_overflow(void **state)
{
    (void)state;
    struct err e;
    err_set(&e, "disk %s is full", "sda1");
    err_prefix(&e, "telemetry");
    assert_string_equal(e.text, "telemetry: disk sda1 is full");
    char longer[2 * sizeof e.text];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    err_set(&e, "%s", longer);
    assert_int_equal(strlen(e.text), sizeof e.text - 1);
    err_prefix(&e, "%s", longer);
    assert_int_equal(strlen(e.text), sizeof e.text - 1);
    err_set(NULL, "nobody wants words");
    err_prefix(NULL, "nobody wants words");
    for (int r = RES_OK; r <= RES_NO_MEMORY; r++) {
        assert_non_null(res_name((enum res)r));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_compare_as_bytes_then_length),
        cmocka_unit_test(a_span_becomes_a_text_only_when_it_fits),
        cmocka_unit_test(a_sink_never_writes_beyond_its_end_and_remembers),
        cmocka_unit_test(numbers_are_written_to_their_limits),
        cmocka_unit_test(money_survives_writing_and_reading),
        cmocka_unit_test(money_is_read_in_json_form_with_two_digits_at_most),
        cmocka_unit_test(money_sums_stop_at_the_limit),
        cmocka_unit_test(times_are_written_as_the_c_library_says_and_read_back),
        cmocka_unit_test(other_forms_of_time_are_refused),
        cmocka_unit_test(days_and_dates_are_inverse),
        cmocka_unit_test(an_arena_hands_out_aligned_zeroed_separate_pieces),
        cmocka_unit_test(an_arena_copies_or_says_full),
        cmocka_unit_test(a_seed_replays_and_bounds_hold),
        cmocka_unit_test(words_gain_a_prefix_and_never_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
