#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pg_fixture.h"
#include "pg_migrate.h"
#include "rng.h"

static struct pg_fixture fixture;
static struct pg_conn *conn;

static enum res run(const char *sql, const struct pg_params *p, PGresult **rows)
{
    struct err why = {""};
    return pg_conn_run(conn, sql, p, rows, &why);
}

static void carries_every_kind_of_value_there_and_back(void **state)
{
    (void)state;
    struct pg_params p;
    PGresult *rows = NULL;
    char uuid[37];
    pg_params_init(&p);
    pg_params_text(&p, SPAN_LIT("a'b\"\\ \xE0\xA4\x95"));
    pg_params_i64(&p, INT64_MIN);
    pg_params_bool(&p, true);
    pg_params_bytes(&p, span_of("\0\xFF\n", 3));
    pg_params_time_ms(&p, 1);
    pg_params_null(&p);
    pg_params_double(&p, 0.1);
    pg_params_bytes(&p, span_of("", 0));
    assert_int_equal(run("SELECT $1::text, $2::bigint, $3::boolean, $4::bytea, $5::timestamptz, "
                         "$6::text, $7::float8, $8::bytea, "
                         "'0123abcd-0000-0000-0000-00000000ffff'::uuid, '{\"a\": 1}'::jsonb, "
                         "(-5)::smallint, 70000::integer",
                         &p, &rows),
                     RES_OK);
    assert_true(span_equal(pg_get_span(rows, 0, 0), SPAN_LIT("a'b\"\\ \xE0\xA4\x95")));
    assert_true(pg_get_i64(rows, 0, 1) == INT64_MIN);
    assert_true(pg_get_bool(rows, 0, 2));
    assert_true(span_equal(pg_get_span(rows, 0, 3), span_of("\0\xFF\n", 3)));
    assert_int_equal(pg_get_time_ms(rows, 0, 4), 1);
    assert_true(pg_get_is_null(rows, 0, 5));
    assert_true(pg_get_double(rows, 0, 6) == 0.1);
    assert_false(pg_get_is_null(rows, 0, 7));
    pg_get_uuid(rows, 0, 8, uuid);
    assert_string_equal(uuid, "0123abcd-0000-0000-0000-00000000ffff");
    assert_true(span_equal(pg_get_span(rows, 0, 9), SPAN_LIT("{\"a\": 1}")));
    assert_int_equal(pg_get_i64(rows, 0, 10), -5);
    assert_int_equal(pg_get_i64(rows, 0, 11), 70000);
    PQclear(rows);
}

static void arrays_carry_any_bytes_and_numbers(void **state)
{
    (void)state;
    const char *given = getenv("ENDCAP_SEED");
    struct rng r;
    rng_init(&r, given != NULL ? strtoull(given, NULL, 10) : 20261121);
    struct pg_array texts;
    struct pg_array bytes;
    pg_array_init(&texts, 1 << 20);
    pg_array_init(&bytes, 1 << 20);
    static const char letters[] = "a,\"\\{} '\nNULL";
    for (int round = 0; round < 100; round++) {
        char text[100][16];
        size_t size[100];
        size_t count = (size_t)rng_below(&r, 100);
        pg_array_reset(&texts);
        pg_array_reset(&bytes);
        for (size_t i = 0; i < count; i++) {
            size[i] = (size_t)rng_below(&r, 15);
            for (size_t k = 0; k < size[i]; k++) {
                text[i][k] = letters[rng_below(&r, sizeof letters - 1)];
            }
            pg_array_span(&texts, span_of(text[i], size[i]));
            pg_array_bytes(&bytes, span_of(text[i], size[i]));
        }
        struct pg_params p;
        PGresult *rows = NULL;
        pg_params_init(&p);
        pg_params_cstr(&p, pg_array_close(&texts));
        pg_params_cstr(&p, pg_array_close(&bytes));
        assert_int_equal(run("SELECT * FROM unnest($1::text[], $2::bytea[])", &p, &rows), RES_OK);
        assert_int_equal(PQntuples(rows), count);
        for (size_t i = 0; i < count; i++) {
            assert_true(span_equal(pg_get_span(rows, (int)i, 0), span_of(text[i], size[i])));
            assert_true(span_equal(pg_get_span(rows, (int)i, 1), span_of(text[i], size[i])));
        }
        PQclear(rows);
    }
    pg_array_deinit(&texts);
    pg_array_init(&texts, 16);
    pg_array_span(&texts, SPAN_LIT("more than sixteen bytes"));
    assert_null(pg_array_close(&texts));
    pg_array_deinit(&texts);
    pg_array_deinit(&bytes);
}

