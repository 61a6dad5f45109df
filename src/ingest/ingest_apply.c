#include "ingest_apply.h"

#include <stdlib.h>
#include <string.h>

#include "ecdsa.h"

void ingest_apply_init(struct ingest_apply *a, struct ingest_devices *devices,
                       struct ingest_changes *changes, struct ingest_counters *counters)
{
    memset(a, 0, sizeof *a);
    a->devices = devices;
    a->changes = changes;
    a->counters = counters;
}

void ingest_apply_deinit(struct ingest_apply *a)
{
    free(a->payments);
    free(a->wants);
}

void ingest_apply_reset(struct ingest_apply *a)
{
    a->payment_count = 0;
    a->want_count = 0;
    a->session_changed = false;
}

/* Room for one more; NULL when memory is out. */
static void *more(void *list, size_t *room, size_t count, size_t size)
{
    if (count < *room) {
        return list;
    }
    size_t wider = *room == 0 ? 64 : *room * 2;
    void *grown = realloc(list, wider * size);
    if (grown != NULL) {
        *room = wider;
    }
    return grown;
}

static struct ingest_origin origin_of(const struct ingest_apply *a, const struct ingest_fact *f)
{
    return (struct ingest_origin){ingest_device_id(f->device),
                                  ingest_devices_store(a->devices, f->device), f->received_ms};
}

static void alert(struct ingest_apply *a, const struct ingest_fact *f, const char *kind,
                  enum ingest_severity severity, const char *cause, const char *message)
{
    struct ingest_alert alert = {.store_id = ingest_devices_store(a->devices, f->device),
                                 .kind = kind,
                                 .severity = severity,
                                 .device_id = ingest_device_id(f->device),
                                 .session_id = session_of_event(f->event),
                                 .cause = cause,
                                 .message = message,
                                 .occurrences = 1,
                                 .now_ms = f->received_ms};
    ingest_changes_alert(a->changes, &alert);
}

/* The event is stored and counts; that it did nothing is for people to see. */
static enum res file_event(struct ingest_apply *a, const struct ingest_fact *f, const char *reason,
                           const char *field, struct span unless_session)
{
    uint8_t frame[WIRE_EVENT_BYTES_MAX + INGEST_FRAME_BYTES_MAX];
    char topic[INGEST_TOPIC_BYTES_MAX];
    struct sink whole;
    struct sink name;
    sink_init(&whole, frame, sizeof frame);
    sink_bytes(&whole, f->body);
    sink_bytes(&whole, f->signature);
    sink_init(&name, topic, sizeof topic);
    wire_topic_write(&name, f->event->cart_id, f->event->type);
    struct ingest_dead dead = {.topic = sink_span(&name),
                               .claimed = ingest_device_id(f->device),
                               .store_id = ingest_devices_store(a->devices, f->device),
                               .reason = reason,
                               .field = field,
                               .epoch = f->event->epoch,
                               .counter = f->event->counter,
                               .frame = sink_span(&whole),
                               .received_ms = f->received_ms,
                               .unless_session = unless_session};
    return ingest_changes_dead(a->changes, &dead);
}

enum res ingest_apply_ask(struct ingest_apply *a, struct ingest_device *device,
                          const struct wire_event *end)
{
    const struct wire_session_end *e = &end->session_end;
    struct ingest_payment *payments =
        more(a->payments, &a->payment_room, a->payment_count, sizeof *payments);
    if (payments == NULL) {
        return RES_NO_MEMORY;
    }
    a->payments = payments;
    struct ingest_payment *p = &payments[a->payment_count];
    memset(p, 0, sizeof *p);
    p->device = device;
    p->epoch = end->epoch;
    p->counter = end->counter;
    if (span_copy_text(e->payment_token, p->token, sizeof p->token) != RES_OK) {
        return RES_OK; /* longer than the wire allows: nobody waits for it */
    }
    session_changes_ask(&a->changes->sessions, (int64_t)a->payment_count, e->session_id,
                        e->payment_token);
    a->payment_count++;
    return RES_OK;
}

