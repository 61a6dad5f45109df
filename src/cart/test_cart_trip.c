/* Trips: the state machine, scanning, identification and payment, on simulated ports. */
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
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

static enum res scan(struct test_world *w, const char *code, int64_t quantity)
{
    return cart_scan(&w->cart, test_world_now(w), span_text(code, 14), CART_EAN, quantity);
}

static enum res take_out(struct test_world *w, const char *code, int64_t quantity)
{
    return cart_remove_item(&w->cart, test_world_now(w), span_text(code, 14), CART_EAN, quantity);
}

/* Gives the cart three products: milk 1 kg at 50.00, bread 400 g at 30.00, loose goods per kg. */
static void give_catalogue(struct test_world *w, int64_t version)
{
    struct wire_downlink m;
    wire_downlink_init(&m, WIRE_CATALOGUE);
    m.catalogue.store_id = SPAN_LIT(TEST_WORLD_STORE);
    m.catalogue.version = version;
    m.catalogue.chunk = 0;
    m.catalogue.chunks = 1;
    m.catalogue.currency = SPAN_LIT("INR");
    m.catalogue.item_count = 3;
    m.catalogue.items[0] = (struct wire_catalogue_item){
        SPAN_LIT("02812340000005"), SPAN_LIT("LOOSE"), SPAN_LIT("Tomatoes"), 4000, 0, 1};
    m.catalogue.items[1] = (struct wire_catalogue_item){
        SPAN_LIT("0" MILK), SPAN_LIT("MILK"), SPAN_LIT("Milk"), 5000, 1000, 0};
    m.catalogue.items[2] = (struct wire_catalogue_item){
        SPAN_LIT("0" BREAD), SPAN_LIT("BREAD"), SPAN_LIT("Bread"), 3000, 400, 0};
    char text[14];
    memcpy(text, "281234000000", 13);
    static char loose[15];
    loose[0] = '0';
    memcpy(loose + 1, text, 12);
    loose[13] = gtin_check_digit(span_of(text, 12));
    m.catalogue.items[0].gtin = span_of(loose, 14);
    test_platform_send(w->platform, &m);
    test_world_run(w, 500, 100);
}

static struct wire_event last(struct test_world *w, enum wire_type type)
{
    struct wire_event event;
    unsigned count = test_world_count(w, type, &event);
    assert_true(count > 0);
    return event;
}

/* --- sessions --- */

static void makes_the_boot_event_first(void **state)
{
    struct test_world *w = *state;
    struct wire_event event;
    bool there = test_platform_event(w->platform, 1, 1, &event);
    assert_true(there && event.type == WIRE_BOOT && event.boot.reason == WIRE_BOOT_POWER);
}

static void starts_a_trip_with_the_first_scan_as_a_guest(void **state)
{
    struct test_world *w = *state;
    assert_int_equal(scan(w, MILK, 1), RES_OK);
    struct wire_event start = last(w, WIRE_SESSION_START);
    struct wire_event first = last(w, WIRE_SCAN);
    assert_int_equal(start.session_start.transition, WIRE_START);
    assert_int_equal(first.counter, start.counter + 1);
    assert_true(span_equal(first.scan.session_id, start.session_start.session_id));
    assert_int_equal(test_world_count(w, WIRE_IDENTIFY, NULL), 0);
}

static void keeps_at_most_one_trip_open_and_makes_several_a_day(void **state)
{
    struct test_world *w = *state;
    assert_int_equal(cart_start(&w->cart, test_world_now(w)), RES_OK);
    assert_int_equal(cart_start(&w->cart, test_world_now(w)), RES_CONFLICT);
    assert_int_equal(cart_cancel(&w->cart, test_world_now(w)), RES_OK);
    assert_int_equal(cart_cancel(&w->cart, test_world_now(w)), RES_CONFLICT);
    assert_int_equal(cart_start(&w->cart, test_world_now(w)), RES_OK);
    assert_int_equal(cart_finish(&w->cart, test_world_now(w)), RES_OK);
    test_world_run(w, 2000, 100);
    assert_int_equal(w->platform->ended[WIRE_VOIDED], 1);
    assert_int_equal(w->platform->ended[WIRE_COMPLETE], 1);
}

