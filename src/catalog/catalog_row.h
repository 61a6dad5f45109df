/* catalog_row.h: one line of a catalogue file, checked. Pure: no I/O, no allocation.
 *
 * The header line names the columns, in any order and in either of two habits: our own (`gtin, sku,
 * name, name_hi, ..., category, brand, price, mrp, weight_g, per_kg, currency, stock`) and that of
 * public product lists (`index, product, category, sub_category, brand, sale_price, market_price`).
 * A column nobody knows is ignored. Needed: a name, a price, and a gtin or a sku.
 *
 * An item without a barcode gets a GTIN-13 for use inside the store (GS1 General Specifications,
 * restricted circulation, prefix 04): 04, ten digits made of the sku, check digit. An item without
 * a sku takes its gtin's digits.
 */
#ifndef CATALOG_ROW_H
#define CATALOG_ROW_H

#include "gtin.h"
#include "span.h"

#define CATALOG_SKU_BYTES_MAX   32
#define CATALOG_NAME_BYTES_MAX  500
#define CATALOG_TEXT_BYTES_MAX  120      /* category, sub-category, brand */
#define CATALOG_LONG_BYTES_MAX  2000     /* description */
#define CATALOG_CHARACTERS_MAX  500      /* of any text, as is_translated has it */
#define CATALOG_PRICE_MINOR_MAX 99999999 /* 999,999.99 (S-147) */
#define CATALOG_WEIGHT_G_MAX    200000
#define CATALOG_STOCK_MAX       10000000
#define CATALOG_LANGUAGES       6
#define CATALOG_ABSENT          INT64_C(-1)

enum catalog_column {
    CATALOG_GTIN,
    CATALOG_SKU,
    CATALOG_NAME, /* en, and the five languages behind it in the order of catalog_row_language */
    CATALOG_NAME_LAST = CATALOG_NAME + CATALOG_LANGUAGES - 1,
    CATALOG_DESCRIPTION,
    CATALOG_DESCRIPTION_LAST = CATALOG_DESCRIPTION + CATALOG_LANGUAGES - 1,
    CATALOG_CATEGORY,
    CATALOG_SUB_CATEGORY,
    CATALOG_BRAND,
    CATALOG_PRICE,
    CATALOG_MRP,
    CATALOG_COST,
    CATALOG_WEIGHT_G,
    CATALOG_PER_KG,
    CATALOG_CURRENCY,
    CATALOG_STOCK,
    CATALOG_REORDER,
    CATALOG_COLUMNS
};

/* "en", "hi", "ta", "te", "bn", "mr" */
const char *catalog_row_language(size_t index);

struct catalog_row_header {
    size_t field_count;
    int field_of[CATALOG_COLUMNS]; /* -1: the file lacks it */
    size_t ignored;                /* columns nobody knows */
    bool partial;                  /* a row need not have a name and a price */
};

/* Why a row was not loaded. Texts are static or point into the row. */
struct catalog_refusal {
    size_t line;
    const char *field; /* our name of the column, "row" for the line as a whole */
    struct span value;
    const char *reason; /* "is above the MRP" */
};
#define CATALOG_REFUSALS_MAX 8 /* of one row that are told, at most one a field */
struct catalog_refusals {
    size_t count;
    struct catalog_refusal items[CATALOG_REFUSALS_MAX];
};

/* Spans point into the fields. A number that is absent is CATALOG_ABSENT, a text of size 0. */
struct catalog_row {
    char gtin[GTIN_DIGITS + 1];
    char sku[CATALOG_SKU_BYTES_MAX + 1];
    struct span name[CATALOG_LANGUAGES];
    struct span description[CATALOG_LANGUAGES];
    struct span category;
    struct span sub_category;
    struct span brand;
    struct span currency;
    int64_t price_minor;
    int64_t mrp_minor;
    int64_t cost_minor;
    int64_t weight_g;
    int64_t per_kg; /* 0, 1, absent */
    int64_t stock;
    int64_t reorder;
};

/* `partial`: of products that are there a row says what is new and no more, so only gtin or sku is
 * needed. RES_INVALID: a needed column is missing or one is there twice; *ret_what names it. */
MUST_CHECK enum res catalog_row_header(const struct span *fields, size_t count, bool partial,
                                       struct catalog_row_header *ret, const char **ret_what);
/* RES_INVALID: *ret_refusals says why, every bad field (lines are the caller's); gtin and sku of
 * *ret are set even then as far as they could be read, "" otherwise. */
MUST_CHECK enum res catalog_row_read(const struct catalog_row_header *header,
                                     const struct span *fields, size_t count,
                                     struct catalog_row *ret,
                                     struct catalog_refusals *ret_refusals);

#endif
