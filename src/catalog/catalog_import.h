/* catalog_import.h: a catalogue file into a store's items (C-030, C-093, C-187, C-188).
 *
 * The rows that are fine are loaded, the others are handed to `refused` with line, field and
 * reason. One transaction: a reader sees the catalogue before or after, never between. Importing
 * the same file again changes nothing. An item is recognised by its gtin, else by its sku; what the
 * file does not say (no such column, or an empty field) is kept. A price that differs is changed
 * through the price book (price_book.h), and what labels show follows (delivery_refresh.h). Items
 * the file lacks are kept, or marked deleted with `full`; a refused row's item is never deleted for
 * it.
 */
#ifndef CATALOG_IMPORT_H
#define CATALOG_IMPORT_H

#include <stdio.h>

#include "catalog_row.h"
#include "pg_conn.h"

#define CATALOG_IMPORT_ROWS_MAX     1000000
#define CATALOG_IMPORT_RECORD_BYTES 65536

/* CATALOG_PLATFORM: by hand; no import is recorded. */
enum catalog_source { CATALOG_CSV, CATALOG_POS, CATALOG_PLATFORM };

struct catalog_import_settings {
    const char *store_id;
    enum catalog_source source;
    bool full;              /* the file is the whole catalogue */
    bool partial;           /* rows of items that are there need no name and no price */
    bool all_or_nothing;    /* one refused row refuses all */
    bool keep_prices;       /* prices, MRP and cost of items that are there are not taken */
    const char *changed_by; /* written into the price book: "catalog-import", or an account id */
    /* Once for each bad field of each bad row. May be NULL. */
    void (*refused)(void *user, const struct catalog_refusal *refusal);
    void *user;
};

struct catalog_import_summary {
    int64_t read;    /* rows, refused ones too */
    int64_t refused; /* rows */
    int64_t added;
    int64_t changed; /* with the repriced and the revived ones */
    int64_t revived; /* were deleted before */
    int64_t repriced;
    int64_t deleted;
    int64_t ignored_columns;
    int64_t item_count; /* the store's items afterwards */
    int64_t version; /* of the store's catalogue afterwards; it rises only when something changed */
};

/* `c` is a connection as endcap_admin, endcap_api or endcap_worker that sees the store.
 * RES_NOT_FOUND: no such store; RES_INVALID: the header line; RES_LIMIT: too many rows; RES_IO:
 * reading the file; else as pg_conn_run. On failure nothing was changed. */
MUST_CHECK enum res catalog_import(struct pg_conn *c, FILE *in,
                                   const struct catalog_import_settings *settings,
                                   struct catalog_import_summary *ret, struct err *why);
/* The same in the caller's transaction, once in it. RES_DENIED with ret->refused above 0:
 * all_or_nothing, and rows were refused; *ret is set. After any failure the caller rolls back. */
MUST_CHECK enum res catalog_import_within(struct pg_conn *c, FILE *in,
                                          const struct catalog_import_settings *settings,
                                          struct catalog_import_summary *ret, struct err *why);

#endif
