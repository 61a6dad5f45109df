/* The catalogue both ways: what is encoded decodes to the same, and what is refused has a name. */
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

#define ROUNDS 2000

static _Alignas(16) uint8_t block[WIRE_SAMPLE_BYTES];

static uint64_t seed(void)
{
    const char *text = getenv("ENDCAP_SEED");
    uint64_t value = text != NULL ? strtoull(text, NULL, 10) : 20261121;
    print_message("seed %llu (ENDCAP_SEED)\n", (unsigned long long)value);
    return value;
}

static bool same_fields(struct wire_fields fields, const void *a, const void *b);

static bool same_lists(const struct wire_field *f, const void *a, const void *b)
{
    const struct wire_catalogue *c = a;
    const struct wire_catalogue *d = b;
    const struct wire_prices *p = a;
    const struct wire_prices *q = b;
    struct wire_fields fields = wire_catalog_item_fields(f->kind);
    bool prices = f->kind == WIRE_KIND_PRICES;
    size_t count = prices ? p->item_count : c->item_count;
    bool same = count == (prices ? q->item_count : d->item_count);
    for (size_t k = 0; k < count && same; k++) {
        same = prices ? same_fields(fields, &p->items[k], &q->items[k])
                      : same_fields(fields, &c->items[k], &d->items[k]);
    }
    return same;
}

static bool same_fields(struct wire_fields fields, const void *a, const void *b)
{
    for (size_t i = 0; i < fields.count; i++) {
        const struct wire_field *f = &fields.fields[i];
        const char *x = (const char *)a + f->offset;
        const char *y = (const char *)b + f->offset;
        if (wire_catalog_kind_is_list(f->kind)) {
            if (!same_lists(f, a, b)) {
                return false;
            }
        } else if (wire_catalog_kind_is_number(f->kind)) {
            if (memcmp(x, y, sizeof(int64_t)) != 0) {
                print_message("field %s differs\n", f->name);
                return false;
            }
        } else {
            struct span s;
            struct span t;
            memcpy(&s, x, sizeof s);
            memcpy(&t, y, sizeof t);
            if (!span_equal(s, t)) {
                print_message("field %s differs\n", f->name);
                return false;
            }
        }
    }
    return true;
}

static void event_survives(const struct wire_event *event)
{
    const struct wire_message *message = wire_catalog_message(event->type);
    uint8_t data[WIRE_EVENT_BYTES_MAX];
    struct sink body;
    struct wire_detail why = {0};
    sink_init(&body, data, sizeof data);
    enum wire_refusal refusal = wire_event_check(event, &why);
    if (refusal != WIRE_FINE) {
        fail_msg("%s refused: %s %s %lld", message->name, wire_refusal_name(refusal),
                 why.field != NULL ? why.field : "-", (long long)why.limit);
    }
    assert_int_equal(wire_event_encode(event, &body), RES_OK);
    assert_true(body.size >= WIRE_EVENT_BYTES_MIN - WIRE_SIGNATURE_BYTES);
    struct wire_event read;
    unsigned unknown = 99;
    refusal = wire_event_decode(sink_span(&body), &read, &unknown, &why);
    if (refusal != WIRE_FINE) {
        fail_msg("%.*s: %s %s", (int)body.size, (char *)data, wire_refusal_name(refusal),
                 why.field != NULL ? why.field : "-");
    }
    assert_int_equal(unknown, 0);
    assert_int_equal(read.type, event->type);
    assert_true(same_fields(message->header, event, &read));
    assert_true(same_fields(message->body, &event->scan, &read.scan));
    struct span cart_id;
    int64_t epoch;
    int64_t counter;
    assert_true(wire_event_identity(sink_span(&body), &cart_id, &epoch, &counter));
    assert_true(span_equal(cart_id, event->cart_id));
    assert_int_equal(epoch, event->epoch);
    assert_int_equal(counter, event->counter);
}

static void downlink_survives(const struct wire_downlink *sent)
{
    const struct wire_message *message = wire_catalog_message(sent->type);
    static uint8_t data[WIRE_PLATFORM_BYTES_MAX];
    static struct wire_downlink read;
    struct sink body;
    struct wire_detail why = {0};
    sink_init(&body, data, sizeof data);
    enum wire_refusal refusal = wire_downlink_check(sent, &why);
    if (refusal != WIRE_FINE) {
        fail_msg("%s refused: %s %s", message->name, wire_refusal_name(refusal),
                 why.field != NULL ? why.field : "-");
    }
    assert_int_equal(wire_downlink_encode(sent, &body), RES_OK);
    refusal = wire_downlink_decode(sink_span(&body), &read, &why);
    if (refusal != WIRE_FINE) {
        fail_msg("%.*s: %s %s", (int)body.size, (char *)data, wire_refusal_name(refusal),
                 why.field != NULL ? why.field : "-");
    }
    assert_int_equal(read.type, sent->type);
    assert_true(same_fields(message->header, sent, &read));
    assert_true(same_fields(message->body, &sent->command, &read.command));
}

