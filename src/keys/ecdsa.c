#include "ecdsa.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "file.h"

#define HALF 32

struct ecdsa_public {
    EVP_PKEY *key;
    EVP_PKEY_CTX *verifier;
};

struct ecdsa_private {
    EVP_PKEY *key;
    EVP_PKEY_CTX *signer;
    uint8_t point[ECDSA_POINT_BYTES];
};

/* n and floor(n / 2) of P-256, SEC 2 v2 section 2.4.2 */
static const uint8_t order[HALF] = {
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};
static const uint8_t order_half[HALF] = {
    0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xde, 0x73, 0x7d, 0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8};

/* Fetched once: an implicit fetch at every digest takes OpenSSL's global locks. */
static EVP_MD *sha256;
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;

static void fetch_sha256(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
}

enum res ecdsa_sha256(struct span message, uint8_t ret_digest[ECDSA_DIGEST_BYTES])
{
    (void)pthread_once(&sha256_once, fetch_sha256);
    if (sha256 == NULL ||
        EVP_Digest(message.data, message.size, ret_digest, NULL, sha256, NULL) != 1) {
        ERR_clear_error();
        return RES_NO_MEMORY;
    }
    return RES_OK;
}

enum res ecdsa_sha256_two(struct span first, struct span second,
                          uint8_t ret_digest[ECDSA_DIGEST_BYTES])
{
    (void)pthread_once(&sha256_once, fetch_sha256);
    enum res r = RES_NO_MEMORY;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (sha256 != NULL && context != NULL && EVP_DigestInit_ex2(context, sha256, NULL) == 1 &&
        EVP_DigestUpdate(context, first.data, first.size) == 1 &&
        EVP_DigestUpdate(context, second.data, second.size) == 1 &&
        EVP_DigestFinal_ex(context, ret_digest, NULL) == 1) {
        r = RES_OK;
    } else {
        ERR_clear_error();
    }
    EVP_MD_CTX_free(context);
    return r;
}

static EVP_PKEY *key_of_point(struct span point)
{
    char group[] = "prime256v1";
    uint8_t copy[ECDSA_POINT_BYTES];
    memcpy(copy, point.data, sizeof copy);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, copy, sizeof copy),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    if (maker == NULL || EVP_PKEY_fromdata_init(maker) != 1 ||
        EVP_PKEY_fromdata(maker, &key, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        key = NULL;
    }
    EVP_PKEY_CTX_free(maker);
    return key;
}

enum res ecdsa_public_new(struct span point, struct ecdsa_public **ret)
{
    if (point.size != ECDSA_POINT_BYTES || point.data[0] != 0x04) {
        return RES_INVALID;
    }
    struct ecdsa_public *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return RES_NO_MEMORY;
    }
    enum res r = RES_INVALID;
    made->key = key_of_point(point);
    if (made->key == NULL) {
        goto out;
    }
    r = RES_NO_MEMORY;
    made->verifier = EVP_PKEY_CTX_new_from_pkey(NULL, made->key, NULL);
    if (made->verifier == NULL || EVP_PKEY_verify_init(made->verifier) != 1) {
        goto out;
    }
    *ret = made;
    made = NULL;
    r = RES_OK;
out:
    ERR_clear_error();
    ecdsa_public_free(made);
    return r;
}

void ecdsa_public_free(struct ecdsa_public *key)
{
    if (key == NULL) {
        return;
    }
    EVP_PKEY_CTX_free(key->verifier);
    EVP_PKEY_free(key->key);
    free(key);
}

static bool is_zero(const uint8_t number[HALF])
{
    static const uint8_t zero[HALF];
    return memcmp(number, zero, HALF) == 0;
}

/* One INTEGER of X.690: minimal, with a zero byte before a set top bit. */
static size_t write_integer(uint8_t *out, const uint8_t number[HALF])
{
    size_t skip = 0;
    while (skip < HALF - 1 && number[skip] == 0) {
        skip++;
    }
    size_t pad = number[skip] >> 7;
    size_t size = HALF - skip + pad;
    out[0] = 0x02;
    out[1] = (uint8_t)size;
    out[2] = 0;
    memcpy(out + 2 + pad, number + skip, HALF - skip);
    return 2 + size;
}

