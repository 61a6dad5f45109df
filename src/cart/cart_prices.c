#include "cart_prices.h"

#include <string.h>

#define HALF_DIGITS 7

static uint32_t digits(const uint8_t *text)
{
    uint32_t value = 0;
    for (size_t i = 0; i < HALF_DIGITS; i++) {
        value = value * 10 + (uint32_t)(text[i] - '0');
    }
    return value;
}

void cart_prices_put(struct cart_prices *p, const struct wire_prices *prices, int64_t catalogue)
{
    if (prices->version <= p->version || prices->base < catalogue) {
        return;
    }
    if (p->base == catalogue && prices->base != catalogue && p->count > 0) {
        p->missed = true;
        return;
    }
    p->base = prices->base;
    p->version = prices->version;
    p->count = (uint16_t)prices->item_count;
    memcpy(p->currency, prices->currency.data, 3);
    for (size_t i = 0; i < prices->item_count; i++) {
        const uint8_t *gtin = prices->items[i].gtin.data;
        p->items[i] = (struct cart_price){.gtin_high = digits(gtin),
                                          .gtin_low = digits(gtin + HALF_DIGITS),
                                          .price_minor = (uint32_t)prices->items[i].price};
    }
}

int64_t cart_prices_version(const struct cart_prices *p, int64_t catalogue)
{
    return catalogue > 0 && p->base == catalogue ? p->version : catalogue;
}

void cart_prices_apply(const struct cart_prices *p, int64_t catalogue, struct span gtin14,
                       const char currency[4], int64_t *price_minor)
{
    if (catalogue == 0 || p->base != catalogue || gtin14.size != 2 * HALF_DIGITS ||
        memcmp(p->currency, currency, 3) != 0) {
        return;
    }
    uint32_t high = digits(gtin14.data);
    uint32_t low = digits(gtin14.data + HALF_DIGITS);
    for (size_t i = 0; i < p->count; i++) {
        if (p->items[i].gtin_high == high && p->items[i].gtin_low == low) {
            *price_minor = p->items[i].price_minor;
            return;
        }
    }
}
