/* The server on a real socket with a table of its own: limits, envelope, cursors, garbage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "http_client.h"
#include "http_openapi.h"
#include "http_prometheus.h"
#include "http_request.h"
#include "http_server.h"
#include "rng.h"

#define TIMEOUT_MS 20000

static struct http_server *server;
static struct http_metrics *metrics;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int entered; /* requests that hang at the gate */
static char last_request_id[64];
static pthread_mutex_t access_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- the table ---- */

static const char *const colours[] = {"red", "green", NULL};
static const struct http_field thing_fields[] = {
    {.name = "id", .type = HTTP_TEXT, .summary = "Its id."},
    {.name = "price", .type = HTTP_MONEY, .nullable = true, .summary = "What it costs."},
    {.name = NULL}};
static const struct http_schema thing_schema = {"Thing", "A thing.", thing_fields};
static const struct http_field new_fields[] = {
    {.name = "name",
     .type = HTTP_TEXT,
     .required = true,
     .min = 1,
     .max = 20,
     .summary = "Its name."},
    {.name = "count",
     .type = HTTP_INTEGER,
     .min = 1,
     .max = 9,
     .fallback = 3,
     .summary = "How many."},
    {.name = "colour", .type = HTTP_CHOICE, .choices = colours, .summary = "Its colour."},
    {.name = NULL}};
static const struct http_schema new_schema = {"NewThing", "A thing to be.", new_fields};
static const struct http_param list_params[] = {
    {HTTP_IN_QUERY, {.name = "colour", .type = HTTP_CHOICE, .choices = colours, .summary = "."}},
    {HTTP_IN_QUERY, {.name = "from", .type = HTTP_TIME, .summary = "Not before."}},
    HTTP_PARAM_LIMIT,
    HTTP_PARAM_CURSOR,
    HTTP_PARAM_END};
static const struct http_param one_params[] = {{HTTP_IN_PATH,
                                                {.name = "id",
                                                 .type = HTTP_TEXT,
                                                 .required = true,
                                                 .min = 1,
                                                 .max = 8,
                                                 .charset = "A-Z0-9",
                                                 .summary = "Which."}},
                                               HTTP_PARAM_END};

static void list_things(struct http_request *q, void *context)
{
    (void)context;
    struct http_cursor cursor;
    int64_t next = 0;
    enum res r = http_request_cursor(q, 't', 1, &cursor);
    if (r == RES_INVALID) {
        return;
    }
    if (r == RES_OK) {
        next = strtoll(cursor.parts[0], NULL, 10);
    }
    int64_t limit = http_request_number(q, "limit");
    json_t *items = json_array();
    for (; limit > 0 && next < 100; limit--, next++) {
        (void)json_array_append_new(
            items, json_pack("{s:o, s:n}", "id", json_sprintf("%d", (int)next), "price"));
    }
    char text[HTTP_CURSOR_MAX + 1] = "";
    if (next < 100) {
        char number[24];
        (void)snprintf(number, sizeof number, "%d", (int)next);
        const char *const parts[] = {number};
        http_request_cursor_write('t', parts, 1, text);
    }
    http_reply_page(q, items, text);
}

static void one_thing(struct http_request *q, void *context)
{
    (void)context;
    const char *id = http_request_text(q, "id");
    if (strcmp(id, "WAIT") == 0) {
        atomic_fetch_add(&entered, 1);
        (void)pthread_mutex_lock(&gate);
        (void)pthread_mutex_unlock(&gate);
    }
    if (strcmp(id, "GONE") == 0) {
        http_reply_error(q, HTTP_ERROR_NOT_FOUND, NULL);
        return;
    }
    http_reply_json(q, json_pack("{s:s, s:f}", "id", id, "price", 0.1));
}

static void make_thing(struct http_request *q, void *context)
{
    (void)context;
    http_reply_json(q, json_pack("{s:s, s:f}", "id", http_request_text(q, "name"), "price",
                                 (double)http_request_number(q, "count")));
}

static void alive(struct http_request *q, void *context)
{
    (void)context;
    http_reply_text(q, strdup("alive\n"), 6);
}

