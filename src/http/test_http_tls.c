/* What TLS the server speaks (C-099): 1.2 and 1.3 with authenticated ciphers, nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_client.h"
#include "http_request.h"
#include "http_server.h"

static char key_pem[1024];
static char certificate_pem[2048];
static struct http_server *server;
static struct http_metrics *metrics;

static void alive(struct http_request *q, void *context)
{
    (void)context;
    http_reply_text(q, strdup("alive\n"), 6);
}

static const struct http_route routes[] = {{.method = HTTP_GET,
                                            .path = "/alive",
                                            .operation = "alive",
                                            .summary = "Alive.",
                                            .tag = "test",
                                            .content_type = "text/plain",
                                            .at_once = true,
                                            .handle = alive},
                                           HTTP_ROUTE_END};
static const struct http_group groups[] = {{routes, NULL}};
static const struct http_table table = {groups, 1};

static bool to_text(BIO *from, char *text, size_t size)
{
    int n = BIO_read(from, text, (int)size - 1);
    text[n > 0 ? n : 0] = '\0';
    (void)BIO_free(from);
    return n > 0;
}

/* A key and a certificate that it signed itself. */
static bool make_certificate(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    X509_NAME *name = X509_NAME_new();
    BIO *key_out = BIO_new(BIO_s_mem());
    BIO *out = BIO_new(BIO_s_mem());
    bool fine = key != NULL && x != NULL && name != NULL &&
                X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                           (const unsigned char *)"localhost", -1, -1, 0) == 1 &&
                X509_set_version(x, X509_VERSION_3) == 1 &&
                ASN1_INTEGER_set(X509_get_serialNumber(x), 1) == 1 &&
                X509_gmtime_adj(X509_getm_notBefore(x), -60) != NULL &&
                X509_gmtime_adj(X509_getm_notAfter(x), 3600) != NULL &&
                X509_set_subject_name(x, name) == 1 && X509_set_issuer_name(x, name) == 1 &&
                X509_set_pubkey(x, key) == 1 && X509_sign(x, key, EVP_sha256()) > 0 &&
                PEM_write_bio_PrivateKey(key_out, key, NULL, NULL, 0, NULL, NULL) == 1 &&
                PEM_write_bio_X509(out, x) == 1;
    fine = to_text(key_out, key_pem, sizeof key_pem) && fine;
    fine = to_text(out, certificate_pem, sizeof certificate_pem) && fine;
    X509_NAME_free(name);
    X509_free(x);
    EVP_PKEY_free(key);
    return fine;
}

static int start(void **state)
{
    (void)state;
    struct http_server_settings settings = http_server_defaults;
    struct err why;
    if (!make_certificate()) {
        return -1;
    }
    metrics = http_metrics_new(&table);
    settings.table = &table;
    settings.metrics = metrics;
    settings.tls_certificate = certificate_pem;
    settings.tls_key = key_pem;
    return http_server_start(&settings, &server, &why) == RES_OK ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    http_server_stop(server);
    http_metrics_free(metrics);
    return 0;
}

/* Whether a client that offers only these gets an answer. */
static bool answers(int least, int most, const char *ciphers)
{
    static const char request[] =
        "GET /alive HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    const struct timeval limit = {20, 0};
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(http_server_port(server)),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    assert_non_null(context);
    SSL_CTX_set_security_level(context, 0); /* the client shall be willing to do what is weak */
    assert_int_equal(SSL_CTX_set_min_proto_version(context, least), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(context, most), 1);
    assert_int_equal(SSL_CTX_set_cipher_list(context, ciphers), 1);
    SSL *tls = SSL_new(context);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    char answer[2048] = "";
    int n = 0;
    if (SSL_set_fd(tls, fd) == 1 && SSL_connect(tls) == 1 &&
        SSL_write(tls, request, (int)sizeof request - 1) > 0) {
        n = SSL_read(tls, answer, (int)sizeof answer - 1);
    }
    SSL_free(tls);
    SSL_CTX_free(context);
    (void)close(fd);
    return n > 0 && strncmp(answer, "HTTP/1.1 200", 12) == 0;
}

static void speaks_modern_tls(void **state)
{
    (void)state;
    assert_true(answers(TLS1_3_VERSION, TLS1_3_VERSION, "DEFAULT"));
    assert_true(answers(TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256"));
    assert_true(answers(TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305"));
}

static void refuses_what_is_weak(void **state)
{
    (void)state;
    assert_false(answers(TLS1_VERSION, TLS1_1_VERSION, "ALL"));
    assert_false(answers(TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256"));
    assert_false(answers(TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-ECDSA-AES256-SHA"));
    assert_false(answers(TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-CCM8"));
}

static void plain_http_is_not_answered(void **state)
{
    (void)state;
    struct http_client_reply r;
    struct err why;
    assert_int_not_equal(
        http_client_get("127.0.0.1", http_server_port(server), "/alive", 20000, &r, &why), RES_OK);
}

static void a_wrong_key_is_told(void **state)
{
    (void)state;
    struct http_server_settings settings = http_server_defaults;
    struct http_server *other = NULL;
    struct err why;
    settings.table = &table;
    settings.metrics = metrics;
    settings.tls_certificate = certificate_pem;
    settings.tls_key = certificate_pem;
    assert_int_equal(http_server_start(&settings, &other, &why), RES_IO);
    assert_non_null(strstr(why.text, "TLS certificate and key"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(speaks_modern_tls),
        cmocka_unit_test(refuses_what_is_weak),
        cmocka_unit_test(plain_http_is_not_answered),
        cmocka_unit_test(a_wrong_key_is_told),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
