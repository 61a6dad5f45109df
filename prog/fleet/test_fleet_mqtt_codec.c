/* The MQTT 5 codec: what it writes, byte by byte, and what it takes and refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fleet_mqtt_codec.h"
#include "rng.h"

#define BYTES(...) span_of((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static struct fleet_mqtt_packet packet;

/* From a block of its exact size, so that a sanitizer sees a read beyond its end. */
static enum res decode(struct span bytes)
{
    size_t used = 0;
    uint8_t *copy = malloc(bytes.size + 1);
    assert_non_null(copy);
    uint8_t *from = copy + 1;
    memcpy(from, bytes.data, bytes.size);
    enum res r = fleet_mqtt_codec_decode(span_of(from, bytes.size), &packet, &used);
    if (r == RES_OK) {
        assert_int_equal(used, bytes.size);
    }
    free(copy);
    return r;
}

static void assert_written(const struct sink *s, struct span wanted)
{
    assert_false(s->overflow);
    assert_int_equal(s->size, wanted.size);
    assert_memory_equal(s->data, wanted.data, wanted.size);
}

static void writes_connect_as_the_standard_lays_it_out(void **state)
{
    (void)state;
    uint8_t bytes[64];
    struct sink s;
    sink_init(&s, bytes, sizeof bytes);
    fleet_mqtt_codec_connect(&s, SPAN_LIT("ab"), 60, 256);
    assert_written(&s, BYTES(0x10, 23, 0, 4, 'M', 'Q', 'T', 'T', 5, 2, 0, 60, 8, 0x21, 1, 0, 0x27,
                             0, 0, 0x80, 0, 0, 2, 'a', 'b'));
}

static void writes_the_other_packets(void **state)
{
    (void)state;
    uint8_t bytes[64];
    struct sink s;
    const struct span filters[] = {SPAN_LIT("a/+"), SPAN_LIT("b")};
    sink_init(&s, bytes, sizeof bytes);
    fleet_mqtt_codec_subscribe(&s, 1, filters, 2);
    assert_written(&s, BYTES(0x82, 13, 0, 1, 0, 0, 3, 'a', '/', '+', 1, 0, 1, 'b', 1));
    sink_init(&s, bytes, sizeof bytes);
    fleet_mqtt_codec_puback(&s, 0x1234);
    assert_written(&s, BYTES(0x40, 2, 0x12, 0x34));
    sink_init(&s, bytes, sizeof bytes);
    fleet_mqtt_codec_ping(&s);
    assert_written(&s, BYTES(0xc0, 0));
    sink_init(&s, bytes, sizeof bytes);
    fleet_mqtt_codec_disconnect(&s);
    assert_written(&s, BYTES(0xe0, 0));
}

static void reads_what_it_writes_as_a_publish(void **state)
{
    (void)state;
    static uint8_t bytes[FLEET_MQTT_CODEC_PACKET_BYTES_MAX];
    static uint8_t payload[30000];
    struct rng rng;
    struct span value;
    rng_init(&rng, 7);
    for (int i = 0; i < 500; i++) {
        struct sink s;
        struct span body = span_of(payload, rng_below(&rng, i % 10 == 0 ? sizeof payload : 300));
        bool has_property = i % 2 == 0;
        uint16_t id = (uint16_t)(1 + rng_below(&rng, 65535));
        sink_init(&s, bytes, sizeof bytes);
        fleet_mqtt_codec_publish(&s, id, SPAN_LIT("smartshelf/ESP32-000001/ack"), body,
                                 has_property ? SPAN_LIT("endcap-signature") : SPAN_NONE,
                                 SPAN_LIT("c2ln"));
        assert_false(s.overflow);
        assert_int_equal(decode(sink_span(&s)), RES_OK);
        assert_int_equal(packet.type, FLEET_MQTT_PUBLISH);
        assert_int_equal(packet.id, id);
        assert_int_equal(packet.qos, 1);
        assert_int_equal(packet.payload.size, body.size);
        size_t used = 0;
        assert_int_equal(fleet_mqtt_codec_decode(sink_span(&s), &packet, &used), RES_OK);
        assert_true(span_equal(packet.topic, SPAN_LIT("smartshelf/ESP32-000001/ack")));
        enum res r =
            fleet_mqtt_codec_user_property(packet.properties, SPAN_LIT("endcap-signature"), &value);
        assert_int_equal(r, has_property ? RES_OK : RES_NOT_FOUND);
        assert_true(!has_property || span_equal(value, SPAN_LIT("c2ln")));
    }
}

