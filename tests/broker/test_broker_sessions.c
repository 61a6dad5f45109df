/* Sessions that live: revocation (R20), delivery to whom it concerns, replacement, limits. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "broker_fixture.h"
#include "clock.h"
#include "raw_client.h"

#define DEVICES        10
#define REVOKED_MS_MAX 5000 /* R20 */
#define WAIT_MS        10000
#define PUBACK         0x40
#define PUBLISH        0x30
#define DISCONNECT     0xe0
#define TOO_LARGE      0x95

static struct broker_fixture fixture;

struct device {
    struct broker_identity_files files;
    struct mqtt_client *client;
    char topic[64]; /* of its commands */
    int subscribed;
    int received;
    int lost;
    unsigned last_reason;
    int answers;
};

static void on_answer(void *context, const struct mqtt_answer *answer)
{
    struct device *d = context;
    d->subscribed += answer->subscription && answer->reason < 0x80;
    d->last_reason = answer->reason;
    d->answers++;
}

static void on_message(void *context, const struct mqtt_message *message)
{
    struct device *d = context;
    assert_true(span_equal(message->topic, span_of(d->topic, strlen(d->topic))));
    d->received++;
}

static void on_disconnect(void *context, enum res cause, const char *why)
{
    (void)cause;
    (void)why;
    ((struct device *)context)->lost++;
}

static void step(struct device *d, unsigned wait_ms)
{
    enum res r = mqtt_client_step(d->client, wait_ms);
    (void)r; /* the callbacks tell */
}

static bool is_connected(const struct device *d)
{
    return mqtt_client_connected(d->client);
}

static bool is_lost(const struct device *d)
{
    return d->lost > 0;
}

static bool is_subscribed(const struct device *d)
{
    return d->subscribed > 0;
}

static bool has_answer(const struct device *d)
{
    return d->answers > 0;
}

/* How long it took. */
static int64_t wait_for(struct device *d, bool (*done)(const struct device *), int64_t ms_max)
{
    int64_t start_ms = clock_monotonic_ms();
    while (!done(d)) {
        step(d, 20);
        if (clock_monotonic_ms() - start_ms > ms_max) {
            fail_msg("%s waits in vain", d->files.certificate.identity.id);
        }
    }
    return clock_monotonic_ms() - start_ms;
}

static void dial(struct device *d)
{
    struct mqtt_client_settings settings;
    struct err why = {""};
    broker_fixture_settings(&fixture, &d->files, &settings);
    settings.context = d;
    settings.on_answer = on_answer;
    settings.on_message = on_message;
    settings.on_disconnect = on_disconnect;
    if (mqtt_client_new(&settings, &why, &d->client) != RES_OK) {
        fail_msg("%s", why.text);
    }
    enum res r = mqtt_client_connect(d->client, &why);
    (void)r; /* refused at once counts as lost */
    d->lost += r != RES_OK;
}

static void open_device(struct device *d, enum pki_kind kind, const char *id, const char *store_id)
{
    *d = (struct device){.client = NULL};
    broker_fixture_issue(&fixture, kind, id, store_id, &d->files);
    dial(d);
    wait_for(d, is_connected, WAIT_MS);
}

static void open_cart(struct device *d, unsigned number)
{
    char id[16];
    (void)snprintf(id, sizeof id, "CART-%04u", number);
    open_device(d, PKI_CART, id, "STORE-1");
    (void)snprintf(d->topic, sizeof d->topic, "cart/%s/command", id);
    assert_int_equal(mqtt_client_subscribe(d->client, d->topic, NULL), RES_OK);
    wait_for(d, is_subscribed, WAIT_MS);
}

static void send_to(struct device *worker, const char *topic)
{
    worker->answers = 0;
    assert_int_equal(
        mqtt_client_publish(worker->client, topic, SPAN_LIT("command"), false, NULL, NULL), RES_OK);
    wait_for(worker, has_answer, WAIT_MS);
}

