#include "fleet_mqtt_codec.h"

#include <assert.h>

#include "json.h"

#define PROTOCOL_VERSION   5
#define CLEAN_START        0x02
#define REMAINING_BYTES    4 /* of a variable byte integer, section 1.5.5 */
#define PUBLISH_DUPLICATE  0x08
#define PUBLISH_QOS        0x06
#define PUBLISH_QOS_1      0x02
#define PUBLISH_RETAIN     0x01
#define SUBSCRIBE_FLAGS    0x02 /* section 3.8.1: reserved, and so */
#define RECEIVE_MAX_ABSENT 65535
#define PROPERTY_ID_MAX    0x2a

/* --- reading --- */

struct cursor {
    const uint8_t *at;
    const uint8_t *end;
    bool bad; /* once set everything reads as nothing */
};

static size_t left(const struct cursor *c)
{
    return (size_t)(c->end - c->at);
}

static struct span take(struct cursor *c, size_t size)
{
    if (c->bad || left(c) < size) {
        c->bad = true;
        return SPAN_NONE;
    }
    struct span taken = span_of(c->at, size);
    c->at += size;
    return taken;
}

static uint8_t take_u8(struct cursor *c)
{
    struct span one = take(c, 1);
    return one.size == 1 ? one.data[0] : 0;
}

static uint16_t take_u16(struct cursor *c)
{
    struct span two = take(c, 2);
    if (two.size != 2) {
        return 0;
    }
    return (uint16_t)(two.data[0] << 8 | two.data[1]);
}

static uint32_t take_u32(struct cursor *c)
{
    uint32_t high = take_u16(c);
    return high << 16 | take_u16(c);
}

/* A variable byte integer; the shortest form only. */
static uint32_t take_varint(struct cursor *c)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < REMAINING_BYTES; i++) {
        uint8_t byte = take_u8(c);
        value |= (uint32_t)(byte & 0x7f) << 7 * i;
        if ((byte & 0x80) == 0) {
            c->bad = c->bad || (i > 0 && byte == 0);
            return value;
        }
    }
    c->bad = true;
    return 0;
}

static struct span take_bytes(struct cursor *c)
{
    return take(c, take_u16(c));
}

static struct span take_text(struct cursor *c)
{
    struct span text = take_bytes(c);
    c->bad = c->bad || !json_utf8_is_valid(text);
    return text;
}

/* --- properties, section 2.2.2 --- */

enum property_kind { NO_PROPERTY, U8, U16, U32, VARINT, TEXT, BYTES, PAIR };

static enum property_kind kind_of(uint32_t id)
{
    static const uint8_t kinds[PROPERTY_ID_MAX + 1] = {
        [0x01] = U8,  [0x02] = U32,  [0x03] = TEXT, [0x08] = TEXT, [0x09] = BYTES, [0x0b] = VARINT,
        [0x11] = U32, [0x12] = TEXT, [0x13] = U16,  [0x15] = TEXT, [0x16] = BYTES, [0x17] = U8,
        [0x18] = U32, [0x19] = U8,   [0x1a] = TEXT, [0x1c] = TEXT, [0x1f] = TEXT,  [0x21] = U16,
        [0x22] = U16, [0x23] = U16,  [0x24] = U8,   [0x25] = U8,   [0x26] = PAIR,  [0x27] = U32,
        [0x28] = U8,  [0x29] = U8,   [0x2a] = U8};
    return id <= PROPERTY_ID_MAX ? (enum property_kind)kinds[id] : NO_PROPERTY;
}

struct property {
    uint32_t id;
    uint32_t number;
    struct span text;
    struct span name; /* of a pair */
};

static void take_property(struct cursor *c, struct property *ret)
{
    *ret = (struct property){.id = take_varint(c)};
    switch (kind_of(ret->id)) {
    case U8:
        ret->number = take_u8(c);
        break;
    case U16:
        ret->number = take_u16(c);
        break;
    case U32:
        ret->number = take_u32(c);
        break;
    case VARINT:
        ret->number = take_varint(c);
        break;
    case BYTES:
        ret->text = take_bytes(c);
        break;
    case PAIR:
        ret->name = take_text(c);
        ret->text = take_text(c);
        break;
    case TEXT:
        ret->text = take_text(c);
        break;
    case NO_PROPERTY:
        c->bad = true;
        break;
    }
}

