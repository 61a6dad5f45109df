#include "catalog_apply.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "catalog_text.h"
#include "money.h"
#include "price_book.h"

#define BATCH_ITEMS     PRICE_BOOK_BATCH_MAX
#define LINES_BYTES_MAX (32 * 1024 * 1024)
#define UUID_TEXT_BYTES 36
#define RULE_BYTES_MAX  160
#define VALUE_BYTES_MAX 32

/* Refused rows wait here too, so that `full` spares their items. */
static const char create_stage[] =
    "CREATE TEMPORARY TABLE catalog_stage (line bigint, refused boolean, gtin text, sku text, "
    "name jsonb, description jsonb, category text, sub_category text, brand text, "
    "price_minor bigint, mrp_minor bigint, cost_minor bigint, weight_g bigint, per_kg boolean, "
    "stock bigint, reorder bigint, item_id uuid, added boolean NOT NULL DEFAULT false, "
    "changed boolean NOT NULL DEFAULT false, other boolean NOT NULL DEFAULT false, "
    "repriced boolean NOT NULL DEFAULT false, revived boolean NOT NULL DEFAULT false) "
    "ON COMMIT DROP";

/* Which item a row is about: the one with its gtin, else with its sku, else a deleted one. */
static const char match_gtin[] =
    "UPDATE catalog_stage s SET item_id = i.item_id FROM item i "
    "WHERE i.store_id = $1 AND i.deleted_at IS NULL AND i.gtin = s.gtin";
static const char match_sku[] =
    "UPDATE catalog_stage s SET item_id = i.item_id FROM item i "
    "WHERE s.item_id IS NULL AND i.store_id = $1 AND i.deleted_at IS NULL AND i.sku = s.sku "
    "AND NOT EXISTS (SELECT FROM catalog_stage o WHERE o.item_id = i.item_id)";
static const char match_deleted[] =
    "UPDATE catalog_stage s SET item_id = d.item_id FROM (SELECT DISTINCT ON (gtin) item_id, gtin "
    "FROM item WHERE store_id = $1 AND deleted_at IS NOT NULL ORDER BY gtin, deleted_at DESC) d "
    "WHERE s.item_id IS NULL AND NOT s.refused AND d.gtin = s.gtin";
/* In the order every writer of items takes (price_book.h). */
static const char lock_matched[] =
    "SELECT FROM item WHERE store_id = $1 AND item_id IN (SELECT item_id FROM catalog_stage) "
    "ORDER BY item_id FOR UPDATE";
static const char lock_all[] =
    "SELECT FROM item WHERE store_id = $1 AND (deleted_at IS NULL OR item_id IN "
    "(SELECT item_id FROM catalog_stage)) ORDER BY item_id FOR UPDATE";

/* The price a feed speaks of: while an item is on sale, the one it will have afterwards. */
#define REGULAR                                                                                    \
    "CASE WHEN i.is_flash_sale THEN coalesce(i.regular_minor, i.price_minor) "                     \
    "ELSE i.price_minor END"
static const char keep_prices[] =
    "UPDATE catalog_stage s SET price_minor = " REGULAR ", mrp_minor = NULL, cost_minor = NULL "
    "FROM item i WHERE i.item_id = s.item_id";

/* A row that says no price means the one in force. */
static const char take_prices[] = "UPDATE catalog_stage s SET price_minor = " REGULAR
                                  " FROM item i WHERE i.item_id = s.item_id AND s.price_minor IS "
                                  "NULL AND NOT s.refused";

/* What only the database can refuse: line and value. */
static const char refuse_incomplete[] =
    "UPDATE catalog_stage SET refused = true WHERE NOT refused AND item_id IS NULL AND "
    "(price_minor IS NULL OR name IS NULL OR NOT name ? 'en') "
    "RETURNING line, CASE WHEN price_minor IS NULL THEN 'price' ELSE 'name' END";
static const char refuse_taken_sku[] =
    "UPDATE catalog_stage s SET refused = true FROM item i WHERE NOT s.refused "
    "AND i.store_id = $1 AND i.deleted_at IS NULL AND i.sku = s.sku "
    "AND i.item_id IS DISTINCT FROM s.item_id RETURNING s.line, s.sku";
