#include "cart_core.h"

#include <string.h>

#include "cart_weight.h"

/* What the wire can carry (wire_catalog.c): a heavier unit or a dearer one is not known here. */
#define GRAMS_MAX       INT64_C(1000000)
#define PRICE_MINOR_MAX INT64_C(99999999)
#define ITEMS_MAX       INT64_C(9999)

/* One barcode, understood. */
struct code {
    char gtin[GTIN_DIGITS + 1]; /* as read, UPC-E expanded */
    char key[GTIN_DIGITS + 1];  /* the catalogue's key */
    struct gtin_variable variable;
};

static bool has_line_room(const struct cart *c)
{
    return c->ledger.trip.scan_count < cart_store_line_puts_max(&c->store);
}

static enum res read_variable(const struct cart *c, struct span digits, struct code *code)
{
    char digits13[14];
    /* UPC-A is the same number as the EAN-13 with a zero before it; GTIN-14 of a single unit too.
     */
    if (digits.size == 12) {
        digits13[0] = '0';
        memcpy(digits13 + 1, digits.data, 12);
    } else if (digits.size == 13) {
        memcpy(digits13, digits.data, 13);
    } else {
        return RES_OK;
    }
    struct gtin_variable v;
    enum res r = gtin_variable_read(span_of(digits13, 13), c->settings->prefix_measure, &v);
    if (r == RES_OK && v.measure != GTIN_MEASURE_NONE) {
        code->variable = v;
        memcpy(code->key, v.item_gtin14, sizeof code->key);
    }
    return r;
}

static enum res read_code(const struct cart *c, struct span text, enum cart_symbology symbology,
                          struct code *ret)
{
    char expanded[13];
    struct code code = {.variable = {.measure = GTIN_MEASURE_NONE}};
    if (symbology == CART_UPC_E) {
        if (gtin_from_upc_e(text, expanded) != RES_OK) {
            return RES_INVALID;
        }
        text = span_text(expanded, sizeof expanded);
    }
    if ((symbology == CART_UPC_A && text.size != 12) || !gtin_is_valid(text)) {
        return RES_INVALID;
    }
    enum res r = span_copy_text(text, code.gtin, sizeof code.gtin);
    if (r == RES_OK) {
        r = gtin_normalise(text, code.key);
    }
    if (r == RES_OK) {
        r = read_variable(c, text, &code);
    }
    if (r == RES_OK) {
        *ret = code;
    }
    return r == RES_OK ? r : RES_INVALID;
}

/* Half a minor unit rounds up. */
static int64_t price_of_measure(int64_t price_per_kg, int64_t measure_g)
{
    return (price_per_kg * measure_g + 500) / 1000;
}

static void weigh(struct cart *c, struct wire_scan *scan)
{
    int32_t delta_g = 0;
    enum res r = c->ports.scale->delta(c->ports.scale->context, &delta_g);
    if (r == RES_OK && (delta_g > GRAMS_MAX || delta_g < -GRAMS_MAX)) {
        r = RES_IO; /* no scale sees that */
    }
    if (scan->weight_expected_g > GRAMS_MAX || scan->weight_expected_g < -GRAMS_MAX) {
        scan->weight_expected_g = WIRE_ABSENT;
    }
    scan->weight_delta_g = r == RES_OK ? delta_g : WIRE_ABSENT;
    scan->weight = cart_weight_judge(scan->weight_expected_g, r, delta_g);
    cart_health_trouble(c, CART_TROUBLE_SCALE, r != RES_OK && r != RES_AGAIN);
}

