/* Prices, bindings, languages and sections change at the same time: whatever the order, in the end
 * every label's shadow holds what is true, and nobody waited for each other in a circle. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "delivery_refresh.h"
#include "pg_fixture.h"
#include "rng.h"

#define ITEMS   6
#define LABELS  24
#define CHANGES 150 /* of each writer */
#define WRITERS 3

static struct pg_fixture pg;
static struct pg_conn *super;

struct writer {
    pthread_t thread;
    struct pg_conn *c;
    struct rng rng;
    enum res res;
    struct err why;
    int changes;
};

static void name_item(uint64_t i, char ret[37])
{
    (void)snprintf(ret, 37, "00000000-0000-4000-8000-%012llu", (unsigned long long)i % ITEMS);
}

static void name_label(uint64_t i, char ret[13])
{
    (void)snprintf(ret, 13, "ESP32-R%05llu", (unsigned long long)i % LABELS);
}

/* Two prices at once, locked in the order of ids as the header says. */
static enum res reprice(struct writer *w)
{
    char sql[400];
    char id[2][37];
    uint64_t a = rng_below(&w->rng, ITEMS - 1);
    name_item(a, id[0]);
    name_item(a + 1, id[1]);
    (void)snprintf(sql, sizeof sql,
                   "SELECT FROM item WHERE item_id IN ('%s', '%s') ORDER BY item_id FOR UPDATE; "
                   "UPDATE item SET price_minor = 1 + (random() * 9000)::int WHERE item_id IN "
                   "('%s', '%s')",
                   id[0], id[1], id[0], id[1]);
    enum res r = pg_conn_command(w->c, sql, &w->why);
    const struct delivery_item items[] = {{.item_id = id[1]}, {.item_id = id[0]}};
    struct delivery_cause cause = {0};
    struct delivery_count got;
    return r == RES_OK ? delivery_refresh_items(w->c, items, 2, &cause, &got, &w->why) : r;
}

static enum res change_label(struct writer *w)
{
    static const char *const languages[] = {"'hi'", "'en'", "NULL"};
    char sql[300];
    char label[13];
    char item[37];
    name_label(rng_next(&w->rng), label);
    name_item(rng_next(&w->rng), item);
    if (rng_below(&w->rng, 3) > 0) {
        (void)snprintf(sql, sizeof sql, "UPDATE label SET item_id = '%s' WHERE label_id = '%s'",
                       item, label);
    } else {
        (void)snprintf(sql, sizeof sql, "UPDATE label SET language = %s WHERE label_id = '%s'",
                       languages[rng_below(&w->rng, 3)], label);
    }
    enum res r = pg_conn_command(w->c, sql, &w->why);
    const char *const labels[] = {label};
    struct delivery_cause cause = {0};
    struct delivery_count got;
    return r == RES_OK ? delivery_refresh_labels(w->c, labels, 1, &cause, &got, &w->why) : r;
}

static void *run(void *context)
{
    struct writer *w = context;
    while (w->changes < CHANGES && w->res == RES_OK) {
        w->res = pg_conn_command(w->c, "BEGIN", &w->why);
        if (w->res == RES_OK) {
            w->res = rng_below(&w->rng, 2) == 0 ? reprice(w) : change_label(w);
        }
        if (w->res == RES_OK) {
            w->res = pg_conn_command(w->c, "COMMIT", &w->why);
        }
        w->changes++;
    }
    return NULL;
}

static int64_t number(const char *sql)
{
    PGresult *rows = NULL;
    struct err why = {""};
    if (pg_conn_run(super, sql, NULL, &rows, &why) != RES_OK) {
        fail_msg("%s", why.text);
    }
    int64_t n = pg_get_i64(rows, 0, 0);
    PQclear(rows);
    return n;
}

static struct delivery_count refresh_all(struct pg_conn *c)
{
    char ids[LABELS][13];
    const char *labels[LABELS];
    for (size_t i = 0; i < LABELS; i++) {
        name_label(i, ids[i]);
        labels[i] = ids[i];
    }
    struct delivery_cause cause = {0};
    struct delivery_count got = {0, 0};
    struct err why = {""};
    assert_int_equal(pg_conn_command(c, "BEGIN", &why), RES_OK);
    assert_int_equal(delivery_refresh_labels(c, labels, LABELS, &cause, &got, &why), RES_OK);
    assert_int_equal(pg_conn_command(c, "COMMIT", &why), RES_OK);
    return got;
}

static void in_the_end_every_label_has_what_is_true(void **state)
{
    (void)state;
    const char *given = getenv("ENDCAP_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 20261121;
    print_message("seed %llu\n", (unsigned long long)seed);
    static struct writer writers[WRITERS];
    for (size_t i = 0; i < WRITERS; i++) {
        writers[i].c = pg_fixture_connect(&pg, i == 0 ? MODEL_WORKER : MODEL_API);
        rng_init(&writers[i].rng, seed + i);
    }
    assert_int_equal(refresh_all(writers[0].c).changed, LABELS);
    for (size_t i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_create(&writers[i].thread, NULL, run, &writers[i]), 0);
    }
    for (size_t i = 0; i < WRITERS; i++) {
        (void)pthread_join(writers[i].thread, NULL);
    }
    for (size_t i = 0; i < WRITERS; i++) {
        if (writers[i].res != RES_OK) {
            fail_msg("writer %zu after %d changes: %s: %s", i, writers[i].changes,
                     res_name(writers[i].res), writers[i].why.text);
        }
    }
    /* Composed again, nothing differs; each label has at most one open delivery, its shadow's. */
    struct delivery_count got = refresh_all(writers[0].c);
    assert_int_equal(got.labels, LABELS);
    assert_int_equal(got.changed, 0);
    assert_int_equal(number("SELECT count(*) FROM delivery d JOIN shadow s ON s.device_id = "
                            "d.label_id WHERE d.finished_at IS NULL AND s.desired -> 'display' ->> "
                            "'updateId' <> d.delivery_id::text"),
                     0);
    assert_int_equal(number("SELECT count(*) FROM (SELECT label_id FROM delivery GROUP BY label_id "
                            "HAVING count(*) <> max(version)) AS x"),
                     0);
    for (size_t i = 0; i < WRITERS; i++) {
        pg_conn_close(writers[i].c);
    }
}

int main(void)
{
    if (!pg_fixture_start(&pg, PG_FIXTURE_FAST)) {
        return 77;
    }
    super = pg_fixture_superuser(&pg);
    pg_fixture_store(super, "STORE-1");
    pg_fixture_sql(super,
                   "INSERT INTO item (item_id, store_id, sku, gtin, name, category, price_minor, "
                   "currency) SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, "
                   "'STORE-1', 'SKU-' || n, lpad(n::text, 14, '0'), '{\"en\": \"Thing\"}', 'Food', "
                   "1000 + n, 'INR' FROM generate_series(0, 5) AS n; "
                   "INSERT INTO label (label_id, store_id, online) SELECT 'ESP32-R' || "
                   "lpad(n::text, 5, '0'), 'STORE-1', true FROM generate_series(0, 23) AS n");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_the_end_every_label_has_what_is_true),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_conn_close(super);
    pg_fixture_stop(&pg);
    return failed;
}
