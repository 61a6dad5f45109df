/* Devices join, are bound, move and leave over REST. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "fleet_fixture.h"
#include "pki_identity.h"
#include "rng.h"

static struct fleet_fixture x;

static json_t *make_label(const char *id, const char *store)
{
    char body[256];
    (void)snprintf(body, sizeof body, "{\"kind\":\"label\",\"storeId\":\"%s\",\"deviceId\":\"%s\"}",
                   store, id);
    return fleet_fixture_do(x.api, "POST", "/api/devices", body, 201);
}

static json_t *device(const char *id)
{
    char target[64];
    (void)snprintf(target, sizeof target, "/api/devices/%s", id);
    return fleet_fixture_do(x.api, "GET", target, NULL, 200);
}

static void read_revoked(char *ret_text, size_t size)
{
    char path[FILE_PATH_BYTES_MAX];
    size_t length = 0;
    (void)snprintf(path, sizeof path, "%s/revoked.list", x.broker_directory);
    assert_int_equal(file_read(path, ret_text, size, &length, NULL), RES_OK);
}

static X509 *parse(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    assert_non_null(certificate);
    return certificate;
}

static void a_new_label_gets_all_it_needs_to_connect(void **state)
{
    (void)state;
    json_t *made = fleet_fixture_do(
        x.api, "POST", "/api/devices",
        "{\"kind\":\"label\",\"storeId\":\"STORE-A\",\"deviceId\":\"ESP32-NEW001\","
        "\"displayType\":\"tft\",\"location\":{\"aisle\":\"Aisle-3\",\"shelf\":\"Shelf-2\"}}",
        201);
    assert_true(strstr(fleet_fixture_string(made, "privateKey"), "PRIVATE KEY") != NULL);
    assert_true(strstr(fleet_fixture_string(made, "caCertificate"), "CERTIFICATE") != NULL);
    assert_true(strstr(fleet_fixture_string(made, "platformPublicKey"), "PUBLIC KEY") != NULL);
    X509 *certificate = parse(fleet_fixture_string(made, "certificate"));
    X509 *ca = parse(fleet_fixture_string(made, "caCertificate"));
    EVP_PKEY *key = X509_get0_pubkey(ca);
    assert_int_equal(X509_verify(certificate, key), 1);
    struct pki_identity who;
    assert_int_equal(pki_identity_read(certificate, &who), RES_OK);
    assert_string_equal(who.id, "ESP32-NEW001");
    assert_string_equal(who.store_id, "STORE-A");
    X509_free(certificate);
    X509_free(ca);
    json_t *shown = device("ESP32-NEW001");
    assert_string_equal(fleet_fixture_string(shown, "displayType"), "tft");
    assert_string_equal(fleet_fixture_string(shown, "language"), "mr");
    assert_string_equal(fleet_fixture_string(json_object_get(shown, "certificate"), "serial"),
                        fleet_fixture_string(made, "serial"));
    assert_int_equal(json_array_size(json_object_get(shown, "pending")), 2);
    assert_int_equal(
        fleet_fixture_number(&x, "SELECT count(*) FROM shadow WHERE device_id = 'ESP32-NEW001' AND "
                                 "desired #>> '{display,template}' = 'unassigned' AND desired #>> "
                                 "'{config,language}' = 'mr'"),
        1);
    /* the key is nowhere here */
    assert_int_equal(fleet_fixture_number(&x, "SELECT count(*) FROM idempotency_key"), 0);
    json_decref(shown);
    json_decref(made);
}

static void a_device_is_provisioned_once(void **state)
{
    (void)state;
    json_decref(make_label("ESP32-ONCE01", "STORE-A"));
    json_decref(fleet_fixture_refused(
        x.api, "POST", "/api/devices",
        "{\"kind\":\"label\",\"storeId\":\"STORE-A\",\"deviceId\":\"ESP32-ONCE01\"}", 409,
        "ALREADY_PROVISIONED"));
    json_decref(fleet_fixture_refused(
        x.api, "POST", "/api/devices",
        "{\"kind\":\"label\",\"storeId\":\"STORE-B\",\"deviceId\":\"ESP32-ONCE01\"}", 409,
        "ID_TAKEN"));
    json_decref(fleet_fixture_refused(
        x.api_of_b, "POST", "/api/devices",
        "{\"kind\":\"label\",\"storeId\":\"STORE-B\",\"deviceId\":\"ESP32-ONCE01\"}", 409,
        "ID_TAKEN"));
    json_t *revoked =
        fleet_fixture_do(x.api, "POST", "/api/devices/ESP32-ONCE01/revoke-certificate", "{}", 200);
    assert_true(json_is_true(json_object_get(revoked, "revoked")));
    json_decref(revoked);
    json_decref(make_label("ESP32-ONCE01", "STORE-A"));
}

