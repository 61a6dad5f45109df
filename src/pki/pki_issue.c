#include "pki_issue.h"

#include <arpa/inet.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

#define BACKDATE_MS INT64_C(3600000)
#define DAY_MS      INT64_C(86400000)

void pki_issue_period(struct pki_request *request, unsigned days)
{
    int64_t now_ms = clock_utc_ms();
    request->not_before_ms = now_ms - BACKDATE_MS;
    request->not_after_ms = now_ms + days * DAY_MS;
}

void pki_issue_new_id(enum pki_kind kind, char ret_id[PKI_ID_BYTES_MAX + 1])
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    uint8_t random[8] = {0};
    size_t count = kind == PKI_CART ? 8 : 6;
    if (getentropy(random, sizeof random) != 0) {
        abort(); /* a kernel without random bytes cannot make keys either */
    }
    struct sink s;
    sink_init(&s, ret_id, PKI_ID_BYTES_MAX);
    sink_text(&s, kind == PKI_CART ? "CART-" : "ESP32-");
    for (size_t i = 0; i < count; i++) {
        sink_byte(&s, (uint8_t)alphabet[random[i] % (sizeof alphabet - 1)]);
    }
    ret_id[s.size] = '\0';
}

void pki_issue_cleanse(struct pki_certificate *certificate)
{
    OPENSSL_cleanse(certificate->key_pem, sizeof certificate->key_pem);
}

static bool add_entry(X509_NAME *name, int nid, struct span value)
{
    return value.size == 0 || X509_NAME_add_entry_by_NID(name, nid, MBSTRING_ASC, value.data,
                                                         (int)value.size, -1, 0) == 1;
}

static enum res name_subject(X509 *certificate, const struct pki_request *request)
{
    char serial[PKI_SERIAL_TEXT_MAX + 1];
    pki_identity_serial(certificate, serial, sizeof serial);
    X509_NAME *name = X509_get_subject_name(certificate);
    bool ok = add_entry(name, NID_organizationName, request->store_id) &&
              add_entry(name, NID_organizationalUnitName,
                        span_text(pki_identity_kind_name(request->kind), 16)) &&
              add_entry(name, NID_commonName, request->id) &&
              add_entry(name, NID_serialNumber, span_text(serial, sizeof serial));
    return ok ? RES_OK : RES_NO_MEMORY;
}

/* Extensions of every leaf, and the CA's signature. */
static enum res finish_leaf(const struct pki_ca *ca, X509 *leaf, const char *extended_usage,
                            const char *names)
{
    X509 *issuer = pki_ca_certificate(ca);
    enum res r =
        X509_set_issuer_name(leaf, X509_get_subject_name(issuer)) == 1 ? RES_OK : RES_NO_MEMORY;
    const struct {
        int nid;
        const char *value;
    } extensions[] = {
        {NID_basic_constraints, "critical,CA:FALSE"},
        {NID_key_usage, "critical,digitalSignature"},
        {NID_ext_key_usage, extended_usage},
        {NID_subject_key_identifier, "hash"},
        {NID_authority_key_identifier, "keyid:always"},
        {NID_subject_alt_name, names},
    };
    for (size_t i = 0; r == RES_OK && i < sizeof extensions / sizeof *extensions; i++) {
        if (extensions[i].value != NULL) {
            r = pki_x509_extend(leaf, issuer, extensions[i].nid, extensions[i].value);
        }
    }
    if (r == RES_OK && X509_sign(leaf, pki_ca_key(ca), EVP_sha256()) == 0) {
        r = RES_NO_MEMORY;
    }
    return r;
}

static enum res read_point(EVP_PKEY *key, uint8_t ret_point[PKI_POINT_BYTES])
{
    uint8_t *point = NULL;
    enum res r = RES_NO_MEMORY;
    if (EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                                       "uncompressed") == 1 &&
        EVP_PKEY_get1_encoded_public_key(key, &point) == PKI_POINT_BYTES) {
        memcpy(ret_point, point, PKI_POINT_BYTES);
        r = RES_OK;
    }
    OPENSSL_free(point);
    return r;
}

