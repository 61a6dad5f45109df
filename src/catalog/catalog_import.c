#include "catalog_import.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "catalog_set.h"
#include "csv.h"
#include "json.h"

#define BATCH_ROWS    1000
#define BATCH_BYTES   (32 * 1024 * 1024)
#define READ_BYTES    65536
#define JSON_BYTES    (CATALOG_LANGUAGES * (CATALOG_LONG_BYTES_MAX * 2 + 16))
#define STAGE_COLUMNS 16

/* The file's rows wait in a temporary table; refused ones too, so that `full` spares their items.
 */
static const char create_stage[] =
    "CREATE TEMPORARY TABLE catalog_stage (line bigint, refused boolean, gtin text, sku text, "
    "name jsonb, description jsonb, category text, sub_category text, brand text, "
    "price_minor bigint, mrp_minor bigint, cost_minor bigint, weight_g bigint, per_kg boolean, "
    "stock bigint, reorder bigint, item_id uuid, added boolean NOT NULL DEFAULT false, "
    "changed boolean NOT NULL DEFAULT false, repriced boolean NOT NULL DEFAULT false, "
    "old_minor bigint) ON COMMIT DROP";
static const char insert_stage[] =
    "INSERT INTO catalog_stage (line, refused, gtin, sku, name, description, category, "
    "sub_category, brand, price_minor, mrp_minor, cost_minor, weight_g, per_kg, stock, reorder) "
    "SELECT * FROM unnest($1::bigint[], $2::boolean[], $3::text[], $4::text[], $5::jsonb[], "
    "$6::jsonb[], $7::text[], $8::text[], $9::text[], $10::bigint[], $11::bigint[], "
    "$12::bigint[], $13::bigint[], $14::boolean[], $15::bigint[], $16::bigint[])";

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

/* What only the database can refuse. Both answer line and value. */
static const char refuse_taken_sku[] =
    "UPDATE catalog_stage s SET refused = true FROM item i WHERE NOT s.refused "
    "AND i.store_id = $1 AND i.deleted_at IS NULL AND i.sku = s.sku "
    "AND i.item_id IS DISTINCT FROM s.item_id RETURNING s.line, s.sku";
static const char refuse_above_mrp[] =
    "UPDATE catalog_stage s SET refused = true FROM item i WHERE NOT s.refused "
    "AND i.item_id = s.item_id AND s.price_minor > coalesce(s.mrp_minor, i.mrp_minor) "
    "RETURNING s.line, (s.price_minor / 100)::text || '.' || lpad((s.price_minor % 100)::text, 2, "
    "'0')";

static const char find_changes[] =
    "UPDATE catalog_stage s SET old_minor = i.price_minor, "
    "repriced = (i.price_minor, i.mrp_minor) IS DISTINCT FROM "
    "(s.price_minor, coalesce(s.mrp_minor, i.mrp_minor)), "
    "changed = i.deleted_at IS NOT NULL OR (i.gtin::text, i.sku, i.name, i.description, "
    "i.category, i.sub_category, i.brand, i.price_minor, i.mrp_minor, i.cost_minor, "
    "i.expected_weight_g, i.per_kg, i.stock_count, i.reorder_level) IS DISTINCT FROM "
    "(s.gtin, s.sku, i.name || s.name, coalesce(i.description || s.description, s.description, "
    "i.description), coalesce(s.category, i.category), coalesce(s.sub_category, i.sub_category), "
    "coalesce(s.brand, i.brand), s.price_minor, coalesce(s.mrp_minor, i.mrp_minor), "
    "coalesce(s.cost_minor, i.cost_minor), coalesce(s.weight_g, i.expected_weight_g), "
    "coalesce(s.per_kg, i.per_kg), coalesce(s.stock, i.stock_count), "
    "coalesce(s.reorder, i.reorder_level)) "
    "FROM item i WHERE i.item_id = s.item_id AND NOT s.refused";
static const char mark_new[] = "UPDATE catalog_stage SET item_id = gen_random_uuid(), added = true "
                               "WHERE item_id IS NULL AND NOT refused";
static const char close_prices[] =
    "UPDATE price p SET valid_to = now() FROM catalog_stage s "
    "WHERE p.item_id = s.item_id AND s.repriced AND NOT s.refused AND p.valid_to IS NULL";
