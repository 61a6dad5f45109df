/* The server's picture of a label is the label's own, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_fixture.h"
#include "ecdsa.h"
#include "face.h"

#define SQL_BYTES 4096

static struct api_fixture x;
static struct pg_conn *super;

static const struct shelf_display tea = {
    .device_id = SPAN_LIT("ESP32-TEA001"),
    .update_id = SPAN_LIT("0f8fad5b-d9cb-469f-a165-70867728950e"),
    .version = 3,
    .template = SHELF_SALE,
    .language = SHELF_HI,
    .product_id = SPAN_LIT("TEA-250"),
    .name = SPAN_LIT("दार्जिलिंग चाय 250 g"),
    .name_en = SPAN_LIT("Darjeeling Tea 250 g"),
    .price_minor = 14900,
    .regular_minor = 19900,
    .mrp_minor = 21000,
    .currency = "INR",
    .is_flash_sale = true,
    .url = SPAN_LIT("https://endcap.local/p/tea250"),
    .timestamp_ms = 1795255200000,
};

static void digest_of(const struct shelf_display *d, uint8_t ret[SHELF_DIGEST_BYTES])
{
    char text[SHELF_CANONICAL_BYTES];
    struct sink s;
    sink_init(&s, text, sizeof text);
    shelf_display_canonical(d, &s);
    assert_false(s.overflow);
    assert_int_equal(ecdsa_sha256(sink_span(&s), ret), RES_OK);
}

/* What the database is told of a label: what it shall show, and what it confirmed. */
static void put(const struct shelf_display *desired, const struct shelf_display *shown)
{
    char json[SHELF_DOWN_BYTES_MAX];
    char sql[SQL_BYTES + SHELF_DOWN_BYTES_MAX];
    char hex[2 * SHELF_DIGEST_BYTES];
    uint8_t digest[SHELF_DIGEST_BYTES];
    struct shelf_display d = *desired;
    struct sink s;
    digest_of(&d, d.digest);
    sink_init(&s, json, sizeof json);
    shelf_display_encode(&d, &s);
    assert_false(s.overflow);
    (void)snprintf(sql, sizeof sql,
                   "UPDATE endcap.shadow SET desired = jsonb_build_object('display', "
                   "'%.*s'::jsonb) WHERE device_id = 'ESP32-TEA001'",
                   (int)s.size, json);
    pg_fixture_sql(super, sql);
    digest_of(shown, digest);
    sink_init(&s, hex, sizeof hex);
    sink_hex(&s, span_of(digest, sizeof digest));
    (void)snprintf(sql, sizeof sql,
                   "UPDATE endcap.label SET shown_digest = '\\x%.*s', shown_price_minor = %lld "
                   "WHERE label_id = 'ESP32-TEA001'",
                   (int)s.size, hex, (long long)shown->price_minor);
    pg_fixture_sql(super, sql);
}

static void shows(const char *target, const struct shelf_display *d)
{
    struct face_picture picture;
    uint8_t *png = NULL;
    size_t size = 0;
    struct err why = {""};
    char type[64];
    if (face_draw(d, &picture, &why) != RES_OK || face_png(&picture, &png, &size, &why) != RES_OK) {
        fail_msg("%s", why.text);
    }
    struct http_client_reply r = api_fixture_get(x.api, target);
    assert_int_equal(r.status, 200);
    assert_int_equal(http_client_header(&r, "content-type", type, sizeof type), RES_OK);
    assert_string_equal(type, "image/png");
    assert_int_equal(r.body_size, size);
    assert_memory_equal(r.body, png, size);
    free(png);
    http_client_reply_deinit(&r);
}

static void draws_what_the_label_draws(void **state)
{
    (void)state;
    put(&tea, &tea);
    shows("/api/devices/ESP32-TEA001/preview.png", &tea);
    shows("/api/devices/ESP32-TEA001/preview.png?state=desired", &tea);
    shows("/api/devices/ESP32-TEA001/preview.png?state=shown", &tea);
}

static void shows_the_price_that_the_label_confirmed(void **state)
{
    (void)state;
    struct shelf_display before = tea;
    before.price_minor = 15900;
    put(&tea, &before);
    shows("/api/devices/ESP32-TEA001/preview.png", &tea);
    shows("/api/devices/ESP32-TEA001/preview.png?state=shown", &before);
}

static void does_not_guess_what_a_label_shows(void **state)
{
    (void)state;
    struct shelf_display before = tea;
    before.name = SPAN_LIT("चाय");
    put(&tea, &before);
    api_fixture_is_error(
        api_fixture_get(x.api, "/api/devices/ESP32-TEA001/preview.png?state=shown"), 404,
        "NOTHING_TO_SHOW");
}

static void says_that_there_is_nothing(void **state)
{
    (void)state;
    api_fixture_is_error(api_fixture_get(x.api, "/api/devices/ESP32-NEW001/preview.png"), 404,
                         "NOTHING_TO_SHOW");
    api_fixture_is_error(
        api_fixture_get(x.api, "/api/devices/ESP32-NEW001/preview.png?state=shown"), 404,
        "NOTHING_TO_SHOW");
    api_fixture_is_error(api_fixture_get(x.api, "/api/devices/ESP32-NONE01/preview.png"), 404,
                         "NOT_FOUND");
    api_fixture_is_error(api_fixture_get(x.api, "/api/devices/ESP32-TEA001/preview.png?state=x"),
                         400, NULL);
    api_fixture_is_error(api_fixture_get(x.api, "/api/devices/ESP32-'--/preview.png"), 400, NULL);
}

static void another_store_is_not_there(void **state)
{
    (void)state;
    put(&tea, &tea);
    api_fixture_is_error(api_fixture_get(x.api_of_b, "/api/devices/ESP32-TEA001/preview.png"), 404,
                         "NOT_FOUND");
}

static int start(void **state)
{
    (void)state;
    if (!api_fixture_start(&x)) {
        return -1;
    }
    super = pg_fixture_superuser(&x.pg);
    pg_fixture_sql(super, "INSERT INTO endcap.label (label_id, store_id) VALUES "
                          "('ESP32-TEA001', 'STORE-A'), ('ESP32-NEW001', 'STORE-A');"
                          "INSERT INTO endcap.shadow (device_id, store_id) VALUES "
                          "('ESP32-TEA001', 'STORE-A')");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    pg_conn_close(super);
    api_fixture_stop(&x);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_what_the_label_draws),
        cmocka_unit_test(shows_the_price_that_the_label_confirmed),
        cmocka_unit_test(does_not_guess_what_a_label_shows),
        cmocka_unit_test(says_that_there_is_nothing),
        cmocka_unit_test(another_store_is_not_there),
    };
    if (!api_fixture_possible(&x)) {
        return 77;
    }
    return cmocka_run_group_tests(tests, start, stop);
}
