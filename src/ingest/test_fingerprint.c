#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fingerprint.h"

static const uint8_t key[FINGERPRINT_KEY_BYTES] = {0};

/* CPython 3.11 hashes bytes with SipHash-1-3, under a key of zeros when PYTHONHASHSEED=0:
 * hash(bytes(i % 256 for i in range(n))) % 2**64. */
static void agrees_with_another_implementation(void **state)
{
    (void)state;
    uint8_t text[200];
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = (uint8_t)i;
    }
    assert_int_equal(fingerprint_of(key, span_of(text, 1)), UINT64_C(0x68a914128e01e473));
    assert_int_equal(fingerprint_of(key, span_of(text, 8)), UINT64_C(0xead411e67ebe2eea));
    assert_int_equal(fingerprint_of(key, span_of(text, 15)), UINT64_C(0xf30eb725bb91c9ea));
    assert_int_equal(fingerprint_of(key, span_of(text, 200)), UINT64_C(0x7176378efd9e8a23));
}

static void every_single_bit_matters(void **state)
{
    (void)state;
    uint8_t text[200] = {0};
    uint64_t print = fingerprint_of(key, span_of(text, sizeof text));
    for (size_t bit = 0; bit < sizeof text * 8; bit++) {
        text[bit / 8] = (uint8_t)(text[bit / 8] ^ (1U << (bit % 8)));
        assert_int_not_equal(fingerprint_of(key, span_of(text, sizeof text)), print);
        text[bit / 8] = (uint8_t)(text[bit / 8] ^ (1U << (bit % 8)));
    }
    for (size_t size = 0; size < sizeof text; size++) {
        assert_int_not_equal(fingerprint_of(key, span_of(text, size)), print);
    }
}

static void the_ring_tells_same_from_other_and_forgets_the_oldest(void **state)
{
    (void)state;
    struct fingerprint_ring r;
    fingerprint_ring_init(&r);
    assert_int_equal(fingerprint_ring_match(&r, 1, 0), FINGERPRINT_FORGOTTEN);
    for (int64_t c = 1; c <= FINGERPRINT_RING + 5; c++) {
        fingerprint_ring_put(&r, c, (uint64_t)c * 3);
    }
    assert_int_equal(fingerprint_ring_match(&r, 5, 15), FINGERPRINT_FORGOTTEN);
    assert_int_equal(fingerprint_ring_match(&r, 6, 18), FINGERPRINT_SAME);
    assert_int_equal(fingerprint_ring_match(&r, 6, 19), FINGERPRINT_OTHER);
    assert_int_equal(fingerprint_ring_match(&r, 0, 0), FINGERPRINT_FORGOTTEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_another_implementation),
        cmocka_unit_test(every_single_bit_matters),
        cmocka_unit_test(the_ring_tells_same_from_other_and_forgets_the_oldest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
