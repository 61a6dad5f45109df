/* pos_http.h: the till system's door: synchronisation over REST, and how it has gone so far. */
#ifndef POS_HTTP_H
#define POS_HTTP_H

#include "http_route.h"

/* Context: struct pg_pool. */
extern const struct http_route pos_http_routes[];

#endif
