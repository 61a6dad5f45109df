/* pki_ca.h: the installation's own certificate authority.
 *
 * One P-256 root, pinned in every device (C-096), that signs devices, services and the broker
 * directly. Its private key is a file of mode 0600 that few read (DESIGN.md says who).
 */
#ifndef PKI_CA_H
#define PKI_CA_H

#include <openssl/x509.h>

#include "err.h"

/* Longer than any device lives: replacing a pinned root means visiting every cart. */
#define PKI_CA_DAYS 7305

struct pki_ca; /* opaque */

/* Writes ca.crt (0644) and ca.key (0600) into `directory`, which exists. RES_CONFLICT: a CA is
 * there already, nothing is changed. RES_IO, RES_FULL, RES_DENIED, RES_NO_MEMORY. */
MUST_CHECK enum res pki_ca_create(const char *directory, struct err *why);
/* RES_NOT_FOUND: no CA there; RES_DENIED: the key is not ours to read, or others can read it too;
 * RES_CORRUPT: no CA certificate and matching key; RES_IO, RES_NO_MEMORY. */
MUST_CHECK enum res pki_ca_open(const char *directory, struct pki_ca **ret_ca, struct err *why);
void pki_ca_close(struct pki_ca *ca);

/* Both belong to the CA. */
X509 *pki_ca_certificate(const struct pki_ca *ca);
EVP_PKEY *pki_ca_key(const struct pki_ca *ca);

#endif
