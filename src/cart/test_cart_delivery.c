/* Sending, acknowledging, reconnecting, gap records and full flash, on simulated time. */
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "test_world.h"

/* The smallest flash: 16 sectors of queue, some 200 events. */
#define SECTORS                                                                                    \
    (CART_STORE_STATE_SECTORS + CART_STORE_LINES_SECTORS + CART_STORE_CACHE_SECTORS +              \
     CART_STORE_QUEUE_SECTORS)
#define MILK "8901030000010"

static int setup(void **state)
{
    *state = test_world_new(2, SECTORS);
    return 0;
}

static int teardown(void **state)
{
    test_world_free(*state);
    return 0;
}

static void boot(struct test_world *w)
{
    bool on = test_world_boot(w);
    assert_true(on);
}

static enum res scan(struct test_world *w)
{
    return cart_scan(&w->cart, test_world_now(w), SPAN_LIT(MILK), CART_EAN, 1);
}

static void commit(struct test_world *w, int64_t epoch, int64_t through)
{
    struct wire_downlink m;
    wire_downlink_init(&m, WIRE_COMMIT_ACK);
    m.commit_ack.epoch = epoch;
    m.commit_ack.through = through;
    test_platform_send(w->platform, &m);
}

/* From here on what the cart sends goes nowhere, and nothing is acknowledged. */
static void make_the_platform_deaf(struct test_world *w)
{
    w->net.loss_per_mille = 1000;
}

static void sends_at_most_32_beyond_the_acknowledged(void **state)
{
    struct test_world *w = *state;
    boot(w);
    test_world_run(w, 2000, 100);
    int64_t acked = w->cart.ledger.acked;
    make_the_platform_deaf(w);
    unsigned before = w->net.published;
    for (int i = 0; i < 50; i++) {
        assert_int_equal(scan(w), RES_OK);
    }
    test_world_run(w, 1000, 100);
    assert_int_equal(w->net.published - before, 32);
    assert_int_equal(w->cart.next_send, acked + 33);
    w->net.loss_per_mille = 0;
    commit(w, 1, acked + 10);
    make_the_platform_deaf(w);
    test_world_run(w, 200, 100);
    assert_int_equal(w->cart.ledger.acked, acked + 10);
    assert_int_equal(w->net.published - before, 42);
}

static void sends_again_after_5_s_doubling_to_60_s(void **state)
{
    struct test_world *w = *state;
    static const int64_t pauses_ms[] = {5000, 10000, 20000, 40000, 60000, 60000};
    boot(w);
    test_world_run(w, 2000, 100);
    make_the_platform_deaf(w);
    assert_int_equal(cart_hold(&w->cart, test_world_now(w)), RES_CONFLICT);
    assert_int_equal(cart_start(&w->cart, test_world_now(w)), RES_OK);
    assert_int_equal(cart_hold(&w->cart, test_world_now(w)), RES_OK); /* health: every 5 min */
    int64_t first = w->cart.ledger.acked + 1;
    test_world_run(w, 100, 100);
    for (size_t i = 0; i < sizeof pauses_ms / sizeof pauses_ms[0]; i++) {
        unsigned before = w->net.published;
        test_world_run(w, pauses_ms[i] - 100, 100);
        assert_int_equal(w->net.published, before);
        test_world_run(w, 100, 100);
        assert_int_equal(w->net.published, before + 2);
        assert_int_equal(w->cart.ledger.acked + 1, first);
    }
}

static void sends_again_after_1_s_when_a_part_of_it_arrived(void **state)
{
    struct test_world *w = *state;
    boot(w);
    test_world_run(w, 2000, 100);
    make_the_platform_deaf(w);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(scan(w), RES_OK);
    }
    int64_t acked = w->cart.ledger.acked;
    test_world_run(w, 5100, 100);
    w->net.loss_per_mille = 0;
    commit(w, 1, acked + 4);
    make_the_platform_deaf(w);
    test_world_run(w, 100, 100);
    unsigned before = w->net.published;
    test_world_run(w, 900, 100);
    assert_int_equal(w->net.published, before);
    test_world_run(w, 100, 100);
    assert_int_equal(w->net.published, before + 7); /* 11 made, 4 arrived */
}

