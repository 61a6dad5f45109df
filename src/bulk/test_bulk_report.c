#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bulk_report.h"
#include "csv.h"
#include "rng.h"

static void holds(const char *field, const char *written)
{
    char text[200];
    struct sink s;
    bool first = true;
    sink_init(&s, text, sizeof text);
    bulk_report_field(&s, &first, span_text(field, 64));
    assert_false(s.overflow);
    text[s.size] = '\0';
    assert_string_equal(text, written);
}

static void quotes_what_a_reader_would_cut(void **state)
{
    (void)state;
    holds("plain", "plain");
    holds("", "");
    holds("a,b", "\"a,b\"");
    holds("say \"no\"", "\"say \"\"no\"\"\"");
    holds("two\r\nlines", "\"two\r\nlines\"");
}

static void disarms_what_a_spreadsheet_would_run(void **state)
{
    (void)state;
    holds("=1+1", "'=1+1");
    holds("@SUM(A1)", "'@SUM(A1)");
    holds("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0");
    holds("-2+3", "'-2+3");
    holds("\tx", "'\tx");
    holds("=HYPERLINK(\"x\",\"y\")", "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\"");
}

static void leaves_numbers_alone(void **state)
{
    (void)state;
    holds("65.00", "65.00");
    holds("-5.00", "-5.00");
    holds("-", "'-");
    holds("-5.00+1", "'-5.00+1");
}

/* What is written is read back by the strict reader, whatever bytes a field has. */
static void is_read_back_as_it_was(void **state)
{
    (void)state;
    const char *given = getenv("ENDCAP_SEED");
    struct rng rng;
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 4180;
    print_message("seed %llu (ENDCAP_SEED)\n", (unsigned long long)seed);
    rng_init(&rng, seed);
    for (int round = 0; round < 500; round++) {
        static const char alphabet[] = "ab,\"\n\r=-5. ";
        char fields[3][12];
        char text[256];
        char buffer[256];
        struct sink s;
        bool first = true;
        sink_init(&s, text, sizeof text);
        for (size_t f = 0; f < 3; f++) {
            size_t n = rng_below(&rng, 8);
            fields[f][0] = 'x'; /* no formula and no blank line */
            for (size_t i = 1; i <= n; i++) {
                fields[f][i] = alphabet[rng_below(&rng, sizeof alphabet - 1)];
            }
            fields[f][n + 1] = '\0';
            bulk_report_field(&s, &first, span_text(fields[f], 12));
        }
        bulk_report_end(&s, &first);
        assert_false(s.overflow);
        struct csv csv;
        struct span chunk = sink_span(&s);
        csv_init(&csv, buffer, sizeof buffer);
        assert_int_equal(csv_feed(&csv, &chunk), CSV_RECORD);
        assert_int_equal(csv.field_count, 3);
        for (size_t f = 0; f < 3; f++) {
            assert_true(span_equal(csv.fields[f], span_text(fields[f], 12)));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quotes_what_a_reader_would_cut),
        cmocka_unit_test(disarms_what_a_spreadsheet_would_run),
        cmocka_unit_test(leaves_numbers_alone),
        cmocka_unit_test(is_read_back_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
