#include "test_label.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base64.h"

#define NEVER_MS INT64_MAX

/* The time as the label has it. */
static int64_t label_ms(const struct test_label *w)
{
    return w->now_ms + w->skew_ms;
}

static bool chance(struct test_label *w, unsigned per_mille)
{
    return per_mille > 0 && rng_below(&w->rng, 1000) < per_mille;
}

/* --- what the platform hears --- */

static void hear_counter(struct test_label *w, int64_t epoch, int64_t counter, int64_t gap_from,
                         int64_t gap_to)
{
    if (counter == 0) {
        return;
    }
    assert(epoch > 0 && epoch < TEST_LABEL_EPOCHS_MAX && counter <= TEST_LABEL_EVENTS_MAX);
    struct test_label_stream *s = &w->streams[epoch];
    w->epoch = epoch > w->epoch ? epoch : w->epoch;
    s->had[counter] = true;
    for (int64_t i = gap_from; i > 0 && i <= gap_to; i++) {
        s->lost[i] = true;
    }
    while (s->through < TEST_LABEL_EVENTS_MAX &&
           (s->had[s->through + 1] || s->lost[s->through + 1])) {
        s->through++;
    }
}

static void hear_ack(struct test_label *w, struct span payload)
{
    uint8_t block[SHELF_ARENA_BYTES];
    struct arena a;
    struct shelf_ack ack;
    struct shelf_detail detail;
    arena_init(&a, block, sizeof block);
    enum res r = shelf_ack_decode(payload, &a, &ack, &detail);
    assert(r == RES_OK && span_equal(ack.device_id, SPAN_LIT(TEST_LABEL_ID)));
    assert(w->ack_count < TEST_LABEL_ACKS_MAX);
    if (ack.status == SHELF_DISPLAYED) {
        /* What it says is what is on the panel. */
        assert(w->panel.drawn && ack.counter >= 0);
    }
    struct test_label_ack *kept = &w->acks[w->ack_count++];
    *kept = (struct test_label_ack){.kind = ack.kind,
                                    .status = ack.status,
                                    .epoch = ack.epoch,
                                    .counter = ack.counter,
                                    .version = ack.version,
                                    .time_ms = ack.time_ms,
                                    .refreshed = ack.refreshed};
    memcpy(kept->digest, ack.digest, sizeof kept->digest);
    r = span_copy_text(ack.update_id, kept->update_id, sizeof kept->update_id);
    assert(r == RES_OK);
    r = span_copy_text(ack.why, kept->why, sizeof kept->why);
    assert(r == RES_OK);
    hear_counter(w, ack.epoch, ack.counter, 0, 0);
}

static void hear_status(struct test_label *w, struct span payload)
{
    uint8_t block[SHELF_ARENA_BYTES];
    struct arena a;
    struct shelf_detail detail;
    arena_init(&a, block, sizeof block);
    enum res r = shelf_status_decode(payload, &a, &w->status, &detail);
    assert(r == RES_OK && span_equal(w->status.device_id, SPAN_LIT(TEST_LABEL_ID)));
    w->statuses++;
    if (w->status.gap_from > 0) {
        w->gap_from = w->status.gap_from;
        w->gap_to = w->status.gap_to;
    }
    hear_counter(w, w->status.epoch, w->status.counter, w->status.gap_from, w->status.gap_to);
}

static void hear_report(struct test_label *w, struct span payload)
{
    uint8_t block[SHELF_ARENA_BYTES];
    struct arena a;
    struct shelf_detail detail;
    arena_init(&a, block, sizeof block);
    enum res r = shelf_report_decode(payload, &a, &w->report, &detail);
    assert(r == RES_OK);
    r = span_copy_text(w->report.csr, w->csr, sizeof w->csr);
    assert(r == RES_OK);
    w->reports++;
}

