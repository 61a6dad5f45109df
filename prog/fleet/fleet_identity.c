#include "fleet_identity.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"

#define PEM_FILE_BYTES_MAX 8192

/* ECPrivateKey of RFC 5915: a sequence of version 1, the secret, and what need not interest us. */
static bool find_secret(struct span der, uint8_t ret_secret[FLEET_IDENTITY_SECRET_BYTES])
{
    static const uint8_t head[] = {0x02, 0x01, 0x01, 0x04, FLEET_IDENTITY_SECRET_BYTES};
    if (der.size < 2 + sizeof head + FLEET_IDENTITY_SECRET_BYTES || der.data[0] != 0x30 ||
        der.data[1] >= 0x80 || memcmp(der.data + 2, head, sizeof head) != 0) {
        return false;
    }
    memcpy(ret_secret, der.data + 2 + sizeof head, FLEET_IDENTITY_SECRET_BYTES);
    return true;
}

static enum res read_pem(const char *directory, const char *id, const char *ending, char **ret_name,
                         uint8_t **ret_der, size_t *ret_size, struct err *why)
{
    char path[FILE_PATH_BYTES_MAX];
    char text[PEM_FILE_BYTES_MAX];
    char *header = NULL;
    size_t size = 0;
    long der_size = 0;
    enum res r = file_path(path, why, "%s/%s%s", directory, id, ending);
    if (r == RES_OK) {
        r = file_read(path, text, sizeof text, &size, why);
    }
    if (r != RES_OK) {
        return r;
    }
    BIO *bio = BIO_new_mem_buf(text, (int)size);
    if (bio == NULL || PEM_read_bio(bio, ret_name, &header, ret_der, &der_size) != 1) {
        err_set(why, "%s is no PEM file; provision the device again", path);
        r = RES_CORRUPT;
    } else {
        *ret_size = (size_t)der_size;
    }
    OPENSSL_cleanse(text, sizeof text);
    OPENSSL_free(header);
    BIO_free(bio);
    return r;
}

static enum res read_key(const char *directory, struct fleet_identity *identity, struct err *why)
{
    char *name = NULL;
    uint8_t *der = NULL;
    size_t size = 0;
    enum res r = read_pem(directory, identity->id, ".key", &name, &der, &size, why);
    if (r != RES_OK) {
        return r;
    }
    const uint8_t *at = der;
    PKCS8_PRIV_KEY_INFO *wrapped = strcmp(name, PEM_STRING_PKCS8INF) == 0
                                       ? d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)size)
                                       : NULL;
    struct span key = span_of(der, size);
    int inner_size = 0;
    if (wrapped != NULL && PKCS8_pkey_get0(NULL, &key.data, &inner_size, NULL, wrapped) == 1) {
        key.size = (size_t)inner_size;
    }
    if (!find_secret(key, identity->secret)) {
        err_set(why, "%s/%s.key is no P-256 private key (PKCS#8 or SEC 1); provision it again",
                directory, identity->id);
        r = RES_CORRUPT;
    }
    PKCS8_PRIV_KEY_INFO_free(wrapped);
    OPENSSL_clear_free(der, size);
    OPENSSL_free(name);
    return r;
}

static enum res read_certificate(const char *directory, enum pki_kind kind,
                                 struct fleet_identity *identity, struct err *why)
{
    char *name = NULL;
    size_t size = 0;
    struct pki_identity who;
    enum res r =
        read_pem(directory, identity->id, ".crt", &name, &identity->certificate, &size, why);
    if (r != RES_OK) {
        return r;
    }
    OPENSSL_free(name);
    const uint8_t *at = identity->certificate;
    X509 *certificate = size <= UINT16_MAX ? d2i_X509(NULL, &at, (long)size) : NULL;
    const ASN1_BIT_STRING *point =
        certificate == NULL ? NULL : X509_get0_pubkey_bitstr(certificate);
    if (certificate == NULL || pki_identity_read(certificate, &who) != RES_OK ||
        strcmp(who.id, identity->id) != 0 || point->length != FLEET_IDENTITY_POINT_BYTES) {
        err_set(why, "%s/%s.crt is not the certificate of %s; provision it again", directory,
                identity->id, identity->id);
        r = RES_CORRUPT;
    } else if (who.kind != kind) {
        err_set(why, "%s/%s.crt is a %s's; keep labels and carts in folders of their own",
                directory, identity->id, pki_identity_kind_name(who.kind));
        r = RES_CONFLICT;
    } else {
        memcpy(identity->store_id, who.store_id, sizeof identity->store_id);
        memcpy(identity->point, point->data, FLEET_IDENTITY_POINT_BYTES);
        identity->certificate_size = (uint16_t)size;
    }
    X509_free(certificate);
    return r;
}

