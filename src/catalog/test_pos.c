/* The till system's catalogue against a real PostgreSQL: as a whole or not at all, once, and with
 * everything that follows a price. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "pg_fixture.h"
#include "pos_json.h"
#include "pos_step.h"
#include "pos_sync.h"
#include "rng.h"

#define HEADER "sku,name,name_hi,category,price,mrp,stock\n"

static struct pg_fixture fixture;
static struct pg_conn *super;
static struct pg_conn *worker;

static int fresh(void **state)
{
    (void)state;
    pg_fixture_sql(super, "TRUNCATE delivery, translation_gap, alert, price, price_request, "
                          "category_bound, catalogue_version, pos_sync, catalogue_import, shadow "
                          "CASCADE; DELETE FROM label; DELETE FROM item_batch; DELETE FROM item; "
                          "UPDATE store SET catalogue_master = CASE store_id WHEN 'STORE-POS' "
                          "THEN 'pos' ELSE 'platform' END");
    return 0;
}

static int64_t number(const char *sql)
{
    PGresult *rows = NULL;
    struct err why = {""};
    if (pg_conn_run(super, sql, NULL, &rows, &why) != RES_OK) {
        fail_msg("%s: %s", sql, why.text);
    }
    int64_t n = PQntuples(rows) == 0 ? -1 : pg_get_i64(rows, 0, 0);
    PQclear(rows);
    return n;
}

static struct pos_sync_result sync_mode(const char *store, const char *csv, bool full,
                                        int64_t version, enum res expected)
{
    struct err why = {""};
    struct pos_sync_result result = {.refusals = NULL};
    struct span content = span_of(csv, strlen(csv));
    const struct pos_sync_order order = {.store_id = store,
                                         .full = full,
                                         .source_version = version,
                                         .content = content,
                                         .csv = content};
    enum res r = pos_sync_run(worker, &order, &result, &why);
    if (r != expected) {
        fail_msg("%s: %s", res_name(r), why.text);
    }
    return result;
}

static void sync_is(const char *store, const char *csv, enum pos_sync_state state)
{
    struct pos_sync_result result = sync_mode(store, csv, false, 0, RES_OK);
    if (result.state != state) {
        fail_msg("%s: %s", pos_sync_state_name(result.state),
                 json_dumps(result.refusals, JSON_COMPACT));
    }
    pos_sync_result_deinit(&result);
}

/* One number of everything a synchronisation could touch. */
static int64_t print(void)
{
    return number("SELECT hashtextextended(coalesce((SELECT string_agg(to_jsonb(i)::text, '' ORDER "
                  "BY item_id) FROM item i), '') || coalesce((SELECT string_agg(to_jsonb(p)::text, "
                  "'' ORDER BY price_id) FROM price p), '') || coalesce((SELECT string_agg("
                  "to_jsonb(v)::text, '' ORDER BY store_id) FROM catalogue_version v), '') || "
                  "coalesce((SELECT string_agg(to_jsonb(d)::text, '' ORDER BY delivery_id) FROM "
                  "delivery d), '') || (SELECT count(*) FROM price_request WHERE state = 'open'), "
                  "0)");
}

static const char *csv_of(const char *json, enum res expected)
{
    static char *text;
    size_t size = 0;
    const char *what = NULL;
    free(text);
    FILE *out = open_memstream(&text, &size);
    assert_int_equal(pos_json_to_csv(span_of(json, strlen(json)), out, &what), expected);
    assert_int_equal(fclose(out), 0);
    assert_true(expected == RES_OK || what != NULL);
    return text;
}

