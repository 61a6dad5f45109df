#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "broker_acl.h"
#include "broker_config.h"
#include "broker_revoked.h"

static const struct broker_identity cart = {
    .kind = BROKER_CART, .id = SPAN_LIT("CART-0001"), .store_id = SPAN_LIT("STORE-1")};
static const struct broker_identity ingest = {.kind = BROKER_INGEST,
                                              .id = SPAN_LIT("service:ingest")};
static const struct broker_identity worker = {.kind = BROKER_WORKER,
                                              .id = SPAN_LIT("service:worker")};

static bool may(const struct broker_identity *who, enum broker_action action, const char *topic)
{
    return broker_acl_find(who, action, span_of(topic, strlen(topic)), false) != NULL;
}

static void grants_a_cart_its_own_topics_only(void **state)
{
    (void)state;
    assert_true(may(&cart, BROKER_PUBLISH, "cart/CART-0001/scan"));
    assert_false(may(&cart, BROKER_PUBLISH, "cart/CART-0002/scan"));
    assert_false(may(&cart, BROKER_PUBLISH, "cart/{id}/scan"));
    assert_false(may(&cart, BROKER_PUBLISH, "cart/CART-0001/command"));
    assert_false(may(&cart, BROKER_PUBLISH, "cart/CART-0001/scan/"));
    assert_false(may(&cart, BROKER_PUBLISH, "cart/CART-0001"));
    assert_false(may(&cart, BROKER_PUBLISH, "/cart/CART-0001/scan"));
    assert_false(may(&cart, BROKER_PUBLISH, "cart//scan"));
    assert_false(may(&cart, BROKER_PUBLISH, ""));
    assert_true(may(&cart, BROKER_SUBSCRIBE, "cart/CART-0001/command"));
    assert_false(may(&cart, BROKER_SUBSCRIBE, "cart/+/command"));
    assert_false(may(&cart, BROKER_SUBSCRIBE, "cart/CART-0001/+"));
    assert_false(may(&cart, BROKER_SUBSCRIBE, "cart/CART-0001/#"));
}

static void grants_a_cart_its_stores_catalogue(void **state)
{
    (void)state;
    assert_true(may(&cart, BROKER_SUBSCRIBE, "store/STORE-1/catalogue/+"));
    assert_false(may(&cart, BROKER_SUBSCRIBE, "store/STORE-1/catalogue/3"));
    assert_false(may(&cart, BROKER_SUBSCRIBE, "store/+/catalogue/+"));
    assert_false(may(&cart, BROKER_SUBSCRIBE, "store/STORE-2/catalogue/+"));
    assert_true(may(&cart, BROKER_RECEIVE, "store/STORE-1/catalogue/3"));
    assert_false(may(&cart, BROKER_RECEIVE, "store/STORE-1/catalogue/3/4"));
    assert_false(may(&cart, BROKER_RECEIVE, "store/STORE-2/catalogue/3"));
    assert_false(may(&cart, BROKER_PUBLISH, "store/STORE-1/catalogue/3"));
}

static const struct broker_identity label = {
    .kind = BROKER_LABEL, .id = SPAN_LIT("ESP32-AB12CD"), .store_id = SPAN_LIT("STORE-1")};

static void grants_a_label_its_own_topics_only(void **state)
{
    (void)state;
    assert_true(may(&label, BROKER_PUBLISH, "smartshelf/ESP32-AB12CD/ack"));
    assert_true(may(&label, BROKER_PUBLISH, "smartshelf/ESP32-AB12CD/shadow/get"));
    assert_false(may(&label, BROKER_PUBLISH, "smartshelf/ESP32-AB12CE/ack"));
    assert_false(may(&label, BROKER_PUBLISH, "smartshelf/ESP32-AB12CD/price/update"));
    assert_false(may(&label, BROKER_PUBLISH, "smartshelf/ESP32-AB12CD/shadow/get/accepted"));
    assert_false(may(&label, BROKER_PUBLISH, "presence/ESP32-AB12CD"));
    assert_true(may(&label, BROKER_SUBSCRIBE, "smartshelf/ESP32-AB12CD/price/update"));
    assert_true(may(&label, BROKER_RECEIVE, "smartshelf/ESP32-AB12CD/shadow/delta"));
    assert_false(may(&label, BROKER_SUBSCRIBE, "smartshelf/ESP32-AB12CE/price/update"));
    assert_false(may(&label, BROKER_SUBSCRIBE, "smartshelf/+/price/update"));
    assert_false(may(&label, BROKER_SUBSCRIBE, "smartshelf/ESP32-AB12CD/#"));
    assert_false(may(&label, BROKER_SUBSCRIBE, "presence/+"));
}

