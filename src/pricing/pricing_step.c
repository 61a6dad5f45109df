#include "pricing_step.h"

#include <stdlib.h>
#include <string.h>

#include "bulk_job.h"
#include "json.h"
#include "pg_rows.h"
#include "price_book.h"
#include "pricing_run.h"

#define BULK_ROWS        500 /* of one transaction: a label waits for its batch, not for the job */
#define BULK_BATCHES     4   /* of one call */
#define SCHEDULE_ROWS    200
#define SCHEDULE_BATCHES 20
#define COLUMN_BYTES_MAX (256 * 1024)

static void fault_words(const struct price_result *result, char *text, size_t size)
{
    struct sink s;
    sink_init(&s, text, size - 1);
    if (result->outcome == PRICE_UNKNOWN_ITEM) {
        sink_text(&s, "the store has no such product");
    } else {
        sink_text(&s, "the price ");
        price_check_words(result->faults, &result->limits, &s);
    }
    text[s.size] = '\0';
}

/* ---- bulk ---- */

/* {"priceMinor": 6500}; 0 when it is not that, which price_check refuses. */
static int64_t price_of(struct span change)
{
    struct json j;
    struct span value = SPAN_NONE;
    int64_t price = 0;
    json_init(&j, change);
    bool fine = json_next(&j, &value) == JSON_OBJECT_BEGIN;
    fine = fine && json_next(&j, &value) == JSON_KEY;
    fine = fine && span_equal(value, SPAN_LIT("priceMinor"));
    fine = fine && json_next(&j, &value) == JSON_NUMBER;
    if (!fine || json_read_int(value, &price) != RES_OK) {
        return 0;
    }
    return price;
}

static void mark_of(const struct price_result *result, struct bulk_mark *ret)
{
    *ret = (struct bulk_mark){.state = BULK_SUCCEEDED};
    if (result->labels > 0) {
        ret->state = BULK_RUNNING;
    } else if (result->outcome == PRICE_SAME) {
        (void)!span_copy_text(SPAN_LIT("the price was this already"), ret->detail,
                              sizeof ret->detail);
    } else if (result->outcome != PRICE_CHANGED) {
        ret->state = BULK_FAILED;
        fault_words(result, ret->detail, sizeof ret->detail);
    }
}

struct bulk_work {
    struct bulk_batch batch;
    struct price_change changes[BULK_ROWS];
    struct price_result results[BULK_ROWS];
    struct bulk_mark marks[BULK_ROWS];
};

static void mark_all_failed(struct bulk_work *w, const char *words)
{
    for (size_t i = 0; i < w->batch.count; i++) {
        w->marks[i] = (struct bulk_mark){.state = BULK_FAILED};
        struct sink s;
        sink_init(&s, w->marks[i].detail, BULK_JOB_DETAIL_BYTES);
        sink_bytes(&s, span_text(words, BULK_JOB_DETAIL_BYTES));
    }
}

/* Within a transaction. */
static enum res apply_batch(struct pg_conn *c, struct bulk_work *w, size_t rows_max,
                            struct err *why)
{
    enum res r = bulk_job_take(c, BULK_PRICE, rows_max, &w->batch, why);
    if (r != RES_OK || w->batch.count == 0) {
        return r;
    }
    for (size_t i = 0; i < w->batch.count; i++) {
        struct bulk_row row;
        bulk_job_row(&w->batch, i, &row);
        w->changes[i] = (struct price_change){.item_id = "",
                                              .product_id = row.target,
                                              .price_minor = price_of(row.change),
                                              .row_number = row.row_number};
    }
    const struct price_order order = {.store_id = w->batch.store_id,
                                      .reason = "bulk",
                                      .changed_by = w->batch.created_by,
                                      .job_id = w->batch.job_id,
                                      .again = true};
    r = price_book_change(c, &order, w->changes, w->batch.count, w->results, why);
    if (r == RES_OK) {
        for (size_t i = 0; i < w->batch.count; i++) {
            mark_of(&w->results[i], &w->marks[i]);
        }
        r = bulk_job_mark(c, &w->batch, w->marks, why);
    }
    return r;
}

