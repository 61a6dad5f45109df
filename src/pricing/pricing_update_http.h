/* pricing_update_http.h: one price over REST: change it, schedule it, ask the till system for it,
 * roll it back, look at it. */
#ifndef PRICING_UPDATE_HTTP_H
#define PRICING_UPDATE_HTTP_H

#include "http_route.h"
#include "price_group.h"

/* The routes' context. */
struct pricing_update_http {
    struct pg_pool *pool;
    struct price_group *group;
};
extern const struct http_route pricing_update_http_routes[];

/* Fields that several of pricing's tables use. */
#define PRICING_STORE                                                                              \
    {                                                                                              \
        .name = "storeId", .type = HTTP_TEXT, .required = true, .min = 3, .max = 24,               \
        .charset = "A-Z0-9-", .summary = "The store."                                              \
    }
#define PRICING_PRODUCT                                                                            \
    {                                                                                              \
        .name = "productId", .type = HTTP_TEXT, .required = true, .min = 1, .max = 32,             \
        .charset = "A-Za-z0-9._/-", .summary = "The product's SKU."                                \
    }
#define PRICING_STORE_FILTER                                                                       \
    {                                                                                              \
        HTTP_IN_QUERY,                                                                             \
        {                                                                                          \
            .name = "storeId", .type = HTTP_TEXT, .min = 3, .max = 24, .charset = "A-Z0-9-",       \
            .summary = "Only of this store."                                                       \
        }                                                                                          \
    }
#define PRICING_PRODUCT_FILTER                                                                     \
    {                                                                                              \
        HTTP_IN_QUERY,                                                                             \
        {                                                                                          \
            .name = "productId", .type = HTTP_TEXT, .min = 1, .max = 32,                           \
            .charset = "A-Za-z0-9._/-", .summary = "Only of this product (SKU)."                   \
        }                                                                                          \
    }

#endif
