/* http_request.h: what a handler sees of a request, and how it answers.
 *
 * Values were checked against the route's table before the handler runs; asking for a name the
 * table does not declare is our own bug. Texts live until the reply is sent. A handler replies
 * exactly once; http_reply_... may run out of memory, then the caller sees a 500.
 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include <jansson.h>

#include "http_error.h"
#include "http_route.h"

bool http_request_has(const struct http_request *q, const char *name);
/* NUL-terminated; NULL when absent. */
const char *http_request_text(const struct http_request *q, const char *name);
/* Integer, boolean, time (milliseconds), index of a choice; the field's fallback when absent. */
int64_t http_request_number(const struct http_request *q, const char *name);
/* The type its rule gives it, present or not. */
enum http_type http_request_type(const struct http_request *q, const char *name);
/* The request's id, for logs of deeper layers. */
const char *http_request_id(const struct http_request *q);

/* Words for the access log and nobody else: why this request failed on our side. Copied. */
void http_request_note(struct http_request *q, const char *words);

/* 200, or the route's own status. Takes the reference. */
void http_reply_json(struct http_request *q, json_t *value);
/* For an answer whose status says something beside its content (readiness). */
void http_reply_json_status(struct http_request *q, unsigned status, json_t *value);
/* {"items": [...], "nextCursor": ...}; takes the reference; next_cursor "" means the end. */
void http_reply_page(struct http_request *q, json_t *items, const char *next_cursor);
/* Of the route's content_type; `text` is from malloc and is freed later. */
void http_reply_text(struct http_request *q, char *text, size_t size);
/* message NULL: the kind's own. */
void http_reply_error(struct http_request *q, enum http_error_kind kind, const char *message);
/* The status of `kind` with a code of the route's own `errors`. */
void http_reply_error_code(struct http_request *q, enum http_error_kind kind, const char *code,
                           const char *message);
/* 400 for one field, found wrong only by the handler. */
void http_reply_error_field(struct http_request *q, const char *field, const char *value,
                            const char *constraint);

/* Cursors: base64url of the sort key of the last row shown, `kind` (one letter, the list's) and
 * texts; opaque to clients and never trusted when they come back. */
#define HTTP_CURSOR_PARTS_MAX 4
struct http_cursor {
    size_t count;
    char parts[HTTP_CURSOR_PARTS_MAX][64];
};
/* ret_text[HTTP_CURSOR_MAX + 1] */
void http_request_cursor_write(char kind, const char *const *parts, size_t count, char *ret_text);
/* Of the parameter "cursor". RES_NOT_FOUND: none given. RES_INVALID: not ours, and the 400 is
 * already replied. */
MUST_CHECK enum res http_request_cursor(struct http_request *q, char kind, size_t count,
                                        struct http_cursor *ret);

#endif
