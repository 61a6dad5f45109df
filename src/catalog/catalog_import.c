#include "catalog_import.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "catalog_apply.h"
#include "catalog_set.h"
#include "csv.h"
#include "json.h"

#define BATCH_ROWS    1000
#define BATCH_BYTES   (32 * 1024 * 1024)
#define READ_BYTES    65536
#define JSON_BYTES    (CATALOG_LANGUAGES * (CATALOG_LONG_BYTES_MAX * 2 + 16))
#define STAGE_COLUMNS 16

static const char insert_stage[] =
    "INSERT INTO catalog_stage (line, refused, gtin, sku, name, description, category, "
    "sub_category, brand, price_minor, mrp_minor, cost_minor, weight_g, per_kg, stock, reorder) "
    "SELECT * FROM unnest($1::bigint[], $2::boolean[], $3::text[], $4::text[], $5::jsonb[], "
    "$6::jsonb[], $7::text[], $8::text[], $9::text[], $10::bigint[], $11::bigint[], "
    "$12::bigint[], $13::bigint[], $14::boolean[], $15::bigint[], $16::bigint[])";

struct import {
    struct catalog_apply apply;
    struct catalog_row_header header;
    bool has_header;
    char currency[4];
    struct catalog_set gtins;
    struct catalog_set skus;
    struct pg_array columns[STAGE_COLUMNS];
    char *json;
    struct err *why;
};

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
    enum res r = pg_conn_run(im->apply.c, insert_stage, &p, NULL, im->why);
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

/* {"en": ..., "hi": ...} of the languages there are; null without any. */
static void add_languages(struct import *im, struct pg_array *a, const struct span *texts,
                          bool english_needed)
{
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
    if (first || (english_needed && texts[0].size == 0)) {
        pg_array_null(a);
    } else {
        pg_array_span(a, sink_span(&s));
    }
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
        add_languages(im, a++, row->name, false);
        add_languages(im, a++, row->description, true);
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

/* The same identity twice. */
static enum res check_in_file(struct import *im, const struct catalog_row *row,
                              struct catalog_refusals *refusals)
{
    struct catalog_refusal twice = {.field = "gtin",
                                    .value = span_text(row->gtin, GTIN_DIGITS),
                                    .reason = "stands in the file twice"};
    enum res r = catalog_set_add(&im->gtins, row->gtin);
    if (r == RES_OK) {
        r = catalog_set_add(&im->skus, row->sku);
        twice.field = "sku";
        twice.value = span_text(row->sku, CATALOG_SKU_BYTES_MAX);
    }
    if (r == RES_CONFLICT) {
        *refusals = (struct catalog_refusals){.count = 1, .items = {twice}};
        return RES_INVALID;
    }
    if (r != RES_OK) {
        err_set(im->why, "out of memory while reading the catalogue");
    }
    return r;
}

/* What a row alone cannot tell comes after what it can. */
static enum res check_row(struct import *im, const struct csv *csv, struct catalog_row *row,
                          struct catalog_refusals *refusals)
{
    *refusals = (struct catalog_refusals){.count = 0};
    enum res r = catalog_row_read(&im->header, csv->fields, csv->field_count, row, refusals);
    if (row->currency.size > 0 && refusals->count < CATALOG_REFUSALS_MAX &&
        !span_equal(row->currency, span_text(im->currency, 3))) {
        refusals->items[refusals->count++] = (struct catalog_refusal){
            .field = "currency", .value = row->currency, .reason = "is not the store's"};
        r = RES_INVALID;
    }
    return r == RES_OK ? check_in_file(im, row, refusals) : r;
}

static enum res take_header(struct import *im, const struct csv *csv)
{
    const char *what = NULL;
    if (catalog_row_header(csv->fields, csv->field_count, im->apply.settings->partial, &im->header,
                           &what) != RES_OK) {
        err_set(im->why,
                "the first line must name the columns, each once, among them %sgtin or sku; "
                "missing or named twice: %s",
                im->apply.settings->partial ? "" : "name, price, and ", what);
        return RES_INVALID;
    }
    im->has_header = true;
    im->apply.summary.ignored_columns = (int64_t)im->header.ignored;
    return RES_OK;
}

static enum res take_record(struct import *im, const struct csv *csv)
{
    if (!im->has_header) {
        return take_header(im, csv);
    }
    if (im->apply.summary.read == CATALOG_IMPORT_ROWS_MAX) {
        err_set(im->why, "the file has more than %d rows", CATALOG_IMPORT_ROWS_MAX);
        return RES_LIMIT;
    }
    im->apply.summary.read++;
    struct catalog_row row;
    struct catalog_refusals refusals;
    enum res r = check_row(im, csv, &row, &refusals);
    if (r == RES_INVALID) {
        catalog_apply_refuse(&im->apply, &refusals, csv->line);
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
    im->apply.summary.read++;
    struct catalog_refusals refusals = {
        .count = 1, .items = {{.field = "row", .reason = csv_fault_words(csv->fault)}}};
    catalog_apply_refuse(&im->apply, &refusals, csv->line);
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

static enum res begin(struct import *im)
{
    const char *store = im->apply.settings->store_id;
    PGresult *rows = NULL;
    struct pg_params p;
    pg_params_init(&p);
    pg_params_cstr(&p, store);
    enum res r = pg_conn_run(im->apply.c, "SELECT currency FROM store WHERE store_id = $1", &p,
                             &rows, im->why);
    if (r != RES_OK) {
        return r;
    }
    if (PQntuples(rows) == 0) {
        err_set(im->why, "there is no store %s; make it with `endcap store create`", store);
        r = RES_NOT_FOUND;
    } else {
        r = span_copy_text(pg_get_span(rows, 0, 0), im->currency, sizeof im->currency);
    }
    PQclear(rows);
    return r == RES_OK ? catalog_apply_begin(&im->apply) : r;
}

enum res catalog_import_within(struct pg_conn *c, FILE *in,
                               const struct catalog_import_settings *settings,
                               struct catalog_import_summary *ret, struct err *why)
{
    struct import *im = calloc(1, sizeof *im);
    if (im == NULL || (im->json = malloc(JSON_BYTES)) == NULL) {
        free(im);
        err_set(why, "out of memory while reading the catalogue");
        return RES_NO_MEMORY;
    }
    im->apply = (struct catalog_apply){.c = c, .settings = settings, .why = why};
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
        memcpy(im->apply.currency, im->currency, sizeof im->currency);
        r = catalog_apply_run(&im->apply);
    }
    if (r == RES_OK || r == RES_DENIED) {
        *ret = im->apply.summary;
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

enum res catalog_import(struct pg_conn *c, FILE *in, const struct catalog_import_settings *settings,
                        struct catalog_import_summary *ret, struct err *why)
{
    struct catalog_import_summary summary;
    enum res r = pg_conn_command(c, "BEGIN", why);
    if (r == RES_OK) {
        r = catalog_import_within(c, in, settings, &summary, why);
    }
    if (r == RES_OK) {
        r = pg_conn_command(c, "COMMIT", why);
    }
    if (r == RES_OK) {
        *ret = summary;
    } else {
        enum res undone = pg_conn_command(c, "ROLLBACK", NULL);
        (void)undone; /* the first failure is the one to tell */
    }
    return r;
}