/* What cannot be done now or later would be tried for ever: its row fails with the words. */
static bool is_final(enum res r)
{
    return r == RES_INVALID || r == RES_LIMIT || r == RES_NOT_FOUND || r == RES_CONFLICT ||
           r == RES_CORRUPT;
}

static enum res fail_batch(struct pg_conn *c, struct bulk_work *w, struct err *why)
{
    mark_all_failed(w, why->text);
    enum res r = pg_conn_command(c, "BEGIN", why);
    return r == RES_OK ? pg_conn_end(c, bulk_job_mark(c, &w->batch, w->marks, why), why) : r;
}

/* One batch; *rows_max falls to 1 when a batch is refused as a whole, to find the row it is. */
static enum res bulk_once(struct pg_conn *c, struct bulk_work *w, size_t *rows_max, bool *ret_done,
                          struct err *why)
{
    w->batch = (struct bulk_batch){.count = 0};
    enum res r = pg_conn_command(c, "BEGIN", why);
    if (r != RES_OK) {
        return r;
    }
    r = pg_conn_end(c, apply_batch(c, w, *rows_max, why), why);
    *ret_done = r == RES_OK && w->batch.count == 0;
    if (is_final(r) && w->batch.count == 1) {
        r = fail_batch(c, w, why);
    } else if (is_final(r) && w->batch.count > 1) {
        *rows_max = 1;
        r = RES_OK;
    }
    bulk_job_release(&w->batch);
    return r;
}

enum res pricing_step_bulk(struct pg_conn *c, int64_t now_ms, struct err *why)
{
    (void)now_ms;
    struct bulk_work *w = calloc(1, sizeof *w);
    if (w == NULL) {
        err_set(why, "out of memory for a batch of prices");
        return RES_NO_MEMORY;
    }
    size_t rows_max = BULK_ROWS;
    bool done = false;
    enum res r = RES_OK;
    for (int i = 0; i < BULK_BATCHES && r == RES_OK && !done; i++) {
        r = bulk_once(c, w, &rows_max, &done, why);
    }
    free(w);
    return r;
}

/* ---- schedule ---- */

/* Two prices of one item that are both due take effect one after the other. */
static const char take_due[] =
    "SELECT schedule_id, store_id, item_id, price_minor, created_by FROM price_schedule s "
    "WHERE state = 'waiting' AND effective_at <= now() AND NOT EXISTS (SELECT FROM price_schedule "
    "e WHERE e.item_id = s.item_id AND e.state = 'waiting' AND (e.effective_at, e.created_at, "
    "e.schedule_id) < (s.effective_at, s.created_at, s.schedule_id)) "
    "ORDER BY effective_at, schedule_id LIMIT $1::bigint FOR UPDATE SKIP LOCKED";
static const char finish_due[] =
    "UPDATE price_schedule s SET state = t.state, detail = t.detail, finished_at = now() "
    "FROM unnest($1::uuid[], $2::text[], $3::text[]) AS t(schedule_id, state, detail) "
    "WHERE s.schedule_id = t.schedule_id";
static const char alert_refused[] =
    "SELECT raise_alert(s.store_id, 'rule_refused', 'medium', NULL, i.sku, 'rule_refused:' || "
    "s.schedule_id, left('The price of ' || i.sku || ' that was to take effect now was refused: ' "
    "|| s.detail, 500)) FROM price_schedule s JOIN item i USING (item_id) "
    "WHERE s.schedule_id = ANY ($1::uuid[]) AND s.state = 'refused'";

struct due {
    PGresult *rows;
    size_t count;
    char item_ids[SCHEDULE_ROWS][37];
    char schedule_ids[SCHEDULE_ROWS][37];
    char store_id[32];
    char created_by[65];
    struct price_change changes[SCHEDULE_ROWS];
    struct price_result results[SCHEDULE_ROWS];
};

static void choose_due(struct due *d)
{
    d->count = 0;
    for (int i = 0; i < PQntuples(d->rows); i++) {
        if (!span_equal(pg_get_span(d->rows, i, 1), pg_get_span(d->rows, 0, 1)) ||
            !span_equal(pg_get_span(d->rows, i, 4), pg_get_span(d->rows, 0, 4))) {
            continue;
        }
        size_t n = d->count++;
        pg_get_uuid(d->rows, i, 0, d->schedule_ids[n]);
        pg_get_uuid(d->rows, i, 2, d->item_ids[n]);
        d->changes[n] = (struct price_change){.item_id = d->item_ids[n],
                                              .price_minor = pg_get_i64(d->rows, i, 3)};
    }
}

