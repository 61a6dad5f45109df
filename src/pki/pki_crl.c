#include "pki_crl.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "file.h"
#include "pki_x509.h"

/* A serial, a blank, an id and a newline. */
#define LINE_BYTES_MAX (PKI_SERIAL_TEXT_MAX + 1 + PKI_ID_BYTES_MAX + 1)

static int by_serial(const void *a, const void *b)
{
    const struct pki_revoked *left = a;
    const struct pki_revoked *right = b;
    return strcmp(left->serial, right->serial);
}

static ASN1_TIME *time_of(int64_t time_ms)
{
    return ASN1_TIME_set(NULL, (time_t)(time_ms / 1000));
}

static enum res add_revoked(X509_CRL *crl, const struct pki_revoked *entry)
{
    enum res r = RES_NO_MEMORY;
    BIGNUM *number = NULL;
    X509_REVOKED *revoked = X509_REVOKED_new();
    ASN1_TIME *when = time_of(entry->revoked_ms);
    if (BN_hex2bn(&number, entry->serial) != (int)strlen(entry->serial)) {
        r = RES_INVALID;
        goto out;
    }
    ASN1_INTEGER *serial = BN_to_ASN1_INTEGER(number, NULL);
    if (revoked != NULL && when != NULL && serial != NULL &&
        X509_REVOKED_set_serialNumber(revoked, serial) == 1 &&
        X509_REVOKED_set_revocationDate(revoked, when) == 1 &&
        X509_CRL_add0_revoked(crl, revoked) == 1) {
        revoked = NULL; /* the list's now */
        r = RES_OK;
    }
    ASN1_INTEGER_free(serial);
out:
    ASN1_TIME_free(when);
    X509_REVOKED_free(revoked);
    BN_free(number);
    return r;
}

/* RFC 5280 section 5.2.3 asks for a number that only rises; the clock's milliseconds do. */
static enum res number_crl(X509_CRL *crl, int64_t now_ms)
{
    enum res r = RES_NO_MEMORY;
    ASN1_INTEGER *number = ASN1_INTEGER_new();
    if (number != NULL && ASN1_INTEGER_set_int64(number, now_ms) == 1 &&
        X509_CRL_add1_ext_i2d(crl, NID_crl_number, number, 0, 0) == 1) {
        r = RES_OK;
    }
    ASN1_INTEGER_free(number);
    return r;
}

static enum res fill_crl(X509_CRL *crl, const struct pki_ca *ca, const struct pki_revoked *entries,
                         size_t count)
{
    int64_t now_ms = clock_utc_ms();
    ASN1_TIME *now = time_of(now_ms);
    ASN1_TIME *next = time_of(now_ms + PKI_CRL_DAYS * INT64_C(86400000));
    enum res r = RES_NO_MEMORY;
    if (now != NULL && next != NULL && X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
        X509_CRL_set_issuer_name(crl, X509_get_subject_name(pki_ca_certificate(ca))) == 1 &&
        X509_CRL_set1_lastUpdate(crl, now) == 1 && X509_CRL_set1_nextUpdate(crl, next) == 1) {
        r = number_crl(crl, now_ms);
    }
    for (size_t i = 0; r == RES_OK && i < count; i++) {
        r = add_revoked(crl, &entries[i]);
    }
    if (r == RES_OK &&
        (X509_CRL_sort(crl) != 1 || X509_CRL_sign(crl, pki_ca_key(ca), EVP_sha256()) == 0)) {
        r = RES_NO_MEMORY;
    }
    ASN1_TIME_free(now);
    ASN1_TIME_free(next);
    return r;
}

static enum res write_crl(const struct pki_ca *ca, const char *ca_directory,
                          const char *broker_directory, const struct pki_revoked *entries,
                          size_t count, struct err *why)
{
    char path[FILE_PATH_BYTES_MAX];
    X509_CRL *crl = X509_CRL_new();
    BIO *bio = BIO_new(BIO_s_mem());
    enum res r = RES_NO_MEMORY;
    if (crl != NULL && bio != NULL) {
        r = fill_crl(crl, ca, entries, count);
    }
    if (r == RES_OK && PEM_write_bio_X509_CRL(bio, crl) != 1) {
        r = RES_NO_MEMORY;
    }
    if (r != RES_OK) {
        ERR_clear_error();
        err_set(why, "OpenSSL cannot make the revocation list (%s)", res_name(r));
        goto out;
    }
    char *pem;
    long size = BIO_get_mem_data(bio, &pem);
    const char *const directories[] = {broker_directory, ca_directory};
    for (size_t i = 0; r == RES_OK && i < 2; i++) {
        r = file_path(path, why, "%s/crl.pem", directories[i]);
        if (r == RES_OK) {
            r = file_write(path, pem, (size_t)size, 0644, why);
        }
    }
out:
    X509_CRL_free(crl);
    BIO_free(bio);
    return r;
}

static enum res write_list(const char *broker_directory, const struct pki_revoked *entries,
                           size_t count, struct err *why)
{
    char path[FILE_PATH_BYTES_MAX];
    char *text = malloc(count * LINE_BYTES_MAX + 1);
    if (text == NULL) {
        err_set(why, "no memory for a list of %zu revoked certificates", count);
        return RES_NO_MEMORY;
    }
    struct sink s;
    sink_init(&s, text, count * LINE_BYTES_MAX);
    for (size_t i = 0; i < count; i++) {
        sink_text(&s, entries[i].serial);
        sink_byte(&s, ' ');
        sink_text(&s, entries[i].id);
        sink_byte(&s, '\n');
    }
    enum res r = file_path(path, why, "%s/revoked.list", broker_directory);
    if (r == RES_OK) {
        r = file_write(path, s.data, s.size, 0644, why);
    }
    free(text);
    return r;
}

enum res pki_crl_write(const struct pki_ca *ca, const char *ca_directory,
                       const char *broker_directory, struct pki_revoked *entries, size_t count,
                       struct err *why)
{
    if (count > PKI_CRL_ENTRIES_MAX) {
        err_set(why, "%zu certificates are revoked, more than the %d a list may hold", count,
                PKI_CRL_ENTRIES_MAX);
        return RES_LIMIT;
    }
    if (count > 0) {
        qsort(entries, count, sizeof *entries, by_serial);
    }
    /* The plain list last: it is the one that acts, and it must not be ahead of the CRL. */
    enum res r = write_crl(ca, ca_directory, broker_directory, entries, count, why);
    if (r == RES_OK) {
        r = write_list(broker_directory, entries, count, why);
    }
    return r;
}
