/* What the platform says, as a cart reads it: rules between fields, sizes, items, by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "wire.h"

#define TIME "\"time\":\"2026-11-21T10:00:00.000Z\""
#define ITEM(gtin)                                                                                 \
    "{\"gtin\":\"" gtin "\",\"sku\":\"S\",\"name\":\"N\",\"price\":1,\"weightG\":0,\"perKg\":"     \
    "false}"

static const char *const bases[] = {
    "{\"v\":1,\"type\":\"command\",\"cartId\":\"CART-0042\"," TIME ",\"number\":7,\"expires\":"
    "\"2026-11-21T10:05:00.000Z\",\"kind\":\"pause\",\"sessionId\":\"CART-0042.3.3\"}",
    "{\"v\":1,\"type\":\"commit-ack\",\"cartId\":\"CART-0042\"," TIME ",\"epoch\":1,\"through\":0}",
    "{\"v\":1,\"type\":\"product\",\"cartId\":\"CART-0042\"," TIME ",\"epoch\":1,\"counter\":4,"
    "\"gtin\":\"96385074\",\"found\":true,\"sku\":\"S\",\"name\":\"N\",\"price\":1.5,\"currency\":"
    "\"INR\",\"weightG\":0,\"perKg\":false}",
    "{\"v\":1,\"type\":\"payment\",\"cartId\":\"CART-0042\"," TIME ",\"epoch\":1,\"counter\":4,"
    "\"outcome\":\"accepted\",\"token\":\"abcdefghijklmnop\"}",
    "{\"v\":1,\"type\":\"catalogue\"," TIME ",\"storeId\":\"STORE-1\",\"version\":2,\"chunk\":0,"
    "\"chunks\":1,\"currency\":\"INR\",\"items\":[" ITEM("00000096385074") "," ITEM(
        "00036000241457") "]}",
    "{\"v\":1,\"type\":\"prices\"," TIME ",\"storeId\":\"STORE-1\",\"base\":2,\"version\":5,"
    "\"currency\":\"INR\",\"items\":[{\"gtin\":\"00000096385074\",\"price\":1.5},"
    "{\"gtin\":\"00036000241457\",\"price\":12}]}",
};

struct edit {
    size_t base;
    const char *from; /* NULL: as it is */
    const char *to;
    enum wire_refusal refusal;
    const char *field;
};

