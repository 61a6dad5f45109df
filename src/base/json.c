#include "json.h"

#include <assert.h>
#include <string.h>

enum state {
    WANT_VALUE,
    WANT_FIRST_VALUE_OR_END, /* after [ */
    WANT_FIRST_KEY_OR_END,   /* after { */
    WANT_COMMA_OR_END,
    WANT_END_OF_TEXT,
    STOPPED,
};

void json_init(struct json *j, struct span text)
{
    j->text = text;
    j->at = 0;
    j->fault = JSON_FINE;
    j->state = WANT_VALUE;
    j->depth = 0;
    j->key_count = 0;
    j->any_escaped_key = false;
}

unsigned json_depth(const struct json *j)
{
    return j->depth;
}

static enum json_token stop(struct json *j, enum json_fault fault)
{
    j->fault = fault;
    j->state = STOPPED;
    return JSON_FAULT;
}

static void skip_space(struct json *j)
{
    while (j->at < j->text.size) {
        uint8_t c = j->text.data[j->at];
        if (c != ' ' && c != '\t' && c != '\n' && c != '\r') {
            break;
        }
        j->at++;
    }
}

/* Bytes of the UTF-8 character at `at`, 0 when there is no valid one (RFC 3629 section 4). */
static unsigned utf8_bytes(struct span text, size_t at)
{
    const uint8_t *t = text.data + at;
    size_t left = text.size - at;
    if (left == 0 || t[0] == 0) {
        return 0;
    }
    if (t[0] < 0x80) {
        return 1;
    }
    unsigned count = t[0] >= 0xc2 && t[0] <= 0xdf   ? 2
                     : t[0] >= 0xe0 && t[0] <= 0xef ? 3
                     : t[0] >= 0xf0 && t[0] <= 0xf4 ? 4
                                                    : 0;
    if (count == 0 || left < count) {
        return 0;
    }
    uint8_t least = t[0] == 0xe0 ? 0xa0 : t[0] == 0xf0 ? 0x90 : 0x80;
    uint8_t most = t[0] == 0xed ? 0x9f : t[0] == 0xf4 ? 0x8f : 0xbf;
    if (t[1] < least || t[1] > most) {
        return 0;
    }
    for (unsigned i = 2; i < count; i++) {
        if (t[i] < 0x80 || t[i] > 0xbf) {
            return 0;
        }
    }
    return count;
}

bool json_utf8_is_valid(struct span text)
{
    for (size_t at = 0; at < text.size;) {
        unsigned count = utf8_bytes(text, at);
        if (count == 0) {
            return false;
        }
        at += count;
    }
    return true;
}

static bool hex4(struct span text, size_t at, uint32_t *ret)
{
    if (text.size - at < 4) {
        return false;
    }
    uint32_t value = 0;
    for (size_t i = at; i < at + 4; i++) {
        uint8_t c = text.data[i];
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                                : 16;
        if (digit == 16) {
            return false;
        }
        value = value * 16 + digit;
    }
    *ret = value;
    return true;
}

