/* The worker's steps on a real database: bulk jobs, scheduled prices, rules; two workers at once,
 * and deaths on the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "bulk_job.h"
#include "price_flip.h"
#include "pricing_fixture.h"
#include "pricing_run.h"
#include "pricing_step.h"
#include "rng.h"

static struct pg_fixture pg;
static struct pg_conn *super;
static struct pg_conn *api;
static struct pg_conn *worker;

typedef enum res (*step)(struct pg_conn *c, int64_t now_ms, struct err *why);

static int fresh(void **state)
{
    (void)state;
    pricing_fixture_fresh(super);
    return 0;
}

static void must(enum res r, const struct err *why)
{
    if (r != RES_OK) {
        fail_msg("%s: %s", res_name(r), why->text);
    }
}

static void run(step s)
{
    struct err why = {""};
    must(s(worker, 0, &why), &why);
}

static int64_t number(const char *sql)
{
    return pricing_fixture_number(super, sql);
}

static const char *text(const char *sql)
{
    return pricing_fixture_text(super, sql);
}

struct upload {
    struct pg_array targets;
    struct pg_array changes;
};

static void upload_begin(struct upload *u)
{
    pg_array_init(&u->targets, 4 * 1024 * 1024);
    pg_array_init(&u->changes, 4 * 1024 * 1024);
}

static void upload_add(struct upload *u, const char *sku, int64_t price_minor)
{
    char change[48];
    (void)snprintf(change, sizeof change, "{\"priceMinor\": %lld}", (long long)price_minor);
    pg_array_span(&u->targets, span_text(sku, 32));
    pg_array_span(&u->changes, span_text(change, sizeof change));
}

static void upload_end(struct upload *u, char ret_job[BULK_JOB_ID_BYTES + 1])
{
    struct err why = {""};
    const struct bulk_job_new job = {
        .store_id = "STORE-A", .kind = BULK_PRICE, .created_by = "tester"};
    must(bulk_job_create(api, &job, &u->targets, &u->changes, ret_job, &why), &why);
    pg_array_deinit(&u->targets);
    pg_array_deinit(&u->changes);
}

#define ROW(n) "SELECT state FROM bulk_row ORDER BY job_id, row_number OFFSET " n " LIMIT 1"

static void a_bulk_row_ends_as_its_labels_do(void **state)
{
    (void)state;
    struct upload u;
    char job[BULK_JOB_ID_BYTES + 1];
    upload_begin(&u);
    upload_add(&u, "TEA", 6000);   /* two labels that are there */
    upload_add(&u, "MILK", 3000);  /* a label that is away */
    upload_add(&u, "RICE", 10000); /* no label */
    upload_add(&u, "NONE", 100);
    upload_add(&u, "PEN", 100); /* another store's */
    upload_end(&u, job);
    run(pricing_step_bulk);
    assert_string_equal(text(ROW("0")), "running");
    assert_string_equal(text(ROW("1")), "running");
    assert_string_equal(text(ROW("2")), "succeeded");
    assert_string_equal(text(ROW("3")), "failed");
    assert_string_equal(text(ROW("4")), "failed");
    assert_int_equal(number("SELECT count(*) FROM delivery WHERE job_id IS NOT NULL"), 3);
    run(bulk_job_step);
    assert_string_equal(text(ROW("0")), "running");
    assert_string_equal(text(ROW("1")), "offline");
    assert_string_equal(text("SELECT state FROM bulk_job"), "running");
    pg_fixture_sql(super, "UPDATE delivery SET state = 'displayed', finished_at = now() "
                          "WHERE label_id = 'ESP32-TEA001'; UPDATE delivery SET state = 'failed', "
                          "finished_at = now(), detail = 'no answer' WHERE label_id = "
                          "'ESP32-TEA002'");
    run(bulk_job_step);
    assert_string_equal(text(ROW("0")), "failed");
    assert_string_equal(text("SELECT detail FROM bulk_row WHERE row_number = 1"),
                        "1 of 2 labels failed: ESP32-TEA002: no answer");
    assert_string_equal(text("SELECT state FROM bulk_job"), "done");
    pg_fixture_sql(super, "UPDATE delivery SET state = 'displayed', finished_at = now() "
                          "WHERE label_id = 'ESP32-MILK01'");
    run(bulk_job_step_offline);
    assert_string_equal(text(ROW("1")), "succeeded");
    assert_string_equal(text(ROW("0")), "failed");
    /* the label says it after all */
    pg_fixture_sql(super, "UPDATE delivery SET state = 'displayed', detail = NULL WHERE label_id = "
                          "'ESP32-TEA002'");
    run(bulk_job_step_offline);
    assert_string_equal(text(ROW("0")), "succeeded");
    assert_string_equal(text(ROW("3")), "failed");
}

