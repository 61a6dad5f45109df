/* Log lines: one JSON object each, whatever is in the fields. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "json.h"
#include "log.h"

static char captured[1 << 16];

/* What `write_lines` sends to standard error. */
static size_t capture(void (*write_lines)(void))
{
    FILE *file = tmpfile();
    assert_non_null(file);
    int saved = dup(STDERR_FILENO);
    assert_true(saved >= 0);
    assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
    write_lines();
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
    rewind(file);
    size_t size = fread(captured, 1, sizeof captured - 1, file);
    captured[size] = '\0';
    fclose(file);
    return size;
}

static void each_line_is_json(size_t lines)
{
    char *line = captured;
    for (size_t i = 0; i < lines; i++) {
        char *end = strchr(line, '\n');
        assert_non_null(end);
        struct json j;
        struct span value;
        enum json_token token;
        json_init(&j, span_of(line, (size_t)(end - line)));
        do {
            token = json_next(&j, &value);
        } while (token != JSON_END && token != JSON_FAULT);
        if (token != JSON_END) {
            fail_msg("not JSON: %.*s", (int)(end - line), line);
        }
        line = end + 1;
    }
    assert_string_equal(line, "");
}

static void write_hostile(void)
{
    log_init("te\"st", LOG_DEBUG);
    log_event(LOG_INFO, "nothing", LOG_END);
    log_event(LOG_WARN, "quo\"te", LOG_TEXT("a", "\"\\\n\r\t\x01\x1f\x7f"), LOG_INT("n", -5),
              LOG_END);
    log_event(LOG_INFO, "bytes", LOG_TEXT("good", "\xe0\xa4\xa6"), LOG_TEXT("bad", "\xff\xe0"),
              LOG_END);
    log_event(LOG_ERROR, "forged", LOG_TEXT("a", "x\"}\n{\"level\":\"error"), LOG_END);
}

static void hostile_text_cannot_leave_its_field_or_line(void **state)
{
    (void)state;
    (void)capture(write_hostile);
    each_line_is_json(4);
    assert_non_null(strstr(captured, "\"n\":-5"));
    assert_non_null(strstr(captured, "\"process\":\"te\\\"st\""));
}

static void write_levels(void)
{
    log_init("test", LOG_WARN);
    log_event(LOG_DEBUG, "no", LOG_END);
    log_event(LOG_INFO, "no", LOG_END);
    log_event(LOG_WARN, "yes", LOG_END);
    log_event(LOG_ERROR, "yes", LOG_END);
}

static void lines_below_the_least_level_are_not_written(void **state)
{
    (void)state;
    (void)capture(write_levels);
    each_line_is_json(2);
    assert_null(strstr(captured, "no"));
}

static void write_long(void)
{
    static char longer[10000];
    memset(longer, '"', sizeof longer - 1);
    log_init("test", LOG_INFO);
    log_event(LOG_INFO, "long", LOG_INT("before", 1), LOG_TEXT("text", longer), LOG_INT("after", 2),
              LOG_END);
}

static void a_field_that_does_not_fit_is_left_out_whole(void **state)
{
    (void)state;
    size_t size = capture(write_long);
    each_line_is_json(1);
    assert_true(size <= 4096);
    assert_non_null(strstr(captured, "\"before\":1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_text_cannot_leave_its_field_or_line),
        cmocka_unit_test(lines_below_the_least_level_are_not_written),
        cmocka_unit_test(a_field_that_does_not_fit_is_left_out_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
