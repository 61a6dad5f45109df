/* http_reply.h: how a handler answers: exactly once. When memory runs out the client sees a 500.
 */
#ifndef HTTP_REPLY_H
#define HTTP_REPLY_H

#include <jansson.h>

#include "http_error.h"

struct http_request;

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
/* The same with details of the handler's own making, an object or a list of {field, value,
 * constraint, ...}; takes the reference. code NULL: the kind's own. */
void http_reply_error_details(struct http_request *q, enum http_error_kind kind, const char *code,
                              const char *message, json_t *details);
/* 400 for one field, found wrong only by the handler. */
void http_reply_error_field(struct http_request *q, const char *field, const char *value,
                            const char *constraint);

#endif
