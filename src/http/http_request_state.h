/* http_request_state.h: a request on its way through, for http_server.c and the tests; handlers use
 * http_request.h. Knows no socket: the steps are
 *
 *   http_request_state_begin   method, target and headers are there: finds the route, checks all
 *   http_request_state_body    some bytes of the body
 *   http_request_state_end     the body is whole: checks it
 *   http_request_state_run     calls the handler, unless a step has replied already
 */
#ifndef HTTP_REQUEST_STATE_H
#define HTTP_REQUEST_STATE_H

#include "http_request.h"

struct http_stream; /* http_streams.h */

#define HTTP_TARGET_BYTES_MAX 4096

/* A request header by name, NULL when absent. */
typedef const char *(*http_header_get)(void *user, const char *name);
struct http_reply {
    bool ready;
    unsigned status;
    const char *content_type;
    char *text; /* malloc */
    size_t size;
    unsigned allowed;           /* with 405: a bit for each method */
    struct http_stream *stream; /* an answer that stays open; text is NULL then */
};

struct http_request {
    char id[HTTP_UUID_BYTES + 1];
    const struct http_route *route; /* NULL until found */
    void *context;
    const char *target; /* as sent; the caller of http_request_state_begin keeps it */
    uint8_t store[HTTP_TARGET_BYTES_MAX + 1];
    struct http_uri uri;
    struct http_value values[HTTP_PARAMS_MAX];      /* in the order of route->params */
    struct http_value body_values[HTTP_PARAMS_MAX]; /* in the order of route->body->fields */
    struct http_error_list errors;
    char numbers[HTTP_PARAMS_MAX]
                [HTTP_NUMBER_BYTES + 1];       /* texts of the body's HTTP_MONEY values */
    const json_t *body_parts[HTTP_PARAMS_MAX]; /* objects and lists, of body_json */
    char *body;
    size_t body_size;
    size_t media;      /* which of route->media */
    json_t *body_json; /* owns the texts of body_values */
    struct http_reply reply;
    char note[256]; /* "": nothing to say */
};

/* NULL when memory is out. `client_id`: the X-Request-Id that came, used when it is a UUID. */
struct http_request *http_request_state_new(const char *client_id);
void http_request_state_free(struct http_request *q);

void http_request_state_begin(struct http_request *q, const struct http_table *table,
                              const char *method, const char *target, http_header_get header,
                              void *user);
void http_request_state_body(struct http_request *q, const char *data, size_t size);
void http_request_state_end(struct http_request *q);
void http_request_state_run(struct http_request *q);
/* The reply is this stream. */
void http_request_state_stream(struct http_request *q, struct http_stream *s);

#endif
