/* Devices join, are bound, move and leave over REST. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "file.h"
#include "fleet_fixture.h"
#include "pki_identity.h"
#include "rng.h"

/* Labels bound by one table; the most a table may have takes a busy machine too long. */
#define MANY 3000

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

static void *bind_it(void *context)
{
    json_decref(fleet_fixture_do(x.api, "PUT", context, "{\"productId\":\"SKU-2\"}", 200));
    return NULL;
}

static void *retire_it(void *context)
{
    json_decref(fleet_fixture_do(x.api, "DELETE", context, NULL, 200));
    return NULL;
}

/* Runs `work` on the device while a transaction of ours holds what `lock` names and goes on with
 * `then`. */
static void meanwhile(void *(*work)(void *context), char *target, const char *lock,
                      const char *then)
{
    pthread_t other;
    pg_fixture_sql(x.su, "BEGIN");
    pg_fixture_sql(x.su, lock);
    assert_int_equal(pthread_create(&other, NULL, work, target), 0);
    int64_t give_up_ms = clock_monotonic_ms() + 10000;
    while (fleet_fixture_number(&x, "SELECT count(*) FROM pg_locks WHERE NOT granted") == 0) {
        assert_true(clock_monotonic_ms() < give_up_ms);
    }
    pg_fixture_sql(x.su, then);
    pg_fixture_sql(x.su, "COMMIT");
    assert_int_equal(pthread_join(other, NULL), 0);
}

static void what_is_given_to_a_label_that_just_retires_is_taken_back(void **state)
{
    (void)state;
    static char target[] = "/api/devices/ESP32-GONE07";
    json_decref(make_label("ESP32-GONE07", "STORE-A"));
    meanwhile(retire_it, target, "SELECT FROM shadow WHERE device_id = 'ESP32-GONE07' FOR UPDATE",
              "INSERT INTO delivery (label_id, store_id, kind, version, body) VALUES "
              "('ESP32-GONE07', 'STORE-A', 'flash', 1, '{}')");
    assert_int_equal(fleet_fixture_number(&x, "SELECT count(*) FROM delivery WHERE label_id = "
                                              "'ESP32-GONE07' AND finished_at IS NULL"),
                     0);
}

/* A change of the price holds the item; what it sends refers to the label. */
static void binding_a_label_and_a_price_never_wait_for_each_other(void **state)
{
    (void)state;
    static char target[] = "/api/devices/ESP32-BIND07/product";
    json_decref(make_label("ESP32-BIND07", "STORE-A"));
    meanwhile(bind_it, target,
              "SELECT FROM item WHERE store_id = 'STORE-A' AND sku = 'SKU-2' FOR UPDATE",
              "INSERT INTO delivery (label_id, store_id, kind, version, body) VALUES "
              "('ESP32-BIND07', 'STORE-A', 'flash', 1, '{}')");
}

