/* pricing_view_http.h: what there is about prices over REST: history, deliveries, prices to come,
 * requests to the till system. The context is the pool. */
#ifndef PRICING_VIEW_HTTP_H
#define PRICING_VIEW_HTTP_H

#include "http_route.h"

extern const struct http_route pricing_view_http_routes[];

#endif