/* Section 3.2.2.3: no property but a user's twice, and no zero where it says so. */
static void take_properties(struct cursor *c, struct fleet_mqtt_packet *p)
{
    uint64_t seen = 0;
    p->properties = take(c, take_varint(c));
    struct cursor in = {p->properties.data, p->properties.data + p->properties.size, c->bad};
    while (!in.bad && left(&in) > 0) {
        struct property property;
        take_property(&in, &property);
        if (in.bad) {
            break;
        }
        uint64_t bit = UINT64_C(1) << property.id;
        in.bad = property.id != 0x26 && (seen & bit) != 0;
        seen |= bit;
        if (property.id == 0x13) {
            p->keep_alive_s = (uint16_t)property.number;
        } else if (property.id == 0x21) {
            p->receive_max = (uint16_t)property.number;
            in.bad = in.bad || property.number == 0;
        } else if (property.id == 0x27) {
            p->packet_bytes_max = property.number;
            in.bad = in.bad || property.number == 0;
        }
    }
    c->bad = in.bad;
}

/* --- packets --- */

static void decode_publish(struct cursor *c, uint8_t flags, struct fleet_mqtt_packet *p)
{
    p->qos = (uint8_t)((flags & PUBLISH_QOS) >> 1);
    p->duplicate = (flags & PUBLISH_DUPLICATE) != 0;
    p->retained = (flags & PUBLISH_RETAIN) != 0;
    p->topic = take_text(c);
    if (p->qos > 0) {
        p->id = take_u16(c);
    }
    take_properties(c, p);
    p->payload = take(c, left(c));
    c->bad = c->bad || p->qos > 1 || p->topic.size == 0 || (p->qos == 1 && p->id == 0) ||
             (p->qos == 0 && p->duplicate);
    for (size_t i = 0; i < p->topic.size; i++) {
        c->bad = c->bad || p->topic.data[i] == '+' || p->topic.data[i] == '#';
    }
}

static void decode_suback(struct cursor *c, struct fleet_mqtt_packet *p)
{
    p->id = take_u16(c);
    take_properties(c, p);
    p->answers = left(c);
    struct span answers = take(c, p->answers);
    c->bad = c->bad || p->id == 0 || p->answers == 0;
    for (size_t i = 0; i < answers.size; i++) {
        p->reason = answers.data[i] > p->reason ? answers.data[i] : p->reason;
    }
}

/* Sections 3.4.2.1 and 3.14.2: reason and properties may be left out. */
static void decode_short(struct cursor *c, struct fleet_mqtt_packet *p)
{
    if (left(c) > 0) {
        p->reason = take_u8(c);
    }
    if (left(c) > 0) {
        take_properties(c, p);
    }
}

static void decode_body(struct cursor *c, uint8_t flags, struct fleet_mqtt_packet *p)
{
    c->bad = p->type != FLEET_MQTT_PUBLISH && flags != 0;
    switch (p->type) {
    case FLEET_MQTT_CONNACK:
        c->bad = c->bad || take_u8(c) != 0; /* no session is present: we keep none */
        p->reason = take_u8(c);
        take_properties(c, p);
        break;
    case FLEET_MQTT_PUBLISH:
        decode_publish(c, flags, p);
        break;
    case FLEET_MQTT_PUBACK:
        p->id = take_u16(c);
        c->bad = c->bad || p->id == 0;
        decode_short(c, p);
        break;
    case FLEET_MQTT_SUBACK:
        decode_suback(c, p);
        break;
    case FLEET_MQTT_PINGRESP:
        break;
    case FLEET_MQTT_DISCONNECT:
        decode_short(c, p);
        break;
    case FLEET_MQTT_CONNECT: /* and what only a client sends */
    case FLEET_MQTT_SUBSCRIBE:
    case FLEET_MQTT_PINGREQ:
    default:
        c->bad = true;
        break;
    }
    c->bad = c->bad || left(c) > 0;
}

/* The fixed header's length; 0 with *ret_res when it is not there or wrong. */
static size_t read_header(struct span bytes, uint32_t *ret_size, enum res *ret_res)
{
    uint32_t size = 0;
    for (unsigned i = 0; i < REMAINING_BYTES; i++) {
        if (bytes.size < i + 2) {
            *ret_res = RES_AGAIN;
            return 0;
        }
        uint8_t byte = bytes.data[i + 1];
        size |= (uint32_t)(byte & 0x7f) << 7 * i;
        if ((byte & 0x80) == 0) {
            *ret_res = i > 0 && byte == 0 ? RES_INVALID : RES_OK;
            *ret_size = size;
            return i + 2;
        }
    }
    *ret_res = RES_INVALID;
    return 0;
}

enum res fleet_mqtt_codec_decode(struct span bytes, struct fleet_mqtt_packet *ret, size_t *ret_used)
{
    uint32_t size = 0;
    enum res r = RES_OK;
    size_t header = read_header(bytes, &size, &r);
    if (r != RES_OK) {
        return r;
    }
    if (header + size > FLEET_MQTT_CODEC_PACKET_BYTES_MAX) {
        return RES_LIMIT;
    }
    if (bytes.size < header + size) {
        return RES_AGAIN;
    }
    struct fleet_mqtt_packet packet = {.type = (enum fleet_mqtt_codec_type)(bytes.data[0] >> 4),
                                       .receive_max = RECEIVE_MAX_ABSENT,
                                       .packet_bytes_max = UINT32_MAX};
    struct cursor c = {bytes.data + header, bytes.data + header + size, false};
    decode_body(&c, bytes.data[0] & 0x0f, &packet);
    if (c.bad) {
        return RES_INVALID;
    }
    *ret = packet;
    *ret_used = header + size;
    return RES_OK;
}

