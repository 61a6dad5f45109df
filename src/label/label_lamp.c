#include "label_core.h"

#include "label_power.h"

static enum led_pattern led_pattern_of(enum shelf_pattern pattern)
{
    switch (pattern) {
    case SHELF_PULSE:
        return LED_PULSE;
    case SHELF_BLINK:
        return LED_BLINK;
    case SHELF_SOLID:
        return LED_SOLID;
    case SHELF_STOP:
        break;
    }
    return LED_OFF;
}

static enum led_colour led_colour_of(enum shelf_colour colour)
{
    switch (colour) {
    case SHELF_RED:
        return LED_RED;
    case SHELF_GREEN:
        return LED_GREEN;
    case SHELF_YELLOW:
        return LED_YELLOW;
    case SHELF_WHITE:
        return LED_WHITE;
    case SHELF_BLUE:
    case SHELF_COLOURS:
        break;
    }
    return LED_BLUE;
}

void label_lamp_light(struct label *l)
{
    const struct led *led = l->ports.led;
    const struct label_lamp *lamp = &l->lamp;
    if (led == NULL) {
        return;
    }
    if (lamp->pattern == SHELF_STOP) {
        led->set(led->context, LED_OFF, LED_BLUE, 0);
        return;
    }
    led->set(led->context, led_pattern_of(lamp->pattern), led_colour_of(lamp->colour),
             label_power_brightness_pct(&l->memory.config, l->memory.low_battery));
}

static struct shelf_ack answer(const struct label *l, enum shelf_ack_status status)
{
    return (struct shelf_ack){
        .kind = SHELF_ACK_FLASH,
        .status = status,
        .update_id = span_text(l->lamp.update_id, sizeof l->lamp.update_id),
        .version = l->lamp.version,
    };
}

static void stop(struct label *l)
{
    l->lamp.pattern = SHELF_STOP;
    label_lamp_light(l);
    struct shelf_ack ack = answer(l, SHELF_STOPPED);
    label_event_ack(l, FLASH_QUEUE_FAULT, &ack);
    label_note(l, LABEL_NOTE_STOPPED, "");
}

static void begin(struct label *l, const struct shelf_flash *flash)
{
    l->lamp.pattern = flash->pattern;
    l->lamp.colour = flash->colour;
    l->lamp.end_ms = l->now_ms + (int64_t)flash->duration_s * 1000;
    label_lamp_light(l);
    struct shelf_ack ack = answer(l, SHELF_STARTED);
    label_event_ack(l, FLASH_QUEUE_FAULT, &ack);
    label_due(l, l->lamp.end_ms);
    label_note(l, LABEL_NOTE_FLASHING, "");
}

static void take_known(struct label *l, const struct shelf_flash *flash)
{
    if (!span_equal(flash->update_id, span_text(l->lamp.update_id, sizeof l->lamp.update_id))) {
        label_message_refuse(l, SHELF_ACK_FLASH, flash->update_id, flash->version, false, "older");
        return;
    }
    struct shelf_ack ack = answer(l, l->lamp.pattern == SHELF_STOP ? SHELF_STOPPED : SHELF_STARTED);
    l->counts.repeated++;
    label_event_ack_once(l, &ack);
    label_note(l, LABEL_NOTE_REPEATED, "");
}

void label_lamp_take(struct label *l, const struct shelf_flash *flash)
{
    if (flash->version == l->memory.flash_version) {
        take_known(l, flash);
        return;
    }
    if (flash->version < l->memory.flash_version) {
        label_message_refuse(l, SHELF_ACK_FLASH, flash->update_id, flash->version, false, "older");
        return;
    }
    /* Without the platform's time the rising version alone keeps replays out. */
    if (flash->pattern != SHELF_STOP && l->clock_known && label_time_ms(l) > flash->expires_ms) {
        label_message_refuse(l, SHELF_ACK_FLASH, flash->update_id, flash->version, false,
                             "expired");
        return;
    }
    if (span_copy_text(flash->update_id, l->lamp.update_id, sizeof l->lamp.update_id) != RES_OK) {
        return;
    }
    l->lamp.version = flash->version;
    l->memory.flash_version = flash->version;
    l->unsaved = label_save(l) != RES_OK;
    label_used(l);
    if (flash->pattern == SHELF_STOP) {
        stop(l);
    } else {
        begin(l, flash);
    }
}

void label_lamp_tick(struct label *l)
{
    if (l->lamp.pattern == SHELF_STOP) {
        return;
    }
    if (l->now_ms >= l->lamp.end_ms) {
        stop(l);
    } else {
        label_due(l, l->lamp.end_ms);
    }
}
