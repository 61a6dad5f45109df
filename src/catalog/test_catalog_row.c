#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "catalog_row.h"

#define FIELDS_MAX 16

/* Splits at |, so that tests read like the file they stand for. */
static size_t split(const char *text, struct span *fields)
{
    size_t count = 0;
    for (const char *at = text;; at++) {
        size_t n = strcspn(at, "|");
        assert_true(count < FIELDS_MAX);
        fields[count++] = span_of(at, n);
        at += n;
        if (*at == '\0') {
            return count;
        }
    }
}

static enum res read_row(const char *header, const char *line, struct catalog_row *row,
                         struct catalog_refusal *refusal)
{
    struct span fields[FIELDS_MAX];
    struct catalog_row_header h;
    const char *what = NULL;
    assert_int_equal(catalog_row_header(fields, split(header, fields), false, &h, &what), RES_OK);
    struct catalog_refusals refusals = {.count = 0};
    enum res r = catalog_row_read(&h, fields, split(line, fields), row, &refusals);
    if (r != RES_OK) {
        assert_true(refusals.count >= 1);
        *refusal = refusals.items[0];
    }
    return r;
}

static void refused(const char *header, const char *line, const char *field, const char *reason)
{
    struct catalog_row row;
    struct catalog_refusal refusal = {.line = 0};
    assert_int_equal(read_row(header, line, &row, &refusal), RES_INVALID);
    assert_string_equal(refusal.field, field);
    assert_string_equal(refusal.reason, reason);
}

#define OURS "gtin|sku|name|name_hi|category|brand|price|mrp|weight_g|per_kg|currency"

static void reads_our_own_columns(void **state)
{
    (void)state;
    struct catalog_row row;
    struct catalog_refusal refusal;
    assert_int_equal(
        read_row(OURS, "4006381333931|A-1| Pen |\xE0\xA4\x95|Office|Stabilo|12.5|20|15|no|INR",
                 &row, &refusal),
        RES_OK);
    assert_string_equal(row.gtin, "04006381333931");
    assert_string_equal(row.sku, "A-1");
    assert_int_equal(row.name[0].size, 3);
    assert_int_equal(row.name[1].size, 3);
    assert_int_equal(row.price_minor, 1250);
    assert_int_equal(row.mrp_minor, 2000);
    assert_int_equal(row.weight_g, 15);
    assert_int_equal(row.per_kg, 0);
    assert_int_equal(row.stock, CATALOG_ABSENT);
}

static void reads_the_columns_of_public_lists(void **state)
{
    (void)state;
    struct catalog_row row;
    struct catalog_refusal refusal;
    assert_int_equal(
        read_row("index|product|category|sub_category|brand|sale_price|market_price|type",
                 "27555|Soap|Beauty|Bath|Nivea|162|162|Bars", &row, &refusal),
        RES_OK);
    assert_string_equal(row.sku, "27555");
    assert_int_equal(row.price_minor, 16200);
    /* 04, the sku in ten digits, check digit; zero-padded to 14 */
    assert_memory_equal(row.gtin, "0040000027555", 13);
    assert_true(gtin_is_valid(span_text(row.gtin, 14)));
}

static void makes_a_valid_gtin_of_any_sku(void **state)
{
    (void)state;
    static const char *const skus[] = {"1", "0000000001", "9999999999", "12345678901", "AB-1", "x"};
    for (size_t i = 0; i < sizeof skus / sizeof skus[0]; i++) {
        char line[64];
        struct catalog_row row;
        struct catalog_refusal refusal;
        (void)snprintf(line, sizeof line, "%s|n|1", skus[i]);
        assert_int_equal(read_row("sku|name|price", line, &row, &refusal), RES_OK);
        assert_int_equal(strlen(row.gtin), 14);
        assert_memory_equal(row.gtin, "004", 3);
        assert_true(gtin_is_valid(span_text(row.gtin, 14)));
    }
}