static void many_labels_are_bound_at_once_or_none(void **state)
{
    (void)state;
    pg_fixture_sql(x.su, "INSERT INTO label (label_id, store_id) SELECT 'ESP32-B' || lpad(n::text, "
                         "5, '0'), 'STORE-A' FROM generate_series(0, 2999) n");
    size_t room = 600000;
    char *body = malloc(room);
    assert_non_null(body);
    size_t used = (size_t)snprintf(body, room, "{\"storeId\":\"STORE-A\",\"bindings\":[");
    for (int i = 0; i < MANY; i++) {
        used += (size_t)snprintf(body + used, room - used,
                                 "%s{\"deviceId\":\"ESP32-B%05d\",\"productId\":\"SKU-%d\"}",
                                 i == 0 ? "" : ",", i, 1 + i % 40);
    }
    (void)snprintf(body + used, room - used, "]}");
    json_t *done = fleet_fixture_do(x.api, "POST", "/api/devices/bind", body, 200);
    assert_int_equal(json_integer_value(json_object_get(done, "changed")), MANY);
    assert_int_equal(json_integer_value(json_object_get(done, "deliveries")), MANY);
    json_decref(done);
    assert_int_equal(fleet_fixture_number(&x, "SELECT count(*) FROM label_binding WHERE label_id ~ "
                                              "'^ESP32-B[0-9]{5}$' AND item_id IS NOT NULL"),
                     MANY);
    done = fleet_fixture_do(x.api, "POST", "/api/devices/bind", body, 200);
    assert_int_equal(json_integer_value(json_object_get(done, "changed")), 0);
    json_decref(done);
    free(body);
    /* and as CSV; one bad row and nothing is done */
    unsigned status = 0;
    done = fleet_fixture_ask(x.api, "POST", "/api/devices/bind?storeId=STORE-A", "text/csv",
                             "productId,deviceId\nSKU-7,ESP32-B00000\nSKU-8,ESP32-B00001\n", false,
                             &status);
    assert_int_equal(status, 200);
    assert_int_equal(json_integer_value(json_object_get(done, "changed")), 2);
    json_decref(done);
    done = fleet_fixture_ask(x.api, "POST", "/api/devices/bind?storeId=STORE-A", "text/csv",
                             "deviceId,productId\nESP32-B00000,SKU-9\nESP32-NOBODY,SKU-9\n"
                             "ESP32-B00002,SKU-999\nESP32-B00003,\nESP32-B00004,SKU-1\n"
                             "ESP32-B00004,SKU-2\n",
                             false, &status);
    assert_int_equal(status, 400);
    json_t *details = json_object_get(json_object_get(done, "error"), "details");
    assert_true(names(details, "productId"));
    json_decref(done);
    assert_int_equal(fleet_fixture_number(&x, "SELECT count(*) FROM label l JOIN item i USING "
                                              "(item_id) WHERE label_id = 'ESP32-B00000' AND sku = "
                                              "'SKU-7'"),
                     1);
    json_t *wrong = fleet_fixture_refused(
        x.api, "POST", "/api/devices/bind",
        "{\"storeId\":\"STORE-A\",\"bindings\":[{\"deviceId\":\"ESP32-B00000\",\"productId\":"
        "\"SKU-1\"},{\"deviceId\":\"ESP32-NOBODY\",\"productId\":\"SKU-1\"},{\"deviceId\":"
        "\"ESP32-B00002\",\"productId\":\"SKU-999\"},{\"deviceId\":\"ESP32-B00000\","
        "\"productId\":\"SKU-2\"}]}",
        400, "INVALID_PARAMETER");
    assert_int_equal(json_array_size(wrong), 4); /* both of the twins */
    json_decref(wrong);
    json_decref(fleet_fixture_refused(
        x.api_of_b, "POST", "/api/devices/bind",
        "{\"storeId\":\"STORE-A\",\"bindings\":[{\"deviceId\":\"ESP32-B00000\",\"productId\":"
        "\"SKU-1\"}]}",
        400, "INVALID_PARAMETER"));
}

static void a_label_moves_within_its_stores_layout(void **state)
{
    (void)state;
    json_decref(make_label("ESP32-MOVE01", "STORE-B")); /* aisles A1 (S1) and A2 */
    json_decref(fleet_fixture_do(x.api, "PUT", "/api/stores/STORE-B/sections/A2",
                                 "{\"language\":\"ta\"}", 200));
    json_t *d = fleet_fixture_do(x.api, "PUT", "/api/devices/ESP32-MOVE01/location",
                                 "{\"aisle\":\"A2\",\"shelf\":\"S5\",\"position\":\"1\"}", 200);
    assert_string_equal(fleet_fixture_string(json_object_get(d, "location"), "shelf"), "S5");
    assert_string_equal(fleet_fixture_string(d, "language"), "ta");
    json_decref(d);
    assert_int_equal(
        fleet_fixture_number(&x, "SELECT count(*) FROM shadow WHERE device_id = 'ESP32-MOVE01' AND "
                                 "desired #>> '{config,language}' = 'ta' AND desired #>> "
                                 "'{config,location,shelf}' = 'S5' AND desired #>> "
                                 "'{display,language}' = 'ta'"),
        1);
    json_decref(fleet_fixture_refused(x.api, "PUT", "/api/devices/ESP32-MOVE01/location",
                                      "{\"aisle\":\"A7\"}", 400, "INVALID_PARAMETER"));
    json_decref(fleet_fixture_refused(x.api, "PUT", "/api/devices/ESP32-MOVE01/location",
                                      "{\"aisle\":\"A1\",\"position\":\"1\"}", 400,
                                      "INVALID_PARAMETER"));
    json_decref(fleet_fixture_refused(x.api, "PUT", "/api/devices/CART-NONE/location",
                                      "{\"aisle\":\"A1\"}", 404, "NOT_FOUND"));
    json_decref(fleet_fixture_do(x.api, "POST", "/api/gateways",
                                 "{\"gatewayId\":\"GW-MOVE\",\"storeId\":\"STORE-B\"}", 201));
    d = fleet_fixture_do(x.api, "PUT", "/api/devices/ESP32-MOVE01/gateway",
                         "{\"gatewayId\":\"GW-MOVE\"}", 200);
    assert_string_equal(fleet_fixture_string(d, "gatewayId"), "GW-MOVE");
    json_decref(d);
    json_decref(fleet_fixture_refused(x.api, "PUT", "/api/devices/ESP32-NEW001/gateway",
                                      "{\"gatewayId\":\"GW-MOVE\"}", 400, "INVALID_PARAMETER"));
    d = fleet_fixture_do(x.api, "PUT", "/api/devices/ESP32-MOVE01/gateway", "{}", 200);
    assert_true(json_is_null(json_object_get(d, "gatewayId")));
    json_decref(d);
}

