#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "crc32c.h"
#include "le.h"
#include "rng.h"

static void agrees_with_the_vectors_of_rfc_3720(void **state)
{
    (void)state;
    uint8_t bytes[32] = {0};
    assert_int_equal(crc32c(0, span_of(bytes, 32)), 0x8a9136aa);
    memset(bytes, 0xff, 32);
    assert_int_equal(crc32c(0, span_of(bytes, 32)), 0x62a8ab43);
    for (uint8_t i = 0; i < 32; i++) {
        bytes[i] = i;
    }
    assert_int_equal(crc32c(0, span_of(bytes, 32)), 0x46dd794e);
    assert_int_equal(crc32c(crc32c(0, span_of(bytes, 5)), span_of(bytes + 5, 27)), 0x46dd794e);
    assert_int_equal(crc32c(0, SPAN_LIT("123456789")), 0xe3069283);
}

static void mends_every_single_flip(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 1);
    uint8_t data[104];
    uint8_t seen[104];
    for (size_t i = 0; i < 100; i++) {
        data[i] = (uint8_t)rng_next(&rng);
    }
    le_put_u32(data + 100, crc32c(7, span_of(data, 100)));
    for (unsigned bit = 0; bit < 104 * 8; bit++) {
        memcpy(seen, data, sizeof seen);
        seen[bit / 8] = (uint8_t)(seen[bit / 8] ^ 1U << bit % 8);
        assert_true(crc32c_repair(7, seen, 100, le_get_u32(seen + 100)));
        assert_memory_equal(seen, data, 100);
    }
}

static void leaves_two_flips_alone(void **state)
{
    (void)state;
    uint8_t data[60];
    uint8_t seen[60];
    memset(data, 0x5a, sizeof data);
    uint32_t crc = crc32c(0, span_of(data, sizeof data));
    for (unsigned a = 0; a < 480; a++) {
        for (unsigned b = a + 1; b < 480; b += 7) {
            memcpy(seen, data, sizeof seen);
            seen[a / 8] = (uint8_t)(seen[a / 8] ^ 1U << a % 8);
            seen[b / 8] = (uint8_t)(seen[b / 8] ^ 1U << b % 8);
            assert_false(crc32c_repair(0, seen, sizeof seen, crc));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_vectors_of_rfc_3720),
        cmocka_unit_test(mends_every_single_flip),
        cmocka_unit_test(leaves_two_flips_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
