#include "mqtt_tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

static enum res check_readable(const char *what, const char *path, struct err *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        err_set(why, "the %s %s cannot be read (%s); check the path and its permissions", what,
                path, strerror(errno));
        return RES_IO;
    }
    (void)close(fd);
    return RES_OK;
}

static enum res check_all_readable(const char *ca_file, const char *certificate_file,
                                   const char *key_file, struct err *why)
{
    enum res r = check_readable("CA certificate", ca_file, why);
    if (r == RES_OK && certificate_file != NULL) {
        r = check_readable("certificate", certificate_file, why);
    }
    if (r == RES_OK && certificate_file != NULL) {
        r = check_readable("private key", key_file, why);
    }
    return r;
}

static bool set_host(SSL_CTX *context, const char *host)
{
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(context);
    if (X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1) {
        return true;
    }
    ERR_clear_error();
    return X509_VERIFY_PARAM_set1_host(param, host, 0) == 1;
}

enum res mqtt_tls_context(const char *ca_file, const char *certificate_file, const char *key_file,
                          const char *host, struct err *why, SSL_CTX **ret_context)
{
    enum res r = check_all_readable(ca_file, certificate_file, key_file, why);
    if (r != RES_OK) {
        return r;
    }
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(context, MQTT_TLS_CIPHERS_12) != 1 ||
        SSL_CTX_set_ciphersuites(context, MQTT_TLS_CIPHERS_13) != 1 || !set_host(context, host)) {
        err_set(why, "OpenSSL cannot make a TLS context; check the OpenSSL configuration");
        r = RES_NO_MEMORY;
        goto out;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    (void)SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    (void)SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    r = RES_CORRUPT;
    if (SSL_CTX_load_verify_file(context, ca_file) != 1) {
        err_set(why, "%s holds no CA certificate in PEM form", ca_file);
        goto out;
    }
    if (certificate_file != NULL &&
        SSL_CTX_use_certificate_chain_file(context, certificate_file) != 1) {
        err_set(why, "%s holds no certificate in PEM form", certificate_file);
        goto out;
    }
    if (certificate_file != NULL &&
        (SSL_CTX_use_PrivateKey_file(context, key_file, SSL_FILETYPE_PEM) != 1 ||
         SSL_CTX_check_private_key(context) != 1)) {
        err_set(why, "%s is not the private key of %s", key_file, certificate_file);
        goto out;
    }
    *ret_context = context;
    context = NULL;
    r = RES_OK;
out:
    ERR_clear_error();
    SSL_CTX_free(context);
    return r;
}
