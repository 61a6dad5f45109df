/* The worker's part with real PostgreSQL; what it publishes is decoded as a cart would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "dispatch_catalogue.h"
#include "ecdsa.h"
#include "gtin.h"
#include "pg_fixture.h"
#include "wire.h"

#define PUBLISHED_MAX 64

static struct pg_fixture pg;
static struct pg_conn *super;
static struct dispatch *dispatch;
static struct ecdsa_public *platform;
static char platform_key[192];

static struct {
    char topic[96];
    bool retain;
    size_t size;
    enum wire_type type;
    int64_t number;
    int64_t kind;
    int64_t chunks;
    size_t items;
    int64_t price; /* of the first item */
    int64_t version;
    int64_t base; /* of a supplement */
} published[PUBLISHED_MAX];
static size_t published_count;
static bool broker_is_away;

static bool publish(void *user, const char *topic, struct span payload, bool retain)
{
    static struct wire_downlink d;
    struct span body;
    struct span signature;
    struct wire_detail detail;
    (void)user;
    if (broker_is_away) {
        return false;
    }
    assert_true(published_count < PUBLISHED_MAX);
    memset(&published[published_count], 0, sizeof published[0]);
    (void)snprintf(published[published_count].topic, 96, "%s", topic);
    published[published_count].retain = retain;
    published[published_count].size = payload.size;
    if (payload.size > 0) {
        assert_int_equal(wire_downlink_split(payload, &body, &signature), WIRE_FINE);
        assert_int_equal(wire_downlink_decode(body, &d, &detail), WIRE_FINE);
        assert_int_equal(ecdsa_verify(platform, body, signature), RES_OK);
        published[published_count].type = d.type;
        if (d.type == WIRE_COMMAND) {
            published[published_count].number = d.command.number;
            published[published_count].kind = d.command.kind;
        } else if (d.type == WIRE_PRICES) {
            published[published_count].base = d.prices.base;
            published[published_count].version = d.prices.version;
            published[published_count].items = d.prices.item_count;
            published[published_count].price = d.prices.items[0].price;
        } else {
            published[published_count].version = d.catalogue.version;
            published[published_count].chunks = d.catalogue.chunks;
            published[published_count].items = d.catalogue.item_count;
            published[published_count].price = d.catalogue.items[0].price;
        }
    }
    published_count++;
    return true;
}

static int64_t clock_step;

static void step_after(int64_t ms)
{
    struct err why = {""};
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    clock_step += ms;
    enum res r = dispatch_step(dispatch, (int64_t)t.tv_sec * 1000 + clock_step, &why);
    if (r != RES_OK) {
        fail_msg("%s", why.text);
    }
}

/* Every part is due at each step: the clock goes on by ten seconds. */
static void step(void)
{
    step_after(10000);
}

static void open_dispatch(void)
{
    struct err why = {""};
    struct dispatch_settings settings = {.place = pg.place,
                                         .instance = "worker-1",
                                         .platform_key = platform_key,
                                         .abandon_s = 100,
                                         .publish = publish};
    if (dispatch_new(&settings, &dispatch, &why) != RES_OK) {
        fail_msg("%s", why.text);
    }
}

static int fresh(void **state)
{
    (void)state;
    dispatch_free(dispatch);
    dispatch = NULL;
    published_count = 0;
    broker_is_away = false;
    pg_fixture_sql(super, "SET client_min_messages = warning; "
                          "TRUNCATE command, session, cart_stream, alert, catalogue_version, "
                          "item, price CASCADE; "
                          "UPDATE cart SET online = false, last_seen_at = NULL, mode = NULL");
    open_dispatch();
    return 0;
}

static int64_t number(const char *sql)
{
    struct pg_params params;
    PGresult *rows = NULL;
    pg_params_init(&params);
    assert_int_equal(pg_conn_run(super, sql, &params, &rows, NULL), RES_OK);
    int64_t value = PQntuples(rows) > 0 ? pg_get_i64(rows, 0, 0) : -1;
    PQclear(rows);
    return value;
}

static void queue_command(const char *values)
{
    char sql[512];
    (void)snprintf(sql, sizeof sql,
                   "INSERT INTO command (cart_id, number, store_id, kind, issued_by, issued_at, "
                   "expires_at) VALUES %s",
                   values);
    pg_fixture_sql(super, sql);
}

