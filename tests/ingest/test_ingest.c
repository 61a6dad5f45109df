/* The pipeline with real PostgreSQL and real telemetry, offered messages from memory. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "ingest_robot.h"

static struct ingest_world world;

static int fresh(void **state)
{
    (void)state;
    ingest_world_close(&world);
    ingest_world_reset(&world);
    ingest_world_open(&world, "ingest-1");
    return 0;
}

static struct ingest_figures figures(void)
{
    struct ingest_figures f;
    ingest_figures(world.ingest, &f);
    return f;
}

static void trip(struct ingest_robot *r, int scans, const char *token)
{
    (void)ingest_robot_start(r);
    for (int i = 0; i < scans; i++) {
        (void)ingest_robot_scan(r, 1000 + i);
    }
    (void)ingest_robot_end(r, token);
}

static void offer_all(struct ingest_robot *r, size_t from)
{
    for (size_t i = from; i < r->frame_count; i++) {
        ingest_world_offer(&world, r, &r->frames[i]);
    }
}

static void stores_a_trip_and_acknowledges_it(void **state)
{
    (void)state;
    struct ingest_robot *r = &world.robots[0];
    (void)ingest_robot_boot(r);
    trip(r, 20, "pay-token-00000001");
    (void)ingest_robot_health(r);
    offer_all(r, 0);
    ingest_world_flush(&world);
    ingest_world_wait_ack(&world, r, r->counter);
    ingest_world_expect(&world, "SELECT status FROM session", "complete");
    ingest_world_expect(&world, "SELECT reconcile_state FROM session", "reconciled");
    ingest_world_expect(&world, "SELECT outcome FROM payment", "accepted");
    ingest_world_expect(&world, "SELECT firmware FROM cart WHERE cart_id = 'CART-0001'", "1.4.2");
    assert_int_equal(ingest_world_number(&world, "SELECT battery_pct FROM cart WHERE online"), 80);
    assert_int_equal(ingest_world_number(&world, "SELECT watermark FROM cart_stream"), r->counter);
    assert_int_equal(ingest_world_number(&world, "SELECT count(*) FROM weight_mismatch"), 2);
    assert_int_equal(r->payments_heard, 1);
    assert_true(r->payment_accepted);
    assert_int_equal(figures().stored, r->counter);
    assert_int_equal(world.foreign, 0);
}

static void payment_fails(struct ingest_robot *r)
{
    struct wire_event e;
    wire_event_init(&e, WIRE_FAULT);
    e.fault.code = WIRE_FAULT_PAYMENT_FAILED;
    e.fault.severity = WIRE_MEDIUM;
    e.fault.session_id = span_text(r->session, WIRE_SESSION_ID_BYTES);
    (void)ingest_robot_make(r, &e);
}

static void a_failed_payment_is_an_alert_until_its_trip_is_over(void **state)
{
    (void)state;
    struct ingest_robot *r = &world.robots[0];
    (void)ingest_robot_boot(r);
    (void)ingest_robot_start(r);
    (void)ingest_robot_scan(r, 1000);
    payment_fails(r);
    payment_fails(r);
    offer_all(r, 0);
    ingest_world_flush(&world);
    ingest_world_wait_ack(&world, r, r->counter);
    ingest_world_expect(&world, "SELECT status FROM alert WHERE kind = 'payment_failed'", "open");
    assert_int_equal(ingest_world_number(&world, "SELECT occurrences FROM alert"), 2);
    size_t seen = r->frame_count;
    (void)ingest_robot_end(r, "pay-token-00000001");
    offer_all(r, seen);
    ingest_world_flush(&world);
    ingest_world_wait_ack(&world, r, r->counter);
    ingest_world_expect(&world, "SELECT status FROM alert WHERE kind = 'payment_failed'",
                        "resolved");
}

/* What failed, was paid and ended in one batch leaves nothing open either. */
static void a_failed_payment_of_a_trip_that_is_over_already_is_not_left_open(void **state)
{
    (void)state;
    struct ingest_robot *r = &world.robots[0];
    (void)ingest_robot_boot(r);
    (void)ingest_robot_start(r);
    (void)ingest_robot_scan(r, 1000);
    payment_fails(r);
    (void)ingest_robot_end(r, "pay-token-00000001");
    offer_all(r, 0);
    ingest_world_flush(&world);
    ingest_world_wait_ack(&world, r, r->counter);
    ingest_world_expect(&world, "SELECT status FROM session", "complete");
    assert_int_equal(
        ingest_world_number(&world, "SELECT count(*) FROM alert WHERE status <> 'resolved' AND "
                                    "kind = 'payment_failed'"),
        0);
}

/* ---- delivery ---- */

static int64_t stored_in_telemetry(void)
{
    struct telemetry *t = NULL;
    struct telemetry_totals totals;
    struct err why;
    struct telemetry_settings settings = {.directory = world.telemetry};
    assert_int_equal(telemetry_open(&settings, &t, &why), RES_OK);
    assert_int_equal(telemetry_totals(t, &totals, &why), RES_OK);
    telemetry_close(t);
    return totals.events;
}

