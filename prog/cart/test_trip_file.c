/* The trips' language. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "trip_file.h"

static struct trip_step steps[TRIP_STEPS_MAX];
static struct err why;

static enum res read(const char *line, size_t *ret_count)
{
    why.text[0] = '\0';
    return trip_file_read_line(span_of(line, strlen(line)), &why, steps, ret_count);
}

static void reads_every_kind_of_step(void **state)
{
    (void)state;
    size_t count;
    assert_int_equal(read(" 8901030000010 , 8901030000027*3,-8901030000010*2,?wait=500,?hold,"
                          "?resume,?identify,?pay\r",
                          &count),
                     RES_OK);
    assert_int_equal(count, 8);
    assert_int_equal(steps[0].action, TRIP_SCAN);
    assert_string_equal(steps[0].code, "8901030000010");
    assert_int_equal(steps[0].quantity, 1);
    assert_int_equal(steps[1].quantity, 3);
    assert_int_equal(steps[2].action, TRIP_REMOVE);
    assert_int_equal(steps[2].quantity, 2);
    assert_int_equal(steps[3].action, TRIP_WAIT);
    assert_int_equal(steps[3].wait_ms, 500);
    assert_int_equal(steps[4].action, TRIP_HOLD);
    assert_int_equal(steps[7].action, TRIP_PAY);
}

static void passes_over_comments_and_empty_lines(void **state)
{
    (void)state;
    size_t count = 1;
    assert_int_equal(read("# 8901030000010", &count), RES_OK);
    assert_int_equal(count, 0);
    count = 1;
    assert_int_equal(read("  \t", &count), RES_OK);
    assert_int_equal(count, 0);
}

static void refuses_what_it_does_not_know_in_words(void **state)
{
    (void)state;
    size_t count;
    static const struct {
        const char *line;
        const char *words;
    } bad[] = {
        {"?dance", "?dance"},
        {"?wait=", "?wait="},
        {"?wait=0", "known are"},
        {"89010x", "no barcode"},
        {"8901030000010,,8901030000010", "no barcode"},
        {"8901030000010*0", "1 to 99"},
        {"8901030000010*100", "1 to 99"},
        {"12345678901234567", "no barcode"},
        {"-", "no barcode"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(read(bad[i].line, &count), RES_INVALID);
        assert_non_null(strstr(why.text, bad[i].words));
    }
}

static void refuses_a_trip_with_too_many_steps(void **state)
{
    (void)state;
    static char line[2 * TRIP_STEPS_MAX + 8];
    size_t count;
    for (size_t i = 0; i <= TRIP_STEPS_MAX; i++) {
        memcpy(line + 2 * i, "1,", 2);
    }
    line[2 * TRIP_STEPS_MAX + 1] = '\0';
    assert_int_equal(read(line, &count), RES_LIMIT);
    line[2 * TRIP_STEPS_MAX - 1] = '\0';
    assert_int_equal(read(line, &count), RES_OK);
    assert_int_equal(count, TRIP_STEPS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_kind_of_step),
        cmocka_unit_test(passes_over_comments_and_empty_lines),
        cmocka_unit_test(refuses_what_it_does_not_know_in_words),
        cmocka_unit_test(refuses_a_trip_with_too_many_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
