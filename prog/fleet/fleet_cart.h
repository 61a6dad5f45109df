/* fleet_cart.h: a virtual cart: cart.h's core on the fleet's ports, and the shoppers of one shop,
 * who know the products that the shop's catalogue brought over MQTT and nothing else.
 */
#ifndef FLEET_CART_H
#define FLEET_CART_H

#include "board_sim.h"
#include "cart.h"
#include "fleet_device.h"
#include "shopper.h"
#include "terminal_sim.h"

#define FLEET_CART_SECTORS        256
#define FLEET_CART_FLASH_BYTES    (FLEET_CART_SECTORS * CART_STORE_SECTOR_BYTES)
#define FLEET_CART_TICK_MS        50   /* cart.h wants one within 100 */
#define FLEET_CART_PRODUCTS_MAX   2048 /* that shoppers choose among */
#define FLEET_CART_TRIPS          128  /* made up from them */
#define FLEET_CART_TRIP_STEPS_MAX 16
#define FLEET_CART_WAIT_CHUNKS_MS 3000 /* for the rest of a catalogue that has begun to come */

/* How people shop; 0 trips_max: without end. */
struct fleet_cart_habits {
    int64_t pace_ms;
    int64_t trips_max;
    double identify;
    double mismatch;
    double decline;
};

struct fleet_cart_shop {
    struct rng rng;
    struct shopper_settings settings; /* no trips before there is a catalogue */
    uint32_t decline_per_mille;
    size_t product_count;
    int64_t heard_ms; /* of the first chunk, by the loop's clock */
    char products[FLEET_CART_PRODUCTS_MAX][GTIN_DIGITS + 1];
    struct trip_file trips;
    struct trip trip[FLEET_CART_TRIPS];
    struct trip_step steps[FLEET_CART_TRIPS][FLEET_CART_TRIP_STEPS_MAX];
};

void fleet_cart_shop_init(struct fleet_cart_shop *shop, const struct fleet_cart_habits *habits,
                          uint64_t seed);

struct fleet_cart {
    struct fleet_device device; /* first */
    struct fleet_cart_shop *shop;
    struct cart core;
    struct cart_settings settings;
    struct cart_ports ports;
    struct shopper shopper;
    bool shopping;
    struct terminal_sim terminal;
    struct scale_sim scale;
    struct board_sim board;
    struct display display;
    uint64_t trips; /* of shoppers before a restart */
    uint64_t scans;
};

/* `directory` holds its key, which signs. Errors as ecdsa_private_load. */
MUST_CHECK enum res fleet_cart_init(struct fleet_cart *c, struct fleet_device_shared *shared,
                                    struct fleet_cart_shop *shop,
                                    const struct fleet_identity *identity, const char *directory,
                                    struct fleet_memory_cell *cell, uint8_t *flash, uint64_t seed,
                                    struct err *why);
void fleet_cart_deinit(struct fleet_cart *c);

#endif
