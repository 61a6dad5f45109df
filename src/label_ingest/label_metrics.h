/* label_metrics.h: writes the figures of one label_ingest into process_metric, where GET /metrics
 * and /readyz find them.
 */
#ifndef LABEL_METRICS_H
#define LABEL_METRICS_H

#include "label_ingest.h"
#include "pg_conn.h"

/* Errors as pg_conn_run. */
MUST_CHECK enum res label_metrics_write(struct pg_conn *conn, const char *instance,
                                        const struct label_ingest_figures *f, struct err *why);

#endif
