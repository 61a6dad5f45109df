#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rng.h"
#include "token_bucket.h"

static int take_all(struct token_bucket *b, const struct token_bucket_rate *rate, int64_t now_us)
{
    int taken = 0;
    while (taken < 100000 && token_bucket_take(b, rate, now_us)) {
        taken++;
    }
    return taken;
}

static void gives_a_burst_then_the_rate(void **state)
{
    (void)state;
    struct token_bucket b = {0};
    struct token_bucket_rate rate = token_bucket_rate(100, 50);
    int64_t now = 5000000;
    assert_int_equal(take_all(&b, &rate, now), 50);
    assert_int_equal(take_all(&b, &rate, now + 9999), 0);
    assert_int_equal(take_all(&b, &rate, now + 10000), 1);
    assert_int_equal(take_all(&b, &rate, now + 510000), 50);
    assert_int_equal(take_all(&b, &rate, now + 100000000), 50);
}

static void without_a_rate_there_is_no_limit(void **state)
{
    (void)state;
    struct token_bucket b = {0};
    struct token_bucket_rate rate = token_bucket_rate(0, 1);
    assert_int_equal(take_all(&b, &rate, 1), 100000);
}

static void a_clock_that_steps_back_locks_nobody_out_for_longer_than_a_burst(void **state)
{
    (void)state;
    struct token_bucket b = {0};
    struct token_bucket_rate rate = token_bucket_rate(10, 20);
    assert_int_equal(take_all(&b, &rate, INT64_C(90000000000)), 20);
    assert_false(token_bucket_take(&b, &rate, 1000000));
    assert_int_equal(take_all(&b, &rate, 1000000 + 2000000), 20);
}

static void a_fine_takes_what_is_not_there(void **state)
{
    (void)state;
    struct token_bucket b = {0};
    struct token_bucket_rate rate = token_bucket_rate(10, 20);
    token_bucket_fine(&b, &rate, 1000000, 500);
    assert_int_equal(take_all(&b, &rate, 1000000), 0);
    assert_int_equal(take_all(&b, &rate, 1000000 + 100000), 1);
    assert_int_equal(take_all(&b, &rate, 1000000 + 3000000), 20);
}

static void never_gives_more_than_burst_plus_rate_in_any_window(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 7);
    for (int round = 0; round < 200; round++) {
        int64_t per_second = 1 + (int64_t)rng_below(&rng, 5000);
        struct token_bucket_rate rate =
            token_bucket_rate(per_second, 1 + (int64_t)rng_below(&rng, 500));
        struct token_bucket b = {0};
        int64_t start = 1000000 + (int64_t)rng_below(&rng, 1000000);
        int64_t now = start;
        int64_t taken = 0;
        for (int i = 0; i < 500; i++) {
            now += (int64_t)rng_below(&rng, 3000);
            taken += token_bucket_take(&b, &rate, now) ? 1 : 0;
            assert_true(taken <= rate.burst + (now - start) / rate.token_us);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_a_burst_then_the_rate),
        cmocka_unit_test(without_a_rate_there_is_no_limit),
        cmocka_unit_test(a_clock_that_steps_back_locks_nobody_out_for_longer_than_a_burst),
        cmocka_unit_test(a_fine_takes_what_is_not_there),
        cmocka_unit_test(never_gives_more_than_burst_plus_rate_in_any_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
