#include "renewal_file.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum res path_of(const struct renewal_file *file, int64_t number, const char *ending,
                        char ret_path[FILE_PATH_BYTES_MAX], struct err *why)
{
    return file_path(ret_path, why, "%s/renewal-%lld.%s", file->directory, (long long)number,
                     ending);
}

static enum res choose(struct renewal_file *file, int64_t number, struct err *why)
{
    if (number == 0) {
        enum res r = file_path(file->certificate_file, why, "%s", file->first_certificate);
        return r == RES_OK ? file_path(file->key_file, why, "%s", file->first_key) : r;
    }
    enum res r = path_of(file, number, "crt", file->certificate_file, why);
    return r == RES_OK ? path_of(file, number, "key", file->key_file, why) : r;
}

static EVP_PKEY *read_key(const struct renewal_file *file, int64_t number)
{
    char path[FILE_PATH_BYTES_MAX];
    EVP_PKEY *key = NULL;
    FILE *f = path_of(file, number, "key", path, NULL) == RES_OK ? fopen(path, "re") : NULL;
    if (f != NULL) {
        key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
        fclose(f);
    }
    return key;
}

static X509 *read_certificate(const char *path)
{
    X509 *certificate = NULL;
    FILE *f = fopen(path, "re");
    if (f != NULL) {
        certificate = PEM_read_X509(f, NULL, NULL, NULL);
        fclose(f);
    }
    return certificate;
}

/* The key of this renewal, made and on disk. */
static EVP_PKEY *make_key(const struct renewal_file *file, int64_t number)
{
    char path[FILE_PATH_BYTES_MAX];
    char *pem = NULL;
    EVP_PKEY *key = read_key(file, number);
    if (key != NULL) {
        return key;
    }
    key = EVP_EC_gen("P-256");
    BIO *bio = BIO_new(BIO_s_secmem());
    enum res r = RES_IO;
    if (key != NULL && bio != NULL &&
        PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1) {
        long size = BIO_get_mem_data(bio, &pem);
        r = path_of(file, number, "key", path, NULL);
        if (r == RES_OK) {
            r = file_write(path, pem, (size_t)size, 0600, NULL);
        }
    }
    BIO_free(bio);
    if (r != RES_OK) {
        EVP_PKEY_free(key);
        return NULL;
    }
    return key;
}

static enum res request(void *context, int64_t number, struct sink *csr)
{
    const struct renewal_file *file = context;
    enum res r = RES_IO;
    unsigned char *der = NULL;
    EVP_PKEY *key = make_key(file, number);
    X509 *present = read_certificate(file->certificate_file);
    X509_REQ *req = X509_REQ_new();
    int size = 0;
    if (key != NULL && present != NULL && req != NULL &&
        X509_REQ_set_subject_name(req, X509_get_subject_name(present)) == 1 &&
        X509_REQ_set_pubkey(req, key) == 1 && X509_REQ_sign(req, key, EVP_sha256()) > 0) {
        size = i2d_X509_REQ(req, &der);
    }
    if (size > 0) {
        sink_bytes(csr, span_of(der, (size_t)size));
        r = csr->overflow ? RES_LIMIT : RES_OK;
    }
    OPENSSL_free(der);
    X509_REQ_free(req);
    X509_free(present);
    EVP_PKEY_free(key);
    return r;
}

static enum res install(void *context, int64_t number, struct span certificate)
{
    struct renewal_file *file = context;
    char path[FILE_PATH_BYTES_MAX];
    char *pem = NULL;
    const unsigned char *der = certificate.data;
    X509 *x509 = d2i_X509(NULL, &der, (long)certificate.size);
    EVP_PKEY *key = read_key(file, number);
    BIO *bio = BIO_new(BIO_s_mem());
    enum res r = RES_INVALID;
    if (x509 != NULL && key != NULL && der == certificate.data + certificate.size &&
        X509_check_private_key(x509, key) == 1) {
        r = path_of(file, number, "crt", path, NULL);
    }
    if (r == RES_OK && (bio == NULL || PEM_write_bio_X509(bio, x509) != 1)) {
        r = RES_IO;
    }
    if (r == RES_OK) {
        long size = BIO_get_mem_data(bio, &pem);
        r = file_write(path, pem, (size_t)size, 0644, NULL) == RES_OK ? RES_OK : RES_IO;
    }
    if (r == RES_OK) {
        file->installed = number;
    }
    BIO_free(bio);
    EVP_PKEY_free(key);
    X509_free(x509);
    return r;
}

static void select_pair(void *context, bool renewed)
{
    struct renewal_file *file = context;
    renewed = renewed && file->installed != 0;
    if (renewed == file->renewed_used) {
        return;
    }
    /* The same directory as before, a number of at most 19 digits more: it fits or it did not
     * open. */
    if (choose(file, renewed ? file->installed : file->present, NULL) == RES_OK) {
        file->renewed_used = renewed;
        file->use(file->context, file->certificate_file, file->key_file);
    }
}

static void destroy(const struct renewal_file *file, int64_t number)
{
    static const char *const endings[] = {"key", "crt"};
    char path[FILE_PATH_BYTES_MAX];
    for (size_t i = 0; i < 2 && number != 0; i++) {
        if (path_of(file, number, endings[i], path, NULL) == RES_OK && unlink(path) != 0 &&
            errno != ENOENT) {
            return; /* it is not used any more, and not ours to fail for */
        }
    }
}

static enum res commit(void *context, int64_t number)
{
    struct renewal_file *file = context;
    char path[FILE_PATH_BYTES_MAX];
    char text[32];
    int size = snprintf(text, sizeof text, "%lld\n", (long long)number);
    enum res r = file_path(path, NULL, "%s/renewal.present", file->directory);
    if (r != RES_OK || file->installed != number ||
        file_write(path, text, (size_t)size, 0644, NULL) != RES_OK) {
        return RES_IO;
    }
    if (file->present != number) { /* a commit that is repeated after a cut */
        destroy(file, file->present);
    }
    file->present = number;
    file->installed = 0;
    file->renewed_used = false; /* it is the present one now */
    return RES_OK;
}

static enum res read_present(struct renewal_file *file, struct err *why)
{
    char path[FILE_PATH_BYTES_MAX];
    char text[32];
    size_t size;
    enum res r = file_path(path, why, "%s/renewal.present", file->directory);
    if (r == RES_OK) {
        r = file_read(path, text, sizeof text, &size, why);
    }
    if (r == RES_NOT_FOUND) {
        file->present = 0;
        return RES_OK;
    }
    if (r != RES_OK) {
        return r;
    }
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno != 0 || number < 1 || strcmp(end, "\n") != 0) {
        err_set(why, "%s does not hold a number; name a new state directory", path);
        return RES_CORRUPT;
    }
    file->present = number;
    return RES_OK;
}

enum res renewal_file_open(struct renewal_file *file, const char *directory,
                           const char *certificate_file, const char *key_file, struct err *why)
{
    memset(file, 0, sizeof *file);
    file->directory = directory;
    file->first_certificate = certificate_file;
    file->first_key = key_file;
    file->renewal = (struct renewal){.context = file,
                                     .request = request,
                                     .install = install,
                                     .select = select_pair,
                                     .commit = commit};
    enum res r = read_present(file, why);
    return r == RES_OK ? choose(file, file->present, why) : r;
}
