/* fingerprint.h: tells a message sent again from another message under the same counter, cheaply.
 *
 * A fingerprint is SipHash-1-3 (Aumasson and Bernstein, 2012) of a body's exact bytes under a key
 * drawn at start: 64 bits nobody outside can aim at. The ring keeps those of a stream's latest
 * FINGERPRINT_RING counters, more than a cart keeps in flight; older ones are compared in
 * telemetry. Pure core: no I/O, no clock, no allocation.
 */
#ifndef FINGERPRINT_H
#define FINGERPRINT_H

#include "span.h"

#define FINGERPRINT_KEY_BYTES 16
#define FINGERPRINT_RING      64

struct fingerprint_ring {
    uint64_t print[FINGERPRINT_RING];
    uint32_t counter[FINGERPRINT_RING]; /* the low 32 bits; 0: empty */
};

enum fingerprint_match {
    FINGERPRINT_SAME,
    FINGERPRINT_OTHER,
    FINGERPRINT_FORGOTTEN, /* not in the ring */
};

uint64_t fingerprint_of(const uint8_t key[FINGERPRINT_KEY_BYTES], struct span body);
void fingerprint_ring_init(struct fingerprint_ring *r);
/* Remembers, in place of the counter FINGERPRINT_RING before. */
void fingerprint_ring_put(struct fingerprint_ring *r, int64_t counter, uint64_t print);
enum fingerprint_match fingerprint_ring_match(const struct fingerprint_ring *r, int64_t counter,
                                              uint64_t print);

#endif
