#include "sealed.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ecdsa.h"

static_assert(SEALED_CHECK_BYTES == ECDSA_DIGEST_BYTES, "the check is a SHA-256");

void sealed_buffer_deinit(struct sealed_buffer *b)
{
    free(b->data);
    *b = (struct sealed_buffer){0};
}

enum res sealed_buffer_reserve(struct sealed_buffer *b, size_t more)
{
    size_t need = b->size + more;
    if (need <= b->room) {
        return RES_OK;
    }
    size_t room = b->room < 4096 ? 4096 : b->room;
    while (room < need) {
        room *= 2;
    }
    uint8_t *data = realloc(b->data, room);
    if (data == NULL) {
        return RES_NO_MEMORY;
    }
    b->data = data;
    b->room = room;
    return RES_OK;
}

void sealed_put(struct sealed_buffer *b, struct span bytes)
{
    assert(b->room - b->size >= bytes.size);
    if (bytes.size > 0) {
        memcpy(b->data + b->size, bytes.data, bytes.size);
    }
    b->size += bytes.size;
}

void sealed_put_u8(struct sealed_buffer *b, uint8_t value)
{
    assert(b->room > b->size);
    b->data[b->size++] = value;
}

static void store_fixed(uint8_t *to, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++) {
        to[i] = (uint8_t)(value >> (8 * i));
    }
}

static uint64_t load_fixed(const uint8_t *from)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++) {
        value |= (uint64_t)from[i] << (8 * i);
    }
    return value;
}

void sealed_put_fixed(struct sealed_buffer *b, uint64_t value)
{
    assert(b->room - b->size >= 8);
    store_fixed(b->data + b->size, value);
    b->size += 8;
}

void sealed_put_varint(struct sealed_buffer *b, uint64_t value)
{
    assert(b->room - b->size >= 10);
    while (value >= 0x80) {
        b->data[b->size++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    b->data[b->size++] = (uint8_t)value;
}

void sealed_put_signed(struct sealed_buffer *b, int64_t value)
{
    sealed_put_varint(b, ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0));
}

void sealed_put_text(struct sealed_buffer *b, struct span bytes)
{
    sealed_put_varint(b, bytes.size);
    sealed_put(b, bytes);
}

struct sealed_reader sealed_reader_of(struct span bytes)
{
    return (struct sealed_reader){bytes.data, bytes.data + bytes.size, false};
}

struct span sealed_get(struct sealed_reader *r, size_t size)
{
    if (r->bad || (size_t)(r->end - r->at) < size) {
        r->bad = true;
        return SPAN_NONE;
    }
    struct span bytes = span_of(r->at, size);
    r->at += size;
    return bytes;
}

uint8_t sealed_get_u8(struct sealed_reader *r)
{
    struct span one = sealed_get(r, 1);
    return one.size == 1 ? one.data[0] : 0;
}

uint64_t sealed_get_fixed(struct sealed_reader *r)
{
    struct span bytes = sealed_get(r, 8);
    return bytes.size == 8 ? load_fixed(bytes.data) : 0;
}

uint64_t sealed_get_varint(struct sealed_reader *r)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (r->bad || r->at == r->end) {
            break;
        }
        uint8_t byte = *r->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return value;
        }
    }
    r->bad = true;
    return 0;
}

int64_t sealed_get_signed(struct sealed_reader *r)
{
    uint64_t value = sealed_get_varint(r);
    return (int64_t)((value >> 1) ^ (0 - (value & 1)));
}

struct span sealed_get_text(struct sealed_reader *r)
{
    return sealed_get(r, sealed_get_varint(r));
}

enum res sealed_start(struct sealed_buffer *b, const char kind[4])
{
    b->size = 0;
    enum res r = sealed_buffer_reserve(b, SEALED_HEAD_BYTES);
    if (r == RES_OK) {
        memcpy(b->data, kind, 4);
        memset(b->data + 4, 0, SEALED_HEAD_BYTES - 4);
        b->size = SEALED_HEAD_BYTES;
    }
    return r;
}

enum res sealed_finish(struct sealed_buffer *b, int64_t day, int64_t number)
{
    assert(b->size >= SEALED_HEAD_BYTES);
    enum res r = sealed_buffer_reserve(b, SEALED_CHECK_BYTES);
    if (r != RES_OK) {
        return r;
    }
    store_fixed(b->data + 4, (uint64_t)day);
    store_fixed(b->data + 12, (uint64_t)number);
    r = ecdsa_sha256(span_of(b->data, b->size), b->data + b->size);
    if (r == RES_OK) {
        b->size += SEALED_CHECK_BYTES;
    }
    return r;
}

enum res sealed_open(struct span record, const char kind[4], int64_t day, int64_t number,
                     struct span *ret_content)
{
    if (record.size < SEALED_HEAD_BYTES + SEALED_CHECK_BYTES) {
        return RES_CORRUPT;
    }
    size_t checked = record.size - SEALED_CHECK_BYTES;
    uint8_t digest[SEALED_CHECK_BYTES];
    enum res r = ecdsa_sha256(span_of(record.data, checked), digest);
    if (r != RES_OK) {
        return r;
    }
    if (memcmp(digest, record.data + checked, sizeof digest) != 0 ||
        memcmp(record.data, kind, 4) != 0 || load_fixed(record.data + 4) != (uint64_t)day ||
        load_fixed(record.data + 12) != (uint64_t)number) {
        return RES_CORRUPT;
    }
    *ret_content = span_of(record.data + SEALED_HEAD_BYTES, checked - SEALED_HEAD_BYTES);
    return RES_OK;
}
