#include "shelf_field.h"

#include <assert.h>
#include <string.h>

#include "json.h"
#include "money.h"
#include "timestamp.h"

#define KEY_BYTES_MAX 32

enum res shelf_field_refuse(struct shelf_detail *detail, const char *field, const char *rule)
{
    *detail = (struct shelf_detail){.field = field, .rule = rule};
    return RES_INVALID;
}

static bool is_number(enum shelf_kind kind)
{
    return kind <= SHELF_KIND_ENUM;
}

static const void *at(const struct shelf_field *f, const void *body)
{
    return (const char *)body + f->offset;
}

static void *at_mutable(const struct shelf_field *f, void *body)
{
    return (char *)body + f->offset;
}

static int64_t get_number(const struct shelf_field *f, const void *body)
{
    uint8_t tiny; /* a bool, or an enum where the ABI keeps them short */
    int32_t small;
    int64_t large;
    switch (f->size) {
    case sizeof tiny:
        memcpy(&tiny, at(f, body), sizeof tiny);
        return tiny;
    case sizeof small:
        memcpy(&small, at(f, body), sizeof small);
        return small;
    default:
        memcpy(&large, at(f, body), sizeof large);
        return large;
    }
}

static void put_number(const struct shelf_field *f, void *body, int64_t value)
{
    uint8_t tiny = (uint8_t)value;
    int32_t small = (int32_t)value;
    switch (f->size) {
    case sizeof tiny:
        memcpy(at_mutable(f, body), &tiny, sizeof tiny);
        break;
    case sizeof small:
        memcpy(at_mutable(f, body), &small, sizeof small);
        break;
    default:
        memcpy(at_mutable(f, body), &value, sizeof value);
        break;
    }
}

static struct span get_span(const struct shelf_field *f, const void *body)
{
    struct span text;
    memcpy(&text, at(f, body), sizeof text);
    return text;
}

static struct span get_currency(const struct shelf_field *f, const void *body)
{
    return span_text(at(f, body), f->size - 1u);
}

/* --- writing --- */

/* Depth is that of the table: three. */
static bool is_there(const struct shelf_field *f, const void *body)
{
    static const uint8_t zeros[SHELF_DIGEST_BYTES];
    if (f->kind == SHELF_KIND_OBJECT) {
        if (f->flag_offset > 0) {
            bool flag;
            memcpy(&flag, (const char *)body + f->flag_offset, sizeof flag);
            return flag;
        }
        for (size_t i = 0; i < f->object->count; i++) {
            if (is_there(&f->object->fields[i], at(f, body))) {
                return true;
            }
        }
        return false;
    }
    if (is_number(f->kind)) {
        return get_number(f, body) != f->absent;
    }
    if (f->kind == SHELF_KIND_DIGEST) {
        return memcmp(at(f, body), zeros, sizeof zeros) != 0;
    }
    return f->kind == SHELF_KIND_CURRENCY ? get_currency(f, body).size > 0
                                          : get_span(f, body).size > 0;
}

static void write_quoted(struct sink *s, const char *text)
{
    json_write_text(s, span_of(text, strlen(text)));
}

static void write_value(const struct shelf_field *f, const void *body, struct sink *s)
{
    switch ((enum shelf_kind)f->kind) {
    case SHELF_KIND_INT:
        sink_i64(s, get_number(f, body));
        break;
    case SHELF_KIND_MONEY:
        money_write(s, get_number(f, body));
        break;
    case SHELF_KIND_TIME:
        sink_byte(s, '"');
        timestamp_write(s, get_number(f, body));
        sink_byte(s, '"');
        break;
    case SHELF_KIND_BOOL:
        sink_text(s, get_number(f, body) != 0 ? "true" : "false");
        break;
    case SHELF_KIND_ENUM:
        write_quoted(s, f->names[get_number(f, body)]);
        break;
    case SHELF_KIND_DIGEST:
        sink_byte(s, '"');
        sink_hex(s, span_of(at(f, body), SHELF_DIGEST_BYTES));
        sink_byte(s, '"');
        break;
    case SHELF_KIND_CURRENCY:
        json_write_text(s, get_currency(f, body));
        break;
    case SHELF_KIND_OBJECT:
        sink_byte(s, '{');
        shelf_field_write(f->object, at(f, body), s);
        sink_byte(s, '}');
        break;
    case SHELF_KIND_ID:
    case SHELF_KIND_UUID:
    case SHELF_KIND_SKU:
    case SHELF_KIND_NAME:
    case SHELF_KIND_URL:
    case SHELF_KIND_BASE64:
    case SHELF_KIND_VERSION:
    case SHELF_KIND_WORDS:
        json_write_text(s, get_span(f, body));
        break;
    }
}

