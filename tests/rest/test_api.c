/* The whole REST face against a real PostgreSQL and a real telemetry store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api.h"
#include "api_fixture.h"
#include "http_client.h"
#include "rng.h"

static struct api_fixture x;

/* ---- what the document promises ---- */

static json_t *document;

static const json_t *resolve(const json_t *schema)
{
    const char *ref = json_string_value(json_object_get(schema, "$ref"));
    if (ref == NULL) {
        return schema;
    }
    const json_t *schemas = json_object_get(json_object_get(document, "components"), "schemas");
    return json_object_get(schemas, strrchr(ref, '/') + 1);
}

static bool is_of_type(const json_t *value, const char *type)
{
    static const struct {
        const char *name;
        json_type types[3];
    } known[] = {
        {"string", {JSON_STRING, JSON_STRING, JSON_STRING}},
        {"integer", {JSON_INTEGER, JSON_INTEGER, JSON_INTEGER}},
        {"number", {JSON_INTEGER, JSON_REAL, JSON_REAL}},
        {"boolean", {JSON_TRUE, JSON_FALSE, JSON_FALSE}},
        {"object", {JSON_OBJECT, JSON_OBJECT, JSON_OBJECT}},
        {"array", {JSON_ARRAY, JSON_ARRAY, JSON_ARRAY}},
        {"null", {JSON_NULL, JSON_NULL, JSON_NULL}},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i].name, type) == 0) {
            json_type t = json_typeof(value);
            return t == known[i].types[0] || t == known[i].types[1] || t == known[i].types[2];
        }
    }
    return false;
}

static bool type_fits(const json_t *value, const json_t *type)
{
    if (type == NULL) {
        return true;
    }
    if (json_is_string(type)) {
        return is_of_type(value, json_string_value(type));
    }
    size_t i = 0;
    json_t *one = NULL;
    json_array_foreach(type, i, one)
    {
        if (is_of_type(value, json_string_value(one))) {
            return true;
        }
    }
    return false;
}

/* The subset of JSON Schema that the document uses; every property shown must be declared. */
static bool conforms(const json_t *value, const json_t *schema)
{
    schema = resolve(schema);
    size_t i = 0;
    json_t *one = NULL;
    const char *key = NULL;
    json_t *any = json_object_get(schema, "anyOf");
    json_array_foreach(any, i, one)
    {
        if (conforms(value, one)) {
            return true;
        }
    }
    if (any != NULL || !type_fits(value, json_object_get(schema, "type"))) {
        return false;
    }
    const json_t *items = json_object_get(schema, "items");
    json_array_foreach(items != NULL ? value : NULL, i, one)
    {
        if (!conforms(one, items)) {
            return false;
        }
    }
    json_t *properties = json_object_get(schema, "properties");
    if (properties == NULL || !json_is_object(value)) {
        return true;
    }
    json_array_foreach(json_object_get(schema, "required"), i, one)
    {
        if (json_object_get(value, json_string_value(one)) == NULL) {
            print_message("missing: %s\n", json_string_value(one));
            return false;
        }
    }
    json_t *member = NULL;
    json_t *root = json_deep_copy(value);
    bool fits = true;
    json_object_foreach(root, key, member)
    {
        const json_t *declared = json_object_get(properties, key);
        if (declared == NULL || !conforms(member, declared)) {
            print_message("not as declared: %s\n", key);
            fits = false;
        }
    }
    json_decref(root);
    return fits;
}

static void is_documented(const char *path, unsigned status, const json_t *value)
{
    char text[16];
    (void)snprintf(text, sizeof text, "%u", status);
    json_t *response = json_object_get(
        json_object_get(
            json_object_get(json_object_get(json_object_get(document, "paths"), path), "get"),
            "responses"),
        text);
    assert_non_null(response);
    json_t *schema = json_object_get(
        json_object_get(json_object_get(response, "content"), "application/json"), "schema");
    if (!conforms(value, schema)) {
        fail_msg("GET %s is not as documented", path);
    }
}

/* ---- tests ---- */

