/* The live feed with real readers and a real PostgreSQL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "api_fixture.h"

#define DEADLINE_S 20
#define SEEN_BYTES (1 << 20)

static struct api_fixture x;
static struct pg_conn *super;

struct reader {
    int fd;
    size_t used;
    size_t at; /* what was looked at already */
    char seen[SEEN_BYTES];
};

static void dial(struct reader *r, const struct api *api, const char *query, const char *header)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(api_port(api)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = DEADLINE_S};
    char request[400];
    memset(r, 0, sizeof *r);
    r->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(r->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(r->fd, (struct sockaddr *)&to, sizeof to), 0);
    int size = snprintf(request, sizeof request,
                        "GET /api/feed%s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", query, header);
    assert_int_equal(write(r->fd, request, (size_t)size), size);
}

/* Reads until `text` comes behind what was looked at; false: the stream ended before. */
static bool reads(struct reader *r, const char *text)
{
    for (;;) {
        char *found = strstr(r->seen + r->at, text);
        if (found != NULL) {
            r->at = (size_t)(found - r->seen) + strlen(text);
            return true;
        }
        ssize_t n = read(r->fd, r->seen + r->used, SEEN_BYTES - 1 - r->used);
        if (n <= 0) {
            return false;
        }
        r->used += (size_t)n;
        r->seen[r->used] = '\0';
    }
}

static void hang_up(struct reader *r)
{
    (void)close(r->fd);
}

static void open_alert(const char *store, const char *cause)
{
    char sql[400];
    (void)snprintf(sql, sizeof sql,
                   "SELECT endcap.raise_alert('%s', 'fault', 'high', 'CART-A001', NULL, '%s', "
                   "'Message of %s.')",
                   store, cause, cause);
    pg_fixture_sql(super, sql);
}

static struct reader first;
static struct reader second;

static int fresh(void **state)
{
    (void)state;
    pg_fixture_sql(super, "TRUNCATE endcap.alert CASCADE");
    return 0;
}

static void an_alert_is_told_when_it_opens_is_taken_up_and_is_over(void **state)
{
    (void)state;
    dial(&first, x.api, "?kinds=alert", "");
    assert_true(reads(&first, "Content-Type: text/event-stream"));
    assert_true(reads(&first, "event: ready"));
    open_alert("STORE-A", "cause-1");
    assert_true(reads(&first, "event: alert\ndata: {\"alertId\":"));
    assert_true(reads(&first, "Message of cause-1."));
    assert_true(reads(&first, "\"status\":\"open\""));
    pg_fixture_sql(super, "UPDATE endcap.alert SET status = 'acknowledged', acknowledged_at = "
                          "now(), acknowledged_by = 'x'");
    assert_true(reads(&first, "\"status\":\"acknowledged\""));
    pg_fixture_sql(super, "SELECT endcap.resolve_alert('STORE-A', 'cause-1')");
    assert_true(reads(&first, "\"status\":\"resolved\""));
    hang_up(&first);
}

static void a_reader_gets_what_is_of_its_store_and_nothing_else(void **state)
{
    (void)state;
    dial(&first, x.api, "?kinds=alert&storeId=STORE-A", "");
    dial(&second, x.api_of_b, "?kinds=alert", ""); /* a face that sees STORE-B alone */
    assert_true(reads(&first, "event: ready"));
    assert_true(reads(&second, "event: ready"));
    open_alert("STORE-A", "of-a");
    open_alert("STORE-B", "of-b");
    open_alert("STORE-A", "last-a");
    open_alert("STORE-B", "last-b");
    assert_true(reads(&first, "Message of last-a."));
    assert_true(reads(&second, "Message of last-b."));
    assert_null(strstr(first.seen, "of-b"));
    assert_null(strstr(second.seen, "of-a"));
    hang_up(&first);
    hang_up(&second);
}

