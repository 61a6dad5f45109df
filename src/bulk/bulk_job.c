#include "bulk_job.h"

#include <assert.h>
#include <string.h>

#define JOBS_LOOKED_AT  8 /* of one call, so that a step stays short */
#define JOBS_SETTLED    32
#define MARKS_BYTES_MAX (1024 * 1024)

static const char *const kinds[] = {"config", "price"};

static const char create_job[] =
    "WITH job AS (INSERT INTO bulk_job (store_id, kind, row_count, created_by) "
    "VALUES ($1, $2, cardinality($4::text[]), $3) RETURNING job_id), "
    "made AS (INSERT INTO bulk_row (job_id, row_number, store_id, target, change) "
    "SELECT job_id, t.n, $1, t.target, t.change FROM job, "
    "unnest($4::text[], $5::jsonb[]) WITH ORDINALITY AS t(target, change, n)) "
    "SELECT job_id FROM job";
static const char lock_job[] = "SELECT state, (SELECT count(*) FROM bulk_row r WHERE r.job_id = "
                               "j.job_id AND r.state = 'failed') FROM bulk_job j "
                               "WHERE job_id = $1::uuid FOR UPDATE";
static const char retry_job[] =
    "WITH old AS (SELECT * FROM bulk_job WHERE job_id = $1::uuid), "
    "bad AS (SELECT row_number() OVER (ORDER BY row_number) AS n, target, change FROM bulk_row "
    "WHERE job_id = $1::uuid AND state = 'failed'), "
    "job AS (INSERT INTO bulk_job (store_id, kind, retry_of, row_count, created_by) "
    "SELECT store_id, kind, job_id, (SELECT count(*) FROM bad), $2 FROM old "
    "RETURNING job_id, store_id), "
    "made AS (INSERT INTO bulk_row (job_id, row_number, store_id, target, change) "
    "SELECT job.job_id, bad.n, job.store_id, bad.target, bad.change FROM job, bad) "
    "SELECT job_id FROM job";
static const char find_jobs[] =
    "SELECT job_id, store_id, created_by FROM bulk_job j WHERE state = 'running' AND kind = $1 "
    "AND EXISTS (SELECT FROM bulk_row r WHERE r.job_id = j.job_id AND r.state = 'queued') "
    "ORDER BY created_at, job_id LIMIT $2::bigint";
static const char take_rows[] =
    "SELECT row_number::bigint, target, change FROM bulk_row WHERE job_id = $1::uuid "
    "AND state = 'queued' ORDER BY row_number LIMIT $2::bigint FOR UPDATE SKIP LOCKED";
static const char mark_rows[] =
    "UPDATE bulk_row r SET state = t.state, detail = t.detail, finished_at = CASE WHEN t.state IN "
    "('succeeded', 'failed') THEN now() END FROM unnest($2::bigint[], $3::text[], $4::text[]) "
    "AS t(n, state, detail) WHERE r.job_id = $1::uuid AND r.row_number = t.n AND r.state = "
    "'queued'";

/* While a delivery is under way its row stays what it is: a row that was told to be offline is not
 * called running again in a job that is done. Each row looks its deliveries up by itself: a job
 * comes faster than the planner's statistics, and a join would be of ten thousand with ten
 * thousand. */
#define OF_ROW        "FROM delivery d WHERE d.job_id = $1::uuid AND d.row_number = r.row_number"
#define OF_ROW_OF_JOB "FROM delivery d WHERE d.job_id = j.job_id AND d.row_number = r.row_number"
static const char settle_rows[] =
    "UPDATE bulk_row r SET (state, detail, finished_at) = (SELECT "
    "CASE WHEN s.failed > 0 THEN 'failed' WHEN s.pending > 0 THEN 'offline' ELSE 'succeeded' END, "
    "CASE WHEN s.failed > 0 THEN left(s.failed || ' of ' || s.labels || ' labels failed: ' || "
    "s.failed_label || coalesce(': ' || s.failed_detail, ''), 300) WHEN s.pending > 0 THEN "
    "s.pending || ' of ' || s.labels || ' labels are not there: ' || s.pending_label END, "
    "CASE WHEN s.failed > 0 OR s.pending = 0 THEN now() END FROM (SELECT count(*) AS labels, "
    "count(*) FILTER (WHERE d.state = 'failed') AS failed, "
    "count(*) FILTER (WHERE d.state = 'pending') AS pending, "
    "min(d.label_id) FILTER (WHERE d.state = 'failed') AS failed_label, "
    "min(d.detail) FILTER (WHERE d.state = 'failed') AS failed_detail, "
    "min(d.label_id) FILTER (WHERE d.state = 'pending') AS pending_label " OF_ROW ") s) "
    "WHERE r.job_id = $1::uuid AND (r.state IN ('running', 'offline') OR (r.state = 'failed' AND "
    "EXISTS (SELECT " OF_ROW ") AND NOT EXISTS (SELECT " OF_ROW " AND d.state = 'failed'))) AND "
    "(SELECT count(*) " OF_ROW
    " AND (d.state IN ('queued', 'sent') OR (d.state = 'pending' AND r.state = 'offline'))) = 0";
