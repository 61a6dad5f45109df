/* Event streams on real sockets: who gets what, slow readers, readers that are gone, the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "http_request.h"
#include "http_server.h"
#include "http_streams.h"
#include "rng.h"

#define STREAMS_MAX  4
#define BUFFER_BYTES 65536
#define DEADLINE_S   20

static struct http_streams *streams;
static struct http_server *server;
static struct http_metrics *metrics;

static void open_stream(struct http_request *q, void *context)
{
    (void)context;
    int *tag = malloc(sizeof *tag);
    *tag = (int)http_request_number(q, "kind");
    if (http_streams_reply(streams, q, tag) != RES_OK) {
        free(tag);
        http_reply_error(q, HTTP_ERROR_UNAVAILABLE, "Too many streams.");
    }
}

static const struct http_param params[] = {
    {HTTP_IN_QUERY, {.name = "kind", .type = HTTP_INTEGER, .max = 9, .summary = "Which events."}},
    HTTP_PARAM_END};
static const struct http_route routes[] = {{.method = HTTP_GET,
                                            .path = "/feed",
                                            .operation = "feed",
                                            .summary = "Events.",
                                            .tag = "t",
                                            .params = params,
                                            .content_type = HTTP_STREAM_CONTENT_TYPE,
                                            .handle = open_stream},
                                           HTTP_ROUTE_END};
static const struct http_group groups[] = {{routes, NULL}};
static const struct http_table table = {groups, 1};

static int start(void **state)
{
    (void)state;
    struct err why = {""};
    struct http_streams_settings s = {STREAMS_MAX, BUFFER_BYTES, 50};
    struct http_server_settings g = http_server_defaults;
    metrics = http_metrics_new(&table);
    g.table = &table;
    g.metrics = metrics;
    g.idle_s_max = 60; /* what is cut is cut by the streams */
    if (http_streams_new(&s, &streams, &why) != RES_OK ||
        http_server_start(&g, &server, &why) != RES_OK) {
        print_error("%s\n", why.text);
        return -1;
    }
    return 0;
}

static int stop(void **state)
{
    (void)state;
    http_streams_close(streams);
    http_server_stop(server);
    http_streams_free(streams);
    http_metrics_free(metrics);
    return 0;
}

/* ---- a client ---- */

static int dial(int kind, int receive_bytes)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(http_server_port(server)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = DEADLINE_S};
    char request[128];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_bytes > 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    int size = snprintf(request, sizeof request,
                        "GET /feed?kind=%d HTTP/1.1\r\nHost: localhost\r\n\r\n", kind);
    assert_int_equal(write(fd, request, (size_t)size), size);
    return fd;
}

/* Reads until `text` has come; false: the connection ended before. */
static bool reads(int fd, const char *text)
{
    static char seen[1 << 20];
    size_t used = 0;
    for (;;) {
        ssize_t n = read(fd, seen + used, sizeof seen - 1 - used);
        if (n <= 0) {
            return false;
        }
        used += (size_t)n;
        seen[used] = '\0';
        if (strstr(seen, text) != NULL) {
            return true;
        }
        if (used > sizeof seen / 2) {
            memmove(seen, seen + used - 256, 256);
            used = 256;
        }
    }
}

static int dial_and_wait(int kind)
{
    int fd = dial(kind, 0);
    assert_true(reads(fd, "retry: 2000\n\n"));
    return fd;
}

static bool is_kind(void *tag, void *user)
{
    return *(int *)tag == *(int *)user;
}

static bool is_any(void *tag, void *user)
{
    (void)tag;
    (void)user;
    return true;
}

static void tell(int kind, const char *id, const char *data)
{
    const struct http_event e = {id, "thing", data};
    assert_int_equal(http_streams_send(streams, &e, is_kind, &kind), RES_OK);
}

static struct http_streams_figures figures(void)
{
    struct http_streams_figures f;
    http_streams_figures(streams, &f);
    return f;
}

static void wait_for_open(size_t count)
{
    time_t until = time(NULL) + DEADLINE_S;
    while (figures().open != count) {
        struct timespec t = {.tv_nsec = 2000000};
        (void)nanosleep(&t, NULL);
        if (time(NULL) > until) {
            fail_msg("%zu streams are open, not %zu", figures().open, count);
        }
    }
}

/* ---- tests ---- */

static void an_event_reaches_those_who_want_it_and_nobody_else(void **state)
{
    (void)state;
    int first = dial_and_wait(1);
    int second = dial_and_wait(2);
    tell(1, "7", "{\"a\":1}");
    tell(2, "", "{\"b\":2}");
    assert_true(reads(first, "id: 7\nevent: thing\ndata: {\"a\":1}\n\n"));
    tell(1, "8", "{\"c\":3}");
    char all[512];
    ssize_t n = read(first, all, sizeof all - 1);
    assert_true(n > 0);
    all[n] = '\0';
    assert_null(strstr(all, "\"b\""));
    assert_true(reads(second, "event: thing\ndata: {\"b\":2}\n\n"));
    (void)close(first);
    (void)close(second);
}

