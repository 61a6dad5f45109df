#include "price_check.h"

#include "money.h"

#define PRICE_DECIMALS_MAX 2

static size_t digits_at(struct span text, size_t at)
{
    size_t n = 0;
    while (at + n < text.size && text.data[at + n] >= '0' && text.data[at + n] <= '9') {
        n++;
    }
    return n;
}

/* JSON's number grammar without an exponent (RFC 8259 section 6): 65, -65, 65.00, not .5 or 065. */
static bool has_form(struct span text, size_t *ret_whole, size_t *ret_decimals)
{
    size_t at = text.size > 0 && text.data[0] == '-' ? 1 : 0;
    size_t whole = digits_at(text, at);
    if (whole == 0 || (whole > 1 && text.data[at] == '0')) {
        return false;
    }
    at += whole;
    size_t decimals = 0;
    if (at < text.size && text.data[at] == '.') {
        decimals = digits_at(text, at + 1);
        if (decimals == 0) {
            return false;
        }
        at += 1 + decimals;
    }
    *ret_whole = whole;
    *ret_decimals = decimals;
    return at == text.size;
}

static bool any_digit(struct span text, size_t from)
{
    for (size_t i = from; i < text.size; i++) {
        if (text.data[i] >= '1' && text.data[i] <= '9') {
            return true;
        }
    }
    return false;
}

unsigned price_check_read(struct span text, int64_t *ret_minor)
{
    size_t whole = 0;
    size_t decimals = 0;
    if (!has_form(text, &whole, &decimals)) {
        return PRICE_NOT_A_NUMBER;
    }
    unsigned faults = 0;
    bool negative = text.data[0] == '-';
    size_t beyond = decimals > PRICE_DECIMALS_MAX ? decimals - PRICE_DECIMALS_MAX : 0;
    if (beyond > 0) {
        faults |= PRICE_DECIMALS;
    }
    if (negative || !any_digit(text, 0)) {
        return faults | PRICE_NOT_POSITIVE;
    }
    int64_t minor = 0;
    struct span kept = span_of(text.data, text.size - beyond);
    if (money_read(kept, &minor) != RES_OK || minor > PRICE_MINOR_MAX ||
        (minor == PRICE_MINOR_MAX && any_digit(text, kept.size))) {
        return faults | PRICE_RANGE;
    }
    if (faults == 0) {
        *ret_minor = minor;
    }
    return faults;
}

unsigned price_check(int64_t price_minor, struct span currency, const struct price_limits *limits)
{
    unsigned faults = 0;
    if (price_minor <= 0) {
        faults |= PRICE_NOT_POSITIVE;
    }
    if (price_minor > PRICE_MINOR_MAX) {
        faults |= PRICE_RANGE;
    }
    if (currency.size > 0 &&
        !span_equal(currency, span_text(limits->currency, sizeof limits->currency - 1))) {
        faults |= PRICE_CURRENCY;
    }
    if (limits->mrp_minor > 0 && price_minor > limits->mrp_minor) {
        faults |= PRICE_ABOVE_MRP;
    }
    if (limits->min_minor > 0 && price_minor < limits->min_minor) {
        faults |= PRICE_BELOW_BOUND;
    }
    if (limits->max_minor > 0 && price_minor > limits->max_minor) {
        faults |= PRICE_ABOVE_BOUND;
    }
    return faults;
}

const char *price_check_code(enum price_fault fault)
{
    switch (fault) {
    case PRICE_CURRENCY:
        return "INVALID_CURRENCY";
    case PRICE_ABOVE_MRP:
        return "PRICE_ABOVE_MRP";
    case PRICE_BELOW_BOUND:
    case PRICE_ABOVE_BOUND:
        return "PRICE_OUT_OF_BOUNDS";
    case PRICE_NOT_A_NUMBER:
    case PRICE_NOT_POSITIVE:
    case PRICE_DECIMALS:
    case PRICE_RANGE:
        break;
    }
    return "INVALID_PRICE";
}

const char *price_check_field(enum price_fault fault)
{
    return fault == PRICE_CURRENCY ? "currency" : "price";
}

static void limit_rule(struct sink *s, const char *before, int64_t minor, const char *after)
{
    sink_text(s, before);
    money_write(s, minor);
    sink_text(s, after);
}

void price_check_rule(enum price_fault fault, const struct price_limits *limits, struct sink *s)
{
    switch (fault) {
    case PRICE_NOT_A_NUMBER:
        sink_text(s, "a decimal number such as 65 or 65.00");
        break;
    case PRICE_NOT_POSITIVE:
        sink_text(s, "positive");
        break;
    case PRICE_DECIMALS:
        sink_text(s, "at most 2 decimals");
        break;
    case PRICE_RANGE:
        limit_rule(s, "at most ", PRICE_MINOR_MAX, "");
        break;
    case PRICE_CURRENCY:
        sink_text(s, limits->currency);
        sink_text(s, ", the store's currency");
        break;
    case PRICE_ABOVE_MRP:
        limit_rule(s, "at most ", limits->mrp_minor, ", the maximum retail price");
        break;
    case PRICE_BELOW_BOUND:
        limit_rule(s, "at least ", limits->min_minor, ", the lower bound of its category");
        break;
    case PRICE_ABOVE_BOUND:
        limit_rule(s, "at most ", limits->max_minor, ", the upper bound of its category");
        break;
    }
}

void price_check_words(unsigned faults, const struct price_limits *limits, struct sink *s)
{
    bool first = true;
    for (unsigned i = 0; i < PRICE_FAULT_KINDS; i++) {
        if ((faults & 1U << i) != 0) {
            sink_text(s, first ? "must be " : "; must be ");
            price_check_rule((enum price_fault)(1U << i), limits, s);
            first = false;
        }
    }
}
