/* fleet_mqtt_codec.h: the part of MQTT 5.0 (OASIS Standard, 7 March 2019; sections cited are its)
 * that a device needs: CONNECT, SUBSCRIBE, PUBLISH at QoS 0 and 1 both ways, PUBACK, PINGREQ,
 * DISCONNECT, and what a server answers.
 *
 * Pure: bytes in, structs out, no I/O and no allocation. Decoding is strict: a packet is consumed
 * exactly, every property is known, of its type and (but user properties) there once, texts are
 * UTF-8 without NUL. No topic aliases (we offer none), no QoS 2, no AUTH.
 */
#ifndef FLEET_MQTT_CODEC_H
#define FLEET_MQTT_CODEC_H

#include "span.h"

#define FLEET_MQTT_CODEC_PACKET_BYTES_MAX 32768 /* both ways; told to the server in CONNECT */
#define FLEET_MQTT_CODEC_FILTERS_MAX      8     /* of one SUBSCRIBE */

enum fleet_mqtt_codec_type { /* section 2.1.2 */
                             FLEET_MQTT_CONNECT = 1,
                             FLEET_MQTT_CONNACK = 2,
                             FLEET_MQTT_PUBLISH = 3,
                             FLEET_MQTT_PUBACK = 4,
                             FLEET_MQTT_SUBSCRIBE = 8,
                             FLEET_MQTT_SUBACK = 9,
                             FLEET_MQTT_PINGREQ = 12,
                             FLEET_MQTT_PINGRESP = 13,
                             FLEET_MQTT_DISCONNECT = 14,
};

/* What a server may send. Spans point into the bytes given. */
struct fleet_mqtt_packet {
    enum fleet_mqtt_codec_type type;
    uint8_t reason; /* CONNACK, PUBACK, DISCONNECT; SUBACK: the worst of its answers */
    uint16_t id;    /* PUBLISH of QoS 1, PUBACK, SUBACK */
    bool retained;  /* PUBLISH */
    bool duplicate; /* PUBLISH */
    uint8_t qos;    /* PUBLISH: 0 or 1 */
    size_t answers; /* SUBACK: how many */
    struct span topic;
    struct span payload;
    struct span properties; /* PUBLISH: for fleet_mqtt_codec_user_property */
    /* CONNACK; what was not said has its value of section 3.2.2.3 */
    uint16_t receive_max;
    uint32_t packet_bytes_max;
    uint16_t keep_alive_s; /* 0: the server keeps ours */
};

/* The packet at the front of `bytes`; *ret_used is its size. RES_AGAIN: not all of it is here;
 * RES_INVALID: no such packet; RES_LIMIT: longer than FLEET_MQTT_CODEC_PACKET_BYTES_MAX. */
MUST_CHECK enum res fleet_mqtt_codec_decode(struct span bytes, struct fleet_mqtt_packet *ret,
                                            size_t *ret_used);
/* The value of the first user property of that name; RES_NOT_FOUND. */
MUST_CHECK enum res fleet_mqtt_codec_user_property(struct span properties, struct span name,
                                                   struct span *ret_value);

/* Encoders set the sink's overflow when it does not fit; texts are at most 65,535 bytes. */

/* Clean start, no will, no name and password: the certificate says who it is. */
void fleet_mqtt_codec_connect(struct sink *s, struct span client_id, uint16_t keep_alive_s,
                              uint16_t receive_max);
/* All filters at QoS 1. */
void fleet_mqtt_codec_subscribe(struct sink *s, uint16_t id, const struct span *filters,
                                size_t count);
/* QoS 1. `name` empty: no user property. */
void fleet_mqtt_codec_publish(struct sink *s, uint16_t id, struct span topic, struct span payload,
                              struct span name, struct span value);
void fleet_mqtt_codec_puback(struct sink *s, uint16_t id);
void fleet_mqtt_codec_ping(struct sink *s);
void fleet_mqtt_codec_disconnect(struct sink *s);

#endif