static bool names(const json_t *details, const char *field)
{
    size_t i = 0;
    json_t *one = NULL;
    if (json_is_object(details)) {
        return strcmp(fleet_fixture_string(details, "field"), field) == 0;
    }
    json_array_foreach(details, i, one)
    {
        if (strcmp(fleet_fixture_string(one, "field"), field) == 0) {
            return true;
        }
    }
    return false;
}

static void every_bad_field_is_listed_and_nothing_is_made(void **state)
{
    (void)state;
    pg_fixture_sql(x.su, "UPDATE store SET floor_plan = '{\"aisles\": [{\"aisle\": \"A1\", "
                         "\"shelves\": [\"S1\"]}, {\"aisle\": \"A2\"}]}' "
                         "WHERE store_id = 'STORE-B'");
    int64_t before = fleet_fixture_number(&x, "SELECT count(*) FROM label");
    json_t *details = fleet_fixture_refused(
        x.api, "POST", "/api/devices",
        "{\"kind\":\"label\",\"storeId\":\"STORE-B\",\"deviceId\":\"ESP32-SHORT\","
        "\"gatewayId\":\"GW-NONE\",\"location\":{\"aisle\":\"A9\"},\"hardwareSerial\":\"1\"}",
        400, "INVALID_PARAMETER");
    assert_int_equal(json_array_size(details), 4);
    assert_true(names(details, "deviceId"));
    assert_true(names(details, "gatewayId"));
    assert_true(names(details, "location.aisle"));
    assert_true(names(details, "hardwareSerial"));
    json_decref(details);
    static const char *const bad[][2] = {
        {"{\"kind\":\"label\",\"storeId\":\"STORE-X\"}", "storeId"},
        {"{\"kind\":\"cart\",\"storeId\":\"STORE-B\",\"deviceId\":\"ESP32-ABCDEF\"}", "deviceId"},
        {"{\"kind\":\"label\",\"storeId\":\"STORE-B\",\"csr\":\"no request\"}", "csr"},
        {"{\"kind\":\"label\",\"storeId\":\"STORE-B\",\"location\":{\"aisle\":\"A1\","
         "\"shelf\":\"S9\"}}",
         "location.shelf"},
        {"{\"kind\":\"label\",\"storeId\":\"STORE-B\",\"location\":{\"shelf\":\"S9\"}}",
         "location.aisle"},
        {"{\"kind\":\"label\",\"storeId\":\"STORE-B\",\"location\":{\"aisle\":\"A1\",\"x\":1}}",
         "location"},
        {"{\"kind\":\"cart\",\"storeId\":\"STORE-B\",\"gatewayId\":\"GW-1\"}", "gatewayId"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        details = fleet_fixture_refused(x.api, "POST", "/api/devices", bad[i][0], 400,
                                        "INVALID_PARAMETER");
        assert_true(names(details, bad[i][1]));
        json_decref(details);
    }
    assert_int_equal(fleet_fixture_number(&x, "SELECT count(*) FROM label"), before);
    json_t *made = fleet_fixture_do(x.api, "POST", "/api/devices",
                                    "{\"kind\":\"label\",\"storeId\":\"STORE-B\",\"location\":"
                                    "{\"aisle\":\"A1\",\"shelf\":\"S1\",\"position\":\"7\"}}",
                                    201);
    json_decref(made);
}

/* A list written for one store's process keeps what every other store revoked. */
static void a_retired_device_is_on_the_list_whoever_retires_the_next(void **state)
{
    (void)state;
    static char list[65536];
    json_t *first = make_label("ESP32-GONE01", "STORE-A");
    json_t *second = make_label("ESP32-GONE02", "STORE-B");
    json_t *gone = fleet_fixture_do(x.api, "DELETE", "/api/devices/ESP32-GONE01", NULL, 200);
    assert_true(json_is_true(json_object_get(gone, "retired")));
    json_decref(gone);
    json_decref(fleet_fixture_refused(x.api_of_b, "DELETE", "/api/devices/ESP32-GONE01", NULL, 404,
                                      "NOT_FOUND"));
    json_decref(fleet_fixture_do(x.api_of_b, "DELETE", "/api/devices/ESP32-GONE02", NULL, 200));
    read_revoked(list, sizeof list);
    assert_non_null(strstr(list, fleet_fixture_string(first, "serial")));
    assert_non_null(strstr(list, fleet_fixture_string(second, "serial")));
    json_decref(
        fleet_fixture_refused(x.api, "GET", "/api/devices/ESP32-GONE01", NULL, 404, "NOT_FOUND"));
    assert_int_equal(fleet_fixture_number(&x, "SELECT count(*) FROM delivery WHERE label_id IN "
                                              "('ESP32-GONE01', 'ESP32-GONE02') AND finished_at "
                                              "IS NULL"),
                     0);
    /* scope of one request does not leak into the next */
    json_decref(fleet_fixture_refused(x.api_of_b, "GET", "/api/devices/ESP32-NEW001", NULL, 404,
                                      "NOT_FOUND"));
    json_decref(first);
    json_decref(second);
}

static void a_label_is_bound_rebound_and_freed_with_an_audit(void **state)
{
    (void)state;
    json_decref(make_label("ESP32-BIND01", "STORE-A"));
    json_t *d = fleet_fixture_do(x.api, "PUT", "/api/devices/ESP32-BIND01/product",
                                 "{\"productId\":\"SKU-1\"}", 200);
    assert_string_equal(fleet_fixture_string(d, "productId"), "SKU-1");
    assert_true(json_is_false(json_object_get(d, "inSync")));
    json_decref(d);
    assert_int_equal(
        fleet_fixture_number(&x, "SELECT count(*) FROM shadow WHERE device_id = 'ESP32-BIND01' AND "
                                 "desired #>> '{display,productId}' = 'SKU-1' AND desired #>> "
                                 "'{display,displayText,mr}' = 'Tandul 1'"),
        1);
    json_decref(fleet_fixture_do(x.api, "PUT", "/api/devices/ESP32-BIND01/product",
                                 "{\"productId\":\"SKU-1\"}", 200)); /* again: nothing new */
    json_decref(fleet_fixture_do(x.api, "PUT", "/api/devices/ESP32-BIND01/product",
                                 "{\"productId\":\"SKU-2\"}", 200));
    json_decref(fleet_fixture_do(x.api, "DELETE", "/api/devices/ESP32-BIND01/product", NULL, 200));
    json_decref(fleet_fixture_refused(x.api, "DELETE", "/api/devices/ESP32-BIND01/product", NULL,
                                      409, "NOT_BOUND"));
    json_decref(fleet_fixture_refused(x.api, "PUT", "/api/devices/ESP32-BIND01/product",
                                      "{\"productId\":\"SKU-9999\"}", 404, "PRODUCT_NOT_FOUND"));
    json_decref(fleet_fixture_refused(x.api, "PUT", "/api/devices/ESP32-NOBODY/product",
                                      "{\"productId\":\"SKU-1\"}", 404, "NOT_FOUND"));
    json_t *page = fleet_fixture_do(x.api, "GET", "/api/devices/ESP32-BIND01/bindings", NULL, 200);
    const json_t *items = json_object_get(page, "items");
    assert_int_equal(json_array_size(items), 3);
    assert_true(json_is_null(json_object_get(json_array_get(items, 0), "productId")));
    assert_string_equal(fleet_fixture_string(json_array_get(items, 1), "productId"), "SKU-2");
    assert_string_equal(fleet_fixture_string(json_array_get(items, 2), "changedBy"), "operator");
    json_decref(page);
    assert_int_equal(
        fleet_fixture_number(&x, "SELECT count(*) FROM shadow WHERE device_id = 'ESP32-BIND01' AND "
                                 "desired #>> '{display,template}' = 'unassigned'"),
        1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_label_gets_all_it_needs_to_connect),
        cmocka_unit_test(a_device_is_provisioned_once),
        cmocka_unit_test(every_bad_field_is_listed_and_nothing_is_made),
        cmocka_unit_test(a_retired_device_is_on_the_list_whoever_retires_the_next),
        cmocka_unit_test(a_label_is_bound_rebound_and_freed_with_an_audit),
    };
    if (!fleet_fixture_start(&x)) {
        return 77;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fleet_fixture_stop(&x);
    return failed;
}
