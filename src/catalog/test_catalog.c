#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "catalog_import.h"
#include "catalog_list.h"
#include "catalog_top.h"
#include "pg_fixture.h"

static struct pg_fixture fixture;
static struct pg_conn *admin;
static const char *source_root;
static const char *real_catalogue; /* of the command line; may be absent */

struct seen {
    size_t count;
    size_t line;
    char field[32];
    char reason[80];
};

static void note(void *user, const struct catalog_refusal *refusal)
{
    struct seen *seen = user;
    seen->count++;
    seen->line = refusal->line;
    (void)snprintf(seen->field, sizeof seen->field, "%s", refusal->field);
    (void)snprintf(seen->reason, sizeof seen->reason, "%s", refusal->reason);
}

static enum res import(const char *store, const char *text, bool full, struct seen *seen,
                       struct catalog_import_summary *summary)
{
    struct err why = {""};
    *seen = (struct seen){0};
    struct catalog_import_settings settings = {.store_id = store,
                                               .full = full,
                                               .changed_by = "catalog-import",
                                               .refused = note,
                                               .user = seen};
    union {
        const char *in;
        char *out;
    } same = {.in = text};
    FILE *in = fmemopen(same.out, strlen(text), "r");
    assert_non_null(in);
    enum res r = catalog_import(admin, in, &settings, summary, &why);
    (void)fclose(in);
    if (r != RES_OK) {
        print_message("import answered: %s\n", why.text);
    }
    return r;
}

static int64_t number(const char *sql)
{
    struct err why = {""};
    PGresult *rows = NULL;
    if (pg_conn_run(admin, sql, NULL, &rows, &why) != RES_OK) {
        fail_msg("%s: %s", sql, why.text);
    }
    int64_t n = pg_get_i64(rows, 0, 0);
    PQclear(rows);
    return n;
}

#define HEADER "sku,name,category,price,mrp\n"

static void loads_the_rest_and_says_which_rows_it_refused(void **state)
{
    (void)state;
    struct seen seen;
    struct catalog_import_summary s;
    assert_int_equal(import("STORE-A",
                            HEADER "1,\"Tea, black\",Drinks,10,12\n2,Salt,Food,20,19\n"
                                   "3,\"Rice \"\"basmati\"\"\",Food,99.5,120\n1,Again,Food,1,1\n",
                            false, &seen, &s),
                     RES_OK);
    assert_int_equal(s.read, 4);
    assert_int_equal(s.refused, 2);
    assert_int_equal(s.added, 2);
    assert_int_equal(s.version, 1);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.line, 5);
    assert_string_equal(seen.reason, "stands in the file twice");
    assert_int_equal(number("SELECT price_minor FROM item WHERE store_id = 'STORE-A' AND "
                            "name ->> 'en' = 'Rice \"basmati\"'"),
                     9950);
}

static void a_second_import_of_the_same_file_changes_nothing(void **state)
{
    (void)state;
    static const char file[] = HEADER "1,Tea,Drinks,10,12\n2,Salt,Food,19,19\n";
    struct seen seen;
    struct catalog_import_summary s;
    assert_int_equal(import("STORE-B", file, false, &seen, &s), RES_OK);
    assert_int_equal(s.added, 2);
    assert_int_equal(import("STORE-B", file, false, &seen, &s), RES_OK);
    assert_int_equal(s.added + s.changed + s.repriced + s.deleted + s.refused, 0);
    assert_int_equal(s.version, 1);
    assert_int_equal(s.item_count, 2);
    assert_int_equal(number("SELECT count(*) FROM price WHERE store_id = 'STORE-B'"), 2);
}

static void a_changed_price_becomes_a_new_version_with_its_history(void **state)
{
    (void)state;
    struct seen seen;
    struct catalog_import_summary s;
    assert_int_equal(
        import("STORE-C", HEADER "1,Tea,Drinks,10,12\n2,Salt,Food,19,19\n", false, &seen, &s),
        RES_OK);
    assert_int_equal(import("STORE-C", HEADER "1,Tea,Drinks,11,12\n", false, &seen, &s), RES_OK);
    assert_int_equal(s.repriced, 1);
    assert_int_equal(s.changed, 1);
    assert_int_equal(s.version, 2);
    assert_int_equal(s.item_count, 2); /* the missing row is kept */
    assert_int_equal(number("SELECT previous_minor FROM price WHERE store_id = 'STORE-C' AND "
                            "valid_to IS NULL AND version = 2"),
                     1000);
    assert_int_equal(number("SELECT count(*) FROM price WHERE store_id = 'STORE-C' AND "
                            "valid_to IS NOT NULL"),
                     1);
}

