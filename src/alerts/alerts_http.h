/* alerts_http.h: what somebody must know, over REST: the list in
 * its order, one, acknowledging (P24) and resolving by hand. */
#ifndef ALERTS_HTTP_H
#define ALERTS_HTTP_H

#include "http_route.h"

/* Context: struct pg_pool. */
extern const struct http_route alerts_http_routes[];
/* Of "alert a": what the live feed shows, too. */
extern const struct http_schema alerts_http_schema;

#endif
