/* The price book on a real database: versions, history, charge, labels, two writers at once, and a
 * death at every write. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "price_book.h"
#include "price_flip.h"
#include "price_group.h"
#include "pricing_fixture.h"
#include "rng.h"

static struct pg_fixture pg;
static struct pg_conn *super;
static struct pg_conn *api;

static const struct price_order manual = {
    .store_id = "STORE-A", .reason = "manual", .changed_by = "tester"};

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

static struct price_change change_of(const char *sku, int64_t price_minor)
{
    return (struct price_change){
        .item_id = "", .product_id = span_text(sku, 32), .price_minor = price_minor};
}

/* One transaction; rolled back when it fails. */
static enum res try_change(struct pg_conn *c, const struct price_order *order,
                           const struct price_change *changes, size_t count,
                           struct price_result *results, struct err *why)
{
    must(pg_conn_command(c, "BEGIN", why), why);
    enum res r = price_book_change(c, order, changes, count, results, why);
    must(pg_conn_command(c, r == RES_OK ? "COMMIT" : "ROLLBACK", NULL), why);
    return r;
}

static struct price_result change(const char *sku, int64_t price_minor)
{
    struct err why = {""};
    struct price_result result;
    const struct price_change one = change_of(sku, price_minor);
    must(try_change(api, &manual, &one, 1, &result, &why), &why);
    return result;
}

static int64_t number(const char *sql)
{
    return pricing_fixture_number(super, sql);
}

static int64_t tea(const char *column)
{
    char sql[160];
    (void)snprintf(sql, sizeof sql, "SELECT coalesce(%s, -1)::bigint FROM item WHERE sku = 'TEA'",
                   column);
    return number(sql);
}

static void a_fall_is_charged_at_once_and_waits_for_the_catalogue(void **state)
{
    (void)state;
    struct price_result r = change("TEA", 6000);
    assert_int_equal(r.outcome, PRICE_CHANGED);
    assert_int_equal(r.version, 2);
    assert_int_equal(r.previous_minor, 6500);
    assert_int_equal(r.labels, 2);
    assert_int_equal(tea("price_minor"), 6000);
    assert_int_equal(tea("charge_minor"), -1);
    assert_int_equal(tea("price_version"), 2);
    assert_int_equal(number("SELECT version FROM catalogue_version WHERE store_id = 'STORE-A'"), 2);
    assert_int_equal(number("SELECT count(*) FROM delivery WHERE after_catalogue = 2 "
                            "AND state = 'queued'"),
                     2);
    assert_int_equal(number("SELECT count(*) FROM price p JOIN price q ON q.item_id = p.item_id "
                            "AND q.version = 2 AND p.valid_to = q.valid_from WHERE p.version = 1 "
                            "AND q.previous_minor = 6500 AND q.price_minor = 6000 AND q.mrp_minor "
                            "= 7000 AND q.reason = 'manual' AND q.changed_by = 'tester'"),
                     1);
}

static void flip(void)
{
    struct err why = {""};
    struct pg_conn *worker = pg_fixture_connect(&pg, MODEL_WORKER);
    must(price_flip_step(worker, 0, &why), &why);
    pg_conn_close(worker);
}

static void a_rise_is_charged_only_when_every_label_shows_it(void **state)
{
    (void)state;
    assert_int_equal(change("TEA", 6900).labels, 2);
    assert_int_equal(tea("price_minor"), 6900);
    assert_int_equal(tea("charge_minor"), 6500);
    assert_int_equal(number("SELECT count(*) FROM delivery WHERE after_catalogue IS NULL"), 2);
    pg_fixture_sql(super, "UPDATE delivery SET state = 'displayed', finished_at = now() "
                          "WHERE label_id = 'ESP32-TEA001'");
    flip();
    assert_int_equal(tea("charge_minor"), 6500);
    pg_fixture_sql(super, "UPDATE delivery SET state = 'pending' WHERE label_id = 'ESP32-TEA002'");
    flip();
    assert_int_equal(tea("charge_minor"), 6500);
    pg_fixture_sql(super, "UPDATE delivery SET state = 'displayed', finished_at = now() "
                          "WHERE label_id = 'ESP32-TEA002'");
    flip();
    assert_int_equal(tea("charge_minor"), -1);
    assert_int_equal(number("SELECT version FROM catalogue_version WHERE store_id = 'STORE-A'"), 3);
    flip();
    assert_int_equal(number("SELECT version FROM catalogue_version WHERE store_id = 'STORE-A'"), 3);
}

