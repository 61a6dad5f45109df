#include "http_openapi.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static json_t *reference(const char *name)
{
    return json_pack("{s:s+}", "$ref", "#/components/schemas/", name);
}

/* The JSON Schema of one field; the schemas it refers to are added to `schemas`. */
static json_t *field_schema(const struct http_field *f, json_t *schemas);

static void add_schema(const struct http_schema *schema, bool is_reply, json_t *schemas)
{
    if (json_object_get(schemas, schema->name) != NULL) {
        return;
    }
    json_t *properties = json_object();
    json_t *required = json_array();
    json_t *out = json_pack("{s:s, s:s, s:o, s:o}", "type", "object", "description",
                            schema->summary, "properties", properties, "required", required);
    (void)json_object_set_new(schemas, schema->name, out); /* first: a schema may hold itself */
    if (!is_reply) {
        (void)json_object_set_new(out, "additionalProperties", json_false());
    }
    for (const struct http_field *f = schema->fields; f->name != NULL; f++) {
        (void)json_object_set_new(properties, f->name, field_schema(f, schemas));
        if (is_reply || f->required) {
            (void)json_array_append_new(required, json_string(f->name));
        }
    }
}

static json_t *text_schema(const struct http_field *f)
{
    json_t *s = json_pack("{s:s}", "type", "string");
    if (f->max > 0 && f->charset != NULL) {
        char pattern[96];
        (void)snprintf(pattern, sizeof pattern, "^[%s]{%lld,%lld}$", f->charset, (long long)f->min,
                       (long long)f->max);
        (void)json_object_set_new(s, "pattern", json_string(pattern));
    } else if (f->max > 0) {
        (void)json_object_set_new(s, "minLength", json_integer(f->min));
        (void)json_object_set_new(s, "maxLength", json_integer(f->max));
    }
    return s;
}

static json_t *choice_schema(const struct http_field *f)
{
    json_t *members = json_array();
    for (size_t i = 0; f->choices[i] != NULL; i++) {
        (void)json_array_append_new(members, json_string(f->choices[i]));
    }
    if (f->nullable) {
        (void)json_array_append_new(members, json_null());
    }
    return json_pack("{s:s, s:o}", "type", "string", "enum", members);
}

static json_t *integer_schema(const struct http_field *f)
{
    json_t *s = json_pack("{s:s}", "type", "integer");
    if (f->min != 0 || f->max != 0) {
        (void)json_object_set_new(s, "minimum", json_integer(f->min));
        (void)json_object_set_new(s, "maximum", json_integer(f->max));
    }
    if (f->fallback != 0) {
        (void)json_object_set_new(s, "default", json_integer(f->fallback));
    }
    return s;
}

static json_t *list_schema(const struct http_field *f, json_t *schemas)
{
    if (f->of == NULL) {
        return json_pack("{s:s, s:{s:s}}", "type", "array", "items", "type", "string");
    }
    add_schema(f->of, true, schemas);
    return json_pack("{s:s, s:o}", "type", "array", "items", reference(f->of->name));
}

static json_t *object_schema(const struct http_field *f, json_t *schemas)
{
    if (f->of == NULL) {
        return json_pack("{s:s}", "type", "object");
    }
    add_schema(f->of, true, schemas);
    return reference(f->of->name);
}

static json_t *typed_schema(const struct http_field *f, json_t *schemas)
{
    switch (f->type) {
    case HTTP_TEXT:
        return text_schema(f);
    case HTTP_INTEGER:
        return integer_schema(f);
    case HTTP_BOOLEAN:
        return json_pack("{s:s}", "type", "boolean");
    case HTTP_TIME:
        return json_pack("{s:s, s:s}", "type", "string", "format", "date-time");
    case HTTP_CHOICE:
        return choice_schema(f);
    case HTTP_UUID:
        return json_pack("{s:s, s:s}", "type", "string", "format", "uuid");
    case HTTP_MONEY:
        return json_pack("{s:s, s:f}", "type", "number", "multipleOf", 0.01);
    case HTTP_OBJECT:
        return object_schema(f, schemas);
    case HTTP_LIST:
        return list_schema(f, schemas);
    }
    return NULL;
}

