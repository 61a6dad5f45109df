/* api_system.h: routes about the platform itself: liveness, readiness, metrics, the document. */
#ifndef API_SYSTEM_H
#define API_SYSTEM_H

#include <jansson.h>

#include "feed.h"
#include "http_metrics.h"
#include "http_route.h"
#include "pg_pool.h"
#include "telemetry_readers.h"

struct api_system {
    struct pg_pool *pool;
    struct telemetry_readers *telemetry;
    struct http_metrics *metrics;
    struct feed *feed;
    json_t *(*document)(void);
};

/* Context: struct api_system. */
extern const struct http_route api_system_routes[];

#endif
