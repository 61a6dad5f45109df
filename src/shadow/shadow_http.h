/* shadow_http.h: a device's shadow over REST (S-154, S-155): look at it, and say what else the
 * device should be. Context: struct pg_pool *.
 */
#ifndef SHADOW_HTTP_H
#define SHADOW_HTTP_H

#include "http_route.h"

extern const struct http_route shadow_http_routes[];

#endif