static void with_a_request_of_its_own_no_private_key_leaves_the_device(void **state)
{
    (void)state;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509_REQ *request = X509_REQ_new();
    assert_int_equal(X509_REQ_set_pubkey(request, key), 1);
    assert_true(X509_REQ_sign(request, key, EVP_sha256()) > 0);
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_X509_REQ(bio, request), 1);
    char *pem = NULL;
    long size = BIO_get_mem_data(bio, &pem);
    json_t *body = json_pack("{s:s, s:s, s:s, s:s#}", "kind", "cart", "storeId", "STORE-A",
                             "hardwareSerial", "HW-0042", "csr", pem, (int)size);
    char *text = json_dumps(body, 0);
    json_t *made = fleet_fixture_do(x.api, "POST", "/api/devices", text, 201);
    assert_true(json_is_null(json_object_get(made, "privateKey")));
    X509 *certificate = parse(fleet_fixture_string(made, "certificate"));
    assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(certificate), key), 1);
    assert_int_equal(fleet_fixture_number(&x, "SELECT count(*) FROM cart WHERE serial = 'HW-0042'"),
                     1);
    json_decref(fleet_fixture_refused(x.api, "POST", "/api/devices",
                                      "{\"kind\":\"cart\",\"storeId\":\"STORE-A\","
                                      "\"hardwareSerial\":\"HW-0042\"}",
                                      409, "SERIAL_TAKEN"));
    X509_free(certificate);
    json_decref(made);
    free(text);
    json_decref(body);
    BIO_free(bio);
    X509_REQ_free(request);
    EVP_PKEY_free(key);
}

/* ---- lists ---- */

static size_t listed(const char *query)
{
    char target[200];
    (void)snprintf(target, sizeof target, "/api/devices?limit=1000&%s", query);
    json_t *page = fleet_fixture_do(x.api, "GET", target, NULL, 200);
    size_t n = json_array_size(json_object_get(page, "items"));
    json_decref(page);
    return n;
}

static void devices_are_filtered_by_what_they_are(void **state)
{
    (void)state;
    pg_fixture_sql(
        x.su,
        "INSERT INTO label (label_id, store_id, aisle, language, battery_pct, online, item_id) "
        "SELECT 'ESP32-L' || lpad(n::text, 5, '0'), 'STORE-B', 'F' || n % 3, CASE WHEN n % 5 = 0 "
        "THEN 'bn' END, n % 100, n % 2 = 0, (SELECT item_id FROM item WHERE store_id = 'STORE-B' "
        "AND sku = 'SKU-' || (1 + n % 10)) FROM generate_series(0, 299) n");
    assert_int_equal(listed("q=ESP32-L00"), 300);
    assert_int_equal(listed("q=ESP32-L00&storeId=STORE-A"), 0);
    assert_int_equal(listed("q=ESP32-L00&aisle=F1"), 100);
    assert_int_equal(listed("q=ESP32-L00&language=bn"), 60);
    assert_int_equal(listed("q=ESP32-L00&language=mr"), 240);
    assert_int_equal(listed("q=ESP32-L00&batteryBelow=20"), 60);
    assert_int_equal(listed("q=ESP32-L00&state=online"), 150);
    assert_int_equal(listed("q=ESP32-L00&state=offline"), 150);
    assert_int_equal(listed("q=ESP32-L00&productId=SKU-3"), 30);
    assert_int_equal(listed("q=ESP32-L00&kind=cart"), 0);
    assert_int_equal(listed("q=ESP32-L00&kind=label&aisle=F2&state=online&batteryBelow=50"), 25);
    assert_int_equal(listed("q=CART-&kind=cart&storeId=STORE-A"), 1);
    json_t *page =
        fleet_fixture_do(x.api_of_b, "GET", "/api/devices?q=ESP32-B0&limit=1000", NULL, 200);
    assert_int_equal(json_array_size(json_object_get(page, "items")), 0);
    json_decref(page);
}

