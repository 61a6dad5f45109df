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

/* n and n/2, written out once more from SEC 2, section 2.4.2. */
#define ORDER_HEAD "\xff\xff\xff\xff\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff"
#define ORDER_TAIL "\xbc\xe6\xfa\xad\xa7\x17\x9e\x84\xf3\xb9\xca\xc2\xfc\x63\x25"
#define HALF_HEAD  "\x7f\xff\xff\xff\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff"
#define HALF_TAIL  "\xde\x73\x7d\x56\xd3\x8b\xcf\x42\x79\xdc\xe5\x61\x7e\x31\x92"

static void takes_r_and_s_up_to_their_exact_limits(void **state)
{
    (void)state;
    static const uint8_t zero[32] = {0};
    static const uint8_t one[32] = {[31] = 1};
    static const char order_less_one[] = ORDER_HEAD ORDER_TAIL "\x50";
    static const char order[] = ORDER_HEAD ORDER_TAIL "\x51";
    static const char half[] = HALF_HEAD HALF_TAIL "\xa8";
    static const char half_and_one[] = HALF_HEAD HALF_TAIL "\xa9";
    const struct {
        const void *r;
        const void *s;
        enum wire_refusal refusal;
    } cases[] = {
        {one, one, WIRE_FINE},
        {order_less_one, half, WIRE_FINE},
        {one, half_and_one, WIRE_HIGH_S},
        {one, order_less_one, WIRE_HIGH_S},
        {zero, one, WIRE_BAD_SIGNATURE},
        {one, zero, WIRE_BAD_SIGNATURE},
        {order, one, WIRE_BAD_SIGNATURE},
        {one, order, WIRE_BAD_SIGNATURE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t signature[WIRE_SIGNATURE_BYTES + 1] = {0};
        memcpy(signature, cases[i].r, 32);
        memcpy(signature + 32, cases[i].s, 32);
        assert_int_equal(wire_signature_check(span_of(signature, 64)), cases[i].refusal);
        assert_int_equal(wire_signature_is_canonical(span_of(signature, 64)),
                         cases[i].refusal == WIRE_FINE);
        assert_int_equal(wire_signature_check(span_of(signature, 63)), WIRE_BAD_SIGNATURE);
        assert_int_equal(wire_signature_check(span_of(signature, 65)), WIRE_BAD_SIGNATURE);
    }
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
        cmocka_unit_test(takes_r_and_s_up_to_their_exact_limits),
        cmocka_unit_test(every_event_of_the_story_decodes),
        cmocka_unit_test(every_downlink_decodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
