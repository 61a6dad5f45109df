#include "wire_field.h"

#include <assert.h>
#include <string.h>

#include "gtin.h"
#include "money.h"
#include "timestamp.h"

#define WORDS_DIGITS_MAX 11
#define ITEMS_ABSENT     SIZE_MAX /* an empty array is an array */

enum wire_refusal wire_field_refuse(struct wire_detail *why, enum wire_refusal refusal,
                                    const char *field, int64_t limit)
{
    *why = (struct wire_detail){.field = field, .limit = limit};
    return refusal;
}

enum wire_refusal wire_field_json_refusal(enum json_fault fault)
{
    switch (fault) {
    case JSON_BAD_UTF8:
        return WIRE_BAD_UTF8;
    case JSON_TOO_DEEP:
        return WIRE_TOO_DEEP;
    case JSON_DUPLICATE_KEY:
        return WIRE_DUPLICATE_KEY;
    case JSON_TOO_MANY_KEYS:
        return WIRE_TOO_MANY_FIELDS;
    case JSON_FINE:
    case JSON_BAD_SYNTAX:
        break;
    }
    return WIRE_BAD_JSON;
}

/* The catalogue says what lies at an offset: a number, or a span. */
static int64_t *number_of(const struct wire_field *field, void *object)
{
    return (int64_t *)(void *)((char *)object + field->offset);
}

static struct span *text_of(const struct wire_field *field, void *object)
{
    return (struct span *)(void *)((char *)object + field->offset);
}

static int64_t get_number(const struct wire_field *field, const void *object)
{
    int64_t value;
    memcpy(&value, (const char *)object + field->offset, sizeof value);
    return value;
}

static struct span get_text(const struct wire_field *field, const void *object)
{
    struct span text;
    memcpy(&text, (const char *)object + field->offset, sizeof text);
    return text;
}

static size_t *list_size(const struct wire_field *field, void *object)
{
    return field->kind == WIRE_KIND_PRICES ? &((struct wire_prices *)object)->item_count
                                           : &((struct wire_catalogue *)object)->item_count;
}

static size_t list_count(const struct wire_field *field, const void *object)
{
    return field->kind == WIRE_KIND_PRICES ? ((const struct wire_prices *)object)->item_count
                                           : ((const struct wire_catalogue *)object)->item_count;
}

static size_t element_at(const struct wire_field *field, size_t i)
{
    return field->offset + i * (field->kind == WIRE_KIND_PRICES
                                    ? sizeof(struct wire_price)
                                    : sizeof(struct wire_catalogue_item));
}

void wire_field_absent(struct wire_fields fields, void *object)
{
    for (size_t i = 0; i < fields.count; i++) {
        const struct wire_field *f = &fields.fields[i];
        if (wire_catalog_kind_is_number(f->kind)) {
            *number_of(f, object) = WIRE_ABSENT;
        } else if (wire_catalog_kind_is_list(f->kind)) {
            *list_size(f, object) = ITEMS_ABSENT;
        } else {
            *text_of(f, object) = SPAN_NONE;
        }
    }
}

bool wire_field_is_absent(const struct wire_field *field, const void *object)
{
    if (wire_catalog_kind_is_list(field->kind)) {
        return list_count(field, object) == ITEMS_ABSENT;
    }
    if (wire_catalog_kind_is_number(field->kind)) {
        return get_number(field, object) == WIRE_ABSENT;
    }
    return get_text(field, object).size == 0;
}