static void disorder_and_repetition_change_nothing(void **state)
{
    (void)state;
    struct ingest_robot *r = &world.robots[0];
    trip(r, 30, "pay-token-00000001");
    for (size_t i = r->frame_count; i > 0; i--) {
        ingest_world_offer(&world, r, &r->frames[i - 1]);
        ingest_world_offer(&world, r, &r->frames[(i * 7) % r->frame_count]);
        if (i % 5 == 0) {
            ingest_world_flush(&world); /* what is early waits in telemetry, not in memory */
        }
    }
    ingest_world_flush(&world);
    ingest_world_wait_ack(&world, r, r->counter);
    ingest_world_expect(&world, "SELECT reconcile_state FROM session", "reconciled");
    assert_int_equal(figures().stored, r->counter);
    assert_int_equal(stored_in_telemetry(), r->counter);
    assert_true(figures().duplicates > 0);
}

static void a_replay_is_answered_and_stores_nothing(void **state)
{
    (void)state;
    struct ingest_robot *r = &world.robots[0];
    trip(r, 100, "pay-token-00000001");
    offer_all(r, 0);
    ingest_world_flush(&world);
    ingest_world_wait_ack(&world, r, r->counter);
    (void)pthread_mutex_lock(world.lock);
    r->acked = 0;
    (void)pthread_mutex_unlock(world.lock);
    offer_all(r, 0);
    ingest_world_flush(&world);
    ingest_world_wait_ack(&world, r, r->counter);
    assert_int_equal(figures().stored, r->counter);
    assert_int_equal(figures().duplicates, r->counter);
    assert_int_equal(r->payments_heard, 2); /* the same answer again */
    assert_true(r->payment_accepted);
    assert_int_equal(ingest_world_number(&world, "SELECT count(*) FROM dead_letter"), 0);
}

static void a_restart_in_the_middle_of_a_trip_loses_and_repeats_nothing(void **state)
{
    (void)state;
    struct ingest_robot *r = &world.robots[0];
    trip(r, 40, "pay-token-00000001");
    for (size_t i = 0; i < 20; i++) {
        ingest_world_offer(&world, r, &r->frames[i]);
    }
    ingest_world_flush(&world);
    for (size_t i = 20; i < 25; i++) {
        ingest_world_offer(&world, r, &r->frames[i]);
    }
    ingest_world_close(&world); /* in the middle of those five, wherever it was */
    ingest_world_open(&world, "ingest-1");
    offer_all(r, 0);
    ingest_world_flush(&world);
    ingest_world_wait_ack(&world, r, r->counter);
    ingest_world_expect(&world, "SELECT reconcile_state FROM session", "reconciled");
    assert_int_equal(stored_in_telemetry(), r->counter);
}

/* As after a crash between the telemetry block and the transaction. */
static void what_only_telemetry_has_is_applied_at_the_next_start(void **state)
{
    (void)state;
    struct ingest_robot *r = &world.robots[0];
    trip(r, 10, "pay-token-00000001");
    ingest_world_close(&world);
    struct telemetry *t = NULL;
    struct err why;
    struct telemetry_settings settings = {world.telemetry, "ingest-1", TELEMETRY_SYNC_OFF};
    assert_int_equal(telemetry_open(&settings, &t, &why), RES_OK);
    for (size_t i = 0; i < r->frame_count; i += 4) {
        struct telemetry_event events[4];
        size_t count = r->frame_count - i < 4 ? r->frame_count - i : 4;
        for (size_t j = 0; j < count; j++) {
            const struct ingest_robot_frame *f = &r->frames[i + j];
            size_t body = f->size - WIRE_SIGNATURE_BYTES;
            events[j] = (struct telemetry_event){
                .device_id = span_text(r->id, sizeof r->id),
                .store_id = SPAN_LIT(INGEST_ROBOT_STORE),
                .session_id = span_text(r->session, sizeof r->session),
                .type = (uint8_t)f->type,
                .epoch = f->epoch,
                .counter = f->counter,
                .device_time_ms = r->time_ms,
                .received_ms = r->time_ms,
                .body = span_of(f->bytes, body),
                .signature = span_of(f->bytes + body, WIRE_SIGNATURE_BYTES)};
        }
        telemetry_position position;
        assert_int_equal(telemetry_append(t, events, count, r->time_ms, &position, &why), RES_OK);
    }
    telemetry_close(t);
    ingest_world_open(&world, "ingest-1");
    ingest_world_expect(&world, "SELECT reconcile_state FROM session", "reconciled");
    ingest_world_expect(&world, "SELECT outcome FROM payment", "accepted");
    assert_int_equal(ingest_world_number(&world, "SELECT watermark FROM cart_stream"), r->counter);
    offer_all(r, 0);
    ingest_world_flush(&world);
    ingest_world_wait_ack(&world, r, r->counter);
    assert_int_equal(stored_in_telemetry(), r->counter);
}

static void two_processes_share_one_cart(void **state)
{
    (void)state;
    struct ingest_world other = world;
    struct ingest_robot *r = &world.robots[0];
    other.ingest = NULL;
    ingest_world_open(&other, "ingest-2");
    for (int n = 0; n < 3; n++) {
        char token[32];
        (void)snprintf(token, sizeof token, "pay-token-0000000%d", n);
        trip(r, 40, token);
    }
    for (size_t i = 0; i < r->frame_count; i++) {
        ingest_world_offer(i % 2 == 0 ? &world : &other, r, &r->frames[i]);
        if (i % 16 == 15) {
            ingest_world_flush(&world);
        }
    }
    ingest_world_flush(&world);
    ingest_world_flush(&other);
    ingest_world_wait_ack(&world, r, r->counter);
    ingest_world_close(&other);
    assert_int_equal(
        ingest_world_number(&world,
                            "SELECT count(*) FROM session WHERE reconcile_state = 'reconciled'"),
        3);
    assert_int_equal(ingest_world_number(&world, "SELECT count(*) FROM weight_mismatch"), 15);
    assert_int_equal(ingest_world_number(&world, "SELECT watermark FROM cart_stream"), r->counter);
    assert_int_equal(stored_in_telemetry(), r->counter);
}

