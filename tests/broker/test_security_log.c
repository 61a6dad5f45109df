#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>
#include <time.h>
#include <unistd.h>

#include "security_log.h"

#define WAIT_MS 5000

static char path[64];

static int set_up(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    (void)snprintf(path, sizeof path, "%.30s/endcap-log-XXXXXX",
                   base != NULL && strlen(base) <= 30 ? base : P_tmpdir);
    int fd = mkstemp(path);
    return fd < 0 || close(fd) != 0 || security_log_open(path) != RES_OK ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    security_log_close();
    return unlink(path);
}

/* Every line must be an object; answers how many there are and leaves the last one. */
static size_t read_lines(json_t **ret_last)
{
    char line[4096];
    size_t count = 0;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    *ret_last = NULL;
    while (fgets(line, sizeof line, file) != NULL) {
        json_decref(*ret_last);
        *ret_last = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(*ret_last);
        count++;
    }
    assert_int_equal(fclose(file), 0);
    return count;
}

static void stays_json_whatever_a_stranger_claims(void **state)
{
    (void)state;
    char every_byte[256];
    char long_text[8192];
    json_t *last;
    for (size_t i = 0; i < 255; i++) {
        every_byte[i] = (char)(i + 1);
    }
    every_byte[255] = '\0';
    memset(long_text, '\x01', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    static const char *const tricks[] = {
        "\"}\n{\"what\":\"nothing\"", "\\", "\\u0000", "\xff\xfe", "\xe2\x82", "", "\r\n\t"};
    security_log_write(&(struct security_line){.what = "connection_refused", .device = every_byte});
    for (size_t i = 0; i < sizeof tricks / sizeof *tricks; i++) {
        security_log_write(&(struct security_line){.what = "topic_refused",
                                                   .topic = tricks[i],
                                                   .client = tricks[i],
                                                   .subject = tricks[i]});
    }
    security_log_write(&(struct security_line){.what = "x",
                                               .reason = long_text,
                                               .device = long_text,
                                               .subject = long_text,
                                               .topic = long_text,
                                               .client = long_text});
    assert_int_equal(read_lines(&last), 9);
    assert_string_equal(json_string_value(json_object_get(last, "what")), "x");
    json_decref(last);
}

static void writes_no_more_than_its_allowance_and_says_what_it_left_out(void **state)
{
    (void)state;
    json_t *last;
    json_t *left_out = NULL;
    time_t start = time(NULL);
    for (int i = 0; i < SECURITY_LOG_BURST + 500; i++) {
        security_log_write(&(struct security_line){.what = "flood"});
    }
    size_t count = read_lines(&last);
    json_decref(last);
    size_t seconds = (size_t)(time(NULL) - start) + 1;
    assert_true(count <= SECURITY_LOG_BURST + seconds * SECURITY_LOG_PER_SECOND);
    for (int waited_ms = 0; left_out == NULL && waited_ms < WAIT_MS; waited_ms += 50) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
        security_log_write(&(struct security_line){.what = "knock"});
        (void)read_lines(&last);
        left_out = json_incref(json_object_get(last, "left_out"));
        json_decref(last);
    }
    assert_true(json_integer_value(left_out) > 0);
    json_decref(left_out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stays_json_whatever_a_stranger_claims),
        cmocka_unit_test(writes_no_more_than_its_allowance_and_says_what_it_left_out),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
