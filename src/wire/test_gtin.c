/* GS1 keys: vectors of the General Specifications and of well-known products. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gtin.h"
#include "rng.h"

static struct span text(const char *s)
{
    return span_of(s, strlen(s));
}

static void takes_valid_codes_of_each_length(void **state)
{
    (void)state;
    static const char *const valid[] = {"96385074",      "73513537",       "40170725",
                                        "036000291452",  "012345678905",   "036000241457",
                                        "4006381333931", "8901058000290",  "5901234123457",
                                        "9501101531000", "00012345678905", "10614141000415"};
    for (size_t i = 0; i < sizeof valid / sizeof valid[0]; i++) {
        if (!gtin_is_valid(text(valid[i]))) {
            fail_msg("%s", valid[i]);
        }
    }
}

static void refuses_wrong_digits_lengths_and_characters(void **state)
{
    (void)state;
    static const char *const invalid[] = {"",
                                          "9638507",
                                          "96385075",
                                          "963850740",
                                          "0360002914521",
                                          "036000291453",
                                          "40063813339311",
                                          "400638133393a",
                                          "4006381333931 ",
                                          " 4006381333931",
                                          "-4006381333931",
                                          "1234567890"};
    for (size_t i = 0; i < sizeof invalid / sizeof invalid[0]; i++) {
        if (gtin_is_valid(text(invalid[i]))) {
            fail_msg("%s", invalid[i]);
        }
    }
}

static void any_single_wrong_digit_is_noticed(void **state)
{
    (void)state;
    char code[] = "4006381333931";
    for (size_t i = 0; i < 13; i++) {
        for (int d = '0'; d <= '9'; d++) {
            char saved = code[i];
            code[i] = (char)d;
            assert_int_equal(gtin_is_valid(text(code)), d == saved);
            code[i] = saved;
        }
    }
}

static void pads_every_length_to_one_key(void **state)
{
    (void)state;
    char key[GTIN_DIGITS + 1];
    assert_int_equal(gtin_normalise(text("96385074"), key), RES_OK);
    assert_string_equal(key, "00000096385074");
    assert_int_equal(gtin_normalise(text("036000291452"), key), RES_OK);
    assert_string_equal(key, "00036000291452");
    assert_int_equal(gtin_normalise(text("0036000291452"), key), RES_OK);
    assert_string_equal(key, "00036000291452");
    assert_int_equal(gtin_normalise(text("10614141000415"), key), RES_OK);
    assert_string_equal(key, "10614141000415");
    assert_int_equal(gtin_normalise(text("10614141000416"), key), RES_INVALID);
}

static void expands_upc_e_by_its_last_digit(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"04252614", "042100005264"}, {"01234565", "012345000065"}, {"01234505", "012000003455"},
        {"01234514", "012100003454"}, {"01234523", "012200003453"}, {"01234531", "012300000451"},
        {"01234543", "012340000053"}, {"01234558", "012345000058"}, {"01234572", "012345000072"}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        char expanded[13];
        if (gtin_from_upc_e(text(pairs[i][0]), expanded) != RES_OK) {
            fail_msg("%s", pairs[i][0]);
        }
        assert_string_equal(expanded, pairs[i][1]);
    }
    char unused[13];
    assert_int_equal(gtin_from_upc_e(text("04252615"), unused), RES_INVALID);
    assert_int_equal(gtin_from_upc_e(text("24252614"), unused), RES_INVALID);
    assert_int_equal(gtin_from_upc_e(text("0425261"), unused), RES_INVALID);
    assert_int_equal(gtin_from_upc_e(text("0425261x"), unused), RES_INVALID);
}

static const enum gtin_measure layout[10] = {GTIN_MEASURE_PRICE, GTIN_MEASURE_WEIGHT,
                                             GTIN_MEASURE_PRICE_VERIFIED,
                                             GTIN_MEASURE_WEIGHT_VERIFIED};

static void read_variable(const char *code, enum gtin_measure measure, int64_t value,
                          const char *key)
{
    char digits[14];
    memcpy(digits, code, 13);
    digits[12] = gtin_check_digit(span_of(digits, 12));
    digits[13] = '\0';
    struct gtin_variable v;
    if (gtin_variable_read(text(digits), layout, &v) != RES_OK) {
        fail_msg("%s", digits);
    }
    assert_int_equal(v.measure, measure);
    assert_int_equal(v.value, value);
    assert_true(gtin_is_valid(text(v.item_gtin14)));
    assert_memory_equal(v.item_gtin14, key, 13);
}

static void reads_variable_measure_codes_by_the_stores_layout(void **state)
{
    (void)state;
    read_variable("200123406125x", GTIN_MEASURE_PRICE, 6125, "0200123400000");
    read_variable("210123400875x", GTIN_MEASURE_WEIGHT, 875, "0210123400000");
    read_variable("020123400875x", GTIN_MEASURE_WEIGHT, 875, "0020123400000");
    read_variable("290123400875x", GTIN_MEASURE_NONE, 0, "0290123400875");
    read_variable("890105800029x", GTIN_MEASURE_NONE, 0, "0890105800029");
    /* 14685 has the verifier 6 (General Specifications, section 7.9.4). */
    read_variable("221234614685x", GTIN_MEASURE_PRICE, 14685, "0221234000000");
    read_variable("231234614685x", GTIN_MEASURE_WEIGHT, 14685, "0231234000000");
}