static void one_bad_row_stops_nobody(void **state)
{
    (void)state;
    struct upload u;
    char job[BULK_JOB_ID_BYTES + 1];
    int64_t rice = number("SELECT count(*) FROM price WHERE item_id = '" PRICING_RICE "'");
    upload_begin(&u);
    upload_add(&u, "TEA", 7100); /* above its MRP by now */
    upload_add(&u, "RICE", 1);   /* below its bound */
    upload_add(&u, "MILK", 2900);
    upload_end(&u, job);
    run(pricing_step_bulk);
    assert_string_equal(text("SELECT detail FROM bulk_row WHERE row_number = 1"),
                        "the price must be at most 70.00, the maximum retail price");
    assert_string_equal(text(ROW("1")), "failed");
    assert_string_equal(text(ROW("2")), "running");
    assert_int_equal(number("SELECT count(*) FROM price WHERE item_id = '" PRICING_RICE "'"), rice);
    assert_int_equal(number("SELECT price_minor FROM item WHERE sku = 'TEA'"), 6500);
}

static void a_retry_takes_the_failed_rows_only(void **state)
{
    (void)state;
    struct upload u;
    struct err why = {""};
    char job[BULK_JOB_ID_BYTES + 1];
    char again[BULK_JOB_ID_BYTES + 1];
    upload_begin(&u);
    upload_add(&u, "TEA", 7100);
    upload_add(&u, "RICE", 9800);
    upload_add(&u, "NONE", 100);
    upload_end(&u, job);
    assert_int_equal(bulk_job_retry(api, job, "tester", again, &why), RES_CONFLICT);
    run(pricing_step_bulk);
    run(bulk_job_step);
    must(bulk_job_retry(api, job, "tester", again, &why), &why);
    assert_int_equal(number("SELECT count(*) FROM bulk_row WHERE state = 'queued'"), 2);
    assert_string_equal(
        text("SELECT string_agg(target, ',' ORDER BY row_number) FROM bulk_row WHERE "
             "state = 'queued'"),
        "TEA,NONE");
    pg_fixture_sql(super, "UPDATE item SET mrp_minor = 8000 WHERE sku = 'TEA'");
    run(pricing_step_bulk);
    assert_int_equal(number("SELECT price_minor FROM item WHERE sku = 'TEA'"), 7100);
    assert_int_equal(
        bulk_job_retry(api, "00000000-0000-4000-8000-00000000dead", "tester", again, &why),
        RES_NOT_FOUND);
}

