#include "http_request_state.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base64.h"
#include "http_number.h"

struct http_request *http_request_state_new(const char *client_id)
{
    struct http_request *q = calloc(1, sizeof *q);
    if (q == NULL) {
        return NULL;
    }
    struct span given = client_id == NULL ? SPAN_NONE : span_text(client_id, HTTP_UUID_BYTES + 1);
    if (given.data != NULL && http_uri_is_uuid(given)) {
        memcpy(q->id, given.data, given.size);
    } else {
        uint8_t random[16];
        if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
            free(q);
            return NULL;
        }
        http_uri_uuid(random, q->id);
    }
    return q;
}

void http_request_state_free(struct http_request *q)
{
    if (q == NULL) {
        return;
    }
    json_decref(q->body_json);
    free(q->body);
    free(q->reply.text);
    free(q);
}

/* ---- values ---- */

/* NULL when absent; *ret_field is the rule it passed. */
static const struct http_value *find_value(const struct http_request *q, const char *name,
                                           const struct http_field **ret_field)
{
    const struct http_param *params = q->route->params;
    for (size_t i = 0; params != NULL && params[i].field.name != NULL; i++) {
        if (strcmp(params[i].field.name, name) == 0) {
            *ret_field = &params[i].field;
            return &q->values[i];
        }
    }
    const struct http_schema *body = q->route->body;
    for (size_t i = 0; body != NULL && body->fields[i].name != NULL; i++) {
        if (strcmp(body->fields[i].name, name) == 0) {
            *ret_field = &body->fields[i];
            return &q->body_values[i];
        }
    }
    assert(false); /* a name the route does not declare */
    return NULL;
}

bool http_request_has(const struct http_request *q, const char *name)
{
    const struct http_field *field = NULL;
    return find_value(q, name, &field)->present;
}

const char *http_request_text(const struct http_request *q, const char *name)
{
    const struct http_field *field = NULL;
    const struct http_value *v = find_value(q, name, &field);
    return v->present ? (const char *)v->text.data : NULL;
}

int64_t http_request_number(const struct http_request *q, const char *name)
{
    const struct http_field *field = NULL;
    const struct http_value *v = find_value(q, name, &field);
    return v->present ? v->number : field->fallback;
}

enum http_type http_request_type(const struct http_request *q, const char *name)
{
    const struct http_field *field = NULL;
    (void)find_value(q, name, &field);
    return field->type;
}

const json_t *http_request_json(const struct http_request *q, const char *name)
{
    const struct http_field *field = NULL;
    const struct http_value *v = find_value(q, name, &field);
    assert(field->type == HTTP_OBJECT || field->type == HTTP_LIST);
    return v->present ? q->body_parts[v - q->body_values] : NULL;
}

struct span http_request_body(const struct http_request *q)
{
    assert(q->route->media != NULL);
    return span_of(q->body, q->body_size);
}

size_t http_request_media(const struct http_request *q)
{
    assert(q->route->media != NULL);
    return q->media;
}

void http_request_note(struct http_request *q, const char *words)
{
    (void)snprintf(q->note, sizeof q->note, "%s", words);
}

void *http_request_context(const struct http_request *q)
{
    return q->context;
}

const char *http_request_id(const struct http_request *q)
{
    return q->id;
}

/* ---- steps ---- */

/* "no such field; there are a, b": as many as have room. */
struct known {
    char words[sizeof((struct http_error_detail *)NULL)->constraint];
    size_t count;
};

static void known_add(struct known *k, const char *what, const char *name)
{
    size_t at = strlen(k->words);
    const char *before = ", ";
    if (k->count++ == 0) {
        at = (size_t)snprintf(k->words, sizeof k->words, "no such %s", what);
        before = "; there are ";
    }
    if (at + strlen(before) + strlen(name) + sizeof ", ..." <= sizeof k->words) {
        (void)snprintf(k->words + at, sizeof k->words - at, "%s%s", before, name);
    } else if (at + sizeof ", ..." <= sizeof k->words && strcmp(k->words + at - 3, "...") != 0) {
        (void)snprintf(k->words + at, sizeof k->words - at, ", ...");
    }
}

static void note_unknown_parameter(struct http_request *q, const struct http_uri_pair *pair)
{
    const struct http_param *params = q->route->params;
    struct known k = {.words = "no such parameter"};
    for (size_t i = 0; params != NULL && params[i].field.name != NULL; i++) {
        if (params[i].place == HTTP_IN_QUERY) {
            known_add(&k, "parameter", params[i].field.name);
        }
    }
    http_error_add(&q->errors, pair->name, pair->value, k.words);
}

