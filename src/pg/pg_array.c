#include "pg_array.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "timestamp.h"

void pg_array_init(struct pg_array *a, size_t bytes_max)
{
    *a = (struct pg_array){.bytes_max = bytes_max};
}

void pg_array_deinit(struct pg_array *a)
{
    free(a->text);
    *a = (struct pg_array){0};
}

void pg_array_reset(struct pg_array *a)
{
    a->size = 0;
    a->count = 0;
    a->failed = false;
}

/* Room for `more` bytes and the closing brace with its NUL. */
static bool reserve(struct pg_array *a, size_t more)
{
    if (a->failed) {
        return false;
    }
    if (more > a->bytes_max || a->size + 2 > a->bytes_max - more) {
        a->failed = true;
        return false;
    }
    size_t need = a->size + more + 2;
    if (need > a->room) {
        size_t room = a->room < 4096 ? 4096 : a->room * 2;
        while (room < need) {
            room *= 2;
        }
        char *text = realloc(a->text, room);
        if (text == NULL) {
            a->failed = true;
            return false;
        }
        a->text = text;
        a->room = room;
    }
    return true;
}

static void raw(struct pg_array *a, const char *bytes, size_t size)
{
    if (reserve(a, size + 1)) {
        a->text[a->size++] = a->count == 0 ? '{' : ',';
        memcpy(a->text + a->size, bytes, size);
        a->size += size;
        a->count++;
    }
}

void pg_array_null(struct pg_array *a)
{
    raw(a, "NULL", 4);
}

void pg_array_span(struct pg_array *a, struct span text)
{
    if (text.data == NULL) {
        pg_array_null(a);
        return;
    }
    if (!reserve(a, text.size * 2 + 3)) {
        return;
    }
    char *at = a->text + a->size;
    *at++ = a->count == 0 ? '{' : ',';
    *at++ = '"';
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '"' || text.data[i] == '\\') {
            *at++ = '\\';
        }
        *at++ = (char)text.data[i];
    }
    *at++ = '"';
    a->size = (size_t)(at - a->text);
    a->count++;
}

void pg_array_i64(struct pg_array *a, int64_t value)
{
    char text[32];
    int n = snprintf(text, sizeof text, "%" PRId64, value);
    raw(a, text, (size_t)n);
}

void pg_array_bool(struct pg_array *a, bool value)
{
    raw(a, value ? "t" : "f", 1);
}

void pg_array_bytes(struct pg_array *a, struct span bytes)
{
    static const char hex[] = "0123456789abcdef";
    if (bytes.data == NULL) {
        pg_array_null(a);
        return;
    }
    if (!reserve(a, bytes.size * 2 + 6)) {
        return;
    }
    char *at = a->text + a->size;
    *at++ = a->count == 0 ? '{' : ',';
    memcpy(at, "\"\\\\x", 4);
    at += 4;
    for (size_t i = 0; i < bytes.size; i++) {
        *at++ = hex[bytes.data[i] >> 4];
        *at++ = hex[bytes.data[i] & 15];
    }
    *at++ = '"';
    a->size = (size_t)(at - a->text);
    a->count++;
}

void pg_array_time_ms(struct pg_array *a, int64_t time_ms)
{
    uint8_t text[TIMESTAMP_TEXT_BYTES];
    struct sink s;
    sink_init(&s, text, sizeof text);
    timestamp_write(&s, time_ms);
    if (s.overflow) {
        a->failed = true;
        return;
    }
    pg_array_span(a, sink_span(&s));
}

const char *pg_array_close(struct pg_array *a)
{
    if (!reserve(a, 1)) {
        return NULL;
    }
    size_t end = a->size;
    if (a->count == 0) {
        a->text[end++] = '{';
    }
    a->text[end++] = '}';
    a->text[end] = '\0';
    return a->text;
}
