/* A whole uplink: a label over mutual TLS, the broker with our plugin, label_ingest, PostgreSQL,
 * and the signed answer back to the label.
 *
 * Feature: smartshelf-india, Property 42: Shadow Synchronization on Reconnection (the platform's
 * side)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base64.h"
#include "broker_fixture.h"
#include "clock.h"
#include "label_world.h"
#include "rng.h"

#define WAIT_MS  15000
#define ROUNDS   100
#define ONE      "ESP32-000001"
#define TOPIC    "smartshelf/" ONE "/"
#define ACCEPTED TOPIC "shadow/get/accepted"

static struct label_world world;
static struct broker_fixture broker;
static struct mqtt_client *_Atomic service; /* of the ingest process */

/* ---- the ingest process ---- */

static void on_service_connect(void *context)
{
    static const char *const topics[] = {"$share/ingest/smartshelf/+/+",
                                         "$share/ingest/smartshelf/+/shadow/+",
                                         "$share/ingest/presence/+"};
    (void)context;
    for (size_t i = 0; i < sizeof topics / sizeof *topics; i++) {
        enum res r = mqtt_client_subscribe(service, topics[i], NULL);
        (void)r; /* the waits tell */
    }
}

static void on_service_message(void *context, const struct mqtt_message *m)
{
    (void)context;
    enum res r = label_ingest_offer(world.ingest, m->topic, m->payload, clock_utc_ms());
    (void)r; /* a full line is nothing these tests reach */
}

static void answer(void *user, const char *topic, struct span payload, struct span signature)
{
    (void)user;
    const struct mqtt_property property = {SPAN_LIT(SHELF_SIGNATURE_PROPERTY), signature};
    enum res r = mqtt_client_publish(service, topic, payload, false, &property, NULL);
    (void)r; /* a label asks again */
}

static void open_service(void)
{
    static struct broker_identity_files files;
    struct mqtt_client_settings settings;
    struct mqtt_client *made = NULL;
    struct err why = {""};
    broker_fixture_issue(&broker, PKI_SERVICE, "service:ingest", NULL, &files);
    broker_fixture_settings(&broker, &files, &settings);
    settings.client_id = "service:ingest/labels";
    settings.threaded = true;
    settings.on_connect = on_service_connect;
    settings.on_message = on_service_message;
    assert_int_equal(mqtt_client_new(&settings, &why, &made), RES_OK);
    service = made;
    assert_int_equal(mqtt_client_connect(made, &why), RES_OK);
}

/* ---- the label ---- */

struct label {
    struct broker_identity_files files;
    struct mqtt_client *client;
    bool subscribed;
    int answers;
    int forged;
    int64_t shadow_version;
    int64_t display_version;
    int64_t through;
};
static struct label label;

static void hear(void *context, const struct mqtt_message *m)
{
    struct label *l = context;
    uint8_t raw[ECDSA_SIGNATURE_BYTES];
    uint8_t text[SHELF_DOWN_BYTES_MAX + 128];
    uint8_t block[SHELF_ARENA_BYTES];
    struct sink signature;
    struct sink message;
    struct arena arena;
    struct shelf_state state;
    struct shelf_detail detail = {"", ""};
    sink_init(&signature, raw, sizeof raw);
    sink_init(&message, text, sizeof text);
    sink_bytes(&message, m->topic);
    sink_byte(&message, '\n');
    sink_bytes(&message, m->payload);
    arena_init(&arena, block, sizeof block);
    if (!span_equal(m->property.name, SPAN_LIT(SHELF_SIGNATURE_PROPERTY)) ||
        base64_url_read(m->property.value, &signature) != RES_OK ||
        ecdsa_verify(label_world_platform(), sink_span(&message), sink_span(&signature)) !=
            RES_OK) {
        l->forged++;
    } else if (shelf_state_decode(m->payload, &arena, &state, &detail) != RES_OK) {
        print_error("%s: %s\n", detail.field, detail.rule);
        l->forged++;
    } else {
        l->answers++;
        l->shadow_version = state.version;
        l->display_version = state.has_display ? state.display.version : 0;
        l->through = state.events_through;
    }
}

static void on_label_answer(void *context, const struct mqtt_answer *a)
{
    ((struct label *)context)->subscribed |= a->subscription && a->reason < 0x80;
}

static bool step_until(bool (*done)(void), int64_t ms)
{
    int64_t end_ms = clock_monotonic_ms() + ms;
    while (!done() && clock_monotonic_ms() < end_ms) {
        enum res r = mqtt_client_step(label.client, 20);
        (void)r;
    }
    return done();
}

static bool is_connected(void)
{
    return mqtt_client_connected(label.client);
}

static bool is_subscribed(void)
{
    return label.subscribed;
}

static bool is_answered(void)
{
    return label.answers > 0;
}

static void connect_label(void)
{
    struct mqtt_client_settings settings;
    struct err why = {""};
    label.subscribed = false;
    broker_fixture_settings(&broker, &label.files, &settings);
    settings.context = &label;
    settings.on_message = hear;
    settings.on_answer = on_label_answer;
    assert_int_equal(mqtt_client_new(&settings, &why, &label.client), RES_OK);
    assert_int_equal(mqtt_client_connect(label.client, &why), RES_OK);
    assert_true(step_until(is_connected, WAIT_MS));
    assert_int_equal(mqtt_client_subscribe(label.client, ACCEPTED, NULL), RES_OK);
    assert_true(step_until(is_subscribed, WAIT_MS));
}

static void disconnect_label(void)
{
    mqtt_client_free(label.client);
    label.client = NULL;
}

static void publish(const char *topic, const char *payload)
{
    assert_int_equal(mqtt_client_publish(label.client, topic, span_of(payload, strlen(payload)),
                                         false, NULL, NULL),
                     RES_OK);
}

