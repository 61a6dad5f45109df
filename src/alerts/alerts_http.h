/* alerts_http.h: what somebody must know, newest first. */
#ifndef ALERTS_HTTP_H
#define ALERTS_HTTP_H

#include "http_route.h"

/* Context: struct pg_pool. */
extern const struct http_route alerts_http_routes[];

#endif
