#include "fleet_cart.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "file.h"

#define FIRMWARE     "0.1.0"
#define ITEMS_LEAST  2
#define QUANTITY_MAX 3

/* --- the shop --- */

void fleet_cart_shop_init(struct fleet_cart_shop *shop, const struct fleet_cart_habits *habits,
                          uint64_t seed)
{
    *shop = (struct fleet_cart_shop){.heard_ms = 0};
    rng_init(&shop->rng, seed);
    shop->decline_per_mille = (uint32_t)(habits->decline * 1000);
    shop->settings = (struct shopper_settings){.pace_ms = habits->pace_ms,
                                               .trips_max = habits->trips_max,
                                               .loop = true,
                                               .identify = habits->identify,
                                               .mismatch = habits->mismatch};
}

/* Trips that take two products or more and pay. */
static void make_trips(struct fleet_cart_shop *shop)
{
    for (size_t i = 0; i < FLEET_CART_TRIPS; i++) {
        size_t count = ITEMS_LEAST + rng_below(&shop->rng, FLEET_CART_TRIP_STEPS_MAX - ITEMS_LEAST);
        for (size_t k = 0; k < count; k++) {
            struct trip_step *step = &shop->steps[i][k];
            size_t which = rng_below(&shop->rng, shop->product_count);
            *step = (struct trip_step){.action = TRIP_SCAN,
                                       .quantity = 1 + (int)rng_below(&shop->rng, QUANTITY_MAX)};
            /* A scanner reads EAN-13; the catalogue pads to fourteen digits. */
            const char *gtin = shop->products[which];
            (void)snprintf(step->code, sizeof step->code, "%s", gtin[0] == '0' ? gtin + 1 : gtin);
        }
        shop->trip[i] = (struct trip){.steps = shop->steps[i], .step_count = count};
    }
    shop->trips = (struct trip_file){.trips = shop->trip, .trip_count = FLEET_CART_TRIPS};
    shop->settings.trips = &shop->trips;
}

/* The signature is the core's to judge; a forged chunk would only offer products that no cart
 * knows. */
static void learn(struct fleet_cart_shop *shop, struct span frame, int64_t now_ms)
{
    static struct wire_downlink message; /* large; one thread */
    struct span body;
    struct span signature;
    struct wire_detail detail;
    if (shop->settings.trips != NULL ||
        wire_downlink_split(frame, &body, &signature) != WIRE_FINE ||
        wire_downlink_decode(body, &message, &detail) != WIRE_FINE ||
        message.type != WIRE_CATALOGUE) {
        return;
    }
    const struct wire_catalogue *c = &message.catalogue;
    shop->heard_ms = shop->heard_ms == 0 ? now_ms : shop->heard_ms;
    for (size_t i = 0; i < c->item_count && shop->product_count < FLEET_CART_PRODUCTS_MAX; i++) {
        /* Goods weighed at a counter carry codes of their own. */
        if (c->items[i].per_kg == 0 && c->items[i].gtin.size == GTIN_DIGITS) {
            enum res r = span_copy_text(c->items[i].gtin, shop->products[shop->product_count],
                                        sizeof shop->products[0]);
            shop->product_count += r == RES_OK;
        }
    }
}

/* --- ports and kind --- */

static struct fleet_cart *of(struct fleet_device *d)
{
    return (struct fleet_cart *)d;
}

static struct cart_time now(const struct fleet_device *d)
{
    return (struct cart_time){fleet_device_now(d), clock_utc_ms() + d->clock.utc_offset_ms};
}

static void display_show(void *context, const struct display_view *view)
{
    (void)context; /* nobody looks */
    (void)view;
}

static void set_time(struct fleet_cart *c)
{
    c->terminal.now_ms = fleet_device_now(&c->device);
    c->board.now_ms = c->terminal.now_ms;
    c->board.reading.battery_pct = c->device.battery_pct;
}

static enum res start(struct fleet_device *d, enum fleet_device_start how)
{
    struct fleet_cart *c = of(d);
    set_time(c);
    c->board.restarts = 0;
    c->settings.boot_reason = how == FLEET_DEVICE_RESTART ? WIRE_BOOT_COMMAND : WIRE_BOOT_POWER;
    c->trips += c->shopping ? c->shopper.trips : 0;
    c->scans += c->shopping ? c->shopper.scans : 0;
    c->shopping = false;
    return cart_init(&c->core, &c->settings, &c->ports, now(d));
}

static void connected(struct fleet_device *d)
{
    cart_network_connected(&of(d)->core, now(d));
}

static void disconnected(struct fleet_device *d, enum res cause)
{
    (void)cause;
    cart_network_disconnected(&of(d)->core, now(d));
}