/* Price, measure and expected weight of one unit from what is in the code and in the cache. */
static void fill_product(const struct code *code, const struct product *product,
                         struct wire_scan *scan)
{
    int64_t unit_g = WIRE_ABSENT;
    if (code->variable.measure == GTIN_MEASURE_WEIGHT) {
        scan->measure_g = code->variable.value;
        unit_g = code->variable.value;
    }
    if (product != NULL) {
        scan->sku = span_text(product->sku, sizeof product->sku);
        if (unit_g == WIRE_ABSENT && product->weight_g > 0) {
            unit_g = product->weight_g;
        }
        if (!product->per_kg) {
            scan->price = product->price_minor;
        } else if (unit_g != WIRE_ABSENT) {
            scan->measure_g = unit_g;
            scan->price = price_of_measure(product->price_minor, unit_g);
        }
        scan->price_source = WIRE_PRICE_CACHE;
        scan->currency = span_text(product->currency, sizeof product->currency);
    }
    if (code->variable.measure == GTIN_MEASURE_PRICE) {
        /* The price in the code is of this very package; its weight is not known. */
        scan->price = code->variable.value;
        scan->price_source = WIRE_PRICE_EMBEDDED;
        unit_g = WIRE_ABSENT;
        scan->measure_g = WIRE_ABSENT;
    }
    scan->weight_expected_g = unit_g == WIRE_ABSENT ? WIRE_ABSENT : unit_g * scan->quantity;
}

/* A price in another currency than the trip's, or beyond the wire's limit, is no price here. */
static void check_currency(const struct cart *c, struct wire_scan *scan)
{
    const struct cart_trip *trip = &c->ledger.trip;
    struct span trip_currency = span_text(trip->currency, sizeof trip->currency);
    if (scan->price != WIRE_ABSENT && scan->currency.size == 0) {
        scan->currency = span_text(c->settings->currency, sizeof trip->currency);
    }
    if (scan->price == WIRE_ABSENT || scan->price > PRICE_MINOR_MAX ||
        (trip_currency.size > 0 && !span_equal(trip_currency, scan->currency))) {
        scan->price = WIRE_ABSENT;
        scan->price_source = WIRE_ABSENT;
        scan->currency = SPAN_NONE;
    }
}

static void show_added(struct cart *c, const struct wire_scan *scan, const struct product *product)
{
    if (scan->price == WIRE_ABSENT) {
        cart_view_line(c, DISPLAY_ITEM_NO_PRICE, scan->gtin, scan->line, scan->quantity, 0);
    } else {
        struct span name =
            product != NULL ? span_text(product->name, sizeof product->name) : scan->gtin;
        cart_view_line(c, DISPLAY_ITEM, name, scan->line, scan->quantity, scan->price);
    }
    if (scan->weight == WIRE_WEIGHT_MISMATCH) {
        cart_view_line(c, DISPLAY_CHECK_WEIGHT, SPAN_NONE, scan->line, scan->quantity, 0);
    }
}

/* With the price of now. */
static bool find_product(const struct cart *c, const char *key, struct product *ret)
{
    struct span gtin = span_text(key, GTIN_DIGITS);
    if (product_cache_find(&c->store.cache, gtin, ret) != RES_OK) {
        return false;
    }
    cart_prices_apply(&c->prices, product_cache_version(&c->store.cache), gtin, ret->currency,
                      &ret->price_minor);
    return true;
}

enum res cart_scan_add(struct cart *c, struct span text, enum cart_symbology symbology,
                       int64_t quantity)
{
    struct code code;
    struct product product;
    char session[WIRE_SESSION_ID_BYTES];
    struct wire_event e;
    if (quantity < 1 || quantity > 99 || read_code(c, text, symbology, &code) != RES_OK) {
        cart_view_show(c, DISPLAY_BAD_CODE, "");
        return RES_INVALID;
    }
    enum res r = cart_session_ready(c);
    if (r != RES_OK) {
        return r;
    }
    if (c->ledger.trip.lines >= CART_LINES_MAX || !has_line_room(c) ||
        c->ledger.trip.item_count + quantity > ITEMS_MAX) {
        cart_view_show(c, DISPLAY_NOT_NOW, "basket is full");
        return RES_CONFLICT;
    }
    bool known = find_product(c, code.key, &product);
    wire_event_init(&e, WIRE_SCAN);
    e.scan.session_id = cart_event_session(c, session);
    e.scan.line = c->ledger.trip.lines + 1;
    e.scan.gtin = span_text(code.gtin, sizeof code.gtin);
    e.scan.quantity = quantity;
    fill_product(&code, known ? &product : NULL, &e.scan);
    check_currency(c, &e.scan);
    if (e.scan.price != WIRE_ABSENT &&
        cart_ledger_can_add(&c->ledger, e.scan.price, quantity) != RES_OK) {
        cart_view_show(c, DISPLAY_NOT_NOW, "basket is worth too much");
        return RES_CONFLICT;
    }
    weigh(c, &e.scan);
    r = cart_event_emit(c, FLASH_QUEUE_SCAN, &e);
    if (r != RES_OK) {
        return r;
    }
    show_added(c, &e.scan, known ? &product : NULL);
    return RES_OK;
}

