#include "cart_core.h"

#include <string.h>

#define IDLE_HOLD_MS INT64_C(600000)
#define ABANDON_MS   INT64_C(1800000)

enum res cart_session_start(struct cart *c)
{
    if (c->ledger.trip.start != 0) {
        return RES_CONFLICT;
    }
    struct wire_event e;
    wire_event_init(&e, WIRE_SESSION_START);
    e.session_start.transition = WIRE_START;
    e.session_start.store_id = span_text(c->settings->store_id, 32);
    enum res r = cart_event_emit(c, FLASH_QUEUE_SESSION, &e);
    if (r == RES_OK) {
        if (c->asleep) {
            c->asleep = false;
            c->ports.board->sleep(c->ports.board->context, false);
        }
        cart_view_show(c, DISPLAY_WELCOME, "");
    }
    return r;
}

static enum res transition(struct cart *c, enum wire_transition transition, int64_t reason)
{
    char session[WIRE_SESSION_ID_BYTES];
    struct wire_event e;
    wire_event_init(&e, WIRE_SESSION_START);
    e.session_start.session_id = cart_event_session(c, session);
    e.session_start.transition = transition;
    e.session_start.reason = reason;
    e.session_start.store_id = span_text(c->settings->store_id, 32);
    return cart_event_emit(c, FLASH_QUEUE_SESSION, &e);
}

enum res cart_session_hold(struct cart *c, enum wire_hold_reason reason)
{
    static const char *const words[] = {
        [WIRE_HOLD_CUSTOMER] = "customer",
        [WIRE_HOLD_STAFF] = "staff",
        [WIRE_HOLD_PAYMENT] = "payment",
        [WIRE_HOLD_IDLE] = "idle",
    };
    const struct cart_trip *trip = &c->ledger.trip;
    if (trip->start == 0 || trip->paused || trip->paid) {
        return RES_CONFLICT;
    }
    enum res r = transition(c, WIRE_HOLD, reason);
    if (r == RES_OK) {
        c->input_ms = c->now.uptime_ms;
        cart_view_show(c, DISPLAY_HELD, words[reason]);
    }
    return r;
}

enum res cart_session_resume(struct cart *c)
{
    if (c->ledger.trip.start == 0 || !c->ledger.trip.paused) {
        return RES_CONFLICT;
    }
    enum res r = transition(c, WIRE_RESUME, WIRE_ABSENT);
    if (r == RES_OK) {
        c->input_ms = c->now.uptime_ms;
        cart_view_show(c, DISPLAY_RESUMED, "");
    }
    return r;
}

enum res cart_session_ready(struct cart *c)
{
    const struct cart_trip *trip = &c->ledger.trip;
    if (trip->start == 0) {
        return cart_session_start(c);
    }
    if (trip->paying || trip->paid) {
        cart_view_show(c, DISPLAY_NOT_NOW, "payment under way");
        return RES_CONFLICT;
    }
    if (!trip->paused) {
        return RES_OK;
    }
    if (trip->hold_reason == WIRE_HOLD_STAFF) {
        cart_view_show(c, DISPLAY_NOT_NOW, "held by staff");
        return RES_CONFLICT;
    }
    return cart_session_resume(c);
}

static void count_end(struct cart *c, enum wire_outcome outcome)
{
    switch (outcome) {
    case WIRE_COMPLETE:
        c->counts.trips_complete++;
        break;
    case WIRE_VOIDED:
        c->counts.trips_voided++;
        break;
    case WIRE_ABANDONED:
        c->counts.trips_abandoned++;
        break;
    }
}

