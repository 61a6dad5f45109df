/* http_openapi.h: the OpenAPI 3.1 document of a route table (C-204). What dispatch checks and what
 * the document says come from the same entries, so that they cannot differ.
 */
#ifndef HTTP_OPENAPI_H
#define HTTP_OPENAPI_H

#include <jansson.h>

#include "http_route.h"

struct http_openapi_info {
    const char *title;
    const char *version;
    const char *description;
};
/* NULL when memory is out. */
json_t *http_openapi_document(const struct http_openapi_info *info, const struct http_table *table);

#endif