/* Prices that would change and what they may be, as far as that could refuse them. */
static const char suspect_prices[] =
    "SELECT * FROM (SELECT s.line, s.price_minor, least(coalesce(s.mrp_minor, i.mrp_minor), "
    "(SELECT min(b.mrp_minor) FROM item_batch b WHERE b.item_id = i.item_id AND b.store_id = "
    "i.store_id AND b.state = 'listed'))::bigint AS mrp, cb.min_minor::bigint AS least, "
    "cb.max_minor::bigint AS most FROM catalog_stage s LEFT JOIN item i USING (item_id) "
    "LEFT JOIN category_bound cb ON cb.store_id = $1 AND cb.category = "
    "coalesce(s.category, i.category, 'Other') WHERE NOT s.refused AND (i.item_id IS NULL OR "
    "s.price_minor <> " REGULAR " OR s.mrp_minor < s.price_minor OR (i.mrp_minor IS NOT NULL AND "
    "s.mrp_minor <> i.mrp_minor))) x WHERE price_minor > mrp OR price_minor < least OR "
    "price_minor > most ORDER BY line";
static const char refuse_lines[] =
    "UPDATE catalog_stage SET refused = true WHERE line = ANY ($1::bigint[])";

static const char find_changes[] =
    "UPDATE catalog_stage s SET repriced = s.price_minor <> " REGULAR ", "
    "revived = i.deleted_at IS NOT NULL, "
    "other = i.deleted_at IS NOT NULL OR (i.gtin::text, i.sku, i.name, i.description, "
    "i.category, i.sub_category, i.brand, i.mrp_minor, i.cost_minor, "
    "i.expected_weight_g, i.per_kg, i.stock_count, i.reorder_level) IS DISTINCT FROM "
    "(s.gtin, s.sku, coalesce(i.name || s.name, i.name), coalesce(i.description || s.description, "
    "s.description, "
    "i.description), coalesce(s.category, i.category), coalesce(s.sub_category, i.sub_category), "
    "coalesce(s.brand, i.brand), coalesce(s.mrp_minor, i.mrp_minor), "
    "coalesce(s.cost_minor, i.cost_minor), coalesce(s.weight_g, i.expected_weight_g), "
    "coalesce(s.per_kg, i.per_kg), coalesce(s.stock, i.stock_count), "
    "coalesce(s.reorder, i.reorder_level)) "
    "FROM item i WHERE i.item_id = s.item_id AND NOT s.refused";
static const char sum_changes[] = "UPDATE catalog_stage SET changed = true WHERE other OR repriced";
static const char mark_new[] = "UPDATE catalog_stage SET item_id = gen_random_uuid(), added = true "
                               "WHERE item_id IS NULL AND NOT refused";
/* An MRP below the price in force waits until the price has fallen. */
static const char update_items[] =
    "UPDATE item i SET gtin = s.gtin, sku = s.sku, "
    "name = coalesce(i.name || s.name, i.name), "
    "description = coalesce(i.description || s.description, s.description, i.description), "
    "category = coalesce(s.category, i.category), "
    "sub_category = coalesce(s.sub_category, i.sub_category), brand = coalesce(s.brand, i.brand), "
    "mrp_minor = CASE WHEN s.mrp_minor < i.price_minor THEN i.mrp_minor "
    "ELSE coalesce(s.mrp_minor, i.mrp_minor) END, "
    "cost_minor = coalesce(s.cost_minor, i.cost_minor), "
    "expected_weight_g = coalesce(s.weight_g, i.expected_weight_g), "
    "per_kg = coalesce(s.per_kg, i.per_kg), stock_count = coalesce(s.stock, i.stock_count), "
    "reorder_level = coalesce(s.reorder, i.reorder_level), "
    "updated_at = now(), deleted_at = NULL, source_position = s.line "
    "FROM catalog_stage s WHERE i.item_id = s.item_id AND s.changed AND NOT s.refused";
static const char lower_mrp[] =
    "UPDATE item i SET mrp_minor = s.mrp_minor FROM catalog_stage s WHERE i.item_id = s.item_id "
    "AND NOT s.refused AND NOT s.added AND s.mrp_minor IS NOT NULL AND i.mrp_minor IS DISTINCT "
    "FROM s.mrp_minor";
