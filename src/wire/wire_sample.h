/* wire_sample.h: valid messages for tests, fuzz seeds and documents: random ones from the
 * catalogue's own limits, and fixed ones. Not part of the product's library.
 */
#ifndef WIRE_SAMPLE_H
#define WIRE_SAMPLE_H

#include "arena.h"
#include "rng.h"
#include "wire.h"

/* Room for the texts of one random message. */
#define WIRE_SAMPLE_BYTES 65536

/* Every field random within its limits, optional ones half of the time, combinations obeyed. Texts
 * are taken from `texts`. */
void wire_sample_event(struct rng *rng, struct arena *texts, enum wire_type type,
                       struct wire_event *ret);
void wire_sample_downlink(struct rng *rng, struct arena *texts, enum wire_type type,
                          struct wire_downlink *ret);
/* The longest valid message of a type: every field present and as long as it can be. */
void wire_sample_longest_event(struct arena *texts, enum wire_type type, struct wire_event *ret);
void wire_sample_longest_downlink(struct arena *texts, enum wire_type type,
                                  struct wire_downlink *ret);

/* 25 fixed, plausible events of one cart, CART-0042: two short trips and what surrounds them.
 * Number 0..WIRE_SAMPLES-1; texts are static. */
#define WIRE_SAMPLES 25
void wire_sample_fixed(unsigned number, struct wire_event *ret);

#endif
