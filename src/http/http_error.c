#include "http_error.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "http_uri.h"
#include "timestamp.h"

static const struct http_error_text texts[HTTP_ERROR_KINDS] = {
    [HTTP_ERROR_PARAMETER] = {400, "INVALID_PARAMETER", "A parameter breaks its rule."},
    [HTTP_ERROR_TARGET] = {400, "INVALID_REQUEST", "The request target is not a valid path."},
    [HTTP_ERROR_BODY] = {400, "INVALID_BODY", "The body is not the JSON object that is expected."},
    [HTTP_ERROR_CURSOR] = {400, "INVALID_CURSOR",
                           "The cursor is not one this list gave out; start again without it."},
    [HTTP_ERROR_UNKNOWN] = {401, "UNAUTHENTICATED", "Sign in first."},
    [HTTP_ERROR_FORBIDDEN] = {403, "FORBIDDEN", "This is not allowed."},
    [HTTP_ERROR_NOT_FOUND] = {404, "NOT_FOUND", "There is no such thing here."},
    [HTTP_ERROR_METHOD] = {405, "METHOD_NOT_ALLOWED", "This path does not know that method."},
    [HTTP_ERROR_CONFLICT] = {409, "CONFLICT", "The present state forbids this."},
    [HTTP_ERROR_TOO_LARGE] = {413, "BODY_TOO_LARGE", "The body is larger than this path takes."},
    [HTTP_ERROR_TOO_LONG] = {414, "TARGET_TOO_LONG", "The request target is too long."},
    [HTTP_ERROR_MEDIA] = {415, "UNSUPPORTED_MEDIA_TYPE", "Send the body as application/json."},
    [HTTP_ERROR_RATE] = {429, "RATE_LIMITED", "Too many requests; wait and try again."},
    [HTTP_ERROR_INTERNAL] = {500, "INTERNAL", "Something failed on our side."},
    [HTTP_ERROR_UNAVAILABLE] = {503, "UNAVAILABLE",
                                "A part we need does not answer; try again in a few seconds."},
};

const struct http_error_text *http_error_text(enum http_error_kind kind)
{
    assert(kind < HTTP_ERROR_KINDS);
    return &texts[kind];
}

/* Printable ASCII as it is, everything else as '?': what comes back to a terminal is harmless. */
static void show(struct span text, char *out, size_t size)
{
    size_t n = text.size < size - 4 ? text.size : size - 4;
    size_t i = 0;
    for (; i < n; i++) {
        uint8_t c = text.data[i];
        out[i] = c >= 0x20 && c < 0x7f ? (char)c : '?';
    }
    if (n < text.size) {
        memcpy(out + i, "...", 3);
        i += 3;
    }
    out[i] = '\0';
}

void http_error_add(struct http_error_list *list, struct span field, struct span value,
                    const char *constraint)
{
    if (list->count == HTTP_ERROR_DETAILS_MAX) {
        return;
    }
    struct http_error_detail *d = &list->items[list->count++];
    show(field, d->field, sizeof d->field);
    show(value, d->value, sizeof d->value);
    (void)snprintf(d->constraint, sizeof d->constraint, "%s", constraint);
}

static json_t *detail_json(const struct http_error_detail *d)
{
    return json_pack("{s:s, s:s, s:s}", "field", d->field, "value", d->value, "constraint",
                     d->constraint);
}

json_t *http_error_envelope_details(const char *code, const char *message, json_t *details,
                                    const char *request_id, int64_t now_ms)
{
    char time[TIMESTAMP_TEXT_BYTES + 1] = "";
    struct sink s;
    sink_init(&s, time, sizeof time - 1);
    timestamp_write(&s, now_ms);
    return json_pack("{s:{s:s, s:s, s:o, s:s, s:s}}", "error", "code", code, "message", message,
                     "details", details, "requestId", request_id, "timestamp", time);
}

json_t *http_error_envelope(const char *code, const char *message,
                            const struct http_error_list *list, const char *request_id,
                            int64_t now_ms)
{
    json_t *details = NULL;
    if (list == NULL || list->count == 0) {
        details = json_null();
    } else if (list->count == 1) {
        details = detail_json(&list->items[0]);
    } else {
        details = json_array();
        for (size_t i = 0; i < list->count; i++) {
            (void)json_array_append_new(details, detail_json(&list->items[i]));
        }
    }
    return http_error_envelope_details(code, message, details, request_id, now_ms);
}