static void every_route_answers_as_documented(void **state)
{
    (void)state;
    static const char *const routes[][2] = {
        {"/api/carts", "/api/carts?limit=1000"},
        {"/api/carts", "/api/carts?storeId=STORE-A&state=in-use&firmware=1.4.2"},
        {"/api/carts/{id}", "/api/carts/CART-A001"},
        {"/api/sessions", "/api/sessions?status=complete&reconcile=reconciled&storeId=STORE-A"},
        {"/api/sessions/{id}", "/api/sessions/CART-A001.1.10"},
        {"/api/alerts", "/api/alerts?severity=high&status=open"},
        {"/api/telemetry", "/api/telemetry?device=CART-A001&type=scan&signature=true"},
        {"/api/telemetry/totals", "/api/telemetry/totals"},
        {"/api/summary", "/api/summary"},
        {"/api/dead-letters", "/api/dead-letters?reason=bad_json"},
        {"/api/dead-letters/{id}", "/api/dead-letters/1"},
        {"/healthz", "/healthz"},
        {"/readyz", "/readyz"},
    };
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        struct http_client_reply r = api_fixture_get(x.api, routes[i][1]);
        json_t *value = json_loads(r.body, JSON_REJECT_DUPLICATES, NULL);
        if (r.status != 200 || value == NULL) {
            fail_msg("%s: %s", routes[i][1], r.text);
        }
        is_documented(routes[i][0], 200, value);
        const json_t *items = json_object_get(value, "items");
        assert_true(items == NULL || json_array_size(items) > 0);
        json_decref(value);
        http_client_reply_deinit(&r);
    }
}

static void tells_what_the_locator_shows(void **state)
{
    (void)state;
    static const char *const expected[][2] = {
        {"CART-A001", "in-use"}, {"CART-A002", "idle"},    {"CART-A003", "low-battery"},
        {"CART-A004", "fault"},  {"CART-A005", "offline"}, {"CART-A006", "maintenance"},
    };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        char target[64];
        (void)snprintf(target, sizeof target, "/api/carts/%s", expected[i][0]);
        json_t *cart = api_fixture_json(x.api, target);
        assert_string_equal(json_string_value(json_object_get(cart, "state")), expected[i][1]);
        json_decref(cart);
        (void)snprintf(target, sizeof target, "/api/carts?state=%s&limit=1000", expected[i][1]);
        json_t *page = api_fixture_json(x.api, target);
        bool found = false;
        size_t n = 0;
        json_t *one = NULL;
        json_array_foreach(json_object_get(page, "items"), n, one)
        {
            assert_string_equal(json_string_value(json_object_get(one, "state")), expected[i][1]);
            found = found ||
                    strcmp(json_string_value(json_object_get(one, "cartId")), expected[i][0]) == 0;
        }
        assert_true(found);
        json_decref(page);
    }
}

static void a_session_shows_its_scans_and_running_total(void **state)
{
    (void)state;
    json_t *s = api_fixture_json(x.api, "/api/sessions/CART-A001.1.10");
    json_t *scans = json_object_get(s, "scans");
    assert_int_equal(json_array_size(scans), 3);
    static const double totals[] = {45.5, 145.5, 100.0};
    for (size_t i = 0; i < 3; i++) {
        json_t *scan = json_array_get(scans, i);
        double total = json_number_value(json_object_get(scan, "runningTotal"));
        assert_true(total > totals[i] - 0.001 && total < totals[i] + 0.001);
        assert_int_equal(json_integer_value(json_object_get(scan, "counter")), 11 + (int)i);
    }
    assert_true(json_number_value(json_object_get(s, "runningTotal")) == 100.0);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(s, "payment"), "outcome")), "accepted");
    assert_null(json_object_get(json_object_get(s, "payment"), "token"));
    json_decref(s);
    s = api_fixture_json(x.api, "/api/sessions/CART-A002.1.10");
    assert_true(json_is_null(json_object_get(s, "payment")));
    assert_int_equal(json_array_size(json_object_get(s, "scans")), 0);
    json_decref(s);
}

