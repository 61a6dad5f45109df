/* cart_prices.h: prices that changed since the whole catalogue in the cache: the platform's
 * supplement, in RAM only, since the broker gives it again after a power cut (wire.md). Pure.
 */
#ifndef CART_PRICES_H
#define CART_PRICES_H

#include "wire.h"

struct cart_price {
    uint32_t gtin_high; /* of the 14 digits: the first seven and the last seven */
    uint32_t gtin_low;
    uint32_t price_minor;
};

struct cart_prices {
    int64_t base;    /* the catalogue that it supplements; 0: there is none */
    int64_t version; /* what base is with it */
    bool missed;     /* one of a later base had to give way to the one in use */
    char currency[4];
    uint16_t count;
    struct cart_price items[WIRE_PRICES_ITEMS_MAX];
};

/* Keeps the newest: one whose version is not above the one kept changes nothing, nor does one of
 * another base while the one kept supplements `catalogue`, the version in the cache. */
void cart_prices_put(struct cart_prices *p, const struct wire_prices *prices, int64_t catalogue);
/* The version that the cache of `catalogue` is with what is kept here. */
int64_t cart_prices_version(const struct cart_prices *p, int64_t catalogue);
/* A product's price now: *price_minor changes when a supplement of `catalogue` names these 14
 * digits in this currency. */
void cart_prices_apply(const struct cart_prices *p, int64_t catalogue, struct span gtin14,
                       const char currency[4], int64_t *price_minor);

#endif