static void gives_ingest_what_labels_say_and_worker_what_they_are_told(void **state)
{
    (void)state;
    static const char *const heard[] = {"status", "ack", "shadow/get", "shadow/update"};
    static const char *const told[] = {"price/update", "config/update", "flash/command",
                                       "shadow/delta"};
    for (size_t i = 0; i < 4; i++) {
        char topic[64];
        (void)snprintf(topic, sizeof topic, "smartshelf/ESP32-AB12CD/%s", heard[i]);
        assert_true(may(&ingest, BROKER_RECEIVE, topic));
        assert_false(may(&ingest, BROKER_PUBLISH, topic));
        assert_false(may(&worker, BROKER_PUBLISH, topic));
        assert_false(may(&worker, BROKER_RECEIVE, topic));
        (void)snprintf(topic, sizeof topic, "smartshelf/ESP32-AB12CD/%s", told[i]);
        assert_true(may(&worker, BROKER_PUBLISH, topic));
        assert_null(broker_acl_find(&worker, BROKER_PUBLISH, span_of(topic, strlen(topic)), true));
        assert_false(may(&ingest, BROKER_PUBLISH, topic));
        assert_false(may(&ingest, BROKER_RECEIVE, topic));
    }
    assert_true(may(&ingest, BROKER_PUBLISH, "smartshelf/ESP32-AB12CD/shadow/get/accepted"));
    assert_false(may(&worker, BROKER_PUBLISH, "smartshelf/ESP32-AB12CD/shadow/get/accepted"));
    assert_true(may(&ingest, BROKER_SUBSCRIBE, "$share/ingest/presence/+"));
    assert_true(may(&ingest, BROKER_RECEIVE, "presence/CART-0001"));
    assert_false(may(&ingest, BROKER_PUBLISH, "presence/CART-0001"));
    assert_false(may(&worker, BROKER_PUBLISH, "presence/CART-0001"));
    assert_false(may(&cart, BROKER_PUBLISH, "presence/CART-0001"));
}

static void grants_nothing_to_an_identity_without_id_or_store(void **state)
{
    (void)state;
    const struct broker_identity nobody = {.kind = BROKER_CART};
    assert_false(may(&nobody, BROKER_PUBLISH, "cart//scan"));
    assert_false(may(&nobody, BROKER_SUBSCRIBE, "store//catalogue/+"));
}

static void gives_ingest_events_but_not_its_own_answers(void **state)
{
    (void)state;
    assert_true(may(&ingest, BROKER_SUBSCRIBE, "$share/ingest/cart/+/+"));
    assert_false(may(&ingest, BROKER_SUBSCRIBE, "cart/+/+"));
    assert_false(may(&ingest, BROKER_SUBSCRIBE, "$share/other/cart/+/+"));
    assert_true(may(&ingest, BROKER_RECEIVE, "cart/CART-0001/boot"));
    assert_false(may(&ingest, BROKER_RECEIVE, "cart/CART-0001/response"));
    assert_true(may(&ingest, BROKER_PUBLISH, "cart/CART-0001/response"));
    assert_false(may(&ingest, BROKER_PUBLISH, "cart/+/response"));
    assert_false(may(&ingest, BROKER_PUBLISH, "cart/CART-0001/command"));
}

static void lets_only_the_worker_retain_and_only_catalogues(void **state)
{
    (void)state;
    struct span chunk = SPAN_LIT("store/STORE-1/catalogue/1");
    struct span command = SPAN_LIT("cart/CART-0001/command");
    assert_non_null(broker_acl_find(&worker, BROKER_PUBLISH, chunk, true));
    assert_null(broker_acl_find(&worker, BROKER_PUBLISH, command, true));
    assert_non_null(broker_acl_find(&worker, BROKER_PUBLISH, command, false));
    assert_null(broker_acl_find(&cart, BROKER_PUBLISH, SPAN_LIT("cart/CART-0001/scan"), true));
}

static void turns_away_what_has_no_business_here(void **state)
{
    (void)state;
    enum broker_kind kind;
    assert_int_equal(broker_acl_kind(SPAN_LIT("cart"), SPAN_LIT("CART-0001"), &kind), RES_OK);
    assert_int_equal(kind, BROKER_CART);
    assert_int_equal(broker_acl_kind(SPAN_LIT("service"), SPAN_LIT("service:worker"), &kind),
                     RES_OK);
    assert_int_equal(kind, BROKER_WORKER);
    assert_int_equal(broker_acl_kind(SPAN_LIT("service"), SPAN_LIT("service:api"), &kind),
                     RES_DENIED);
    assert_int_equal(broker_acl_kind(SPAN_LIT("cart "), SPAN_LIT("CART-0001"), &kind), RES_DENIED);
    assert_int_equal(broker_acl_kind(SPAN_NONE, SPAN_NONE, &kind), RES_DENIED);
}