static const struct http_route routes[] = {{.method = HTTP_GET,
                                            .path = "/api/things",
                                            .operation = "listThings",
                                            .summary = "All.",
                                            .tag = "things",
                                            .params = list_params,
                                            .reply = &thing_schema,
                                            .page = true,
                                            .handle = list_things},
                                           {.method = HTTP_POST,
                                            .path = "/api/things",
                                            .operation = "makeThing",
                                            .summary = "Makes one.",
                                            .tag = "things",
                                            .body = &new_schema,
                                            .reply = &thing_schema,
                                            .status = 201,
                                            .handle = make_thing},
                                           {.method = HTTP_GET,
                                            .path = "/api/things/{id}",
                                            .operation = "getThing",
                                            .summary = "One.",
                                            .tag = "things",
                                            .params = one_params,
                                            .reply = &thing_schema,
                                            .permission = "thing.read",
                                            .handle = one_thing},
                                           {.method = HTTP_GET,
                                            .path = "/alive",
                                            .operation = "alive",
                                            .summary = "Alive.",
                                            .tag = "things",
                                            .content_type = "text/plain",
                                            .at_once = true,
                                            .handle = alive},
                                           HTTP_ROUTE_END};
static const struct http_group groups[] = {{routes, NULL}};
static const struct http_table table = {groups, 1};

/* ---- helpers ---- */

static void on_done(void *user, const struct http_access *access)
{
    (void)user;
    (void)pthread_mutex_lock(&access_lock);
    (void)snprintf(last_request_id, sizeof last_request_id, "%s", access->request_id);
    (void)pthread_mutex_unlock(&access_lock);
}

static int start(void **state)
{
    (void)state;
    struct http_server_settings settings = http_server_defaults;
    struct err why;
    metrics = http_metrics_new(&table);
    settings.table = &table;
    settings.metrics = metrics;
    settings.workers = 4;
    settings.queue_max = 8;
    settings.request_s_max = 2;
    settings.idle_s_max = 30;
    settings.on_done = on_done;
    return metrics != NULL && http_server_start(&settings, &server, &why) == RES_OK ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    http_server_stop(server);
    http_metrics_free(metrics);
    return 0;
}

static struct http_client_reply ask(const char *request)
{
    struct http_client_reply reply;
    struct err why;
    if (http_client_exchange("127.0.0.1", http_server_port(server),
                             span_of(request, strlen(request)), TIMEOUT_MS, &reply,
                             &why) != RES_OK) {
        fail_msg("%s", why.text);
    }
    return reply;
}

static struct http_client_reply get(const char *target)
{
    char request[8300];
    (void)snprintf(request, sizeof request,
                   "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", target);
    return ask(request);
}

static struct http_client_reply post(const char *media, const char *body)
{
    char request[1024];
    (void)snprintf(request, sizeof request,
                   "POST /api/things HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                   "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n%s",
                   media, strlen(body), body);
    return ask(request);
}

/* Checks the envelope and ends the reply. */
static void is_error(struct http_client_reply reply, unsigned status, const char *code,
                     size_t details)
{
    if (reply.status != status) {
        fail_msg("status %u, not %u: %s", reply.status, status, reply.text);
    }
    json_t *root = json_loads(reply.body, 0, NULL);
    const char *got = NULL;
    const char *message = NULL;
    const char *id = NULL;
    const char *time = NULL;
    json_t *list = NULL;
    assert_int_equal(json_unpack_ex(root, NULL, JSON_STRICT, "{s:{s:s, s:s, s:o, s:s, s:s}}",
                                    "error", "code", &got, "message", &message, "details", &list,
                                    "requestId", &id, "timestamp", &time),
                     0);
    assert_string_equal(got, code);
    assert_int_equal(strlen(time), 24);
    char header[64];
    assert_int_equal(http_client_header(&reply, "X-Request-Id", header, sizeof header), RES_OK);
    assert_string_equal(header, id);
    if (details == 0) {
        assert_true(json_is_null(list));
    } else if (details == 1) {
        assert_true(json_is_object(list));
        assert_non_null(json_object_get(list, "constraint"));
    } else {
        assert_int_equal(json_array_size(list), details);
    }
    json_decref(root);
    http_client_reply_deinit(&reply);
}

/* ---- tests ---- */

