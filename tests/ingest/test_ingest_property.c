/* Whatever the network, the broker and our own crashes do: each event is stored exactly once, and
 * the sessions are those of the carts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ingest_robot.h"
#include "rng.h"

#define CASES           100
#define ROBOTS_PER_CASE 2
#define ROUNDS_MAX      60

static struct ingest_world world;
static struct rng rng;

static bool chance(unsigned percent)
{
    return rng_below(&rng, 100) < percent;
}

/* What the sessions of one robot must look like, as expect_sql prints them. */
struct expected {
    char sessions[2048];
    int64_t payments;
    int64_t mismatches;
};

static void make_trip(struct ingest_robot *r, struct expected *e, int number)
{
    char token[40];
    int64_t mismatches = 0;
    (void)ingest_robot_start(r);
    int scans = (int)rng_below(&rng, 20);
    for (int i = 0; i < scans; i++) {
        if (chance(10)) {
            (void)ingest_robot_change(r, WIRE_HOLD);
            (void)ingest_robot_change(r, WIRE_RESUME);
        }
        if (chance(10)) {
            (void)ingest_robot_health(r);
        }
        bool priced = !chance(5);
        (void)ingest_robot_scan(r, priced ? 1 + (int64_t)rng_below(&rng, 100000) : WIRE_ABSENT);
        mismatches += priced && r->line % 7 == 0 ? 1 : 0;
    }
    if (chance(30)) {
        (void)ingest_robot_identify(r, "loyalty-token-0001");
    }
    (void)snprintf(token, sizeof token, "pay-%s-%08d", r->id, number);
    bool paid = chance(80);
    (void)ingest_robot_end(r, paid ? token : NULL);
    size_t used = strlen(e->sessions);
    (void)snprintf(e->sessions + used, sizeof e->sessions - used,
                   "%s%s:%s:reconciled:%lld:%lld:%lld", used > 0 ? " " : "", r->session,
                   paid ? "complete" : "voided", (long long)r->fold.item_count,
                   (long long)r->fold.scan_count, (long long)r->fold.total_minor);
    e->payments += paid ? 1 : 0;
    e->mismatches += mismatches;
}

static int64_t acked(const struct ingest_robot *r)
{
    (void)pthread_mutex_lock(world.lock);
    int64_t through = r->acked;
    (void)pthread_mutex_unlock(world.lock);
    return through;
}

/* As after kill -9 between the telemetry block and the transaction: the transaction waits for a
 * lock, its server process is ended, and there is no way back to the database. */
static void crash_before_the_transaction(const struct ingest_robot *r)
{
    struct pg_conn *locker = pg_fixture_superuser(&world.pg);
    int64_t through = acked(r);
    pg_fixture_sql(locker, "BEGIN; LOCK TABLE cart_stream IN EXCLUSIVE MODE");
    for (size_t i = 0; i < r->frame_count; i++) {
        if (r->frames[i].counter > through && r->frames[i].counter <= through + 8) {
            ingest_world_offer(&world, r, &r->frames[i]);
        }
    }
    for (int i = 0; i < 2000 && ingest_world_number(&world, "SELECT count(*) FROM pg_stat_activity "
                                                            "WHERE wait_event_type = 'Lock'") == 0;
         i++) {
        (void)usleep(1000);
    }
    pg_fixture_sql(world.super, "ALTER ROLE endcap_ingest NOLOGIN; "
                                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                                "WHERE usename = 'endcap_ingest'");
    ingest_world_close(&world);
    pg_fixture_sql(world.super, "ALTER ROLE endcap_ingest LOGIN");
    pg_conn_close(locker);
    ingest_world_open(&world, "ingest-1");
}

static void crash_anywhere(void)
{
    ingest_world_close(&world);
    ingest_world_open(&world, "ingest-1");
}

/* One round of a robot's sending: what is not acknowledged, out of order, some of it lost, some
 * twice, some of what was acknowledged again. */
static void send_round(struct ingest_robot *r)
{
    size_t count = r->frame_count;
    size_t *order = calloc(count, sizeof *order);
    assert_non_null(order);
    for (size_t i = 0; i < count; i++) {
        order[i] = i;
    }
    for (size_t i = 0; i + 1 < count; i++) {
        size_t reach = count - i < 12 ? count - i : 12;
        size_t other = i + (size_t)rng_below(&rng, reach);
        size_t swap = order[i];
        order[i] = order[other];
        order[other] = swap;
    }
    int64_t through = acked(r);
    for (size_t i = 0; i < count; i++) {
        const struct ingest_robot_frame *f = &r->frames[order[i]];
        if (f->counter <= through ? chance(10) : !chance(25)) {
            ingest_world_offer(&world, r, f);
        }
        if (f->counter > through && chance(15)) {
            ingest_world_offer(&world, r, f);
        }
        if (rng_below(&rng, 1000) < 4) {
            crash_anywhere();
        }
    }
    free(order);
}

struct compare {
    const struct ingest_robot *r;
    int64_t next;
};

