#include "bench.h"

#include <string.h>

#include "flash_memory.h"
#include "stand_in.h"
#include "startup.h"

#define PSRAM         ((uint8_t *)0x21000000u)
#define START_UTC     INT64_C(1767225600000) /* 2026-01-01: the board has no calendar */
#define PROGRAM_BYTES 8

static struct flash_memory flash;

static void show(void *context, const struct display_view *view)
{
    (void)context;
    stand_in_say("display", view->kind);
    stand_in_say("  items", view->item_count);
}

static enum res weigh(void *context, int32_t *ret_delta_g)
{
    (void)context;
    (void)ret_delta_g;
    return RES_UNAVAILABLE;
}

static enum res ask_terminal(void *context, struct span reference, int64_t amount_minor,
                             struct span currency)
{
    (void)context;
    (void)reference;
    (void)amount_minor;
    (void)currency;
    return RES_UNAVAILABLE;
}

static void reverse(void *context, struct span reference)
{
    (void)context;
    (void)reference;
}

static const struct display display = {NULL, show};
static const struct scale scale = {NULL, weigh};
static const struct terminal terminal = {NULL, ask_terminal, reverse};
static const struct cart_settings settings = {
    .cart_id = "CART-0001",
    .store_id = "STORE-MUM-01",
    .currency = "INR",
    .firmware = "0.1.0",
    .hardware = "mps2-an385",
    .slot = "A",
    .boot_reason = WIRE_BOOT_POWER,
};

enum res bench_start(struct cart *c)
{
    struct cart_ports ports = {.flash = &flash.flash,
                               .secure = &stand_in_secure,
                               .network = &stand_in_network,
                               .display = &display,
                               .scale = &scale,
                               .terminal = &terminal,
                               .board = &stand_in_board};
    enum res r = flash_memory_init(&flash, PSRAM, 4096, BENCH_FLASH_BYTES / 4096, PROGRAM_BYTES);
    return r == RES_OK ? cart_init(c, &settings, &ports, bench_now()) : r;
}

struct cart_time bench_now(void)
{
    int64_t uptime_ms = startup_uptime_ms();
    return (struct cart_time){.uptime_ms = uptime_ms, .utc_ms = START_UTC + uptime_ms};
}

void bench_blank(void)
{
    memset(PSRAM, 0xff, BENCH_FLASH_BYTES);
}