static const struct edit edits[] = {
    {0, NULL, NULL, WIRE_FINE, NULL},
    {0, "10:05:00", "10:00:00", WIRE_BAD_COMBINATION, "expires"},
    {0, "10:05:00", "09:59:59", WIRE_BAD_COMBINATION, "expires"},
    {0, "\"pause\"", "\"sleep\"", WIRE_BAD_COMBINATION, "sessionId"},
    {0, "\"pause\"", "\"cancel\"", WIRE_FINE, NULL},
    {0, "\"pause\"", "\"restart\"", WIRE_FINE, NULL},
    {0, "\"pause\"", "\"customer-override\"", WIRE_FINE, NULL},
    {0, "\"pause\"", "\"explode\"", WIRE_BAD_FORMAT, "kind"},
    {0, "CART-0042.3.3", "CART-0043.3.3", WIRE_BAD_COMBINATION, "sessionId"},
    {0, "\"number\":7", "\"number\":0", WIRE_OUT_OF_RANGE, "number"},
    {0, "\"number\":7", "\"number\":7,\"version\":2", WIRE_BAD_COMBINATION, "version"},
    {0, "\"pause\",\"sessionId\":\"CART-0042.3.3\"", "\"catalogue\"", WIRE_BAD_COMBINATION,
     "version"},
    {0, "\"pause\",\"sessionId\":\"CART-0042.3.3\"", "\"catalogue\",\"version\":1", WIRE_FINE,
     NULL},
    {0, "\"pause\",\"sessionId\":\"CART-0042.3.3\"", "\"wake\",\"reason\":\"4111111111111111\"",
     WIRE_CARD_NUMBER, "reason"},
    {0, "\"cartId\":\"CART-0042\",", "", WIRE_MISSING_FIELD, "cartId"},
    {0, "\"command\"", "\"scan\"", WIRE_UNKNOWN_TYPE, "type"},
    {0, "\"command\"", "7", WIRE_BAD_TYPE, "type"},
    {0, "\"type\":\"command\",", "", WIRE_MISSING_FIELD, "type"},
    {0, "\"v\":1,", "", WIRE_MISSING_FIELD, "v"},
    {0, "\"v\":1", "\"v\":\"1\"", WIRE_BAD_VERSION, "v"},
    {0, "\"number\":7", "\"number\":7,\"number\":8", WIRE_DUPLICATE_KEY, NULL},
    {0, "\"number\":7", "\"newer\":{},\"number\":7", WIRE_FINE, NULL},
    {1, NULL, NULL, WIRE_FINE, NULL},
    {1, "\"through\":0", "\"through\":-1", WIRE_OUT_OF_RANGE, "through"},
    {2, NULL, NULL, WIRE_FINE, NULL},
    {2, "\"found\":true", "\"found\":false", WIRE_BAD_COMBINATION, "sku"},
    {2, "\"found\":true", "\"found\":1", WIRE_BAD_TYPE, "found"},
    {2, ",\"perKg\":false", "", WIRE_BAD_COMBINATION, "perKg"},
    {2, ",\"weightG\":0", "", WIRE_BAD_COMBINATION, "weightG"},
    {2, "\"name\":\"N\",", "", WIRE_BAD_COMBINATION, "name"},
    {2, "\"name\":\"N\"", "\"name\":\"\xe0\xa4\xa6\xe0\xa5\x82\xe0\xa4\xa7\"", WIRE_FINE, NULL},
    {3, NULL, NULL, WIRE_FINE, NULL},
    {3, "\"accepted\"", "\"refused\"", WIRE_BAD_COMBINATION, "reason"},
    {3, "\"accepted\"", "\"refused\",\"reason\":\"token_reused\"", WIRE_FINE, NULL},
    {3, "\"accepted\"", "\"refused\",\"reason\":\"_x\"", WIRE_BAD_FORMAT, "reason"},
    {3, "\"accepted\"", "\"accepted\",\"reason\":\"x\"", WIRE_BAD_COMBINATION, "reason"},
    {4, NULL, NULL, WIRE_FINE, NULL},
    {4, "\"chunk\":0", "\"chunk\":1", WIRE_BAD_COMBINATION, "chunk"},
    {4, "00036000241457", "00000096385074", WIRE_BAD_COMBINATION, "gtin"},
    {4, "00036000241457", "00000073513537", WIRE_BAD_COMBINATION, "gtin"},
    {4, "00036000241457", "00036000241458", WIRE_BAD_CHECK_DIGIT, "gtin"},
    {4, "00036000241457", "036000241457", WIRE_OUT_OF_RANGE, "gtin"},
    {4, "\"items\":[", "\"items\":[7,", WIRE_BAD_TYPE, "items"},
    {4, "\"items\":[", "\"items\":[[],", WIRE_BAD_TYPE, "items"},
    {4, "\"items\":[", "\"items\":7,\"x\":[", WIRE_BAD_TYPE, "items"},
    {4, "\"items\":[", "\"x\":[", WIRE_MISSING_FIELD, "items"},
    {4, "\"sku\":\"S\",", "", WIRE_MISSING_FIELD, "sku"},
    {4, "\"sku\":\"S\"", "\"sku\":\"S\",\"newer\":[{}]", WIRE_FINE, NULL},
    {4, "\"sku\":\"S\"", "\"sku\":\"S\",\"sku\":\"S\"", WIRE_DUPLICATE_KEY, NULL},
    {4, "\"perKg\":false", "\"perKg\":null", WIRE_BAD_TYPE, "perKg"},
    {4, "\"name\":\"N\"", "\"name\":\"4111 1111 1111 1111\"", WIRE_CARD_NUMBER, "name"},
    {5, NULL, NULL, WIRE_FINE, NULL},
    {5, "\"version\":5", "\"version\":2", WIRE_FINE, NULL},
    {5, "\"version\":5", "\"version\":1", WIRE_BAD_COMBINATION, "base"},
    {5, "\"base\":2,", "", WIRE_MISSING_FIELD, "base"},
    {5, "\"base\":2", "\"base\":0", WIRE_OUT_OF_RANGE, "base"},
    {5, "\"INR\"", "\"inr\"", WIRE_BAD_FORMAT, "currency"},
    {5, "00036000241457", "00000096385074", WIRE_BAD_COMBINATION, "gtin"},
    {5, "00036000241457", "00036000241458", WIRE_BAD_CHECK_DIGIT, "gtin"},
    {5, ",\"price\":1.5", "", WIRE_MISSING_FIELD, "price"},
    {5, "1.5", "1.555", WIRE_BAD_FORMAT, "price"},
    {5, "1.5", "-1", WIRE_OUT_OF_RANGE, "price"},
    {5, "\"items\":[", "\"items\":[7,", WIRE_BAD_TYPE, "items"},
    {5, "\"items\":[", "\"x\":[", WIRE_MISSING_FIELD, "items"},
    {5, "\"price\":1.5", "\"price\":1.5,\"newer\":[{}]", WIRE_FINE, NULL},
};

