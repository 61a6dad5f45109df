/* pricing_step.h: what the worker does for prices (a step takes a few rows at a time, skips what
 * another worker holds, and leaves nothing half done when it dies). Also: price_flip_step,
 * bulk_job_step, bulk_job_step_offline.
 *
 * | step | every | does |
 * |---|---|---|
 * | pricing_step_bulk | 50 ms | queued rows of price jobs: applied batch by batch, labels begun |
 * | pricing_step_schedule | 1 s | prices whose time has come |
 * | pricing_step_rules | 5 s | one store whose rules have not run in this minute (pricing_run.h) |
 * | price_flip_step | 500 ms | rises that every label shows are charged |
 * | bulk_job_step | 500 ms | rows whose deliveries ended are settled; jobs end |
 * | bulk_job_step_offline | 10 s | the same for labels that came back |
 */
#ifndef PRICING_STEP_H
#define PRICING_STEP_H

#include "pg_conn.h"

#define PRICING_STEP_BULK_MS     50
#define PRICING_STEP_SCHEDULE_MS 1000
#define PRICING_STEP_RULES_MS    5000
#define PRICING_STEP_FLIP_MS     500
#define PRICING_STEP_SETTLE_MS   500
#define PRICING_STEP_OFFLINE_MS  10000

/* Errors as pg_conn_run; RES_AGAIN: the next call does it. */
MUST_CHECK enum res pricing_step_bulk(struct pg_conn *c, int64_t now_ms, struct err *why);
MUST_CHECK enum res pricing_step_schedule(struct pg_conn *c, int64_t now_ms, struct err *why);
MUST_CHECK enum res pricing_step_rules(struct pg_conn *c, int64_t now_ms, struct err *why);

#endif
