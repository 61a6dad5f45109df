#include "wire_body.h"

#include <string.h>

#include "json.h"
#include "wire_field.h"

enum wire_refusal wire_body_split(struct span frame, size_t size_max, struct span *ret_body,
                                  struct span *ret_signature)
{
    if (frame.size < WIRE_EVENT_BYTES_MIN) {
        return WIRE_TOO_SHORT;
    }
    if (frame.size > size_max) {
        return WIRE_TOO_LONG;
    }
    size_t body_bytes = frame.size - WIRE_SIGNATURE_BYTES;
    *ret_body = span_of(frame.data, body_bytes);
    *ret_signature = span_of(frame.data + body_bytes, WIRE_SIGNATURE_BYTES);
    return WIRE_FINE;
}

/* Behind the object there may be spaces (the padding), nothing else. */
static bool ends_in_object_and_spaces(struct span body)
{
    size_t size = body.size;
    while (size > 0 && body.data[size - 1] == ' ') {
        size--;
    }
    return size > 0 && body.data[size - 1] == '}';
}

static enum wire_refusal check_version(enum json_token token, struct span value,
                                       struct wire_detail *why)
{
    int64_t version;
    if (token != JSON_NUMBER || json_read_int(value, &version) != RES_OK ||
        version != WIRE_VERSION) {
        return wire_field_refuse(why, WIRE_BAD_VERSION, "v", WIRE_VERSION);
    }
    return WIRE_FINE;
}

static enum wire_refusal find_type(enum json_token token, struct span value, enum wire_type first,
                                   enum wire_type last, enum wire_type *ret,
                                   struct wire_detail *why)
{
    if (token != JSON_STRING) {
        return wire_field_refuse(why, WIRE_BAD_TYPE, "type", 0);
    }
    for (enum wire_type t = first; t <= last; t++) {
        const char *name = wire_catalog_message(t)->name;
        if (span_equal(value, span_of(name, strlen(name)))) {
            *ret = t;
            return WIRE_FINE;
        }
    }
    return wire_field_refuse(why, WIRE_UNKNOWN_TYPE, "type", 0);
}

enum wire_refusal wire_body_type(struct span body, enum wire_type first, enum wire_type last,
                                 enum wire_type *ret, struct wire_detail *why)
{
    *why = (struct wire_detail){0};
    struct json j;
    struct span value = SPAN_NONE;
    json_init(&j, body);
    enum json_token token = json_next(&j, &value);
    bool is_object = token == JSON_OBJECT_BEGIN;
    enum wire_refusal version = wire_field_refuse(why, WIRE_MISSING_FIELD, "v", 0);
    struct wire_detail version_why = *why;
    enum wire_refusal found = wire_field_refuse(why, WIRE_MISSING_FIELD, "type", 0);
    struct wire_detail found_why = *why;
    enum wire_type type = first;
    while (token != JSON_END && token != JSON_FAULT) {
        if (token == JSON_KEY && json_depth(&j) == 1) {
            struct span key = value;
            token = json_next(&j, &value);
            if (json_text_equal(key, SPAN_LIT("v"))) {
                version = check_version(token, value, &version_why);
            } else if (json_text_equal(key, SPAN_LIT("type"))) {
                found = find_type(token, value, first, last, &type, &found_why);
            }
            continue;
        }
        token = json_next(&j, &value);
    }
    *why = (struct wire_detail){0};
    if (token == JSON_FAULT) {
        return wire_field_json_refusal(j.fault);
    }
    if (!is_object) {
        return WIRE_NOT_AN_OBJECT;
    }
    if (!ends_in_object_and_spaces(body)) {
        return WIRE_BAD_JSON;
    }
    if (version != WIRE_FINE) {
        *why = version_why;
        return version;
    }
    if (found != WIRE_FINE) {
        *why = found_why;
        return found;
    }
    *ret = type;
    return WIRE_FINE;
}

enum wire_refusal wire_body_read(struct span body, const struct wire_message *message, void *header,
                                 void *object, unsigned *ret_unknown, struct wire_detail *why)
{
    struct json j;
    struct span key = SPAN_NONE;
    json_init(&j, body);
    (void)json_next(&j, &key); /* the object: wire_body_type has seen it */
    unsigned unknown = 0;
    wire_field_absent(message->header, header);
    wire_field_absent(message->body, object);
    while (json_next(&j, &key) == JSON_KEY) {
        struct span value = SPAN_NONE;
        enum json_token token = json_next(&j, &value);
        void *into = header;
        const struct wire_field *field = wire_field_find(message->header, key);
        if (field == NULL) {
            into = object;
            field = wire_field_find(message->body, key);
        }
        if (field == NULL) {
            bool known =
                json_text_equal(key, SPAN_LIT("v")) || json_text_equal(key, SPAN_LIT("type"));
            unknown += known ? 0 : 1;
            if (!json_skip(&j, token)) {
                return wire_field_json_refusal(j.fault);
            }
            continue;
        }
        enum wire_refusal refusal = wire_field_read(field, &j, token, value, into, why);
        if (refusal != WIRE_FINE) {
            return refusal;
        }
    }
    enum wire_refusal refusal = wire_field_missing(message->header, header, why);
    if (refusal == WIRE_FINE) {
        refusal = wire_field_missing(message->body, object, why);
    }
    if (refusal == WIRE_FINE) {
        *ret_unknown = unknown;
    }
    return refusal;
}

enum res wire_body_write(const struct wire_message *message, const void *header, const void *object,
                         struct sink *s)
{
    size_t before = s->size;
    sink_text(s, "{\"v\":");
    sink_u64(s, WIRE_VERSION);
    sink_text(s, ",\"type\":\"");
    sink_text(s, message->name);
    sink_text(s, "\"");
    wire_field_write(message->header, header, s);
    wire_field_write(message->body, object, s);
    sink_text(s, "}");
    while (!s->overflow && s->size - before < WIRE_EVENT_BYTES_MIN - WIRE_SIGNATURE_BYTES) {
        sink_byte(s, ' ');
    }
    bool fits = !s->overflow && s->size - before <= message->frame_bytes_max - WIRE_SIGNATURE_BYTES;
    return fits ? RES_OK : RES_LIMIT;
}
