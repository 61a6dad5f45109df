/* pki_crl.h: what is revoked, as an X.509 list (RFC 5280) and as a plain list for our broker
 * plugin.
 *
 * The plain list is one "serial device-id" a line, sorted by serial. It takes effect at once; the
 * CRL says the same to any other tool.
 */
#ifndef PKI_CRL_H
#define PKI_CRL_H

#include "pki_ca.h"
#include "pki_identity.h"

/* One per certificate revoked and not yet expired. */
#define PKI_CRL_ENTRIES_MAX 100000
/* A CRL past its nextUpdate makes OpenSSL refuse every certificate: an idle installation must not
 * lock its own devices out, and freshness does not rest on it. */
#define PKI_CRL_DAYS PKI_CA_DAYS

struct pki_revoked {
    char serial[PKI_SERIAL_TEXT_MAX + 1]; /* upper-case hexadecimal */
    char id[PKI_ID_BYTES_MAX + 1];
    int64_t revoked_ms;
};

/* Writes CA_DIRECTORY/crl.pem, BROKER_DIRECTORY/crl.pem and BROKER_DIRECTORY/revoked.list (mode
 * 0644, each whole or not at all). Sorts `entries`. RES_LIMIT: too many; RES_INVALID: a serial that
 * is none; RES_IO, RES_FULL, RES_DENIED, RES_NO_MEMORY. */
MUST_CHECK enum res pki_crl_write(const struct pki_ca *ca, const char *ca_directory,
                                  const char *broker_directory, struct pki_revoked *entries,
                                  size_t count, struct err *why);

#endif