static void answers_with_json_and_safe_headers(void **state)
{
    (void)state;
    struct http_client_reply r = get("/api/things/A1");
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body, "{\"id\":\"A1\",\"price\":0.1}");
    char value[128];
    assert_int_equal(http_client_header(&r, "Content-Type", value, sizeof value), RES_OK);
    assert_string_equal(value, "application/json");
    assert_int_equal(http_client_header(&r, "X-Content-Type-Options", value, sizeof value), RES_OK);
    assert_int_equal(http_client_header(&r, "Content-Security-Policy", value, sizeof value),
                     RES_OK);
    http_client_reply_deinit(&r);
    r = ask("HEAD /alive HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_int_equal(r.status, 200);
    assert_int_equal(r.body_size, 0);
    http_client_reply_deinit(&r);
}

static void names_every_wrong_field_at_once(void **state)
{
    (void)state;
    is_error(get("/api/things?limit=0"), 400, "INVALID_PARAMETER", 1);
    is_error(get("/api/things?limit=1001&colour=blue&size=3&from=yesterday"), 400,
             "INVALID_PARAMETER", 4);
    is_error(get("/api/things?limit=5&limit=6"), 400, "INVALID_PARAMETER", 1);
    is_error(get("/api/things?limit=%2B5"), 400, "INVALID_PARAMETER", 1);
    is_error(get("/api/things?limit=05"), 400, "INVALID_PARAMETER", 1);
    is_error(get("/api/things?limit=99999999999999999999"), 400, "INVALID_PARAMETER", 1);
    is_error(get("/api/things/lower"), 400, "INVALID_PARAMETER", 1);
    is_error(post("application/json", "{\"nam\":\"x\",\"count\":10,\"colour\":3}"), 400,
             "INVALID_PARAMETER", 4);
}