static enum res check_request(const struct pki_request *request, struct err *why)
{
    if (!pki_identity_id_valid(request->kind, request->id)) {
        err_set(why,
                "`%.*s` is not an id of a %s (CART-[A-Z0-9]{4,12}, ESP32-[A-Z0-9]{3,12}, "
                "service:[a-z]{2,20})",
                (int)(request->id.size > 64 ? 64 : request->id.size),
                (const char *)request->id.data, pki_identity_kind_name(request->kind));
        return RES_INVALID;
    }
    if (request->kind != PKI_SERVICE && !pki_identity_store_valid(request->store_id)) {
        err_set(why, "`%.*s` is not a store id ([A-Z0-9-]{3,24})",
                (int)(request->store_id.size > 64 ? 64 : request->store_id.size),
                (const char *)request->store_id.data);
        return RES_INVALID;
    }
    if (request->kind == PKI_SERVICE && request->store_id.size > 0) {
        err_set(why, "a service belongs to no store");
        return RES_INVALID;
    }
    if (request->not_before_ms < 0 || request->not_after_ms <= request->not_before_ms ||
        request->not_after_ms - request->not_before_ms > (PKI_DEVICE_DAYS_MAX + 1) * DAY_MS) {
        err_set(why, "a certificate's validity is 1 to %d days", PKI_DEVICE_DAYS_MAX);
        return RES_INVALID;
    }
    return RES_OK;
}

static enum res issue(const struct pki_ca *ca, const struct pki_request *request, EVP_PKEY *key,
                      struct pki_certificate *ret_certificate)
{
    X509 *leaf = NULL;
    enum res r = pki_x509_new(key, request->not_before_ms, request->not_after_ms, &leaf);
    if (r != RES_OK) {
        return r;
    }
    r = name_subject(leaf, request);
    if (r == RES_OK) {
        r = finish_leaf(ca, leaf, "clientAuth", NULL);
    }
    if (r == RES_OK) {
        r = pki_identity_read(leaf, &ret_certificate->identity);
    }
    if (r == RES_OK) {
        r = read_point(key, ret_certificate->public_key);
    }
    if (r == RES_OK) {
        r = pki_x509_pem(leaf, ret_certificate->pem);
    }
    if (r == RES_OK) {
        pki_identity_subject(leaf, ret_certificate->subject, sizeof ret_certificate->subject);
        ret_certificate->not_before_ms = request->not_before_ms / 1000 * 1000;
        ret_certificate->not_after_ms = request->not_after_ms / 1000 * 1000;
        ret_certificate->key_pem[0] = '\0';
    }
    X509_free(leaf);
    return r;
}

static enum res could_not(enum res r, struct err *why)
{
    ERR_clear_error();
    if (r != RES_OK) {
        err_set(why, "OpenSSL cannot make the certificate (%s)", res_name(r));
    }
    return r;
}

enum res pki_issue_with_key(const struct pki_ca *ca, const struct pki_request *request,
                            struct pki_certificate *ret_certificate, struct err *why)
{
    enum res r = check_request(request, why);
    if (r != RES_OK) {
        return r;
    }
    EVP_PKEY *key = NULL;
    struct pki_certificate made = {.pem = ""};
    r = pki_x509_key(&key);
    if (r == RES_OK) {
        r = issue(ca, request, key, &made);
    }
    if (r == RES_OK) {
        r = pki_x509_key_pem(key, made.key_pem);
    }
    if (r == RES_OK) {
        *ret_certificate = made;
        pki_issue_cleanse(&made);
    }
    EVP_PKEY_free(key);
    return could_not(r, why);
}

static enum res read_csr(struct span csr_pem, X509_REQ **ret_csr, struct err *why)
{
    if (csr_pem.size > PKI_CSR_BYTES_MAX) {
        err_set(why, "the signing request is longer than %d bytes", PKI_CSR_BYTES_MAX);
        return RES_LIMIT;
    }
    BIO *bio = BIO_new_mem_buf(csr_pem.data, (int)csr_pem.size);
    X509_REQ *csr = bio == NULL ? NULL : PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
    BIO_free(bio);
    ERR_clear_error();
    EVP_PKEY *key = csr == NULL ? NULL : X509_REQ_get0_pubkey(csr);
    if (key == NULL) {
        err_set(why, "that is not a PKCS#10 signing request in PEM form");
    } else if (!pki_x509_is_p256(key)) {
        err_set(why, "the signing request's key is not P-256; make one on the device's curve");
    } else if (X509_REQ_verify(csr, key) != 1) {
        err_set(why, "the signing request is not signed by its own key, which proves nothing");
    } else {
        *ret_csr = csr;
        return RES_OK;
    }
    ERR_clear_error();
    X509_REQ_free(csr);
    return RES_INVALID;
}