static void what_another_process_knows_is_learnt_when_it_matters(void **state)
{
    (void)state;
    struct ingest_world other = world;
    struct ingest_robot *r = &world.robots[0];
    other.ingest = NULL;
    ingest_world_open(&other, "ingest-2");
    for (int i = 0; i < 1400; i++) {
        (void)ingest_robot_health(r);
    }
    ingest_world_offer(&other, r, &r->frames[0]);
    ingest_world_flush(&other); /* it knows the cart now, at counter 1 */
    for (size_t i = 1; i + 1 < r->frame_count; i++) {
        ingest_world_offer(&world, r, &r->frames[i]);
    }
    ingest_world_flush(&world);
    ingest_world_close(&world); /* the only one who knew */
    for (int i = 0;
         i < 1000 && ingest_world_number(&other, "SELECT watermark FROM cart_stream") < r->counter;
         i++) {
        ingest_world_offer(&other, r, &r->frames[r->frame_count - 1]);
        ingest_world_flush(&other);
    }
    ingest_world_wait_ack(&other, r, r->counter);
    ingest_world_close(&other);
    ingest_world_open(&world, "ingest-1");
}

static void waits_for_postgresql_and_goes_on_by_itself(void **state)
{
    (void)state;
    struct ingest_robot *r = &world.robots[0];
    struct err why;
    trip(r, 20, "pay-token-00000001");
    for (size_t i = 0; i < 10; i++) {
        ingest_world_offer(&world, r, &r->frames[i]);
    }
    ingest_world_flush(&world);
    pg_conn_close(world.super);
    assert_int_equal(pg_cluster_stop(&world.pg.cluster, &why), RES_OK);
    for (size_t i = 10; i < r->frame_count; i++) {
        ingest_world_offer(&world, r, &r->frames[i]);
    }
    assert_int_equal(ingest_flush(world.ingest, 300), RES_AGAIN);
    assert_int_equal(ingest_state(world.ingest), INGEST_WAITS_FOR_DATABASE);
    assert_true(r->acked <= 10);
    assert_int_equal(pg_cluster_start(&world.pg.cluster, &why), RES_OK);
    ingest_world_flush(&world);
    world.super = pg_fixture_superuser(&world.pg);
    ingest_world_wait_ack(&world, r, r->counter);
    assert_int_equal(ingest_state(world.ingest), INGEST_RUNNING);
    ingest_world_expect(&world, "SELECT reconcile_state FROM session", "reconciled");
    assert_int_equal(stored_in_telemetry(), r->counter);
}

static bool says_that_it_waits(void)
{
    for (int i = 0; i < 100; i++) {
        if (ingest_world_number(&world,
                                "SELECT coalesce(max(value), 0)::bigint FROM process_metric "
                                "WHERE name = 'ingest_waits_for_disk'") == 1) {
            return true;
        }
        enum res waiting = ingest_flush(world.ingest, 50);
        assert_int_equal(waiting, RES_AGAIN);
    }
    return false;
}

/* A limit on the size of files stands in for a full disk: writes fail, then go on. */
static void waits_for_the_disk_and_acknowledges_nothing_meanwhile(void **state)
{
    (void)state;
    struct ingest_robot *r = &world.robots[0];
    struct rlimit before;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit tight = {4096, before.rlim_max};
    trip(r, 20, "pay-token-00000001");
    ingest_world_offer(&world, r, &r->frames[0]);
    ingest_world_flush(&world);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    offer_all(r, 1);
    assert_int_equal(ingest_flush(world.ingest, 500), RES_AGAIN);
    enum ingest_state then = ingest_state(world.ingest);
    int64_t watermark = ingest_world_number(&world, "SELECT watermark FROM cart_stream");
    bool told = says_that_it_waits();
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(told);
    assert_int_equal(then, INGEST_WAITS_FOR_DISK);
    assert_int_equal(watermark, 1);
    ingest_world_flush(&world);
    ingest_world_wait_ack(&world, r, r->counter);
    assert_int_equal(ingest_state(world.ingest), INGEST_RUNNING);
    ingest_world_expect(&world, "SELECT reconcile_state FROM session", "reconciled");
    assert_int_equal(stored_in_telemetry(), r->counter);
}

/* ---- gaps, epochs, identity ---- */

static void a_gap_record_accounts_for_what_is_lost(void **state)
{
    (void)state;
    struct ingest_robot *r = &world.robots[0];
    for (int i = 0; i < 10; i++) {
        (void)ingest_robot_health(r);
    }
    (void)ingest_robot_gap(r, 4, 6);
    for (size_t i = 0; i < r->frame_count; i++) {
        if (i < 3 || i > 5) {
            ingest_world_offer(&world, r, &r->frames[i]);
        }
    }
    ingest_world_flush(&world);
    ingest_world_wait_ack(&world, r, r->counter);
    assert_int_equal(ingest_world_number(&world, "SELECT from_counter FROM stream_gap"), 4);
    assert_int_equal(ingest_world_number(&world, "SELECT to_counter FROM stream_gap"), 6);
    ingest_world_expect(&world, "SELECT kind FROM alert", "event_gap");
}

