/* An update on the target itself, with a power cut behind it; for an emulator with semihosting. */
#include <string.h>

#include "label_bench.h"
#include "selftest_end.h"
#include "stand_in.h"
#include "startup.h"
#include "uart_mps2.h"

#define TOPIC SPAN_LIT("smartshelf/ESP32-BENCH1/price/update")
/* 64 bytes in base64url: this selftest takes any. */
#define SIGNATURE                                                                                  \
    SPAN_LIT(                                                                                      \
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")

static struct label label;

static enum res accept_any(void *context, struct span message, struct span signature)
{
    (void)context;
    (void)message;
    (void)signature;
    return RES_OK;
}

static enum res attempt(void *context)
{
    (void)context;
    return RES_OK;
}

static enum res take(void *context, struct span topic, struct span payload)
{
    (void)context;
    (void)topic;
    (void)payload;
    return RES_OK;
}

static void make_update(const struct secure_element *secure, struct sink *payload)
{
    uint8_t text[SHELF_CANONICAL_BYTES];
    struct sink s;
    struct shelf_display d = {
        .device_id = SPAN_LIT("ESP32-BENCH1"),
        .update_id = SPAN_LIT("00000000-0000-4000-8000-000000000001"),
        .version = 1,
        .template = SHELF_STANDARD,
        .language = SHELF_TA,
        .product_id = SPAN_LIT("SKU-1"),
        .name = SPAN_LIT("டாடா உப்பு 1 கிலோ"),
        .name_en = SPAN_LIT("Tata salt 1 kg"),
        .price_minor = 2850,
        .currency = "INR",
        .url = SPAN_LIT("https://shop.example/p/SKU-1"),
    };
    sink_init(&s, text, sizeof text);
    shelf_display_canonical(&d, &s);
    enum res r = secure->digest(secure->context, sink_span(&s), SPAN_NONE, d.digest);
    if (r == RES_OK) {
        shelf_display_encode(&d, payload);
    }
}

static bool update(void)
{
    static uint8_t bytes[SHELF_DOWN_BYTES_MAX];
    struct sink payload;
    struct label_view view;
    struct secure_element secure = stand_in_secure;
    struct network network = stand_in_network;
    secure.verify_platform = accept_any;
    network.connect = attempt;
    network.publish = take;
    sink_init(&payload, bytes, sizeof bytes);
    make_update(&secure, &payload);
    label_bench_blank();
    if (label_bench_start(&label, &secure, &network) != RES_OK) {
        return false;
    }
    (void)label_step(&label, startup_uptime_ms());
    label_connected(&label, startup_uptime_ms());
    label_message(&label, startup_uptime_ms(), TOPIC, sink_span(&payload), SIGNATURE);
    (void)label_step(&label, startup_uptime_ms());
    if (label_bench_shown() != 1 || label_bench_start(&label, &secure, &network) != RES_OK) {
        return false;
    }
    (void)label_step(&label, startup_uptime_ms());
    label_look(&label, &view);
    stand_in_say("events on flash", view.queued);
    return view.shows && view.version == 1 && view.refreshes == 2 && view.queued == 3;
}

int main(void)
{
    uart_mps2_init();
    selftest_end(update());
    return 0;
}