static void sends_what_is_queued_once_and_in_order(void **state)
{
    (void)state;
    queue_command("('CART-0001', 4, 'STORE-1', 'wake', 't', now(), now() + interval '1 h'),"
                  "('CART-0001', 9, 'STORE-1', 'sleep', 't', now(), now() + interval '1 h')");
    step();
    assert_int_equal(published_count, 2);
    assert_string_equal(published[0].topic, "cart/CART-0001/command");
    assert_int_equal(published[0].number, 4);
    assert_int_equal(published[0].kind, WIRE_CMD_WAKE);
    assert_int_equal(published[1].number, 9);
    assert_false(published[0].retain);
    assert_int_equal(number("SELECT count(*) FROM command WHERE state = 'sent'"), 2);
    step();
    assert_int_equal(published_count, 2); /* ten seconds of the database's clock have not passed */
}

static void sends_again_what_has_no_answer(void **state)
{
    (void)state;
    queue_command("('CART-0001', 1, 'STORE-1', 'wake', 't', now(), now() + interval '1 h')");
    step();
    pg_fixture_sql(super, "UPDATE command SET sent_at = now() - interval '11 s'");
    step();
    assert_int_equal(published_count, 2);
    pg_fixture_sql(super, "UPDATE command SET sent_at = now() - interval '11 s', state = 'done', "
                          "answered_at = now()");
    step();
    assert_int_equal(published_count, 2);
}

static void sends_at_once_to_a_cart_that_is_back(void **state)
{
    (void)state;
    queue_command("('CART-0001', 1, 'STORE-1', 'wake', 't', now(), now() + interval '1 h')");
    step();
    pg_fixture_sql(super, "UPDATE cart SET last_seen_at = now() + interval '2 s'");
    step();
    assert_int_equal(published_count, 2);
}

static void a_command_expires(void **state)
{
    (void)state;
    queue_command("('CART-0001', 1, 'STORE-1', 'wake', 't', now() - interval '2 h', "
                  "now() - interval '1 h')");
    step();
    assert_int_equal(published_count, 0);
    assert_int_equal(number("SELECT count(*) FROM command WHERE state = 'expired'"), 1);
}

static void a_cart_without_health_is_offline_and_comes_back(void **state)
{
    (void)state;
    pg_fixture_sql(super, "UPDATE cart SET online = true, mode = 'active', "
                          "last_seen_at = now() - interval '170 s'");
    step();
    assert_int_equal(number("SELECT count(*) FROM cart WHERE online"), 1);
    pg_fixture_sql(super, "UPDATE cart SET last_seen_at = now() - interval '190 s'");
    step();
    assert_int_equal(number("SELECT count(*) FROM cart WHERE online"), 0);
    assert_int_equal(number("SELECT count(*) FROM alert WHERE kind = 'device_offline'"), 1);
    pg_fixture_sql(super, "UPDATE cart SET online = true, last_seen_at = now()");
    step();
    assert_int_equal(number("SELECT count(*) FROM alert WHERE status <> 'resolved'"), 0);
}

static void a_silent_session_is_abandoned_and_its_streams_say_so(void **state)
{
    (void)state;
    pg_fixture_sql(super,
                   "INSERT INTO cart_stream (cart_id, epoch, watermark, version, store_id, "
                   "updated_at) VALUES ('CART-0001', 1, 9, 5, 'STORE-1', now()); "
                   "INSERT INTO session (session_id, cart_id, store_id, epoch, start_counter, "
                   "last_counter, status, started_at, first_received_at) VALUES "
                   "('CART-0001.1.3', 'CART-0001', 'STORE-1', 1, 3, 9, 'active', now(), "
                   "now() - interval '1 h')");
    step();
    assert_int_equal(number("SELECT count(*) FROM session WHERE status = 'active'"), 1);
    pg_fixture_sql(super, "UPDATE cart_stream SET updated_at = now() - interval '200 s'");
    step();
    assert_int_equal(number("SELECT count(*) FROM session WHERE status = 'abandoned' "
                            "AND reconcile_reasons = ARRAY['timeout']"),
                     1);
    assert_int_equal(number("SELECT version FROM cart_stream"), 6);
}

/* In place of those before. */
static void add_items(int count)
{
    static int serial;
    pg_fixture_sql(super, "BEGIN; UPDATE item SET deleted_at = now(), updated_at = now()");
    for (int i = 0; i < count; i++) {
        char digits[GTIN_DIGITS + 1];
        char sql[512];
        serial++;
        (void)snprintf(digits, sizeof digits, "%013d", serial);
        (void)snprintf(sql, sizeof sql,
                       "INSERT INTO item (store_id, sku, gtin, name, category, price_minor, "
                       "currency) VALUES ('STORE-1', 'S%d', '%s%c', '{\"en\": \"Soap\"}', 'Care', "
                       "100, 'INR')",
                       serial, digits, gtin_check_digit(span_of(digits, GTIN_DIGITS - 1)));
        pg_fixture_sql(super, sql);
    }
    pg_fixture_sql(super, "COMMIT");
}

