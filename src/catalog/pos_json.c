#include "pos_json.h"

#include <string.h>

#include "catalog_row.h"
#include "json.h"

#define VALUE_BYTES_MAX (2 * CATALOG_LONG_BYTES_MAX)
/* What a control character becomes: one that ends no line, and that catalog_row refuses. */
#define CONTROL 0x1F

/* The columns of the CSV and their keys, the one we prefer first; of texts by language the English
 * one, the others follow. */
static const struct {
    const char *column;
    const char *key;
    enum catalog_column index;
} names[] = {
    {"gtin", "barcode", CATALOG_GTIN},
    {"gtin", "gtin", CATALOG_GTIN},
    {"sku", "productId", CATALOG_SKU},
    {"sku", "sku", CATALOG_SKU},
    {"name", "name", CATALOG_NAME},
    {"description", "description", CATALOG_DESCRIPTION},
    {"category", "category", CATALOG_CATEGORY},
    {"sub_category", "subCategory", CATALOG_SUB_CATEGORY},
    {"brand", "brand", CATALOG_BRAND},
    {"price", "price", CATALOG_PRICE},
    {"mrp", "mrp", CATALOG_MRP},
    {"cost", "cost", CATALOG_COST},
    {"weight_g", "weightG", CATALOG_WEIGHT_G},
    {"per_kg", "perKg", CATALOG_PER_KG},
    {"currency", "currency", CATALOG_CURRENCY},
    {"stock", "stock", CATALOG_STOCK},
    {"reorder_level", "reorderLevel", CATALOG_REORDER},
};
#define NAMES (sizeof names / sizeof names[0])

struct value {
    enum json_token kind; /* JSON_END: absent */
    struct span raw;
};
struct converter {
    struct json json;
    struct value row[CATALOG_COLUMNS];
    FILE *out;
    const char *what;
    uint8_t text[VALUE_BYTES_MAX];
};

static void put_text(FILE *out, struct span s)
{
    (void)fputc('"', out);
    for (size_t i = 0; i < s.size; i++) {
        uint8_t c = s.data[i];
        if (c == '"') {
            (void)fputc('"', out);
        }
        (void)fputc(c < ' ' ? CONTROL : c, out);
    }
    (void)fputc('"', out);
}

static void put_value(struct converter *c, const struct value *v)
{
    struct sink s;
    switch (v->kind) {
    case JSON_STRING:
        sink_init(&s, c->text, sizeof c->text);
        json_unescape(v->raw, &s);
        /* A text that long is refused by its row, whatever is left of it. */
        put_text(c->out, span_of(c->text, s.overflow ? sizeof c->text : s.size));
        return;
    case JSON_NUMBER:
        put_text(c->out, v->raw);
        return;
    case JSON_TRUE:
    case JSON_FALSE:
        (void)fputs(v->kind == JSON_TRUE ? "true" : "false", c->out);
        return;
    case JSON_END:
    case JSON_FAULT:
    case JSON_OBJECT_BEGIN:
    case JSON_OBJECT_END:
    case JSON_ARRAY_BEGIN:
    case JSON_ARRAY_END:
    case JSON_KEY:
    case JSON_NULL:
        return;
    }
}

static void put_header(FILE *out)
{
    for (size_t i = 0; i < NAMES; i++) {
        bool first = i == 0 || names[i].index != names[i - 1].index;
        if (first) {
            (void)fprintf(out, "%s%s", i == 0 ? "" : ",", names[i].column);
        }
        if (names[i].index == CATALOG_NAME || names[i].index == CATALOG_DESCRIPTION) {
            for (size_t l = 1; l < CATALOG_LANGUAGES; l++) {
                (void)fprintf(out, ",%s_%s", names[i].column, catalog_row_language(l));
            }
        }
    }
    (void)fputc('\n', out);
}

/* In the order of enum catalog_column, as the header is. */
static void put_row(struct converter *c)
{
    for (size_t i = 0; i < CATALOG_COLUMNS; i++) {
        if (i > 0) {
            (void)fputc(',', c->out);
        }
        put_value(c, &c->row[i]);
    }
    (void)fputc('\n', c->out);
}

static bool fail(struct converter *c, const char *what)
{
    if (c->what == NULL) {
        c->what = what;
    }
    return false;
}

static bool key_is(struct span raw, const char *key)
{
    return json_text_equal(raw, span_text(key, 64));
}