static const char insert_items[] =
    "INSERT INTO item (item_id, store_id, sku, gtin, name, description, category, sub_category, "
    "brand, expected_weight_g, per_kg, price_minor, mrp_minor, cost_minor, currency, stock_count, "
    "reorder_level, source, source_position) SELECT item_id, $1::text, sku, gtin, name, "
    "description, coalesce(category, 'Other'), sub_category, brand, weight_g, "
    "coalesce(per_kg, false), price_minor, mrp_minor, cost_minor, (SELECT currency FROM store "
    "WHERE store_id = $1::text), coalesce(stock, 0), coalesce(reorder, 0), $2, line "
    "FROM catalog_stage WHERE added";
static const char open_prices[] =
    "INSERT INTO price (item_id, store_id, version, price_minor, mrp_minor, currency, reason, "
    "changed_by) SELECT i.item_id, $1::text, i.price_version, i.price_minor, i.mrp_minor, "
    "i.currency, $2, $3 FROM item i JOIN catalog_stage s USING (item_id) WHERE s.added";
static const char delete_missing[] =
    "UPDATE item i SET deleted_at = now(), updated_at = now() WHERE i.store_id = $1 "
    "AND i.deleted_at IS NULL "
    "AND NOT EXISTS (SELECT FROM catalog_stage s WHERE s.item_id = i.item_id) RETURNING item_id";

/* Price by price through the price book; then what else labels show. */
static const char repriced_items[] =
    "SELECT item_id, price_minor, line FROM catalog_stage WHERE repriced AND NOT refused "
    "ORDER BY item_id";
static const char shown_items[] =
    "SELECT item_id FROM catalog_stage WHERE other AND NOT refused ORDER BY item_id";
static const char fulfil_requests[] =
    "UPDATE price_request r SET state = 'done', finished_at = now() FROM item i "
    "WHERE r.store_id = $1 AND r.state = 'open' AND i.item_id = r.item_id "
    "AND i.price_minor = r.price_minor";

static const char count_rows[] =
    "SELECT count(*) FILTER (WHERE added), count(*) FILTER (WHERE changed AND NOT refused), "
    "count(*) FILTER (WHERE repriced AND NOT refused), "
    "count(*) FILTER (WHERE other AND NOT refused), "
    "(SELECT count(*) FROM item WHERE store_id = $1 AND deleted_at IS NULL), "
    "count(*) FILTER (WHERE revived AND NOT refused) FROM catalog_stage";
static const char raise_version[] =
    "INSERT INTO catalogue_version AS v (store_id, version, item_count) VALUES ($1, 1, $2) "
    "ON CONFLICT (store_id) DO UPDATE SET version = v.version + 1, "
    "item_count = excluded.item_count, changed_at = now()";
static const char read_version[] =
    "SELECT coalesce(max(version), 0) FROM catalogue_version WHERE store_id = $1";
static const char record_import[] =
    "INSERT INTO catalogue_import (store_id, source, mode, read_count, refused_count, added_count, "
    "changed_count, repriced_count, deleted_count, version) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

static const char *source_name(const struct catalog_apply *a)
{
    static const char *const names[] = {"csv", "pos", "platform"};
    return names[a->settings->source];
}

static const char *reason_name(const struct catalog_apply *a)
{
    static const char *const names[] = {"import", "pos_sync", "manual"};
    return names[a->settings->source];
}

static enum res run(struct catalog_apply *a, const char *sql, PGresult **ret_rows)
{
    struct pg_params p;
    pg_params_init(&p);
    if (strstr(sql, "$1") != NULL) {
        pg_params_cstr(&p, a->settings->store_id);
    }
    return pg_conn_run(a->c, sql, &p, ret_rows, a->why);
}

enum res catalog_apply_begin(struct catalog_apply *a)
{
    enum res r =
        run(a, "SELECT pg_advisory_xact_lock(hashtextextended('catalogue:' || $1::text, 0))", NULL);
    return r == RES_OK ? pg_conn_command(a->c, create_stage, a->why) : r;
}

