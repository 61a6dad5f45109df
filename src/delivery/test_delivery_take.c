/* The statements do to rows what delivery.c says, over random histories; and what they give out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "delivery.h"
#include "delivery_metrics.h"
#include "delivery_take.h"
#include "delivery_write.h"
#include "pg_fixture.h"
#include "rng.h"

#define LABELS 40
#define ROUNDS 60

static struct pg_fixture pg;
static struct pg_conn *super;
static struct pg_conn *worker;
static struct err why;

struct row {
    char label_id[16];
    struct delivery d;
    bool online;
    bool published;
};

static void sql(const char *text)
{
    pg_fixture_sql(super, text);
}

static int64_t number(const char *text)
{
    PGresult *rows = NULL;
    if (pg_conn_run(super, text, NULL, &rows, &why) != RES_OK) {
        fail_msg("%s", why.text);
    }
    int64_t n = PQntuples(rows) == 0 ? -1 : pg_get_i64(rows, 0, 0);
    PQclear(rows);
    return n;
}

static int fresh(void **state)
{
    (void)state;
    sql("TRUNCATE delivery, alert, catalogue_version, shadow CASCADE; DELETE FROM label;"
        "INSERT INTO catalogue_version (store_id, version, item_count, published_version) "
        "VALUES ('STORE-1', 5, 1, 4)");
    return 0;
}

/* A label, its shadow and an open delivery of a kind. */
static void add(const char *label, const char *kind, bool online)
{
    char text[1600];
    (void)snprintf(
        text, sizeof text,
        "INSERT INTO label (label_id, store_id, online) VALUES ('%s', 'STORE-1', %s);"
        "WITH d AS (INSERT INTO delivery (label_id, store_id, kind, version, content_digest, body) "
        "VALUES ('%s', 'STORE-1', '%s', 1, CASE WHEN '%s' = 'display' THEN sha256('x') END, "
        "CASE WHEN '%s' = 'flash' THEN jsonb_build_object('expires', now() + interval '9 s') END) "
        "RETURNING delivery_id) INSERT INTO shadow (device_id, store_id, desired) SELECT '%s', "
        "'STORE-1', jsonb_build_object('%s', jsonb_build_object('updateId', delivery_id, "
        "'productId', "
        "'TEA-1')) FROM d",
        label, online ? "true" : "false", label, kind, kind, kind, label, kind);
    sql(text);
}

static enum delivery_state state_of(struct span name)
{
    static const char *const names[] = {"queued",  "sent",       "displayed",
                                        "pending", "superseded", "failed"};
    for (size_t i = 0; i < DELIVERY_STATES; i++) {
        if (span_equal(name, span_text(names[i], 16))) {
            return (enum delivery_state)i;
        }
    }
    fail_msg("unknown state");
    return DELIVERY_STATES;
}

static int64_t time_or_never(const PGresult *rows, int row, int column)
{
    return pg_get_is_null(rows, row, column) ? DELIVERY_NEVER_MS
                                             : pg_get_time_ms(rows, row, column);
}

/* All rows as the worker's transaction sees them, and its clock. */
static int64_t load(struct row rows_of[LABELS])
{
    PGresult *rows = NULL;
    if (pg_conn_run(
            worker,
            "SELECT d.label_id::text, d.state, d.attempts, d.created_at, d.next_attempt_at, "
            "d.sent_at, (d.body ->> 'expires')::timestamptz, d.after_catalogue IS NOT NULL, "
            "l.online, v.published_version >= coalesce(d.after_catalogue, 0), now() "
            "FROM delivery d JOIN label l USING (label_id) JOIN catalogue_version v ON "
            "v.store_id = d.store_id ORDER BY d.label_id",
            NULL, &rows, &why) != RES_OK) {
        fail_msg("%s", why.text);
    }
    assert_int_equal(PQntuples(rows), LABELS);
    for (int i = 0; i < LABELS; i++) {
        struct row *r = &rows_of[i];
        assert_int_equal(span_copy_text(pg_get_span(rows, i, 0), r->label_id, sizeof r->label_id),
                         RES_OK);
        r->d = (struct delivery){.state = state_of(pg_get_span(rows, i, 1)),
                                 .attempts = (int)pg_get_i64(rows, i, 2),
                                 .created_ms = pg_get_time_ms(rows, i, 3),
                                 .not_before_ms = time_or_never(rows, i, 4),
                                 .sent_ms =
                                     pg_get_is_null(rows, i, 5) ? 0 : pg_get_time_ms(rows, i, 5),
                                 .expires_ms = time_or_never(rows, i, 6),
                                 .after_catalogue = pg_get_bool(rows, i, 7)};
        r->online = pg_get_bool(rows, i, 8);
        r->published = pg_get_bool(rows, i, 9);
    }
    int64_t now_ms = pg_get_time_ms(rows, 0, 10);
    PQclear(rows);
    return now_ms;
}

