#include "label_core.h"

#include <string.h>

#include "backoff.h"
#include "label_power.h"

#define SAVE_AGAIN_MS 1000

/* Until the platform says otherwise. */
static const struct label_config defaults = {
    .language = SHELF_EN,
    .led_brightness_pct = 80,
    .sync_peak_s = 300,
    .sync_off_peak_s = 1800,
    .peak_from_min = 8 * 60,
    .peak_to_min = 22 * 60,
    .utc_offset_min = 330,
};

void label_due(struct label *l, int64_t at_ms)
{
    if (at_ms < l->due_ms) {
        l->due_ms = at_ms;
    }
}

void label_note(const struct label *l, enum label_note note, const char *text)
{
    if (l->ports.observer != NULL) {
        l->ports.observer->note(l->ports.observer->context, note, text);
    }
}

int64_t label_time_ms(const struct label *l)
{
    return l->clock_known ? l->clock_ms + l->now_ms : l->memory.time_ms;
}

uint32_t label_random(struct label *l)
{
    uint32_t value = 0;
    const struct secure_element *secure = l->ports.secure;
    if (secure->random(secure->context, &value, sizeof value) != RES_OK) {
        value = (uint32_t)l->now_ms; /* only to spread; no secret */
    }
    return value;
}

struct span label_id(const struct label *l)
{
    return span_text(l->settings->label_id, SHELF_ID_BYTES_MAX);
}

enum res label_save(struct label *l)
{
    l->memory.time_ms = label_time_ms(l);
    return label_store_save(&l->store, &l->memory);
}

void label_used(struct label *l)
{
    l->used_ms = l->now_ms;
    l->idle_ms = (int64_t)l->memory.config.idle_timeout_s * 1000;
    l->announced = false;
}

static bool settings_are_valid(const struct label_settings *s)
{
    return s->label_id != NULL && s->firmware != NULL &&
           shelf_id_is_valid(span_text(s->label_id, SHELF_ID_BYTES_MAX + 1)) &&
           s->firmware[0] != '\0' && strlen(s->firmware) <= SHELF_FIRMWARE_BYTES_MAX;
}

enum res label_init(struct label *l, const struct label_settings *settings,
                    const struct label_ports *ports, int64_t now_ms)
{
    if (!settings_are_valid(settings)) {
        return RES_INVALID;
    }
    memset(l, 0, sizeof *l);
    l->settings = settings;
    l->ports = *ports;
    l->now_ms = now_ms;
    l->due_ms = now_ms;
    l->connect_ms = now_ms;
    l->sync_ms = now_ms;
    l->panel_ms = now_ms;
    l->answered_ms = now_ms;
    l->refreshed_ms = INT64_MIN;
    l->release_ms = INT64_MAX;
    l->lamp.pattern = SHELF_STOP;
    l->report_due = true;
    l->memory = (struct label_memory){.format = LABEL_MEMORY_FORMAT, .config = defaults};
    enum res r = label_store_open(&l->store, ports->flash, ports->secure);
    if (r == RES_OK) {
        r = label_store_load(&l->store, &l->memory);
        r = r == RES_NOT_FOUND ? RES_OK : r;
    }
    if (r == RES_OK) {
        r = label_display_start(l);
    }
    if (r != RES_OK) {
        return r;
    }
    l->next_send = flash_queue_first_counter(&l->store.queue);
    label_used(l);
    if (settings->woken) {
        l->idle_ms = LABEL_WAKE_LINGER_MS;
    }
    label_sleep_battery(l);
    label_lamp_light(l);
    label_event_status(l, settings->woken ? SHELF_WAKE : SHELF_BOOT, 0);
    label_note(l, settings->woken ? LABEL_NOTE_WAKES : LABEL_NOTE_STARTED, "");
    return RES_OK;
}

int64_t label_step(struct label *l, int64_t now_ms)
{
    l->now_ms = now_ms;
    l->due_ms = INT64_MAX;
    if (label_sleep_goes_on(l)) {
        return l->due_ms;
    }
    label_display_tick(l);
    label_lamp_tick(l);
    label_link_tick(l);
    label_event_tick(l);
    label_shadow_tick(l);
    label_event_send(l);
    label_sleep_tick(l);
    if (l->unsaved) {
        l->unsaved = label_save(l) != RES_OK;
        label_due(l, l->unsaved ? now_ms + SAVE_AGAIN_MS : INT64_MAX);
    }
    if (l->link == LABEL_ASLEEP) {
        return l->asleep_until_ms;
    }
    label_due(l, l->link == LABEL_ONLINE ? l->release_ms : INT64_MAX);
    return l->due_ms > now_ms ? l->due_ms : now_ms + 1;
}

void label_connected(struct label *l, int64_t now_ms)
{
    l->now_ms = now_ms;
    label_link_up(l);
}

void label_disconnected(struct label *l, int64_t now_ms, enum res cause)
{
    l->now_ms = now_ms;
    label_link_down(l, cause);
}

void label_message(struct label *l, int64_t now_ms, struct span topic, struct span payload,
                   struct span signature)
{
    l->now_ms = now_ms;
    label_message_take(l, topic, payload, signature);
}

void label_look(const struct label *l, struct label_view *ret_view)
{
    const struct label_screen *s = &l->screen;
    const struct flash_queue *q = &l->store.queue;
    *ret_view = (struct label_view){
        .link = l->link,
        .synced = l->synced,
        .low_power = l->failures > BACKOFF_FAILURES_MAX,
        .shows = s->known && s->version > 0,
        .version = s->version,
        .update_id = s->update_id,
        .product_id = s->product_id,
        .price_minor = s->price_minor,
        .language = s->language,
        .refreshes = s->refreshes,
        .pending = l->pending,
        .pending_version = l->pending ? l->pending_version : 0,
        .config_version = l->memory.config.version,
        .shadow_version = l->memory.shadow_version,
        .certificate_number = l->memory.certificate_number,
        .sync_s = label_sleep_sync_s(l),
        .lamp = l->lamp.pattern,
        .lamp_colour = l->lamp.colour,
        .lamp_pct = label_power_brightness_pct(&l->memory.config, l->memory.low_battery),
        .low_battery = l->memory.low_battery,
        .battery_pct = l->battery_pct,
        .epoch = flash_queue_epoch(q),
        .last_counter = flash_queue_next_counter(q) - 1,
        .queued = flash_queue_count(q),
        .dropped = l->memory.dropped,
        .asleep_until_ms = l->link == LABEL_ASLEEP ? l->asleep_until_ms : 0,
        .time_ms = l->clock_known ? label_time_ms(l) : 0,
        .counts = l->counts,
    };
    memcpy(ret_view->digest, s->digest, sizeof ret_view->digest);
}
