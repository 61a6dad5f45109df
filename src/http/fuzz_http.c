/* Fuzz target for a request on its way through: target, headers, parameters, body, cursor.
 *
 * The input is "METHOD TARGET\n", lines "Name: value\n", an empty line, the body. Beyond memory
 * safety it holds these to be true: every request gets one reply; the reply is JSON; what is not
 * 2xx is the envelope; a handler sees only values that keep their rule, and a cursor read writes
 * back to itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_request_state.h"

#define LINES_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hold(bool truth, const char *what)
{
    if (!truth) {
        fprintf(stderr, "does not hold: %s\n", what);
        abort();
    }
}

static const char *const colours[] = {"red", "green", NULL};
static const struct http_field reply_fields[] = {
    {.name = "id", .type = HTTP_TEXT, .summary = "Its id."}, {.name = NULL}};
static const struct http_schema reply_schema = {"Thing", "A thing.", reply_fields};
static const struct http_field body_fields[] = {
    {.name = "name", .type = HTTP_TEXT, .required = true, .min = 1, .max = 9, .summary = "Name."},
    {.name = "count", .type = HTTP_INTEGER, .min = -3, .max = 9, .summary = "How many."},
    {.name = "fast", .type = HTTP_BOOLEAN, .summary = "Whether."},
    {.name = "colour", .type = HTTP_CHOICE, .choices = colours, .summary = "Which."},
    {.name = "at", .type = HTTP_TIME, .summary = "When."},
    {.name = NULL}};
static const struct http_schema body_schema = {"NewThing", "A thing to be.", body_fields};
static const struct http_param params[] = {
    {HTTP_IN_PATH,
     {.name = "id",
      .type = HTTP_TEXT,
      .required = true,
      .min = 1,
      .max = 8,
      .charset = "A-Z0-9",
      .summary = "Which."}},
    {HTTP_IN_QUERY, {.name = "colour", .type = HTTP_CHOICE, .choices = colours, .summary = "."}},
    {HTTP_IN_QUERY, {.name = "from", .type = HTTP_TIME, .summary = "."}},
    {HTTP_IN_QUERY, {.name = "on", .type = HTTP_BOOLEAN, .summary = "."}},
    {HTTP_IN_HEADER, {.name = "X-Key", .type = HTTP_UUID, .summary = "."}},
    HTTP_PARAM_LIMIT,
    HTTP_PARAM_CURSOR,
    HTTP_PARAM_END};

static void handle(struct http_request *q, void *context)
{
    (void)context;
    const char *id = http_request_text(q, "id");
    hold(strlen(id) >= 1 && strlen(id) <= 8 &&
             strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == strlen(id),
         "an id keeps its rule");
    int64_t limit = http_request_number(q, "limit");
    hold(limit >= 1 && limit <= HTTP_LIMIT_MAX, "a limit keeps its rule");
    struct http_cursor cursor = {.count = 0};
    enum res r = http_request_cursor(q, 'x', 2, &cursor);
    if (r == RES_INVALID) {
        return;
    }
    if (r == RES_OK) {
        char text[HTTP_CURSOR_MAX + 1];
        const char *const parts[] = {cursor.parts[0], cursor.parts[1]};
        http_request_cursor_write('x', parts, 2, text);
        hold(strcmp(text, http_request_text(q, "cursor")) == 0, "a cursor has one spelling");
    }
    http_reply_json(q, json_pack("{s:s}", "id", id));
}

static void create(struct http_request *q, void *context)
{
    size_t size = strlen(http_request_text(q, "name"));
    int64_t count = http_request_number(q, "count");
    hold(size >= 1 && size <= 9 && count >= -3 && count <= 9, "a body keeps its rules");
    handle(q, context);
}

static const struct http_route routes[] = {{.method = HTTP_GET,
                                            .path = "/api/things/{id}",
                                            .params = params,
                                            .reply = &reply_schema,
                                            .handle = handle},
                                           {.method = HTTP_POST,
                                            .path = "/api/things/{id}",
                                            .params = params,
                                            .body = &body_schema,
                                            .reply = &reply_schema,
                                            .status = 201,
                                            .handle = create},
                                           HTTP_ROUTE_END};
static const struct http_group groups[] = {{routes, NULL}};
static const struct http_table table = {groups, 1};

struct lines {
    size_t count;
    char *lines[LINES_MAX];
};

static const char *find_header(void *user, const char *name)
{
    struct lines *l = user;
    size_t size = strlen(name);
    for (size_t i = 0; i < l->count; i++) {
        if (strncasecmp(l->lines[i], name, size) == 0 && l->lines[i][size] == ':') {
            const char *value = l->lines[i] + size + 1;
            return value + strspn(value, " ");
        }
    }
    return NULL;
}

static void check_reply(struct http_request *q)
{
    hold(q->reply.ready && q->reply.text != NULL, "every request gets a reply");
    json_t *value = json_loadb(q->reply.text, q->reply.size, JSON_REJECT_DUPLICATES, NULL);
    hold(json_is_object(value), "a reply is JSON");
    hold(q->reply.status >= 200 && q->reply.status < 500, "no input is our fault");
    if (q->reply.status >= 300) {
        json_t *error = json_object_get(value, "error");
        hold(json_is_string(json_object_get(error, "code")) &&
                 json_string_length(json_object_get(error, "requestId")) == HTTP_UUID_BYTES,
             "an error is the envelope");
    }
    json_decref(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    hold(text != NULL, "memory");
    memcpy(text, data, size);
    text[size] = '\0';
    struct lines l = {.count = 0};
    char *rest = text;
    char *end = NULL;
    while (l.count < LINES_MAX && (end = strchr(rest, '\n')) != NULL && end != rest) {
        *end = '\0';
        l.lines[l.count++] = rest;
        rest = end + 1;
    }
    char *target = l.count > 0 ? strchr(l.lines[0], ' ') : NULL;
    if (target != NULL) {
        *target++ = '\0';
        rest += end == rest ? 1 : 0;
        struct http_request *q = http_request_state_new(find_header(&l, "X-Request-Id"));
        hold(q != NULL, "memory");
        http_request_state_begin(q, &table, l.lines[0], target, find_header, &l);
        size_t body = size - (size_t)(rest - text);
        if (body > 0) {
            http_request_state_body(q, rest, body / 2);
            http_request_state_body(q, rest + body / 2, body - body / 2);
        }
        http_request_state_end(q);
        http_request_state_run(q);
        check_reply(q);
        http_request_state_free(q);
    }
    free(text);
    return 0;
}
