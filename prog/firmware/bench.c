#include "bench.h"

#include <string.h>

#include "crc32c.h"
#include "flash_memory.h"
#include "le.h"
#include "startup.h"
#include "uart_mps2.h"

#define PSRAM         ((uint8_t *)0x21000000u)
#define START_UTC     INT64_C(1767225600000) /* 2026-01-01: the board has no calendar */
#define PROGRAM_BYTES 8

static struct flash_memory flash;
static int64_t epoch;

static enum res digest(void *context, struct span first, struct span second, uint8_t *ret_digest)
{
    (void)context;
    uint32_t crc = crc32c(crc32c(0, first), second);
    for (unsigned i = 0; i < SECURE_DIGEST_BYTES; i += 4) {
        crc = crc32c(crc, span_of(&crc, sizeof crc));
        le_put_u32(ret_digest + i, crc);
    }
    return RES_OK;
}

static enum res sign(void *context, struct span message, uint8_t *ret_signature)
{
    enum res r = digest(context, message, SPAN_NONE, ret_signature);
    memcpy(ret_signature + SECURE_DIGEST_BYTES, ret_signature, SECURE_DIGEST_BYTES);
    return r;
}

static enum res verify_platform(void *context, struct span message, struct span signature)
{
    (void)context;
    (void)message;
    (void)signature;
    return RES_INVALID;
}

static enum res epoch_read(void *context, int64_t *ret_epoch)
{
    (void)context;
    *ret_epoch = epoch;
    return RES_OK;
}

static enum res epoch_raise(void *context, int64_t *ret_epoch)
{
    (void)context;
    *ret_epoch = ++epoch;
    return RES_OK;
}

static enum res random_bytes(void *context, void *ret_bytes, size_t size)
{
    (void)context;
    memset(ret_bytes, (int)startup_uptime_ms(), size);
    return RES_OK;
}

static enum res connect_network(void *context)
{
    (void)context;
    return RES_UNAVAILABLE;
}

static void disconnect_network(void *context)
{
    (void)context;
}

static enum res publish(void *context, struct span topic, struct span payload)
{
    (void)context;
    (void)topic;
    (void)payload;
    return RES_UNAVAILABLE;
}

static void show(void *context, const struct display_view *view)
{
    (void)context;
    bench_say("display", view->kind);
    bench_say("  items", view->item_count);
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

static void read_board(void *context, struct board_reading *ret_reading)
{
    (void)context;
    *ret_reading = (struct board_reading){.battery_pct = 100, .signal_dbm = -60};
}

static void restart(void *context)
{
    (void)context;
}

static void sleep_board(void *context, bool asleep)
{
    (void)context;
    (void)asleep;
}

static const struct secure_element secure = {NULL,       digest,      sign,        verify_platform,
                                             epoch_read, epoch_raise, random_bytes};
static const struct network network = {NULL, connect_network, disconnect_network, publish,
                                       connect_network};
static const struct display display = {NULL, show};
static const struct scale scale = {NULL, weigh};
static const struct terminal terminal = {NULL, ask_terminal, reverse};
static const struct board board = {NULL, read_board, restart, sleep_board};
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
                               .secure = &secure,
                               .network = &network,
                               .display = &display,
                               .scale = &scale,
                               .terminal = &terminal,
                               .board = &board};
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

void bench_say(const char *what, int64_t figure)
{
    uint8_t text[48];
    struct sink line;
    sink_init(&line, text, sizeof text);
    sink_text(&line, what);
    sink_byte(&line, ' ');
    sink_i64(&line, figure);
    sink_text(&line, "\r\n");
    uart_mps2_write(sink_span(&line));
}
