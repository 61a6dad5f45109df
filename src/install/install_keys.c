#include "install_keys.h"

#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ecdsa.h"
#include "file.h"
#include "pki_crl.h"
#include "pki_issue.h"

/* As long as a device's may be; `endcap ca` renews them. */
#define SERVICE_DAYS PKI_DEVICE_DAYS_MAX

static const char *const services[] = {"ingest", "worker"};

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static enum res ensure_ca(const char *root, struct pki_ca **ret_ca, struct err *why)
{
    char directory[FILE_PATH_BYTES_MAX];
    char certificate[FILE_PATH_BYTES_MAX];
    enum res r = file_path(directory, why, "%s/ca", root);
    if (r == RES_OK) {
        r = file_path(certificate, why, "%s/ca.crt", directory);
    }
    if (r == RES_OK && !exists(certificate)) {
        r = pki_ca_create(directory, why);
    }
    return r == RES_OK ? pki_ca_open(directory, ret_ca, why) : r;
}

static enum res ensure_platform_key(const char *root, struct err *why)
{
    char secret[FILE_PATH_BYTES_MAX];
    char public[FILE_PATH_BYTES_MAX];
    struct ecdsa_private *key = NULL;
    enum res r = file_path(secret, why, "%s/ca/platform.key", root);
    if (r == RES_OK) {
        r = file_path(public, why, "%s/ca/platform.pub", root);
    }
    if (r == RES_OK && !exists(secret)) {
        r = ecdsa_private_new(&key);
        if (r == RES_OK) {
            r = ecdsa_private_save(key, secret, why);
        }
    } else if (r == RES_OK) {
        r = ecdsa_private_load(secret, &key, why);
    }
    if (r == RES_OK && !exists(public)) {
        uint8_t point[ECDSA_POINT_BYTES];
        ecdsa_private_point(key, point);
        r = ecdsa_point_save(span_of(point, sizeof point), public, why);
    }
    ecdsa_private_free(key);
    return r;
}

/* The certificate last: where it is, the key is too. */
static enum res save_pair(const struct pki_certificate *made, const char *certificate,
                          const char *key, struct err *why)
{
    enum res r = file_write(key, made->key_pem, strlen(made->key_pem), 0600, why);
    return r == RES_OK ? file_write(certificate, made->pem, strlen(made->pem), 0644, why) : r;
}

static enum res ensure_service(const struct pki_ca *ca, const char *root, const char *name,
                               struct err *why)
{
    char certificate[FILE_PATH_BYTES_MAX];
    char key[FILE_PATH_BYTES_MAX];
    char id[PKI_ID_BYTES_MAX + 1];
    enum res r = file_path(certificate, why, "%s/secrets/service-%s.crt", root, name);
    if (r == RES_OK) {
        r = file_path(key, why, "%s/secrets/service-%s.key", root, name);
    }
    if (r != RES_OK || exists(certificate)) {
        return r;
    }
    int size = snprintf(id, sizeof id, "service:%s", name);
    struct pki_request request = {.kind = PKI_SERVICE, .id = span_of(id, (size_t)size)};
    static struct pki_certificate made;
    pki_issue_period(&request, SERVICE_DAYS);
    r = pki_issue_with_key(ca, &request, &made, why);
    if (r == RES_OK) {
        r = save_pair(&made, certificate, key, why);
    }
    pki_issue_cleanse(&made);
    return r;
}

/* Splits "a,b" in place; more than the array holds is the caller's RES_LIMIT. */
static size_t split(char *list, const char *names[PKI_SERVER_NAMES_MAX])
{
    size_t count = 0;
    for (char *at = list; at != NULL && count <= PKI_SERVER_NAMES_MAX;) {
        char *comma = strchr(at, ',');
        if (comma != NULL) {
            *comma++ = '\0';
        }
        if (*at != '\0' && count++ < PKI_SERVER_NAMES_MAX) {
            names[count - 1] = at;
        }
        at = comma;
    }
    return count;
}