static void a_full_import_deletes_what_is_missing_but_spares_refused_rows(void **state)
{
    (void)state;
    struct seen seen;
    struct catalog_import_summary s;
    assert_int_equal(import("STORE-D",
                            HEADER "1,Tea,Drinks,10,12\n2,Salt,Food,19,19\n3,Oil,Food,5,5\n", false,
                            &seen, &s),
                     RES_OK);
    assert_int_equal(
        import("STORE-D", HEADER "1,Tea,Drinks,10,12\n2,Salt,Food,-1,19\n", true, &seen, &s),
        RES_OK);
    assert_int_equal(s.deleted, 1);
    assert_int_equal(s.item_count, 2);
    assert_int_equal(number("SELECT count(*) FROM item WHERE store_id = 'STORE-D' AND sku = '3' "
                            "AND deleted_at IS NOT NULL"),
                     1);
    /* and it comes back as the same item */
    assert_int_equal(import("STORE-D", HEADER "3,Oil,Food,6,6\n", false, &seen, &s), RES_OK);
    assert_int_equal(s.changed, 1);
    assert_int_equal(number("SELECT count(*) FROM item WHERE store_id = 'STORE-D' AND sku = '3'"),
                     1);
}

static void refuses_what_only_the_database_knows(void **state)
{
    (void)state;
    struct seen seen;
    struct catalog_import_summary s;
    assert_int_equal(
        import("STORE-E",
               "sku,gtin,name,price,mrp\nA,4006381333931,Pen,10,12\nB,5901234123457,Cup,5,6\n",
               false, &seen, &s),
        RES_OK);
    assert_int_equal(
        import("STORE-E", "sku,gtin,name,price\nA,5901234123457,Cup,5\n", false, &seen, &s),
        RES_OK);
    assert_string_equal(seen.reason, "belongs to an item with another gtin");
    assert_int_equal(s.changed, 0);
    assert_int_equal(
        import("STORE-E", "sku,gtin,name,price\nA,4006381333931,Pen,12.01\n", false, &seen, &s),
        RES_OK);
    assert_string_equal(seen.reason, "must be at most 12.00, the maximum retail price");
    assert_int_equal(s.refused, 1);
    assert_int_equal(
        number("SELECT price_minor FROM item WHERE store_id = 'STORE-E' AND sku = 'A'"), 1000);
}

static void changes_nothing_when_the_file_or_store_is_wrong(void **state)
{
    (void)state;
    struct seen seen;
    struct catalog_import_summary s;
    assert_int_equal(import("STORE-NONE", HEADER "1,Tea,Drinks,10,12\n", false, &seen, &s),
                     RES_NOT_FOUND);
    assert_int_equal(import("STORE-A", "what,ever\n1,2\n", false, &seen, &s), RES_INVALID);
    assert_int_equal(import("STORE-A", "\n", false, &seen, &s), RES_INVALID);
    /* the connection is usable afterwards */
    assert_int_equal(number("SELECT 1"), 1);
}

static void gives_the_carts_best_sold_items_first_then_every_category(void **state)
{
    (void)state;
    struct seen seen;
    struct catalog_import_summary s;
    struct err why = {""};
    assert_int_equal(import("STORE-F",
                            HEADER "1,A1,A,1,1\n2,A2,A,1,1\n3,A3,A,1,1\n4,B1,B,1,1\n5,B2,B,1,1\n",
                            false, &seen, &s),
                     RES_OK);
    struct pg_conn *worker = pg_fixture_connect(&fixture, MODEL_WORKER);
    struct catalog_top top;
    assert_int_equal(catalog_top_read(worker, "STORE-F", 3, &top, &why), RES_OK);
    assert_int_equal(top.count, 3); /* A1, B1, A2 */
    assert_string_equal(top.items[0].sku, "1");
    assert_string_equal(top.items[1].sku, "2");
    assert_string_equal(top.items[2].sku, "4");
    catalog_top_deinit(&top);
    struct pg_conn *super = pg_fixture_superuser(&fixture);
    pg_fixture_sql(super, "INSERT INTO sale_daily (store_id, item_id, day, quantity) "
                          "SELECT 'STORE-F', item_id, current_date, 9 FROM item "
                          "WHERE store_id = 'STORE-F' AND sku = '5'");
    pg_conn_close(super);
    assert_int_equal(catalog_top_read(worker, "STORE-F", 1, &top, &why), RES_OK);
    assert_string_equal(top.items[0].sku, "5");
    assert_int_equal(
        catalog_top_published(worker, top.store_id, top.version, (int64_t)top.chunk_count, &why),
        RES_OK);
    catalog_top_deinit(&top);
    assert_int_equal(
        number("SELECT published_version FROM catalogue_version WHERE store_id = 'STORE-F'"), 1);
    assert_int_equal(catalog_top_read(worker, "STORE-NONE", 1, &top, &why), RES_NOT_FOUND);
    pg_conn_close(worker);
}

