/* http_client.h: one request over a plain socket and its whole answer, for the terminal client, the
 * supervisor's checks and the tests. Loopback only in practice: no TLS, no redirects, no chunks
 * (our server always says a length).
 */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include "err.h"
#include "span.h"

#define HTTP_CLIENT_REPLY_BYTES_MAX (16U * 1024 * 1024)

struct http_client_reply {
    unsigned status;
    char *text; /* status line, headers and body, NUL-terminated */
    size_t size;
    const char *body; /* points into text */
    size_t body_size;
};
void http_client_reply_deinit(struct http_client_reply *r);

/* Sends the bytes as they are and reads until the peer closes, or the length its headers state.
 * RES_UNAVAILABLE: nobody listens or it closed without a word; RES_EXPIRED: not within
 * timeout_ms; RES_INVALID: not an HTTP answer; RES_LIMIT, RES_IO. */
MUST_CHECK enum res http_client_exchange(const char *address, uint16_t port, struct span request,
                                         unsigned timeout_ms, struct http_client_reply *ret,
                                         struct err *why);
/* GET of a target that is already encoded. */
MUST_CHECK enum res http_client_get(const char *address, uint16_t port, const char *target,
                                    unsigned timeout_ms, struct http_client_reply *ret,
                                    struct err *why);
/* A header of the answer, NUL-terminated in text; RES_NOT_FOUND, RES_LIMIT. */
MUST_CHECK enum res http_client_header(const struct http_client_reply *r, const char *name,
                                       char *text, size_t size);

#endif
