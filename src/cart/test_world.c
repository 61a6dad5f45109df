#include "test_world.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define UTC_BEGIN_MS INT64_C(1790000000000)

static void note(void *context, int64_t epoch, int64_t counter, struct span body)
{
    struct test_world *w = context;
    for (size_t i = w->made_count; i > 0; i--) {
        const struct test_world_made *m = &w->made[i - 1];
        if (m->epoch == epoch && m->counter == counter) {
            assert(span_equal(span_of(m->body, m->size), body)); /* a counter used twice */
            return;
        }
    }
    assert(w->made_count < TEST_WORLD_EVENTS);
    struct test_world_made *m = &w->made[w->made_count++];
    m->epoch = epoch;
    m->counter = counter;
    m->size = (uint16_t)body.size;
    m->body = malloc(body.size);
    assert(m->body != NULL);
    memcpy(m->body, body.data, body.size);
}

struct test_world *test_world_new(uint64_t seed, uint32_t sectors)
{
    struct test_world *w = calloc(1, sizeof *w);
    assert(w != NULL);
    w->flash = flash_sim_new(CART_STORE_SECTOR_BYTES, sectors, 16, seed);
    assert(w->flash != NULL);
    secure_sim_init(&w->secure, seed);
    network_sim_init(&w->net, seed);
    terminal_sim_init(&w->terminal, seed);
    w->terminal.delay_ms = 200;
    scale_sim_init(&w->scale);
    board_sim_init(&w->board, seed);
    display_sim_init(&w->display);
    w->platform = test_platform_new(&w->net, TEST_WORLD_CART);
    w->observer = (struct cart_observer){.context = w, .event = note};
    w->settings = (struct cart_settings){
        .cart_id = TEST_WORLD_CART,
        .store_id = TEST_WORLD_STORE,
        .currency = "INR",
        .firmware = "1.0.0",
        .hardware = "test",
        .slot = "A",
        .boot_reason = WIRE_BOOT_POWER,
        .prefix_measure = {[1] = GTIN_MEASURE_PRICE, [8] = GTIN_MEASURE_WEIGHT},
    };
    w->ports = (struct cart_ports){
        .flash = &w->flash->flash,
        .secure = &w->secure.secure,
        .network = &w->net.network,
        .display = &w->display.display,
        .scale = &w->scale.scale,
        .terminal = &w->terminal.terminal,
        .board = &w->board.board,
        .observer = &w->observer,
    };
    w->utc_offset_ms = UTC_BEGIN_MS;
    return w;
}

void test_world_free(struct test_world *w)
{
    if (w == NULL) {
        return;
    }
    for (size_t i = 0; i < w->made_count; i++) {
        free(w->made[i].body);
    }
    test_platform_free(w->platform);
    flash_sim_free(w->flash);
    free(w);
}

struct cart_time test_world_now(const struct test_world *w)
{
    return (struct cart_time){w->uptime_ms - w->power_ms, w->uptime_ms + w->utc_offset_ms};
}

bool test_world_is_cut(const struct test_world *w)
{
    return w->flash->off;
}

void test_world_power_off(struct test_world *w)
{
    w->on = false;
    network_sim_cut(&w->net);
}

bool test_world_boot(struct test_world *w)
{
    test_world_power_off(w);
    flash_sim_power_on(w->flash);
    w->power_ms = w->uptime_ms;
    enum res r = cart_init(&w->cart, &w->settings, &w->ports, test_world_now(w));
    assert(r == RES_OK || w->flash->off);
    w->on = r == RES_OK && !w->flash->off;
    return w->on;
}

static void carry(struct test_world *w)
{
    uint8_t bytes[NETWORK_SIM_FRAME_BYTES_MAX];
    size_t size;
    bool connected;
    struct span reference;
    struct span token;
    enum terminal_answer answer;
    test_platform_step(w->platform);
    if (!w->on) {
        return;
    }
    if (network_sim_outcome(&w->net, &connected)) {
        if (connected) {
            cart_network_connected(&w->cart, test_world_now(w));
        } else {
            cart_network_disconnected(&w->cart, test_world_now(w));
        }
    }
    while (network_sim_take(&w->net, false, bytes, &size)) {
        cart_network_message(&w->cart, test_world_now(w), span_of(bytes, size));
    }
    if (terminal_sim_answer(&w->terminal, &reference, &answer, &token)) {
        cart_terminal_answer(&w->cart, test_world_now(w), reference, answer, token);
    }
    cart_tick(&w->cart, test_world_now(w));
}

void test_world_run(struct test_world *w, int64_t ms, int64_t step_ms)
{
    int64_t until_ms = w->uptime_ms + ms;
    while (w->uptime_ms < until_ms) {
        w->uptime_ms += step_ms;
        struct cart_time now = test_world_now(w);
        w->net.now_ms = w->uptime_ms;
        w->terminal.now_ms = w->uptime_ms;
        w->board.now_ms = now.uptime_ms;
        w->board.last_ms = now.uptime_ms; /* the battery is a test's own business */
        w->platform->now_ms = now.utc_ms;
        carry(w);
        if (w->on && w->flash->off) {
            test_world_power_off(w);
            return;
        }
    }
}

void test_world_assert_nothing_lost(const struct test_world *w)
{
    for (size_t i = 0; i < w->made_count; i++) {
        const struct test_world_made *m = &w->made[i];
        assert(test_platform_has(w->platform, m->epoch, m->counter, span_of(m->body, m->size)));
    }
}

unsigned test_world_count(const struct test_world *w, enum wire_type type,
                          struct wire_event *ret_last)
{
    unsigned count = 0;
    for (size_t i = 0; i < w->made_count; i++) {
        struct wire_event event;
        struct wire_detail why;
        unsigned unknown;
        enum wire_refusal refusal =
            wire_event_decode(span_of(w->made[i].body, w->made[i].size), &event, &unknown, &why);
        assert(refusal == WIRE_FINE);
        if (event.type == type) {
            count++;
            if (ret_last != NULL) {
                *ret_last = event;
            }
        }
    }
    return count;
}