/* Own and regional items; what another store sells does not matter. */
static void tells_what_changed_in_the_snapshot_of_the_version(void **state)
{
    (void)state;
    struct err why = {""};
    struct seen seen;
    struct catalog_import_summary s;
    struct catalog_top top;
    assert_int_equal(
        import("STORE-NEWS", HEADER "1,A1,A,1,1\n2,A2,A,1,1\n3,A3,A,1,1\n", false, &seen, &s),
        RES_OK);
    struct pg_conn *worker = pg_fixture_connect(&fixture, MODEL_WORKER);
    struct pg_conn *super = pg_fixture_superuser(&fixture);
    assert_int_equal(catalog_top_read(worker, "STORE-NEWS", 3, &top, &why), RES_OK);
    int64_t read_ms = top.read_ms;
    catalog_top_deinit(&top);
    pg_fixture_sql(super, "UPDATE item SET updated_at = now() - interval '11 min'");
    assert_int_equal(catalog_top_read_changes(worker, "STORE-NEWS", read_ms, &top, &why), RES_OK);
    assert_int_equal(top.count, 0);
    assert_int_equal(top.version, 1);
    assert_string_equal(top.currency, "INR");
    catalog_top_deinit(&top);
    pg_fixture_sql(super,
                   "UPDATE item SET price_minor = 90, charge_minor = 80, charge_since = now(), "
                   "updated_at = now() WHERE store_id = 'STORE-NEWS' AND sku = '3'; "
                   "UPDATE item SET deleted_at = now(), updated_at = now() "
                   "WHERE store_id = 'STORE-NEWS' AND sku = '1'; "
                   "UPDATE catalogue_version SET version = 2 WHERE store_id = 'STORE-NEWS'");
    assert_int_equal(catalog_top_read_changes(worker, "STORE-NEWS", read_ms, &top, &why), RES_OK);
    assert_int_equal(top.version, 2);
    assert_int_equal(top.count, 2);
    assert_true(top.items[0].gone);
    assert_false(top.items[1].gone);
    assert_string_equal(top.items[1].sku, "3");
    assert_string_equal(top.items[1].name, "A3");
    assert_int_equal(top.items[1].price_minor, 80);
    catalog_top_deinit(&top);
    /* the region's takes the place of what the store sells no longer */
    pg_fixture_sql(super,
                   "INSERT INTO item (region, sku, gtin, name, category, price_minor, "
                   "currency) SELECT s.region, 'R1', i.gtin, i.name, 'A', 70, 'INR' FROM "
                   "item i JOIN store s USING (store_id) WHERE i.store_id = 'STORE-NEWS' AND "
                   "i.sku = '1'");
    assert_int_equal(catalog_top_read_changes(worker, "STORE-NEWS", read_ms, &top, &why), RES_OK);
    assert_int_equal(top.count, 2);
    assert_string_equal(top.items[0].sku, "R1");
    assert_int_equal(top.items[0].price_minor, 70);
    catalog_top_deinit(&top);
    pg_fixture_sql(super, "DELETE FROM item WHERE region IS NOT NULL");
    assert_int_equal(catalog_top_read_changes(worker, "STORE-NONE", read_ms, &top, &why),
                     RES_NOT_FOUND);
    pg_conn_close(super);
    pg_conn_close(worker);
}

