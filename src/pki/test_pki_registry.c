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
#include <time.h>
#include <unistd.h>

#include "file.h"
#include "pg_fixture.h"
#include "pki_registry.h"
#include "rng.h"

#define RIVALS 6
#define CASES  110

static struct pg_fixture fixture;
static struct pki_ca *ca;
static char ca_directory[160];
static char broker_directory[160];

static struct pki_registry open_registry(void)
{
    return (struct pki_registry){.connection = pg_fixture_connect(&fixture, MODEL_ADMIN),
                                 .ca = ca,
                                 .ca_directory = ca_directory,
                                 .broker_directory = broker_directory};
}

static struct pki_request request_for(enum pki_kind kind, const char *id, const char *store_id)
{
    struct pki_request request = {.kind = kind,
                                  .id = span_of(id, strlen(id)),
                                  .store_id = span_of(store_id, strlen(store_id))};
    pki_issue_period(&request, 30);
    return request;
}

static enum res provision(const struct pki_registry *registry, const char *id, const char *store_id,
                          struct pki_certificate *ret_made, struct err *why)
{
    struct pki_request request =
        request_for(strncmp(id, "CART", 4) == 0 ? PKI_CART : PKI_LABEL, id, store_id);
    enum res r = pg_conn_command(registry->connection, "BEGIN", why);
    if (r == RES_OK) {
        r = pki_registry_register(registry, &request, SPAN_NONE, SPAN_NONE, ret_made, why);
        enum res ended = pg_conn_command(registry->connection, r == RES_OK ? "COMMIT" : "ROLLBACK",
                                         r == RES_OK ? why : NULL);
        r = r == RES_OK ? ended : r;
    }
    return r;
}

static struct span text(const char *s)
{
    return span_of(s, strlen(s));
}

static void read_list(char *ret_text, size_t size)
{
    char path[256];
    size_t length = 0;
    (void)snprintf(path, sizeof path, "%s/revoked.list", broker_directory);
    assert_int_equal(file_read(path, ret_text, size, &length, NULL), RES_OK);
}

static void provisions_a_device_once(void **state)
{
    (void)state;
    struct pki_registry registry = open_registry();
    struct pki_certificate first;
    struct pki_certificate second;
    struct err why = {""};
    assert_int_equal(provision(&registry, "CART-0001", "STORE-1", &first, &why), RES_OK);
    assert_int_equal(provision(&registry, "CART-0001", "STORE-1", &second, &why), RES_CONFLICT);
    assert_non_null(strstr(why.text, "provisioned already"));
    assert_int_equal(provision(&registry, "CART-0001", "STORE-2", &second, &why), RES_CONFLICT);
    assert_non_null(strstr(why.text, "another store"));
    assert_int_equal(provision(&registry, "CART-0002", "STORE-9", &second, &why), RES_NOT_FOUND);
    assert_non_null(strstr(why.text, "no store STORE-9"));
    assert_int_equal(provision(&registry, "ESP32-AB12CD", "STORE-2", &second, &why), RES_OK);
    pg_conn_close(registry.connection);
}

struct rival {
    struct pki_registry registry;
    enum res r;
};

static void *provision_the_same(void *context)
{
    struct rival *rival = context;
    struct pki_certificate made;
    rival->r = provision(&rival->registry, "CART-RACE", "STORE-1", &made, NULL);
    return NULL;
}

static void lets_one_of_several_operators_provision_a_device(void **state)
{
    (void)state;
    struct rival rivals[RIVALS];
    pthread_t threads[RIVALS];
    int won = 0;
    for (int i = 0; i < RIVALS; i++) {
        rivals[i].registry = open_registry();
    }
    for (int i = 0; i < RIVALS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, provision_the_same, &rivals[i]), 0);
    }
    for (int i = 0; i < RIVALS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        won += rivals[i].r == RES_OK;
        assert_true(rivals[i].r == RES_OK || rivals[i].r == RES_CONFLICT);
        pg_conn_close(rivals[i].registry.connection);
    }
    assert_int_equal(won, 1);
}

static void revokes_for_good_and_provisions_anew(void **state)
{
    (void)state;
    struct pki_registry registry = open_registry();
    struct pki_certificate first;
    struct pki_certificate second;
    struct err why = {""};
    char list[4096];
    char line[128];
    assert_int_equal(provision(&registry, "CART-0010", "STORE-1", &first, &why), RES_OK);
    assert_int_equal(pki_registry_revoke(&registry, text("CART-0010"), text("stolen"), &why),
                     RES_OK);
    read_list(list, sizeof list);
    (void)snprintf(line, sizeof line, "%s CART-0010\n", first.identity.serial);
    assert_non_null(strstr(list, line));
    assert_int_equal(pki_registry_revoke(&registry, text("CART-0010"), SPAN_NONE, &why),
                     RES_NOT_FOUND);
    assert_int_equal(provision(&registry, "CART-0010", "STORE-1", &second, &why), RES_OK);
    assert_string_not_equal(first.identity.serial, second.identity.serial);
    assert_string_not_equal(first.subject, second.subject);
    read_list(list, sizeof list);
    assert_null(strstr(list, second.identity.serial));
    pg_conn_close(registry.connection);
}

static void does_not_call_revoked_what_the_broker_was_not_told(void **state)
{
    (void)state;
    struct pki_registry registry = open_registry();
    struct pki_certificate made;
    struct err why = {""};
    assert_int_equal(provision(&registry, "CART-0020", "STORE-1", &made, &why), RES_OK);
    registry.broker_directory = "/nonexistent/broker";
    assert_int_not_equal(pki_registry_revoke(&registry, text("CART-0020"), SPAN_NONE, &why),
                         RES_OK);
    registry.broker_directory = broker_directory;
    /* still valid, so that the operator's second try finds it */
    assert_int_equal(pki_registry_revoke(&registry, text("CART-0020"), SPAN_NONE, &why), RES_OK);
    pg_conn_close(registry.connection);
}

