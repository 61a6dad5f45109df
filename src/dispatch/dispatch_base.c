#include "dispatch_base.h"

#include <stdlib.h>
#include <string.h>

#include "crc32c.h"

static uint64_t gtin_of(const struct catalog_top_item *item)
{
    uint64_t value = 0;
    for (const char *c = item->gtin; *c != '\0'; c++) {
        value = value * 10 + (uint64_t)(*c - '0');
    }
    return value;
}

static uint32_t rest_of(const struct catalog_top_item *item)
{
    uint32_t crc = crc32c(0, span_of(item->sku, strlen(item->sku) + 1));
    crc = crc32c(crc, span_of(item->name, strlen(item->name) + 1));
    crc = crc32c(crc, span_of(&item->weight_g, sizeof item->weight_g));
    return crc32c(crc, span_of(&item->per_kg, sizeof item->per_kg));
}

void dispatch_base_forget(struct dispatch_base *base)
{
    free(base->items);
    *base = (struct dispatch_base){.version = 0};
}

enum res dispatch_base_set(struct dispatch_base *base, const struct catalog_top *top, bool full)
{
    dispatch_base_forget(base);
    struct dispatch_base_item *items = calloc(top->count + 1, sizeof *items);
    if (items == NULL) {
        return RES_NO_MEMORY;
    }
    for (size_t i = 0; i < top->count; i++) {
        items[i] = (struct dispatch_base_item){.gtin = gtin_of(&top->items[i]),
                                               .price_minor = (uint32_t)top->items[i].price_minor,
                                               .rest = rest_of(&top->items[i])};
    }
    *base = (struct dispatch_base){.version = top->version,
                                   .read_ms = top->read_ms,
                                   .full = full,
                                   .count = top->count,
                                   .items = items};
    memcpy(base->currency, top->currency, sizeof base->currency);
    return RES_OK;
}

static int by_gtin(const void *key, const void *item)
{
    uint64_t a = *(const uint64_t *)key;
    uint64_t b = ((const struct dispatch_base_item *)item)->gtin;
    return a < b ? -1 : a > b;
}

void dispatch_base_compare(const struct dispatch_base *base, const struct catalog_top *changed,
                           struct dispatch_change *ret)
{
    ret->whole = memcmp(base->currency, changed->currency, sizeof base->currency) != 0;
    ret->count = 0;
    for (size_t i = 0; i < changed->count && !ret->whole; i++) {
        const struct catalog_top_item *item = &changed->items[i];
        uint64_t gtin = gtin_of(item);
        const struct dispatch_base_item *known =
            bsearch(&gtin, base->items, base->count, sizeof *base->items, by_gtin);
        bool repriced = known != NULL && (int64_t)known->price_minor != item->price_minor;
        if (known == NULL) {
            ret->whole = !item->gone && !base->full;
        } else if (item->gone || known->rest != rest_of(item) ||
                   (repriced && ret->count == WIRE_PRICES_ITEMS_MAX)) {
            ret->whole = true;
        } else if (repriced) {
            ret->items[ret->count++] = item;
        }
    }
}
