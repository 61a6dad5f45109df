#include "label_config_step.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "bulk_job.h"
#include "delivery_configure.h"
#include "delivery_refresh.h"

#define ARRAY_BYTES_MAX (8 * 1024 * 1024)
#define ID_BYTES        24

/* What is done with a batch, row by row; the arrays have batch.count members. */
struct work {
    struct bulk_batch batch;
    struct bulk_mark *marks;
    char (*ids)[ID_BYTES];
    char **patches;
    char (*languages)[3];
};

static enum res read_row(struct work *w, size_t i)
{
    struct bulk_row row;
    bulk_job_row(&w->batch, i, &row);
    json_t *change = json_loadb((const char *)row.change.data, row.change.size, 0, NULL);
    const char *language = json_string_value(json_object_get(change, "language"));
    enum res r = span_copy_text(row.target, w->ids[i], ID_BYTES);
    if (language != NULL && r == RES_OK) {
        r = span_copy_text(span_text(language, 3), w->languages[i], sizeof w->languages[i]);
    }
    (void)json_object_del(change, "language");
    w->patches[i] = change == NULL ? NULL : json_dumps(change, JSON_COMPACT);
    json_decref(change);
    return w->patches[i] == NULL && r == RES_OK ? RES_NO_MEMORY : r;
}

static enum res work_init(struct work *w, struct err *why)
{
    size_t n = w->batch.count;
    w->marks = calloc(n, sizeof *w->marks);
    w->ids = calloc(n, sizeof *w->ids);
    w->patches = calloc(n, sizeof *w->patches);
    w->languages = calloc(n, sizeof *w->languages);
    enum res r = w->marks == NULL || w->ids == NULL || w->patches == NULL || w->languages == NULL
                     ? RES_NO_MEMORY
                     : RES_OK;
    for (size_t i = 0; r == RES_OK && i < n; i++) {
        r = read_row(w, i);
    }
    if (r != RES_OK) {
        err_set(why, "rows of bulk job %s cannot be read: %s", w->batch.job_id, res_name(r));
    }
    return r;
}

static void work_deinit(struct work *w)
{
    for (size_t i = 0; w->patches != NULL && i < w->batch.count; i++) {
        free(w->patches[i]);
    }
    free(w->marks);
    free(w->ids);
    free(w->patches);
    free(w->languages);
    bulk_job_release(&w->batch);
}

/* Sets the languages that were given and answers which labels are there. */
static const char prepare_sql[] =
    "WITH given AS (SELECT * FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS "
    "t(device, language, n)), changed AS (UPDATE label l SET language = g.language FROM given g "
    "WHERE l.label_id = g.device AND g.language IS NOT NULL AND l.store_id = $3) "
    "SELECT l.label_id IS NOT NULL FROM given g LEFT JOIN label l ON l.label_id = g.device AND "
    "l.store_id = $3 AND l.retired_at IS NULL ORDER BY g.n";

static enum res prepare(struct pg_conn *c, struct work *w, struct err *why)
{
    struct pg_array columns[2];
    struct pg_params p;
    PGresult *rows = NULL;
    pg_array_init(&columns[0], ARRAY_BYTES_MAX);
    pg_array_init(&columns[1], ARRAY_BYTES_MAX);
    for (size_t i = 0; i < w->batch.count; i++) {
        pg_array_span(&columns[0], span_text(w->ids[i], ID_BYTES));
        if (w->languages[i][0] == '\0') {
            pg_array_null(&columns[1]);
        } else {
            pg_array_span(&columns[1], span_text(w->languages[i], 2));
        }
    }
    const char *ids = pg_array_close(&columns[0]);
    const char *languages = pg_array_close(&columns[1]);
    enum res r = RES_NO_MEMORY;
    if (ids == NULL || languages == NULL) {
        err_set(why, "out of memory for a bulk configuration");
    } else {
        pg_params_init(&p);
        pg_params_cstr(&p, ids);
        pg_params_cstr(&p, languages);
        pg_params_cstr(&p, w->batch.store_id);
        r = pg_conn_run(c, prepare_sql, &p, &rows, why);
    }
    for (size_t i = 0; r == RES_OK && i < w->batch.count; i++) {
        bool there = pg_get_bool(rows, (int)i, 0);
        w->marks[i].state = there ? BULK_RUNNING : BULK_FAILED;
        (void)snprintf(w->marks[i].detail, sizeof w->marks[i].detail, "%s",
                       there ? "" : "There is no such label in the store any more.");
    }
    PQclear(rows);
    pg_array_deinit(&columns[0]);
    pg_array_deinit(&columns[1]);
    return r;
}

/* Content in the new language, of the labels that were given one: before any configuration, for
 * items are locked before shadows. */
static enum res refresh(struct pg_conn *c, const struct work *w, const struct delivery_cause *cause,
                        struct err *why)
{
    struct delivery_count count;
    size_t n = 0;
    const char **ids = calloc(w->batch.count, sizeof *ids);
    if (ids == NULL) {
        err_set(why, "out of memory for a bulk configuration");
        return RES_NO_MEMORY;
    }
    for (size_t i = 0; i < w->batch.count; i++) {
        if (w->marks[i].state == BULK_RUNNING && w->languages[i][0] != '\0') {
            ids[n++] = w->ids[i];
        }
    }
    enum res r = n == 0 ? RES_OK : delivery_refresh_labels(c, ids, n, cause, &count, why);
    free(ids);
    return r;
}