static void a_dead_letter_shows_no_card_number(void **state)
{
    (void)state;
    json_t *d = api_fixture_json(x.api, "/api/dead-letters/1");
    assert_string_equal(json_string_value(json_object_get(d, "bodyText")),
                        "{\"token\":\"****************\"}");
    assert_true(json_is_null(json_object_get(d, "bodyBase64")));
    assert_true(json_is_true(json_object_get(d, "masked")));
    json_decref(d);
    d = api_fixture_json(x.api, "/api/dead-letters/2");
    assert_true(json_is_null(json_object_get(d, "bodyText")));
    assert_string_equal(json_string_value(json_object_get(d, "bodyBase64")), "/wAB");
    json_decref(d);
}

static void telemetry_is_what_was_signed(void **state)
{
    (void)state;
    json_t *page =
        api_fixture_json(x.api, "/api/telemetry?session=CART-A001.1.10&type=scan&signature=true");
    json_t *items = json_object_get(page, "items");
    assert_int_equal(json_array_size(items), 3);
    json_t *first = json_array_get(items, 0);
    json_t *body = json_object_get(first, "body");
    assert_string_equal(json_string_value(json_object_get(body, "cartId")), "CART-A001");
    assert_int_equal(strlen(json_string_value(json_object_get(first, "signature"))), 128);
    json_decref(page);
    page = api_fixture_json(x.api, "/api/telemetry?from=2000-01-01T00:00:00.000Z"
                                   "&to=2000-01-02T00:00:00.000Z");
    assert_int_equal(json_array_size(json_object_get(page, "items")), 0);
    json_decref(page);
}

static void refuses_every_bad_parameter_of_every_route(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "?limit=0",
        "?limit=1001",
        "?limit=x",
        "?limit=",
        "?unknown=1",
        "?cursor=AAAA",
        "?cursor=%20",
        "?limit=1&limit=1",
        "?storeId=a'%20OR%201=1--",
        "?storeId=%27%3BDROP%20TABLE%20cart%3B--",
        "?to=tomorrow",
        "?cursor=Y0NBUlQfHw",
        "?cursor=c2JhZB9DQVJUHw",
        "?cursor=ZGJhZB8",
        "?cursor=ZWJhZB8",
    };
    static const char *const lists[] = {"/api/carts", "/api/sessions", "/api/alerts",
                                        "/api/telemetry", "/api/dead-letters"};
    for (size_t l = 0; l < sizeof lists / sizeof lists[0]; l++) {
        for (size_t b = 0; b < sizeof bad / sizeof bad[0]; b++) {
            char target[200];
            (void)snprintf(target, sizeof target, "%s%s", lists[l], bad[b]);
            api_fixture_is_error(api_fixture_get(x.api, target), 400, NULL);
        }
        char request[200];
        (void)snprintf(request, sizeof request,
                       "DELETE %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                       lists[l]);
        api_fixture_is_error(api_fixture_ask(x.api, request), 405, "METHOD_NOT_ALLOWED");
    }
    api_fixture_is_error(api_fixture_get(x.api, "/api/carts/..%2f..%2fetc%2fpasswd"), 400, NULL);
    api_fixture_is_error(api_fixture_get(x.api, "/api/dead-letters/0"), 400, NULL);
    api_fixture_is_error(api_fixture_get(x.api, "/api/dead-letters/1e3"), 400, NULL);
}

/* Given together they all hold; a list is one query text however they are combined. */
static void every_combination_of_filters_is_answered(void **state)
{
    (void)state;
    static const char *const filters[] = {"storeId=STORE-A",
                                          "cart=CART-A001",
                                          "status=complete",
                                          "reconcile=reconciled",
                                          "from=2026-11-21T17:00:00.000Z",
                                          "to=2026-11-21T17:00:00.001Z"};
    for (unsigned set = 0; set < 64; set++) {
        char target[300];
        int size = snprintf(target, sizeof target, "/api/sessions?limit=1000");
        for (unsigned f = 0; f < 6; f++) {
            if ((set >> f & 1) != 0) {
                size += snprintf(target + size, sizeof target - (size_t)size, "&%s", filters[f]);
            }
        }
        json_t *page = api_fixture_json(x.api, target);
        size_t count = json_array_size(json_object_get(page, "items"));
        assert_true(set == 0 ? count > 40 : count >= 1);
        assert_true((set & 0x3e) != 0x3e || count == 1);
        json_decref(page);
    }
    static const char *const others[] = {
        "/api/alerts?storeId=STORE-A&status=open&severity=high&kind=fault&deviceId=CART-A004",
        "/api/dead-letters?storeId=STORE-B&reason=bad_signature&device=CART-B001&state=open"};
    for (size_t i = 0; i < 2; i++) {
        json_t *page = api_fixture_json(x.api, others[i]);
        assert_true(json_array_size(json_object_get(page, "items")) > 0);
        json_decref(page);
    }
}

