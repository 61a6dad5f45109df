/* Deliveries from a price in the database to labels at a real broker: what arrives, when, and what
 * becomes of it when label, worker or broker is not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "clock.h"
#include "delivery.h"
#include "delivery_refresh.h"
#include "delivery_sender.h"
#include "label_crowd.h"
#include "pg_fixture.h"
#include "rng.h"

#define LABELS  100
#define TEA     "00000000-0000-4000-8000-000000000001"
#define SOON_MS 5000

static struct pg_fixture pg;
static struct broker_fixture broker;
static struct pg_conn *super;
static struct pg_conn *api;
static struct ecdsa_public *platform;
static char platform_key[192];
static struct crowd crowd;
static struct err why;

/* The worker's side: a connection to the broker and a sender. */
static struct worker {
    struct broker_identity_files files;
    struct mqtt_client *mqtt;
    struct delivery_sender *sender;
    atomic_bool deaf; /* dies between marking and handing over */
    atomic_int connects;
    atomic_int full;
} worker;

static bool is_connected(void *user)
{
    struct worker *w = user;
    return mqtt_client_connected(w->mqtt);
}

static enum res publish(void *user, const char *topic, struct span payload, struct span signature)
{
    struct worker *w = user;
    struct mqtt_property seal = {SPAN_LIT(SHELF_SIGNATURE_PROPERTY), signature};
    if (atomic_load(&w->deaf)) {
        return RES_UNAVAILABLE;
    }
    enum res r = mqtt_client_publish(w->mqtt, topic, payload, false, &seal, NULL);
    if (r == RES_FULL) {
        (void)atomic_fetch_add(&w->full, 1);
    }
    return r;
}

static void on_trouble(void *user, const char *words)
{
    (void)user;
    if (words != NULL) {
        (void)fprintf(stderr, "sender: %s\n", words);
    }
}

static void on_worker_connect(void *context)
{
    struct worker *w = context;
    delivery_sender_connected(w->sender, atomic_fetch_add(&w->connects, 1) > 0);
}

static void must(enum res r)
{
    if (r != RES_OK) {
        fail_msg("%s: %s", res_name(r), why.text);
    }
}

static void make_sender(void)
{
    struct delivery_sender_settings s = {.place = pg.place,
                                         .instance = "worker-1",
                                         .platform_key = platform_key,
                                         .user = &worker,
                                         .connected = is_connected,
                                         .publish = publish,
                                         .on_trouble = on_trouble};
    must(delivery_sender_new(&s, &worker.sender, &why));
}

static void start_worker(unsigned queued_max)
{
    struct mqtt_client_settings m;
    broker_fixture_settings(&broker, &worker.files, &m);
    m.keep_alive_s = 60;
    m.threaded = true;
    m.send_max = 1000;
    m.queued_max = queued_max;
    m.reconnect_max_ms = 500;
    m.context = &worker;
    m.on_connect = on_worker_connect;
    make_sender();
    must(mqtt_client_new(&m, &why, &worker.mqtt));
    must(mqtt_client_connect(worker.mqtt, &why));
    must(delivery_sender_start(worker.sender, &why));
}

static void stop_worker(void)
{
    delivery_sender_stop(worker.sender);
    mqtt_client_free(worker.mqtt);
    delivery_sender_free(worker.sender);
    worker.sender = NULL;
    worker.mqtt = NULL;
    atomic_store(&worker.deaf, false);
    atomic_store(&worker.connects, 0);
}

static int64_t number(const char *sql)
{
    PGresult *rows = NULL;
    must(pg_conn_run(super, sql, NULL, &rows, &why));
    int64_t n = PQntuples(rows) == 0 ? -1 : pg_get_i64(rows, 0, 0);
    PQclear(rows);
    return n;
}

static int fresh(void **state)
{
    (void)state;
    static int price = 6500;
    char sql[600];
    (void)snprintf(sql, sizeof sql,
                   "TRUNCATE delivery, alert, shadow CASCADE; UPDATE label SET online = true; "
                   "UPDATE item SET price_minor = %d",
                   price++);
    pg_fixture_sql(super, sql);
    crowd_listen(&crowd, 20);
    crowd_forget(&crowd);
    start_worker(5000);
    return 0;
}

