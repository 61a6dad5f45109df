#include "catalog_row.h"

#include <string.h>

#include "json.h"
#include "money.h"

static const char *const languages[CATALOG_LANGUAGES] = {"en", "hi", "ta", "te", "bn", "mr"};

const char *catalog_row_language(size_t index)
{
    return languages[index];
}

/* Our names first: they are the ones refusals use. */
static const struct {
    const char *name;
    enum catalog_column column;
} names[] = {
    {"gtin", CATALOG_GTIN},
    {"sku", CATALOG_SKU},
    {"name", CATALOG_NAME},
    {"name_hi", CATALOG_NAME + 1},
    {"name_ta", CATALOG_NAME + 2},
    {"name_te", CATALOG_NAME + 3},
    {"name_bn", CATALOG_NAME + 4},
    {"name_mr", CATALOG_NAME + 5},
    {"description", CATALOG_DESCRIPTION},
    {"description_hi", CATALOG_DESCRIPTION + 1},
    {"description_ta", CATALOG_DESCRIPTION + 2},
    {"description_te", CATALOG_DESCRIPTION + 3},
    {"description_bn", CATALOG_DESCRIPTION + 4},
    {"description_mr", CATALOG_DESCRIPTION + 5},
    {"category", CATALOG_CATEGORY},
    {"sub_category", CATALOG_SUB_CATEGORY},
    {"brand", CATALOG_BRAND},
    {"price", CATALOG_PRICE},
    {"mrp", CATALOG_MRP},
    {"cost", CATALOG_COST},
    {"weight_g", CATALOG_WEIGHT_G},
    {"per_kg", CATALOG_PER_KG},
    {"currency", CATALOG_CURRENCY},
    {"stock", CATALOG_STOCK},
    {"reorder_level", CATALOG_REORDER},
    {"barcode", CATALOG_GTIN},
    {"ean", CATALOG_GTIN},
    {"index", CATALOG_SKU},
    {"product_id", CATALOG_SKU},
    {"product", CATALOG_NAME},
    {"product_name", CATALOG_NAME},
    {"name_en", CATALOG_NAME},
    {"description_en", CATALOG_DESCRIPTION},
    {"sale_price", CATALOG_PRICE},
    {"market_price", CATALOG_MRP},
    {"weight", CATALOG_WEIGHT_G},
    {"stock_count", CATALOG_STOCK},
};
#define NAMES (sizeof names / sizeof names[0])

static const char *name_of(enum catalog_column column)
{
    for (size_t i = 0; i < NAMES; i++) {
        if (names[i].column == column) {
            return names[i].name;
        }
    }
    return "row";
}

static struct span trimmed(struct span s)
{
    while (s.size > 0 && (s.data[0] == ' ' || s.data[0] == '\t')) {
        s.data++;
        s.size--;
    }
    while (s.size > 0 && (s.data[s.size - 1] == ' ' || s.data[s.size - 1] == '\t')) {
        s.size--;
    }
    return s;
}

static bool is_name(struct span field, const char *name)
{
    if (strlen(name) != field.size) {
        return false;
    }
    for (size_t i = 0; i < field.size; i++) {
        uint8_t c = field.data[i];
        c = c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
        c = c == ' ' || c == '-' ? '_' : c;
        if (c != (uint8_t)name[i]) {
            return false;
        }
    }
    return true;
}

enum res catalog_row_header(const struct span *fields, size_t count, bool partial,
                            struct catalog_row_header *ret, const char **ret_what)
{
    struct catalog_row_header h = {.field_count = count, .partial = partial};
    for (size_t i = 0; i < CATALOG_COLUMNS; i++) {
        h.field_of[i] = -1;
    }
    for (size_t f = 0; f < count; f++) {
        struct span field = trimmed(fields[f]);
        size_t known = 0;
        while (known < NAMES && !is_name(field, names[known].name)) {
            known++;
        }
        if (known == NAMES) {
            h.ignored++;
        } else if (h.field_of[names[known].column] >= 0) {
            *ret_what = name_of(names[known].column);
            return RES_INVALID;
        } else {
            h.field_of[names[known].column] = (int)f;
        }
    }
    if (!partial && (h.field_of[CATALOG_NAME] < 0 || h.field_of[CATALOG_PRICE] < 0)) {
        *ret_what = h.field_of[CATALOG_NAME] < 0 ? "name" : "price";
        return RES_INVALID;
    }
    if (h.field_of[CATALOG_GTIN] < 0 && h.field_of[CATALOG_SKU] < 0) {
        *ret_what = "gtin or sku";
        return RES_INVALID;
    }
    *ret = h;
    return RES_OK;
}

/* One row being read: of each field the first refusal stays. */
struct reader {
    const struct catalog_row_header *header;
    const struct span *fields;
    struct catalog_refusals refusals;
};

static struct span field(const struct reader *r, enum catalog_column column)
{
    int f = r->header->field_of[column];
    return f < 0 ? SPAN_NONE : trimmed(r->fields[f]);
}

