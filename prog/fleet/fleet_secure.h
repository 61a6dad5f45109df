/* fleet_secure.h: the fleet's secure elements: one platform key and one set of OpenSSL contexts for
 * all of them, since the fleet is one thread.
 */
#ifndef FLEET_SECURE_H
#define FLEET_SECURE_H

#include <openssl/evp.h>

#include "ecdsa.h"
#include "rng.h"
#include "secure_element.h"

struct fleet_secure {
    struct ecdsa_public *platform;
    bool trusting; /* platform signatures are not looked at (load generators only) */
    EVP_MD *sha256;
    EVP_MD_CTX *md;
    uint64_t verified;
    uint64_t refused;
};

/* `platform_file`: platform.pub as provisioning wrote it. Errors as ecdsa_point_load. */
MUST_CHECK enum res fleet_secure_open(struct fleet_secure *s, const char *platform_file,
                                      bool trusting, struct err *why);
void fleet_secure_close(struct fleet_secure *s);
MUST_CHECK enum res fleet_secure_digest(struct fleet_secure *s, struct span first,
                                        struct span second,
                                        uint8_t ret_digest[SECURE_DIGEST_BYTES]);

/* One device's element. */
struct fleet_secure_element {
    struct secure_element secure; /* use this; must not move */
    struct fleet_secure *shared;
    int64_t *epoch;            /* kept without power */
    struct rng *rng;           /* for what is random */
    struct ecdsa_private *key; /* NULL: it never signs */
    bool refusing;             /* finds every platform signature wrong */
};
void fleet_secure_element_init(struct fleet_secure_element *e, struct fleet_secure *shared,
                               int64_t *epoch, struct rng *rng, struct ecdsa_private *key);

#endif
