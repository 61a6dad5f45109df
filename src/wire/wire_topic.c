#include <assert.h>
#include <string.h>

#include "wire_catalog.h"

enum res wire_topic_read(struct span topic, struct span *ret_cart_id, enum wire_type *ret_type)
{
    if (topic.size < 5 || memcmp(topic.data, "cart/", 5) != 0) {
        return RES_INVALID;
    }
    const uint8_t *end = memchr(topic.data + 5, '/', topic.size - 5);
    if (end == NULL) {
        return RES_INVALID;
    }
    size_t at = (size_t)(end - topic.data);
    struct span cart_id = span_of(topic.data + 5, at - 5);
    if (!wire_cart_id_is_valid(cart_id)) {
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
