#include "cart_core.h"

#include <string.h>

static bool settings_are_valid(const struct cart_settings *s)
{
    return s->cart_id != NULL && s->store_id != NULL && s->currency != NULL &&
           s->firmware != NULL && s->hardware != NULL && s->slot != NULL &&
           strlen(s->cart_id) <= 24 && strlen(s->store_id) <= 24 && strlen(s->currency) == 3;
}

enum res cart_init(struct cart *c, const struct cart_settings *settings,
                   const struct cart_ports *ports, struct cart_time now)
{
    struct board_reading reading = {0};
    if (!settings_are_valid(settings)) {
        return RES_INVALID;
    }
    memset(c, 0, sizeof *c);
    c->settings = settings;
    c->ports = *ports;
    c->now = now;
    c->boot_due = true;
    c->input_ms = now.uptime_ms;
    c->health_ms = INT64_MIN;
    c->ask_ms = now.uptime_ms;
    c->ask_after_ms = CART_ASK_FIRST_MS;
    c->command_fault_ms = INT64_MIN;
    c->gap_ms = now.uptime_ms - CART_GAP_REPEAT_MS;
    c->answer_ms = now.uptime_ms - CART_ANSWER_REPEAT_MS;
    c->refresh_ms = now.uptime_ms - CART_REFRESH_REPEAT_MS;
    c->clock_offset_ms = now.utc_ms - now.uptime_ms;
    enum res r = cart_store_open(&c->store, ports->flash, ports->secure);
    if (r != RES_OK) {
        return r;
    }
    int64_t epoch = flash_queue_epoch(&c->store.queue);
    r = cart_store_load(&c->store, &c->ledger);
    if (r == RES_OK && c->ledger.epoch == epoch) {
        c->saved_through = c->ledger.through;
    } else if (r == RES_OK) {
        /* The queue was lost, and with it the end of the trip that the snapshot knows. What has a
         * life beyond the epoch stays. */
        struct cart_ledger before = c->ledger;
        cart_ledger_init(&c->ledger, epoch);
        c->ledger.command_number = before.command_number;
        c->ledger.command_outcome = before.command_outcome;
        memcpy(c->ledger.refused, before.refused, sizeof before.refused);
    } else if (r == RES_NOT_FOUND || r == RES_CORRUPT) {
        cart_ledger_init(&c->ledger, epoch);
    } else {
        return r;
    }
    c->observed_through = c->ledger.acked; /* what was acknowledged was shown before */
    r = cart_event_start(c);
    if (r != RES_OK) {
        return r;
    }
    cart_sender_init(c);
    ports->board->read(ports->board->context, &reading);
    c->battery_pct = reading.battery_pct;
    if (c->ledger.time_ms > now.utc_ms + CART_CLOCK_STEP_MS) {
        cart_health_trouble(c, CART_TROUBLE_CLOCK, true);
    }
    /* Made at the first tick when flash has no room now; before any other event in any case. */
    r = cart_health_boot(c);
    if (r != RES_OK && r != RES_FULL && r != RES_AGAIN) {
        return r;
    }
    cart_pay_recover(c);
    return RES_OK;
}

void cart_tick(struct cart *c, struct cart_time now)
{
    c->now = now;
    if (c->behind && cart_event_recover(c) != RES_OK) {
        cart_sender_tick(c);
        return;
    }
    if (c->unsaved) {
        cart_event_save(c);
    }
    if (!c->boot_due || cart_health_boot(c) == RES_OK) {
        cart_session_tick(c);
        cart_scan_tick(c);
        cart_pay_tick(c);
        cart_health_tick(c);
    }
    cart_sender_tick(c);
}

static void input(struct cart *c, struct cart_time now)
{
    c->now = now;
    c->input_ms = now.uptime_ms;
}