static void a_retry_delivers_anew_what_a_label_did_not_confirm(void **state)
{
    (void)state;
    struct upload u;
    struct err why = {""};
    char job[BULK_JOB_ID_BYTES + 1];
    char again[BULK_JOB_ID_BYTES + 1];
    upload_begin(&u);
    upload_add(&u, "TEA", 6000);
    upload_end(&u, job);
    run(pricing_step_bulk);
    pg_fixture_sql(super, "UPDATE delivery SET finished_at = now(), state = CASE label_id WHEN "
                          "'ESP32-TEA001' THEN 'displayed' ELSE 'failed' END WHERE job_id IS NOT "
                          "NULL");
    run(bulk_job_step);
    int64_t versions = number("SELECT count(*) FROM price");
    must(bulk_job_retry(api, job, "tester", again, &why), &why);
    run(pricing_step_bulk);
    run(bulk_job_step);
    assert_int_equal(number("SELECT count(*) FROM price"), versions);
    assert_string_equal(text("SELECT state FROM bulk_row ORDER BY state = 'failed' LIMIT 1"),
                        "running");
    assert_string_equal(
        text("SELECT string_agg(label_id, ',') FROM delivery d JOIN bulk_job j USING (job_id) "
             "WHERE j.retry_of IS NOT NULL AND d.finished_at IS NULL"),
        "ESP32-TEA002");
    pg_fixture_sql(super, "UPDATE delivery SET state = 'displayed', finished_at = now() WHERE "
                          "job_id IS NOT NULL AND finished_at IS NULL");
    run(bulk_job_step);
    assert_string_equal(text("SELECT state FROM bulk_row ORDER BY state = 'failed' LIMIT 1"),
                        "succeeded");
}

/* ---- Property 11 ---- */

#define MANY 1200

struct helper {
    enum res failed;
    struct err why;
};

static void *work_until_empty(void *user)
{
    struct helper *h = user;
    struct pg_conn *c = pg_fixture_connect(&pg, MODEL_WORKER);
    int64_t queued = 1;
    while (queued > 0 && h->failed == RES_OK) {
        h->failed = pricing_step_bulk(c, 0, &h->why);
        queued = pricing_fixture_number(c, "SELECT count(*) FROM bulk_row WHERE state = 'queued'");
    }
    pg_conn_close(c);
    return NULL;
}

/* Feature: smartshelf-india, Property 11: Bulk Update Parallel Processing. No label confirms
 * anything here, and yet every row has begun; two workers share the rows, none is done twice. */
static void all_rows_of_a_bulk_begin_without_waiting_for_a_label(void **state)
{
    (void)state;
    print_message("Feature: smartshelf-india, Property 11: Bulk Update Parallel Processing\n");
    struct upload u;
    char job[BULK_JOB_ID_BYTES + 1];
    struct rng rng;
    rng_init(&rng, pricing_fixture_seed());
    pricing_fixture_many(super, MANY);
    upload_begin(&u);
    for (int i = 1; i <= MANY; i++) {
        char sku[16];
        (void)snprintf(sku, sizeof sku, "S-%04d", i);
        upload_add(&u, sku, 1001 + (int64_t)rng_below(&rng, 3999));
    }
    upload_end(&u, job);
    struct helper helpers[2] = {{.failed = RES_OK}, {.failed = RES_OK}};
    pthread_t threads[2];
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, work_until_empty, &helpers[i]), 0);
    }
    for (size_t i = 0; i < 2; i++) {
        (void)pthread_join(threads[i], NULL);
        must(helpers[i].failed, &helpers[i].why);
    }
    assert_int_equal(number("SELECT count(*) FROM bulk_row WHERE state = 'running'"), MANY);
    assert_int_equal(number("SELECT count(*) FROM delivery WHERE state = 'queued'"), MANY);
    assert_int_equal(number("SELECT count(*) FROM price WHERE reason = 'bulk'"), MANY);
    assert_int_equal(number("SELECT count(*) FROM item i JOIN bulk_row r ON r.target = i.sku WHERE "
                            "i.price_minor <> (r.change ->> 'priceMinor')::bigint"),
                     0);
    assert_int_equal(number("SELECT max(price_version) FROM item"), 2);
}

