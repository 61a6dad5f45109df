/* Health, faults and the platform's commands, on simulated time. */
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "test_world.h"

#define SECTORS 200
#define MILK    "8901030000010"

static int setup(void **state)
{
    struct test_world *w = test_world_new(3, SECTORS);
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

static struct wire_downlink command(const struct test_world *w, int64_t number,
                                    enum wire_command_kind kind)
{
    struct wire_downlink m;
    wire_downlink_init(&m, WIRE_COMMAND);
    m.command.number = number;
    m.command.kind = kind;
    m.command.expires_ms = test_world_now(w).utc_ms + 60000;
    return m;
}

/* The outcome that the platform learned, or -1. */
static int64_t outcome_of(struct test_world *w, struct wire_downlink *m)
{
    w->platform->last_health_command = 0;
    test_platform_send(w->platform, m);
    test_world_run(w, 500, 100);
    return w->platform->last_health_command == m->command.number ? w->platform->last_health_outcome
                                                                 : -1;
}

static int64_t give(struct test_world *w, int64_t number, enum wire_command_kind kind)
{
    struct wire_downlink m = command(w, number, kind);
    return outcome_of(w, &m);
}

static enum res scan(struct test_world *w)
{
    return cart_scan(&w->cart, test_world_now(w), SPAN_LIT(MILK), CART_EAN, 1);
}

static struct wire_event last(struct test_world *w, enum wire_type type)
{
    struct wire_event event;
    unsigned count = test_world_count(w, type, &event);
    assert_true(count > 0);
    return event;
}

/* --- health and faults --- */

static void reports_health_every_60_s_in_use_and_every_5_min_idle(void **state)
{
    struct test_world *w = *state;
    unsigned before = test_world_count(w, WIRE_HEALTH, NULL);
    assert_int_equal(before, 1); /* after power-up */
    test_world_run(w, 298000, 1000);
    assert_int_equal(test_world_count(w, WIRE_HEALTH, NULL), 1);
    test_world_run(w, 3000, 1000);
    assert_int_equal(test_world_count(w, WIRE_HEALTH, NULL), 2);
    assert_int_equal(last(w, WIRE_HEALTH).health.mode, WIRE_IDLE);
    assert_int_equal(scan(w), RES_OK);
    test_world_run(w, 300000, 1000);
    unsigned active = test_world_count(w, WIRE_HEALTH, NULL) - 2;
    assert_int_equal(active, 5);
    assert_int_equal(last(w, WIRE_HEALTH).health.mode, WIRE_ACTIVE);
}

static void reports_a_battery_that_falls_off_a_cliff_once(void **state)
{
    struct test_world *w = *state;
    w->board.reading.battery_pct = w->cart.battery_pct - 15;
    test_world_run(w, 303000, 1000);
    assert_int_equal(last(w, WIRE_FAULT).fault.code, WIRE_FAULT_BATTERY_CLIFF);
    assert_int_equal(last(w, WIRE_FAULT).fault.severity, WIRE_HIGH);
    w->board.reading.battery_pct = 5;
    test_world_run(w, 900000, 1000);
    assert_int_equal(test_world_count(w, WIRE_FAULT, NULL), 1); /* still the same trouble */
}

static void reports_a_slow_battery_not_at_all(void **state)
{
    struct test_world *w = *state;
    w->board.reading.battery_pct = 90;
    test_world_run(w, 300000, 1000);
    for (int i = 0; i < 5; i++) {
        w->board.reading.battery_pct -= 14;
        test_world_run(w, 300000, 1000);
    }
    assert_int_equal(test_world_count(w, WIRE_FAULT, NULL), 0);
}

static void reports_a_scanner_jam_each_time_it_begins(void **state)
{
    struct test_world *w = *state;
    for (int i = 0; i < 2; i++) {
        cart_scanner_jam(&w->cart, test_world_now(w), true);
        cart_scanner_jam(&w->cart, test_world_now(w), true);
        test_world_run(w, 500, 100);
        cart_scanner_jam(&w->cart, test_world_now(w), false);
        test_world_run(w, 500, 100);
    }
    assert_int_equal(test_world_count(w, WIRE_FAULT, NULL), 2);
    assert_int_equal(last(w, WIRE_FAULT).fault.code, WIRE_FAULT_SCANNER_JAM);
}

static void reports_a_laser_that_is_too_hot(void **state)
{
    struct test_world *w = *state;
    w->board.laser_fixed_deci_c = 700;
    test_world_run(w, 303000, 1000);
    assert_int_equal(last(w, WIRE_HEALTH).health.laser_deci_c, 700);
    assert_int_equal(last(w, WIRE_FAULT).fault.code, WIRE_FAULT_OTHER);
    assert_int_equal(test_world_count(w, WIRE_FAULT, NULL), 1);
}

static void reports_a_clock_that_steps_and_keeps_its_timers(void **state)
{
    struct test_world *w = *state;
    w->utc_offset_ms -= 86400000;
    test_world_run(w, 500, 100);
    assert_int_equal(last(w, WIRE_FAULT).fault.code, WIRE_FAULT_CLOCK);
    w->utc_offset_ms += 2 * INT64_C(86400000);
    test_world_run(w, 500, 100);
    assert_int_equal(test_world_count(w, WIRE_FAULT, NULL), 2);
    test_world_run(w, 200000, 1000);
    assert_int_equal(test_world_count(w, WIRE_HEALTH, NULL), 1); /* not hurried by the step */
}

static void reports_a_clock_that_is_not_set(void **state)
{
    struct test_world *w = *state;
    w->utc_offset_ms = 0;
    assert_true(test_world_boot(w));
    test_world_run(w, 500, 100);
    assert_int_equal(last(w, WIRE_FAULT).fault.code, WIRE_FAULT_CLOCK);
}

/* --- commands --- */

static void sleeps_and_wakes(void **state)
{
    struct test_world *w = *state;
    assert_int_equal(give(w, 1, WIRE_CMD_SLEEP), WIRE_CMD_DONE);
    assert_true(w->board.asleep);
    assert_int_equal(last(w, WIRE_HEALTH).health.mode, WIRE_SLEEPING);
    assert_int_equal(give(w, 2, WIRE_CMD_SLEEP), WIRE_CMD_IGNORED);
    assert_int_equal(give(w, 3, WIRE_CMD_WAKE), WIRE_CMD_DONE);
    assert_false(w->board.asleep);
    assert_int_equal(give(w, 4, WIRE_CMD_WAKE), WIRE_CMD_IGNORED);
    assert_int_equal(scan(w), RES_OK);
    assert_int_equal(give(w, 5, WIRE_CMD_SLEEP), WIRE_CMD_REFUSED);
}

static void a_scan_wakes_a_sleeping_cart(void **state)
{
    struct test_world *w = *state;
    assert_int_equal(give(w, 1, WIRE_CMD_SLEEP), WIRE_CMD_DONE);
    assert_int_equal(scan(w), RES_OK);
    assert_false(w->board.asleep);
}

static void staff_pause_holds_until_staff_let_go(void **state)
{
    struct test_world *w = *state;
    assert_int_equal(give(w, 1, WIRE_CMD_PAUSE), WIRE_CMD_IGNORED);
    assert_int_equal(scan(w), RES_OK);
    assert_int_equal(give(w, 2, WIRE_CMD_PAUSE), WIRE_CMD_DONE);
    assert_int_equal(last(w, WIRE_SESSION_START).session_start.reason, WIRE_HOLD_STAFF);
    assert_int_equal(scan(w), RES_CONFLICT);
    assert_int_equal(cart_resume(&w->cart, test_world_now(w)), RES_CONFLICT);
    assert_int_equal(cart_finish(&w->cart, test_world_now(w)), RES_CONFLICT);
    struct wire_downlink m = command(w, 3, WIRE_CMD_CUSTOMER_OVERRIDE);
    m.command.reason = SPAN_LIT("all is well");
    assert_int_equal(outcome_of(w, &m), WIRE_CMD_DONE);
    assert_int_equal(w->display.shown[DISPLAY_MESSAGE], 1);
    assert_int_equal(scan(w), RES_OK);
}

static void cancels_only_the_session_meant(void **state)
{
    struct test_world *w = *state;
    assert_int_equal(give(w, 1, WIRE_CMD_CANCEL), WIRE_CMD_IGNORED);
    assert_int_equal(scan(w), RES_OK);
    struct wire_downlink m = command(w, 2, WIRE_CMD_CANCEL);
    m.command.session_id = SPAN_LIT(TEST_WORLD_CART ".1.999");
    assert_int_equal(outcome_of(w, &m), WIRE_CMD_IGNORED);
    m = command(w, 3, WIRE_CMD_CANCEL);
    struct wire_event start = last(w, WIRE_SESSION_START);
    m.command.session_id = start.session_start.session_id;
    assert_int_equal(outcome_of(w, &m), WIRE_CMD_DONE);
    assert_int_equal(last(w, WIRE_SESSION_END).session_end.outcome, WIRE_VOIDED);
}

static void restarts_without_a_trip_only(void **state)
{
    struct test_world *w = *state;
    assert_int_equal(scan(w), RES_OK);
    assert_int_equal(give(w, 1, WIRE_CMD_RESTART), WIRE_CMD_REFUSED);
    assert_int_equal(w->board.restarts, 0);
    assert_int_equal(cart_cancel(&w->cart, test_world_now(w)), RES_OK);
    assert_int_equal(give(w, 2, WIRE_CMD_RESTART), WIRE_CMD_DONE);
    assert_int_equal(w->board.restarts, 1);
}

static void restarts_a_held_session_when_it_is_named(void **state)
{
    struct test_world *w = *state;
    assert_int_equal(scan(w), RES_OK);
    struct wire_event start = last(w, WIRE_SESSION_START);
    assert_int_equal(give(w, 1, WIRE_CMD_PAUSE), WIRE_CMD_DONE);
    struct wire_downlink m = command(w, 2, WIRE_CMD_RESTART);
    m.command.session_id = start.session_start.session_id;
    assert_int_equal(outcome_of(w, &m), WIRE_CMD_DONE);
    assert_int_equal(last(w, WIRE_SESSION_START).session_start.transition, WIRE_RESUME);
    assert_int_equal(w->board.restarts, 0);
}

static void asks_for_a_newer_catalogue(void **state)
{
    struct test_world *w = *state;
    struct wire_downlink m = command(w, 1, WIRE_CMD_CATALOGUE);
    m.command.version = 5;
    assert_int_equal(outcome_of(w, &m), WIRE_CMD_DONE);
    assert_int_equal(w->net.refreshes, 1);
}

static void refuses_firmware_it_has_no_room_for(void **state)
{
    assert_int_equal(give(*state, 1, WIRE_CMD_FIRMWARE), WIRE_CMD_REFUSED);
}

static void does_not_carry_out_what_has_expired(void **state)
{
    struct test_world *w = *state;
    assert_int_equal(scan(w), RES_OK);
    struct wire_downlink m = command(w, 1, WIRE_CMD_CANCEL);
    m.command.expires_ms = test_world_now(w).utc_ms + 50;
    w->net.delay_most_ms = 0;
    test_platform_send(w->platform, &m);
    w->uptime_ms += 100;
    test_world_run(w, 500, 100);
    assert_int_equal(w->platform->last_health_outcome, WIRE_CMD_EXPIRED);
    assert_true(cart_has_trip(&w->cart));
}

static void takes_each_number_once_over_power_cuts(void **state)
{
    struct test_world *w = *state;
    assert_int_equal(give(w, 10, WIRE_CMD_SLEEP), WIRE_CMD_DONE);
    assert_true(test_world_boot(w));
    test_world_run(w, 2000, 100);
    assert_int_equal(w->cart.ledger.command_number, 10);
    assert_int_equal(last(w, WIRE_BOOT).boot.command_number, 10);
    /* The same once more: answered again, not done again. */
    test_world_run(w, CART_ANSWER_REPEAT_MS, 1000);
    assert_int_equal(give(w, 10, WIRE_CMD_SLEEP), WIRE_CMD_DONE);
    assert_false(w->board.asleep && w->cart.asleep);
    /* An older one is a fault. */
    unsigned faults = test_world_count(w, WIRE_FAULT, NULL);
    assert_int_equal(give(w, 9, WIRE_CMD_SLEEP), -1);
    assert_int_equal(test_world_count(w, WIRE_FAULT, NULL), faults + 1);
    assert_int_equal(last(w, WIRE_FAULT).fault.code, WIRE_FAULT_COMMAND);
}

static void send_raw(struct test_world *w, struct wire_downlink *m, bool damage)
{
    uint8_t bytes[1024];
    struct sink s;
    sink_init(&s, bytes, sizeof bytes - WIRE_SIGNATURE_BYTES);
    m->time_ms = test_world_now(w).utc_ms;
    m->command.expires_ms = m->time_ms + 60000;
    enum res r = wire_downlink_encode(m, &s);
    assert(r == RES_OK);
    secure_sim_sign_platform(sink_span(&s), bytes + s.size);
    bytes[s.size] ^= damage ? 1 : 0;
    network_sim_send(&w->net, span_of(bytes, s.size + WIRE_SIGNATURE_BYTES));
    test_world_run(w, 500, 100);
}

static void refuses_a_command_without_the_platforms_signature(void **state)
{
    struct test_world *w = *state;
    struct wire_downlink m = command(w, 1, WIRE_CMD_SLEEP);
    m.cart_id = SPAN_LIT(TEST_WORLD_CART);
    send_raw(w, &m, true);
    assert_false(w->board.asleep);
    assert_int_equal(last(w, WIRE_FAULT).fault.code, WIRE_FAULT_COMMAND);
    for (int i = 0; i < 20; i++) {
        send_raw(w, &m, true);
    }
    assert_int_equal(test_world_count(w, WIRE_FAULT, NULL), 1); /* one a minute */
    test_world_run(w, 60000, 1000);
    send_raw(w, &m, true);
    assert_int_equal(test_world_count(w, WIRE_FAULT, NULL), 2);
}

static void refuses_a_command_for_another_cart(void **state)
{
    struct test_world *w = *state;
    struct wire_downlink m = command(w, 1, WIRE_CMD_SLEEP);
    m.cart_id = SPAN_LIT("CART-OTHER");
    send_raw(w, &m, false);
    assert_false(w->board.asleep);
    assert_int_equal(last(w, WIRE_FAULT).fault.code, WIRE_FAULT_COMMAND);
}

static void refuses_commands_without_a_clock(void **state)
{
    struct test_world *w = *state;
    w->utc_offset_ms = 0;
    assert_true(test_world_boot(w));
    test_world_run(w, 2000, 100);
    assert_int_equal(give(w, 1, WIRE_CMD_SLEEP), -1);
    assert_false(w->board.asleep);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(reports_health_every_60_s_in_use_and_every_5_min_idle),
        T(reports_a_battery_that_falls_off_a_cliff_once),
        T(reports_a_slow_battery_not_at_all),
        T(reports_a_scanner_jam_each_time_it_begins),
        T(reports_a_laser_that_is_too_hot),
        T(reports_a_clock_that_steps_and_keeps_its_timers),
        T(reports_a_clock_that_is_not_set),
        T(sleeps_and_wakes),
        T(a_scan_wakes_a_sleeping_cart),
        T(staff_pause_holds_until_staff_let_go),
        T(cancels_only_the_session_meant),
        T(restarts_without_a_trip_only),
        T(restarts_a_held_session_when_it_is_named),
        T(asks_for_a_newer_catalogue),
        T(refuses_firmware_it_has_no_room_for),
        T(does_not_carry_out_what_has_expired),
        T(takes_each_number_once_over_power_cuts),
        T(refuses_a_command_without_the_platforms_signature),
        T(refuses_a_command_for_another_cart),
        T(refuses_commands_without_a_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
