/* delivery_http.h: a label's LED over REST. The context is the pool. */
#ifndef DELIVERY_HTTP_H
#define DELIVERY_HTTP_H

#include "http_route.h"

extern const struct http_route delivery_http_routes[];

#endif
