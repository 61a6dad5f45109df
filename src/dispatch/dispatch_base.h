/* dispatch_base.h: private to this folder: what a store's carts hold as their whole catalogue, so
 * that what changed since can be said in one small message (wire.md, prices). Pure.
 *
 * Of each item it remembers the price and a digest of all else that carts are given.
 */
#ifndef DISPATCH_BASE_H
#define DISPATCH_BASE_H

#include "catalog_top.h"

struct dispatch_base_item {
    uint64_t gtin;
    uint32_t price_minor;
    uint32_t rest; /* digest of SKU, name, weight and unit */
};

struct dispatch_base {
    int64_t version; /* 0: not known */
    int64_t read_ms; /* by the database's clock */
    char currency[4];
    bool full; /* carts keep no more: an item that is not among them need not belong to them */
    size_t count;
    struct dispatch_base_item *items; /* by gtin; on the heap */
};

/* Takes the place of what was remembered. RES_NO_MEMORY: nothing is known then. */
MUST_CHECK enum res dispatch_base_set(struct dispatch_base *base, const struct catalog_top *top,
                                      bool full);
void dispatch_base_forget(struct dispatch_base *base);

/* What changed: the prices alone, or more than a supplement can say. */
struct dispatch_change {
    bool whole;
    size_t count;
    const struct catalog_top_item *items[WIRE_PRICES_ITEMS_MAX]; /* by gtin, into `changed` */
};
/* `changed`: everything since the base was read, by gtin; more does no harm. */
void dispatch_base_compare(const struct dispatch_base *base, const struct catalog_top *changed,
                           struct dispatch_change *ret);

#endif
