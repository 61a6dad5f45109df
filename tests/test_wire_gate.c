/* R10: bad messages. A frame passes the gate that ingest has (size, signature, body, topic), or it
 * is refused with a named reason; every way of spoiling the 25 sample frames ends in a refusal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ecdsa.h"
#include "wire.h"
#include "wire_vector.h"

static struct wire_vectors vectors;
static struct ecdsa_public *cart_key;
static unsigned refusals[WIRE_REFUSALS];

/* Whether this frame, come on this topic from the cart with this key, is taken. The cheap checks
 * come first: the order does not matter for the verdict. */
static enum wire_refusal gate(struct span frame, struct span topic, struct ecdsa_public *key)
{
    struct span body;
    struct span signature;
    struct span topic_cart;
    enum wire_type topic_type;
    struct wire_event event;
    struct wire_detail why;
    unsigned unknown;
    enum wire_refusal r = wire_event_split(frame, &body, &signature);
    if (r == WIRE_FINE) {
        r = wire_signature_check(signature);
    }
    if (r == WIRE_FINE) {
        r = wire_event_decode(body, &event, &unknown, &why);
    }
    if (r == WIRE_FINE && (wire_topic_read(topic, &topic_cart, &topic_type) != RES_OK ||
                           topic_type != event.type || !span_equal(topic_cart, event.cart_id))) {
        r = WIRE_TOPIC_MISMATCH;
    }
    if (r == WIRE_FINE && ecdsa_verify(key, body, signature) != RES_OK) {
        r = WIRE_BAD_SIGNATURE;
    }
    refusals[r]++;
    return r;
}

static enum wire_refusal gate_vector(const struct wire_vector *v)
{
    return gate(span_of(v->frame, v->size), span_text(v->topic, sizeof v->topic), cart_key);
}

static void expect(enum wire_refusal got, enum wire_refusal wanted, const char *what)
{
    if (got != wanted) {
        fail_msg("%s: %s instead of %s", what, wire_refusal_name(got), wire_refusal_name(wanted));
    }
}

static void takes_the_samples_as_they_are(void **state)
{
    (void)state;
    for (size_t i = 0; i < WIRE_VECTOR_EVENTS; i++) {
        expect(gate_vector(&vectors.events[i]), WIRE_FINE, vectors.events[i].title);
    }
}