static void a_new_price_reaches_history_labels_and_whoever_asked_for_it(void **state)
{
    (void)state;
    sync_is("STORE-POS", HEADER "TEA,Tea,चाय,Drinks,65,70,5\nSALT,Salt,,Food,20,,9\n",
            POS_SYNC_DONE);
    pg_fixture_sql(super,
                   "INSERT INTO label (label_id, store_id, item_id, online) SELECT 'ESP32-TEA001', "
                   "store_id, item_id, true FROM item WHERE sku = 'TEA';"
                   "INSERT INTO price_request (store_id, item_id, price_minor, reason, "
                   "requested_by) SELECT store_id, item_id, 6000, 'manual', 'x' FROM item WHERE "
                   "sku = 'TEA';"
                   "INSERT INTO price_request (store_id, item_id, price_minor, reason, "
                   "requested_by) SELECT store_id, item_id, 5900, 'manual', 'x' FROM item WHERE "
                   "sku = 'TEA'");
    int64_t version = number("SELECT version FROM catalogue_version");
    sync_is("STORE-POS", HEADER "TEA,Tea,चाय,Drinks,60.00,70,5\n", POS_SYNC_DONE);
    assert_int_equal(number("SELECT price_minor FROM item WHERE sku = 'TEA'"), 6000);
    assert_int_equal(number("SELECT count(*) FROM price WHERE reason = 'pos_sync' AND "
                            "previous_minor = 6500 AND price_minor = 6000 AND changed_by = "
                            "'pos-sync'"),
                     1);
    assert_int_equal(number("SELECT count(*) FROM delivery WHERE label_id = 'ESP32-TEA001' AND "
                            "kind = 'display' AND state IN ('queued', 'pending')"),
                     1);
    assert_true(number("SELECT version FROM catalogue_version") > version);
    assert_int_equal(number("SELECT count(*) FROM price_request WHERE state = 'done'"), 1);
    assert_int_equal(number("SELECT count(*) FROM price_request WHERE state = 'open'"), 1);
    /* a rise is shown first and charged after */
    sync_is("STORE-POS", HEADER "TEA,Tea,चाय,Drinks,68,70,5\n", POS_SYNC_DONE);
    assert_int_equal(number("SELECT charge_minor FROM item WHERE sku = 'TEA'"), 6000);
}

static void a_name_that_changes_reaches_the_label(void **state)
{
    (void)state;
    sync_is("STORE-POS", HEADER "TEA,Tea,,Drinks,65,70,5\n", POS_SYNC_DONE);
    pg_fixture_sql(super,
                   "INSERT INTO label (label_id, store_id, item_id, language, online) SELECT "
                   "'ESP32-TEA001', store_id, item_id, 'hi', true FROM item WHERE sku = 'TEA'");
    sync_is("STORE-POS", HEADER "TEA,Green tea,,Drinks,65,70,5\n", POS_SYNC_DONE);
    assert_int_equal(number("SELECT count(*) FROM delivery"), 1);
    assert_int_equal(number("SELECT count(*) FROM alert WHERE kind = 'missing_translation' AND "
                            "status = 'open'"),
                     1);
    sync_is("STORE-POS", HEADER "TEA,Green tea,हरी चाय,Drinks,65,70,5\n", POS_SYNC_DONE);
    assert_int_equal(number("SELECT count(*) FROM delivery WHERE state <> 'superseded'"), 1);
    assert_int_equal(number("SELECT count(*) FROM delivery"), 2);
    assert_int_equal(number("SELECT count(*) FROM alert WHERE status <> 'resolved'"), 0);
    assert_int_equal(number("SELECT count(*) FROM translation_gap"), 0);
}