void shelf_field_write(const struct shelf_fields *fields, const void *body, struct sink *s)
{
    bool first = true;
    for (size_t i = 0; i < fields->count; i++) {
        const struct shelf_field *f = &fields->fields[i];
        if (f->required || is_there(f, body)) {
            json_write_key(s, &first, shelf_field_name(f));
            write_value(f, body, s);
        }
    }
}

/* --- reading --- */

struct reader {
    struct json json;
    struct arena *arena;
    struct shelf_detail *detail;
};

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(uint8_t c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f');
}

static bool is_alnum(uint8_t c)
{
    return is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_one_of(uint8_t c, const char *set)
{
    return c != 0 && strchr(set, c) != NULL;
}

static bool is_printable(uint8_t c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static bool all_fit(enum shelf_kind kind, struct span text)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        bool fits = kind == SHELF_KIND_SKU       ? is_alnum(c) || is_one_of(c, "._/-")
                    : kind == SHELF_KIND_VERSION ? is_alnum(c) || is_one_of(c, ".+_-")
                    : kind == SHELF_KIND_NAME    ? c >= 0x20 && c != 0x7f
                    : kind == SHELF_KIND_URL     ? is_printable(c) && c != ' '
                                                 : is_printable(c);
        if (!fits) {
            return false;
        }
    }
    return true;
}

static bool is_uuid(struct span text)
{
    for (size_t i = 0; i < text.size; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text.data[i] != '-' : !is_hex(text.data[i])) {
            return false;
        }
    }
    return text.size == SHELF_UPDATE_ID_BYTES;
}

static bool begins_with(struct span text, struct span head)
{
    return text.size > head.size && memcmp(text.data, head.data, head.size) == 0;
}

static bool is_url(struct span text)
{
    return (begins_with(text, SPAN_LIT("https://")) || begins_with(text, SPAN_LIT("http://"))) &&
           all_fit(SHELF_KIND_URL, text);
}

static bool is_base64(struct span text)
{
    size_t padding = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (c == '=') {
            padding++;
        } else if (padding > 0 || !(is_alnum(c) || c == '+' || c == '/')) {
            return false;
        }
    }
    return text.size % 4 == 0 && padding <= 2;
}

static bool text_fits(enum shelf_kind kind, struct span text)
{
    switch (kind) {
    case SHELF_KIND_ID:
        return shelf_id_is_valid(text);
    case SHELF_KIND_UUID:
        return is_uuid(text);
    case SHELF_KIND_URL:
        return is_url(text);
    case SHELF_KIND_BASE64:
        return is_base64(text);
    case SHELF_KIND_SKU:
    case SHELF_KIND_NAME:
    case SHELF_KIND_VERSION:
    case SHELF_KIND_WORDS:
        return all_fit(kind, text);
    case SHELF_KIND_INT:
    case SHELF_KIND_MONEY:
    case SHELF_KIND_TIME:
    case SHELF_KIND_BOOL:
    case SHELF_KIND_ENUM:
    case SHELF_KIND_DIGEST:
    case SHELF_KIND_CURRENCY:
    case SHELF_KIND_OBJECT:
        break;
    }
    assert(false); /* a kind of span */
    return false;
}

static enum res read_enum(struct reader *r, const struct shelf_field *f, struct span value,
                          int64_t *ret)
{
    for (int64_t i = 0; f->names[i] != NULL; i++) {
        if (span_equal(value, span_of(f->names[i], strlen(f->names[i])))) {
            *ret = i;
            return RES_OK;
        }
    }
    return shelf_field_refuse(r->detail, f->path, "is not one of its words");
}