static void message(struct fleet_device *d, struct span topic, struct span payload,
                    struct span signature)
{
    struct fleet_cart *c = of(d);
    (void)topic;
    (void)signature; /* a cart's frame carries its own */
    learn(c->shop, payload, d->shared->loop->now_ms);
    cart_network_message(&c->core, now(d), payload);
}

static void shop(struct fleet_cart *c)
{
    struct fleet_cart_shop *shop = c->shop;
    if (shop->settings.trips == NULL && shop->product_count > 0 &&
        c->device.shared->loop->now_ms - shop->heard_ms >= FLEET_CART_WAIT_CHUNKS_MS) {
        make_trips(shop);
    }
    if (!c->shopping && shop->settings.trips != NULL) {
        shopper_init(&c->shopper, &shop->settings, &c->core, &c->scale, rng_next(&c->device.rng),
                     now(&c->device));
        c->shopping = true;
    }
    if (c->shopping) {
        shopper_step(&c->shopper, now(&c->device));
    }
}

static int64_t step(struct fleet_device *d)
{
    struct fleet_cart *c = of(d);
    struct span reference;
    struct span token;
    enum terminal_answer answer;
    set_time(c);
    if (terminal_sim_answer(&c->terminal, &reference, &answer, &token)) {
        cart_terminal_answer(&c->core, now(d), reference, answer, token);
    }
    shop(c);
    cart_tick(&c->core, now(d));
    d->restart = c->board.restarts > 0;
    return d->shared->loop->now_ms + FLEET_CART_TICK_MS;
}

static struct span filter(const struct fleet_device *d, size_t index,
                          char room[FLEET_LINK_FILTER_BYTES_MAX])
{
    const struct fleet_identity *who = d->identity;
    int size = 0;
    switch (index) {
    case 0:
        size = snprintf(room, FLEET_LINK_FILTER_BYTES_MAX, "cart/%s/command", who->id);
        break;
    case 1:
        size = snprintf(room, FLEET_LINK_FILTER_BYTES_MAX, "cart/%s/response", who->id);
        break;
    case 2:
        size = snprintf(room, FLEET_LINK_FILTER_BYTES_MAX, "store/%s/catalogue/+", who->store_id);
        break;
    default:
        return SPAN_NONE;
    }
    assert(size > 0 && size < FLEET_LINK_FILTER_BYTES_MAX);
    return span_of(room, (size_t)size);
}

static const struct fleet_device_kind kind = {.name = "cart",
                                              .start = start,
                                              .connected = connected,
                                              .disconnected = disconnected,
                                              .message = message,
                                              .step = step,
                                              .filter = filter};

static void init_ports(struct fleet_cart *c, uint64_t seed)
{
    terminal_sim_init(&c->terminal, seed);
    c->terminal.decline_per_mille = c->shop->decline_per_mille;
    c->terminal.delay_ms = 200;
    scale_sim_init(&c->scale);
    board_sim_init(&c->board, seed);
    c->board.last_ms = INT64_MAX / 2; /* its battery is ours to say */
    c->display = (struct display){.context = c, .show = display_show};
    c->ports = (struct cart_ports){.flash = &c->device.chip.flash,
                                   .secure = &c->device.secure.secure,
                                   .network = &c->device.network,
                                   .display = &c->display,
                                   .scale = &c->scale.scale,
                                   .terminal = &c->terminal.terminal,
                                   .board = &c->board.board};
}

enum res fleet_cart_init(struct fleet_cart *c, struct fleet_device_shared *shared,
                         struct fleet_cart_shop *shop_of, const struct fleet_identity *identity,
                         const char *directory, struct fleet_memory_cell *cell, uint8_t *flash,
                         uint64_t seed, struct err *why)
{
    char path[FILE_PATH_BYTES_MAX];
    struct fleet_device *d = &c->device;
    struct ecdsa_private *key = NULL;
    enum res r = file_path(path, why, "%s/%s.key", directory, identity->id);
    if (r == RES_OK) {
        r = ecdsa_private_load(path, &key, why);
    }
    if (r != RES_OK) {
        return r;
    }
    c->shop = shop_of;
    fleet_device_init(d, shared, &kind, identity, cell, seed);
    fleet_memory_chip_init(&d->chip, flash, CART_STORE_SECTOR_BYTES, FLEET_CART_SECTORS);
    fleet_secure_element_init(&d->secure, shared->secure, &cell->epoch, &d->rng, key);
    init_ports(c, seed);
    c->settings = (struct cart_settings){
        .cart_id = identity->id,
        .store_id = identity->store_id,
        .currency = "INR",
        .firmware = FIRMWARE,
        .hardware = "endcap-cart-fleet",
        .slot = "A",
    };
    return RES_OK;
}

void fleet_cart_deinit(struct fleet_cart *c)
{
    ecdsa_private_free(c->device.secure.key);
    c->device.secure.key = NULL;
}
