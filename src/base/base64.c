#include "base64.h"

#include <string.h>

static const char url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void write_digits(struct sink *s, struct span bytes, const char *digits)
{
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < bytes.size; i++) {
        bits = (bits << 8 | bytes.data[i]) & 0xffff;
        held += 8;
        while (held >= 6) {
            held -= 6;
            sink_byte(s, (uint8_t)digits[bits >> held & 0x3f]);
        }
    }
    if (held > 0) {
        sink_byte(s, (uint8_t)digits[bits << (6 - held) & 0x3f]);
    }
}

static enum res read_digits(struct span text, struct sink *s, const char *digits)
{
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < text.size; i++) {
        const char *at = text.data[i] == 0 ? NULL : strchr(digits, text.data[i]);
        if (at == NULL) {
            return RES_INVALID;
        }
        bits = (bits << 6 | (uint32_t)(at - digits)) & 0xffff;
        held += 6;
        if (held >= 8) {
            held -= 8;
            sink_byte(s, (uint8_t)(bits >> held));
        }
    }
    /* One spelling only: no left-over digit, no bits set in the padding. */
    if (held >= 6 || (bits & ((1U << held) - 1)) != 0) {
        return RES_INVALID;
    }
    return s->overflow ? RES_LIMIT : RES_OK;
}

void base64_url_write(struct sink *s, struct span bytes)
{
    write_digits(s, bytes, url);
}

enum res base64_url_read(struct span text, struct sink *s)
{
    return read_digits(text, s, url);
}

void base64_write(struct sink *s, struct span bytes)
{
    write_digits(s, bytes, standard);
    for (size_t i = bytes.size; i % 3 != 0; i++) {
        sink_byte(s, '=');
    }
}

enum res base64_read(struct span text, struct sink *s)
{
    if (text.size % 4 != 0) {
        return RES_INVALID;
    }
    for (int i = 0; i < 2 && text.size > 0 && text.data[text.size - 1] == '='; i++) {
        text.size--;
    }
    return read_digits(text, s, standard);
}
