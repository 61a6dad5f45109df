#include "delivery_compose.h"

#include <string.h>

#define SLUG "{slug}"

static struct span clean(struct span name, char room[SHELF_NAME_BYTES_MAX])
{
    size_t n = name.size;
    if (n > SHELF_NAME_BYTES_MAX) {
        n = SHELF_NAME_BYTES_MAX;
        while (n > 0 && (name.data[n] & 0xC0) == 0x80) {
            n--;
        }
    }
    for (size_t i = 0; i < n; i++) {
        bool control = name.data[i] < ' ' || name.data[i] == 0x7F;
        room[i] = control ? ' ' : (char)name.data[i];
    }
    return span_of(room, n);
}

/* Where "{slug}" begins, or the pattern's size. */
static size_t slug_at(struct span pattern)
{
    size_t size = sizeof SLUG - 1;
    for (size_t i = 0; i + size <= pattern.size; i++) {
        if (memcmp(pattern.data + i, SLUG, size) == 0) {
            return i;
        }
    }
    return pattern.size;
}

static bool fill_in(struct span pattern, struct span slug, struct sink *url)
{
    size_t at = slug_at(pattern);
    if (at == pattern.size) {
        return false;
    }
    sink_bytes(url, span_of(pattern.data, at));
    sink_bytes(url, slug);
    size_t rest = at + sizeof SLUG - 1;
    sink_bytes(url, span_of(pattern.data + rest, pattern.size - rest));
    return !url->overflow;
}

static struct span link_of(const struct delivery_facts *facts, char room[SHELF_URL_BYTES_MAX])
{
    struct sink url;
    if (facts->slug.size == 0) {
        return SPAN_NONE;
    }
    sink_init(&url, room, SHELF_URL_BYTES_MAX);
    if (!fill_in(facts->url, facts->slug, &url)) {
        sink_init(&url, room, SHELF_URL_BYTES_MAX);
        (void)fill_in(SPAN_LIT(DELIVERY_URL_DEFAULT), facts->slug, &url);
    }
    return sink_span(&url);
}

bool delivery_lacks_translation(const struct delivery_facts *facts)
{
    return facts->product_id.size > 0 && facts->language != SHELF_EN && facts->name.size == 0;
}

void delivery_compose(const struct delivery_facts *facts, struct delivery_texts *texts,
                      struct shelf_display *ret)
{
    *ret = (struct shelf_display){
        .device_id = facts->label_id, .template = SHELF_UNASSIGNED, .language = facts->language};
    size_t n = facts->currency.size < 3 ? facts->currency.size : 3;
    memcpy(ret->currency, facts->currency.data, n);
    if (facts->product_id.size == 0) {
        return;
    }
    ret->product_id = facts->product_id;
    ret->name = clean(facts->name.size > 0 ? facts->name : facts->name_en, texts->name);
    ret->name_en = clean(facts->name_en, texts->name_en);
    ret->url = link_of(facts, texts->url);
    if (facts->withdrawn) {
        ret->template = SHELF_WITHDRAWN;
        return;
    }
    bool sale = facts->is_flash_sale && facts->regular_minor > facts->price_minor;
    ret->template = sale ? SHELF_SALE : SHELF_STANDARD;
    ret->is_flash_sale = sale;
    ret->price_minor = facts->price_minor;
    ret->regular_minor = sale ? facts->regular_minor : 0;
    ret->mrp_minor = facts->mrp_minor;
    ret->per_kg = facts->per_kg;
}