static struct delivery_world world_of(const struct row *r, int64_t now_ms)
{
    return (struct delivery_world){
        .now_ms = now_ms, .online = r->online, .catalogue_published = r->published};
}

static void command(const char *text)
{
    if (pg_conn_command(worker, text, &why) != RES_OK) {
        fail_msg("%s", why.text);
    }
}

static void compare(const struct row *want, const struct row *got)
{
    if (want->d.state != got->d.state || want->d.attempts != got->d.attempts ||
        want->d.not_before_ms != got->d.not_before_ms ||
        (want->d.attempts > 0 && want->d.sent_ms != got->d.sent_ms)) {
        fail_msg("%s: state %d, attempts %d, not before %lld, sent %lld; but the row has %d, %d, "
                 "%lld, %lld",
                 want->label_id, want->d.state, want->d.attempts, (long long)want->d.not_before_ms,
                 (long long)want->d.sent_ms, got->d.state, got->d.attempts,
                 (long long)got->d.not_before_ms, (long long)got->d.sent_ms);
    }
}

/* One turn of the statements, and of the model on the same rows at the same time. */
static void turn_and_compare(bool swept, int *sends, int *fails)
{
    static struct row want[LABELS];
    static struct row got[LABELS];
    PGresult *taken = NULL;
    int64_t touched;
    int64_t due_sql = 0;
    command("BEGIN");
    int64_t now_ms = load(want);
    if (swept) {
        assert_int_equal(delivery_take_sweep(worker, &touched, &why), RES_OK);
    }
    if (delivery_take(worker, LABELS, &taken, &why) != RES_OK) {
        fail_msg("%s", why.text);
    }
    assert_int_equal(delivery_take_wait(worker, 60000, &due_sql, &why), RES_OK);
    assert_int_equal(load(got), now_ms);
    command("COMMIT");
    int acted = 0;
    int64_t due_ms = now_ms + 60000;
    for (int i = 0; i < LABELS; i++) {
        struct delivery_world w = world_of(&want[i], now_ms);
        if (swept) {
            delivery_sweep(&want[i].d, &w);
        }
        enum delivery_action did = delivery_turn(&want[i].d, &w);
        acted += did != DELIVERY_REST;
        *sends += did == DELIVERY_SEND;
        *fails += did == DELIVERY_FAIL;
        compare(&want[i], &got[i]);
        int64_t next_ms = delivery_due_ms(&want[i].d, &w);
        due_ms = next_ms < due_ms ? next_ms : due_ms;
    }
    assert_int_equal(PQntuples(taken), acted);
    assert_in_range(due_sql, due_ms - now_ms, due_ms - now_ms + 1);
    PQclear(taken);
}

/* Time passes: every stamp grows older, in whole milliseconds. */
static void pass(int64_t ms)
{
    char text[700];
    (void)snprintf(text, sizeof text,
                   "UPDATE delivery SET created_at = date_trunc('milliseconds', created_at) - x, "
                   "next_attempt_at = date_trunc('milliseconds', next_attempt_at) - x, "
                   "sent_at = date_trunc('milliseconds', sent_at) - x, "
                   "body = CASE WHEN kind = 'flash' THEN jsonb_build_object('expires', "
                   "date_trunc('milliseconds', (body ->> 'expires')::timestamptz - x)) END "
                   "FROM (SELECT interval '1 ms' * %lld AS x) AS t",
                   (long long)ms);
    sql(text);
}

