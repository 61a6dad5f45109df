/* Every field of every message: what is beyond its row in the catalogue is refused, with the
 * field's name and the limit. What spans fields is tested case by case.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire.h"
#include "wire_catalog.h"
#include "wire_sample.h"

static _Alignas(16) uint8_t block[WIRE_SAMPLE_BYTES];
static struct wire_downlink downlink;

/* A valid message of this type; the same each time. */
static void *sample(unsigned type, struct wire_event *event)
{
    struct arena texts;
    arena_init(&texts, block, sizeof block);
    if (type < WIRE_EVENT_TYPES) {
        wire_sample_longest_event(&texts, (enum wire_type)type, event);
        return &event->scan;
    }
    wire_sample_longest_downlink(&texts, (enum wire_type)type, &downlink);
    return &downlink.command;
}

static enum wire_refusal check(unsigned type, const struct wire_event *event,
                               struct wire_detail *why)
{
    return type < WIRE_EVENT_TYPES ? wire_event_check(event, why)
                                   : wire_downlink_check(&downlink, why);
}

static void set_number(void *object, const struct wire_field *f, int64_t value)
{
    memcpy((char *)object + f->offset, &value, sizeof value);
}

static void set_text(void *object, const struct wire_field *f, struct span value)
{
    memcpy((char *)object + f->offset, &value, sizeof value);
}

typedef void (*spoil)(unsigned type, const struct wire_field *f);

static void each_field(spoil spoil_field)
{
    for (unsigned type = 0; type < WIRE_TYPES; type++) {
        struct wire_fields body = wire_catalog_message((enum wire_type)type)->body;
        for (size_t i = 0; i < body.count; i++) {
            spoil_field(type, &body.fields[i]);
        }
    }
}

static void expect_refused(unsigned type, const struct wire_field *f, struct wire_event *event,
                           enum wire_refusal wanted, int64_t limit)
{
    struct wire_detail why;
    enum wire_refusal r = check(type, event, &why);
    if (r != wanted || why.field == NULL || strcmp(why.field, f->name) != 0 || why.limit != limit) {
        fail_msg("%s.%s: %s %s %lld instead of %s %lld", wire_type_name((enum wire_type)type),
                 f->name, wire_refusal_name(r), why.field != NULL ? why.field : "-",
                 (long long)why.limit, wire_refusal_name(wanted), (long long)limit);
    }
}

static void beyond_limits(unsigned type, const struct wire_field *f)
{
    struct wire_event event;
    static uint8_t longer[2000];
    memset(longer, 'A', sizeof longer);
    void *object = sample(type, &event);
    if (wire_catalog_kind_is_list(f->kind)) {
        size_t *count = f->kind == WIRE_KIND_PRICES ? &downlink.prices.item_count
                                                    : &downlink.catalogue.item_count;
        *count = (size_t)f->max + 1;
        expect_refused(type, f, &event, WIRE_OUT_OF_RANGE, f->max);
    } else if (wire_catalog_kind_is_number(f->kind)) {
        set_number(object, f, f->max + 1);
        expect_refused(type, f, &event, WIRE_OUT_OF_RANGE, f->max);
        object = sample(type, &event);
        set_number(object, f, f->min - 1);
        expect_refused(type, f, &event, WIRE_OUT_OF_RANGE, f->min);
    } else {
        set_text(object, f, span_of(longer, (size_t)f->max + 1));
        expect_refused(type, f, &event, WIRE_OUT_OF_RANGE, f->max);
    }
}

static void refuses_every_field_beyond_its_limits_with_name_and_limit(void **state)
{
    (void)state;
    each_field(beyond_limits);
}

static void missing(unsigned type, const struct wire_field *f)
{
    struct wire_event event;
    void *object = sample(type, &event);
    if (!f->required || wire_catalog_kind_is_list(f->kind)) {
        return;
    }
    if (wire_catalog_kind_is_number(f->kind)) {
        set_number(object, f, WIRE_ABSENT);
    } else {
        set_text(object, f, SPAN_NONE);
    }
    expect_refused(type, f, &event, WIRE_MISSING_FIELD, 0);
}

static void refuses_a_message_without_a_required_field(void **state)
{
    (void)state;
    each_field(missing);
}

