/* ingest_metrics.h: writes the figures of one ingest process into process_metric, where GET
 * /metrics finds them.
 */
#ifndef INGEST_METRICS_H
#define INGEST_METRICS_H

#include "ingest.h"
#include "pg_conn.h"

/* Errors as pg_conn_run. */
MUST_CHECK enum res ingest_metrics_write(struct pg_conn *conn, const char *instance,
                                         const struct ingest_figures *f, struct err *why);

#endif
