/* bulk_job.h: many changes uploaded at once (S-047, S-078): the job, its rows, and what became of
 * each. Who applies a row is the capability of its kind; that a row is settled follows from the
 * deliveries that carry its number, the same for every kind.
 *
 * A row is queued -> running -> succeeded | failed | offline, or straight to the end where there is
 * nothing to wait for; offline (a label will get it when it is back) becomes succeeded or failed
 * later, and failed becomes succeeded where the label confirms late (for a day). A job is done when
 * no row is queued or running. No row waits for another (P11).
 *
 * Any number of workers may take rows: they skip what another holds, and what a dead one held is
 * free again.
 */
#ifndef BULK_JOB_H
#define BULK_JOB_H

#include "pg_conn.h"

#define BULK_JOB_ID_BYTES     36
#define BULK_JOB_ROWS_MAX     10000
#define BULK_JOB_BATCH_MAX    1000
#define BULK_JOB_DETAIL_BYTES 300

enum bulk_kind { BULK_CONFIG, BULK_PRICE };

struct bulk_job_new {
    const char *store_id;
    enum bulk_kind kind;
    const char *created_by; /* account id or automation */
};
/* Row i (from 1) is the i-th of both: a device id or SKU, and a JSON object. RES_LIMIT: none or
 * more than BULK_JOB_ROWS_MAX, or no memory for them. Errors as pg_conn_run. */
MUST_CHECK enum res bulk_job_create(struct pg_conn *c, const struct bulk_job_new *job,
                                    struct pg_array *targets, struct pg_array *changes,
                                    char ret_job_id[BULK_JOB_ID_BYTES + 1], struct err *why);
/* A new job with the failed rows only. RES_NOT_FOUND: no such job; RES_CONFLICT: it is not done
 * yet, or nothing failed. */
MUST_CHECK enum res bulk_job_retry(struct pg_conn *c, const char *job_id, const char *created_by,
                                   char ret_job_id[BULK_JOB_ID_BYTES + 1], struct err *why);

/* ---- for who applies ---- */

struct bulk_batch {
    char job_id[BULK_JOB_ID_BYTES + 1];
    char store_id[32];
    char created_by[65];
    size_t count;
    PGresult *rows; /* private */
};
struct bulk_row {
    int64_t row_number;
    struct span target;
    struct span change; /* JSON */
};
/* Queued rows of one job, locked in the caller's transaction; count 0: nothing is to be done.
 * rows_max <= BULK_JOB_BATCH_MAX. */
MUST_CHECK enum res bulk_job_take(struct pg_conn *c, enum bulk_kind kind, size_t rows_max,
                                  struct bulk_batch *ret, struct err *why);
void bulk_job_row(const struct bulk_batch *batch, size_t at, struct bulk_row *ret);
void bulk_job_release(struct bulk_batch *batch); /* its memory */

enum bulk_state { BULK_RUNNING, BULK_SUCCEEDED, BULK_FAILED, BULK_OFFLINE };
struct bulk_mark {
    enum bulk_state state;
    char detail[BULK_JOB_DETAIL_BYTES + 1]; /* "": none */
};
/* marks[batch->count]; in the same transaction, or in a later one when applying failed: a row that
 * is no longer queued is left alone. */
MUST_CHECK enum res bulk_job_mark(struct pg_conn *c, const struct bulk_batch *batch,
                                  const struct bulk_mark *marks, struct err *why);

/* ---- steps of the worker; each its own transactions ---- */

/* Settles running rows from their deliveries, ends jobs. A few times a second. */
MUST_CHECK enum res bulk_job_step(struct pg_conn *c, int64_t now_ms, struct err *why);
/* The same for rows that wait for a label to come back or were late. Every ten seconds or so. */
MUST_CHECK enum res bulk_job_step_offline(struct pg_conn *c, int64_t now_ms, struct err *why);

#endif
