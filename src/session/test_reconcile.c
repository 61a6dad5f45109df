#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ecdsa.h"
#include "reconcile.h"
#include "rng.h"

static struct wire_scan scan_of(int64_t line, int64_t quantity, int64_t price)
{
    struct wire_scan s = {.line = line,
                          .quantity = quantity,
                          .price = price,
                          .price_source = WIRE_ABSENT,
                          .measure_g = WIRE_ABSENT,
                          .weight_expected_g = WIRE_ABSENT,
                          .weight_delta_g = WIRE_ABSENT,
                          .weight = WIRE_ABSENT,
                          .resolves = WIRE_ABSENT};
    if (price != WIRE_ABSENT) {
        s.currency = SPAN_LIT("INR");
    }
    return s;
}

static void fold(struct reconcile *r, const struct wire_scan *scan, int64_t counter)
{
    uint8_t digest[WIRE_DIGEST_BYTES] = {(uint8_t)counter};
    assert_int_equal(reconcile_scan(r, scan, counter, digest, ecdsa_sha256_two), RES_OK);
}

/* An end that agrees with the fold in all; tests bend one field. */
static struct wire_session_end end_of(const struct reconcile *r, char hex[WIRE_DIGEST_BYTES * 2])
{
    struct sink s;
    sink_init(&s, hex, WIRE_DIGEST_BYTES * 2);
    sink_hex(&s, span_of(r->digest, sizeof r->digest));
    return (struct wire_session_end){.outcome = WIRE_COMPLETE,
                                     .item_count = r->item_count,
                                     .scan_count = r->scan_count,
                                     .unpriced = r->unpriced,
                                     .first_scan = r->first_scan,
                                     .last_scan = r->last_scan,
                                     .total = r->total_minor,
                                     .currency = SPAN_LIT("INR"),
                                     .digest = sink_span(&s),
                                     .payment_token = SPAN_LIT("token-0123456789"),
                                     .payment_amount = r->total_minor,
                                     .payment_status = WIRE_APPROVED};
}

static void adds_up_scans_and_removals(void **state)
{
    (void)state;
    struct reconcile r;
    reconcile_init(&r);
    struct wire_scan a = scan_of(1, 2, 1050);
    struct wire_scan b = scan_of(2, 1, 300);
    struct wire_scan c = scan_of(1, -1, 1050);
    fold(&r, &a, 5);
    fold(&r, &b, 6);
    fold(&r, &c, 9);
    assert_int_equal(r.item_count, 2);
    assert_int_equal(r.scan_count, 3);
    assert_int_equal(r.total_minor, 1350);
    assert_int_equal(r.first_scan, 5);
    assert_int_equal(r.last_scan, 9);
    char hex[64];
    struct wire_session_end end = end_of(&r, hex);
    assert_int_equal(reconcile_compare(&r, &end), 0);
}

static void a_line_without_a_price_waits_for_the_scan_that_resolves_it(void **state)
{
    (void)state;
    struct reconcile r;
    reconcile_init(&r);
    struct wire_scan unknown = scan_of(1, 3, WIRE_ABSENT);
    struct wire_scan removed = scan_of(1, -1, WIRE_ABSENT);
    struct wire_scan resolved = scan_of(1, 3, 200);
    resolved.resolves = 4;
    fold(&r, &unknown, 4);
    fold(&r, &removed, 5);
    assert_int_equal(r.unpriced, 2);
    fold(&r, &resolved, 6);
    assert_int_equal(r.unpriced, 0);
    assert_int_equal(r.total_minor, 400);
    assert_int_equal(r.item_count, 2);
    assert_int_equal(r.scan_count, 3);
    fold(&r, &resolved, 7);
    assert_int_equal(r.total_minor, 400); /* resolving twice changes nothing */
}

