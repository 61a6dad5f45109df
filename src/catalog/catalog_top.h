/* catalog_top.h: the items a store's carts keep (C-039, C-189): the best sold of the last four
 * weeks, then, as long as there are no sales, one of each category after the other in the order of
 * the store's own list. Given out in the chunks the carts expect, sorted by gtin over all chunks.
 */
#ifndef CATALOG_TOP_H
#define CATALOG_TOP_H

#include "gtin.h"
#include "pg_conn.h"
#include "wire.h"

#define CATALOG_TOP_ITEMS      2000
#define CATALOG_TOP_MARGIN_S   600 /* no writer of items takes longer */
#define CATALOG_TOP_NAME_BYTES 96  /* what a cart displays */

struct catalog_top_item {
    char gtin[GTIN_DIGITS + 1];
    char sku[33];
    char name[CATALOG_TOP_NAME_BYTES + 1]; /* in the store's language, cut at a character's end */
    int64_t price_minor;
    int64_t weight_g; /* 0: unknown */
    bool per_kg;
    bool gone; /* sold no longer: only among changes */
};

struct catalog_top {
    char store_id[25];
    char currency[4];
    int64_t version; /* of the store's catalogue when it was read */
    int64_t read_ms; /* by the database's clock */
    size_t count;
    struct catalog_top_item *items; /* sorted by gtin */
    size_t chunk_count;
    size_t *chunk_start; /* chunk_count + 1 indexes into items */
};

/* At most items_max items (1..CATALOG_TOP_ITEMS). RES_NOT_FOUND: no such store, or nothing was ever
 * imported into it. `c` as endcap_worker, endcap_api or endcap_admin. */
MUST_CHECK enum res catalog_top_read(struct pg_conn *c, const char *store_id, size_t items_max,
                                     struct catalog_top *ret, struct err *why);
/* Every item of the store that was changed since `since_ms` less CATALOG_TOP_MARGIN_S, for a
 * transaction dates what it writes by its beginning; sorted by gtin, without chunks. One snapshot:
 * these and those before are what the version says. Cheap where little changed. RES_NOT_FOUND as
 * above. */
MUST_CHECK enum res catalog_top_read_changes(struct pg_conn *c, const char *store_id,
                                             int64_t since_ms, struct catalog_top *ret,
                                             struct err *why);
void catalog_top_deinit(struct catalog_top *top);
/* One chunk as a message; its spans point into `top`. Every chunk fits WIRE_PLATFORM_BYTES_MAX
 * when it is signed. */
void catalog_top_chunk(const struct catalog_top *top, size_t chunk, struct wire_catalogue *ret);
/* Notes that this version was given to the carts; `chunks`: of the whole catalogue in it. */
MUST_CHECK enum res catalog_top_published(struct pg_conn *c, const char *store_id, int64_t version,
                                          int64_t chunks, struct err *why);

#endif
