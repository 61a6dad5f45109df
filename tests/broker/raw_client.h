/* raw_client.h: an MQTT client over OpenSSL that does what it is told, also what no honest client
 * does: any TLS version and certificate, wills, kept sessions, packets of any size.
 *
 * Blocking, with a deadline on every read.
 */
#ifndef RAW_CLIENT_H
#define RAW_CLIENT_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RAW_CLIENT_READ_MS   5000
#define RAW_CLIENT_BYTES_MAX 65536

struct raw_client_options {
    uint16_t port;
    const char *ca_file;
    const char *certificate_pem; /* NULL: shows none */
    const char *key_pem;
    const char *client_id;
    bool version_311;  /* else MQTT 5 */
    bool keep_session; /* clean start off */
    uint32_t expiry_s; /* MQTT 5 session expiry, 0: none */
    const char *will_topic;
    const char *will_payload;
    bool will_retained;
    int tls_min; /* 0: any */
    int tls_max;
    const char *ciphers; /* of TLS 1.2, NULL: OpenSSL's */
    SSL_SESSION *resume;
};

enum raw_client_outcome {
    RAW_CLIENT_CONNECTED,
    RAW_CLIENT_REFUSED, /* by a CONNACK */
    RAW_CLIENT_TLS_FAILED
};

struct raw_client {
    SSL_CTX *context;
    SSL *ssl;
    int fd;
    unsigned reason; /* of the CONNACK */
};

/* Close it in any case. */
enum raw_client_outcome raw_client_open(struct raw_client *r, const struct raw_client_options *o);
/* Without a DISCONNECT: a will, if there were one, fires. */
void raw_client_close(struct raw_client *r);
/* False: the connection is gone. */
bool raw_client_send(struct raw_client *r, const void *packet, size_t size);
/* QoS 1, MQTT 5. */
bool raw_client_publish(struct raw_client *r, const char *topic, size_t payload_size, bool retain);
bool raw_client_subscribe(struct raw_client *r, const char *filter);
/* The next packet; its first byte, 0 when none came in time, -1 when the connection is gone. */
int raw_client_read(struct raw_client *r, int wait_ms, uint8_t *ret_body, size_t room,
                    size_t *ret_size);

#endif
