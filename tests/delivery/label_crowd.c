#include "label_crowd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base64.h"
#include "clock.h"

#define CONNECT_MS 10000

static void read_content(struct crowd_message *m, const struct mqtt_message *from)
{
    uint8_t block[SHELF_DOWN_BYTES_MAX];
    struct arena arena;
    struct shelf_detail detail = {"", ""};
    struct shelf_display d = {.version = 0};
    struct shelf_flash f = {.version = 0};
    struct shelf_config c = {.version = 0};
    struct span update = SPAN_NONE;
    enum res r = RES_INVALID;
    arena_init(&arena, block, sizeof block);
    if (m->topic == SHELF_PRICE_UPDATE) {
        r = shelf_display_decode(from->payload, &arena, &d, &detail);
        update = d.update_id;
        m->version = d.version;
        m->price_minor = d.price_minor;
        memcpy(m->digest, d.digest, sizeof m->digest);
        assert_int_equal(span_copy_text(d.product_id, m->product_id, sizeof m->product_id), RES_OK);
    } else if (m->topic == SHELF_FLASH_COMMAND) {
        r = shelf_flash_decode(from->payload, &arena, &f, &detail);
        update = f.update_id;
        m->version = f.version;
    } else if (m->topic == SHELF_CONFIG_UPDATE) {
        r = shelf_config_decode(from->payload, &arena, &c, &detail);
        update = c.update_id;
        m->version = c.version;
    }
    if (r != RES_OK || span_copy_text(update, m->update_id, sizeof m->update_id) != RES_OK) {
        fail_msg("a label cannot read %.*s: %s %s", (int)from->payload.size,
                 (const char *)from->payload.data, detail.field, detail.rule);
    }
}

static bool seal_is_right(const struct crowd_label *l, const struct mqtt_message *from)
{
    uint8_t body[SHELF_DOWN_BYTES_MAX + SHELF_TOPIC_BYTES];
    uint8_t signature[ECDSA_SIGNATURE_BYTES];
    struct sink s;
    struct sink sig;
    sink_init(&s, body, sizeof body);
    sink_bytes(&s, from->topic);
    sink_byte(&s, '\n');
    sink_bytes(&s, from->payload);
    sink_init(&sig, signature, sizeof signature);
    return span_equal(from->property.name, SPAN_LIT(SHELF_SIGNATURE_PROPERTY)) &&
           base64_url_read(from->property.value, &sig) == RES_OK &&
           ecdsa_verify(l->platform, sink_span(&s), sink_span(&sig)) == RES_OK;
}

static void on_message(void *context, const struct mqtt_message *from)
{
    struct crowd_label *l = context;
    struct span id;
    assert_true(l->count < CROWD_MESSAGES);
    struct crowd_message *m = &l->messages[l->count++];
    *m = (struct crowd_message){.at_ms = clock_monotonic_ms()};
    assert_int_equal(shelf_topic_read(from->topic, &id, &m->topic), RES_OK);
    assert_true(span_equal(id, span_text(l->id, sizeof l->id)));
    assert_false(from->retained);
    m->sealed = seal_is_right(l, from);
    read_content(m, from);
}

static const enum shelf_topic topics[] = {SHELF_PRICE_UPDATE, SHELF_FLASH_COMMAND,
                                          SHELF_CONFIG_UPDATE};
#define TOPICS (int)(sizeof topics / sizeof topics[0])

static void on_connect(void *context)
{
    struct crowd_label *l = context;
    for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++) {
        char topic[SHELF_TOPIC_BYTES];
        shelf_topic_write(span_text(l->id, sizeof l->id), topics[i], topic);
        assert_int_equal(mqtt_client_subscribe(l->client, topic, NULL), RES_OK);
    }
}

static void on_answer(void *context, const struct mqtt_answer *answer)
{
    struct crowd_label *l = context;
    if (answer->subscription) {
        assert_true(answer->reason < 0x80);
        l->granted++;
    }
}

void crowd_init(struct crowd *c, const struct broker_fixture *broker, struct ecdsa_public *platform,
                size_t count)
{
    assert_true(count <= CROWD_LABELS);
    c->broker = broker;
    c->platform = platform;
    c->count = count;
    for (size_t i = 0; i < count; i++) {
        struct crowd_label *l = &c->labels[i];
        *l = (struct crowd_label){.platform = platform};
        (void)snprintf(l->id, sizeof l->id, "ESP32-L%05u", (unsigned)i % 100000);
        broker_fixture_issue(broker, PKI_LABEL, l->id, "STORE-1", &l->files);
        struct mqtt_client_settings s;
        struct err why = {""};
        broker_fixture_settings(broker, &l->files, &s);
        s.keep_alive_s = 60;
        s.context = l;
        s.on_connect = on_connect;
        s.on_message = on_message;
        s.on_answer = on_answer;
        if (mqtt_client_new(&s, &why, &l->client) != RES_OK) {
            fail_msg("%s", why.text);
        }
    }
}

void crowd_deinit(struct crowd *c)
{
    for (size_t i = 0; i < c->count; i++) {
        mqtt_client_free(c->labels[i].client);
    }
}

static void step_all(struct crowd *c)
{
    static const struct timespec moment = {.tv_nsec = 1000000};
    for (size_t i = 0; i < c->count; i++) {
        enum res r = mqtt_client_step(c->labels[i].client, 0);
        (void)r; /* a lost connection is seen by what does not come */
    }
    (void)nanosleep(&moment, NULL);
}

void crowd_connect(struct crowd *c)
{
    struct err why = {""};
    int64_t deadline_ms = clock_monotonic_ms() + CONNECT_MS;
    for (size_t i = 0; i < c->count; i++) {
        struct crowd_label *l = &c->labels[i];
        l->granted = 0;
        mqtt_client_disconnect(l->client);
        if (mqtt_client_connect(l->client, &why) != RES_OK) {
            fail_msg("%s", why.text);
        }
    }
    size_t ready = 0;
    while (ready < c->count) {
        assert_true(clock_monotonic_ms() < deadline_ms);
        step_all(c);
        ready = 0;
        for (size_t i = 0; i < c->count; i++) {
            ready += c->labels[i].granted == TOPICS;
        }
    }
}

void crowd_listen(struct crowd *c, int64_t ms)
{
    int64_t end_ms = clock_monotonic_ms() + ms;
    while (clock_monotonic_ms() < end_ms) {
        step_all(c);
    }
}

void crowd_forget(struct crowd *c)
{
    for (size_t i = 0; i < c->count; i++) {
        c->labels[i].count = 0;
    }
}