static void holds_and_resumes(void **state)
{
    struct test_world *w = *state;
    assert_int_equal(cart_hold(&w->cart, test_world_now(w)), RES_CONFLICT);
    assert_int_equal(scan(w, MILK, 1), RES_OK);
    assert_int_equal(cart_hold(&w->cart, test_world_now(w)), RES_OK);
    struct wire_event event = last(w, WIRE_SESSION_START);
    assert_int_equal(event.session_start.transition, WIRE_HOLD);
    assert_int_equal(event.session_start.reason, WIRE_HOLD_CUSTOMER);
    assert_int_equal(cart_hold(&w->cart, test_world_now(w)), RES_CONFLICT);
    assert_int_equal(cart_resume(&w->cart, test_world_now(w)), RES_OK);
    assert_int_equal(last(w, WIRE_SESSION_START).session_start.transition, WIRE_RESUME);
    assert_int_equal(cart_resume(&w->cart, test_world_now(w)), RES_CONFLICT);
}

static void a_scan_resumes_a_trip_that_the_shopper_held(void **state)
{
    struct test_world *w = *state;
    assert_int_equal(scan(w, MILK, 1), RES_OK);
    assert_int_equal(cart_hold(&w->cart, test_world_now(w)), RES_OK);
    assert_int_equal(scan(w, BREAD, 1), RES_OK);
    assert_int_equal(last(w, WIRE_SESSION_START).session_start.transition, WIRE_RESUME);
    assert_int_equal(last(w, WIRE_SCAN).scan.line, 2);
}

static void an_idle_trip_is_held_after_10_min_and_abandoned_30_min_later(void **state)
{
    struct test_world *w = *state;
    assert_int_equal(scan(w, MILK, 1), RES_OK);
    test_world_run(w, 599000, 1000);
    assert_int_equal(last(w, WIRE_SESSION_START).session_start.transition, WIRE_START);
    test_world_run(w, 2000, 1000);
    struct wire_event event = last(w, WIRE_SESSION_START);
    assert_int_equal(event.session_start.transition, WIRE_HOLD);
    assert_int_equal(event.session_start.reason, WIRE_HOLD_IDLE);
    test_world_run(w, 1798000, 1000);
    assert_int_equal(test_world_count(w, WIRE_SESSION_END, NULL), 0);
    test_world_run(w, 3000, 1000);
    assert_int_equal(last(w, WIRE_SESSION_END).session_end.outcome, WIRE_ABANDONED);
    assert_false(cart_has_trip(&w->cart));
}

/* --- scanning --- */

static void prices_from_the_cache(void **state)
{
    struct test_world *w = *state;
    give_catalogue(w, 7);
    assert_int_equal(scan(w, MILK, 2), RES_OK);
    struct wire_event event = last(w, WIRE_SCAN);
    assert_int_equal(event.scan.price, 5000);
    assert_int_equal(event.scan.price_source, WIRE_PRICE_CACHE);
    assert_true(span_equal(event.scan.sku, SPAN_LIT("MILK")));
    assert_int_equal(event.scan.weight_expected_g, 2000);
    assert_int_equal(w->cart.ledger.trip.total_minor, 10000);
    assert_int_equal(w->cart.ledger.trip.item_count, 2);
    assert_true(span_equal(w->display.last.text, SPAN_LIT("Milk")) ||
                w->display.last.kind == DISPLAY_CHECK_WEIGHT);
}