static const char update_items[] =
    "UPDATE item i SET gtin = s.gtin, sku = s.sku, name = i.name || s.name, "
    "description = coalesce(i.description || s.description, s.description, i.description), "
    "category = coalesce(s.category, i.category), "
    "sub_category = coalesce(s.sub_category, i.sub_category), brand = coalesce(s.brand, i.brand), "
    "price_minor = s.price_minor, mrp_minor = coalesce(s.mrp_minor, i.mrp_minor), "
    "cost_minor = coalesce(s.cost_minor, i.cost_minor), "
    "expected_weight_g = coalesce(s.weight_g, i.expected_weight_g), "
    "per_kg = coalesce(s.per_kg, i.per_kg), stock_count = coalesce(s.stock, i.stock_count), "
    "reorder_level = coalesce(s.reorder, i.reorder_level), "
    "price_version = i.price_version + s.repriced::integer, updated_at = now(), "
    "deleted_at = NULL, source_position = s.line "
    "FROM catalog_stage s WHERE i.item_id = s.item_id AND s.changed AND NOT s.refused";
static const char insert_items[] =
    "INSERT INTO item (item_id, store_id, sku, gtin, name, description, category, sub_category, "
    "brand, expected_weight_g, per_kg, price_minor, mrp_minor, cost_minor, currency, stock_count, "
    "reorder_level, source, source_position) SELECT item_id, $1::text, sku, gtin, name, "
    "description, "
    "coalesce(category, 'Other'), sub_category, brand, weight_g, coalesce(per_kg, false), "
    "price_minor, mrp_minor, cost_minor, (SELECT currency FROM store WHERE store_id = $1::text), "
    "coalesce(stock, 0), coalesce(reorder, 0), 'csv', line FROM catalog_stage WHERE added";
static const char open_prices[] =
    "INSERT INTO price (item_id, store_id, version, price_minor, previous_minor, mrp_minor, "
    "currency, reason, changed_by) SELECT i.item_id, $1::text, i.price_version, i.price_minor, "
    "s.old_minor, i.mrp_minor, i.currency, 'import', $2 FROM item i JOIN catalog_stage s "
    "USING (item_id) WHERE NOT s.refused AND (s.added OR s.repriced)";
static const char delete_missing[] =
    "UPDATE item i SET deleted_at = now(), updated_at = now() WHERE i.store_id = $1 "
    "AND i.deleted_at IS NULL "
    "AND NOT EXISTS (SELECT FROM catalog_stage s WHERE s.item_id = i.item_id)";
static const char count_rows[] =
    "SELECT count(*) FILTER (WHERE added), count(*) FILTER (WHERE changed AND NOT refused), "
    "count(*) FILTER (WHERE repriced AND NOT refused), "
    "(SELECT count(*) FROM item WHERE store_id = $1 AND deleted_at IS NULL) FROM catalog_stage";
static const char raise_version[] =
    "INSERT INTO catalogue_version AS v (store_id, version, item_count) VALUES ($1, 1, $2) "
    "ON CONFLICT (store_id) DO UPDATE SET version = v.version + 1, "
    "item_count = excluded.item_count, changed_at = now() RETURNING version";
static const char record_import[] =
    "INSERT INTO catalogue_import (store_id, source, mode, read_count, refused_count, added_count, "
    "changed_count, repriced_count, deleted_count, version) "
    "VALUES ($1, 'csv', $2, $3, $4, $5, $6, $7, $8, $9)";

struct import {
    struct pg_conn *c;
    const struct catalog_import_settings *settings;
    struct catalog_import_summary summary;
    struct catalog_row_header header;
    bool has_header;
    char currency[4];
    struct catalog_set gtins;
    struct catalog_set skus;
    struct pg_array columns[STAGE_COLUMNS];
    char *json;
    struct err *why;
};

static void report(struct import *im, const struct catalog_refusal *refusal)
{
    im->summary.refused++;
    if (im->settings->refused != NULL) {
        im->settings->refused(im->settings->user, refusal);
    }
}

static enum res flush(struct import *im)
{
    if (im->columns[0].count == 0) {
        return RES_OK;
    }
    struct pg_params p;
    pg_params_init(&p);
    for (size_t i = 0; i < STAGE_COLUMNS; i++) {
        const char *text = pg_array_close(&im->columns[i]);
        if (text == NULL) {
            err_set(im->why, "out of memory while reading the catalogue");
            return RES_NO_MEMORY;
        }
        pg_params_cstr(&p, text);
    }
    enum res r = pg_conn_run(im->c, insert_stage, &p, NULL, im->why);
    for (size_t i = 0; i < STAGE_COLUMNS; i++) {
        pg_array_reset(&im->columns[i]);
    }
    return r;
}

