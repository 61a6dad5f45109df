/* http_server.h: the HTTP/1.1 server over libmicrohttpd: one I/O thread, a bounded pool of workers,
 * and limits that hold before anything is looked at (targets.md, threats "from the internet").
 *
 * | limit | when it is reached |
 * |---|---|
 * | connections, connections of one address | a further one is closed |
 * | bytes of request line and headers | 431 or 414, connection closed |
 * | bytes of the target | 414 |
 * | bytes of the body (http_route.h) | 413 |
 * | seconds without a byte; seconds for one whole request | connection closed |
 * | requests waiting for a worker | 503 |
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include "err.h"
#include "http_metrics.h"
#include "http_route.h"

struct http_access {
    const char *request_id;
    const char *method; /* as sent, or "other" */
    const char *route;  /* the template: what a client typed never reaches the logs */
    unsigned status;
    size_t reply_bytes;
    int64_t duration_us;
    const char *note; /* why it failed on our side; "" when it did not */
};

struct http_server_settings {
    const char *address; /* numeric, "127.0.0.1" or "::1" */
    uint16_t port;       /* 0: one the kernel picks */
    bool loopback_only;  /* an address other than this machine's own is RES_DENIED, and so is a
                            Host header that names another (DNS rebinding) */
    unsigned connections_max;
    unsigned connections_per_address_max;
    unsigned idle_s_max;    /* without a byte */
    unsigned request_s_max; /* for one request to arrive whole */
    unsigned workers;
    unsigned queue_max;
    const char *tls_certificate; /* PEM texts; NULL: plain HTTP. TLS 1.2 and up, AEAD only. */
    const char *tls_key;
    const struct http_table *table; /* outlives the server */
    struct http_metrics *metrics;   /* of the same table; outlives the server */
    /* Once a request is over, on a server thread: the place for an access log. May be NULL. */
    void (*on_done)(void *user, const struct http_access *access);
    void *user;
};
/* Everything but table and metrics: 127.0.0.1, loopback only, 256 connections, 64 in the queue, 8
 * workers, 10 s idle, 20 s a request. */
extern const struct http_server_settings http_server_defaults;

struct http_server; /* opaque */

/* RES_DENIED: not loopback; RES_CONFLICT: the port is taken; RES_INVALID: no such address;
 * RES_IO, RES_NO_MEMORY; all with words. Texts of settings must outlive the server. */
MUST_CHECK enum res http_server_start(const struct http_server_settings *settings,
                                      struct http_server **ret, struct err *why);
uint16_t http_server_port(const struct http_server *s);
/* Answers what was accepted, then closes. Event streams (http_streams.h) were closed before. NULL
 * is fine. */
void http_server_stop(struct http_server *s);

#endif
