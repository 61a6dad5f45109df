/* delivery_compose.h: what a label shall show, from what is true about its product. Pure: no I/O,
 * no clock, no allocation.
 *
 *  - without a product: the unassigned template, the label's own id on it (S-268);
 *  - a product that may not be sold (deleted, or all that is left of it has expired): the withdrawn
 *    template, without a price (S-175);
 *  - on sale with a higher regular price: the sale template;
 *  - the name in the label's language, English where there is no translation (P63, P64).
 */
#ifndef DELIVERY_COMPOSE_H
#define DELIVERY_COMPOSE_H

#include "shelf.h"

/* The link on the label's NFC tag, where store.settings says no `productUrl` of its own. "{slug}"
 * stands for the product's identifier (item.nfc_slug). */
#define DELIVERY_URL_DEFAULT "https://endcap.local/p/{slug}"

/* As the database has it; spans without data: none. */
struct delivery_facts {
    struct span label_id;
    enum shelf_language language;
    struct span product_id; /* SKU; none: unassigned */
    struct span name;       /* in `language`; none: no translation */
    struct span name_en;
    int64_t price_minor;
    int64_t regular_minor; /* 0: none */
    int64_t mrp_minor;     /* 0: none */
    struct span currency;
    bool per_kg;
    bool is_flash_sale;
    bool withdrawn;
    struct span slug;
    struct span url; /* the store's pattern; none, without {slug} or too long: the default */
};

/* The texts of a display that are not simply the facts' own. */
struct delivery_texts {
    char name[SHELF_NAME_BYTES_MAX];
    char name_en[SHELF_NAME_BYTES_MAX];
    char url[SHELF_URL_BYTES_MAX];
};

/* Everything but update id, version and timestamp. Spans of *ret point into the facts and `texts`.
 * Control characters of names become spaces, and a name is cut at a character's end. */
void delivery_compose(const struct delivery_facts *facts, struct delivery_texts *texts,
                      struct shelf_display *ret);
/* True when the label has to make do with the English name. */
bool delivery_lacks_translation(const struct delivery_facts *facts);

#endif
