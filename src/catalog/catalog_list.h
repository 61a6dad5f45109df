/* catalog_list.h: a store's items as CSV (RFC 4180), in a form that catalog_import reads back. */
#ifndef CATALOG_LIST_H
#define CATALOG_LIST_H

#include <stdio.h>

#include "pg_conn.h"

/* Columns gtin, sku, names and descriptions in six languages, category, brand, price, mrp,
 * weight_g, per_kg, stock; sorted by gtin; deleted items are left out. RES_NOT_FOUND: no such
 * store; RES_IO: `out` cannot be written. */
MUST_CHECK enum res catalog_list(struct pg_conn *c, const char *store_id, FILE *out,
                                 struct err *why);

#endif