static void a_repeated_answer_brings_the_resend_forward_once(void **state)
{
    struct test_world *w = *state;
    boot(w);
    test_world_run(w, 2000, 100);
    make_the_platform_deaf(w);
    assert_int_equal(scan(w), RES_OK);
    test_world_run(w, 200, 100);
    unsigned before = w->net.published;
    for (int i = 0; i < 20; i++) {
        w->net.loss_per_mille = 0;
        commit(w, 1, w->cart.ledger.acked);
        make_the_platform_deaf(w);
        test_world_run(w, 100, 100);
    }
    assert_int_equal(w->net.published, before + 2); /* both events, one round in 2 s */
}

static void releases_only_what_a_signed_answer_covers(void **state)
{
    struct test_world *w = *state;
    boot(w);
    test_world_run(w, 2000, 100);
    make_the_platform_deaf(w);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(scan(w), RES_OK);
    }
    int64_t acked = w->cart.ledger.acked;
    int64_t next = flash_queue_next_counter(&w->cart.store.queue);
    w->net.loss_per_mille = 0;
    commit(w, 1, next);      /* an event that was never made */
    commit(w, 2, acked + 1); /* another epoch */
    make_the_platform_deaf(w);
    test_world_run(w, 300, 100);
    assert_int_equal(w->cart.ledger.acked, acked);
    assert_int_equal(flash_queue_first_counter(&w->cart.store.queue), acked + 1);
    w->net.loss_per_mille = 0;
    commit(w, 1, acked + 2);
    make_the_platform_deaf(w);
    test_world_run(w, 300, 100);
    assert_int_equal(flash_queue_first_counter(&w->cart.store.queue), acked + 3);
}

static void reconnects_with_backoff_and_resets_it_on_success(void **state)
{
    struct test_world *w = *state;
    w->net.down = true;
    boot(w);
    /* 10 failures: 1+2+4+8+16+32+60+60+60 s between them at most, three quarters at least. */
    test_world_run(w, 243500, 100);
    assert_true(w->net.attempts >= 10);
    unsigned after_ten = w->net.attempts;
    test_world_run(w, 600000, 100);
    assert_true(w->net.attempts - after_ten >= 2 && w->net.attempts - after_ten <= 4);
    w->net.down = false;
    test_world_run(w, 301000, 100);
    assert_true(w->cart.connected);
    assert_int_equal(w->cart.failures, 0);
    network_sim_cut(&w->net);
    cart_network_disconnected(&w->cart, test_world_now(w));
    test_world_run(w, 1200, 100);
    assert_true(w->cart.connected);
    test_world_run(w, 10000, 100);
    assert_int_equal(cart_unacknowledged(&w->cart), 0);
    test_world_assert_nothing_lost(w);
}

static void gives_an_attempt_up_after_30_s(void **state)
{
    struct test_world *w = *state;
    boot(w);
    cart_tick(&w->cart, test_world_now(w));
    assert_true(w->cart.connecting);
    w->net.attempting = false; /* the outcome never comes */
    w->uptime_ms += 29900;
    cart_tick(&w->cart, test_world_now(w));
    assert_true(w->cart.connecting);
    w->uptime_ms += 200;
    cart_tick(&w->cart, test_world_now(w));
    assert_false(w->cart.connecting);
    assert_int_equal(w->cart.failures, 1);
}

static void keeps_the_time_of_the_event_when_sent_late(void **state)
{
    struct test_world *w = *state;
    w->net.down = true;
    boot(w);
    int64_t made_ms = test_world_now(w).utc_ms;
    assert_int_equal(cart_start(&w->cart, test_world_now(w)), RES_OK);
    test_world_run(w, 60000, 100);
    w->net.down = false;
    test_world_run(w, 65000, 100);
    struct wire_event event;
    assert_true(test_platform_event(w->platform, 1, 2, &event));
    assert_int_equal(event.type, WIRE_SESSION_START);
    assert_int_equal(event.time_ms, made_ms);
}

