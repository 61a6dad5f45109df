#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base64.h"
#include "rng.h"

static void has_one_spelling_of_each_bytes(void **state)
{
    (void)state;
    const char *env = getenv("ENDCAP_SEED");
    uint64_t seed = env != NULL ? strtoull(env, NULL, 10) : 20261121;
    print_message("seed %llu\n", (unsigned long long)seed);
    struct rng rng;
    rng_init(&rng, seed);
    for (int round = 0; round < 500; round++) {
        uint8_t bytes[64];
        uint8_t text[96];
        uint8_t back[64];
        size_t size = (size_t)rng_below(&rng, sizeof bytes);
        for (size_t i = 0; i < size; i++) {
            bytes[i] = (uint8_t)rng_next(&rng);
        }
        struct sink s;
        struct sink t;
        sink_init(&s, text, sizeof text);
        base64_url_write(&s, span_of(bytes, size));
        assert_false(s.overflow);
        sink_init(&t, back, sizeof back);
        assert_int_equal(base64_url_read(sink_span(&s), &t), RES_OK);
        assert_true(span_equal(sink_span(&t), span_of(bytes, size)));
        if (s.size > 0) { /* another last digit is another value or no value */
            uint8_t other = (uint8_t) "AZaz09-_"[rng_below(&rng, 8)];
            if (other != text[s.size - 1]) {
                text[s.size - 1] = other;
                sink_init(&t, back, sizeof back);
                assert_false(base64_url_read(sink_span(&s), &t) == RES_OK &&
                             span_equal(sink_span(&t), span_of(bytes, size)));
            }
        }
    }
    struct sink t;
    uint8_t room[8];
    sink_init(&t, room, sizeof room);
    assert_int_equal(base64_url_read(SPAN_LIT("A"), &t), RES_INVALID);
    assert_int_equal(base64_url_read(SPAN_LIT("AB"), &t), RES_INVALID);
    assert_int_equal(base64_url_read(SPAN_LIT("AA="), &t), RES_INVALID);
    assert_int_equal(base64_url_read(SPAN_LIT("A A"), &t), RES_INVALID);
}

static void writes_and_reads_the_examples_of_the_rfc(void **state)
{
    (void)state;
    static const char *const examples[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        uint8_t room[16];
        struct sink s;
        sink_init(&s, room, sizeof room);
        base64_write(&s, span_text(examples[i][0], 16));
        assert_true(span_equal(sink_span(&s), span_text(examples[i][1], 16)));
        sink_init(&s, room, sizeof room);
        assert_int_equal(base64_read(span_text(examples[i][1], 16), &s), RES_OK);
        assert_true(span_equal(sink_span(&s), span_text(examples[i][0], 16)));
    }
}

static void refuses_padding_where_none_belongs(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "Z", "Zg", "Zg=", "Zh==", "Zg==Zg==", "Zm 8=", "====", "Zm9-", "=m9v", "Zg==\n"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        uint8_t room[16];
        struct sink s;
        sink_init(&s, room, sizeof room);
        assert_int_equal(base64_read(span_text(wrong[i], 16), &s), RES_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_one_spelling_of_each_bytes),
        cmocka_unit_test(writes_and_reads_the_examples_of_the_rfc),
        cmocka_unit_test(refuses_padding_where_none_belongs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
