/* `endcap ca` and `endcap device` as an operator uses them, over a real PostgreSQL.
 *
 * usage: test_device_command ENDCAP
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file.h"
#include "pg_fixture.h"
#include "pki_issue.h"

#define OUTPUT_BYTES_MAX 16384
#define ARGUMENTS_MAX    24

static struct pg_fixture fixture;
static const char *program;
static char output[OUTPUT_BYTES_MAX]; /* of the last run: standard output, then error */

/* Runs `endcap ... --data FIXTURE` and answers its exit code. */
static int endcap(const char *const *words)
{
    const char *argv[ARGUMENTS_MAX] = {program};
    size_t count = 1;
    int ends[2];
    size_t size = 0;
    while (*words != NULL) {
        argv[count++] = *words++;
    }
    argv[count++] = "--data";
    argv[count++] = fixture.directory;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (dup2(ends[1], STDOUT_FILENO) < 0 || dup2(ends[1], STDERR_FILENO) < 0 ||
            chdir(fixture.directory) != 0) {
            _exit(126);
        }
        (void)close(ends[0]);
        (void)execv(program, (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    (void)close(ends[1]);
    for (ssize_t got; (got = read(ends[0], output + size, sizeof output - 1 - size)) > 0;) {
        size += (size_t)got;
    }
    output[size] = '\0';
    (void)close(ends[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}
#define ENDCAP(...) endcap((const char *const[]){__VA_ARGS__, NULL})

static void assert_says(const char *words)
{
    if (strstr(output, words) == NULL) {
        fail_msg("\"%s\" is not in: %s", words, output);
    }
}

static mode_t mode_of(const char *name)
{
    char path[256];
    struct stat status;
    (void)snprintf(path, sizeof path, "%s/%s", fixture.directory, name);
    assert_int_equal(stat(path, &status), 0);
    return status.st_mode & 0777;
}

static void makes_one_ca_and_never_another(void **state)
{
    (void)state;
    assert_int_equal(ENDCAP("ca", "init"), 0);
    assert_says("SHA-256");
    assert_int_equal(mode_of("ca/ca.key"), 0600);
    assert_int_equal(mode_of("ca/platform.key"), 0600);
    assert_int_equal(ENDCAP("ca", "init"), 1);
    assert_says("is not replaced");
    assert_int_equal(ENDCAP("ca", "show"), 0);
    assert_says("Endcap CA");
    assert_int_equal(ENDCAP("ca", "melt"), 2);
}

static void provisions_a_cart_with_all_it_needs(void **state)
{
    (void)state;
    assert_int_equal(ENDCAP("device", "provision", "--kind", "cart", "--store", "STORE-1",
                            "--device", "CART-0001", "--out", "cart1", "--json"),
                     0);
    json_t *made = json_loads(output, 0, NULL);
    assert_non_null(made);
    assert_string_equal(json_string_value(json_object_get(made, "deviceId")), "CART-0001");
    assert_int_equal(strlen(json_string_value(json_object_get(made, "serial"))) % 2, 0);
    json_decref(made);
    assert_int_equal(mode_of("cart1/CART-0001.key"), 0600);
    assert_int_equal(mode_of("cart1/CART-0001.crt"), 0644);
    assert_int_equal(mode_of("cart1/ca.crt"), 0644);
    assert_int_equal(mode_of("cart1/platform.pub"), 0644);
}

static void refuses_a_second_certificate_for_a_device(void **state)
{
    (void)state;
    assert_int_equal(ENDCAP("device", "provision", "--kind", "cart", "--store", "STORE-1",
                            "--device", "CART-0001", "--out", "again"),
                     1);
    assert_says("endcap device: CART-0001 is provisioned already");
}

static void takes_a_signing_request_and_makes_no_key(void **state)
{
    (void)state;
    char path[256];
    char pem[PKI_CSR_BYTES_MAX];
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509_REQ *csr = X509_REQ_new();
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(X509_REQ_set_pubkey(csr, key), 1);
    assert_true(X509_REQ_sign(csr, key, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_bio_X509_REQ(bio, csr), 1);
    assert_int_equal(pki_x509_text(bio, pem, sizeof pem), RES_OK);
    (void)snprintf(path, sizeof path, "%s/device.csr", fixture.directory);
    assert_int_equal(file_write(path, pem, strlen(pem), 0644, NULL), RES_OK);
    assert_int_equal(ENDCAP("device", "provision", "--kind", "label", "--store", "STORE-1",
                            "--device", "ESP32-AB12CD", "--csr", path, "--out", "label"),
                     0);
    (void)snprintf(path, sizeof path, "%s/label/ESP32-AB12CD.key", fixture.directory);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(mode_of("label/ESP32-AB12CD.crt"), 0644);
    BIO_free(bio);
    X509_REQ_free(csr);
    EVP_PKEY_free(key);
}

static void makes_up_an_id_when_none_is_given(void **state)
{
    (void)state;
    assert_int_equal(
        ENDCAP("device", "provision", "--kind", "cart", "--store", "STORE-1", "--json"), 0);
    json_t *made = json_loads(output, 0, NULL);
    const char *id = json_string_value(json_object_get(made, "deviceId"));
    assert_true(pki_identity_id_valid(PKI_CART, span_of(id, strlen(id))));
    json_decref(made);
}

static void makes_many_at_once_or_none(void **state)
{
    (void)state;
    assert_int_equal(ENDCAP("device", "provision", "--kind", "label", "--store", "STORE-1",
                            "--count", "25", "--device", "ESP32-000090", "--out", "many"),
                     0);
    assert_says("25 labels of store STORE-1, ESP32-000090 the first, in many");
    assert_int_equal(mode_of("many/ESP32-000090.key"), 0600);
    assert_int_equal(mode_of("many/ESP32-000114.crt"), 0644);
    assert_int_equal(mode_of("many/ca.crt"), 0644);
    assert_int_equal(mode_of("many/platform.pub"), 0644);
    assert_int_equal(ENDCAP("device", "list", "--store", "STORE-1"), 0);
    assert_says("ESP32-000090");
    assert_says("ESP32-000114");
    /* The fifth of these has a certificate: nobody gets one. */
    assert_int_equal(ENDCAP("device", "provision", "--kind", "label", "--store", "STORE-1",
                            "--count", "10", "--device", "ESP32-000086", "--out", "more"),
                     1);
    assert_says("ESP32-000090 is provisioned already");
    assert_int_equal(ENDCAP("device", "list", "--store", "STORE-1"), 0);
    assert_null(strstr(output, "ESP32-000086"));
    assert_int_equal(ENDCAP("device", "provision", "--kind", "label", "--store", "STORE-1",
                            "--count", "3", "--device", "ESP32-999998", "--out", "end"),
                     1);
    assert_says("run out of digits");
    assert_int_equal(
        ENDCAP("device", "provision", "--kind", "label", "--store", "STORE-1", "--count", "0"), 2);
    assert_int_equal(ENDCAP("device", "provision", "--kind", "cart", "--store", "STORE-1",
                            "--count", "2", "--serial", "X"),
                     2);
}

/* Without anybody binding them: the unassigned face and the store's configuration. */
static void labels_have_something_to_show_at_once(void **state)
{
    (void)state;
    struct err why = {""};
    PGresult *rows = NULL;
    struct pg_conn *superuser = pg_fixture_superuser(&fixture);
    enum res r = pg_conn_run(
        superuser,
        "SELECT count(*), count(*) FILTER (WHERE h.desired #>> '{display,template}' = 'unassigned' "
        "AND h.desired #> '{config,version}' IS NOT NULL AND (SELECT count(*) FROM delivery d "
        "WHERE d.label_id = l.label_id AND d.state = 'pending') = 2) FROM label l LEFT JOIN shadow "
        "h ON h.device_id = l.label_id",
        NULL, &rows, &why);
    assert_int_equal(r, RES_OK);
    assert_int_equal(pg_get_i64(rows, 0, 0), 26);
    assert_int_equal(pg_get_i64(rows, 0, 1), 26);
    PQclear(rows);
    pg_conn_close(superuser);
}

static void revokes_and_lists(void **state)
{
    (void)state;
    char path[256];
    char list[4096];
    size_t size;
    assert_int_equal(ENDCAP("device", "revoke", "--device", "CART-0001", "--reason", "stolen"), 0);
    (void)snprintf(path, sizeof path, "%s/broker/revoked.list", fixture.directory);
    assert_int_equal(file_read(path, list, sizeof list, &size, NULL), RES_OK);
    assert_non_null(strstr(list, " CART-0001\n"));
    assert_int_equal(ENDCAP("device", "list"), 0);
    assert_says("revoked");
    assert_says("ESP32-AB12CD");
    assert_int_equal(ENDCAP("device", "list", "--json", "--store", "STORE-1"), 0);
    for (char *line = output, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        json_t *row = json_loadb(line, (size_t)(end - line), 0, NULL);
        assert_non_null(json_object_get(row, "revokedAt"));
        json_decref(row);
    }
    assert_int_equal(ENDCAP("device", "revoke", "--device", "CART-0001"), 1);
    assert_says("has no valid certificate");
    assert_int_equal(ENDCAP("device", "provision", "--kind", "cart", "--store", "STORE-1",
                            "--device", "CART-0001", "--out", "cart1"),
                     0);
}

static void says_what_is_wrong_and_what_to_do(void **state)
{
    (void)state;
    assert_int_equal(ENDCAP("device", "provision", "--kind", "cart", "--store", "STORE-7",
                            "--device", "CART-0007"),
                     1);
    assert_says("there is no store STORE-7");
    assert_int_equal(ENDCAP("device", "provision", "--kind", "cart", "--store", "STORE-1",
                            "--device", "TROLLEY"),
                     1);
    assert_says("is not an id of a cart");
    assert_int_equal(ENDCAP("device", "provision", "--kind", "cart", "--store", "STORE-1",
                            "--device", "CART-0008", "--csr", "nothing.csr"),
                     1);
    assert_says("nothing.csr");
    assert_int_equal(ENDCAP("device", "provision", "--kind", "fridge", "--store", "STORE-1"), 2);
    assert_int_equal(ENDCAP("device", "provision", "--kind", "cart"), 2);
    assert_int_equal(ENDCAP("device", "provision", "--days", "many"), 2);
    assert_int_equal(ENDCAP("device", "polish"), 2);
    assert_int_equal(ENDCAP("device", "--help"), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_one_ca_and_never_another),
        cmocka_unit_test(provisions_a_cart_with_all_it_needs),
        cmocka_unit_test(refuses_a_second_certificate_for_a_device),
        cmocka_unit_test(takes_a_signing_request_and_makes_no_key),
        cmocka_unit_test(makes_up_an_id_when_none_is_given),
        cmocka_unit_test(makes_many_at_once_or_none),
        cmocka_unit_test(labels_have_something_to_show_at_once),
        cmocka_unit_test(revokes_and_lists),
        cmocka_unit_test(says_what_is_wrong_and_what_to_do),
    };
    if (argc != 2) {
        (void)fprintf(stderr, "usage: test_device_command ENDCAP\n");
        return 2;
    }
    program = realpath(argv[1], NULL); /* it is run from another directory */
    if (!pg_fixture_start(&fixture, PG_FIXTURE_FAST)) {
        return 77;
    }
    struct pg_conn *superuser = pg_fixture_superuser(&fixture);
    pg_fixture_store(superuser, "STORE-1");
    pg_conn_close(superuser);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_fixture_stop(&fixture);
    return failed;
}
