/* The parts of the core that are plain functions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backoff.h"
#include "cart.h"
#include "cart_weight.h"

static void backoff_doubles_from_1_s_to_60_s(void **state)
{
    (void)state;
    static const int64_t expected[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    for (uint32_t i = 0; i < 8; i++) {
        assert_int_equal(backoff_delay_ms(i + 1, 0, CART_BACKOFF_JITTER_PCT), expected[i]);
    }
}

static void backoff_tries_every_5_min_after_10_failures(void **state)
{
    (void)state;
    assert_int_equal(backoff_delay_ms(10, 0, CART_BACKOFF_JITTER_PCT), 60000);
    assert_int_equal(backoff_delay_ms(11, 0, CART_BACKOFF_JITTER_PCT), 300000);
    assert_int_equal(backoff_delay_ms(UINT32_MAX, 0, CART_BACKOFF_JITTER_PCT), 300000);
}

static void backoff_jitter_takes_at_most_a_quarter_and_adds_nothing(void **state)
{
    (void)state;
    for (uint32_t failures = 1; failures < 15; failures++) {
        int64_t full_ms = backoff_delay_ms(failures, 0, CART_BACKOFF_JITTER_PCT);
        for (uint32_t jitter = 0; jitter < 100000; jitter += 61) {
            int64_t delay_ms = backoff_delay_ms(failures, jitter, CART_BACKOFF_JITTER_PCT);
            assert_true(delay_ms <= full_ms && delay_ms >= full_ms - full_ms / 4);
        }
    }
}

static void tolerance_is_10_g_or_5_percent(void **state)
{
    (void)state;
    assert_int_equal(cart_weight_tolerance_g(0), 10);
    assert_int_equal(cart_weight_tolerance_g(200), 10);
    assert_int_equal(cart_weight_tolerance_g(219), 10);
    assert_int_equal(cart_weight_tolerance_g(220), 11);
    assert_int_equal(cart_weight_tolerance_g(-1000), 50);
}

static void weight_is_judged_at_the_edge_of_tolerance(void **state)
{
    (void)state;
    assert_int_equal(cart_weight_judge(1000, RES_OK, 1050), WIRE_WEIGHT_OK);
    assert_int_equal(cart_weight_judge(1000, RES_OK, 1051), WIRE_WEIGHT_MISMATCH);
    assert_int_equal(cart_weight_judge(1000, RES_OK, 949), WIRE_WEIGHT_MISMATCH);
    assert_int_equal(cart_weight_judge(-100, RES_OK, -110), WIRE_WEIGHT_OK);
    assert_int_equal(cart_weight_judge(-100, RES_OK, 100), WIRE_WEIGHT_MISMATCH);
}

static void weight_is_not_judged_without_both_figures(void **state)
{
    (void)state;
    assert_int_equal(cart_weight_judge(100, RES_AGAIN, 0), WIRE_WEIGHT_UNSTABLE);
    assert_int_equal(cart_weight_judge(100, RES_UNAVAILABLE, 0), WIRE_WEIGHT_UNKNOWN);
    assert_int_equal(cart_weight_judge(WIRE_ABSENT, RES_OK, 100), WIRE_WEIGHT_UNKNOWN);
    assert_int_equal(cart_weight_judge(0, RES_OK, 100), WIRE_WEIGHT_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backoff_doubles_from_1_s_to_60_s),
        cmocka_unit_test(backoff_tries_every_5_min_after_10_failures),
        cmocka_unit_test(backoff_jitter_takes_at_most_a_quarter_and_adds_nothing),
        cmocka_unit_test(tolerance_is_10_g_or_5_percent),
        cmocka_unit_test(weight_is_judged_at_the_edge_of_tolerance),
        cmocka_unit_test(weight_is_not_judged_without_both_figures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
