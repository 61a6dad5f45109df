#include "http_route.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "timestamp.h"

/* 2^53-1: the largest integer every JSON reader keeps (RFC 8259 section 6). */
#define INTEGER_MAX INT64_C(9007199254740991)

static const char *const method_names[HTTP_METHODS] = {
    [HTTP_GET] = "GET",     [HTTP_POST] = "POST",     [HTTP_PUT] = "PUT",
    [HTTP_PATCH] = "PATCH", [HTTP_DELETE] = "DELETE",
};

const char *http_route_method_name(enum http_method m)
{
    assert(m < HTTP_METHODS);
    return method_names[m];
}

enum res http_route_method_read(const char *name, enum http_method *ret)
{
    if (strcmp(name, "HEAD") == 0) {
        *ret = HTTP_GET;
        return RES_OK;
    }
    for (int m = 0; m < HTTP_METHODS; m++) {
        if (strcmp(name, method_names[m]) == 0) {
            *ret = (enum http_method)m;
            return RES_OK;
        }
    }
    return RES_NOT_FOUND;
}

/* Does the template match? Fills in the parameters on the way. */
static bool path_matches(const char *path, const struct http_uri *uri, struct span *ret_path)
{
    size_t params = 0;
    const char *at = path + 1;
    for (size_t i = 0; i < uri->segment_count; i++) {
        if (*at == '\0') {
            return false;
        }
        size_t size = strcspn(at, "/");
        if (*at == '{') {
            ret_path[params++] = uri->segments[i];
        } else if (!span_equal(span_of(at, size), uri->segments[i])) {
            return false;
        }
        at += size;
        if (*at == '/') {
            at++;
        }
    }
    return *at == '\0';
}

enum res http_route_find(const struct http_table *table, enum http_method method,
                         const struct http_uri *uri, const struct http_route **ret_route,
                         void **ret_context, struct span *ret_path, unsigned *ret_allowed)
{
    unsigned allowed = 0;
    for (size_t g = 0; g < table->group_count; g++) {
        for (const struct http_route *r = table->groups[g].routes; r->path != NULL; r++) {
            struct span path[HTTP_URI_SEGMENTS_MAX];
            if (!path_matches(r->path, uri, path)) {
                continue;
            }
            if (r->method == method) {
                memcpy(ret_path, path, sizeof path);
                *ret_route = r;
                *ret_context = table->groups[g].context;
                return RES_OK;
            }
            allowed |= 1U << r->method;
        }
    }
    if (allowed == 0) {
        return RES_NOT_FOUND;
    }
    *ret_allowed = allowed;
    return RES_CONFLICT;
}

static bool in_charset(const char *charset, uint8_t c)
{
    for (const char *p = charset; *p != '\0'; p++) {
        uint8_t low = (uint8_t)p[0];
        uint8_t high = low;
        if (p[1] == '-' && p[2] != '\0') {
            high = (uint8_t)p[2];
            p += 2;
        }
        if (c >= low && c <= high) {
            return true;
        }
    }
    return false;
}

static bool check_text(const struct http_field *field, struct span text)
{
    if ((int64_t)text.size < field->min || (int64_t)text.size > field->max) {
        return false;
    }
    for (size_t i = 0; field->charset != NULL && i < text.size; i++) {
        if (!in_charset(field->charset, text.data[i])) {
            return false;
        }
    }
    return field->charset != NULL || http_uri_is_clean_text(text);
}

/* JSON's grammar for integers: no "+", no leading zero, no "-0". */
static bool check_integer(const struct http_field *field, struct span text, int64_t *ret)
{
    size_t i = text.size > 0 && text.data[0] == '-' ? 1 : 0;
    bool negative = i == 1;
    if (text.size == i || text.size > 17 ||
        (text.data[i] == '0' && (negative || text.size > i + 1))) {
        return false;
    }
    int64_t value = 0;
    for (; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        value = value * 10 + (text.data[i] - '0');
    }
    value = negative ? -value : value;
    if (value < field->min || value > field->max || value > INTEGER_MAX || value < -INTEGER_MAX) {
        return false;
    }
    *ret = value;
    return true;
}

static bool check_choice(const struct http_field *field, struct span text, int64_t *ret)
{
    for (int64_t i = 0; field->choices[i] != NULL; i++) {
        if (span_equal(span_text(field->choices[i], 64), text)) {
            *ret = i;
            return true;
        }
    }
    return false;
}

static bool check(const struct http_field *field, struct span text, int64_t *ret_number)
{
    switch (field->type) {
    case HTTP_TEXT:
        return check_text(field, text);
    case HTTP_INTEGER:
        return check_integer(field, text, ret_number);
    case HTTP_BOOLEAN:
        *ret_number = span_equal(text, SPAN_LIT("true")) ? 1 : 0;
        return *ret_number == 1 || span_equal(text, SPAN_LIT("false"));
    case HTTP_TIME:
        return timestamp_read(text, ret_number) == RES_OK;
    case HTTP_CHOICE:
        return check_choice(field, text, ret_number);
    case HTTP_UUID:
        return http_uri_is_uuid(text);
    case HTTP_MONEY:
    case HTTP_OBJECT:
    case HTTP_LIST:
        break;
    }
    assert(false); /* a type for replies only */
    return false;
}

void http_route_rule(const struct http_field *field, struct sink *s)
{
    switch (field->type) {
    case HTTP_TEXT:
        sink_i64(s, field->min);
        sink_text(s, " to ");
        sink_i64(s, field->max);
        sink_text(s, field->charset == NULL ? " bytes of text" : " characters of [");
        if (field->charset != NULL) {
            sink_text(s, field->charset);
            sink_byte(s, ']');
        }
        return;
    case HTTP_INTEGER:
        sink_text(s, "a whole number, ");
        sink_i64(s, field->min);
        sink_text(s, " to ");
        sink_i64(s, field->max);
        return;
    case HTTP_BOOLEAN:
        sink_text(s, "true or false");
        return;
    case HTTP_TIME:
        sink_text(s, "a time such as 2026-11-21T17:19:26.123Z");
        return;
    case HTTP_CHOICE:
        sink_text(s, "one of");
        for (size_t i = 0; field->choices[i] != NULL; i++) {
            sink_text(s, i == 0 ? " " : ", ");
            sink_text(s, field->choices[i]);
        }
        return;
    case HTTP_UUID:
        sink_text(s, "a UUID");
        return;
    case HTTP_MONEY:
    case HTTP_OBJECT:
    case HTTP_LIST:
        return;
    }
}

enum res http_route_check(const struct http_field *field, struct span text, struct http_value *ret,
                          struct http_error_list *errors)
{
    int64_t number = 0;
    if (check(field, text, &number)) {
        *ret = (struct http_value){true, text, number};
        return RES_OK;
    }
    char rule[160];
    struct sink s;
    sink_init(&s, rule, sizeof rule - 1);
    http_route_rule(field, &s);
    rule[s.size] = '\0';
    http_error_add(errors, span_text(field->name, 64), text, rule);
    return RES_INVALID;
}