static void a_label_that_failed_to_show_a_rise_keeps_the_old_price_charged(void **state)
{
    (void)state;
    (void)change("TEA", 6900);
    pg_fixture_sql(super, "UPDATE delivery SET finished_at = now(), state = CASE label_id WHEN "
                          "'ESP32-TEA001' THEN 'failed' ELSE 'displayed' END");
    flip();
    assert_int_equal(tea("charge_minor"), 6500);
    pg_fixture_sql(super, "UPDATE delivery SET state = 'displayed'"); /* late, but there */
    flip();
    assert_int_equal(tea("charge_minor"), -1);
    (void)change("TEA", 6950);
    pg_fixture_sql(super, "UPDATE delivery SET finished_at = now(), state = 'failed' "
                          "WHERE finished_at IS NULL");
    pg_fixture_sql(super, "UPDATE item SET charge_since = now() - interval '901 s'");
    flip();
    assert_int_equal(tea("charge_minor"), -1);
}

static void a_rise_waits_no_longer_than_the_store_holds_it(void **state)
{
    (void)state;
    (void)change("TEA", 6900);
    pg_fixture_sql(super, "UPDATE item SET charge_since = now() - interval '899 s'");
    flip();
    assert_int_equal(tea("charge_minor"), 6500);
    pg_fixture_sql(super, "UPDATE store SET settings = '{\"riseHoldSeconds\": 60}' "
                          "WHERE store_id = 'STORE-A'");
    flip();
    assert_int_equal(tea("charge_minor"), -1);
}

static void the_lowest_price_a_shelf_may_show_is_charged(void **state)
{
    (void)state;
    (void)change("TEA", 6800);
    (void)change("TEA", 6900);
    assert_int_equal(tea("charge_minor"), 6500);
    (void)change("TEA", 6600); /* a fall, but some shelves may still say 65.00 */
    assert_int_equal(tea("charge_minor"), 6500);
    (void)change("TEA", 6400);
    assert_int_equal(tea("charge_minor"), -1);
}

static void an_item_without_labels_waits_for_nobody(void **state)
{
    (void)state;
    struct price_result r = change("RICE", 12000);
    assert_int_equal(r.labels, 0);
    assert_int_equal(number("SELECT count(*) FROM item WHERE charge_minor IS NOT NULL"), 0);
}

static void the_same_price_writes_nothing(void **state)
{
    (void)state;
    int64_t before = pricing_fixture_print(super);
    struct price_result r = change("TEA", 6500);
    assert_int_equal(r.outcome, PRICE_SAME);
    assert_int_equal(r.version, 1);
    assert_int_equal(pricing_fixture_print(super), before);
}

static void a_sale_is_a_change_even_at_the_same_price(void **state)
{
    (void)state;
    struct err why = {""};
    struct price_result result;
    struct price_change one = change_of("TEA", 5000);
    one.is_flash_sale = true;
    one.regular_minor = 6500;
    const struct price_order order = {
        .store_id = "STORE-A", .reason = "flash_sale_start", .changed_by = "expiry"};
    must(try_change(api, &order, &one, 1, &result, &why), &why);
    assert_int_equal(tea("regular_minor"), 6500);
    assert_int_equal(tea("is_flash_sale::integer"), 1);
    must(try_change(api, &order, &one, 1, &result, &why), &why);
    assert_int_equal(result.outcome, PRICE_SAME);
    (void)change("TEA", 5000);
    assert_int_equal(tea("regular_minor"), -1);
    assert_int_equal(tea("price_version"), 3);
}

static void refuses_what_breaks_a_limit_and_touches_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *sku;
        int64_t price;
        unsigned faults;
    } cases[] = {
        {"TEA", 7001, PRICE_ABOVE_MRP},    {"TEA", 0, PRICE_NOT_POSITIVE},
        {"TEA", -5, PRICE_NOT_POSITIVE},   {"MILK", 100000000, PRICE_RANGE | PRICE_ABOVE_MRP},
        {"RICE", 4999, PRICE_BELOW_BOUND}, {"RICE", 20001, PRICE_ABOVE_BOUND},
        {"MILK", 2601, PRICE_ABOVE_MRP}};
    pg_fixture_sql(super, "INSERT INTO item_batch (item_id, store_id, batch_number, expires_on, "
                          "mrp_minor) VALUES ('" PRICING_MILK "', 'STORE-A', 'L1', '2030-01-01', "
                          "2600), ('" PRICING_MILK "', 'STORE-A', 'L2', '2030-01-01', NULL)");
    int64_t before = pricing_fixture_print(super);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct price_result r = change(cases[i].sku, cases[i].price);
        assert_int_equal(r.outcome, PRICE_REFUSED);
        assert_int_equal(r.faults, cases[i].faults);
    }
    assert_int_equal(pricing_fixture_print(super), before);
    assert_int_equal(change("MILK", 2600).outcome, PRICE_CHANGED);
}