static void refuses_every_single_bit_flip(void **state)
{
    (void)state;
    memset(refusals, 0, sizeof refusals);
    unsigned flips = 0;
    for (size_t i = 0; i < WIRE_VECTOR_EVENTS; i++) {
        struct wire_vector v = vectors.events[i];
        for (size_t bit = 0; bit < v.size * 8; bit++) {
            v.frame[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            if (gate_vector(&v) == WIRE_FINE) {
                fail_msg("%s: bit %zu may be flipped", v.title, bit);
            }
            v.frame[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            flips++;
        }
    }
    print_message("%u flips refused:", flips);
    for (unsigned r = 1; r < WIRE_REFUSALS; r++) {
        if (refusals[r] > 0) {
            print_message(" %s %u", wire_refusal_name((enum wire_refusal)r), refusals[r]);
        }
    }
    print_message("\n");
    assert_int_equal(refusals[WIRE_FINE], 0);
}

static void refuses_every_truncation_and_extension(void **state)
{
    (void)state;
    for (size_t i = 0; i < WIRE_VECTOR_EVENTS; i++) {
        const struct wire_vector *v = &vectors.events[i];
        uint8_t longer[WIRE_EVENT_BYTES_MAX + 2] = {0};
        struct span topic = span_text(v->topic, sizeof v->topic);
        for (size_t size = 0; size < v->size; size++) {
            if (gate(span_of(v->frame, size), topic, cart_key) == WIRE_FINE) {
                fail_msg("%s: taken with %zu bytes", v->title, size);
            }
        }
        static const uint8_t tails[] = {0, ' ', '}', 'x', 0xff};
        for (size_t t = 0; t < sizeof tails; t++) {
            memcpy(longer, v->frame, v->size);
            longer[v->size] = tails[t];
            assert_int_not_equal(gate(span_of(longer, v->size + 1), topic, cart_key), WIRE_FINE);
            /* a byte between body and signature, too */
            memmove(longer + v->size - WIRE_SIGNATURE_BYTES + 1,
                    v->frame + v->size - WIRE_SIGNATURE_BYTES, WIRE_SIGNATURE_BYTES);
            longer[v->size - WIRE_SIGNATURE_BYTES] = tails[t];
            assert_int_not_equal(gate(span_of(longer, v->size + 1), topic, cart_key), WIRE_FINE);
        }
    }
    uint8_t huge[WIRE_EVENT_BYTES_MAX + 1];
    memset(huge, ' ', sizeof huge);
    struct span topic = SPAN_LIT("cart/CART-0042/scan");
    expect(gate(span_of(huge, sizeof huge), topic, cart_key), WIRE_TOO_LONG, "801 bytes");
    expect(gate(span_of(huge, WIRE_EVENT_BYTES_MIN - 1), topic, cart_key), WIRE_TOO_SHORT,
           "199 bytes");
}

/* n, the order of P-256 (SEC 2, section 2.4.2). */
static const uint8_t order[32] = {0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff,
                                  0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17,
                                  0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};

/* n - s */
static void negate(uint8_t s[32])
{
    int borrow = 0;
    for (int i = 31; i >= 0; i--) {
        int difference = order[i] - s[i] - borrow;
        borrow = difference < 0 ? 1 : 0;
        s[i] = (uint8_t)(difference + (borrow != 0 ? 256 : 0));
    }
}

static void refuses_the_other_form_of_a_signature(void **state)
{
    (void)state;
    for (size_t i = 0; i < WIRE_VECTOR_EVENTS; i++) {
        struct wire_vector v = vectors.events[i];
        negate(v.frame + v.size - 32);
        expect(gate_vector(&v), WIRE_HIGH_S, v.title);
    }
}

static void refuses_numbers_outside_the_group(void **state)
{
    (void)state;
    uint8_t numbers[3][32] = {{0}};
    memcpy(numbers[1], order, sizeof order);
    memcpy(numbers[2], order, sizeof order);
    numbers[2][31]++;
    for (size_t i = 0; i < WIRE_VECTOR_EVENTS; i++) {
        for (size_t n = 0; n < 3; n++) {
            struct wire_vector v = vectors.events[i];
            memcpy(v.frame + v.size - 64, numbers[n], 32);
            expect(gate_vector(&v), WIRE_BAD_SIGNATURE, "r out of the group");
            v = vectors.events[i];
            memcpy(v.frame + v.size - 32, numbers[n], 32);
            expect(gate_vector(&v), WIRE_BAD_SIGNATURE, "s out of the group");
        }
    }
}

static void refuses_another_key(void **state)
{
    (void)state;
    struct ecdsa_private *other;
    struct ecdsa_public *key;
    uint8_t point[ECDSA_POINT_BYTES];
    assert_int_equal(ecdsa_private_new(&other), RES_OK);
    ecdsa_private_point(other, point);
    assert_int_equal(ecdsa_public_new(span_of(point, sizeof point), &key), RES_OK);
    for (size_t i = 0; i < WIRE_VECTOR_EVENTS; i++) {
        const struct wire_vector *v = &vectors.events[i];
        expect(gate(span_of(v->frame, v->size), span_text(v->topic, sizeof v->topic), key),
               WIRE_BAD_SIGNATURE, v->title);
    }
    ecdsa_public_free(key);
    ecdsa_private_free(other);
}

static void refuses_another_topic(void **state)
{
    (void)state;
    static const char *const topics[] = {"cart/CART-0043/%s",
                                         "cart/CART-00422/%s",
                                         "cart//%s",
                                         "cart/CART-0042-A/%s",
                                         "cart/CART-0042/%s/x",
                                         "CART/CART-0042/%s",
                                         "cart/CART-0042/",
                                         "cart/CART-0042/scans",
                                         "store/CART-0042/%s",
                                         ""};
    for (size_t i = 0; i < WIRE_VECTOR_EVENTS; i++) {
        const struct wire_vector *v = &vectors.events[i];
        struct span frame = span_of(v->frame, v->size);
        for (size_t t = 0; t < sizeof topics / sizeof topics[0]; t++) {
            char topic[80];
            size_t size = 0;
            for (const char *c = topics[t]; *c != '\0'; c++) {
                if (c[0] == '%') {
                    const char *name = wire_type_name(v->type);
                    memcpy(topic + size, name, strlen(name));
                    size += strlen(name);
                    c++;
                } else {
                    topic[size++] = *c;
                }
            }
            expect(gate(frame, span_of(topic, size), cart_key), WIRE_TOPIC_MISMATCH, topics[t]);
        }
        for (unsigned type = 0; type < WIRE_EVENT_TYPES; type++) {
            char topic[64];
            struct sink s;
            sink_init(&s, topic, sizeof topic);
            wire_topic_write(&s, SPAN_LIT("CART-0042"), (enum wire_type)type);
            expect(gate(frame, sink_span(&s), cart_key),
                   type == (unsigned)v->type ? WIRE_FINE : WIRE_TOPIC_MISMATCH, "type");
        }
    }
}

/* The body of `v` with `from` replaced by `to`, signed anew or with the old signature. */
static enum wire_refusal gate_edited(const struct wire_vector *v, const char *from, const char *to,
                                     bool sign_again)
{
    struct wire_vector edited = *v;
    size_t body = v->size - WIRE_SIGNATURE_BYTES;
    const uint8_t *found = memmem(v->frame, body, from, strlen(from));
    assert_non_null(found);
    size_t before = (size_t)(found - v->frame);
    struct sink s;
    sink_init(&s, edited.frame, sizeof edited.frame - WIRE_SIGNATURE_BYTES);
    sink_bytes(&s, span_of(v->frame, before));
    sink_text(&s, to);
    sink_bytes(&s, span_of(found + strlen(from), body - before - strlen(from)));
    while (s.size < WIRE_EVENT_BYTES_MIN - WIRE_SIGNATURE_BYTES) {
        sink_byte(&s, ' ');
    }
    assert_false(s.overflow);
    if (sign_again) {
        wire_vector_sign(wire_vector_private_key, sink_span(&s), edited.frame + s.size);
    } else {
        memcpy(edited.frame + s.size, v->frame + body, WIRE_SIGNATURE_BYTES);
    }
    edited.size = s.size + WIRE_SIGNATURE_BYTES;
    return gate_vector(&edited);
}

static void refuses_another_device_epoch_or_type_under_the_old_signature(void **state)
{
    (void)state;
    for (size_t i = 0; i < WIRE_VECTOR_EVENTS; i++) {
        const struct wire_vector *v = &vectors.events[i];
        assert_int_not_equal(gate_edited(v, "\"epoch\":3", "\"epoch\":4", false), WIRE_FINE);
        assert_int_not_equal(gate_edited(v, "CART-0042", "CART-0043", false), WIRE_FINE);
        assert_int_not_equal(gate_edited(v, "\"counter\":", "\"counter\":9", false), WIRE_FINE);
        char type[64];
        (void)snprintf(type, sizeof type, "\"type\":\"%s\"", wire_type_name(v->type));
        const char *other = v->type == WIRE_SCAN ? "\"type\":\"health\"" : "\"type\":\"scan\"";
        assert_int_not_equal(gate_edited(v, type, other, false), WIRE_FINE);
        /* Signed by the right key, it is still not this topic's cart or type. */
        assert_int_not_equal(gate_edited(v, "CART-0042", "CART-0043", true), WIRE_FINE);
        assert_int_not_equal(gate_edited(v, type, other, true), WIRE_FINE);
        expect(gate_edited(v, type, "\"type\":\"scan2\"", true), WIRE_UNKNOWN_TYPE, "scan2");
        expect(gate_edited(v, "\"v\":1", "\"v\":2", true), WIRE_BAD_VERSION, "v 2");
    }
}

struct spoiling {
    const char *from;
    const char *to;
    enum wire_refusal refusal;
};

/* On the second event, a health, each signed with the right key: the body alone is at fault. */
static const struct spoiling spoilings[] = {
    {"\"epoch\":3", "\"epoch\":3,\"epoch\":3", WIRE_DUPLICATE_KEY},
    {"\"epoch\":3", "\"epoch\":3,\"\\u0065poch\":3", WIRE_DUPLICATE_KEY},
    {"\"epoch\":3", "\"epoch\":3,\"x\":{\"a\":1,\"a\":2}", WIRE_DUPLICATE_KEY},
    {"\"queued\":2", "\"queued\":NaN", WIRE_BAD_JSON},
    {"\"queued\":2", "\"queued\":Infinity", WIRE_BAD_JSON},
    {"\"queued\":2", "\"queued\":-Infinity", WIRE_BAD_JSON},
    {"\"queued\":2", "\"queued\":1e999", WIRE_BAD_FORMAT},
    {"\"queued\":2", "\"queued\":2.0", WIRE_BAD_FORMAT},
    {"\"queued\":2", "\"queued\":2e0", WIRE_BAD_FORMAT},
    {"\"queued\":2", "\"queued\":-0", WIRE_BAD_FORMAT},
    {"\"queued\":2", "\"queued\":02", WIRE_BAD_JSON},
    {"\"queued\":2", "\"queued\":+2", WIRE_BAD_JSON},
    {"\"queued\":2", "\"queued\":0x2", WIRE_BAD_JSON},
    {"\"queued\":2", "\"queued\":-1", WIRE_OUT_OF_RANGE},
    {"\"queued\":2", "\"queued\":9007199254740992", WIRE_OUT_OF_RANGE},
    {"\"queued\":2", "\"queued\":99999999999999999999999999999999999999", WIRE_OUT_OF_RANGE},
    {"\"queued\":2", "\"queued\":\"2\"", WIRE_BAD_TYPE},
    {"\"queued\":2", "\"queued\":null", WIRE_BAD_TYPE},
    {"\"queued\":2", "\"queued\":true", WIRE_BAD_TYPE},
    {"\"queued\":2", "\"queued\":[2]", WIRE_BAD_TYPE},
    {"\"queued\":2", "\"queued\":{}", WIRE_BAD_TYPE},
    {"\"queued\":2,", "", WIRE_MISSING_FIELD},
    {"\"queued\":2", "\"queued\":2,\"x\":[[[[[[[[1]]]]]]]]", WIRE_TOO_DEEP},
    {"\"queued\":2", "\"queued\":2,\"x\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}}}",
     WIRE_FINE},
    {"\"queued\":2",
     "\"queued\":2,\"x\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}}}}",
     WIRE_TOO_DEEP},
    {"\"queued\":2", "\"queued\":2,\"x\":\"\\ud800\"", WIRE_BAD_UTF8},
    {"\"queued\":2", "\"queued\":2,\"x\":\"\\udc00\"", WIRE_BAD_UTF8},
    {"\"queued\":2", "\"queued\":2,\"x\":\"\\ud800\\u0041\"", WIRE_BAD_UTF8},
    {"\"queued\":2", "\"queued\":2,\"x\":\"\\u0000\"", WIRE_BAD_UTF8},
    {"\"queued\":2", "\"queued\":2,\"\\ud800\":1", WIRE_BAD_UTF8},
    {"\"queued\":2", "\"queued\":2,\"x\":\"\xed\xa0\x80\"", WIRE_BAD_UTF8},
    {"\"queued\":2", "\"queued\":2,\"x\":\"\xc0\xaf\"", WIRE_BAD_UTF8},
    {"\"queued\":2", "\"queued\":2,\"x\":\"\xf4\x90\x80\x80\"", WIRE_BAD_UTF8},
    {"\"queued\":2", "\"queued\":2,\"x\":\"\xff\"", WIRE_BAD_UTF8},
    {"\"queued\":2", "\"queued\":2,\"x\":\"\t\"", WIRE_BAD_JSON},
    {"\"queued\":2", "\"queued\":2,\"x\":\"\\x\"", WIRE_BAD_JSON},
    {"\"queued\":2", "\"queued\":2,", WIRE_BAD_JSON},
    {"\"queued\":2", "\"queued\" 2", WIRE_BAD_JSON},
    {"\"queued\":2", "'queued':2", WIRE_BAD_JSON},
    {"\"queued\":2", "\"queued\":2/**/", WIRE_BAD_JSON},
    {"\"queued\":2,", "\"queued\":2,,", WIRE_BAD_JSON},
    {"{", "[{", WIRE_BAD_JSON},
    {"}", "}}", WIRE_BAD_JSON},
    {"}", "}\n", WIRE_BAD_JSON},
    {"}", "}{}", WIRE_BAD_JSON},
    {"\"idle\"", "\"Idle\"", WIRE_BAD_FORMAT},
    {"\"idle\"", "\"idl\\u0065\"", WIRE_BAD_FORMAT},
    {"\"idle\"", "\"\"", WIRE_BAD_FORMAT},
    {"CART-0042", "CART-004", WIRE_OUT_OF_RANGE},
    {"CART-0042", "CART_0042", WIRE_BAD_FORMAT},
    {"CART-0042", "cart-0042", WIRE_BAD_FORMAT},
    {"T10:00", "T24:00", WIRE_BAD_FORMAT},
    {"2026-11-21", "2026-02-30", WIRE_BAD_FORMAT},
    {".014Z", ".014+00:00", WIRE_BAD_FORMAT},
    {".014Z", "Z", WIRE_BAD_FORMAT},
    {"\"epoch\":3", "\"epoch\":0", WIRE_OUT_OF_RANGE},
    {"\"epoch\":3", "\"epoch\":2147483648", WIRE_OUT_OF_RANGE},
    {"\"counter\":2", "\"counter\":0", WIRE_OUT_OF_RANGE},
    {"\"batteryPct\":98", "\"batteryPct\":101", WIRE_OUT_OF_RANGE},
    {"\"batteryPct\":98", "\"batteryPct\":98,\"xCm\":1", WIRE_BAD_COMBINATION},
    {"\"batteryPct\":98", "\"batteryPct\":98,\"commandNumber\":1", WIRE_BAD_COMBINATION},
};

static void refuses_a_spoilt_body_by_name(void **state)
{
    (void)state;
    const struct wire_vector *v = &vectors.events[1];
    for (size_t i = 0; i < sizeof spoilings / sizeof spoilings[0]; i++) {
        expect(gate_edited(v, spoilings[i].from, spoilings[i].to, true), spoilings[i].refusal,
               spoilings[i].to);
    }
}

static void refuses_a_raw_nul_anywhere(void **state)
{
    (void)state;
    struct wire_vector v = vectors.events[1];
    size_t body = v.size - WIRE_SIGNATURE_BYTES;
    for (size_t i = 0; i < body; i++) {
        uint8_t saved = v.frame[i];
        v.frame[i] = 0;
        wire_vector_sign(wire_vector_private_key, span_of(v.frame, body), v.frame + body);
        enum wire_refusal r = gate_vector(&v);
        if (r != WIRE_BAD_JSON && r != WIRE_BAD_UTF8) {
            fail_msg("NUL at %zu: %s", i, wire_refusal_name(r));
        }
        v.frame[i] = saved;
    }
}

static int make_vectors(void **state)
{
    (void)state;
    wire_vector_make(&vectors);
    return ecdsa_public_new(span_of(wire_vector_public_key, sizeof wire_vector_public_key),
                            &cart_key) == RES_OK
               ? 0
               : -1;
}

static int free_key(void **state)
{
    (void)state;
    ecdsa_public_free(cart_key);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_the_samples_as_they_are),
        cmocka_unit_test(refuses_every_single_bit_flip),
        cmocka_unit_test(refuses_every_truncation_and_extension),
        cmocka_unit_test(refuses_the_other_form_of_a_signature),
        cmocka_unit_test(refuses_numbers_outside_the_group),
        cmocka_unit_test(refuses_another_key),
        cmocka_unit_test(refuses_another_topic),
        cmocka_unit_test(refuses_another_device_epoch_or_type_under_the_old_signature),
        cmocka_unit_test(refuses_a_spoilt_body_by_name),
        cmocka_unit_test(refuses_a_raw_nul_anywhere),
    };
    return cmocka_run_group_tests(tests, make_vectors, free_key);
}
