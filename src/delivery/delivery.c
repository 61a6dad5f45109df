#include "delivery.h"

#include <assert.h>

void delivery_init(struct delivery *d, int64_t now_ms, bool online)
{
    *d = (struct delivery){.state = online ? DELIVERY_QUEUED : DELIVERY_PENDING,
                           .created_ms = now_ms,
                           .not_before_ms = online ? now_ms : DELIVERY_NEVER_MS,
                           .expires_ms = DELIVERY_NEVER_MS};
}

bool delivery_is_open(const struct delivery *d)
{
    return d->state == DELIVERY_QUEUED || d->state == DELIVERY_SENT || d->state == DELIVERY_PENDING;
}

/* How long after send number `attempts` the next step is due: 1, 2, 4, 4 s. */
static int64_t wait_ms(int attempts)
{
    assert(attempts >= 1 && attempts <= DELIVERY_SENDS);
    return attempts >= 3 ? 4000 : 1000 * attempts;
}

int64_t delivery_due_ms(const struct delivery *d, const struct delivery_world *w)
{
    if (!delivery_is_open(d)) {
        return DELIVERY_NEVER_MS;
    }
    if (d->state == DELIVERY_SENT) {
        return d->sent_ms + wait_ms(d->attempts);
    }
    int64_t due = d->not_before_ms;
    int64_t gate = d->created_ms + DELIVERY_GATE_MS;
    if (d->state == DELIVERY_QUEUED && d->after_catalogue && !w->catalogue_published &&
        due < gate) {
        due = gate;
    }
    return due;
}

enum delivery_action delivery_turn(struct delivery *d, const struct delivery_world *w)
{
    if (delivery_due_ms(d, w) > w->now_ms) {
        return DELIVERY_REST;
    }
    if (d->expires_ms <= w->now_ms) {
        d->state = DELIVERY_FAILED;
        return DELIVERY_FAIL;
    }
    if (!w->online) {
        delivery_label_gone(d);
        return DELIVERY_PARK;
    }
    if (d->state == DELIVERY_SENT && d->attempts == DELIVERY_SENDS) {
        d->state = DELIVERY_FAILED;
        return DELIVERY_FAIL;
    }
    d->attempts = d->state == DELIVERY_PENDING ? 1 : d->attempts + 1;
    d->state = DELIVERY_SENT;
    d->sent_ms = w->now_ms;
    return DELIVERY_SEND;
}

void delivery_label_gone(struct delivery *d)
{
    if (delivery_is_open(d)) {
        d->state = DELIVERY_PENDING;
        d->not_before_ms = DELIVERY_NEVER_MS;
    }
}

void delivery_label_back(struct delivery *d, int64_t now_ms)
{
    if (d->state == DELIVERY_PENDING) {
        d->not_before_ms = now_ms + DELIVERY_GRACE_MS;
    }
}

void delivery_sweep(struct delivery *d, const struct delivery_world *w)
{
    if (d->state == DELIVERY_PENDING && d->not_before_ms == DELIVERY_NEVER_MS &&
        (w->online || d->expires_ms <= w->now_ms)) {
        d->not_before_ms = w->now_ms;
    }
}

bool delivery_confirm(struct delivery *d)
{
    if (d->state == DELIVERY_DISPLAYED || d->state == DELIVERY_SUPERSEDED) {
        return false;
    }
    d->state = DELIVERY_DISPLAYED;
    return true;
}

bool delivery_refuse(struct delivery *d)
{
    if (!delivery_is_open(d)) {
        return false;
    }
    d->state = DELIVERY_FAILED;
    return true;
}

void delivery_supersede(struct delivery *d)
{
    if (delivery_is_open(d)) {
        d->state = DELIVERY_SUPERSEDED;
    }
}
