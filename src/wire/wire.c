#include "wire.h"

#include <assert.h>
#include <string.h>

#include "gtin.h"
#include "json.h"
#include "wire_catalog.h"

#define NAME_BYTES_MAX 96

const char *wire_refusal_name(enum wire_refusal r)
{
    static const char *const names[] = {
        [WIRE_FINE] = "fine",
        [WIRE_TOO_SHORT] = "too_short",
        [WIRE_TOO_LONG] = "too_long",
        [WIRE_BAD_JSON] = "bad_json",
        [WIRE_BAD_UTF8] = "bad_utf8",
        [WIRE_TOO_DEEP] = "too_deep",
        [WIRE_DUPLICATE_KEY] = "duplicate_key",
        [WIRE_TOO_MANY_FIELDS] = "too_many_fields",
        [WIRE_NOT_AN_OBJECT] = "not_an_object",
        [WIRE_BAD_VERSION] = "bad_version",
        [WIRE_UNKNOWN_TYPE] = "unknown_type",
        [WIRE_MISSING_FIELD] = "missing_field",
        [WIRE_BAD_TYPE] = "bad_type",
        [WIRE_OUT_OF_RANGE] = "out_of_range",
        [WIRE_BAD_FORMAT] = "bad_format",
        [WIRE_BAD_CHECK_DIGIT] = "bad_check_digit",
        [WIRE_BAD_COMBINATION] = "bad_combination",
        [WIRE_CARD_NUMBER] = "card_number",
        [WIRE_TOPIC_MISMATCH] = "topic_mismatch",
        [WIRE_BAD_SIGNATURE] = "bad_signature",
        [WIRE_HIGH_S] = "high_s",
        [WIRE_UNKNOWN_DEVICE] = "unknown_device",
        [WIRE_REVOKED_DEVICE] = "revoked_device",
        [WIRE_EQUIVOCATION] = "equivocation",
        [WIRE_STALE_EPOCH] = "stale_epoch",
        [WIRE_RATE_LIMITED] = "rate_limited",
    };
    static_assert(sizeof names / sizeof names[0] == WIRE_REFUSALS, "a name for each refusal");
    return (unsigned)r < WIRE_REFUSALS ? names[r] : "unknown";
}

const char *wire_type_name(enum wire_type type)
{
    return wire_catalog_message(type)->name;
}

const char *wire_enum_name(enum wire_type type, const char *field, int64_t value)
{
    struct wire_fields body = wire_catalog_message(type)->body;
    for (size_t i = 0; i < body.count; i++) {
        const struct wire_field *f = &body.fields[i];
        if (f->kind == WIRE_KIND_ENUM && strcmp(f->name, field) == 0) {
            return value >= 0 && value <= f->max ? f->names[value] : NULL;
        }
    }
    return NULL;
}

bool wire_cart_id_is_valid(struct span text)
{
    if (text.size < 9 || text.size > 17 || memcmp(text.data, "CART-", 5) != 0) {
        return false;
    }
    for (size_t i = 5; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (!(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9')) {
            return false;
        }
    }
    return true;
}

enum res wire_name_clean(struct span text, struct sink *name)
{
    if (!json_utf8_is_valid(text)) {
        return RES_INVALID;
    }
    char clean[NAME_BYTES_MAX];
    size_t size = text.size < sizeof clean ? text.size : sizeof clean;
    while (size > 0 && size < text.size && (text.data[size] & 0xc0) == 0x80) {
        size--;
    }
    for (size_t i = 0; i < size; i++) {
        uint8_t c = text.data[i];
        bool is_odd = c < 0x20 || c == 0x7f || c == '\\';
        clean[i] = (char)(is_odd ? ' ' : c == '"' ? '\'' : c);
    }
    if (gtin_looks_like_card(span_of(clean, size))) {
        for (size_t i = 0; i < size; i++) {
            clean[i] = clean[i] >= '0' && clean[i] <= '9' ? '*' : clean[i];
        }
    }
    size_t start = 0;
    while (start < size && clean[start] == ' ') {
        start++;
    }
    while (size > start && clean[size - 1] == ' ') {
        size--;
    }
    if (size == start) {
        return RES_INVALID;
    }
    sink_bytes(name, span_of(clean + start, size - start));
    return RES_OK;
}
