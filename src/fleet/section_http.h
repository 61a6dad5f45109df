/* section_http.h: a store's aisles and the language of their labels (P65, S-227). The context is
 * the pool. */
#ifndef SECTION_HTTP_H
#define SECTION_HTTP_H

#include "http_route.h"

extern const struct http_route section_http_routes[];

#endif