static json_t *field_schema(const struct http_field *f, json_t *schemas)
{
    json_t *s = typed_schema(f, schemas);
    json_t *type = json_object_get(s, "type");
    if (f->nullable && type != NULL) {
        (void)json_object_set_new(s, "type", json_pack("[s, s]", json_string_value(type), "null"));
    } else if (f->nullable) {
        s = json_pack("{s:[o, {s:s}]}", "anyOf", s, "type", "null");
    }
    (void)json_object_set_new(s, "description", json_string(f->summary));
    return s;
}

static json_t *page_schema(const char *name)
{
    return json_pack("{s:s, s:{s:{s:s, s:o}, s:{s:[s, s], s:s}}, s:[s, s]}", "type", "object",
                     "properties", "items", "type", "array", "items", reference(name), "nextCursor",
                     "type", "string", "null", "description",
                     "Give it back as cursor to get the next page; null at the end.", "required",
                     "items", "nextCursor");
}

static json_t *success(const struct http_route *r, json_t *schemas)
{
    if (r->reply == NULL) {
        return json_pack("{s:s, s:{s:{s:{s:s}}}}", "description", r->summary, "content",
                         r->content_type, "schema", "type", "string");
    }
    add_schema(r->reply, true, schemas);
    char name[64];
    (void)snprintf(name, sizeof name, "%s%s", r->reply->name, r->page ? "Page" : "");
    if (r->page && json_object_get(schemas, name) == NULL) {
        (void)json_object_set_new(schemas, name, page_schema(r->reply->name));
    }
    return json_pack("{s:s, s:{s:{s:o}}}", "description", r->summary, "content", "application/json",
                     "schema", reference(name));
}

/* Every status the envelope may come with on this route. */
static void add_errors(const struct http_route *r, json_t *responses)
{
    bool has_path = strchr(r->path, '{') != NULL;
    for (int k = 0; k < HTTP_ERROR_KINDS; k++) {
        enum http_error_kind kind = (enum http_error_kind)k;
        bool body_only =
            kind == HTTP_ERROR_BODY || kind == HTTP_ERROR_MEDIA || kind == HTTP_ERROR_CONFLICT;
        if ((body_only && r->body == NULL && r->media == NULL) ||
            (kind == HTTP_ERROR_NOT_FOUND && !has_path && !r->finds)) {
            continue;
        }
        char status[16];
        (void)snprintf(status, sizeof status, "%u", http_error_text(kind)->status);
        if (json_object_get(responses, status) == NULL) {
            (void)json_object_set_new(
                responses, status, json_pack("{s:s+}", "$ref", "#/components/responses/E", status));
        }
    }
}

/* What a body may be: application/json by its schema, another type as text. */
static json_t *body_content(const struct http_route *r, json_t *schemas)
{
    static const char json[] = "application/json";
    static const char *const json_only[] = {json, NULL};
    const char *const *media = r->media != NULL ? r->media : json_only;
    json_t *content = json_object();
    for (size_t i = 0; media[i] != NULL; i++) {
        bool by_schema = r->body != NULL && strcmp(media[i], json) == 0;
        if (by_schema) {
            add_schema(r->body, false, schemas);
        }
        json_t *schema =
            by_schema ? reference(r->body->name) : json_pack("{s:s}", "type", "string");
        (void)json_object_set_new(content, media[i], json_pack("{s:o}", "schema", schema));
    }
    return content;
}

static json_t *operation(const struct http_route *r, json_t *schemas)
{
    char status[16];
    (void)snprintf(status, sizeof status, "%u", r->status != 0 ? r->status : 200U);
    json_t *responses = json_object();
    (void)json_object_set_new(responses, status, success(r, schemas));
    if (r->other_status != 0) {
        (void)snprintf(status, sizeof status, "%u", r->other_status);
        (void)json_object_set_new(responses, status, success(r, schemas));
    }
    add_errors(r, responses);
    json_t *parameters = json_array();
    for (const struct http_param *p = r->params; p != NULL && p->field.name != NULL; p++) {
        static const char *const places[] = {"path", "query", "header"};
        json_t *schema = field_schema(&p->field, schemas);
        (void)json_object_del(schema, "description");
        (void)json_array_append_new(parameters,
                                    json_pack("{s:s, s:s, s:b, s:s, s:o}", "name", p->field.name,
                                              "in", places[p->place], "required", p->field.required,
                                              "description", p->field.summary, "schema", schema));
    }
    json_t *o =
        json_pack("{s:s, s:s, s:[s], s:o, s:o}", "operationId", r->operation, "summary", r->summary,
                  "tags", r->tag, "parameters", parameters, "responses", responses);
    if (r->permission != NULL) {
        (void)json_object_set_new(o, "x-permission", json_string(r->permission));
    }
    for (size_t i = 0; r->errors != NULL && r->errors[i] != NULL; i++) {
        if (i == 0) {
            (void)json_object_set_new(o, "x-error-codes", json_array());
        }
        (void)json_array_append_new(json_object_get(o, "x-error-codes"), json_string(r->errors[i]));
    }
    if (r->body != NULL || r->media != NULL) {
        (void)json_object_set_new(
            o, "requestBody",
            json_pack("{s:b, s:o}", "required", 1, "content", body_content(r, schemas)));
    }
    return o;
}

