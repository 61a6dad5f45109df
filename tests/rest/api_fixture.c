#include "api_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "telemetry.h"
#include "wire.h"

#define TIMEOUT_MS 30000
#define T0_MS      INT64_C(1795282766123)

uint64_t api_fixture_seed(void)
{
    const char *env = getenv("ENDCAP_SEED");
    uint64_t seed = env != NULL ? strtoull(env, NULL, 10) : (uint64_t)time(NULL);
    print_message("seed %llu\n", (unsigned long long)seed);
    return seed;
}

struct http_client_reply api_fixture_ask(const struct api *api, const char *request)
{
    struct http_client_reply reply = {.status = 0};
    struct err why;
    if (http_client_exchange("127.0.0.1", api_port(api), span_of(request, strlen(request)),
                             TIMEOUT_MS, &reply, &why) != RES_OK) {
        fail_msg("%s", why.text);
    }
    return reply;
}

struct http_client_reply api_fixture_get(const struct api *api, const char *target)
{
    char request[1024];
    (void)snprintf(request, sizeof request,
                   "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", target);
    return api_fixture_ask(api, request);
}

json_t *api_fixture_json(const struct api *api, const char *target)
{
    struct http_client_reply r = api_fixture_get(api, target);
    json_t *value = json_loads(r.body, JSON_REJECT_DUPLICATES, NULL);
    if (r.status != 200 || value == NULL) {
        fail_msg("%s: %s", target, r.text);
    }
    http_client_reply_deinit(&r);
    return value;
}

void api_fixture_is_error(struct http_client_reply reply, unsigned status, const char *code)
{
    json_t *root = json_loads(reply.body, 0, NULL);
    const char *got = NULL;
    const char *message = NULL;
    const char *id = NULL;
    const char *at = NULL;
    json_t *details = NULL;
    if (reply.status != status ||
        json_unpack_ex(root, NULL, JSON_STRICT, "{s:{s:s, s:s, s:o, s:s, s:s}}", "error", "code",
                       &got, "message", &message, "details", &details, "requestId", &id,
                       "timestamp", &at) != 0) {
        fail_msg("not the envelope with %u: %s", status, reply.text);
    }
    if (code != NULL) {
        assert_string_equal(got, code);
    }
    assert_true(id != NULL && strlen(id) == 36);
    json_decref(root);
    http_client_reply_deinit(&reply);
}

/* ---- what is in the stores ---- */

/* Carts 1 to 6 each show one state of the locator. */
static const char carts_sql[] =
    "UPDATE endcap.cart SET firmware = '1.4.2', battery_pct = 80, last_seen_at = now(),"
    " mode = 'idle', x_cm = 100, y_cm = 250;"
    "UPDATE endcap.cart SET battery_pct = 19 WHERE cart_id = 'CART-A003';"
    "UPDATE endcap.cart SET fault_code = 'scanner-jam', fault_at = now(), battery_pct = 5"
    " WHERE cart_id = 'CART-A004';"
    "UPDATE endcap.cart SET fault_code = 'scanner-jam', fault_at = '2026-11-21T16:59:00Z'"
    " WHERE cart_id = 'CART-A001';"
    "UPDATE endcap.cart SET fault_code = 'clock', fault_at = now() - interval '1 minute',"
    " last_boot_at = now() WHERE cart_id = 'CART-A002';"
    "UPDATE endcap.cart SET last_seen_at = now() - interval '4 minutes', mode = 'active'"
    " WHERE cart_id = 'CART-A005';"
    "UPDATE endcap.cart SET maintenance = 'cleaning', maintenance_by = 'night-shift',"
    " maintenance_at = now(), last_seen_at = NULL WHERE cart_id = 'CART-A006';"
    "INSERT INTO endcap.cart_stream (cart_id, epoch, watermark, store_id)"
    " VALUES ('CART-A001', 1, 14, 'STORE-A');"
    "INSERT INTO endcap.command (cart_id, number, store_id, kind, issued_by, expires_at)"
    " VALUES ('CART-A001', 1, 'STORE-A', 'wake', 'test', now() + interval '5 minutes')";

