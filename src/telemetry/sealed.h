/* sealed.h: bytes that prove themselves. Everything the store keeps is a sealed record: what it is,
 * which day and number it belongs to, its content, and a SHA-256 over all of that; a record that
 * was altered, swapped or moved is found out when it is read.
 */
#ifndef SEALED_H
#define SEALED_H

#include "span.h"

#define SEALED_HEAD_BYTES  20 /* kind 4, day 8, number 8; little-endian */
#define SEALED_CHECK_BYTES 32

/* Grows by doubling; data stays valid until the next call. */
struct sealed_buffer {
    uint8_t *data;
    size_t size;
    size_t room;
};

void sealed_buffer_deinit(struct sealed_buffer *b);
/* RES_NO_MEMORY. Room for `more` bytes beyond size. */
MUST_CHECK enum res sealed_buffer_reserve(struct sealed_buffer *b, size_t more);

/* The writers below need room reserved beforehand: they assert it. */
void sealed_put(struct sealed_buffer *b, struct span bytes);
void sealed_put_u8(struct sealed_buffer *b, uint8_t value);
void sealed_put_fixed(struct sealed_buffer *b, uint64_t value);  /* 8 bytes */
void sealed_put_varint(struct sealed_buffer *b, uint64_t value); /* LEB128, <= 10 bytes */
void sealed_put_signed(struct sealed_buffer *b, int64_t value);  /* zigzag, <= 10 bytes */
/* A varint of the size, then the bytes. */
void sealed_put_text(struct sealed_buffer *b, struct span bytes);

struct sealed_reader {
    const uint8_t *at;
    const uint8_t *end;
    bool bad; /* ran past the end or read nonsense; everything after reads as 0 */
};

struct sealed_reader sealed_reader_of(struct span bytes);
struct span sealed_get(struct sealed_reader *r, size_t size);
uint8_t sealed_get_u8(struct sealed_reader *r);
uint64_t sealed_get_fixed(struct sealed_reader *r);
uint64_t sealed_get_varint(struct sealed_reader *r);
int64_t sealed_get_signed(struct sealed_reader *r);
struct span sealed_get_text(struct sealed_reader *r);

/* Empties b and writes the head; the day and number may be changed by sealed_finish. */
MUST_CHECK enum res sealed_start(struct sealed_buffer *b, const char kind[4]);
/* Sets day and number and appends the check. RES_NO_MEMORY. */
MUST_CHECK enum res sealed_finish(struct sealed_buffer *b, int64_t day, int64_t number);
/* The content between head and check. RES_CORRUPT: not this record, or altered. */
MUST_CHECK enum res sealed_open(struct span record, const char kind[4], int64_t day, int64_t number,
                                struct span *ret_content);

#endif
