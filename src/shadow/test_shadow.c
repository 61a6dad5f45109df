/* Merging and comparing shadows: the rules of RFC 7396, by example and by random documents. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "rng.h"
#include "shadow.h"

#define ROUNDS 400

static struct rng rng;

static json_t *parse(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(value);
    return value;
}

static void expect_equal(const json_t *value, const char *text)
{
    json_t *want = parse(text);
    if (!json_equal(value, want)) {
        fail_msg("%s is not %s", json_dumps(value, JSON_COMPACT), text);
    }
    json_decref(want);
}

/* The cases of RFC 7396 appendix A whose both sides are objects. */
static void merges_as_the_rfc_says(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        const char *patch;
        const char *result;
    } cases[] = {
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
        {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *target = parse(cases[i].target);
        json_t *patch = parse(cases[i].patch);
        bool changed = false;
        assert_int_equal(shadow_merge(target, patch, &changed), RES_OK);
        expect_equal(target, cases[i].result);
        assert_true(changed);
        json_decref(target);
        json_decref(patch);
    }
}

static void refuses_what_is_no_object(void **state)
{
    (void)state;
    json_t *target = json_object();
    json_t *patch = parse("[1]");
    bool changed = false;
    assert_int_equal(shadow_merge(target, patch, &changed), RES_INVALID);
    assert_int_equal(shadow_merge(patch, target, &changed), RES_INVALID);
    json_decref(target);
    json_decref(patch);
}

static json_t *nested(int depth)
{
    json_t *value = json_object();
    for (int i = 1; i < depth; i++) {
        value = json_pack("{s:o}", "a", value);
    }
    return value;
}

static void keeps_within_its_limits_or_changes_nothing(void **state)
{
    (void)state;
    json_t *target = parse("{\"keep\":1}");
    bool changed = false;
    json_t *patch = nested(SHADOW_DEPTH_MAX);
    assert_int_equal(shadow_merge(target, patch, &changed), RES_OK);
    json_decref(patch);
    patch = nested(SHADOW_DEPTH_MAX + 1);
    assert_int_equal(shadow_merge(target, patch, &changed), RES_LIMIT);
    json_decref(patch);
    patch = nested(100000); /* not walked to its end */
    assert_int_equal(shadow_merge(target, patch, &changed), RES_LIMIT);
    while (json_object_size(patch) > 0) { /* nor may freeing it be deep */
        json_t *inner = json_incref(json_object_get(patch, "a"));
        json_decref(patch);
        patch = inner;
    }
    json_decref(patch);
    char *text = malloc(SHADOW_BYTES_MAX + 1);
    assert_non_null(text);
    memset(text, 'x', SHADOW_BYTES_MAX);
    text[SHADOW_BYTES_MAX] = '\0';
    json_t *before = json_deep_copy(target);
    patch = json_pack("{s:s}", "long", text);
    assert_int_equal(shadow_merge(target, patch, &changed), RES_LIMIT);
    assert_true(json_equal(target, before));
    free(text);
    json_decref(patch);
    json_decref(before);
    json_decref(target);
}

static void says_whether_anything_changed(void **state)
{
    (void)state;
    json_t *target = parse("{\"a\":1,\"b\":{\"c\":2}}");
    json_t *patch = parse("{\"a\":1,\"b\":{\"c\":2},\"gone\":null}");
    bool changed = true;
    assert_int_equal(shadow_merge(target, patch, &changed), RES_OK);
    assert_false(changed);
    json_decref(patch);
    json_decref(target);
}

static void delta_is_what_is_not_reported(void **state)
{
    (void)state;
    json_t *desired = parse("{\"a\":1,\"b\":{\"c\":2,\"d\":3},\"e\":[1,2],\"f\":null,\"g\":4}");
    json_t *reported = parse("{\"a\":1,\"b\":{\"c\":2,\"d\":4,\"x\":9},\"e\":[1],\"y\":5}");
    json_t *delta = shadow_delta(desired, reported);
    expect_equal(delta, "{\"b\":{\"d\":3},\"e\":[1,2],\"g\":4}");
    json_decref(delta);
    json_decref(desired);
    json_decref(reported);
}