static enum res apply_end(struct ingest_apply *a, const struct ingest_fact *f, bool applied,
                          const struct session *s)
{
    const struct wire_session_end *e = &f->event->session_end;
    if (applied && s->reasons != 0) {
        alert(a, f, "session_mismatch", INGEST_MEDIUM, "session_mismatch",
              "A session does not add up; see its reasons.");
    }
    if (e->payment_token.size == 0) {
        return RES_OK;
    }
    if (applied) {
        struct session_payment p = {e->session_id,     ingest_devices_store(a->devices, f->device),
                                    e->payment_token,  e->payment_amount,
                                    e->currency,       e->payment_status == WIRE_APPROVED,
                                    f->event->counter, f->event->time_ms};
        session_changes_pay(&a->changes->sessions, &p);
    }
    return ingest_apply_ask(a, f->device, f->event);
}

static enum res want_product(struct ingest_apply *a, const struct ingest_fact *f)
{
    const struct wire_scan *s = &f->event->scan;
    if (s->price != WIRE_ABSENT || s->quantity < 0) {
        return RES_OK;
    }
    struct ingest_want *wants = more(a->wants, &a->want_room, a->want_count, sizeof *wants);
    if (wants == NULL) {
        return RES_NO_MEMORY;
    }
    a->wants = wants;
    struct ingest_want *w = &wants[a->want_count];
    w->device = f->device;
    w->epoch = f->event->epoch;
    /* A scan that asks again is answered in the name of the first one of its line. */
    w->counter = s->resolves != WIRE_ABSENT ? s->resolves : f->event->counter;
    if (span_copy_text(s->gtin, w->gtin, sizeof w->gtin) == RES_OK) {
        a->want_count++;
    }
    return RES_OK;
}

static enum res keep_open(struct ingest_device *device, const struct session *s)
{
    if (device->cart->session == NULL) {
        device->cart->session = malloc(sizeof *s);
        if (device->cart->session == NULL) {
            return RES_NO_MEMORY;
        }
    }
    *device->cart->session = *s;
    return RES_OK;
}

/* The row of a session that has ended is written now, of an open one when the cart is done. */
static enum res after_step(struct ingest_apply *a, const struct ingest_fact *f, struct session *s,
                           const struct session_step *step)
{
    struct session_place place = {ingest_device_id(f->device),
                                  ingest_devices_store(a->devices, f->device)};
    struct ingest_cart *cart = f->device->cart;
    enum res res = RES_OK;
    if (step->superseded) {
        session_changes_put(&a->changes->sessions, &place, &a->older);
    }
    if (step->verdict == SESSION_APPLIED && !session_is_open(s)) {
        session_changes_put(&a->changes->sessions, &place, s);
        a->session_changed = false;
    } else if (step->verdict == SESSION_APPLIED) {
        a->session_changed = true;
        res = s == &a->scratch ? keep_open(f->device, s) : RES_OK;
    }
    if (res == RES_OK && f->event->type == WIRE_SESSION_END) {
        res = apply_end(a, f, step->verdict == SESSION_APPLIED, s);
    }
    if (s == cart->session && !session_is_open(s)) {
        free(cart->session);
        cart->session = NULL;
    }
    return res;
}

static enum res apply_session(struct ingest_apply *a, const struct ingest_fact *f)
{
    struct ingest_cart *cart = f->device->cart;
    struct session *s = cart->session;
    if (s == NULL) {
        s = &a->scratch;
        session_init(s);
    }
    struct session_input in = {f->event, f->digest, ingest_devices_store(a->devices, f->device),
                               f->received_ms, ecdsa_sha256_two};
    struct session_step step;
    enum res res = session_apply(s, &in, &a->older, &step);
    if (res != RES_OK) {
        return res;
    }
    struct span id = session_of_event(f->event);
    if (step.verdict == SESSION_LATE) {
        INGEST_COUNT(a->counters, late, 1);
        session_changes_late(&a->changes->sessions, id);
        res = file_event(a, f, "unknown_session", "sessionId", id);
    } else if (step.verdict == SESSION_ILLEGAL) {
        INGEST_COUNT(a->counters, illegal, 1);
        res = file_event(a, f, "illegal_transition", session_fault_name(step.fault), SPAN_NONE);
    }
    return res == RES_OK ? after_step(a, f, s, &step) : res;
}

