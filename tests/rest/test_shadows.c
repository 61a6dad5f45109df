/* A device's shadow over REST, and what the worker tells labels of it.
 *
 * Feature: smartshelf-india, Property 3: Device Shadow State Completeness
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "ecdsa.h"
#include "fleet_fixture.h"
#include "label_ingest.h"
#include "rng.h"
#include "shadow_step.h"

#define ROUNDS 120
#define LABEL  "ESP32-SHADOW"
#define SHADOW "/api/devices/" LABEL "/shadow"

static struct fleet_fixture f;
static struct platform_signer *signer;
static char key_path[200];

static int fresh(void **state)
{
    (void)state;
    pg_fixture_sql(
        f.su,
        "TRUNCATE delivery, shadow, alert CASCADE; DELETE FROM label_battery; DELETE FROM label;"
        "INSERT INTO label (label_id, store_id, aisle, shelf, position, online, last_seen_at) "
        "VALUES ('" LABEL "', 'STORE-A', 'A1', '2', '3', true, now());"
        "INSERT INTO shadow (device_id, store_id, desired, version) VALUES ('" LABEL
        "', 'STORE-A', '{\"price\": 65.05, \"display\": {\"version\": 1, \"price\": 65.05}, "
        "\"flashEnabled\": false, \"syncInterval\": 300}', 4)");
    return 0;
}

static json_t *get(void)
{
    return fleet_fixture_do(f.api, "GET", SHADOW, NULL, 200);
}

static json_t *patch(const char *body, unsigned status)
{
    return fleet_fixture_do(f.api, "PATCH", SHADOW, body, status);
}

static const json_t *at(const json_t *shadow, const char *side, const char *key)
{
    return json_object_get(json_object_get(json_object_get(shadow, "state"), side), key);
}

static int64_t version_of(const json_t *shadow)
{
    return json_integer_value(json_object_get(shadow, "version"));
}

static void refused(const char *body, unsigned status, const char *code, size_t details)
{
    json_t *said = fleet_fixture_refused(f.api, "PATCH", SHADOW, body, status, code);
    assert_int_equal(json_is_array(said) ? json_array_size(said) : 1, details);
    json_decref(said);
}

static void shows_both_sides_and_what_differs(void **state)
{
    (void)state;
    json_t *s = get();
    assert_int_equal(version_of(s), 4);
    assert_true(json_number_value(at(s, "desired", "price")) == 65.05);
    assert_true(json_number_value(at(s, "delta", "price")) == 65.05);
    assert_null(at(s, "delta", "flashEnabled"));
    assert_string_equal(fleet_fixture_string(at(s, "reported", "location"), "aisle"), "A1");
    json_decref(s);
    pg_fixture_sql(f.su, "UPDATE label SET shown_price_minor = 6505");
    s = get();
    assert_null(at(s, "delta", "price"));
    json_decref(s);
    fleet_fixture_refused(f.api, "GET", "/api/devices/ESP32-NOBODY/shadow", NULL, 404, "NOT_FOUND");
    fleet_fixture_refused(f.api_of_b, "GET", SHADOW, NULL, 404, "NOT_FOUND");
    fleet_fixture_refused(f.api_of_b, "PATCH", SHADOW, "{\"state\":{\"desired\":{\"a\":1}}}", 404,
                          "NOT_FOUND");
}

static void merges_what_is_named_and_deletes_by_null(void **state)
{
    (void)state;
    json_t *s = patch("{\"state\":{\"desired\":{\"night\":{\"from\":22,\"to\":6},\"x\":1}}}", 200);
    assert_int_equal(version_of(s), 5);
    json_decref(s);
    s = patch("{\"version\":5,\"state\":{\"desired\":{\"night\":{\"to\":7},\"x\":null}}}", 200);
    assert_int_equal(version_of(s), 6);
    assert_int_equal(json_integer_value(json_object_get(at(s, "desired", "night"), "from")), 22);
    assert_int_equal(json_integer_value(json_object_get(at(s, "desired", "night"), "to")), 7);
    assert_null(at(s, "desired", "x"));
    assert_non_null(at(s, "delta", "night"));
    json_decref(s);
    s = patch("{\"state\":{\"desired\":{\"night\":{\"to\":7}}}}", 200); /* nothing new */
    assert_int_equal(version_of(s), 6);
    json_decref(s);
    char text[200];
    fleet_fixture_text(&f, "SELECT desired -> 'display' #>> '{}' FROM shadow", text, sizeof text);
    assert_string_equal(text, "{\"price\": 65.05, \"version\": 1}"); /* to the last digit */
    assert_int_equal(fleet_fixture_number(&f, "SELECT delta_version FROM shadow"), 6);
    assert_int_equal(
        fleet_fixture_number(&f, "SELECT count(*) FROM audit_event WHERE action = 'device.shadow'"),
        2);
}

