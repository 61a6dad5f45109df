/* telemetry_http.h: what happened, as it was signed (C-184). */
#ifndef TELEMETRY_HTTP_H
#define TELEMETRY_HTTP_H

#include "http_route.h"

/* Context: struct telemetry_readers. */
extern const struct http_route telemetry_http_routes[];

#endif