static void a_gap_record_far_ahead_lets_the_stream_go_on(void **state)
{
    (void)state;
    struct ingest_robot *r = &world.robots[0];
    for (int i = 0; i < 3; i++) {
        (void)ingest_robot_health(r);
    }
    r->counter = 5000;
    (void)ingest_robot_health(r);
    (void)ingest_robot_gap(r, 4, 5000);
    offer_all(r, 0);
    ingest_world_flush(&world);
    offer_all(r, 0);
    ingest_world_flush(&world);
    offer_all(r, 0);
    ingest_world_flush(&world);
    ingest_world_wait_ack(&world, r, 5002);
    assert_int_equal(stored_in_telemetry(), 5);
    assert_int_equal(ingest_world_number(&world, "SELECT count(*) FROM stream_gap"), 1);
}

static void a_counter_too_far_ahead_is_left_to_be_sent_again(void **state)
{
    (void)state;
    struct ingest_robot *r = &world.robots[0];
    (void)ingest_robot_health(r);
    r->counter = 2000;
    (void)ingest_robot_health(r);
    offer_all(r, 0);
    ingest_world_flush(&world);
    assert_int_equal(figures().far, 1);
    assert_int_equal(ingest_world_number(&world, "SELECT count(*) FROM dead_letter"), 0);
    assert_int_equal(ingest_world_number(&world, "SELECT watermark FROM cart_stream"), 1);
}

static void a_new_epoch_starts_at_one_and_the_old_ones_stragglers_are_kept(void **state)
{
    (void)state;
    struct ingest_robot *r = &world.robots[0];
    for (int i = 0; i < 5; i++) {
        (void)ingest_robot_health(r);
    }
    ingest_robot_new_epoch(r);
    (void)ingest_robot_boot(r);
    (void)ingest_robot_health(r);
    offer_all(r, 5);
    ingest_world_flush(&world);
    for (size_t i = 0; i < 3; i++) {
        ingest_world_offer(&world, r, &r->frames[i]); /* of an epoch that is older than the first */
    }
    ingest_world_flush(&world);
    ingest_world_expect(&world, "SELECT reason FROM dead_letter LIMIT 1", "stale_epoch");
    ingest_robot_new_epoch(r);
    (void)ingest_robot_boot(r);
    ingest_world_offer(&world, r, &r->frames[7]);
    ingest_world_flush(&world);
    (void)ingest_robot_sign(r, 0, SPAN_LIT("")); /* keeps frames[] where it is */
    r->frame_count--;
    r->epoch = 2;
    r->counter = 2;
    const struct ingest_robot_frame *late = ingest_robot_health(r);
    ingest_world_offer(&world, r, late);
    ingest_world_flush(&world);
    r->epoch = 3;
    ingest_world_wait_ack(&world, r, 1);
    assert_int_equal(
        ingest_world_number(&world, "SELECT watermark FROM cart_stream WHERE epoch = 2"), 3);
    assert_int_equal(
        ingest_world_number(&world, "SELECT watermark FROM cart_stream WHERE epoch = 3"), 1);
    assert_int_equal(ingest_world_number(
                         &world, "SELECT count(*) FROM alert WHERE cause_key LIKE 'epoch_change%'"),
                     1);
}

static void send_health_as(struct ingest_robot *r, int64_t counter)
{
    int64_t last = r->counter;
    r->counter = counter - 1;
    r->time_ms += 12345;
    ingest_world_offer(&world, r, ingest_robot_health(r));
    r->counter = last;
    r->frame_count--;
}

static void offer_health_as(struct ingest_robot *r, int64_t counter)
{
    send_health_as(r, counter);
    ingest_world_flush(&world);
}

static void another_body_under_a_counter_is_an_alarm_and_the_first_stays(void **state)
{
    (void)state;
    struct ingest_robot *r = &world.robots[0];
    for (int i = 0; i < 100; i++) {
        (void)ingest_robot_health(r);
    }
    offer_all(r, 0);
    ingest_world_flush(&world);
    offer_health_as(r, 99); /* remembered */
    offer_health_as(r, 3);  /* long out of the ring: compared in telemetry */
    assert_int_equal(ingest_world_number(
                         &world, "SELECT count(*) FROM dead_letter WHERE reason = 'equivocation'"),
                     2);
    ingest_world_expect(&world, "SELECT severity FROM alert WHERE kind = 'security'", "high");
    assert_int_equal(stored_in_telemetry(), 100);
    assert_string_equal(world.reject_reason, "equivocation");
    assert_int_equal(world.rejects, 2);
}

static void old_events_sent_again_together_hide_no_altered_one(void **state)
{
    (void)state;
    struct ingest_robot *r = &world.robots[0];
    for (int i = 0; i < 100; i++) {
        (void)ingest_robot_health(r);
    }
    offer_all(r, 0);
    ingest_world_flush(&world);
    send_health_as(r, 6); /* signed first: what follows makes one batch with it */
    for (int64_t counter = 3; counter <= 8; counter++) {
        ingest_world_offer(&world, r, ingest_robot_frame(r, r->epoch, counter));
    }
    ingest_world_flush(&world);
    ingest_world_expect(
        &world,
        "SELECT string_agg(counter::text, ',') FROM dead_letter WHERE reason = 'equivocation'",
        "6");
    assert_int_equal(world.rejects, 1);
    assert_int_equal(stored_in_telemetry(), 100);
}

