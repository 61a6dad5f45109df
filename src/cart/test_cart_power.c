/* Feature: endcap, a trip survives any power cut: random shoppers, networks and cuts at random
 * flash operations, before a model platform. Nothing is lost, no counter is used twice, and each
 * ended session agrees with what was received; the model asserts the last two at each message.
 */
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "test_world.h"

#define CASES         100
#define INPUTS        60
#define FLASH_SECTORS 200

static uint64_t base_seed;
static unsigned cuts;
static unsigned sessions;
static unsigned duplicates;
static size_t events;

static void random_gtin(struct rng *rng, char gtin[14])
{
    /* A few products, so that removals find something. */
    snprintf(gtin, 14, "89010300%04u", (unsigned)rng_below(rng, 12));
    gtin[12] = gtin_check_digit(span_of(gtin, 12));
    gtin[13] = '\0';
}

static void random_network(struct rng *rng, struct test_world *w)
{
    struct network_sim *net = &w->net;
    net->loss_per_mille = (unsigned)rng_below(rng, 301);
    net->repeat_per_mille = (unsigned)rng_below(rng, 501);
    net->delay_most_ms = (int64_t)rng_below(rng, 2000);
    net->down = rng_below(rng, 6) == 0;
    if (rng_below(rng, 4) == 0 && net->connected) {
        network_sim_cut(net);
        cart_network_disconnected(&w->cart, test_world_now(w));
    }
}

static enum res random_input(struct rng *rng, struct test_world *w)
{
    static const char token[] = "cust_abcdefghijklmnop";
    char gtin[14];
    struct cart_time now = test_world_now(w);
    struct cart *c = &w->cart;
    random_gtin(rng, gtin);
    struct span code = span_text(gtin, sizeof gtin);
    switch (rng_below(rng, 20)) {
    case 0:
    case 1:
    case 2:
        return cart_remove_item(c, now, code, CART_EAN, 1);
    case 3:
        return cart_hold(c, now);
    case 4:
        return cart_resume(c, now);
    case 5:
        return cart_identify(c, now, WIRE_LOYALTY, SPAN_LIT(token));
    case 6:
    case 7:
        return cart_pay(c, now);
    case 8:
        return cart_finish(c, now);
    case 9:
        return rng_below(rng, 3) == 0 ? cart_cancel(c, now) : cart_start(c, now);
    default:
        return cart_scan(c, now, code, CART_EAN, 1 + (int64_t)rng_below(rng, 3));
    }
}

static void boot_until_it_runs(struct rng *rng, struct test_world *w)
{
    do {
        cuts += w->flash->off;
        test_world_power_off(w);
        flash_sim_power_on(w->flash);
        if (rng_below(rng, 3) == 0) {
            flash_sim_cut_after(w->flash, 1 + rng_below(rng, 8),
                                (enum flash_sim_tear)rng_below(rng, FLASH_SIM_TEARS));
        }
        w->power_ms = w->uptime_ms;
        enum res r = cart_init(&w->cart, &w->settings, &w->ports, test_world_now(w));
        assert(r == RES_OK || w->flash->off);
        w->on = r == RES_OK;
        w->uptime_ms += 100;
    } while (w->flash->off);
}

static void calm(struct test_world *w)
{
    w->net.loss_per_mille = 0;
    w->net.repeat_per_mille = 0;
    w->net.delay_most_ms = 0;
    w->net.down = false;
    flash_sim_power_on(w->flash);
    if (!w->on) {
        bool booted = test_world_boot(w);
        assert(booted);
    }
    for (int i = 0; i < 100 && (cart_unacknowledged(&w->cart) > 0 || i < 5); i++) {
        test_world_run(w, 10000, 100);
    }
}

static void one_case(uint64_t seed)
{
    struct rng rng;
    rng_init(&rng, seed);
    struct test_world *w = test_world_new(seed, FLASH_SECTORS);
    w->terminal.decline_per_mille = 200;
    w->platform->products_every = (unsigned)rng_below(&rng, 4);
    boot_until_it_runs(&rng, w);
    for (int i = 0; i < INPUTS; i++) {
        if (rng_below(&rng, 8) == 0) {
            random_network(&rng, w);
        }
        if (rng_below(&rng, 6) == 0) {
            flash_sim_cut_after(w->flash, 1 + rng_below(&rng, 12),
                                (enum flash_sim_tear)rng_below(&rng, FLASH_SIM_TEARS));
        }
        enum res r = random_input(&rng, w);
        (void)r; /* any answer is fine; what was made is judged */
        test_world_run(w, 50 + (int64_t)rng_below(&rng, 3000), 50);
        if (w->flash->off) {
            boot_until_it_runs(&rng, w);
        }
    }
    calm(w);
    assert(w->flash->violation == NULL);
    assert(cart_unacknowledged(&w->cart) == 0);
    test_world_assert_nothing_lost(w);
    sessions += w->platform->judged;
    duplicates += w->platform->duplicates;
    events += w->made_count;
    test_world_free(w);
}

static void loses_nothing_over_any_power_cut(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < CASES; i++) {
        print_message("seed %llu\n", (unsigned long long)(base_seed + i));
        one_case(base_seed + i);
    }
    print_message("%u cuts, %u sessions judged, %u duplicates, %zu events\n", cuts, sessions,
                  duplicates, events);
    assert_true(cuts > CASES && sessions > CASES && duplicates > CASES);
}

int main(void)
{
    const char *text = getenv("ENDCAP_SEED");
    base_seed = text != NULL ? strtoull(text, NULL, 10) : 20261121;
    printf("Feature: endcap-cart, Property: a trip survives any power cut; %d cases from seed "
           "%llu\n",
           CASES, (unsigned long long)base_seed);
    const struct CMUnitTest tests[] = {cmocka_unit_test(loses_nothing_over_any_power_cut)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