/* Pages joined are the whole, in order, whatever their sizes. */
static void pages_joined_are_the_whole(void **state)
{
    (void)state;
    static const char *const lists[][2] = {{"/api/carts", "cartId"},
                                           {"/api/sessions", "sessionId"},
                                           {"/api/alerts", "alertId"},
                                           {"/api/dead-letters", "deadLetterId"},
                                           {"/api/telemetry", "counter"}};
    struct rng rng;
    rng_init(&rng, api_fixture_seed());
    for (int round = 0; round < 100; round++) {
        size_t l = (size_t)rng_below(&rng, 5);
        char target[512];
        (void)snprintf(target, sizeof target, "%s?limit=1000", lists[l][0]);
        json_t *whole = api_fixture_json(x.api, target);
        json_t *joined = json_array();
        char cursor[400] = "";
        do {
            (void)snprintf(target, sizeof target, "%s?limit=%d%s%s", lists[l][0],
                           1 + (int)rng_below(&rng, 30), cursor[0] ? "&cursor=" : "", cursor);
            json_t *page = api_fixture_json(x.api, target);
            const json_t *next = json_object_get(page, "nextCursor");
            (void)snprintf(cursor, sizeof cursor, "%s",
                           json_is_null(next) ? "" : json_string_value(next));
            (void)json_array_extend(joined, json_object_get(page, "items"));
            json_decref(page);
        } while (cursor[0] != '\0');
        json_t *items = json_object_get(whole, "items");
        assert_true(json_array_size(items) > 20);
        assert_int_equal(json_array_size(items), json_array_size(joined));
        for (size_t i = 0; i < json_array_size(items); i++) {
            assert_true(json_equal(json_object_get(json_array_get(items, i), lists[l][1]),
                                   json_object_get(json_array_get(joined, i), lists[l][1])));
        }
        json_decref(joined);
        json_decref(whole);
    }
}

/* What is missing and what is another store's cannot be told apart (R16). */
static void another_store_is_not_there(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"/api/carts/CART-A001", "/api/carts/CART-X999"},
        {"/api/sessions/CART-A001.1.10", "/api/sessions/CART-X999.1.10"},
        {"/api/dead-letters/1", "/api/dead-letters/999999"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        char *bodies[2];
        for (size_t k = 0; k < 2; k++) {
            struct http_client_reply r = api_fixture_get(x.api_of_b, pairs[i][k]);
            assert_int_equal(r.status, 404);
            json_t *value = json_loads(r.body, 0, NULL);
            json_t *error = json_object_get(value, "error");
            (void)json_object_del(error, "requestId");
            (void)json_object_del(error, "timestamp");
            bodies[k] = json_dumps(value, JSON_SORT_KEYS);
            json_decref(value);
            http_client_reply_deinit(&r);
        }
        assert_string_equal(bodies[0], bodies[1]);
        free(bodies[0]);
        free(bodies[1]);
    }
    static const char *const lists[] = {"/api/carts", "/api/sessions", "/api/alerts",
                                        "/api/dead-letters"};
    for (size_t l = 0; l < sizeof lists / sizeof lists[0]; l++) {
        json_t *page = api_fixture_json(x.api_of_b, lists[l]);
        size_t i = 0;
        json_t *one = NULL;
        json_array_foreach(json_object_get(page, "items"), i, one)
        {
            assert_string_equal(json_string_value(json_object_get(one, "storeId")), "STORE-B");
        }
        json_decref(page);
    }
}

