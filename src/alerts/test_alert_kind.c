#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "alert_kind.h"
#include "alert_level.h"
#include "json.h"
#include "rng.h"

static struct rng rng;

static void a_battery_alert_opens_at_19_not_at_20_and_closes_at_25_not_at_24(void **state)
{
    (void)state;
    const struct alert_level *l = &alert_level_battery_pct;
    assert_int_equal(alert_level_step(l, false, 20), ALERT_STAYS);
    assert_int_equal(alert_level_step(l, false, 19), ALERT_OPENS);
    assert_int_equal(alert_level_step(l, true, 19), ALERT_STAYS);
    assert_int_equal(alert_level_step(l, true, 24), ALERT_STAYS);
    assert_int_equal(alert_level_step(l, true, 25), ALERT_CLOSES);
    assert_int_equal(alert_level_step(l, false, 24), ALERT_STAYS);
}

/* Feature: smartshelf-india, Property 5: Low Battery Alert Generation
 * Whatever a battery reports, from the first value below 20 an alert is open until a value of 25 or
 * more, and it is opened once for each time the value fell. */
static void a_low_battery_always_has_one_open_alert(void **state)
{
    (void)state;
    print_message(
        "Feature: smartshelf-india, Property 5: Low Battery Alert Generation (500 cases)\n");
    for (int run = 0; run < 500; run++) {
        bool open = false;
        int64_t pct = (int64_t)rng_below(&rng, 101);
        for (int step = 0; step < 100; step++) {
            int64_t next = pct + (int64_t)rng_below(&rng, 21) - 10;
            pct = next < 0 ? 0 : next > 100 ? 100 : next;
            enum alert_change change = alert_level_step(&alert_level_battery_pct, open, pct);
            assert_true(change != ALERT_OPENS || !open);
            assert_true(change != ALERT_CLOSES || open);
            bool before = open;
            open = change == ALERT_OPENS || (open && change != ALERT_CLOSES);
            assert_true(open || pct >= 20);
            assert_true(!open || pct < 25);
            assert_true(pct < 20 || pct >= 25 || open == before);
        }
    }
}

/* A level above which it is bad is the mirror image of one below. */
static void above_is_the_mirror_of_below(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        int64_t raise = (int64_t)rng_below(&rng, 200) - 100;
        int64_t gap = (int64_t)rng_below(&rng, 50);
        int64_t value = (int64_t)rng_below(&rng, 400) - 200;
        bool open = rng_below(&rng, 2) == 1;
        struct alert_level below = {ALERT_BELOW, raise, raise + gap};
        struct alert_level above = {ALERT_ABOVE, -raise, -raise - gap};
        assert_int_equal(alert_level_step(&below, open, value),
                         alert_level_step(&above, open, -value));
    }
}

static void every_kind_has_a_name_an_end_and_six_different_titles(void **state)
{
    (void)state;
    for (int k = 0; k < ALERT_KINDS; k++) {
        const struct alert_kind_entry *e = alert_kind_entry((enum alert_kind)k);
        enum alert_kind back = ALERT_KINDS;
        assert_non_null(e->name);
        assert_int_equal(alert_kind_read(span_text(e->name, 64), &back), RES_OK);
        assert_int_equal(back, k);
        assert_true(strlen(e->ends) > 0);
        for (size_t i = 0; i < ALERT_LANGUAGES; i++) {
            assert_non_null(e->title[i]);
            assert_true(json_utf8_is_valid(span_text(e->title[i], 200)));
            for (size_t j = 0; j < i; j++) {
                assert_string_not_equal(e->title[i], e->title[j]);
            }
        }
    }
    enum alert_kind none = ALERT_KINDS;
    assert_int_equal(alert_kind_read(SPAN_LIT("low"), &none), RES_NOT_FOUND);
}

static void a_language_that_is_not_ours_gets_english(void **state)
{
    (void)state;
    assert_string_equal(alert_kind_title(ALERT_LOW_BATTERY, SPAN_LIT("fr")), "Low battery");
    assert_string_equal(alert_kind_title(ALERT_LOW_BATTERY, SPAN_LIT("hi")), "बैटरी कम है");
}

int main(void)
{
    const char *env = getenv("ENDCAP_SEED");
    uint64_t seed = env != NULL ? strtoull(env, NULL, 10) : (uint64_t)time(NULL);
    print_message("seed %llu\n", (unsigned long long)seed);
    rng_init(&rng, seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_battery_alert_opens_at_19_not_at_20_and_closes_at_25_not_at_24),
        cmocka_unit_test(a_low_battery_always_has_one_open_alert),
        cmocka_unit_test(above_is_the_mirror_of_below),
        cmocka_unit_test(every_kind_has_a_name_an_end_and_six_different_titles),
        cmocka_unit_test(a_language_that_is_not_ours_gets_english),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