static void note_unknown_field(struct http_request *q, const char *key)
{
    const struct http_field *fields = q->route->body->fields;
    struct known k = {.words = "no such field"};
    for (size_t i = 0; fields[i].name != NULL; i++) {
        known_add(&k, "field", fields[i].name);
    }
    http_error_add(&q->errors, span_text(key, 64), SPAN_NONE, k.words);
}

static void check_query(struct http_request *q)
{
    const struct http_param *params = q->route->params;
    for (size_t p = 0; p < q->uri.pair_count; p++) {
        const struct http_uri_pair *pair = &q->uri.pairs[p];
        size_t i = 0;
        while (params != NULL && params[i].field.name != NULL &&
               (params[i].place != HTTP_IN_QUERY ||
                !span_equal(span_text(params[i].field.name, 64), pair->name))) {
            i++;
        }
        if (params == NULL || params[i].field.name == NULL) {
            note_unknown_parameter(q, pair);
        } else if (q->values[i].present) {
            http_error_add(&q->errors, pair->name, pair->value, "given once");
        } else if (http_route_check(&params[i].field, pair->value, &q->values[i], &q->errors) !=
                   RES_OK) {
            continue; /* noted */
        }
    }
}

static void check_params(struct http_request *q, const struct span *path, http_header_get header,
                         void *user)
{
    const struct http_param *params = q->route->params;
    check_query(q);
    for (size_t i = 0; params != NULL && params[i].field.name != NULL; i++) {
        assert(i < HTTP_PARAMS_MAX);
        const struct http_field *field = &params[i].field;
        struct span text = SPAN_NONE;
        if (params[i].place == HTTP_IN_PATH) {
            text = *path++;
        } else if (params[i].place == HTTP_IN_HEADER) {
            const char *value = header(user, field->name);
            text = value == NULL ? SPAN_NONE : span_of(value, strlen(value));
        }
        if (text.data != NULL &&
            http_route_check(field, text, &q->values[i], &q->errors) != RES_OK) {
            continue; /* noted */
        }
        bool wrong = false;
        for (size_t e = 0; e < q->errors.count; e++) {
            wrong = wrong || strcmp(q->errors.items[e].field, field->name) == 0;
        }
        if (field->required && !q->values[i].present && !wrong) {
            http_error_add(&q->errors, span_text(field->name, 64), SPAN_NONE, "required");
        }
    }
}

/* A body must say what it is: a page of another site can then not send one without asking. */
static bool is_media(const char *given, const char *wanted)
{
    size_t size = strlen(wanted);
    return given != NULL && strncasecmp(given, wanted, size) == 0 &&
           (given[size] == '\0' || given[size] == ';' || given[size] == ' ');
}

static size_t body_bytes_max(const struct http_route *r)
{
    if (r->media != NULL) {
        return r->body_bytes_max;
    }
    return r->body != NULL ? HTTP_BODY_BYTES_MAX : 0;
}

/* Which of the types the route takes; a refusal is replied. */
static void check_media(struct http_request *q, const char *given)
{
    static const char *const json_only[] = {"application/json", NULL};
    const char *const *media = q->route->media != NULL ? q->route->media : json_only;
    char words[160];
    struct sink s;
    sink_init(&s, words, sizeof words - 1);
    sink_text(&s, "Send the body as");
    for (size_t i = 0; media[i] != NULL; i++) {
        if (is_media(given, media[i])) {
            q->media = i;
            return;
        }
        sink_text(&s, i == 0 ? " " : " or ");
        sink_text(&s, media[i]);
    }
    sink_byte(&s, '.');
    words[s.size] = '\0';
    http_reply_error(q, HTTP_ERROR_MEDIA, words);
}

static bool takes_body(const struct http_route *r)
{
    return r->body != NULL || r->media != NULL;
}

static void check_declared_body(struct http_request *q, http_header_get header, void *user)
{
    const char *length = header(user, "Content-Length");
    if (length != NULL && strtoull(length, NULL, 10) > body_bytes_max(q->route)) {
        http_reply_error(q, HTTP_ERROR_TOO_LARGE, NULL);
    } else if (takes_body(q->route)) {
        check_media(q, header(user, "Content-Type"));
    }
}

