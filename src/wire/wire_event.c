#include <assert.h>
#include <string.h>

#include "json.h"
#include "wire_body.h"
#include "wire_field.h"
#include "wire_rule.h"

/* All members of the union begin where the union does. */
static void *object_of(struct wire_event *event)
{
    return &event->scan;
}

void wire_event_init(struct wire_event *event, enum wire_type type)
{
    assert(type <= WIRE_BOOT);
    const struct wire_message *message = wire_catalog_message(type);
    memset(event, 0, sizeof *event);
    event->type = type;
    for (size_t i = 0; i < message->body.count; i++) {
        const struct wire_field *f = &message->body.fields[i];
        if (!f->required && wire_catalog_kind_is_number(f->kind)) {
            wire_field_absent((struct wire_fields){f, 1}, object_of(event));
        }
    }
}

enum wire_refusal wire_event_split(struct span frame, struct span *ret_body,
                                   struct span *ret_signature)
{
    return wire_body_split(frame, WIRE_EVENT_BYTES_MAX, ret_body, ret_signature);
}

enum wire_refusal wire_event_decode(struct span body, struct wire_event *ret_event,
                                    unsigned *ret_unknown, struct wire_detail *ret_why)
{
    struct wire_event event;
    unsigned unknown = 0;
    *ret_why = (struct wire_detail){0};
    if (body.size > WIRE_EVENT_BYTES_MAX - WIRE_SIGNATURE_BYTES) {
        ret_why->limit = WIRE_EVENT_BYTES_MAX - WIRE_SIGNATURE_BYTES;
        return WIRE_TOO_LONG;
    }
    memset(&event, 0, sizeof event);
    enum wire_refusal refusal = wire_body_type(body, WIRE_SCAN, WIRE_BOOT, &event.type, ret_why);
    if (refusal != WIRE_FINE) {
        return refusal;
    }
    refusal = wire_body_read(body, wire_catalog_message(event.type), &event, object_of(&event),
                             &unknown, ret_why);
    if (refusal == WIRE_FINE) {
        refusal = wire_rule_event(&event, ret_why);
    }
    if (refusal == WIRE_FINE) {
        *ret_event = event;
        *ret_unknown = unknown;
    }
    return refusal;
}

bool wire_event_identity(struct span body, struct span *ret_cart_id, int64_t *ret_epoch,
                         int64_t *ret_counter)
{
    struct wire_fields header = wire_catalog_message(WIRE_HEALTH)->header;
    struct wire_event event;
    struct wire_detail why;
    struct json j;
    struct span key = SPAN_NONE;
    if (body.size > WIRE_EVENT_BYTES_MAX - WIRE_SIGNATURE_BYTES) {
        return false;
    }
    wire_field_absent(header, &event);
    json_init(&j, body);
    if (json_next(&j, &key) != JSON_OBJECT_BEGIN) {
        return false;
    }
    while (json_next(&j, &key) == JSON_KEY) {
        struct span value = SPAN_NONE;
        enum json_token token = json_next(&j, &value);
        const struct wire_field *field = wire_field_find(header, key);
        if (field == NULL) {
            if (!json_skip(&j, token)) {
                break;
            }
        } else if (wire_field_read(field, &j, token, value, &event, &why) != WIRE_FINE &&
                   !json_skip(&j, token)) {
            break;
        }
    }
    if (event.cart_id.size == 0 || event.epoch == WIRE_ABSENT || event.counter == WIRE_ABSENT) {
        return false;
    }
    *ret_cart_id = event.cart_id;
    *ret_epoch = event.epoch;
    *ret_counter = event.counter;
    return true;
}

enum wire_refusal wire_event_check(const struct wire_event *event, struct wire_detail *ret_why)
{
    *ret_why = (struct wire_detail){0};
    if ((unsigned)event->type > WIRE_BOOT) {
        return wire_field_refuse(ret_why, WIRE_UNKNOWN_TYPE, "type", 0);
    }
    const struct wire_message *message = wire_catalog_message(event->type);
    enum wire_refusal refusal = wire_field_check(message->header, event, ret_why);
    if (refusal == WIRE_FINE) {
        refusal = wire_field_check(message->body, &event->scan, ret_why);
    }
    return refusal == WIRE_FINE ? wire_rule_event(event, ret_why) : refusal;
}

enum res wire_event_encode(const struct wire_event *event, struct sink *body)
{
    struct wire_detail why;
    if (wire_event_check(event, &why) != WIRE_FINE) {
        return RES_INVALID;
    }
    return wire_body_write(wire_catalog_message(event->type), event, &event->scan, body);
}