/* ---- random documents ---- */

static json_t *random_value(int depth, bool with_null)
{
    switch (rng_below(&rng, depth > 0 ? 7 : 4)) {
    case 0:
        return json_integer((json_int_t)rng_below(&rng, 4));
    case 1:
        return json_boolean(rng_below(&rng, 2) == 0);
    case 2:
        return json_string(rng_below(&rng, 2) == 0 ? "x" : "y");
    case 3:
        return with_null ? json_null() : json_real(0.5);
    case 4:
        return json_pack("[o, o]", random_value(depth - 1, false), random_value(0, false));
    default:
        break;
    }
    json_t *object = json_object();
    for (uint64_t i = rng_below(&rng, 4); i > 0; i--) {
        const char key[2] = {(char)('a' + rng_below(&rng, 5)), '\0'};
        (void)json_object_set_new(object, key, random_value(depth - 1, with_null));
    }
    return object;
}

static json_t *random_object(bool with_null)
{
    json_t *value = random_value(4, with_null);
    while (!json_is_object(value)) {
        json_decref(value);
        value = random_value(4, with_null);
    }
    return value;
}

/* The RFC's own pseudocode, on values instead of in place. */
static json_t *oracle_merge(const json_t *target, const json_t *patch)
{
    if (!json_is_object(patch)) {
        return json_deep_copy(patch);
    }
    json_t *result = json_is_object(target) ? json_deep_copy(target) : json_object();
    const char *key;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)patch, key, value)
    {
        if (json_is_null(value)) {
            (void)json_object_del(result, key);
        } else {
            (void)json_object_set_new(result, key,
                                      oracle_merge(json_object_get(result, key), value));
        }
    }
    return result;
}

static void any_update_merges_as_the_rfcs_pseudocode(void **state)
{
    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        json_t *target = random_object(false);
        json_t *patch = random_object(true);
        json_t *before = json_deep_copy(target);
        json_t *want = oracle_merge(target, patch);
        bool changed = false;
        enum res r = shadow_merge(target, patch, &changed);
        if (r == RES_OK) {
            assert_true(json_equal(target, want));
            assert_int_equal(changed, !json_equal(before, want));
            /* The same update again changes nothing. */
            assert_int_equal(shadow_merge(target, patch, &changed), RES_OK);
            assert_false(changed);
        } else {
            assert_int_equal(r, RES_LIMIT);
            assert_true(json_equal(target, before));
        }
        json_decref(target);
        json_decref(patch);
        json_decref(before);
        json_decref(want);
    }
}

/* Whoever merges the delta into what is reported has all that is desired, and then no delta is
 * left. */
static void any_delta_brings_reported_to_desired(void **state)
{
    (void)state;
    int with_delta = 0;
    for (int i = 0; i < ROUNDS; i++) {
        json_t *desired = random_object(false);
        json_t *reported = random_object(false);
        json_t *delta = shadow_delta(desired, reported);
        bool changed = false;
        assert_non_null(delta);
        with_delta += json_object_size(delta) > 0;
        assert_int_equal(shadow_merge(reported, delta, &changed), RES_OK);
        assert_int_equal(changed, json_object_size(delta) > 0);
        json_t *left = shadow_delta(desired, reported);
        assert_int_equal(json_object_size(left), 0);
        json_decref(desired);
        json_decref(reported);
        json_decref(delta);
        json_decref(left);
    }
    assert_true(with_delta > ROUNDS / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_as_the_rfc_says),
        cmocka_unit_test(refuses_what_is_no_object),
        cmocka_unit_test(keeps_within_its_limits_or_changes_nothing),
        cmocka_unit_test(says_whether_anything_changed),
        cmocka_unit_test(delta_is_what_is_not_reported),
        cmocka_unit_test(any_update_merges_as_the_rfcs_pseudocode),
        cmocka_unit_test(any_delta_brings_reported_to_desired),
    };
    const char *env = getenv("ENDCAP_SEED");
    uint64_t seed = env != NULL ? strtoull(env, NULL, 10) : (uint64_t)time(NULL);
    (void)printf("ENDCAP_SEED=%llu\n", (unsigned long long)seed);
    rng_init(&rng, seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