static enum res read_number(struct reader *r, const struct shelf_field *f, enum json_token token,
                            struct span value, void *body)
{
    int64_t number = 0;
    if (f->kind == SHELF_KIND_BOOL) {
        if (token != JSON_TRUE && token != JSON_FALSE) {
            return shelf_field_refuse(r->detail, f->path, "must be true or false");
        }
        put_number(f, body, token == JSON_TRUE ? 1 : 0);
        return RES_OK;
    }
    bool text = f->kind == SHELF_KIND_TIME || f->kind == SHELF_KIND_ENUM;
    if (token != (text ? JSON_STRING : JSON_NUMBER)) {
        return shelf_field_refuse(r->detail, f->path, text ? "must be a text" : "must be a number");
    }
    enum res res = f->kind == SHELF_KIND_INT     ? json_read_int(value, &number)
                   : f->kind == SHELF_KIND_MONEY ? money_read(value, &number)
                   : f->kind == SHELF_KIND_TIME  ? timestamp_read(value, &number)
                                                 : read_enum(r, f, value, &number);
    if (res == RES_INVALID && f->kind == SHELF_KIND_ENUM) {
        return res;
    }
    if (res == RES_LIMIT || (res == RES_OK && (number < f->min || number > f->max))) {
        return shelf_field_refuse(r->detail, f->path, "is out of range");
    }
    if (res != RES_OK) {
        return shelf_field_refuse(r->detail, f->path,
                                  f->kind == SHELF_KIND_INT     ? "must be a whole number"
                                  : f->kind == SHELF_KIND_MONEY ? "must have at most two decimals"
                                                                : "must be a time in RFC 3339");
    }
    put_number(f, body, number);
    return RES_OK;
}

static enum res read_digest(struct reader *r, const struct shelf_field *f, struct span text,
                            void *body)
{
    uint8_t digest[SHELF_DIGEST_BYTES] = {0};
    bool fits = text.size == sizeof digest * 2;
    for (size_t i = 0; fits && i < text.size; i++) {
        uint8_t c = text.data[i];
        fits = is_hex(c);
        unsigned nibble = is_digit(c) ? (unsigned)(c - '0') : (unsigned)(c - 'a') + 10u;
        digest[i / 2] = (uint8_t)((unsigned)digest[i / 2] << 4 | (nibble & 15u));
    }
    if (!fits) {
        return shelf_field_refuse(r->detail, f->path, "must be 64 lower-case hex digits");
    }
    memcpy(at_mutable(f, body), digest, sizeof digest);
    return RES_OK;
}

static enum res read_currency(struct reader *r, const struct shelf_field *f, struct span text,
                              void *body)
{
    char *code = at_mutable(f, body);
    bool fits = text.size == 3;
    for (size_t i = 0; fits && i < 3; i++) {
        fits = text.data[i] >= 'A' && text.data[i] <= 'Z';
    }
    if (!fits) {
        return shelf_field_refuse(r->detail, f->path, "must be an ISO 4217 code");
    }
    memcpy(code, text.data, 3);
    code[3] = '\0';
    return RES_OK;
}

static enum res read_text(struct reader *r, const struct shelf_field *f, struct span raw,
                          void *body)
{
    struct span text = raw;
    if (json_has_escapes(raw)) {
        uint8_t *room = arena_take(r->arena, raw.size);
        if (room == NULL) {
            *r->detail = (struct shelf_detail){f->path, "does not fit the arena"};
            return RES_FULL;
        }
        struct sink s;
        sink_init(&s, room, raw.size);
        json_unescape(raw, &s);
        text = sink_span(&s);
    }
    if (f->kind == SHELF_KIND_DIGEST) {
        return read_digest(r, f, text, body);
    }
    if (f->kind == SHELF_KIND_CURRENCY) {
        return read_currency(r, f, text, body);
    }
    if (text.size < (size_t)f->min || text.size > (size_t)f->max) {
        return shelf_field_refuse(r->detail, f->path,
                                  text.size == 0               ? "is empty"
                                  : text.size < (size_t)f->min ? "is too short"
                                                               : "is too long");
    }
    if (!text_fits(f->kind, text)) {
        return shelf_field_refuse(r->detail, f->path, "is not in its form");
    }
    memcpy(at_mutable(f, body), &text, sizeof text);
    return RES_OK;
}

static enum res read_members(struct reader *r, const struct shelf_fields *fields, void *body);