static void refuse(struct reader *r, enum catalog_column column, struct span value,
                   const char *reason)
{
    struct catalog_refusals *all = &r->refusals;
    const char *name = name_of(column);
    for (size_t i = 0; i < all->count; i++) {
        if (strcmp(all->items[i].field, name) == 0) {
            return;
        }
    }
    if (all->count < CATALOG_REFUSALS_MAX) {
        all->items[all->count++] =
            (struct catalog_refusal){.field = name, .value = value, .reason = reason};
    }
}

/* As PostgreSQL's length(): of valid UTF-8. */
static size_t characters(struct span s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.size; i++) {
        n += (s.data[i] & 0xC0) != 0x80;
    }
    return n;
}

static struct span text(struct reader *r, enum catalog_column column, size_t size_max)
{
    struct span s = field(r, column);
    if (s.size > size_max || characters(s) > CATALOG_CHARACTERS_MAX) {
        refuse(r, column, s, "is too long");
    } else if (!json_utf8_is_valid(s)) {
        refuse(r, column, SPAN_NONE, "is not valid UTF-8");
    } else if (gtin_looks_like_card(s)) {
        refuse(r, column, SPAN_NONE, "holds what looks like a payment card number");
    }
    for (size_t i = 0; i < s.size; i++) {
        if (s.data[i] < ' ' || s.data[i] == 0x7F) {
            refuse(r, column, SPAN_NONE, "holds a control character");
        }
    }
    return s;
}

/* Why money_read refused it, in the words of a price list. */
static const char *money_reason(struct span s)
{
    size_t digits_after_point = 0;
    bool point = false;
    for (size_t i = 0; i < s.size; i++) {
        if (s.data[i] == '.' && !point) {
            point = true;
        } else if (s.data[i] < '0' || s.data[i] > '9') {
            return "is not a decimal number";
        } else {
            digits_after_point += point ? 1 : 0;
        }
    }
    return digits_after_point > 2 ? "has more than two decimals" : "is not a decimal number";
}

static int64_t money(struct reader *r, enum catalog_column column)
{
    struct span s = field(r, column);
    int64_t minor = 0;
    if (s.size == 0) {
        return CATALOG_ABSENT;
    }
    if (s.data[0] == '-') {
        refuse(r, column, s, "is negative");
        return CATALOG_ABSENT;
    }
    enum res read = money_read(s, &minor);
    if (read == RES_INVALID) {
        refuse(r, column, s, money_reason(s));
    } else if (read != RES_OK || minor > CATALOG_PRICE_MINOR_MAX) {
        refuse(r, column, s, "is above 999999.99");
    } else if (minor == 0) {
        refuse(r, column, s, "is zero");
    }
    return minor;
}

static int64_t whole(struct reader *r, enum catalog_column column, int64_t least, int64_t most)
{
    struct span s = field(r, column);
    int64_t n = 0;
    if (s.size == 0) {
        return CATALOG_ABSENT;
    }
    if (json_read_int(s, &n) != RES_OK) {
        refuse(r, column, s, "is not a whole number");
    } else if (n < least || n > most) {
        refuse(r, column, s, n < 0 ? "is negative" : "is out of range");
    }
    return n;
}

static int64_t yes_or_no(struct reader *r, enum catalog_column column)
{
    struct span s = field(r, column);
    if (s.size == 0) {
        return CATALOG_ABSENT;
    }
    if (is_name(s, "1") || is_name(s, "yes") || is_name(s, "true")) {
        return 1;
    }
    if (!is_name(s, "0") && !is_name(s, "no") && !is_name(s, "false")) {
        refuse(r, column, s, "is neither yes nor no");
    }
    return 0;
}

/* Ten digits made of a sku: its own number when it is one, else a hash (FNV-1a, 64 bits). */
static uint64_t ten_digits(struct span sku)
{
    uint64_t number = 0;
    uint64_t hash = UINT64_C(14695981039346656037);
    bool digits = sku.size <= 10;
    for (size_t i = 0; i < sku.size; i++) {
        hash = (hash ^ sku.data[i]) * UINT64_C(1099511628211);
        digits = digits && sku.data[i] >= '0' && sku.data[i] <= '9';
        number = number * 10 + (uint64_t)(sku.data[i] - '0');
    }
    return digits ? number : hash % UINT64_C(10000000000);
}

static void gtin_of_sku(struct span sku, char ret_gtin14[GTIN_DIGITS + 1])
{
    struct sink s;
    sink_init(&s, ret_gtin14, GTIN_DIGITS);
    sink_text(&s, "004"); /* 14 digits: a leading zero before the GTIN-13's prefix 04 */
    sink_u64_padded(&s, ten_digits(sku), 10);
    sink_byte(&s, (uint8_t)gtin_check_digit(sink_span(&s)));
    ret_gtin14[s.size] = '\0';
}