static void foreign_characters(unsigned type, const struct wire_field *f)
{
    static const char *const wrong[] = {"\"", "\\", "\n", "\x7f"};
    if (wire_catalog_kind_is_number(f->kind) || wire_catalog_kind_is_list(f->kind)) {
        return;
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct wire_event event;
        char text[128];
        void *object = sample(type, &event);
        size_t size = (size_t)f->max;
        memset(text, 'A', size);
        text[size / 2] = wrong[i][0];
        set_text(object, f, span_of(text, size));
        expect_refused(type, f, &event, WIRE_BAD_FORMAT, 0);
    }
}

static void refuses_quotes_backslashes_and_controls_in_every_text(void **state)
{
    (void)state;
    each_field(foreign_characters);
}

/* R18: Luhn-valid numbers in every free text and token. */
static void card_numbers(unsigned type, const struct wire_field *f)
{
    static const char *const cards[] = {"4111111111111111", "5555555555554444", "378282246310005x",
                                        "6011000990139424", "4111-1111-1111-1111"};
    if (!wire_catalog_kind_is_free_text(f->kind)) {
        return;
    }
    for (size_t i = 0; i < sizeof cards / sizeof cards[0]; i++) {
        struct wire_event event;
        void *object = sample(type, &event);
        set_text(object, f, span_of(cards[i], strlen(cards[i])));
        expect_refused(type, f, &event, WIRE_CARD_NUMBER, 0);
    }
}

static void refuses_card_numbers_in_every_free_text_and_token(void **state)
{
    (void)state;
    each_field(card_numbers);
}

static void an_article_number_may_be_a_gtin_that_passes_luhn(void **state)
{
    (void)state;
    struct wire_event event;
    struct wire_detail why;
    (void)sample(WIRE_SCAN, &event);
    event.scan.sku = SPAN_LIT("0000000000000");
    assert_int_equal(wire_event_check(&event, &why), WIRE_FINE);
}

/* --- rules between fields: one valid body, edited as text --- */

