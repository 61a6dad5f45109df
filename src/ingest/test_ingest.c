/* The pipeline with real PostgreSQL and real telemetry, offered messages from memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

int main(void)
{
    if (!ingest_world_start(&world, 4)) {
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(stores_a_trip_and_acknowledges_it, fresh),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ingest_world_stop(&world);
    return failed;
}
