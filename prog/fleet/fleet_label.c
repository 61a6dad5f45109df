#include "fleet_label.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define CANONICAL_BYTES_MAX 2048

static struct fleet_label *of(struct fleet_device *d)
{
    return (struct fleet_label *)d;
}

static int64_t utc_us(void)
{
    struct timespec t = {0};
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* --- ports --- */

static void keep_text(struct span text, char *to, size_t size)
{
    size_t kept = text.size < size ? text.size : size - 1;
    memcpy(to, text.data, kept);
    to[kept] = '\0';
}

/* The digest is made anew from what is to be drawn: what a person at the shelf would see, whatever
 * the core believes. */
static enum res panel_show(void *context, const struct shelf_display *display)
{
    struct fleet_label *l = context;
    struct fleet_memory_screen *screen = &l->device.cell->screen;
    struct fleet_device_shared *shared = l->device.shared;
    uint8_t text[CANONICAL_BYTES_MAX];
    struct sink s;
    if (l->device.chip.dead) {
        return RES_IO;
    }
    sink_init(&s, text, sizeof text);
    shelf_display_canonical(display, &s);
    enum res r =
        s.overflow ? RES_LIMIT
                   : fleet_secure_digest(shared->secure, sink_span(&s), SPAN_NONE, screen->digest);
    if (r != RES_OK) {
        return RES_IO;
    }
    int64_t now_us = utc_us();
    screen->drawn = true;
    screen->template = (uint8_t)display->template;
    screen->language = (uint8_t)display->language;
    screen->version = display->version;
    screen->price_minor = display->price_minor;
    screen->drawn_ms = now_us / 1000;
    screen->times++;
    fleet_trace_panel(&shared->trace, l->device.identity->id, display, screen->digest);
    keep_text(display->update_id, screen->update_id, sizeof screen->update_id);
    keep_text(display->product_id, screen->product_id, sizeof screen->product_id);
    if (l->by_update && display->timestamp_ms > 0) {
        fleet_histogram_add(&shared->display_us, now_us - display->timestamp_ms * 1000);
    }
    return RES_OK;
}

static enum res nfc_write(void *context, struct span message)
{
    struct fleet_label *l = context;
    struct fleet_memory_screen *screen = &l->device.cell->screen;
    if (message.size > sizeof screen->tag) {
        return RES_LIMIT;
    }
    memcpy(screen->tag, message.data, message.size);
    screen->tag_size = (uint16_t)message.size;
    return RES_OK;
}

static void board_read(void *context, struct board_reading *ret_reading)
{
    const struct fleet_label *l = context;
    *ret_reading = (struct board_reading){.battery_pct = l->device.battery_pct,
                                          .signal_dbm = l->device.signal_dbm};
}

static void board_restart(void *context)
{
    struct fleet_label *l = context;
    l->device.restart = true;
}

static void board_sleep(void *context, bool asleep)
{
    (void)context; /* a label's light sleep changes nothing here */
    (void)asleep;
}

static void led_set(void *context, enum led_pattern pattern, enum led_colour colour,
                    int32_t brightness_pct)
{
    struct fleet_label *l = context;
    l->led_pattern = (uint8_t)pattern;
    l->led_colour = (uint8_t)colour;
    l->led_pct = (uint8_t)brightness_pct;
}

static void power_sleep(void *context, int64_t duration_ms)
{
    struct fleet_label *l = context;
    l->device.sleep_for_ms = duration_ms > 0 ? duration_ms : 1;
}

/* --- kind --- */

static enum res start(struct fleet_device *d, enum fleet_device_start how)
{
    struct fleet_label *l = of(d);
    l->settings.woken = how == FLEET_DEVICE_WAKE;
    l->led_pattern = LED_OFF;
    l->by_update = false;
    return label_init(&l->core, &l->settings, &l->ports, fleet_device_now(d));
}

static void connected(struct fleet_device *d)
{
    label_connected(&of(d)->core, fleet_device_now(d));
}

static void disconnected(struct fleet_device *d, enum res cause)
{
    label_disconnected(&of(d)->core, fleet_device_now(d), cause);
}

static void message(struct fleet_device *d, struct span topic, struct span payload,
                    struct span signature)
{
    struct fleet_label *l = of(d);
    struct span id = SPAN_NONE;
    enum shelf_topic what = SHELF_TOPICS;
    enum res r = shelf_topic_read(topic, &id, &what);
    l->by_update = r == RES_OK && what == SHELF_PRICE_UPDATE;
    if (r == RES_OK) {
        fleet_trace_message(&d->shared->trace, d->identity->id, what, payload);
    }
    label_message(&l->core, fleet_device_now(d), topic, payload, signature);
}

static int64_t step(struct fleet_device *d)
{
    struct fleet_label *l = of(d);
    int64_t due_ms = fleet_device_when(d, label_step(&l->core, fleet_device_now(d)));
    l->by_update = false;
    return due_ms;
}

static struct span filter(const struct fleet_device *d, size_t index,
                          char room[FLEET_LINK_FILTER_BYTES_MAX])
{
    static const enum shelf_topic topics[] = {SHELF_PRICE_UPDATE, SHELF_FLASH_COMMAND,
                                              SHELF_CONFIG_UPDATE, SHELF_GET_ACCEPTED, SHELF_DELTA};
    _Static_assert(FLEET_LINK_FILTER_BYTES_MAX >= SHELF_TOPIC_BYTES, "a topic fits");
    if (index >= sizeof topics / sizeof *topics) {
        return SPAN_NONE;
    }
    shelf_topic_write(span_text(d->identity->id, SHELF_ID_BYTES_MAX), topics[index], room);
    return span_text(room, FLEET_LINK_FILTER_BYTES_MAX);
}

static const struct fleet_device_kind kind = {.name = "label",
                                              .start = start,
                                              .connected = connected,
                                              .disconnected = disconnected,
                                              .message = message,
                                              .step = step,
                                              .filter = filter};

void fleet_label_init(struct fleet_label *l, struct fleet_device_shared *shared,
                      const struct fleet_identity *identity, struct fleet_memory_cell *cell,
                      uint8_t *flash, uint64_t seed)
{
    struct fleet_device *d = &l->device;
    fleet_device_init(d, shared, &kind, identity, cell, seed);
    fleet_memory_chip_init(&d->chip, flash, FLEET_LABEL_SECTOR_BYTES, LABEL_STORE_SECTORS);
    fleet_secure_element_init(&d->secure, shared->secure, &cell->epoch, &d->rng, NULL);
    l->panel = (struct panel){.context = l, .show = panel_show};
    l->nfc = (struct nfc){.context = l, .write = nfc_write};
    l->board = (struct board){
        .context = l, .read = board_read, .restart = board_restart, .sleep = board_sleep};
    l->led = (struct led){.context = l, .set = led_set};
    l->power = (struct power){.context = l, .sleep = power_sleep};
    l->settings =
        (struct label_settings){.label_id = identity->id, .firmware = FLEET_LABEL_FIRMWARE};
    l->ports = (struct label_ports){.flash = &d->chip.flash,
                                    .secure = &d->secure.secure,
                                    .network = &d->network,
                                    .panel = &l->panel,
                                    .board = &l->board,
                                    .led = &l->led,
                                    .nfc = &l->nfc,
                                    .power = &l->power};
}