static void a_catalogue_is_published_retained_when_it_changed(void **state)
{
    (void)state;
    add_items(150);
    pg_fixture_sql(super, "INSERT INTO catalogue_version (store_id, version, item_count) "
                          "VALUES ('STORE-1', 3, 150)");
    step();
    size_t chunks = published_count;
    assert_true(chunks >= 2);
    size_t items = 0;
    for (size_t i = 0; i < chunks; i++) {
        char topic[96];
        (void)snprintf(topic, sizeof topic, "store/STORE-1/catalogue/%zu", i);
        assert_string_equal(published[i].topic, topic);
        assert_true(published[i].retain);
        assert_int_equal(published[i].chunks, chunks);
        items += published[i].items;
    }
    assert_int_equal(items, 150);
    step();
    assert_int_equal(published_count, chunks); /* once */
    dispatch_broker_is_new(dispatch);
    step();
    assert_int_equal(published_count, 2 * chunks); /* the broker may have forgotten */
    add_items(5);
    pg_fixture_sql(super, "UPDATE catalogue_version SET version = 4, item_count = 5");
    step();
    assert_int_equal(published_count, 3 * chunks); /* one chunk, and the others cleared */
    assert_int_equal(published[2 * chunks].items, 5);
    assert_int_equal(published[3 * chunks - 1].size, 0);
    assert_true(published[3 * chunks - 1].retain);
}

static void a_catalogue_that_could_not_be_sent_is_sent_later(void **state)
{
    (void)state;
    add_items(3);
    pg_fixture_sql(super, "INSERT INTO catalogue_version (store_id, version, item_count) "
                          "VALUES ('STORE-1', 1, 3)");
    broker_is_away = true;
    step();
    assert_int_equal(number("SELECT published_version FROM catalogue_version"), 0);
    broker_is_away = false;
    step();
    assert_int_equal(published_count, 1);
    assert_int_equal(number("SELECT published_version FROM catalogue_version"), 1);
}

#define PUBLISHED "SELECT published_version FROM catalogue_version"

static void a_version_that_brings_nothing_new_is_noted_without_a_word(void **state)
{
    (void)state;
    add_items(3);
    pg_fixture_sql(super, "INSERT INTO catalogue_version (store_id, version, item_count) "
                          "VALUES ('STORE-1', 1, 3)");
    step();
    assert_int_equal(published_count, 1);
    pg_fixture_sql(super, "UPDATE catalogue_version SET version = 2");
    step();
    assert_int_equal(published_count, 1);
    assert_int_equal(number(PUBLISHED), 2);
    /* another worker gave the carts something else meanwhile */
    pg_fixture_sql(super, "UPDATE catalogue_version SET version = 4, published_version = 3");
    step();
    assert_int_equal(published_count, 3); /* with an empty supplement: it may have left one */
    pg_fixture_sql(super,
                   "UPDATE catalogue_version SET version = 5; UPDATE item SET price_minor = 99, "
                   "updated_at = now()");
    step();
    assert_int_equal(published_count, 4);
    assert_int_equal(number(PUBLISHED), 5);
}

static void give_first_catalogue(int items)
{
    char sql[160];
    add_items(items);
    (void)snprintf(sql, sizeof sql,
                   "INSERT INTO catalogue_version (store_id, version, item_count) "
                   "VALUES ('STORE-1', 1, %d)",
                   items);
    pg_fixture_sql(super, sql);
    step();
    assert_true(published_count > 0);
    assert_int_equal(published[0].version, 1);
    published_count = 0;
}

/* As the price book does: the item and the version in one transaction. */
static void change(const char *set, const char *where)
{
    char sql[320];
    (void)snprintf(sql, sizeof sql,
                   "BEGIN; UPDATE item SET %s, updated_at = now() WHERE deleted_at IS NULL AND %s; "
                   "UPDATE catalogue_version SET version = version + 1; COMMIT",
                   set, where);
    pg_fixture_sql(super, sql);
}

#define FIRST "gtin = (SELECT min(gtin) FROM item WHERE deleted_at IS NULL)"

/* A notification may take a moment; after this much it looks without. */
#define LOOK_MS 1000