static enum res read_value(struct reader *r, const struct shelf_field *f, enum json_token token,
                           struct span value, void *body)
{
    if (f->kind == SHELF_KIND_OBJECT) {
        if (token != JSON_OBJECT_BEGIN) {
            return shelf_field_refuse(r->detail, f->path, "must be an object");
        }
        if (f->flag_offset > 0) {
            bool truth = true;
            memcpy((char *)body + f->flag_offset, &truth, sizeof truth);
        }
        return read_members(r, f->object, at_mutable(f, body));
    }
    if (is_number(f->kind)) {
        return read_number(r, f, token, value, body);
    }
    if (token != JSON_STRING) {
        return shelf_field_refuse(r->detail, f->path, "must be a text");
    }
    return read_text(r, f, value, body);
}

static enum res json_refusal(struct reader *r)
{
    switch (r->json.fault) {
    case JSON_BAD_UTF8:
        return shelf_field_refuse(r->detail, "payload", "is not UTF-8");
    case JSON_TOO_DEEP:
        return shelf_field_refuse(r->detail, "payload", "is nested too deeply");
    case JSON_DUPLICATE_KEY:
        return shelf_field_refuse(r->detail, "payload", "has a member twice");
    case JSON_TOO_MANY_KEYS:
        return shelf_field_refuse(r->detail, "payload", "has too many members");
    case JSON_FINE:
    case JSON_BAD_SYNTAX:
        break;
    }
    return shelf_field_refuse(r->detail, "payload", "is not JSON");
}

static bool find(const struct shelf_fields *fields, struct span key, size_t *ret)
{
    uint8_t plain[KEY_BYTES_MAX];
    if (json_has_escapes(key)) {
        struct sink s;
        sink_init(&s, plain, sizeof plain);
        json_unescape(key, &s);
        if (s.overflow) {
            return false;
        }
        key = sink_span(&s);
    }
    for (size_t i = 0; i < fields->count; i++) {
        const char *name = shelf_field_name(&fields->fields[i]);
        if (key.size > 0 && (uint8_t)name[0] == key.data[0] &&
            strncmp(name, (const char *)key.data, key.size) == 0 && name[key.size] == '\0') {
            *ret = i;
            return true;
        }
    }
    return false;
}

/* Absent fields first, then what is there; behind the opening brace. */
static enum res read_members(struct reader *r, const struct shelf_fields *fields, void *body)
{
    uint32_t seen = 0;
    assert(fields->count <= 32);
    for (size_t i = 0; i < fields->count; i++) {
        const struct shelf_field *f = &fields->fields[i];
        if (is_number(f->kind) && f->absent >= 0) {
            put_number(f, body, f->absent);
        }
    }
    for (;;) {
        struct span value = SPAN_NONE;
        struct span key = SPAN_NONE;
        enum json_token token = json_next(&r->json, &key);
        if (token == JSON_OBJECT_END) {
            break;
        }
        if (token != JSON_KEY) {
            return json_refusal(r);
        }
        token = json_next(&r->json, &value);
        size_t i;
        if (token == JSON_FAULT) {
            return json_refusal(r);
        }
        if (!find(fields, key, &i)) {
            if (!json_skip(&r->json, token)) {
                return json_refusal(r);
            }
            continue;
        }
        seen |= UINT32_C(1) << i;
        enum res res = read_value(r, &fields->fields[i], token, value, body);
        if (res != RES_OK) {
            return res;
        }
    }
    for (size_t i = 0; i < fields->count; i++) {
        if (fields->fields[i].required && (seen >> i & 1u) == 0) {
            return shelf_field_refuse(r->detail, fields->fields[i].path, "is missing");
        }
    }
    return RES_OK;
}

enum res shelf_field_read(const struct shelf_fields *fields, struct span payload, struct arena *a,
                          void *body, struct shelf_detail *detail)
{
    struct reader r = {.arena = a, .detail = detail};
    struct span unused;
    json_init(&r.json, payload);
    enum json_token token = json_next(&r.json, &unused);
    if (token == JSON_FAULT) {
        return json_refusal(&r);
    }
    if (token != JSON_OBJECT_BEGIN) {
        return shelf_field_refuse(detail, "payload", "must be an object");
    }
    enum res res = read_members(&r, fields, body);
    if (res == RES_OK && json_next(&r.json, &unused) != JSON_END) {
        res = json_refusal(&r);
    }
    return res;
}
