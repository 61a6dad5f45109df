#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "battery_days.h"
#include "rng.h"

#define CASES 500

static struct rng rng;

static int32_t below(uint64_t bound)
{
    return (int32_t)rng_below(&rng, bound);
}

/* Feature: smartshelf-india, Property 68: Battery Life Estimation. A label that loses the same each
 * day has as many days left as that goes into its level, however many days were seen, and whatever
 * was before its last charge. */
static void the_days_left_are_the_level_over_the_average_daily_loss(void **state)
{
    (void)state;
    print_message("Feature: smartshelf-india, Property 68: Battery Life Estimation (500 cases)\n");
    for (int i = 0; i < CASES; i++) {
        struct battery_day days[40];
        size_t n = 0;
        int64_t day = 20000;
        for (int k = below(10); k > 0; k--) { /* before the charge: anything that ends low */
            int32_t first = below(60);
            days[n++] = (struct battery_day){day++, first, first - below((uint64_t)first + 1)};
            days[n - 1].last_pct = k == 1 ? below(3) : days[n - 1].last_pct;
        }
        int32_t loss = 1 + below(6);
        int32_t level = 90 + below(11);
        int32_t count = 1 + below(BATTERY_DAYS_WINDOW);
        for (int32_t k = 0; k < count; k++) {
            days[n++] = (struct battery_day){day++, level, level - loss};
            level -= loss;
        }
        assert_int_equal(battery_days_left(days, n), level / loss);
    }
}

static void a_battery_that_loses_nothing_has_no_estimate(void **state)
{
    (void)state;
    const struct battery_day still[] = {{1, 80, 80}, {2, 80, 81}, {3, 81, 80}};
    const struct battery_day charged[] = {{1, 50, 40}, {2, 40, 100}};
    assert_int_equal(battery_days_left(still, 3), BATTERY_DAYS_UNKNOWN);
    assert_int_equal(battery_days_left(charged, 2), BATTERY_DAYS_UNKNOWN);
    assert_int_equal(battery_days_left(NULL, 0), BATTERY_DAYS_UNKNOWN);
}

static void a_gauge_that_wavers_is_no_charge(void **state)
{
    (void)state;
    const struct battery_day days[] = {{1, 90, 87}, {2, 89, 86}, {3, 86, 84}};
    assert_int_equal(battery_days_left(days, 3), 84 * 3 / 6);
}

static void days_without_a_word_count_too(void **state)
{
    (void)state;
    const struct battery_day days[] = {{1, 100, 99}, {5, 95, 95}};
    assert_int_equal(battery_days_left(days, 2), 95);
}

static void what_was_before_the_window_is_forgotten(void **state)
{
    (void)state;
    const struct battery_day days[] = {{1, 100, 50}, {20, 50, 49}, {21, 49, 48}};
    assert_int_equal(battery_days_left(days, 3), 48);
}

static void an_empty_battery_has_no_day_left(void **state)
{
    (void)state;
    const struct battery_day days[] = {{1, 10, 5}, {2, 5, 0}};
    assert_int_equal(battery_days_left(days, 2), 0);
}

int main(void)
{
    const char *env = getenv("ENDCAP_SEED");
    uint64_t seed = env != NULL ? strtoull(env, NULL, 10) : (uint64_t)time(NULL);
    printf("ENDCAP_SEED=%llu\n", (unsigned long long)seed);
    rng_init(&rng, seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_days_left_are_the_level_over_the_average_daily_loss),
        cmocka_unit_test(a_battery_that_loses_nothing_has_no_estimate),
        cmocka_unit_test(a_gauge_that_wavers_is_no_charge),
        cmocka_unit_test(days_without_a_word_count_too),
        cmocka_unit_test(what_was_before_the_window_is_forgotten),
        cmocka_unit_test(an_empty_battery_has_no_day_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
