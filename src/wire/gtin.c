#include "gtin.h"

#include <assert.h>
#include <string.h>

#define CARD_DIGITS_MIN 13
#define CARD_DIGITS_MAX 19

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool all_digits(struct span s)
{
    for (size_t i = 0; i < s.size; i++) {
        if (!is_digit(s.data[i])) {
            return false;
        }
    }
    return true;
}

char gtin_check_digit(struct span digits)
{
    unsigned sum = 0;
    unsigned weight = 3;
    for (size_t i = digits.size; i > 0; i--) {
        sum += weight * (unsigned)(digits.data[i - 1] - '0');
        weight = 4 - weight;
    }
    return (char)('0' + (10 - sum % 10) % 10);
}

bool gtin_is_valid(struct span digits)
{
    if (digits.size != 8 && digits.size != 12 && digits.size != 13 && digits.size != 14) {
        return false;
    }
    return all_digits(digits) &&
           digits.data[digits.size - 1] ==
               (uint8_t)gtin_check_digit(span_of(digits.data, digits.size - 1));
}

enum res gtin_normalise(struct span digits, char ret_gtin14[GTIN_DIGITS + 1])
{
    if (!gtin_is_valid(digits)) {
        return RES_INVALID;
    }
    memset(ret_gtin14, '0', GTIN_DIGITS);
    memcpy(ret_gtin14 + GTIN_DIGITS - digits.size, digits.data, digits.size);
    ret_gtin14[GTIN_DIGITS] = '\0';
    return RES_OK;
}

/* GS1 General Specifications, section 5.2.2.4.2: the last digit of the six tells where the zeros
 * were left out. */
enum res gtin_from_upc_e(struct span digits, char ret_gtin12[13])
{
    if (digits.size != 8 || !all_digits(digits) || digits.data[0] > '1') {
        return RES_INVALID;
    }
    char d[8];
    memcpy(d, digits.data, sizeof d);
    char gtin[13] = "000000000000";
    gtin[0] = d[0];
    gtin[1] = d[1];
    gtin[2] = d[2];
    if (d[6] <= '2') {
        gtin[3] = d[6];
        memcpy(gtin + 8, d + 3, 3);
    } else if (d[6] == '3') {
        gtin[3] = d[3];
        memcpy(gtin + 9, d + 4, 2);
    } else if (d[6] == '4') {
        memcpy(gtin + 3, d + 3, 2);
        gtin[10] = d[5];
    } else {
        memcpy(gtin + 3, d + 3, 3);
        gtin[10] = d[6];
    }
    gtin[11] = d[7];
    if (!gtin_is_valid(span_of(gtin, 12))) {
        return RES_INVALID;
    }
    memcpy(ret_gtin12, gtin, sizeof gtin);
    return RES_OK;
}

/* GS1 General Specifications, section 7.9: the weighted product of digit n under each factor. */
static const uint8_t two_minus[10] = {0, 2, 4, 6, 8, 9, 1, 3, 5, 7};
static const uint8_t five_plus[10] = {0, 5, 1, 6, 2, 7, 3, 8, 4, 9};
static const uint8_t five_minus[10] = {0, 5, 9, 4, 8, 3, 7, 2, 6, 1};

char gtin_verifier_digit(struct span digits5)
{
    assert(digits5.size == 5 && all_digits(digits5));
    const uint8_t *d = digits5.data;
    unsigned sum = (unsigned)five_plus[d[0] - '0'] + two_minus[d[1] - '0'] +
                   five_minus[d[2] - '0'] + five_plus[d[3] - '0'] + two_minus[d[4] - '0'];
    unsigned rest = (10 - sum % 10) % 10;
    unsigned digit = 0;
    while (five_minus[digit] != rest) {
        digit++;
    }
    return (char)('0' + digit);
}

enum res gtin_variable_read(struct span digits13, const enum gtin_measure prefix_measure[10],
                            struct gtin_variable *ret)
{
    if (digits13.size != 13 || !gtin_is_valid(digits13)) {
        return RES_INVALID;
    }
    const uint8_t *d = digits13.data;
    enum gtin_measure measure = GTIN_MEASURE_NONE;
    if (d[0] == '2') {
        measure = prefix_measure[d[1] - '0'];
    } else if (d[0] == '0' && d[1] == '2') {
        measure = GTIN_MEASURE_WEIGHT;
    }
    struct gtin_variable v = {.measure = measure};
    v.item_gtin14[0] = '0';
    memcpy(v.item_gtin14 + 1, d, 13);
    if (measure == GTIN_MEASURE_NONE) {
        *ret = v;
        return RES_OK;
    }
    if (measure == GTIN_MEASURE_PRICE_VERIFIED || measure == GTIN_MEASURE_WEIGHT_VERIFIED) {
        if (d[6] != (uint8_t)gtin_verifier_digit(span_of(d + 7, 5))) {
            return RES_INVALID;
        }
        v.item_gtin14[7] = '0';
        v.measure =
            measure == GTIN_MEASURE_PRICE_VERIFIED ? GTIN_MEASURE_PRICE : GTIN_MEASURE_WEIGHT;
    }
    for (size_t i = 7; i < 12; i++) {
        v.value = v.value * 10 + (d[i] - '0');
    }
    memset(v.item_gtin14 + 8, '0', 5);
    v.item_gtin14[13] = gtin_check_digit(span_of(v.item_gtin14, 13));
    *ret = v;
    return RES_OK;
}

static bool luhn_is_valid(const uint8_t *digits, size_t count)
{
    unsigned sum = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned value = digits[count - 1 - i];
        if (i % 2 == 1) {
            value = value * 2 > 9 ? value * 2 - 9 : value * 2;
        }
        sum += value;
    }
    return sum % 10 == 0;
}

bool gtin_looks_like_card(struct span text)
{
    uint8_t last[CARD_DIGITS_MAX]; /* the newest digits of the run, oldest first */
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (!is_digit(c)) {
            bool separator = (c == ' ' || c == '-') && i > 0 && is_digit(text.data[i - 1]);
            if (!separator) {
                count = 0;
            }
            continue;
        }
        if (count == CARD_DIGITS_MAX) {
            memmove(last, last + 1, CARD_DIGITS_MAX - 1);
            count--;
        }
        last[count++] = (uint8_t)(c - '0');
        for (size_t size = CARD_DIGITS_MIN; size <= count; size++) {
            if (luhn_is_valid(last + count - size, size)) {
                return true;
            }
        }
    }
    return false;
}