static struct wire_downlink message;

static void names_what_is_wrong_with_a_message_of_the_platform(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        const struct edit *e = &edits[i];
        char text[2048];
        const char *base = bases[e->base];
        const char *found = e->from == NULL ? base : strstr(base, e->from);
        assert_non_null(found);
        int size = e->from == NULL ? snprintf(text, sizeof text, "%s", base)
                                   : snprintf(text, sizeof text, "%.*s%s%s", (int)(found - base),
                                              base, e->to, found + strlen(e->from));
        struct wire_detail why;
        enum wire_refusal r = wire_downlink_decode(span_of(text, (size_t)size), &message, &why);
        bool same_field = (why.field == NULL) == (e->field == NULL) &&
                          (e->field == NULL || strcmp(why.field, e->field) == 0);
        if (r != e->refusal || !same_field) {
            fail_msg("%s: %s %s", text, wire_refusal_name(r), why.field != NULL ? why.field : "-");
        }
    }
}

static void only_a_catalogue_and_its_supplement_may_be_long(void **state)
{
    (void)state;
    static uint8_t body[WIRE_PLATFORM_BYTES_MAX + 1];
    struct wire_detail why;
    for (size_t i = 0; i < 6; i++) {
        bool catalogue = i >= 4;
        size_t most =
            (catalogue ? WIRE_PLATFORM_BYTES_MAX : WIRE_EVENT_BYTES_MAX) - WIRE_SIGNATURE_BYTES;
        memset(body, ' ', sizeof body);
        memcpy(body, bases[i], strlen(bases[i]));
        assert_int_equal(wire_downlink_decode(span_of(body, most), &message, &why), WIRE_FINE);
        assert_int_equal(wire_downlink_decode(span_of(body, most + 1), &message, &why),
                         WIRE_TOO_LONG);
        assert_int_equal(why.limit, most);
    }
    struct span part;
    struct span signature;
    assert_int_equal(
        wire_downlink_split(span_of(body, WIRE_PLATFORM_BYTES_MAX + 1), &part, &signature),
        WIRE_TOO_LONG);
    assert_int_equal(
        wire_downlink_split(span_of(body, WIRE_EVENT_BYTES_MIN - 1), &part, &signature),
        WIRE_TOO_SHORT);
    assert_int_equal(wire_downlink_split(span_of(body, WIRE_PLATFORM_BYTES_MAX), &part, &signature),
                     WIRE_FINE);
    assert_int_equal(part.size, WIRE_PLATFORM_BYTES_MAX - WIRE_SIGNATURE_BYTES);
    struct wire_event event;
    unsigned unknown;
    assert_int_equal(wire_event_decode(span_of(body, WIRE_EVENT_BYTES_MAX), &event, &unknown, &why),
                     WIRE_TOO_LONG);
}