static void fill(struct test_world *w)
{
    enum res r = RES_OK;
    for (int i = 0; i < 1000 && r == RES_OK; i++) {
        r = scan(w);
        if (r == RES_CONFLICT) { /* the basket is full before the flash is */
            assert_int_equal(cart_finish(&w->cart, test_world_now(w)), RES_OK);
            r = RES_OK;
        }
    }
    assert_int_equal(r, RES_FULL);
}

static void a_full_flash_refuses_scans_counts_them_and_still_ends_the_trip(void **state)
{
    struct test_world *w = *state;
    w->net.down = true;
    boot(w);
    test_world_run(w, 1000, 100);
    fill(w);
    assert_int_equal(scan(w), RES_FULL);
    assert_true(w->display.shown[DISPLAY_NO_ROOM] >= 2);
    assert_int_equal(w->cart.ledger.refused[FLASH_QUEUE_SCAN], 2);
    assert_int_equal(cart_finish(&w->cart, test_world_now(w)), RES_OK);
    assert_true(test_world_boot(w)); /* the count outlives a power cut */
    assert_int_equal(w->cart.ledger.refused[FLASH_QUEUE_SCAN], 2);
    w->net.down = false;
    test_world_run(w, 120000, 100);
    struct wire_event event;
    assert_true(test_world_count(w, WIRE_FAULT, &event) > 0);
    assert_int_equal(event.fault.code, WIRE_FAULT_GAP);
    assert_int_equal(event.fault.gap_scan, 2);
    assert_int_equal(event.fault.gap_from, 0);
    assert_int_equal(w->cart.ledger.refused[FLASH_QUEUE_SCAN], 0);
    assert_int_equal(cart_unacknowledged(&w->cart), 0);
    test_world_assert_nothing_lost(w);
}

static void damaged_events_are_reported_ahead_of_the_order(void **state)
{
    struct test_world *w = *state;
    w->net.down = true;
    boot(w);
    for (int i = 0; i < 60; i++) {
        assert_int_equal(scan(w), RES_OK);
    }
    /* Rot in the middle of the queue: one whole page. */
    size_t first = (size_t)(SECTORS - CART_STORE_QUEUE_SECTORS) * CART_STORE_SECTOR_BYTES;
    memset(w->flash->bytes + first + 4096, 0, 1024);
    test_world_power_off(w);
    assert_true(test_world_boot(w));
    w->net.down = false;
    test_world_run(w, 60000, 100);
    assert_int_equal(cart_unacknowledged(&w->cart), 0);
    struct wire_event event;
    assert_true(test_world_count(w, WIRE_FAULT, &event) > 0);
    assert_int_equal(event.fault.code, WIRE_FAULT_GAP);
    assert_true(event.fault.gap_from > 1 && event.fault.gap_to >= event.fault.gap_from);
    assert_int_equal(event.fault.severity, WIRE_HIGH);
}

static void an_erased_flash_raises_the_epoch(void **state)
{
    struct test_world *w = *state;
    boot(w);
    assert_int_equal(scan(w), RES_OK);
    test_world_run(w, 2000, 100);
    test_world_power_off(w);
    flash_sim_free(w->flash);
    w->flash = flash_sim_new(CART_STORE_SECTOR_BYTES, SECTORS, 16, 9);
    w->ports.flash = &w->flash->flash;
    boot(w);
    assert_false(cart_has_trip(&w->cart));
    test_world_run(w, 5000, 100);
    assert_int_equal(w->cart.ledger.epoch, 2);
    struct wire_event event;
    assert_true(test_platform_event(w->platform, 2, 1, &event));
    assert_int_equal(event.type, WIRE_BOOT);
    assert_int_equal(cart_unacknowledged(&w->cart), 0);
}

/* A flash whose snapshots fail for a while: everything else works. */
static struct flash whole;
static bool snapshots_fail;

static enum res read_whole(void *context, uint32_t offset, void *data, uint32_t size)
{
    (void)context;
    return whole.read(whole.context, offset, data, size);
}