static void a_reader_that_comes_back_is_told_what_it_missed(void **state)
{
    (void)state;
    char header[64];
    dial(&first, x.api, "?kinds=alert", "");
    assert_true(reads(&first, "\nid: "));
    long long id = strtoll(first.seen + first.at, NULL, 10);
    assert_true(id > 0);
    assert_true(reads(&first, "event: ready"));
    hang_up(&first);
    open_alert("STORE-A", "missed");
    (void)snprintf(header, sizeof header, "Last-Event-ID: %lld\r\n", id);
    dial(&second, x.api, "?kinds=alert", header);
    assert_true(reads(&second, "Message of missed."));
    hang_up(&second);
    /* more than is told again */
    pg_fixture_sql(super, "SELECT endcap.raise_alert('STORE-A', 'fault', 'high', NULL, NULL, "
                          "'many-' || n, 'M.') FROM generate_series(1, 600) n");
    dial(&second, x.api, "?kinds=alert", header);
    assert_true(reads(&second, "event: reset"));
    hang_up(&second);
}

static void counts_are_told_at_first_and_then_when_they_change(void **state)
{
    (void)state;
    pg_fixture_sql(super, "UPDATE endcap.cart SET online = false");
    dial(&first, x.api, "?kinds=device,delivery&storeId=STORE-B", "");
    assert_true(reads(&first, "event: delivery\ndata: {\"storeId\":\"STORE-B\",\"queued\":0"));
    assert_true(reads(&first,
                      "event: device\ndata: {\"storeId\":\"STORE-B\",\"labels\":{\"online\":"
                      "0,\"asleep\":0,\"offline\":0},\"carts\":{\"online\":0,\"offline\":1}"
                      "}"));
    pg_fixture_sql(super, "UPDATE endcap.cart SET online = true WHERE cart_id = 'CART-B001'");
    assert_true(reads(&first, "\"carts\":{\"online\":1,\"offline\":0}}"));
    assert_null(strstr(first.seen, "STORE-A"));
    assert_null(strstr(first.seen, "event: alert"));
    hang_up(&first);
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"?kinds=alert,price", "?kinds=,", "?kinds=ALERT",
                                        "?storeId=x", "?since=1"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char target[80];
        (void)snprintf(target, sizeof target, "/api/feed%s", wrong[i]);
        api_fixture_is_error(api_fixture_get(x.api, target), 400, NULL);
    }
}

static void the_feed_goes_on_when_the_database_was_away(void **state)
{
    (void)state;
    dial(&first, x.api, "?kinds=alert", "");
    assert_true(reads(&first, "event: ready"));
    pg_fixture_sql(super, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = "
                          "'endcap_api'");
    open_alert("STORE-A", "while-away");
    assert_true(reads(&first, "Message of while-away."));
    open_alert("STORE-A", "afterwards");
    assert_true(reads(&first, "Message of afterwards."));
    hang_up(&first);
}

/* The last: it ends the servers. */
static void stopping_ends_a_stream_in_order(void **state)
{
    (void)state;
    dial(&first, x.api, "", "");
    assert_true(reads(&first, "event: ready"));
    api_stop(x.api);
    x.api = NULL;
    assert_true(reads(&first, "\r\n0\r\n\r\n"));
    hang_up(&first);
}

int main(void)
{
    if (!api_fixture_possible(&x)) {
        return 77;
    }
    if (!api_fixture_start(&x)) {
        return 1;
    }
    super = pg_fixture_superuser(&x.pg);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_alert_is_told_when_it_opens_is_taken_up_and_is_over, fresh),
        cmocka_unit_test_setup(a_reader_gets_what_is_of_its_store_and_nothing_else, fresh),
        cmocka_unit_test_setup(a_reader_that_comes_back_is_told_what_it_missed, fresh),
        cmocka_unit_test_setup(counts_are_told_at_first_and_then_when_they_change, fresh),
        cmocka_unit_test_setup(nonsense_is_refused, fresh),
        cmocka_unit_test_setup(the_feed_goes_on_when_the_database_was_away, fresh),
        cmocka_unit_test_setup(stopping_ends_a_stream_in_order, fresh),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pg_conn_close(super);
    api_fixture_stop(&x);
    return failed;
}
