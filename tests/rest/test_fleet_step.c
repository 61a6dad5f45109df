/* What the worker looks after: silence, gateways, batteries, certificates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "file.h"
#include "fleet_fixture.h"
#include "fleet_rotation.h"
#include "fleet_step.h"
#include "rng.h"

#define CASES  120
#define HOUR_S 3600

static struct fleet_fixture x;
static struct pg_conn *worker;
static struct rng rng;
static int64_t now_ms;

static int64_t below(uint64_t bound)
{
    return (int64_t)rng_below(&rng, bound);
}

static void sql(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void sql(const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    assert_true(size > 0 && (size_t)size < sizeof text);
    pg_fixture_sql(x.su, text);
}

static int64_t number(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int64_t number(const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return fleet_fixture_number(&x, text);
}

/* A label last heard of `ago_s` before now. */
static void label(const char *id, bool online, int64_t ago_s, const char *gateway)
{
    sql("INSERT INTO label (label_id, store_id, gateway_id, online, last_seen_at) VALUES ('%s', "
        "'STORE-A', nullif('%s', ''), %s, to_timestamp(%f) - %lld * interval '1 second')",
        id, gateway, online ? "true" : "false", (double)now_ms / 1000.0, (long long)ago_s);
}

static void step(enum res (*what)(struct pg_conn *c, int64_t at_ms, struct err *why))
{
    struct err why = {""};
    if (what(worker, now_ms, &why) != RES_OK) {
        fail_msg("%s", why.text);
    }
}

static int64_t open_alerts(const char *cause)
{
    return number("SELECT count(*) FROM alert WHERE cause_key = '%s' AND status <> 'resolved'",
                  cause);
}

static void clear(void)
{
    sql("DELETE FROM alert; DELETE FROM label_renewal; DELETE FROM delivery; DELETE FROM "
        "label_battery; DELETE FROM label; DELETE FROM gateway; DELETE FROM shadow");
    now_ms = clock_utc_ms();
}

/* ---- silence ---- */

static void a_label_is_offline_after_three_missed_intervals_and_no_sooner(void **state)
{
    (void)state;
    clear();
    label("ESP32-AAAAA1", true, 899, "");
    label("ESP32-AAAAA2", true, 901, "");
    label("ESP32-AAAAA3", true, 901, "");
    sql("UPDATE label SET asleep_until = to_timestamp(%f) WHERE label_id = 'ESP32-AAAAA3'",
        (double)now_ms / 1000.0 - 200);
    step(fleet_step_presence);
    assert_int_equal(number("SELECT count(*) FROM label WHERE online"), 2);
    assert_int_equal(open_alerts("device_offline:ESP32-AAAAA1"), 0);
    assert_int_equal(open_alerts("device_offline:ESP32-AAAAA2"), 1);
    assert_int_equal(open_alerts("device_offline:ESP32-AAAAA3"), 0);
    step(fleet_step_presence); /* still one, and no occurrence more */
    assert_int_equal(
        number("SELECT occurrences FROM alert WHERE cause_key = 'device_offline:ESP32-AAAAA2'"), 1);
    sql("UPDATE label SET online = true, last_seen_at = to_timestamp(%f) WHERE label_id = "
        "'ESP32-AAAAA2'",
        (double)now_ms / 1000.0);
    step(fleet_step_presence);
    assert_int_equal(open_alerts("device_offline:ESP32-AAAAA2"), 0);
}

