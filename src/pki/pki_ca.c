#include "pki_ca.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "pki_identity.h"
#include "pki_x509.h"

/* A device whose clock is behind ours still takes a fresh certificate. */
#define BACKDATE_MS INT64_C(86400000)

struct pki_ca {
    X509 *certificate;
    EVP_PKEY *key;
};

/* The name carries a piece of the serial: two installations' CAs are told apart in a log. */
static enum res name_root(X509 *root)
{
    char serial[PKI_SERIAL_TEXT_MAX + 1];
    pki_identity_serial(root, serial, sizeof serial);
    char name[32];
    (void)snprintf(name, sizeof name, "Endcap CA %.8s", serial);
    X509_NAME *subject = X509_get_subject_name(root);
    if (X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_ASC, (uint8_t *)name, -1, -1,
                                   0) != 1 ||
        X509_set_issuer_name(root, subject) != 1) {
        return RES_NO_MEMORY;
    }
    return RES_OK;
}

static enum res make_root(EVP_PKEY *key, X509 **ret_root)
{
    int64_t now_ms = clock_utc_ms();
    X509 *root = NULL;
    enum res r =
        pki_x509_new(key, now_ms - BACKDATE_MS, now_ms + PKI_CA_DAYS * INT64_C(86400000), &root);
    if (r != RES_OK) {
        return r;
    }
    r = name_root(root);
    if (r == RES_OK) {
        /* It signs leaves only: nobody it certified can certify others. */
        r = pki_x509_extend(root, root, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
    }
    if (r == RES_OK) {
        r = pki_x509_extend(root, root, NID_key_usage, "critical,keyCertSign,cRLSign");
    }
    if (r == RES_OK) {
        r = pki_x509_extend(root, root, NID_subject_key_identifier, "hash");
    }
    if (r == RES_OK && X509_sign(root, key, EVP_sha256()) == 0) {
        r = RES_NO_MEMORY;
    }
    if (r != RES_OK) {
        X509_free(root);
        return r;
    }
    *ret_root = root;
    return RES_OK;
}

enum res pki_ca_create(const char *directory, struct err *why)
{
    char certificate_path[FILE_PATH_BYTES_MAX];
    char key_path[FILE_PATH_BYTES_MAX];
    char certificate_pem[PKI_PEM_BYTES_MAX];
    char key_pem[PKI_PEM_BYTES_MAX] = "";
    EVP_PKEY *key = NULL;
    X509 *root = NULL;
    enum res r = file_path(certificate_path, why, "%s/ca.crt", directory);
    if (r == RES_OK) {
        r = file_path(key_path, why, "%s/ca.key", directory);
    }
    if (r != RES_OK) {
        return r;
    }
    if (access(certificate_path, F_OK) == 0 || access(key_path, F_OK) == 0) {
        err_set(why, "%s holds a CA already; every device trusts it, so it is not replaced",
                directory);
        return RES_CONFLICT;
    }
    r = pki_x509_key(&key);
    if (r == RES_OK) {
        r = make_root(key, &root);
    }
    if (r == RES_OK) {
        r = pki_x509_pem(root, certificate_pem);
    }
    if (r == RES_OK) {
        r = pki_x509_key_pem(key, key_pem);
    }
    if (r != RES_OK) {
        err_set(why, "OpenSSL cannot make a CA certificate (%s)", res_name(r));
        goto out;
    }
    r = file_create(key_path, key_pem, strlen(key_pem), 0600, why);
    if (r == RES_OK) {
        r = file_write(certificate_path, certificate_pem, strlen(certificate_pem), 0644, why);
    }
out:
    OPENSSL_cleanse(key_pem, sizeof key_pem);
    EVP_PKEY_free(key);
    X509_free(root);
    return r;
}

static enum res load(struct pki_ca *ca, const char *directory, struct err *why)
{
    /* Given, so that OpenSSL never asks a terminal for one. */
    static char no_passphrase[] = "";
    char path[FILE_PATH_BYTES_MAX];
    char pem[PKI_PEM_BYTES_MAX];
    size_t size;
    BIO *bio = NULL;
    enum res r = file_path(path, why, "%s/ca.crt", directory);
    if (r == RES_OK) {
        r = file_read(path, pem, sizeof pem, &size, why);
    }
    if (r != RES_OK) {
        return r;
    }
    bio = BIO_new_mem_buf(pem, (int)size);
    ca->certificate = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    r = file_path(path, why, "%s/ca.key", directory);
    if (r == RES_OK) {
        r = file_read_secret(path, pem, sizeof pem, &size, why);
    }
    if (r != RES_OK) {
        return r;
    }
    bio = BIO_new_mem_buf(pem, (int)size);
    ca->key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, NULL, no_passphrase);
    BIO_free(bio);
    OPENSSL_cleanse(pem, sizeof pem);
    ERR_clear_error();
    if (ca->certificate == NULL || ca->key == NULL ||
        X509_check_private_key(ca->certificate, ca->key) != 1 ||
        X509_check_ca(ca->certificate) != 1) {
        err_set(why, "ca.crt and ca.key in %s are not a CA and its key; restore them from a backup",
                directory);
        return RES_CORRUPT;
    }
    return RES_OK;
}

enum res pki_ca_open(const char *directory, struct pki_ca **ret_ca, struct err *why)
{
    struct pki_ca *ca = calloc(1, sizeof *ca);
    if (ca == NULL) {
        err_set(why, "no memory for the CA");
        return RES_NO_MEMORY;
    }
    enum res r = load(ca, directory, why);
    if (r != RES_OK) {
        pki_ca_close(ca);
        return r;
    }
    *ret_ca = ca;
    return RES_OK;
}

void pki_ca_close(struct pki_ca *ca)
{
    if (ca == NULL) {
        return;
    }
    X509_free(ca->certificate);
    EVP_PKEY_free(ca->key); /* OpenSSL cleanses it */
    free(ca);
}

X509 *pki_ca_certificate(const struct pki_ca *ca)
{
    return ca->certificate;
}

EVP_PKEY *pki_ca_key(const struct pki_ca *ca)
{
    return ca->key;
}