static void disturb(struct rng *rng)
{
    char text[500];
    int label = (int)rng_below(rng, LABELS);
    switch (rng_below(rng, 8)) {
    case 0:
    case 1: /* gone, as ingest notes it */
        (void)snprintf(text, sizeof text,
                       "UPDATE label SET online = false WHERE label_id = 'ESP32-L%05d'; "
                       "UPDATE delivery SET state = 'pending', next_attempt_at = NULL "
                       "WHERE label_id = 'ESP32-L%05d' AND finished_at IS NULL",
                       label, label);
        break;
    case 2: /* gone, and nobody noted it at its delivery */
        (void)snprintf(text, sizeof text,
                       "UPDATE label SET online = false WHERE label_id = 'ESP32-L%05d'", label);
        break;
    case 3:
    case 4: /* back */
        (void)snprintf(text, sizeof text,
                       "UPDATE label SET online = true WHERE label_id = 'ESP32-L%05d'; "
                       "UPDATE delivery SET next_attempt_at = now() + interval '5 s' "
                       "WHERE label_id = 'ESP32-L%05d' AND state = 'pending'",
                       label, label);
        break;
    case 5:
        (void)snprintf(text, sizeof text,
                       "UPDATE label SET online = true WHERE label_id = 'ESP32-L%05d'", label);
        break;
    case 6: /* a new one takes its place */
        (void)snprintf(text, sizeof text,
                       "UPDATE delivery SET state = 'queued', attempts = 0, finished_at = NULL, "
                       "created_at = now(), next_attempt_at = now(), sent_at = NULL, "
                       "after_catalogue = %s WHERE label_id = 'ESP32-L%05d' AND kind <> 'flash'",
                       rng_below(rng, 2) == 0 ? "NULL" : "5", label);
        break;
    default:
        (void)snprintf(text, sizeof text, "UPDATE catalogue_version SET published_version = %d",
                       4 + (int)rng_below(rng, 2));
        break;
    }
    sql(text);
}