static void a_label_with_a_low_battery_is_given_four_times_as_long(void **state)
{
    (void)state;
    clear();
    label("ESP32-AAAAA1", true, 30, "");
    label("ESP32-AAAAA2", true, 30, "");
    sql("UPDATE label SET battery_pct = CASE label_id WHEN 'ESP32-AAAAA1' THEN 19 ELSE 90 END; "
        "INSERT INTO shadow (device_id, store_id, desired) SELECT label_id, store_id, "
        "'{\"config\": {\"peakFromMinute\": 0, \"peakToMinute\": 1439, \"syncPeakSeconds\": 300, "
        "\"syncOffPeakSeconds\": 300}}' FROM label");
    step(fleet_step_presence);
    now_ms += INT64_C(1000) * 1000; /* its next word comes after 1,200 s */
    step(fleet_step_presence);
    assert_int_equal(number("SELECT count(*) FROM label WHERE online AND label_id = "
                            "'ESP32-AAAAA1'"),
                     1);
    assert_int_equal(open_alerts("device_offline:ESP32-AAAAA1"), 0);
    assert_int_equal(open_alerts("device_offline:ESP32-AAAAA2"), 1);
}

static void a_sleeper_is_overdue_one_interval_after_it_should_have_woken(void **state)
{
    (void)state;
    clear();
    label("ESP32-AAAAA1", false, 4000, "");
    label("ESP32-AAAAA2", false, 4000, "");
    sql("UPDATE label SET asleep_until = to_timestamp(%f) WHERE label_id = 'ESP32-AAAAA1'",
        (double)now_ms / 1000.0 - 299);
    sql("UPDATE label SET asleep_until = to_timestamp(%f) WHERE label_id = 'ESP32-AAAAA2'",
        (double)now_ms / 1000.0 - 301);
    step(fleet_step_presence);
    assert_int_equal(open_alerts("device_offline:ESP32-AAAAA1"), 0);
    assert_int_equal(open_alerts("device_offline:ESP32-AAAAA2"), 1);
    json_t *d = fleet_fixture_do(x.api, "GET", "/api/devices/ESP32-AAAAA1", NULL, 200);
    assert_string_equal(fleet_fixture_string(d, "state"), "asleep");
    json_decref(d);
    d = fleet_fixture_do(x.api, "GET", "/api/devices/ESP32-AAAAA2", NULL, 200);
    assert_string_equal(fleet_fixture_string(d, "state"), "offline");
    json_decref(d);
}

/* Feature: smartshelf-india, Property 44: Extended Offline Flagging. */
static void a_device_offline_for_more_than_a_day_is_flagged_until_it_is_back(void **state)
{
    (void)state;
    print_message(
        "Feature: smartshelf-india, Property 44: Extended Offline Flagging (120 cases)\n");
    clear();
    bool flagged[CASES];
    char id[32];
    char cause[64];
    for (int i = 0; i < CASES; i++) {
        bool online = below(4) == 0;
        int64_t ago_s = below(2) == 0 ? 24 * HOUR_S + below(120) - 60 : below(48 * HOUR_S);
        if (ago_s == 24 * HOUR_S) {
            ago_s++; /* the server's own clock has moved a little since */
        }
        online = online && ago_s < 900;
        (void)snprintf(id, sizeof id, "ESP32-P44%03d", i);
        label(id, online, ago_s, "");
        /* the edge itself is the step's, whose clock we give; REST has its own, a little later */
        flagged[i] = !online && ago_s > 24 * HOUR_S;
    }
    step(fleet_step_presence);
    for (int i = 0; i < CASES; i++) {
        (void)snprintf(cause, sizeof cause, "offline_24h:ESP32-P44%03d", i);
        assert_int_equal(open_alerts(cause), flagged[i] ? 1 : 0);
    }
    int64_t expected = number("SELECT count(*) FROM label WHERE NOT online AND last_seen_at < "
                              "now() - interval '24 hours'");
    json_t *page = fleet_fixture_do(
        x.api, "GET", "/api/devices?needsInspection=true&kind=label&limit=1000", NULL, 200);
    assert_true(expected > 0);
    assert_in_range(json_array_size(json_object_get(page, "items")), expected, expected + 3);
    json_decref(page);
    sql("UPDATE label SET online = true, last_seen_at = now()");
    now_ms = clock_utc_ms();
    step(fleet_step_presence);
    assert_int_equal(number("SELECT count(*) FROM alert WHERE kind IN ('offline_24h', "
                            "'device_offline') AND status <> 'resolved'"),
                     0);
}