/* Words for what went wrong with an input that has not shown its own. */
static enum res shown(struct cart *c, enum res r)
{
    if (r == RES_FULL || r == RES_AGAIN) {
        cart_view_show(c, DISPLAY_NO_ROOM, "");
    }
    return r;
}

enum res cart_scan(struct cart *c, struct cart_time now, struct span code,
                   enum cart_symbology symbology, int64_t quantity)
{
    input(c, now);
    return shown(c, cart_scan_add(c, code, symbology, quantity));
}

enum res cart_remove_item(struct cart *c, struct cart_time now, struct span code,
                          enum cart_symbology symbology, int64_t quantity)
{
    input(c, now);
    return shown(c, cart_scan_remove(c, code, symbology, quantity));
}

enum res cart_start(struct cart *c, struct cart_time now)
{
    input(c, now);
    return shown(c, cart_session_start(c));
}

enum res cart_hold(struct cart *c, struct cart_time now)
{
    input(c, now);
    if (c->ledger.trip.paying) {
        cart_view_show(c, DISPLAY_NOT_NOW, "payment under way");
        return RES_CONFLICT;
    }
    return shown(c, cart_session_hold(c, WIRE_HOLD_CUSTOMER));
}

enum res cart_resume(struct cart *c, struct cart_time now)
{
    input(c, now);
    if (c->ledger.trip.paused && c->ledger.trip.hold_reason == WIRE_HOLD_STAFF) {
        cart_view_show(c, DISPLAY_NOT_NOW, "held by staff");
        return RES_CONFLICT;
    }
    return shown(c, cart_session_resume(c));
}

enum res cart_identify(struct cart *c, struct cart_time now, enum wire_method method,
                       struct span token)
{
    input(c, now);
    return shown(c, cart_session_identify(c, method, token));
}

enum res cart_pay(struct cart *c, struct cart_time now)
{
    input(c, now);
    return shown(c, cart_pay_begin(c));
}

static enum res end(struct cart *c, struct cart_time now, enum wire_outcome outcome)
{
    const struct cart_trip *trip = &c->ledger.trip;
    input(c, now);
    if (trip->paid) {
        return RES_CONFLICT; /* the money is taken; the end is on its way */
    }
    if (trip->paused && trip->hold_reason == WIRE_HOLD_STAFF) {
        cart_view_show(c, DISPLAY_NOT_NOW, "held by staff");
        return RES_CONFLICT;
    }
    cart_pay_reverse(c);
    return shown(c, cart_session_end(c, outcome));
}

enum res cart_finish(struct cart *c, struct cart_time now)
{
    return end(c, now, WIRE_COMPLETE);
}

enum res cart_cancel(struct cart *c, struct cart_time now)
{
    return end(c, now, WIRE_VOIDED);
}

void cart_terminal_answer(struct cart *c, struct cart_time now, struct span reference,
                          enum terminal_answer answer, struct span token)
{
    input(c, now);
    cart_pay_answer(c, reference, answer, token);
}

void cart_network_connected(struct cart *c, struct cart_time now)
{
    c->now = now;
    cart_sender_connected(c);
}

void cart_network_disconnected(struct cart *c, struct cart_time now)
{
    c->now = now;
    cart_sender_disconnected(c);
}

void cart_network_message(struct cart *c, struct cart_time now, struct span frame)
{
    c->now = now;
    cart_command_frame(c, frame);
}

void cart_scanner_jam(struct cart *c, struct cart_time now, bool jammed)
{
    c->now = now;
    cart_health_trouble(c, CART_TROUBLE_SCANNER, jammed);
}

bool cart_has_trip(const struct cart *c)
{
    return c->ledger.trip.start != 0;
}

int64_t cart_catalog_version(const struct cart *c)
{
    return cart_prices_version(&c->prices, product_cache_version(&c->store.cache));
}

int64_t cart_unacknowledged(const struct cart *c)
{
    return flash_queue_next_counter(&c->store.queue) - 1 - c->ledger.acked;
}
