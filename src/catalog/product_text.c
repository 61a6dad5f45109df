#include "product_text.h"

#include <stdio.h>
#include <string.h>

#include "catalog_row.h"
#include "gtin.h"

#define FIELD_BYTES_MAX 80
#define VALUE_CHARS_MAX 16

static void add(json_t *details, const char *field, const char *language, const char *constraint)
{
    char name[FIELD_BYTES_MAX];
    (void)snprintf(name, sizeof name, "%s.%.40s", field, language);
    json_t *text = json_string(name); /* a key cut inside a character is no UTF-8 */
    (void)json_array_append_new(details, json_pack("{s:o, s:s, s:s}", "field",
                                                   text != NULL ? text : json_string(field),
                                                   "value", "", "constraint", constraint));
}

static bool is_language(const char *key)
{
    for (size_t i = 0; i < CATALOG_LANGUAGES; i++) {
        if (strcmp(key, catalog_row_language(i)) == 0) {
            return true;
        }
    }
    return false;
}

/* NULL: it is fine. */
static const char *fault_of(const json_t *value)
{
    struct span s = span_of(json_string_value(value), json_string_length(value));
    size_t characters = 0;
    bool blank = true;
    if (!json_is_string(value)) {
        return "a text";
    }
    for (size_t i = 0; i < s.size; i++) {
        if (s.data[i] < ' ' || s.data[i] == 0x7F) {
            return "no control characters";
        }
        characters += (s.data[i] & 0xC0) != 0x80;
        blank = blank && s.data[i] == ' ';
    }
    if (blank || characters > CATALOG_CHARACTERS_MAX || s.size > CATALOG_LONG_BYTES_MAX) {
        return "1 to 500 characters";
    }
    return gtin_looks_like_card(s) ? "nothing that looks like a payment card number" : NULL;
}

void product_text_check(const char *field, const json_t *texts, json_t *details)
{
    const char *key = NULL;
    json_t *value = NULL;
    json_t *copy = json_copy((json_t *)(uintptr_t)texts); /* iterating wants it writable */
    if (json_object_get(texts, "en") == NULL) {
        add(details, field, "en", "required");
    }
    json_object_foreach(copy, key, value)
    {
        const char *fault =
            is_language(key) ? fault_of(value) : "a language: en, hi, ta, te, bn or mr";
        if (fault != NULL) {
            add(details, field, key, fault);
        }
    }
    json_decref(copy);
}