static void a_changed_price_is_one_small_message(void **state)
{
    (void)state;
    give_first_catalogue(150);
    change("price_minor = 80", FIRST);
    step_after(LOOK_MS);
    assert_int_equal(published_count, 1);
    assert_string_equal(published[0].topic, "store/STORE-1/catalogue/prices");
    assert_true(published[0].retain);
    assert_int_equal(published[0].base, 1);
    assert_int_equal(published[0].version, 2);
    assert_int_equal(published[0].items, 1);
    assert_int_equal(published[0].price, 80);
    assert_int_equal(number(PUBLISHED), 2);
    /* all that changed since the base, not since the last one */
    change("price_minor = 70", "price_minor = 100 AND sku LIKE '%0'");
    step_after(LOOK_MS);
    assert_int_equal(published_count, 2);
    assert_int_equal(published[1].items, 16);
    assert_int_equal(published[1].base, 1);
    change("price_minor = 100", "true");
    step_after(LOOK_MS);
    assert_int_equal(published_count, 3);
    assert_int_equal(published[2].items, 0); /* as in the base again */
    assert_int_equal(number(PUBLISHED), 4);
}

static void prices_in_quick_succession_are_put_together(void **state)
{
    (void)state;
    give_first_catalogue(3);
    for (int i = 0; i < 9; i++) {
        change("price_minor = price_minor + 1", "true");
        step_after(i == 0 ? LOOK_MS : 0);
    }
    size_t few = published_count; /* real time passes, too */
    assert_true(few >= 1 && few <= 4);
    step_after(LOOK_MS);
    assert_true(published_count > 0);
    assert_int_equal(published[published_count - 1].price, 109);
    assert_int_equal(number(PUBLISHED), 10);
}

static void what_a_supplement_cannot_say_goes_out_whole_once_a_second(void **state)
{
    (void)state;
    give_first_catalogue(WIRE_PRICES_ITEMS_MAX + 1);
    change("price_minor = 90", "true"); /* too many */
    step_after(DISPATCH_PRICES_GAP_MS);
    assert_int_equal(published_count, 0);
    assert_int_equal(number(PUBLISHED), 1);
    step_after(LOOK_MS);
    assert_true(published_count >= 4);
    assert_int_equal(published[0].type, WIRE_CATALOGUE);
    assert_int_equal(published[0].price, 90);
    assert_int_equal(number(PUBLISHED), 2);
    static const char *const more[] = {"name = '{\"en\": \"Soup\"}'", "expected_weight_g = 70",
                                       "deleted_at = now()"};
    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++) {
        published_count = 0;
        change(more[i], FIRST);
        step();
        assert_int_equal(published[0].type, WIRE_CATALOGUE);
        assert_int_equal(published[0].version, 3 + i);
        assert_int_equal(number(PUBLISHED), 3 + i);
    }
}

static void a_supplement_gives_way_to_a_whole_catalogue(void **state)
{
    (void)state;
    give_first_catalogue(200);
    change("price_minor = 90", FIRST);
    step();
    assert_int_equal(published_count, 1);
    step_after(DISPATCH_CATALOGUE_QUIET_MS);
    assert_true(published_count >= 4);
    assert_int_equal(published[1].type, WIRE_CATALOGUE);
    assert_int_equal(published[1].version, 2);
    /* and no supplement of a base that is gone stays behind */
    assert_string_equal(published[published_count - 1].topic, "store/STORE-1/catalogue/prices");
    assert_int_equal(published[published_count - 1].base, 2);
    assert_int_equal(published[published_count - 1].items, 0);
    published_count = 0;
    step_after(2 * DISPATCH_CATALOGUE_QUIET_MS);
    assert_int_equal(published_count, 0);
    change("price_minor = 80", "true"); /* more than half of what fits */
    step();
    assert_int_equal(published[0].type, WIRE_PRICES);
    assert_int_equal(published[0].base, 2);
    assert_int_equal(published[1].type, WIRE_CATALOGUE);
    assert_int_equal(published[1].version, 3);
}

/* Carts may hold the version that the worker before published with other items. */
static void a_worker_that_takes_over_begins_with_whole_catalogues(void **state)
{
    (void)state;
    give_first_catalogue(3);
    change("price_minor = 90", FIRST);
    step();
    assert_int_equal(published[0].type, WIRE_PRICES);
    dispatch_free(dispatch);
    dispatch = NULL;
    open_dispatch();
    published_count = 0;
    step();
    assert_int_equal(published[0].type, WIRE_CATALOGUE);
    assert_int_equal(published[0].version, 2);
    assert_int_equal(published[1].base, 2);
    assert_int_equal(published[1].items, 0);
    assert_int_equal(published_count, 2);
    change("price_minor = 80", FIRST);
    step();
    assert_int_equal(published[2].type, WIRE_CATALOGUE);
    change("price_minor = 70", FIRST);
    step();
    assert_int_equal(published_count, 4);
    assert_int_equal(published[3].type, WIRE_PRICES);
    assert_int_equal(published[3].base, 3);
    assert_int_equal(published[3].version, 4);
}

