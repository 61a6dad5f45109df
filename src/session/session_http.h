/* session_http.h: shopping trips for people's surfaces (C-185): the trip as PostgreSQL knows it,
 * and its scans with the running total, folded from telemetry in counter order (reconcile.h).
 */
#ifndef SESSION_HTTP_H
#define SESSION_HTTP_H

#include "http_route.h"
#include "pg_pool.h"
#include "telemetry_readers.h"

struct session_http {
    struct pg_pool *pool;
    struct telemetry_readers *telemetry;
};

/* Context: struct session_http. */
extern const struct http_route session_http_routes[];

#endif
