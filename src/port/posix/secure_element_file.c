#include "secure_element_file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DER_BYTES_MAX 80

/* The order of P-256 and half of it (SEC 2, section 2.4.2). */
static const char order_hex[] = "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551";
static const char half_hex[] = "7FFFFFFF800000007FFFFFFFFFFFFFFFDE737D56D38BCF4279DCE5617E3192A8";

static enum res digest(void *context, struct span first, struct span second,
                       uint8_t ret_digest[SECURE_DIGEST_BYTES])
{
    const struct secure_element_file *file = context;
    enum res r = RES_IO;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    if (md != NULL && EVP_DigestInit_ex2(md, file->sha256, NULL) == 1 &&
        EVP_DigestUpdate(md, first.data, first.size) == 1 &&
        EVP_DigestUpdate(md, second.data, second.size) == 1 &&
        EVP_DigestFinal_ex(md, ret_digest, NULL) == 1) {
        r = RES_OK;
    }
    EVP_MD_CTX_free(md);
    return r;
}

/* r || s with the low s, so that a signature has one form only. */
static enum res raw_of_der(const uint8_t *der, size_t size,
                           uint8_t ret_signature[SECURE_SIGNATURE_BYTES])
{
    enum res res = RES_IO;
    BIGNUM *order = NULL;
    BIGNUM *half = NULL;
    BIGNUM *low = BN_new();
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)size);
    if (sig != NULL && low != NULL && BN_hex2bn(&order, order_hex) > 0 &&
        BN_hex2bn(&half, half_hex) > 0) {
        const BIGNUM *s = ECDSA_SIG_get0_s(sig);
        if (BN_cmp(s, half) > 0 && BN_sub(low, order, s) == 1) {
            s = low;
        }
        if (BN_bn2binpad(ECDSA_SIG_get0_r(sig), ret_signature, 32) == 32 &&
            BN_bn2binpad(s, ret_signature + 32, 32) == 32) {
            res = RES_OK;
        }
    }
    ECDSA_SIG_free(sig);
    BN_free(low);
    BN_free(half);
    BN_free(order);
    return res;
}

static enum res sign(void *context, struct span message,
                     uint8_t ret_signature[SECURE_SIGNATURE_BYTES])
{
    const struct secure_element_file *file = context;
    uint8_t der[DER_BYTES_MAX];
    size_t size = sizeof der;
    enum res r = RES_IO;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    if (md != NULL && EVP_DigestSignInit(md, NULL, file->sha256, NULL, file->key) == 1 &&
        EVP_DigestSign(md, der, &size, message.data, message.size) == 1) {
        r = raw_of_der(der, size, ret_signature);
    }
    EVP_MD_CTX_free(md);
    return r;
}

static enum res verify_platform(void *context, struct span message, struct span signature)
{
    const struct secure_element_file *file = context;
    uint8_t *der = NULL;
    int size = 0;
    enum res res = RES_INVALID;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = NULL;
    BIGNUM *s = NULL;
    if (signature.size != SECURE_SIGNATURE_BYTES || md == NULL || sig == NULL) {
        goto out;
    }
    r = BN_bin2bn(signature.data, 32, NULL);
    s = BN_bin2bn(signature.data + 32, 32, NULL);
    if (r == NULL || s == NULL || ECDSA_SIG_set0(sig, r, s) != 1) {
        goto out;
    }
    r = NULL; /* owned by sig now */
    s = NULL;
    size = i2d_ECDSA_SIG(sig, &der);
    if (size > 0 && EVP_DigestVerifyInit(md, NULL, file->sha256, NULL, file->platform) == 1 &&
        EVP_DigestVerify(md, der, (size_t)size, message.data, message.size) == 1) {
        res = RES_OK;
    }
out:
    OPENSSL_free(der);
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(sig);
    EVP_MD_CTX_free(md);
    return res;
}