static void tells_every_bad_field_of_a_row_once(void **state)
{
    (void)state;
    struct span fields[FIELDS_MAX];
    struct catalog_row_header h;
    struct catalog_row row;
    struct catalog_refusals refusals = {.count = 0};
    const char *what = NULL;
    static const char *const wrong[] = {"gtin", "name", "price", "mrp", "currency", "weight_g"};
    assert_int_equal(catalog_row_header(fields, split(OURS, fields), false, &h, &what), RES_OK);
    size_t count = split("4006381333932|A-1||x|Office|Stabilo|1.005|-2|x|no|RUPEE", fields);
    assert_int_equal(catalog_row_read(&h, fields, count, &row, &refusals), RES_INVALID);
    assert_int_equal(refusals.count, sizeof wrong / sizeof wrong[0]);
    for (size_t i = 0; i < refusals.count; i++) {
        assert_string_equal(refusals.items[i].field, wrong[i]);
    }
}

static void refuses_prices_that_cannot_be(void **state)
{
    (void)state;
    static const char h[] = "sku|name|price|mrp";
    refused(h, "1|n|10.01|10", "price", "is above the MRP");
    refused(h, "1|n|-1|", "price", "is negative");
    refused(h, "1|n|1.005|", "price", "has more than two decimals");
    refused(h, "1|n|0|", "price", "is zero");
    refused(h, "1|n|abc|", "price", "is not a decimal number");
    refused(h, "1|n|1e3|", "price", "is not a decimal number");
    refused(h, "1|n|1000000|", "price", "is above 999999.99");
    refused(h, "1|n||", "price", "is missing");
    refused(h, "1|n|1|1.2.3", "mrp", "is not a decimal number");
    struct catalog_row row;
    struct catalog_refusal refusal;
    assert_int_equal(read_row(h, "1|n|999999.99|999999.99", &row, &refusal), RES_OK);
    assert_int_equal(read_row(h, "1|n|0.01|", &row, &refusal), RES_OK);
}

static void refuses_names_and_identities_that_cannot_be(void **state)
{
    (void)state;
    refused("sku|name|price", "1||1", "name", "is empty");
    refused("sku|name|price", "1|a\xFF|1", "name", "is not valid UTF-8");
    refused("sku|name|price", "1|a\x01|1", "name", "holds a control character");
    refused("sku|name|price", "1|pay 4111 1111 1111 1111 now|1", "name",
            "holds what looks like a payment card number");
    refused("sku|name|price", "|n|1", "sku", "is missing, and so is gtin");
    refused("sku|name|price", "a b|n|1", "sku", "is not 1 to 32 letters, digits and . _ - /");
    refused("sku|name|price", "4111111111111111|n|1", "sku",
            "holds what looks like a payment card number");
    refused("gtin|name|price", "4006381333932|n|1", "gtin",
            "is not 8, 12, 13 or 14 digits with a right check digit");
    refused("sku|name|price", "1|n", "row", "has fewer fields than the header");
    refused("sku|name|price", "1|n|1|x", "row", "has more fields than the header");
    refused(OURS, "|1|n||c|b|1|||maybe|", "per_kg", "is neither yes nor no");
    refused(OURS, "|1|n||c|b|1||0||", "weight_g", "is out of range");
    refused(OURS, "|1|n||c|b|1||1.5||", "weight_g", "is not a whole number");
    refused(OURS, "|1|n||c|b|1||||rupee", "currency", "is not an ISO 4217 code");
}

static void names_a_header_column_that_is_missing_or_twice(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        const char *what;
    } bad[] = {{"sku|price", "name"},
               {"sku|name", "price"},
               {"name|price", "gtin or sku"},
               {"sku|index|name|price", "sku"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct span fields[FIELDS_MAX];
        struct catalog_row_header h;
        const char *what = NULL;
        assert_int_equal(catalog_row_header(fields, split(bad[i].header, fields), false, &h, &what),
                         RES_INVALID);
        assert_string_equal(what, bad[i].what);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_our_own_columns),
        cmocka_unit_test(reads_the_columns_of_public_lists),
        cmocka_unit_test(makes_a_valid_gtin_of_any_sku),
        cmocka_unit_test(tells_every_bad_field_of_a_row_once),
        cmocka_unit_test(refuses_prices_that_cannot_be),
        cmocka_unit_test(refuses_names_and_identities_that_cannot_be),
        cmocka_unit_test(names_a_header_column_that_is_missing_or_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
