#include "broker_revoked.h"

#include <string.h>

#define SERIAL_BYTES_MAX 40
#define ID_BYTES_MAX     64

/* The line that begins at `at`, without its newline; size 0 when there is none. */
static struct span line_at(struct span text, size_t at)
{
    const uint8_t *end = memchr(text.data + at, '\n', text.size - at);
    return end == NULL ? SPAN_NONE : span_of(text.data + at, (size_t)(end - (text.data + at)));
}

static struct span serial_of(struct span line)
{
    size_t size = 0;
    while (size < line.size && line.data[size] != ' ') {
        size++;
    }
    return span_of(line.data, size);
}

static bool is_pair(struct span line)
{
    struct span serial = serial_of(line);
    if (serial.size == 0 || serial.size > SERIAL_BYTES_MAX || serial.size + 1 >= line.size ||
        line.size - serial.size - 1 > ID_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < serial.size; i++) {
        uint8_t c = serial.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'))) {
            return false;
        }
    }
    return true;
}

enum res broker_revoked_init(struct broker_revoked *list, struct span text)
{
    struct span before = SPAN_NONE;
    for (size_t at = 0; at < text.size;) {
        struct span line = line_at(text, at);
        if (!is_pair(line) || span_compare(before, serial_of(line)) >= 0) {
            return RES_INVALID;
        }
        before = serial_of(line);
        at += line.size + 1;
    }
    list->text = text;
    return RES_OK;
}

bool broker_revoked_has(const struct broker_revoked *list, struct span serial)
{
    struct span text = list->text;
    size_t from = 0;
    size_t to = text.size; /* both stand at line beginnings */
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        while (middle > from && text.data[middle - 1] != '\n') {
            middle--;
        }
        struct span line = line_at(text, middle);
        int order = span_compare(serial, serial_of(line));
        if (order == 0) {
            return true;
        }
        if (order < 0) {
            to = middle;
        } else {
            from = middle + line.size + 1;
        }
    }
    return false;
}