static void an_unknown_product_is_published_and_priced_by_the_answer(void **state)
{
    struct test_world *w = *state;
    w->platform->products_every = 1000000;
    assert_int_equal(scan(w, OTHER, 3), RES_OK);
    struct wire_event first = last(w, WIRE_SCAN);
    assert_int_equal(first.scan.price, WIRE_ABSENT);
    assert_int_equal(w->cart.ledger.trip.unpriced, 3);
    assert_int_equal(w->display.last.kind, DISPLAY_ITEM_NO_PRICE);
    test_world_run(w, 1000, 100);
    struct wire_event second = last(w, WIRE_SCAN);
    int64_t price = test_platform_price(SPAN_LIT(OTHER));
    assert_int_equal(second.scan.resolves, first.counter);
    assert_int_equal(second.scan.line, first.scan.line);
    assert_int_equal(second.scan.quantity, 3);
    assert_int_equal(second.scan.price, price);
    assert_int_equal(second.scan.price_source, WIRE_PRICE_RESPONSE);
    assert_int_equal(w->cart.ledger.trip.unpriced, 0);
    assert_int_equal(w->cart.ledger.trip.total_minor, 3 * price);
    assert_int_equal(w->cart.ledger.trip.item_count, 3);
    assert_int_equal(w->display.shown[DISPLAY_PRICED], 1);
}

static void a_lost_answer_is_asked_for_again(void **state)
{
    struct test_world *w = *state;
    w->platform->products_every = 0;
    assert_int_equal(scan(w, OTHER, 2), RES_OK);
    struct wire_event first = last(w, WIRE_SCAN);
    test_world_run(w, CART_ASK_FIRST_MS - 500, 100);
    assert_int_equal(last(w, WIRE_SCAN).counter, first.counter);
    test_world_run(w, 1000, 100);
    struct wire_event again = last(w, WIRE_SCAN);
    assert_int_equal(again.scan.resolves, first.counter);
    assert_int_equal(again.scan.line, first.scan.line);
    assert_int_equal(again.scan.price, WIRE_ABSENT);
    assert_int_equal(w->cart.ledger.trip.unpriced, 2);
    w->platform->products_every = 1000000;
    test_world_run(w, 2 * CART_ASK_FIRST_MS + 1000, 100);
    assert_int_equal(w->cart.ledger.trip.unpriced, 0);
    assert_int_equal(w->cart.ledger.trip.total_minor, 2 * test_platform_price(SPAN_LIT(OTHER)));
    assert_int_equal(w->cart.ledger.trip.item_count, 2);
    assert_int_equal(cart_finish(&w->cart, test_world_now(w)), RES_OK);
    test_world_run(w, 1000, 100);
    assert_int_equal(w->platform->judged, 1);
}

static void questions_become_rare_when_nobody_knows(void **state)
{
    struct test_world *w = *state;
    w->platform->products_every = 0;
    assert_int_equal(scan(w, OTHER, 1), RES_OK);
    test_world_run(w, 300000, 100);
    /* After 2, 4, 8, 16, 32, 60, 60, 60 s. */
    assert_in_range(w->cart.ledger.trip.scan_count, 7, 10);
}

static void an_answer_prices_only_what_is_left_of_the_line(void **state)
{
    struct test_world *w = *state;
    w->platform->products_every = 1000000;
    assert_int_equal(scan(w, OTHER, 3), RES_OK);
    assert_int_equal(take_out(w, OTHER, 2), RES_OK);
    test_world_run(w, 1000, 100);
    assert_int_equal(w->cart.ledger.trip.total_minor, test_platform_price(SPAN_LIT(OTHER)));
    assert_int_equal(cart_finish(&w->cart, test_world_now(w)), RES_OK);
    test_world_run(w, 1000, 100);
    assert_int_equal(w->platform->judged, 1);
}

static void a_product_the_store_does_not_know_stays_without_price(void **state)
{
    struct test_world *w = *state;
    w->platform->products_every = 1;
    assert_int_equal(scan(w, OTHER, 1), RES_OK);
    test_world_run(w, 1000, 100);
    assert_int_equal(w->display.shown[DISPLAY_NOT_KNOWN], 1);
    assert_int_equal(cart_pay(&w->cart, test_world_now(w)), RES_CONFLICT);
    assert_int_equal(cart_finish(&w->cart, test_world_now(w)), RES_OK);
    assert_int_equal(last(w, WIRE_SESSION_END).session_end.unpriced, 1);
}

