#include "label_core.h"

#include "label_power.h"

#define SEND_AGAIN_MS    200
#define SYNC_SPREAD      16 /* of the interval, one part: a store's labels do not stay in step */
#define CSR_BASE64_BYTES ((RENEWAL_CSR_BYTES_MAX + 2) / 3 * 4)

/* --- asking --- */

void label_shadow_ask(struct label *l)
{
    uint8_t bytes[SHELF_UP_BYTES_MAX];
    struct sink payload;
    const struct shelf_get get = {.device_id = label_id(l),
                                  .shadow_version = l->memory.shadow_version};
    if (l->link != LABEL_ONLINE) {
        return; /* it asks when it is connected */
    }
    sink_init(&payload, bytes, sizeof bytes);
    shelf_get_encode(&get, &payload);
    l->ask_after_ms = l->asked ? l->ask_after_ms * 2 : LABEL_QUERY_FIRST_MS;
    if (l->ask_after_ms > LABEL_QUERY_MAX_MS) {
        l->ask_after_ms = LABEL_QUERY_MAX_MS;
    }
    l->asked = true;
    l->asked_ms = l->now_ms;
    l->asked_through = l->synced ? l->next_send - 1 : 0;
    l->release_ms = INT64_MAX;
    l->counts.queries++;
    if (label_event_publish(l, SHELF_GET, &payload) != RES_OK) {
        l->ask_after_ms = SEND_AGAIN_MS;
    }
}

static void plan_sync(struct label *l)
{
    int64_t sync_ms = (int64_t)label_sleep_sync_s(l) * 1000;
    l->sync_ms = l->now_ms + sync_ms - label_random(l) % (uint32_t)(sync_ms / SYNC_SPREAD);
}

/* --- configuration --- */

static void keep_text(struct span text, char *to, size_t size)
{
    if (span_copy_text(text, to, size) != RES_OK) {
        to[0] = '\0'; /* longer than shelf.h allows: refused before it came here */
    }
}

static void adopt(struct label_config *to, const struct shelf_config *from)
{
    *to = (struct label_config){
        .version = from->version,
        .language = (int32_t)from->language,
        .refresh_interval_s = from->refresh_interval_s,
        .led_brightness_pct = from->led_brightness_pct,
        .idle_timeout_s = from->idle_timeout_s,
        .sync_peak_s = from->sync_peak_s,
        .sync_off_peak_s = from->sync_off_peak_s,
        .peak_from_min = (int16_t)from->peak_from_min,
        .peak_to_min = (int16_t)from->peak_to_min,
        .utc_offset_min = (int16_t)from->utc_offset_min,
    };
    keep_text(from->update_id, to->update_id, sizeof to->update_id);
    keep_text(from->aisle, to->aisle, sizeof to->aisle);
    keep_text(from->shelf, to->shelf, sizeof to->shelf);
    keep_text(from->position, to->position, sizeof to->position);
}

static struct shelf_ack applied(const struct label *l)
{
    const struct label_config *config = &l->memory.config;
    return (struct shelf_ack){
        .kind = SHELF_ACK_CONFIG,
        .status = SHELF_APPLIED,
        .update_id = span_text(config->update_id, sizeof config->update_id),
        .version = config->version,
    };
}

static void take_known(struct label *l, const struct shelf_config *config)
{
    const char *id = l->memory.config.update_id;
    if (!span_equal(config->update_id, span_text(id, SHELF_UPDATE_ID_BYTES))) {
        label_message_refuse(l, SHELF_ACK_CONFIG, config->update_id, config->version, false,
                             "version used twice");
        return;
    }
    struct shelf_ack ack = applied(l);
    l->counts.repeated++;
    label_event_ack_once(l, &ack);
    label_note(l, LABEL_NOTE_REPEATED, "");
}

void label_shadow_config(struct label *l, const struct shelf_config *config, bool asked)
{
    struct label_memory before = l->memory;
    if (config->version <= before.config.version) {
        if (asked) {
            return;
        }
        if (config->version == before.config.version) {
            take_known(l, config);
        } else {
            label_message_refuse(l, SHELF_ACK_CONFIG, config->update_id, config->version, false,
                                 "older");
        }
        return;
    }
    adopt(&l->memory.config, config);
    if (label_save(l) != RES_OK) {
        l->memory.config = before.config;
        return; /* no answer: the platform sends it again */
    }
    struct shelf_ack ack = applied(l);
    label_event_ack(l, FLASH_QUEUE_SCAN, &ack);
    l->report_due = true;
    label_lamp_light(l);
    label_used(l);
    plan_sync(l);
    label_note(l, LABEL_NOTE_CONFIGURED, "");
}

/* --- answer and delta --- */

void label_shadow_state(struct label *l, const struct shelf_state *state, bool whole)
{
    bool answers = whole && l->asked;
    if (!answers && state->version < l->memory.shadow_version) {
        label_message_refuse(l, SHELF_ACK_DISPLAY, SPAN_NONE, 0, false, "older");
        return;
    }
    l->memory.shadow_version = state->version;
    if (answers && state->time_ms > 0) {
        l->clock_ms = state->time_ms - l->now_ms;
        l->clock_known = true;
    }
    if (whole) {
        if (!l->synced) {
            plan_sync(l); /* later by itself: an answer in between must not put off the status */
        }
        l->asked = false;
        l->synced = true;
        label_event_released(l, state->events_epoch, state->events_through);
    }
    if (state->has_config) {
        label_shadow_config(l, &state->config, true);
    }
    if (state->has_display) {
        label_display_take(l, &state->display, true);
    }
    label_renew_take(l, &state->certificate);
}

/* --- reporting --- */

static void report(struct label *l)
{
    uint8_t bytes[SHELF_UP_BYTES_MAX];
    uint8_t csr[CSR_BASE64_BYTES];
    struct sink payload;
    struct sink base64;
    const struct label_config *config = &l->memory.config;
    sink_init(&payload, bytes, sizeof bytes);
    sink_init(&base64, csr, sizeof csr);
    if (label_renew_request(l, &base64) != RES_OK) {
        base64.size = 0; /* asked for again with the next answer */
    }
    struct shelf_report r = {
        .device_id = label_id(l),
        .aisle = span_text(config->aisle, sizeof config->aisle),
        .shelf = span_text(config->shelf, sizeof config->shelf),
        .position = span_text(config->position, sizeof config->position),
        .config_version = config->version,
        .certificate_number = base64.size > 0 ? l->csr_number : l->memory.certificate_number,
        .csr = sink_span(&base64),
    };
    shelf_report_encode(&r, &payload);
    if (label_event_publish(l, SHELF_REPORT, &payload) == RES_OK) {
        l->report_due = false;
    } else {
        label_due(l, l->now_ms + SEND_AGAIN_MS);
    }
}

void label_shadow_tick(struct label *l)
{
    if (l->link != LABEL_ONLINE) {
        return;
    }
    if (l->asked) {
        if (l->now_ms >= l->asked_ms + l->ask_after_ms) {
            label_shadow_ask(l);
        }
        label_due(l, l->asked_ms + l->ask_after_ms);
        return;
    }
    if (l->report_due) {
        report(l);
    }
    if (l->now_ms >= l->sync_ms) {
        plan_sync(l);
        label_event_status(l, SHELF_INTERVAL, 0);
        label_event_send(l);
        label_shadow_ask(l);
    } else if (l->now_ms >= l->release_ms) {
        label_shadow_ask(l);
    }
    label_due(l, l->asked ? l->asked_ms + l->ask_after_ms : l->sync_ms);
    label_due(l, l->release_ms);
}
