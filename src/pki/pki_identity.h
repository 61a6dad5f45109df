/* pki_identity.h: who a certificate speaks for.
 *
 * CN is the device id or service name, OU the kind, O the device's store (none for a service), and
 * the subject's serialNumber repeats the certificate's serial, so that no two certificates, not
 * even two of one device, have the same subject (P6). The id is what TLS, topic, body and
 * signature must agree on (C-137).
 */
#ifndef PKI_IDENTITY_H
#define PKI_IDENTITY_H

#include <openssl/x509.h>

#include "span.h"

enum pki_kind { PKI_CART, PKI_LABEL, PKI_SERVICE };
#define PKI_KINDS 3

#define PKI_ID_BYTES_MAX      28 /* "service:" and 20 letters */
#define PKI_STORE_BYTES_MAX   24
#define PKI_SERIAL_BYTES      16 /* 128 random bits */
#define PKI_SERIAL_TEXT_MAX   40 /* RFC 5280 section 4.1.2.2: at most 20 bytes */
#define PKI_SUBJECT_BYTES_MAX 200

struct pki_identity {
    enum pki_kind kind;
    char id[PKI_ID_BYTES_MAX + 1];
    char store_id[PKI_STORE_BYTES_MAX + 1]; /* "" for a service */
    char serial[PKI_SERIAL_TEXT_MAX + 1];   /* upper-case hexadecimal */
};

/* "cart", "label", "service". */
const char *pki_identity_kind_name(enum pki_kind kind);
MUST_CHECK enum res pki_identity_kind_read(struct span text, enum pki_kind *ret_kind);

/* CART-[A-Z0-9]{4,12}, ESP32-[A-Z0-9]{3,12}, service:[a-z]{2,20}; a store's own pattern for labels
 * may be stricter (pki_registry.h). */
bool pki_identity_id_valid(enum pki_kind kind, struct span id);
/* [A-Z0-9][A-Z0-9-]{2,23} */
bool pki_identity_store_valid(struct span store_id);

/* RES_INVALID: not exactly one CN and OU, an unknown kind, an id or store that breaks its pattern,
 * or a serial longer than the RFC allows. Says nothing about the signature. */
MUST_CHECK enum res pki_identity_read(const X509 *certificate, struct pki_identity *ret_identity);

/* For the log, of certificates that may be anything: a text cut to size, never a failure. */
void pki_identity_serial(const X509 *certificate, char *ret_text, size_t size);
void pki_identity_subject(const X509 *certificate, char *ret_text, size_t size);
void pki_identity_common_name(const X509 *certificate, char *ret_text, size_t size);

#endif