static void one_bad_row_refuses_all_and_every_bad_row_is_listed(void **state)
{
    (void)state;
    sync_is("STORE-POS", HEADER "TEA,Tea,,Drinks,65,70,5\nSALT,Salt,,Food,20,,9\n", POS_SYNC_DONE);
    pg_fixture_sql(super, "INSERT INTO category_bound (store_id, category, min_minor, max_minor) "
                          "VALUES ('STORE-POS', 'Food', 1000, 5000)");
    int64_t before = print();
    struct pos_sync_result r = sync_mode(
        "STORE-POS",
        "sku,name,category,price,mrp,currency\nTEA,Tea,Drinks,70.01,70,\nNEW1,A,Food,9.99,,\n"
        "NEW2,B,Drinks,1.234,,\nNEW3,C,Drinks,-1,,\nNEW4,D,Drinks,5,,USD\nSALT,Salt,Food,50.01,,\n"
        "GOOD,Good,Drinks,5,,INR\nNEW5,E,Drinks,abc,,\nNEW6,F,Drinks,1000000,,\n",
        false, 0, RES_OK);
    assert_int_equal(r.state, POS_SYNC_REFUSED);
    assert_int_equal(r.summary.refused, 8);
    assert_int_equal(json_array_size(r.refusals), 8);
    unsigned lines = 0;
    size_t i = 0;
    json_t *row = NULL;
    json_array_foreach(r.refusals, i, row)
    {
        lines |= 1U << json_integer_value(json_object_get(row, "line"));
        assert_non_null(json_string_value(json_object_get(row, "constraint")));
    }
    assert_int_equal(lines, 0x6FCU); /* lines 2 to 7, 9 and 10 */
    pos_sync_result_deinit(&r);
    assert_int_equal(print(), before);
    assert_int_equal(number("SELECT count(*) FROM alert WHERE kind = 'pos_sync' AND status = "
                            "'open' AND cause_key = 'pos_sync:STORE-POS'"),
                     1);
    sync_is("STORE-POS", HEADER "TEA,Tea,,Drinks,66,70,5\n", POS_SYNC_DONE);
    assert_int_equal(number("SELECT count(*) FROM alert WHERE status <> 'resolved'"), 0);
}

/* Whatever single fault one row of a fine file gets, nothing of the file is taken. */
static void no_bad_price_gets_in_by_this_path(void **state)
{
    (void)state;
    struct rng rng;
    const char *env = getenv("ENDCAP_SEED");
    uint64_t seed = env != NULL ? strtoull(env, NULL, 10) : (uint64_t)time(NULL);
    static const char *const bad[] = {
        "-1",  "0",    "0.00", "1.005", "70.01", "1000000", "1,5",
        "1e1", "Rs 5", "x",    "NaN",   "4.99",  "60.01",   "999999999999999999999",
        "1.",  ".5"};
    print_message("seed %llu\n", (unsigned long long)seed);
    rng_init(&rng, seed);
    pg_fixture_sql(super, "INSERT INTO category_bound (store_id, category, min_minor, max_minor) "
                          "VALUES ('STORE-POS', 'Drinks', 500, 6000)");
    sync_is("STORE-POS", HEADER "R0,R,,Drinks,10,70,5\nR1,R,,Drinks,10,70,5\n", POS_SYNC_DONE);
    int64_t before = print();
    for (int run = 0; run < 100; run++) {
        char csv[2048];
        size_t rows = 1 + (size_t)rng_below(&rng, 8);
        size_t wrong = (size_t)rng_below(&rng, rows);
        size_t used = (size_t)snprintf(csv, sizeof csv, HEADER);
        for (size_t i = 0; i < rows; i++) {
            const char *price = bad[rng_below(&rng, sizeof bad / sizeof bad[0])];
            used += (size_t)snprintf(csv + used, sizeof csv - used, "R%zu,R,,Drinks,\"%s\",70,%d\n",
                                     i, i == wrong ? price : "11.5", run);
        }
        struct pos_sync_result r = sync_mode("STORE-POS", csv, rng_below(&rng, 2) == 0, 0, RES_OK);
        if (r.state != POS_SYNC_REFUSED || json_array_size(r.refusals) != 1) {
            fail_msg("%s\n%s", csv, json_dumps(r.refusals, 0));
        }
        assert_int_equal(json_integer_value(json_object_get(json_array_get(r.refusals, 0), "line")),
                         wrong + 2);
        pos_sync_result_deinit(&r);
        assert_int_equal(print(), before);
    }
}

