#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "watch_view.h"

static char text[WATCH_VIEW_BYTES_MAX + 1];

static struct watch_data sample(int64_t at_ms, int64_t stored)
{
    return (struct watch_data){
        .at_ms = at_ms,
        .reachable = true,
        .trips = 12,
        .open_sessions = 3,
        .events_stored = stored,
        .received = WATCH_UNKNOWN,
        .part_count = 2,
        .parts = {{"postgresql", true, ""}, {"ingest", false, "it has said nothing for 9 s"}}};
}

static void show(void (*view)(const struct watch_data *, const struct watch_data *, struct sink *),
                 const struct watch_data *d, const struct watch_data *before)
{
    struct sink s;
    sink_init(&s, text, WATCH_VIEW_BYTES_MAX);
    view(d, before, &s);
    assert_false(s.overflow);
    text[s.size] = '\0';
}

static unsigned show_block(const struct watch_data *d, bool wide, bool colour)
{
    struct sink s;
    sink_init(&s, text, WATCH_VIEW_BYTES_MAX);
    unsigned lines = watch_view_block(d, NULL, wide, colour, &s);
    assert_false(s.overflow);
    text[s.size] = '\0';
    return lines;
}

static void takes_rates_between_two_readings(void **state)
{
    (void)state;
    struct watch_data before = sample(1000, 100);
    struct watch_data now = sample(3000, 700);
    assert_int_equal(watch_view_rate(&now, &before), 300);
    assert_int_equal(watch_view_rate(&now, NULL), WATCH_UNKNOWN);
    now.events_stored = 50; /* a day was archived */
    assert_int_equal(watch_view_rate(&now, &before), WATCH_UNKNOWN);
    before.events_stored = WATCH_UNKNOWN;
    assert_int_equal(watch_view_rate(&now, &before), WATCH_UNKNOWN);
}

static size_t longest_line(const char *lines)
{
    size_t longest = 0;
    for (const char *at = lines; *at != '\0'; at += strcspn(at, "\n") + 1) {
        size_t size = strcspn(at, "\n");
        longest = size > longest ? size : longest;
    }
    return longest;
}

static void a_block_has_the_lines_that_are_drawn_over(void **state)
{
    (void)state;
    struct watch_data d = sample(1000, 100);
    for (int i = 0; i < 4; i++) {
        bool wide = i % 2 == 1;
        bool colour = i / 2 == 1;
        unsigned said = show_block(&d, wide, colour);
        unsigned lines = 0;
        for (const char *at = text; *at != '\0'; at++) {
            lines += *at == '\n';
        }
        assert_int_equal(lines, said);
        assert_true(lines < 24); /* rows of a usual terminal, with the cursor's */
        assert_int_equal(strchr(text, '\x1b') != NULL, colour);
        assert_non_null(strstr(text, "ingest: it has said nothing for 9 s"));
        if (!colour) {
            assert_true(longest_line(text) <= (wide ? WATCH_VIEW_COLUMNS : 40));
        }
    }
}

static void the_figures_of_a_block_stand_in_columns(void **state)
{
    (void)state;
    struct watch_data d = sample(1000, 100);
    d.trips = 1234567890;
    d.open_alerts = 3;
    (void)show_block(&d, true, false);
    assert_non_null(strstr(text, "  complete                1234567890    labels connected"));
    assert_non_null(strstr(text, "  shopping now                     3    labels in the fleet"));
    assert_non_null(strstr(text, "    open alerts                      3\n"));
    (void)show_block(&d, true, true);
    assert_non_null(strstr(text, "\x1b[33m         3\x1b[0m\n"));
}

static void says_what_to_do_when_nobody_answers(void **state)
{
    (void)state;
    struct watch_data d = {.reachable = false};
    show(watch_view_line, &d, NULL);
    assert_non_null(strstr(text, "is `endcap up` running?"));
}

static void lines_and_json_say_what_is_unknown(void **state)
{
    (void)state;
    struct watch_data d = sample(1000, 100);
    show(watch_view_line, &d, NULL);
    assert_non_null(strstr(text, "trips=12 "));
    assert_non_null(strstr(text, "received=- "));
    assert_non_null(strstr(text, "postgresql up  ingest DOWN\n"));
    show(watch_view_json, &d, NULL);
    assert_non_null(strstr(text, "\"trips\":12,"));
    assert_non_null(strstr(text, "\"received\":null,"));
    assert_non_null(strstr(text, "\"components\":{\"postgresql\":true,\"ingest\":false}}\n"));
}

static void sums_the_samples_of_one_name(void **state)
{
    (void)state;
    static const char metrics[] = "# HELP a_total b\n# TYPE a_total counter\n"
                                  "a_total{x=\"1 2\\\" 3}\"} 4\n"
                                  "a_total{x=\"2\"} 5\n"
                                  "a_total_more 100\n"
                                  "b 7\n";
    assert_int_equal(watch_data_metric(metrics, "a_total"), 9);
    assert_int_equal(watch_data_metric(metrics, "b"), 7);
    assert_int_equal(watch_data_metric(metrics, "a"), WATCH_UNKNOWN);
    assert_int_equal(watch_data_metric("", "a"), WATCH_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_rates_between_two_readings),
        cmocka_unit_test(a_block_has_the_lines_that_are_drawn_over),
        cmocka_unit_test(the_figures_of_a_block_stand_in_columns),
        cmocka_unit_test(says_what_to_do_when_nobody_answers),
        cmocka_unit_test(lines_and_json_say_what_is_unknown),
        cmocka_unit_test(sums_the_samples_of_one_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