void catalog_apply_refuse(struct catalog_apply *a, const struct catalog_refusals *refusals,
                          size_t line)
{
    a->summary.refused++;
    for (size_t i = 0; a->settings->refused != NULL && i < refusals->count; i++) {
        struct catalog_refusal refusal = refusals->items[i];
        refusal.line = line;
        a->settings->refused(a->settings->user, &refusal);
    }
}

/* ---- refusing ---- */

/* A product that is not there yet has to have both. */
static enum res refuse_new(struct catalog_apply *a)
{
    PGresult *rows = NULL;
    enum res r = run(a, refuse_incomplete, &rows);
    for (int i = 0; r == RES_OK && i < PQntuples(rows); i++) {
        bool price = span_equal(pg_get_span(rows, i, 1), SPAN_LIT("price"));
        struct catalog_refusals refusals = {
            .count = 1,
            .items = {{.field = price ? "price" : "name",
                       .reason = "is missing, and the product is not there yet"}}};
        catalog_apply_refuse(a, &refusals, (size_t)pg_get_i64(rows, i, 0));
    }
    PQclear(rows);
    return r;
}

static enum res refuse_skus(struct catalog_apply *a)
{
    PGresult *rows = NULL;
    enum res r = run(a, refuse_taken_sku, &rows);
    for (int i = 0; r == RES_OK && i < PQntuples(rows); i++) {
        struct catalog_refusals refusals = {
            .count = 1,
            .items = {{.field = "sku",
                       .value = pg_get_span(rows, i, 1),
                       .reason = "belongs to an item with another gtin"}}};
        catalog_apply_refuse(a, &refusals, (size_t)pg_get_i64(rows, i, 0));
    }
    PQclear(rows);
    return r;
}

/* A line of suspect_prices, in the words of the one judge of prices; the first rule it breaks. */
static void refuse_price(struct catalog_apply *a, const PGresult *rows, int row)
{
    struct price_limits limits = {.mrp_minor = pg_get_i64(rows, row, 2),
                                  .min_minor = pg_get_i64(rows, row, 3),
                                  .max_minor = pg_get_i64(rows, row, 4)};
    int64_t price = pg_get_i64(rows, row, 1);
    memcpy(limits.currency, a->currency, sizeof limits.currency);
    unsigned faults = price_check(price, SPAN_NONE, &limits);
    assert(faults != 0 && "the query and price_check agree");
    char rule[RULE_BYTES_MAX];
    char value[VALUE_BYTES_MAX];
    struct sink s;
    struct sink v;
    sink_init(&s, rule, sizeof rule - 1);
    sink_text(&s, "must be ");
    price_check_rule((enum price_fault)(faults & -faults), &limits, &s);
    rule[s.size] = '\0';
    sink_init(&v, value, sizeof value);
    money_write(&v, price);
    struct catalog_refusals refusals = {
        .count = 1, .items = {{.field = "price", .value = sink_span(&v), .reason = rule}}};
    catalog_apply_refuse(a, &refusals, (size_t)pg_get_i64(rows, row, 0));
}

static enum res refuse_prices(struct catalog_apply *a)
{
    struct pg_array lines;
    struct pg_params p;
    PGresult *rows = NULL;
    enum res r = run(a, suspect_prices, &rows);
    if (r != RES_OK || PQntuples(rows) == 0) {
        PQclear(rows);
        return r;
    }
    pg_array_init(&lines, LINES_BYTES_MAX);
    for (int i = 0; i < PQntuples(rows); i++) {
        refuse_price(a, rows, i);
        pg_array_i64(&lines, pg_get_i64(rows, i, 0));
    }
    PQclear(rows);
    const char *text = pg_array_close(&lines);
    if (text == NULL) {
        err_set(a->why, "out of memory while checking prices");
        r = RES_NO_MEMORY;
    } else {
        pg_params_init(&p);
        pg_params_cstr(&p, text);
        r = pg_conn_run(a->c, refuse_lines, &p, NULL, a->why);
    }
    pg_array_deinit(&lines);
    return r;
}

