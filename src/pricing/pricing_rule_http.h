/* pricing_rule_http.h: automatic prices over REST: rules and their run.
 * The context is the pool. */
#ifndef PRICING_RULE_HTTP_H
#define PRICING_RULE_HTTP_H

#include "http_route.h"

extern const struct http_route pricing_rule_http_routes[];

#endif