static void one_bad_price_stops_the_batch_only_when_asked(void **state)
{
    (void)state;
    struct err why = {""};
    struct price_result results[3];
    const struct price_change batch[] = {change_of("TEA", 9000), change_of("MILK", 3000),
                                         change_of("NONE", 100)};
    struct price_order order = manual;
    order.all_or_nothing = true;
    int64_t before = pricing_fixture_print(super);
    assert_int_equal(try_change(api, &order, batch, 3, results, &why), RES_INVALID);
    assert_int_equal(results[0].faults, PRICE_ABOVE_MRP);
    assert_int_equal(results[2].outcome, PRICE_UNKNOWN_ITEM);
    assert_int_equal(pricing_fixture_print(super), before);
    order.all_or_nothing = false;
    must(try_change(api, &order, batch, 3, results, &why), &why);
    assert_int_equal(results[0].outcome, PRICE_REFUSED);
    assert_int_equal(results[1].outcome, PRICE_CHANGED);
    assert_int_equal(results[1].labels, 1);
    assert_int_equal(tea("price_minor"), 6500);
    assert_int_equal(number("SELECT price_minor FROM item WHERE sku = 'MILK'"), 3000);
}

static void a_till_systems_prices_are_not_ours_to_change(void **state)
{
    (void)state;
    struct err why = {""};
    struct price_result result;
    const struct price_change one = change_of("PEN", 1200);
    struct price_order order = manual;
    order.store_id = "STORE-P";
    int64_t before = pricing_fixture_print(super);
    assert_int_equal(try_change(api, &order, &one, 1, &result, &why), RES_CONFLICT);
    assert_int_equal(pricing_fixture_print(super), before);
    order.reason = "pos_sync";
    must(try_change(api, &order, &one, 1, &result, &why), &why);
    assert_int_equal(result.outcome, PRICE_CHANGED);
    assert_int_equal(number("SELECT version FROM catalogue_version WHERE store_id = 'STORE-P'"), 1);
    order.store_id = "STORE-X";
    assert_int_equal(try_change(api, &order, &one, 1, &result, &why), RES_NOT_FOUND);
}

static void other_stores_items_and_doubles_are_refused(void **state)
{
    (void)state;
    struct err why = {""};
    struct price_result results[2];
    struct price_change batch[] = {change_of("PEN", 1200), change_of("TEA", 6000)};
    must(try_change(api, &manual, batch, 1, results, &why), &why);
    assert_int_equal(results[0].outcome, PRICE_UNKNOWN_ITEM);
    batch[0] = (struct price_change){.item_id = PRICING_TEA, .price_minor = 6100};
    assert_int_equal(try_change(api, &manual, batch, 2, results, &why), RES_INVALID);
    assert_int_equal(tea("price_minor"), 6500);
}

static void looking_judges_without_a_trace(void **state)
{
    (void)state;
    struct err why = {""};
    struct price_result results[2];
    bool till = false;
    const struct price_change batch[] = {change_of("TEA", 7100), change_of("RICE", 10000)};
    int64_t before = pricing_fixture_print(super);
    must(price_book_look(api, "STORE-A", batch, 2, results, &till, &why), &why);
    assert_int_equal(results[0].faults, PRICE_ABOVE_MRP);
    assert_int_equal(results[0].limits.mrp_minor, 7000);
    assert_int_equal(results[1].outcome, PRICE_CHANGED);
    assert_int_equal(results[1].limits.max_minor, 20000);
    assert_false(till);
    must(price_book_look(api, "STORE-P", batch, 1, results, &till, &why), &why);
    assert_true(till);
    assert_int_equal(results[0].outcome, PRICE_UNKNOWN_ITEM);
    assert_int_equal(pricing_fixture_print(super), before);
}

/* ---- properties ---- */