static void a_worker_that_dies_leaves_its_rows_to_the_next(void **state)
{
    (void)state;
    static const char *const tables[] = {"price",  "item",     "catalogue_version",
                                         "shadow", "delivery", "bulk_row"};
    struct upload u;
    char job[BULK_JOB_ID_BYTES + 1];
    char sql[400];
    struct err why = {""};
    pricing_fixture_many(super, 50);
    upload_begin(&u);
    for (int i = 1; i <= 50; i++) {
        char sku[16];
        (void)snprintf(sku, sizeof sku, "S-%04d", i);
        upload_add(&u, sku, 2000);
    }
    upload_end(&u, job);
    int64_t before = pricing_fixture_print(super);
    pg_fixture_sql(super, "CREATE FUNCTION dies() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                          "PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$ "
                          "SECURITY DEFINER");
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        (void)snprintf(sql, sizeof sql,
                       "CREATE TRIGGER dies BEFORE INSERT OR UPDATE ON %s FOR EACH ROW "
                       "EXECUTE FUNCTION dies()",
                       tables[i]);
        pg_fixture_sql(super, sql);
        struct pg_conn *doomed = pg_fixture_connect(&pg, MODEL_WORKER);
        assert_int_equal(pricing_step_bulk(doomed, 0, &why), RES_UNAVAILABLE);
        pg_conn_close(doomed);
        (void)snprintf(sql, sizeof sql, "DROP TRIGGER dies ON %s", tables[i]);
        pg_fixture_sql(super, sql);
        assert_int_equal(pricing_fixture_print(super), before);
        assert_int_equal(number("SELECT count(*) FROM bulk_row WHERE state = 'queued'"), 50);
    }
    pg_fixture_sql(super, "DROP FUNCTION dies()");
    run(pricing_step_bulk);
    run(pricing_step_bulk);
    assert_int_equal(number("SELECT count(*) FROM price WHERE reason = 'bulk'"), 50);
    assert_int_equal(number("SELECT count(*) FROM delivery"), 50);
}

static void rows_of_a_store_that_gave_its_prices_away_fail(void **state)
{
    (void)state;
    struct upload u;
    char job[BULK_JOB_ID_BYTES + 1];
    upload_begin(&u);
    upload_add(&u, "TEA", 6000);
    upload_add(&u, "MILK", 3000);
    upload_end(&u, job);
    pg_fixture_sql(super, "UPDATE store SET catalogue_master = 'pos' WHERE store_id = 'STORE-A'");
    run(pricing_step_bulk);
    pg_fixture_sql(super,
                   "UPDATE store SET catalogue_master = 'platform' WHERE store_id = 'STORE-A'");
    assert_int_equal(number("SELECT count(*) FROM bulk_row WHERE state = 'failed' AND detail "
                            "LIKE '%till system%'"),
                     2);
    assert_int_equal(number("SELECT price_minor FROM item WHERE sku = 'TEA'"), 6500);
}

/* ---- schedule ---- */

#define SCHEDULE(item, price, when)                                                                \
    "INSERT INTO price_schedule (store_id, item_id, price_minor, reason, effective_at, "           \
    "created_by)"                                                                                  \
    " VALUES ('STORE-A', '" item "', " price ", 'festival', " when ", 'tester');"

static void a_price_takes_effect_when_its_time_has_come(void **state)
{
    (void)state;
    pg_fixture_sql(super, SCHEDULE(PRICING_TEA, "6100", "now() - interval '2 s'")
                              SCHEDULE(PRICING_TEA, "6200", "now() - interval '1 s'")
                                  SCHEDULE(PRICING_RICE, "1", "now()")
                                      SCHEDULE(PRICING_MILK, "3000", "now() + interval '1 hour'"));
    run(pricing_step_schedule);
    assert_int_equal(number("SELECT price_minor FROM item WHERE sku = 'TEA'"), 6200);
    assert_string_equal(text("SELECT string_agg(price_minor::text, ',' ORDER BY version) FROM "
                             "price WHERE reason = 'schedule' AND changed_by = 'tester'"),
                        "6100,6200");
    assert_int_equal(number("SELECT price_minor FROM item WHERE sku = 'RICE'"), 9900);
    assert_int_equal(number("SELECT count(*) FROM price_schedule WHERE state = 'refused' AND "
                            "detail LIKE '%at least 50.00%'"),
                     1);
    assert_int_equal(number("SELECT count(*) FROM alert WHERE kind = 'rule_refused' AND "
                            "status = 'open' AND product_id = 'RICE'"),
                     1);
    assert_int_equal(number("SELECT count(*) FROM price_schedule WHERE state = 'waiting'"), 1);
    int64_t before = pricing_fixture_print(super);
    run(pricing_step_schedule);
    assert_int_equal(pricing_fixture_print(super), before);
}

