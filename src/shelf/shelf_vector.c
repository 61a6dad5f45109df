#include "shelf_vector.h"

#include <assert.h>
#include <string.h>

#include <openssl/sha.h>

#include "base64.h"
#include "shelf_sample.h"
#include "wire_vector.h"

#define LABEL SPAN_LIT("ESP32-7Q4K2M")
/* 2026-11-21T10:00:00.000Z */
#define BASE_MS INT64_C(1795255200000)
#define UPDATE1 SPAN_LIT("0f8fad5b-d9cb-469f-a165-70867728950e")
#define UPDATE2 SPAN_LIT("7c9e6679-7425-40de-944b-e07fc1f90ae7")
#define UPDATE3 SPAN_LIT("16fd2706-8baf-433b-82eb-8c7fada847da")
#define UPDATE4 SPAN_LIT("886313e1-3b8a-5372-9b90-0c9aee199e5d")
#define UPDATE5 SPAN_LIT("6fa459ea-ee8a-3ca4-894e-db77e160355e")
#define UPDATE6 SPAN_LIT("f47ac10b-58cc-4372-a567-0e02b2c3d479")
#define UPDATE7 SPAN_LIT("9b2b3f4e-1f0d-4c8a-b1a5-2d3c4e5f6a7b")
#define UPDATE8 SPAN_LIT("123e4567-e89b-42d3-a456-426614174000")

static void end_text(char *text, size_t size, size_t room)
{
    assert(size < room);
    text[size] = '\0';
    (void)room;
}

static void canonical_of(const struct shelf_display *d, struct shelf_vector *v,
                         uint8_t ret_digest[SHELF_DIGEST_BYTES])
{
    struct sink s;
    sink_init(&s, v->canonical, sizeof v->canonical - 1);
    shelf_display_canonical(d, &s);
    assert(!s.overflow);
    SHA256(s.data, s.size, ret_digest);
    end_text(v->canonical, s.size, sizeof v->canonical);
    sink_init(&s, v->digest, sizeof v->digest - 1);
    sink_hex(&s, span_of(ret_digest, SHELF_DIGEST_BYTES));
    end_text(v->digest, s.size, sizeof v->digest);
}

/* Over `topic LF payload`. */
static void sign(struct shelf_vector *v)
{
    static char text[SHELF_TOPIC_BYTES + SHELF_VECTOR_BYTES];
    uint8_t signature[WIRE_SIGNATURE_BYTES];
    struct sink s;
    sink_init(&s, text, sizeof text);
    sink_text(&s, v->topic_text);
    sink_byte(&s, '\n');
    sink_text(&s, v->payload);
    assert(!s.overflow);
    wire_vector_sign(wire_vector_private_key, sink_span(&s), signature);
    sink_init(&s, v->signature, sizeof v->signature - 1);
    base64_url_write(&s, span_of(signature, sizeof signature));
    end_text(v->signature, s.size, sizeof v->signature);
}

static void add(struct shelf_vectors *all, struct shelf_sample *m, const char *title)
{
    assert(all->count < SHELF_VECTORS_MAX);
    struct shelf_vector *v = &all->all[all->count++];
    struct sink s;
    *v = (struct shelf_vector){.title = title, .topic = m->topic};
    shelf_topic_write(LABEL, m->topic, v->topic_text);
    if (m->topic == SHELF_PRICE_UPDATE) {
        canonical_of(&m->display, v, m->display.digest);
    }
    sink_init(&s, v->payload, sizeof v->payload - 1);
    shelf_sample_encode(m, &s);
    assert(!s.overflow);
    end_text(v->payload, s.size, sizeof v->payload);
    if (m->topic < SHELF_STATUS) {
        sign(v);
    }
}

/* --- down --- */

static struct shelf_display milk(void)
{
    return (struct shelf_display){.device_id = LABEL,
                                  .update_id = UPDATE1,
                                  .version = 1,
                                  .template = SHELF_STANDARD,
                                  .language = SHELF_EN,
                                  .product_id = SPAN_LIT("PROD-12345"),
                                  .name = SPAN_LIT("Amul Milk 1L"),
                                  .name_en = SPAN_LIT("Amul Milk 1L"),
                                  .price_minor = 6500,
                                  .mrp_minor = 6800,
                                  .currency = "INR",
                                  .url = SPAN_LIT("https://endcap.local/p/k3v9x2m7qa"),
                                  .timestamp_ms = BASE_MS};
}

