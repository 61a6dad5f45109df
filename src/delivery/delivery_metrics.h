/* delivery_metrics.h: the figures of deliveries, for GET /metrics: what this sender did, what is on
 * its way, and how long the label took of late.
 */
#ifndef DELIVERY_METRICS_H
#define DELIVERY_METRICS_H

#include "delivery_sender.h"
#include "pg_conn.h"

/* Times are of the displays created in a window of this length that ended as long ago: nearly all
 * of them have arrived by then, and each is looked at once. */
#define DELIVERY_METRICS_WINDOW_MS 10000

/* The sender's own figures and the deliveries under way by state; cheap, about once a second. */
MUST_CHECK enum res delivery_metrics_write(struct pg_conn *c, const char *instance,
                                           const struct delivery_sender_figures *figures,
                                           struct err *why);
/* From creation to the label's confirmation: median, 95th and 99th percentile, milliseconds, and
 * how many were created and displayed. Once a window. */
MUST_CHECK enum res delivery_metrics_times(struct pg_conn *c, const char *instance, int64_t now_ms,
                                           struct err *why);

#endif