#define IS_WHOLE                                                                                   \
    "SELECT count(*) FROM (SELECT p.*, lag(price_minor) OVER w AS before, lag(valid_to) OVER w "   \
    "AS ended, row_number() OVER w AS n, count(*) OVER (PARTITION BY item_id) AS all_of_it "       \
    "FROM price p WINDOW w AS (PARTITION BY item_id ORDER BY version)) h JOIN item i USING "       \
    "(item_id) WHERE h.version <> h.n OR (h.n > 1 AND (h.previous_minor IS DISTINCT FROM "         \
    "h.before OR h.valid_from <> h.ended OR h.changed_by = '' OR h.reason = '')) OR "              \
    "(h.valid_to IS NULL) <> (h.n = h.all_of_it) OR (h.n = h.all_of_it AND (h.price_minor <> "     \
    "i.price_minor OR i.price_version <> h.version))"

/* Feature: smartshelf-india, Property 12: Price History Logging */
static void every_change_is_in_the_history(void **state)
{
    (void)state;
    print_message("Feature: smartshelf-india, Property 12: Price History Logging (150 cases)\n");
    struct rng rng;
    struct err why = {""};
    static const char *const skus[] = {"TEA", "MILK", "RICE"};
    rng_init(&rng, pricing_fixture_seed());
    int64_t changed = 0;
    for (int i = 0; i < 150; i++) {
        struct price_result results[3];
        struct price_change batch[3];
        size_t first = rng_below(&rng, 3);
        size_t count = 1 + rng_below(&rng, 3);
        for (size_t k = 0; k < count; k++) {
            batch[k] = change_of(skus[(first + k) % 3], (int64_t)rng_below(&rng, 12000));
        }
        must(try_change(api, &manual, batch, count, results, &why), &why);
        for (size_t k = 0; k < count; k++) {
            changed += results[k].outcome == PRICE_CHANGED;
        }
    }
    assert_true(changed >= 100);
    assert_int_equal(number("SELECT count(*) FROM price WHERE version > 1"), changed);
    assert_int_equal(number(IS_WHOLE), 0);
    assert_int_equal(number("SELECT count(*) FROM delivery WHERE price_id IS NULL"), 0);
}

#define ROUNDS 40
#define SHARED 20
struct writer {
    struct pg_conn *c;
    uint64_t seed;
    int64_t changed;
    enum res failed;
    struct err why;
};

static void *write_rounds(void *user)
{
    struct writer *w = user;
    struct rng rng;
    char skus[SHARED][8];
    struct price_change batch[SHARED];
    struct price_result results[SHARED];
    rng_init(&rng, w->seed);
    for (int round = 0; round < ROUNDS && w->failed == RES_OK; round++) {
        size_t from = rng_below(&rng, SHARED); /* each in an order of its own */
        for (size_t i = 0; i < SHARED; i++) {
            (void)snprintf(skus[i], sizeof skus[i], "S-%04zu", (from + i * 7) % SHARED + 1);
            batch[i] = change_of(skus[i], 100 + (int64_t)rng_below(&rng, 4900));
        }
        w->failed = pg_conn_command(w->c, "BEGIN", &w->why);
        if (w->failed == RES_OK) {
            w->failed = price_book_change(w->c, &manual, batch, SHARED, results, &w->why);
        }
        if (w->failed == RES_OK) {
            w->failed = pg_conn_command(w->c, "COMMIT", &w->why);
        }
        for (size_t i = 0; w->failed == RES_OK && i < SHARED; i++) {
            w->changed += results[i].outcome == PRICE_CHANGED;
        }
    }
    return NULL;
}

static void two_writers_of_the_same_products_never_collide(void **state)
{
    (void)state;
    pricing_fixture_many(super, SHARED);
    uint64_t seed = pricing_fixture_seed();
    struct writer writers[2] = {{.seed = seed}, {.seed = seed + 1}};
    pthread_t threads[2];
    for (size_t i = 0; i < 2; i++) {
        writers[i].c = pg_fixture_connect(&pg, i == 0 ? MODEL_API : MODEL_WORKER);
        assert_int_equal(pthread_create(&threads[i], NULL, write_rounds, &writers[i]), 0);
    }
    for (size_t i = 0; i < 2; i++) {
        (void)pthread_join(threads[i], NULL);
        pg_conn_close(writers[i].c);
        must(writers[i].failed, &writers[i].why);
    }
    assert_int_equal(number("SELECT count(*) FROM price WHERE version > 1"),
                     writers[0].changed + writers[1].changed);
    assert_int_equal(number(IS_WHOLE), 0);
    assert_int_equal(number("SELECT version FROM catalogue_version WHERE store_id = 'STORE-A'"),
                     1 + 2 * ROUNDS);
}