static struct shelf_display sale(void)
{
    struct shelf_display d = milk();
    d.update_id = UPDATE2;
    d.version = 2;
    d.template = SHELF_SALE;
    d.language = SHELF_HI;
    d.name = SPAN_LIT("अमूल दूध 1L");
    d.price_minor = 5850;
    d.regular_minor = 6500;
    d.is_flash_sale = true;
    d.timestamp_ms = BASE_MS + 3600000;
    return d;
}

static void add_displays(struct shelf_vectors *all)
{
    struct shelf_sample m = {.topic = SHELF_PRICE_UPDATE, .display = milk()};
    add(all, &m, "a price");
    m.display = sale();
    add(all, &m, "a sale, in Hindi");
    m.display = milk();
    m.display.update_id = UPDATE3;
    m.display.version = 3;
    m.display.language = SHELF_TA;
    m.display.product_id = SPAN_LIT("FRU-0017");
    m.display.name = SPAN_LIT("Shimla Apples");
    m.display.name_en = m.display.name;
    m.display.price_minor = 18990;
    m.display.mrp_minor = 0;
    m.display.per_kg = true;
    add(all, &m, "by the kilogram, without a Tamil name: the English one stands");
    m.display = milk();
    m.display.update_id = UPDATE4;
    m.display.version = 4;
    m.display.template = SHELF_WITHDRAWN;
    m.display.price_minor = 0;
    m.display.mrp_minor = 0;
    add(all, &m, "withdrawn from sale");
    m.display = (struct shelf_display){.device_id = LABEL,
                                       .update_id = UPDATE5,
                                       .version = 5,
                                       .template = SHELF_UNASSIGNED,
                                       .currency = "INR",
                                       .timestamp_ms = BASE_MS};
    add(all, &m, "no product bound");
}

static struct shelf_config settings(void)
{
    return (struct shelf_config){.device_id = LABEL,
                                 .update_id = UPDATE6,
                                 .version = 1,
                                 .language = SHELF_HI,
                                 .aisle = SPAN_LIT("Aisle 3"),
                                 .shelf = SPAN_LIT("2"),
                                 .position = SPAN_LIT("left"),
                                 .refresh_interval_s = 0,
                                 .led_brightness_pct = 80,
                                 .idle_timeout_s = 0,
                                 .sync_peak_s = 300,
                                 .sync_off_peak_s = 1800,
                                 .peak_from_min = 480,
                                 .peak_to_min = 1320,
                                 .utc_offset_min = 330,
                                 .timestamp_ms = BASE_MS};
}

static void add_flashes(struct shelf_vectors *all)
{
    struct shelf_sample m = {.topic = SHELF_FLASH_COMMAND,
                             .flash = {.device_id = LABEL,
                                       .update_id = UPDATE7,
                                       .version = 1,
                                       .pattern = SHELF_PULSE,
                                       .duration_s = 30,
                                       .colour = SHELF_BLUE,
                                       .expires_ms = BASE_MS + 60000,
                                       .timestamp_ms = BASE_MS}};
    add(all, &m, "pulse for 30 seconds");
    m.flash.update_id = UPDATE8;
    m.flash.version = 2;
    m.flash.pattern = SHELF_STOP;
    m.flash.duration_s = 0;
    add(all, &m, "stop");
}

static void add_states(struct shelf_vectors *all)
{
    struct shelf_sample m = {.topic = SHELF_GET_ACCEPTED,
                             .state = {.device_id = LABEL,
                                       .version = 17,
                                       .has_display = true,
                                       .display = sale(),
                                       .has_config = true,
                                       .config = settings(),
                                       .time_ms = BASE_MS + 7200000,
                                       .events_epoch = 1,
                                       .events_through = 41}};
    struct shelf_vector unused;
    canonical_of(&m.state.display, &unused, m.state.display.digest);
    add(all, &m, "all that is wanted, our time, and events through 41 may be forgotten");
    m.topic = SHELF_DELTA;
    m.state.version = 18;
    m.state.has_display = false;
    m.state.has_config = false;
    m.state.events_epoch = 0;
    m.state.events_through = 0;
    m.state.certificate.number = 2;
    add(all, &m, "a renewed certificate is due: send a request for number 2");
    m.state.version = 19;
    m.state.certificate.der = SPAN_LIT("MIIBszCCAVmgAwIBAgIBAg==");
    add(all, &m, "the certificate (cut short here)");
}

