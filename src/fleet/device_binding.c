#include "device_binding.h"

#include <stdlib.h>

#include "delivery_refresh.h"

#define COLUMN_BYTES_MAX (1024 * 1024)
#define STEP_ROWS        1000 /* bound by one statement: each is limited to PG_API_TIMEOUT_MS */
#define MANY             100  /* rows from which on tables are better read whole */

/* Labels first, in order, then items, in order: everybody who binds does it so. A price change
 * holds the item and finds either the old binding or the new one, never half of both. Its new
 * deliveries refer to the labels: what they need of them must not wait for us, who wait for its
 * items. */
static const char lock_labels[] =
    "SELECT count(*) FROM (SELECT FROM label WHERE label_id = ANY ($1::text[]) AND retired_at IS "
    "NULL AND ($2::text IS NULL OR store_id = $2) ORDER BY label_id FOR NO KEY UPDATE) AS held";
enum judged { STRANGER, TWICE, UNKNOWN, ITEM };
/* A store's own item before its region's. */
static const char judge_rows[] =
    "SELECT DISTINCT ON (x.n) l.label_id IS NULL, t.d IS NOT NULL, x.sku IS NOT NULL AND "
    "l.label_id "
    "IS NOT NULL AND coalesce(i.item_id, r.item_id) IS NULL, coalesce(i.item_id, r.item_id) FROM "
    "unnest($1::text[], $3::text[]) WITH ORDINALITY AS x(device, sku, n) LEFT JOIN label l ON "
    "l.label_id = x.device AND l.retired_at IS NULL AND ($2::text IS NULL OR l.store_id = $2) LEFT "
    "JOIN store s ON s.store_id = l.store_id LEFT JOIN item i ON i.store_id = l.store_id AND i.sku "
    "= x.sku AND i.deleted_at IS NULL LEFT JOIN item r ON r.store_id IS NULL AND r.region = "
    "s.region AND r.sku = x.sku AND r.deleted_at IS NULL LEFT JOIN (SELECT d FROM "
    "unnest($1::text[]) AS u(d) GROUP BY d HAVING count(*) > 1) AS t ON t.d = x.device "
    "ORDER BY x.n";
static const char lock_items[] =
    "SELECT count(*) FROM (SELECT FROM item WHERE item_id IN (SELECT l.item_id FROM label l WHERE "
    "l.label_id = ANY ($1::text[]) UNION SELECT unnest($2::uuid[])) ORDER BY item_id FOR UPDATE) "
    "AS held";
static const char lock_shadows[] =
    "SELECT count(*) FROM (SELECT FROM shadow WHERE device_id = ANY ($1::text[]) ORDER BY "
    "device_id FOR UPDATE) AS held";
static const char bind_labels[] =
    "WITH bound AS (UPDATE label l SET item_id = w.item_id FROM unnest($1::text[], $2::uuid[]) AS "
    "w(label_id, item_id) WHERE l.label_id = w.label_id AND l.item_id IS DISTINCT FROM w.item_id "
    "RETURNING l.label_id, l.store_id, l.item_id), told AS (INSERT INTO label_binding (label_id, "
    "store_id, item_id, actor) SELECT label_id, store_id, item_id, $3 FROM bound) "
    "SELECT label_id::text FROM bound ORDER BY label_id";

static void add_wrong(const PGresult *judged, const struct device_binding *bindings, bool rows,
                      struct fleet_refusal *wrong)
{
    for (int i = 0; i < PQntuples(judged); i++) {
        const struct device_binding *b = &bindings[i];
        size_t row = rows ? (size_t)i + 1 : 0;
        bool stranger = pg_get_bool(judged, i, STRANGER);
        if (stranger || pg_get_bool(judged, i, TWICE)) {
            fleet_refusal_add(wrong, row, "deviceId", span_text(b->device_id, 64),
                              stranger ? "a label of the store" : "each label once");
        }
        if (pg_get_bool(judged, i, UNKNOWN)) {
            fleet_refusal_add(wrong, row, "productId", span_text(b->product_id, 64),
                              "a product of the store");
        }
    }
}

static enum res refresh(struct pg_conn *c, const PGresult *bound,
                        struct device_binding_count *count_of, struct err *why)
{
    static const struct delivery_cause cause = {.job_id = NULL};
    size_t count = (size_t)PQntuples(bound);
    struct delivery_count delivered = {0, 0};
    enum res r = RES_OK;
    if (count > 0) {
        const char **ids = calloc(count, sizeof *ids);
        char(*texts)[24] = calloc(count, sizeof *texts);
        r = ids == NULL || texts == NULL ? RES_NO_MEMORY : RES_OK;
        for (size_t i = 0; r == RES_OK && i < count; i++) {
            r = span_copy_text(pg_get_span(bound, (int)i, 0), texts[i], sizeof texts[i]);
            ids[i] = texts[i];
        }
        if (r == RES_OK) {
            r = delivery_refresh_labels(c, ids, count, &cause, &delivered, why);
        } else {
            err_set(why, "out of memory for %zu labels", count);
        }
        free(texts);
        free(ids);
    }
    if (r == RES_OK) {
        count_of->changed += (int64_t)count;
        count_of->delivered += delivered.changed;
    }
    return r;
}

/* The pairs from..end as two arrays. */
struct pairs {
    struct pg_array devices;
    struct pg_array items;
};