static int finish(void **state)
{
    (void)state;
    stop_worker();
    return 0;
}

static struct delivery_count refresh(void)
{
    struct delivery_cause cause = {0};
    struct delivery_item item = {.item_id = TEA};
    struct delivery_count got = {0, 0};
    must(pg_conn_command(api, "BEGIN", &why));
    must(delivery_refresh_items(api, &item, 1, &cause, &got, &why));
    must(pg_conn_command(api, "COMMIT", &why));
    return got;
}

static void reprice(int64_t price_minor)
{
    char sql[100];
    (void)snprintf(sql, sizeof sql, "UPDATE item SET price_minor = %lld", (long long)price_minor);
    pg_fixture_sql(super, sql);
}

/* As ingest does with an acknowledgement. */
static void acknowledge(const struct crowd_message *m)
{
    char sql[300];
    (void)snprintf(
        sql, sizeof sql,
        "UPDATE delivery SET state = 'displayed', finished_at = now() WHERE delivery_id = "
        "'%s' AND state IN ('queued', 'sent', 'pending', 'failed')",
        m->update_id);
    pg_fixture_sql(super, sql);
}

static size_t received(void)
{
    size_t sum = 0;
    for (size_t i = 0; i < crowd.count; i++) {
        sum += crowd.labels[i].count;
    }
    return sum;
}

static void listen_until(size_t messages)
{
    int64_t deadline_ms = clock_monotonic_ms() + SOON_MS;
    while (received() < messages && clock_monotonic_ms() < deadline_ms) {
        crowd_listen(&crowd, 2);
    }
}

/* Every label was told something. */
static void listen_until_all(void)
{
    int64_t deadline_ms = clock_monotonic_ms() + 2 * SOON_MS;
    size_t told = 0;
    while (told < crowd.count && clock_monotonic_ms() < deadline_ms) {
        crowd_listen(&crowd, 2);
        told = 0;
        for (size_t i = 0; i < crowd.count; i++) {
            told += crowd.labels[i].count > 0;
        }
    }
}

static void wait_for(const char *sql, int64_t want, int64_t ms)
{
    int64_t deadline_ms = clock_monotonic_ms() + ms;
    int64_t got = number(sql);
    while (got != want && clock_monotonic_ms() < deadline_ms) {
        crowd_listen(&crowd, 10);
        got = number(sql);
    }
    if (got != want) {
        fail_msg("%s: %lld, not %lld", sql, (long long)got, (long long)want);
    }
}

/* On a slow machine a label may have been asked again meanwhile; never with anything else. */
static void assert_told(size_t from, size_t to)
{
    for (size_t i = 0; i < crowd.count; i++) {
        const struct crowd_label *l = &crowd.labels[i];
        assert_int_equal(l->count > 0, i >= from && i < to);
        for (size_t k = 0; k < l->count; k++) {
            assert_string_equal(l->messages[k].update_id, l->messages[0].update_id);
            assert_true(l->messages[k].sealed);
        }
    }
}

/* Feature: smartshelf-india, Property 7: Price Update Delivery to All Devices */
static void every_label_of_the_product_is_told_on_its_own_topic(void **state)
{
    (void)state;
    print_message("Feature: smartshelf-india, Property 7: Price Update Delivery to All Devices "
                  "(100 cases)\n");
    reprice(7777);
    int64_t begun_ms = clock_monotonic_ms();
    assert_int_equal(refresh().changed, LABELS);
    listen_until(LABELS);
    for (size_t i = 0; i < crowd.count; i++) {
        const struct crowd_label *l = &crowd.labels[i];
        assert_int_equal(l->messages[0].topic, SHELF_PRICE_UPDATE);
        assert_int_equal(l->messages[0].price_minor, 7777);
        assert_string_equal(l->messages[0].product_id, "TEA-1");
    }
    assert_told(0, LABELS);
    print_message("%d labels told after %lld ms\n", LABELS,
                  (long long)(clock_monotonic_ms() - begun_ms));
    assert_int_equal(number("SELECT count(*) FROM delivery WHERE state = 'sent'"), LABELS);
}