/* Asks, again and again as a label does, until it is answered. */
static void ask(void)
{
    label.answers = 0;
    for (int i = 0; i < 10 && label.answers == 0; i++) {
        publish(TOPIC "shadow/get", "{\"deviceId\":\"" ONE "\"}");
        (void)step_until(is_answered, 2000);
    }
    assert_true(label.answers > 0);
}

static void wait_for_row(const char *sql, int64_t wanted)
{
    int64_t end_ms = clock_monotonic_ms() + WAIT_MS;
    while (label_world_number(&world, sql) != wanted) {
        if (clock_monotonic_ms() > end_ms) {
            fail_msg("%s", sql);
        }
        if (label.client != NULL) {
            enum res r = mqtt_client_step(label.client, 20);
            (void)r;
        }
    }
}

static int fresh(void **state)
{
    (void)state;
    mqtt_client_free(service);
    service = NULL;
    label_world_close(&world);
    label_world_reset(&world, 2);
    world.publish = answer;
    label_world_open(&world, "ingest-1-labels");
    open_service();
    return 0;
}

#define KNOWN_SERIAL                                                                               \
    "SELECT count(*) FROM label WHERE label_id = '" ONE "' AND connected_serial IS NOT NULL"
#define ONLINE "SELECT count(*) FROM label WHERE online AND label_id = '" ONE "'"

static void a_label_asks_confirms_and_goes(void **state)
{
    (void)state;
    connect_label();
    ask();
    wait_for_row(ONLINE, 1);
    label_world_delivery(&world, 1, 3, "ab", "sent");
    publish(TOPIC "status", label_world_status(1, 1, 80, ",\"reason\":\"boot\""));
    publish(TOPIC "ack", label_world_ack(1, 2, 3, "ab"));
    wait_for_row("SELECT count(*) FROM delivery WHERE state = 'displayed'", 1);
    ask();
    assert_int_equal(label.through, 2);
    assert_int_equal(label.forged, 0);
    /* Presence is told by the second, and not of who has left by then. */
    wait_for_row(KNOWN_SERIAL, 1);
    disconnect_label();
    wait_for_row(ONLINE, 0);
    label_world_expect(&world, "SELECT connected_serial FROM label WHERE label_id = '" ONE "'",
                       label.files.certificate.identity.serial);
}

/* Neither a broker that is gone nor an ingest that was away leaves anybody online who is not. */
static void who_left_unseen_is_found_by_the_count(void **state)
{
    (void)state;
    connect_label();
    ask();
    wait_for_row(ONLINE, 1);
    mqtt_client_free(service);
    service = NULL;
    disconnect_label(); /* nobody hears of it */
    assert_int_equal(label_world_number(&world, ONLINE), 1);
    open_service();
    wait_for_row(ONLINE, 0);
    connect_label();
    ask();
    wait_for_row(ONLINE, 1);
    disconnect_label();
    broker_fixture_kill(&broker);
    broker_fixture_restart(&broker);
    wait_for_row(ONLINE, 0);
}

/* Whatever changed while a label was away, and however often: its question on reconnection brings
 * the newest desired state, and only that. */
static void a_reconnecting_label_learns_the_newest_state(void **state)
{
    (void)state;
    struct rng rng;
    const char *env = getenv("ENDCAP_SEED");
    uint64_t seed = env != NULL ? strtoull(env, NULL, 10) : (uint64_t)clock_utc_ms();
    print_message("ENDCAP_SEED=%llu\n", (unsigned long long)seed);
    print_message("Feature: smartshelf-india, Property 42: Shadow Synchronization on Reconnection "
                  "(100 cases)\n");
    rng_init(&rng, seed);
    int64_t version = 0;
    int64_t counter = 0;
    for (int round = 0; round < ROUNDS; round++) {
        char sql[1024];
        for (uint64_t n = 1 + rng_below(&rng, 3); n > 0; n--) {
            version++;
            (void)snprintf(
                sql, sizeof sql,
                "UPDATE shadow SET version = version + 1, desired = jsonb_build_object('display', "
                "jsonb_build_object('deviceId', device_id, 'updateId', gen_random_uuid(), "
                "'version', %lld, 'template', 'unassigned', 'language', 'en', 'currency', 'INR', "
                "'isFlashSale', false, 'timestamp', '2026-11-21T10:00:00.000Z', 'digest', "
                "repeat('ab', 32))) WHERE device_id = '" ONE "'",
                (long long)version);
            pg_fixture_sql(world.super, sql);
        }
        connect_label();
        for (uint64_t n = rng_below(&rng, 3); n > 0; n--) {
            publish(TOPIC "status", label_world_status(1, ++counter, 50, ""));
        }
        ask();
        assert_int_equal(label.forged, 0);
        assert_int_equal(label.display_version, version);
        assert_int_equal(label.shadow_version,
                         label_world_number(&world, "SELECT version FROM shadow WHERE device_id = "
                                                    "'" ONE "'"));
        assert_int_equal(label.through, counter);
        disconnect_label();
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, fresh)
    const struct CMUnitTest tests[] = {
        TEST(a_label_asks_confirms_and_goes),
        TEST(who_left_unseen_is_found_by_the_count),
        TEST(a_reconnecting_label_learns_the_newest_state),
    };
    if (!broker_fixture_start(&broker)) {
        return 77;
    }
    if (!label_world_start(&world, PG_FIXTURE_FAST)) {
        broker_fixture_stop(&broker);
        return 77;
    }
    broker_fixture_issue(&broker, PKI_LABEL, ONE, LABEL_WORLD_STORE, &label.files);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    mqtt_client_free(service);
    label_world_stop(&world);
    broker_fixture_stop(&broker);
    return failed;
}