enum res fleet_mqtt_codec_user_property(struct span properties, struct span name,
                                        struct span *ret_value)
{
    struct cursor c = {properties.data, properties.data + properties.size, false};
    while (!c.bad && left(&c) > 0) {
        struct property property;
        take_property(&c, &property);
        if (!c.bad && property.id == 0x26 && span_equal(property.name, name)) {
            *ret_value = property.text;
            return RES_OK;
        }
    }
    return RES_NOT_FOUND;
}

/* --- writing --- */

static void put_u16(struct sink *s, size_t value)
{
    assert(value <= UINT16_MAX);
    sink_byte(s, (uint8_t)(value >> 8));
    sink_byte(s, (uint8_t)value);
}

static void put_text(struct sink *s, struct span text)
{
    put_u16(s, text.size);
    sink_bytes(s, text);
}

static void put_varint(struct sink *s, size_t value)
{
    do {
        uint8_t more = value > 0x7f ? 0x80 : 0;
        sink_byte(s, (uint8_t)((value & 0x7f) | more));
        value >>= 7;
    } while (value > 0);
}

static void put_header(struct sink *s, enum fleet_mqtt_codec_type type, uint8_t flags, size_t size)
{
    if (size > FLEET_MQTT_CODEC_PACKET_BYTES_MAX) {
        s->overflow = true;
        return;
    }
    sink_byte(s, (uint8_t)((unsigned)type << 4 | flags));
    put_varint(s, size);
}

void fleet_mqtt_codec_connect(struct sink *s, struct span client_id, uint16_t keep_alive_s,
                              uint16_t receive_max)
{
    const size_t properties = 3 + 5;
    put_header(s, FLEET_MQTT_CONNECT, 0, 6 + 1 + 1 + 2 + 1 + properties + 2 + client_id.size);
    put_text(s, SPAN_LIT("MQTT"));
    sink_byte(s, PROTOCOL_VERSION);
    sink_byte(s, CLEAN_START);
    put_u16(s, keep_alive_s);
    put_varint(s, properties);
    sink_byte(s, 0x21);
    put_u16(s, receive_max);
    sink_byte(s, 0x27);
    put_u16(s, 0);
    put_u16(s, FLEET_MQTT_CODEC_PACKET_BYTES_MAX);
    put_text(s, client_id);
}

void fleet_mqtt_codec_subscribe(struct sink *s, uint16_t id, const struct span *filters,
                                size_t count)
{
    size_t size = 2 + 1;
    assert(count > 0 && count <= FLEET_MQTT_CODEC_FILTERS_MAX);
    for (size_t i = 0; i < count; i++) {
        size += 2 + filters[i].size + 1;
    }
    put_header(s, FLEET_MQTT_SUBSCRIBE, SUBSCRIBE_FLAGS, size);
    put_u16(s, id);
    sink_byte(s, 0);
    for (size_t i = 0; i < count; i++) {
        put_text(s, filters[i]);
        sink_byte(s, 1);
    }
}

static size_t varint_bytes(size_t value)
{
    return value > 0x3fff ? 3 : value > 0x7f ? 2 : 1;
}

void fleet_mqtt_codec_publish(struct sink *s, uint16_t id, struct span topic, struct span payload,
                              struct span name, struct span value)
{
    size_t properties = name.size > 0 ? 1 + 2 + name.size + 2 + value.size : 0;
    put_header(s, FLEET_MQTT_PUBLISH, PUBLISH_QOS_1,
               2 + topic.size + 2 + varint_bytes(properties) + properties + payload.size);
    put_text(s, topic);
    put_u16(s, id);
    put_varint(s, properties);
    if (name.size > 0) {
        sink_byte(s, 0x26);
        put_text(s, name);
        put_text(s, value);
    }
    sink_bytes(s, payload);
}

void fleet_mqtt_codec_puback(struct sink *s, uint16_t id)
{
    put_header(s, FLEET_MQTT_PUBACK, 0, 2);
    put_u16(s, id);
}

void fleet_mqtt_codec_ping(struct sink *s)
{
    put_header(s, FLEET_MQTT_PINGREQ, 0, 0);
}

void fleet_mqtt_codec_disconnect(struct sink *s)
{
    put_header(s, FLEET_MQTT_DISCONNECT, 0, 0);
}