/* ---- gateways ---- */

static void one_alert_tells_of_a_gateway_that_took_all_its_labels_along(void **state)
{
    (void)state;
    clear();
    char id[32];
    sql("INSERT INTO gateway (gateway_id, store_id) VALUES ('GW-ONE', 'STORE-A'), ('GW-TWO', "
        "'STORE-A'), ('GW-SOLO', 'STORE-A')");
    label("ESP32-OLDONE", false, 90000, "GW-ONE"); /* dead long before */
    for (int i = 0; i < 20; i++) {
        (void)snprintf(id, sizeof id, "ESP32-GWA%03d", i);
        label(id, false, 1000 + i * 10, "GW-ONE");
        (void)snprintf(id, sizeof id, "ESP32-GWB%03d", i);
        label(id, i == 7, i == 7 ? 10 : 1000, "GW-TWO");
    }
    label("ESP32-SOLO01", false, 1000, "GW-SOLO");
    step(fleet_step_presence);
    assert_int_equal(open_alerts("gateway_offline:GW-ONE"), 1);
    assert_int_equal(open_alerts("gateway_offline:GW-TWO"), 0);
    assert_int_equal(open_alerts("gateway_offline:GW-SOLO"), 0);
    assert_int_equal(number("SELECT count(*) FROM alert WHERE kind = 'device_offline' AND status "
                            "<> 'resolved' AND device_id LIKE 'ESP32-GWA%%'"),
                     0);
    assert_int_equal(number("SELECT count(*) FROM alert WHERE kind = 'device_offline' AND status "
                            "<> 'resolved' AND device_id LIKE 'ESP32-GWB%%'"),
                     19);
    assert_int_equal(open_alerts("device_offline:ESP32-SOLO01"), 1);
    json_t *page = fleet_fixture_do(
        x.api, "GET", "/api/devices?state=unreachable&gatewayId=GW-ONE&limit=1000", NULL, 200);
    assert_int_equal(json_array_size(json_object_get(page, "items")), 21);
    json_decref(page);
    json_t *g = fleet_fixture_do(x.api, "GET", "/api/gateways/GW-ONE", NULL, 200);
    assert_string_equal(fleet_fixture_string(g, "state"), "down");
    assert_int_equal(json_integer_value(json_object_get(g, "labels")), 21);
    json_decref(g);
    /* the first label that is back brings it up; the others have their own alert again */
    sql("UPDATE label SET online = true, last_seen_at = to_timestamp(%f) WHERE label_id = "
        "'ESP32-GWA003'",
        (double)now_ms / 1000.0);
    step(fleet_step_presence);
    assert_int_equal(open_alerts("gateway_offline:GW-ONE"), 0);
    assert_int_equal(open_alerts("device_offline:ESP32-GWA004"), 1);
    assert_int_equal(open_alerts("device_offline:ESP32-GWA003"), 0);
}

static void a_gateway_out_of_service_raises_nothing(void **state)
{
    (void)state;
    clear();
    json_decref(fleet_fixture_do(x.api, "POST", "/api/gateways",
                                 "{\"gatewayId\":\"GW-SHOP\",\"storeId\":\"STORE-A\"}", 201));
    json_decref(fleet_fixture_refused(x.api, "POST", "/api/gateways",
                                      "{\"gatewayId\":\"GW-SHOP\",\"storeId\":\"STORE-B\"}", 409,
                                      "ID_TAKEN"));
    json_decref(
        fleet_fixture_refused(x.api_of_b, "GET", "/api/gateways/GW-SHOP", NULL, 404, "NOT_FOUND"));
    label("ESP32-SHOP01", false, 1000, "GW-SHOP");
    label("ESP32-SHOP02", false, 1000, "GW-SHOP");
    json_t *g = fleet_fixture_do(x.api, "PUT", "/api/gateways/GW-SHOP/state",
                                 "{\"outOfService\":true}", 200);
    assert_string_equal(fleet_fixture_string(g, "state"), "down");
    assert_string_equal(fleet_fixture_string(g, "markedDownBy"), "operator");
    json_decref(g);
    step(fleet_step_presence);
    assert_int_equal(number("SELECT count(*) FROM alert"), 0);
    json_decref(fleet_fixture_do(x.api, "PUT", "/api/gateways/GW-SHOP/state",
                                 "{\"outOfService\":false}", 200));
    step(fleet_step_presence);
    assert_int_equal(open_alerts("gateway_offline:GW-SHOP"), 1);
}