static const char sessions_sql[] =
    "INSERT INTO endcap.session (session_id, cart_id, store_id, epoch, start_counter, end_counter,"
    " last_counter, status, started_at, ended_at, item_count, scan_count, unpriced, total_minor,"
    " currency, computed_item_count, computed_scan_count, computed_total_minor, reconcile_state)"
    " VALUES ('CART-A001.1.10', 'CART-A001', 'STORE-A', 1, 10, 14, 14, 'complete',"
    " '2026-11-21T17:00:00Z', '2026-11-21T17:10:00Z', 1, 3, 0, 10000, 'INR', 1, 3, 10000,"
    " 'reconciled');"
    "INSERT INTO endcap.payment (session_id, store_id, token, amount_minor, currency, status,"
    " outcome, counter, device_time) VALUES ('CART-A001.1.10', 'STORE-A', 'tok_0123456789abcdef',"
    " 10000, 'INR', 'approved', 'accepted', 14, '2026-11-21T17:10:00Z');"
    "INSERT INTO endcap.session (session_id, cart_id, store_id, epoch, start_counter,"
    " last_counter, status, started_at)"
    " VALUES ('CART-A001.1.20', 'CART-A001', 'STORE-A', 1, 20, 20, 'active', now());"
    /* many that started at the same moment: the second key decides */
    "INSERT INTO endcap.session (session_id, cart_id, store_id, epoch, start_counter, end_counter,"
    " last_counter, status, started_at, ended_at)"
    " SELECT 'CART-A002.1.' || n, 'CART-A002', 'STORE-A', 1, n, n + 1, n + 1, 'voided',"
    " timestamptz '2026-11-21T12:00:00Z' + (n / 10) * interval '1 second',"
    " '2026-11-21T13:00:00Z' FROM generate_series(10, 90, 2) n;"
    "INSERT INTO endcap.session (session_id, cart_id, store_id, epoch, start_counter,"
    " last_counter, status, started_at)"
    " VALUES ('CART-B001.1.1', 'CART-B001', 'STORE-B', 1, 1, 1, 'active', now())";

static const char letters_sql[] =
    "INSERT INTO endcap.dead_letter (topic, claimed_device, store_id, reason, body, body_digest)"
    " VALUES ('cart/CART-A001/identify', 'CART-A001', 'STORE-A', 'bad_json',"
    " convert_to('{\"token\":\"4111111111111111\"}', 'UTF8'), sha256('1')),"
    " ('cart/x/scan', '', NULL, 'bad_utf_eight', '\\xff0001', sha256('2'));"
    "INSERT INTO endcap.dead_letter (topic, claimed_device, store_id, reason, body, body_digest)"
    " SELECT 'cart/CART-B001/scan', 'CART-B001', 'STORE-B', 'bad_signature', '\\x7b7d',"
    " sha256(n::text::bytea) FROM generate_series(1, 40) n;"
    "INSERT INTO endcap.alert (store_id, kind, severity, device_id, cause_key, message, created_at)"
    " SELECT CASE n % 3 WHEN 0 THEN NULL WHEN 1 THEN 'STORE-A' ELSE 'STORE-B' END, 'fault',"
    " 'high', 'CART-A004', 'fault:' || n, 'The scanner is jammed.',"
    " timestamptz '2026-11-21T12:00:00.000001Z' + (n / 5) * interval '1 second'"
    " FROM generate_series(1, 40) n;"
    "INSERT INTO endcap.process_metric (process, instance, name, labels, kind, value,"
    " updated_at) VALUES ('ingest', 'ingest-1', 'ingest_stored_total',"
    " '{\"topic\": \"a\\\"b\\\\c\\nd\"}', 'counter', 42, now() + interval '1 hour'),"
    " ('ingest', 'ingest-1', 'endcap_ingest_lag_seconds_bucket', '{\"le\": \"+Inf\"}',"
    " 'histogram', 3, now()),"
    " ('ingest', 'ingest-1', 'ingest_broker_connected', '{}', 'gauge', 1, now()),"
    " ('ingest', 'ingest-1', 'endcap_ingest_lag_seconds_count', '{}', 'histogram', 3, now()),"
    " ('ingest', 'ingest-1', 'endcap_ingest_lag_seconds_sum', '{}', 'histogram', 0.5, now())";

static void fill_database(struct api_fixture *x)
{
    struct pg_conn *su = pg_fixture_superuser(&x->pg);
    pg_fixture_store(su, "STORE-A");
    pg_fixture_store(su, "STORE-B");
    for (int i = 1; i <= 30; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "CART-A%03d", i);
        pg_fixture_cart(su, "STORE-A", id);
    }
    pg_fixture_cart(su, "STORE-B", "CART-B001");
    pg_fixture_sql(su, carts_sql);
    pg_fixture_sql(su, sessions_sql);
    pg_fixture_sql(su, letters_sql);
    pg_conn_close(su);
}

