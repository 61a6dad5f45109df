#include "stand_in.h"

#include <string.h>

#include "crc32c.h"
#include "le.h"
#include "startup.h"
#include "uart_mps2.h"

static int64_t epoch;

static enum res digest(void *context, struct span first, struct span second, uint8_t *ret_digest)
{
    (void)context;
    uint32_t crc = crc32c(crc32c(0, first), second);
    for (unsigned i = 0; i < SECURE_DIGEST_BYTES; i += 4) {
        crc = crc32c(crc, span_of(&i, sizeof i)); /* not over itself: that is always the same */
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

const struct secure_element stand_in_secure = {
    NULL, digest, sign, verify_platform, epoch_read, epoch_raise, random_bytes};
const struct network stand_in_network = {NULL, connect_network, disconnect_network, publish,
                                         connect_network};
const struct board stand_in_board = {NULL, read_board, restart, sleep_board};

void stand_in_say(const char *what, int64_t figure)
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
