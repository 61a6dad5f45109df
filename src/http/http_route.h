/* http_route.h: THE route table. One entry says everything about an operation, and three readers
 * use it: dispatch, validation of what comes in, and the OpenAPI 3.1 document (http_openapi.h).
 * What the table does not declare does not exist: an unknown query parameter is an error.
 *
 *   static const struct http_param list_params[] = {
 *       {HTTP_IN_QUERY, {.name = "store", .type = HTTP_TEXT, .charset = "A-Z0-9-", .min = 3,
 *                        .max = 24, .summary = "Only this store."}},
 *       HTTP_PARAM_LIMIT, HTTP_PARAM_CURSOR, HTTP_PARAM_END};
 *   const struct http_route thing_http_routes[] = {
 *       {.method = HTTP_GET, .path = "/api/things", .operation = "listThings",
 *        .summary = "The things.", .tag = "things", .params = list_params, .reply = &thing_schema,
 *        .page = true, .permission = "thing.read", .handle = list},
 *       HTTP_ROUTE_END};
 *
 * Tables are static data. Names are those of the JSON and of the query string (camelCase).
 */
#ifndef HTTP_ROUTE_H
#define HTTP_ROUTE_H

#include "http_error.h"
#include "http_uri.h"
#include "span.h"

#define HTTP_PARAMS_MAX     16   /* of one route, the body's fields not counted */
#define HTTP_LIMIT_DEFAULT  50   /* rows of a page */
#define HTTP_LIMIT_MAX      1000 /* C-203 */
#define HTTP_CURSOR_MAX     320  /* bytes of a cursor */
#define HTTP_BODY_BYTES_MAX 65536
#define HTTP_NUMBER_BYTES   40 /* of a HTTP_MONEY in a request body */

enum http_method { HTTP_GET, HTTP_POST, HTTP_PUT, HTTP_PATCH, HTTP_DELETE, HTTP_METHODS };

enum http_type {
    HTTP_TEXT,    /* min..max bytes, every byte of `charset` when there is one; else UTF-8 without
                     control characters */
    HTTP_INTEGER, /* min..max; up to 2^53-1, which JSON readers keep exact */
    HTTP_BOOLEAN,
    HTTP_TIME,   /* RFC 3339, UTC, milliseconds: timestamp.h; the value is the milliseconds */
    HTTP_CHOICE, /* one of `choices` */
    HTTP_UUID,
    HTTP_MONEY,  /* minor units inside, a decimal with at most two digits outside. In a request body
                    any JSON number passes: its own text is the value, the handler judges it */
    HTTP_OBJECT, /* of `of`, or free-form without. In a request body any object passes:
                    http_request_json */
    HTTP_LIST,   /* of `of`, or of texts without. In a request body any array passes */
};

struct http_schema;

struct http_field {
    const char *name; /* NULL ends a list of fields */
    enum http_type type;
    bool required; /* in a request; a reply always shows every field */
    bool nullable; /* in a reply */
    int64_t min;
    int64_t max;
    int64_t fallback;           /* of an optional integer */
    const char *charset;        /* as between [ and ] of a regular expression, "A-Za-z0-9_-" */
    const char *const *choices; /* ends with NULL */
    const struct http_schema *of;
    const char *source; /* replies from a database: the SQL expression (http_rows.h) */
    const char *summary;
};

struct http_schema {
    const char *name; /* "Cart": unique in the document */
    const char *summary;
    const struct http_field *fields;
};

enum http_place { HTTP_IN_PATH, HTTP_IN_QUERY, HTTP_IN_HEADER };

struct http_param {
    enum http_place place;
    struct http_field field;
};
#define HTTP_PARAM_END                                                                             \
    {                                                                                              \
        HTTP_IN_QUERY,                                                                             \
        {                                                                                          \
            .name = NULL                                                                           \
        }                                                                                          \
    }
#define HTTP_PARAM_LIMIT                                                                           \
    {                                                                                              \
        HTTP_IN_QUERY,                                                                             \
        {                                                                                          \
            .name = "limit", .type = HTTP_INTEGER, .min = 1, .max = HTTP_LIMIT_MAX,                \
            .fallback = HTTP_LIMIT_DEFAULT, .summary = "At most so many items."                    \
        }                                                                                          \
    }
#define HTTP_PARAM_CURSOR                                                                          \
    {                                                                                              \
        HTTP_IN_QUERY,                                                                             \
        {                                                                                          \
            .name = "cursor", .type = HTTP_TEXT, .min = 1, .max = HTTP_CURSOR_MAX,                 \
            .charset = "A-Za-z0-9_-", .summary = "nextCursor of the page before."                  \
        }                                                                                          \
    }

struct http_request; /* http_request.h */

struct http_route {
    enum http_method method;
    const char *path; /* "/api/carts/{id}"; NULL ends a table */
    const char *operation;
    const char *summary;
    const char *tag;
    const struct http_param *params; /* ends with HTTP_PARAM_END; NULL: none */
    const struct http_schema *body;  /* a JSON object; NULL: no body is taken */
    /* A body handed over as it came, http_request_body: one of these media types, NULL at the end.
     * `body` then only documents what application/json is to hold. */
    const char *const *media;
    size_t body_bytes_max;           /* of such a body */
    const struct http_schema *reply; /* JSON; NULL: `content_type` */
    bool page;                       /* the reply is {"items": [reply...], "nextCursor": ...} */
    unsigned status;                 /* of success; 0: 200 */
    unsigned other_status;           /* of another success with the same reply; 0: none */
    bool finds;                      /* 404 also without a {parameter}: what the body names */
    const char *content_type;        /* of a reply that is not from a schema */
    const char *const *errors;       /* codes of its own beside the usual ones; NULL: none */
    const char *permission;          /* what the caller must hold; NULL: open to all */
    bool at_once;                    /* runs on the I/O thread: must not block. For liveness. */
    /* Must reply exactly once. `context` is its group's. */
    void (*handle)(struct http_request *q, void *context);
};
#define HTTP_ROUTE_END                                                                             \
    {                                                                                              \
        .path = NULL                                                                               \
    }

/* The routes of one capability and what their handlers work on. */
struct http_group {
    const struct http_route *routes;
    void *context;
};
struct http_table {
    const struct http_group *groups;
    size_t group_count;
};

const char *http_route_method_name(enum http_method m);
/* RES_NOT_FOUND for a method we never use. HEAD is GET without its body. */
MUST_CHECK enum res http_route_method_read(const char *name, enum http_method *ret);

/* RES_NOT_FOUND: no such path; RES_CONFLICT: the path exists with other methods, *ret_allowed has
 * a bit for each. ret_path gets the values of the {parameters}, in their order. */
MUST_CHECK enum res http_route_find(const struct http_table *table, enum http_method method,
                                    const struct http_uri *uri, const struct http_route **ret_route,
                                    void **ret_context, struct span *ret_path,
                                    unsigned *ret_allowed);

/* A value that passed its field's rule. */
struct http_value {
    bool present;
    struct span text; /* as given */
    int64_t number;   /* integer, boolean, time, index of the choice */
};
/* Checks one text against a field's rule; a failure is added to `errors`. */
MUST_CHECK enum res http_route_check(const struct http_field *field, struct span text,
                                     struct http_value *ret, struct http_error_list *errors);
/* The rule in words, "1 to 1000", for errors and documents. */
void http_route_rule(const struct http_field *field, struct sink *s);

#endif
