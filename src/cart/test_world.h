/* test_world.h: one cart on simulated ports before a model platform, for this folder's tests. */
#ifndef TEST_WORLD_H
#define TEST_WORLD_H

#include "board_sim.h"
#include "cart.h"
#include "display_sim.h"
#include "flash_sim.h"
#include "network_sim.h"
#include "scale_sim.h"
#include "secure_sim.h"
#include "terminal_sim.h"
#include "test_platform.h"

#define TEST_WORLD_CART   "CART-TEST01"
#define TEST_WORLD_STORE  "STORE-TST-01"
#define TEST_WORLD_EVENTS 8192

/* An event the cart made, as its observer saw it. */
struct test_world_made {
    int64_t epoch;
    int64_t counter;
    uint16_t size;
    uint8_t *body;
};

struct test_world {
    struct flash_sim *flash;
    struct secure_sim secure;
    struct network_sim net;
    struct terminal_sim terminal;
    struct scale_sim scale;
    struct board_sim board;
    struct display_sim display;
    struct cart_observer observer;
    struct test_platform *platform;
    struct cart_settings settings;
    struct cart_ports ports;
    struct cart cart;
    bool on;           /* the cart runs */
    int64_t uptime_ms; /* of the world, never steps */
    int64_t power_ms;  /* when the cart was switched on */
    int64_t utc_offset_ms;
    size_t made_count;
    struct test_world_made made[TEST_WORLD_EVENTS];
};

struct test_world *test_world_new(uint64_t seed, uint32_t sectors);
void test_world_free(struct test_world *w);
struct cart_time test_world_now(const struct test_world *w);
/* Switches the cart on; false when the power was cut meanwhile. */
bool test_world_boot(struct test_world *w);
/* Time passes in steps; messages and answers are carried. Stops early when the power is cut. */
void test_world_run(struct test_world *w, int64_t ms, int64_t step_ms);
/* Whether a planned cut has happened. */
bool test_world_is_cut(const struct test_world *w);
void test_world_power_off(struct test_world *w);
/* Everything the cart made is on the platform, byte for byte. */
void test_world_assert_nothing_lost(const struct test_world *w);
/* The cart's events of this type so far; ret_last the newest one (its spans point into `made`). */
unsigned test_world_count(const struct test_world *w, enum wire_type type,
                          struct wire_event *ret_last);

#endif