static void failures_have_a_result_a_state_and_one_sentence(void **state)
{
    (void)state;
    pg_fixture_sql(conn, "CREATE TEMPORARY TABLE t (n integer CONSTRAINT few CHECK (n < 10) "
                         "CONSTRAINT once UNIQUE)");
    struct err why = {""};
    assert_int_equal(pg_conn_run(conn, "INSERT INTO t VALUES (1)", NULL, NULL, &why), RES_OK);
    assert_int_equal(pg_conn_run(conn, "INSERT INTO t VALUES (1)", NULL, NULL, &why), RES_CONFLICT);
    assert_string_equal(pg_conn_constraint(conn), "once");
    assert_string_equal(pg_conn_sqlstate(conn), "23505");
    assert_int_equal(pg_conn_run(conn, "INSERT INTO t VALUES (11)", NULL, NULL, &why), RES_INVALID);
    assert_string_equal(pg_conn_constraint(conn), "few");
    assert_null(strchr(why.text, '\n'));
    assert_int_equal(pg_conn_run(conn, "SELECT 1/0", NULL, NULL, &why), RES_INVALID);
    assert_int_equal(pg_conn_run(conn, "SELEKT", NULL, NULL, &why), RES_IO);
    assert_int_equal(pg_conn_run(conn, "SELECT 'x'::integer", NULL, NULL, &why), RES_INVALID);
    struct pg_params p;
    static char long_text[3000];
    memset(long_text, 'x', sizeof long_text);
    pg_params_init(&p);
    pg_params_text(&p, span_of(long_text, sizeof long_text));
    assert_int_equal(pg_conn_run(conn, "SELECT $1::text", &p, NULL, &why), RES_LIMIT);
    assert_int_equal(pg_conn_command(conn, "SET statement_timeout = 20", &why), RES_OK);
    assert_int_equal(pg_conn_run(conn, "SELECT pg_sleep(20)", NULL, NULL, &why), RES_EXPIRED);
    assert_int_equal(pg_conn_command(conn, "SET statement_timeout = 0; DROP TABLE t", &why),
                     RES_OK);
}

static enum res sum(void *user, size_t index, const PGresult *rows)
{
    int64_t *total = user;
    *total += (int64_t)index * 100 + pg_get_i64(rows, 0, 0);
    return RES_OK;
}