static void writes_the_list_anew_from_the_database(void **state)
{
    (void)state;
    struct pki_registry registry = open_registry();
    struct pki_certificate made;
    char list[4096];
    char path[256];
    assert_int_equal(provision(&registry, "ESP32-FFFFFF", "STORE-1", &made, NULL), RES_OK);
    assert_int_equal(pki_registry_revoke(&registry, text("ESP32-FFFFFF"), SPAN_NONE, NULL), RES_OK);
    (void)snprintf(path, sizeof path, "%s/revoked.list", broker_directory);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(pki_registry_publish(&registry, NULL), RES_OK);
    read_list(list, sizeof list);
    assert_non_null(strstr(list, made.identity.serial));
    pg_conn_close(registry.connection);
}

static void count_row(void *context, const struct pki_registry_row *row)
{
    int *counts = context;
    counts[row->revoked_ms == 0 ? 0 : 1]++;
}

static void lists_what_is_valid_and_what_was(void **state)
{
    (void)state;
    struct pki_registry registry = open_registry();
    struct pki_certificate made;
    int before[2] = {0, 0};
    int after[2] = {0, 0};
    assert_int_equal(pki_registry_list(&registry, text("STORE-2"), count_row, before, NULL),
                     RES_OK);
    assert_int_equal(provision(&registry, "CART-0030", "STORE-2", &made, NULL), RES_OK);
    assert_int_equal(pki_registry_revoke(&registry, text("CART-0030"), SPAN_NONE, NULL), RES_OK);
    assert_int_equal(provision(&registry, "CART-0030", "STORE-2", &made, NULL), RES_OK);
    assert_int_equal(pki_registry_list(&registry, text("STORE-2"), count_row, after, NULL), RES_OK);
    assert_int_equal(after[0], before[0] + 1);
    assert_int_equal(after[1], before[1] + 1);
    pg_conn_close(registry.connection);
}

/* Feature: smartshelf-india, Property 6: Unique Certificate Generation on Provisioning */
static void registers_any_two_devices_with_another_serial_and_subject(void **state)
{
    (void)state;
    const char *given = getenv("ENDCAP_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    struct pki_registry registry = open_registry();
    struct pg_params p;
    PGresult *rows = NULL;
    struct rng rng;
    int provisioned = 0;
    print_message("ENDCAP_SEED=%llu\n", (unsigned long long)seed);
    print_message("Feature: smartshelf-india, Property 6: Unique Certificate Generation on "
                  "Provisioning (110 cases)\n");
    rng_init(&rng, seed);
    while (provisioned < CASES) {
        char id[PKI_ID_BYTES_MAX + 1];
        struct pki_certificate made;
        bool cart = rng_below(&rng, 2) == 0;
        (void)snprintf(id, sizeof id, "%s%06llu", cart ? "CART-" : "ESP32-",
                       (unsigned long long)rng_below(&rng, 200));
        enum res r =
            provision(&registry, id, rng_below(&rng, 2) == 0 ? "STORE-1" : "STORE-2", &made, NULL);
        assert_true(r == RES_OK || r == RES_CONFLICT); /* some come twice, some to another store */
        provisioned += r == RES_OK;
        if (r == RES_OK && rng_below(&rng, 3) == 0) {
            assert_int_equal(pki_registry_revoke(&registry, text(id), SPAN_NONE, NULL), RES_OK);
        }
    }
    pg_params_init(&p);
    assert_int_equal(
        pg_conn_run(registry.connection,
                    "SELECT count(*), count(DISTINCT serial), count(DISTINCT subject), "
                    "count(DISTINCT public_key) FROM device_certificate",
                    &p, &rows, NULL),
        RES_OK);
    assert_true(pg_get_i64(rows, 0, 0) >= CASES);
    for (int column = 1; column < 4; column++) {
        assert_int_equal(pg_get_i64(rows, 0, column), pg_get_i64(rows, 0, 0));
    }
    PQclear(rows);
    pg_conn_close(registry.connection);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(provisions_a_device_once),
        cmocka_unit_test(lets_one_of_several_operators_provision_a_device),
        cmocka_unit_test(revokes_for_good_and_provisions_anew),
        cmocka_unit_test(does_not_call_revoked_what_the_broker_was_not_told),
        cmocka_unit_test(writes_the_list_anew_from_the_database),
        cmocka_unit_test(lists_what_is_valid_and_what_was),
        cmocka_unit_test(registers_any_two_devices_with_another_serial_and_subject),
    };
    struct err why = {""};
    if (!pg_fixture_start(&fixture, PG_FIXTURE_FAST)) {
        return 77;
    }
    (void)snprintf(ca_directory, sizeof ca_directory, "%s/ca", fixture.directory);
    (void)snprintf(broker_directory, sizeof broker_directory, "%s/broker", fixture.directory);
    if (file_make_directory(ca_directory, 0700, &why) != RES_OK ||
        file_make_directory(broker_directory, 0700, &why) != RES_OK ||
        pki_ca_create(ca_directory, &why) != RES_OK ||
        pki_ca_open(ca_directory, &ca, &why) != RES_OK) {
        (void)fprintf(stderr, "%s\n", why.text);
        pg_fixture_stop(&fixture);
        return 1;
    }
    struct pg_conn *superuser = pg_fixture_superuser(&fixture);
    pg_fixture_store(superuser, "STORE-1");
    pg_fixture_store(superuser, "STORE-2");
    pg_conn_close(superuser);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pki_ca_close(ca);
    pg_fixture_stop(&fixture);
    return failed;
}
