#include "device_binding.h"

#include <stdlib.h>

#include "delivery_refresh.h"

#define COLUMN_BYTES_MAX (1024 * 1024)

/* A store's own item before its region's. */
#define ITEM_OF(sku, store)                                                                        \
    "coalesce((SELECT i.item_id FROM item i WHERE i.store_id = " store " AND i.sku = " sku         \
    " AND i.deleted_at IS NULL), (SELECT i.item_id FROM item i JOIN store r ON r.store_id "        \
    "= " store " WHERE i.store_id IS NULL AND i.region = r.region AND i.sku = " sku                \
    " AND i.deleted_at IS NULL LIMIT 1))"

/* Labels first, in order, then items, in order: everybody who binds does it so. A price change
 * holds the item and finds either the old binding or the new one, never half of both. */
static const char lock_labels[] =
    "SELECT count(*) FROM (SELECT FROM label WHERE label_id = ANY ($1::text[]) AND retired_at IS "
    "NULL AND ($2::text IS NULL OR store_id = $2) ORDER BY label_id FOR UPDATE) AS held";
static const char bad_rows[] =
    "SELECT * FROM (SELECT x.n::bigint, l.label_id IS NULL AS stranger, x.device IN (SELECT d FROM "
    "unnest($1::text[]) AS t(d) GROUP BY d HAVING count(*) > 1) AS twice, x.sku IS NOT NULL AND "
    "l.label_id IS NOT NULL AND " ITEM_OF(
        "x.sku", "l.store_id") " IS NULL AS unknown FROM "
                               "unnest($1::text[], $3::text[]) WITH ORDINALITY AS x(device, sku, "
                               "n) LEFT JOIN label l ON "
                               "l.label_id = x.device AND l.retired_at IS NULL AND ($2::text IS "
                               "NULL OR l.store_id = $2)) "
                               "AS judged WHERE stranger OR twice OR unknown ORDER BY n";
static const char lock_items[] =
    "SELECT count(*) FROM (SELECT FROM item WHERE item_id IN (SELECT l.item_id FROM label l WHERE "
    "l.label_id = ANY ($1::text[]) UNION SELECT " ITEM_OF(
        "x.sku", "l.store_id") " FROM "
                               "unnest($1::text[], $3::text[]) AS x(device, sku) JOIN label l ON "
                               "l.label_id = x.device WHERE "
                               "x.sku IS NOT NULL AND ($2::text IS NULL OR l.store_id = $2)) ORDER "
                               "BY item_id FOR UPDATE) "
                               "AS held";
static const char bind_labels[] =
    "WITH wanted AS (SELECT l.label_id, CASE WHEN x.sku IS NOT NULL THEN "
    "" ITEM_OF(
        "x.sku",
        "l.store_id") " END AS item_id FROM unnest($1::text[], $3::text[]) AS "
                      "x(device, sku) JOIN label l ON l.label_id = x.device "
                      "WHERE $2::text IS NULL OR l.store_id = $2), "
                      "bound AS (UPDATE label l SET item_id = w.item_id FROM wanted w WHERE "
                      "l.label_id = w.label_id "
                      "AND l.item_id IS DISTINCT FROM w.item_id "
                      "RETURNING l.label_id, l.store_id, l.item_id), "
                      "told AS (INSERT INTO label_binding (label_id, store_id, item_id, actor) "
                      "SELECT label_id, store_id, item_id, $4 FROM bound) "
                      "SELECT label_id::text FROM bound ORDER BY label_id";

static void add_wrong(const PGresult *bad, const struct device_binding *bindings, bool rows,
                      struct fleet_refusal *wrong)
{
    for (int i = 0; i < PQntuples(bad); i++) {
        size_t n = (size_t)pg_get_i64(bad, i, 0);
        const struct device_binding *b = &bindings[n - 1];
        size_t row = rows ? n : 0;
        if (pg_get_bool(bad, i, 1)) {
            fleet_refusal_add(wrong, row, "deviceId", span_text(b->device_id, 64),
                              "a label of the store");
        } else if (pg_get_bool(bad, i, 2)) {
            fleet_refusal_add(wrong, row, "deviceId", span_text(b->device_id, 64),
                              "each label once");
        }
        if (pg_get_bool(bad, i, 3)) {
            fleet_refusal_add(wrong, row, "productId", span_text(b->product_id, 64),
                              "a product of the store");
        }
    }
}

static enum res refresh(struct pg_conn *c, const PGresult *bound, struct device_binding_count *ret,
                        struct err *why)
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
        *ret = (struct device_binding_count){(int64_t)count, delivered.changed};
    }
    return r;
}

static enum res apply(struct pg_conn *c, const struct pg_params *three,
                      const struct device_binding *bindings, bool rows, const char *actor,
                      struct fleet_refusal *wrong, struct device_binding_count *ret,
                      struct err *why)
{
    struct pg_params two = *three;
    struct pg_params four = *three;
    PGresult *got = NULL;
    two.count = 2;
    pg_params_cstr(&four, actor);
    enum res r = pg_conn_run(c, lock_labels, &two, NULL, why);
    if (r == RES_OK) {
        r = pg_conn_run(c, bad_rows, three, &got, why);
    }
    if (r != RES_OK) {
        return r;
    }
    add_wrong(got, bindings, rows, wrong);
    PQclear(got);
    got = NULL;
    if (wrong->count > 0) {
        return RES_OK;
    }
    r = pg_conn_run(c, lock_items, three, NULL, why);
    if (r == RES_OK) {
        r = pg_conn_run(c, bind_labels, &four, &got, why);
    }
    if (r == RES_OK) {
        r = refresh(c, got, ret, why);
    }
    PQclear(got);
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
        r = apply(c, &p, bindings, rows, actor, wrong, ret, why);
    }
    pg_array_deinit(&devices);
    pg_array_deinit(&products);
    return r;
}