static struct {
    const char *type;
    const char *fields;
} bases[] = {
    {"scan", "\"sessionId\":\"CART-0042.3.3\",\"line\":1,\"gtin\":\"96385074\",\"quantity\":1,"
             "\"weight\":\"unknown\""},
    {"session-start",
     "\"sessionId\":\"CART-0042.3.9\",\"transition\":\"start\",\"storeId\":\"STORE-1\""},
    {"session-end",
     "\"sessionId\":\"CART-0042.3.3\",\"outcome\":\"complete\",\"itemCount\":2,\"scanCount\":3,"
     "\"unpriced\":0,\"firstScan\":4,\"lastScan\":8,\"total\":12.5,\"currency\":\"INR\",\"digest\":"
     "\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\""},
    {"fault", "\"code\":\"gap\",\"severity\":\"high\",\"gapFrom\":2,\"gapTo\":3,\"gapHealth\":0,"
              "\"gapFault\":0,\"gapScan\":0"},
    {"boot", "\"firmware\":\"1.0\",\"hardware\":\"r1\",\"reason\":\"power\",\"slot\":\"A\","
             "\"securityCounter\":0,\"catalogVersion\":0,\"commandNumber\":0"},
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
    {0, "\"quantity\":1", "\"quantity\":0", WIRE_OUT_OF_RANGE, "quantity"},
    {0, "\"quantity\":1", "\"quantity\":1,\"price\":1", WIRE_BAD_COMBINATION, "currency"},
    {0, "\"quantity\":1", "\"quantity\":1,\"price\":1,\"currency\":\"INR\"", WIRE_BAD_COMBINATION,
     "priceSource"},
    {0, "\"quantity\":1",
     "\"quantity\":1,\"price\":1,\"currency\":\"INR\",\"priceSource\":\"cache\"", WIRE_FINE, NULL},
    {0, "\"quantity\":1", "\"quantity\":1,\"currency\":\"INR\"", WIRE_BAD_COMBINATION, "currency"},
    {0, "\"quantity\":1", "\"quantity\":1,\"resolves\":4", WIRE_FINE, NULL},
    {0, "\"quantity\":1", "\"quantity\":1,\"resolves\":9", WIRE_BAD_COMBINATION, "resolves"},
    {0, "\"quantity\":1",
     "\"quantity\":1,\"resolves\":9,\"price\":1,\"currency\":\"INR\",\"priceSource\":\"response\"",
     WIRE_BAD_COMBINATION, "resolves"},
    {0, "\"unknown\"", "\"mismatch\"", WIRE_BAD_COMBINATION, "weight"},
    {0, "\"unknown\"", "\"ok\",\"weightExpectedG\":5", WIRE_BAD_COMBINATION, "weight"},
    {0, "\"unknown\"", "\"ok\",\"weightExpectedG\":5,\"weightDeltaG\":5", WIRE_FINE, NULL},
    {0, "96385074", "96385075", WIRE_BAD_CHECK_DIGIT, "gtin"},
    {0, "96385074", "963850741", WIRE_BAD_FORMAT, "gtin"},
    {0, "\"quantity\":1",
     "\"quantity\":1,\"price\":1.005,\"currency\":\"INR\",\"priceSource\":\"cache\"",
     WIRE_BAD_FORMAT, "price"},
    {0, "\"quantity\":1", "\"quantity\":1,\"price\":1e2", WIRE_BAD_FORMAT, "price"},
    {0, "\"quantity\":1", "\"quantity\":1,\"price\":1000000.00", WIRE_OUT_OF_RANGE, "price"},
    {0, "\"quantity\":1", "\"quantity\":1,\"price\":-1", WIRE_OUT_OF_RANGE, "price"},
    {0, "\"quantity\":1", "\"quantity\":1,\"price\":\"1\"", WIRE_BAD_TYPE, "price"},
    {0, "CART-0042.3.3", "CART-0043.3.3", WIRE_BAD_COMBINATION, "sessionId"},
    {0, "CART-0042.3.3", "CART-0042.3.9", WIRE_BAD_COMBINATION, "sessionId"},
    {0, "CART-0042.3.3", "CART-0042.4.3", WIRE_BAD_COMBINATION, "sessionId"},
    {0, "CART-0042.3.3", "CART-0042.2.700", WIRE_FINE, NULL},
    {0, "CART-0042.3.3", "CART-0042.3.03", WIRE_BAD_FORMAT, "sessionId"},
    {0, "CART-0042.3.3", "CART-0042.03.3", WIRE_BAD_FORMAT, "sessionId"},
    {0, "CART-0042.3.3", "CART-0042.3.3.3", WIRE_BAD_FORMAT, "sessionId"},
    {0, "CART-0042.3.3", "CART-0042.3", WIRE_OUT_OF_RANGE, "sessionId"},
    {0, "CART-0042.3.3", "CART-0042.99999999999.3", WIRE_BAD_FORMAT, "sessionId"},
    {1, NULL, NULL, WIRE_FINE, NULL},
    {1, "CART-0042.3.9", "CART-0042.3.8", WIRE_BAD_COMBINATION, "sessionId"},
    {1, "CART-0042.3.9", "CART-0042.2.9", WIRE_BAD_COMBINATION, "sessionId"},
    {1, "\"start\"", "\"hold\"", WIRE_BAD_COMBINATION, "reason"},
    {1, "\"start\"", "\"start\",\"reason\":\"staff\"", WIRE_BAD_COMBINATION, "reason"},
    {1, "9\",\"transition\":\"start\"", "3\",\"transition\":\"hold\",\"reason\":\"staff\"",
     WIRE_FINE, NULL},
    {1, "\"start\"", "\"resume\"", WIRE_BAD_COMBINATION, "sessionId"},
    {1, "STORE-1", "store-1", WIRE_BAD_FORMAT, "storeId"},
    {1, "STORE-1", "-STORE1", WIRE_BAD_FORMAT, "storeId"},
    {1, "STORE-1", "S-T--1-", WIRE_FINE, NULL},
    {2, NULL, NULL, WIRE_FINE, NULL},
    {2, "\"firstScan\":4", "\"firstScan\":0", WIRE_BAD_COMBINATION, "firstScan"},
    {2, "\"firstScan\":4", "\"firstScan\":9", WIRE_BAD_COMBINATION, "firstScan"},
    {2, "\"lastScan\":8", "\"lastScan\":9", WIRE_BAD_COMBINATION, "lastScan"},
    {2, "\"scanCount\":3", "\"scanCount\":6", WIRE_BAD_COMBINATION, "scanCount"},
    {2, "\"scanCount\":3", "\"scanCount\":0", WIRE_BAD_COMBINATION, "firstScan"},
    {2, "\"scanCount\":3,\"unpriced\":0,\"firstScan\":4,\"lastScan\":8",
     "\"scanCount\":0,\"unpriced\":0,\"firstScan\":0,\"lastScan\":0", WIRE_BAD_COMBINATION,
     "itemCount"},
    {2,
     "\"itemCount\":2,\"scanCount\":3,\"unpriced\":0,\"firstScan\":4,\"lastScan\":8,\"total\":12.5",
     "\"itemCount\":0,\"scanCount\":0,\"unpriced\":0,\"firstScan\":0,\"lastScan\":0,\"total\":0",
     WIRE_BAD_COMBINATION, "digest"},
    {2, "\"unpriced\":0", "\"unpriced\":3", WIRE_BAD_COMBINATION, "unpriced"},
    {2, "\"unpriced\":0", "\"unpriced\":0,\"paymentAmount\":1", WIRE_BAD_COMBINATION,
     "paymentAmount"},
    {2, "\"unpriced\":0", "\"unpriced\":0,\"paymentToken\":\"abcdefghijklmnop\"",
     WIRE_BAD_COMBINATION, "paymentAmount"},
    {2, "\"unpriced\":0",
     "\"unpriced\":0,\"paymentToken\":\"abcdefghijklmnop\",\"paymentAmount\":12.5",
     WIRE_BAD_COMBINATION, "paymentStatus"},
    {2, "00112233", "0011223G", WIRE_BAD_FORMAT, "digest"},
    {2, "00112233", "0011223", WIRE_OUT_OF_RANGE, "digest"},
    {3, NULL, NULL, WIRE_FINE, NULL},
    {3, "\"gapScan\":0", "\"severity2\":0", WIRE_BAD_COMBINATION, "gapScan"},
    {3, "\"gap\"", "\"scale\"", WIRE_BAD_COMBINATION, "gapFrom"},
    {3, "\"gapTo\":3", "\"gapTo\":1", WIRE_BAD_COMBINATION, "gapTo"},
    {3, "\"gapTo\":3", "\"gapTo\":0", WIRE_BAD_COMBINATION, "gapTo"},
    {3, "\"gapTo\":3", "\"gapTo\":9", WIRE_BAD_COMBINATION, "gapTo"},
    {3, "\"gapFrom\":2,\"gapTo\":3", "\"gapFrom\":0,\"gapTo\":0", WIRE_BAD_COMBINATION, "gapFrom"},
    {3, "\"gapFrom\":2,\"gapTo\":3,\"gapHealth\":0", "\"gapFrom\":0,\"gapTo\":0,\"gapHealth\":1",
     WIRE_FINE, NULL},
    {3, "\"gapScan\":0", "\"gapScan\":0,\"detail\":\"call 919876543210\"", WIRE_BAD_FORMAT,
     "detail"},
    {4, NULL, NULL, WIRE_FINE, NULL},
    {4, "\"A\"", "\"C\"", WIRE_BAD_FORMAT, "slot"},
    {4, "\"A\"", "\"A\",\"sessionId\":\"CART-0042.3.9\"", WIRE_BAD_COMBINATION, "sessionId"},
};

