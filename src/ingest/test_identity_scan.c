#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "identity_scan.h"
#include "wire_sample.h"

static void reads_what_our_encoder_writes(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 11);
    uint8_t *block = malloc(WIRE_SAMPLE_BYTES);
    assert_non_null(block);
    for (int i = 0; i < 700; i++) {
        struct arena texts;
        struct wire_event e;
        uint8_t body[WIRE_EVENT_BYTES_MAX];
        struct sink s;
        int64_t epoch = 0;
        int64_t counter = 0;
        arena_init(&texts, block, WIRE_SAMPLE_BYTES);
        wire_sample_event(&rng, &texts, (enum wire_type)(i % WIRE_EVENT_TYPES), &e);
        sink_init(&s, body, sizeof body);
        assert_int_equal(wire_event_encode(&e, &s), RES_OK);
        assert_true(identity_scan(sink_span(&s), &epoch, &counter));
        assert_int_equal(epoch, e.epoch);
        assert_int_equal(counter, e.counter);
    }
    free(block);
}

static void leaves_every_other_form_to_the_decoder(void **state)
{
    (void)state;
    static const char *const others[] = {
        "",
        "{",
        "{\"v\":1,\"type\":\"scan\",\"cartId\":\"CART-0001\",\"epoch\":1,\"counter\":2",
        "{\"v\":1,\"type\":\"scan\",\"cartId\":\"CART-0001\",\"epoch\":01,\"counter\":2,",
        "{\"v\":1,\"type\":\"scan\",\"cartId\":\"CART-0001\",\"epoch\":1,\"counter\":,",
        "{\"v\":1,\"type\":\"scan\",\"cartId\":\"CART-0001\",\"epoch\":1,\"counter\":1.5,",
        ("{\"v\":1,\"type\":\"scan\",\"cartId\":\"CART-0001\",\"epoch\":1,"
         "\"counter\":12345678901234567,"),
        "{\"v\":1,\"type\":\"a\\\"\",\"cartId\":\"CART-0001\",\"epoch\":1,\"counter\":2,",
        " {\"v\":1,\"type\":\"scan\",\"cartId\":\"CART-0001\",\"epoch\":1,\"counter\":2,",
        "{\"type\":\"scan\",\"v\":1,\"cartId\":\"CART-0001\",\"epoch\":1,\"counter\":2,",
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        int64_t epoch = -7;
        int64_t counter = -7;
        assert_false(identity_scan(span_text(others[i], 200), &epoch, &counter));
        assert_int_equal(epoch, -7);
        assert_int_equal(counter, -7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_our_encoder_writes),
        cmocka_unit_test(leaves_every_other_form_to_the_decoder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