static void random_events_survive_encoding_and_decoding(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, seed());
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct arena texts;
        struct wire_event event;
        arena_init(&texts, block, sizeof block);
        wire_sample_event(&rng, &texts, (enum wire_type)(round % WIRE_EVENT_TYPES), &event);
        event_survives(&event);
    }
}

static void random_downlinks_survive_encoding_and_decoding(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, seed());
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct arena texts;
        static struct wire_downlink message;
        unsigned type = WIRE_EVENT_TYPES + round % (WIRE_TYPES - WIRE_EVENT_TYPES);
        arena_init(&texts, block, sizeof block);
        wire_sample_downlink(&rng, &texts, (enum wire_type)type, &message);
        downlink_survives(&message);
    }
}

static void the_longest_message_of_each_type_fits_its_frame(void **state)
{
    (void)state;
    for (unsigned type = 0; type < WIRE_TYPES; type++) {
        struct arena texts;
        arena_init(&texts, block, sizeof block);
        if (type < WIRE_EVENT_TYPES) {
            struct wire_event event;
            wire_sample_longest_event(&texts, (enum wire_type)type, &event);
            event_survives(&event);
        } else {
            static struct wire_downlink message;
            wire_sample_longest_downlink(&texts, (enum wire_type)type, &message);
            downlink_survives(&message);
        }
    }
}

static void topics_and_session_ids_have_one_form(void **state)
{
    (void)state;
    static const char *const topics[] = {"",
                                         "cart",
                                         "cart/",
                                         "cart//scan",
                                         "cart/CART-0042",
                                         "cart/CART-0042/",
                                         "/cart/CART-0042/scan",
                                         "cart/CART-0042/scan/",
                                         "cart/CART-00-42/scan",
                                         "cart/CART-004/scan",
                                         "cart/CART-0123456789ABC/scan",
                                         "cart/cart-0042/scan",
                                         "cart/CART-0042/command",
                                         "cart/CART-0042/Scan",
                                         "cart/+/scan",
                                         "cart/#"};
    struct span cart_id;
    enum wire_type type;
    for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++) {
        if (wire_topic_read(span_of(topics[i], strlen(topics[i])), &cart_id, &type) == RES_OK) {
            fail_msg("%s", topics[i]);
        }
    }
    static const char *const ids[] = {"",
                                      ".",
                                      "..",
                                      "CART-0042",
                                      "CART-0042.",
                                      "CART-0042.1",
                                      "CART-0042.1.",
                                      "CART-0042..1",
                                      "CART-0042.1.1.",
                                      "CART-0042.1.1 ",
                                      "CART-0042.0.1",
                                      "CART-0042.1.0",
                                      "CART-0042.01.1",
                                      "CART-0042.-1.1",
                                      "CART-0042.2147483648.1",
                                      "CART-0042.1.9007199254740992",
                                      "CART-00-42.1.1",
                                      "CART-004.1.1",
                                      "LABEL-0042.1.1",
                                      "CART-0042.1.99999999999999999999999999999999999"};
    int64_t epoch;
    int64_t counter;
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        if (wire_session_id_read(span_of(ids[i], strlen(ids[i])), &cart_id, &epoch, &counter) ==
            RES_OK) {
            fail_msg("%s", ids[i]);
        }
    }
    struct span longest = SPAN_LIT("CART-0123456789AB.2147483647.9007199254740991");
    assert_int_equal(longest.size, WIRE_SESSION_ID_BYTES);
    assert_int_equal(wire_session_id_read(longest, &cart_id, &epoch, &counter), RES_OK);
    assert_int_equal(epoch, WIRE_EPOCH_MAX);
    assert_int_equal(counter, INT64_C(9007199254740991));
    assert_true(wire_cart_id_is_valid(cart_id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_events_survive_encoding_and_decoding),
        cmocka_unit_test(random_downlinks_survive_encoding_and_decoding),
        cmocka_unit_test(topics_and_session_ids_have_one_form),
        cmocka_unit_test(the_longest_message_of_each_type_fits_its_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