static void hear(struct test_label *w, struct span topic, struct span payload)
{
    struct span id;
    enum shelf_topic kind;
    enum res r = shelf_topic_read(topic, &id, &kind);
    assert(r == RES_OK && span_equal(id, SPAN_LIT(TEST_LABEL_ID)));
    if (kind == SHELF_ACK) {
        hear_ack(w, payload);
    } else if (kind == SHELF_STATUS) {
        hear_status(w, payload);
    } else if (kind == SHELF_REPORT) {
        hear_report(w, payload);
    } else {
        assert(kind == SHELF_GET);
        w->gets++;
        if (!w->mute) {
            test_label_send_state(w, SHELF_GET_ACCEPTED);
        }
    }
}

/* --- the network --- */

static enum res net_connect(void *context)
{
    struct test_label *w = context;
    w->attempts++;
    w->attempting = true;
    return RES_OK;
}

static void net_disconnect(void *context)
{
    struct test_label *w = context;
    w->connected = false;
    w->attempting = false;
    w->down_count = 0;
}

static enum res net_publish(void *context, struct span topic, struct span payload)
{
    struct test_label *w = context;
    if (!w->connected) {
        return RES_UNAVAILABLE;
    }
    if (w->full) {
        return RES_AGAIN;
    }
    if (w->mute || chance(w, w->loss_per_mille)) {
        return RES_OK;
    }
    hear(w, topic, payload);
    if (chance(w, w->repeat_per_mille)) {
        hear(w, topic, payload);
    }
    return RES_OK;
}

static enum res net_refresh(void *context)
{
    (void)context;
    return RES_UNAVAILABLE; /* a label has no retained topics */
}

void test_label_send(struct test_label *w, const char *topic, struct span payload, bool is_signed)
{
    uint8_t bytes[SHELF_TOPIC_BYTES + 1 + SHELF_DOWN_BYTES_MAX];
    uint8_t raw[SECURE_SIGNATURE_BYTES];
    struct sink s;
    struct sink signature;
    if (!w->connected || chance(w, w->loss_per_mille)) {
        return;
    }
    assert(w->down_count < TEST_LABEL_DOWN_MAX && payload.size <= SHELF_DOWN_BYTES_MAX);
    struct test_label_down *d = &w->downs[w->down_count++];
    memset(d, 0, sizeof *d);
    snprintf(d->topic, sizeof d->topic, "%s", topic);
    memcpy(d->payload, payload.data, payload.size);
    d->size = payload.size;
    if (is_signed) {
        sink_init(&s, bytes, sizeof bytes);
        sink_text(&s, topic);
        sink_byte(&s, '\n');
        sink_bytes(&s, payload);
        secure_sim_sign_platform(sink_span(&s), raw);
        sink_init(&signature, d->signature, sizeof d->signature - 1);
        base64_url_write(&signature, span_of(raw, sizeof raw));
        assert(!signature.overflow && !s.overflow);
    }
    if (chance(w, w->repeat_per_mille) && w->down_count < TEST_LABEL_DOWN_MAX) {
        w->downs[w->down_count++] = *d;
    }
}

static void send_encoded(struct test_label *w, enum shelf_topic topic, const struct sink *payload)
{
    char name[SHELF_TOPIC_BYTES];
    assert(!payload->overflow);
    shelf_topic_write(SPAN_LIT(TEST_LABEL_ID), topic, name);
    test_label_send(w, name, sink_span(payload), true);
}

void test_label_send_display(struct test_label *w)
{
    uint8_t bytes[SHELF_DOWN_BYTES_MAX];
    struct sink s;
    sink_init(&s, bytes, sizeof bytes);
    shelf_display_encode(&w->display.display, &s);
    send_encoded(w, SHELF_PRICE_UPDATE, &s);
}

void test_label_send_config(struct test_label *w)
{
    uint8_t bytes[SHELF_DOWN_BYTES_MAX];
    struct sink s;
    sink_init(&s, bytes, sizeof bytes);
    shelf_config_encode(&w->config, &s);
    send_encoded(w, SHELF_CONFIG_UPDATE, &s);
}

