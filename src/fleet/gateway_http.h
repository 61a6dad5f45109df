/* gateway_http.h: the bridges between labels and the broker (S-002, S-269). The context is the
 * pool.
 *
 * A gateway has no voice of its own here: what is known of it is what its labels do. It is `down`
 * when all of its labels went silent together (fleet_gateway.h says when), or when an operator says
 * so; `unknown` while none of them was ever heard of; else `up`. Labels behind one that is down are
 * `unreachable`, and one alert tells of it instead of one for each.
 */
#ifndef GATEWAY_HTTP_H
#define GATEWAY_HTTP_H

#include "http_route.h"

extern const struct http_route gateway_http_routes[];

#endif