void http_request_state_begin(struct http_request *q, const struct http_table *table,
                              const char *method, const char *target, http_header_get header,
                              void *user)
{
    size_t size = strlen(target);
    q->target = target;
    if (size > HTTP_TARGET_BYTES_MAX) {
        http_reply_error(q, HTTP_ERROR_TOO_LONG, NULL);
        return;
    }
    struct sink store;
    sink_init(&store, q->store, sizeof q->store);
    if (http_uri_parse(span_of(target, size), &store, &q->uri) != RES_OK) {
        http_reply_error(q, HTTP_ERROR_TARGET, NULL);
        return;
    }
    enum http_method m = HTTP_METHODS;
    struct span path[HTTP_URI_SEGMENTS_MAX];
    if (http_route_method_read(method, &m) != RES_OK) {
        m = HTTP_METHODS; /* no route has it: 404 or 405 */
    }
    enum res r =
        http_route_find(table, m, &q->uri, &q->route, &q->context, path, &q->reply.allowed);
    if (r != RES_OK) {
        http_reply_error(q, r == RES_CONFLICT ? HTTP_ERROR_METHOD : HTTP_ERROR_NOT_FOUND, NULL);
        return;
    }
    check_params(q, path, header, user);
    check_declared_body(q, header, user);
    if (!q->reply.ready && q->errors.count > 0 &&
        (q->route->body == NULL || q->route->media != NULL)) {
        http_reply_error(q, HTTP_ERROR_PARAMETER, NULL);
    }
}

void http_request_state_body(struct http_request *q, const char *data, size_t size)
{
    if (q->reply.ready) {
        return;
    }
    size_t allowed = body_bytes_max(q->route);
    if (size > allowed - q->body_size) {
        http_reply_error(q, HTTP_ERROR_TOO_LARGE, NULL);
        return;
    }
    char *grown = realloc(q->body, q->body_size + size);
    if (grown == NULL) {
        http_reply_error(q, HTTP_ERROR_UNAVAILABLE, "Out of memory; try again.");
        return;
    }
    memcpy(grown + q->body_size, data, size);
    q->body = grown;
    q->body_size += size;
}

static bool is_text_kind(enum http_type type)
{
    return type == HTTP_TEXT || type == HTTP_TIME || type == HTTP_CHOICE || type == HTTP_UUID;
}

/* The kinds whose value is handed on as it is. True: they were looked at, a wrong one is noted. */
static bool take_part(struct http_request *q, size_t i, const json_t *value)
{
    const struct http_field *f = &q->route->body->fields[i];
    const char *rule = NULL;
    if (f->type == HTTP_MONEY) {
        http_number_text(span_of(q->body, q->body_size), span_text(f->name, 64), q->numbers[i],
                         sizeof q->numbers[i]);
        rule = q->numbers[i][0] == '\0' ? "a decimal number" : NULL;
    } else if (f->type == HTTP_OBJECT) {
        rule = json_is_object(value) ? NULL : "a JSON object";
    } else if (f->type == HTTP_LIST) {
        rule = json_is_array(value) ? NULL : "a JSON array";
    } else {
        return false;
    }
    if (rule != NULL) {
        http_error_add(&q->errors, span_text(f->name, 64), SPAN_NONE, rule);
    } else {
        q->body_values[i] = (struct http_value){
            .present = true, .text = span_text(q->numbers[i], HTTP_NUMBER_BYTES)};
        q->body_parts[i] = value;
    }
    return true;
}

/* A JSON value as the text that the field's rule is for; RES_INVALID for another JSON type. */
static enum res body_text(const struct http_field *field, const json_t *value, char number[24],
                          struct span *ret)
{
    if (field->type == HTTP_INTEGER && json_is_integer(value)) {
        struct sink s;
        sink_init(&s, number, 24);
        sink_i64(&s, json_integer_value(value));
        *ret = sink_span(&s);
        return RES_OK;
    }
    if (field->type == HTTP_BOOLEAN && json_is_boolean(value)) {
        *ret = json_is_true(value) ? SPAN_LIT("true") : SPAN_LIT("false");
        return RES_OK;
    }
    if (is_text_kind(field->type) && json_is_string(value)) {
        *ret = span_of(json_string_value(value), json_string_length(value));
        return RES_OK;
    }
    return RES_INVALID;
}