static void takes_what_a_server_says(void **state)
{
    (void)state;
    assert_int_equal(decode(BYTES(0x20, 3, 0, 0, 0)), RES_OK);
    assert_int_equal(packet.type, FLEET_MQTT_CONNACK);
    assert_int_equal(packet.receive_max, 65535);
    assert_int_equal(packet.packet_bytes_max, UINT32_MAX);
    assert_int_equal(
        decode(BYTES(0x20, 14, 0, 0, 11, 0x21, 0, 20, 0x27, 0, 0, 0x50, 0, 0x13, 1, 0)), RES_OK);
    assert_int_equal(packet.receive_max, 20);
    assert_int_equal(packet.packet_bytes_max, 20480);
    assert_int_equal(packet.keep_alive_s, 256);
    assert_int_equal(decode(BYTES(0x20, 3, 0, 0x87, 0)), RES_OK);
    assert_int_equal(packet.reason, 0x87);
    assert_int_equal(decode(BYTES(0x90, 6, 0, 1, 0, 1, 0x80, 1)), RES_OK);
    assert_int_equal(packet.answers, 3);
    assert_int_equal(packet.reason, 0x80);
    assert_int_equal(decode(BYTES(0x40, 2, 0, 9)), RES_OK);
    assert_int_equal(packet.id, 9);
    assert_int_equal(packet.reason, 0);
    assert_int_equal(decode(BYTES(0x40, 3, 0, 9, 0x10)), RES_OK);
    assert_int_equal(packet.reason, 0x10);
    assert_int_equal(decode(BYTES(0x40, 4, 0, 9, 0x97, 0)), RES_OK);
    assert_int_equal(decode(BYTES(0xd0, 0)), RES_OK);
    assert_int_equal(decode(BYTES(0xe0, 0)), RES_OK);
    assert_int_equal(decode(BYTES(0xe0, 1, 0x8e)), RES_OK);
    assert_int_equal(packet.reason, 0x8e);
    assert_int_equal(decode(BYTES(0x30, 5, 0, 1, 't', 0, 'x')), RES_OK);
    assert_int_equal(packet.qos, 0);
    assert_int_equal(decode(BYTES(0x3b, 6, 0, 1, 't', 0, 1, 0)), RES_OK);
    assert_true(packet.retained);
    assert_true(packet.duplicate);
    /* User properties may come more than once. */
    assert_int_equal(decode(BYTES(0x30, 18, 0, 1, 't', 14, 0x26, 0, 1, 'k', 0, 1, 'v', 0x26, 0, 1,
                                  'k', 0, 1, 'v')),
                     RES_OK);
}

static void waits_for_the_rest_of_a_packet(void **state)
{
    (void)state;
    static const uint8_t payload[200];
    uint8_t bytes[300];
    struct sink s;
    sink_init(&s, bytes, sizeof bytes);
    fleet_mqtt_codec_publish(&s, 5, SPAN_LIT("t"), span_of(payload, sizeof payload), SPAN_LIT("n"),
                             SPAN_LIT("v"));
    for (size_t size = 0; size < s.size; size++) {
        assert_int_equal(decode(span_of(bytes, size)), RES_AGAIN);
    }
    size_t used = 0;
    bytes[s.size] = 0x77; /* the next one's beginning is not looked at */
    assert_int_equal(fleet_mqtt_codec_decode(span_of(bytes, s.size + 1), &packet, &used), RES_OK);
    assert_int_equal(used, s.size);
}

