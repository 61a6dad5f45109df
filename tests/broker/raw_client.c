#include "raw_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "span.h"

static void put_u16(struct sink *s, size_t value)
{
    sink_byte(s, (uint8_t)(value >> 8));
    sink_byte(s, (uint8_t)value);
}

static void put_text(struct sink *s, const char *text)
{
    put_u16(s, strlen(text));
    sink_text(s, text);
}

static void put_length(struct sink *s, size_t length)
{
    do {
        uint8_t byte = (uint8_t)(length % 128);
        length /= 128;
        sink_byte(s, (uint8_t)(byte | (length > 0 ? 0x80 : 0)));
    } while (length > 0);
}

bool raw_client_send(struct raw_client *r, const void *packet, size_t size)
{
    return SSL_write(r->ssl, packet, (int)size) == (int)size;
}

static bool send_packet(struct raw_client *r, uint8_t first, const struct sink *body)
{
    static uint8_t packet[RAW_CLIENT_BYTES_MAX + 8];
    struct sink s;
    sink_init(&s, packet, sizeof packet);
    sink_byte(&s, first);
    put_length(&s, body->size);
    sink_bytes(&s, sink_span(body));
    return !s.overflow && raw_client_send(r, s.data, s.size);
}

static bool send_connect(struct raw_client *r, const struct raw_client_options *o)
{
    uint8_t bytes[2048];
    struct sink s;
    unsigned flags = o->keep_session ? 0 : 2;
    if (o->will_topic != NULL) {
        flags |= 0x04U | (o->will_retained ? 0x20U : 0);
    }
    sink_init(&s, bytes, sizeof bytes);
    put_text(&s, "MQTT");
    sink_byte(&s, o->version_311 ? 4 : 5);
    sink_byte(&s, (uint8_t)flags);
    put_u16(&s, 60);
    if (!o->version_311) {
        sink_byte(&s, 5); /* properties: session expiry */
        sink_byte(&s, 0x11);
        put_u16(&s, o->expiry_s >> 16);
        put_u16(&s, o->expiry_s & 0xffff);
    }
    put_text(&s, o->client_id);
    if (o->will_topic != NULL) {
        if (!o->version_311) {
            sink_byte(&s, 0);
        }
        put_text(&s, o->will_topic);
        put_text(&s, o->will_payload);
    }
    return send_packet(r, 0x10, &s);
}

static bool use_pem(SSL_CTX *context, const char *certificate_pem, const char *key_pem)
{
    BIO *certificate_bio = BIO_new_mem_buf(certificate_pem, -1);
    BIO *key_bio = BIO_new_mem_buf(key_pem, -1);
    X509 *certificate = PEM_read_bio_X509(certificate_bio, NULL, NULL, NULL);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL);
    bool ok = SSL_CTX_use_certificate(context, certificate) == 1 &&
              SSL_CTX_use_PrivateKey(context, key) == 1;
    X509_free(certificate);
    EVP_PKEY_free(key);
    BIO_free(certificate_bio);
    BIO_free(key_bio);
    return ok;
}

static SSL_CTX *make_context(const struct raw_client_options *o)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(context);
    SSL_CTX_set_security_level(context, 0); /* so that old versions are tried at all */
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    if (SSL_CTX_load_verify_file(context, o->ca_file) != 1 ||
        X509_VERIFY_PARAM_set1_ip_asc(param, "127.0.0.1") != 1 ||
        SSL_CTX_set_min_proto_version(context, o->tls_min) != 1 ||
        SSL_CTX_set_max_proto_version(context, o->tls_max) != 1 ||
        (o->ciphers != NULL && SSL_CTX_set_cipher_list(context, o->ciphers) != 1) ||
        (o->certificate_pem != NULL && !use_pem(context, o->certificate_pem, o->key_pem))) {
        abort(); /* the test is wrong */
    }
    return context;
}

static void set_wait(const struct raw_client *r, int wait_ms)
{
    struct timeval wait = {.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000};
    (void)setsockopt(r->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
}

static bool dial(struct raw_client *r, const struct raw_client_options *o)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(o->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    r->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(r->fd, (struct sockaddr *)&address, sizeof address) != 0) {
        return false;
    }
    int at_once = 1;
    (void)setsockopt(r->fd, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
    set_wait(r, RAW_CLIENT_READ_MS);
    r->context = make_context(o);
    r->ssl = SSL_new(r->context);
    return SSL_set_fd(r->ssl, r->fd) == 1 &&
           (o->resume == NULL || SSL_set_session(r->ssl, o->resume) == 1) &&
           SSL_connect(r->ssl) == 1;
}

enum raw_client_outcome raw_client_open(struct raw_client *r, const struct raw_client_options *o)
{
    uint8_t body[256];
    size_t size = 0;
    *r = (struct raw_client){.fd = -1};
    ERR_clear_error();
    if (!dial(r, o) || !send_connect(r, o) ||
        raw_client_read(r, RAW_CLIENT_READ_MS, body, sizeof body, &size) != 0x20 || size < 2) {
        return RAW_CLIENT_TLS_FAILED;
    }
    r->reason = body[1];
    return body[1] == 0 ? RAW_CLIENT_CONNECTED : RAW_CLIENT_REFUSED;
}

void raw_client_close(struct raw_client *r)
{
    SSL_free(r->ssl);
    SSL_CTX_free(r->context);
    if (r->fd >= 0) {
        (void)close(r->fd);
    }
    *r = (struct raw_client){.fd = -1};
}

bool raw_client_publish(struct raw_client *r, const char *topic, size_t payload_size, bool retain)
{
    static uint8_t bytes[RAW_CLIENT_BYTES_MAX];
    struct sink s;
    sink_init(&s, bytes, sizeof bytes);
    put_text(&s, topic);
    put_u16(&s, 1);
    sink_byte(&s, 0);
    for (size_t i = 0; i < payload_size; i++) {
        sink_byte(&s, 'x');
    }
    return send_packet(r, (uint8_t)(0x32 | (retain ? 1 : 0)), &s);
}

bool raw_client_subscribe(struct raw_client *r, const char *filter)
{
    uint8_t bytes[512];
    struct sink s;
    sink_init(&s, bytes, sizeof bytes);
    put_u16(&s, 2);
    sink_byte(&s, 0);
    put_text(&s, filter);
    sink_byte(&s, 1);
    return send_packet(r, 0x82, &s);
}

/* Exactly `size` bytes: 1; nothing came in time: 0; gone: -1. */
static int read_exactly(struct raw_client *r, uint8_t *to, size_t size)
{
    for (size_t have = 0; have < size;) {
        int got = SSL_read(r->ssl, to + have, (int)(size - have));
        if (got <= 0) {
            int error = SSL_get_error(r->ssl, got);
            ERR_clear_error();
            return error == SSL_ERROR_WANT_READ && have == 0 ? 0 : -1;
        }
        have += (size_t)got;
    }
    return 1;
}

int raw_client_read(struct raw_client *r, int wait_ms, uint8_t *ret_body, size_t room,
                    size_t *ret_size)
{
    uint8_t byte;
    uint8_t first;
    size_t length = 0;
    set_wait(r, wait_ms);
    int got = read_exactly(r, &first, 1);
    if (got != 1) {
        return got;
    }
    set_wait(r, RAW_CLIENT_READ_MS);
    for (unsigned shift = 0; shift < 28; shift += 7) {
        if (read_exactly(r, &byte, 1) != 1) {
            return -1;
        }
        length |= (size_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            break;
        }
    }
    if (length > room || read_exactly(r, ret_body, length) != 1) {
        return -1;
    }
    *ret_size = length;
    return first;
}