static void takes_items_out_at_the_lines_own_price(void **state)
{
    struct test_world *w = *state;
    give_catalogue(w, 1);
    assert_int_equal(scan(w, MILK, 3), RES_OK);
    assert_int_equal(take_out(w, BREAD, 1), RES_NOT_FOUND);
    assert_int_equal(take_out(w, MILK, 4), RES_NOT_FOUND);
    assert_int_equal(take_out(w, MILK, 2), RES_OK);
    struct wire_event event = last(w, WIRE_SCAN);
    assert_int_equal(event.scan.quantity, -2);
    assert_int_equal(event.scan.price, 5000);
    assert_int_equal(event.scan.line, 1);
    assert_int_equal(event.scan.weight_expected_g, -2000);
    assert_true(span_equal(event.scan.sku, SPAN_LIT("MILK")));
    assert_int_equal(w->cart.ledger.trip.total_minor, 5000);
    assert_int_equal(take_out(w, MILK, 2), RES_NOT_FOUND);
}

static void refuses_what_is_no_code(void **state)
{
    struct test_world *w = *state;
    assert_int_equal(scan(w, "8901030000011", 1), RES_INVALID); /* check digit */
    assert_int_equal(scan(w, "89010300", 1), RES_INVALID);
    assert_int_equal(scan(w, "", 1), RES_INVALID);
    assert_int_equal(scan(w, MILK, 0), RES_INVALID);
    assert_int_equal(scan(w, MILK, 100), RES_INVALID);
    assert_int_equal(w->display.shown[DISPLAY_BAD_CODE], 5);
    assert_false(cart_has_trip(&w->cart));
}

static void expands_upc_e_and_takes_upc_a(void **state)
{
    struct test_world *w = *state;
    struct cart_time now = test_world_now(w);
    /* GS1 General Specifications, figure 5.2.2.4.2-1: 012345-6-5 is 012345000065's zero-suppressed.
     */
    assert_int_equal(cart_scan(&w->cart, now, SPAN_LIT("01234565"), CART_UPC_E, 1), RES_OK);
    assert_int_equal(last(w, WIRE_SCAN).scan.gtin.size, 12);
    assert_int_equal(cart_scan(&w->cart, now, SPAN_LIT("036000291452"), CART_UPC_A, 1), RES_OK);
    assert_int_equal(cart_scan(&w->cart, now, SPAN_LIT(MILK), CART_UPC_A, 1), RES_INVALID);
}

static void variable_measure(const char *digits12, char code[14])
{
    memcpy(code, digits12, 12);
    code[12] = gtin_check_digit(span_of(digits12, 12));
    code[13] = '\0';
}

static void takes_the_price_embedded_in_a_code(void **state)
{
    struct test_world *w = *state;
    char code[14];
    variable_measure("211234501295", code); /* prefix 21: a price of 12.95 */
    assert_int_equal(scan(w, code, 1), RES_OK);
    struct wire_event event = last(w, WIRE_SCAN);
    assert_int_equal(event.scan.price, 1295);
    assert_int_equal(event.scan.price_source, WIRE_PRICE_EMBEDDED);
}

static void prices_embedded_weight_by_the_kilogram(void **state)
{
    struct test_world *w = *state;
    char code[14];
    give_catalogue(w, 1);
    variable_measure("281234001234", code); /* prefix 28: 1,234 g */
    scale_sim_put(&w->scale, 1230);
    assert_int_equal(scan(w, code, 1), RES_OK);
    struct wire_event event = last(w, WIRE_SCAN);
    assert_int_equal(event.scan.measure_g, 1234);
    assert_int_equal(event.scan.price, 4936); /* 40.00 x 1.234 */
    assert_int_equal(event.scan.weight_expected_g, 1234);
    assert_int_equal(event.scan.weight, WIRE_WEIGHT_OK);
}