/* The newest line with this code, and so many left. */
static enum res find_line(struct cart *c, const char *gtin, int64_t quantity, int64_t *ret_number,
                          struct cart_line *ret_line)
{
    for (int64_t number = c->ledger.trip.lines; number > 0; number--) {
        struct cart_line line;
        if (cart_store_line(&c->store, number, &line) == RES_OK && line.quantity >= quantity &&
            strcmp(line.gtin, gtin) == 0) {
            *ret_number = number;
            *ret_line = line;
            return RES_OK;
        }
    }
    return RES_NOT_FOUND;
}

enum res cart_scan_remove(struct cart *c, struct span text, enum cart_symbology symbology,
                          int64_t quantity)
{
    struct code code;
    struct cart_line line;
    int64_t number;
    char session[WIRE_SESSION_ID_BYTES];
    struct wire_event e;
    if (quantity < 1 || quantity > 99 || read_code(c, text, symbology, &code) != RES_OK) {
        cart_view_show(c, DISPLAY_BAD_CODE, "");
        return RES_INVALID;
    }
    if (c->ledger.trip.start == 0 || find_line(c, code.gtin, quantity, &number, &line) != RES_OK) {
        cart_view_show(c, DISPLAY_NOT_IN_BASKET, "");
        return RES_NOT_FOUND;
    }
    enum res r = cart_session_ready(c);
    if (r != RES_OK) {
        return r;
    }
    if (!has_line_room(c)) {
        cart_view_show(c, DISPLAY_NOT_NOW, "basket is full");
        return RES_CONFLICT;
    }
    wire_event_init(&e, WIRE_SCAN);
    e.scan.session_id = cart_event_session(c, session);
    e.scan.line = number;
    e.scan.gtin = span_text(line.gtin, sizeof line.gtin);
    e.scan.sku = span_text(line.sku, sizeof line.sku);
    e.scan.quantity = -quantity;
    e.scan.price = line.price;
    if (line.price != WIRE_ABSENT) {
        e.scan.price_source = line.price_source;
        e.scan.currency = span_text(c->ledger.trip.currency, sizeof c->ledger.trip.currency);
    }
    e.scan.measure_g = line.measure_g > 0 ? line.measure_g : WIRE_ABSENT;
    e.scan.weight_expected_g = line.expected_g > 0 ? -quantity * line.expected_g : WIRE_ABSENT;
    weigh(c, &e.scan);
    r = cart_event_emit(c, FLASH_QUEUE_SCAN, &e);
    if (r != RES_OK) {
        return r;
    }
    cart_view_line(c, DISPLAY_REMOVED, e.scan.gtin, number, quantity, 0);
    if (e.scan.weight == WIRE_WEIGHT_MISMATCH) {
        cart_view_line(c, DISPLAY_CHECK_WEIGHT, SPAN_NONE, number, -quantity, 0);
    }
    return RES_OK;
}

/* The line that began with this scan; scans and lines rise together. */
static enum res find_scan(struct cart *c, int64_t counter, int64_t *ret_number,
                          struct cart_line *ret_line)
{
    for (int64_t number = c->ledger.trip.lines; number > 0; number--) {
        struct cart_line line;
        if (cart_store_line(&c->store, number, &line) != RES_OK) {
            continue;
        }
        if (line.scan <= counter) {
            *ret_number = number;
            *ret_line = line;
            return line.scan == counter ? RES_OK : RES_NOT_FOUND;
        }
    }
    return RES_NOT_FOUND;
}

