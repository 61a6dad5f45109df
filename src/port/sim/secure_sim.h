/* secure_sim.h: a simulated secure element: real SHA-256, and in place of ECDSA a keyed digest that
 * costs little and is the same in each run. Fit for tests only.
 */
#ifndef SECURE_SIM_H
#define SECURE_SIM_H

#include "rng.h"
#include "secure_element.h"

struct secure_sim {
    struct secure_element secure; /* use this */
    int64_t epoch;
    struct rng rng;
    unsigned fail_digests; /* so many digests to come answer RES_IO */
};

void secure_sim_init(struct secure_sim *sim, uint64_t seed);
/* SHA-256 of first || second. */
void secure_sim_digest(struct span first, struct span second,
                       uint8_t ret_digest[SECURE_DIGEST_BYTES]);
/* The platform's signature, which verify_platform takes. */
void secure_sim_sign_platform(struct span message, uint8_t ret_signature[SECURE_SIGNATURE_BYTES]);
/* Whether a device's frame was signed by a simulated element. */
bool secure_sim_verify_device(struct span message, struct span signature);

#endif
