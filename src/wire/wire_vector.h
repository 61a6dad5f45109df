/* wire_vector.h: fixed, signed messages: the test vectors of docs/wire.md, the fuzzer's seeds and
 * the samples that the gate tests spoil. Not part of the product's library.
 *
 * The key is the published test key of RFC 6979, appendix A.2.5, and signatures are deterministic
 * (RFC 6979), so that the same bytes come out every time. Never a key for anything real.
 */
#ifndef WIRE_VECTOR_H
#define WIRE_VECTOR_H

#include "wire.h"

#define WIRE_VECTOR_EVENTS      25
#define WIRE_VECTOR_DOWNLINKS   9
#define WIRE_VECTOR_SCANS       6 /* of the first trip */
#define WIRE_VECTOR_FRAME_BYTES 800

extern const uint8_t wire_vector_private_key[32];
extern const uint8_t wire_vector_public_key[65]; /* 0x04 || x || y */

struct wire_vector {
    const char *title;
    char topic[64];
    enum wire_type type;
    size_t size;
    uint8_t frame[WIRE_VECTOR_FRAME_BYTES];
};

struct wire_vectors {
    /* CART-0042 in STORE-MUM-01: three trips and what surrounds them, counters 1..25 of epoch 3. */
    struct wire_vector events[WIRE_VECTOR_EVENTS];
    struct wire_vector downlinks[WIRE_VECTOR_DOWNLINKS];
    /* The digest chain of the first trip. */
    int64_t scan_counters[WIRE_VECTOR_SCANS];
    uint8_t scan_digests[WIRE_VECTOR_SCANS][WIRE_DIGEST_BYTES]; /* SHA-256(body n) */
    uint8_t chain[WIRE_VECTOR_SCANS][WIRE_DIGEST_BYTES];        /* d1..dn */
};

void wire_vector_make(struct wire_vectors *ret);
/* r || s, low s, of any private key (32 bytes big-endian). */
void wire_vector_sign(const uint8_t private_key[32], struct span body,
                      uint8_t ret_signature[WIRE_SIGNATURE_BYTES]);

#endif