static size_t write_base(const struct edit *e, char *text, size_t size)
{
    int written = snprintf(text, size,
                           "{\"v\":1,\"type\":\"%s\",\"cartId\":\"CART-0042\",\"epoch\":3,"
                           "\"counter\":9,\"time\":\"2026-11-21T10:00:00.000Z\",%s}",
                           bases[e->base].type, bases[e->base].fields);
    assert_true(written > 0 && (size_t)written < size);
    if (e->from == NULL) {
        return (size_t)written;
    }
    char *found = strstr(text, e->from);
    if (found == NULL) {
        fail_msg("no %s", e->from);
        return 0;
    }
    char rest[1024];
    (void)snprintf(rest, sizeof rest, "%s", found + strlen(e->from));
    written = snprintf(found, size - (size_t)(found - text), "%s%s", e->to, rest);
    return (size_t)(found - text) + (size_t)written;
}

static void refuses_fields_that_do_not_go_together(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        const struct edit *e = &edits[i];
        char text[2048];
        size_t size = write_base(e, text, sizeof text);
        struct wire_event event;
        struct wire_detail why;
        unsigned unknown;
        enum wire_refusal r = wire_event_decode(span_of(text, size), &event, &unknown, &why);
        bool same_field = (why.field == NULL) == (e->field == NULL) &&
                          (e->field == NULL || strcmp(why.field, e->field) == 0);
        if (r != e->refusal || !same_field) {
            fail_msg("%s: %s %s", text, wire_refusal_name(r), why.field != NULL ? why.field : "-");
        }
    }
}