/* ---- battery ---- */

static void battery_days_follow_from_the_days_before(void **state)
{
    (void)state;
    clear();
    label("ESP32-BATT01", true, 1, "");
    label("ESP32-BATT02", true, 1, "");
    sql("INSERT INTO label_battery (label_id, day, store_id, first_pct, last_pct) SELECT "
        "'ESP32-BATT01', (now() AT TIME ZONE 'UTC')::date - n, 'STORE-A', 62 + 3 * n, 60 + 3 * n "
        "FROM generate_series(0, 9) n");
    sql("INSERT INTO label_battery (label_id, day, store_id, first_pct, last_pct) SELECT "
        "'ESP32-BATT02', (now() AT TIME ZONE 'UTC')::date - n, 'STORE-A', 50, 50 FROM "
        "generate_series(0, 90) n");
    sql("UPDATE label SET battery_days_left = 7");
    step(fleet_step_battery);
    /* 89 to 60 in ten days */
    assert_int_equal(number("SELECT battery_days_left FROM label WHERE label_id = 'ESP32-BATT01'"),
                     60 * 10 / 29);
    assert_int_equal(number("SELECT count(*) FROM label WHERE label_id = 'ESP32-BATT02' AND "
                            "battery_days_left IS NULL"),
                     1);
    assert_int_equal(number("SELECT count(*) FROM label_battery WHERE label_id = 'ESP32-BATT02'"),
                     61);
}

/* ---- certificates ---- */

static json_t *provision(const char *id)
{
    char body[200];
    (void)snprintf(body, sizeof body,
                   "{\"kind\":\"label\",\"storeId\":\"STORE-A\",\"deviceId\":\"%s\"}", id);
    return fleet_fixture_do(x.api, "POST", "/api/devices", body, 201);
}

static void a_certificate_near_its_end_is_told_and_renewed(void **state)
{
    (void)state;
    clear();
    json_decref(provision("ESP32-ENDS06"));
    json_decref(provision("ESP32-ENDS08"));
    json_decref(provision("ESP32-ENDS31"));
    sql("UPDATE device_certificate SET not_before = now() - interval '700 days', not_after = "
        "to_timestamp(%f) + substr(device_id, 11)::integer * interval '1 day' WHERE device_id LIKE "
        "'ESP32-ENDS%%'",
        (double)now_ms / 1000.0);
    step(fleet_step_certificates);
    assert_int_equal(open_alerts("certificate_expiring:ESP32-ENDS06"), 1);
    assert_int_equal(open_alerts("certificate_expiring:ESP32-ENDS08"), 0);
    assert_int_equal(number("SELECT count(*) FROM label_renewal"), 2);
    assert_int_equal(number("SELECT count(*) FROM shadow WHERE desired #>> '{certificate,number}' "
                            "= '1' AND delta_version = version"),
                     2);
    step(fleet_step_certificates); /* asked once */
    assert_int_equal(number("SELECT count(*) FROM label_renewal WHERE number = 1"), 2);
    now_ms += INT64_C(8) * 86400000; /* no answer for a week: asked anew, if it is still valid */
    step(fleet_step_certificates);
    assert_int_equal(number("SELECT count(*) FROM label_renewal WHERE number = 2"), 0);
    sql("UPDATE device_certificate SET not_after = not_after + interval '20 days'");
    step(fleet_step_certificates);
    assert_int_equal(number("SELECT count(*) FROM label_renewal WHERE number = 2"), 2);
    assert_int_equal(open_alerts("certificate_expiring:ESP32-ENDS06"), 0);
}