static enum res match(struct catalog_apply *a)
{
    const char *const steps[] = {match_gtin, match_sku, match_deleted,
                                 a->settings->full ? lock_all : lock_matched};
    enum res r = pg_conn_command(a->c, "ANALYZE catalog_stage", a->why);
    for (size_t i = 0; r == RES_OK && i < sizeof steps / sizeof steps[0]; i++) {
        r = run(a, steps[i], NULL);
    }
    if (r == RES_OK && a->settings->keep_prices) {
        r = run(a, keep_prices, NULL);
    }
    if (r == RES_OK) {
        r = run(a, take_prices, NULL);
    }
    if (r == RES_OK) {
        r = refuse_new(a);
    }
    if (r == RES_OK) {
        r = refuse_skus(a);
    }
    if (r == RES_OK) {
        r = refuse_prices(a);
    }
    if (r == RES_OK && a->settings->all_or_nothing && a->summary.refused > 0) {
        err_set(a->why, "rows were refused, so nothing was changed");
        r = RES_DENIED;
    }
    return r;
}

/* ---- writing ---- */

static enum res insert_new(struct catalog_apply *a)
{
    struct pg_params p;
    pg_params_init(&p);
    pg_params_cstr(&p, a->settings->store_id);
    pg_params_cstr(&p, source_name(a));
    enum res r = pg_conn_run(a->c, insert_items, &p, NULL, a->why);
    if (r == RES_OK) {
        pg_params_init(&p);
        pg_params_cstr(&p, a->settings->store_id);
        pg_params_cstr(&p, reason_name(a));
        pg_params_cstr(&p, a->settings->changed_by);
        r = pg_conn_run(a->c, open_prices, &p, NULL, a->why);
    }
    return r;
}

/* Rows first..first+count of repriced_items. */
static enum res reprice_batch(struct catalog_apply *a, const PGresult *rows, int first,
                              size_t count)
{
    static const char *const words = "a price that was fine when it was checked";
    const struct price_order order = {.store_id = a->settings->store_id,
                                      .reason = reason_name(a),
                                      .changed_by = a->settings->changed_by};
    struct price_change *changes = calloc(count, sizeof *changes);
    struct price_result *results = calloc(count, sizeof *results);
    char(*ids)[UUID_TEXT_BYTES + 1] = calloc(count, sizeof *ids);
    enum res r = RES_NO_MEMORY;
    if (changes != NULL && results != NULL && ids != NULL) {
        for (size_t i = 0; i < count; i++) {
            pg_get_uuid(rows, first + (int)i, 0, ids[i]);
            changes[i].item_id = ids[i];
            changes[i].price_minor = pg_get_i64(rows, first + (int)i, 1);
        }
        r = price_book_change(a->c, &order, changes, count, results, a->why);
    } else {
        err_set(a->why, "out of memory while changing prices");
    }
    for (size_t i = 0; r == RES_OK && i < count; i++) {
        if (results[i].outcome == PRICE_REFUSED || results[i].outcome == PRICE_UNKNOWN_ITEM) {
            err_set(a->why, "line %lld: the price book refuses %s",
                    (long long)pg_get_i64(rows, first + (int)i, 2), words);
            r = RES_INVALID;
        }
    }
    free(changes);
    free(results);
    free(ids);
    return r;
}

static enum res reprice(struct catalog_apply *a)
{
    PGresult *rows = NULL;
    enum res r = run(a, repriced_items, &rows);
    int total = r == RES_OK ? PQntuples(rows) : 0;
    for (int first = 0; r == RES_OK && first < total; first += BATCH_ITEMS) {
        int count = total - first < BATCH_ITEMS ? total - first : BATCH_ITEMS;
        r = reprice_batch(a, rows, first, (size_t)count);
    }
    PQclear(rows);
    return r == RES_OK ? run(a, lower_mrp, NULL) : r;
}

/* The labels of the items in the first column. */
static enum res show(struct catalog_apply *a, const PGresult *rows)
{
    static const struct delivery_cause cause = {.job_id = NULL};
    char(*ids)[UUID_TEXT_BYTES + 1] = calloc(BATCH_ITEMS, sizeof *ids);
    struct delivery_item *items = calloc(BATCH_ITEMS, sizeof *items);
    struct delivery_count count;
    enum res r = RES_OK;
    if (ids == NULL || items == NULL) {
        err_set(a->why, "out of memory while telling the labels");
        r = RES_NO_MEMORY;
    }
    for (int row = 0; r == RES_OK && row < PQntuples(rows);) {
        size_t n = 0;
        for (; n < BATCH_ITEMS && row < PQntuples(rows); n++, row++) {
            pg_get_uuid(rows, row, 0, ids[n]);
            items[n] = (struct delivery_item){.item_id = ids[n]};
        }
        r = delivery_refresh_items(a->c, items, n, &cause, &count, a->why);
    }
    free(ids);
    free(items);
    return r;
}