static void every_chunk_fits_a_platform_message(const char *store)
{
    struct err why = {""};
    struct catalog_top top;
    struct pg_conn *worker = pg_fixture_connect(&fixture, MODEL_WORKER);
    assert_int_equal(catalog_top_read(worker, store, CATALOG_TOP_ITEMS, &top, &why), RES_OK);
    size_t items = 0;
    char before[GTIN_DIGITS + 1] = "";
    static struct wire_downlink message;
    static uint8_t body[WIRE_PLATFORM_BYTES_MAX];
    for (size_t i = 0; i < top.chunk_count; i++) {
        message = (struct wire_downlink){.type = WIRE_CATALOGUE, .time_ms = 1};
        catalog_top_chunk(&top, i, &message.catalogue);
        struct sink s;
        sink_init(&s, body, sizeof body - WIRE_SIGNATURE_BYTES);
        assert_int_equal(wire_downlink_encode(&message, &s), RES_OK);
        items += message.catalogue.item_count;
        for (size_t k = 0; k < message.catalogue.item_count; k++) {
            const char *gtin = (const char *)message.catalogue.items[k].gtin.data;
            assert_true(strcmp(before, gtin) < 0);
            (void)snprintf(before, sizeof before, "%s", gtin);
        }
    }
    assert_int_equal(items, top.count);
    catalog_top_deinit(&top);
    pg_conn_close(worker);
}

static void the_longest_names_and_skus_still_fit_their_chunks(void **state)
{
    (void)state;
    size_t room = 300 * 300;
    char *file = malloc(room);
    assert_non_null(file);
    struct sink text;
    sink_init(&text, file, room - 1);
    sink_text(&text, "sku,name,price,mrp,weight_g\n");
    for (uint64_t i = 0; i < 200; i++) {
        sink_text(&text, "SKU-ABCDEFGHIJKLMNOPQRSTUVWX");
        sink_u64_padded(&text, i, 4);
        sink_text(&text, ",");
        for (int k = 0; k < 40; k++) {
            sink_text(&text, "\xE0\xA4\x95");
        }
        sink_text(&text, ",999999.99,999999.99,200000\n");
    }
    assert_false(text.overflow);
    file[text.size] = '\0';
    struct seen seen;
    struct catalog_import_summary s;
    assert_int_equal(import("STORE-G", file, false, &seen, &s), RES_OK);
    free(file);
    assert_int_equal(s.added, 200);
    every_chunk_fits_a_platform_message("STORE-G");
}

static void loads_a_real_catalogue_of_22044_products(void **state)
{
    (void)state;
    FILE *in = real_catalogue == NULL ? NULL : fopen(real_catalogue, "r");
    if (in == NULL) {
        (void)printf("skipped: there is no real catalogue beside this tree\n");
        skip();
    }
    struct err why = {""};
    struct seen seen = {0};
    struct catalog_import_settings settings = {
        .store_id = "STORE-H", .changed_by = "catalog-import", .refused = note, .user = &seen};
    struct catalog_import_summary s;
    assert_int_equal(catalog_import(admin, in, &settings, &s, &why), RES_OK);
    assert_int_equal(s.read, 22044);
    assert_int_equal(s.added + s.refused, 22044);
    assert_true(s.added > 21900);
    rewind(in);
    int64_t added = s.added;
    assert_int_equal(catalog_import(admin, in, &settings, &s, &why), RES_OK);
    assert_int_equal(s.changed + s.added, 0);
    assert_int_equal(s.item_count, added);
    (void)fclose(in);
    every_chunk_fits_a_platform_message("STORE-H");
}

static void a_list_reads_back_without_a_change(void **state)
{
    (void)state;
    struct seen seen;
    struct catalog_import_summary s;
    assert_int_equal(import("STORE-LIST",
                            HEADER "7,\"Tea, \"\"black\"\"\",Drinks,10.5,12\n8,Salt,Food,20,\n",
                            false, &seen, &s),
                     RES_OK);
    assert_int_equal(s.added, 2);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    assert_int_equal(catalog_list(admin, "STORE-LIST", out, NULL), RES_OK);
    assert_int_equal(fclose(out), 0);
    assert_non_null(strstr(text, "\"Tea, \"\"black\"\"\""));
    assert_int_equal(import("STORE-LIST", text, true, &seen, &s), RES_OK);
    assert_int_equal(seen.count, 0);
    assert_int_equal(s.read, 2);
    assert_int_equal(s.added + s.changed + s.deleted, 0);
    free(text);
    struct err why = {""};
    assert_int_equal(catalog_list(admin, "STORE-NONE", stderr, &why), RES_NOT_FOUND);
    assert_non_null(strstr(why.text, "STORE-NONE"));
}