static void files_what_it_can_of_a_broken_body(void **state)
{
    (void)state;
    struct span cart_id;
    int64_t epoch = 0;
    int64_t counter = 0;
    struct span broken = SPAN_LIT("{\"v\":9,\"cartId\":\"CART-0042\",\"x\":[1,{}],\"epoch\":3,"
                                  "\"time\":7,\"counter\":12,\"y\":nope");
    assert_true(wire_event_identity(broken, &cart_id, &epoch, &counter));
    assert_true(span_equal(cart_id, SPAN_LIT("CART-0042")));
    assert_int_equal(epoch, 3);
    assert_int_equal(counter, 12);
    static const char *const hopeless[] = {
        "",
        "[]",
        "{}",
        "{\"cartId\":\"CART-0042\",\"epoch\":3}",
        "{\"cartId\":\"cart\",\"epoch\":3,\"counter\":1}",
        "{\"cartId\":\"CART-0042\",\"epoch\":\"3\",\"counter\":1}"};
    for (size_t i = 0; i < sizeof hopeless / sizeof hopeless[0]; i++) {
        assert_false(wire_event_identity(span_of(hopeless[i], strlen(hopeless[i])), &cart_id,
                                         &epoch, &counter));
    }
}

static void tolerates_and_counts_unknown_fields(void **state)
{
    (void)state;
    const struct edit e = {4, "\"slot\"", "\"newer\":[1,2],\"more\":{\"a\":null},\"slot\"",
                           WIRE_FINE, NULL};
    char text[2048];
    size_t size = write_base(&e, text, sizeof text);
    struct wire_event event;
    struct wire_detail why;
    unsigned unknown = 0;
    assert_int_equal(wire_event_decode(span_of(text, size), &event, &unknown, &why), WIRE_FINE);
    assert_int_equal(unknown, 2);
}

static void makes_any_text_a_name_or_says_no(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"Surf Excel 1 kg", "Surf Excel 1 kg"},
        {"15\" pizza \\ box\n", "15' pizza   box"},
        {"card 4111 1111 1111 1111", "card **** **** **** ****"},
        {"", NULL},
        {" \n ", NULL},
        {"\xff", NULL},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        char name[96];
        struct sink s;
        sink_init(&s, name, sizeof name);
        enum res r = wire_name_clean(span_of(pairs[i][0], strlen(pairs[i][0])), &s);
        assert_int_equal(r, pairs[i][1] == NULL ? RES_INVALID : RES_OK);
        if (pairs[i][1] != NULL) {
            assert_true(span_equal(sink_span(&s), span_of(pairs[i][1], strlen(pairs[i][1]))));
        }
    }
    /* The limit never cuts a character: 95 bytes and a letter of three. */
    char longer[128];
    memset(longer, 'a', 95);
    memcpy(longer + 95, "\xe0\xa4\xb8", 3);
    char name[96];
    struct sink s;
    sink_init(&s, name, sizeof name);
    assert_int_equal(wire_name_clean(span_of(longer, 98), &s), RES_OK);
    assert_int_equal(s.size, 95);
}

static void names_every_refusal_and_enum_member_once(void **state)
{
    (void)state;
    for (unsigned i = 0; i < WIRE_REFUSALS; i++) {
        for (unsigned k = 0; k < i; k++) {
            assert_string_not_equal(wire_refusal_name((enum wire_refusal)i),
                                    wire_refusal_name((enum wire_refusal)k));
        }
    }
    assert_string_equal(wire_enum_name(WIRE_FAULT, "code", WIRE_FAULT_GAP), "gap");
    assert_string_equal(wire_enum_name(WIRE_COMMAND, "kind", WIRE_CMD_CUSTOMER_OVERRIDE),
                        "customer-override");
    assert_null(wire_enum_name(WIRE_FAULT, "code", 99));
    assert_null(wire_enum_name(WIRE_FAULT, "code", WIRE_ABSENT));
    assert_null(wire_enum_name(WIRE_FAULT, "gapFrom", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_every_field_beyond_its_limits_with_name_and_limit),
        cmocka_unit_test(refuses_a_message_without_a_required_field),
        cmocka_unit_test(refuses_quotes_backslashes_and_controls_in_every_text),
        cmocka_unit_test(refuses_card_numbers_in_every_free_text_and_token),
        cmocka_unit_test(an_article_number_may_be_a_gtin_that_passes_luhn),
        cmocka_unit_test(refuses_fields_that_do_not_go_together),
        cmocka_unit_test(files_what_it_can_of_a_broken_body),
        cmocka_unit_test(tolerates_and_counts_unknown_fields),
        cmocka_unit_test(makes_any_text_a_name_or_says_no),
        cmocka_unit_test(names_every_refusal_and_enum_member_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