static void the_same_again_is_repeated_and_an_older_version_refused(void **state)
{
    (void)state;
    static const char a[] = HEADER "TEA,Tea,,Drinks,65,70,5\n";
    static const char b[] = HEADER "TEA,Tea,,Drinks,66,70,5\n";
    struct pos_sync_result r = sync_mode("STORE-POS", a, false, 7, RES_OK);
    pos_sync_result_deinit(&r);
    int64_t before = print();
    r = sync_mode("STORE-POS", a, false, 7, RES_OK);
    assert_int_equal(r.state, POS_SYNC_REPEATED);
    pos_sync_result_deinit(&r);
    (void)sync_mode("STORE-POS", b, false, 6, RES_CONFLICT);
    assert_int_equal(print(), before);
    r = sync_mode("STORE-POS", b, false, 8, RES_OK);
    assert_int_equal(r.state, POS_SYNC_DONE);
    pos_sync_result_deinit(&r);
    r = sync_mode("STORE-POS", a, false, 9, RES_OK); /* back again is a change, no repetition */
    assert_int_equal(r.state, POS_SYNC_DONE);
    pos_sync_result_deinit(&r);
    assert_int_equal(number("SELECT price_minor FROM item"), 6500);
    assert_int_equal(number("SELECT count(*) FROM pos_sync"), 4);
    (void)sync_mode("STORE-NONE", a, false, 0, RES_NOT_FOUND);
}

static void a_full_upload_deletes_for_history_and_frees_the_label(void **state)
{
    (void)state;
    sync_is("STORE-POS", HEADER "TEA,Tea,,Drinks,65,70,5\nSALT,Salt,,Food,20,,9\n", POS_SYNC_DONE);
    pg_fixture_sql(super,
                   "INSERT INTO label (label_id, store_id, item_id, online) SELECT 'ESP32-SALT01', "
                   "store_id, item_id, true FROM item WHERE sku = 'SALT'");
    struct pos_sync_result r =
        sync_mode("STORE-POS", HEADER "TEA,Tea,,Drinks,65,70,5\n", true, 0, RES_OK);
    assert_int_equal(r.summary.deleted, 1);
    pos_sync_result_deinit(&r);
    assert_int_equal(number("SELECT count(*) FROM item WHERE sku = 'SALT' AND deleted_at IS NOT "
                            "NULL"),
                     1);
    assert_int_equal(number("SELECT count(*) FROM delivery WHERE label_id = 'ESP32-SALT01'"), 1);
}

static void where_the_platform_decides_texts_and_stock_are_taken_and_no_price(void **state)
{
    (void)state;
    sync_is("STORE-PLAT", HEADER "TEA,Tea,,Drinks,65,70,5\n", POS_SYNC_DONE);
    assert_int_equal(number("SELECT price_minor FROM item"), 6500); /* its first: there is none */
    sync_is("STORE-PLAT", HEADER "TEA,Tea,चाय,Drinks,60,62,8\n", POS_SYNC_DONE);
    assert_int_equal(number("SELECT price_minor FROM item"), 6500);
    assert_int_equal(number("SELECT mrp_minor FROM item"), 7000);
    assert_int_equal(number("SELECT stock_count::bigint FROM item"), 8);
    assert_int_equal(number("SELECT count(*) FROM item WHERE name ? 'hi'"), 1);
    assert_int_equal(number("SELECT count(*) FROM price"), 1);
}

static void a_row_need_only_say_what_is_new(void **state)
{
    (void)state;
    sync_is("STORE-POS", HEADER "TEA,Tea,,Drinks,65,70,5\nSALT,Salt,,Food,20,,9\n", POS_SYNC_DONE);
    sync_is("STORE-POS", "sku,price\nTEA,66\n", POS_SYNC_DONE);
    sync_is("STORE-POS", "sku,stock\nTEA,8\n", POS_SYNC_DONE);
    sync_is("STORE-POS", "sku,name_mr\nTEA,चहा\n", POS_SYNC_DONE);
    sync_is("STORE-POS", csv_of("{\"items\":[{\"productId\":\"SALT\",\"mrp\":25}]}", RES_OK),
            POS_SYNC_DONE);
    assert_int_equal(
        number("SELECT count(*) FROM item WHERE sku = 'TEA' AND price_minor = 6600 AND "
               "stock_count = 8 AND name = '{\"en\": \"Tea\", \"mr\": \"चहा\"}' "
               "AND mrp_minor = 7000 AND category = 'Drinks'"),
        1);
    assert_int_equal(number("SELECT mrp_minor FROM item WHERE sku = 'SALT'"), 2500);
    int64_t before = print();
    sync_is("STORE-POS", "sku,mrp\nTEA,65.99\n", POS_SYNC_REFUSED); /* below the price in force */
    struct pos_sync_result r =
        sync_mode("STORE-POS", "sku,price,name\nNEW1,5,\nNEW2,,New\n", false, 0, RES_OK);
    assert_int_equal(json_array_size(r.refusals), 2);
    pos_sync_result_deinit(&r);
    assert_int_equal(print(), before);
}

