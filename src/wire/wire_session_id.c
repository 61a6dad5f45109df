#include <string.h>

#include "json.h"
#include "wire.h"

/* Reads digits at *at without a leading zero, up to `max`; *at goes behind them. */
static bool read_number(struct span text, size_t *at, int64_t max, int64_t *ret)
{
    size_t start = *at;
    int64_t value = 0;
    while (*at < text.size && text.data[*at] >= '0' && text.data[*at] <= '9') {
        value = value * 10 + (text.data[*at] - '0');
        if (value > max) {
            return false;
        }
        (*at)++;
    }
    *ret = value;
    return *at > start && text.data[start] != '0';
}

enum res wire_session_id_read(struct span text, struct span *ret_cart_id, int64_t *ret_epoch,
                              int64_t *ret_counter)
{
    const uint8_t *dot = text.size == 0 ? NULL : memchr(text.data, '.', text.size);
    if (dot == NULL || text.size > WIRE_SESSION_ID_BYTES) {
        return RES_INVALID;
    }
    size_t at = (size_t)(dot - text.data);
    struct span cart_id = span_of(text.data, at);
    int64_t epoch;
    int64_t counter;
    at++;
    if (!wire_cart_id_is_valid(cart_id) || !read_number(text, &at, WIRE_EPOCH_MAX, &epoch) ||
        at == text.size || text.data[at++] != '.' ||
        !read_number(text, &at, JSON_INT_MAX, &counter) || at != text.size) {
        return RES_INVALID;
    }
    *ret_cart_id = cart_id;
    *ret_epoch = epoch;
    *ret_counter = counter;
    return RES_OK;
}

void wire_session_id_write(struct sink *s, struct span cart_id, int64_t epoch, int64_t counter)
{
    sink_bytes(s, cart_id);
    sink_byte(s, '.');
    sink_i64(s, epoch);
    sink_byte(s, '.');
    sink_i64(s, counter);
}