static void one_label_is_told_soon(void **state)
{
    (void)state;
    pg_fixture_sql(super, "UPDATE label SET item_id = NULL WHERE label_id <> 'ESP32-L00000'");
    int64_t sum_us = 0;
    for (int i = 0; i < 10; i++) {
        reprice(9000 + i);
        struct timespec a;
        (void)clock_gettime(CLOCK_MONOTONIC, &a);
        (void)refresh();
        while (crowd.labels[0].count < 1) {
            enum res r = mqtt_client_step(crowd.labels[0].client, 5);
            assert_int_equal(r, RES_OK);
        }
        struct timespec b;
        (void)clock_gettime(CLOCK_MONOTONIC, &b);
        sum_us += (b.tv_sec - a.tv_sec) * 1000000 + (b.tv_nsec - a.tv_nsec) / 1000;
        acknowledge(&crowd.labels[0].messages[0]);
        crowd_forget(&crowd);
    }
    print_message("from the change to the label: %lld us\n", (long long)(sum_us / 10));
    pg_fixture_sql(super, "UPDATE label SET item_id = '" TEA "'");
}

/* What a label of the crowd does with what it is told. */
enum habit { MUTE, ACKS_FIRST, ACKS_SECOND, ACKS_FOURTH, LEAVES, IS_REPRICED, HABITS };

static size_t wanted_messages(enum habit h)
{
    static const size_t wanted[HABITS] = {4, 1, 2, 4, 1, 4};
    return wanted[h];
}

static void act(struct crowd_label *l, enum habit h, bool done[LABELS], size_t i)
{
    size_t after = h == ACKS_FIRST || h == LEAVES ? 1 : h == ACKS_SECOND ? 2 : 4;
    if (done[i] || h == MUTE || h == IS_REPRICED || l->count < after) {
        return;
    }
    done[i] = true;
    if (h == LEAVES) {
        char sql[120];
        (void)snprintf(sql, sizeof sql, "UPDATE label SET online = false WHERE label_id = '%s'",
                       l->id);
        pg_fixture_sql(super, sql);
    } else {
        acknowledge(&l->messages[after - 1]);
    }
}

static void assert_apart(const struct crowd_label *l, size_t first, size_t count)
{
    static const int64_t apart_ms[] = {1000, 2000, 4000};
    assert_true(count <= 1 + sizeof apart_ms / sizeof apart_ms[0]);
    for (size_t k = 1; k < count && k <= sizeof apart_ms / sizeof apart_ms[0]; k++) {
        int64_t ms = l->messages[first + k].at_ms - l->messages[first + k - 1].at_ms;
        if (ms < apart_ms[k - 1] - 500 || ms > apart_ms[k - 1] + 2000) {
            fail_msg("%s: send %zu came %lld ms after the one before", l->id, k + 1, (long long)ms);
        }
        assert_string_equal(l->messages[first + k].update_id, l->messages[first].update_id);
    }
}

/* Feature: smartshelf-india, Property 9: Price Update Retry with Exponential Backoff
 * Feature: smartshelf-india, Property 10: Failed Update Logging and Alerting */
