/* The MQTT wrapper against a real broker: both ways to run it, and its words when things go wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "broker_fixture.h"
#include "clock.h"

#define WAIT_MS     10000
#define THREADS     4
#define FLOOD       3000
#define EACH        200
#define COMMAND_ID  "CART-0001"
#define COMMAND     "cart/" COMMAND_ID "/command"
#define CATALOGUE_1 "store/STORE-1/catalogue/1"
#define CATALOGUE   "store/STORE-1/catalogue/+"

static struct broker_fixture fixture;
static struct broker_identity_files worker_files;
static struct broker_identity_files cart_files;

/* What a client was told; atomics, because a threaded client tells from its own thread. */
struct heard {
    atomic_int connected;
    atomic_int lost;
    atomic_int messages;
    atomic_int answers;
    atomic_int retained;
    atomic_int cause;
    bool slow;
    char why[256];
    char property[64];
};

static void on_connect(void *context)
{
    (void)atomic_fetch_add(&((struct heard *)context)->connected, 1);
}

static void on_disconnect(void *context, enum res cause, const char *why)
{
    struct heard *h = context;
    (void)snprintf(h->why, sizeof h->why, "%s", why);
    atomic_store(&h->cause, (int)cause);
    (void)atomic_fetch_add(&h->lost, 1);
}

