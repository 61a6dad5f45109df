#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "csv.h"
#include "rng.h"

#define BUFFER 64

/* Reads the whole text in pieces of `step` bytes and writes it down: fields between < >, faults as
 * !number, each record with its line. */
static void read_all(const char *text, size_t size, size_t step, char *out, size_t out_size)
{
    char buffer[BUFFER];
    struct csv c;
    struct sink s;
    sink_init(&s, out, out_size - 1);
    csv_init(&c, buffer, sizeof buffer);
    for (size_t at = 0; at <= size; at += step) {
        bool last = at + step > size;
        struct span chunk = span_of(text + at, last ? size - at : step);
        for (;;) {
            enum csv_got got = chunk.size == 0 && last ? csv_finish(&c) : csv_feed(&c, &chunk);
            if (got == CSV_END || (got == CSV_MORE && !(last && chunk.size == 0))) {
                break;
            }
            if (got == CSV_MORE) {
                continue;
            }
            sink_u64(&s, c.line);
            if (got == CSV_FAULT) {
                sink_text(&s, "!");
                sink_u64(&s, (uint64_t)c.fault);
            }
            for (size_t i = 0; got == CSV_RECORD && i < c.field_count; i++) {
                sink_text(&s, "<");
                sink_bytes(&s, c.fields[i]);
                sink_text(&s, ">");
            }
            sink_text(&s, ";");
        }
    }
    assert_false(s.overflow);
    out[s.size] = '\0';
}

static void expect(const char *text, size_t size, const char *wanted)
{
    char out[4096];
    for (size_t step = 1; step <= size + 1; step += step < 8 ? 1 : size) {
        read_all(text, size, step, out, sizeof out);
        assert_string_equal(out, wanted);
    }
}
#define EXPECT(text, wanted) expect(text, sizeof(text) - 1, wanted)

static void reads_plain_and_quoted_fields(void **state)
{
    (void)state;
    EXPECT("", "");
    EXPECT("a,b\n", "1<a><b>;");
    EXPECT("a,b", "1<a><b>;");
    EXPECT("a,,\r\n\"x, \"\"y\"\"\",\"\"\r\n", "1<a><><>;2<x, \"y\"><>;");
    EXPECT("\"two\nlines\",z\nnext\n", "1<two\nlines><z>;3<next>;");
    EXPECT("\"\"\n", "1<>;");
    EXPECT(",\n", "1<><>;");
}

static void passes_over_a_byte_order_mark_and_blank_lines(void **state)
{
    (void)state;
    EXPECT("\xEF\xBB\xBF"
           "a\n\r\n\nb\n",
           "1<a>;4<b>;");
    EXPECT("a\n\xEF\xBB\xBF"
           "b\n",
           "1<a>;2<\xEF\xBB\xBF"
           "b>;");
}

static void refuses_one_record_and_goes_on_with_the_next(void **state)
{
    (void)state;
    EXPECT("a\"b,c\nd\n", "1!1;2<d>;");
    EXPECT("\"a\"b\nd\n", "1!2;2<d>;");
    EXPECT("a\rb\nd\n", "1!3;2<d>;");
    EXPECT("a\0b\nd\n", "1!4;2<d>;");
    EXPECT("x\n\"never closed\n", "1<x>;2!7;");
}

static void refuses_a_record_larger_than_its_limits(void **state)
{
    (void)state;
    char text[256];
    char wanted[64];
    memset(text, 'x', sizeof text);
    text[BUFFER + 1] = '\n';
    text[BUFFER + 2] = 'y';
    expect(text, BUFFER + 3, "1!6;2<y>;");
    memset(text, ',', sizeof text);
    text[CSV_FIELDS_MAX] = '\n';
    text[CSV_FIELDS_MAX + 1] = 'y';
    (void)snprintf(wanted, sizeof wanted, "1!5;2<y>;");
    expect(text, CSV_FIELDS_MAX + 2, wanted);
    text[CSV_FIELDS_MAX] = ',';
    text[CSV_FIELDS_MAX + 1] = '\n';
    text[CSV_FIELDS_MAX + 2] = 'y';
    expect(text, CSV_FIELDS_MAX + 3, wanted);
}

/* Whatever is written with proper quoting is read back, in pieces of any size. */
static void reads_back_what_was_written(void **state)
{
    (void)state;
    const char *given = getenv("ENDCAP_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 20261121;
    (void)printf("seed %llu\n", (unsigned long long)seed);
    struct rng r;
    rng_init(&r, seed);
    static const char letters[] = "ab,\"\n\r \xC3\xA9";
    for (int round = 0; round < 500; round++) {
        char text[512];
        char wanted[512];
        struct sink t;
        struct sink w;
        sink_init(&t, text, sizeof text);
        sink_init(&w, wanted, sizeof wanted - 1);
        uint64_t line = 1;
        for (uint64_t record = 1 + rng_below(&r, 4); record > 0; record--) {
            uint64_t fields = 1 + rng_below(&r, 4);
            sink_u64(&w, line);
            for (uint64_t f = 0; f < fields; f++) {
                sink_text(&t, f > 0 ? ",\"" : "\"");
                sink_text(&w, "<");
                for (uint64_t n = rng_below(&r, 8); n > 0; n--) {
                    char letter = letters[rng_below(&r, sizeof letters - 1)];
                    sink_byte(&t, (uint8_t)letter);
                    sink_text(&t, letter == '"' ? "\"" : "");
                    sink_byte(&w, (uint8_t)letter);
                    line += letter == '\n' ? 1 : 0;
                }
                sink_text(&t, "\"");
                sink_text(&w, ">");
            }
            sink_text(&t, rng_below(&r, 2) == 0 ? "\r\n" : "\n");
            sink_text(&w, ";");
            line++;
        }
        assert_false(t.overflow || w.overflow);
        wanted[w.size] = '\0';
        char out[512];
        read_all(text, t.size, 1 + (size_t)rng_below(&r, 20), out, sizeof out);
        assert_string_equal(out, wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_plain_and_quoted_fields),
        cmocka_unit_test(passes_over_a_byte_order_mark_and_blank_lines),
        cmocka_unit_test(refuses_one_record_and_goes_on_with_the_next),
        cmocka_unit_test(refuses_a_record_larger_than_its_limits),
        cmocka_unit_test(reads_back_what_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