static void add_number(struct pg_array *a, int64_t n)
{
    if (n == CATALOG_ABSENT) {
        pg_array_null(a);
    } else {
        pg_array_i64(a, n);
    }
}

static void add_text(struct pg_array *a, struct span s)
{
    pg_array_span(a, s.size == 0 ? SPAN_NONE : s);
}

/* {"en": ..., "hi": ...} of the languages there are; null without English. */
static void add_languages(struct import *im, struct pg_array *a, const struct span *texts)
{
    if (texts[0].size == 0) {
        pg_array_null(a);
        return;
    }
    struct sink s;
    bool first = true;
    sink_init(&s, im->json, JSON_BYTES);
    sink_text(&s, "{");
    for (size_t i = 0; i < CATALOG_LANGUAGES; i++) {
        if (texts[i].size > 0) {
            json_write_key(&s, &first, catalog_row_language(i));
            json_write_text(&s, texts[i]);
        }
    }
    sink_text(&s, "}");
    pg_array_span(a, sink_span(&s));
}

static enum res stage(struct import *im, const struct catalog_row *row, size_t line, bool refused)
{
    struct pg_array *a = im->columns;
    pg_array_i64(a++, (int64_t)line);
    pg_array_bool(a++, refused);
    add_text(a++, span_text(row->gtin, GTIN_DIGITS));
    add_text(a++, span_text(row->sku, CATALOG_SKU_BYTES_MAX));
    if (refused) { /* only what says which item it is about */
        while (a < im->columns + STAGE_COLUMNS) {
            pg_array_null(a++);
        }
    } else {
        add_languages(im, a++, row->name);
        add_languages(im, a++, row->description);
        add_text(a++, row->category);
        add_text(a++, row->sub_category);
        add_text(a++, row->brand);
        add_number(a++, row->price_minor);
        add_number(a++, row->mrp_minor);
        add_number(a++, row->cost_minor);
        add_number(a++, row->weight_g);
        if (row->per_kg == CATALOG_ABSENT) {
            pg_array_null(a++);
        } else {
            pg_array_bool(a++, row->per_kg == 1);
        }
        add_number(a++, row->stock);
        add_number(a++, row->reorder);
    }
    return im->columns[0].count >= BATCH_ROWS ? flush(im) : RES_OK;
}

/* What a row alone cannot tell: the same identity twice, another currency than the store's. */
static enum res check_in_file(struct import *im, const struct catalog_row *row,
                              struct catalog_refusal *refusal)
{
    if (row->currency.size > 0 && !span_equal(row->currency, span_text(im->currency, 3))) {
        *refusal = (struct catalog_refusal){
            .field = "currency", .value = row->currency, .reason = "is not the store's"};
        return RES_INVALID;
    }
    enum res r = catalog_set_add(&im->gtins, row->gtin);
    if (r == RES_CONFLICT) {
        *refusal = (struct catalog_refusal){.field = "gtin",
                                            .value = span_text(row->gtin, GTIN_DIGITS),
                                            .reason = "stands in the file twice"};
        return RES_INVALID;
    }
    if (r == RES_OK) {
        r = catalog_set_add(&im->skus, row->sku);
    }
    if (r == RES_CONFLICT) {
        *refusal = (struct catalog_refusal){.field = "sku",
                                            .value = span_text(row->sku, CATALOG_SKU_BYTES_MAX),
                                            .reason = "stands in the file twice"};
        return RES_INVALID;
    }
    if (r != RES_OK) {
        err_set(im->why, "out of memory while reading the catalogue");
    }
    return r;
}

static enum res take_header(struct import *im, const struct csv *csv)
{
    const char *what = NULL;
    if (catalog_row_header(csv->fields, csv->field_count, &im->header, &what) != RES_OK) {
        err_set(im->why,
                "the first line must name the columns, each once, among them name, price, and gtin "
                "or sku; see to %s",
                what);
        return RES_INVALID;
    }
    im->has_header = true;
    im->summary.ignored_columns = (int64_t)im->header.ignored;
    return RES_OK;
}

static enum res take_record(struct import *im, const struct csv *csv)
{
    if (!im->has_header) {
        return take_header(im, csv);
    }
    if (im->summary.read == CATALOG_IMPORT_ROWS_MAX) {
        err_set(im->why, "the file has more than %d rows", CATALOG_IMPORT_ROWS_MAX);
        return RES_LIMIT;
    }
    im->summary.read++;
    struct catalog_row row;
    struct catalog_refusal refusal;
    enum res r = catalog_row_read(&im->header, csv->fields, csv->field_count, &row, &refusal);
    if (r == RES_OK) {
        r = check_in_file(im, &row, &refusal);
    }
    if (r == RES_INVALID) {
        refusal.line = csv->line;
        report(im, &refusal);
    } else if (r != RES_OK) {
        return r;
    }
    return stage(im, &row, csv->line, r == RES_INVALID);
}

