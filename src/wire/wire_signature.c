#include <string.h>

#include "wire.h"

/* SEC 2, section 2.4.2: the order of P-256, and its half rounded down. */
static const uint8_t order[32] = {0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff,
                                  0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17,
                                  0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};
static const uint8_t half_order[32] = {
    0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xde, 0x73, 0x7d, 0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8};

static bool is_zero(const uint8_t number[32])
{
    static const uint8_t zero[32];
    return memcmp(number, zero, sizeof zero) == 0;
}

/* Big-endian numbers of one length compare as bytes do; a signature is no secret. */
enum wire_refusal wire_signature_check(struct span signature)
{
    if (signature.size != WIRE_SIGNATURE_BYTES) {
        return WIRE_BAD_SIGNATURE;
    }
    const uint8_t *r = signature.data;
    const uint8_t *s = signature.data + 32;
    if (is_zero(r) || is_zero(s) || memcmp(r, order, sizeof order) >= 0 ||
        memcmp(s, order, sizeof order) >= 0) {
        return WIRE_BAD_SIGNATURE;
    }
    return memcmp(s, half_order, sizeof half_order) > 0 ? WIRE_HIGH_S : WIRE_FINE;
}

bool wire_signature_is_canonical(struct span signature)
{
    return wire_signature_check(signature) == WIRE_FINE;
}
