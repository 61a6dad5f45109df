/* secure_element.h: the device's keys, digests and counters, as a port (C-051: an ATECC608A keeps
 * the private key and two monotonic counters). Freestanding.
 */
#ifndef SECURE_ELEMENT_H
#define SECURE_ELEMENT_H

#include "span.h"

#define SECURE_DIGEST_BYTES    32
#define SECURE_SIGNATURE_BYTES 64

struct secure_element {
    void *context;
    /* SHA-256 of first || second (second may be empty). */
    enum res (*digest)(void *context, struct span first, struct span second,
                       uint8_t ret_digest[SECURE_DIGEST_BYTES]);
    /* ECDSA P-256 over SHA-256(message), r || s, low s. */
    enum res (*sign)(void *context, struct span message,
                     uint8_t ret_signature[SECURE_SIGNATURE_BYTES]);
    /* RES_OK: signed by the platform's key that was pinned at the factory; RES_INVALID: not. */
    enum res (*verify_platform)(void *context, struct span message, struct span signature);
    /* Reads, or raises by one and reads, the epoch counter; survives loss of all flash. */
    enum res (*epoch_read)(void *context, int64_t *ret_epoch);
    enum res (*epoch_raise)(void *context, int64_t *ret_epoch);
    enum res (*random)(void *context, void *ret_bytes, size_t size);
};

#endif
