#include "cart_core.h"

#include <assert.h>
#include <string.h>

static struct span reference(const struct cart *c, char text[TERMINAL_REFERENCE_BYTES_MAX])
{
    char session[WIRE_SESSION_ID_BYTES];
    struct sink s;
    sink_init(&s, text, TERMINAL_REFERENCE_BYTES_MAX);
    sink_bytes(&s, cart_event_session(c, session));
    sink_byte(&s, '-');
    sink_u64(&s, c->ledger.trip.pay_tries + 1);
    assert(!s.overflow);
    return sink_span(&s);
}

static enum res request(struct cart *c)
{
    char text[TERMINAL_REFERENCE_BYTES_MAX];
    const struct cart_trip *trip = &c->ledger.trip;
    const struct terminal *t = c->ports.terminal;
    struct span currency = span_text(trip->currency, sizeof trip->currency);
    c->pay_ms = c->now.uptime_ms;
    return t->request(t->context, reference(c, text), trip->pay_minor, currency);
}

enum res cart_pay_begin(struct cart *c)
{
    struct cart_trip *trip = &c->ledger.trip;
    if (trip->start == 0 || trip->item_count == 0) {
        cart_view_show(c, DISPLAY_NOT_NOW, "empty basket");
        return RES_CONFLICT;
    }
    enum res r = cart_session_ready(c);
    if (r != RES_OK) {
        return r;
    }
    if (trip->unpriced > 0) {
        cart_view_show(c, DISPLAY_NOT_NOW, "a price is missing");
        return RES_CONFLICT;
    }
    if (trip->total_minor == 0) {
        return cart_session_end(c, WIRE_COMPLETE);
    }
    /* On flash before the terminal knows: after a power cut the same reference is asked again. */
    trip->paying = 1;
    trip->pay_minor = trip->total_minor;
    cart_event_save(c);
    r = c->unsaved ? RES_AGAIN : request(c);
    if (r != RES_OK) {
        trip->paying = 0;
        cart_event_save(c);
        cart_view_show(c, DISPLAY_NOT_NOW, "no terminal");
        return r;
    }
    cart_view_show(c, DISPLAY_PAYING, "");
    return RES_OK;
}

static void failed(struct cart *c, const char *why)
{
    struct cart_trip *trip = &c->ledger.trip;
    cart_view_show(c, DISPLAY_DECLINED, why);
    /* Folding this fault ends the payment and makes the hold due. */
    enum res r =
        cart_health_fault(c, FLASH_QUEUE_SESSION, WIRE_FAULT_PAYMENT_FAILED, WIRE_MEDIUM, why);
    if (r != RES_OK && trip->paying) {
        trip->paying = 0;
        trip->pay_tries++;
        trip->hold_due = 1;
        cart_event_save(c);
    }
    cart_session_tick(c);
}

static void end_paid(struct cart *c)
{
    int64_t counter = flash_queue_next_counter(&c->store.queue);
    enum res r = cart_session_end(c, WIRE_COMPLETE);
    if (r == RES_OK && c->ledger.payment_end >= counter) {
        c->payment_end_ms = c->now.uptime_ms;
    }
}

/* What the wire takes for a token (16..64 characters), and never a card number (C-050). */
static bool is_token(struct span token)
{
    if (token.size < 16 || token.size > TERMINAL_TOKEN_BYTES_MAX || gtin_looks_like_card(token)) {
        return false;
    }
    for (size_t i = 0; i < token.size; i++) {
        uint8_t byte = token.data[i];
        bool fine = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
                    (byte >= 'A' && byte <= 'Z') || byte == '_' || byte == '-';
        if (!fine) {
            return false;
        }
    }
    return true;
}

void cart_pay_answer(struct cart *c, struct span of, enum terminal_answer answer, struct span token)
{
    char text[TERMINAL_REFERENCE_BYTES_MAX];
    struct cart_trip *trip = &c->ledger.trip;
    if (!trip->paying || !span_equal(of, reference(c, text))) {
        return; /* of a payment that was given up, and reversed then (terminal.h) */
    }
    if (answer == TERMINAL_APPROVED && !is_token(token)) {
        cart_pay_reverse(c);
        failed(c, "terminal sent no token");
        return;
    }
    if (answer != TERMINAL_APPROVED) {
        failed(c, answer == TERMINAL_DECLINED ? "declined" : "terminal failed");
        return;
    }
    memset(trip->token, 0, sizeof trip->token);
    memcpy(trip->token, token.data, token.size);
    trip->paying = 0;
    trip->paid = 1;
    cart_event_save(c);
    end_paid(c);
}

void cart_pay_reverse(struct cart *c)
{
    char text[TERMINAL_REFERENCE_BYTES_MAX];
    if (c->ledger.trip.paying) {
        c->ports.terminal->reverse(c->ports.terminal->context, reference(c, text));
    }
}

void cart_pay_confirmed(struct cart *c, const struct wire_payment *payment)
{
    if (payment->epoch != c->ledger.epoch || payment->counter != c->ledger.payment_end) {
        return; /* another trip's, or answered already */
    }
    if (payment->outcome == WIRE_ACCEPTED) {
        cart_view_show(c, DISPLAY_PAYMENT_ACCEPTED, "");
    } else {
        cart_view_line(c, DISPLAY_PAYMENT_REFUSED, payment->reason, 0, 0, 0);
    }
    c->ledger.payment_end = 0;
    cart_event_save(c);
}

void cart_pay_recover(struct cart *c)
{
    c->payment_end_ms = c->now.uptime_ms;
    if (c->ledger.trip.paying && request(c) != RES_OK) {
        failed(c, "no terminal after a restart");
    }
}

void cart_pay_tick(struct cart *c)
{
    const struct cart_trip *trip = &c->ledger.trip;
    if (trip->paid) {
        end_paid(c);
    } else if (trip->paying && c->now.uptime_ms - c->pay_ms >= CART_TERMINAL_TIMEOUT_MS) {
        cart_pay_reverse(c);
        failed(c, "terminal did not answer");
    }
    if (c->ledger.payment_end != 0 && c->payment_end_ms != INT64_MIN &&
        c->now.uptime_ms - c->payment_end_ms >= CART_PAYMENT_ANSWER_MS) {
        c->payment_end_ms = INT64_MIN;
        cart_view_show(c, DISPLAY_PAYMENT_LATER, "");
    }
}
