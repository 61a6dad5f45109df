/* pki_x509.h: the pieces of which every certificate and list here is made.
 */
#ifndef PKI_X509_H
#define PKI_X509_H

#include <openssl/x509v3.h>

#include "err.h"
#include "span.h"

#define PKI_PEM_BYTES_MAX 4096

/* Version 3, 128 random bits of serial, the period and the public key; subject, issuer, extensions
 * and signature are for the caller. RES_NO_MEMORY; RES_IO: no random bytes. */
MUST_CHECK enum res pki_x509_new(EVP_PKEY *key, int64_t not_before_ms, int64_t not_after_ms,
                                 X509 **ret_certificate);
/* `value` in OpenSSL's extension syntax (x509v3_config). */
MUST_CHECK enum res pki_x509_extend(X509 *certificate, X509 *issuer, int nid, const char *value);
MUST_CHECK enum res pki_x509_key(EVP_PKEY **ret_key); /* P-256 */
bool pki_x509_is_p256(const EVP_PKEY *key);
MUST_CHECK enum res pki_x509_pem(const X509 *certificate, char ret_pem[PKI_PEM_BYTES_MAX]);
/* PKCS#8 without a passphrase; cleanse it after use. */
MUST_CHECK enum res pki_x509_key_pem(const EVP_PKEY *key, char ret_pem[PKI_PEM_BYTES_MAX]);
/* What is in a memory BIO, as a text. */
MUST_CHECK enum res pki_x509_text(BIO *bio, char *ret_text, size_t size);
/* RES_INVALID for a time before 1970. */
MUST_CHECK enum res pki_x509_time_ms(const ASN1_TIME *time, int64_t *ret_time_ms);

#endif