static enum res epoch_read(void *context, int64_t *ret_epoch)
{
    const struct secure_element_file *file = context;
    char text[32];
    FILE *f = fopen(file->epoch_path, "re");
    if (f == NULL) {
        if (errno == ENOENT) {
            *ret_epoch = 0;
            return RES_OK;
        }
        return RES_IO;
    }
    char *end = text;
    long long epoch = -1;
    if (fgets(text, sizeof text, f) != NULL) {
        epoch = strtoll(text, &end, 10);
    }
    fclose(f);
    if (epoch < 0 || end == text || *end != '\n') {
        return RES_CORRUPT;
    }
    *ret_epoch = epoch;
    return RES_OK;
}

/* New content under another name, then a rename: after a power cut there is the old or the new. */
static enum res epoch_write(const char *path, int64_t epoch)
{
    char next[sizeof((struct secure_element_file *)NULL)->epoch_path + 8];
    char text[32];
    int size = snprintf(text, sizeof text, "%lld\n", (long long)epoch);
    snprintf(next, sizeof next, "%s.new", path);
    int fd = open(next, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return RES_IO;
    }
    bool written = write(fd, text, (size_t)size) == size && fsync(fd) == 0;
    if (close(fd) != 0 || !written || rename(next, path) != 0) {
        return RES_IO;
    }
    return RES_OK;
}

static enum res epoch_raise(void *context, int64_t *ret_epoch)
{
    const struct secure_element_file *file = context;
    int64_t epoch;
    enum res r = epoch_read(context, &epoch);
    if (r == RES_OK) {
        r = epoch_write(file->epoch_path, epoch + 1);
    }
    if (r == RES_OK) {
        *ret_epoch = epoch + 1;
    }
    return r;
}

static enum res random_bytes(void *context, void *ret_bytes, size_t size)
{
    (void)context;
    return size <= INT32_MAX && RAND_bytes(ret_bytes, (int)size) == 1 ? RES_OK : RES_IO;
}

static bool is_p256(const EVP_PKEY *key)
{
    char group[64];
    return EVP_PKEY_get_group_name(key, group, sizeof group, NULL) == 1 &&
           strcmp(group, "prime256v1") == 0;
}

static enum res read_key(const char *path, bool private, EVP_PKEY **ret_key, struct err *why)
{
    const char *kind = private ? "private key" : "public key";
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        err_set(why, "cannot read the %s %s: %s; check the path and its permissions", kind, path,
                strerror(errno));
        return RES_IO;
    }
    EVP_PKEY *key =
        private ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : PEM_read_PUBKEY(f, NULL, NULL, NULL);
    fclose(f);
    if (key == NULL || !is_p256(key)) {
        EVP_PKEY_free(key);
        err_set(why, "%s is not a P-256 %s in PEM form; give the file that provisioning wrote",
                path, kind);
        return RES_INVALID;
    }
    *ret_key = key;
    return RES_OK;
}

enum res secure_element_file_open(struct secure_element_file *file, const char *key_path,
                                  const char *platform_path, const char *epoch_path,
                                  struct err *why)
{
    memset(file, 0, sizeof *file);
    if (strlen(epoch_path) >= sizeof file->epoch_path) {
        err_set(why, "the path %s is too long; use a shorter state directory", epoch_path);
        return RES_LIMIT;
    }
    snprintf(file->epoch_path, sizeof file->epoch_path, "%s", epoch_path);
    enum res r = read_key(key_path, true, &file->key, why);
    if (r == RES_OK) {
        r = read_key(platform_path, false, &file->platform, why);
    }
    if (r == RES_OK) {
        file->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
        if (file->sha256 == NULL) {
            err_set(why, "OpenSSL offers no SHA-256; check its configuration");
            r = RES_UNAVAILABLE;
        }
    }
    if (r != RES_OK) {
        secure_element_file_close(file);
        return r;
    }
    file->secure = (struct secure_element){
        .context = file,
        .digest = digest,
        .sign = sign,
        .verify_platform = verify_platform,
        .epoch_read = epoch_read,
        .epoch_raise = epoch_raise,
        .random = random_bytes,
    };
    return RES_OK;
}

void secure_element_file_close(struct secure_element_file *file)
{
    EVP_MD_free(file->sha256);
    EVP_PKEY_free(file->platform);
    EVP_PKEY_free(file->key);
    memset(file, 0, sizeof *file);
}
