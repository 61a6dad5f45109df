#include "http_reply.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "http_request_state.h"

/* Money is at most 12 digits (money.h): 15 significant digits print it exactly. */
#define JSON_FORM (JSON_COMPACT | JSON_REAL_PRECISION(15))

static const char no_memory[] =
    "{\"error\":{\"code\":\"INTERNAL\",\"message\":\"Out of memory.\",\"details\":null}}";

static void set_reply(struct http_request *q, unsigned status, const char *content_type, char *text,
                      size_t size)
{
    assert(!q->reply.ready && "a handler replies once");
    q->reply.ready = true;
    q->reply.status = status;
    q->reply.content_type = content_type;
    q->reply.text = text;
    q->reply.size = size;
}

static void reply_value(struct http_request *q, unsigned status, json_t *value)
{
    char *text = value == NULL ? NULL : json_dumps(value, JSON_FORM);
    json_decref(value);
    if (text == NULL) {
        text = strdup(no_memory);
        status = 500;
    }
    set_reply(q, status, "application/json", text, text == NULL ? 0 : strlen(text));
}

void http_reply_json(struct http_request *q, json_t *value)
{
    reply_value(q, q->route->status != 0 ? q->route->status : 200, value);
}

void http_reply_json_status(struct http_request *q, unsigned status, json_t *value)
{
    reply_value(q, status, value);
}

void http_reply_page(struct http_request *q, json_t *items, const char *next_cursor)
{
    json_t *next = next_cursor[0] == '\0' ? json_null() : json_string(next_cursor);
    http_reply_json(q, json_pack("{s:o, s:o}", "items", items, "nextCursor", next));
}

void http_reply_text(struct http_request *q, char *text, size_t size)
{
    set_reply(q, 200, q->route->content_type, text, size);
}

void http_reply_error_code(struct http_request *q, enum http_error_kind kind, const char *code,
                           const char *message)
{
    const struct http_error_text *t = http_error_text(kind);
    reply_value(q, t->status,
                http_error_envelope(code != NULL ? code : t->code,
                                    message != NULL ? message : t->message, &q->errors, q->id,
                                    clock_utc_ms()));
}

void http_reply_error_details(struct http_request *q, enum http_error_kind kind, const char *code,
                              const char *message, json_t *details)
{
    const struct http_error_text *t = http_error_text(kind);
    reply_value(q, t->status,
                http_error_envelope_details(code != NULL ? code : t->code, message, details, q->id,
                                            clock_utc_ms()));
}

void http_reply_error(struct http_request *q, enum http_error_kind kind, const char *message)
{
    http_reply_error_code(q, kind, NULL, message);
}

void http_reply_error_field(struct http_request *q, const char *field, const char *value,
                            const char *constraint)
{
    http_error_add(&q->errors, span_text(field, 64), span_text(value, 256), constraint);
    http_reply_error(q, HTTP_ERROR_PARAMETER, NULL);
}