static void the_statements_and_the_model_agree_on_random_histories(void **state)
{
    (void)state;
    const char *given = getenv("ENDCAP_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 20261121;
    print_message("seed %llu\n", (unsigned long long)seed);
    struct rng rng;
    rng_init(&rng, seed);
    int sends = 0;
    int fails = 0;
    for (int i = 0; i < LABELS; i++) {
        char label[16];
        static const char *const kinds[] = {"display", "display", "display", "config", "flash"};
        (void)snprintf(label, sizeof label, "ESP32-L%05d", i);
        add(label, kinds[rng_below(&rng, 5)], rng_below(&rng, 4) > 0);
    }
    for (int round = 0; round < ROUNDS; round++) {
        static const int64_t steps[] = {0, 1, 250, 500, 999, 1000, 1001, 2000, 4000, 5000};
        for (uint64_t n = rng_below(&rng, 6); n > 0; n--) {
            disturb(&rng);
        }
        pass(steps[rng_below(&rng, sizeof steps / sizeof steps[0])]);
        turn_and_compare(rng_below(&rng, 3) == 0, &sends, &fails);
    }
    print_message("%d sends, %d failures\n", sends, fails);
    assert_true(sends > 100);
    assert_true(fails > 10);
}

/* Feature: smartshelf-india, Property 10: Failed Update Logging and Alerting */
static void a_failed_display_raises_one_alert_for_its_label(void **state)
{
    (void)state;
    print_message(
        "Feature: smartshelf-india, Property 10: Failed Update Logging and Alerting (120 cases)\n");
    PGresult *rows = NULL;
    for (int i = 0; i < 120; i++) {
        char label[16];
        (void)snprintf(label, sizeof label, "ESP32-L%05d", i);
        add(label, i % 4 == 3 ? "config" : "display", true);
    }
    sql("UPDATE delivery SET state = 'sent', attempts = 4, sent_at = now() - interval '5 s'");
    assert_int_equal(delivery_take(worker, 1000, &rows, &why), RES_OK);
    assert_int_equal(PQntuples(rows), 120);
    PQclear(rows);
    assert_int_equal(
        number("SELECT count(*) FROM delivery WHERE state = 'failed' AND finished_at IS "
               "NOT NULL AND detail IS NOT NULL"),
        120);
    assert_int_equal(
        number("SELECT count(*) FROM alert a JOIN delivery d ON d.label_id = a.device_id "
               "WHERE a.kind = 'price_update_failed' AND a.severity = 'high' AND "
               "a.status = 'open' AND a.cause_key = 'price_update_failed:' || "
               "d.label_id AND d.kind = 'display' AND a.product_id = 'TEA-1'"),
        90);
    assert_int_equal(number("SELECT count(*) FROM alert"), 90);
}

static void gives_out_what_the_shadow_holds_for_this_very_delivery(void **state)
{
    (void)state;
    PGresult *rows = NULL;
    struct delivery_taken t;
    add("ESP32-AAA001", "display", true);
    assert_int_equal(delivery_take(worker, 10, &rows, &why), RES_OK);
    assert_int_equal(PQntuples(rows), 1);
    delivery_take_row(rows, 0, &t);
    assert_true(span_equal(t.label_id, SPAN_LIT("ESP32-AAA001")));
    assert_true(span_equal(t.state, SPAN_LIT("sent")));
    assert_int_equal(t.attempts, 1);
    assert_true(t.payload.size > 0 && t.payload.data[0] == '{');
    PQclear(rows);
    sql("UPDATE shadow SET desired = '{\"display\": {\"updateId\": \"another\"}}'; "
        "UPDATE delivery SET sent_at = now() - interval '1 s'");
    assert_int_equal(delivery_take(worker, 10, &rows, &why), RES_OK);
    delivery_take_row(rows, 0, &t);
    assert_int_equal(t.attempts, 2);
    assert_null(t.payload.data);
    PQclear(rows);
}

static void two_workers_never_take_the_same(void **state)
{
    (void)state;
    PGresult *mine = NULL;
    PGresult *theirs = NULL;
    struct pg_conn *other = pg_fixture_connect(&pg, MODEL_WORKER);
    for (int i = 0; i < 10; i++) {
        char label[16];
        (void)snprintf(label, sizeof label, "ESP32-L%05d", i);
        add(label, "display", true);
    }
    command("BEGIN");
    assert_int_equal(delivery_take(worker, 4, &mine, &why), RES_OK);
    assert_int_equal(delivery_take(other, 10, &theirs, &why), RES_OK);
    command("COMMIT");
    assert_int_equal(PQntuples(mine), 4);
    assert_int_equal(PQntuples(theirs), 6);
    PQclear(mine);
    PQclear(theirs);
    pg_conn_close(other);
}

#define METRIC(name)                                                                               \
    "SELECT value::bigint FROM process_metric WHERE process = 'worker' AND name = '" name "'"

static void tells_how_long_the_labels_took(void **state)
{
    (void)state;
    int64_t now_ms = number("SELECT (extract(epoch FROM now()) * 1000)::bigint");
    for (int i = 0; i < 100; i++) {
        char sql_text[700];
        char id[DELIVERY_UUID_BYTES];
        char label[16];
        (void)snprintf(label, sizeof label, "ESP32-M%05d", i);
        /* one in ten was created outside the window */
        int64_t age_ms = i % 10 == 9 ? 3000 : 15000;
        assert_int_equal(delivery_write_id(now_ms - age_ms, id), RES_OK);
        (void)snprintf(
            sql_text, sizeof sql_text,
            "INSERT INTO label (label_id, store_id) VALUES ('%s', 'STORE-1'); INSERT INTO "
            "delivery (delivery_id, label_id, store_id, kind, version, content_digest, "
            "state, created_at, finished_at) VALUES ('%s', '%s', 'STORE-1', 'display', 1, "
            "sha256('x'), '%s', '2026-01-01Z', '2026-01-01Z'::timestamptz + interval '1 "
            "ms' * %d)",
            label, id, label, i % 10 == 8 ? "failed" : "displayed", i);
        sql(sql_text);
    }
    add("ESP32-AAA001", "display", true);
    struct delivery_sender_figures f = {.sent = 7, .failed = 2};
    assert_int_equal(delivery_metrics_write(worker, "w", &f, &why), RES_OK);
    if (delivery_metrics_times(worker, "w", now_ms, &why) != RES_OK) {
        fail_msg("%s", why.text);
    }
    assert_int_equal(number(METRIC("delivery_sent_total")), 7);
    assert_int_equal(number(METRIC("delivery_open_queued")), 1);
    assert_int_equal(number(METRIC("delivery_open_sent")), 0);
    assert_int_equal(number(METRIC("delivery_window_created")), 90);
    assert_int_equal(number(METRIC("delivery_window_displayed")), 80);
    assert_in_range(number(METRIC("delivery_display_ms_p50")), 45, 50);
    assert_in_range(number(METRIC("delivery_display_ms_p99")), 95, 97);
}

int main(void)
{
    if (!pg_fixture_start(&pg, PG_FIXTURE_FAST)) {
        return 77;
    }
    super = pg_fixture_superuser(&pg);
    worker = pg_fixture_connect(&pg, MODEL_WORKER);
    pg_fixture_store(super, "STORE-1");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_statements_and_the_model_agree_on_random_histories, fresh),
        cmocka_unit_test_setup(a_failed_display_raises_one_alert_for_its_label, fresh),
        cmocka_unit_test_setup(gives_out_what_the_shadow_holds_for_this_very_delivery, fresh),
        cmocka_unit_test_setup(two_workers_never_take_the_same, fresh),
        cmocka_unit_test_setup(tells_how_long_the_labels_took, fresh),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_conn_close(worker);
    pg_conn_close(super);
    pg_fixture_stop(&pg);
    return failed;
}