/* --- up --- */

static void add_statuses(struct shelf_vectors *all)
{
    struct shelf_display shown = sale();
    struct shelf_vector unused;
    struct shelf_sample m = {.topic = SHELF_STATUS,
                             .status = {.device_id = LABEL,
                                        .epoch = 1,
                                        .counter = 1,
                                        .reason = SHELF_BOOT,
                                        .battery_pct = 85,
                                        .signal_dbm = -61,
                                        .firmware = SPAN_LIT("1.2.3")}};
    add(all, &m, "after power-up, without a clock and without a picture");
    canonical_of(&shown, &unused, m.status.display_digest);
    m.status.counter = 42;
    m.status.reason = SHELF_INTERVAL;
    m.status.last_update_ms = BASE_MS + 3600400;
    m.status.queued = 1;
    m.status.refreshes = 2;
    m.status.shows = true;
    m.status.display_version = 2;
    m.status.price_minor = 5850;
    m.status.product_id = shown.product_id;
    m.status.language = SHELF_HI;
    m.status.config_version = 1;
    m.status.time_ms = BASE_MS + 7200000;
    add(all, &m, "a sync interval is over");
    m.status.counter = 43;
    m.status.reason = SHELF_SLEEP;
    m.status.sleep_s = 1800;
    add(all, &m, "good night, back within half an hour");
    m.status.counter = 44;
    m.status.reason = SHELF_CHANGED;
    m.status.sleep_s = 0;
    m.status.gap_from = 30;
    m.status.gap_to = 32;
    add(all, &m, "a gap record: counters 30 to 32 were damaged on flash");
}

static void add_acks(struct shelf_vectors *all)
{
    struct shelf_display shown = sale();
    struct shelf_vector unused;
    struct shelf_sample m = {.topic = SHELF_ACK,
                             .ack = {.device_id = LABEL,
                                     .epoch = 1,
                                     .counter = 40,
                                     .kind = SHELF_ACK_DISPLAY,
                                     .status = SHELF_DISPLAYED,
                                     .update_id = UPDATE2,
                                     .version = 2,
                                     .price_minor = 5850,
                                     .product_id = shown.product_id,
                                     .refreshed = true,
                                     .time_ms = BASE_MS + 3600400}};
    canonical_of(&shown, &unused, m.ack.digest);
    add(all, &m, "the sale is on the screen");
    m.ack.refreshed = false;
    m.ack.epoch = 0;
    m.ack.counter = 0;
    add(all, &m, "the same once more, sent once: the update came a second time");
    m.ack = (struct shelf_ack){.device_id = LABEL,
                               .epoch = 1,
                               .counter = 41,
                               .kind = SHELF_ACK_CONFIG,
                               .status = SHELF_APPLIED,
                               .update_id = UPDATE6,
                               .version = 1,
                               .time_ms = BASE_MS + 60000};
    add(all, &m, "the configuration is in force");
    m.ack.counter = 45;
    m.ack.kind = SHELF_ACK_FLASH;
    m.ack.status = SHELF_STARTED;
    m.ack.update_id = UPDATE7;
    add(all, &m, "the LED is lit");
    m.ack.counter = 46;
    m.ack.status = SHELF_STOPPED;
    add(all, &m, "the LED is dark again");
    m.ack = (struct shelf_ack){.device_id = LABEL,
                               .kind = SHELF_ACK_DISPLAY,
                               .status = SHELF_REFUSED,
                               .why = SPAN_LIT("not signed by the platform"),
                               .time_ms = BASE_MS + 60000};
    add(all, &m, "refused: nobody knows who sent it");
}