static void a_pipeline_is_one_transaction(void **state)
{
    (void)state;
    struct err why = {""};
    struct pg_params p;
    int64_t total = 0;
    pg_fixture_sql(conn, "CREATE TEMPORARY TABLE t (n integer UNIQUE)");
    assert_int_equal(pg_conn_pipeline_begin(conn, &why), RES_OK);
    for (int64_t i = 1; i <= 3; i++) {
        pg_params_init(&p);
        pg_params_i64(&p, i);
        assert_int_equal(
            pg_conn_pipeline_add(conn, "INSERT INTO t VALUES ($1) RETURNING n", &p, &why), RES_OK);
    }
    assert_int_equal(pg_conn_pipeline_finish(conn, sum, &total, &why), RES_OK);
    assert_int_equal(total, 1 + 102 + 203);
    assert_int_equal(pg_conn_pipeline_begin(conn, &why), RES_OK);
    static const int64_t values[] = {4, 1, 5};
    for (size_t i = 0; i < 3; i++) {
        pg_params_init(&p);
        pg_params_i64(&p, values[i]);
        assert_int_equal(pg_conn_pipeline_add(conn, "INSERT INTO t VALUES ($1)", &p, &why), RES_OK);
    }
    assert_int_equal(pg_conn_pipeline_finish(conn, NULL, NULL, &why), RES_CONFLICT);
    PGresult *rows = NULL;
    assert_int_equal(run("SELECT count(*) FROM t", NULL, &rows), RES_OK);
    assert_int_equal(pg_get_i64(rows, 0, 0), 3);
    PQclear(rows);
    assert_int_equal(pg_conn_pipeline_begin(conn, &why), RES_OK);
    for (int i = 0; i < PG_PIPELINE_MAX; i++) {
        assert_int_equal(pg_conn_pipeline_add(conn, "SELECT 1", NULL, &why), RES_OK);
    }
    assert_int_equal(pg_conn_pipeline_add(conn, "SELECT 1", NULL, &why), RES_FULL);
    assert_int_equal(pg_conn_pipeline_finish(conn, NULL, NULL, &why), RES_OK);
    pg_fixture_sql(conn, "DROP TABLE t");
}

static void a_lost_connection_says_so_and_comes_back(void **state)
{
    (void)state;
    struct err why = {""};
    struct pg_conn *other = pg_fixture_superuser(&fixture);
    assert_int_equal(pg_conn_run(other, "SELECT 1", NULL, NULL, &why), RES_OK);
    char kill[80];
    (void)snprintf(kill, sizeof kill, "SELECT pg_terminate_backend(%d)",
                   PQbackendPID(pg_conn_handle(other)));
    assert_int_equal(pg_conn_command(conn, kill, &why), RES_OK);
    assert_int_equal(pg_conn_run(other, "SELECT 1", NULL, NULL, &why), RES_UNAVAILABLE);
    assert_false(pg_conn_alive(other));
    assert_int_equal(pg_conn_reconnect(other, &why), RES_OK);
    assert_int_equal(pg_conn_run(other, "SELECT 1", NULL, NULL, &why), RES_OK);
    pg_conn_close(other);
}

static void says_why_it_cannot_connect(void **state)
{
    (void)state;
    struct err why = {""};
    struct pg_conn *c = NULL;
    struct pg_conn_settings s = {.place = fixture.place.place, .user = "endcap_api"};
    assert_int_equal(pg_conn_open(&s, &c, &why), RES_DENIED);
    s.password_file = "/nonexistent/password";
    assert_int_equal(pg_conn_open(&s, &c, &why), RES_IO);
    assert_non_null(strstr(why.text, "/nonexistent/password"));
    s.password_file = NULL;
    s.place = "host=/nonexistent dbname=x";
    assert_int_equal(pg_conn_open(&s, &c, &why), RES_UNAVAILABLE);
    assert_null(strchr(why.text, '\n'));
}

#define SHA(letter) letter letter letter letter letter letter letter letter
#define DIGEST(l)   SHA(SHA(l))

static struct pg_migration steps[] = {
    {1, "one", DIGEST("a"), "CREATE TABLE one (n integer)"},
    {2, "two", DIGEST("b"), "CREATE TABLE two (n integer); INSERT INTO one VALUES (1)"},
    {3, "bad", DIGEST("c"), "CREATE TABLE three (n integer); SELECT broken"},
};

static enum res migrate(struct pg_conn *c, size_t count, size_t *applied, struct err *why)
{
    struct pg_migrations m = {
        .list = steps, .count = count, .schema = "trial", .owner = MODEL_OWNER};
    return pg_migrate(c, &m, applied, why);
}

