#include "http_uri.h"

#include <string.h>

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum res decode(struct span raw, bool plus_is_space, struct sink *store, struct span *ret)
{
    size_t start = store->size;
    for (size_t i = 0; i < raw.size; i++) {
        uint8_t c = raw.data[i];
        if (c == '%') {
            int high = i + 2 < raw.size ? hex_value(raw.data[i + 1]) : -1;
            int low = high >= 0 ? hex_value(raw.data[i + 2]) : -1;
            if (low < 0) {
                return RES_INVALID;
            }
            c = (uint8_t)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        } else if (c == '#') {
            return RES_INVALID; /* a fragment is never sent */
        }
        sink_byte(store, c);
    }
    sink_byte(store, '\0'); /* so that a value can be used as text */
    if (store->overflow) {
        return RES_LIMIT;
    }
    struct span text = {store->data + start, store->size - start - 1};
    if (!http_uri_is_clean_text(text)) {
        return RES_INVALID;
    }
    *ret = text;
    return RES_OK;
}

/* The part of *rest before `mark`; *rest continues after it, or gets data NULL at the end. */
static struct span cut(struct span *rest, uint8_t mark)
{
    const uint8_t *at = rest->size > 0 ? memchr(rest->data, mark, rest->size) : NULL;
    if (at == NULL) {
        struct span all = *rest;
        *rest = SPAN_NONE;
        return all;
    }
    struct span part = {rest->data, (size_t)(at - rest->data)};
    *rest = (struct span){at + 1, rest->size - part.size - 1};
    return part;
}

static enum res parse_path(struct span path, struct sink *store, struct http_uri *u)
{
    struct span rest = {path.data + 1, path.size - 1};
    if (rest.size == 0) {
        return RES_OK;
    }
    while (rest.data != NULL) {
        if (u->segment_count == HTTP_URI_SEGMENTS_MAX) {
            return RES_LIMIT;
        }
        struct span *segment = &u->segments[u->segment_count];
        enum res r = decode(cut(&rest, '/'), false, store, segment);
        if (r != RES_OK) {
            return r;
        }
        if (segment->size == 0 || span_equal(*segment, SPAN_LIT(".")) ||
            span_equal(*segment, SPAN_LIT(".."))) {
            return RES_INVALID;
        }
        u->segment_count++;
    }
    return RES_OK;
}

static enum res parse_query(struct span query, struct sink *store, struct http_uri *u)
{
    while (query.data != NULL) {
        struct span value = cut(&query, '&');
        if (value.size == 0) {
            continue;
        }
        if (u->pair_count == HTTP_URI_PAIRS_MAX) {
            return RES_LIMIT;
        }
        struct http_uri_pair *pair = &u->pairs[u->pair_count];
        enum res r = decode(cut(&value, '='), true, store, &pair->name);
        if (value.data == NULL) {
            pair->value = SPAN_LIT(""); /* "?flag" */
        } else if (r == RES_OK) {
            r = decode(value, true, store, &pair->value);
        }
        if (r != RES_OK) {
            return r;
        }
        u->pair_count++;
    }
    return RES_OK;
}

enum res http_uri_parse(struct span target, struct sink *store, struct http_uri *ret)
{
    struct http_uri u = {.segment_count = 0};
    if (target.size == 0 || target.data[0] != '/') {
        return RES_INVALID;
    }
    struct span query = target;
    struct span path = cut(&query, '?');
    enum res r = parse_path(path, store, &u);
    if (r == RES_OK) {
        r = parse_query(query, store, &u);
    }
    if (r == RES_OK) {
        *ret = u;
    }
    return r;
}

/* Bytes that follow a UTF-8 lead byte and the least code point it may stand for; -1: no lead. */
static int utf8_tail(uint8_t lead, uint32_t *ret_least, uint32_t *ret_bits)
{
    if ((lead & 0xe0) == 0xc0) {
        *ret_least = 0x80;
        *ret_bits = lead & 0x1f;
        return 1;
    }
    if ((lead & 0xf0) == 0xe0) {
        *ret_least = 0x800;
        *ret_bits = lead & 0x0f;
        return 2;
    }
    if ((lead & 0xf8) == 0xf0) {
        *ret_least = 0x10000;
        *ret_bits = lead & 0x07;
        return 3;
    }
    return -1;
}

bool http_uri_is_clean_text(struct span text)
{
    size_t i = 0;
    while (i < text.size) {
        uint8_t c = text.data[i++];
        if (c < 0x20 || c == 0x7f) {
            return false;
        }
        if (c < 0x80) {
            continue;
        }
        uint32_t least = 0;
        uint32_t point = 0;
        int tail = utf8_tail(c, &least, &point);
        if (tail < 0 || text.size - i < (size_t)tail) {
            return false;
        }
        for (; tail > 0; tail--, i++) {
            if ((text.data[i] & 0xc0) != 0x80) {
                return false;
            }
            point = point << 6 | (text.data[i] & 0x3f);
        }
        if (point < least || point > 0x10ffff || (point >= 0xd800 && point < 0xe000) ||
            (point >= 0x80 && point < 0xa0)) {
            return false;
        }
    }
    return true;
}

bool http_uri_is_uuid(struct span text)
{
    if (text.size != HTTP_UUID_BYTES) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
        if (hyphen ? text.data[i] != '-' : hex_value(text.data[i]) < 0) {
            return false;
        }
    }
    return true;
}

void http_uri_uuid(const uint8_t random[16], char ret_text[HTTP_UUID_BYTES + 1])
{
    uint8_t bytes[16];
    memcpy(bytes, random, sizeof bytes);
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
    struct sink s;
    sink_init(&s, ret_text, HTTP_UUID_BYTES);
    for (size_t i = 0; i < sizeof bytes; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            sink_byte(&s, '-');
        }
        sink_hex(&s, span_of(&bytes[i], 1));
    }
    ret_text[HTTP_UUID_BYTES] = '\0';
}