static void a_chunk_takes_96_items_and_no_97th(void **state)
{
    (void)state;
    static char text[WIRE_PLATFORM_BYTES_MAX];
    for (size_t count = WIRE_CATALOGUE_ITEMS_MAX; count <= WIRE_CATALOGUE_ITEMS_MAX + 1; count++) {
        struct sink s;
        struct wire_detail why;
        sink_init(&s, text, sizeof text);
        const char *end = strstr(bases[4], "{\"gtin\"");
        sink_bytes(&s, span_of(bases[4], (size_t)(end - bases[4])));
        for (size_t i = 0; i < count; i++) {
            /* 14 digits, rising, the check digit from the tens and hundreds (weights 3 and 1). */
            size_t check = (10 - (i % 10 * 3 + i / 10 % 10) % 10) % 10;
            sink_text(&s, i == 0 ? "" : ",");
            sink_text(&s, "{\"gtin\":\"00000000000");
            sink_u64_padded(&s, i, 2);
            sink_u64(&s, check);
            sink_text(&s,
                      "\",\"sku\":\"S\",\"name\":\"N\",\"price\":1,\"weightG\":0,\"perKg\":true}");
        }
        sink_text(&s, "]}");
        assert_false(s.overflow);
        enum wire_refusal r = wire_downlink_decode(sink_span(&s), &message, &why);
        assert_int_equal(r, count > WIRE_CATALOGUE_ITEMS_MAX ? WIRE_OUT_OF_RANGE : WIRE_FINE);
        assert_int_equal(why.limit,
                         count > WIRE_CATALOGUE_ITEMS_MAX ? WIRE_CATALOGUE_ITEMS_MAX : 0);
    }
}

static void does_not_write_what_it_would_not_read(void **state)
{
    (void)state;
    static uint8_t data[WIRE_PLATFORM_BYTES_MAX];
    struct sink s;
    struct wire_detail why;
    sink_init(&s, data, sizeof data);
    assert_int_equal(wire_downlink_decode(span_of(bases[4], strlen(bases[4])), &message, &why),
                     WIRE_FINE);
    message.catalogue.items[1].name = SPAN_LIT("two\nlines");
    assert_int_equal(wire_downlink_check(&message, &why), WIRE_BAD_FORMAT);
    assert_string_equal(why.field, "name");
    assert_int_equal(wire_downlink_encode(&message, &s), RES_INVALID);
    assert_int_equal(s.size, 0);
    message.catalogue.items[1].name = SPAN_LIT("one line");
    struct sink narrow;
    sink_init(&narrow, data, 300);
    assert_int_equal(wire_downlink_encode(&message, &narrow), RES_LIMIT);
    message.type = WIRE_SCAN;
    assert_int_equal(wire_downlink_encode(&message, &s), RES_INVALID);
    struct wire_event event;
    wire_event_init(&event, WIRE_HEALTH);
    event.type = WIRE_COMMAND;
    assert_int_equal(wire_event_encode(&event, &s), RES_INVALID);
    /* 96 items with names of 96 bytes do not fit a chunk: that is a limit, not a fault. */
    static char gtins[WIRE_CATALOGUE_ITEMS_MAX][15];
    static char name[96];
    memset(name, 'n', sizeof name);
    wire_downlink_init(&message, WIRE_CATALOGUE);
    message.catalogue.store_id = SPAN_LIT("STORE-1");
    message.catalogue.version = 1;
    message.catalogue.chunks = 1;
    message.catalogue.currency = SPAN_LIT("INR");
    message.catalogue.item_count = WIRE_CATALOGUE_ITEMS_MAX;
    for (size_t i = 0; i < WIRE_CATALOGUE_ITEMS_MAX; i++) {
        size_t check = (10 - (i % 10 * 3 + i / 10 % 10) % 10) % 10;
        (void)snprintf(gtins[i], sizeof gtins[i], "00000000000%02zu%zu", i % 100, check % 10);
        message.catalogue.items[i] = (struct wire_catalogue_item){
            span_of(gtins[i], 14), SPAN_LIT("S"), span_of(name, sizeof name), 100, 0, 0};
    }
    assert_int_equal(wire_downlink_check(&message, &why), WIRE_FINE);
    assert_int_equal(wire_downlink_encode(&message, &s), RES_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_what_is_wrong_with_a_message_of_the_platform),
        cmocka_unit_test(only_a_catalogue_and_its_supplement_may_be_long),
        cmocka_unit_test(a_chunk_takes_96_items_and_no_97th),
        cmocka_unit_test(does_not_write_what_it_would_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
