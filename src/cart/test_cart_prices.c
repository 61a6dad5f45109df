/* The supplement: prices that changed since the catalogue in the cart's cache. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "test_world.h"

#define SECTORS 200

/* Valid check digits. */
#define MILK  "8901030000010"
#define BREAD "8901030000027"
#define OTHER "8901030000034"

static int setup(void **state)
{
    struct test_world *w = test_world_new(1, SECTORS);
    bool on = test_world_boot(w);
    assert_true(on);
    test_world_run(w, 1000, 100);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    test_world_free(*state);
    return 0;
}

/* Milk at 50.00 and bread at 30.00, in a chunk each. */
static void give_chunk(struct test_world *w, int64_t version, int64_t chunk)
{
    struct wire_downlink m;
    wire_downlink_init(&m, WIRE_CATALOGUE);
    m.catalogue.store_id = SPAN_LIT(TEST_WORLD_STORE);
    m.catalogue.version = version;
    m.catalogue.chunk = chunk;
    m.catalogue.chunks = 2;
    m.catalogue.currency = SPAN_LIT("INR");
    m.catalogue.item_count = 1;
    m.catalogue.items[0] =
        chunk == 0 ? (struct wire_catalogue_item){SPAN_LIT("0" MILK),
                                                  SPAN_LIT("MILK"),
                                                  SPAN_LIT("Milk"),
                                                  5000,
                                                  1000,
                                                  0}
                   : (struct wire_catalogue_item){
                         SPAN_LIT("0" BREAD), SPAN_LIT("BREAD"), SPAN_LIT("Bread"), 3000, 400, 0};
    test_platform_send(w->platform, &m);
    test_world_run(w, 500, 100);
}

static void give_catalogue(struct test_world *w, int64_t version)
{
    give_chunk(w, version, 0);
    give_chunk(w, version, 1);
}

static struct wire_downlink supplement(int64_t base, int64_t version, int64_t milk)
{
    struct wire_downlink m;
    wire_downlink_init(&m, WIRE_PRICES);
    m.prices.store_id = SPAN_LIT(TEST_WORLD_STORE);
    m.prices.base = base;
    m.prices.version = version;
    m.prices.currency = SPAN_LIT("INR");
    m.prices.item_count = 2;
    m.prices.items[0] = (struct wire_price){SPAN_LIT("0" MILK), milk};
    m.prices.items[1] = (struct wire_price){SPAN_LIT("0" OTHER), 100};
    return m;
}

static void send(struct test_world *w, struct wire_downlink *m)
{
    test_platform_send(w->platform, m);
    test_world_run(w, 500, 100);
}

static void give_prices(struct test_world *w, int64_t base, int64_t version, int64_t milk)
{
    struct wire_downlink m = supplement(base, version, milk);
    send(w, &m);
}

/* What the cart charges; WIRE_ABSENT: it does not know. */
static int64_t price(struct test_world *w, const char *code)
{
    struct wire_event event;
    assert_int_equal(cart_scan(&w->cart, test_world_now(w), span_text(code, 14), CART_EAN, 1),
                     RES_OK);
    assert_true(test_world_count(w, WIRE_SCAN, &event) > 0);
    return event.scan.price;
}

static void charges_the_price_of_the_supplement(void **state)
{
    struct test_world *w = *state;
    give_catalogue(w, 7);
    assert_int_equal(price(w, MILK), 5000);
    give_prices(w, 7, 8, 4500);
    assert_int_equal(price(w, MILK), 4500);
    assert_int_equal(price(w, BREAD), 3000);
    assert_int_equal(price(w, OTHER), WIRE_ABSENT); /* a price alone makes no product known */
    assert_int_equal(cart_catalog_version(&w->cart), 8);
}

static void the_newest_replaces_those_before_and_an_older_one_is_ignored(void **state)
{
    struct test_world *w = *state;
    give_catalogue(w, 7);
    give_prices(w, 7, 9, 4000);
    give_prices(w, 7, 8, 4500);
    assert_int_equal(price(w, MILK), 4000);
    give_prices(w, 7, 9, 4600); /* the same version says the same */
    assert_int_equal(price(w, MILK), 4000);
    struct wire_downlink none = supplement(7, 10, 0);
    none.prices.item_count = 0;
    send(w, &none);
    assert_int_equal(price(w, MILK), 5000);
    assert_int_equal(cart_catalog_version(&w->cart), 10);
}

static void is_of_its_base_only(void **state)
{
    struct test_world *w = *state;
    give_catalogue(w, 7);
    give_prices(w, 6, 20, 100);
    assert_int_equal(price(w, MILK), 5000);
    assert_int_equal(cart_catalog_version(&w->cart), 7);
    give_prices(w, 9, 20, 4000); /* comes before its base */
    assert_int_equal(price(w, MILK), 5000);
    give_chunk(w, 9, 0);
    assert_int_equal(price(w, MILK), 5000);
    give_chunk(w, 9, 1);
    assert_int_equal(price(w, MILK), 4000);
    assert_int_equal(cart_catalog_version(&w->cart), 20);
}