static void a_stream_too_many_is_refused_and_a_place_given_back_is_used(void **state)
{
    (void)state;
    int fd[STREAMS_MAX];
    for (int i = 0; i < STREAMS_MAX; i++) {
        fd[i] = dial_and_wait(1);
    }
    int more = dial(1, 0);
    assert_true(reads(more, "503"));
    (void)close(more);
    (void)close(fd[0]);
    http_streams_beat(streams);
    time_t until = time(NULL) + DEADLINE_S;
    while (figures().open == STREAMS_MAX && time(NULL) < until) {
        struct timespec t = {.tv_nsec = 20000000};
        (void)nanosleep(&t, NULL);
        http_streams_beat(streams); /* nobody writes else */
    }
    fd[0] = dial_and_wait(1);
    for (int i = 0; i < STREAMS_MAX; i++) {
        (void)close(fd[i]);
    }
}

static void a_silent_stream_gets_a_heartbeat_and_a_talking_one_does_not(void **state)
{
    (void)state;
    int fd = dial_and_wait(1);
    time_t until = time(NULL) + DEADLINE_S;
    char got[64] = "";
    while (strstr(got, ":\n\n") == NULL && time(NULL) < until) {
        http_streams_beat(streams);
        ssize_t n = recv(fd, got, sizeof got - 1, MSG_DONTWAIT);
        got[n > 0 ? n : 0] = '\0';
    }
    assert_non_null(strstr(got, ":\n\n"));
    (void)close(fd);
}

/* One reads nothing, the other everything: only the first is cut off, and the second misses no
 * event. */
static void a_reader_that_does_not_read_is_cut_and_holds_up_nobody(void **state)
{
    (void)state;
    static char data[32768];
    int fast = dial_and_wait(1);
    int slow = dial(1, 4096);
    wait_for_open(2);
    int sent = 0;
    while (figures().dropped == 0 && sent < 2000) {
        (void)snprintf(data, sizeof data, "{\"n\":%d,\"pad\":\"%0*d\"}", sent, 30000, 0);
        tell(1, "", data);
        char mark[32];
        (void)snprintf(mark, sizeof mark, "{\"n\":%d,", sent);
        assert_true(reads(fast, mark));
        sent++;
    }
    assert_int_equal(figures().dropped, 1);
    wait_for_open(1);
    tell(1, "", "{\"last\":1}");
    assert_true(reads(fast, "{\"last\":1}"));
    (void)close(fast);
    (void)close(slow);
}

static void closing_ends_every_stream_in_order_and_refuses_new_ones(void **state)
{
    (void)state;
    int fd = dial_and_wait(1);
    tell(1, "", "{\"bye\":1}");
    http_streams_close(streams);
    assert_true(reads(fd, "{\"bye\":1}\n\n\r\n0\r\n\r\n"));
    assert_int_equal(figures().open, 0);
    int more = dial(1, 0);
    assert_true(reads(more, "503"));
    (void)close(fd);
    (void)close(more);
}

struct storm {
    atomic_bool over;
    uint64_t seed;
};

static void *write_storm(void *arg)
{
    struct storm *storm = arg;
    const struct http_event e = {"1", "thing", "{\"storm\":true}"};
    while (!atomic_load(&storm->over)) {
        if (http_streams_send(streams, &e, is_any, NULL) != RES_OK) {
            break;
        }
        http_streams_beat(streams);
        struct timespec t = {.tv_nsec = 200000};
        (void)nanosleep(&t, NULL);
    }
    return NULL;
}

/* Clients come, read a little and go at any moment while two threads write. */
static void any_coming_and_going_leaves_no_stream_behind(void **state)
{
    (void)state;
    struct storm storm = {.seed = 0};
    pthread_t writers[2];
    struct rng rng;
    const char *env = getenv("ENDCAP_SEED");
    uint64_t seed = env != NULL ? strtoull(env, NULL, 10) : (uint64_t)time(NULL);
    print_message("seed %llu\n", (unsigned long long)seed);
    rng_init(&rng, seed);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&writers[i], NULL, write_storm, &storm), 0);
    }
    for (int i = 0; i < 200; i++) {
        int fd = dial((int)rng_below(&rng, 2), 0);
        if (rng_below(&rng, 3) > 0) {
            char some[400];
            (void)!read(fd, some, 1 + rng_below(&rng, sizeof some - 1));
        }
        if (rng_below(&rng, 2) == 0) { /* a reset, not an orderly end */
            struct linger l = {1, 0};
            (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
        }
        (void)close(fd);
    }
    wait_for_open(0);
    atomic_store(&storm.over, true);
    for (int i = 0; i < 2; i++) {
        (void)pthread_join(writers[i], NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_event_reaches_those_who_want_it_and_nobody_else, start,
                                        stop),
        cmocka_unit_test_setup_teardown(a_stream_too_many_is_refused_and_a_place_given_back_is_used,
                                        start, stop),
        cmocka_unit_test_setup_teardown(a_silent_stream_gets_a_heartbeat_and_a_talking_one_does_not,
                                        start, stop),
        cmocka_unit_test_setup_teardown(a_reader_that_does_not_read_is_cut_and_holds_up_nobody,
                                        start, stop),
        cmocka_unit_test_setup_teardown(closing_ends_every_stream_in_order_and_refuses_new_ones,
                                        start, stop),
        cmocka_unit_test_setup_teardown(any_coming_and_going_leaves_no_stream_behind, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
