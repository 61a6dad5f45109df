/* pki_issue.h: certificates of devices, services and the broker.
 *
 * The serial is 128 random bits and part of the subject, so both are unique (P6). Of a signing
 * request only the public key is taken: names, extensions and attributes in it are the asker's
 * wishes and mean nothing.
 */
#ifndef PKI_ISSUE_H
#define PKI_ISSUE_H

#include "pki_ca.h"
#include "pki_identity.h"
#include "pki_x509.h"

#define PKI_CSR_BYTES_MAX       8192
#define PKI_POINT_BYTES         65
#define PKI_DEVICE_DAYS_DEFAULT 730
#define PKI_DEVICE_DAYS_MAX     3650
#define PKI_SERVER_NAMES_MAX    16

struct pki_request {
    enum pki_kind kind;
    struct span id;
    struct span store_id; /* empty for a service */
    int64_t not_before_ms;
    int64_t not_after_ms;
};

struct pki_certificate {
    struct pki_identity identity;
    char subject[PKI_SUBJECT_BYTES_MAX + 1]; /* RFC 2253 text */
    uint8_t public_key[PKI_POINT_BYTES];     /* 04 || x || y */
    int64_t not_before_ms;
    int64_t not_after_ms;
    char pem[PKI_PEM_BYTES_MAX];
    char key_pem[PKI_PEM_BYTES_MAX]; /* "" when it was made from a signing request */
};

/* A new cart or label id, random; two that meet are refused by the registry. */
void pki_issue_new_id(enum pki_kind kind, char ret_id[PKI_ID_BYTES_MAX + 1]);

/* From an hour ago (clocks differ) for `days`; 1..PKI_DEVICE_DAYS_MAX. */
void pki_issue_period(struct pki_request *request, unsigned days);

/* With a key made here. RES_INVALID: id, store or period break their pattern (words say which).
 * RES_NO_MEMORY, RES_IO. Cleanse ret_certificate->key_pem after use (pki_issue_cleanse). */
MUST_CHECK enum res pki_issue_with_key(const struct pki_ca *ca, const struct pki_request *request,
                                       struct pki_certificate *ret_certificate, struct err *why);
/* From a PEM PKCS#10 request. RES_INVALID also: not a request, its key is not P-256, or its own
 * signature is wrong (no proof that the asker holds the key). RES_LIMIT: longer than
 * PKI_CSR_BYTES_MAX. */
MUST_CHECK enum res pki_issue_from_csr(const struct pki_ca *ca, const struct pki_request *request,
                                       struct span csr_pem, struct pki_certificate *ret_certificate,
                                       struct err *why);
/* The broker's, for the names and addresses given (localhost and 127.0.0.1 are always added);
 * extendedKeyUsage serverAuth, so it opens no door as a client. Only pem, key_pem and the period
 * are filled in. */
MUST_CHECK enum res pki_issue_server(const struct pki_ca *ca, const char *const *names,
                                     size_t count, unsigned days,
                                     struct pki_certificate *ret_certificate, struct err *why);
void pki_issue_cleanse(struct pki_certificate *certificate);

#endif