static bool log_has(const char *a, const char *b)
{
    char *log = broker_fixture_log(&fixture);
    bool found = false;
    for (char *line = log, *end; !found && (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        found = strstr(line, a) != NULL && strstr(line, b) != NULL;
    }
    free(log);
    return found;
}

static void drops_revoked_sessions_within_five_seconds_and_for_good(void **state)
{
    (void)state;
    static struct device carts[DEVICES];
    struct device worker;
    struct device bystander;
    pid_t broker = fixture.pid;
    open_device(&worker, PKI_SERVICE, "service:worker", NULL);
    open_cart(&bystander, 999);
    for (unsigned i = 0; i < DEVICES; i++) {
        open_cart(&carts[i], i);
    }
    for (unsigned i = 0; i < DEVICES; i++) {
        struct device *d = &carts[i];
        /* On its way, unread, when the revocation comes. */
        send_to(&worker, d->topic);
        int received = d->received;
        broker_fixture_revoke(&fixture, &d->files.certificate, 1);
        int64_t took_ms = wait_for(d, is_lost, REVOKED_MS_MAX);
        print_message("%s dropped after %lld ms\n", d->files.certificate.identity.id,
                      (long long)took_ms);
        assert_true(took_ms <= REVOKED_MS_MAX);
        assert_int_equal(
            mqtt_client_publish(d->client, "cart/x/scan", SPAN_LIT("x"), false, NULL, NULL),
            RES_UNAVAILABLE);
        received = d->received > received ? d->received : received;
        send_to(&worker, d->topic);
        mqtt_client_free(d->client);
        d->lost = 0;
        dial(d);
        wait_for(d, is_lost, WAIT_MS);
        assert_int_equal(d->received, received); /* nothing waited for it */
        mqtt_client_free(d->client);
        assert_true(log_has("\"what\":\"session_dropped\"", d->files.certificate.identity.serial));
        assert_true(
            log_has("\"what\":\"connection_refused\"", d->files.certificate.identity.serial));
    }
    send_to(&worker, bystander.topic);
    while (bystander.received == 0) {
        step(&bystander, 20);
    }
    assert_int_equal(bystander.lost, 0);
    assert_int_equal(fixture.pid, broker); /* the same process all the time */
    assert_int_equal(kill(broker, 0), 0);
    mqtt_client_free(bystander.client);
    mqtt_client_free(worker.client);
}

/* In the CRL but not in the plugin's list, so that it is Mosquitto who refuses. */
static void write_crl_only(const struct broker_identity_files *files)
{
    struct pki_revoked entry = {.revoked_ms = clock_utc_ms()};
    char aside[128];
    char from[160];
    char to[160];
    memcpy(entry.serial, files->certificate.identity.serial, sizeof entry.serial);
    memcpy(entry.id, files->certificate.identity.id, sizeof entry.id);
    (void)snprintf(aside, sizeof aside, "%s/aside", fixture.directory);
    (void)snprintf(from, sizeof from, "%s/crl.pem", aside);
    (void)snprintf(to, sizeof to, "%s/crl.pem", fixture.broker_directory);
    assert_int_equal(file_make_directory(aside, 0700, NULL), RES_OK);
    assert_int_equal(pki_crl_write(fixture.ca, fixture.ca_directory, aside, &entry, 1, NULL),
                     RES_OK);
    assert_int_equal(rename(from, to), 0);
}

static void reads_the_crl_again_on_sighup_and_keeps_the_others(void **state)
{
    (void)state;
    struct device bystander;
    struct device revoked;
    open_cart(&bystander, 500);
    open_device(&revoked, PKI_CART, "CART-0501", "STORE-1");
    mqtt_client_free(revoked.client);
    write_crl_only(&revoked.files);
    assert_int_equal(kill(fixture.pid, SIGHUP), 0);
    int64_t end_ms = clock_monotonic_ms() + WAIT_MS;
    for (revoked.lost = 0; revoked.lost == 0;) {
        dial(&revoked);
        while (revoked.lost == 0 && !is_connected(&revoked)) {
            step(&revoked, 20);
        }
        mqtt_client_free(revoked.client);
        assert_true(clock_monotonic_ms() < end_ms);
    }
    assert_true(log_has("certificate revoked", revoked.files.certificate.identity.serial));
    bystander.answers = 0;
    assert_int_equal(mqtt_client_publish(bystander.client, "cart/CART-0500/scan", SPAN_LIT("x"),
                                         false, NULL, NULL),
                     RES_OK);
    wait_for(&bystander, has_answer, WAIT_MS);
    assert_true(bystander.last_reason < 0x80);
    assert_int_equal(bystander.lost, 0);
    assert_false(log_has("session_replaced", "CART-0500"));
    mqtt_client_free(bystander.client);
}

static void delivers_a_command_to_its_cart_alone(void **state)
{
    (void)state;
    static struct device carts[DEVICES];
    struct device worker;
    open_device(&worker, PKI_SERVICE, "service:worker", NULL);
    for (unsigned i = 0; i < DEVICES; i++) {
        open_cart(&carts[i], 100 + i);
    }
    for (unsigned i = 0; i < DEVICES; i++) {
        for (unsigned times = 0; times <= i; times++) {
            send_to(&worker, carts[i].topic);
        }
    }
    for (unsigned i = 0; i < DEVICES; i++) {
        while (carts[i].received < (int)i + 1) {
            step(&carts[i], 20);
            assert_int_equal(carts[i].lost, 0);
        }
        step(&carts[i], 20);
        assert_int_equal(carts[i].received, i + 1);
        mqtt_client_free(carts[i].client);
    }
    mqtt_client_free(worker.client);
}

static void ends_the_older_of_two_sessions_of_one_device(void **state)
{
    (void)state;
    struct device first;
    open_cart(&first, 200);
    struct device second = {.files = first.files};
    dial(&second);
    wait_for(&second, is_connected, WAIT_MS);
    wait_for(&first, is_lost, WAIT_MS);
    assert_true(log_has("\"what\":\"session_replaced\"", "CART-0200"));
    second.answers = 0;
    assert_int_equal(
        mqtt_client_publish(second.client, "cart/CART-0200/scan", SPAN_LIT("x"), false, NULL, NULL),
        RES_OK);
    wait_for(&second, has_answer, WAIT_MS);
    assert_true(second.last_reason < 0x80);
    mqtt_client_free(first.client);
    mqtt_client_free(second.client);
}

static void open_raw(struct raw_client *raw, const struct broker_identity_files *files,
                     const char *will_topic, uint32_t expiry_s)
{
    char key[PKI_PEM_BYTES_MAX];
    size_t size;
    assert_int_equal(file_read(files->key_file, key, sizeof key, &size, NULL), RES_OK);
    const struct raw_client_options o = {.port = fixture.port,
                                         .ca_file = fixture.ca_file,
                                         .certificate_pem = files->certificate.pem,
                                         .key_pem = key,
                                         .client_id = files->certificate.identity.id,
                                         .expiry_s = expiry_s,
                                         .will_topic = will_topic,
                                         .will_payload = "last words"};
    assert_int_equal(raw_client_open(raw, &o), RAW_CLIENT_CONNECTED);
}

static void publishes_no_will_when_a_session_is_replaced(void **state)
{
    (void)state;
    struct device ingest;
    struct broker_identity_files files;
    struct raw_client first;
    struct raw_client second;
    open_device(&ingest, PKI_SERVICE, "service:ingest", NULL);
    (void)snprintf(ingest.topic, sizeof ingest.topic, "cart/CART-0300/scan");
    assert_int_equal(mqtt_client_subscribe(ingest.client, "$share/ingest/cart/+/+", NULL), RES_OK);
    wait_for(&ingest, is_subscribed, WAIT_MS);
    broker_fixture_issue(&fixture, PKI_CART, "CART-0300", "STORE-1", &files);
    open_raw(&first, &files, "cart/CART-0300/fault", 0); /* its own, granted topic */
    open_raw(&second, &files, NULL, 0);
    assert_true(log_has("\"what\":\"will_refused\"", "cart/CART-0300/fault"));
    /* What comes after the will would come after it: ingest sees the scan only (on_message). */
    assert_true(raw_client_publish(&second, "cart/CART-0300/scan", 10, false));
    while (ingest.received == 0) {
        step(&ingest, 20);
        assert_int_equal(ingest.lost, 0);
    }
    raw_client_close(&first);
    raw_client_close(&second);
    mqtt_client_free(ingest.client);
}

static void gives_ingest_events_but_not_its_own_answers(void **state)
{
    (void)state;
    struct device ingest;
    struct broker_identity_files files;
    struct raw_client cart;
    open_device(&ingest, PKI_SERVICE, "service:ingest", NULL);
    (void)snprintf(ingest.topic, sizeof ingest.topic, "cart/CART-0302/scan"); /* see on_message */
    assert_int_equal(mqtt_client_subscribe(ingest.client, "$share/ingest/cart/+/+", NULL), RES_OK);
    wait_for(&ingest, is_subscribed, WAIT_MS);
    broker_fixture_issue(&fixture, PKI_CART, "CART-0302", "STORE-1", &files);
    open_raw(&cart, &files, NULL, 0);
    send_to(&ingest, "cart/CART-0302/response");
    assert_true(raw_client_publish(&cart, "cart/CART-0302/scan", 10, false));
    while (ingest.received == 0) {
        step(&ingest, 20);
        assert_int_equal(ingest.lost, 0);
    }
    assert_int_equal(ingest.received, 1);
    raw_client_close(&cart);
    mqtt_client_free(ingest.client);
}

static void queues_nothing_for_a_device_that_is_away(void **state)
{
    (void)state;
    struct device worker;
    struct broker_identity_files files;
    struct raw_client raw;
    uint8_t body[256];
    size_t size;
    open_device(&worker, PKI_SERVICE, "service:worker", NULL);
    broker_fixture_issue(&fixture, PKI_CART, "CART-0301", "STORE-1", &files);
    open_raw(&raw, &files, NULL, 3600); /* a clean start, but asks to be kept for an hour */
    assert_true(raw_client_subscribe(&raw, "cart/CART-0301/command"));
    assert_int_equal(raw_client_read(&raw, WAIT_MS, body, sizeof body, &size), 0x90);
    raw_client_close(&raw);
    send_to(&worker, "cart/CART-0301/command");
    open_raw(&raw, &files, NULL, 0);
    assert_int_equal(raw_client_read(&raw, 200, body, sizeof body, &size), 0);
    raw_client_close(&raw);
    mqtt_client_free(worker.client);
}

static void refuses_what_is_too_large(void **state)
{
    (void)state;
    struct broker_identity_files files;
    struct raw_client raw;
    uint8_t body[256];
    size_t size;
    broker_fixture_issue(&fixture, PKI_CART, "CART-0400", "STORE-1", &files);
    open_raw(&raw, &files, NULL, 0);
    assert_true(raw_client_publish(&raw, "cart/CART-0400/scan", BROKER_MESSAGE_BYTES_MAX, false));
    assert_int_equal(raw_client_read(&raw, WAIT_MS, body, sizeof body, &size), PUBACK);
    assert_true(size == 2 || body[2] < 0x80);
    assert_true(
        raw_client_publish(&raw, "cart/CART-0400/scan", BROKER_MESSAGE_BYTES_MAX + 1, false));
    assert_int_equal(raw_client_read(&raw, WAIT_MS, body, sizeof body, &size), PUBACK);
    assert_int_equal(body[2], TOO_LARGE);
    (void)raw_client_publish(&raw, "cart/CART-0400/scan", BROKER_PACKET_BYTES_MAX, false);
    int first = raw_client_read(&raw, WAIT_MS, body, sizeof body, &size);
    assert_true(first == -1 || (first == DISCONNECT && body[0] == TOO_LARGE));
    raw_client_close(&raw);
    /* Before a login too. */
    static const uint8_t huge[] = {0x10, 0xff, 0xff, 0xff, 0x7f};
    struct raw_client again;
    open_raw(&again, &files, NULL, 0);
    assert_true(raw_client_send(&again, huge, sizeof huge));
    do {
        first = raw_client_read(&again, WAIT_MS, body, sizeof body, &size);
    } while (first > 0);
    assert_int_equal(first, -1);
    raw_client_close(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drops_revoked_sessions_within_five_seconds_and_for_good),
        cmocka_unit_test(reads_the_crl_again_on_sighup_and_keeps_the_others),
        cmocka_unit_test(delivers_a_command_to_its_cart_alone),
        cmocka_unit_test(ends_the_older_of_two_sessions_of_one_device),
        cmocka_unit_test(publishes_no_will_when_a_session_is_replaced),
        cmocka_unit_test(gives_ingest_events_but_not_its_own_answers),
        cmocka_unit_test(queues_nothing_for_a_device_that_is_away),
        cmocka_unit_test(refuses_what_is_too_large),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    if (!broker_fixture_start(&fixture)) {
        return 77;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    broker_fixture_stop(&fixture);
    return failed;
}
