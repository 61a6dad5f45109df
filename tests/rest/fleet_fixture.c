#include "fleet_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "file.h"
#include "http_client.h"
#include "pki_ca.h"

#define TIMEOUT_MS      30000
#define HEAD_BYTES      1024
#define MIGRATED_STORES "'STORE-A', 'STORE-B'"
#define PLATFORM_PUBLIC "-----BEGIN PUBLIC KEY-----\nfixture\n-----END PUBLIC KEY-----\n"

static const char world_sql[] =
    "UPDATE endcap.store SET region = 'IN-MH', primary_language = 'mr', catalogue_master = "
    "'platform' WHERE store_id IN (" MIGRATED_STORES ");"
    "INSERT INTO endcap.item (store_id, sku, gtin, name, category, price_minor, currency) "
    "SELECT s, 'SKU-' || n, lpad((n + 4000000)::text, 14, '0'), jsonb_build_object('en', 'Rice ' "
    "|| n, 'hi', 'Chawal ' || n, 'mr', 'Tandul ' || n), 'grain', 1000 + n, 'INR' FROM "
    "unnest(ARRAY[" MIGRATED_STORES "]) s, generate_series(1, 40) n";

static _Noreturn void die(const struct err *why)
{
    print_error("%s\n", why->text);
    exit(1);
}

uint64_t fleet_fixture_seed(void)
{
    const char *env = getenv("ENDCAP_SEED");
    uint64_t seed = env != NULL ? strtoull(env, NULL, 10) : (uint64_t)time(NULL);
    print_message("ENDCAP_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

static void make_ca(struct fleet_fixture *f)
{
    struct err why = {""};
    char path[FILE_PATH_BYTES_MAX];
    (void)snprintf(f->ca_directory, sizeof f->ca_directory, "%s/ca", f->pg.directory);
    (void)snprintf(f->broker_directory, sizeof f->broker_directory, "%s/broker", f->pg.directory);
    enum res r = file_make_directory(f->ca_directory, 0700, &why);
    if (r == RES_OK) {
        r = file_make_directory(f->broker_directory, 0700, &why);
    }
    if (r == RES_OK) {
        r = pki_ca_create(f->ca_directory, &why);
    }
    if (r == RES_OK) {
        r = file_path(path, &why, "%s/platform.pub", f->ca_directory);
    }
    if (r == RES_OK) {
        r = file_write(path, PLATFORM_PUBLIC, strlen(PLATFORM_PUBLIC), 0644, &why);
    }
    if (r != RES_OK) {
        die(&why);
    }
}

bool fleet_fixture_start(struct fleet_fixture *f)
{
    static char telemetry[160];
    struct err why = {""};
    if (!pg_fixture_start(&f->pg, PG_FIXTURE_FAST)) {
        return false;
    }
    make_ca(f);
    f->su = pg_fixture_superuser(&f->pg);
    pg_fixture_store(f->su, "STORE-A");
    pg_fixture_store(f->su, "STORE-B");
    pg_fixture_sql(f->su, world_sql);
    (void)snprintf(telemetry, sizeof telemetry, "%s/telemetry", f->pg.directory);
    struct api_settings settings = {.address = "127.0.0.1",
                                    .workers = 4,
                                    .place = f->pg.place,
                                    .telemetry_directory = telemetry,
                                    .ca_directory = f->ca_directory,
                                    .broker_directory = f->broker_directory};
    enum res r = api_start(&settings, &f->api, &why);
    settings.stores = "STORE-B";
    if (r == RES_OK) {
        r = api_start(&settings, &f->api_of_b, &why);
    }
    if (r != RES_OK) {
        die(&why);
    }
    return true;
}

void fleet_fixture_stop(struct fleet_fixture *f)
{
    api_stop(f->api);
    api_stop(f->api_of_b);
    pg_conn_close(f->su);
    pg_fixture_stop(&f->pg);
}

json_t *fleet_fixture_ask(const struct api *api, const char *method, const char *target,
                          const char *type, const char *body, bool once, unsigned *ret_status)
{
    static unsigned keys;
    struct http_client_reply reply = {.status = 0};
    struct err why = {""};
    size_t body_size = body == NULL ? 0 : strlen(body);
    char *request = malloc(HEAD_BYTES + body_size);
    assert_non_null(request);
    char key[96] = "";
    if (once) {
        (void)snprintf(key, sizeof key, "Idempotency-Key: 00000000-0000-4000-8000-%012u\r\n",
                       ++keys);
    }
    char kind[96] = "";
    if (body != NULL) {
        (void)snprintf(kind, sizeof kind, "Content-Type: %s\r\n",
                       type != NULL ? type : "application/json");
    }
    int head = snprintf(request, HEAD_BYTES,
                        "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s%s"
                        "Content-Length: %zu\r\n\r\n",
                        method, target, key, kind, body_size);
    assert_true(head > 0 && head < HEAD_BYTES);
    memcpy(request + head, body == NULL ? "" : body, body_size);
    if (http_client_exchange("127.0.0.1", api_port(api), span_of(request, (size_t)head + body_size),
                             TIMEOUT_MS, &reply, &why) != RES_OK) {
        fail_msg("%s %s: %s", method, target, why.text);
    }
    free(request);
    json_t *value = json_loads(reply.body, JSON_REJECT_DUPLICATES, NULL);
    *ret_status = reply.status;
    http_client_reply_deinit(&reply);
    return value;
}

static bool takes_key(const char *method, const char *target)
{
    return strcmp(method, "POST") == 0 &&
           (strstr(target, "-certificate") != NULL || strstr(target, "bulk-config") != NULL);
}

json_t *fleet_fixture_do(const struct api *api, const char *method, const char *target,
                         const char *body, unsigned status)
{
    unsigned got = 0;
    json_t *value =
        fleet_fixture_ask(api, method, target, NULL, body, takes_key(method, target), &got);
    if (got != status) {
        char *text = json_dumps(value, 0);
        fail_msg("%s %s: %u, %s", method, target, got, text);
    }
    return value;
}

json_t *fleet_fixture_refused(const struct api *api, const char *method, const char *target,
                              const char *body, unsigned status, const char *code)
{
    json_t *value = fleet_fixture_do(api, method, target, body, status);
    json_t *error = json_object_get(value, "error");
    assert_string_equal(fleet_fixture_string(error, "code"), code);
    json_t *details = json_incref(json_object_get(error, "details"));
    json_decref(value);
    return details;
}

static PGresult *run(const struct fleet_fixture *f, const char *sql)
{
    struct err why = {""};
    PGresult *rows = NULL;
    if (pg_conn_run(f->su, sql, NULL, &rows, &why) != RES_OK) {
        fail_msg("%s: %s", sql, why.text);
    }
    if (PQntuples(rows) == 0) {
        fail_msg("%s: no row", sql);
    }
    return rows;
}

int64_t fleet_fixture_number(const struct fleet_fixture *f, const char *sql)
{
    PGresult *rows = run(f, sql);
    int64_t n = pg_get_i64(rows, 0, 0);
    PQclear(rows);
    return n;
}

void fleet_fixture_text(const struct fleet_fixture *f, const char *sql, char *ret_text, size_t size)
{
    PGresult *rows = run(f, sql);
    if (span_copy_text(pg_get_span(rows, 0, 0), ret_text, size) != RES_OK) {
        fail_msg("%s: too long", sql);
    }
    PQclear(rows);
}

const char *fleet_fixture_string(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}