/* What a label makes for itself: a key, and a request of it as base64 of the DER. */
static void make_csr(char *ret_base64, size_t size)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509_REQ *request = X509_REQ_new();
    assert_int_equal(X509_REQ_set_pubkey(request, key), 1);
    assert_true(X509_REQ_sign(request, key, EVP_sha256()) > 0);
    uint8_t *der = NULL;
    int length = i2d_X509_REQ(request, &der);
    assert_true(length > 0 && (size_t)length * 4 / 3 + 8 < size);
    (void)EVP_EncodeBlock((unsigned char *)ret_base64, der, length);
    OPENSSL_free(der);
    X509_REQ_free(request);
    EVP_PKEY_free(key);
}

static void rotate(void)
{
    struct err why = {""};
    const struct fleet_rotation_settings settings = {x.ca_directory, x.broker_directory};
    if (fleet_rotation_step(&settings, worker, now_ms, &why) != RES_OK) {
        fail_msg("%s", why.text);
    }
}

static int64_t valid_certificates(const char *id)
{
    return number("SELECT count(*) FROM device_certificate WHERE device_id = '%s' AND revoked_at "
                  "IS NULL",
                  id);
}

static void both_certificates_are_good_until_the_new_one_was_used(void **state)
{
    (void)state;
    clear();
    char csr[1024];
    static char list[65536];
    json_t *made = provision("ESP32-ROTA01");
    json_t *asked =
        fleet_fixture_do(x.api, "POST", "/api/devices/ESP32-ROTA01/rotate-certificate", NULL, 202);
    assert_int_equal(json_integer_value(json_object_get(asked, "number")), 1);
    json_decref(asked);
    rotate(); /* nothing to do yet */
    assert_int_equal(valid_certificates("ESP32-ROTA01"), 1);
    make_csr(csr, sizeof csr);
    sql("UPDATE shadow SET reported = '{\"certificate\": {\"number\": 1, \"csr\": \"%s\"}}' WHERE "
        "device_id = 'ESP32-ROTA01'",
        csr);
    rotate();
    assert_int_equal(valid_certificates("ESP32-ROTA01"), 2);
    rotate(); /* not once more */
    assert_int_equal(valid_certificates("ESP32-ROTA01"), 2);
    /* what it is sent is a certificate of that key, with the serial that is registered */
    char der[4096];
    char serial[64];
    fleet_fixture_text(&x,
                       "SELECT desired #>> '{certificate,der}' FROM shadow WHERE device_id = "
                       "'ESP32-ROTA01'",
                       der, sizeof der);
    fleet_fixture_text(&x, "SELECT issued_serial FROM label_renewal", serial, sizeof serial);
    uint8_t raw[4096];
    int length = EVP_DecodeBlock(raw, (const unsigned char *)der, (int)strlen(der));
    const uint8_t *at = raw;
    X509 *certificate = d2i_X509(NULL, &at, length);
    assert_non_null(certificate);
    BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
    char *hex = BN_bn2hex(n);
    assert_string_equal(hex, serial);
    OPENSSL_free(hex);
    BN_free(n);
    X509_free(certificate);
    /* it connects with the new one */
    sql("UPDATE label SET connected_serial = '%s' WHERE label_id = 'ESP32-ROTA01'", serial);
    rotate();
    assert_int_equal(valid_certificates("ESP32-ROTA01"), 1);
    assert_int_equal(number("SELECT count(*) FROM label_renewal"), 0);
    assert_int_equal(number("SELECT count(*) FROM shadow WHERE desired -> 'certificate' = "
                            "'{\"number\": 1}'"),
                     1);
    char path[FILE_PATH_BYTES_MAX];
    size_t size = 0;
    (void)snprintf(path, sizeof path, "%s/revoked.list", x.broker_directory);
    assert_int_equal(file_read(path, list, sizeof list, &size, NULL), RES_OK);
    assert_non_null(strstr(list, fleet_fixture_string(made, "serial")));
    assert_null(strstr(list, serial));
    json_decref(made);
}