static void a_bad_signature_never_counts(void **state)
{
    (void)state;
    struct ingest_robot *r = &world.robots[0];
    struct ingest_robot_frame f = *ingest_robot_health(r);
    f.bytes[f.size - 1] ^= 1;
    ingest_world_offer(&world, r, &f);
    ingest_world_flush(&world);
    ingest_world_expect(&world, "SELECT reason FROM dead_letter", "bad_signature");
    ingest_world_expect(&world, "SELECT kind FROM alert", "security");
    assert_int_equal(stored_in_telemetry(), 0);
    assert_int_equal(ingest_world_number(&world, "SELECT count(*) FROM cart_stream"), 0);
    offer_all(r, 0);
    ingest_world_flush(&world);
    ingest_world_wait_ack(&world, r, 1);
}

static void garbage_does_not_fill_the_desk_but_is_counted(void **state)
{
    (void)state;
    struct ingest_robot *r = &world.robots[2];
    struct ingest_robot_frame f = *ingest_robot_health(r);
    for (int i = 0; i < 300; i++) {
        f.bytes[f.size - 40] = (uint8_t)(i & 0x3f);
        f.bytes[f.size - 41] = (uint8_t)(i >> 6);
        ingest_world_offer(&world, r, &f);
    }
    ingest_world_flush(&world);
    assert_in_range(ingest_world_number(&world, "SELECT count(*) FROM dead_letter"), 50, 150);
    assert_int_equal(figures().refused[WIRE_BAD_SIGNATURE] + figures().refused[WIRE_HIGH_S], 300);
    assert_int_equal(stored_in_telemetry(), 0);
}

static void one_cart_cannot_speak_for_another(void **state)
{
    (void)state;
    struct ingest_robot *r = &world.robots[0];
    const struct ingest_robot_frame *f = ingest_robot_health(r);
    ingest_world_offer_raw(&world, "cart/CART-0002/health", span_of(f->bytes, f->size));
    ingest_world_offer_raw(&world, "cart/CART-0001/scan", span_of(f->bytes, f->size));
    ingest_world_offer_raw(&world, "cart/CART-0001/dance", span_of(f->bytes, f->size));
    ingest_world_offer_raw(&world, "cart/CART-9999/health", span_of(f->bytes, f->size));
    ingest_world_flush(&world);
    assert_int_equal(
        ingest_world_number(&world,
                            "SELECT count(*) FROM dead_letter WHERE reason = 'topic_mismatch'"),
        3);
    assert_int_equal(
        ingest_world_number(&world,
                            "SELECT count(*) FROM dead_letter WHERE reason = 'unknown_device'"),
        1);
    assert_int_equal(stored_in_telemetry(), 0);
}

static void a_poison_message_is_filed_and_does_not_stop_its_cart(void **state)
{
    (void)state;
    static const char poison[] =
        "{\"v\":1,\"type\":\"health\",\"cartId\":\"CART-0001\",\"epoch\":1,\"counter\":2,"
        "\"time\":\"2026-11-21T18:00:00.000Z\",\"mode\":\"dancing\",\"batteryPct\":80}          "
        "                                                                                ";
    struct ingest_robot *r = &world.robots[0];
    (void)ingest_robot_health(r);
    (void)ingest_robot_sign(r, 2, span_of(poison, sizeof poison - 1));
    (void)ingest_robot_health(r);
    offer_all(r, 0);
    offer_all(r, 0);
    ingest_world_flush(&world);
    ingest_world_wait_ack(&world, r, 3);
    assert_int_equal(ingest_world_number(&world, "SELECT count(*) FROM dead_letter"), 1);
    assert_int_equal(ingest_world_number(&world, "SELECT counter FROM dead_letter"), 2);
    assert_int_equal(stored_in_telemetry(), 2);
}

static void every_reason_can_be_filed(void **state)
{
    (void)state;
    for (int r = 1; r < WIRE_REFUSALS; r++) {
        char sql[256];
        (void)snprintf(sql, sizeof sql,
                       "INSERT INTO dead_letter (topic, reason, body, body_digest) VALUES "
                       "('t', '%s', '', sha256('%d'))",
                       wire_refusal_name((enum wire_refusal)r), r);
        pg_fixture_sql(world.super, sql);
    }
    assert_int_equal(ingest_world_number(&world, "SELECT count(*) FROM dead_letter"),
                     WIRE_REFUSALS - 1);
}

static void a_body_that_is_no_text_does_not_stop_its_cart(void **state)
{
    (void)state;
    static const char *const bodies[] = {"\xff", "\\ud800", "\\u0000"};
    struct ingest_robot *r = &world.robots[0];
    for (int i = 0; i < 3; i++) {
        char body[256];
        int size =
            snprintf(body, sizeof body,
                     "{\"v\":1,\"type\":\"fault\",\"cartId\":\"CART-0001\",\"epoch\":1,"
                     "\"counter\":%d,\"time\":\"2026-11-21T18:00:00.000Z\",\"code\":\"other\","
                     "\"severity\":\"low\",\"detail\":\"%s\"}%40s",
                     i + 1, bodies[i], "");
        (void)ingest_robot_sign(r, i + 1, span_of(body, (size_t)size));
    }
    offer_all(r, 0);
    ingest_world_flush(&world);
    ingest_world_wait_ack(&world, r, 3);
    assert_int_equal(
        ingest_world_number(&world, "SELECT count(*) FROM dead_letter WHERE reason = 'bad_utf8'"),
        3);
}