static void flags_a_wrong_weight_and_goes_on(void **state)
{
    struct test_world *w = *state;
    give_catalogue(w, 1);
    scale_sim_put(&w->scale, 1600);
    assert_int_equal(scan(w, MILK, 1), RES_OK);
    struct wire_event event = last(w, WIRE_SCAN);
    assert_int_equal(event.scan.weight, WIRE_WEIGHT_MISMATCH);
    assert_int_equal(event.scan.weight_delta_g, 1600);
    assert_int_equal(w->display.last.kind, DISPLAY_CHECK_WEIGHT);
    w->scale.answer = RES_AGAIN;
    assert_int_equal(scan(w, MILK, 1), RES_OK);
    assert_int_equal(last(w, WIRE_SCAN).scan.weight, WIRE_WEIGHT_UNSTABLE);
    w->scale.answer = RES_UNAVAILABLE;
    assert_int_equal(scan(w, MILK, 1), RES_OK);
    assert_int_equal(last(w, WIRE_SCAN).scan.weight, WIRE_WEIGHT_UNKNOWN);
    test_world_run(w, 200, 100);
    assert_int_equal(last(w, WIRE_FAULT).fault.code, WIRE_FAULT_SCALE);
    assert_int_equal(scan(w, MILK, 1), RES_OK);
    test_world_run(w, 200, 100);
    assert_int_equal(test_world_count(w, WIRE_FAULT, NULL), 1); /* once while it lasts */
}

static void refuses_more_lines_than_a_basket_has(void **state)
{
    struct test_world *w = *state;
    for (int i = 0; i < CART_LINES_MAX; i++) {
        assert_int_equal(scan(w, MILK, 1), RES_OK);
        test_world_run(w, 100, 100);
    }
    assert_int_equal(scan(w, MILK, 1), RES_CONFLICT);
    assert_int_equal(take_out(w, MILK, 1), RES_OK);
    assert_int_equal(cart_finish(&w->cart, test_world_now(w)), RES_OK);
    test_world_run(w, 2000, 100);
    assert_int_equal(w->platform->judged, 1);
}

/* --- identification --- */

static void identifies_with_an_opaque_token_only(void **state)
{
    struct test_world *w = *state;
    struct cart_time now = test_world_now(w);
    static const char *const refused[] = {
        "short",
        "4111111111111111",    /* a card */
        "4111-1111-1111-1111", /* a card, written for people */
        "x4111111111111111x",  /* a card in disguise */
        "9198765432100000",    /* digits only */
        "name@example.com000", /* no token */
        "token with blanks 0",
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        assert_int_equal(cart_identify(&w->cart, now, WIRE_LOYALTY, span_text(refused[i], 64)),
                         RES_INVALID);
    }
    assert_int_equal(test_world_count(w, WIRE_IDENTIFY, NULL), 0);
    assert_int_equal(cart_identify(&w->cart, now, WIRE_APP_QR, SPAN_LIT("qr_abcdefghijklmnop")),
                     RES_OK);
    assert_int_equal(last(w, WIRE_IDENTIFY).identify.method, WIRE_APP_QR);
    assert_true(cart_has_trip(&w->cart));
}

/* --- payment --- */