static enum res pairs_init(struct pairs *x, const struct device_binding *bindings,
                           const PGresult *judged, size_t from, size_t end, struct pg_params *ret,
                           struct err *why)
{
    pg_array_init(&x->devices, COLUMN_BYTES_MAX);
    pg_array_init(&x->items, COLUMN_BYTES_MAX);
    for (size_t i = from; i < end; i++) {
        char id[37];
        pg_array_span(&x->devices, span_text(bindings[i].device_id, 64));
        if (pg_get_is_null(judged, (int)i, ITEM)) {
            pg_array_null(&x->items);
        } else {
            pg_get_uuid(judged, (int)i, ITEM, id);
            pg_array_span(&x->items, span_of(id, 36));
        }
    }
    const char *devices = pg_array_close(&x->devices);
    const char *items = pg_array_close(&x->items);
    pg_params_init(ret);
    pg_params_cstr(ret, devices);
    pg_params_cstr(ret, items);
    if (devices == NULL || items == NULL) {
        err_set(why, "out of memory for bindings");
        return RES_NO_MEMORY;
    }
    return RES_OK;
}

static void pairs_deinit(struct pairs *x)
{
    pg_array_deinit(&x->devices);
    pg_array_deinit(&x->items);
}

static enum res bind_some(struct pg_conn *c, const struct device_binding *bindings,
                          const PGresult *judged, size_t from, size_t end, const char *actor,
                          struct device_binding_count *count, struct err *why)
{
    struct pairs pairs;
    struct pg_params p;
    PGresult *bound = NULL;
    enum res r = pairs_init(&pairs, bindings, judged, from, end, &p, why);
    pg_params_cstr(&p, actor);
    if (r == RES_OK) {
        r = pg_conn_run(c, bind_labels, &p, &bound, why);
    }
    if (r == RES_OK) {
        r = refresh(c, bound, count, why);
    }
    PQclear(bound);
    pairs_deinit(&pairs);
    return r;
}

/* Everything is locked first, in order, so that the steps need no order of their own. */
static enum res bind(struct pg_conn *c, const struct device_binding *bindings,
                     const PGresult *judged, const char *actor, struct device_binding_count *ret,
                     struct err *why)
{
    struct pairs pairs;
    struct pg_params two;
    struct device_binding_count count = {0, 0};
    size_t total = (size_t)PQntuples(judged);
    enum res r = pairs_init(&pairs, bindings, judged, 0, total, &two, why);
    if (r == RES_OK) {
        r = pg_conn_run(c, lock_items, &two, NULL, why);
    }
    if (r == RES_OK) {
        two.count = 1;
        r = pg_conn_run(c, lock_shadows, &two, NULL, why);
    }
    pairs_deinit(&pairs);
    for (size_t at = 0; r == RES_OK && at < total; at += STEP_ROWS) {
        size_t end = at + STEP_ROWS < total ? at + STEP_ROWS : total;
        r = bind_some(c, bindings, judged, at, end, actor, &count, why);
    }
    if (r == RES_OK) {
        *ret = count;
    }
    return r;
}

static enum res apply(struct pg_conn *c, const struct pg_params *three,
                      const struct device_binding *bindings, size_t count, bool rows,
                      const char *actor, struct fleet_refusal *wrong,
                      struct device_binding_count *ret, struct err *why)
{
    struct pg_params two = *three;
    PGresult *judged = NULL;
    two.count = 2;
    /* A store that is being set up has labels and items the planner knows nothing of yet: its guess
     * of one row each would make a loop in a loop of the joins. */
    enum res r = count < MANY ? RES_OK
                              : pg_conn_command(c,
                                                "SET LOCAL enable_nestloop = off; SET LOCAL "
                                                "plan_cache_mode = force_custom_plan",
                                                why);
    if (r == RES_OK) {
        r = pg_conn_run(c, lock_labels, &two, NULL, why);
    }
    if (r == RES_OK) {
        r = pg_conn_run(c, judge_rows, three, &judged, why);
    }
    if (r == RES_OK) {
        add_wrong(judged, bindings, rows, wrong);
        if (wrong->count == 0) {
            r = bind(c, bindings, judged, actor, ret, why);
        }
    }
    PQclear(judged);
    return r;
}

enum res device_binding_apply(struct pg_conn *c, const char *store_id,
                              const struct device_binding *bindings, size_t count, bool rows,
                              const char *actor, struct fleet_refusal *wrong,
                              struct device_binding_count *ret, struct err *why)
{
    struct pg_array devices;
    struct pg_array products;
    pg_array_init(&devices, COLUMN_BYTES_MAX);
    pg_array_init(&products, COLUMN_BYTES_MAX);
    for (size_t i = 0; i < count; i++) {
        pg_array_span(&devices, span_text(bindings[i].device_id, 64));
        if (bindings[i].product_id == NULL) {
            pg_array_null(&products);
        } else {
            pg_array_span(&products, span_text(bindings[i].product_id, 64));
        }
    }
    struct pg_params p;
    pg_params_init(&p);
    const char *device_texts = pg_array_close(&devices);
    const char *product_texts = pg_array_close(&products);
    enum res r = RES_LIMIT;
    if (device_texts == NULL || product_texts == NULL) {
        err_set(why, "%zu bindings do not fit in memory", count);
    } else {
        pg_params_cstr(&p, device_texts);
        pg_params_cstr(&p, store_id);
        pg_params_cstr(&p, product_texts);
        r = apply(c, &p, bindings, count, rows, actor, wrong, ret, why);
    }
    pg_array_deinit(&devices);
    pg_array_deinit(&products);
    return r;
}