static void sorted_pages_joined_are_the_whole(void **state)
{
    (void)state;
    static const char *const sorts[] = {"id", "battery", "lastSeen"};
    pg_fixture_sql(x.su, "UPDATE label SET last_seen_at = '2026-11-21T00:00:00Z'::timestamptz + "
                         "(battery_pct % 7) * interval '1 hour' WHERE label_id LIKE 'ESP32-L%' AND "
                         "battery_pct % 11 > 0");
    struct rng rng;
    rng_init(&rng, fleet_fixture_seed());
    for (int round = 0; round < 30; round++) {
        const char *sort = sorts[round % 3];
        char target[600];
        char cursor[400] = "";
        char last[64] = "";
        int64_t last_battery = -1;
        size_t seen = 0;
        do {
            (void)snprintf(target, sizeof target, "/api/devices?q=ESP32-L00&sort=%s&limit=%d%s%s",
                           sort, 20 + (int)rng_below(&rng, 150), cursor[0] ? "&cursor=" : "",
                           cursor);
            json_t *page = fleet_fixture_do(x.api, "GET", target, NULL, 200);
            size_t i = 0;
            json_t *one = NULL;
            json_array_foreach(json_object_get(page, "items"), i, one)
            {
                int64_t battery = json_integer_value(json_object_get(one, "batteryLevel"));
                char key[64];
                (void)snprintf(key, sizeof key, "%s",
                               round % 3 == 2 ? fleet_fixture_string(one, "lastSeen")
                                              : fleet_fixture_string(one, "deviceId"));
                assert_true(round % 3 == 1 ? battery >= last_battery : strcmp(key, last) >= 0);
                last_battery = battery;
                (void)snprintf(last, sizeof last, "%s", key);
                seen++;
            }
            (void)snprintf(cursor, sizeof cursor, "%s", fleet_fixture_string(page, "nextCursor"));
            json_decref(page);
        } while (cursor[0] != '\0');
        assert_int_equal(seen, 300);
    }
}

static void carts_and_labels_make_one_list(void **state)
{
    (void)state;
    pg_fixture_sql(x.su, "INSERT INTO cart (cart_id, store_id, serial) SELECT 'CART-C' || lpad("
                         "n::text, 3, '0'), 'STORE-A', 'C' || n FROM generate_series(1, 150) n");
    char cursor[400] = "";
    char target[600];
    char last[64] = "";
    int64_t seen = 0;
    do {
        (void)snprintf(target, sizeof target, "/api/devices?limit=%d%s%s", seen < 300 ? 50 : 1000,
                       cursor[0] ? "&cursor=" : "", cursor);
        json_t *page = fleet_fixture_do(x.api, "GET", target, NULL, 200);
        size_t i = 0;
        json_t *one = NULL;
        json_array_foreach(json_object_get(page, "items"), i, one)
        {
            assert_true(strcmp(fleet_fixture_string(one, "deviceId"), last) > 0);
            (void)snprintf(last, sizeof last, "%s", fleet_fixture_string(one, "deviceId"));
            seen++;
        }
        (void)snprintf(cursor, sizeof cursor, "%s", fleet_fixture_string(page, "nextCursor"));
        json_decref(page);
    } while (cursor[0] != '\0');
    assert_int_equal(seen, fleet_fixture_number(&x, "SELECT count(*) FROM device"));
}

static void without_a_certificate_authority_nothing_is_provisioned(void **state)
{
    (void)state;
    struct api *bare = NULL;
    struct err why = {""};
    const struct api_settings settings = {.address = "127.0.0.1",
                                          .workers = 1,
                                          .place = x.pg.place,
                                          .telemetry_directory = x.pg.directory};
    assert_int_equal(api_start(&settings, &bare, &why), RES_OK);
    json_decref(fleet_fixture_refused(bare, "POST", "/api/devices",
                                      "{\"kind\":\"label\",\"storeId\":\"STORE-A\"}", 503,
                                      "UNAVAILABLE"));
    api_stop(bare);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_label_gets_all_it_needs_to_connect),
        cmocka_unit_test(a_device_is_provisioned_once),
        cmocka_unit_test(every_bad_field_is_listed_and_nothing_is_made),
        cmocka_unit_test(a_retired_device_is_on_the_list_whoever_retires_the_next),
        cmocka_unit_test(a_label_is_bound_rebound_and_freed_with_an_audit),
        cmocka_unit_test(what_is_given_to_a_label_that_just_retires_is_taken_back),
        cmocka_unit_test(binding_a_label_and_a_price_never_wait_for_each_other),
        cmocka_unit_test(many_labels_are_bound_at_once_or_none),
        cmocka_unit_test(a_label_moves_within_its_stores_layout),
        cmocka_unit_test(with_a_request_of_its_own_no_private_key_leaves_the_device),
        cmocka_unit_test(devices_are_filtered_by_what_they_are),
        cmocka_unit_test(sorted_pages_joined_are_the_whole),
        cmocka_unit_test(carts_and_labels_make_one_list),
        cmocka_unit_test(without_a_certificate_authority_nothing_is_provisioned),
    };
    if (!fleet_fixture_start(&x)) {
        return 77;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fleet_fixture_stop(&x);
    return failed;
}
