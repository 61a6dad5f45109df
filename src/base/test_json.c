/* The JSON reader: what RFC 8259 and our stricter rules take, and what they don't. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "json.h"
#include "rng.h"

static struct span text(const char *s)
{
    return span_of(s, strlen(s));
}

static enum json_fault read_all(struct span input)
{
    struct json j;
    struct span value;
    enum json_token token;
    json_init(&j, input);
    do {
        token = json_next(&j, &value);
    } while (token != JSON_END && token != JSON_FAULT);
    /* It stays where it is. */
    assert_int_equal(json_next(&j, &value), token);
    assert_int_equal(token == JSON_FAULT, j.fault != JSON_FINE);
    return j.fault;
}

static void takes_every_form_of_value(void **state)
{
    (void)state;
    static const char *const good[] = {"null",
                                       " true ",
                                       "false",
                                       "0",
                                       "-0",
                                       "-12.5e+3",
                                       "1E9",
                                       "\"\"",
                                       "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"",
                                       "\"\\ud83d\\ude00\"",
                                       "\"\xf0\x9f\x98\x80 \xe0\xa4\xa6\"",
                                       "\"\x7f\"",
                                       "[]",
                                       "{}",
                                       "[1,[2,[]],{}]",
                                       "{\"a\":{\"a\":1},\"b\":[{\"a\":1},{\"a\":1}]}",
                                       "\t\r\n [ 1 , 2 ] ",
                                       "[[[[[[[[1]]]]]]]]"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (read_all(text(good[i])) != JSON_FINE) {
            fail_msg("%s", good[i]);
        }
    }
}

static void refuses_what_is_not_json(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      " ",
                                      "nul",
                                      "nulll",
                                      "True",
                                      "NaN",
                                      "Infinity",
                                      "-",
                                      "+1",
                                      "01",
                                      "-01",
                                      "1.",
                                      ".5",
                                      "1e",
                                      "1e+",
                                      "0x1",
                                      "1 2",
                                      "[1,]",
                                      "[,1]",
                                      "[1 2]",
                                      "[1",
                                      "1]",
                                      "{",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{\"a\" 1}",
                                      "{\"a\":1,}",
                                      "{,}",
                                      "{a:1}",
                                      "{1:1}",
                                      "{'a':1}",
                                      "\"",
                                      "\"\\\"",
                                      "\"\\x\"",
                                      "\"\\u12\"",
                                      "\"\\u12g4\"",
                                      "\"\n\"",
                                      "\"\t\"",
                                      "// x\n1",
                                      "/**/1",
                                      "[1}",
                                      "{\"a\":1]",
                                      "\xef\xbb\xbf{}",
                                      "\"\\",
                                      "\"\\u",
                                      "[\"a\":1]",
                                      "{\"a\",1}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (read_all(text(bad[i])) != JSON_BAD_SYNTAX) {
            fail_msg("%s", bad[i]);
        }
    }
}

static void refuses_what_is_not_utf_8(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\"\x80\"",             /* continuation without a start */
        "\"\xc0\xaf\"",         /* overlong */
        "\"\xc1\x81\"",         /* overlong */
        "\"\xe0\x80\xaf\"",     /* overlong */
        "\"\xf0\x80\x80\xaf\"", /* overlong */
        "\"\xed\xa0\x80\"",     /* surrogate */
        "\"\xed\xbf\xbf\"",     /* surrogate */
        "\"\xf4\x90\x80\x80\"", /* beyond U+10FFFF */
        "\"\xf5\x80\x80\x80\"",
        "\"\xff\"",
        "\"\xe2\x82\"", /* cut short */
        "\"\xc3",       /* cut by the end */
        "\"\\ud800\"",  /* lone surrogates */
        "\"\\udfff\"",
        "\"\\ud800x\"",
        "\"\\ud800\\n\"",
        "\"\\ud800\\ud800\"",
        "\"\\ud800\\ue000\"",
        "\"\\ud800\\uffff\"",
        "\"\\u0000\"",
        "{\"\\u0000\":1}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (read_all(text(bad[i])) != JSON_BAD_UTF8) {
            fail_msg("%zu: %s", i, bad[i]);
        }
    }
    assert_int_equal(read_all(SPAN_LIT("\"a\0b\"")), JSON_BAD_UTF8);
}

static void refuses_a_key_twice_in_one_object(void **state)
{
    (void)state;
    static const char *const bad[] = {"{\"a\":1,\"a\":1}",
                                      "{\"a\":1,\"\\u0061\":1}",
                                      "{\"x\":{\"b\":1,\"c\":[],\"b\":1}}",
                                      "{\"a\":{\"a\":{}},\"b\":1,\"a\":1}",
                                      "{\"\xf0\x9f\x98\x80\":1,\"\\ud83d\\ude00\":1}",
                                      "{\"\":1,\"\":1}",
                                      "{\"/\":1,\"\\/\":1}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (read_all(text(bad[i])) != JSON_DUPLICATE_KEY) {
            fail_msg("%s", bad[i]);
        }
    }
}

