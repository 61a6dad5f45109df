/* fleet_identity.h: who a virtual device is: the certificate and key that `endcap device provision
 * --out DIR` wrote as DIR/{id}.crt and DIR/{id}.key, kept small.
 *
 * OpenSSL 3.0 takes half a millisecond to read a private key and 2 KB to keep it; of a P-256 key 97
 * bytes matter, from which it makes a key in 20 us when one is needed.
 */
#ifndef FLEET_IDENTITY_H
#define FLEET_IDENTITY_H

#include <openssl/ssl.h>

#include "err.h"
#include "pki_identity.h"

#define FLEET_IDENTITY_SECRET_BYTES 32
#define FLEET_IDENTITY_POINT_BYTES  65

struct fleet_identity {
    char id[PKI_ID_BYTES_MAX + 1];
    char store_id[PKI_STORE_BYTES_MAX + 1];
    uint8_t secret[FLEET_IDENTITY_SECRET_BYTES];
    uint8_t point[FLEET_IDENTITY_POINT_BYTES];
    uint16_t certificate_size;
    uint8_t *certificate; /* DER */
};

/* Every *.crt of that kind in `directory` that has its .key, in order of their ids. RES_NOT_FOUND:
 * there is none; RES_CONFLICT: one of another kind; RES_CORRUPT: one is not what it should be;
 * RES_IO, RES_NO_MEMORY. Free with fleet_identity_free. */
MUST_CHECK enum res fleet_identity_load(const char *directory, enum pki_kind kind,
                                        struct fleet_identity **ret, size_t *ret_count,
                                        struct err *why);
/* Cleanses the secrets. */
void fleet_identity_free(struct fleet_identity *identities, size_t count);

/* For the handshake about to begin; SSL_certs_clear gives the memory back after it. */
MUST_CHECK enum res fleet_identity_show(const struct fleet_identity *identity, SSL *ssl);

#endif