static void a_change_is_whole_or_not_at_all(void **state)
{
    (void)state;
    static const char *const tables[] = {"price", "item", "catalogue_version", "shadow",
                                         "delivery"};
    struct err why = {""};
    const struct price_change batch[] = {change_of("TEA", 6000), change_of("MILK", 3000)};
    struct price_result results[2];
    (void)change("TEA", 6200);
    int64_t before = pricing_fixture_print(super);
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        char sql[256];
        (void)snprintf(sql, sizeof sql,
                       "CREATE TRIGGER dies BEFORE INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE "
                       "FUNCTION refuse_change()",
                       tables[i]);
        pg_fixture_sql(super, sql);
        assert_int_equal(try_change(api, &manual, batch, 2, results, &why), RES_INVALID);
        (void)snprintf(sql, sizeof sql, "DROP TRIGGER dies ON %s", tables[i]);
        pg_fixture_sql(super, sql);
        assert_int_equal(pricing_fixture_print(super), before);
    }
}

static void a_connection_lost_before_the_commit_leaves_nothing(void **state)
{
    (void)state;
    struct err why = {""};
    const struct price_change one = change_of("TEA", 6000);
    struct price_result result;
    struct pg_conn *doomed = pg_fixture_connect(&pg, MODEL_API);
    int64_t before = pricing_fixture_print(super);
    must(pg_conn_command(doomed, "BEGIN", &why), &why);
    must(price_book_change(doomed, &manual, &one, 1, &result, &why), &why);
    char sql[80];
    (void)snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(%d, 5000)",
                   PQbackendPID(pg_conn_handle(doomed)));
    pg_fixture_sql(super, sql);
    assert_int_equal(pg_conn_command(doomed, "COMMIT", &why), RES_UNAVAILABLE);
    pg_conn_close(doomed);
    assert_int_equal(pricing_fixture_print(super), before);
    assert_int_equal(change("TEA", 6000).version, 2);
}

/* ---- changes that arrive together ---- */

#define CALLERS 8
#define CALLS   40

static enum res open_api(void *user, struct pg_conn **ret, struct err *why)
{
    (void)user;
    enum res r = model_connect(&pg.place, MODEL_API, "test", PG_API_TIMEOUT_MS, ret, why);
    return r == RES_OK ? model_scope(*ret, "operator", NULL, NULL, why) : r;
}

struct caller {
    struct price_group *group;
    uint64_t seed;
    int64_t changed;
    int64_t refused;
    enum res failed;
    struct err why;
};

static void *call_often(void *user)
{
    struct caller *x = user;
    struct rng rng;
    rng_init(&rng, x->seed);
    for (int i = 0; i < CALLS && x->failed == RES_OK; i++) {
        char sku[24];
        struct price_result result = {.outcome = PRICE_SAME};
        (void)snprintf(sku, sizeof sku, "S-%04d", (int)rng_below(&rng, 5) + 1);
        /* some above the MRP of 50.00, some in another currency */
        struct price_change one = change_of(sku, 1 + (int64_t)rng_below(&rng, 5500));
        one.currency = rng_below(&rng, 10) == 0 ? SPAN_LIT("USD") : SPAN_NONE;
        bool fine = one.price_minor <= 5000 && one.currency.size == 0;
        x->failed = price_group_change(x->group, &manual, &one, &result, &x->why);
        if (x->failed == RES_OK && (result.outcome == PRICE_REFUSED) == fine) {
            err_set(&x->why, "%s at %lld got the verdict of another", sku,
                    (long long)one.price_minor);
            x->failed = RES_CORRUPT;
        }
        x->changed += result.outcome == PRICE_CHANGED;
        x->refused += result.outcome == PRICE_REFUSED;
    }
    return NULL;
}