enum res pki_issue_from_csr(const struct pki_ca *ca, const struct pki_request *request,
                            struct span csr_pem, struct pki_certificate *ret_certificate,
                            struct err *why)
{
    X509_REQ *csr = NULL;
    enum res r = check_request(request, why);
    if (r == RES_OK) {
        r = read_csr(csr_pem, &csr, why);
    }
    if (r != RES_OK) {
        return r;
    }
    struct pki_certificate made;
    r = issue(ca, request, X509_REQ_get0_pubkey(csr), &made);
    if (r == RES_OK) {
        *ret_certificate = made;
    }
    X509_REQ_free(csr);
    return could_not(r, why);
}

static bool is_address(const char *name)
{
    uint8_t address[16];
    return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

/* A host name holds nothing that OpenSSL's extension syntax would read as its own. */
static bool is_host(const char *name)
{
    size_t size = strlen(name);
    return size > 0 && size <= 253 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") == size;
}

static enum res alternative_names(const char *const *names, size_t count, struct sink *s,
                                  struct err *why)
{
    if (count > PKI_SERVER_NAMES_MAX) {
        err_set(why, "a server certificate takes at most %d names", PKI_SERVER_NAMES_MAX);
        return RES_LIMIT;
    }
    sink_text(s, "DNS:localhost,IP:127.0.0.1");
    for (size_t i = 0; i < count; i++) {
        if (!is_address(names[i]) && !is_host(names[i])) {
            err_set(why, "`%.64s` is neither a host name nor an address", names[i]);
            return RES_INVALID;
        }
        sink_text(s, is_address(names[i]) ? ",IP:" : ",DNS:");
        sink_text(s, names[i]);
    }
    sink_byte(s, '\0');
    return s->overflow ? RES_LIMIT : RES_OK;
}

static enum res issue_server(const struct pki_ca *ca, EVP_PKEY *key, const char *names,
                             struct pki_certificate *made)
{
    X509 *leaf = NULL;
    enum res r = pki_x509_new(key, made->not_before_ms, made->not_after_ms, &leaf);
    if (r != RES_OK) {
        return r;
    }
    if (!add_entry(X509_get_subject_name(leaf), NID_commonName, SPAN_LIT("endcap broker"))) {
        r = RES_NO_MEMORY;
    }
    if (r == RES_OK) {
        r = finish_leaf(ca, leaf, "serverAuth", names);
    }
    if (r == RES_OK) {
        r = pki_x509_pem(leaf, made->pem);
    }
    if (r == RES_OK) {
        r = pki_x509_key_pem(key, made->key_pem);
    }
    X509_free(leaf);
    return r;
}

enum res pki_issue_server(const struct pki_ca *ca, const char *const *names, size_t count,
                          unsigned days, struct pki_certificate *ret_certificate, struct err *why)
{
    char text[PKI_SERVER_NAMES_MAX * 260];
    struct sink s;
    sink_init(&s, text, sizeof text);
    enum res r = alternative_names(names, count, &s, why);
    if (r != RES_OK) {
        return r;
    }
    struct pki_certificate made = {.not_before_ms = clock_utc_ms() - BACKDATE_MS};
    made.not_after_ms = made.not_before_ms + BACKDATE_MS + days * DAY_MS;
    EVP_PKEY *key = NULL;
    r = pki_x509_key(&key);
    if (r == RES_OK) {
        r = issue_server(ca, key, text, &made);
    }
    if (r == RES_OK) {
        *ret_certificate = made;
    }
    pki_issue_cleanse(&made);
    EVP_PKEY_free(key);
    return could_not(r, why);
}