/* Rows without a hole in their numbers go together: a delivery knows its row by them. */
static size_t run_end(const struct work *w, size_t from)
{
    struct bulk_row first;
    struct bulk_row next;
    size_t end = from + 1;
    bulk_job_row(&w->batch, from, &first);
    while (end < w->batch.count && w->marks[end].state == BULK_RUNNING) {
        bulk_job_row(&w->batch, end, &next);
        if (next.row_number != first.row_number + (int64_t)(end - from)) {
            break;
        }
        end++;
    }
    return end;
}

static enum res configure_run(struct pg_conn *c, const struct work *w, size_t from, size_t end,
                              const struct delivery_cause *cause, struct err *why)
{
    const char *ids[LABEL_CONFIG_STEP_ROWS];
    const char *patches[LABEL_CONFIG_STEP_ROWS];
    struct delivery_count count;
    struct bulk_row first;
    bulk_job_row(&w->batch, from, &first);
    for (size_t i = from; i < end; i++) {
        ids[i - from] = w->ids[i];
        patches[i - from] = w->patches[i];
    }
    return delivery_configure(c, ids, patches, end - from, cause, first.row_number, &count, why);
}

static enum res apply(struct pg_conn *c, struct work *w, struct err *why)
{
    const struct delivery_cause of_job = {.job_id = w->batch.job_id};
    const struct delivery_cause of_none = {.job_id = NULL}; /* content: the row waits for config */
    enum res r = prepare(c, w, why);
    if (r == RES_OK) {
        r = refresh(c, w, &of_none, why);
    }
    size_t at = 0;
    while (r == RES_OK && at < w->batch.count) {
        if (w->marks[at].state != BULK_RUNNING) {
            at++;
            continue;
        }
        size_t end = run_end(w, at);
        r = configure_run(c, w, at, end, &of_job, why);
        at = end;
    }
    return r == RES_OK ? bulk_job_mark(c, &w->batch, w->marks, why) : r;
}

static enum res end_transaction(struct pg_conn *c, enum res r, struct err *why)
{
    if (r == RES_OK) {
        return pg_conn_command(c, "COMMIT", why);
    }
    enum res undone = pg_conn_command(c, "ROLLBACK", NULL);
    (void)undone; /* a connection that cannot roll back is dead, and so is its transaction */
    return r;
}

/* One row that PostgreSQL or the label's own configuration refuses: failed, with its words. */
static enum res fail_one(struct pg_conn *c, const struct err *cause, struct err *why)
{
    struct bulk_batch batch;
    struct bulk_mark mark = {.state = BULK_FAILED};
    (void)snprintf(mark.detail, sizeof mark.detail, "%.*s", BULK_JOB_DETAIL_BYTES, cause->text);
    enum res r = pg_conn_command(c, "BEGIN", why);
    if (r == RES_OK) {
        r = bulk_job_take(c, BULK_CONFIG, 1, &batch, why);
    }
    if (r == RES_OK) {
        r = batch.count == 0 ? RES_OK : bulk_job_mark(c, &batch, &mark, why);
        bulk_job_release(&batch);
    }
    return end_transaction(c, r, why);
}

static enum res take_and_apply(struct pg_conn *c, size_t rows_max, size_t *ret_taken,
                               struct err *why)
{
    struct work w = {.marks = NULL};
    enum res r = pg_conn_command(c, "BEGIN", why);
    if (r == RES_OK) {
        r = bulk_job_take(c, BULK_CONFIG, rows_max, &w.batch, why);
    }
    if (r == RES_OK && w.batch.count > 0) {
        r = work_init(&w, why);
        if (r == RES_OK) {
            r = apply(c, &w, why);
        }
    }
    size_t taken = w.batch.count;
    work_deinit(&w);
    r = end_transaction(c, r, why);
    if (r == RES_OK) {
        *ret_taken = taken;
    }
    return r;
}

static bool is_of_the_rows(enum res r)
{
    return r == RES_INVALID || r == RES_LIMIT || r == RES_CORRUPT || r == RES_CONFLICT;
}

enum res label_config_step(struct pg_conn *c, int64_t now_ms, struct err *why)
{
    (void)now_ms;
    struct err words = {""};
    size_t left = LABEL_CONFIG_STEP_ROWS;
    size_t taken = 1;
    enum res r = RES_OK;
    for (int i = 0; i < LABEL_CONFIG_STEP_JOBS && r == RES_OK && taken > 0 && left > 0; i++) {
        r = take_and_apply(c, left, &taken, &words);
        left -= r == RES_OK ? taken : 0;
    }
    if (is_of_the_rows(r)) {
        r = take_and_apply(c, 1, &taken, &words); /* which of them was it? */
        if (is_of_the_rows(r)) {
            r = fail_one(c, &words, &words);
        }
    }
    if (r != RES_OK) {
        err_set(why, "%s", words.text);
    }
    return r;
}