static void a_mute_label_is_asked_three_times_more_then_there_is_an_alert(void **state)
{
    (void)state;
    const char *given = getenv("ENDCAP_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 20261121;
    print_message(
        "Feature: smartshelf-india, Property 9: Price Update Retry with Exponential Backoff\n"
        "Feature: smartshelf-india, Property 10: Failed Update Logging and Alerting\nseed %llu\n",
        (unsigned long long)seed);
    static enum habit habits[LABELS];
    static bool done[LABELS];
    int64_t count[HABITS] = {0};
    struct rng rng;
    rng_init(&rng, seed);
    for (size_t i = 0; i < LABELS; i++) {
        habits[i] = (enum habit)rng_below(&rng, HABITS - 1);
        count[habits[i]]++;
    }
    (void)refresh();
    int64_t end_ms = clock_monotonic_ms() + 4 * SOON_MS;
    while (clock_monotonic_ms() < end_ms &&
           number("SELECT count(*) FROM delivery WHERE state IN ('queued', 'sent')") > 0) {
        crowd_listen(&crowd, 20);
        for (size_t i = 0; i < LABELS; i++) {
            act(&crowd.labels[i], habits[i], done, i);
        }
    }
    for (size_t i = 0; i < LABELS; i++) {
        /* an acknowledgement may be too late for a slow machine; silence is counted exactly */
        assert_in_range(crowd.labels[i].count, wanted_messages(habits[i]), DELIVERY_SENDS);
        assert_apart(&crowd.labels[i], 0, crowd.labels[i].count);
    }
    assert_int_equal(
        number("SELECT count(*) FROM delivery WHERE state = 'failed' AND attempts = 4"),
        count[MUTE]);
    assert_int_equal(number("SELECT count(*) FROM alert WHERE kind = 'price_update_failed' AND "
                            "status = 'open'"),
                     count[MUTE]);
    assert_int_equal(
        number("SELECT count(*) FROM delivery WHERE state = 'pending' AND attempts = 1"),
        count[LEAVES]);
    struct delivery_sender_figures f;
    delivery_sender_figures(worker.sender, &f);
    assert_int_equal(f.failed, count[MUTE]);
    assert_int_equal(f.parked, count[LEAVES]);
}

static void a_newer_price_ends_the_older_delivery(void **state)
{
    (void)state;
    (void)refresh();
    listen_until(LABELS);
    reprice(4200);
    (void)refresh();
    crowd_listen(&crowd, 2000); /* the older one would be due again */
    for (size_t i = 0; i < LABELS; i++) {
        const struct crowd_label *l = &crowd.labels[i];
        assert_true(l->count >= 2);
        assert_int_equal(l->messages[0].version, 1);
        for (size_t k = 1; k < l->count; k++) { /* the newer one is never followed by the older */
            assert_true(l->messages[k].version >= l->messages[k - 1].version);
            assert_int_equal(l->messages[k].price_minor == 4200, l->messages[k].version == 2);
        }
        assert_int_equal(l->messages[l->count - 1].version, 2);
    }
    assert_int_equal(number("SELECT count(*) FROM delivery WHERE state = 'superseded'"), LABELS);
}

static void an_offline_label_gets_it_when_it_is_back(void **state)
{
    (void)state;
    pg_fixture_sql(super, "UPDATE label SET online = false WHERE label_id < 'ESP32-L00050'");
    (void)refresh();
    listen_until(50);
    crowd_listen(&crowd, 300);
    assert_told(50, LABELS);
    assert_int_equal(
        number("SELECT count(*) FROM delivery WHERE state = 'pending' AND attempts = 0"), 50);
    for (size_t i = 50; i < LABELS; i++) {
        acknowledge(&crowd.labels[i].messages[0]);
    }
    pg_fixture_sql(super, "UPDATE label SET online = true");
    listen_until_all();
    assert_told(0, LABELS);
}

static void what_was_marked_when_the_worker_died_is_sent_by_the_next(void **state)
{
    (void)state;
    atomic_store(&worker.deaf, true);
    (void)refresh();
    wait_for("SELECT count(*) FROM delivery WHERE state = 'sent'", LABELS, SOON_MS);
    stop_worker();
    assert_int_equal(received(), 0);
    start_worker(5000);
    listen_until_all();
    assert_told(0, LABELS);
    assert_int_equal(number("SELECT count(*) FROM delivery WHERE state = 'sent' AND attempts >= 2"),
                     LABELS);
}

static void while_the_broker_is_away_nothing_is_taken(void **state)
{
    (void)state;
    broker_fixture_kill(&broker);
    int64_t deadline_ms = clock_monotonic_ms() + SOON_MS;
    while (mqtt_client_connected(worker.mqtt) && clock_monotonic_ms() < deadline_ms) {
        crowd_listen(&crowd, 5);
    }
    (void)refresh();
    crowd_listen(&crowd, 1500);
    assert_int_equal(
        number("SELECT count(*) FROM delivery WHERE state = 'queued' AND attempts = 0"), LABELS);
    broker_fixture_restart(&broker);
    crowd_connect(&crowd);
    listen_until_all();
    assert_told(0, LABELS);
}

static void a_full_connection_holds_a_burst_back_and_drops_nothing(void **state)
{
    (void)state;
    enum { BURST = 3000 };
    stop_worker();
    pg_fixture_sql(super, "INSERT INTO label (label_id, store_id, item_id, online) SELECT "
                          "'ESP32-B' || lpad(n::text, 5, '0'), 'STORE-1', '" TEA "', true "
                          "FROM generate_series(1, 3000) AS n");
    start_worker(50);
    (void)refresh();
    wait_for("SELECT count(*) FROM delivery WHERE state = 'sent'", BURST + LABELS, SOON_MS);
    listen_until(LABELS);
    struct delivery_sender_figures f;
    delivery_sender_figures(worker.sender, &f);
    for (int i = 0; i < 200 && f.sent < BURST + LABELS; i++) {
        crowd_listen(&crowd, 20);
        delivery_sender_figures(worker.sender, &f);
    }
    assert_true(f.sent >= BURST + LABELS);
    assert_int_equal(f.dropped, 0);
    assert_true(atomic_load(&worker.full) > 0);
    pg_fixture_sql(super, "DELETE FROM delivery WHERE label_id LIKE 'ESP32-B%'; DELETE FROM label "
                          "WHERE label_id LIKE 'ESP32-B%'");
}

static void make_platform_key(void)
{
    struct ecdsa_private *key = NULL;
    uint8_t point[ECDSA_POINT_BYTES];
    (void)snprintf(platform_key, sizeof platform_key, "%s/platform.key", pg.directory);
    if (ecdsa_private_new(&key) != RES_OK ||
        ecdsa_private_save(key, platform_key, &why) != RES_OK) {
        (void)fprintf(stderr, "no platform key: %s\n", why.text);
        exit(1);
    }
    ecdsa_private_point(key, point);
    if (ecdsa_public_new(span_of(point, sizeof point), &platform) != RES_OK) {
        exit(1);
    }
    ecdsa_private_free(key);
}

static int arrange(void **state)
{
    (void)state;
    pg_fixture_sql(super,
                   "INSERT INTO item (item_id, store_id, sku, gtin, name, category, price_minor, "
                   "currency) VALUES ('" TEA "', 'STORE-1', 'TEA-1', '08901234567890', "
                   "'{\"en\": \"Tea\"}', 'Drinks', 6500, 'INR'); "
                   "INSERT INTO label (label_id, store_id, item_id, online) SELECT 'ESP32-L' || "
                   "lpad(n::text, 5, '0'), 'STORE-1', '" TEA "', true FROM generate_series(0, 99) "
                   "AS n");
    make_platform_key();
    broker_fixture_issue(&broker, PKI_SERVICE, "service:worker", NULL, &worker.files);
    crowd_init(&crowd, &broker, platform, LABELS);
    crowd_connect(&crowd);
    return 0;
}

static int tidy(void **state)
{
    (void)state;
    crowd_deinit(&crowd);
    ecdsa_public_free(platform);
    return 0;
}

int main(void)
{
    if (!pg_fixture_start(&pg, PG_FIXTURE_FAST)) {
        return 77;
    }
    if (!broker_fixture_start(&broker)) {
        pg_fixture_stop(&pg);
        return 77;
    }
    super = pg_fixture_superuser(&pg);
    api = pg_fixture_connect(&pg, MODEL_API);
    pg_fixture_store(super, "STORE-1");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_label_of_the_product_is_told_on_its_own_topic, fresh,
                                        finish),
        cmocka_unit_test_setup_teardown(one_label_is_told_soon, fresh, finish),
        cmocka_unit_test_setup_teardown(
            a_mute_label_is_asked_three_times_more_then_there_is_an_alert, fresh, finish),
        cmocka_unit_test_setup_teardown(a_newer_price_ends_the_older_delivery, fresh, finish),
        cmocka_unit_test_setup_teardown(an_offline_label_gets_it_when_it_is_back, fresh, finish),
        cmocka_unit_test_setup_teardown(what_was_marked_when_the_worker_died_is_sent_by_the_next,
                                        fresh, finish),
        cmocka_unit_test_setup_teardown(while_the_broker_is_away_nothing_is_taken, fresh, finish),
        cmocka_unit_test_setup_teardown(a_full_connection_holds_a_burst_back_and_drops_nothing,
                                        fresh, finish),
    };
    int failed = cmocka_run_group_tests(tests, arrange, tidy);
    pg_conn_close(api);
    pg_conn_close(super);
    broker_fixture_stop(&broker);
    pg_fixture_stop(&pg);
    return failed;
}