static void add_questions(struct shelf_vectors *all)
{
    struct shelf_sample m = {.topic = SHELF_GET, .get = {.device_id = LABEL}};
    add(all, &m, "the first question of a label's life");
    m.get.shadow_version = 17;
    add(all, &m, "a later one");
    m = (struct shelf_sample){.topic = SHELF_REPORT,
                              .report = {.device_id = LABEL,
                                         .aisle = SPAN_LIT("Aisle 3"),
                                         .shelf = SPAN_LIT("2"),
                                         .position = SPAN_LIT("left"),
                                         .config_version = 1,
                                         .certificate_number = 1}};
    add(all, &m, "where it hangs and what it runs with");
    m.report = (struct shelf_report){.device_id = LABEL,
                                     .certificate_number = 2,
                                     .csr = SPAN_LIT("MIHVMH0CAQAwGzEZMBcGA1UEAwwQ")};
    add(all, &m, "a request for certificate 2 (cut short here)");
}

/* --- refused --- */

static void refuse(struct shelf_vectors *all, size_t of, const char *from, const char *to,
                   const char *title)
{
    static _Alignas(16) uint8_t room[SHELF_ARENA_BYTES];
    const struct shelf_vector *good = &all->all[of];
    struct shelf_vector *v = &all->refused[all->refused_count++];
    struct shelf_sample unused;
    struct shelf_detail detail = {NULL, NULL};
    struct arena a;
    const char *at = strstr(good->payload, from);
    assert(at != NULL && all->refused_count <= SHELF_VECTORS_MAX);
    *v = (struct shelf_vector){.title = title, .topic = good->topic};
    shelf_topic_write(LABEL, v->topic, v->topic_text);
    struct sink s;
    sink_init(&s, v->payload, sizeof v->payload - 1);
    sink_bytes(&s, span_of(good->payload, (size_t)(at - good->payload)));
    sink_text(&s, to);
    sink_text(&s, at + strlen(from));
    assert(!s.overflow);
    end_text(v->payload, s.size, sizeof v->payload);
    arena_init(&a, room, sizeof room);
    enum res r = shelf_sample_decode(v->topic, span_text(v->payload, sizeof v->payload), &a,
                                     &unused, &detail);
    assert(r == RES_INVALID);
    (void)r;
    v->field = detail.field;
    v->rule = detail.rule;
}

static size_t first_of(const struct shelf_vectors *all, enum shelf_topic topic)
{
    size_t i = 0;
    while (all->all[i].topic != topic) {
        i++;
        assert(i < all->count);
    }
    return i;
}

static void add_refused(struct shelf_vectors *all)
{
    size_t price = first_of(all, SHELF_PRICE_UPDATE);
    size_t flash = first_of(all, SHELF_FLASH_COMMAND);
    size_t status = first_of(all, SHELF_STATUS);
    size_t ack = first_of(all, SHELF_ACK);
    refuse(all, price, "65.00", "65.001", "a price with three decimals");
    refuse(all, price, "65.00", "-65.00", "a negative price");
    refuse(all, price, "65.00", "68.01", "a price above the MRP");
    refuse(all, price, "65.00", "6.5e1", "a price with an exponent");
    refuse(all, price, "\"price\":65.00,", "", "a standard face without a price");
    refuse(all, price, "\"standard\"", "\"sale\"", "a sale that is none");
    refuse(all, price, ".000Z", "Z", "a time without milliseconds");
    refuse(all, price, "\"mrp\"", "\"price\"", "a member twice");
    refuse(all, price, "Amul", "\\u0007", "a name with a control character");
    refuse(all, flash, "30", "601", "a flash of more than ten minutes");
    refuse(all, flash, "pulse", "stop", "a stop with a duration");
    refuse(all, status, "85", "101", "more than a full battery");
    refuse(all, status, "\"epoch\":1,", "", "a counter without its epoch");
    refuse(all, ack, "\"display\"", "\"config\"", "a configuration that is displayed");
    refuse(all, ack, "\"digest\"", "\"hash\"", "displayed, but what?");
}

void shelf_vector_make(struct shelf_vectors *ret)
{
    memset(ret, 0, sizeof *ret);
    add_displays(ret);
    struct shelf_sample m = {.topic = SHELF_CONFIG_UPDATE, .config = settings()};
    add(ret, &m, "a configuration");
    add_flashes(ret);
    add_states(ret);
    add_statuses(ret);
    add_acks(ret);
    add_questions(ret);
    add_refused(ret);
}