static enum res program_some(void *context, uint32_t offset, const void *data, uint32_t size)
{
    (void)context;
    bool state = offset < CART_STORE_STATE_SECTORS * CART_STORE_SECTOR_BYTES;
    return state && snapshots_fail ? RES_IO : whole.program(whole.context, offset, data, size);
}

static enum res erase_some(void *context, uint32_t sector)
{
    (void)context;
    bool state = sector < CART_STORE_STATE_SECTORS;
    return state && snapshots_fail ? RES_IO : whole.erase(whole.context, sector);
}

static void events_that_no_snapshot_includes_are_kept_and_not_sent(void **state)
{
    struct test_world *w = *state;
    whole = w->flash->flash;
    struct flash flash = whole;
    flash.read = read_whole;
    flash.program = program_some;
    flash.erase = erase_some;
    w->ports.flash = &flash;
    boot(w);
    assert_int_equal(scan(w), RES_OK);
    test_world_run(w, 2000, 100);
    snapshots_fail = true;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(scan(w), RES_OK);
    }
    unsigned before_published = w->net.published;
    test_world_run(w, 2000, 100);
    assert_true(cart_unacknowledged(&w->cart) >= 5);
    assert_int_equal(w->net.published, before_published); /* a cut could still undo them */
    struct cart_trip before = w->cart.ledger.trip;
    int64_t newest = flash_queue_next_counter(&w->cart.store.queue) - 1;
    snapshots_fail = false;
    assert_true(test_world_boot(w));
    assert_memory_equal(&w->cart.ledger.trip, &before, sizeof before);
    assert_true(cart_ledger_is_void(&w->cart.ledger, newest)); /* it might be torn */
    assert_false(cart_ledger_is_void(&w->cart.ledger, newest - 1));
    assert_int_equal(cart_finish(&w->cart, test_world_now(w)), RES_OK);
    test_world_run(w, 5000, 100);
    assert_int_equal(flash_queue_count(&w->cart.store.queue), 0);
    assert_int_equal(w->platform->judged, 1);
    struct wire_event gap;
    assert_true(test_world_count(w, WIRE_FAULT, &gap) >= 1);
    assert_int_equal(gap.fault.code, WIRE_FAULT_GAP);
    assert_int_equal(gap.fault.gap_from, newest);
    assert_int_equal(gap.fault.gap_to, newest);
    struct wire_event none;
    assert_false(test_platform_event(w->platform, 1, newest, &none)); /* never sent */
    w->ports.flash = &w->flash->flash;
}

static void goes_on_when_the_secure_element_fails_for_a_moment(void **state)
{
    struct test_world *w = *state;
    boot(w);
    assert_int_equal(scan(w), RES_OK);
    w->secure.fail_digests = 2;
    assert_int_equal(scan(w), RES_OK); /* on flash; folded in later */
    assert_true(w->cart.behind);
    test_world_run(w, 1000, 100);
    assert_false(w->cart.behind);
    assert_int_equal(w->cart.ledger.trip.scan_count, 2);
    assert_int_equal(cart_finish(&w->cart, test_world_now(w)), RES_OK);
    test_world_run(w, 2000, 100);
    assert_int_equal(w->platform->judged, 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(sends_at_most_32_beyond_the_acknowledged),
        T(sends_again_after_5_s_doubling_to_60_s),
        T(sends_again_after_1_s_when_a_part_of_it_arrived),
        T(a_repeated_answer_brings_the_resend_forward_once),
        T(releases_only_what_a_signed_answer_covers),
        T(reconnects_with_backoff_and_resets_it_on_success),
        T(gives_an_attempt_up_after_30_s),
        T(keeps_the_time_of_the_event_when_sent_late),
        T(a_full_flash_refuses_scans_counts_them_and_still_ends_the_trip),
        T(damaged_events_are_reported_ahead_of_the_order),
        T(an_erased_flash_raises_the_epoch),
        T(events_that_no_snapshot_includes_are_kept_and_not_sent),
        T(goes_on_when_the_secure_element_fails_for_a_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