static void price_and_mrp_may_fall_and_rise_together(void **state)
{
    (void)state;
    sync_is("STORE-POS", HEADER "TEA,Tea,,Drinks,65,70,5\n", POS_SYNC_DONE);
    sync_is("STORE-POS", HEADER "TEA,Tea,,Drinks,40,45,5\n", POS_SYNC_DONE);
    assert_int_equal(number("SELECT mrp_minor FROM item"), 4500);
    sync_is("STORE-POS", HEADER "TEA,Tea,,Drinks,90,95,5\n", POS_SYNC_DONE);
    assert_int_equal(number("SELECT price_minor FROM item"), 9000);
    assert_int_equal(number("SELECT mrp_minor FROM item"), 9500);
}

/* ---- JSON ---- */

static void json_says_the_same_and_no_digit_is_lost(void **state)
{
    (void)state;
    const char *csv = csv_of(
        "{\"items\":[{\"productId\":\"TEA\",\"name\":{\"en\":\"Tea, \\\"best\\\"\",\"hi\":\"चाय\"},"
        "\"price\":65.10,\"mrp\":70,\"perKg\":false,\"colour\":{\"a\":[1]},\"stock\":null}]}",
        RES_OK);
    struct pos_sync_result r = sync_mode("STORE-POS", csv, false, 0, RES_OK);
    assert_int_equal(r.state, POS_SYNC_DONE);
    pos_sync_result_deinit(&r);
    assert_int_equal(number("SELECT price_minor FROM item WHERE sku = 'TEA' AND name ->> 'hi' = "
                            "'चाय' AND name ->> 'en' = 'Tea, \"best\"'"),
                     6510);
    sync_is("STORE-POS",
            csv_of("{\"items\":[{\"productId\":\"TEA\",\"name\":\"Tea\",\"price\":"
                   "65.0000000000000001}]}",
                   RES_OK),
            POS_SYNC_REFUSED);
    /* a line end inside a text moves no line, and is refused */
    r = sync_mode("STORE-POS",
                  csv_of("{\"items\":[{\"sku\":\"A\",\"name\":\"x\\ny\",\"price\":1},"
                         "{\"sku\":\"B\",\"name\":\"B\",\"price\":-1}]}",
                         RES_OK),
                  false, 0, RES_OK);
    assert_int_equal(json_array_size(r.refusals), 2);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(r.refusals, 1), "line")), 3);
    pos_sync_result_deinit(&r);
    static const char *const wrong[] = {"",
                                        "[]",
                                        "{\"items\":[1]}",
                                        "{\"items\":[{\"name\":{\"fr\":\"x\"}}]}",
                                        "{\"items\":[{\"price\":[1]}]}",
                                        "{\"items\":[],\"more\":1}",
                                        "{\"items\":[{\"sku\":\"A\",\"sku\":\"B\"}]}",
                                        "{\"items\":[{"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        (void)csv_of(wrong[i], RES_INVALID);
    }
    (void)csv_of("{\"items\":[]}", RES_OK);
}

/* ---- the drop folder ---- */

static char drop[160];

