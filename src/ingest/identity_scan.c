#include "identity_scan.h"

#include <string.h>

#define NUMBER_DIGITS_MAX 16

static bool skip_text(struct span body, size_t *at, struct span text)
{
    if (body.size - *at < text.size || memcmp(body.data + *at, text.data, text.size) != 0) {
        return false;
    }
    *at += text.size;
    return true;
}

/* Letters, digits and hyphens up to a quotation mark: no escapes, so no way to hide another. */
static bool skip_word(struct span body, size_t *at)
{
    while (*at < body.size) {
        uint8_t c = body.data[*at];
        bool plain =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
        if (!plain) {
            return c == '"';
        }
        (*at)++;
    }
    return false;
}

static bool read_number(struct span body, size_t *at, int64_t *ret)
{
    size_t start = *at;
    int64_t value = 0;
    while (*at < body.size && body.data[*at] >= '0' && body.data[*at] <= '9' &&
           *at - start < NUMBER_DIGITS_MAX) {
        value = value * 10 + (body.data[*at] - '0');
        (*at)++;
    }
    *ret = value;
    return *at > start && body.data[start] != '0';
}

bool identity_scan(struct span body, int64_t *ret_epoch, int64_t *ret_counter)
{
    size_t at = 0;
    int64_t epoch;
    int64_t counter;
    if (!skip_text(body, &at, SPAN_LIT("{\"v\":1,\"type\":\"")) || !skip_word(body, &at) ||
        !skip_text(body, &at, SPAN_LIT("\",\"cartId\":\"")) || !skip_word(body, &at) ||
        !skip_text(body, &at, SPAN_LIT("\",\"epoch\":")) || !read_number(body, &at, &epoch) ||
        !skip_text(body, &at, SPAN_LIT(",\"counter\":")) || !read_number(body, &at, &counter) ||
        !skip_text(body, &at, SPAN_LIT(","))) {
        return false;
    }
    *ret_epoch = epoch;
    *ret_counter = counter;
    return true;
}
