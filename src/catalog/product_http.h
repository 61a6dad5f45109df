/* product_http.h: products over REST: looking them up, making one, and their names and descriptions
 * in six languages (S-083, S-101, S-110).
 *
 * A product is known by its SKU and its store. Prices are changed through src/pricing only.
 */
#ifndef PRODUCT_HTTP_H
#define PRODUCT_HTTP_H

#include "http_route.h"

/* Context: struct pg_pool. */
extern const struct http_route product_http_routes[];

#endif
