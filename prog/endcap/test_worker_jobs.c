/* The worker's thread of steps: trouble in one is no trouble of the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "clock.h"
#include "log.h"
#include "pg_fixture.h"
#include "worker_jobs.h"

#define SOON_MS 10000

static struct pg_fixture pg;
static struct pg_conn *super;
static atomic_int good;
static atomic_int bad;
static atomic_int own;
static atomic_bool broken;

static enum res good_step(struct pg_conn *c, int64_t now_ms, struct err *why)
{
    (void)now_ms;
    enum res r = pg_conn_command(c, "SELECT 1", why);
    (void)atomic_fetch_add(&good, r == RES_OK);
    return r;
}

/* Leaves its transaction open when it fails. */
static enum res bad_step(struct pg_conn *c, int64_t now_ms, struct err *why)
{
    (void)now_ms;
    (void)atomic_fetch_add(&bad, 1);
    enum res r = pg_conn_command(c, "BEGIN", why);
    if (r == RES_OK && atomic_load(&broken)) {
        r = pg_conn_command(c, "SELECT 1 / 0", why);
        return r == RES_OK ? RES_IO : r;
    }
    return r == RES_OK ? pg_conn_command(c, "COMMIT", why) : r;
}

static enum res own_step(void *user, struct pg_conn *c, int64_t now_ms, struct err *why)
{
    (void)c;
    (void)now_ms;
    (void)why;
    (void)atomic_fetch_add((atomic_int *)user, 1);
    return RES_AGAIN;
}

static const struct worker_job jobs[] = {
    {"bad", 5, bad_step, NULL}, {"good", 5, good_step, NULL}, {"own", 5, NULL, own_step}};

static void until_more(atomic_int *counter, int more)
{
    static const struct timespec moment = {.tv_nsec = 2000000};
    int from = atomic_load(counter);
    int64_t deadline_ms = clock_monotonic_ms() + SOON_MS;
    while (atomic_load(counter) < from + more) {
        assert_true(clock_monotonic_ms() < deadline_ms);
        (void)nanosleep(&moment, NULL);
    }
}

static struct worker_jobs *start(void)
{
    struct worker_jobs *w = NULL;
    struct err why = {""};
    if (worker_jobs_start(&pg.place, "worker-1", jobs, 3, &own, &w, &why) != RES_OK) {
        fail_msg("%s", why.text);
    }
    return w;
}

static void a_step_that_fails_stops_no_other(void **state)
{
    (void)state;
    atomic_store(&broken, true);
    struct worker_jobs *w = start();
    until_more(&bad, 5);
    until_more(&good, 5);
    until_more(&own, 5);
    atomic_store(&broken, false);
    until_more(&good, 5);
    worker_jobs_stop(w);
}

static void a_lost_connection_is_made_anew(void **state)
{
    (void)state;
    struct worker_jobs *w = start();
    until_more(&good, 3);
    pg_fixture_sql(super, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                          "WHERE usename = 'endcap_worker'");
    until_more(&good, 3);
    worker_jobs_stop(w);
}

static void too_many_are_refused(void **state)
{
    (void)state;
    struct worker_jobs *w = NULL;
    struct err why = {""};
    assert_int_equal(worker_jobs_start(&pg.place, "w", jobs, WORKER_JOBS_MAX + 1, NULL, &w, &why),
                     RES_LIMIT);
    assert_null(w);
    worker_jobs_stop(NULL);
}

int main(void)
{
    if (!pg_fixture_start(&pg, PG_FIXTURE_FAST)) {
        return 77;
    }
    log_init("test", LOG_ERROR);
    super = pg_fixture_superuser(&pg);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_that_fails_stops_no_other),
        cmocka_unit_test(a_lost_connection_is_made_anew),
        cmocka_unit_test(too_many_are_refused),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_conn_close(super);
    pg_fixture_stop(&pg);
    return failed;
}