static enum res same_frame(void *user, const struct telemetry_event *e, telemetry_position position)
{
    (void)position;
    struct compare *c = user;
    const struct ingest_robot_frame *f = ingest_robot_frame(c->r, 1, c->next);
    assert_int_equal(e->counter, c->next);
    assert_int_equal(e->body.size + e->signature.size, f->size);
    assert_memory_equal(e->body.data, f->bytes, e->body.size);
    assert_memory_equal(e->signature.data, f->bytes + e->body.size, e->signature.size);
    c->next++;
    return RES_OK;
}

static void check_robot(const struct ingest_robot *r, const struct expected *e)
{
    struct telemetry *t = NULL;
    struct err why;
    struct telemetry_settings settings = {.directory = world.telemetry};
    assert_int_equal(telemetry_open(&settings, &t, &why), RES_OK);
    struct compare c = {r, 1};
    assert_int_equal(telemetry_read_stream(t, span_text(r->id, sizeof r->id), 1, 1, INT64_MAX - 1,
                                           same_frame, &c, &why),
                     RES_OK);
    assert_int_equal(c.next, r->counter + 1);
    telemetry_close(t);
    char sql[512];
    (void)snprintf(sql, sizeof sql,
                   "SELECT coalesce(string_agg(concat_ws(':', session_id, status, reconcile_state, "
                   "computed_item_count, computed_scan_count, computed_total_minor), ' ' "
                   "ORDER BY start_counter), '') FROM session WHERE cart_id = '%s'",
                   r->id);
    ingest_world_expect(&world, sql, e->sessions);
    (void)snprintf(sql, sizeof sql,
                   "SELECT count(*) FROM payment JOIN session USING (session_id) "
                   "WHERE cart_id = '%s' AND outcome = 'accepted'",
                   r->id);
    assert_int_equal(ingest_world_number(&world, sql), e->payments);
    (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM weight_mismatch WHERE cart_id = '%s'",
                   r->id);
    assert_int_equal(ingest_world_number(&world, sql), e->mismatches);
}

static void one_case(struct ingest_robot *robots)
{
    struct expected expected[ROBOTS_PER_CASE];
    pg_conn_close(world.super); /* with the statements of the case before */
    world.super = pg_fixture_superuser(&world.pg);
    memset(expected, 0, sizeof expected);
    for (size_t i = 0; i < ROBOTS_PER_CASE; i++) {
        (void)ingest_robot_boot(&robots[i]);
        int trips = 1 + (int)rng_below(&rng, 3);
        for (int n = 0; n < trips; n++) {
            make_trip(&robots[i], &expected[i], n);
        }
    }
    for (int round = 0; round < ROUNDS_MAX; round++) {
        bool done = true;
        for (size_t i = 0; i < ROBOTS_PER_CASE; i++) {
            if (acked(&robots[i]) < robots[i].counter) {
                done = false;
                send_round(&robots[i]);
            }
        }
        if (done) {
            break;
        }
        if (chance(4)) {
            crash_before_the_transaction(&robots[0]);
        }
        ingest_world_flush(&world);
    }
    for (size_t i = 0; i < ROBOTS_PER_CASE; i++) {
        ingest_world_wait_ack(&world, &robots[i], robots[i].counter);
        check_robot(&robots[i], &expected[i]);
    }
}

/* Feature: endcap-delivery, Property: nothing is lost, nothing counts twice */
static void every_event_is_stored_once_and_sessions_equal_the_model(void **state)
{
    (void)state;
    const char *given = getenv("ENDCAP_SEED");
    uint64_t seed = (uint64_t)getpid();
    if (given != NULL) {
        seed = strtoull(given, NULL, 10);
    }
    print_message("Feature: endcap-delivery, Property: nothing is lost, nothing counts twice; "
                  "ENDCAP_SEED=%llu\n",
                  (unsigned long long)seed);
    rng_init(&rng, seed);
    int64_t events = 0;
    for (size_t i = 0; i < CASES; i++) {
        one_case(&world.robots[i * ROBOTS_PER_CASE]);
        for (size_t j = 0; j < ROBOTS_PER_CASE; j++) {
            events += world.robots[i * ROBOTS_PER_CASE + j].counter;
        }
    }
    assert_int_equal(ingest_world_number(&world, "SELECT count(*) FROM dead_letter"), 0);
    assert_int_equal(ingest_world_number(&world, "SELECT coalesce(sum(late_events), 0)::bigint "
                                                 "FROM session"),
                     0);
    assert_int_equal(world.foreign, 0);
    ingest_world_close(&world);
    struct telemetry *t = NULL;
    struct telemetry_totals totals;
    struct err why;
    struct telemetry_settings settings = {.directory = world.telemetry};
    assert_int_equal(telemetry_open(&settings, &t, &why), RES_OK);
    assert_int_equal(telemetry_totals(t, &totals, &why), RES_OK);
    telemetry_close(t);
    assert_int_equal(totals.events, events); /* not even physically twice */
}

int main(void)
{
    if (!ingest_world_start(&world, (size_t)CASES * ROBOTS_PER_CASE)) {
        return 77;
    }
    ingest_world_open(&world, "ingest-1");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_event_is_stored_once_and_sessions_equal_the_model),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ingest_world_stop(&world);
    return failed;
}