static void of_two_workers_one_publishes(void **state)
{
    (void)state;
    give_first_catalogue(3);
    struct dispatch *first = dispatch;
    open_dispatch();
    change("price_minor = 90", FIRST);
    step();
    assert_int_equal(published_count, 0);
    struct dispatch *second = dispatch;
    dispatch = first;
    step();
    assert_int_equal(published_count, 1);
    dispatch_free(first);
    dispatch = second;
    step();
    assert_int_equal(published[1].type, WIRE_CATALOGUE);
}

static void a_supplement_that_could_not_be_sent_is_sent_later(void **state)
{
    (void)state;
    give_first_catalogue(3);
    change("price_minor = 90", FIRST);
    broker_is_away = true;
    step();
    assert_int_equal(number(PUBLISHED), 1);
    broker_is_away = false;
    step();
    assert_int_equal(published_count, 1);
    assert_int_equal(number(PUBLISHED), 2);
}

static void carts_are_given_what_is_charged(void **state)
{
    (void)state;
    add_items(1);
    pg_fixture_sql(super,
                   "INSERT INTO catalogue_version (store_id, version, item_count) VALUES "
                   "('STORE-1', 1, 1); UPDATE item SET price_minor = 500, charge_minor = 450");
    step();
    assert_int_equal(published[0].price, 450);
}

static void writes_its_figures(void **state)
{
    (void)state;
    dispatch_rejected(dispatch);
    step();
    assert_int_equal(number("SELECT value::bigint FROM process_metric "
                            "WHERE process = 'worker' AND name = 'worker_rejects_total'"),
                     1);
}

static void make_platform_key(void)
{
    struct ecdsa_private *key = NULL;
    struct err why = {""};
    uint8_t point[ECDSA_POINT_BYTES];
    (void)snprintf(platform_key, sizeof platform_key, "%s/platform.key", pg.directory);
    if (ecdsa_private_new(&key) != RES_OK ||
        ecdsa_private_save(key, platform_key, &why) != RES_OK) {
        (void)fprintf(stderr, "no platform key: %s\n", why.text);
    }
    ecdsa_private_point(key, point);
    if (ecdsa_public_new(span_of(point, sizeof point), &platform) != RES_OK) {
        (void)fprintf(stderr, "no platform key\n");
    }
    ecdsa_private_free(key);
}

int main(void)
{
    if (!pg_fixture_start(&pg, PG_FIXTURE_FAST)) {
        return 77;
    }
    super = pg_fixture_superuser(&pg);
    pg_fixture_store(super, "STORE-1");
    pg_fixture_cart(super, "STORE-1", "CART-0001");
    make_platform_key();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(sends_what_is_queued_once_and_in_order, fresh),
        cmocka_unit_test_setup(sends_again_what_has_no_answer, fresh),
        cmocka_unit_test_setup(sends_at_once_to_a_cart_that_is_back, fresh),
        cmocka_unit_test_setup(a_command_expires, fresh),
        cmocka_unit_test_setup(a_cart_without_health_is_offline_and_comes_back, fresh),
        cmocka_unit_test_setup(a_silent_session_is_abandoned_and_its_streams_say_so, fresh),
        cmocka_unit_test_setup(a_catalogue_is_published_retained_when_it_changed, fresh),
        cmocka_unit_test_setup(a_catalogue_that_could_not_be_sent_is_sent_later, fresh),
        cmocka_unit_test_setup(a_version_that_brings_nothing_new_is_noted_without_a_word, fresh),
        cmocka_unit_test_setup(a_changed_price_is_one_small_message, fresh),
        cmocka_unit_test_setup(prices_in_quick_succession_are_put_together, fresh),
        cmocka_unit_test_setup(what_a_supplement_cannot_say_goes_out_whole_once_a_second, fresh),
        cmocka_unit_test_setup(a_supplement_gives_way_to_a_whole_catalogue, fresh),
        cmocka_unit_test_setup(a_worker_that_takes_over_begins_with_whole_catalogues, fresh),
        cmocka_unit_test_setup(of_two_workers_one_publishes, fresh),
        cmocka_unit_test_setup(a_supplement_that_could_not_be_sent_is_sent_later, fresh),
        cmocka_unit_test_setup(carts_are_given_what_is_charged, fresh),
        cmocka_unit_test_setup(writes_its_figures, fresh),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    dispatch_free(dispatch);
    ecdsa_public_free(platform);
    pg_conn_close(super);
    pg_fixture_stop(&pg);
    return failed;
}
