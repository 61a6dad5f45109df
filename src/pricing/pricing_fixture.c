#include "pricing_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void pricing_fixture_stores(struct pg_conn *superuser)
{
    pg_fixture_store(superuser, "STORE-A");
    pg_fixture_store(superuser, "STORE-P");
    pg_fixture_store(superuser, "STORE-B");
    pg_fixture_sql(superuser, "UPDATE store SET catalogue_master = 'platform' "
                              "WHERE store_id IN ('STORE-A', 'STORE-B')");
}

void pricing_fixture_fresh(struct pg_conn *superuser)
{
    pg_fixture_sql(
        superuser,
        "TRUNCATE delivery, translation_gap, alert, item_batch, catalogue_version, shadow, price, "
        "price_schedule, price_request, pricing_rule, category_bound, bulk_row, bulk_job, "
        "competitor_price, pricing_run, audit_event CASCADE; DELETE FROM label; DELETE FROM item; "
        "UPDATE store SET settings = '{}', timezone = 'Asia/Kolkata';"
        "INSERT INTO item (item_id, store_id, sku, gtin, name, category, price_minor, mrp_minor, "
        "cost_minor, currency) VALUES "
        "('" PRICING_TEA "', 'STORE-A', 'TEA', '08901234567890', '{\"en\": \"Tea\"}', 'DRINKS', "
        "6500, 7000, 4000, 'INR'), "
        "('" PRICING_MILK "', 'STORE-A', 'MILK', '08901234567891', '{\"en\": \"Milk\"}', 'DAIRY', "
        "2800, NULL, 2000, 'INR'), "
        "('" PRICING_RICE "', 'STORE-A', 'RICE', '08901234567892', '{\"en\": \"Rice\"}', 'GRAIN', "
        "9900, NULL, NULL, 'INR'), "
        "('" PRICING_PEN "', 'STORE-P', 'PEN', '08901234567893', '{\"en\": \"Pen\"}', 'OFFICE', "
        "1000, NULL, NULL, 'INR');"
        "INSERT INTO price (item_id, store_id, version, price_minor, mrp_minor, currency, reason, "
        "changed_by) SELECT item_id, store_id, 1, price_minor, mrp_minor, currency, 'import', "
        "'test' FROM item;"
        "INSERT INTO category_bound VALUES ('STORE-A', 'GRAIN', 5000, 20000);"
        "INSERT INTO label (label_id, store_id, item_id, online) VALUES "
        "('ESP32-TEA001', 'STORE-A', '" PRICING_TEA "', true), "
        "('ESP32-TEA002', 'STORE-A', '" PRICING_TEA "', true), "
        "('ESP32-MILK01', 'STORE-A', '" PRICING_MILK "', false);"
        "INSERT INTO catalogue_version (store_id, version, item_count) VALUES ('STORE-A', 1, 3)");
}

void pricing_fixture_many(struct pg_conn *superuser, int count)
{
    char sql[1400];
    (void)snprintf(
        sql, sizeof sql,
        "INSERT INTO item (store_id, sku, gtin, name, category, price_minor, mrp_minor, "
        "cost_minor, currency) SELECT 'STORE-A', 'S-' || to_char(n, 'FM0000'), "
        "to_char(n, 'FM00000000000000'), '{\"en\": \"Thing\"}', 'THINGS', 1000, 5000, 400, 'INR' "
        "FROM generate_series(1, %d) n;"
        "INSERT INTO price (item_id, store_id, version, price_minor, mrp_minor, currency, reason, "
        "changed_by) SELECT item_id, store_id, 1, price_minor, mrp_minor, currency, 'import', "
        "'test' FROM item WHERE sku LIKE 'S-%%';"
        "INSERT INTO label (label_id, store_id, item_id, online) SELECT 'ESP32-' || "
        "to_char(substr(sku, 3)::integer, 'FM000000'), store_id, item_id, true FROM item "
        "WHERE sku LIKE 'S-%%'",
        count);
    pg_fixture_sql(superuser, sql);
}

static PGresult *rows_of(struct pg_conn *c, const char *sql)
{
    PGresult *rows = NULL;
    struct err why = {""};
    if (pg_conn_run(c, sql, NULL, &rows, &why) != RES_OK) {
        fail_msg("%s: %s", sql, why.text);
    }
    return rows;
}

int64_t pricing_fixture_number(struct pg_conn *c, const char *sql)
{
    PGresult *rows = rows_of(c, sql);
    int64_t n = PQntuples(rows) == 0 ? -1 : pg_get_i64(rows, 0, 0);
    PQclear(rows);
    return n;
}

const char *pricing_fixture_text(struct pg_conn *c, const char *sql)
{
    static char out[1024];
    PGresult *rows = rows_of(c, sql);
    out[0] = '\0';
    if (PQntuples(rows) > 0) {
        assert_int_equal(span_copy_text(pg_get_span(rows, 0, 0), out, sizeof out), RES_OK);
    }
    PQclear(rows);
    return out;
}

int64_t pricing_fixture_print(struct pg_conn *c)
{
    return pricing_fixture_number(
        c, "SELECT ('x' || substr(md5(string_agg(t, '|' ORDER BY t)), 1, 15))::bit(60)::bigint "
           "FROM (SELECT i::text FROM item i UNION ALL SELECT p::text FROM price p UNION ALL "
           "SELECT v::text FROM catalogue_version v UNION ALL SELECT d::text FROM delivery d UNION "
           "ALL SELECT s::text FROM shadow s UNION ALL SELECT h::text FROM price_schedule h UNION "
           "ALL SELECT j::text FROM bulk_job j UNION ALL SELECT q::text FROM price_request q) "
           "AS everything(t)");
}

uint64_t pricing_fixture_seed(void)
{
    const char *given = getenv("ENDCAP_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    print_message("seed %llu (ENDCAP_SEED)\n", (unsigned long long)seed);
    return seed;
}