static void a_schedule_of_a_till_systems_store_is_refused_whole(void **state)
{
    (void)state;
    pg_fixture_sql(super, SCHEDULE(PRICING_TEA, "6100", "now()"));
    pg_fixture_sql(super, "UPDATE store SET catalogue_master = 'pos' WHERE store_id = 'STORE-A'");
    run(pricing_step_schedule);
    pg_fixture_sql(super,
                   "UPDATE store SET catalogue_master = 'platform' WHERE store_id = 'STORE-A'");
    assert_int_equal(number("SELECT count(*) FROM price_schedule WHERE state = 'refused'"), 1);
    assert_int_equal(number("SELECT price_minor FROM item WHERE sku = 'TEA'"), 6500);
}

/* ---- rules ---- */

static void rule(const char *kind, const char *category, int priority, const char *parameters)
{
    char sql[600];
    (void)snprintf(sql, sizeof sql,
                   "INSERT INTO pricing_rule (store_id, title, kind, category, priority, "
                   "parameters, created_by) VALUES ('STORE-A', '%s rule', '%s', %s, %d, '%s', "
                   "'tester')",
                   kind, kind, category, priority, parameters);
    pg_fixture_sql(super, sql);
}

static void next_minute(void)
{
    pg_fixture_sql(super, "UPDATE pricing_run SET ran_at = ran_at - interval '1 minute'");
}

static void rules_set_prices_and_give_them_back(void **state)
{
    (void)state;
    rule("percent", "'DRINKS'", 0, "{\"percent\": -10}");
    run(pricing_step_rules);
    assert_int_equal(number("SELECT price_minor FROM item WHERE sku = 'TEA'"), 5850);
    assert_int_equal(number("SELECT price_minor FROM item WHERE sku = 'MILK'"), 2800);
    assert_int_equal(number("SELECT count(*) FROM price p JOIN pricing_rule r ON p.changed_by = "
                            "'rule:' || r.rule_id WHERE p.reason = 'rule'"),
                     1);
    int64_t before = pricing_fixture_print(super);
    next_minute();
    run(pricing_step_rules); /* of the base, not of its own result */
    assert_int_equal(pricing_fixture_print(super), before);
    pg_fixture_sql(super, "UPDATE pricing_rule SET enabled = false");
    next_minute();
    run(pricing_step_rules);
    assert_int_equal(number("SELECT price_minor FROM item WHERE sku = 'TEA'"), 6500);
}

static void a_store_runs_its_rules_once_a_minute(void **state)
{
    (void)state;
    rule("percent", "'DRINKS'", 0, "{\"percent\": -10}");
    run(pricing_step_rules);
    pg_fixture_sql(super, "UPDATE pricing_rule SET parameters = '{\"percent\": -20}'; "
                          "UPDATE pricing_run SET ran_at = now() + interval '1 minute'");
    run(pricing_step_rules);
    assert_int_equal(number("SELECT price_minor FROM item WHERE sku = 'TEA'"), 5850);
    pg_fixture_sql(super, "UPDATE pricing_run SET ran_at = now() - interval '1 minute'");
    run(pricing_step_rules);
    assert_int_equal(number("SELECT price_minor FROM item WHERE sku = 'TEA'"), 5200);
}