/* {"en": ..., "hi": ...} behind name or description. */
static bool read_languages(struct converter *c, enum catalog_column first)
{
    struct span value;
    for (;;) {
        enum json_token t = json_next(&c->json, &value);
        if (t == JSON_OBJECT_END) {
            return true;
        }
        if (t != JSON_KEY) {
            return fail(c, "is not valid JSON");
        }
        size_t l = 0;
        while (l < CATALOG_LANGUAGES && !key_is(value, catalog_row_language(l))) {
            l++;
        }
        t = json_next(&c->json, &value);
        if (l == CATALOG_LANGUAGES || t != JSON_STRING) {
            return fail(c, "name and description are a text, or texts by en, hi, ta, te, bn, mr");
        }
        c->row[first + l] = (struct value){t, value};
    }
}

static bool read_member(struct converter *c, struct span key)
{
    struct span value = SPAN_NONE;
    size_t i = 0;
    while (i < NAMES && !key_is(key, names[i].key)) {
        i++;
    }
    enum json_token t = json_next(&c->json, &value);
    if (i == NAMES) {
        return json_skip(&c->json, t) || fail(c, "is not valid JSON");
    }
    bool text = names[i].index == CATALOG_NAME || names[i].index == CATALOG_DESCRIPTION;
    if (text && t == JSON_OBJECT_BEGIN) {
        return read_languages(c, names[i].index);
    }
    if (t == JSON_OBJECT_BEGIN || t == JSON_ARRAY_BEGIN) {
        return fail(c, "a value that should be a text or a number is an object or a list");
    }
    if (t == JSON_FAULT) {
        return fail(c, "is not valid JSON");
    }
    c->row[names[i].index] = (struct value){t, value};
    return true;
}

static bool read_items(struct converter *c)
{
    struct span value;
    for (;;) {
        enum json_token t = json_next(&c->json, &value);
        if (t == JSON_ARRAY_END) {
            return true;
        }
        if (t != JSON_OBJECT_BEGIN) {
            return fail(c, t == JSON_FAULT ? "is not valid JSON" : "items holds objects only");
        }
        memset(c->row, 0, sizeof c->row); /* JSON_END is 0: absent */
        while ((t = json_next(&c->json, &value)) == JSON_KEY) {
            if (!read_member(c, value)) {
                return false;
            }
        }
        if (t != JSON_OBJECT_END) {
            return fail(c, "is not valid JSON");
        }
        put_row(c);
    }
}

static bool next_is(struct converter *c, enum json_token wanted)
{
    struct span value;
    return json_next(&c->json, &value) == wanted;
}

static bool read_all(struct converter *c)
{
    struct span key;
    if (!next_is(c, JSON_OBJECT_BEGIN) || json_next(&c->json, &key) != JSON_KEY ||
        !key_is(key, "items") || !next_is(c, JSON_ARRAY_BEGIN)) {
        return fail(c, "should be {\"items\": [...]}");
    }
    if (!read_items(c)) {
        return false;
    }
    if (!next_is(c, JSON_OBJECT_END) || !next_is(c, JSON_END)) {
        return fail(c, "should hold items and nothing else");
    }
    return true;
}

enum res pos_json_to_csv(struct span json, FILE *out, const char **ret_what)
{
    _Static_assert(JSON_END == 0, "a cleared row is an empty one");
    struct converter c = {.out = out};
    json_init(&c.json, json);
    put_header(out);
    bool fine = read_all(&c);
    if (!fine) {
        *ret_what = c.what;
        return RES_INVALID;
    }
    return fflush(out) == 0 && ferror(out) == 0 ? RES_OK : RES_IO;
}

void pos_json_field(const char *column, char ret_field[POS_JSON_FIELD_BYTES])
{
    size_t size = strlen(column);
    for (size_t i = 0; i < NAMES; i++) {
        size_t own = strlen(names[i].column);
        bool text = names[i].index == CATALOG_NAME || names[i].index == CATALOG_DESCRIPTION;
        if (strcmp(column, names[i].column) == 0) {
            (void)snprintf(ret_field, POS_JSON_FIELD_BYTES, "%s", names[i].key);
            return;
        }
        if (text && size == own + 3 && strncmp(column, names[i].column, own) == 0 &&
            column[own] == '_') {
            (void)snprintf(ret_field, POS_JSON_FIELD_BYTES, "%s.%s", names[i].key,
                           column + own + 1);
            return;
        }
    }
    (void)snprintf(ret_field, POS_JSON_FIELD_BYTES, "%s", column);
}