void test_label_send_flash(struct test_label *w, const struct shelf_flash *flash)
{
    uint8_t bytes[SHELF_DOWN_BYTES_MAX];
    struct sink s;
    sink_init(&s, bytes, sizeof bytes);
    shelf_flash_encode(flash, &s);
    send_encoded(w, SHELF_FLASH_COMMAND, &s);
}

void test_label_send_state(struct test_label *w, enum shelf_topic topic)
{
    uint8_t bytes[SHELF_DOWN_BYTES_MAX];
    struct sink s;
    struct shelf_state state = {
        .device_id = SPAN_LIT(TEST_LABEL_ID),
        .version = w->version,
        .has_display = w->has_display,
        .display = w->display.display,
        .has_config = w->has_config,
        .config = w->config,
        .certificate = w->certificate,
        .time_ms = TEST_LABEL_UTC_MS + w->now_ms,
        .events_epoch = w->epoch,
        .events_through = w->epoch > 0 ? w->streams[w->epoch].through : 0,
    };
    sink_init(&s, bytes, sizeof bytes);
    shelf_state_encode(&state, &s);
    send_encoded(w, topic, &s);
}

/* --- the world --- */

static void note(void *context, enum label_note note, const char *text)
{
    struct test_label *w = context;
    (void)text;
    w->notes[note]++;
}

uint64_t test_label_seed(void)
{
    const char *text = getenv("ENDCAP_SEED");
    return text != NULL ? strtoull(text, NULL, 10) : 20261121;
}

struct test_label *test_label_new(uint64_t seed)
{
    struct test_label *w = calloc(1, sizeof *w);
    assert(w != NULL);
    rng_init(&w->rng, seed);
    w->flash =
        flash_sim_new(TEST_LABEL_SECTOR_BYTES, LABEL_STORE_SECTORS, TEST_LABEL_PROGRAM_BYTES, seed);
    assert(w->flash != NULL);
    secure_sim_init(&w->secure, seed);
    board_sim_init(&w->board, seed);
    w->board.reading.battery_pct = 90;
    led_sim_init(&w->led);
    nfc_sim_init(&w->nfc);
    power_sim_init(&w->power);
    renewal_sim_init(&w->renewal);
    panel_sim_init(&w->panel);
    w->network = (struct network){.context = w,
                                  .connect = net_connect,
                                  .disconnect = net_disconnect,
                                  .publish = net_publish,
                                  .refresh = net_refresh};
    w->observer = (struct label_observer){.context = w, .note = note};
    w->settings = (struct label_settings){.label_id = TEST_LABEL_ID, .firmware = "1.0.0"};
    w->ports = (struct label_ports){.flash = &w->flash->flash,
                                    .secure = &w->secure.secure,
                                    .network = &w->network,
                                    .panel = &w->panel.panel,
                                    .board = &w->board.board,
                                    .led = &w->led.led,
                                    .nfc = &w->nfc.nfc,
                                    .power = &w->power.power,
                                    .renewal = &w->renewal.renewal,
                                    .observer = &w->observer};
    w->now_ms = 1000;
    w->version = 1;
    return w;
}

void test_label_free(struct test_label *w)
{
    if (w != NULL) {
        assert(w->flash->violation == NULL);
        flash_sim_free(w->flash);
        free(w);
    }
}

void test_label_power_off(struct test_label *w)
{
    w->on = false;
    net_disconnect(w);
}

bool test_label_boot(struct test_label *w)
{
    test_label_power_off(w);
    flash_sim_power_cycle(w->flash);
    enum res r = label_init(&w->label, &w->settings, &w->ports, label_ms(w));
    assert(r == RES_OK || w->flash->off);
    w->on = r == RES_OK && !w->flash->off;
    w->due_ms = w->now_ms;
    return w->on;
}

