/* process_metric.h: a process's figures into the table process_metric, where GET /metrics finds
 * them. Each process writes its own about once a second.
 */
#ifndef PROCESS_METRIC_H
#define PROCESS_METRIC_H

#include "pg_conn.h"

#define PROCESS_METRIC_MAX 128 /* in one statement */

struct process_metric {
    const char *name;   /* a string constant; a counter's ends with _total */
    const char *reason; /* its one label, [a-z0-9_]; NULL: none */
    int64_t value;
    bool gauge; /* otherwise a counter */
};

/* `instance` says which of several processes of a kind. RES_LIMIT: more than PROCESS_METRIC_MAX;
 * RES_NO_MEMORY; else as pg_conn_run. */
MUST_CHECK enum res process_metric_write(struct pg_conn *c, const char *process,
                                         const char *instance, const struct process_metric *metrics,
                                         size_t count, struct err *why);

#endif
