/* bulk_http.h: bulk jobs over REST: lists with live counts, rows, report, retry. The context is the
 * pool. */
#ifndef BULK_HTTP_H
#define BULK_HTTP_H

#include "http_route.h"

extern const struct http_route bulk_http_routes[];
/* {"jobId", "rows"}: the 202 of an upload. */
extern const struct http_schema bulk_http_started_schema;

#endif