static void on_message(void *context, const struct mqtt_message *message)
{
    struct heard *h = context;
    (void)snprintf(h->property, sizeof h->property, "%.*s=%.*s", (int)message->property.name.size,
                   (const char *)message->property.name.data, (int)message->property.value.size,
                   (const char *)message->property.value.data);
    (void)atomic_fetch_add(&h->retained, message->retained);
    (void)atomic_fetch_add(&h->messages, 1);
    if (h->slow && atomic_load(&h->messages) % 500 == 1) { /* so that many wait in one read */
        (void)nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    errno = EAGAIN; /* as a callback may leave it */
}

static void on_answer(void *context, const struct mqtt_answer *answer)
{
    struct heard *h = context;
    (void)atomic_fetch_add(&h->answers, answer->reason < 0x80);
}

static struct mqtt_client_settings settings_for(const struct broker_identity_files *files,
                                                struct heard *heard)
{
    struct mqtt_client_settings s;
    broker_fixture_settings(&fixture, files, &s);
    s.context = heard;
    s.on_connect = on_connect;
    s.on_disconnect = on_disconnect;
    s.on_message = on_message;
    s.on_answer = on_answer;
    return s;
}

static struct mqtt_client *client_with(const struct mqtt_client_settings *settings)
{
    struct mqtt_client *client = NULL;
    struct err why = {""};
    if (mqtt_client_new(settings, &why, &client) != RES_OK) {
        fail_msg("%s", why.text);
    }
    return client;
}

/* Steps a manual client (NULL: sleeps) until the count is there. */
static void wait_for(struct mqtt_client *client, atomic_int *count, int wanted)
{
    int64_t end_ms = clock_monotonic_ms() + WAIT_MS;
    while (atomic_load(count) < wanted) {
        if (client == NULL || mqtt_client_step(client, 20) != RES_OK) {
            (void)nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
        }
        assert_true(clock_monotonic_ms() < end_ms);
    }
}

static struct mqtt_client *open_manual(const struct broker_identity_files *files,
                                       struct heard *heard)
{
    struct mqtt_client_settings s = settings_for(files, heard);
    struct mqtt_client *client = client_with(&s);
    assert_int_equal(mqtt_client_connect(client, NULL), RES_OK);
    wait_for(client, &heard->connected, 1);
    assert_true(mqtt_client_connected(client));
    return client;
}

static void subscribe(struct mqtt_client *client, struct heard *heard, const char *filter)
{
    int answers = atomic_load(&heard->answers);
    assert_int_equal(mqtt_client_subscribe(client, filter, NULL), RES_OK);
    wait_for(client, &heard->answers, answers + 1);
}

static void carries_a_message_with_its_user_property(void **state)
{
    (void)state;
    struct heard at_cart = {0};
    struct heard at_worker = {0};
    struct mqtt_client *cart = open_manual(&cart_files, &at_cart);
    struct mqtt_client *worker = open_manual(&worker_files, &at_worker);
    const struct mqtt_property property = {SPAN_LIT("signature"), SPAN_LIT("abc")};
    subscribe(cart, &at_cart, COMMAND);
    assert_int_equal(mqtt_client_publish(worker, COMMAND, SPAN_LIT("{}"), false, &property, NULL),
                     RES_OK);
    wait_for(worker, &at_worker.answers, 1);
    wait_for(cart, &at_cart.messages, 1);
    assert_string_equal(at_cart.property, "signature=abc");
    assert_int_equal(at_cart.retained, 0);
    mqtt_client_free(cart);
    mqtt_client_free(worker);
    assert_int_equal(at_cart.lost, 0); /* we left */
}

static void says_when_a_message_was_retained(void **state)
{
    (void)state;
    struct heard at_cart = {0};
    struct heard at_worker = {0};
    struct mqtt_client *worker = open_manual(&worker_files, &at_worker);
    assert_int_equal(mqtt_client_publish(worker, CATALOGUE_1, SPAN_LIT("prices"), true, NULL, NULL),
                     RES_OK);
    wait_for(worker, &at_worker.answers, 1);
    struct mqtt_client *cart = open_manual(&cart_files, &at_cart);
    subscribe(cart, &at_cart, CATALOGUE);
    wait_for(cart, &at_cart.retained, 1);
    mqtt_client_free(cart);
    mqtt_client_free(worker);
}

static void tells_in_one_sentence_why_it_cannot_connect(void **state)
{
    (void)state;
    struct heard heard = {0};
    struct mqtt_client_settings s = settings_for(&cart_files, &heard);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    struct err why = {""};
    /* A port that is bound but not listened on refuses. */
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    s.port = ntohs(address.sin_port);
    struct mqtt_client *client = client_with(&s);
    enum res r = mqtt_client_connect(client, &why);
    if (r == RES_OK) {
        wait_for(client, &heard.lost, 1);
        r = (enum res)heard.cause;
        (void)snprintf(why.text, sizeof why.text, "%s", heard.why);
    }
    assert_int_equal(r, RES_UNAVAILABLE);
    assert_non_null(strstr(why.text, "nobody listens there"));
    mqtt_client_free(client);
    /* One that listens and never speaks runs into the deadline. */
    assert_int_equal(listen(fd, 1), 0);
    s.connect_timeout_ms = 200;
    client = client_with(&s);
    atomic_store(&heard.lost, 0);
    assert_int_equal(mqtt_client_connect(client, &why), RES_OK);
    wait_for(client, &heard.lost, 1);
    assert_int_equal(heard.cause, RES_UNAVAILABLE);
    assert_non_null(strstr(heard.why, "no answer in time"));
    mqtt_client_free(client);
    (void)close(fd);
}

static void refuses_a_server_of_another_ca_or_name(void **state)
{
    (void)state;
    for (int wrong_name = 0; wrong_name < 2; wrong_name++) {
        struct err why = {""};
        struct heard heard = {0};
        struct mqtt_client_settings s = settings_for(&cart_files, &heard);
        if (wrong_name) {
            s.host = "127.1"; /* the same place, by a name its certificate does not carry */
        } else {
            s.ca_file = cart_files.certificate_file;
        }
        struct mqtt_client *client = client_with(&s);
        enum res r = mqtt_client_connect(client, &why);
        if (r == RES_OK) {
            wait_for(client, &heard.lost, 1);
            r = (enum res)heard.cause;
            (void)snprintf(why.text, sizeof why.text, "%s", heard.why);
        }
        assert_int_equal(r, RES_DENIED);
        assert_non_null(strstr(why.text, "TLS failed"));
        assert_false(mqtt_client_connected(client));
        mqtt_client_free(client);
    }
}

static void finds_unreadable_files_before_it_connects(void **state)
{
    (void)state;
    struct mqtt_client *client = NULL;
    struct err why = {""};
    struct mqtt_client_settings s = settings_for(&cart_files, NULL);
    s.key_file = "/nonexistent/key";
    assert_int_equal(mqtt_client_new(&s, &why, &client), RES_IO);
    assert_non_null(strstr(why.text, "/nonexistent/key"));
    s.key_file = worker_files.key_file;
    assert_int_equal(mqtt_client_new(&s, &why, &client), RES_CORRUPT);
    assert_non_null(strstr(why.text, "is not the private key of"));
    s.key_file = cart_files.key_file;
    s.ca_file = cart_files.key_file;
    assert_int_equal(mqtt_client_new(&s, &why, &client), RES_CORRUPT);
    s.keep_alive_s = 1;
    assert_int_equal(mqtt_client_new(&s, &why, &client), RES_INVALID);
    assert_null(client);
}

static void holds_no_more_publishes_than_its_limit(void **state)
{
    (void)state;
    struct heard heard = {0};
    struct mqtt_client_settings s = settings_for(&worker_files, &heard);
    s.queued_max = 10;
    s.send_max = 2;
    struct mqtt_client *client = client_with(&s);
    assert_int_equal(mqtt_client_publish(client, COMMAND, SPAN_LIT("x"), false, NULL, NULL),
                     RES_UNAVAILABLE);
    assert_int_equal(mqtt_client_connect(client, NULL), RES_OK);
    wait_for(client, &heard.connected, 1);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(mqtt_client_publish(client, COMMAND, SPAN_LIT("x"), false, NULL, NULL),
                         RES_OK);
    }
    assert_int_equal(mqtt_client_publish(client, COMMAND, SPAN_LIT("x"), false, NULL, NULL),
                     RES_FULL);
    wait_for(client, &heard.answers, 10);
    assert_int_equal(mqtt_client_publish(client, COMMAND, SPAN_LIT("x"), false, NULL, NULL),
                     RES_OK);
    assert_int_equal(
        mqtt_client_publish(client, "cart/+/command", SPAN_LIT("x"), false, NULL, NULL),
        RES_INVALID);
    mqtt_client_free(client);
}

