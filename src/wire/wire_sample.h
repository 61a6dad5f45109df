/* wire_sample.h: valid messages for tests, random ones and the longest ones, from the catalogue's
 * own limits. Not part of the product's library.
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

#endif
