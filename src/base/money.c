#include "money.h"

void money_write(struct sink *s, int64_t minor)
{
    uint64_t magnitude = (uint64_t)minor;
    if (minor < 0) {
        sink_byte(s, '-');
        magnitude = (uint64_t)0 - (uint64_t)minor;
    }
    sink_u64(s, magnitude / 100);
    sink_byte(s, '.');
    sink_u64_padded(s, magnitude % 100, 2);
}

enum res money_read(struct span text, int64_t *ret_minor)
{
    size_t at = 0;
    bool negative = text.size > 0 && text.data[0] == '-';
    if (negative) {
        at++;
    }
    size_t whole_start = at;
    int64_t minor = 0;
    while (at < text.size && text.data[at] >= '0' && text.data[at] <= '9') {
        if (minor > MONEY_MINOR_MAX) {
            return RES_LIMIT;
        }
        minor = minor * 10 + (text.data[at] - '0');
        at++;
    }
    size_t whole_digits = at - whole_start;
    if (whole_digits == 0 || (whole_digits > 1 && text.data[whole_start] == '0')) {
        return RES_INVALID;
    }
    unsigned decimals = 0;
    if (at < text.size && text.data[at] == '.') {
        at++;
        while (at < text.size && text.data[at] >= '0' && text.data[at] <= '9' && decimals < 2) {
            minor = minor * 10 + (text.data[at] - '0');
            at++;
            decimals++;
        }
        if (decimals == 0) {
            return RES_INVALID;
        }
    }
    if (at != text.size) {
        return RES_INVALID;
    }
    for (; decimals < 2; decimals++) {
        minor *= 10;
    }
    if (minor > MONEY_MINOR_MAX) {
        return RES_LIMIT;
    }
    *ret_minor = negative ? -minor : minor;
    return RES_OK;
}

enum res money_times(int64_t minor, int64_t quantity, int64_t *ret_minor)
{
    int64_t product;
    if (__builtin_mul_overflow(minor, quantity, &product) || product > MONEY_MINOR_MAX ||
        product < -MONEY_MINOR_MAX) {
        return RES_LIMIT;
    }
    *ret_minor = product;
    return RES_OK;
}

enum res money_plus(int64_t a, int64_t b, int64_t *ret_minor)
{
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum) || sum > MONEY_MINOR_MAX || sum < -MONEY_MINOR_MAX) {
        return RES_LIMIT;
    }
    *ret_minor = sum;
    return RES_OK;
}