static void metrics_are_in_the_prometheus_format(void **state)
{
    (void)state;
    struct http_client_reply r = api_fixture_get(x.api, "/metrics");
    assert_int_equal(r.status, 200);
    assert_non_null(strstr(r.body, "endcap_ingest_stored_total{process=\"ingest\",instance="
                                   "\"ingest-1\",topic=\"a\\\"b\\\\c\\nd\"} 42\n"));
    char *type = strstr(r.body, "# TYPE endcap_ingest_lag_seconds histogram\n");
    assert_non_null(type);
    assert_null(strstr(type + 1, "# TYPE endcap_ingest_lag_seconds"));
    assert_non_null(strstr(r.body, "endcap_postgresql_up 1\n"));
    assert_non_null(strstr(r.body, "endcap_http_requests_total{route=\"/api/carts\","));
    const char *line = r.body;
    while (*line != '\0') {
        size_t size = strcspn(line, "\n");
        assert_int_equal(line[size], '\n');
        assert_true(strncmp(line, "# HELP ", 7) == 0 || strncmp(line, "# TYPE ", 7) == 0 ||
                    (line[0] >= 'a' && line[0] <= 'z'));
        line += size + 1;
    }
    http_client_reply_deinit(&r);
}

static void garbage_is_refused_and_nothing_breaks(void **state)
{
    (void)state;
    static const char *const words[] = {"carts",
                                        "/",
                                        "sessions",
                                        "?limit=",
                                        "&cursor=",
                                        "%27",
                                        "--",
                                        "%00",
                                        "..",
                                        "storeId=",
                                        "CART-A001",
                                        "%f0%9f",
                                        "telemetry",
                                        "type=",
                                        "scan",
                                        "=",
                                        "&",
                                        "9999999999",
                                        "dead-letters/",
                                        "alerts",
                                        ";",
                                        "{",
                                        "from=2026-01-01T00:00:00.000Z",
                                        "\x80"};
    struct rng rng;
    rng_init(&rng, api_fixture_seed());
    for (int round = 0; round < 10000; round++) {
        char target[400] = "/api/";
        size_t size = 5;
        for (uint64_t n = rng_below(&rng, 9); n > 0; n--) {
            const char *word = words[rng_below(&rng, sizeof words / sizeof words[0])];
            memcpy(target + size, word, strlen(word) + 1);
            size += strlen(word);
            if (rng_below(&rng, 4) == 0) {
                target[size++] = (char)(33 + rng_below(&rng, 90));
                target[size] = '\0';
            }
        }
        struct http_client_reply r = api_fixture_get(x.api, target);
        if (r.status >= 500 || r.status < 200) {
            fail_msg("%u for %s", r.status, target);
        }
        http_client_reply_deinit(&r);
    }
}

static void *ask_often(void *arg)
{
    unsigned *ok = arg;
    static const char *const targets[] = {"/api/carts", "/api/sessions/CART-A001.1.10",
                                          "/api/telemetry?limit=5"};
    for (int i = 0; i < 3; i++) {
        struct http_client_reply r = api_fixture_get(x.api, targets[i]);
        *ok += r.status == 200;
        if (r.status != 200) { /* no worker free: said so, with a time to wait */
            char header[16];
            *ok += r.status == 503 &&
                   http_client_header(&r, "Retry-After", header, sizeof header) == RES_OK;
        }
        http_client_reply_deinit(&r);
    }
    return NULL;
}

static void answers_a_hundred_at_once(void **state)
{
    (void)state;
    pthread_t threads[100];
    unsigned ok[100] = {0};
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, &ok[i]), 0);
    }
    for (size_t i = 0; i < 100; i++) {
        (void)pthread_join(threads[i], NULL);
        assert_int_equal(ok[i], 3);
    }
}

/* ---- commands ---- */

