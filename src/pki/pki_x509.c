#include "pki_x509.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "pki_identity.h"

static bool set_serial(X509 *certificate)
{
    uint8_t bytes[PKI_SERIAL_BYTES];
    if (RAND_bytes(bytes, (int)sizeof bytes) != 1) {
        return false;
    }
    BIGNUM *number = BN_bin2bn(bytes, (int)sizeof bytes, NULL);
    bool ok =
        number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
    BN_free(number);
    return ok;
}

static bool set_time(ASN1_TIME *to, int64_t time_ms)
{
    time_t seconds = (time_t)(time_ms / 1000);
    return X509_time_adj_ex(to, 0, 0, &seconds) != NULL;
}

enum res pki_x509_new(EVP_PKEY *key, int64_t not_before_ms, int64_t not_after_ms,
                      X509 **ret_certificate)
{
    X509 *certificate = X509_new();
    if (certificate == NULL) {
        return RES_NO_MEMORY;
    }
    enum res r = RES_OK;
    if (!set_serial(certificate)) {
        r = RES_IO;
    } else if (X509_set_version(certificate, X509_VERSION_3) != 1 ||
               !set_time(X509_getm_notBefore(certificate), not_before_ms) ||
               !set_time(X509_getm_notAfter(certificate), not_after_ms) ||
               X509_set_pubkey(certificate, key) != 1) {
        r = RES_NO_MEMORY;
    }
    if (r != RES_OK) {
        X509_free(certificate);
        return r;
    }
    *ret_certificate = certificate;
    return RES_OK;
}

enum res pki_x509_extend(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    if (extension == NULL) {
        return RES_INVALID;
    }
    int added = X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    return added == 1 ? RES_OK : RES_NO_MEMORY;
}

enum res pki_x509_key(EVP_PKEY **ret_key)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    if (key == NULL) {
        return RES_NO_MEMORY;
    }
    *ret_key = key;
    return RES_OK;
}

bool pki_x509_is_p256(const EVP_PKEY *key)
{
    char group[32];
    size_t size;
    return EVP_PKEY_is_a(key, "EC") == 1 &&
           EVP_PKEY_get_group_name(key, group, sizeof group, &size) == 1 &&
           strcmp(group, SN_X9_62_prime256v1) == 0;
}

enum res pki_x509_text(BIO *bio, char *ret_text, size_t size)
{
    char *data;
    long n = BIO_get_mem_data(bio, &data);
    if (n <= 0) {
        return RES_NO_MEMORY;
    }
    return span_copy_text(span_of(data, (size_t)n), ret_text, size);
}

enum res pki_x509_pem(const X509 *certificate, char ret_pem[PKI_PEM_BYTES_MAX])
{
    BIO *bio = BIO_new(BIO_s_mem());
    enum res r = RES_NO_MEMORY;
    if (bio != NULL && PEM_write_bio_X509(bio, certificate) == 1) {
        r = pki_x509_text(bio, ret_pem, PKI_PEM_BYTES_MAX);
    }
    BIO_free(bio);
    return r;
}

enum res pki_x509_key_pem(const EVP_PKEY *key, char ret_pem[PKI_PEM_BYTES_MAX])
{
    BIO *bio = BIO_new(BIO_s_secmem());
    enum res r = RES_NO_MEMORY;
    if (bio != NULL && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1) {
        r = pki_x509_text(bio, ret_pem, PKI_PEM_BYTES_MAX);
    }
    BIO_free(bio);
    return r;
}

enum res pki_x509_time_ms(const ASN1_TIME *time, int64_t *ret_time_ms)
{
    struct tm parts;
    if (ASN1_TIME_to_tm(time, &parts) != 1) {
        return RES_INVALID;
    }
    time_t seconds = timegm(&parts);
    if (seconds < 0) {
        return RES_INVALID;
    }
    *ret_time_ms = (int64_t)seconds * 1000;
    return RES_OK;
}