static enum res apply_scan(struct ingest_apply *a, const struct ingest_fact *f)
{
    enum res res = apply_session(a, f);
    if (res == RES_OK && f->event->scan.weight == WIRE_WEIGHT_MISMATCH) {
        struct session_place place = {ingest_device_id(f->device),
                                      ingest_devices_store(a->devices, f->device)};
        session_changes_mismatch(&a->changes->sessions, &place, f->event);
        alert(a, f, "weight_mismatch", INGEST_LOW, "weight_mismatch",
              "A scanned item did not weigh what it should.");
    }
    return res == RES_OK ? want_product(a, f) : res;
}

/* Said once a trip, and over when the trip is (session_end_resolves in the database): so only while
 * it lasts. */
static void alert_payment(struct ingest_apply *a, const struct ingest_fact *f)
{
    const struct session *s = f->device->cart->session;
    struct span session = f->event->fault.session_id;
    char open[WIRE_SESSION_ID_BYTES];
    struct sink id;
    sink_init(&id, open, sizeof open);
    if (s == NULL || !session_is_open(s)) {
        return;
    }
    wire_session_id_write(&id, ingest_device_id(f->device), s->epoch, s->start_counter);
    if (session.size > 0 && !span_equal(session, sink_span(&id))) {
        return;
    }
    struct ingest_alert alert = {.store_id = ingest_devices_store(a->devices, f->device),
                                 .kind = "payment_failed",
                                 .severity = INGEST_HIGH,
                                 .device_id = ingest_device_id(f->device),
                                 .session_id = sink_span(&id),
                                 .cause = "payment_failed",
                                 .of_session = true,
                                 .message = "A payment failed at a cart; the session is open, "
                                            "somebody should help.",
                                 .occurrences = 1,
                                 .now_ms = f->received_ms};
    ingest_changes_alert(a->changes, &alert);
}

static void apply_fault(struct ingest_apply *a, const struct ingest_fact *f)
{
    struct ingest_origin o = origin_of(a, f);
    const struct wire_fault *fault = &f->event->fault;
    ingest_changes_fault(a->changes, &o, f->event);
    if (fault->code == WIRE_FAULT_GAP) {
        ingest_changes_gap(a->changes, &o, f->event);
        alert(a, f, "event_gap", INGEST_MEDIUM, "event_gap",
              "A cart lost events for lack of flash, or found them damaged.");
    } else if (fault->code == WIRE_FAULT_PAYMENT_FAILED) {
        alert_payment(a, f);
    } else if (fault->severity == WIRE_HIGH) {
        alert(a, f, "fault", INGEST_HIGH, "fault", "A cart reports a serious fault.");
    }
}

enum res ingest_apply_event(struct ingest_apply *a, const struct ingest_fact *f)
{
    struct ingest_origin o = origin_of(a, f);
    if (a->muted) {
        return file_event(a, f, "not_applied", NULL, SPAN_NONE);
    }
    if (f->event->time_ms > f->received_ms + INGEST_SKEW_MS) {
        alert(a, f, "fault", INGEST_LOW, "clock_skew",
              "A cart's clock is ahead of ours by more than five minutes.");
    }
    switch (f->event->type) {
    case WIRE_SCAN:
        return apply_scan(a, f);
    case WIRE_SESSION_START:
    case WIRE_SESSION_END:
    case WIRE_IDENTIFY:
        return apply_session(a, f);
    case WIRE_HEALTH:
        ingest_changes_health(a->changes, &o, f->event);
        break;
    case WIRE_FAULT:
        apply_fault(a, f);
        break;
    case WIRE_BOOT:
        ingest_changes_boot(a->changes, &o, f->event);
        break;
    case WIRE_COMMAND:
    case WIRE_COMMIT_ACK:
    case WIRE_PRODUCT:
    case WIRE_PAYMENT:
    case WIRE_CATALOGUE:
    case WIRE_PRICES:
        break; /* never an event */
    }
    return RES_OK;
}

void ingest_apply_cart_done(struct ingest_apply *a, struct ingest_device *device)
{
    if (a->session_changed && device->cart->session != NULL) {
        struct session_place place = {ingest_device_id(device),
                                      ingest_devices_store(a->devices, device)};
        session_changes_put(&a->changes->sessions, &place, device->cart->session);
    }
    a->session_changed = false;
}