static void six_languages_go_in_and_come_out(void **state)
{
    (void)state;
    static const char file[] =
        "sku,name,name_hi,name_ta,name_te,name_bn,name_mr,description,description_hi,"
        "description_ta,description_te,description_bn,description_mr,price,brand,stock\n"
        "9,Tea,चाय,தேநீர்,టీ,চা,चहा,\"Black, strong\",काली,கருப்பு,నల్ల,কালো,काळा,10.5,B,7\n";
    struct seen seen;
    struct catalog_import_summary s;
    assert_int_equal(import("STORE-SIX", file, false, &seen, &s), RES_OK);
    assert_int_equal(s.added, 1);
    assert_int_equal(number("SELECT count(*) FROM item, jsonb_object_keys(name) WHERE store_id = "
                            "'STORE-SIX'"),
                     6);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_int_equal(catalog_list(admin, "STORE-SIX", out, NULL), RES_OK);
    assert_int_equal(fclose(out), 0);
    assert_non_null(strstr(text, "\"தேநீர்\""));
    assert_non_null(strstr(text, "\"काळा\""));
    assert_int_equal(import("STORE-SIX", text, true, &seen, &s), RES_OK);
    assert_int_equal(s.added + s.changed + s.deleted + s.refused, 0);
    free(text);
}

static void our_own_catalogue_and_baskets_agree(void **state)
{
    (void)state;
    char path[1024];
    struct err why = {""};
    struct seen seen = {0};
    struct catalog_import_settings settings = {
        .store_id = "STORE-DEMO", .changed_by = "catalog-import", .refused = note, .user = &seen};
    struct catalog_import_summary s;
    (void)snprintf(path, sizeof path, "%s/demo/catalog.csv", source_root);
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    assert_int_equal(catalog_import(admin, in, &settings, &s, &why), RES_OK);
    (void)fclose(in);
    assert_int_equal(s.refused, 0);
    assert_true(s.added >= 120);
    (void)snprintf(path, sizeof path, "%s/demo/baskets.csv", source_root);
    in = fopen(path, "r");
    assert_non_null(in);
    char line[8192];
    int baskets = 0;
    while (fgets(line, sizeof line, in) != NULL) {
        struct pg_params p;
        PGresult *rows = NULL;
        line[strcspn(line, "\n")] = '\0';
        baskets++;
        pg_params_init(&p);
        pg_params_cstr(&p, line);
        assert_int_equal(pg_conn_run(admin,
                                     "SELECT n FROM unnest(string_to_array($1, ',')) n "
                                     "WHERE NOT EXISTS (SELECT FROM item WHERE store_id = "
                                     "'STORE-DEMO' AND name ->> 'en' = n)",
                                     &p, &rows, &why),
                         RES_OK);
        assert_int_equal(PQntuples(rows), 0);
        PQclear(rows);
    }
    (void)fclose(in);
    assert_true(baskets >= 200);
}

int main(int argc, char **argv)
{
    source_root = argc > 1 ? argv[1] : ".";
    real_catalogue = argc > 2 ? argv[2] : NULL;
    if (!pg_fixture_start(&fixture, PG_FIXTURE_FAST)) {
        return 77;
    }
    struct pg_conn *super = pg_fixture_superuser(&fixture);
    static const char *const stores[] = {"STORE-A",    "STORE-B",    "STORE-C",   "STORE-D",
                                         "STORE-E",    "STORE-F",    "STORE-G",   "STORE-H",
                                         "STORE-LIST", "STORE-DEMO", "STORE-SIX", "STORE-NEWS"};
    for (size_t i = 0; i < sizeof stores / sizeof stores[0]; i++) {
        pg_fixture_store(super, stores[i]);
    }
    pg_conn_close(super);
    admin = pg_fixture_connect(&fixture, MODEL_ADMIN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loads_the_rest_and_says_which_rows_it_refused),
        cmocka_unit_test(a_list_reads_back_without_a_change),
        cmocka_unit_test(six_languages_go_in_and_come_out),
        cmocka_unit_test(our_own_catalogue_and_baskets_agree),
        cmocka_unit_test(a_second_import_of_the_same_file_changes_nothing),
        cmocka_unit_test(a_changed_price_becomes_a_new_version_with_its_history),
        cmocka_unit_test(a_full_import_deletes_what_is_missing_but_spares_refused_rows),
        cmocka_unit_test(refuses_what_only_the_database_knows),
        cmocka_unit_test(changes_nothing_when_the_file_or_store_is_wrong),
        cmocka_unit_test(gives_the_carts_best_sold_items_first_then_every_category),
        cmocka_unit_test(tells_what_changed_in_the_snapshot_of_the_version),
        cmocka_unit_test(the_longest_names_and_skus_still_fit_their_chunks),
        cmocka_unit_test(loads_a_real_catalogue_of_22044_products),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_conn_close(admin);
    pg_fixture_stop(&fixture);
    return failed;
}
