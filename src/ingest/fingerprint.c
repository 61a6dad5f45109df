#include "fingerprint.h"

#include <string.h>

struct sip {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v2 = rotate(s->v2, 32);
}

static uint64_t little_endian(const uint8_t *bytes, size_t count)
{
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++) {
        value |= (uint64_t)bytes[i] << (8 * i);
    }
    return value;
}

uint64_t fingerprint_of(const uint8_t key[FINGERPRINT_KEY_BYTES], struct span body)
{
    uint64_t k0 = little_endian(key, 8);
    uint64_t k1 = little_endian(key + 8, 8);
    struct sip s = {k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
                    k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573)};
    size_t whole = body.size / 8 * 8;
    for (size_t i = 0; i < whole; i += 8) {
        uint64_t word = little_endian(body.data + i, 8);
        s.v3 ^= word;
        sip_round(&s);
        s.v0 ^= word;
    }
    uint64_t last = (uint64_t)body.size << 56;
    if (whole < body.size) {
        last |= little_endian(body.data + whole, body.size - whole);
    }
    s.v3 ^= last;
    sip_round(&s);
    s.v0 ^= last;
    s.v2 ^= 0xff;
    sip_round(&s);
    sip_round(&s);
    sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

void fingerprint_ring_init(struct fingerprint_ring *r)
{
    memset(r, 0, sizeof *r);
}

void fingerprint_ring_put(struct fingerprint_ring *r, int64_t counter, uint64_t print)
{
    size_t slot = (size_t)counter % FINGERPRINT_RING;
    r->print[slot] = print;
    r->counter[slot] = (uint32_t)counter;
}

enum fingerprint_match fingerprint_ring_match(const struct fingerprint_ring *r, int64_t counter,
                                              uint64_t print)
{
    size_t slot = (size_t)counter % FINGERPRINT_RING;
    if (counter <= 0 || r->counter[slot] != (uint32_t)counter) {
        return FINGERPRINT_FORGOTTEN;
    }
    return r->print[slot] == print ? FINGERPRINT_SAME : FINGERPRINT_OTHER;
}