enum wire_refusal wire_field_missing(struct wire_fields fields, const void *object,
                                     struct wire_detail *why)
{
    for (size_t i = 0; i < fields.count; i++) {
        const struct wire_field *f = &fields.fields[i];
        if (f->required && wire_field_is_absent(f, object)) {
            return wire_field_refuse(why, WIRE_MISSING_FIELD, f->name, 0);
        }
    }
    return WIRE_FINE;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_upper(uint8_t c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_lower(uint8_t c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_one_of(uint8_t c, const char *set)
{
    return c != 0 && strchr(set, c) != NULL;
}

static bool has_long_digit_run(struct span text)
{
    size_t run = 0;
    for (size_t i = 0; i < text.size; i++) {
        run = is_digit(text.data[i]) ? run + 1 : 0;
        if (run > WORDS_DIGITS_MAX) {
            return true;
        }
    }
    return false;
}

static bool character_fits(enum wire_kind kind, uint8_t c)
{
    switch (kind) {
    case WIRE_KIND_STORE_ID:
        return is_upper(c) || is_digit(c) || c == '-';
    case WIRE_KIND_GTIN:
    case WIRE_KIND_GTIN14:
        return is_digit(c);
    case WIRE_KIND_SKU:
        return is_upper(c) || is_lower(c) || is_digit(c) || is_one_of(c, "._/-");
    case WIRE_KIND_CURRENCY:
        return is_upper(c);
    case WIRE_KIND_TOKEN:
        return is_upper(c) || is_lower(c) || is_digit(c) || is_one_of(c, "_-");
    case WIRE_KIND_DIGEST:
        return is_digit(c) || (c >= 'a' && c <= 'f');
    case WIRE_KIND_WORDS:
        return c >= 0x20 && c < 0x7f && !is_one_of(c, "\"\\");
    case WIRE_KIND_NAME:
        return c >= 0x20 && c != 0x7f && !is_one_of(c, "\"\\");
    case WIRE_KIND_VERSION:
        return is_upper(c) || is_lower(c) || is_digit(c) || is_one_of(c, ".+_-");
    case WIRE_KIND_SLOT:
        return c == 'A' || c == 'B';
    case WIRE_KIND_CODE:
        return is_lower(c) || is_digit(c) || c == '_';
    case WIRE_KIND_CART_ID:
    case WIRE_KIND_SESSION_ID:
    case WIRE_KIND_INT:
    case WIRE_KIND_MONEY:
    case WIRE_KIND_TIME:
    case WIRE_KIND_BOOL:
    case WIRE_KIND_ENUM:
    case WIRE_KIND_ITEMS:
    case WIRE_KIND_PRICES:
        break;
    }
    assert(false); /* a kind of text with a set of characters */
    return false;
}

static enum wire_refusal text_form(enum wire_kind kind, struct span text)
{
    if (kind == WIRE_KIND_CART_ID) {
        return wire_cart_id_is_valid(text) ? WIRE_FINE : WIRE_BAD_FORMAT;
    }
    if (kind == WIRE_KIND_SESSION_ID) {
        struct span cart_id;
        int64_t epoch;
        int64_t counter;
        bool fine = wire_session_id_read(text, &cart_id, &epoch, &counter) == RES_OK;
        return fine ? WIRE_FINE : WIRE_BAD_FORMAT;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (!character_fits(kind, text.data[i])) {
            return WIRE_BAD_FORMAT;
        }
    }
    if (kind == WIRE_KIND_GTIN || kind == WIRE_KIND_GTIN14) {
        if (text.size != 8 && text.size < 12) {
            return WIRE_BAD_FORMAT;
        }
        return gtin_is_valid(text) ? WIRE_FINE : WIRE_BAD_CHECK_DIGIT;
    }
    if (kind == WIRE_KIND_NAME && !json_utf8_is_valid(text)) {
        return WIRE_BAD_UTF8;
    }
    if (kind == WIRE_KIND_CODE && !is_lower(text.data[0])) {
        return WIRE_BAD_FORMAT;
    }
    if (kind == WIRE_KIND_STORE_ID && text.data[0] == '-') {
        return WIRE_BAD_FORMAT;
    }
    /* An article number is often a GTIN, and one GTIN in ten passes Luhn by chance. */
    bool known_number = kind == WIRE_KIND_SKU && gtin_is_valid(text);
    if (wire_catalog_kind_is_free_text(kind) && !known_number && gtin_looks_like_card(text)) {
        return WIRE_CARD_NUMBER;
    }
    if (kind == WIRE_KIND_WORDS && has_long_digit_run(text)) {
        return WIRE_BAD_FORMAT;
    }
    return WIRE_FINE;
}

static enum wire_refusal check_text(const struct wire_field *f, struct span text,
                                    struct wire_detail *why)
{
    if (text.size > (size_t)f->max) {
        return wire_field_refuse(why, WIRE_OUT_OF_RANGE, f->name, f->max);
    }
    if (text.size < (size_t)f->min) {
        return wire_field_refuse(why, WIRE_OUT_OF_RANGE, f->name, f->min);
    }
    enum wire_refusal refusal = text_form(f->kind, text);
    if (refusal != WIRE_FINE) {
        return wire_field_refuse(why, refusal, f->name, 0);
    }
    return WIRE_FINE;
}

static enum wire_refusal check_number(const struct wire_field *f, int64_t value,
                                      struct wire_detail *why)
{
    if (value > f->max) {
        return wire_field_refuse(why, WIRE_OUT_OF_RANGE, f->name, f->max);
    }
    if (value < f->min) {
        return wire_field_refuse(why, WIRE_OUT_OF_RANGE, f->name, f->min);
    }
    return WIRE_FINE;
}

static enum wire_refusal check_items(const struct wire_field *f, const void *object,
                                     struct wire_detail *why)
{
    size_t count = list_count(f, object);
    if (count > (size_t)f->max) {
        return wire_field_refuse(why, WIRE_OUT_OF_RANGE, f->name, f->max);
    }
    for (size_t i = 0; i < count; i++) {
        enum wire_refusal refusal = wire_field_check(wire_catalog_item_fields(f->kind),
                                                     (const char *)object + element_at(f, i), why);
        if (refusal != WIRE_FINE) {
            return refusal;
        }
    }
    return WIRE_FINE;
}

enum wire_refusal wire_field_check(struct wire_fields fields, const void *object,
                                   struct wire_detail *why)
{
    enum wire_refusal refusal = wire_field_missing(fields, object, why);
    for (size_t i = 0; i < fields.count && refusal == WIRE_FINE; i++) {
        const struct wire_field *f = &fields.fields[i];
        if (wire_catalog_kind_is_list(f->kind)) {
            refusal = check_items(f, object, why);
        } else if (wire_field_is_absent(f, object)) {
            continue;
        } else if (wire_catalog_kind_is_number(f->kind)) {
            refusal = check_number(f, get_number(f, object), why);
        } else {
            refusal = check_text(f, get_text(f, object), why);
        }
    }
    return refusal;
}

static void write_items(const struct wire_field *f, const void *object, struct sink *s)
{
    size_t count = list_count(f, object);
    sink_byte(s, '[');
    for (size_t i = 0; i < count; i++) {
        struct sink mark = *s;
        wire_field_write(wire_catalog_item_fields(f->kind), (const char *)object + element_at(f, i),
                         s);
        if (!s->overflow) {
            s->data[mark.size] = '{'; /* over the comma before its first field */
        }
        sink_text(s, i + 1 < count ? "}," : "}");
    }
    sink_byte(s, ']');
}

void wire_field_write(struct wire_fields fields, const void *object, struct sink *s)
{
    for (size_t i = 0; i < fields.count; i++) {
        const struct wire_field *f = &fields.fields[i];
        if (wire_field_is_absent(f, object)) {
            continue;
        }
        bool first = false;
        json_write_key(s, &first, f->name);
        if (wire_catalog_kind_is_list(f->kind)) {
            write_items(f, object, s);
            continue;
        }
        if (!wire_catalog_kind_is_number(f->kind)) {
            json_write_text(s, get_text(f, object));
            continue;
        }
        int64_t value = get_number(f, object);
        if (f->kind == WIRE_KIND_MONEY) {
            money_write(s, value);
        } else if (f->kind == WIRE_KIND_BOOL) {
            sink_text(s, value != 0 ? "true" : "false");
        } else if (f->kind == WIRE_KIND_TIME) {
            sink_byte(s, '"');
            timestamp_write(s, value);
            sink_byte(s, '"');
        } else if (f->kind == WIRE_KIND_ENUM) {
            json_write_text(s, span_of(f->names[value], strlen(f->names[value])));
        } else {
            sink_i64(s, value);
        }
    }
}

const struct wire_field *wire_field_find(struct wire_fields fields, struct span key)
{
    uint8_t plain[WIRE_FIELD_NAME_BYTES_MAX];
    if (json_has_escapes(key)) {
        struct sink s;
        sink_init(&s, plain, sizeof plain);
        json_unescape(key, &s);
        if (s.overflow) {
            return NULL;
        }
        key = sink_span(&s);
    }
    const struct wire_field *end = fields.fields + fields.count;
    for (const struct wire_field *f = fields.fields; f < end; f++) {
        const char *name = f->name;
        if (key.size > 0 && (uint8_t)name[0] == key.data[0] &&
            strncmp(name, (const char *)key.data, key.size) == 0 && name[key.size] == '\0') {
            return f;
        }
    }
    return NULL;
}

static enum wire_refusal read_enum(const struct wire_field *f, struct span value, int64_t *ret)
{
    for (int64_t i = 0; f->names[i] != NULL; i++) {
        if (span_equal(value, span_of(f->names[i], strlen(f->names[i])))) {
            *ret = i;
            return WIRE_FINE;
        }
    }
    return WIRE_BAD_FORMAT;
}

static enum wire_refusal from_res(enum res r)
{
    return r == RES_OK ? WIRE_FINE : r == RES_LIMIT ? WIRE_OUT_OF_RANGE : WIRE_BAD_FORMAT;
}

static enum wire_refusal read_number(const struct wire_field *f, enum json_token token,
                                     struct span value, int64_t *ret)
{
    if (f->kind == WIRE_KIND_BOOL) {
        if (token != JSON_TRUE && token != JSON_FALSE) {
            return WIRE_BAD_TYPE;
        }
        *ret = token == JSON_TRUE ? 1 : 0;
        return WIRE_FINE;
    }
    bool is_text = f->kind == WIRE_KIND_TIME || f->kind == WIRE_KIND_ENUM;
    if (token != (is_text ? JSON_STRING : JSON_NUMBER)) {
        return WIRE_BAD_TYPE;
    }
    if (f->kind == WIRE_KIND_ENUM) {
        return read_enum(f, value, ret);
    }
    if (f->kind == WIRE_KIND_TIME) {
        return from_res(timestamp_read(value, ret));
    }
    if (f->kind == WIRE_KIND_MONEY) {
        return from_res(money_read(value, ret));
    }
    return from_res(json_read_int(value, ret));
}

/* After the `[`. */
static enum wire_refusal read_items(const struct wire_field *f, struct json *j, void *object,
                                    struct wire_detail *why)
{
    struct wire_fields fields = wire_catalog_item_fields(f->kind);
    size_t *count = list_size(f, object);
    struct span value;
    enum json_token token;
    *count = 0;
    while ((token = json_next(j, &value)) == JSON_OBJECT_BEGIN) {
        if (*count == (size_t)f->max) {
            return wire_field_refuse(why, WIRE_OUT_OF_RANGE, f->name, f->max);
        }
        void *item = (char *)object + element_at(f, (*count)++);
        wire_field_absent(fields, item);
        struct span key;
        while ((token = json_next(j, &key)) == JSON_KEY) {
            const struct wire_field *found = wire_field_find(fields, key);
            token = json_next(j, &value);
            if (found == NULL) {
                if (!json_skip(j, token)) {
                    return wire_field_json_refusal(j->fault);
                }
                continue;
            }
            enum wire_refusal refusal = wire_field_read(found, j, token, value, item, why);
            if (refusal != WIRE_FINE) {
                return refusal;
            }
        }
        if (token == JSON_FAULT) {
            return wire_field_json_refusal(j->fault);
        }
        enum wire_refusal refusal = wire_field_missing(fields, item, why);
        if (refusal != WIRE_FINE) {
            return refusal;
        }
    }
    if (token == JSON_FAULT) {
        return wire_field_json_refusal(j->fault);
    }
    return token == JSON_ARRAY_END ? WIRE_FINE : wire_field_refuse(why, WIRE_BAD_TYPE, f->name, 0);
}

enum wire_refusal wire_field_read(const struct wire_field *f, struct json *j, enum json_token token,
                                  struct span value, void *object, struct wire_detail *why)
{
    if (token == JSON_FAULT) {
        return wire_field_json_refusal(j->fault);
    }
    if (wire_catalog_kind_is_list(f->kind)) {
        if (token != JSON_ARRAY_BEGIN) {
            return wire_field_refuse(why, WIRE_BAD_TYPE, f->name, 0);
        }
        return read_items(f, j, object, why);
    }
    if (wire_catalog_kind_is_number(f->kind)) {
        int64_t number = 0;
        enum wire_refusal refusal = read_number(f, token, value, &number);
        if (refusal != WIRE_FINE) {
            return wire_field_refuse(why, refusal, f->name,
                                     refusal == WIRE_OUT_OF_RANGE ? f->max : 0);
        }
        refusal = check_number(f, number, why);
        if (refusal == WIRE_FINE) {
            *number_of(f, object) = number;
        }
        return refusal;
    }
    if (token != JSON_STRING) {
        return wire_field_refuse(why, WIRE_BAD_TYPE, f->name, 0);
    }
    /* As written: no kind of text has a backslash in it, so there is no escape to resolve. */
    enum wire_refusal refusal = check_text(f, value, why);
    if (refusal == WIRE_FINE) {
        *text_of(f, object) = value;
    }
    return refusal;
}