static int compare(const void *a, const void *b)
{
    const struct fleet_identity *x = a;
    const struct fleet_identity *y = b;
    return strcmp(x->id, y->id);
}

/* ca.crt is the authority's. */
static bool is_device(const char *name, size_t *ret_size)
{
    size_t size = strlen(name);
    *ret_size = size - 4;
    return size > 4 && size - 4 <= PKI_ID_BYTES_MAX && strcmp(name + size - 4, ".crt") == 0 &&
           strcmp(name, "ca.crt") != 0;
}

static enum res list(const char *directory, struct fleet_identity **ret, size_t *ret_count,
                     struct err *why)
{
    DIR *folder = opendir(directory);
    size_t room = 0;
    if (folder == NULL) {
        err_set(why, "cannot read the folder %s: %s; give the --out of `endcap device provision`",
                directory, strerror(errno));
        return file_res_of_errno(errno);
    }
    enum res r = RES_OK;
    for (const struct dirent *entry; r == RES_OK && (entry = readdir(folder)) != NULL;) {
        size_t size = 0;
        if (!is_device(entry->d_name, &size)) {
            continue;
        }
        if (*ret_count == room) {
            room = room == 0 ? 64 : 2 * room;
            struct fleet_identity *more = realloc(*ret, room * sizeof **ret);
            if (more == NULL) {
                err_set(why, "no memory for %zu devices", room);
                r = RES_NO_MEMORY;
                break;
            }
            *ret = more;
        }
        struct fleet_identity *identity = &(*ret)[(*ret_count)++];
        *identity = (struct fleet_identity){.certificate = NULL};
        memcpy(identity->id, entry->d_name, size);
    }
    (void)closedir(folder);
    if (r == RES_OK && *ret_count == 0) {
        err_set(why, "%s holds no device's certificate; make some with `endcap device provision`",
                directory);
        r = RES_NOT_FOUND;
    }
    return r;
}

enum res fleet_identity_load(const char *directory, enum pki_kind kind, struct fleet_identity **ret,
                             size_t *ret_count, struct err *why)
{
    struct fleet_identity *all = NULL;
    size_t count = 0;
    enum res r = list(directory, &all, &count, why);
    if (r == RES_OK && count > 0) {
        qsort(all, count, sizeof *all, compare);
    }
    for (size_t i = 0; r == RES_OK && i < count; i++) {
        r = read_certificate(directory, kind, &all[i], why);
        if (r == RES_OK) {
            r = read_key(directory, &all[i], why);
        }
    }
    if (r != RES_OK) {
        fleet_identity_free(all, count);
        return r;
    }
    *ret = all;
    *ret_count = count;
    return RES_OK;
}

void fleet_identity_free(struct fleet_identity *identities, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        OPENSSL_free(identities[i].certificate);
        OPENSSL_cleanse(identities[i].secret, sizeof identities[i].secret);
    }
    free(identities);
}

/* A key of OpenSSL's; NULL: no memory. */
static EVP_PKEY *make_key(const struct fleet_identity *identity)
{
    EVP_PKEY *key = NULL;
    OSSL_PARAM *params = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    BIGNUM *secret = BN_secure_new();
    if (context != NULL && build != NULL && secret != NULL &&
        BN_bin2bn(identity->secret, FLEET_IDENTITY_SECRET_BYTES, secret) != NULL &&
        OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) == 1 &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, secret) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, identity->point,
                                         FLEET_IDENTITY_POINT_BYTES) == 1) {
        params = OSSL_PARAM_BLD_to_param(build);
    }
    if (params == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, params) != 1) {
        key = NULL;
    }
    OSSL_PARAM_free(params);
    BN_clear_free(secret);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(context);
    return key;
}

enum res fleet_identity_show(const struct fleet_identity *identity, SSL *ssl)
{
    EVP_PKEY *key = make_key(identity);
    bool done =
        key != NULL &&
        SSL_use_certificate_ASN1(ssl, identity->certificate, identity->certificate_size) == 1 &&
        SSL_use_PrivateKey(ssl, key) == 1;
    EVP_PKEY_free(key); /* ssl has its own reference */
    return done ? RES_OK : RES_NO_MEMORY;
}