enum res ecdsa_verify_digest(struct ecdsa_public *key, const uint8_t digest[ECDSA_DIGEST_BYTES],
                             struct span signature)
{
    if (signature.size != ECDSA_SIGNATURE_BYTES) {
        return RES_INVALID;
    }
    const uint8_t *r = signature.data;
    const uint8_t *s = signature.data + HALF;
    if (is_zero(r) || is_zero(s) || memcmp(r, order, HALF) >= 0 || memcmp(s, order, HALF) >= 0) {
        return RES_INVALID;
    }
    if (memcmp(s, order_half, HALF) > 0) {
        return RES_LIMIT;
    }
    uint8_t der[2 + 2 * (3 + HALF)];
    size_t size = 2 + write_integer(der + 2, r);
    size += write_integer(der + size, s);
    der[0] = 0x30;
    der[1] = (uint8_t)(size - 2);
    int answer = EVP_PKEY_verify(key->verifier, der, size, digest, ECDSA_DIGEST_BYTES);
    if (answer == 1) {
        return RES_OK;
    }
    ERR_clear_error();
    return answer == 0 ? RES_INVALID : RES_NO_MEMORY;
}

enum res ecdsa_verify(struct ecdsa_public *key, struct span message, struct span signature)
{
    uint8_t digest[ECDSA_DIGEST_BYTES];
    enum res r = ecdsa_sha256(message, digest);
    return r != RES_OK ? r : ecdsa_verify_digest(key, digest, signature);
}

static bool point_of_key(EVP_PKEY *key, uint8_t ret_point[ECDSA_POINT_BYTES])
{
    char group[32];
    size_t size = 0;
    if (!EVP_PKEY_is_a(key, "EC") ||
        EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group,
                                       NULL) != 1 ||
        strcmp(group, "prime256v1") != 0) {
        return false;
    }
    uint8_t x[HALF];
    uint8_t y[HALF];
    BIGNUM *bx = NULL;
    BIGNUM *by = NULL;
    if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_X, &bx) == 1 &&
        EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_Y, &by) == 1 &&
        BN_bn2binpad(bx, x, HALF) == HALF && BN_bn2binpad(by, y, HALF) == HALF) {
        ret_point[0] = 0x04;
        memcpy(ret_point + 1, x, HALF);
        memcpy(ret_point + 1 + HALF, y, HALF);
        size = ECDSA_POINT_BYTES;
    }
    BN_free(bx);
    BN_free(by);
    return size == ECDSA_POINT_BYTES;
}

/* Takes the key over, also on failure. RES_INVALID: not a P-256 private key. */
static enum res private_of_key(EVP_PKEY *key, struct ecdsa_private **ret)
{
    enum res r = RES_NO_MEMORY;
    struct ecdsa_private *made = calloc(1, sizeof *made);
    if (made == NULL) {
        EVP_PKEY_free(key);
        return r;
    }
    made->key = key;
    if (!point_of_key(key, made->point)) {
        r = RES_INVALID;
        goto out;
    }
    made->signer = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    if (made->signer == NULL || EVP_PKEY_sign_init(made->signer) != 1) {
        goto out;
    }
    *ret = made;
    made = NULL;
    r = RES_OK;
out:
    ERR_clear_error();
    ecdsa_private_free(made);
    return r;
}

enum res ecdsa_private_new(struct ecdsa_private **ret)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    if (key == NULL) {
        ERR_clear_error();
        return RES_NO_MEMORY;
    }
    return private_of_key(key, ret);
}

void ecdsa_private_free(struct ecdsa_private *key)
{
    if (key == NULL) {
        return;
    }
    EVP_PKEY_CTX_free(key->signer);
    EVP_PKEY_free(key->key); /* OpenSSL cleanses the secret */
    OPENSSL_cleanse(key, sizeof *key);
    free(key);
}

void ecdsa_private_point(const struct ecdsa_private *key, uint8_t ret_point[ECDSA_POINT_BYTES])
{
    memcpy(ret_point, key->point, ECDSA_POINT_BYTES);
}

/* r || s of OpenSSL's DER, s brought to the low form: -s mod n signs the same. */
static bool raw_of_der(const uint8_t *der, size_t size, uint8_t ret[ECDSA_SIGNATURE_BYTES])
{
    uint8_t raw[ECDSA_SIGNATURE_BYTES];
    bool good = false;
    BIGNUM *n = BN_bin2bn(order, HALF, NULL);
    ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &der, (long)size);
    if (n == NULL || signature == NULL ||
        BN_bn2binpad(ECDSA_SIG_get0_r(signature), raw, HALF) != HALF ||
        BN_bn2binpad(ECDSA_SIG_get0_s(signature), raw + HALF, HALF) != HALF) {
        goto out;
    }
    if (memcmp(raw + HALF, order_half, HALF) > 0) {
        if (BN_sub(n, n, ECDSA_SIG_get0_s(signature)) != 1 ||
            BN_bn2binpad(n, raw + HALF, HALF) != HALF) {
            goto out;
        }
    }
    memcpy(ret, raw, sizeof raw);
    good = true;