static void names_each_difference(void **state)
{
    (void)state;
    struct reconcile r;
    reconcile_init(&r);
    struct wire_scan a = scan_of(1, 1, 100);
    fold(&r, &a, 2);
    char hex[64];
    const struct wire_session_end good = end_of(&r, hex);
    struct wire_session_end e = good;
    e.item_count++;
    assert_int_equal(reconcile_compare(&r, &e), 1U << RECONCILE_ITEM_COUNT);
    e = good;
    e.scan_count++;
    assert_int_equal(reconcile_compare(&r, &e),
                     1U << RECONCILE_SCAN_COUNT | 1U << RECONCILE_MISSING_SCANS);
    e = good;
    e.unpriced = 1;
    assert_int_equal(reconcile_compare(&r, &e), 1U << RECONCILE_UNPRICED);
    e = good;
    e.total = 101;
    assert_int_equal(reconcile_compare(&r, &e), 1U << RECONCILE_TOTAL);
    e = good;
    e.digest = SPAN_LIT("0000000000000000000000000000000000000000000000000000000000000000");
    assert_int_equal(reconcile_compare(&r, &e), 1U << RECONCILE_DIGEST);
    e = good;
    e.currency = SPAN_LIT("USD");
    assert_int_equal(reconcile_compare(&r, &e), 1U << RECONCILE_CURRENCY);
    e = good;
    e.first_scan = 1;
    assert_int_equal(reconcile_compare(&r, &e), 1U << RECONCILE_MISSING_SCANS);
    e = good;
    e.payment_token = SPAN_NONE;
    assert_int_equal(reconcile_compare(&r, &e), 1U << RECONCILE_PAYMENT_MISSING);
    e.outcome = WIRE_VOIDED;
    assert_int_equal(reconcile_compare(&r, &e), 0);
    e = good;
    e.payment_amount = 99;
    assert_int_equal(reconcile_compare(&r, &e), 1U << RECONCILE_PAYMENT_AMOUNT);
    e = good;
    e.payment_status = WIRE_DECLINED;
    assert_int_equal(reconcile_compare(&r, &e), 1U << RECONCILE_PAYMENT_REFUSED);
    e = good;
    e.outcome = WIRE_ABANDONED;
    assert_int_equal(reconcile_compare(&r, &e), 1U << RECONCILE_PAYMENT_ORPHAN);
}

static void an_empty_session_adds_up(void **state)
{
    (void)state;
    struct reconcile r;
    reconcile_init(&r);
    char hex[64];
    struct wire_session_end e = end_of(&r, hex);
    e.payment_token = SPAN_NONE;
    assert_int_equal(reconcile_compare(&r, &e), 0);
}

static void a_sum_beyond_the_limits_of_money_is_a_difference(void **state)
{
    (void)state;
    struct reconcile r;
    reconcile_init(&r);
    struct wire_scan a = scan_of(1, 99, INT64_C(99999999999));
    fold(&r, &a, 2);
    char hex[64];
    struct wire_session_end e = end_of(&r, hex);
    assert_int_equal(reconcile_compare(&r, &e), 1U << RECONCILE_TOTAL);
}

static void too_many_lines_without_a_price_are_a_difference(void **state)
{
    (void)state;
    struct reconcile r;
    reconcile_init(&r);
    for (int64_t line = 1; line <= RECONCILE_UNPRICED_LINES_MAX + 1; line++) {
        struct wire_scan a = scan_of(line, 1, WIRE_ABSENT);
        fold(&r, &a, line);
    }
    assert_true(r.overflow);
    assert_int_equal(r.unpriced, RECONCILE_UNPRICED_LINES_MAX);
}

/* The order of scans and price answers does not matter to the sums: compare with sums by line. */
static void equals_sums_by_line_for_random_baskets(void **state)
{
    (void)state;
    const char *given = getenv("ENDCAP_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 42;
    print_message("seed %llu\n", (unsigned long long)seed);
    struct rng rng;
    rng_init(&rng, seed);
    for (int round = 0; round < 300; round++) {
        struct reconcile r;
        reconcile_init(&r);
        int64_t quantity[41] = {0};
        int64_t price[41];
        bool known[41] = {false};
        int64_t scans = 0;
        for (int64_t counter = 1; counter <= 120; counter++) {
            int64_t line = 1 + (int64_t)rng_below(&rng, 40);
            bool answer = quantity[line] != 0 && !known[line] && rng_below(&rng, 2) == 0;
            if (quantity[line] == 0 && !known[line]) {
                price[line] = 1 + (int64_t)rng_below(&rng, 50000);
                known[line] = rng_below(&rng, 4) != 0;
            }
            struct wire_scan s = scan_of(line, 1 + (int64_t)rng_below(&rng, 5),
                                         known[line] || answer ? price[line] : WIRE_ABSENT);
            if (answer) {
                s.resolves = counter - 1;
                known[line] = true;
            } else {
                s.quantity = rng_below(&rng, 5) == 0 ? -s.quantity : s.quantity;
                quantity[line] += s.quantity;
            }
            fold(&r, &s, counter);
            scans++;
        }
        int64_t total = 0;
        int64_t items = 0;
        int64_t unpriced = 0;
        for (int line = 1; line <= 40; line++) {
            items += quantity[line];
            total += known[line] ? quantity[line] * price[line] : 0;
            unpriced += known[line] ? 0 : quantity[line];
        }
        assert_int_equal(r.scan_count, scans);
        assert_int_equal(r.item_count, items);
        assert_int_equal(r.total_minor, total);
        assert_int_equal(r.unpriced, unpriced);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adds_up_scans_and_removals),
        cmocka_unit_test(a_line_without_a_price_waits_for_the_scan_that_resolves_it),
        cmocka_unit_test(names_each_difference),
        cmocka_unit_test(an_empty_session_adds_up),
        cmocka_unit_test(a_sum_beyond_the_limits_of_money_is_a_difference),
        cmocka_unit_test(too_many_lines_without_a_price_are_a_difference),
        cmocka_unit_test(equals_sums_by_line_for_random_baskets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
