/* http_error.h: the one error envelope of the REST face (S-087, S-088, S-252).
 *
 *   {"error": {"code": "INVALID_PARAMETER", "message": "...",
 *              "details": {"field": "limit", "value": "0", "constraint": "1 to 1000"},
 *              "requestId": "<uuid>", "timestamp": "2026-11-21T17:19:26.123Z"}}
 *
 * `details` is null, one object, or, when more than one field is wrong, the list of all of them.
 */
#ifndef HTTP_ERROR_H
#define HTTP_ERROR_H

#include <jansson.h>

#include "span.h"

enum http_error_kind {
    HTTP_ERROR_PARAMETER,   /* 400 */
    HTTP_ERROR_TARGET,      /* 400 */
    HTTP_ERROR_BODY,        /* 400 */
    HTTP_ERROR_CURSOR,      /* 400 */
    HTTP_ERROR_UNKNOWN,     /* 401, who are you */
    HTTP_ERROR_FORBIDDEN,   /* 403 */
    HTTP_ERROR_NOT_FOUND,   /* 404, the same whether missing, foreign or not a route */
    HTTP_ERROR_METHOD,      /* 405 */
    HTTP_ERROR_CONFLICT,    /* 409 */
    HTTP_ERROR_TOO_LARGE,   /* 413 */
    HTTP_ERROR_TOO_LONG,    /* 414 */
    HTTP_ERROR_MEDIA,       /* 415 */
    HTTP_ERROR_RATE,        /* 429 */
    HTTP_ERROR_INTERNAL,    /* 500 */
    HTTP_ERROR_UNAVAILABLE, /* 503 */
    HTTP_ERROR_KINDS
};

struct http_error_text {
    unsigned status;
    const char *code;
    const char *message; /* when the handler has no better words */
};
const struct http_error_text *http_error_text(enum http_error_kind kind);

#define HTTP_ERROR_DETAILS_MAX     16
#define HTTP_ERROR_VALUE_BYTES_MAX 64 /* of the offending value, the rest is cut */

struct http_error_detail {
    char field[48];
    char value[HTTP_ERROR_VALUE_BYTES_MAX + 4];
    char constraint[160];
};

/* A list that grows while an input is checked; beyond the limit further errors are dropped. */
struct http_error_list {
    size_t count;
    struct http_error_detail items[HTTP_ERROR_DETAILS_MAX];
};

/* `value` is shown only as far as it is printable; a value that may be personal is not given. */
void http_error_add(struct http_error_list *list, struct span field, struct span value,
                    const char *constraint);

/* The envelope; NULL when memory is out. `list` may be NULL. */
json_t *http_error_envelope(const char *code, const char *message,
                            const struct http_error_list *list, const char *request_id,
                            int64_t now_ms);
/* The same with the value of `details` ready; takes the reference. */
json_t *http_error_envelope_details(const char *code, const char *message, json_t *details,
                                    const char *request_id, int64_t now_ms);

#endif