/* The broker itself would say "PEM lib". */
static enum res check_pair(const char *certificate_file, const char *key_file, struct err *why)
{
    char pem[PKI_PEM_BYTES_MAX];
    size_t size = 0;
    X509 *certificate = NULL;
    EVP_PKEY *key = NULL;
    BIO *bio = NULL;
    enum res r = file_read(certificate_file, pem, sizeof pem, &size, why);
    if (r == RES_OK) {
        bio = BIO_new_mem_buf(pem, (int)size);
        certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        BIO_free(bio);
        r = file_read(key_file, pem, sizeof pem, &size, why);
    }
    if (r == RES_OK) {
        bio = BIO_new_mem_buf(pem, (int)size);
        key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
        BIO_free(bio);
        OPENSSL_cleanse(pem, sizeof pem);
    }
    if (r == RES_OK &&
        (certificate == NULL || key == NULL || X509_check_private_key(certificate, key) != 1)) {
        err_set(why,
                "%s and %s are not a certificate and its key; remove both, and the next start "
                "makes new ones",
                certificate_file, key_file);
        r = RES_CORRUPT;
    }
    X509_free(certificate);
    EVP_PKEY_free(key);
    return r;
}

/* The certificate is good for the names it was made for, which are kept beside it. */
static bool made_for(const char *names_path, const char *names)
{
    char kept[1024];
    size_t size = 0;
    return file_read(names_path, kept, sizeof kept, &size, NULL) == RES_OK &&
           strcmp(kept, names) == 0;
}

static enum res ensure_broker(const struct pki_ca *ca, const char *root, const char *names,
                              struct err *why)
{
    char paths[5][FILE_PATH_BYTES_MAX];
    static const char *const files[] = {"broker/server.crt", "broker/server.key", "broker/ca.crt",
                                        "ca/ca.crt", "broker/server.names"};
    enum res r = RES_OK;
    for (size_t i = 0; r == RES_OK && i < 5; i++) {
        r = file_path(paths[i], why, "%s/%s", root, files[i]);
    }
    if (r != RES_OK) {
        return r;
    }
    if (exists(paths[0]) && made_for(paths[4], names)) {
        return check_pair(paths[0], paths[1], why);
    }
    char list[1024];
    const char *each[PKI_SERVER_NAMES_MAX];
    (void)snprintf(list, sizeof list, "%s", names);
    size_t count = split(list, each);
    if (count > PKI_SERVER_NAMES_MAX) {
        err_set(why, "`broker_names` in endcap.conf has more than %d names", PKI_SERVER_NAMES_MAX);
        return RES_LIMIT;
    }
    char pem[PKI_PEM_BYTES_MAX];
    size_t size = 0;
    r = file_read(paths[3], pem, sizeof pem, &size, why);
    if (r == RES_OK) {
        r = file_write(paths[2], pem, size, 0644, why);
    }
    static struct pki_certificate made;
    if (r == RES_OK) {
        r = pki_issue_server(ca, each, count, SERVICE_DAYS, &made, why);
    }
    if (r == RES_OK) {
        r = save_pair(&made, paths[0], paths[1], why);
    }
    if (r == RES_OK) {
        r = file_write(paths[4], names, strlen(names), 0644, why);
    }
    pki_issue_cleanse(&made);
    return r;
}

static enum res ensure_crl(const struct pki_ca *ca, const char *root, struct err *why)
{
    char ca_directory[FILE_PATH_BYTES_MAX];
    char broker_directory[FILE_PATH_BYTES_MAX];
    char list[FILE_PATH_BYTES_MAX];
    enum res r = file_path(ca_directory, why, "%s/ca", root);
    if (r == RES_OK) {
        r = file_path(broker_directory, why, "%s/broker", root);
    }
    if (r == RES_OK) {
        r = file_path(list, why, "%s/revoked.list", broker_directory);
    }
    if (r != RES_OK || exists(list)) {
        return r;
    }
    return pki_crl_write(ca, ca_directory, broker_directory, NULL, 0, why);
}

enum res install_keys_ensure(const char *root, const struct settings *settings, struct err *why)
{
    char names[2 * SETTINGS_TEXT_BYTES_MAX];
    const char *address = settings_text(settings, "broker_address");
    bool everywhere = strcmp(address, "0.0.0.0") == 0;
    (void)snprintf(names, sizeof names, "%s,%s", settings_text(settings, "broker_names"),
                   everywhere ? "" : address);
    struct pki_ca *ca = NULL;
    enum res r = ensure_ca(root, &ca, why);
    if (r == RES_OK) {
        r = ensure_platform_key(root, why);
    }
    for (size_t i = 0; r == RES_OK && i < sizeof services / sizeof *services; i++) {
        r = ensure_service(ca, root, services[i], why);
    }
    if (r == RES_OK) {
        r = ensure_broker(ca, root, names, why);
    }
    if (r == RES_OK) {
        r = ensure_crl(ca, root, why);
    }
    pki_ca_close(ca);
    return r;
}