/* Two items, one of them taken out again: 45.50, 145.50, 100.00. */
static struct wire_event scan_of(int i)
{
    static const int64_t prices[] = {4550, 10000, 4550};
    static const int64_t quantities[] = {1, 1, -1};
    return (struct wire_event){.type = WIRE_SCAN,
                               .cart_id = SPAN_LIT("CART-A001"),
                               .epoch = 1,
                               .counter = 11 + i,
                               .time_ms = T0_MS + i * 1000,
                               .scan = {.session_id = SPAN_LIT("CART-A001.1.10"),
                                        .line = 1 + i % 2,
                                        .gtin = SPAN_LIT("4006381333931"),
                                        .sku = SPAN_LIT("SKU-1"),
                                        .quantity = quantities[i],
                                        .price = prices[i],
                                        .currency = SPAN_LIT("INR"),
                                        .price_source = WIRE_PRICE_CACHE,
                                        .measure_g = WIRE_ABSENT,
                                        .weight_expected_g = 250,
                                        .weight_delta_g = 251,
                                        .weight = WIRE_WEIGHT_OK,
                                        .resolves = WIRE_ABSENT}};
}

static bool fill_telemetry(const char *directory)
{
    static uint8_t bodies[3][WIRE_EVENT_BYTES_MAX];
    static const uint8_t signature[WIRE_SIGNATURE_BYTES];
    struct telemetry_event events[43];
    struct err why;
    for (int i = 0; i < 43; i++) {
        struct wire_event e = scan_of(i % 3);
        struct sink s;
        sink_init(&s, bodies[i % 3], sizeof bodies[0]);
        if (wire_event_encode(&e, &s) != RES_OK) {
            print_error("a scan cannot be encoded\n");
            return false;
        }
        events[i] =
            (struct telemetry_event){.device_id = i <= 3 ? e.cart_id : SPAN_LIT("CART-A002"),
                                     .store_id = SPAN_LIT("STORE-A"),
                                     .session_id = i < 3    ? e.scan.session_id
                                                   : i == 3 ? SPAN_LIT("CART-A001.1.5")
                                                            : SPAN_NONE,
                                     .type = WIRE_SCAN,
                                     .epoch = 1,
                                     .counter = i < 3    ? e.counter
                                                : i == 3 ? 14
                                                         : 1000 + i,
                                     .device_time_ms = T0_MS + (i / 4) * 1000,
                                     .received_ms = T0_MS + 5000,
                                     .body = sink_span(&s),
                                     .signature = span_of(signature, sizeof signature)};
    }
    struct telemetry *t = NULL;
    telemetry_position position;
    const struct telemetry_settings settings = {directory, "ingest-1", TELEMETRY_SYNC_OFF};
    enum res r = telemetry_open(&settings, &t, &why);
    if (r == RES_OK) {
        r = telemetry_append(t, events, 43, T0_MS + 5000, &position, &why);
        telemetry_close(t);
    }
    if (r != RES_OK) {
        print_error("%s\n", why.text);
    }
    return r == RES_OK;
}

bool api_fixture_possible(struct api_fixture *x)
{
    return pg_fixture_start(&x->pg, PG_FIXTURE_FAST);
}

bool api_fixture_start(struct api_fixture *x)
{
    static char telemetry[160];
    struct err why;
    (void)snprintf(telemetry, sizeof telemetry, "%s/telemetry", x->pg.directory);
    fill_database(x);
    if (!fill_telemetry(telemetry)) {
        return false;
    }
    struct api_settings settings = {.address = "127.0.0.1",
                                    .workers = 4,
                                    .place = x->pg.place,
                                    .telemetry_directory = telemetry};
    enum res r = api_start(&settings, &x->api, &why);
    settings.stores = "STORE-B";
    if (r == RES_OK) {
        r = api_start(&settings, &x->api_of_b, &why);
    }
    if (r != RES_OK) {
        print_error("%s\n", why.text);
    }
    return r == RES_OK;
}

void api_fixture_stop(struct api_fixture *x)
{
    api_stop(x->api);
    api_stop(x->api_of_b);
    pg_fixture_stop(&x->pg);
}
