/* Who is here: what the broker says of devices that come and go (P44's ground). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "broker_fixture.h"
#include "clock.h"
#include "raw_client.h"

#define WAIT_MS  10000
#define HEARD    64
#define PRESENCE "$share/ingest/presence/+"

static struct broker_fixture fixture;

struct heard {
    char name[40];
    bool online;
    int64_t at_ms;
    int64_t started_ms;
    int64_t counted_ms;
    char serial[48];
};

struct listener {
    struct broker_identity_files files;
    struct mqtt_client *client;
    struct heard heard[HEARD];
    size_t count;
    bool subscribed;
    unsigned reason;
};

static int64_t number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static void on_message(void *context, const struct mqtt_message *m)
{
    struct listener *l = context;
    assert_true(m->topic.size > 9 && memcmp(m->topic.data, "presence/", 9) == 0);
    assert_true(l->count < HEARD);
    struct heard *h = &l->heard[l->count++];
    json_t *body = json_loadb((const char *)m->payload.data, m->payload.size, 0, NULL);
    assert_non_null(body);
    memset(h, 0, sizeof *h);
    assert_int_equal(
        span_copy_text(span_of(m->topic.data + 9, m->topic.size - 9), h->name, sizeof h->name),
        RES_OK);
    h->online = json_is_true(json_object_get(body, "online"));
    h->at_ms = number(body, "at");
    h->started_ms = number(body, "started");
    h->counted_ms = number(body, "counted");
    const char *serial = json_string_value(json_object_get(body, "serial"));
    (void)snprintf(h->serial, sizeof h->serial, "%s", serial == NULL ? "" : serial);
    json_decref(body);
}

static void on_answer(void *context, const struct mqtt_answer *answer)
{
    struct listener *l = context;
    l->subscribed |= answer->subscription;
    l->reason = answer->reason;
}

static void step(struct listener *l)
{
    enum res r = mqtt_client_step(l->client, 20);
    (void)r;
}

/* The first thing said of `name` from `from` on that is as wanted; waits for it. */
static const struct heard *wait_for(struct listener *l, size_t from, const char *name, bool online)
{
    int64_t end_ms = clock_monotonic_ms() + WAIT_MS;
    while (clock_monotonic_ms() < end_ms) {
        for (size_t i = from; i < l->count; i++) {
            if (strcmp(l->heard[i].name, name) == 0 && l->heard[i].online == online) {
                return &l->heard[i];
            }
        }
        step(l);
    }
    fail_msg("nothing was said of %s", name);
    return NULL;
}

static void listen_as(struct listener *l, const char *client_id)
{
    struct mqtt_client_settings settings;
    struct err why = {""};
    memset(l, 0, sizeof *l);
    broker_fixture_issue(&fixture, PKI_SERVICE, "service:ingest", NULL, &l->files);
    broker_fixture_settings(&fixture, &l->files, &settings);
    settings.client_id = client_id;
    settings.context = l;
    settings.on_message = on_message;
    settings.on_answer = on_answer;
    assert_int_equal(mqtt_client_new(&settings, &why, &l->client), RES_OK);
    assert_int_equal(mqtt_client_connect(l->client, &why), RES_OK);
    int64_t end_ms = clock_monotonic_ms() + WAIT_MS;
    while (!mqtt_client_connected(l->client) && clock_monotonic_ms() < end_ms) {
        step(l);
    }
    assert_int_equal(mqtt_client_subscribe(l->client, PRESENCE, NULL), RES_OK);
    while (!l->subscribed && clock_monotonic_ms() < end_ms) {
        step(l);
    }
    assert_true(l->subscribed && l->reason < 0x80);
}

struct device {
    struct broker_identity_files files;
    struct raw_client raw;
    char key[PKI_PEM_BYTES_MAX];
};

static void issue(struct device *d, enum pki_kind kind, const char *id)
{
    size_t size;
    broker_fixture_issue(&fixture, kind, id, "STORE-1", &d->files);
    assert_int_equal(file_read(d->files.key_file, d->key, sizeof d->key, &size, NULL), RES_OK);
}

static void connect_to(struct device *d, struct raw_client *raw)
{
    const struct raw_client_options o = {.port = fixture.port,
                                         .ca_file = fixture.ca_file,
                                         .certificate_pem = d->files.certificate.pem,
                                         .key_pem = d->key,
                                         .client_id = d->files.certificate.identity.id};
    assert_int_equal(raw_client_open(raw, &o), RAW_CLIENT_CONNECTED);
}

static void tells_of_devices_that_come_and_go(void **state)
{
    (void)state;
    static struct listener l;
    static struct device d;
    int64_t before_ms = clock_utc_ms();
    listen_as(&l, "service:ingest");
    static const struct {
        enum pki_kind kind;
        const char *id;
    } devices[] = {{PKI_LABEL, "ESP32-AB12CD"}, {PKI_CART, "CART-0001"}};
    for (size_t i = 0; i < 2; i++) {
        size_t from = l.count;
        issue(&d, devices[i].kind, devices[i].id);
        connect_to(&d, &d.raw);
        const struct heard *h = wait_for(&l, from, devices[i].id, true);
        assert_in_range(h->at_ms, before_ms, clock_utc_ms());
        assert_string_equal(h->serial, d.files.certificate.identity.serial);
        from = l.count;
        raw_client_close(&d.raw); /* without a goodbye */
        h = wait_for(&l, from, devices[i].id, false);
        assert_in_range(h->at_ms, before_ms, clock_utc_ms());
        assert_string_equal(h->serial, "");
    }
    mqtt_client_free(l.client);
}

