#include "session.h"

#include <assert.h>
#include <string.h>

const char *session_status_name(enum session_status status)
{
    static const char *const names[] = {"none",     "active",    "paused",
                                        "complete", "abandoned", "voided"};
    assert((unsigned)status < sizeof names / sizeof names[0]);
    return names[status];
}

const char *session_fault_name(enum session_fault fault)
{
    static const char *const names[] = {"none", "session_id", "store_id", "transition", "epoch"};
    assert((unsigned)fault < sizeof names / sizeof names[0]);
    return names[fault];
}

void session_init(struct session *s)
{
    memset(s, 0, sizeof *s);
    s->hold_reason = WIRE_ABSENT;
    s->identity_method = WIRE_ABSENT;
}

bool session_is_open(const struct session *s)
{
    return s->status == SESSION_ACTIVE || s->status == SESSION_PAUSED;
}

struct span session_of_event(const struct wire_event *event)
{
    switch (event->type) {
    case WIRE_SCAN:
        return event->scan.session_id;
    case WIRE_SESSION_START:
        return event->session_start.session_id;
    case WIRE_SESSION_END:
        return event->session_end.session_id;
    case WIRE_IDENTIFY:
        return event->identify.session_id;
    case WIRE_FAULT:
        return event->fault.session_id;
    case WIRE_BOOT:
        return event->boot.session_id;
    case WIRE_HEALTH:
    case WIRE_COMMAND:
    case WIRE_COMMIT_ACK:
    case WIRE_PRODUCT:
    case WIRE_PAYMENT:
    case WIRE_CATALOGUE:
    case WIRE_PRICES:
        break;
    }
    return SPAN_NONE;
}

static struct session_step illegal(enum session_fault fault)
{
    return (struct session_step){SESSION_ILLEGAL, fault, false};
}

static struct session_step step(enum session_verdict verdict)
{
    return (struct session_step){verdict, SESSION_FAULT_NONE, false};
}

/* The id names this cart, and in a start its own identity. */
static bool id_fits(const struct wire_event *event, int64_t *ret_epoch, int64_t *ret_counter)
{
    struct span cart;
    return wire_session_id_read(session_of_event(event), &cart, ret_epoch, ret_counter) == RES_OK &&
           span_equal(cart, event->cart_id) && *ret_counter <= event->counter;
}

static struct session_step start(struct session *s, const struct session_input *in,
                                 struct session *ret_older)
{
    const struct wire_event *e = in->event;
    int64_t epoch;
    int64_t counter;
    if (!id_fits(e, &epoch, &counter) || epoch != e->epoch || counter != e->counter) {
        return illegal(SESSION_FAULT_ID);
    }
    if (!span_equal(e->session_start.store_id, in->store_id)) {
        return illegal(SESSION_FAULT_STORE);
    }
    struct session_step done = step(SESSION_APPLIED);
    if (session_is_open(s)) {
        s->status = SESSION_ABANDONED;
        s->hold_reason = WIRE_ABSENT;
        s->ended_ms = e->time_ms;
        s->superseded = true;
        *ret_older = *s;
        done.superseded = true;
    }
    session_init(s);
    s->status = SESSION_ACTIVE;
    s->epoch = epoch;
    s->start_counter = counter;
    s->last_counter = counter;
    s->started_ms = e->time_ms;
    s->first_received_ms = in->received_ms;
    return done;
}

static struct session_step hold_or_resume(struct session *s,
                                          const struct wire_session_start *change)
{
    bool hold = change->transition == WIRE_HOLD;
    if (s->status != (hold ? SESSION_ACTIVE : SESSION_PAUSED)) {
        return illegal(SESSION_FAULT_TRANSITION);
    }
    s->status = hold ? SESSION_PAUSED : SESSION_ACTIVE;
    s->hold_reason = hold ? change->reason : WIRE_ABSENT;
    return step(SESSION_APPLIED);
}

