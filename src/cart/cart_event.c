#include "cart_core.h"

#include <assert.h>
#include <string.h>

struct span cart_event_session(const struct cart *c, char text[WIRE_SESSION_ID_BYTES])
{
    struct sink s;
    sink_init(&s, text, WIRE_SESSION_ID_BYTES);
    if (c->ledger.trip.start != 0) {
        wire_session_id_write(&s, span_text(c->settings->cart_id, 32), c->ledger.epoch,
                              c->ledger.trip.start);
    }
    assert(!s.overflow);
    return sink_span(&s);
}

void cart_event_save(struct cart *c)
{
    enum res r = cart_store_save(&c->store, &c->ledger);
    c->unsaved = r != RES_OK;
    if (r == RES_OK) {
        c->saved_through = c->ledger.through;
    }
    cart_health_trouble(c, CART_TROUBLE_FLASH, r != RES_OK);
}

/* The line must be on flash before the snapshot that counts it. */
static enum res fold_line(struct cart *c, const struct wire_event *event, struct cart_line *line)
{
    bool first_read = event->scan.resolves == WIRE_ABSENT && event->scan.quantity > 0;
    enum res r = cart_store_line(&c->store, event->scan.line, line);
    if (r != RES_OK) {
        if (r == RES_IO) {
            return r;
        }
        /* New, or damaged on flash: then the event itself is the best that is known of it. */
        memset(line, 0, sizeof *line);
        line->quantity = first_read ? 0 : (int16_t)event->scan.quantity;
    }
    if (line->through >= event->counter) {
        return RES_OK;
    }
    cart_ledger_line(line, event);
    r = cart_store_put_line(&c->store, event->scan.line, line);
    /* Full is for after very many power cuts: this line then can't change any more. */
    return r == RES_FULL ? RES_OK : r;
}

static enum res fold(struct cart *c, const struct wire_event *event, struct span body)
{
    struct cart_line line;
    bool scan = event->type == WIRE_SCAN && c->ledger.trip.start != 0;
    enum res r = RES_OK;
    if (scan) {
        r = fold_line(c, event, &line);
    } else if (event->type == WIRE_SESSION_START && event->session_start.transition == WIRE_START) {
        r = cart_store_clear_lines(&c->store);
    }
    if (r == RES_OK) {
        r = cart_ledger_apply(&c->ledger, c->ports.secure, event, body, scan ? &line : NULL);
    }
    return r;
}

static void observe(const struct cart *c, int64_t counter, struct span body)
{
    const struct cart_observer *o = c->ports.observer;
    if (o != NULL) {
        o->event(o->context, c->ledger.epoch, counter, body);
    }
}

enum res cart_event_recover(struct cart *c, bool starting)
{
    enum res r = RES_OK;
    int64_t counter = starting ? 1 : c->ledger.through + 1;
    for (;;) {
        struct wire_event event;
        struct wire_detail why;
        struct span body;
        struct span signature;
        unsigned unknown;
        uint32_t size;
        r = flash_queue_read(&c->store.queue, &counter, c->frame, sizeof c->frame, &size);
        if (r != RES_OK) {
            break;
        }
        if (wire_event_split(span_of(c->frame, size), &body, &signature) == WIRE_FINE &&
            wire_event_decode(body, &event, &unknown, &why) == WIRE_FINE) {
            if (starting) {
                observe(c, counter, body);
            }
            if (counter > c->ledger.through) {
                r = fold(c, &event, body);
                if (r != RES_OK) {
                    break;
                }
            }
        }
        counter++;
    }
    c->behind = r != RES_NOT_FOUND;
    if (!c->behind && c->ledger.through != c->saved_through) {
        cart_event_save(c);
    }
    return c->behind ? r : RES_OK;
}

/* Body and signature into c->frame. */
static enum res build(struct cart *c, struct wire_event *event, struct span *ret_body)
{
    char session[WIRE_SESSION_ID_BYTES];
    struct sink s;
    event->cart_id = span_text(c->settings->cart_id, 32);
    event->epoch = c->ledger.epoch;
    event->counter = flash_queue_next_counter(&c->store.queue);
    event->time_ms = c->now.utc_ms > 0 ? c->now.utc_ms : 0;
    if (event->type == WIRE_SESSION_START && event->session_start.transition == WIRE_START) {
        sink_init(&s, session, sizeof session);
        wire_session_id_write(&s, event->cart_id, event->epoch, event->counter);
        event->session_start.session_id = sink_span(&s);
    }
    sink_init(&s, c->frame, sizeof c->frame - WIRE_SIGNATURE_BYTES);
    enum res r = wire_event_encode(event, &s);
    if (event->type == WIRE_SESSION_START && event->session_start.transition == WIRE_START) {
        event->session_start.session_id = SPAN_NONE; /* it was in `session` */
    }
    if (r != RES_OK) {
        return r;
    }
    struct span body = sink_span(&s);
    r = c->ports.secure->sign(c->ports.secure->context, body, c->frame + body.size);
    if (r == RES_OK) {
        *ret_body = body;
    }
    return r;
}

static enum res append(struct cart *c, enum flash_queue_class class, struct wire_event *event,
                       struct span *ret_body)
{
    enum res r = RES_IO;
    /* A medium that refused once may have burnt the counter: make the event anew with the next. */
    for (int tries = 0; tries < 2 && r == RES_IO; tries++) {
        r = build(c, event, ret_body);
        if (r == RES_OK) {
            r = flash_queue_append(&c->store.queue, class, event->counter,
                                   span_of(c->frame, ret_body->size + WIRE_SIGNATURE_BYTES));
            cart_health_trouble(c, CART_TROUBLE_FLASH, r == RES_IO);
        }
    }
    return r;
}

static void refuse(struct cart *c, enum flash_queue_class class)
{
    c->counts.refused++;
    if (class < FLASH_QUEUE_SESSION) {
        c->ledger.refused[class]++;
        cart_event_save(c);
    }
}

enum res cart_event_emit(struct cart *c, enum flash_queue_class class, struct wire_event *event)
{
    if (c->behind && cart_event_recover(c, false) != RES_OK) {
        return RES_AGAIN;
    }
    if (c->boot_due && event->type != WIRE_BOOT) {
        enum res booted = cart_health_boot(c);
        if (booted != RES_OK) {
            return booted;
        }
    }
    struct span body;
    enum res r = append(c, class, event, &body);
    if (r == RES_FULL) {
        refuse(c, class);
        return r;
    }
    if (r != RES_OK) {
        return r == RES_IO ? RES_AGAIN : r;
    }
    c->counts.appended++;
    observe(c, event->counter, body);
    if (fold(c, event, body) == RES_OK) {
        cart_event_save(c);
    } else {
        c->behind = true;
    }
    return RES_OK;
}