static void refuses_another_version_and_changes_nothing(void **state)
{
    (void)state;
    refused("{\"version\":3,\"state\":{\"desired\":{\"x\":1}}}", 409, "VERSION_CONFLICT", 1);
    refused("{\"version\":5,\"state\":{\"desired\":{\"x\":1}}}", 409, "VERSION_CONFLICT", 1);
    assert_int_equal(fleet_fixture_number(&f, "SELECT version FROM shadow"), 4);
    assert_int_equal(
        fleet_fixture_number(&f, "SELECT count(*) FROM shadow WHERE delta_version IS NOT NULL"), 0);
}

static void names_each_bad_thing(void **state)
{
    (void)state;
    refused("{\"state\":{\"desired\":{\"price\":1,\"display\":{},\"config\":null,"
            "\"syncInterval\":5,\"certificate\":{},\"fine\":1}}}",
            409, "RESERVED_KEY", 5);
    refused("{\"state\":{\"reported\":{\"online\":true},\"other\":1}}", 400, "INVALID_PARAMETER",
            3);
    refused("{\"state\":{\"desired\":{\"\":1}}}", 400, "INVALID_PARAMETER", 1);
    refused("{\"state\":{\"desired\":{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":{\"f\":{}}}}}}}}}", 400,
            "INVALID_PARAMETER", 1);
    static char large[9000];
    int size = snprintf(large, sizeof large, "{\"state\":{\"desired\":{\"long\":\"%08200d\"}}}", 1);
    assert_in_range(size, 8200, sizeof large - 1);
    refused(large, 400, "INVALID_PARAMETER", 1);
    refused("{\"state\":{\"desired\":5}}", 400, "INVALID_PARAMETER", 1);
    refused("{}", 400, "INVALID_PARAMETER", 1);
    assert_int_equal(fleet_fixture_number(&f, "SELECT version FROM shadow"), 4);
}

static void a_device_without_a_shadow_gets_one(void **state)
{
    (void)state;
    pg_fixture_sql(f.su, "DELETE FROM shadow");
    json_t *s = get();
    assert_int_equal(version_of(s), 1);
    json_decref(s);
    s = patch("{\"version\":1,\"state\":{\"desired\":{\"x\":1}}}", 200);
    assert_int_equal(version_of(s), 2);
    json_decref(s);
}

/* ---- the delta reaches the label ---- */

struct told {
    int count;
    enum res answer;
    char topic[SHELF_TOPIC_BYTES];
    char payload[SHELF_DOWN_BYTES_MAX + 1];
};

static enum res hear(void *user, const char *topic, struct span payload, struct span signature)
{
    struct told *t = user;
    char want[PLATFORM_SIGNER_DIGITS];
    if (t->answer == RES_OK) {
        t->count++;
        assert_int_equal(signature.size, sizeof want);
        (void)snprintf(t->topic, sizeof t->topic, "%s", topic);
        (void)snprintf(t->payload, sizeof t->payload, "%.*s", (int)payload.size,
                       (const char *)payload.data);
    }
    return t->answer;
}

static void step(struct told *t)
{
    const struct shadow_outlet outlet = {signer, t, hear};
    struct err why = {""};
    struct pg_conn *c = pg_fixture_connect(&f.pg, MODEL_WORKER);
    if (shadow_step(c, &outlet, clock_utc_ms(), &why) != RES_OK) {
        fail_msg("%s", why.text);
    }
    pg_conn_close(c);
}

static void tells_an_online_label_what_changed_until_it_is_told(void **state)
{
    (void)state;
    struct told t = {.answer = RES_UNAVAILABLE};
    step(&t); /* nothing is due */
    assert_int_equal(t.count, 0);
    json_decref(patch("{\"state\":{\"desired\":{\"x\":{\"y\":1}}}}", 200));
    step(&t); /* the broker is away */
    t.answer = RES_OK;
    step(&t);
    step(&t);
    assert_int_equal(t.count, 1);
    assert_string_equal(t.topic, "smartshelf/" LABEL "/shadow/delta");
    uint8_t block[SHELF_ARENA_BYTES];
    struct arena arena;
    struct shelf_state decoded;
    struct shelf_detail detail;
    arena_init(&arena, block, sizeof block);
    assert_int_equal(
        shelf_state_decode(span_text(t.payload, sizeof t.payload), &arena, &decoded, &detail),
        RES_OK);
    assert_int_equal(decoded.version, 5);
    assert_false(decoded.has_display); /* a delivery's business */
    assert_non_null(strstr(t.payload, "\"state\":{\"x\":{\"y\":1}}"));
}

static void brings_a_renewed_certificate_and_spares_the_absent(void **state)
{
    (void)state;
    struct told t = {.answer = RES_OK};
    pg_fixture_sql(f.su, "UPDATE shadow SET desired = desired || '{\"certificate\": {\"number\": "
                         "2}}', version = 5, delta_version = 5");
    step(&t);
    assert_int_equal(t.count, 1);
    assert_non_null(strstr(t.payload, "\"certificate\":{\"number\":2}"));
    pg_fixture_sql(f.su, "UPDATE shadow SET reported = '{\"certificate\": {\"number\": 2}}', "
                         "version = 6, delta_version = 6");
    step(&t); /* it uses it already */
    assert_int_equal(t.count, 1);
    pg_fixture_sql(f.su, "UPDATE label SET online = false");
    json_decref(patch("{\"state\":{\"desired\":{\"x\":1}}}", 200));
    step(&t);
    assert_int_equal(t.count, 1); /* it will ask */
    assert_int_equal(
        fleet_fixture_number(&f, "SELECT count(*) FROM shadow WHERE delta_version IS NOT NULL"), 0);
}

/* ---- P3 ---- */

static void drop(void *user, const char *topic, struct span payload, struct span signature)
{
    (void)user;
    (void)topic;
    (void)payload;
    (void)signature;
}

struct spoken {
    int64_t battery;
    int64_t price; /* 0: shows nothing */
    const char *language;
    bool speaks; /* more than its question */
};

static void say(struct label_ingest *in, const char *id, const char *tail, const char *payload)
{
    char topic[SHELF_TOPIC_BYTES];
    (void)snprintf(topic, sizeof topic, "smartshelf/%s/%s", id, tail);
    assert_int_equal(label_ingest_offer(in, span_of(topic, strlen(topic)),
                                        span_of(payload, strlen(payload)), clock_utc_ms()),
                     RES_OK);
}

static void speak(struct label_ingest *in, const char *id, int number, const struct spoken *s)
{
    char text[512];
    int size = snprintf(text, sizeof text,
                        "{\"deviceId\":\"%s\",\"epoch\":1,\"counter\":1,\"reason\":\"boot\","
                        "\"batteryLevel\":%lld,\"signalStrength\":-50,\"displayType\":\"eink\","
                        "\"firmwareVersion\":\"1.0.0\",\"language\":\"%s\"",
                        id, (long long)s->battery, s->language);
    if (s->price > 0) {
        size += snprintf(text + size, sizeof text - (size_t)size,
                         ",\"shown\":{\"version\":1,\"digest\":\"%064d\",\"price\":%lld.%02lld,"
                         "\"productId\":\"SKU-%d\"}",
                         number, (long long)(s->price / 100), (long long)(s->price % 100), number);
    }
    (void)snprintf(text + size, sizeof text - (size_t)size, "}");
    if (s->speaks) {
        say(in, id, "status", text);
    }
    (void)snprintf(text, sizeof text, "{\"deviceId\":\"%s\"}", id);
    say(in, id, "shadow/get", text);
    assert_int_equal(label_ingest_flush(in, 10000), RES_OK);
}

static void check_complete(const char *id, int number, const struct spoken *s)
{
    static const char *const six[] = {"batteryLevel", "online",   "lastPrice",
                                      "productId",    "location", "language"};
    char text[64];
    (void)snprintf(text, sizeof text, "/api/devices/%s/shadow", id);
    json_t *shadow = fleet_fixture_do(f.api, "GET", text, NULL, 200);
    for (size_t k = 0; k < 6; k++) {
        if (at(shadow, "reported", six[k]) == NULL) {
            fail_msg("%s lacks %s", id, six[k]);
        }
    }
    assert_true(json_is_true(at(shadow, "reported", "online")));
    if (s->speaks) {
        assert_int_equal(json_integer_value(at(shadow, "reported", "batteryLevel")), s->battery);
        assert_string_equal(json_string_value(at(shadow, "reported", "language")), s->language);
    }
    if (s->speaks && s->price > 0) {
        double told = json_number_value(at(shadow, "reported", "lastPrice"));
        assert_int_equal((int64_t)(told * 100 + 0.5), s->price);
        (void)snprintf(text, sizeof text, "SKU-%d", number);
        assert_string_equal(json_string_value(at(shadow, "reported", "productId")), text);
    }
    json_decref(shadow);
}

/* Any label that has said anything at all has the six fields in its shadow, and those it said hold
 * what it said. */
static void a_connected_labels_shadow_is_complete(void **state)
{
    (void)state;
    static const char *const languages[] = {"en", "hi", "ta", "te", "bn", "mr"};
    char telemetry[200];
    struct rng rng;
    struct err why = {""};
    struct label_ingest *in = NULL;
    print_message(
        "Feature: smartshelf-india, Property 3: Device Shadow State Completeness (120 cases)\n");
    rng_init(&rng, fleet_fixture_seed());
    (void)snprintf(telemetry, sizeof telemetry, "%s/telemetry-labels", f.pg.directory);
    const struct label_ingest_settings settings = {.place = f.pg.place,
                                                   .telemetry_directory = telemetry,
                                                   .writer = "test-labels",
                                                   .platform_key = key_path,
                                                   .sync = TELEMETRY_SYNC_OFF,
                                                   .linger_ms = 1,
                                                   .publish = drop};
    assert_int_equal(label_ingest_new(&settings, &in, &why), RES_OK);
    for (int i = 0; i < ROUNDS; i++) {
        char id[16];
        char sql[256];
        (void)snprintf(id, sizeof id, "ESP32-P3%04d", i);
        (void)snprintf(sql, sizeof sql,
                       "INSERT INTO label (label_id, store_id) VALUES ('%s', 'STORE-A')", id);
        pg_fixture_sql(f.su, sql);
        const struct spoken s = {
            .battery = (int64_t)rng_below(&rng, 101),
            .price = rng_below(&rng, 4) > 0 ? 1 + (int64_t)rng_below(&rng, 99999999) : 0,
            .language = languages[rng_below(&rng, 6)],
            .speaks = rng_below(&rng, 8) > 0};
        speak(in, id, i, &s);
        check_complete(id, i, &s);
    }
    label_ingest_free(in);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, fresh)
    const struct CMUnitTest tests[] = {
        TEST(shows_both_sides_and_what_differs),
        TEST(merges_what_is_named_and_deletes_by_null),
        TEST(refuses_another_version_and_changes_nothing),
        TEST(names_each_bad_thing),
        TEST(a_device_without_a_shadow_gets_one),
        TEST(tells_an_online_label_what_changed_until_it_is_told),
        TEST(brings_a_renewed_certificate_and_spares_the_absent),
        TEST(a_connected_labels_shadow_is_complete),
    };
    if (!fleet_fixture_start(&f)) {
        return 77;
    }
    struct err why = {""};
    struct ecdsa_private *key = NULL;
    (void)snprintf(key_path, sizeof key_path, "%s/signer.key", f.pg.directory);
    if (ecdsa_private_new(&key) != RES_OK || ecdsa_private_save(key, key_path, &why) != RES_OK ||
        platform_signer_open(key_path, &signer, &why) != RES_OK) {
        (void)fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    ecdsa_private_free(key);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    platform_signer_close(signer);
    fleet_fixture_stop(&f);
    return failed;
}