static struct session_step end(struct session *s, const struct wire_event *e)
{
    const struct wire_session_end *claim = &e->session_end;
    switch ((enum wire_outcome)claim->outcome) {
    case WIRE_COMPLETE:
        s->status = SESSION_COMPLETE;
        break;
    case WIRE_VOIDED:
        s->status = SESSION_VOIDED;
        break;
    case WIRE_ABANDONED:
        s->status = SESSION_ABANDONED;
        break;
    }
    s->hold_reason = WIRE_ABSENT;
    s->end_counter = e->counter;
    s->ended_ms = e->time_ms;
    s->claimed_items = claim->item_count;
    s->claimed_scans = claim->scan_count;
    s->claimed_unpriced = claim->unpriced;
    s->claimed_total = claim->total;
    if (claim->currency.size == 3) {
        memcpy(s->claimed_currency, claim->currency.data, 3);
    }
    s->reconciled = true;
    s->reasons = reconcile_compare(&s->fold, claim);
    return step(SESSION_APPLIED);
}

static enum res identify(struct session *s, const struct session_input *in,
                         struct session_step *ret_step)
{
    const struct wire_identify *who = &in->event->identify;
    uint8_t ref[WIRE_DIGEST_BYTES];
    enum res res = in->sha256(who->token, SPAN_NONE, ref);
    if (res != RES_OK) {
        return res;
    }
    *ret_step = step(SESSION_APPLIED);
    if (!s->identified) {
        s->identified = true;
        s->identity_method = who->method;
        memcpy(s->identity_ref, ref, sizeof ref);
    } else if (s->identity_method == who->method && memcmp(s->identity_ref, ref, sizeof ref) == 0) {
        *ret_step = step(SESSION_UNCHANGED);
    } else {
        s->identity_conflict = true;
    }
    return RES_OK;
}

static enum res scan(struct session *s, const struct session_input *in,
                     struct session_step *ret_step)
{
    const struct wire_event *e = in->event;
    enum res res = reconcile_scan(&s->fold, &e->scan, e->counter, in->body_digest, in->sha256);
    if (res != RES_OK) {
        return res;
    }
    bool mismatch = e->scan.weight == WIRE_WEIGHT_MISMATCH;
    s->mismatch_count += mismatch ? 1 : 0;
    *ret_step = step(mismatch ? SESSION_APPLIED : SESSION_FOLDED);
    return RES_OK;
}

static enum res apply_to_open(struct session *s, const struct session_input *in,
                              struct session_step *ret_step)
{
    const struct wire_event *e = in->event;
    if (e->epoch != s->epoch) {
        *ret_step = illegal(SESSION_FAULT_EPOCH);
        return RES_OK;
    }
    if (e->type == WIRE_SCAN) {
        return scan(s, in, ret_step);
    }
    if (e->type == WIRE_IDENTIFY) {
        return identify(s, in, ret_step);
    }
    *ret_step = e->type == WIRE_SESSION_END ? end(s, e) : hold_or_resume(s, &e->session_start);
    return RES_OK;
}

enum res session_apply(struct session *s, const struct session_input *input,
                       struct session *ret_older, struct session_step *ret_step)
{
    const struct wire_event *e = input->event;
    struct session_step done = step(SESSION_UNCHANGED);
    enum res res = RES_OK;
    int64_t epoch;
    int64_t counter;
    if (e->type != WIRE_SCAN && e->type != WIRE_SESSION_START && e->type != WIRE_SESSION_END &&
        e->type != WIRE_IDENTIFY) {
        done = step(SESSION_UNCHANGED);
    } else if (e->type == WIRE_SESSION_START && e->session_start.transition == WIRE_START) {
        done = start(s, input, ret_older);
    } else if (!id_fits(e, &epoch, &counter)) {
        done = illegal(SESSION_FAULT_ID);
    } else if (!session_is_open(s) || epoch != s->epoch || counter != s->start_counter) {
        done = step(SESSION_LATE);
    } else {
        res = apply_to_open(s, input, &done);
    }
    if (res == RES_OK) {
        if (done.verdict == SESSION_APPLIED || done.verdict == SESSION_FOLDED) {
            s->last_counter = e->counter;
        }
        *ret_step = done;
    }
    return res;
}
