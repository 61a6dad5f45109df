#include "delivery_review.h"

#include <stdlib.h>

#include "delivery_configure.h"
#include "delivery_refresh.h"

#define ID_BYTES 24

static const char part_sql[] =
    "SELECT l.label_id::text FROM label l WHERE l.retired_at IS NULL AND "
    "(hashtext(l.label_id::text) & 2147483647) % $1::bigint = $2::bigint AND NOT EXISTS (SELECT "
    "FROM delivery d WHERE d.label_id = l.label_id AND d.created_at > now() - interval "
    "'10 minutes') ORDER BY random() LIMIT $3::bigint";

struct part {
    size_t count;
    const char *ids[DELIVERY_REVIEW_MAX];
    char texts[DELIVERY_REVIEW_MAX][ID_BYTES];
};

static enum res find_part(struct pg_conn *c, int64_t now_ms, struct part *ret, struct err *why)
{
    struct pg_params p;
    PGresult *rows = NULL;
    pg_params_init(&p);
    pg_params_i64(&p, DELIVERY_REVIEW_PARTS);
    pg_params_i64(&p, now_ms / DELIVERY_REVIEW_STEP_MS % DELIVERY_REVIEW_PARTS);
    pg_params_i64(&p, DELIVERY_REVIEW_MAX);
    enum res r = pg_conn_run(c, part_sql, &p, &rows, why);
    ret->count = 0;
    for (int i = 0; r == RES_OK && i < PQntuples(rows); i++) {
        r = span_copy_text(pg_get_span(rows, i, 0), ret->texts[i], ID_BYTES);
        ret->ids[i] = ret->texts[i];
        ret->count++;
    }
    PQclear(rows);
    return r;
}

/* What is shown first: a configuration that cannot be keeps no price from its label. */
static enum res review(struct pg_conn *c, const struct part *part, struct err *why)
{
    static const struct delivery_cause cause = {.job_id = NULL};
    struct delivery_count count;
    enum res r = pg_conn_command(c, "BEGIN", why);
    if (r == RES_OK) {
        r = delivery_refresh_labels(c, part->ids, part->count, &cause, &count, why);
        r = pg_conn_end(c, r, why);
    }
    if (r == RES_OK) {
        r = pg_conn_command(c, "BEGIN", why);
    }
    if (r == RES_OK) {
        r = delivery_configure(c, part->ids, NULL, part->count, &cause, 0, &count, why);
        r = pg_conn_end(c, r, why);
    }
    return r;
}

enum res delivery_review_step(struct pg_conn *c, int64_t now_ms, struct err *why)
{
    struct part *part = calloc(1, sizeof *part);
    if (part == NULL) {
        err_set(why, "out of memory for the labels to be looked at");
        return RES_NO_MEMORY;
    }
    enum res r = find_part(c, now_ms, part, why);
    if (r == RES_OK && part->count > 0) {
        r = review(c, part, why);
    }
    free(part);
    return r;
}
