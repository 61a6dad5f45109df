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

/* Shows the observer what the snapshot includes. */
static void observe(struct cart *c)
{
    const struct cart_observer *o = c->ports.observer;
    int64_t counter = c->observed_through + 1;
    while (o != NULL && counter <= c->saved_through) {
        struct span body;
        struct span signature;
        uint32_t size;
        if (flash_queue_read(&c->store.queue, &counter, c->frame, sizeof c->frame, &size) !=
                RES_OK ||
            counter > c->saved_through) {
            break;
        }
        if (!cart_ledger_is_void(&c->ledger, counter) &&
            wire_event_split(span_of(c->frame, size), &body, &signature) == WIRE_FINE) {
            o->event(o->context, c->ledger.epoch, counter, body);
        }
        counter++;
    }
    c->observed_through = c->saved_through;
}

void cart_event_save(struct cart *c)
{
    enum res r = cart_store_save(&c->store, &c->ledger);
    c->unsaved = r != RES_OK;
    if (r == RES_OK) {
        c->saved_through = c->ledger.through;
        observe(c);
    }
    cart_health_trouble(c, CART_TROUBLE_FLASH, r != RES_OK);
}

/* The scan's line as it was before, or as it is when it has seen this event already. */
static enum res read_line(struct cart *c, const struct wire_event *event, struct cart_line *line)
{
    bool first_read = event->scan.resolves == WIRE_ABSENT && event->scan.quantity > 0;
    enum res r = cart_store_line(&c->store, event->scan.line, line);
    if (r != RES_OK && r != RES_IO) {
        /* New, or damaged on flash: then the event itself is the best that is known of it. */
        memset(line, 0, sizeof *line);
        line->quantity = first_read ? 0 : (int16_t)event->scan.quantity;
        r = RES_OK;
    }
    return r;
}

static enum res write_line(struct cart *c, const struct wire_event *event,
                           const struct cart_line *line)
{
    enum res r = cart_store_put_line(&c->store, event->scan.line, line);
    /* Full is for after very many power cuts: this line then can't change any more. */
    return r == RES_FULL ? RES_OK : r;
}

static bool has_line(const struct cart *c, const struct wire_event *event)
{
    return event->type == WIRE_SCAN && c->ledger.trip.start != 0;
}

/* Into the ledger; *line is what is to be written when the event has one. */
static enum res fold(struct cart *c, const struct wire_event *event, struct span body,
                     struct cart_line *line)
{
    bool scan = has_line(c, event);
    enum res r = RES_OK;
    if (scan) {
        r = read_line(c, event, line);
        if (r == RES_OK) {
            cart_ledger_line(line, event);
        }
    } else if (event->type == WIRE_SESSION_START && event->session_start.transition == WIRE_START) {
        r = cart_store_clear_lines(&c->store);
    }
    if (r == RES_OK) {
        r = cart_ledger_apply(&c->ledger, c->ports.secure, event, body, scan ? line : NULL);
    }
    return r;
}

/* The newest event of the ledger from flash: its line may have been cut off. */
static enum res mend_line(struct cart *c)
{
    struct cart_line line;
    struct wire_event event;
    struct wire_detail why;
    struct span body;
    struct span signature;
    unsigned unknown;
    uint32_t size;
    int64_t counter = c->ledger.through;
    enum res r = flash_queue_read(&c->store.queue, &counter, c->frame, sizeof c->frame, &size);
    if (r == RES_OK && counter == c->ledger.through && !cart_ledger_is_void(&c->ledger, counter) &&
        wire_event_split(span_of(c->frame, size), &body, &signature) == WIRE_FINE &&
        wire_event_decode(body, &event, &unknown, &why) == WIRE_FINE && has_line(c, &event)) {
        r = read_line(c, &event, &line);
        if (r == RES_OK && line.through < event.counter) {
            cart_ledger_line(&line, &event);
            r = write_line(c, &event, &line);
        }
    }
    r = r == RES_NOT_FOUND ? RES_OK : r;
    c->line_due = r != RES_OK;
    return r;
}

/* Folds in what is on flash beyond the ledger and before `end`. */
static enum res fold_through(struct cart *c, int64_t end)
{
    enum res r = RES_OK;
    int64_t counter = c->ledger.through + 1;
    while (r == RES_OK) {
        struct cart_line line;
        struct wire_event event;
        struct wire_detail why;
        struct span body;
        struct span signature;
        unsigned unknown;
        uint32_t size;
        r = flash_queue_read(&c->store.queue, &counter, c->frame, sizeof c->frame, &size);
        if (r == RES_NOT_FOUND || (r == RES_OK && counter >= end)) {
            return RES_OK;
        }
        if (r == RES_OK && !cart_ledger_is_void(&c->ledger, counter) &&
            wire_event_split(span_of(c->frame, size), &body, &signature) == WIRE_FINE &&
            wire_event_decode(body, &event, &unknown, &why) == WIRE_FINE) {
            bool scan = has_line(c, &event);
            r = fold(c, &event, body, &line);
            if (r == RES_OK && scan) {
                r = write_line(c, &event, &line);
            }
        }
        counter++;
    }
    return r;
}

enum res cart_event_recover(struct cart *c)
{
    enum res r = c->line_due ? mend_line(c) : RES_OK;
    if (r == RES_OK) {
        r = fold_through(c, flash_queue_next_counter(&c->store.queue));
    }
    c->behind = r != RES_OK;
    if (r == RES_OK && c->ledger.through != c->saved_through) {
        cart_event_save(c);
    }
    return r;
}

/* Every range that the queue knows to be lost. */
void cart_event_take_damage(struct cart *c)
{
    int64_t from;
    int64_t to;
    bool news = false;
    while (cart_ledger_has_void_room(&c->ledger) &&
           flash_queue_damage(&c->store.queue, &from, &to) == RES_OK) {
        enum res r = cart_ledger_add_void(&c->ledger, from, to);
        news = news || r == RES_OK;
    }
    if (news) {
        cart_event_save(c);
    }
}

enum res cart_event_start(struct cart *c)
{
    int64_t next = flash_queue_next_counter(&c->store.queue);
    int64_t last = next - 1;
    bool unconfirmed = last > c->ledger.through;
    /* The last event was being made when the power went, unless a snapshot includes it: it may be
     * torn and still read well, now or another time. Nobody has seen it. */
    enum res r = mend_line(c);
    if (r == RES_OK) {
        r = fold_through(c, last);
    }
    if (r == RES_OK && unconfirmed) {
        if (cart_ledger_add_void(&c->ledger, last, last) == RES_OK) {
            c->ledger.through = last;
        } else {
            r = fold_through(c, next); /* after very many cuts: believe what can be read */
        }
    }
    if (r != RES_OK) {
        return r;
    }
    cart_event_take_damage(c);
    cart_event_save(c);
    return c->unsaved ? RES_IO : RES_OK;
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

/* Order: ledger and snapshot, then the line: an event that the snapshot lacks may turn out void,
 * and then it must not have left a trace. */
static void settle(struct cart *c, const struct wire_event *event, struct span body)
{
    struct cart_line line;
    bool scan = has_line(c, event);
    if (fold(c, event, body, &line) != RES_OK) {
        c->behind = true;
        return;
    }
    cart_event_save(c);
    if (scan && write_line(c, event, &line) != RES_OK) {
        c->line_due = true;
        c->behind = true;
    }
}

enum res cart_event_emit(struct cart *c, enum flash_queue_class class, struct wire_event *event)
{
    if (c->behind && cart_event_recover(c) != RES_OK) {
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
    settle(c, event, body);
    return RES_OK;
}