static bool sku_is_fine(struct span s)
{
    for (size_t i = 0; i < s.size; i++) {
        uint8_t c = s.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && c != '.' && c != '_' && c != '-' && c != '/') {
            return false;
        }
    }
    return s.size >= 1 && s.size <= CATALOG_SKU_BYTES_MAX;
}

static void identity(struct reader *r, struct catalog_row *row)
{
    struct span sku = field(r, CATALOG_SKU);
    struct span gtin = field(r, CATALOG_GTIN);
    if (sku.size > 0 && !sku_is_fine(sku)) {
        refuse(r, CATALOG_SKU, sku, "is not 1 to 32 letters, digits and . _ - /");
        sku = SPAN_NONE;
    }
    /* As on the wire: a sku is often a GTIN, and one GTIN in ten passes Luhn by chance. */
    if (!gtin_is_valid(sku) && gtin_looks_like_card(sku)) {
        refuse(r, CATALOG_SKU, SPAN_NONE, "holds what looks like a payment card number");
        sku = SPAN_NONE;
    }
    if (gtin.size > 0 && gtin_normalise(gtin, row->gtin) != RES_OK) {
        refuse(r, CATALOG_GTIN, gtin, "is not 8, 12, 13 or 14 digits with a right check digit");
        row->gtin[0] = '\0';
        gtin = SPAN_NONE;
    }
    if (sku.size == 0 && gtin.size == 0) {
        refuse(r, CATALOG_SKU, SPAN_NONE, "is missing, and so is gtin");
        return;
    }
    if (gtin.size == 0 && field(r, CATALOG_GTIN).size == 0) {
        gtin_of_sku(sku, row->gtin);
    }
    if (span_copy_text(sku.size > 0 ? sku : gtin, row->sku, sizeof row->sku) != RES_OK) {
        row->sku[0] = '\0'; /* cannot be: both are at most 32 bytes */
    }
}

static void prices(struct reader *r, struct catalog_row *row)
{
    row->price_minor = money(r, CATALOG_PRICE);
    row->mrp_minor = money(r, CATALOG_MRP);
    row->cost_minor = money(r, CATALOG_COST);
    if (row->price_minor == CATALOG_ABSENT && !r->header->partial) {
        refuse(r, CATALOG_PRICE, SPAN_NONE, "is missing");
    }
    if (row->mrp_minor != CATALOG_ABSENT && row->price_minor > row->mrp_minor) {
        refuse(r, CATALOG_PRICE, field(r, CATALOG_PRICE), "is above the MRP");
    }
    row->currency = field(r, CATALOG_CURRENCY);
    for (size_t i = 0; i < row->currency.size; i++) {
        if (row->currency.size != 3 || row->currency.data[i] < 'A' || row->currency.data[i] > 'Z') {
            refuse(r, CATALOG_CURRENCY, row->currency, "is not an ISO 4217 code");
        }
    }
}

enum res catalog_row_read(const struct catalog_row_header *header, const struct span *fields,
                          size_t count, struct catalog_row *ret,
                          struct catalog_refusals *ret_refusals)
{
    struct reader r = {.header = header, .fields = fields};
    *ret = (struct catalog_row){.gtin = ""};
    if (count != header->field_count) {
        *ret_refusals = (struct catalog_refusals){
            .count = 1,
            .items = {{.field = "row",
                       .reason = count < header->field_count ? "has fewer fields than the header"
                                                             : "has more fields than the header"}}};
        return RES_INVALID;
    }
    identity(&r, ret);
    for (size_t i = 0; i < CATALOG_LANGUAGES; i++) {
        enum catalog_column name = (enum catalog_column)(CATALOG_NAME + i);
        enum catalog_column description = (enum catalog_column)(CATALOG_DESCRIPTION + i);
        ret->name[i] = text(&r, name, CATALOG_NAME_BYTES_MAX);
        ret->description[i] = text(&r, description, CATALOG_LONG_BYTES_MAX);
    }
    if (ret->name[0].size == 0 && !header->partial) {
        refuse(&r, CATALOG_NAME, SPAN_NONE, "is empty");
    }
    ret->category = text(&r, CATALOG_CATEGORY, CATALOG_TEXT_BYTES_MAX);
    ret->sub_category = text(&r, CATALOG_SUB_CATEGORY, CATALOG_TEXT_BYTES_MAX);
    ret->brand = text(&r, CATALOG_BRAND, CATALOG_TEXT_BYTES_MAX);
    prices(&r, ret);
    ret->weight_g = whole(&r, CATALOG_WEIGHT_G, 1, CATALOG_WEIGHT_G_MAX);
    ret->per_kg = yes_or_no(&r, CATALOG_PER_KG);
    ret->stock = whole(&r, CATALOG_STOCK, 0, CATALOG_STOCK_MAX);
    ret->reorder = whole(&r, CATALOG_REORDER, 0, CATALOG_STOCK_MAX);
    if (r.refusals.count > 0) {
        *ret_refusals = r.refusals;
        return RES_INVALID;
    }
    return RES_OK;
}
