#include "label_core.h"

#include <string.h>

#include "arena.h"
#include "base64.h"

void label_message_refuse(struct label *l, enum shelf_ack_kind kind, struct span update_id,
                          int64_t version, bool kept, const char *why)
{
    l->counts.refused++;
    label_note(l, LABEL_NOTE_REFUSED, why);
    if (l->refused_any && l->now_ms - l->refused_ms < LABEL_REFUSED_MS) {
        return;
    }
    l->refused_any = true;
    l->refused_ms = l->now_ms;
    struct shelf_ack ack = {
        .kind = kind,
        .status = SHELF_REFUSED,
        .update_id = update_id,
        .version = version,
        .why = span_text(why, SHELF_REASON_BYTES_MAX),
    };
    if (kind == SHELF_ACK_DISPLAY && l->screen.known) {
        memcpy(ack.digest, l->screen.digest, sizeof ack.digest);
        ack.price_minor = l->screen.price_minor;
        ack.product_id = span_text(l->screen.product_id, sizeof l->screen.product_id);
    }
    if (kept) {
        label_event_ack(l, FLASH_QUEUE_SCAN, &ack);
    } else {
        label_event_ack_once(l, &ack);
    }
}

static enum shelf_ack_kind kind_of(enum shelf_topic topic)
{
    if (topic == SHELF_CONFIG_UPDATE) {
        return SHELF_ACK_CONFIG;
    }
    return topic == SHELF_FLASH_COMMAND ? SHELF_ACK_FLASH : SHELF_ACK_DISPLAY;
}

/* Over `topic LF payload`, so that neither can be changed or moved to another label. */
static enum res verify(const struct label *l, struct span topic, struct span payload,
                       struct span signature)
{
    uint8_t bytes[SHELF_TOPIC_BYTES + 1 + SHELF_DOWN_BYTES_MAX];
    uint8_t raw[SECURE_SIGNATURE_BYTES];
    struct sink signed_bytes;
    struct sink decoded;
    const struct secure_element *secure = l->ports.secure;
    sink_init(&decoded, raw, sizeof raw);
    sink_init(&signed_bytes, bytes, sizeof bytes);
    if (base64_url_read(signature, &decoded) != RES_OK || decoded.size != sizeof raw) {
        return RES_INVALID;
    }
    sink_bytes(&signed_bytes, topic);
    sink_byte(&signed_bytes, '\n');
    sink_bytes(&signed_bytes, payload);
    if (signed_bytes.overflow) {
        return RES_INVALID;
    }
    return secure->verify_platform(secure->context, sink_span(&signed_bytes), sink_span(&decoded));
}

static bool is_mine(struct label *l, enum shelf_ack_kind kind, struct span device_id)
{
    if (span_equal(device_id, label_id(l))) {
        return true;
    }
    label_message_refuse(l, kind, SPAN_NONE, 0, false, "for another label");
    return false;
}

static enum res take_display(struct label *l, struct span payload, struct arena *a,
                             struct shelf_detail *detail)
{
    struct shelf_display display;
    enum res r = shelf_display_decode(payload, a, &display, detail);
    if (r == RES_OK && is_mine(l, SHELF_ACK_DISPLAY, display.device_id)) {
        label_display_take(l, &display, false);
    }
    return r;
}

static enum res take_config(struct label *l, struct span payload, struct arena *a,
                            struct shelf_detail *detail)
{
    struct shelf_config config;
    enum res r = shelf_config_decode(payload, a, &config, detail);
    if (r == RES_OK && is_mine(l, SHELF_ACK_CONFIG, config.device_id)) {
        label_shadow_config(l, &config, false);
    }
    return r;
}

static enum res take_flash(struct label *l, struct span payload, struct arena *a,
                           struct shelf_detail *detail)
{
    struct shelf_flash flash;
    enum res r = shelf_flash_decode(payload, a, &flash, detail);
    if (r == RES_OK && is_mine(l, SHELF_ACK_FLASH, flash.device_id)) {
        label_lamp_take(l, &flash);
    }
    return r;
}

static enum res take_state(struct label *l, struct span payload, bool whole, struct arena *a,
                           struct shelf_detail *detail)
{
    struct shelf_state state;
    enum res r = shelf_state_decode(payload, a, &state, detail);
    if (r == RES_OK && is_mine(l, SHELF_ACK_DISPLAY, state.device_id)) {
        label_shadow_state(l, &state, whole);
    }
    return r;
}

static enum res take(struct label *l, enum shelf_topic topic, struct span payload,
                     struct shelf_detail *detail)
{
    uint8_t block[SHELF_ARENA_BYTES];
    struct arena a;
    arena_init(&a, block, sizeof block);
    switch (topic) {
    case SHELF_PRICE_UPDATE:
        return take_display(l, payload, &a, detail);
    case SHELF_CONFIG_UPDATE:
        return take_config(l, payload, &a, detail);
    case SHELF_FLASH_COMMAND:
        return take_flash(l, payload, &a, detail);
    case SHELF_GET_ACCEPTED:
    case SHELF_DELTA:
        return take_state(l, payload, topic == SHELF_GET_ACCEPTED, &a, detail);
    case SHELF_STATUS:
    case SHELF_ACK:
    case SHELF_GET:
    case SHELF_REPORT:
    case SHELF_TOPICS:
        break;
    }
    return RES_OK; /* what labels say is nothing to a label */
}

void label_message_take(struct label *l, struct span topic, struct span payload,
                        struct span signature)
{
    struct span id;
    enum shelf_topic kind;
    struct shelf_detail detail = {"payload", "is wrong"};
    if (l->link != LABEL_ONLINE) {
        return; /* asleep, or of a connection that is gone */
    }
    l->counts.messages++;
    if (shelf_topic_read(topic, &id, &kind) != RES_OK || !span_equal(id, label_id(l))) {
        label_message_refuse(l, SHELF_ACK_DISPLAY, SPAN_NONE, 0, false, "for another label");
        return;
    }
    if (verify(l, topic, payload, signature) != RES_OK) {
        label_message_refuse(l, kind_of(kind), SPAN_NONE, 0, false, "not signed by the platform");
        return;
    }
    enum res r = take(l, kind, payload, &detail);
    if (r != RES_OK) {
        char why[SHELF_REASON_BYTES_MAX + 1];
        struct sink s;
        sink_init(&s, why, SHELF_REASON_BYTES_MAX);
        sink_text(&s, detail.field);
        sink_text(&s, " ");
        sink_text(&s, detail.rule);
        why[s.size] = '\0';
        label_message_refuse(l, kind_of(kind), SPAN_NONE, 0, true, s.overflow ? "invalid" : why);
    }
}
