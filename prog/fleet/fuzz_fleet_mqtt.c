/* Fuzz target for the fleet's MQTT codec: libFuzzer's entry, no main of its own.
 *
 * Beyond memory safety it holds these to be true: what is taken is consumed exactly and no less of
 * it is a packet; spans point into it; a PUBLISH that is taken at QoS 1 is written again with the
 * same topic, payload and user property.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_mqtt_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hold(bool truth, const char *what)
{
    if (!truth) {
        (void)fprintf(stderr, "does not hold: %s\n", what);
        abort();
    }
}

static bool within(struct span part, const uint8_t *data, size_t size)
{
    return part.size == 0 || (part.data >= data && part.data + part.size <= data + size);
}

static void write_again(const struct fleet_mqtt_packet *p)
{
    static uint8_t bytes[2 * FLEET_MQTT_CODEC_PACKET_BYTES_MAX];
    const struct span name = SPAN_LIT("endcap-signature");
    struct span value = SPAN_NONE;
    bool has = fleet_mqtt_codec_user_property(p->properties, name, &value) == RES_OK;
    struct fleet_mqtt_packet again;
    struct span value_again = SPAN_NONE;
    struct sink s;
    size_t used = 0;
    sink_init(&s, bytes, sizeof bytes);
    fleet_mqtt_codec_publish(&s, p->id, p->topic, p->payload, has ? name : SPAN_NONE, value);
    hold(fleet_mqtt_codec_decode(sink_span(&s), &again, &used) == RES_OK, "ours is taken");
    hold(used == s.size && span_equal(again.topic, p->topic) &&
             span_equal(again.payload, p->payload) && again.id == p->id,
         "it says the same");
    hold(!has || (fleet_mqtt_codec_user_property(again.properties, name, &value_again) == RES_OK &&
                  span_equal(value, value_again)),
         "with the same property");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fleet_mqtt_packet p;
    size_t at = 0;
    size_t used = 0;
    while (at < size &&
           fleet_mqtt_codec_decode(span_of(data + at, size - at), &p, &used) == RES_OK) {
        hold(used >= 2 && used <= size - at, "something is consumed");
        hold(within(p.topic, data + at, used) && within(p.payload, data + at, used) &&
                 within(p.properties, data + at, used),
             "spans are inside");
        struct fleet_mqtt_packet part;
        size_t ignored = 0;
        hold(fleet_mqtt_codec_decode(span_of(data + at, used - 1), &part, &ignored) == RES_AGAIN,
             "no less of it is a packet");
        if (p.type == FLEET_MQTT_PUBLISH && p.qos == 1 &&
            used < FLEET_MQTT_CODEC_PACKET_BYTES_MAX - 16) {
            write_again(&p);
        }
        at += used;
    }
    return 0;
}