static void put(const char *name, const char *content, int64_t age_s)
{
    char path[FILE_PATH_BYTES_MAX];
    struct err why = {""};
    (void)snprintf(path, sizeof path, "%s/STORE-POS", drop);
    assert_int_equal(file_make_directory(path, 0755, &why), RES_OK);
    (void)snprintf(path, sizeof path, "%s/STORE-POS/%s", drop, name);
    assert_int_equal(file_write(path, content, strlen(content), 0644, &why), RES_OK);
    struct timespec times[2] = {{.tv_sec = time(NULL) - age_s}, {.tv_sec = time(NULL) - age_s}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static int files_in(const char *folder, const char *part)
{
    char path[FILE_PATH_BYTES_MAX];
    (void)snprintf(path, sizeof path, "%s/STORE-POS/%s", drop, folder);
    DIR *d = opendir(path);
    int n = 0;
    for (struct dirent *e = d == NULL ? NULL : readdir(d); e != NULL; e = readdir(d)) {
        n += strstr(e->d_name, part) != NULL;
    }
    if (d != NULL) {
        (void)closedir(d);
    }
    return n;
}

static void step(void)
{
    struct err why = {""};
    if (pos_step(drop, worker, clock_utc_ms(), &why) != RES_OK) {
        fail_msg("%s", why.text);
    }
}

static void a_dropped_file_is_taken_and_moved_with_its_report(void **state)
{
    (void)state;
    step(); /* no folder yet: nothing to do */
    put("1.csv", HEADER "TEA,Tea,,Drinks,65,70,5\nSALT,Salt,,Food,20,,9\n", 60);
    put("2.csv", HEADER "TEA,Tea,,Drinks,=1+1,70,5\n", 60);
    put("3.full.csv", HEADER "TEA,Tea,,Drinks,66,70,5\n", 60);
    put("4.csv", HEADER "TEA,Tea,,Drinks,67,70,5\n", 0);
    put("notes.txt", "not ours", 60);
    step();
    assert_int_equal(number("SELECT price_minor FROM item WHERE sku = 'TEA'"), 6600);
    assert_int_equal(number("SELECT count(*) FROM item WHERE deleted_at IS NOT NULL"), 1);
    assert_int_equal(files_in("done", "1.csv"), 2); /* with its report */
    assert_int_equal(files_in("refused", "2.csv"), 2);
    assert_int_equal(files_in("done", "3.full.csv"), 2);
    assert_int_equal(files_in(".", "4.csv"), 1); /* somebody may still be writing it */
    assert_int_equal(files_in(".", "notes.txt"), 1);
    assert_int_equal(files_in("refused", ".report.csv"), 1);
    assert_int_equal(number("SELECT count(*) FROM pos_sync WHERE channel = 'drop'"), 3);
    put("5.csv", HEADER "TEA,Tea,,Drinks,68,70,5\n", 60);
    step();
    put("5.csv", HEADER "TEA,Tea,,Drinks,68,70,5\n", 60); /* as after a crash before the move */
    step();
    assert_int_equal(number("SELECT count(*) FROM pos_sync WHERE state = 'repeated'"), 1);
    assert_int_equal(files_in("done", "5.csv"), 4);
}

int main(void)
{
    if (!pg_fixture_start(&fixture, PG_FIXTURE_FAST)) {
        return 77;
    }
    (void)snprintf(drop, sizeof drop, "%s/pos", fixture.directory);
    super = pg_fixture_superuser(&fixture);
    pg_fixture_store(super, "STORE-POS");
    pg_fixture_store(super, "STORE-PLAT");
    worker = pg_fixture_connect(&fixture, MODEL_WORKER);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_new_price_reaches_history_labels_and_whoever_asked_for_it, fresh),
        cmocka_unit_test_setup(a_name_that_changes_reaches_the_label, fresh),
        cmocka_unit_test_setup(one_bad_row_refuses_all_and_every_bad_row_is_listed, fresh),
        cmocka_unit_test_setup(no_bad_price_gets_in_by_this_path, fresh),
        cmocka_unit_test_setup(the_same_again_is_repeated_and_an_older_version_refused, fresh),
        cmocka_unit_test_setup(a_full_upload_deletes_for_history_and_frees_the_label, fresh),
        cmocka_unit_test_setup(where_the_platform_decides_texts_and_stock_are_taken_and_no_price,
                               fresh),
        cmocka_unit_test_setup(a_row_need_only_say_what_is_new, fresh),
        cmocka_unit_test_setup(price_and_mrp_may_fall_and_rise_together, fresh),
        cmocka_unit_test_setup(json_says_the_same_and_no_digit_is_lost, fresh),
        cmocka_unit_test_setup(a_dropped_file_is_taken_and_moved_with_its_report, fresh),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_conn_close(super);
    pg_conn_close(worker);
    pg_fixture_stop(&fixture);
    return failed;
}
