/* The fixed vectors: their signer against RFC 6979, themselves against the decoder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire_vector.h"

static struct wire_vectors vectors;

static void signs_as_rfc_6979_appendix_a_2_5_does(void **state)
{
    (void)state;
    static const uint8_t r[32] = {0xef, 0xd4, 0x8b, 0x2a, 0xac, 0xb6, 0xa8, 0xfd, 0x11, 0x40, 0xdd,
                                  0x9c, 0xd4, 0x5e, 0x81, 0xd6, 0x9d, 0x2c, 0x87, 0x7b, 0x56, 0xaa,
                                  0xf9, 0x91, 0xc3, 0x4d, 0x0e, 0xa8, 0x4e, 0xaf, 0x37, 0x16};
    uint8_t signature[WIRE_SIGNATURE_BYTES];
    wire_vector_sign(wire_vector_private_key, SPAN_LIT("sample"), signature);
    assert_memory_equal(signature, r, sizeof r);
    assert_int_equal(wire_signature_check(span_of(signature, sizeof signature)), WIRE_FINE);
}

static void every_event_of_the_story_decodes(void **state)
{
    (void)state;
    for (size_t i = 0; i < WIRE_VECTOR_EVENTS; i++) {
        struct wire_vector *v = &vectors.events[i];
        struct span body;
        struct span signature;
        struct wire_event event;
        struct wire_detail why;
        unsigned unknown;
        assert_non_null(v->title);
        assert_int_equal(wire_event_split(span_of(v->frame, v->size), &body, &signature),
                         WIRE_FINE);
        assert_int_equal(wire_event_decode(body, &event, &unknown, &why), WIRE_FINE);
        assert_int_equal(event.counter, i + 1);
        assert_int_equal(event.type, v->type);
        struct span cart_id;
        enum wire_type type;
        assert_int_equal(wire_topic_read(span_text(v->topic, sizeof v->topic), &cart_id, &type),
                         RES_OK);
        assert_true(span_equal(cart_id, event.cart_id));
        assert_int_equal(type, event.type);
    }
}

static void every_downlink_decodes(void **state)
{
    (void)state;
    for (size_t i = 0; i < WIRE_VECTOR_DOWNLINKS; i++) {
        struct wire_vector *v = &vectors.downlinks[i];
        static struct wire_downlink message;
        struct span body;
        struct span signature;
        struct wire_detail why;
        assert_int_equal(wire_downlink_split(span_of(v->frame, v->size), &body, &signature),
                         WIRE_FINE);
        assert_int_equal(wire_downlink_decode(body, &message, &why), WIRE_FINE);
        assert_int_equal(message.type, v->type);
    }
}

int main(void)
{
    wire_vector_make(&vectors);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_as_rfc_6979_appendix_a_2_5_does),
        cmocka_unit_test(every_event_of_the_story_decodes),
        cmocka_unit_test(every_downlink_decodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