static void migrations_run_once_whole_and_unchanged(void **state)
{
    (void)state;
    struct err why = {""};
    size_t applied = 99;
    pg_fixture_sql(conn, "DROP SCHEMA IF EXISTS trial CASCADE");
    assert_int_equal(migrate(conn, 1, &applied, &why), RES_OK);
    assert_int_equal(applied, 1);
    /* what comes before the broken one stays, nothing of the broken one does */
    assert_int_equal(migrate(conn, 3, &applied, &why), RES_IO);
    assert_non_null(strstr(why.text, "migration 0003_bad"));
    assert_int_equal(migrate(conn, 2, &applied, &why), RES_OK);
    assert_int_equal(applied, 0);
    PGresult *rows = NULL;
    assert_int_equal(run("SELECT to_regclass('trial.three') IS NULL, (SELECT count(*) FROM "
                         "trial.one), (SELECT tableowner = 'endcap_owner' FROM pg_tables WHERE "
                         "schemaname = 'trial' AND tablename = 'two')",
                         NULL, &rows),
                     RES_OK);
    assert_true(pg_get_bool(rows, 0, 0));
    assert_int_equal(pg_get_i64(rows, 0, 1), 1);
    assert_true(pg_get_bool(rows, 0, 2));
    PQclear(rows);
    assert_int_equal(migrate(conn, 1, &applied, &why), RES_CORRUPT);
    assert_non_null(strstr(why.text, "0002_two"));
    assert_non_null(strstr(why.text, "newer"));
    steps[0].sha256 = DIGEST("f");
    assert_int_equal(migrate(conn, 2, &applied, &why), RES_CORRUPT);
    assert_non_null(strstr(why.text, "0001_one was changed"));
    steps[0].sha256 = DIGEST("a");
}

static void *migrate_beside(void *result)
{
    struct err why = {""};
    struct pg_conn *c = pg_fixture_superuser(&fixture);
    size_t applied = 0;
    enum res r = migrate(c, 2, &applied, &why);
    *(size_t *)result = r == RES_OK ? applied : 1000;
    pg_conn_close(c);
    return NULL;
}

static void processes_that_migrate_at_once_take_turns(void **state)
{
    (void)state;
    for (int round = 0; round < 5; round++) {
        pthread_t threads[4];
        size_t applied[4];
        size_t total = 0;
        pg_fixture_sql(conn, "DROP SCHEMA IF EXISTS trial CASCADE");
        for (size_t i = 0; i < 4; i++) {
            assert_int_equal(pthread_create(&threads[i], NULL, migrate_beside, &applied[i]), 0);
        }
        for (size_t i = 0; i < 4; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
            total += applied[i];
        }
        assert_int_equal(total, 2);
    }
    pg_fixture_sql(conn, "DROP SCHEMA trial CASCADE");
}

static void a_cluster_says_what_is_missing_or_too_long(void **state)
{
    (void)state;
    struct err why = {""};
    struct pg_cluster c;
    struct pg_cluster_settings s = {.directory = "x",
                                    .socket_directory = "x",
                                    .secrets_directory = "x",
                                    .binaries = "/nonexistent"};
    assert_int_equal(pg_cluster_init(&c, &s, &why), RES_NOT_FOUND);
    assert_non_null(strstr(why.text, "postgresql-15"));
    char long_path[120];
    memset(long_path, 'd', sizeof long_path - 1);
    long_path[0] = '/';
    long_path[sizeof long_path - 1] = '\0';
    s.binaries = NULL;
    s.socket_directory = long_path;
    assert_int_equal(pg_cluster_init(&c, &s, &why), RES_LIMIT);
    assert_non_null(strstr(why.text, "shorter"));
}