static void pays_and_ends_the_trip_with_the_token(void **state)
{
    struct test_world *w = *state;
    give_catalogue(w, 1);
    assert_int_equal(scan(w, MILK, 1), RES_OK);
    assert_int_equal(scan(w, BREAD, 2), RES_OK);
    assert_int_equal(cart_pay(&w->cart, test_world_now(w)), RES_OK);
    assert_int_equal(w->terminal.amount_minor, 11000);
    assert_int_equal(scan(w, MILK, 1), RES_CONFLICT); /* payment under way */
    assert_int_equal(cart_pay(&w->cart, test_world_now(w)), RES_CONFLICT);
    test_world_run(w, 1000, 100);
    struct wire_event event = last(w, WIRE_SESSION_END);
    assert_int_equal(event.session_end.outcome, WIRE_COMPLETE);
    assert_int_equal(event.session_end.total, 11000);
    assert_int_equal(event.session_end.item_count, 3);
    assert_int_equal(event.session_end.payment_amount, 11000);
    assert_int_equal(event.session_end.payment_status, WIRE_APPROVED);
    assert_true(event.session_end.payment_token.size == TERMINAL_SIM_TOKEN_BYTES);
    assert_false(cart_has_trip(&w->cart));
    assert_int_equal(w->display.shown[DISPLAY_PAYMENT_ACCEPTED], 1);
}

static void a_declined_payment_is_a_fault_and_a_hold(void **state)
{
    struct test_world *w = *state;
    give_catalogue(w, 1);
    w->terminal.decline_per_mille = 1000;
    assert_int_equal(scan(w, MILK, 1), RES_OK);
    assert_int_equal(cart_pay(&w->cart, test_world_now(w)), RES_OK);
    test_world_run(w, 1000, 100);
    assert_int_equal(last(w, WIRE_FAULT).fault.code, WIRE_FAULT_PAYMENT_FAILED);
    struct wire_event event = last(w, WIRE_SESSION_START);
    assert_int_equal(event.session_start.transition, WIRE_HOLD);
    assert_int_equal(event.session_start.reason, WIRE_HOLD_PAYMENT);
    assert_true(cart_has_trip(&w->cart));
    w->terminal.decline_per_mille = 0;
    assert_int_equal(cart_pay(&w->cart, test_world_now(w)), RES_OK); /* with a new reference */
    test_world_run(w, 1000, 100);
    assert_int_equal(last(w, WIRE_SESSION_END).session_end.payment_amount, 5000);
}

static void a_terminal_that_does_not_answer_is_reversed_after_90_s(void **state)
{
    struct test_world *w = *state;
    give_catalogue(w, 1);
    w->terminal.silent = true;
    assert_int_equal(scan(w, MILK, 1), RES_OK);
    assert_int_equal(cart_pay(&w->cart, test_world_now(w)), RES_OK);
    test_world_run(w, 89000, 1000);
    assert_int_equal(w->terminal.reversals, 0);
    test_world_run(w, 2000, 1000);
    assert_int_equal(w->terminal.reversals, 1);
    assert_int_equal(last(w, WIRE_FAULT).fault.code, WIRE_FAULT_PAYMENT_FAILED);
}

static void an_absent_terminal_leaves_the_trip_as_it_was(void **state)
{
    struct test_world *w = *state;
    give_catalogue(w, 1);
    w->terminal.absent = true;
    assert_int_equal(scan(w, MILK, 1), RES_OK);
    assert_int_equal(cart_pay(&w->cart, test_world_now(w)), RES_UNAVAILABLE);
    assert_int_equal(scan(w, MILK, 1), RES_OK);
}

static void an_answer_to_an_older_request_is_nothing(void **state)
{
    struct test_world *w = *state;
    give_catalogue(w, 1);
    assert_int_equal(scan(w, MILK, 1), RES_OK);
    cart_terminal_answer(&w->cart, test_world_now(w), SPAN_LIT("some-reference"), TERMINAL_APPROVED,
                         SPAN_LIT("tok_abcdefghijklmnop"));
    assert_true(cart_has_trip(&w->cart));
    assert_int_equal(cart_pay(&w->cart, test_world_now(w)), RES_OK);
    assert_int_equal(cart_cancel(&w->cart, test_world_now(w)), RES_OK);
    assert_int_equal(w->terminal.reversals, 1);
    assert_int_equal(last(w, WIRE_SESSION_END).session_end.outcome, WIRE_VOIDED);
}

