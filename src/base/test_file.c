/* Whole small files, atomically. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "file.h"

static char root[] = "/tmp/endcap-test-file-XXXXXX";

static void path_of(char path[FILE_PATH_BYTES_MAX], const char *name)
{
    struct err why;
    assert_int_equal(file_path(path, &why, "%s/%s", root, name), RES_OK);
}

static int make_root(void **state)
{
    (void)state;
    return mkdtemp(root) != NULL ? 0 : -1;
}

static int remove_root(void **state)
{
    static const char *const names[] = {"a", "b", "c", "d/e/f", "d/e", "d"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[FILE_PATH_BYTES_MAX];
        path_of(path, names[i]);
        (void)remove(path);
    }
    return rmdir(root); /* it is empty: no draft was left behind */
}

static void writes_whole_files_with_their_mode_and_reads_them_back(void **state)
{
    (void)state;
    char path[FILE_PATH_BYTES_MAX];
    char data[16];
    struct err why;
    size_t size = 99;
    path_of(path, "a");
    assert_int_equal(file_write(path, "first", 5, 0600, &why), RES_OK);
    assert_int_equal(file_write(path, "second\0x", 8, 0600, &why), RES_OK);
    assert_int_equal(file_read(path, data, sizeof data, &size, &why), RES_OK);
    assert_int_equal(size, 8);
    assert_memory_equal(data, "second\0x", 9); /* and the NUL */
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void creates_a_file_only_where_there_is_none(void **state)
{
    (void)state;
    char path[FILE_PATH_BYTES_MAX];
    char data[16];
    struct err why;
    size_t size = 0;
    path_of(path, "c");
    assert_int_equal(file_create(path, "first", 5, 0600, &why), RES_OK);
    assert_int_equal(file_create(path, "second", 6, 0600, &why), RES_CONFLICT);
    assert_non_null(strstr(why.text, "is kept"));
    assert_int_equal(file_read_secret(path, data, sizeof data, &size, &why), RES_OK);
    assert_string_equal(data, "first");
    assert_int_equal(chmod(path, 0604), 0);
    size = 99;
    assert_int_equal(file_read_secret(path, data, sizeof data, &size, &why), RES_DENIED);
    assert_int_equal(size, 99);
    assert_non_null(strstr(why.text, "chmod 600"));
}

static void reads_up_to_a_limit_and_says_which_file(void **state)
{
    (void)state;
    char path[FILE_PATH_BYTES_MAX];
    char data[6] = "old";
    struct err why;
    size_t size = 99;
    path_of(path, "b");
    assert_int_equal(file_write(path, "12345", 5, 0644, &why), RES_OK);
    assert_int_equal(file_read(path, data, 6, &size, &why), RES_OK);
    assert_int_equal(size, 5);
    assert_int_equal(file_read(path, data, 5, &size, &why), RES_LIMIT);
    assert_non_null(strstr(why.text, path));
    path_of(path, "none");
    assert_int_equal(file_read(path, data, 6, &size, &why), RES_NOT_FOUND);
    assert_non_null(strstr(why.text, path));
    path_of(path, "none/none");
    assert_int_not_equal(file_write(path, "x", 1, 0644, &why), RES_OK);
    assert_non_null(strstr(why.text, "none"));
}

static void makes_directories_with_their_parents_once_or_twice(void **state)
{
    (void)state;
    char path[FILE_PATH_BYTES_MAX];
    struct err why;
    path_of(path, "d/e");
    assert_int_equal(file_make_directory(path, 0700, &why), RES_OK);
    assert_int_equal(file_make_directory(path, 0755, &why), RES_OK);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    path_of(path, "d/e/f");
    assert_int_equal(file_write(path, "", 0, 0644, &why), RES_OK);
    assert_int_not_equal(file_make_directory(path, 0700, &why), RES_OK);
}

static void refuses_a_path_that_does_not_fit(void **state)
{
    (void)state;
    char path[FILE_PATH_BYTES_MAX];
    struct err why;
    static char longer[FILE_PATH_BYTES_MAX + 1];
    memset(longer, 'x', sizeof longer - 1);
    assert_int_equal(file_path(path, &why, "%s", longer), RES_LIMIT);
    longer[FILE_PATH_BYTES_MAX - 1] = '\0';
    assert_int_equal(file_path(path, &why, "%s", longer), RES_OK);
}

static void tells_errors_of_the_system_apart(void **state)
{
    (void)state;
    assert_int_equal(file_res_of_errno(ENOENT), RES_NOT_FOUND);
    assert_int_equal(file_res_of_errno(EACCES), RES_DENIED);
    assert_int_equal(file_res_of_errno(EPERM), RES_DENIED);
    assert_int_equal(file_res_of_errno(ENOSPC), RES_FULL);
    assert_int_equal(file_res_of_errno(EDQUOT), RES_FULL);
    assert_int_equal(file_res_of_errno(EEXIST), RES_CONFLICT);
    assert_int_equal(file_res_of_errno(EIO), RES_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_whole_files_with_their_mode_and_reads_them_back),
        cmocka_unit_test(creates_a_file_only_where_there_is_none),
        cmocka_unit_test(reads_up_to_a_limit_and_says_which_file),
        cmocka_unit_test(makes_directories_with_their_parents_once_or_twice),
        cmocka_unit_test(refuses_a_path_that_does_not_fit),
        cmocka_unit_test(tells_errors_of_the_system_apart),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
