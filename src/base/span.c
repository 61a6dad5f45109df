#include "span.h"

#include <string.h>

struct span span_of(const void *data, size_t size)
{
    return (struct span){data, size};
}

struct span span_text(const char *text, size_t size_max)
{
    size_t size = 0;
    while (size < size_max && text[size] != '\0') {
        size++;
    }
    return (struct span){(const uint8_t *)text, size};
}

bool span_equal(struct span a, struct span b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

int span_compare(struct span a, struct span b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
    if (order != 0) {
        return order;
    }
    return (a.size > b.size) - (a.size < b.size);
}

bool span_equal_secret(struct span a, struct span b)
{
    if (a.size != b.size) {
        return false;
    }
    volatile uint8_t difference = 0;
    for (size_t i = 0; i < a.size; i++) {
        difference = (uint8_t)(difference | (a.data[i] ^ b.data[i]));
    }
    return difference == 0;
}

enum res span_copy_text(struct span from, char *text, size_t size)
{
    if (from.size >= size) {
        return RES_LIMIT;
    }
    if (from.size > 0) {
        memcpy(text, from.data, from.size);
    }
    text[from.size] = '\0';
    return RES_OK;
}

void sink_init(struct sink *s, void *data, size_t size_max)
{
    *s = (struct sink){.data = data, .size_max = size_max};
}

void sink_bytes(struct sink *s, struct span bytes)
{
    if (s->overflow || bytes.size > s->size_max - s->size) {
        s->overflow = true;
        return;
    }
    if (bytes.size > 0) {
        memcpy(s->data + s->size, bytes.data, bytes.size);
    }
    s->size += bytes.size;
}

void sink_text(struct sink *s, const char *text)
{
    sink_bytes(s, span_of(text, strlen(text)));
}

void sink_byte(struct sink *s, uint8_t byte)
{
    sink_bytes(s, span_of(&byte, 1));
}

void sink_u64_padded(struct sink *s, uint64_t value, unsigned digits)
{
    char text[20];
    unsigned at = sizeof text;
    do {
        text[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    while (at > 0 && sizeof text - at < digits) {
        text[--at] = '0';
    }
    sink_bytes(s, span_of(text + at, sizeof text - at));
}

void sink_u64(struct sink *s, uint64_t value)
{
    sink_u64_padded(s, value, 1);
}

void sink_i64(struct sink *s, int64_t value)
{
    if (value < 0) {
        sink_byte(s, '-');
        sink_u64(s, (uint64_t)0 - (uint64_t)value);
    } else {
        sink_u64(s, (uint64_t)value);
    }
}

void sink_hex(struct sink *s, struct span bytes)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.size; i++) {
        sink_byte(s, (uint8_t)digits[bytes.data[i] >> 4]);
        sink_byte(s, (uint8_t)digits[bytes.data[i] & 15]);
    }
}

struct span sink_span(const struct sink *s)
{
    return (struct span){s->data, s->size};
}