static void a_revoked_cart_is_refused(void **state)
{
    (void)state;
    struct ingest_robot *r = &world.robots[3];
    ingest_world_offer(&world, r, ingest_robot_health(r));
    ingest_world_flush(&world);
    pg_fixture_sql(world.super, "UPDATE device_certificate SET revoked_at = now() "
                                "WHERE device_id = 'CART-0004'");
    ingest_refresh(world.ingest);
    for (int i = 0; i < 200; i++) {
        ingest_world_offer(&world, r, ingest_robot_health(r));
        ingest_world_flush(&world);
        if (ingest_world_number(&world, "SELECT count(*) FROM dead_letter "
                                        "WHERE reason = 'revoked_device'") > 0) {
            break;
        }
    }
    ingest_world_expect(&world, "SELECT reason FROM dead_letter", "revoked_device");
}

static void a_flooding_cart_is_held_to_its_rate(void **state)
{
    (void)state;
    struct ingest_robot *r = &world.robots[0];
    ingest_world_close(&world);
    world.rate_per_second = 1;
    world.rate_burst = 10;
    ingest_world_open(&world, "ingest-1");
    world.rate_per_second = 0;
    const struct ingest_robot_frame f = *ingest_robot_health(r);
    for (int i = 0; i < 100; i++) {
        ingest_world_offer(&world, r, &f);
    }
    ingest_world_flush(&world);
    ingest_world_offer(&world, &world.robots[1], ingest_robot_health(&world.robots[1]));
    ingest_world_flush(&world);
    assert_true(figures().rate_limited >= 80);
    ingest_world_expect(&world, "SELECT cause_key FROM alert", "rate_limited:CART-0001");
}

/* ---- sessions and payments ---- */

static void what_comes_after_the_end_is_late_and_alters_nothing(void **state)
{
    (void)state;
    struct ingest_robot *r = &world.robots[0];
    trip(r, 5, "pay-token-00000001");
    (void)ingest_robot_scan(r, 999);
    (void)ingest_robot_change(r, WIRE_HOLD);
    (void)ingest_robot_end(r, "pay-token-00000002");
    offer_all(r, 0);
    ingest_world_flush(&world);
    ingest_world_wait_ack(&world, r, r->counter);
    ingest_world_expect(&world, "SELECT status || reconcile_state FROM session",
                        "completereconciled");
    assert_int_equal(ingest_world_number(&world, "SELECT late_events FROM session"), 3);
    assert_int_equal(ingest_world_number(&world, "SELECT count(*) FROM dead_letter"), 0);
    assert_int_equal(r->payments_heard, 2);
    assert_false(r->payment_accepted);
    assert_string_equal(r->payment_reason, "session_closed");
}

static void a_start_abandons_the_open_session(void **state)
{
    (void)state;
    struct ingest_robot *r = &world.robots[0];
    (void)ingest_robot_start(r);
    (void)ingest_robot_scan(r, 500);
    (void)ingest_robot_start(r);
    offer_all(r, 0);
    ingest_world_flush(&world);
    ingest_world_expect(&world,
                        "SELECT string_agg(status, ' ' ORDER BY start_counter) FROM session",
                        "abandoned active");
    ingest_world_expect(&world,
                        "SELECT reconcile_reasons[1] FROM session WHERE status = 'abandoned'",
                        "superseded");
}

static void illegal_steps_are_recorded_and_acknowledged(void **state)
{
    (void)state;
    struct ingest_robot *r = &world.robots[0];
    (void)ingest_robot_start(r);
    (void)ingest_robot_change(r, WIRE_RESUME);
    (void)snprintf(r->session, sizeof r->session, "CART-0001.1.2");
    (void)ingest_robot_scan(r, 1);
    offer_all(r, 0);
    ingest_world_flush(&world);
    ingest_world_wait_ack(&world, r, r->counter);
    ingest_world_expect(
        &world, "SELECT string_agg(reason || '/' || field, ' ' ORDER BY counter) FROM dead_letter",
        "illegal_transition/transition unknown_session/sessionId");
}

static void a_token_pays_for_one_session(void **state)
{
    (void)state;
    struct ingest_robot *r = &world.robots[0];
    struct ingest_robot *q = &world.robots[1];
    trip(r, 2, "pay-token-00000001");
    offer_all(r, 0);
    ingest_world_flush(&world);
    trip(q, 2, "pay-token-00000001");
    offer_all(q, 0);
    ingest_world_flush(&world);
    assert_true(r->payment_accepted);
    assert_int_equal(q->payments_heard, 1);
    assert_false(q->payment_accepted);
    assert_string_equal(q->payment_reason, "token_reused");
    assert_int_equal(q->payment_counter, q->counter);
    ingest_world_expect(&world,
                        "SELECT reconcile_reasons[1] FROM session WHERE cart_id = 'CART-0002'",
                        "payment_refused");
    assert_int_equal(ingest_world_number(&world, "SELECT count(*) FROM payment"), 1);
}