static void a_whole_catalogue_supersedes_it(void **state)
{
    struct test_world *w = *state;
    give_catalogue(w, 7);
    give_prices(w, 7, 8, 4500);
    give_catalogue(w, 8);
    assert_int_equal(price(w, MILK), 5000);
    assert_int_equal(cart_catalog_version(&w->cart), 8);
    assert_int_equal(w->net.refreshes, 0);
    give_prices(w, 8, 9, 4400);
    assert_int_equal(price(w, MILK), 4400);
}

/* Else a price that has fallen would be charged in full until the new base is whole. */
static void one_in_use_does_not_give_way_to_one_whose_base_is_not_there(void **state)
{
    struct test_world *w = *state;
    give_catalogue(w, 7);
    give_prices(w, 7, 8, 4500);
    give_prices(w, 9, 10, 4000);
    assert_int_equal(price(w, MILK), 4500);
    give_chunk(w, 9, 0);
    assert_int_equal(w->net.refreshes, 0);
    give_chunk(w, 9, 1);
    assert_int_equal(w->net.refreshes, 1); /* asks for it again */
    give_prices(w, 9, 10, 4000);
    assert_int_equal(price(w, MILK), 4000);
}

static void another_currency_is_no_price(void **state)
{
    struct test_world *w = *state;
    give_catalogue(w, 7);
    struct wire_downlink m = supplement(7, 8, 45);
    m.prices.currency = SPAN_LIT("USD");
    send(w, &m);
    assert_int_equal(price(w, MILK), 5000);
}

static void another_stores_supplement_and_a_forged_one_are_ignored(void **state)
{
    struct test_world *w = *state;
    struct wire_event event;
    give_catalogue(w, 7);
    struct wire_downlink m = supplement(7, 8, 45);
    m.prices.store_id = SPAN_LIT("STORE-XYZ-09");
    send(w, &m);
    assert_int_equal(price(w, MILK), 5000);
    uint8_t frame[512];
    struct sink s;
    m = supplement(7, 8, 45);
    sink_init(&s, frame, sizeof frame - WIRE_SIGNATURE_BYTES);
    assert_int_equal(wire_downlink_encode(&m, &s), RES_OK);
    memset(frame + s.size, 7, WIRE_SIGNATURE_BYTES);
    unsigned faults = test_world_count(w, WIRE_FAULT, &event);
    cart_network_message(&w->cart, test_world_now(w),
                         span_of(frame, s.size + WIRE_SIGNATURE_BYTES));
    assert_int_equal(price(w, MILK), 5000);
    assert_int_equal(test_world_count(w, WIRE_FAULT, &event), faults + 1);
}

static void is_lost_with_power_and_taken_when_it_comes_again(void **state)
{
    struct test_world *w = *state;
    give_catalogue(w, 7);
    give_prices(w, 7, 8, 4500);
    test_world_power_off(w);
    assert_true(test_world_boot(w));
    test_world_run(w, 1000, 100);
    assert_int_equal(cart_catalog_version(&w->cart), 7);
    assert_int_equal(price(w, MILK), 5000);
    give_prices(w, 7, 8, 4500);
    assert_int_equal(price(w, MILK), 4500);
}

static void takes_as_many_items_as_a_message_has(void **state)
{
    (void)state;
    static struct wire_prices m = {.base = 3, .version = 4, .item_count = WIRE_PRICES_ITEMS_MAX};
    static char gtins[WIRE_PRICES_ITEMS_MAX][15];
    static struct cart_prices kept;
    m.currency = SPAN_LIT("INR");
    for (size_t i = 0; i < m.item_count; i++) {
        (void)snprintf(gtins[i], sizeof gtins[i], "999999%08zu", 99999000 + i);
        m.items[i] = (struct wire_price){span_text(gtins[i], 14), (int64_t)(99999999 - i)};
    }
    cart_prices_put(&kept, &m, 3);
    for (size_t i = 0; i < m.item_count; i++) {
        int64_t minor = -1;
        cart_prices_apply(&kept, 3, m.items[i].gtin, "INR", &minor);
        assert_int_equal(minor, 99999999 - i);
    }
    int64_t minor = -1;
    cart_prices_apply(&kept, 3, SPAN_LIT("99999999998999"), "INR", &minor);
    cart_prices_apply(&kept, 4, m.items[0].gtin, "INR", &minor);
    assert_int_equal(minor, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(charges_the_price_of_the_supplement, setup, teardown),
        cmocka_unit_test_setup_teardown(
            the_newest_replaces_those_before_and_an_older_one_is_ignored, setup, teardown),
        cmocka_unit_test_setup_teardown(is_of_its_base_only, setup, teardown),
        cmocka_unit_test_setup_teardown(a_whole_catalogue_supersedes_it, setup, teardown),
        cmocka_unit_test_setup_teardown(one_in_use_does_not_give_way_to_one_whose_base_is_not_there,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(another_currency_is_no_price, setup, teardown),
        cmocka_unit_test_setup_teardown(another_stores_supplement_and_a_forged_one_are_ignored,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(is_lost_with_power_and_taken_when_it_comes_again, setup,
                                        teardown),
        cmocka_unit_test(takes_as_many_items_as_a_message_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
