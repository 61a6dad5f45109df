#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include <signal.h>

#include "flash_file.h"

static char directory[64];
static char path[96];

static int make_directory(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/endcap-flash-XXXXXX");
    if (mkdtemp(directory) == NULL) {
        return -1;
    }
    snprintf(path, sizeof path, "%s/flash", directory);
    return 0;
}

static int remove_directory(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(directory);
}

static void keeps_its_content_over_a_close(void **state)
{
    (void)state;
    struct flash_file file;
    struct err why;
    uint8_t seen[8];
    assert_int_equal(flash_file_open(&file, path, 4096, 3, 8, &why), RES_OK);
    struct flash *f = &file.flash;
    assert_int_equal(f->program(f->context, 4096, "abcdefgh", 8), RES_OK);
    flash_file_close(&file);
    assert_int_equal(flash_file_open(&file, path, 4096, 3, 8, &why), RES_OK);
    assert_int_equal(f->read(f->context, 4096, seen, 8), RES_OK);
    assert_memory_equal(seen, "abcdefgh", 8);
    assert_int_equal(f->program(f->context, 4096, "abcdefgh", 8), RES_INVALID);
    assert_int_equal(f->program(f->context, 4, "abcdefgh", 8), RES_INVALID);
    assert_int_equal(f->read(f->context, 12288, seen, 1), RES_INVALID);
    assert_int_equal(f->erase(f->context, 1), RES_OK);
    assert_int_equal(f->read(f->context, 4096, seen, 8), RES_OK);
    assert_memory_equal(seen, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
    flash_file_close(&file);
}

static void refuses_another_geometry_and_other_files(void **state)
{
    (void)state;
    struct flash_file file;
    struct err why;
    assert_int_equal(flash_file_open(&file, path, 4096, 3, 8, &why), RES_OK);
    flash_file_close(&file);
    assert_int_equal(flash_file_open(&file, path, 4096, 4, 8, &why), RES_INVALID);
    assert_non_null(strstr(why.text, "3 sectors of 4096"));
    assert_int_equal(flash_file_open(&file, path, 4096, 4, 7, &why), RES_INVALID);
    assert_int_equal(truncate(path, 100), 0);
    assert_int_equal(flash_file_open(&file, path, 4096, 3, 8, &why), RES_INVALID);
    assert_non_null(strstr(why.text, "not a flash file"));
}

static void lets_one_process_in(void **state)
{
    (void)state;
    struct flash_file first;
    struct flash_file second;
    struct err why;
    assert_int_equal(flash_file_open(&first, path, 4096, 3, 8, &why), RES_OK);
    assert_int_equal(flash_file_open(&second, path, 4096, 3, 8, &why), RES_CONFLICT);
    assert_non_null(strstr(why.text, "in use"));
    flash_file_close(&first);
    assert_int_equal(flash_file_open(&second, path, 4096, 3, 8, &why), RES_OK);
    flash_file_close(&second);
}

/* A file size limit stands in for the disk's end: both fail the write half way. */
static void leaves_nothing_behind_when_there_is_no_room(void **state)
{
    (void)state;
    struct flash_file file;
    struct err why;
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    struct rlimit small = {.rlim_cur = 8192, .rlim_max = limit.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    enum res r = flash_file_open(&file, path, 4096, 3, 8, &why);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_not_equal(r, RES_OK);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_non_null(strstr(why.text, "make room"));
    assert_int_equal(flash_file_open(&file, path, 4096, 3, 8, &why), RES_OK);
    flash_file_close(&file);
}

static void names_a_folder_that_is_missing(void **state)
{
    (void)state;
    struct flash_file file;
    struct err why;
    char missing[128];
    snprintf(missing, sizeof missing, "%s/none/flash", directory);
    assert_int_equal(flash_file_open(&file, missing, 4096, 3, 8, &why), RES_NOT_FOUND);
    assert_non_null(strstr(why.text, missing));
}

static void keeps_the_cause_of_an_io_error(void **state)
{
    (void)state;
    struct flash_file file;
    struct err why;
    uint8_t seen[8];
    assert_int_equal(flash_file_open(&file, path, 4096, 3, 8, &why), RES_OK);
    struct flash *f = &file.flash;
    close(file.fd);
    assert_int_equal(f->read(f->context, 0, seen, 8), RES_IO);
    assert_int_equal(file.last_errno, EBADF);
    assert_int_equal(f->erase(f->context, 0), RES_IO);
    file.fd = -1;
}

int main(void)
{
#define WITH_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)
    const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(keeps_its_content_over_a_close),
        WITH_DIRECTORY(refuses_another_geometry_and_other_files),
        WITH_DIRECTORY(lets_one_process_in),
        WITH_DIRECTORY(leaves_nothing_behind_when_there_is_no_room),
        WITH_DIRECTORY(keeps_the_cause_of_an_io_error),
        WITH_DIRECTORY(names_a_folder_that_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