static void one_envelope_for_every_refusal(void **state)
{
    (void)state;
    is_error(get("/api/things/GONE"), 404, "NOT_FOUND", 0);
    is_error(get("/api/nothing"), 404, "NOT_FOUND", 0);
    is_error(get("/api/things/../../etc/passwd"), 400, "INVALID_REQUEST", 0);
    is_error(get("/api/things/%00"), 400, "INVALID_REQUEST", 0);
    is_error(get("/api/things?cursor=AAAA"), 400, "INVALID_CURSOR", 0);
    is_error(get("/api/things?cursor=***"), 400, "INVALID_PARAMETER", 1);
    is_error(ask("DELETE /api/things HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
             405, "METHOD_NOT_ALLOWED", 0);
    is_error(ask("BREW /api/things HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"), 405,
             "METHOD_NOT_ALLOWED", 0);
    is_error(ask("GET /api/things HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"),
             403, "FORBIDDEN", 0);
    struct http_client_reply r =
        ask("PUT /api/things HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    char allow[64];
    assert_int_equal(http_client_header(&r, "Allow", allow, sizeof allow), RES_OK);
    assert_string_equal(allow, "GET, HEAD, POST");
    http_client_reply_deinit(&r);
}

static void takes_only_the_body_it_declares(void **state)
{
    (void)state;
    struct http_client_reply r = post("application/json; charset=utf-8", "{\"name\":\"n\"}");
    assert_int_equal(r.status, 201);
    assert_string_equal(r.body, "{\"id\":\"n\",\"price\":3.0}");
    http_client_reply_deinit(&r);
    is_error(post("text/plain", "{\"name\":\"n\"}"), 415, "UNSUPPORTED_MEDIA_TYPE", 0);
    is_error(post("application/json", "[1]"), 400, "INVALID_BODY", 1);
    is_error(post("application/json", ""), 400, "INVALID_BODY", 1);
    is_error(post("application/json", "{\"name\":\"n\",\"name\":\"m\"}"), 400, "INVALID_BODY", 1);
    is_error(post("application/json", "{\"name\":\"a\\u0000b\"}"), 400, "INVALID_BODY", 1);
    is_error(post("application/json", "{\"name\":null}"), 400, "INVALID_PARAMETER", 1);
    is_error(ask("GET /api/things HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
                 "Connection: close\r\n\r\n{}"),
             413, "BODY_TOO_LARGE", 0);
}

static void a_wrong_name_is_answered_with_the_right_ones(void **state)
{
    (void)state;
    struct http_client_reply r = post("application/json", "{\"name\":\"n\",\"nmae\":\"m\"}");
    assert_non_null(strstr(r.body, "no such field; there are name"));
    http_client_reply_deinit(&r);
    r = ask("GET /api/things?limt=2 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_non_null(strstr(r.body, "no such parameter; there are "));
    assert_non_null(strstr(r.body, ", limit"));
    http_client_reply_deinit(&r);
    r = post("application/json", "{\"name\":\n \"n\"");
    assert_non_null(strstr(r.body, "wrong at line 2, column 4"));
    http_client_reply_deinit(&r);
}

static void refuses_what_is_too_large(void **state)
{
    (void)state;
    char target[5000];
    memset(target, 'a', sizeof target);
    target[0] = '/';
    target[4096] = '\0';
    is_error(get(target), 404, "NOT_FOUND", 0);
    target[4096] = 'a';
    target[4097] = '\0';
    is_error(get(target), 414, "TARGET_TOO_LONG", 0);
    is_error(ask("POST /api/things HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                 "Content-Type: application/json\r\nContent-Length: 99999999\r\n\r\n{"),
             413, "BODY_TOO_LARGE", 0);
    size_t size = 200 + HTTP_BODY_BYTES_MAX + 1;
    char *big = malloc(size + 1);
    assert_non_null(big);
    int head = snprintf(big, size,
                        "POST /api/things HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "%x\r\n",
                        HTTP_BODY_BYTES_MAX + 1);
    memset(big + head, ' ', size - (size_t)head);
    memcpy(big + head + HTTP_BODY_BYTES_MAX + 1, "\r\n0\r\n\r\n", 8);
    is_error(ask(big), 413, "BODY_TOO_LARGE", 0);
    free(big);
    struct http_client_reply r;
    char headers[40000];
    head = snprintf(headers, sizeof headers, "GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ");
    memset(headers + head, 'a', sizeof headers - (size_t)head);
    struct err why;
    if (http_client_exchange("127.0.0.1", http_server_port(server),
                             span_of(headers, sizeof headers), TIMEOUT_MS, &r, &why) == RES_OK) {
        assert_true(r.status == 431 || r.status == 400 || r.status == 413);
        http_client_reply_deinit(&r);
    }
}

static void carries_a_request_id_through(void **state)
{
    (void)state;
    static const char id[] = "0f8fad5b-d9cb-469f-a165-70867728950e";
    char request[256];
    (void)snprintf(request, sizeof request,
                   "GET /alive HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                   "X-Request-Id: %s\r\n\r\n",
                   id);
    struct http_client_reply r = ask(request);
    char header[64];
    assert_int_equal(http_client_header(&r, "X-Request-Id", header, sizeof header), RES_OK);
    assert_string_equal(header, id);
    http_client_reply_deinit(&r);
    for (int i = 0;; i++) { /* the log line comes after the answer */
        (void)pthread_mutex_lock(&access_lock);
        bool logged = strcmp(last_request_id, id) == 0;
        (void)pthread_mutex_unlock(&access_lock);
        if (logged) {
            break;
        }
        assert_true(i < 2000);
        (void)nanosleep(&(struct timespec){0, 5000000}, NULL);
    }
    r = ask("GET /alive HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            "X-Request-Id: evil\x1b[31m\r\n\r\n");
    assert_int_equal(http_client_header(&r, "X-Request-Id", header, sizeof header), RES_OK);
    assert_int_equal(strlen(header), 36);
    http_client_reply_deinit(&r);
}

/* Pages joined are the whole, in order, whatever their size. */
static void pages_joined_are_the_whole(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 11);
    for (int round = 0; round < 20; round++) {
        char cursor[300] = "";
        int next = 0;
        do {
            char target[400];
            (void)snprintf(target, sizeof target, "/api/things?limit=%d%s%s",
                           1 + (int)rng_below(&rng, 60), cursor[0] ? "&cursor=" : "", cursor);
            struct http_client_reply r = get(target);
            assert_int_equal(r.status, 200);
            json_t *root = json_loads(r.body, 0, NULL);
            json_t *items = json_object_get(root, "items");
            for (size_t i = 0; i < json_array_size(items); i++, next++) {
                json_t *id = json_object_get(json_array_get(items, i), "id");
                assert_int_equal(strtoll(json_string_value(id), NULL, 10), next);
            }
            json_t *more = json_object_get(root, "nextCursor");
            (void)snprintf(cursor, sizeof cursor, "%s",
                           json_is_null(more) ? "" : json_string_value(more));
            json_decref(root);
            http_client_reply_deinit(&r);
        } while (cursor[0] != '\0');
        assert_int_equal(next, 100);
    }
}

static void survives_garbage(void **state)
{
    (void)state;
    const char *env = getenv("ENDCAP_SEED");
    uint64_t seed = env != NULL ? strtoull(env, NULL, 10) : (uint64_t)time(NULL);
    print_message("seed %llu\n", (unsigned long long)seed);
    struct rng rng;
    rng_init(&rng, seed);
    static const char *const words[] = {"GET ",
                                        "POST ",
                                        "/api/things",
                                        "/api/things/",
                                        "?limit=",
                                        "&cursor=",
                                        " HTTP/1.1\r\n",
                                        "Host: localhost\r\n",
                                        "\r\n",
                                        "Content-Length: 5\r\n",
                                        "%",
                                        "'; DROP TABLE cart; --",
                                        "../",
                                        "\xff\xfe",
                                        "{\"name\":",
                                        "Transfer-Encoding: chunked\r\n",
                                        "-1",
                                        "Expect: x\r\n"};
    for (int round = 0; round < 2000; round++) {
        char request[600];
        size_t size = 0;
        if (rng_below(&rng, 2) == 0) {
            size = (size_t)snprintf(request, 100, "GET /api/things");
        }
        for (int w = (int)rng_below(&rng, 14); w > 0; w--) {
            const char *word = words[rng_below(&rng, sizeof words / sizeof words[0])];
            size += (size_t)snprintf(request + size, sizeof request - size - 8, "%s", word);
            request[size++] = (char)rng_next(&rng);
        }
        /* End it, so that the server needn't wait for more. */
        memcpy(request + size, "\r\n\r\n", 4);
        struct http_client_reply r;
        struct err why;
        if (http_client_exchange("127.0.0.1", http_server_port(server), span_of(request, size + 4),
                                 20, &r, &why) == RES_OK) {
            assert_int_not_equal(r.status, 500);
            http_client_reply_deinit(&r);
        }
    }
    struct http_client_reply r = get("/alive");
    assert_int_equal(r.status, 200);
    http_client_reply_deinit(&r);
}

static void *wait_thread(void *arg)
{
    struct http_client_reply r = get("/api/things/WAIT");
    *(unsigned *)arg = r.status;
    http_client_reply_deinit(&r);
    return NULL;
}

/* Waits until so many requests are in work. */
static void wait_for_in_work(int wanted)
{
    char line[64];
    (void)snprintf(line, sizeof line, "\nendcap_http_requests_in_work %d\n", wanted);
    for (int i = 0; i < 4000; i++) {
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        http_metrics_print(metrics, out);
        (void)fclose(out);
        bool there = strstr(text, line) != NULL;
        free(text);
        if (there) {
            return;
        }
        (void)nanosleep(&(struct timespec){0, 5000000}, NULL);
    }
    fail_msg("not %d requests in work", wanted);
}

/* 4 are worked on and hang, 8 wait: the next one learns at once that there is no room, and liveness
 * is answered all the time. */
static void says_so_when_no_worker_is_free(void **state)
{
    (void)state;
    pthread_t threads[12];
    unsigned statuses[12] = {0};
    wait_for_in_work(0);
    (void)pthread_mutex_lock(&gate);
    for (size_t i = 0; i < 12; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, wait_thread, &statuses[i]), 0);
        for (int n = 0; i < 4 && atomic_load(&entered) <= (int)i; n++) {
            assert_true(n < 4000);
            (void)nanosleep(&(struct timespec){0, 5000000}, NULL);
        }
    }
    wait_for_in_work(12);
    struct http_client_reply r = get("/alive");
    assert_int_equal(r.status, 200);
    http_client_reply_deinit(&r);
    r = get("/api/things/GONE");
    char after[8];
    assert_int_equal(http_client_header(&r, "Retry-After", after, sizeof after), RES_OK);
    is_error(r, 503, "UNAVAILABLE", 0);
    is_error(get("/api/things/GONE?x=1"), 400, "INVALID_PARAMETER", 1); /* asks no worker */
    (void)pthread_mutex_unlock(&gate);
    for (size_t i = 0; i < 12; i++) {
        (void)pthread_join(threads[i], NULL);
        assert_int_equal(statuses[i], 200);
    }
}

static void cuts_a_request_that_trickles(void **state)
{
    (void)state;
    struct http_client_reply r;
    struct err why;
    static const char half[] = "GET /alive HTTP/1.1\r\nHost: loc";
    assert_int_equal(http_client_exchange("127.0.0.1", http_server_port(server),
                                          span_of(half, sizeof half - 1), TIMEOUT_MS, &r, &why),
                     RES_UNAVAILABLE);
}

static void refuses_a_public_address_and_a_taken_port(void **state)
{
    (void)state;
    struct http_server_settings settings = http_server_defaults;
    struct http_server *other = NULL;
    struct err why;
    settings.table = &table;
    settings.metrics = metrics;
    settings.address = "0.0.0.0";
    assert_int_equal(http_server_start(&settings, &other, &why), RES_DENIED);
    assert_non_null(strstr(why.text, "without accounts"));
    settings.address = "127.0.0.1";
    settings.port = http_server_port(server);
    assert_int_equal(http_server_start(&settings, &other, &why), RES_CONFLICT);
    assert_non_null(strstr(why.text, "another port"));
    settings.address = "localhost";
    assert_int_equal(http_server_start(&settings, &other, &why), RES_INVALID);
}

static void counts_in_the_prometheus_format(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    http_metrics_print(metrics, out);
    const struct http_prometheus_tag label = {"a", "b\\c\"d\ne"};
    http_prometheus_sample(out, "x", &label, 1, 0.5);
    (void)fclose(out);
    assert_non_null(strstr(text, "# TYPE endcap_http_requests_total counter\n"));
    assert_non_null(strstr(text, "endcap_http_duration_seconds_bucket{route=\"/alive\",method="
                                 "\"GET\",le=\"+Inf\"}"));
    assert_non_null(strstr(text, "x{a=\"b\\\\c\\\"d\\ne\"} 0.5\n"));
    free(text);
    assert_true(http_prometheus_is_name("a_b:c9", false));
    assert_false(http_prometheus_is_name("9a", false));
    assert_false(http_prometheus_is_name("a:b", true));
    assert_false(http_prometheus_is_name("", true));
}

static void documents_what_it_checks(void **state)
{
    (void)state;
    const struct http_openapi_info info = {"Things", "1", "A test."};
    json_t *doc = http_openapi_document(&info, &table);
    assert_non_null(doc);
    json_t *get_op =
        json_object_get(json_object_get(json_object_get(doc, "paths"), "/api/things/{id}"), "get");
    json_t *param = json_array_get(json_object_get(get_op, "parameters"), 0);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(param, "schema"), "pattern")),
        "^[A-Z0-9]{1,8}$");
    json_t *schemas = json_object_get(json_object_get(doc, "components"), "schemas");
    assert_non_null(json_object_get(schemas, "ThingPage"));
    assert_non_null(json_object_get(schemas, "NewThing"));
    assert_non_null(json_object_get(schemas, "Error"));
    json_decref(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_with_json_and_safe_headers),
        cmocka_unit_test(names_every_wrong_field_at_once),
        cmocka_unit_test(one_envelope_for_every_refusal),
        cmocka_unit_test(takes_only_the_body_it_declares),
        cmocka_unit_test(a_wrong_name_is_answered_with_the_right_ones),
        cmocka_unit_test(refuses_what_is_too_large),
        cmocka_unit_test(carries_a_request_id_through),
        cmocka_unit_test(pages_joined_are_the_whole),
        cmocka_unit_test(says_so_when_no_worker_is_free),
        cmocka_unit_test(survives_garbage),
        cmocka_unit_test(cuts_a_request_that_trickles),
        cmocka_unit_test(refuses_a_public_address_and_a_taken_port),
        cmocka_unit_test(counts_in_the_prometheus_format),
        cmocka_unit_test(documents_what_it_checks),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