static void a_token_that_looks_like_a_card_is_not_taken(void **state)
{
    struct test_world *w = *state;
    give_catalogue(w, 1);
    w->terminal.silent = true;
    assert_int_equal(scan(w, MILK, 1), RES_OK);
    assert_int_equal(cart_pay(&w->cart, test_world_now(w)), RES_OK);
    cart_terminal_answer(&w->cart, test_world_now(w),
                         span_of(w->terminal.reference, w->terminal.reference_size),
                         TERMINAL_APPROVED, SPAN_LIT("4111111111111111"));
    assert_int_equal(w->terminal.reversals, 1);
    assert_int_equal(test_world_count(w, WIRE_SESSION_END, NULL), 0);
}

static void asks_the_terminal_again_after_a_power_cut(void **state)
{
    struct test_world *w = *state;
    give_catalogue(w, 1);
    assert_int_equal(scan(w, MILK, 1), RES_OK);
    assert_int_equal(cart_pay(&w->cart, test_world_now(w)), RES_OK);
    assert_true(test_world_boot(w));
    assert_int_equal(w->terminal.requests, 2);
    test_world_run(w, 2000, 100);
    assert_int_equal(last(w, WIRE_SESSION_END).session_end.payment_amount, 5000);
    assert_int_equal(w->platform->judged, 1);
}

static void a_trip_goes_on_after_a_power_cut(void **state)
{
    struct test_world *w = *state;
    give_catalogue(w, 1);
    assert_int_equal(scan(w, MILK, 2), RES_OK);
    struct cart_trip before = w->cart.ledger.trip;
    assert_true(test_world_boot(w));
    assert_memory_equal(&w->cart.ledger.trip, &before, sizeof before);
    struct wire_event boot = last(w, WIRE_BOOT);
    assert_true(span_equal(boot.boot.session_id, last(w, WIRE_SCAN).scan.session_id));
    assert_int_equal(boot.boot.catalog_version, 1);
    assert_int_equal(scan(w, BREAD, 1), RES_OK);
    assert_int_equal(last(w, WIRE_SCAN).scan.line, 2);
    assert_int_equal(take_out(w, MILK, 1), RES_OK);
    assert_int_equal(cart_finish(&w->cart, test_world_now(w)), RES_OK);
    test_world_run(w, 2000, 100);
    assert_int_equal(w->platform->judged, 1);
    test_world_assert_nothing_lost(w);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(makes_the_boot_event_first),
        T(starts_a_trip_with_the_first_scan_as_a_guest),
        T(keeps_at_most_one_trip_open_and_makes_several_a_day),
        T(holds_and_resumes),
        T(a_scan_resumes_a_trip_that_the_shopper_held),
        T(an_idle_trip_is_held_after_10_min_and_abandoned_30_min_later),
        T(prices_from_the_cache),
        T(an_unknown_product_is_published_and_priced_by_the_answer),
        T(a_lost_answer_is_asked_for_again),
        T(questions_become_rare_when_nobody_knows),
        T(an_answer_prices_only_what_is_left_of_the_line),
        T(a_product_the_store_does_not_know_stays_without_price),
        T(takes_items_out_at_the_lines_own_price),
        T(refuses_what_is_no_code),
        T(expands_upc_e_and_takes_upc_a),
        T(takes_the_price_embedded_in_a_code),
        T(prices_embedded_weight_by_the_kilogram),
        T(flags_a_wrong_weight_and_goes_on),
        T(refuses_more_lines_than_a_basket_has),
        T(identifies_with_an_opaque_token_only),
        T(pays_and_ends_the_trip_with_the_token),
        T(a_declined_payment_is_a_fault_and_a_hold),
        T(a_terminal_that_does_not_answer_is_reversed_after_90_s),
        T(an_absent_terminal_leaves_the_trip_as_it_was),
        T(an_answer_to_an_older_request_is_nothing),
        T(a_token_that_looks_like_a_card_is_not_taken),
        T(asks_the_terminal_again_after_a_power_cut),
        T(a_trip_goes_on_after_a_power_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