static void a_takeover_is_no_end(void **state)
{
    (void)state;
    static struct listener l;
    static struct device d;
    struct raw_client second;
    listen_as(&l, "service:ingest");
    issue(&d, PKI_LABEL, "ESP32-AB12CE");
    connect_to(&d, &d.raw);
    (void)wait_for(&l, 0, "ESP32-AB12CE", true);
    size_t from = l.count;
    connect_to(&d, &second);
    (void)wait_for(&l, from, "ESP32-AB12CE", true);
    raw_client_close(&d.raw);
    /* Another's news comes after anything the broker could have said of the first. */
    static struct device other;
    issue(&other, PKI_LABEL, "ESP32-AB12CF");
    connect_to(&other, &other.raw);
    (void)wait_for(&l, from, "ESP32-AB12CF", true);
    for (size_t i = from; i < l.count; i++) {
        assert_true(l.heard[i].online || strcmp(l.heard[i].name, "ESP32-AB12CE") != 0);
    }
    raw_client_close(&second);
    (void)wait_for(&l, from, "ESP32-AB12CE", false);
    raw_client_close(&other.raw);
    (void)wait_for(&l, from, "ESP32-AB12CF", false);
    mqtt_client_free(l.client);
}

static void a_revoked_device_is_gone(void **state)
{
    (void)state;
    static struct listener l;
    static struct device d;
    listen_as(&l, "service:ingest");
    issue(&d, PKI_LABEL, "ESP32-AB12DD");
    connect_to(&d, &d.raw);
    (void)wait_for(&l, 0, "ESP32-AB12DD", true);
    broker_fixture_revoke(&fixture, &d.files.certificate, 1);
    (void)wait_for(&l, 0, "ESP32-AB12DD", false);
    raw_client_close(&d.raw);
    mqtt_client_free(l.client);
}

/* A listener that was away learns who is here, and when that was counted. */
static void counts_who_is_here_for_a_new_listener(void **state)
{
    (void)state;
    static struct listener l;
    static struct device devices[3];
    for (size_t i = 0; i < 3; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "ESP32-CC000%zu", i);
        issue(&devices[i], PKI_LABEL, id);
        connect_to(&devices[i], &devices[i].raw);
    }
    int64_t before_ms = clock_utc_ms();
    listen_as(&l, "service:ingest/labels");
    const struct heard *end = wait_for(&l, 0, "broker", false);
    while (end->counted_ms < before_ms) { /* for the listener before us */
        end = wait_for(&l, (size_t)(end - l.heard) + 1, "broker", false);
    }
    assert_in_range(end->started_ms, 1, before_ms);
    for (size_t i = 0; i < 3; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "ESP32-CC000%zu", i);
        const struct heard *h = wait_for(&l, 0, id, true);
        while (h->at_ms < end->counted_ms) {
            h = wait_for(&l, (size_t)(h - l.heard) + 1, id, true);
        }
        assert_true(h < end); /* said before the count was */
        raw_client_close(&devices[i].raw);
    }
    mqtt_client_free(l.client);
}

/* One service, two loads that must not wait for each other. */
static void a_service_may_have_two_sessions_and_a_device_may_not(void **state)
{
    (void)state;
    static struct listener first;
    static struct listener second;
    listen_as(&first, "service:ingest");
    listen_as(&second, "service:ingest/labels");
    for (int i = 0; i < 10; i++) {
        step(&first);
        step(&second);
    }
    assert_true(mqtt_client_connected(first.client));
    assert_true(mqtt_client_connected(second.client));
    mqtt_client_free(first.client);
    mqtt_client_free(second.client);
    static struct device d;
    issue(&d, PKI_LABEL, "ESP32-AB12EE");
    const struct raw_client_options o = {.port = fixture.port,
                                         .ca_file = fixture.ca_file,
                                         .certificate_pem = d.files.certificate.pem,
                                         .key_pem = d.key,
                                         .client_id = "ESP32-AB12EE/other"};
    assert_int_not_equal(raw_client_open(&d.raw, &o), RAW_CLIENT_CONNECTED);
    raw_client_close(&d.raw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_of_devices_that_come_and_go),
        cmocka_unit_test(a_takeover_is_no_end),
        cmocka_unit_test(a_revoked_device_is_gone),
        cmocka_unit_test(counts_who_is_here_for_a_new_listener),
        cmocka_unit_test(a_service_may_have_two_sessions_and_a_device_may_not),
    };
    if (!broker_fixture_start(&fixture)) {
        return 77;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    broker_fixture_stop(&fixture);
    return failed;
}
