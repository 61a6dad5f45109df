#include "label_bench.h"

#include <string.h>

#include "flash_memory.h"
#include "stand_in.h"
#include "startup.h"

#define PSRAM         ((uint8_t *)0x21000000u)
#define SECTOR_BYTES  1024
#define PROGRAM_BYTES 8

static struct flash_memory flash;
static int64_t shown;

static enum res show(void *context, const struct shelf_display *display)
{
    (void)context;
    shown = display->version;
    stand_in_say("panel", display->price_minor);
    return RES_OK;
}

static void set_led(void *context, enum led_pattern pattern, enum led_colour colour,
                    int32_t brightness_pct)
{
    (void)context;
    (void)colour;
    (void)brightness_pct;
    stand_in_say("led", pattern);
}

static enum res write_tag(void *context, struct span message)
{
    (void)context;
    stand_in_say("tag", (int64_t)message.size);
    return RES_OK;
}

static void sleep_for(void *context, int64_t duration_ms)
{
    (void)context;
    stand_in_say("sleep", duration_ms);
}

static const struct panel panel = {NULL, show};
static const struct led led = {NULL, set_led};
static const struct nfc nfc = {NULL, write_tag};
static const struct power power = {NULL, sleep_for};
static const struct label_settings settings = {.label_id = "ESP32-BENCH1", .firmware = "0.1.0"};

enum res label_bench_start(struct label *l, const struct secure_element *secure,
                           const struct network *network)
{
    const struct label_ports ports = {.flash = &flash.flash,
                                      .secure = secure,
                                      .network = network,
                                      .panel = &panel,
                                      .board = &stand_in_board,
                                      .led = &led,
                                      .nfc = &nfc,
                                      .power = &power};
    enum res r = flash_memory_init(&flash, PSRAM, SECTOR_BYTES, LABEL_STORE_SECTORS, PROGRAM_BYTES);
    return r == RES_OK ? label_init(l, &settings, &ports, startup_uptime_ms()) : r;
}

void label_bench_blank(void)
{
    memset(PSRAM, 0xff, LABEL_STORE_SECTORS * SECTOR_BYTES);
}

int64_t label_bench_shown(void)
{
    return shown;
}