static enum res take_fault(struct import *im, const struct csv *csv)
{
    if (!im->has_header) {
        err_set(im->why, "line %zu, which should name the columns: %s", csv->line,
                csv_fault_words(csv->fault));
        return RES_INVALID;
    }
    im->summary.read++;
    struct catalog_refusal refusal = {
        .line = csv->line, .field = "row", .reason = csv_fault_words(csv->fault)};
    report(im, &refusal);
    return RES_OK;
}

static enum res take(struct import *im, const struct csv *csv, enum csv_got got)
{
    return got == CSV_RECORD ? take_record(im, csv) : take_fault(im, csv);
}

static enum res read_file(struct import *im, FILE *in)
{
    char *record = malloc(CATALOG_IMPORT_RECORD_BYTES + READ_BYTES);
    if (record == NULL) {
        err_set(im->why, "out of memory while reading the catalogue");
        return RES_NO_MEMORY;
    }
    char *bytes = record + CATALOG_IMPORT_RECORD_BYTES;
    struct csv csv;
    csv_init(&csv, record, CATALOG_IMPORT_RECORD_BYTES);
    enum res r = RES_OK;
    size_t n = 1;
    while (r == RES_OK && n > 0) {
        n = fread(bytes, 1, READ_BYTES, in);
        struct span chunk = span_of(bytes, n);
        enum csv_got got = CSV_RECORD;
        while (r == RES_OK && got != CSV_MORE && n > 0) {
            got = csv_feed(&csv, &chunk);
            r = got == CSV_MORE ? RES_OK : take(im, &csv, got);
        }
    }
    if (r == RES_OK && ferror(in) != 0) {
        err_set(im->why, "cannot read the catalogue: %s", strerror(errno));
        r = RES_IO;
    }
    if (r == RES_OK) {
        enum csv_got got = csv_finish(&csv);
        r = got == CSV_END ? RES_OK : take(im, &csv, got);
    }
    free(record);
    if (r == RES_OK && !im->has_header) {
        err_set(im->why, "the catalogue is empty; its first line must name the columns");
        r = RES_INVALID;
    }
    return r == RES_OK ? flush(im) : r;
}

static enum res run(struct import *im, const char *sql, PGresult **ret_rows)
{
    struct pg_params p;
    pg_params_init(&p);
    if (strstr(sql, "$1") != NULL) {
        pg_params_cstr(&p, im->settings->store_id);
    }
    if (strstr(sql, "$2") != NULL) {
        pg_params_cstr(&p, im->settings->changed_by);
    }
    return pg_conn_run(im->c, sql, &p, ret_rows, im->why);
}

static enum res begin(struct import *im)
{
    PGresult *rows = NULL;
    enum res r = pg_conn_command(im->c, "BEGIN", im->why);
    if (r == RES_OK) {
        r = run(im, "SELECT currency FROM store WHERE store_id = $1", &rows);
    }
    if (r != RES_OK) {
        return r;
    }
    if (PQntuples(rows) == 0) {
        err_set(im->why, "there is no store %s; make it with `endcap store create`",
                im->settings->store_id);
        r = RES_NOT_FOUND;
    } else {
        r = span_copy_text(pg_get_span(rows, 0, 0), im->currency, sizeof im->currency);
    }
    PQclear(rows);
    if (r == RES_OK) { /* one import of a store at a time */
        r = run(im, "SELECT pg_advisory_xact_lock(hashtextextended('catalogue:' || $1::text, 0))",
                NULL);
    }
    return r == RES_OK ? pg_conn_command(im->c, create_stage, im->why) : r;
}

static enum res refuse_in_database(struct import *im, const char *sql, const char *field,
                                   const char *reason)
{
    PGresult *rows = NULL;
    enum res r = run(im, sql, &rows);
    for (int i = 0; r == RES_OK && i < PQntuples(rows); i++) {
        struct catalog_refusal refusal = {.line = (size_t)pg_get_i64(rows, i, 0),
                                          .field = field,
                                          .value = pg_get_span(rows, i, 1),
                                          .reason = reason};
        report(im, &refusal);
    }
    PQclear(rows);
    return r;
}