static const struct http_field detail_fields[] = {
    {.name = "field", .type = HTTP_TEXT, .summary = "The parameter or field that is wrong."},
    {.name = "value", .type = HTTP_TEXT, .summary = "What was given, cut and made printable."},
    {.name = "constraint", .type = HTTP_TEXT, .summary = "The rule it breaks."},
    {.name = NULL}};
static const struct http_schema detail_schema = {"ErrorDetail", "One field that is wrong.",
                                                 detail_fields};

static json_t *error_schema(json_t *schemas)
{
    add_schema(&detail_schema, true, schemas);
    json_t *details =
        json_pack("{s:[o, {s:s, s:o}, {s:s}], s:s}", "anyOf", reference("ErrorDetail"), "type",
                  "array", "items", reference("ErrorDetail"), "type", "null", "description",
                  "The field that is wrong, or the list when several are.");
    json_t *properties =
        json_pack("{s:{s:s}, s:{s:s}, s:o, s:{s:s, s:s}, s:{s:s, s:s}}", "code", "type", "string",
                  "message", "type", "string", "details", details, "requestId", "type", "string",
                  "format", "uuid", "timestamp", "type", "string", "format", "date-time");
    return json_pack("{s:s, s:{s:{s:s, s:o, s:[s,s,s,s,s]}}, s:[s]}", "type", "object",
                     "properties", "error", "type", "object", "properties", properties, "required",
                     "code", "message", "details", "requestId", "timestamp", "required", "error");
}

/* One shared response a status; its description lists the codes. */
static json_t *error_responses(void)
{
    json_t *responses = json_object();
    for (int k = 0; k < HTTP_ERROR_KINDS; k++) {
        const struct http_error_text *t = http_error_text((enum http_error_kind)k);
        char name[16];
        (void)snprintf(name, sizeof name, "E%u", t->status);
        char words[512];
        json_t *known = json_object_get(responses, name);
        const char *before =
            known == NULL ? "" : json_string_value(json_object_get(known, "description"));
        (void)snprintf(words, sizeof words, "%s%s%s: %s", before, before[0] == '\0' ? "" : " ",
                       t->code, t->message);
        (void)json_object_set_new(responses, name,
                                  json_pack("{s:s, s:{s:{s:o}}}", "description", words, "content",
                                            "application/json", "schema", reference("Error")));
    }
    return responses;
}

json_t *http_openapi_document(const struct http_openapi_info *info, const struct http_table *table)
{
    json_t *schemas = json_object();
    json_t *paths = json_object();
    (void)json_object_set_new(schemas, "Error", error_schema(schemas));
    for (size_t g = 0; g < table->group_count; g++) {
        for (const struct http_route *r = table->groups[g].routes; r->path != NULL; r++) {
            json_t *path = json_object_get(paths, r->path);
            if (path == NULL) {
                path = json_object();
                (void)json_object_set_new(paths, r->path, path);
            }
            static const char *const names[HTTP_METHODS] = {"get", "post", "put", "patch",
                                                            "delete"};
            (void)json_object_set_new(path, names[r->method], operation(r, schemas));
        }
    }
    return json_pack("{s:s, s:{s:s, s:s, s:s}, s:o, s:{s:o, s:o}}", "openapi", "3.1.0", "info",
                     "title", info->title, "version", info->version, "description",
                     info->description, "paths", paths, "components", "schemas", schemas,
                     "responses", error_responses());
}
