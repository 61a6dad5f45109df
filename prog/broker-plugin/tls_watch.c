#include "tls_watch.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>

#include "pki_identity.h"
#include "revocation.h"
#include "security_log.h"

static int ssl_index = -1;

/* Kept in the SSL object: its failure is in the log already. */
static char logged_mark;

static void address_of(const SSL *ssl, char *ret_text, size_t size)
{
    struct sockaddr_storage peer = {.ss_family = AF_UNSPEC};
    socklen_t length = sizeof peer;
    char host[INET6_ADDRSTRLEN] = "unknown";
    unsigned port = 0;
    if (getpeername(SSL_get_fd(ssl), (struct sockaddr *)&peer, &length) == 0) {
        if (peer.ss_family == AF_INET) {
            const struct sockaddr_in *in = (const struct sockaddr_in *)&peer;
            (void)inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
            port = ntohs(in->sin_port);
        } else if (peer.ss_family == AF_INET6) {
            const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)&peer;
            (void)inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof host);
            port = ntohs(in->sin6_port);
        }
    }
    (void)snprintf(ret_text, size, "%s port %u", host, port);
}

static void log_refusal(const SSL *ssl, const X509 *certificate, const char *reason)
{
    char device[PKI_ID_BYTES_MAX + 1] = "";
    char subject[PKI_SUBJECT_BYTES_MAX + 1] = "";
    char serial[PKI_SERIAL_TEXT_MAX + 1] = "";
    char address[SECURITY_LOG_ADDRESS_BYTES];
    address_of(ssl, address, sizeof address);
    struct security_line line = {
        .what = "connection_refused", .reason = reason, .address = address};
    if (certificate != NULL) {
        pki_identity_common_name(certificate, device, sizeof device);
        pki_identity_subject(certificate, subject, sizeof subject);
        pki_identity_serial(certificate, serial, sizeof serial);
        line.device = device;
        line.subject = subject;
        line.serial = serial;
    }
    security_log_write(&line);
}

static bool is_revoked(const X509 *certificate)
{
    char serial[PKI_SERIAL_TEXT_MAX + 1];
    pki_identity_serial(certificate, serial, sizeof serial);
    (void)revocation_refresh(); /* a stat: a revocation must not wait for the next tick */
    return revocation_has(serial);
}

static int on_verify(int accepted, X509_STORE_CTX *context)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(context, SSL_get_ex_data_X509_STORE_CTX_idx());
    const X509 *leaf = X509_STORE_CTX_get0_cert(context);
    if (accepted == 1 && X509_STORE_CTX_get_error_depth(context) == 0 && is_revoked(leaf)) {
        X509_STORE_CTX_set_error(context, X509_V_ERR_CERT_REVOKED);
        accepted = 0;
    }
    if (accepted != 1) {
        int error = X509_STORE_CTX_get_error(context);
        log_refusal(ssl, leaf, X509_verify_cert_error_string(error));
        (void)SSL_set_ex_data(ssl, ssl_index, &logged_mark);
    }
    return accepted;
}

/* Called when SSL_accept returns; without an error in the queue it merely waits for the network. A
 * client that went away was not refused. */
static void on_info(const SSL *ssl, int where, int result)
{
    unsigned long error = ERR_peek_last_error();
    if (where != SSL_CB_ACCEPT_EXIT || result > 0 || error == 0 ||
        ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING ||
        SSL_get_ex_data(ssl, ssl_index) == &logged_mark) {
        return;
    }
    const char *reason = ERR_reason_error_string(error);
    log_refusal(ssl, SSL_get0_peer_certificate(ssl), reason == NULL ? "TLS failed" : reason);
}

static void on_new(void *parent, void *ptr, CRYPTO_EX_DATA *data, int index, long argl, void *argp)
{
    (void)ptr;
    (void)data;
    (void)index;
    (void)argl;
    (void)argp;
    SSL *ssl = parent;
    SSL_set_verify(ssl, SSL_get_verify_mode(ssl), on_verify);
    SSL_set_info_callback(ssl, on_info);
    /* A resumed session would skip the certificate and with it expiry and revocation. */
    (void)SSL_set_options(ssl, SSL_OP_NO_TICKET);
    (void)SSL_set_num_tickets(ssl, 0);
    (void)SSL_CTX_set_session_cache_mode(SSL_get_SSL_CTX(ssl), SSL_SESS_CACHE_OFF);
}

enum res tls_watch_start(void)
{
    ssl_index = SSL_get_ex_new_index(0, NULL, on_new, NULL, NULL);
    return ssl_index < 0 ? RES_NO_MEMORY : RES_OK;
}

void tls_watch_stop(void)
{
    if (ssl_index >= 0) {
        (void)CRYPTO_free_ex_index(CRYPTO_EX_INDEX_SSL, ssl_index);
        ssl_index = -1;
    }
}