static void a_match_follows_the_competitor(void **state)
{
    (void)state;
    pg_fixture_sql(
        super,
        "INSERT INTO competitor_source (source) VALUES ('alpha'), ('beta') ON CONFLICT DO "
        "NOTHING; INSERT INTO competitor_price (store_id, item_id, source, price_minor, "
        "our_minor, currency, in_stock, url, scraped_at) VALUES "
        "('STORE-A', '" PRICING_TEA "', 'alpha', 5000, 6500, 'INR', true, 'https://a.test/', "
        "now() - interval '3 hours'), "
        "('STORE-A', '" PRICING_TEA "', 'alpha', 6000, 6500, 'INR', true, 'https://a.test/', "
        "now() - interval '1 hour'), "
        "('STORE-A', '" PRICING_TEA "', 'beta', 4500, 6500, 'INR', false, 'https://b.test/', "
        "now() - interval '1 hour')");
    rule("match", "NULL", 5, "{\"adjustPercent\": -1}");
    rule("percent", "'DRINKS'", 1, "{\"percent\": -50}");
    run(pricing_step_rules);
    assert_int_equal(number("SELECT price_minor FROM item WHERE sku = 'TEA'"), 5940);
    assert_string_equal(
        text("SELECT reason FROM price WHERE item_id = '" PRICING_TEA "' AND valid_to IS NULL"),
        "competitor_match");
}

static void a_refused_rule_changes_nothing_and_alerts_once(void **state)
{
    (void)state;
    rule("percent", "'GRAIN'", 0, "{\"percent\": 400}");
    int64_t before = pricing_fixture_print(super);
    run(pricing_step_rules);
    next_minute();
    run(pricing_step_rules);
    assert_int_equal(pricing_fixture_print(super), before);
    assert_int_equal(number("SELECT count(*) FROM alert WHERE kind = 'rule_refused'"), 1);
    assert_int_equal(number("SELECT refused_count FROM pricing_run"), 1);
    pg_fixture_sql(super, "UPDATE pricing_rule SET parameters = '{\"percent\": 100}'");
    next_minute();
    run(pricing_step_rules);
    assert_int_equal(number("SELECT price_minor FROM item WHERE sku = 'RICE'"), 19800);
    assert_int_equal(number("SELECT count(*) FROM alert WHERE kind = 'rule_refused' AND status = "
                            "'resolved'"),
                     1);
}

static void a_dry_run_tells_what_the_real_one_does(void **state)
{
    (void)state;
    struct err why = {""};
    struct pricing_run dry;
    struct pricing_run real;
    rule("percent", "'DRINKS'", 0, "{\"percent\": -10}");
    rule("percent", "'GRAIN'", 0, "{\"percent\": 400}");
    rule("min_margin", "'DAIRY'", 0, "{\"marginPercent\": 50}");
    int64_t before = pricing_fixture_print(super);
    must(pricing_run_store(api, "STORE-A", true, &dry, &why), &why);
    assert_int_equal(pricing_fixture_print(super), before);
    must(pricing_run_store(api, "STORE-A", false, &real, &why), &why);
    assert_int_equal(dry.count, 3);
    assert_int_equal(real.count, 3);
    assert_int_equal(dry.looked_at, 3);
    assert_int_equal(dry.refused, 1);
    assert_int_equal(real.refused, 1);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(dry.changes[i].item_id, real.changes[i].item_id);
        assert_string_equal(dry.changes[i].rule_id, real.changes[i].rule_id);
        assert_int_equal(dry.changes[i].price_minor, real.changes[i].price_minor);
        assert_int_equal(dry.changes[i].faults, real.changes[i].faults);
        assert_int_equal(dry.changes[i].outcome == PRICING_RUN_REFUSED,
                         real.changes[i].outcome == PRICING_RUN_REFUSED);
    }
    assert_int_equal(number("SELECT price_minor FROM item WHERE sku = 'MILK'"), 4000);
    pricing_run_deinit(&dry);
    pricing_run_deinit(&real);
    assert_int_equal(pricing_run_store(api, "STORE-P", true, &dry, &why), RES_CONFLICT);
    assert_int_equal(pricing_run_store(api, "STORE-X", true, &dry, &why), RES_NOT_FOUND);
}