static enum res apply(struct import *im)
{
    static const char *const matching[] = {match_gtin, match_sku, match_deleted};
    static const char *const writing[] = {find_changes, mark_new,     close_prices,
                                          update_items, insert_items, open_prices};
    enum res r = pg_conn_command(im->c, "ANALYZE catalog_stage", im->why);
    for (size_t i = 0; r == RES_OK && i < sizeof matching / sizeof matching[0]; i++) {
        r = run(im, matching[i], NULL);
    }
    if (r == RES_OK) {
        r = refuse_in_database(im, refuse_taken_sku, "sku", "belongs to an item with another gtin");
    }
    if (r == RES_OK) {
        r = refuse_in_database(im, refuse_above_mrp, "price", "is above the MRP");
    }
    for (size_t i = 0; r == RES_OK && i < sizeof writing / sizeof writing[0]; i++) {
        r = run(im, writing[i], NULL);
    }
    if (r == RES_OK && im->settings->full) {
        PGresult *rows = NULL;
        r = run(im, delete_missing, &rows);
        im->summary.deleted = r == RES_OK ? pg_get_touched(rows) : 0;
        PQclear(rows);
    }
    return r;
}

static enum res count(struct import *im)
{
    PGresult *rows = NULL;
    struct catalog_import_summary *s = &im->summary;
    enum res r = run(im, count_rows, &rows);
    if (r == RES_OK) {
        s->added = pg_get_i64(rows, 0, 0);
        s->changed = pg_get_i64(rows, 0, 1);
        s->repriced = pg_get_i64(rows, 0, 2);
        s->item_count = pg_get_i64(rows, 0, 3);
    }
    PQclear(rows);
    rows = NULL;
    if (r != RES_OK) {
        return r;
    }
    struct pg_params p;
    pg_params_init(&p);
    pg_params_cstr(&p, im->settings->store_id);
    if (s->added + s->changed + s->deleted > 0) {
        pg_params_i64(&p, s->item_count);
        r = pg_conn_run(im->c, raise_version, &p, &rows, im->why);
    } else {
        r = pg_conn_run(im->c, "SELECT version FROM catalogue_version WHERE store_id = $1", &p,
                        &rows, im->why);
    }
    if (r == RES_OK) {
        s->version = PQntuples(rows) > 0 ? pg_get_i64(rows, 0, 0) : 0;
    }
    PQclear(rows);
    return r;
}

static enum res finish(struct import *im)
{
    const struct catalog_import_summary *s = &im->summary;
    struct pg_params p;
    pg_params_init(&p);
    pg_params_cstr(&p, im->settings->store_id);
    pg_params_cstr(&p, im->settings->full ? "full" : "delta");
    pg_params_i64(&p, s->read);
    pg_params_i64(&p, s->refused);
    pg_params_i64(&p, s->added);
    pg_params_i64(&p, s->changed);
    pg_params_i64(&p, s->repriced);
    pg_params_i64(&p, s->deleted);
    pg_params_i64(&p, s->version);
    enum res r = pg_conn_run(im->c, record_import, &p, NULL, im->why);
    return r == RES_OK ? pg_conn_command(im->c, "COMMIT", im->why) : r;
}

enum res catalog_import(struct pg_conn *c, FILE *in, const struct catalog_import_settings *settings,
                        struct catalog_import_summary *ret, struct err *why)
{
    struct import *im = calloc(1, sizeof *im);
    if (im == NULL || (im->json = malloc(JSON_BYTES)) == NULL) {
        free(im);
        err_set(why, "out of memory while reading the catalogue");
        return RES_NO_MEMORY;
    }
    im->c = c;
    im->settings = settings;
    im->why = why;
    catalog_set_init(&im->gtins);
    catalog_set_init(&im->skus);
    for (size_t i = 0; i < STAGE_COLUMNS; i++) {
        pg_array_init(&im->columns[i], BATCH_BYTES);
    }
    enum res r = begin(im);
    if (r == RES_OK) {
        r = read_file(im, in);
    }
    if (r == RES_OK) {
        r = apply(im);
    }
    if (r == RES_OK) {
        r = count(im);
    }
    if (r == RES_OK) {
        r = finish(im);
    }
    if (r == RES_OK) {
        *ret = im->summary;
    } else {
        enum res undone = pg_conn_command(c, "ROLLBACK", NULL);
        (void)undone; /* the first failure is the one to tell */
    }
    for (size_t i = 0; i < STAGE_COLUMNS; i++) {
        pg_array_deinit(&im->columns[i]);
    }
    catalog_set_deinit(&im->gtins);
    catalog_set_deinit(&im->skus);
    free(im->json);
    free(im);
    return r;
}