static void does_not_reconnect_a_device_by_itself(void **state)
{
    (void)state;
    struct heard heard = {0};
    struct mqtt_client *client = open_manual(&cart_files, &heard);
    broker_fixture_kill(&fixture);
    wait_for(client, &heard.lost, 1);
    assert_int_equal(heard.cause, RES_UNAVAILABLE);
    broker_fixture_restart(&fixture);
    assert_int_equal(mqtt_client_step(client, 50), RES_UNAVAILABLE);
    assert_int_equal(heard.connected, 1);
    assert_int_equal(mqtt_client_connect(client, NULL), RES_OK);
    wait_for(client, &heard.connected, 2);
    mqtt_client_free(client);
}

static void brings_a_server_back_by_itself(void **state)
{
    (void)state;
    struct heard heard = {0};
    struct mqtt_client_settings s = settings_for(&worker_files, &heard);
    s.threaded = true;
    s.reconnect_min_ms = 20;
    s.reconnect_max_ms = 100;
    struct mqtt_client *client = client_with(&s);
    broker_fixture_kill(&fixture);
    assert_int_equal(mqtt_client_connect(client, NULL), RES_OK);
    wait_for(NULL, &heard.lost, 2); /* nobody there yet: it keeps trying */
    broker_fixture_restart(&fixture);
    wait_for(NULL, &heard.connected, 1);
    broker_fixture_kill(&fixture);
    wait_for(NULL, &heard.lost, 3);
    broker_fixture_restart(&fixture);
    wait_for(NULL, &heard.connected, 2);
    assert_int_equal(mqtt_client_connect(client, NULL), RES_CONFLICT);
    mqtt_client_free(client);
}