static void a_window_is_of_the_stores_own_clock(void **state)
{
    (void)state;
    /* now is inside a two-hour window there, and the store's clock is 5:30 h from UTC */
    pg_fixture_sql(
        super,
        "INSERT INTO pricing_rule (store_id, title, kind, parameters, created_by) SELECT 'STORE-A',"
        " 'happy hour', 'schedule', jsonb_build_object('percent', -20, 'days', "
        "jsonb_build_array('mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'), 'from', "
        "to_char(t - interval '1 hour', 'HH24:MI'), 'to', to_char(t + interval '1 hour', "
        "'HH24:MI')), 'tester' FROM (SELECT now() AT TIME ZONE 'Asia/Kolkata' AS t) x");
    run(pricing_step_rules);
    assert_int_equal(number("SELECT price_minor FROM item WHERE sku = 'TEA'"), 5200);
    pg_fixture_sql(super, "UPDATE store SET timezone = 'America/New_York'");
    next_minute();
    run(pricing_step_rules);
    assert_int_equal(number("SELECT price_minor FROM item WHERE sku = 'TEA'"), 6500);
}

static void items_on_sale_are_left_to_the_sale(void **state)
{
    (void)state;
    rule("percent", "NULL", 0, "{\"percent\": -10}");
    pg_fixture_sql(super, "UPDATE item SET is_flash_sale = true, regular_minor = 7000 "
                          "WHERE sku = 'TEA'");
    run(pricing_step_rules);
    assert_int_equal(number("SELECT price_minor FROM item WHERE sku = 'TEA'"), 6500);
    assert_int_equal(number("SELECT price_minor FROM item WHERE sku = 'MILK'"), 2520);
}

int main(void)
{
    if (!pg_fixture_start(&pg, PG_FIXTURE_FAST)) {
        return 77;
    }
    super = pg_fixture_superuser(&pg);
    api = pg_fixture_connect(&pg, MODEL_API);
    worker = pg_fixture_connect(&pg, MODEL_WORKER);
    pricing_fixture_stores(super);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_bulk_row_ends_as_its_labels_do, fresh),
        cmocka_unit_test_setup(one_bad_row_stops_nobody, fresh),
        cmocka_unit_test_setup(a_retry_takes_the_failed_rows_only, fresh),
        cmocka_unit_test_setup(a_retry_delivers_anew_what_a_label_did_not_confirm, fresh),
        cmocka_unit_test_setup(all_rows_of_a_bulk_begin_without_waiting_for_a_label, fresh),
        cmocka_unit_test_setup(a_worker_that_dies_leaves_its_rows_to_the_next, fresh),
        cmocka_unit_test_setup(rows_of_a_store_that_gave_its_prices_away_fail, fresh),
        cmocka_unit_test_setup(a_price_takes_effect_when_its_time_has_come, fresh),
        cmocka_unit_test_setup(a_schedule_of_a_till_systems_store_is_refused_whole, fresh),
        cmocka_unit_test_setup(rules_set_prices_and_give_them_back, fresh),
        cmocka_unit_test_setup(a_store_runs_its_rules_once_a_minute, fresh),
        cmocka_unit_test_setup(a_match_follows_the_competitor, fresh),
        cmocka_unit_test_setup(a_refused_rule_changes_nothing_and_alerts_once, fresh),
        cmocka_unit_test_setup(a_dry_run_tells_what_the_real_one_does, fresh),
        cmocka_unit_test_setup(a_window_is_of_the_stores_own_clock, fresh),
        cmocka_unit_test_setup(items_on_sale_are_left_to_the_sale, fresh),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_conn_close(worker);
    pg_conn_close(api);
    pg_conn_close(super);
    pg_fixture_stop(&pg);
    return failed;
}