static bool carry(struct test_label *w)
{
    bool any = false;
    if (w->attempting && !w->silent) {
        w->attempting = false;
        w->connected = !w->down && !(w->refuse_renewed && w->renewal.renewed_selected);
        if (w->connected) {
            label_connected(&w->label, label_ms(w));
        } else {
            label_disconnected(&w->label, label_ms(w), w->down ? RES_UNAVAILABLE : RES_DENIED);
        }
        any = true;
    }
    for (size_t i = 0; i < w->down_count && w->connected; i++) {
        const struct test_label_down d = w->downs[i];
        label_message(&w->label, label_ms(w), span_text(d.topic, sizeof d.topic),
                      span_of(d.payload, d.size), span_text(d.signature, sizeof d.signature));
        any = true;
    }
    w->down_count = 0;
    return any;
}

void test_label_run(struct test_label *w, int64_t ms)
{
    int64_t until_ms = w->now_ms + ms;
    while (w->on && w->now_ms < until_ms) {
        w->board.now_ms = w->now_ms;
        w->board.last_ms = w->now_ms; /* the battery is a test's own business */
        if (carry(w) || w->now_ms >= w->due_ms) {
            int64_t due_ms = label_step(&w->label, label_ms(w));
            assert(due_ms > label_ms(w));
            w->due_ms = due_ms == NEVER_MS ? NEVER_MS : due_ms - w->skew_ms;
            w->steps++;
        }
        if (w->flash->off) {
            test_label_power_off(w);
            return;
        }
        if (w->attempting || w->down_count > 0) {
            w->now_ms += 1;
        } else {
            w->now_ms = w->due_ms < until_ms ? w->due_ms : until_ms;
        }
    }
}

void test_label_ready(struct test_label *w)
{
    bool booted = test_label_boot(w);
    assert(booted);
    test_label_run(w, 100);
    assert(test_label_look(w).synced);
}

void test_label_link_cut(struct test_label *w)
{
    w->down = true;
    if (w->connected) {
        net_disconnect(w);
        label_disconnected(&w->label, label_ms(w), RES_UNAVAILABLE);
        w->due_ms = w->now_ms;
    }
}

void test_label_link_mend(struct test_label *w)
{
    w->down = false;
}

struct label_view test_label_look(const struct test_label *w)
{
    struct label_view v;
    label_look(&w->label, &v);
    return v;
}

/* --- content --- */

static void next_id(struct test_label *w, char *id)
{
    snprintf(id, SHELF_UPDATE_ID_BYTES + 1, "00000000-0000-4000-8000-%012llx",
             (unsigned long long)++w->ids);
}

static void seal(struct shelf_display *d)
{
    uint8_t text[SHELF_CANONICAL_BYTES];
    struct sink s;
    sink_init(&s, text, sizeof text);
    shelf_display_canonical(d, &s);
    assert(!s.overflow);
    secure_sim_digest(sink_span(&s), SPAN_NONE, d->digest);
}

void test_label_price(struct test_label *w, int64_t version)
{
    static const char *const names[] = {"Tata salt 1 kg", "टाटा नमक 1 किलो", "டாடா உப்பு 1 கிலோ",
                                        "టాటా ఉప్పు 1 కిలో",   "টাটা লবণ 1 কেজি", "टाटा मीठ 1 किलो"};
    static const enum shelf_language languages[] = {SHELF_EN, SHELF_HI, SHELF_TA,
                                                    SHELF_TE, SHELF_BN, SHELF_MR};
    struct test_label_display *p = &w->display;
    size_t language = (size_t)rng_below(&w->rng, 6);
    bool sale = rng_below(&w->rng, 3) == 0;
    unsigned sku = (unsigned)rng_below(&w->rng, 100000);
    int64_t price_minor = 100 + (int64_t)rng_below(&w->rng, 100000);
    next_id(w, p->update_id);
    snprintf(p->product_id, sizeof p->product_id, "SKU-%05u", sku);
    snprintf(p->name, sizeof p->name, "%s", names[language]);
    snprintf(p->name_en, sizeof p->name_en, "%s", names[0]);
    snprintf(p->url, sizeof p->url, "https://shop.example/p/SKU-%05u", sku);
    p->display = (struct shelf_display){
        .device_id = SPAN_LIT(TEST_LABEL_ID),
        .update_id = span_text(p->update_id, sizeof p->update_id),
        .version = version,
        .template = sale ? SHELF_SALE : SHELF_STANDARD,
        .language = languages[language],
        .product_id = span_text(p->product_id, sizeof p->product_id),
        .name = span_text(p->name, sizeof p->name),
        .name_en = span_text(p->name_en, sizeof p->name_en),
        .price_minor = price_minor,
        .regular_minor = sale ? price_minor + 500 : 0,
        .mrp_minor = price_minor + 1000,
        .currency = "INR",
        .per_kg = rng_below(&w->rng, 2) == 0,
        .is_flash_sale = sale,
        .url = span_text(p->url, sizeof p->url),
        .timestamp_ms = TEST_LABEL_UTC_MS + w->now_ms,
    };
    seal(&p->display);
    w->has_display = true;
    w->version++;
}