static enum res finish(struct pg_conn *c, const struct due *d, const char *words, struct err *why)
{
    struct pg_rows done;
    struct pg_params p;
    pg_rows_init(&done, 3, COLUMN_BYTES_MAX);
    for (size_t i = 0; i < d->count; i++) {
        enum price_outcome o = d->results[i].outcome;
        bool applied = words == NULL && (o == PRICE_CHANGED || o == PRICE_SAME);
        char detail[PRICE_FAULT_KINDS * PRICE_RULE_BYTES];
        fault_words(&d->results[i], detail, sizeof detail);
        struct span said = span_text(words != NULL ? words : detail, 300);
        pg_array_span(pg_rows_next(&done), span_text(d->schedule_ids[i], 36));
        pg_array_span(pg_rows_next(&done), applied ? SPAN_LIT("applied") : SPAN_LIT("refused"));
        pg_array_span(pg_rows_next(&done), applied ? SPAN_NONE : said);
        pg_rows_end(&done);
    }
    enum res r = pg_conn_pipeline_begin(c, why);
    if (r == RES_OK) {
        r = pg_rows_add(&done, c, finish_due, why);
        if (r == RES_OK) {
            pg_params_init(&p);
            pg_params_cstr(&p, pg_array_close(&done.column[0]));
            r = pg_conn_pipeline_add(c, alert_refused, &p, why);
        }
        struct err ignored;
        enum res end = pg_conn_pipeline_finish(c, NULL, NULL, r == RES_OK ? why : &ignored);
        r = r == RES_OK ? end : r;
    }
    pg_rows_deinit(&done);
    return r;
}

/* Within a transaction. */
static enum res apply_due(struct pg_conn *c, struct due *d, struct err *why)
{
    struct pg_params p;
    pg_params_init(&p);
    pg_params_i64(&p, SCHEDULE_ROWS);
    d->count = 0;
    enum res r = pg_conn_run(c, take_due, &p, &d->rows, why);
    if (r != RES_OK || PQntuples(d->rows) == 0) {
        return r;
    }
    choose_due(d);
    if (span_copy_text(pg_get_span(d->rows, 0, 1), d->store_id, sizeof d->store_id) != RES_OK ||
        span_copy_text(pg_get_span(d->rows, 0, 4), d->created_by, sizeof d->created_by) != RES_OK) {
        err_set(why, "price schedule %s has a store or an author too long to be one",
                d->schedule_ids[0]);
        return RES_CORRUPT;
    }
    const struct price_order order = {
        .store_id = d->store_id, .reason = "schedule", .changed_by = d->created_by};
    r = price_book_change(c, &order, d->changes, d->count, d->results, why);
    if (r == RES_OK) {
        return finish(c, d, NULL, why);
    }
    if (r == RES_CONFLICT && PQtransactionStatus(pg_conn_handle(c)) == PQTRANS_INTRANS) {
        struct err said = *why; /* the store gave its prices to the till system meanwhile */
        return finish(c, d, said.text, why);
    }
    return r;
}

enum res pricing_step_schedule(struct pg_conn *c, int64_t now_ms, struct err *why)
{
    (void)now_ms;
    struct due *d = calloc(1, sizeof *d);
    if (d == NULL) {
        err_set(why, "out of memory for prices that take effect");
        return RES_NO_MEMORY;
    }
    enum res r = RES_OK;
    d->count = 1;
    for (int i = 0; i < SCHEDULE_BATCHES && r == RES_OK && d->count > 0; i++) {
        d->rows = NULL;
        r = pg_conn_command(c, "BEGIN", why);
        if (r == RES_OK) {
            r = pg_conn_end(c, apply_due(c, d, why), why);
        }
        PQclear(d->rows);
    }
    free(d);
    return r;
}

/* ---- rules ---- */

enum res pricing_step_rules(struct pg_conn *c, int64_t now_ms, struct err *why)
{
    (void)now_ms;
    return pricing_run_due(c, why);
}