static void refuses_variable_measure_codes_with_wrong_digits(void **state)
{
    (void)state;
    struct gtin_variable v;
    char digits[14] = "221234714685x";
    digits[12] = gtin_check_digit(span_of(digits, 12));
    assert_int_equal(gtin_variable_read(text(digits), layout, &v), RES_INVALID);
    assert_int_equal(gtin_variable_read(text("2001234061250"), layout, &v), RES_INVALID);
    assert_int_equal(gtin_variable_read(text("96385074"), layout, &v), RES_INVALID);
}

static void the_verifier_notices_every_single_wrong_digit(void **state)
{
    (void)state;
    assert_int_equal(gtin_verifier_digit(text("14685")), '6');
    char digits[] = "14685";
    for (size_t i = 0; i < 5; i++) {
        for (int d = '0'; d <= '9'; d++) {
            char saved = digits[i];
            digits[i] = (char)d;
            assert_int_equal(gtin_verifier_digit(text(digits)) == '6', d == saved);
            digits[i] = saved;
        }
    }
}

static void sees_card_numbers_however_they_are_written(void **state)
{
    (void)state;
    static const char *const cards[] = {
        "4111111111111111",        "4111 1111 1111 1111", "4111-1111-1111-1111",
        "card 4111111111111111 x", "378282246310005",     "3782 822463 10005",
        "5555555555554444",        "6011111111111117",    "30569309025904",
        "4222222222222",           "94111111111111111",   "41111111111111119",
        "x4111111111111111",       "6304000000000000000", "token4111111111111111end"};
    for (size_t i = 0; i < sizeof cards / sizeof cards[0]; i++) {
        if (!gtin_looks_like_card(text(cards[i]))) {
            fail_msg("%s", cards[i]);
        }
    }
    static const char *const others[] = {"",
                                         "4222222222223",
                                         "411111111111",
                                         "4111  1111  1111  1111",
                                         "4111x1111x1111x1111",
                                         "no digits here",
                                         "1.4.2",
                                         "tok_9vQmXbRzKfHwYpLcTnGd"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (gtin_looks_like_card(text(others[i]))) {
            fail_msg("%s", others[i]);
        }
    }
}

/* 1,000 random Luhn-valid numbers of 13..19 digits, separators here and there (R18). */
static void sees_a_thousand_random_card_numbers(void **state)
{
    (void)state;
    struct rng rng;
    const char *from = getenv("ENDCAP_SEED");
    uint64_t seed = from != NULL ? strtoull(from, NULL, 10) : 18;
    print_message("seed %llu (ENDCAP_SEED)\n", (unsigned long long)seed);
    rng_init(&rng, seed);
    for (unsigned round = 0; round < 1000; round++) {
        uint8_t digits[19];
        size_t count = 13 + rng_below(&rng, 7);
        unsigned sum = 0;
        for (size_t i = 0; i + 1 < count; i++) {
            digits[i] = (uint8_t)rng_below(&rng, 10);
            unsigned value = digits[i];
            if ((count - 1 - i) % 2 == 1) {
                value = value * 2 > 9 ? value * 2 - 9 : value * 2;
            }
            sum += value;
        }
        digits[count - 1] = (uint8_t)((10 - sum % 10) % 10);
        char written[64] = "x ";
        size_t size = 2;
        for (size_t i = 0; i < count; i++) {
            written[size++] = (char)('0' + digits[i]);
            if (rng_below(&rng, 4) == 0) {
                written[size++] = rng_below(&rng, 2) == 0 ? ' ' : '-';
            }
        }
        written[size] = '\0';
        if (!gtin_looks_like_card(text(written))) {
            fail_msg("%s", written);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_valid_codes_of_each_length),
        cmocka_unit_test(refuses_wrong_digits_lengths_and_characters),
        cmocka_unit_test(any_single_wrong_digit_is_noticed),
        cmocka_unit_test(pads_every_length_to_one_key),
        cmocka_unit_test(expands_upc_e_by_its_last_digit),
        cmocka_unit_test(reads_variable_measure_codes_by_the_stores_layout),
        cmocka_unit_test(refuses_variable_measure_codes_with_wrong_digits),
        cmocka_unit_test(the_verifier_notices_every_single_wrong_digit),
        cmocka_unit_test(sees_card_numbers_however_they_are_written),
        cmocka_unit_test(sees_a_thousand_random_card_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