/* The escape whose backslash is at *at: its character, and *at behind it. */
static enum json_fault read_escape(struct span text, size_t *at, uint32_t *ret)
{
    static const char names[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    if (text.size - *at < 2) {
        return JSON_BAD_SYNTAX;
    }
    uint8_t c = text.data[*at + 1];
    if (c != 'u') {
        const char *found = c == 0 ? NULL : strchr(names, c);
        if (found == NULL) {
            return JSON_BAD_SYNTAX;
        }
        *ret = (uint8_t)meanings[found - names];
        *at += 2;
        return JSON_FINE;
    }
    uint32_t unit;
    if (!hex4(text, *at + 2, &unit)) {
        return JSON_BAD_SYNTAX;
    }
    *at += 6;
    if (unit == 0 || (unit >= 0xdc00 && unit <= 0xdfff)) {
        return JSON_BAD_UTF8;
    }
    if (unit >= 0xd800 && unit <= 0xdbff) {
        uint32_t low;
        if (text.size - *at < 6 || text.data[*at] != '\\' || text.data[*at + 1] != 'u' ||
            !hex4(text, *at + 2, &low) || low < 0xdc00 || low > 0xdfff) {
            return JSON_BAD_UTF8;
        }
        *at += 6;
        unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    }
    *ret = unit;
    return JSON_FINE;
}

/* From the opening quote at j->at to behind the closing one. */
static enum json_fault scan_string(struct json *j, struct span *ret)
{
    size_t start = ++j->at;
    for (;;) {
        const uint8_t *data = j->text.data;
        size_t at = j->at;
        while (at < j->text.size && data[at] >= 0x20 && data[at] < 0x80 && data[at] != '"' &&
               data[at] != '\\') {
            at++; /* nearly all there is */
        }
        j->at = at;
        if (at == j->text.size) {
            return JSON_BAD_SYNTAX;
        }
        uint8_t c = data[at];
        if (c == '"') {
            *ret = span_of(j->text.data + start, j->at - start);
            j->at++;
            return JSON_FINE;
        }
        if (c == '\\') {
            uint32_t unused;
            enum json_fault fault = read_escape(j->text, &j->at, &unused);
            if (fault != JSON_FINE) {
                return fault;
            }
        } else if (c == 0) {
            return JSON_BAD_UTF8;
        } else if (c < 0x20) {
            return JSON_BAD_SYNTAX;
        } else {
            unsigned count = utf8_bytes(j->text, j->at);
            if (count == 0) {
                return JSON_BAD_UTF8;
            }
            j->at += count;
        }
    }
}

static size_t scan_digits(struct json *j)
{
    size_t start = j->at;
    while (j->at < j->text.size && j->text.data[j->at] >= '0' && j->text.data[j->at] <= '9') {
        j->at++;
    }
    return j->at - start;
}

static bool peek(const struct json *j, char c)
{
    return j->at < j->text.size && j->text.data[j->at] == (uint8_t)c;
}

/* RFC 8259 section 6. */
static bool scan_number(struct json *j, struct span *ret)
{
    size_t start = j->at;
    if (peek(j, '-')) {
        j->at++;
    }
    bool zero = peek(j, '0');
    size_t whole = scan_digits(j);
    if (whole == 0 || (zero && whole > 1)) {
        return false;
    }
    if (peek(j, '.')) {
        j->at++;
        if (scan_digits(j) == 0) {
            return false;
        }
    }
    if (peek(j, 'e') || peek(j, 'E')) {
        j->at++;
        if (peek(j, '+') || peek(j, '-')) {
            j->at++;
        }
        if (scan_digits(j) == 0) {
            return false;
        }
    }
    *ret = span_of(j->text.data + start, j->at - start);
    return true;
}

static bool scan_word(struct json *j, const char *word)
{
    size_t size = strlen(word);
    if (j->text.size - j->at < size || memcmp(j->text.data + j->at, word, size) != 0) {
        return false;
    }
    j->at += size;
    return true;
}

static enum json_token open_level(struct json *j, bool is_array)
{
    if (j->depth == JSON_DEPTH_MAX) {
        return stop(j, JSON_TOO_DEEP);
    }
    j->in_array[j->depth] = is_array;
    j->keys_before[j->depth] = j->key_count;
    j->depth++;
    j->at++;
    j->state = is_array ? WANT_FIRST_VALUE_OR_END : WANT_FIRST_KEY_OR_END;
    return is_array ? JSON_ARRAY_BEGIN : JSON_OBJECT_BEGIN;
}

static void value_done(struct json *j)
{
    j->state = j->depth == 0 ? WANT_END_OF_TEXT : WANT_COMMA_OR_END;
}

static enum json_token close_level(struct json *j)
{
    j->depth--;
    j->at++;
    j->key_count = j->keys_before[j->depth];
    bool was_array = j->in_array[j->depth];
    value_done(j);
    return was_array ? JSON_ARRAY_END : JSON_OBJECT_END;
}

static enum json_token read_value(struct json *j, struct span *ret)
{
    if (j->at == j->text.size) {
        return stop(j, JSON_BAD_SYNTAX);
    }
    enum json_token token;
    switch (j->text.data[j->at]) {
    case '{':
        return open_level(j, false);
    case '[':
        return open_level(j, true);
    case '"': {
        enum json_fault fault = scan_string(j, ret);
        if (fault != JSON_FINE) {
            return stop(j, fault);
        }
        token = JSON_STRING;
        break;
    }
    case 't':
        token = scan_word(j, "true") ? JSON_TRUE : JSON_FAULT;
        break;
    case 'f':
        token = scan_word(j, "false") ? JSON_FALSE : JSON_FAULT;
        break;
    case 'n':
        token = scan_word(j, "null") ? JSON_NULL : JSON_FAULT;
        break;
    default:
        token = scan_number(j, ret) ? JSON_NUMBER : JSON_FAULT;
        break;
    }
    if (token == JSON_FAULT) {
        return stop(j, JSON_BAD_SYNTAX);
    }
    value_done(j);
    return token;
}

static enum json_token read_key(struct json *j, struct span *ret)
{
    if (!peek(j, '"')) {
        return stop(j, JSON_BAD_SYNTAX);
    }
    struct span key;
    enum json_fault fault = scan_string(j, &key);
    if (fault != JSON_FINE) {
        return stop(j, fault);
    }
    j->any_escaped_key = j->any_escaped_key || json_has_escapes(key);
    for (size_t i = j->keys_before[j->depth - 1]; i < j->key_count; i++) {
        bool same =
            j->any_escaped_key ? json_text_equal(j->keys[i], key) : span_equal(j->keys[i], key);
        if (same) {
            return stop(j, JSON_DUPLICATE_KEY);
        }
    }
    if (j->key_count == JSON_KEYS_MAX) {
        return stop(j, JSON_TOO_MANY_KEYS);
    }
    skip_space(j);
    if (!peek(j, ':')) {
        return stop(j, JSON_BAD_SYNTAX);
    }
    j->at++;
    j->keys[j->key_count++] = key;
    j->state = WANT_VALUE;
    *ret = key;
    return JSON_KEY;
}

enum json_token json_next(struct json *j, struct span *ret_value)
{
    if (j->state != STOPPED) {
        skip_space(j);
    }
    switch ((enum state)j->state) {
    case WANT_VALUE:
        return read_value(j, ret_value);
    case WANT_FIRST_VALUE_OR_END:
        return peek(j, ']') ? close_level(j) : read_value(j, ret_value);
    case WANT_FIRST_KEY_OR_END:
        return peek(j, '}') ? close_level(j) : read_key(j, ret_value);
    case WANT_COMMA_OR_END: {
        bool is_array = j->in_array[j->depth - 1];
        if (peek(j, is_array ? ']' : '}')) {
            return close_level(j);
        }
        if (!peek(j, ',')) {
            return stop(j, JSON_BAD_SYNTAX);
        }
        j->at++;
        skip_space(j);
        return is_array ? read_value(j, ret_value) : read_key(j, ret_value);
    }
    case WANT_END_OF_TEXT:
        if (j->at != j->text.size) {
            return stop(j, JSON_BAD_SYNTAX);
        }
        j->state = STOPPED;
        return JSON_END;
    case STOPPED:
        break;
    }
    return j->fault == JSON_FINE ? JSON_END : JSON_FAULT;
}

bool json_skip(struct json *j, enum json_token first)
{
    if (first != JSON_OBJECT_BEGIN && first != JSON_ARRAY_BEGIN) {
        return first != JSON_FAULT;
    }
    unsigned outside = j->depth - 1u;
    while (j->depth > outside) {
        struct span unused;
        if (json_next(j, &unused) == JSON_FAULT) {
            return false;
        }
    }
    return true;
}

bool json_has_escapes(struct span raw)
{
    return raw.size > 0 && memchr(raw.data, '\\', raw.size) != NULL;
}

static void write_utf8(struct sink *s, uint32_t c)
{
    if (c < 0x80) {
        sink_byte(s, (uint8_t)c);
    } else if (c < 0x800) {
        sink_byte(s, (uint8_t)(0xc0 | (c >> 6)));
        sink_byte(s, (uint8_t)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        sink_byte(s, (uint8_t)(0xe0 | (c >> 12)));
        sink_byte(s, (uint8_t)(0x80 | ((c >> 6) & 0x3f)));
        sink_byte(s, (uint8_t)(0x80 | (c & 0x3f)));
    } else {
        sink_byte(s, (uint8_t)(0xf0 | (c >> 18)));
        sink_byte(s, (uint8_t)(0x80 | ((c >> 12) & 0x3f)));
        sink_byte(s, (uint8_t)(0x80 | ((c >> 6) & 0x3f)));
        sink_byte(s, (uint8_t)(0x80 | (c & 0x3f)));
    }
}

/* One character of raw text at *at, in UTF-8; its bytes. */
static size_t next_character(struct span raw, size_t *at, uint8_t ret[4])
{
    struct sink s;
    sink_init(&s, ret, 4);
    if (raw.data[*at] == '\\') {
        uint32_t c = 0;
        enum json_fault fault = read_escape(raw, at, &c);
        assert(fault == JSON_FINE); /* json_next has seen this text */
        (void)fault;
        write_utf8(&s, c);
    } else {
        unsigned count = utf8_bytes(raw, *at);
        assert(count > 0);
        sink_bytes(&s, span_of(raw.data + *at, count));
        *at += count;
    }
    return s.size;
}

void json_unescape(struct span raw, struct sink *s)
{
    for (size_t at = 0; at < raw.size;) {
        uint8_t c[4];
        size_t count = next_character(raw, &at, c);
        sink_bytes(s, span_of(c, count));
    }
}

bool json_text_equal(struct span raw_a, struct span raw_b)
{
    if (!json_has_escapes(raw_a) && !json_has_escapes(raw_b)) {
        return span_equal(raw_a, raw_b);
    }
    size_t at_a = 0;
    size_t at_b = 0;
    while (at_a < raw_a.size && at_b < raw_b.size) {
        uint8_t a[4];
        uint8_t b[4];
        size_t size_a = next_character(raw_a, &at_a, a);
        size_t size_b = next_character(raw_b, &at_b, b);
        if (!span_equal(span_of(a, size_a), span_of(b, size_b))) {
            return false;
        }
    }
    return at_a == raw_a.size && at_b == raw_b.size;
}

enum res json_read_int(struct span number, int64_t *ret)
{
    bool negative = number.size > 0 && number.data[0] == '-';
    size_t first = negative ? 1 : 0;
    size_t digits = number.size - first;
    if (digits == 0 || (number.data[first] == '0' && (digits > 1 || negative))) {
        return RES_INVALID;
    }
    int64_t value = 0;
    bool large = false;
    for (size_t i = first; i < number.size; i++) {
        if (number.data[i] < '0' || number.data[i] > '9') {
            return RES_INVALID;
        }
        if (!large) {
            value = value * 10 + (number.data[i] - '0');
            large = value > JSON_INT_MAX;
        }
    }
    if (large) {
        return RES_LIMIT;
    }
    *ret = negative ? -value : value;
    return RES_OK;
}

void json_write_text(struct sink *s, struct span text)
{
    sink_byte(s, '"');
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (c == '"' || c == '\\') {
            sink_byte(s, '\\');
            sink_byte(s, c);
        } else if (c < 0x20) {
            sink_text(s, "\\u00");
            sink_hex(s, span_of(&c, 1));
        } else {
            sink_byte(s, c);
        }
    }
    sink_byte(s, '"');
}

void json_write_key(struct sink *s, bool *first, const char *name)
{
    if (!*first) {
        sink_byte(s, ',');
    }
    *first = false;
    json_write_text(s, span_of(name, strlen(name)));
    sink_byte(s, ':');
}