static const char end_job[] =
    "UPDATE bulk_job SET state = 'done', finished_at = now() WHERE job_id = $1::uuid "
    "AND state = 'running' AND NOT EXISTS (SELECT FROM bulk_row r WHERE r.job_id = $1::uuid "
    "AND r.state IN ('queued', 'running'))";
static const char lock_running[] = "SELECT job_id FROM bulk_job WHERE state = 'running' "
                                   "ORDER BY random() LIMIT $1::bigint FOR UPDATE SKIP LOCKED";
static const char lock_offline[] =
    "SELECT job_id FROM bulk_job j WHERE state = 'done' AND (EXISTS (SELECT FROM bulk_row r "
    "WHERE r.job_id = j.job_id AND r.state = 'offline') OR (finished_at > now() - interval '1 day' "
    "AND EXISTS (SELECT FROM bulk_row r WHERE r.job_id = j.job_id AND r.state = 'failed' AND "
    "EXISTS (SELECT " OF_ROW_OF_JOB
    " AND d.state = 'displayed')))) ORDER BY random() LIMIT $1::bigint "
    "FOR UPDATE SKIP LOCKED";

static enum res run_for_id(struct pg_conn *c, const char *sql, const struct pg_params *p,
                           char ret_job_id[BULK_JOB_ID_BYTES + 1], struct err *why)
{
    PGresult *rows = NULL;
    enum res r = pg_conn_run(c, sql, p, &rows, why);
    if (r == RES_OK) {
        assert(PQntuples(rows) == 1);
        pg_get_uuid(rows, 0, 0, ret_job_id);
    }
    PQclear(rows);
    return r;
}

enum res bulk_job_create(struct pg_conn *c, const struct bulk_job_new *job,
                         struct pg_array *targets, struct pg_array *changes,
                         char ret_job_id[BULK_JOB_ID_BYTES + 1], struct err *why)
{
    struct pg_params p;
    assert(targets->count == changes->count);
    if (targets->count == 0 || targets->count > BULK_JOB_ROWS_MAX) {
        err_set(why, "a bulk job has 1 to %d rows, not %zu", BULK_JOB_ROWS_MAX, targets->count);
        return RES_LIMIT;
    }
    const char *target_texts = pg_array_close(targets);
    const char *change_texts = pg_array_close(changes);
    if (target_texts == NULL || change_texts == NULL) {
        err_set(why, "the rows of a bulk job do not fit in memory");
        return RES_LIMIT;
    }
    pg_params_init(&p);
    pg_params_cstr(&p, job->store_id);
    pg_params_cstr(&p, kinds[job->kind]);
    pg_params_cstr(&p, job->created_by);
    pg_params_cstr(&p, target_texts);
    pg_params_cstr(&p, change_texts);
    return run_for_id(c, create_job, &p, ret_job_id, why);
}

static enum res check_retry(struct pg_conn *c, const struct pg_params *p, struct err *why)
{
    PGresult *rows = NULL;
    enum res r = pg_conn_run(c, lock_job, p, &rows, why);
    if (r != RES_OK) {
        return r;
    }
    if (PQntuples(rows) == 0) {
        err_set(why, "there is no such bulk job");
        r = RES_NOT_FOUND;
    } else if (!span_equal(pg_get_span(rows, 0, 0), SPAN_LIT("done"))) {
        err_set(why, "The job is still running; retry its failures once it is done.");
        r = RES_CONFLICT;
    } else if (pg_get_i64(rows, 0, 1) == 0) {
        err_set(why, "Nothing failed in this job, so there is nothing to retry.");
        r = RES_CONFLICT;
    }
    PQclear(rows);
    return r;
}

enum res bulk_job_retry(struct pg_conn *c, const char *job_id, const char *created_by,
                        char ret_job_id[BULK_JOB_ID_BYTES + 1], struct err *why)
{
    struct pg_params p;
    pg_params_init(&p);
    pg_params_cstr(&p, job_id);
    enum res r = check_retry(c, &p, why);
    if (r == RES_OK) {
        pg_params_cstr(&p, created_by);
        r = run_for_id(c, retry_job, &p, ret_job_id, why);
    }
    return r;
}

/* ---- for who applies ---- */

static enum res take_of(struct pg_conn *c, const char *job_id, size_t rows_max, PGresult **ret,
                        struct err *why)
{
    struct pg_params p;
    pg_params_init(&p);
    pg_params_cstr(&p, job_id);
    pg_params_i64(&p, (int64_t)rows_max);
    return pg_conn_run(c, take_rows, &p, ret, why);
}

