#include "shadow.h"

#include <stdint.h>

/* Real numbers are written as the rest of the platform writes them. */
#define TEXT_FORM (JSON_COMPACT | JSON_REAL_PRECISION(15))

/* Levels of objects and arrays; stops counting beyond the limit. */
static int depth_of(const json_t *value, int limit)
{
    int deepest = 0;
    const char *key;
    json_t *member = NULL;
    size_t i;
    if (limit < 0 || (!json_is_object(value) && !json_is_array(value))) {
        return 0;
    }
    if (json_is_array(value)) {
        json_array_foreach(value, i, member)
        {
            int depth = depth_of(member, limit - 1);
            deepest = depth > deepest ? depth : deepest;
        }
        return deepest + 1;
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, member)
    {
        int depth = depth_of(member, limit - 1);
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest + 1;
}

static enum res merge(json_t *target, const json_t *patch)
{
    const char *key;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)patch, key, value)
    {
        json_t *held = json_object_get(target, key);
        int failed = 0;
        if (json_is_null(value)) {
            (void)json_object_del(target, key);
        } else if (!json_is_object(value)) {
            failed = json_object_set_new(target, key, json_deep_copy(value));
        } else {
            if (!json_is_object(held)) {
                failed = json_object_set_new(target, key, json_object());
                held = json_object_get(target, key);
            }
            failed = failed != 0 || merge(held, value) != RES_OK;
        }
        if (failed != 0) {
            return RES_NO_MEMORY;
        }
    }
    return RES_OK;
}

enum res shadow_merge(json_t *state, const json_t *patch, bool *ret_changed)
{
    if (!json_is_object(state) || !json_is_object(patch)) {
        return RES_INVALID;
    }
    /* One level more than allowed is enough to know; a deeper patch is not even walked. */
    if (depth_of(patch, SHADOW_DEPTH_MAX) > SHADOW_DEPTH_MAX) {
        return RES_LIMIT;
    }
    json_t *merged = json_deep_copy(state);
    enum res r = merged == NULL ? RES_NO_MEMORY : merge(merged, patch);
    if (r == RES_OK && (depth_of(merged, SHADOW_DEPTH_MAX) > SHADOW_DEPTH_MAX ||
                        json_dumpb(merged, NULL, 0, TEXT_FORM) > SHADOW_BYTES_MAX)) {
        r = RES_LIMIT;
    }
    bool changed = r == RES_OK && json_equal(merged, state) == 0;
    if (changed) {
        (void)json_object_clear(state);
        r = json_object_update(state, merged) == 0 ? RES_OK : RES_NO_MEMORY;
    }
    json_decref(merged);
    if (r == RES_OK) {
        *ret_changed = changed;
    }
    return r;
}

json_t *shadow_delta(const json_t *desired, const json_t *reported)
{
    json_t *delta = json_object();
    const char *key;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)desired, key, value)
    {
        const json_t *held = json_object_get(reported, key);
        json_t *missing = NULL;
        if (json_is_null(value) || json_equal(value, held) != 0) {
            continue;
        }
        if (json_is_object(value) && json_is_object(held)) {
            missing = shadow_delta(value, held);
            if (missing != NULL && json_object_size(missing) == 0) {
                json_decref(missing);
                continue;
            }
        } else {
            missing = json_deep_copy(value);
        }
        if (json_object_set_new(delta, key, missing) != 0) {
            json_decref(delta);
            return NULL;
        }
    }
    return delta;
}