static struct http_client_reply command(const struct api *api, const char *cart, const char *key,
                                        const char *body)
{
    char request[1024];
    (void)snprintf(request, sizeof request,
                   "POST /api/carts/%s/commands HTTP/1.1\r\nHost: localhost\r\n"
                   "Connection: close\r\nContent-Type: application/json\r\n"
                   "%s%s%sContent-Length: %zu\r\n\r\n%s",
                   cart, key[0] == '\0' ? "" : "Idempotency-Key: ", key,
                   key[0] == '\0' ? "" : "\r\n", strlen(body), body);
    return api_fixture_ask(api, request);
}

/* A key of its own for every number. */
static const char *key_of(unsigned n, char text[40])
{
    (void)snprintf(text, 40, "00000000-0000-4000-8000-%012u", n);
    return text;
}

static void a_command_is_queued_once(void **state)
{
    (void)state;
    char key[40];
    static const char body[] = "{\"kind\":\"wake\",\"reason\":\"opening\",\"expiresInS\":60}";
    struct http_client_reply first = command(x.api, "CART-A001", key_of(1, key), body);
    assert_int_equal(first.status, 201);
    json_t *value = json_loads(first.body, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(value, "number")), 2);
    assert_string_equal(json_string_value(json_object_get(value, "state")), "queued");
    json_decref(value);
    struct http_client_reply again = command(x.api, "CART-A001", key_of(1, key), body);
    assert_int_equal(again.status, 201);
    assert_string_equal(again.body, first.body);
    http_client_reply_deinit(&first);
    http_client_reply_deinit(&again);
    api_fixture_is_error(command(x.api, "CART-A001", key_of(1, key), "{\"kind\":\"sleep\"}"), 409,
                         "IDEMPOTENCY_CONFLICT");
    api_fixture_is_error(command(x.api, "CART-A003", key_of(1, key), body), 409,
                         "IDEMPOTENCY_CONFLICT");
    json_t *cart = api_fixture_json(x.api, "/api/carts/CART-A001");
    assert_int_equal(json_array_size(json_object_get(cart, "commands")), 2);
    json_decref(cart);
    struct pg_conn *su = pg_fixture_superuser(&x.pg);
    PGresult *rows = NULL;
    struct err why;
    assert_int_equal(pg_conn_run(su,
                                 "SELECT count(*) FROM endcap.audit_event WHERE action = "
                                 "'cart.command' AND target = 'CART-A001'",
                                 NULL, &rows, &why),
                     RES_OK);
    assert_int_equal(pg_get_i64(rows, 0, 0), 1);
    PQclear(rows);
    pg_conn_close(su);
}

static void a_command_that_cannot_be_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *cart;
        const char *body;
        unsigned status;
        const char *code;
    } cases[] = {
        {"CART-A002", "{\"kind\":\"pause\"}", 409, "NO_OPEN_SESSION"},
        {"CART-A001", "{\"kind\":\"cancel\",\"sessionId\":\"CART-A001.1.10\"}", 409,
         "NO_OPEN_SESSION"},
        {"CART-A001", "{\"kind\":\"restart\"}", 409, "SESSION_OPEN"},
        {"CART-X999", "{\"kind\":\"wake\"}", 404, "NOT_FOUND"},
        {"CART-A001", "{\"kind\":\"catalogue\"}", 400, "INVALID_PARAMETER"},
        {"CART-A001", "{\"kind\":\"wake\",\"version\":3}", 400, "INVALID_PARAMETER"},
        {"CART-A001", "{\"kind\":\"wake\",\"sessionId\":\"A\"}", 400, "INVALID_PARAMETER"},
        {"CART-A001", "{\"kind\":\"firmware\"}", 400, "INVALID_PARAMETER"},
        {"CART-A001", "{\"kind\":\"wake\",\"reason\":\"4111111111111111\"}", 400,
         "INVALID_PARAMETER"},
        {"CART-A001", "{\"kind\":\"wake\",\"expiresInS\":1}", 400, "INVALID_PARAMETER"},
        {"CART-A001", "{}", 400, "INVALID_PARAMETER"},
    };
    char key[40];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        api_fixture_is_error(command(x.api, cases[i].cart, key_of(2, key), cases[i].body),
                             cases[i].status, cases[i].code);
    }
    api_fixture_is_error(command(x.api, "CART-A001", "", "{\"kind\":\"wake\"}"), 400,
                         "INVALID_PARAMETER");
    api_fixture_is_error(command(x.api, "CART-A001", "not-a-uuid", "{\"kind\":\"wake\"}"), 400,
                         "INVALID_PARAMETER");
    api_fixture_is_error(command(x.api_of_b, "CART-A001", key_of(3, key), "{\"kind\":\"wake\"}"),
                         404, "NOT_FOUND");
    /* A refusal used no key up. */
    struct http_client_reply r = command(x.api, "CART-A001", key_of(2, key),
                                         "{\"kind\":\"cancel\",\"sessionId\":\"CART-A001.1.20\"}");
    assert_int_equal(r.status, 201);
    http_client_reply_deinit(&r);
}