static enum res show_changed(struct catalog_apply *a, const PGresult *deleted)
{
    PGresult *rows = NULL;
    enum res r = run(a, shown_items, &rows);
    if (r == RES_OK) {
        r = show(a, rows);
    }
    PQclear(rows);
    return r == RES_OK && deleted != NULL ? show(a, deleted) : r;
}

/* The version rises if and only if something changed; a new price raises it by itself. */
static enum res count(struct catalog_apply *a)
{
    PGresult *rows = NULL;
    struct catalog_import_summary *s = &a->summary;
    enum res r = run(a, count_rows, &rows);
    int64_t others = 0;
    if (r == RES_OK) {
        s->added = pg_get_i64(rows, 0, 0);
        s->changed = pg_get_i64(rows, 0, 1);
        s->repriced = pg_get_i64(rows, 0, 2);
        others = pg_get_i64(rows, 0, 3);
        s->item_count = pg_get_i64(rows, 0, 4);
        s->revived = pg_get_i64(rows, 0, 5);
    }
    PQclear(rows);
    if (r == RES_OK && s->added + s->deleted + others > 0) {
        struct pg_params p;
        pg_params_init(&p);
        pg_params_cstr(&p, a->settings->store_id);
        pg_params_i64(&p, s->item_count);
        r = pg_conn_run(a->c, raise_version, &p, NULL, a->why);
    }
    return r;
}

static enum res write_items(struct catalog_apply *a)
{
    static const char *const before[] = {find_changes, sum_changes, mark_new, update_items};
    PGresult *deleted = NULL;
    enum res r = RES_OK;
    for (size_t i = 0; r == RES_OK && i < sizeof before / sizeof before[0]; i++) {
        r = run(a, before[i], NULL);
    }
    if (r == RES_OK) {
        r = insert_new(a);
    }
    if (r == RES_OK && a->settings->full) {
        r = run(a, delete_missing, &deleted);
        a->summary.deleted = r == RES_OK ? PQntuples(deleted) : 0;
    }
    if (r == RES_OK) {
        r = count(a);
    }
    if (r == RES_OK) {
        r = reprice(a);
    }
    if (r == RES_OK) {
        r = show_changed(a, deleted);
    }
    PQclear(deleted);
    return r;
}

static enum res finish(struct catalog_apply *a)
{
    struct catalog_import_summary *s = &a->summary;
    PGresult *rows = NULL;
    struct pg_params p;
    enum res r = catalog_text_filled(a->c, a->settings->store_id, a->why);
    if (r == RES_OK && a->settings->source == CATALOG_POS) {
        r = run(a, fulfil_requests, NULL);
    }
    if (r == RES_OK) {
        r = run(a, read_version, &rows);
        s->version = r == RES_OK ? pg_get_i64(rows, 0, 0) : 0;
        PQclear(rows);
    }
    if (r != RES_OK || a->settings->source == CATALOG_PLATFORM) {
        return r;
    }
    pg_params_init(&p);
    pg_params_cstr(&p, a->settings->store_id);
    pg_params_cstr(&p, source_name(a));
    pg_params_cstr(&p, a->settings->full ? "full" : "delta");
    pg_params_i64(&p, s->read);
    pg_params_i64(&p, s->refused);
    pg_params_i64(&p, s->added);
    pg_params_i64(&p, s->changed);
    pg_params_i64(&p, s->repriced);
    pg_params_i64(&p, s->deleted);
    pg_params_i64(&p, s->version);
    return pg_conn_run(a->c, record_import, &p, NULL, a->why);
}

enum res catalog_apply_run(struct catalog_apply *a)
{
    enum res r = match(a);
    if (r == RES_OK) {
        r = write_items(a);
    }
    return r == RES_OK ? finish(a) : r;
}
