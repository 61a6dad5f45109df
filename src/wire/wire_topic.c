#include <assert.h>
#include <string.h>

#include "wire_catalog.h"

enum res wire_topic_read(struct span topic, struct span *ret_cart_id, enum wire_type *ret_type)
{
    if (topic.size < 5 || memcmp(topic.data, "cart/", 5) != 0) {
        return RES_INVALID;
    }
    size_t at = 5;
    while (at < topic.size && topic.data[at] != '/') {
        uint8_t c = topic.data[at];
        bool fits = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
        if (!fits) {
            return RES_INVALID;
        }
        at++;
    }
    struct span cart_id = span_of(topic.data + 5, at - 5);
    bool is_cart = cart_id.size >= 9 && cart_id.size <= 17 &&
                   memcmp(cart_id.data, "CART-", 5) == 0 &&
                   memchr(cart_id.data + 5, '-', cart_id.size - 5) == NULL;
    if (!is_cart || at == topic.size) {
        return RES_INVALID;
    }
    struct span name = span_of(topic.data + at + 1, topic.size - at - 1);
    for (enum wire_type t = WIRE_SCAN; t <= WIRE_BOOT; t++) {
        const char *candidate = wire_type_name(t);
        if (span_equal(name, span_of(candidate, strlen(candidate)))) {
            *ret_cart_id = cart_id;
            *ret_type = t;
            return RES_OK;
        }
    }
    return RES_INVALID;
}

void wire_topic_write(struct sink *s, struct span cart_id, enum wire_type type)
{
    assert(type <= WIRE_PAYMENT); /* a catalogue has no cart */
    sink_text(s, "cart/");
    sink_bytes(s, cart_id);
    sink_byte(s, '/');
    if (type <= WIRE_BOOT) {
        sink_text(s, wire_type_name(type));
    } else {
        sink_text(s, type == WIRE_COMMAND ? "command" : "response");
    }
}