struct poster {
    unsigned key;
    int64_t number;
};

static void *post_wake(void *arg)
{
    struct poster *p = arg;
    char key[40];
    struct http_client_reply r =
        command(x.api, "CART-A007", key_of(p->key, key), "{\"kind\":\"wake\"}");
    json_t *value = json_loads(r.body, 0, NULL);
    p->number = json_integer_value(json_object_get(value, "number"));
    json_decref(value);
    http_client_reply_deinit(&r);
    return NULL;
}

/* Twelve at once, three with each key: four commands, numbered 1 to 4. */
static void commands_at_once_take_turns(void **state)
{
    (void)state;
    pthread_t threads[12];
    struct poster posters[12];
    for (unsigned i = 0; i < 12; i++) {
        posters[i] = (struct poster){100 + i % 4, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, post_wake, &posters[i]), 0);
    }
    int64_t seen = 0;
    for (unsigned i = 0; i < 12; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    for (unsigned i = 0; i < 12; i++) {
        assert_true(posters[i].number >= 1 && posters[i].number <= 4);
        assert_int_equal(posters[i].number, posters[i % 4].number);
        seen |= INT64_C(1) << posters[i].number;
    }
    assert_int_equal(seen, 0x1e);
}

static bool component_ready(const json_t *ready, const char *name)
{
    size_t i = 0;
    json_t *one = NULL;
    json_array_foreach(json_object_get(ready, "components"), i, one)
    {
        if (strcmp(json_string_value(json_object_get(one, "name")), name) == 0) {
            return json_is_true(json_object_get(one, "ready"));
        }
    }
    fail_msg("no component %s", name);
    return false;
}

static void *ask_status(void *arg)
{
    struct http_client_reply r = api_fixture_get(x.api, "/api/carts");
    *(unsigned *)arg = r.status;
    http_client_reply_deinit(&r);
    return NULL;
}

/* One query waits for a lock until PostgreSQL ends it (5 s), another one's server process does not
 * even do that and is cut (6 s): both are told, and both connections serve again. */
static void a_database_that_hangs_is_a_503(void **state)
{
    (void)state;
    pthread_t threads[2];
    unsigned statuses[2] = {0};
    struct err why;
    PGresult *rows = NULL;
    struct pg_conn *su = pg_fixture_superuser(&x.pg);
    struct pg_conn *looks = pg_fixture_superuser(&x.pg);
    pg_fixture_sql(su, "BEGIN; LOCK TABLE endcap.cart IN ACCESS EXCLUSIVE MODE");
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, ask_status, &statuses[i]), 0);
    }
    int waiting = 0;
    for (int i = 0; i < 900 && waiting < 2; i++) {
        PQclear(rows);
        rows = NULL;
        assert_int_equal(pg_conn_run(looks,
                                     "SELECT pid::bigint FROM pg_stat_activity WHERE "
                                     "application_name = 'endcap-api' AND wait_event_type = 'Lock'",
                                     NULL, &rows, &why),
                         RES_OK);
        waiting = PQntuples(rows);
        (void)nanosleep(&(struct timespec){0, 5000000}, NULL);
    }
    assert_int_equal(waiting, 2);
    pid_t stopped = (pid_t)pg_get_i64(rows, 0, 0);
    PQclear(rows);
    assert_int_equal(kill(stopped, SIGSTOP), 0);
    for (size_t i = 0; i < 2; i++) {
        (void)pthread_join(threads[i], NULL);
        assert_int_equal(statuses[i], 503);
    }
    assert_int_equal(kill(stopped, SIGCONT), 0);
    pg_fixture_sql(su, "ROLLBACK");
    pg_conn_close(su);
    pg_conn_close(looks);
    json_decref(api_fixture_json(x.api, "/api/carts"));
}

