#include <assert.h>
#include <string.h>

#include "wire_body.h"
#include "wire_field.h"
#include "wire_rule.h"

/* All members of the union begin where the union does. */
static void *object_of(struct wire_downlink *message)
{
    return &message->command;
}

void wire_downlink_init(struct wire_downlink *message, enum wire_type type)
{
    assert(type >= WIRE_COMMAND && type <= WIRE_PRICES);
    const struct wire_message *entry = wire_catalog_message(type);
    memset(message, 0, sizeof *message);
    message->type = type;
    for (size_t i = 0; i < entry->body.count; i++) {
        const struct wire_field *f = &entry->body.fields[i];
        if (!f->required && wire_catalog_kind_is_number(f->kind)) {
            wire_field_absent((struct wire_fields){f, 1}, object_of(message));
        }
    }
}

enum wire_refusal wire_downlink_split(struct span frame, struct span *ret_body,
                                      struct span *ret_signature)
{
    return wire_body_split(frame, WIRE_PLATFORM_BYTES_MAX, ret_body, ret_signature);
}

enum wire_refusal wire_downlink_decode(struct span body, struct wire_downlink *ret,
                                       struct wire_detail *ret_why)
{
    unsigned unknown;
    enum wire_type type;
    *ret_why = (struct wire_detail){0};
    if (body.size > WIRE_PLATFORM_BYTES_MAX - WIRE_SIGNATURE_BYTES) {
        ret_why->limit = WIRE_PLATFORM_BYTES_MAX - WIRE_SIGNATURE_BYTES;
        return WIRE_TOO_LONG;
    }
    enum wire_refusal refusal = wire_body_type(body, WIRE_COMMAND, WIRE_PRICES, &type, ret_why);
    if (refusal != WIRE_FINE) {
        return refusal;
    }
    const struct wire_message *message = wire_catalog_message(type);
    if (body.size > message->frame_bytes_max - WIRE_SIGNATURE_BYTES) {
        ret_why->limit = (int64_t)message->frame_bytes_max - WIRE_SIGNATURE_BYTES;
        return WIRE_TOO_LONG;
    }
    /* Straight into the caller's storage: a catalogue is too large for a device's stack twice. */
    ret->type = type;
    ret->cart_id = SPAN_NONE;
    refusal = wire_body_read(body, message, ret, object_of(ret), &unknown, ret_why);
    return refusal == WIRE_FINE ? wire_rule_downlink(ret, ret_why) : refusal;
}

enum wire_refusal wire_downlink_check(const struct wire_downlink *message,
                                      struct wire_detail *ret_why)
{
    *ret_why = (struct wire_detail){0};
    if (message->type < WIRE_COMMAND || message->type > WIRE_PRICES) {
        return wire_field_refuse(ret_why, WIRE_UNKNOWN_TYPE, "type", 0);
    }
    const struct wire_message *entry = wire_catalog_message(message->type);
    enum wire_refusal refusal = wire_field_check(entry->header, message, ret_why);
    if (refusal == WIRE_FINE) {
        refusal = wire_field_check(entry->body, &message->command, ret_why);
    }
    return refusal == WIRE_FINE ? wire_rule_downlink(message, ret_why) : refusal;
}

enum res wire_downlink_encode(const struct wire_downlink *message, struct sink *body)
{
    struct wire_detail why;
    if (wire_downlink_check(message, &why) != WIRE_FINE) {
        return RES_INVALID;
    }
    return wire_body_write(wire_catalog_message(message->type), message, &message->command, body);
}