enum res cart_session_end(struct cart *c, enum wire_outcome outcome)
{
    static const char *const words[] = {
        [WIRE_COMPLETE] = "complete",
        [WIRE_VOIDED] = "voided",
        [WIRE_ABANDONED] = "abandoned",
    };
    char session[WIRE_SESSION_ID_BYTES];
    uint8_t hex[2 * WIRE_DIGEST_BYTES];
    struct sink digest;
    const struct cart_trip *trip = &c->ledger.trip;
    struct wire_event e;
    if (trip->start == 0) {
        return RES_CONFLICT;
    }
    sink_init(&digest, hex, sizeof hex);
    sink_hex(&digest, span_of(trip->digest, sizeof trip->digest));
    wire_event_init(&e, WIRE_SESSION_END);
    e.session_end.session_id = cart_event_session(c, session);
    e.session_end.outcome = outcome;
    e.session_end.item_count = trip->item_count;
    e.session_end.scan_count = trip->scan_count;
    e.session_end.unpriced = trip->unpriced;
    e.session_end.first_scan = trip->first_scan;
    e.session_end.last_scan = trip->last_scan;
    e.session_end.total = trip->total_minor;
    e.session_end.currency = trip->currency[0] != '\0'
                                 ? span_text(trip->currency, sizeof trip->currency)
                                 : span_text(c->settings->currency, sizeof trip->currency);
    e.session_end.digest = sink_span(&digest);
    if (trip->paid) {
        e.session_end.payment_token = span_text(trip->token, sizeof trip->token);
        e.session_end.payment_amount = trip->pay_minor;
        e.session_end.payment_status = WIRE_APPROVED;
    }
    int64_t total = trip->total_minor;
    enum res r = cart_event_emit(c, FLASH_QUEUE_SESSION, &e);
    if (r == RES_OK) {
        count_end(c, outcome);
        cart_view_line(c, DISPLAY_ENDED, span_text(words[outcome], 16), 0, 0, total);
    }
    return r;
}

/* 16..64 of [A-Za-z0-9_-] with at least one that is no digit: a bare number could be somebody's
 * card, phone or account (C-050, C-067). */
static bool is_opaque(struct span token)
{
    bool only_digits = true;
    if (token.size < 16 || token.size > 64) {
        return false;
    }
    for (size_t i = 0; i < token.size; i++) {
        uint8_t byte = token.data[i];
        bool digit = byte >= '0' && byte <= '9';
        bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
        if (!digit && !letter && byte != '_' && byte != '-') {
            return false;
        }
        only_digits = only_digits && (digit || byte == '-');
    }
    return !only_digits && !gtin_looks_like_card(token);
}

enum res cart_session_identify(struct cart *c, enum wire_method method, struct span token)
{
    if (!is_opaque(token)) {
        cart_view_show(c, DISPLAY_BAD_CODE, "");
        return RES_INVALID;
    }
    if (c->ledger.trip.start == 0) {
        enum res r = cart_session_start(c);
        if (r != RES_OK) {
            return r;
        }
    }
    char session[WIRE_SESSION_ID_BYTES];
    struct wire_event e;
    wire_event_init(&e, WIRE_IDENTIFY);
    e.identify.session_id = cart_event_session(c, session);
    e.identify.method = method;
    e.identify.token = token;
    enum res r = cart_event_emit(c, FLASH_QUEUE_SESSION, &e);
    if (r == RES_OK) {
        cart_view_show(c, DISPLAY_IDENTIFIED, "");
    }
    return r;
}

void cart_session_tick(struct cart *c)
{
    const struct cart_trip *trip = &c->ledger.trip;
    if (trip->start == 0 || trip->paying || trip->paid) {
        return;
    }
    int64_t hold_ms = c->settings->idle_hold_ms > 0 ? c->settings->idle_hold_ms : IDLE_HOLD_MS;
    int64_t abandon_ms = c->settings->abandon_ms > 0 ? c->settings->abandon_ms : ABANDON_MS;
    int64_t quiet_ms = c->now.uptime_ms - c->input_ms;
    enum res r = RES_OK;
    /* What fails here for want of flash is tried again at the next tick. */
    if (trip->hold_due && !trip->paused) {
        r = cart_session_hold(c, WIRE_HOLD_PAYMENT);
    } else if (!trip->paused && quiet_ms >= hold_ms) {
        r = cart_session_hold(c, WIRE_HOLD_IDLE);
    } else if (trip->paused && quiet_ms >= abandon_ms) {
        r = cart_session_end(c, WIRE_ABANDONED);
    }
    (void)r;
}