static void *ask_carts(void *arg)
{
    unsigned *ok = arg;
    for (int i = 0; i < 10; i++) {
        struct http_client_reply r = api_fixture_get(x.api, "/api/carts");
        *ok += r.status == 200;
        http_client_reply_deinit(&r);
    }
    return NULL;
}

static void says_when_postgresql_is_away_and_recovers(void **state)
{
    (void)state;
    struct err why;
    assert_int_equal(pg_cluster_stop(&x.pg.cluster, &why), RES_OK);
    struct http_client_reply r = api_fixture_get(x.api, "/readyz");
    assert_int_equal(r.status, 503);
    json_t *ready = json_loads(r.body, 0, NULL);
    assert_false(component_ready(ready, "postgresql"));
    assert_false(component_ready(ready, "ingest"));
    assert_true(component_ready(ready, "telemetry"));
    json_decref(ready);
    http_client_reply_deinit(&r);
    api_fixture_is_error(api_fixture_get(x.api, "/api/carts"), 503, "UNAVAILABLE");
    api_fixture_is_error(api_fixture_get(x.api, "/api/sessions/CART-A001.1.10"), 503,
                         "UNAVAILABLE");
    r = api_fixture_get(x.api, "/healthz");
    assert_int_equal(r.status, 200);
    http_client_reply_deinit(&r);
    r = api_fixture_get(x.api, "/metrics");
    assert_int_equal(r.status, 200);
    assert_non_null(strstr(r.body, "endcap_postgresql_up 0\n"));
    http_client_reply_deinit(&r);
    assert_int_equal(pg_cluster_start(&x.pg.cluster, &why), RES_OK);
    unsigned status = 0;
    for (int i = 0; i < 500 && status != 200; i++) {
        r = api_fixture_get(x.api, "/api/carts");
        status = r.status;
        http_client_reply_deinit(&r);
        (void)nanosleep(&(struct timespec){0, 20000000}, NULL);
    }
    assert_int_equal(status, 200);
    /* Connections that were idle meanwhile are dead, but no client hears of it. */
    pthread_t threads[8];
    unsigned ok[8] = {0};
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, ask_carts, &ok[i]), 0);
    }
    for (size_t i = 0; i < 8; i++) {
        (void)pthread_join(threads[i], NULL);
        assert_int_equal(ok[i], 10);
    }
}

static int start(void **state)
{
    (void)state;
    document = api_document();
    return document != NULL && api_fixture_start(&x) ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    json_decref(document);
    api_fixture_stop(&x);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_answers_as_documented),
        cmocka_unit_test(tells_what_the_locator_shows),
        cmocka_unit_test(a_session_shows_its_scans_and_running_total),
        cmocka_unit_test(a_dead_letter_shows_no_card_number),
        cmocka_unit_test(telemetry_is_what_was_signed),
        cmocka_unit_test(refuses_every_bad_parameter_of_every_route),
        cmocka_unit_test(every_combination_of_filters_is_answered),
        cmocka_unit_test(pages_joined_are_the_whole),
        cmocka_unit_test(another_store_is_not_there),
        cmocka_unit_test(metrics_are_in_the_prometheus_format),
        cmocka_unit_test(garbage_is_refused_and_nothing_breaks),
        cmocka_unit_test(answers_a_hundred_at_once),
        cmocka_unit_test(a_command_is_queued_once),
        cmocka_unit_test(a_command_that_cannot_be_is_refused),
        cmocka_unit_test(commands_at_once_take_turns),
        cmocka_unit_test(a_database_that_hangs_is_a_503),
        cmocka_unit_test(says_when_postgresql_is_away_and_recovers),
    };
    if (!api_fixture_possible(&x)) {
        return 77;
    }
    return cmocka_run_group_tests(tests, start, stop);
}