static void refuses_too_many_levels_or_keys(void **state)
{
    (void)state;
    assert_int_equal(read_all(SPAN_LIT("[[[[[[[[[1]]]]]]]]]")), JSON_TOO_DEEP);
    assert_int_equal(read_all(SPAN_LIT("{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{"
                                       "}}}}}}}}}")),
                     JSON_TOO_DEEP);
    static uint8_t many[4096];
    for (unsigned count = JSON_KEYS_MAX; count <= JSON_KEYS_MAX + 1; count++) {
        struct sink s;
        sink_init(&s, many, sizeof many);
        for (unsigned i = 0; i < count; i++) {
            sink_text(&s, i == 0 ? "{\"" : ",\"");
            sink_u64(&s, i);
            sink_text(&s, "\":0");
        }
        sink_text(&s, "}");
        assert_false(s.overflow);
        assert_int_equal(read_all(sink_span(&s)),
                         count > JSON_KEYS_MAX ? JSON_TOO_MANY_KEYS : JSON_FINE);
    }
    /* A closed object gives its keys back: an array may have any number of them. */
    struct sink s;
    sink_init(&s, many, sizeof many);
    for (unsigned i = 0; i < 2 * JSON_KEYS_MAX; i++) {
        sink_text(&s, i == 0 ? "[{\"k\":1}" : ",{\"k\":1}");
    }
    sink_text(&s, "]");
    assert_int_equal(read_all(sink_span(&s)), JSON_FINE);
}

static void hands_out_tokens_and_depth_in_order(void **state)
{
    (void)state;
    struct json j;
    struct span v;
    json_init(&j, SPAN_LIT("{\"a\":[1,\"x\"],\"b\":true}"));
    assert_int_equal(json_depth(&j), 0);
    assert_int_equal(json_next(&j, &v), JSON_OBJECT_BEGIN);
    assert_int_equal(json_depth(&j), 1);
    assert_int_equal(json_next(&j, &v), JSON_KEY);
    assert_true(span_equal(v, SPAN_LIT("a")));
    assert_int_equal(json_next(&j, &v), JSON_ARRAY_BEGIN);
    assert_int_equal(json_next(&j, &v), JSON_NUMBER);
    assert_true(span_equal(v, SPAN_LIT("1")));
    assert_int_equal(json_next(&j, &v), JSON_STRING);
    assert_true(span_equal(v, SPAN_LIT("x")));
    assert_int_equal(json_depth(&j), 2);
    assert_int_equal(json_next(&j, &v), JSON_ARRAY_END);
    assert_int_equal(json_next(&j, &v), JSON_KEY);
    assert_int_equal(json_next(&j, &v), JSON_TRUE);
    assert_int_equal(json_next(&j, &v), JSON_OBJECT_END);
    assert_int_equal(json_next(&j, &v), JSON_END);
    assert_int_equal(json_next(&j, &v), JSON_END);
}

static void skips_a_whole_value(void **state)
{
    (void)state;
    struct json j;
    struct span v;
    json_init(&j, SPAN_LIT("[[{\"a\":[1,2]},3],4]"));
    assert_int_equal(json_next(&j, &v), JSON_ARRAY_BEGIN);
    enum json_token inner = json_next(&j, &v);
    assert_true(json_skip(&j, inner));
    assert_int_equal(json_next(&j, &v), JSON_NUMBER);
    assert_true(span_equal(v, SPAN_LIT("4")));
    assert_true(json_skip(&j, JSON_NUMBER));
    assert_int_equal(json_next(&j, &v), JSON_ARRAY_END);
    json_init(&j, SPAN_LIT("[[1,"));
    assert_int_equal(json_next(&j, &v), JSON_ARRAY_BEGIN);
    inner = json_next(&j, &v);
    assert_false(json_skip(&j, inner));
}

static void reads_integers_in_plain_digits_only(void **state)
{
    (void)state;
    int64_t n = 7;
    assert_int_equal(json_read_int(SPAN_LIT("9007199254740991"), &n), RES_OK);
    assert_int_equal(n, JSON_INT_MAX);
    assert_int_equal(json_read_int(SPAN_LIT("-9007199254740991"), &n), RES_OK);
    assert_int_equal(n, -JSON_INT_MAX);
    assert_int_equal(json_read_int(SPAN_LIT("0"), &n), RES_OK);
    assert_int_equal(n, 0);
    n = 7;
    static const char *const large[] = {"9007199254740992", "-9007199254740992",
                                        "99999999999999999999999999999999999999999"};
    for (size_t i = 0; i < sizeof large / sizeof large[0]; i++) {
        assert_int_equal(json_read_int(text(large[i]), &n), RES_LIMIT);
    }
    static const char *const bad[] = {
        "", "-", "-0", "00", "01", "1.0", "1e3", "1e999", "+1", " 1", "99999999999999999999999x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(json_read_int(text(bad[i]), &n), RES_INVALID);
    }
    assert_int_equal(n, 7);
}