static void a_request_that_is_none_is_asked_for_anew(void **state)
{
    (void)state;
    clear();
    json_decref(provision("ESP32-ROTA02"));
    json_decref(
        fleet_fixture_do(x.api, "POST", "/api/devices/ESP32-ROTA02/rotate-certificate", NULL, 202));
    sql("UPDATE shadow SET reported = '{\"certificate\": {\"number\": 1, \"csr\": \"AAAA\"}}' "
        "WHERE device_id = 'ESP32-ROTA02'");
    rotate();
    assert_int_equal(valid_certificates("ESP32-ROTA02"), 1);
    assert_int_equal(number("SELECT number FROM label_renewal"), 2);
    assert_int_equal(open_alerts("certificate_request:ESP32-ROTA02"), 1);
    json_decref(fleet_fixture_refused(x.api, "POST", "/api/devices/ESP32-NOBODY/rotate-certificate",
                                      NULL, 404, "NOT_FOUND"));
    sql("INSERT INTO label (label_id, store_id) VALUES ('ESP32-BARE01', 'STORE-A')");
    json_decref(fleet_fixture_refused(x.api, "POST", "/api/devices/ESP32-BARE01/rotate-certificate",
                                      NULL, 409, "NOT_PROVISIONED"));
}

/* Revoked while the new certificate was on its way: nothing is left that connects. */
static void a_revocation_ends_a_renewal_too(void **state)
{
    (void)state;
    clear();
    char csr[1024];
    json_decref(provision("ESP32-ROTA03"));
    json_decref(
        fleet_fixture_do(x.api, "POST", "/api/devices/ESP32-ROTA03/rotate-certificate", NULL, 202));
    make_csr(csr, sizeof csr);
    sql("UPDATE shadow SET reported = '{\"certificate\": {\"number\": 1, \"csr\": \"%s\"}}' WHERE "
        "device_id = 'ESP32-ROTA03'",
        csr);
    rotate();
    json_decref(
        fleet_fixture_do(x.api, "POST", "/api/devices/ESP32-ROTA03/revoke-certificate", "{}", 200));
    assert_int_equal(valid_certificates("ESP32-ROTA03"), 0);
    sql("UPDATE label_renewal SET issued_serial = NULL");
    rotate();
    assert_int_equal(valid_certificates("ESP32-ROTA03"), 0);
    assert_int_equal(number("SELECT count(*) FROM label_renewal"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_label_is_offline_after_three_missed_intervals_and_no_sooner),
        cmocka_unit_test(a_label_with_a_low_battery_is_given_four_times_as_long),
        cmocka_unit_test(a_sleeper_is_overdue_one_interval_after_it_should_have_woken),
        cmocka_unit_test(a_device_offline_for_more_than_a_day_is_flagged_until_it_is_back),
        cmocka_unit_test(one_alert_tells_of_a_gateway_that_took_all_its_labels_along),
        cmocka_unit_test(a_gateway_out_of_service_raises_nothing),
        cmocka_unit_test(battery_days_follow_from_the_days_before),
        cmocka_unit_test(a_certificate_near_its_end_is_told_and_renewed),
        cmocka_unit_test(both_certificates_are_good_until_the_new_one_was_used),
        cmocka_unit_test(a_request_that_is_none_is_asked_for_anew),
        cmocka_unit_test(a_revocation_ends_a_renewal_too),
    };
    if (!fleet_fixture_start(&x)) {
        return 77;
    }
    rng_init(&rng, fleet_fixture_seed());
    worker = pg_fixture_connect(&x.pg, MODEL_WORKER);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_conn_close(worker);
    fleet_fixture_stop(&x);
    return failed;
}