static void *publish_many(void *context)
{
    struct mqtt_client *client = context;
    for (int i = 0; i < EACH;) {
        enum res r = mqtt_client_publish(client, COMMAND, SPAN_LIT("x"), false, NULL, NULL);
        if (r == RES_OK) {
            i++;
        } else if (r != RES_FULL) {
            return context;
        }
    }
    return NULL;
}

static void publishes_from_several_threads_at_once(void **state)
{
    (void)state;
    struct heard heard = {0};
    struct mqtt_client_settings s = settings_for(&worker_files, &heard);
    s.threaded = true;
    struct mqtt_client *client = client_with(&s);
    pthread_t threads[THREADS];
    assert_int_equal(mqtt_client_connect(client, NULL), RES_OK);
    wait_for(NULL, &heard.connected, 1);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, publish_many, client), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *failed;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    wait_for(NULL, &heard.answers, THREADS * EACH);
    assert_int_equal(heard.answers, THREADS * EACH);
    assert_int_equal(heard.lost, 0);
    mqtt_client_free(client);
}

static void hears_every_message_of_a_flood(void **state)
{
    (void)state;
    struct heard at_cart = {.slow = true};
    struct heard at_worker = {0};
    struct mqtt_client_settings s = settings_for(&cart_files, &at_cart);
    s.threaded = true;
    s.receive_max = 500;
    struct mqtt_client *cart = client_with(&s);
    s = settings_for(&worker_files, &at_worker);
    s.threaded = true;
    s.queued_max = FLOOD;
    s.send_max = 500;
    struct mqtt_client *worker = client_with(&s);
    assert_int_equal(mqtt_client_connect(cart, NULL), RES_OK);
    assert_int_equal(mqtt_client_connect(worker, NULL), RES_OK);
    wait_for(NULL, &at_cart.connected, 1);
    wait_for(NULL, &at_worker.connected, 1);
    assert_int_equal(mqtt_client_subscribe(cart, COMMAND, NULL), RES_OK);
    wait_for(NULL, &at_cart.answers, 1);
    for (int i = 0; i < FLOOD; i++) {
        assert_int_equal(mqtt_client_publish(worker, COMMAND, SPAN_LIT("x"), false, NULL, NULL),
                         RES_OK);
    }
    wait_for(NULL, &at_cart.messages, FLOOD);
    wait_for(NULL, &at_worker.answers, FLOOD);
    mqtt_client_free(cart);
    mqtt_client_free(worker);
    assert_int_equal(at_cart.messages, FLOOD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(carries_a_message_with_its_user_property),
        cmocka_unit_test(says_when_a_message_was_retained),
        cmocka_unit_test(tells_in_one_sentence_why_it_cannot_connect),
        cmocka_unit_test(refuses_a_server_of_another_ca_or_name),
        cmocka_unit_test(finds_unreadable_files_before_it_connects),
        cmocka_unit_test(holds_no_more_publishes_than_its_limit),
        cmocka_unit_test(does_not_reconnect_a_device_by_itself),
        cmocka_unit_test(brings_a_server_back_by_itself),
        cmocka_unit_test(publishes_from_several_threads_at_once),
        cmocka_unit_test(hears_every_message_of_a_flood),
    };
    if (!broker_fixture_start(&fixture)) {
        return 77;
    }
    broker_fixture_issue(&fixture, PKI_SERVICE, "service:worker", NULL, &worker_files);
    broker_fixture_issue(&fixture, PKI_CART, COMMAND_ID, "STORE-1", &cart_files);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    broker_fixture_stop(&fixture);
    return failed;
}