out:
    ECDSA_SIG_free(signature);
    BN_free(n);
    return good;
}

enum res ecdsa_sign(struct ecdsa_private *key, struct span message,
                    uint8_t ret_signature[ECDSA_SIGNATURE_BYTES])
{
    uint8_t digest[ECDSA_DIGEST_BYTES];
    uint8_t der[80];
    size_t size = sizeof der;
    enum res r = ecdsa_sha256(message, digest);
    if (r != RES_OK) {
        return r;
    }
    if (EVP_PKEY_sign(key->signer, der, &size, digest, sizeof digest) != 1 ||
        !raw_of_der(der, size, ret_signature)) {
        ERR_clear_error();
        return RES_NO_MEMORY;
    }
    return RES_OK;
}

/* Never ask a terminal for a passphrase: a server has nobody there. */
static int no_passphrase(char *buffer, int size, int writing, void *user)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)user;
    return -1;
}

enum res ecdsa_private_load(const char *path, struct ecdsa_private **ret, struct err *why)
{
    char pem[ECDSA_PEM_BYTES_MAX];
    size_t size = 0;
    enum res r = file_read_secret(path, pem, sizeof pem, &size, why);
    if (r != RES_OK) {
        goto out;
    }
    BIO *bio = BIO_new_mem_buf(pem, (int)size);
    EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    r = key == NULL ? RES_INVALID : private_of_key(key, ret);
    ERR_clear_error();
    if (r == RES_INVALID) {
        err_set(why,
                "%s is not a P-256 private key in PEM without a passphrase; restore it from a "
                "backup or make a new one",
                path);
    } else if (r != RES_OK) {
        err_set(why, "Not enough memory to load the key %s", path);
    }
out:
    OPENSSL_cleanse(pem, sizeof pem);
    return r;
}

enum res ecdsa_private_save(const struct ecdsa_private *key, const char *path, struct err *why)
{
    enum res r = RES_NO_MEMORY;
    char *pem = NULL;
    BIO *bio = BIO_new(BIO_s_secmem());
    if (bio == NULL ||
        PEM_write_bio_PKCS8PrivateKey(bio, key->key, NULL, NULL, 0, NULL, NULL) != 1) {
        err_set(why, "Not enough memory to write the key %s", path);
        goto out;
    }
    long size = BIO_get_mem_data(bio, &pem);
    r = file_create(path, pem, (size_t)size, 0600, why);
out:
    ERR_clear_error();
    BIO_free(bio); /* cleanses */
    return r;
}

enum res ecdsa_point_load(const char *path, uint8_t ret_point[ECDSA_POINT_BYTES], struct err *why)
{
    char pem[ECDSA_PEM_BYTES_MAX];
    size_t size = 0;
    enum res r = file_read(path, pem, sizeof pem, &size, why);
    if (r != RES_OK) {
        return r;
    }
    BIO *bio = BIO_new_mem_buf(pem, (int)size);
    EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    if (key == NULL || !point_of_key(key, ret_point)) {
        err_set(why, "%s is not a P-256 public key in PEM; write it again from its private key",
                path);
        r = RES_INVALID;
    }
    EVP_PKEY_free(key);
    ERR_clear_error();
    return r;
}

enum res ecdsa_point_save(struct span point, const char *path, struct err *why)
{
    struct ecdsa_public *key = NULL;
    enum res r = ecdsa_public_new(point, &key);
    if (r != RES_OK) {
        err_set(why, "The public key for %s is not a point of P-256", path);
        return r;
    }
    char *pem = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    if (bio == NULL || PEM_write_bio_PUBKEY(bio, key->key) != 1) {
        err_set(why, "Not enough memory to write the public key %s", path);
        r = RES_NO_MEMORY;
        goto out;
    }
    long size = BIO_get_mem_data(bio, &pem);
    r = file_write(path, pem, (size_t)size, 0644, why);
out:
    ERR_clear_error();
    BIO_free(bio);
    ecdsa_public_free(key);
    return r;
}
