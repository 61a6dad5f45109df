/* pricing_bound_http.h: the least and highest price of a category (S-090). The context is the pool.
 */
#ifndef PRICING_BOUND_HTTP_H
#define PRICING_BOUND_HTTP_H

#include "http_route.h"

extern const struct http_route pricing_bound_http_routes[];

#endif