enum res bulk_job_take(struct pg_conn *c, enum bulk_kind kind, size_t rows_max,
                       struct bulk_batch *ret, struct err *why)
{
    struct pg_params p;
    PGresult *jobs = NULL;
    struct bulk_batch batch = {.count = 0};
    assert(rows_max <= BULK_JOB_BATCH_MAX);
    pg_params_init(&p);
    pg_params_cstr(&p, kinds[kind]);
    pg_params_i64(&p, JOBS_LOOKED_AT);
    enum res r = pg_conn_run(c, find_jobs, &p, &jobs, why);
    for (int i = 0; r == RES_OK && batch.count == 0 && i < PQntuples(jobs); i++) {
        PQclear(batch.rows);
        batch.rows = NULL;
        pg_get_uuid(jobs, i, 0, batch.job_id);
        r = take_of(c, batch.job_id, rows_max, &batch.rows, why);
        batch.count = r == RES_OK ? (size_t)PQntuples(batch.rows) : 0;
        if (span_copy_text(pg_get_span(jobs, i, 1), batch.store_id, sizeof batch.store_id) !=
                RES_OK ||
            span_copy_text(pg_get_span(jobs, i, 2), batch.created_by, sizeof batch.created_by) !=
                RES_OK) {
            err_set(why, "bulk job %s has a store or an author too long to be one", batch.job_id);
            r = RES_CORRUPT;
        }
    }
    PQclear(jobs);
    if (r == RES_OK) {
        *ret = batch;
    } else {
        PQclear(batch.rows);
    }
    return r;
}

void bulk_job_row(const struct bulk_batch *batch, size_t at, struct bulk_row *ret)
{
    assert(at < batch->count);
    *ret = (struct bulk_row){.row_number = pg_get_i64(batch->rows, (int)at, 0),
                             .target = pg_get_span(batch->rows, (int)at, 1),
                             .change = pg_get_span(batch->rows, (int)at, 2)};
}

void bulk_job_release(struct bulk_batch *batch)
{
    PQclear(batch->rows);
    *batch = (struct bulk_batch){.count = 0};
}

enum res bulk_job_mark(struct pg_conn *c, const struct bulk_batch *batch,
                       const struct bulk_mark *marks, struct err *why)
{
    static const char *const states[] = {"running", "succeeded", "failed", "offline"};
    struct pg_array columns[3];
    struct pg_params p;
    for (size_t i = 0; i < 3; i++) {
        pg_array_init(&columns[i], MARKS_BYTES_MAX);
    }
    for (size_t i = 0; i < batch->count; i++) {
        struct span detail = span_text(marks[i].detail, BULK_JOB_DETAIL_BYTES);
        pg_array_i64(&columns[0], pg_get_i64(batch->rows, (int)i, 0));
        pg_array_span(&columns[1], span_text(states[marks[i].state], 16));
        pg_array_span(&columns[2], detail.size == 0 ? SPAN_NONE : detail);
    }
    enum res r = RES_OK;
    pg_params_init(&p);
    pg_params_cstr(&p, batch->job_id);
    for (size_t i = 0; i < 3; i++) {
        const char *text = pg_array_close(&columns[i]);
        r = text == NULL ? RES_NO_MEMORY : r;
        pg_params_cstr(&p, text);
    }
    if (r == RES_OK) {
        r = pg_conn_run(c, mark_rows, &p, NULL, why);
    } else {
        err_set(why, "out of memory for the rows of a bulk job");
    }
    for (size_t i = 0; i < 3; i++) {
        pg_array_deinit(&columns[i]);
    }
    return r;
}

/* ---- steps ---- */

static enum res settle_one(struct pg_conn *c, const char *job_id, struct err *why)
{
    struct pg_params p;
    pg_params_init(&p);
    pg_params_cstr(&p, job_id);
    enum res r = pg_conn_run(c, settle_rows, &p, NULL, why);
    return r == RES_OK ? pg_conn_run(c, end_job, &p, NULL, why) : r;
}

static enum res settle(struct pg_conn *c, const char *lock_sql, struct err *why)
{
    struct pg_params p;
    PGresult *rows = NULL;
    pg_params_init(&p);
    pg_params_i64(&p, JOBS_SETTLED);
    enum res r = pg_conn_command(c, "BEGIN", why);
    if (r == RES_OK) {
        r = pg_conn_run(c, lock_sql, &p, &rows, why);
    }
    for (int i = 0; r == RES_OK && i < PQntuples(rows); i++) {
        char job_id[BULK_JOB_ID_BYTES + 1];
        pg_get_uuid(rows, i, 0, job_id);
        r = settle_one(c, job_id, why);
    }
    PQclear(rows);
    return pg_conn_end(c, r, why);
}

enum res bulk_job_step(struct pg_conn *c, int64_t now_ms, struct err *why)
{
    (void)now_ms;
    return settle(c, lock_running, why);
}

enum res bulk_job_step_offline(struct pg_conn *c, int64_t now_ms, struct err *why)
{
    (void)now_ms;
    return settle(c, lock_offline, why);
}
