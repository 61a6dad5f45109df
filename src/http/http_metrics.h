/* http_metrics.h: what the HTTP server counts of itself: requests by route and status, how long
 * they took, how many are in work, connections refused. Thread-safe; labels are the table's own
 * words, never a client's (C-174).
 */
#ifndef HTTP_METRICS_H
#define HTTP_METRICS_H

#include <stdio.h>

#include "http_route.h"

struct http_metrics; /* opaque */

/* NULL when memory is out. The table must outlive it. */
struct http_metrics *http_metrics_new(const struct http_table *table);
void http_metrics_free(struct http_metrics *m);
void http_metrics_begin(struct http_metrics *m);
/* route NULL: none matched. */
void http_metrics_end(struct http_metrics *m, const struct http_route *route, unsigned status,
                      int64_t duration_us);
void http_metrics_print(struct http_metrics *m, FILE *out);

#endif