static void a_declined_payment_is_refused_and_reported(void **state)
{
    (void)state;
    struct ingest_robot *r = &world.robots[0];
    (void)ingest_robot_start(r);
    (void)ingest_robot_scan(r, 100);
    r->declined = true;
    (void)ingest_robot_end(r, "pay-token-00000001");
    offer_all(r, 0);
    ingest_world_flush(&world);
    assert_false(r->payment_accepted);
    assert_string_equal(r->payment_reason, "declined");
    ingest_world_expect(&world, "SELECT status || outcome FROM payment", "declinedrefused");
    ingest_world_expect(&world, "SELECT reconcile_reasons[1] FROM session", "payment_refused");
}

static void a_basket_that_does_not_add_up_is_reported(void **state)
{
    (void)state;
    struct ingest_robot *r = &world.robots[0];
    (void)ingest_robot_start(r);
    (void)ingest_robot_scan(r, 100);
    r->fold.total_minor += 7;
    (void)ingest_robot_end(r, "pay-token-00000001");
    offer_all(r, 0);
    ingest_world_flush(&world);
    ingest_world_expect(&world, "SELECT array_to_string(reconcile_reasons, ' ') FROM session",
                        "total payment_amount");
    ingest_world_expect(&world, "SELECT kind FROM alert WHERE kind = 'session_mismatch'",
                        "session_mismatch");
}

static void a_second_identity_is_a_conflict(void **state)
{
    (void)state;
    struct ingest_robot *r = &world.robots[0];
    (void)ingest_robot_start(r);
    (void)ingest_robot_identify(r, "loyalty-token-0001");
    (void)ingest_robot_identify(r, "loyalty-token-0001");
    offer_all(r, 0);
    ingest_world_flush(&world);
    assert_int_equal(
        ingest_world_number(&world, "SELECT identity_conflict::int::bigint FROM session"), 0);
    (void)ingest_robot_identify(r, "loyalty-token-0002");
    offer_all(r, r->frame_count - 1);
    ingest_world_flush(&world);
    assert_int_equal(
        ingest_world_number(&world, "SELECT identity_conflict::int::bigint FROM session"), 1);
    ingest_world_expect(&world, "SELECT identity_method FROM session", "loyalty");
}

static void a_session_that_the_worker_ended_is_closed_for_ingest(void **state)
{
    (void)state;
    struct ingest_robot *r = &world.robots[0];
    (void)ingest_robot_start(r);
    (void)ingest_robot_scan(r, 100);
    offer_all(r, 0);
    ingest_world_flush(&world);
    pg_fixture_sql(world.super, "UPDATE cart_stream SET version = version + 1; "
                                "UPDATE session SET status = 'abandoned', ended_at = now()");
    (void)ingest_robot_scan(r, 100);
    offer_all(r, r->frame_count - 1);
    ingest_world_flush(&world);
    ingest_world_wait_ack(&world, r, r->counter);
    assert_int_equal(ingest_world_number(&world, "SELECT late_events FROM session"), 1);
    assert_int_equal(figures().conflicts, 1);
}

static void an_unknown_product_is_looked_up(void **state)
{
    (void)state;
    struct ingest_robot *r = &world.robots[0];
    (void)ingest_robot_start(r);
    (void)ingest_robot_scan(r, WIRE_ABSENT);
    offer_all(r, 0);
    ingest_world_flush(&world);
    assert_int_equal(r->product_counter, 2);
    assert_int_equal(r->product_found, 0);
    pg_fixture_sql(world.super,
                   "INSERT INTO item (store_id, sku, gtin, name, category, price_minor, currency) "
                   "VALUES ('STORE-1', 'SOAP-1', '08901030865275', '{\"en\": \"Soap\"}', 'Care', "
                   "4550, 'INR')");
    (void)ingest_robot_scan(r, WIRE_ABSENT);
    offer_all(r, r->frame_count - 1);
    ingest_world_flush(&world);
    assert_int_equal(r->product_found, 1);
    assert_int_equal(r->product_price, 4550);
    assert_int_equal(r->product_counter, 3);
    /* Asked again: the answer is to the line's first scan, whatever counter the question has. */
    r->product_counter = 0;
    (void)ingest_robot_ask(r, 3);
    offer_all(r, r->frame_count - 1);
    ingest_world_flush(&world);
    assert_int_equal(r->product_counter, 3);
    pg_fixture_sql(world.super, "UPDATE item SET deleted_at = now()");
}

static void a_health_answers_a_command(void **state)
{
    (void)state;
    struct ingest_robot *r = &world.robots[0];
    pg_fixture_sql(world.super,
                   "INSERT INTO command (cart_id, number, store_id, kind, issued_by, expires_at) "
                   "VALUES ('CART-0001', 7, 'STORE-1', 'sleep', 'test', now() + interval '1 h')");
    struct wire_event e;
    wire_event_init(&e, WIRE_HEALTH);
    e.health.mode = WIRE_SLEEPING;
    e.health.battery_pct = 50;
    e.health.signal_dbm = -70;
    e.health.laser_deci_c = 250;
    e.health.drift_g = 0;
    e.health.link = WIRE_LTE;
    e.health.queued = 0;
    e.health.catalog_version = 0;
    e.health.command_number = 7;
    e.health.command_outcome = WIRE_CMD_DONE;
    ingest_world_offer(&world, r, ingest_robot_make(r, &e));
    ingest_world_flush(&world);
    ingest_world_expect(&world, "SELECT state FROM command", "done");
    ingest_world_expect(&world, "SELECT mode || link FROM cart WHERE cart_id = 'CART-0001'",
                        "sleepinglte");
}

