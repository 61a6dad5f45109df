#include "label_fold.h"

#include <string.h>

void label_fold_init(struct label_fold *f, struct label_device *device)
{
    memset(f, 0, sizeof *f);
    f->device = device;
    f->stream = device->stream;
}

void label_fold_seen(struct label_fold *f, int64_t received_ms)
{
    if (received_ms > f->seen_ms) {
        f->seen_ms = received_ms;
    }
    f->link = LABEL_LINK_UP;
    f->asleep_until_ms = 0;
}

void label_fold_presence(struct label_fold *f, const struct label_presence *p)
{
    if (p->at_ms < f->link_ms) {
        return; /* old news */
    }
    f->link = p->online ? LABEL_LINK_UP : LABEL_LINK_DOWN;
    f->link_ms = p->at_ms;
    if (p->online) {
        f->serial = p->serial;
        f->asleep_until_ms = 0;
    }
}

enum label_stream_place label_fold_event(struct label_fold *f, int64_t epoch, int64_t counter)
{
    struct label_stream_lost lost;
    enum label_stream_place place = label_stream_take(&f->stream, epoch, counter, &lost);
    if (lost.from > 0) {
        f->lost = lost;
    }
    return place;
}

/* Counter 0 is no event, sent once: it is as new as it looks. */
static bool is_newer(int64_t epoch, int64_t counter, int64_t than_epoch, int64_t than_counter)
{
    return counter == 0 || epoch > than_epoch || (epoch == than_epoch && counter >= than_counter);
}

static void show(struct label_fold *f, const struct label_shown *shown)
{
    if (!f->shown.said ||
        is_newer(shown->epoch, shown->counter, f->shown.epoch, f->shown.counter)) {
        int64_t refreshed_ms = f->shown.refreshed_ms;
        f->shown = *shown;
        if (f->shown.refreshed_ms == 0) {
            f->shown.refreshed_ms = refreshed_ms;
        }
    }
}

/* A label's clock may be wrong: its time is believed only if it is not after ours. */
static int64_t believed_ms(int64_t device_ms, int64_t received_ms)
{
    return device_ms > 0 && device_ms < received_ms ? device_ms : received_ms;
}

void label_fold_status(struct label_fold *f, const struct shelf_status *s, int64_t received_ms)
{
    if (f->status == NULL || is_newer(s->epoch, s->counter, f->status->epoch, f->status->counter)) {
        f->status = s;
        f->status_ms = received_ms;
    }
    const struct label_shown shown = {
        .said = true,
        .epoch = s->epoch,
        .counter = s->counter,
        .version = s->shows ? s->display_version : 0,
        .digest = s->display_digest,
        .price_minor = s->price_minor,
        .product_id = s->product_id,
        .refreshed_ms = s->last_update_ms > 0 ? believed_ms(s->last_update_ms, received_ms) : 0};
    show(f, &shown);
    if (s->reason == SHELF_SLEEP) {
        f->link = LABEL_LINK_DOWN;
        f->asleep_until_ms = received_ms + s->sleep_s * 1000;
    }
    if (s->gap_from > 0) {
        label_stream_gap(&f->stream, s->epoch, s->gap_from, s->gap_to);
        f->lost = (struct label_stream_lost){s->gap_from, s->gap_to};
    }
}

void label_fold_ack(struct label_fold *f, const struct shelf_ack *a, int64_t received_ms)
{
    if (a->kind != SHELF_ACK_DISPLAY || a->status != SHELF_DISPLAYED) {
        return;
    }
    const struct label_shown shown = {.said = true,
                                      .epoch = a->epoch,
                                      .counter = a->counter,
                                      .version = a->version,
                                      .digest = a->digest,
                                      .price_minor = a->price_minor,
                                      .product_id = a->product_id,
                                      .refreshed_ms =
                                          a->refreshed ? believed_ms(a->time_ms, received_ms) : 0};
    show(f, &shown);
}

void label_fold_report(struct label_fold *f, const struct shelf_report *r)
{
    f->reports = true;
    if (r->aisle.size + r->shelf.size + r->position.size > 0) {
        f->report.aisle = r->aisle;
        f->report.shelf = r->shelf;
        f->report.position = r->position;
    }
    if (r->config_version > 0) {
        f->report.config_version = r->config_version;
    }
    if (r->certificate_number > 0) {
        f->report.certificate_number = r->certificate_number;
        f->report.csr = r->csr;
    }
}