static void changes_that_arrive_together_are_made_together(void **state)
{
    (void)state;
    struct err why = {""};
    struct pg_pool *pool = NULL;
    struct price_group *group = NULL;
    struct caller callers[CALLERS];
    pthread_t threads[CALLERS];
    const struct pg_pool_settings settings = {
        .open = open_api, .connections = 2, .wait_ms_max = 20000, .query_ms_max = 20000};
    must(pg_pool_new(&settings, &pool, &why), &why);
    must(price_group_new(pool, &group, &why), &why);
    pricing_fixture_many(super, 5);
    uint64_t seed = pricing_fixture_seed();
    for (size_t i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){.group = group, .seed = seed + i};
        assert_int_equal(pthread_create(&threads[i], NULL, call_often, &callers[i]), 0);
    }
    int64_t changed = 0;
    int64_t refused = 0;
    for (size_t i = 0; i < CALLERS; i++) {
        (void)pthread_join(threads[i], NULL);
        must(callers[i].failed, &callers[i].why);
        changed += callers[i].changed;
        refused += callers[i].refused;
    }
    assert_true(changed > 0 && refused > 0);
    assert_int_equal(number("SELECT count(*) FROM price WHERE version > 1"), changed);
    assert_int_equal(number(IS_WHOLE), 0);
    /* fewer transactions than changes: they did go together */
    assert_true(number("SELECT version FROM catalogue_version WHERE store_id = 'STORE-A'") <
                changed);
    price_group_free(group);
    pg_pool_free(pool);
}

static void what_spoils_a_group_is_told_to_each(void **state)
{
    (void)state;
    struct err why = {""};
    struct pg_pool *pool = NULL;
    struct price_group *group = NULL;
    struct price_result result;
    const struct pg_pool_settings settings = {
        .open = open_api, .connections = 1, .wait_ms_max = 20000, .query_ms_max = 20000};
    must(pg_pool_new(&settings, &pool, &why), &why);
    must(price_group_new(pool, &group, &why), &why);
    struct price_order order = manual;
    order.store_id = "STORE-P";
    const struct price_change pen = change_of("PEN", 1200);
    assert_int_equal(price_group_change(group, &order, &pen, &result, &why), RES_CONFLICT);
    order.store_id = "STORE-X";
    assert_int_equal(price_group_change(group, &order, &pen, &result, &why), RES_NOT_FOUND);
    const struct price_change tea = change_of("TEA", 6000);
    must(price_group_change(group, &manual, &tea, &result, &why), &why);
    assert_int_equal(result.outcome, PRICE_CHANGED);
    assert_int_equal(number("SELECT price_minor FROM item WHERE sku = 'TEA'"), 6000);
    price_group_free(group);
    pg_pool_free(pool);
}

int main(void)
{
    if (!pg_fixture_start(&pg, PG_FIXTURE_FAST)) {
        return 77;
    }
    super = pg_fixture_superuser(&pg);
    api = pg_fixture_connect(&pg, MODEL_API);
    pricing_fixture_stores(super);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_fall_is_charged_at_once_and_waits_for_the_catalogue, fresh),
        cmocka_unit_test_setup(a_rise_is_charged_only_when_every_label_shows_it, fresh),
        cmocka_unit_test_setup(a_label_that_failed_to_show_a_rise_keeps_the_old_price_charged,
                               fresh),
        cmocka_unit_test_setup(a_rise_waits_no_longer_than_the_store_holds_it, fresh),
        cmocka_unit_test_setup(the_lowest_price_a_shelf_may_show_is_charged, fresh),
        cmocka_unit_test_setup(an_item_without_labels_waits_for_nobody, fresh),
        cmocka_unit_test_setup(the_same_price_writes_nothing, fresh),
        cmocka_unit_test_setup(a_sale_is_a_change_even_at_the_same_price, fresh),
        cmocka_unit_test_setup(refuses_what_breaks_a_limit_and_touches_nothing, fresh),
        cmocka_unit_test_setup(one_bad_price_stops_the_batch_only_when_asked, fresh),
        cmocka_unit_test_setup(a_till_systems_prices_are_not_ours_to_change, fresh),
        cmocka_unit_test_setup(other_stores_items_and_doubles_are_refused, fresh),
        cmocka_unit_test_setup(looking_judges_without_a_trace, fresh),
        cmocka_unit_test_setup(every_change_is_in_the_history, fresh),
        cmocka_unit_test_setup(two_writers_of_the_same_products_never_collide, fresh),
        cmocka_unit_test_setup(a_change_is_whole_or_not_at_all, fresh),
        cmocka_unit_test_setup(a_connection_lost_before_the_commit_leaves_nothing, fresh),
        cmocka_unit_test_setup(changes_that_arrive_together_are_made_together, fresh),
        cmocka_unit_test_setup(what_spoils_a_group_is_told_to_each, fresh),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_conn_close(api);
    pg_conn_close(super);
    pg_fixture_stop(&pg);
    return failed;
}
