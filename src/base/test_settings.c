#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "settings.h"

static const struct settings_entry table[] = {
    {"port", SETTINGS_NUMBER, 0, 65535, "8883", "where carts come in"},
    {"name", SETTINGS_TEXT, 1, 10, "store", "what it is called"},
    {NULL, SETTINGS_TEXT, 0, 0, NULL, NULL},
};

static char directory[] = "/tmp/endcap-settings-XXXXXX";
static char path[FILE_PATH_BYTES_MAX];

static int make_directory(void **state)
{
    (void)state;
    return mkdtemp(directory) == NULL ||
           file_path(path, NULL, "%s/endcap.conf", directory) != RES_OK;
}

static int remove_directory(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(directory);
}

static enum res load(const char *content, struct settings *s, struct err *why)
{
    settings_init(s, table);
    assert_int_equal(file_write(path, content, strlen(content), 0600, NULL), RES_OK);
    return settings_load(s, path, why);
}

static void reads_values_comments_and_blank_lines(void **state)
{
    (void)state;
    struct settings s;
    assert_int_equal(load("# ports\n\n  port = 1234 \nname=kirana", &s, NULL), RES_OK);
    assert_int_equal(settings_number(&s, "port"), 1234);
    assert_string_equal(settings_text(&s, "name"), "kirana");
}

static void a_missing_file_leaves_the_initial_values(void **state)
{
    (void)state;
    struct settings s;
    settings_init(&s, table);
    assert_int_equal(settings_load(&s, "/nonexistent/endcap.conf", NULL), RES_OK);
    assert_int_equal(settings_number(&s, "port"), 8883);
}

static void refuses_with_the_line_and_the_limit(void **state)
{
    (void)state;
    static const struct {
        const char *content;
        const char *said;
    } cases[] = {
        {"port = 1\nprot = 2\n", "line 2: there is no setting `prot`"},
        {"port = 65536\n", "line 1: `port` must be a whole number from 0 to 65535"},
        {"port = 12x\n", "not `12x`"},
        {"port =\n", "must be a whole number"},
        {"port = 99999999999999999999\n", "must be a whole number"},
        {"name = \n", "must have 1 to 10 characters"},
        {"name = elevenchars\n", "must have 1 to 10 characters"},
        {"port = 1\n# again\nport = 2\n", "line 3: `port` is given twice"},
        {"port 8883\n", "line 1: expected `key = value`"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct settings s;
        struct err why = {0};
        assert_int_equal(load(cases[i].content, &s, &why), RES_INVALID);
        if (strstr(why.text, cases[i].said) == NULL) {
            fail_msg("`%s` is not in `%s`", cases[i].said, why.text);
        }
    }
}

static void a_written_file_has_its_mode(void **state)
{
    (void)state;
    assert_int_equal(file_write(path, "one", 3, 0644, NULL), RES_OK);
    assert_int_equal(file_write(path, "two!", 4, 0600, NULL), RES_OK);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(status.st_size, 4);
}

static void reading_names_what_is_wrong(void **state)
{
    (void)state;
    char data[4];
    size_t size = 0;
    struct err why = {0};
    assert_int_equal(file_read("/nonexistent/file", data, sizeof data, &size, &why), RES_NOT_FOUND);
    assert_non_null(strstr(why.text, "/nonexistent/file"));
    assert_int_equal(file_write(path, "12345", 5, 0600, NULL), RES_OK);
    assert_int_equal(file_read(path, data, sizeof data, &size, &why), RES_LIMIT);
    assert_int_equal(file_write(path, "123", 3, 0600, NULL), RES_OK);
    assert_int_equal(file_read(path, data, sizeof data, &size, &why), RES_OK);
    assert_string_equal(data, "123");
}

static void an_errno_becomes_its_result(void **state)
{
    (void)state;
    assert_int_equal(file_res_of_errno(ENOSPC), RES_FULL);
    assert_int_equal(file_res_of_errno(EACCES), RES_DENIED);
    assert_int_equal(file_res_of_errno(ENOENT), RES_NOT_FOUND);
    assert_int_equal(file_res_of_errno(EIO), RES_IO);
}

static void a_directory_path_through_a_file_is_refused(void **state)
{
    (void)state;
    char below[FILE_PATH_BYTES_MAX];
    assert_int_equal(file_write(path, "1", 1, 0600, NULL), RES_OK);
    struct err why = {0};
    assert_int_equal(file_make_directory(path, 0755, &why), RES_CONFLICT);
    assert_int_equal(file_path(below, NULL, "%s/below/it", path), RES_OK);
    assert_int_not_equal(file_make_directory(below, 0755, &why), RES_OK);
    assert_non_null(strstr(why.text, path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_values_comments_and_blank_lines),
        cmocka_unit_test(a_missing_file_leaves_the_initial_values),
        cmocka_unit_test(refuses_with_the_line_and_the_limit),
        cmocka_unit_test(a_written_file_has_its_mode),
        cmocka_unit_test(reading_names_what_is_wrong),
        cmocka_unit_test(an_errno_becomes_its_result),
        cmocka_unit_test(a_directory_path_through_a_file_is_refused),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
