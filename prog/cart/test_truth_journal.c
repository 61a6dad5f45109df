/* The journal over restarts and torn lines. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "truth_journal.h"

static char directory[64];
static char path[96];

static int setup(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "%s/endcap-journal-XXXXXX",
             getenv("TMPDIR") != NULL ? getenv("TMPDIR") : P_tmpdir);
    if (mkdtemp(directory) == NULL) {
        return -1;
    }
    snprintf(path, sizeof path, "%s/journal", directory);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(directory);
}

static void note(struct truth_journal *j, int64_t counter)
{
    uint8_t body[WIRE_EVENT_BYTES_MAX];
    struct wire_event e;
    struct sink s;
    wire_event_init(&e, WIRE_SESSION_START);
    e.cart_id = SPAN_LIT("CART-JRNL");
    e.epoch = 1;
    e.counter = counter;
    e.session_start.transition = WIRE_RESUME;
    e.session_start.session_id = SPAN_LIT("CART-JRNL.1.1");
    e.session_start.store_id = SPAN_LIT("STORE-1");
    sink_init(&s, body, sizeof body);
    assert_int_equal(wire_event_encode(&e, &s), RES_OK);
    j->observer.event(j->observer.context, 1, counter, sink_span(&s));
    assert_int_equal(j->last_errno, 0);
}

static size_t lines(void)
{
    static char text[8192];
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    size_t size = fread(text, 1, sizeof text, f);
    fclose(f);
    size_t count = 0;
    for (size_t i = 0; i < size; i++) {
        count += text[i] == '\n';
    }
    assert_true(size == 0 || text[size - 1] == '\n');
    return count;
}

static void notes_each_event_once_over_restarts(void **state)
{
    (void)state;
    struct truth_journal j;
    struct err why;
    for (int round = 0; round < 3; round++) {
        assert_int_equal(truth_journal_open(&j, path, "CART-JRNL", &why), RES_OK);
        for (int64_t counter = 2; counter <= 10 + round; counter++) {
            note(&j, counter); /* at start-up the core shows what is on flash again */
        }
        truth_journal_close(&j);
        assert_int_equal(lines(), 9 + round);
    }
}

static void cuts_a_torn_line_off_and_writes_it_again(void **state)
{
    (void)state;
    struct truth_journal j;
    struct err why;
    assert_int_equal(truth_journal_open(&j, path, "CART-JRNL", &why), RES_OK);
    note(&j, 2);
    note(&j, 3);
    truth_journal_close(&j);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, lseek(fd, 0, SEEK_END) - 5), 0);
    close(fd);
    assert_int_equal(truth_journal_open(&j, path, "CART-JRNL", &why), RES_OK);
    note(&j, 2);
    note(&j, 3);
    truth_journal_close(&j);
    assert_int_equal(lines(), 2);
}

static void refuses_a_file_that_is_no_journal(void **state)
{
    (void)state;
    struct truth_journal j;
    struct err why;
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs("something else\n", f);
    fclose(f);
    assert_int_equal(truth_journal_open(&j, path, "CART-JRNL", &why), RES_CORRUPT);
    assert_non_null(strstr(why.text, "no journal"));
}

static void keeps_none_when_none_is_asked_for(void **state)
{
    (void)state;
    struct truth_journal j;
    assert_int_equal(truth_journal_open(&j, NULL, "CART-JRNL", NULL), RES_OK);
    note(&j, 2);
    truth_journal_close(&j);
    assert_int_equal(access(path, F_OK), -1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(notes_each_event_once_over_restarts),
        T(cuts_a_torn_line_off_and_writes_it_again),
        T(refuses_a_file_that_is_no_journal),
        T(keeps_none_when_none_is_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
