/* http_request.h: what a handler sees of a request. It answers with http_reply.h.
 *
 * Values were checked against the route's table before the handler runs; asking for a name the
 * table does not declare is our own bug. Texts live until the reply is sent.
 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include "http_reply.h"
#include "http_route.h"

bool http_request_has(const struct http_request *q, const char *name);
/* NUL-terminated; NULL when absent. */
const char *http_request_text(const struct http_request *q, const char *name);
/* Integer, boolean, time (milliseconds), index of a choice; the field's fallback when absent. */
int64_t http_request_number(const struct http_request *q, const char *name);
/* The type its rule gives it, present or not. */
enum http_type http_request_type(const struct http_request *q, const char *name);
/* A HTTP_OBJECT or HTTP_LIST of the body; NULL when absent. The request's. */
const json_t *http_request_json(const struct http_request *q, const char *name);
/* Of a route with `media`: the body as it came, and which of the route's types it is. */
struct span http_request_body(const struct http_request *q);
size_t http_request_media(const struct http_request *q);
/* Its group's, as the handler is given it: for work that runs elsewhere (http_once.h). */
void *http_request_context(const struct http_request *q);
/* The request's id, for logs of deeper layers. */
const char *http_request_id(const struct http_request *q);

/* Words for the access log and nobody else: why this request failed on our side. Copied. */
void http_request_note(struct http_request *q, const char *words);

/* Cursors: base64url of the sort key of the last row shown, `kind` (one letter, the list's) and
 * texts; opaque to clients and never trusted when they come back. */
#define HTTP_CURSOR_PARTS_MAX 4
struct http_cursor {
    size_t count;
    char parts[HTTP_CURSOR_PARTS_MAX][144];
};
/* ret_text[HTTP_CURSOR_MAX + 1] */
void http_request_cursor_write(char kind, const char *const *parts, size_t count, char *ret_text);
/* Of the parameter "cursor". RES_NOT_FOUND: none given. RES_INVALID: not ours, and the 400 is
 * already replied. */
MUST_CHECK enum res http_request_cursor(struct http_request *q, char kind, size_t count,
                                        struct http_cursor *ret);

#endif