static void gives_every_grant_a_reason(void **state)
{
    (void)state;
    size_t count;
    const struct broker_grant *grants = broker_acl_grants(&count);
    assert_true(count > 0);
    for (size_t i = 0; i < count; i++) {
        assert_true(strlen(grants[i].reason) > 10);
        assert_true(grants[i].actions != 0);
        /* Nothing is granted to everyone by a wildcard in a device's name. */
        assert_true(grants[i].kind >= BROKER_INGEST || strstr(grants[i].pattern, "{") != NULL);
    }
}

static void finds_the_revoked_and_only_them(void **state)
{
    (void)state;
    struct broker_revoked list;
    static const char text[] = "0A CART-0001\n0B CART-0002\n1C00 ESP32-AB12CD\nFF CART-0003\n";
    assert_int_equal(broker_revoked_init(&list, span_of(text, sizeof text - 1)), RES_OK);
    static const char *const in[] = {"0A", "0B", "1C00", "FF"};
    static const char *const out[] = {"", "0", "0A0", "00", "0C", "1C", "1C0000", "FFF", "A"};
    for (size_t i = 0; i < sizeof in / sizeof *in; i++) {
        assert_true(broker_revoked_has(&list, span_of(in[i], strlen(in[i]))));
    }
    for (size_t i = 0; i < sizeof out / sizeof *out; i++) {
        assert_false(broker_revoked_has(&list, span_of(out[i], strlen(out[i]))));
    }
    assert_int_equal(broker_revoked_init(&list, SPAN_NONE), RES_OK);
    assert_false(broker_revoked_has(&list, SPAN_LIT("0A")));
}

static void refuses_a_list_that_is_none(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0A CART-0001",                 /* cut off */
        "0A CART-0001\n0A CART-0002\n", /* twice */
        "0B CART-0001\n0A CART-0002\n", /* out of order */
        "0a CART-0001\n",               /* lower case */
        "0A\n",                         /* no device */
        "\n",
        " CART-0001\n",
        "0123456789012345678901234567890123456789A CART-0001\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct broker_revoked list;
        assert_int_equal(broker_revoked_init(&list, span_of(texts[i], strlen(texts[i]))),
                         RES_INVALID);
    }
}

static void says_what_is_missing_before_a_broker_starts(void **state)
{
    (void)state;
    struct broker_command command;
    struct err why = {""};
    struct broker_config config = {
        .directory = "/nonexistent", .port = 1, .plugin_file = "/bin/sh", .program = "/bin/sh"};
    assert_int_equal(broker_config_write(&config, &command, &why), RES_NOT_FOUND);
    config.plugin_file = "/nonexistent/plugin.so";
    assert_int_equal(broker_config_write(&config, &command, &why), RES_NOT_FOUND);
    assert_non_null(strstr(why.text, "the broker plugin /nonexistent/plugin.so"));
    config.program = "/nonexistent/mosquitto";
    assert_int_equal(broker_config_write(&config, &command, &why), RES_NOT_FOUND);
    assert_non_null(strstr(why.text, "install Mosquitto"));
    config.directory = "/a\nallow_anonymous true";
    assert_int_equal(broker_config_write(&config, &command, &why), RES_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grants_a_cart_its_own_topics_only),
        cmocka_unit_test(grants_a_cart_its_stores_catalogue),
        cmocka_unit_test(grants_a_label_its_own_topics_only),
        cmocka_unit_test(gives_ingest_what_labels_say_and_worker_what_they_are_told),
        cmocka_unit_test(grants_nothing_to_an_identity_without_id_or_store),
        cmocka_unit_test(gives_ingest_events_but_not_its_own_answers),
        cmocka_unit_test(lets_only_the_worker_retain_and_only_catalogues),
        cmocka_unit_test(turns_away_what_has_no_business_here),
        cmocka_unit_test(gives_every_grant_a_reason),
        cmocka_unit_test(finds_the_revoked_and_only_them),
        cmocka_unit_test(refuses_a_list_that_is_none),
        cmocka_unit_test(says_what_is_missing_before_a_broker_starts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