static void refuses_what_is_no_packet_of_a_server(void **state)
{
    (void)state;
    const struct {
        const char *why;
        struct span bytes;
    } bad[] = {
        {"a client's packet", BYTES(0x10, 0)},
        {"another client's packet", BYTES(0xc0, 0)},
        {"no such type", BYTES(0x00, 0)},
        {"authentication", BYTES(0xf0, 0)},
        {"QoS 2", BYTES(0x34, 6, 0, 1, 't', 0, 1, 0)},
        {"QoS 3", BYTES(0x36, 6, 0, 1, 't', 0, 1, 0)},
        {"QoS 0 twice", BYTES(0x38, 4, 0, 1, 't', 0)},
        {"packet id 0", BYTES(0x32, 6, 0, 1, 't', 0, 0, 0)},
        {"no topic", BYTES(0x30, 3, 0, 0, 0)},
        {"a wildcard in a topic", BYTES(0x30, 4, 0, 1, '+', 0)},
        {"a topic that is no UTF-8", BYTES(0x30, 4, 0, 1, 0xff, 0)},
        {"NUL in a topic", BYTES(0x30, 4, 0, 1, 0, 0)},
        {"a topic beyond the packet", BYTES(0x30, 4, 0, 9, 't', 0)},
        {"properties beyond the packet", BYTES(0x30, 4, 0, 1, 't', 9)},
        {"an unknown property", BYTES(0x30, 6, 0, 1, 't', 2, 0x7f, 0)},
        {"half a property", BYTES(0x30, 6, 0, 1, 't', 2, 0x02, 0)},
        {"a property twice", BYTES(0x20, 9, 0, 0, 6, 0x21, 0, 1, 0x21, 0, 1)},
        {"a receive maximum of 0", BYTES(0x20, 6, 0, 0, 3, 0x21, 0, 0)},
        {"a packet size of 0", BYTES(0x20, 8, 0, 0, 5, 0x27, 0, 0, 0, 0)},
        {"a length not in its shortest form", BYTES(0xd0, 0x80, 0)},
        {"a length of five bytes", BYTES(0xd0, 0x80, 0x80, 0x80, 0x80)},
        {"flags where none belong", BYTES(0xd1, 0)},
        {"bytes behind the end", BYTES(0xd0, 1, 0)},
        {"a session of ours", BYTES(0x20, 3, 1, 0, 0)},
        {"a CONNACK without properties", BYTES(0x20, 2, 0, 0)},
        {"a SUBACK that answers nothing", BYTES(0x90, 3, 0, 1, 0)},
        {"a PUBACK of nothing", BYTES(0x40, 2, 0, 0)},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (decode(bad[i].bytes) != RES_INVALID) {
            print_error("taken: %s\n", bad[i].why);
            fail();
        }
    }
    assert_int_equal(decode(BYTES(0x30, 0xff, 0xff, 0x7f)), RES_LIMIT);
}

static void overflows_rather_than_writes_too_long_a_packet(void **state)
{
    (void)state;
    static const uint8_t payload[FLEET_MQTT_CODEC_PACKET_BYTES_MAX];
    static uint8_t bytes[FLEET_MQTT_CODEC_PACKET_BYTES_MAX * 2];
    struct sink s;
    sink_init(&s, bytes, sizeof bytes);
    fleet_mqtt_codec_publish(&s, 1, SPAN_LIT("t"), span_of(payload, sizeof payload), SPAN_NONE,
                             SPAN_NONE);
    assert_true(s.overflow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_connect_as_the_standard_lays_it_out),
        cmocka_unit_test(writes_the_other_packets),
        cmocka_unit_test(reads_what_it_writes_as_a_publish),
        cmocka_unit_test(takes_what_a_server_says),
        cmocka_unit_test(waits_for_the_rest_of_a_packet),
        cmocka_unit_test(refuses_what_is_no_packet_of_a_server),
        cmocka_unit_test(overflows_rather_than_writes_too_long_a_packet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