static void unescapes_to_utf_8(void **state)
{
    (void)state;
    uint8_t out[64];
    struct sink s;
    sink_init(&s, out, sizeof out);
    struct span raw = SPAN_LIT("a\\n\\u0928\\ud83d\\ude00\\/\xe0\xa4\xa6");
    assert_true(json_has_escapes(raw));
    json_unescape(raw, &s);
    assert_true(
        span_equal(sink_span(&s), SPAN_LIT("a\n\xe0\xa4\xa8\xf0\x9f\x98\x80/\xe0\xa4\xa6")));
    assert_true(json_text_equal(SPAN_LIT("a\\u0062c"), SPAN_LIT("abc")));
    assert_false(json_text_equal(SPAN_LIT("a\\u0062c"), SPAN_LIT("ab")));
    assert_false(json_text_equal(SPAN_LIT("a\\u0062"), SPAN_LIT("abc")));
    assert_true(json_text_equal(SPAN_NONE, SPAN_LIT("")));
}

/* Random valid UTF-8 with controls and quotes: what is written reads back to the same. */
static void any_text_survives_writing_and_reading(void **state)
{
    (void)state;
    struct rng rng;
    const char *from = getenv("ENDCAP_SEED");
    uint64_t seed = from != NULL ? strtoull(from, NULL, 10) : 8259;
    print_message("seed %llu (ENDCAP_SEED)\n", (unsigned long long)seed);
    rng_init(&rng, seed);
    for (unsigned round = 0; round < 1000; round++) {
        static const char *const pieces[] = {"\"",
                                             "\\",
                                             "\n",
                                             "\x01",
                                             "\x7f",
                                             "a",
                                             "\xc2\x80",
                                             "\xdf\xbf",
                                             "\xe0\xa0\x80",
                                             "\xed\x9f\xbf",
                                             "\xef\xbf\xbf",
                                             "\xf0\x90\x80\x80",
                                             "\xf4\x8f\xbf\xbf",
                                             "/"};
        uint8_t plain[128];
        uint8_t written[1024];
        uint8_t back[128];
        struct sink p;
        struct sink w;
        struct sink b;
        sink_init(&p, plain, sizeof plain);
        sink_init(&w, written, sizeof written);
        sink_init(&b, back, sizeof back);
        for (uint64_t n = rng_below(&rng, 30); n > 0; n--) {
            sink_text(&p, pieces[rng_below(&rng, sizeof pieces / sizeof pieces[0])]);
        }
        assert_true(json_utf8_is_valid(sink_span(&p)));
        bool first = true;
        sink_text(&w, "{");
        json_write_key(&w, &first, "one");
        json_write_text(&w, sink_span(&p));
        json_write_key(&w, &first, "two");
        sink_text(&w, "2}");
        struct json j;
        struct span value;
        json_init(&j, sink_span(&w));
        assert_int_equal(json_next(&j, &value), JSON_OBJECT_BEGIN);
        assert_int_equal(json_next(&j, &value), JSON_KEY);
        assert_int_equal(json_next(&j, &value), JSON_STRING);
        json_unescape(value, &b);
        assert_true(span_equal(sink_span(&b), sink_span(&p)));
        assert_int_equal(json_next(&j, &value), JSON_KEY);
        assert_int_equal(json_next(&j, &value), JSON_NUMBER);
        assert_int_equal(json_next(&j, &value), JSON_OBJECT_END);
        assert_int_equal(json_next(&j, &value), JSON_END);
    }
}

/* Every prefix of a valid text is a fault, never a read beyond the end (the sanitizer watches). */
static void every_prefix_is_a_fault(void **state)
{
    (void)state;
    static const char whole[] = "{\"a\":[1.5e3,true,null,\"\\ud83d\\ude00\xe0\xa4\xa6\"],\"b\":{}}";
    for (size_t size = 0; size < sizeof whole - 1; size++) {
        uint8_t *copy = malloc(size + 1);
        assert_non_null(copy);
        memcpy(copy, whole, size);
        struct json j;
        struct span value;
        enum json_token token;
        json_init(&j, span_of(copy, size));
        do {
            token = json_next(&j, &value);
        } while (token != JSON_END && token != JSON_FAULT);
        assert_int_equal(token, JSON_FAULT);
        free(copy);
    }
    assert_int_equal(read_all(text(whole)), JSON_FINE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_every_form_of_value),
        cmocka_unit_test(refuses_what_is_not_json),
        cmocka_unit_test(refuses_what_is_not_utf_8),
        cmocka_unit_test(refuses_a_key_twice_in_one_object),
        cmocka_unit_test(refuses_too_many_levels_or_keys),
        cmocka_unit_test(hands_out_tokens_and_depth_in_order),
        cmocka_unit_test(skips_a_whole_value),
        cmocka_unit_test(reads_integers_in_plain_digits_only),
        cmocka_unit_test(unescapes_to_utf_8),
        cmocka_unit_test(any_text_survives_writing_and_reading),
        cmocka_unit_test(every_prefix_is_a_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
