/* label_config_step.h: the worker's half of a bulk configuration: applies uploaded rows, many at a
 * time (P57). What became of each label is settled by bulk_job_step.
 */
#ifndef LABEL_CONFIG_STEP_H
#define LABEL_CONFIG_STEP_H

#include "pg_conn.h"

#define LABEL_CONFIG_STEP_ROWS 500
#define LABEL_CONFIG_STEP_JOBS 32

/* So many rows, of so many uploads at most. A row that cannot be applied (its label was retired
 * meanwhile) fails by itself, with words. Errors as pg_conn_run. */
MUST_CHECK enum res label_config_step(struct pg_conn *c, int64_t now_ms, struct err *why);

#endif
