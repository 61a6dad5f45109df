/* `endcap store` and `endcap catalog` as a person meets them: words and exit codes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sys/wait.h>
#include <unistd.h>

#include "commands.h"
#include "pg_fixture.h"

#define WORDS_MAX 24

static struct pg_fixture fixture;
static char said[16384]; /* standard output and error of the last command */

/* Runs one command line in a process of its own; --data is added. */
static int run(int (*command)(int, char **), const char *line)
{
    static char text[1024];
    char *argv[WORDS_MAX + 3];
    int argc = 0;
    char path[256];
    (void)snprintf(text, sizeof text, "%s", line);
    char *rest = text;
    for (char *word = strsep(&rest, " "); word != NULL; word = strsep(&rest, " ")) {
        assert_true(argc < WORDS_MAX);
        argv[argc++] = word;
    }
    static char data[] = "--data";
    argv[argc++] = data;
    argv[argc++] = fixture.directory;
    argv[argc] = NULL;
    (void)snprintf(path, sizeof path, "%s/said", fixture.directory);
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        if (freopen(path, "w", stdout) == NULL || dup2(STDOUT_FILENO, STDERR_FILENO) < 0) {
            _exit(99);
        }
        int code = command(argc, argv);
        (void)fflush(NULL);
        _exit(code);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    said[fread(said, 1, sizeof said - 1, f)] = '\0';
    (void)fclose(f);
    return WEXITSTATUS(status);
}

static void expect(int (*command)(int, char **), const char *line, int code, const char *words)
{
    int got = run(command, line);
    if (got != code || strstr(said, words) == NULL) {
        fail_msg("%s\nended with %d and said: %s", line, got, said);
    }
}

static void makes_a_store_once_and_says_what_is_wrong(void **state)
{
    (void)state;
    expect(cmd_store, "store create --store STORE-MUM-01 --partner ACME --name Andheri", 0,
           "store STORE-MUM-01 made");
    expect(cmd_store, "store create --store STORE-MUM-01 --partner ACME --name Andheri", 1,
           "there is a store STORE-MUM-01 already");
    expect(cmd_store, "store create --store store --partner ACME --name x", 1, "a store id is");
    expect(cmd_store, "store create --store STORE-2 --partner a --name x", 1, "a partner id is");
    expect(cmd_store, "store create --store STORE-2 --partner ACME --name x --timezone Mars", 1,
           "a timezone is");
    expect(cmd_store, "store create --store STORE-2 --partner ACME --name x --region india", 1,
           "a region is");
    expect(cmd_store, "store create --store STORE-2 --partner ACME --name x --currency rs", 1,
           "a currency is");
    expect(cmd_store, "store create --store STORE-2 --partner ACME --name x --master me", 1,
           "a master is");
    expect(cmd_store, "store create --store STORE-2 --partner ACME --name x --language fr", 1,
           "a language is");
    expect(cmd_store, "store create --store STORE-2", COMMAND_USAGE,
           "--partner and --name are needed");
    expect(cmd_store, "store", COMMAND_USAGE, "the subcommands are create and list");
    expect(cmd_store, "store --help", 0, "usage:");
    expect(cmd_store, "store list", 0, "STORE-MUM-01");
    expect(cmd_store, "store list --json", 0,
           "\"storeId\":\"STORE-MUM-01\",\"partnerId\":\"ACME\"");
}

static void imports_a_file_and_lists_refused_rows(void **state)
{
    (void)state;
    char path[256];
    char line[512];
    (void)snprintf(path, sizeof path, "%s/c.csv", fixture.directory);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    (void)fputs("sku,name,price,mrp\n1,Tea,10,12\n2,Salt,20,19.5\n3,,1,1\n4,x,1.999,\n", f);
    (void)fclose(f);
    (void)snprintf(line, sizeof line, "catalog import %s --store STORE-MUM-01", path);
    expect(cmd_catalog, line, 0, "line 3: price \"20\" is above the MRP\n");
    assert_non_null(strstr(said, "line 4: name is empty\n"));
    assert_non_null(strstr(said, "line 5: price \"1.999\" has more than two decimals\n"));
    assert_non_null(strstr(said, "4 rows read: 1 added"));
    (void)snprintf(line, sizeof line, "catalog import %s --store STORE-MUM-01 --json", path);
    expect(cmd_catalog, line, 0, "{\"line\":3,\"field\":\"price\",\"value\":\"20\",");
    assert_non_null(strstr(said, "{\"read\":4,\"refused\":3,\"added\":0,"));
    (void)snprintf(line, sizeof line, "catalog import %s --store STORE-NONE", path);
    expect(cmd_catalog, line, 1, "there is no store STORE-NONE");
    expect(cmd_catalog, "catalog import /nonexistent --store STORE-MUM-01", 1,
           "cannot read /nonexistent");
    expect(cmd_catalog, "catalog import", COMMAND_USAGE, "import FILE.csv --store S");
    expect(cmd_catalog, "catalog list --store STORE-MUM-01", 0, "Tea");
}

static void says_what_to_do_when_nothing_runs(void **state)
{
    (void)state;
    struct err why = {""};
    enum res stopped = pg_cluster_stop(&fixture.cluster, &why);
    assert_int_equal(stopped, RES_OK);
    expect(cmd_store, "store list", 1, "start it with `endcap up");
}

int main(void)
{
    if (!pg_fixture_start(&fixture, PG_FIXTURE_FAST)) {
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_a_store_once_and_says_what_is_wrong),
        cmocka_unit_test(imports_a_file_and_lists_refused_rows),
        cmocka_unit_test(says_what_to_do_when_nothing_runs),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_fixture_stop(&fixture);
    return failed;
}