static void an_event_that_the_model_refuses_is_filed_and_the_others_are_applied(void **state)
{
    (void)state;
    struct ingest_robot *r = &world.robots[0];
    struct ingest_robot *q = &world.robots[1];
    pg_fixture_sql(world.super,
                   "ALTER TABLE weight_mismatch ADD CONSTRAINT no_three CHECK (counter <> 8)");
    trip(r, 10, "pay-token-00000001");
    trip(q, 3, "pay-token-00000002");
    offer_all(q, 0);
    offer_all(r, 0);
    ingest_world_flush(&world);
    pg_fixture_sql(world.super, "ALTER TABLE weight_mismatch DROP CONSTRAINT no_three");
    ingest_world_wait_ack(&world, r, r->counter);
    ingest_world_wait_ack(&world, q, q->counter);
    ingest_world_expect(&world, "SELECT reason FROM dead_letter", "not_applied");
    assert_int_equal(stored_in_telemetry(), r->counter + q->counter);
    ingest_world_expect(&world, "SELECT reconcile_state FROM session WHERE cart_id = 'CART-0002'",
                        "reconciled");
    assert_int_equal(ingest_world_number(&world, "SELECT watermark FROM cart_stream "
                                                 "WHERE cart_id = 'CART-0001'"),
                     r->counter);
}

int main(void)
{
    if (!ingest_world_start(&world, 4)) {
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(stores_a_trip_and_acknowledges_it, fresh),
        cmocka_unit_test_setup(a_failed_payment_is_an_alert_until_its_trip_is_over, fresh),
        cmocka_unit_test_setup(a_failed_payment_of_a_trip_that_is_over_already_is_not_left_open,
                               fresh),
        cmocka_unit_test_setup(disorder_and_repetition_change_nothing, fresh),
        cmocka_unit_test_setup(a_replay_is_answered_and_stores_nothing, fresh),
        cmocka_unit_test_setup(a_restart_in_the_middle_of_a_trip_loses_and_repeats_nothing, fresh),
        cmocka_unit_test_setup(what_only_telemetry_has_is_applied_at_the_next_start, fresh),
        cmocka_unit_test_setup(two_processes_share_one_cart, fresh),
        cmocka_unit_test_setup(what_another_process_knows_is_learnt_when_it_matters, fresh),
        cmocka_unit_test_setup(waits_for_postgresql_and_goes_on_by_itself, fresh),
        cmocka_unit_test_setup(waits_for_the_disk_and_acknowledges_nothing_meanwhile, fresh),
        cmocka_unit_test_setup(a_gap_record_accounts_for_what_is_lost, fresh),
        cmocka_unit_test_setup(a_gap_record_far_ahead_lets_the_stream_go_on, fresh),
        cmocka_unit_test_setup(a_counter_too_far_ahead_is_left_to_be_sent_again, fresh),
        cmocka_unit_test_setup(a_new_epoch_starts_at_one_and_the_old_ones_stragglers_are_kept,
                               fresh),
        cmocka_unit_test_setup(another_body_under_a_counter_is_an_alarm_and_the_first_stays, fresh),
        cmocka_unit_test_setup(old_events_sent_again_together_hide_no_altered_one, fresh),
        cmocka_unit_test_setup(a_bad_signature_never_counts, fresh),
        cmocka_unit_test_setup(garbage_does_not_fill_the_desk_but_is_counted, fresh),
        cmocka_unit_test_setup(one_cart_cannot_speak_for_another, fresh),
        cmocka_unit_test_setup(a_poison_message_is_filed_and_does_not_stop_its_cart, fresh),
        cmocka_unit_test_setup(every_reason_can_be_filed, fresh),
        cmocka_unit_test_setup(a_body_that_is_no_text_does_not_stop_its_cart, fresh),
        cmocka_unit_test_setup(a_revoked_cart_is_refused, fresh),
        cmocka_unit_test_setup(a_flooding_cart_is_held_to_its_rate, fresh),
        cmocka_unit_test_setup(what_comes_after_the_end_is_late_and_alters_nothing, fresh),
        cmocka_unit_test_setup(a_start_abandons_the_open_session, fresh),
        cmocka_unit_test_setup(illegal_steps_are_recorded_and_acknowledged, fresh),
        cmocka_unit_test_setup(a_token_pays_for_one_session, fresh),
        cmocka_unit_test_setup(a_declined_payment_is_refused_and_reported, fresh),
        cmocka_unit_test_setup(a_basket_that_does_not_add_up_is_reported, fresh),
        cmocka_unit_test_setup(a_second_identity_is_a_conflict, fresh),
        cmocka_unit_test_setup(a_session_that_the_worker_ended_is_closed_for_ingest, fresh),
        cmocka_unit_test_setup(an_unknown_product_is_looked_up, fresh),
        cmocka_unit_test_setup(a_health_answers_a_command, fresh),
        cmocka_unit_test_setup(an_event_that_the_model_refuses_is_filed_and_the_others_are_applied,
                               fresh),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ingest_world_stop(&world);
    return failed;
}
