#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_uri.h"
#include "rng.h"

static uint8_t store_bytes[5000];

static enum res parse(const char *target, struct http_uri *ret)
{
    struct sink store;
    sink_init(&store, store_bytes, strlen(target) + 1);
    return http_uri_parse(span_of(target, strlen(target)), &store, ret);
}

static void takes_a_target_apart(void **state)
{
    (void)state;
    struct http_uri u;
    assert_int_equal(parse("/api/carts/CART-%30001?store=A%20B+C&flag&x=a%3Db", &u), RES_OK);
    assert_int_equal(u.segment_count, 3);
    assert_string_equal((const char *)u.segments[2].data, "CART-0001");
    assert_int_equal(u.pair_count, 3);
    assert_string_equal((const char *)u.pairs[0].value.data, "A B C");
    assert_string_equal((const char *)u.pairs[1].name.data, "flag");
    assert_int_equal(u.pairs[1].value.size, 0);
    assert_string_equal((const char *)u.pairs[2].value.data, "a=b");
    assert_int_equal(parse("/", &u), RES_OK);
    assert_int_equal(u.segment_count, 0);
    assert_int_equal(parse("/a?", &u), RES_OK);
    assert_int_equal(parse("/?&&&a=&=b&", &u), RES_OK);
    assert_int_equal(u.pair_count, 2);
}

static void refuses_what_is_not_a_clean_path(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",          "a",
        "*",         "http://x/a",
        "/a//b",     "/a/",
        "//",        "/a/../b",
        "/a/%2e%2e", "/./a",
        "/%",        "/%2",
        "/%zz",      "/%00",
        "/a%0d%0a",  "/a\x01",
        "/%c0%af",   "/%ed%a0%80",
        "/%ff",      "/a?b=%00",
        "/a#b",      "/a?b=%f4%90%80%80",
        "/%c2%85",   "/%e2%82",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct http_uri u;
        if (parse(bad[i], &u) != RES_INVALID) {
            fail_msg("accepted \"%s\"", bad[i]);
        }
    }
}

static void refuses_too_many_parts(void **state)
{
    (void)state;
    char target[256] = "";
    for (size_t i = 0; i <= HTTP_URI_SEGMENTS_MAX; i++) {
        memcpy(target + 2 * i, "/a", 3);
    }
    struct http_uri u;
    assert_int_equal(parse(target, &u), RES_LIMIT);
    target[0] = '/';
    target[1] = '?';
    for (size_t i = 0; i <= HTTP_URI_PAIRS_MAX; i++) {
        memcpy(target + 2 + 2 * i, "a&", 3);
    }
    assert_int_equal(parse(target, &u), RES_LIMIT);
}

static void writes_and_knows_uuids(void **state)
{
    (void)state;
    uint8_t random[16];
    memset(random, 0xff, sizeof random);
    char text[HTTP_UUID_BYTES + 1];
    http_uri_uuid(random, text);
    assert_string_equal(text, "ffffffff-ffff-4fff-bfff-ffffffffffff");
    assert_true(http_uri_is_uuid(span_of(text, 36)));
    assert_false(http_uri_is_uuid(span_of(text, 35)));
    text[8] = 'f';
    assert_false(http_uri_is_uuid(span_of(text, 36)));
}

static void random_bytes_never_escape_the_store(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 7);
    static const char likely[] = "/?&=%+#.abc019\xc3\xa9";
    for (int round = 0; round < 20000; round++) {
        uint8_t target[80];
        size_t size = (size_t)rng_below(&rng, sizeof target);
        for (size_t i = 0; i < size; i++) {
            target[i] = rng_below(&rng, 4) > 0 ? (uint8_t)likely[rng_below(&rng, sizeof likely - 1)]
                                               : (uint8_t)rng_next(&rng);
        }
        if (size > 0 && rng_below(&rng, 8) > 0) {
            target[0] = '/';
        }
        struct sink store;
        sink_init(&store, store_bytes, size + 1);
        struct http_uri u;
        enum res r = http_uri_parse(span_of(target, size), &store, &u);
        assert_true(r == RES_OK || r == RES_INVALID || r == RES_LIMIT);
        if (r == RES_LIMIT) {
            assert_false(store.overflow); /* the raw size and one byte always suffice */
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_a_target_apart),
        cmocka_unit_test(refuses_what_is_not_a_clean_path),
        cmocka_unit_test(refuses_too_many_parts),
        cmocka_unit_test(writes_and_knows_uuids),
        cmocka_unit_test(random_bytes_never_escape_the_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