static void check_body_fields(struct http_request *q)
{
    const struct http_field *fields = q->route->body->fields;
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach(q->body_json, key, value)
    {
        size_t i = 0;
        while (fields[i].name != NULL && strcmp(fields[i].name, key) != 0) {
            i++;
        }
        char number[24];
        struct span text = SPAN_NONE;
        if (fields[i].name == NULL) {
            note_unknown_field(q, key);
            continue;
        }
        if (take_part(q, i, value)) {
            continue; /* taken, or noted */
        }
        if (body_text(&fields[i], value, number, &text) != RES_OK) {
            http_error_add(&q->errors, span_text(key, 64), SPAN_NONE, "another JSON type");
        } else if (http_route_check(&fields[i], text, &q->body_values[i], &q->errors) != RES_OK) {
            continue; /* noted */
        } else if (text.data == (const uint8_t *)number) {
            q->body_values[i].text = SPAN_NONE; /* the digits are gone when this returns */
        }
    }
    for (size_t i = 0; fields[i].name != NULL; i++) {
        assert(i < HTTP_PARAMS_MAX);
        if (fields[i].required && json_object_get(q->body_json, fields[i].name) == NULL) {
            http_error_add(&q->errors, span_text(fields[i].name, 64), SPAN_NONE, "required");
        }
    }
}

void http_request_state_end(struct http_request *q)
{
    if (q->reply.ready || q->route->body == NULL || q->route->media != NULL) {
        return;
    }
    json_error_t error;
    q->body_json =
        json_loadb(q->body == NULL ? "" : q->body, q->body_size, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(q->body_json)) {
        char words[64] = "a JSON object";
        if (q->body_json == NULL && q->body_size > 0) {
            (void)snprintf(words, sizeof words, "JSON; wrong at line %d, column %d", error.line,
                           error.column);
        }
        http_error_add(&q->errors, SPAN_LIT("body"), SPAN_NONE, words);
        http_reply_error(q, HTTP_ERROR_BODY, NULL);
        return;
    }
    check_body_fields(q);
    if (q->errors.count > 0) {
        http_reply_error(q, HTTP_ERROR_PARAMETER, NULL);
    }
}

void http_request_state_run(struct http_request *q)
{
    if (q->reply.ready) {
        return;
    }
    q->route->handle(q, q->context);
    assert(q->reply.ready && "a handler replies");
}

void http_request_state_stream(struct http_request *q, struct http_stream *s)
{
    assert(!q->reply.ready && "a handler replies once");
    q->reply = (struct http_reply){
        .ready = true, .status = 200, .content_type = q->route->content_type, .stream = s};
}

/* ---- cursors ---- */

/* Between the parts of a cursor; no part contains it (clean text). */
#define PART_END 0x1f

void http_request_cursor_write(char kind, const char *const *parts, size_t count, char *ret_text)
{
    assert(count <= HTTP_CURSOR_PARTS_MAX);
    uint8_t raw[HTTP_CURSOR_MAX * 3 / 4];
    struct sink s;
    sink_init(&s, raw, sizeof raw);
    sink_byte(&s, (uint8_t)kind);
    for (size_t i = 0; i < count; i++) {
        sink_text(&s, parts[i]);
        sink_byte(&s, PART_END);
    }
    assert(!s.overflow);
    struct sink text;
    sink_init(&text, ret_text, HTTP_CURSOR_MAX);
    base64_url_write(&text, sink_span(&s));
    ret_text[text.size] = '\0';
}

static enum res cursor_read(struct span text, char kind, size_t count, struct http_cursor *ret)
{
    uint8_t raw[HTTP_CURSOR_MAX];
    struct sink s;
    sink_init(&s, raw, sizeof raw);
    if (base64_url_read(text, &s) != RES_OK || s.size == 0 || raw[0] != (uint8_t)kind) {
        return RES_INVALID;
    }
    size_t start = 1;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *end = start < s.size ? memchr(raw + start, PART_END, s.size - start) : NULL;
        if (end == NULL) {
            return RES_INVALID;
        }
        struct span part = {raw + start, (size_t)(end - raw) - start};
        if (!http_uri_is_clean_text(part) ||
            span_copy_text(part, ret->parts[i], sizeof ret->parts[i]) != RES_OK) {
            return RES_INVALID;
        }
        start = (size_t)(end - raw) + 1;
    }
    ret->count = count;
    return start == s.size ? RES_OK : RES_INVALID;
}

enum res http_request_cursor(struct http_request *q, char kind, size_t count,
                             struct http_cursor *ret)
{
    assert(count <= HTTP_CURSOR_PARTS_MAX);
    const char *text = http_request_text(q, "cursor");
    if (text == NULL) {
        return RES_NOT_FOUND;
    }
    struct http_cursor read = {.count = 0};
    if (cursor_read(span_text(text, HTTP_CURSOR_MAX), kind, count, &read) != RES_OK) {
        http_reply_error(q, HTTP_ERROR_CURSOR, NULL);
        return RES_INVALID;
    }
    *ret = read;
    return RES_OK;
}