static void a_cluster_is_private_and_passwords_are_secret(void **state)
{
    (void)state;
    struct err why = {""};
    char path[PG_CLUSTER_PATH_MAX];
    struct stat info;
    assert_int_equal(pg_cluster_password_file(&fixture.cluster, "endcap_api", path, sizeof path),
                     RES_OK);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    PGresult *rows = NULL;
    assert_int_equal(
        run("SELECT current_setting('listen_addresses'), (SELECT count(*) FROM pg_authid "
            "WHERE rolcanlogin AND rolpassword NOT LIKE 'SCRAM-SHA-256$%'), (SELECT count(*)"
            " FROM pg_hba_file_rules WHERE auth_method <> 'scram-sha-256')",
            NULL, &rows),
        RES_OK);
    assert_int_equal(pg_get_span(rows, 0, 0).size, 0);
    assert_int_equal(pg_get_i64(rows, 0, 1), 0);
    assert_int_equal(pg_get_i64(rows, 0, 2), 0);
    PQclear(rows);
    /* made already: nothing happens; a lost password file is replaced, the role works again */
    assert_int_equal(pg_cluster_create(&fixture.cluster, &why), RES_OK);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(pg_cluster_ensure_role(&fixture.cluster, conn, "endcap_api", &why), RES_OK);
    pg_conn_close(pg_fixture_connect(&fixture, MODEL_API));
}

static void a_creation_that_was_cut_short_is_started_over(void **state)
{
    (void)state;
    struct err why = {""};
    char directory[256];
    char path[300];
    struct pg_cluster c = fixture.cluster;
    (void)snprintf(directory, sizeof directory, "%s/second", fixture.directory);
    (void)snprintf(c.directory, sizeof c.directory, "%s", directory);
    (void)snprintf(c.secrets_directory, sizeof c.secrets_directory, "%s", fixture.directory);
    (void)snprintf(path, sizeof path, "%s.new", directory);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof path, "%s.new/PG_VERSION", directory);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    (void)fclose(f);
    assert_int_equal(pg_cluster_create(&c, &why), RES_OK);
    (void)snprintf(path, sizeof path, "%s/postgresql.conf", directory);
    assert_int_equal(access(path, R_OK), 0);
    (void)snprintf(path, sizeof path, "%s.new", directory);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void a_cluster_starts_again_after_a_stop(void **state)
{
    (void)state;
    struct err why = {""};
    assert_int_equal(pg_cluster_stop(&fixture.cluster, &why), RES_OK);
    assert_int_equal(pg_conn_run(conn, "SELECT 1", NULL, NULL, &why), RES_UNAVAILABLE);
    assert_int_equal(pg_conn_reconnect(conn, &why), RES_UNAVAILABLE);
    assert_int_equal(pg_conn_run(conn, "SELECT 1", NULL, NULL, &why), RES_UNAVAILABLE);
    int kept = dup(STDERR_FILENO);
    assert_non_null(freopen("/dev/null", "w", stderr));
    assert_int_equal(pg_cluster_start(&fixture.cluster, &why), RES_OK);
    (void)fflush(stderr);
    assert_true(dup2(kept, STDERR_FILENO) >= 0);
    (void)close(kept);
    assert_int_equal(pg_conn_reconnect(conn, &why), RES_OK);
}

int main(void)
{
    if (!pg_fixture_start(&fixture, PG_FIXTURE_FAST)) {
        return 77;
    }
    conn = pg_fixture_superuser(&fixture);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(carries_every_kind_of_value_there_and_back),
        cmocka_unit_test(arrays_carry_any_bytes_and_numbers),
        cmocka_unit_test(failures_have_a_result_a_state_and_one_sentence),
        cmocka_unit_test(a_pipeline_is_one_transaction),
        cmocka_unit_test(a_lost_connection_says_so_and_comes_back),
        cmocka_unit_test(says_why_it_cannot_connect),
        cmocka_unit_test(migrations_run_once_whole_and_unchanged),
        cmocka_unit_test(processes_that_migrate_at_once_take_turns),
        cmocka_unit_test(a_cluster_says_what_is_missing_or_too_long),
        cmocka_unit_test(a_cluster_is_private_and_passwords_are_secret),
        cmocka_unit_test(a_creation_that_was_cut_short_is_started_over),
        cmocka_unit_test(a_cluster_starts_again_after_a_stop),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_conn_close(conn);
    pg_fixture_stop(&fixture);
    return failed;
}
