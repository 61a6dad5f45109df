/* Random lives of labels against real PostgreSQL and telemetry.
 *
 * Feature: smartshelf-india, Property 5: Low Battery Alert Generation
 * Feature: smartshelf-india, Property 68: Battery Life Estimation (the daily samples)
 * Feature: smartshelf-india, Property 45: Event Queue Transmission on Reconnection
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "clock.h"
#include "label_world.h"
#include "rng.h"

#define LABELS 120
#define STEPS  25
#define CRASH  40 /* labels of the test with crashes */
#define TURNS  30

static struct label_world world;
static struct rng rng;

static int fresh(void **state)
{
    (void)state;
    label_world_close(&world);
    label_world_reset(&world, LABELS);
    label_world_open(&world, "ingest-1-labels");
    return 0;
}

static void say(unsigned label, const char *tail, const char *payload)
{
    char id[16];
    (void)snprintf(id, sizeof id, "ESP32-%06u", label);
    label_world_offer(&world, id, tail, payload);
}

/* An alert is open exactly when the battery fell below 20 % and has not been at 25 % since. */
static void a_battery_below_twenty_is_told_until_twenty_five(void **state)
{
    (void)state;
    static bool open[LABELS + 1];
    static int64_t opened[LABELS + 1];
    static int64_t first[LABELS + 1];
    static int64_t last[LABELS + 1];
    print_message("Feature: smartshelf-india, Property 5: Low Battery Alert Generation\n");
    print_message("Feature: smartshelf-india, Property 68: Battery Life Estimation\n");
    int64_t day = clock_utc_ms() / 86400000;
    for (int step = 1; step <= STEPS; step++) {
        for (unsigned i = 1; i <= LABELS; i++) {
            int64_t battery = rng_below(&rng, 2) == 0 ? 17 + (int64_t)rng_below(&rng, 10)
                                                      : (int64_t)rng_below(&rng, 101);
            opened[i] += !open[i] && battery < 20;
            open[i] = battery < 20 || (open[i] && battery < 25);
            first[i] = step == 1 ? battery : first[i];
            last[i] = battery;
            say(i, "status", label_world_status(i, step, (int)battery, ""));
        }
        label_world_flush(&world); /* a status a batch: hysteresis knows every step */
    }
    for (unsigned i = 1; i <= LABELS; i++) {
        char sql[256];
        (void)snprintf(sql, sizeof sql,
                       "SELECT count(*) FILTER (WHERE status <> 'resolved') * 1000 + count(*) "
                       "FROM alert WHERE cause_key = 'low_battery:ESP32-%06u'",
                       i);
        assert_int_equal(label_world_number(&world, sql), (open[i] ? 1000 : 0) + opened[i]);
        (void)snprintf(sql, sizeof sql,
                       "SELECT sum(first_pct * 1000 + last_pct)::bigint FROM label_battery WHERE "
                       "label_id = 'ESP32-%06u'",
                       i);
        if (day == clock_utc_ms() / 86400000) { /* one sample a day: not over midnight */
            assert_int_equal(label_world_number(&world, sql), first[i] * 1000 + last[i]);
        }
    }
    assert_int_equal(
        label_world_number(&world, "SELECT count(*) FROM alert WHERE store_id <> 'STORE-1'"), 0);
}

/* ---- labels with a queue on flash, and a platform that dies ---- */

struct robot {
    int64_t written;
    int64_t released;
    int64_t next;
};
static struct robot robots[CRASH + 1];

static int64_t told_through(unsigned label)
{
    char id[16];
    int64_t through = 0;
    (void)snprintf(id, sizeof id, "ESP32-%06u", label);
    json_t *answer = json_loads(label_world_answer(&world, id), 0, NULL);
    if (answer != NULL) {
        through = json_integer_value(json_object_get(json_object_get(answer, "events"), "through"));
    }
    json_decref(answer);
    return through;
}

static void send_queue(unsigned label, struct robot *r)
{
    char ask[64];
    for (; r->next <= r->written; r->next++) {
        say(label, "ack", label_world_ack(label, r->next, r->next, "ab"));
        if (rng_below(&rng, 5) == 0) { /* the broker delivers twice */
            say(label, "ack", label_world_ack(label, r->next, r->next, "ab"));
        }
    }
    (void)snprintf(ask, sizeof ask, "{\"deviceId\":\"ESP32-%06u\"}", label);
    say(label, "shadow/get", ask);
}

static void release(unsigned label, struct robot *r)
{
    int64_t through = told_through(label);
    assert_true(through <= r->written);
    r->released = through > r->released ? through : r->released;
    r->next = r->released + 1; /* as after an answer or a reconnection */
}

static void everything_queued_is_stored_whatever_dies(void **state)
{
    (void)state;
    print_message(
        "Feature: smartshelf-india, Property 45: Event Queue Transmission on Reconnection\n");
    memset(robots, 0, sizeof robots);
    for (unsigned i = 1; i <= CRASH; i++) {
        robots[i].next = 1;
    }
    for (int turn = 0; turn < TURNS; turn++) {
        for (unsigned i = 1; i <= CRASH; i++) {
            struct robot *r = &robots[i];
            int64_t room = 100 - (r->written - r->released);
            r->written += (int64_t)rng_below(&rng, (uint64_t)(room < 12 ? room : 12) + 1);
            send_queue(i, r);
        }
        uint64_t fate = rng_below(&rng, 4);
        if (fate == 0) { /* wherever it is */
            label_world_close(&world);
            label_world_open(&world, turn % 2 == 0 ? "ingest-1-labels" : "ingest-2-labels");
        } else if (fate == 1) {
            pg_fixture_sql(world.super, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                                        "WHERE usename = 'endcap_ingest'");
        }
        label_world_flush(&world);
        for (unsigned i = 1; i <= CRASH; i++) {
            release(i, &robots[i]);
        }
    }
    for (int turn = 0; turn < 3; turn++) {
        for (unsigned i = 1; i <= CRASH; i++) {
            send_queue(i, &robots[i]);
        }
        label_world_flush(&world);
        for (unsigned i = 1; i <= CRASH; i++) {
            release(i, &robots[i]);
        }
    }
    for (unsigned i = 1; i <= CRASH; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "ESP32-%06u", i);
        assert_int_equal(robots[i].released, robots[i].written);
        assert_int_equal(label_world_stored(&world, id, 1), robots[i].written);
    }
    assert_int_equal(label_world_number(&world, "SELECT count(*) FROM alert"), 0);
    assert_int_equal(label_world_number(&world, "SELECT count(*) FROM dead_letter"), 0);
    assert_int_equal(label_world_number(&world, "SELECT count(*) FROM label WHERE shown_version <> "
                                                "stream_through"),
                     0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, fresh)
    const struct CMUnitTest tests[] = {
        TEST(a_battery_below_twenty_is_told_until_twenty_five),
        TEST(everything_queued_is_stored_whatever_dies),
    };
    const char *env = getenv("ENDCAP_SEED");
    uint64_t seed = env != NULL ? strtoull(env, NULL, 10) : (uint64_t)clock_utc_ms();
    (void)printf("ENDCAP_SEED=%llu\n", (unsigned long long)seed);
    rng_init(&rng, seed);
    if (!label_world_start(&world, PG_FIXTURE_FAST)) {
        return 77;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    label_world_stop(&world);
    return failed;
}