void test_label_price_is(struct test_label *w, int64_t version, int64_t price_minor)
{
    struct shelf_display *d = &w->display.display;
    next_id(w, w->display.update_id);
    d->version = version;
    d->price_minor = price_minor;
    d->timestamp_ms = TEST_LABEL_UTC_MS + w->now_ms;
    seal(d);
    w->version++;
}

struct shelf_config test_label_config(void)
{
    return (struct shelf_config){
        .device_id = SPAN_LIT(TEST_LABEL_ID),
        .language = SHELF_EN,
        .aisle = SPAN_LIT("3"),
        .shelf = SPAN_LIT("2"),
        .position = SPAN_LIT("7"),
        .led_brightness_pct = 80,
        .sync_peak_s = 300,
        .sync_off_peak_s = 1800,
        .peak_from_min = 480,
        .peak_to_min = 1320,
        .utc_offset_min = 330,
        .timestamp_ms = TEST_LABEL_UTC_MS,
    };
}

void test_label_configure(struct test_label *w, int64_t version, const struct shelf_config *config)
{
    next_id(w, w->config_id);
    w->config = *config;
    w->config.version = version;
    w->config.update_id = span_text(w->config_id, sizeof w->config_id);
    w->has_config = true;
    w->version++;
}

struct shelf_flash test_label_flash(struct test_label *w, int64_t version,
                                    enum shelf_pattern pattern, int32_t duration_s)
{
    static char id[SHELF_UPDATE_ID_BYTES + 1];
    next_id(w, id);
    return (struct shelf_flash){
        .device_id = SPAN_LIT(TEST_LABEL_ID),
        .update_id = span_text(id, sizeof id),
        .version = version,
        .pattern = pattern,
        .duration_s = duration_s,
        .colour = SHELF_GREEN,
        .expires_ms = TEST_LABEL_UTC_MS + w->now_ms + 60000,
        .timestamp_ms = TEST_LABEL_UTC_MS + w->now_ms,
    };
}

/* --- judging --- */

unsigned test_label_acks(const struct test_label *w, enum shelf_ack_status status,
                         const char *update_id, struct test_label_ack *ret_last)
{
    unsigned count = 0;
    for (size_t i = 0; i < w->ack_count; i++) {
        const struct test_label_ack *ack = &w->acks[i];
        if (ack->status == status &&
            (update_id == NULL || strcmp(ack->update_id, update_id) == 0)) {
            count++;
            if (ret_last != NULL) {
                *ret_last = *ack;
            }
        }
    }
    return count;
}

int64_t test_label_missing(const struct test_label *w)
{
    struct label_view v = test_label_look(w);
    int64_t missing = 0;
    for (int64_t i = 1; i <= v.last_counter; i++) {
        const struct test_label_stream *s = &w->streams[v.epoch];
        missing += s->had[i] || s->lost[i] ? 0 : 1;
    }
    return missing;
}