void cart_scan_product(struct cart *c, const struct wire_product *product)
{
    struct cart_line line;
    int64_t number;
    char session[WIRE_SESSION_ID_BYTES];
    struct wire_event e;
    const struct cart_trip *trip = &c->ledger.trip;
    if (trip->start == 0 || trip->paid || product->epoch != c->ledger.epoch ||
        product->counter <= trip->start ||
        find_scan(c, product->counter, &number, &line) != RES_OK || line.price != WIRE_ABSENT) {
        return; /* of a trip that has ended, or answered already */
    }
    if (product->found == 0) {
        cart_view_line(c, DISPLAY_NOT_KNOWN, product->gtin, number, line.quantity, 0);
        return;
    }
    wire_event_init(&e, WIRE_SCAN);
    e.scan.session_id = cart_event_session(c, session);
    e.scan.line = number;
    e.scan.gtin = span_text(line.gtin, sizeof line.gtin);
    e.scan.sku = product->sku;
    e.scan.quantity = line.first;
    e.scan.weight = WIRE_WEIGHT_UNKNOWN; /* judged at the first read, or never */
    e.scan.resolves = line.scan;
    e.scan.price = product->price;
    e.scan.price_source = WIRE_PRICE_RESPONSE;
    e.scan.currency = product->currency;
    int64_t unit_g = line.measure_g > 0 ? line.measure_g : product->weight_g;
    if (product->per_kg == 1) {
        e.scan.measure_g = unit_g > 0 ? unit_g : WIRE_ABSENT;
        e.scan.price = unit_g > 0 ? price_of_measure(product->price, unit_g) : WIRE_ABSENT;
    }
    if (unit_g > 0 && unit_g * line.first <= GRAMS_MAX) {
        e.scan.weight_expected_g = unit_g * line.first;
    }
    check_currency(c, &e.scan);
    if (e.scan.price == WIRE_ABSENT || !has_line_room(c) ||
        cart_ledger_can_add(&c->ledger, e.scan.price, line.quantity) != RES_OK) {
        return;
    }
    /* Refused for want of room: the line stays without a price and is counted as such. */
    if (cart_event_emit(c, FLASH_QUEUE_SCAN, &e) == RES_OK) {
        cart_view_line(c, DISPLAY_PRICED, product->name, number, line.quantity, e.scan.price);
    }
}

static enum res ask_again(struct cart *c, int64_t number, const struct cart_line *line)
{
    char session[WIRE_SESSION_ID_BYTES];
    struct wire_event e;
    wire_event_init(&e, WIRE_SCAN);
    e.scan.session_id = cart_event_session(c, session);
    e.scan.line = number;
    e.scan.gtin = span_text(line->gtin, sizeof line->gtin);
    e.scan.quantity = line->first;
    e.scan.weight = WIRE_WEIGHT_UNKNOWN;
    e.scan.resolves = line->scan;
    return cart_event_emit(c, FLASH_QUEUE_SCAN, &e);
}

static void ask_round(struct cart *c)
{
    int64_t lines = c->ledger.trip.lines;
    int asked = 0;
    for (int64_t i = 0; i < lines && asked < CART_ASK_LINES_MAX && has_line_room(c); i++) {
        struct cart_line line;
        int64_t number = 1 + c->ask_line % lines;
        c->ask_line = number;
        if (cart_store_line(&c->store, number, &line) != RES_OK || line.price != WIRE_ABSENT ||
            line.quantity == 0) {
            continue;
        }
        if (ask_again(c, number, &line) != RES_OK) {
            return; /* no room now: the next round tries again */
        }
        asked++;
    }
}

/* An answer is not stored anywhere and may be lost with the broker; the question is an event, so it
 * is asked as a new one, once everything before it is known to have arrived. */
void cart_scan_tick(struct cart *c)
{
    const struct cart_trip *trip = &c->ledger.trip;
    if (trip->start == 0 || trip->paid || trip->unpriced == 0) {
        c->ask_after_ms = CART_ASK_FIRST_MS;
        c->ask_ms = c->now.uptime_ms;
        c->ask_line = 0;
        return;
    }
    if (!c->connected || c->unsaved || c->behind || cart_unacknowledged(c) > 0) {
        c->ask_ms = c->now.uptime_ms;
        return;
    }
    if (c->now.uptime_ms - c->ask_ms < c->ask_after_ms) {
        return;
    }
    c->ask_ms = c->now.uptime_ms;
    c->ask_after_ms *= 2;
    if (c->ask_after_ms > CART_ASK_MAX_MS) {
        c->ask_after_ms = CART_ASK_MAX_MS;
    }
    ask_round(c);
}
