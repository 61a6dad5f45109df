#include "ingest_commit.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ingest_load.h"
#include "ingest_product.h"

#define DOUBT_MS    200
#define LOOK_UP_GAP 64 /* counters between two events that are looked up together */

void ingest_commit_init(struct ingest_commit *c, const char *writer, struct ingest_devices *devices,
                        struct ingest_counters *counters)
{
    memset(c, 0, sizeof *c);
    c->writer = writer;
    c->devices = devices;
    c->counters = counters;
    ingest_keys_init(&c->keys, devices);
    ingest_changes_init(&c->changes);
    ingest_apply_init(&c->apply, devices, &c->changes, counters);
}

void ingest_commit_deinit(struct ingest_commit *c)
{
    ingest_apply_deinit(&c->apply);
    ingest_changes_deinit(&c->changes);
    pg_conn_close(c->conn);
    telemetry_close(c->telemetry);
    platform_signer_close(c->answer.downlink.signer);
}

static enum ingest_part part_of(const struct ingest_message *m)
{
    if (m->repeated) {
        bool asks = m->refusal == WIRE_FINE && m->has_identity &&
                    m->event.type == WIRE_SESSION_END &&
                    m->event.session_end.payment_token.size > 0;
        return asks ? INGEST_PART_ASK : INGEST_PART_NONE;
    }
    if (m->signature_valid && m->has_identity) {
        return m->refusal == WIRE_FINE ? INGEST_PART_EVENT : INGEST_PART_POISON;
    }
    return INGEST_PART_REFUSED;
}

/* By cart, then in counter order, then as they came: disorder within a batch costs nothing. */
static int compare(const void *a, const void *b)
{
    const struct ingest_item *x = a;
    const struct ingest_item *y = b;
    const struct ingest_message *m = x->m;
    const struct ingest_message *n = y->m;
    if (m->device != n->device) {
        return (uintptr_t)m->device < (uintptr_t)n->device ? -1 : 1;
    }
    if (m->epoch != n->epoch) {
        return m->epoch < n->epoch ? -1 : 1;
    }
    if (m->counter != n->counter) {
        return m->counter < n->counter ? -1 : 1;
    }
    return x->order < y->order ? -1 : 1;
}

static bool counts(const struct ingest_item *item)
{
    return item->part == INGEST_PART_EVENT || item->part == INGEST_PART_POISON;
}

void ingest_commit_begin(struct ingest_commit *c, struct ingest_message *const *messages,
                         size_t count)
{
    assert(count <= INGEST_BATCH_MAX);
    c->count = count;
    c->cart_count = 0;
    for (size_t i = 0; i < count; i++) {
        c->items[i] = (struct ingest_item){
            .m = messages[i], .order = (uint32_t)i, .part = part_of(messages[i])};
    }
    qsort(c->items, count, sizeof c->items[0], compare);
    for (size_t i = 0; i < count; i++) {
        struct ingest_device *device = c->items[i].m->device;
        bool known = c->cart_count > 0 && c->carts[c->cart_count - 1] == device;
        if (counts(&c->items[i]) && !known) {
            c->carts[c->cart_count++] = device;
        }
    }
}

static void drop_carts(struct ingest_commit *c)
{
    (void)pthread_mutex_lock(&c->devices->lock);
    for (size_t i = 0; i < c->cart_count; i++) {
        ingest_cart_free(c->carts[i]->cart);
        c->carts[i]->cart = NULL;
    }
    (void)pthread_mutex_unlock(&c->devices->lock);
}

/* What seemed too far ahead may only be so for us, when another process has moved the watermark:
 * the cart is read again before its event comes the next time. */
static void drop_doubtful(struct ingest_commit *c)
{
    (void)pthread_mutex_lock(&c->devices->lock);
    for (size_t i = 0; i < c->cart_count; i++) {
        struct ingest_cart *cart = c->carts[i]->cart;
        if (cart->loaded_ms == 0) {
            cart->loaded_ms = c->now_ms;
        }
        int64_t age_ms = c->now_ms - cart->loaded_ms;
        if (cart->doubtful && (age_ms >= DOUBT_MS || age_ms < 0)) {
            ingest_cart_free(cart);
            c->carts[i]->cart = NULL;
        }
    }
    (void)pthread_mutex_unlock(&c->devices->lock);
}

static void refuse(struct ingest_item *item, enum wire_refusal refusal)
{
    item->filed = true;
    item->refusal = refusal;
}

static enum res telemetry_failed(struct ingest_commit *c, enum res res)
{
    c->disk_failed = res != RES_NO_MEMORY;
    return res;
}

/* Items of one stream, in counter order, to be compared with what telemetry has. */
struct comparison {
    struct ingest_item *items;
    size_t count;
};

static enum res compare_stored(void *user, const struct telemetry_event *event,
                               telemetry_position position)
{
    (void)position;
    struct comparison *left = user;
    while (left->count > 0 && left->items->m->counter < event->counter) {
        left->items++;
        left->count--;
    }
    for (size_t i = 0; i < left->count && left->items[i].m->counter == event->counter; i++) {
        left->items[i].differs = !span_equal(event->body, left->items[i].m->body);
    }
    return RES_OK;
}

/* How many items from this one on are older than the ring and close enough to be read together. */
static size_t forgotten_run(const struct ingest_commit *c, const struct ingest_stream *s,
                            const struct ingest_item *first)
{
    const struct ingest_item *end = c->items + c->count;
    const struct ingest_item *i = first + 1;
    while (i < end && counts(i) && i->m->device == first->m->device &&
           i->m->epoch == first->m->epoch && i->m->counter - i[-1].m->counter <= LOOK_UP_GAP &&
           stream_window_place(&s->window, i->m->counter) == STREAM_WINDOW_SEEN &&
           fingerprint_ring_match(&s->prints, i->m->counter, i->m->print) ==
               FINGERPRINT_FORGOTTEN) {
        i++;
    }
    return (size_t)(i - first);
}

/* Compares an item with telemetry, and those that follow it with the same reading: a cart that
 * sends old events again sends many. Damage hides no more than the damaged block: what cannot be
 * read counts as the same. */
static enum res look_up(struct ingest_commit *c, const struct ingest_stream *s,
                        struct ingest_item *item, struct err *why)
{
    enum res res = RES_CORRUPT;
    for (size_t count = forgotten_run(c, s, item); res == RES_CORRUPT && count > 0;
         count = count > 1 ? 1 : 0) {
        struct comparison all = {item, count};
        for (size_t i = 0; i < count; i++) {
            item[i].differs = false;
        }
        res = telemetry_read_stream(c->telemetry, ingest_device_id(item->m->device), s->epoch,
                                    item->m->counter, item[count - 1].m->counter, compare_stored,
                                    &all, why);
        for (size_t i = 0; i < count; i++) {
            item[i].looked = res == RES_OK;
        }
    }
    return res == RES_CORRUPT ? RES_OK : res;
}

/* Its counter is accounted for. The same body again is a duplicate; another one, signed by the
 * device's own key, means a cloned key or a broken counter: the first one stays. */
static enum res judge_seen(struct ingest_commit *c, struct ingest_stream *s,
                           struct ingest_item *item, struct err *why)
{
    const struct ingest_message *m = item->m;
    enum fingerprint_match match = fingerprint_ring_match(&s->prints, m->counter, m->print);
    if (match == FINGERPRINT_FORGOTTEN && !m->appended) {
        enum res res = item->looked ? RES_OK : look_up(c, s, item, why);
        if (res != RES_OK) {
            return telemetry_failed(c, res);
        }
        match = item->differs ? FINGERPRINT_OTHER : FINGERPRINT_SAME;
    }
    if (match == FINGERPRINT_OTHER) {
        refuse(item, WIRE_EQUIVOCATION);
    } else {
        INGEST_COUNT(c->counters, duplicates, m->appended ? 0 : 1);
        (void)pthread_mutex_lock(&c->devices->lock);
        ingest_devices_notice(c->devices, m->device, INGEST_NOTICE_ACK);
        (void)pthread_mutex_unlock(&c->devices->lock);
        if (item->part == INGEST_PART_EVENT && m->event.type == WIRE_SESSION_END &&
            m->event.session_end.payment_token.size > 0) {
            return ingest_apply_ask(&c->apply, m->device, &m->event);
        }
    }
    return RES_OK;
}

/* A gap record's range is accounted for even when the record itself is too far ahead to be. */
static bool take_gap(struct ingest_stream *s, const struct ingest_item *item)
{
    const struct wire_event *e = &item->m->event;
    bool gap = item->part == INGEST_PART_EVENT && e->type == WIRE_FAULT &&
               e->fault.code == WIRE_FAULT_GAP && e->fault.gap_from >= 1 &&
               e->fault.gap_to >= e->fault.gap_from && e->fault.gap_to < e->counter;
    return !gap || stream_window_gap(&s->window, e->fault.gap_from, e->fault.gap_to);
}

static enum res find_stream(struct ingest_commit *c, struct ingest_item *item,
                            struct ingest_stream **ret)
{
    const struct ingest_message *m = item->m;
    struct ingest_cart *cart = m->device->cart;
    *ret = ingest_cart_stream(cart, m->epoch);
    if (*ret != NULL) {
        return RES_OK;
    }
    if (m->epoch < cart->current.epoch) {
        refuse(item, WIRE_STALE_EPOCH);
        return RES_OK;
    }
    bool first = cart->current.epoch == 0;
    (void)pthread_mutex_lock(&c->devices->lock);
    enum res res = ingest_cart_turn(cart, m->epoch);
    (void)pthread_mutex_unlock(&c->devices->lock);
    if (res != RES_OK) {
        return res;
    }
    if (!first) {
        struct ingest_alert alert = {.store_id = ingest_devices_store(c->devices, m->device),
                                     .kind = "security",
                                     .severity = INGEST_LOW,
                                     .device_id = ingest_device_id(m->device),
                                     .cause = "epoch_change",
                                     .message = "A cart began a new epoch: its flash was erased or "
                                                "its board replaced.",
                                     .occurrences = 1,
                                     .now_ms = m->received_ms};
        ingest_changes_alert(&c->changes, &alert);
    }
    *ret = &cart->current;
    return RES_OK;
}

static enum res judge(struct ingest_commit *c, struct ingest_item *item, struct err *why)
{
    const struct ingest_message *m = item->m;
    struct ingest_stream *s = NULL;
    if (m->device->revoked && !m->appended) {
        refuse(item, WIRE_REVOKED_DEVICE);
        return RES_OK;
    }
    enum res res = find_stream(c, item, &s);
    if (res != RES_OK || s == NULL) {
        return res;
    }
    enum stream_window_place place = stream_window_place(&s->window, m->counter);
    if (place == STREAM_WINDOW_SEEN) {
        return judge_seen(c, s, item, why);
    }
    (void)pthread_mutex_lock(&c->devices->lock);
    bool whole = take_gap(s, item);
    place = stream_window_place(&s->window, m->counter);
    item->accepted = place == STREAM_WINDOW_NEW && whole;
    if (item->accepted) {
        stream_window_mark(&s->window, m->counter);
        fingerprint_ring_put(&s->prints, m->counter, m->print);
    }
    (void)pthread_mutex_unlock(&c->devices->lock);
    if (!item->accepted) {
        INGEST_COUNT(c->counters, far, 1);
        m->device->cart->doubtful = true;
    } else if (item->part == INGEST_PART_POISON) {
        refuse(item, m->refusal);
    }
    return RES_OK;
}

static enum res append(struct ingest_commit *c, struct err *why)
{
    size_t count = 0;
    for (size_t i = 0; i < c->count; i++) {
        struct ingest_item *item = &c->items[i];
        const struct ingest_message *m = item->m;
        if (!item->accepted || m->appended || item->part != INGEST_PART_EVENT) {
            continue;
        }
        c->events[count++] =
            (struct telemetry_event){.device_id = ingest_device_id(m->device),
                                     .store_id = ingest_devices_store(c->devices, m->device),
                                     .session_id = session_of_event(&m->event),
                                     .type = (uint8_t)m->event.type,
                                     .epoch = m->epoch,
                                     .counter = m->counter,
                                     .device_time_ms = m->event.time_ms,
                                     .received_ms = m->received_ms,
                                     .body = m->body,
                                     .signature = m->signature};
    }
    if (count == 0) {
        return RES_OK;
    }
    enum res res = telemetry_append(c->telemetry, c->events, count, c->now_ms, &c->position, why);
    if (res != RES_OK) {
        return telemetry_failed(c, res);
    }
    for (size_t i = 0; i < c->count; i++) {
        struct ingest_item *item = &c->items[i];
        item->m->appended |= item->accepted && item->part == INGEST_PART_EVENT;
    }
    INGEST_COUNT(c->counters, stored, (int64_t)count);
    return RES_OK;
}

struct walk {
    struct ingest_commit *c;
    struct ingest_device *device;
    enum res applied; /* when applying failed, and not the reading */
};

static enum res apply_stored(void *user, const struct telemetry_event *stored,
                             telemetry_position position)
{
    (void)position;
    struct walk *w = user;
    struct wire_event event;
    struct wire_detail detail;
    unsigned unknown;
    uint8_t digest[WIRE_DIGEST_BYTES];
    if (wire_event_decode(stored->body, &event, &unknown, &detail) != WIRE_FINE) {
        return RES_OK;
    }
    w->applied = ecdsa_sha256(stored->body, digest);
    if (w->applied == RES_OK) {
        struct ingest_fact fact = {
            w->device, &event, digest, stored->body, stored->signature, stored->received_ms};
        w->applied = ingest_apply_event(&w->c->apply, &fact);
    }
    return w->applied;
}

/* Damage on disk is for people to see; it must not stop the carts. */
static enum res walked(struct ingest_commit *c, const struct walk *w, enum res res)
{
    if (res == RES_OK || w->applied != RES_OK) {
        return res;
    }
    if (res != RES_CORRUPT) {
        return telemetry_failed(c, res);
    }
    struct ingest_alert alert = {.kind = "platform",
                                 .severity = INGEST_HIGH,
                                 .device_id = ingest_device_id(w->device),
                                 .cause = "telemetry_corrupt",
                                 .message =
                                     "Stored events of a cart are damaged and were left out.",
                                 .occurrences = 1,
                                 .now_ms = c->now_ms};
    ingest_changes_alert(&c->changes, &alert);
    return RES_OK;
}

/* Applies what the watermark passed since `before`, in counter order: from the batch when it has
 * all of it, else from telemetry, where what came early was kept. */
static enum res apply_passed(struct ingest_commit *c, const struct ingest_stream *s,
                             struct ingest_item *items, size_t count, int64_t before,
                             struct err *why)
{
    int64_t here = 0;
    for (size_t i = 0; i < count; i++) {
        here += items[i].accepted && items[i].m->counter <= s->window.watermark ? 1 : 0;
    }
    struct ingest_device *device = items[0].m->device;
    if (here != s->window.watermark - before) {
        struct walk w = {c, device, RES_OK};
        enum res res =
            telemetry_read_stream(c->telemetry, ingest_device_id(device), s->epoch, before + 1,
                                  s->window.watermark, apply_stored, &w, why);
        return walked(c, &w, res);
    }
    enum res res = RES_OK;
    for (size_t i = 0; i < count && res == RES_OK; i++) {
        const struct ingest_message *m = items[i].m;
        if (items[i].accepted && items[i].part == INGEST_PART_EVENT &&
            m->counter <= s->window.watermark) {
            struct ingest_fact fact = {device,  &m->event,    m->digest,
                                       m->body, m->signature, m->received_ms};
            res = ingest_apply_event(&c->apply, &fact);
        }
    }
    return res;
}

/* The items of one cart are items[first..first + count); its watermarks as they were before. */
struct before {
    int64_t current_epoch;
    int64_t current;
    int64_t previous;
};

static struct before before_of(const struct ingest_cart *cart)
{
    return (struct before){cart->current.epoch, cart->current.window.watermark,
                           cart->previous != NULL ? cart->previous->window.watermark : 0};
}

static int64_t watermark_before(const struct before *b, const struct ingest_cart *cart,
                                const struct ingest_stream *s)
{
    if (s->epoch == b->current_epoch) {
        return b->current;
    }
    return s == cart->previous && s->epoch < b->current_epoch ? b->previous : 0;
}

static enum res apply_cart(struct ingest_commit *c, size_t first, size_t count,
                           const struct before *b, struct err *why)
{
    struct ingest_device *device = c->items[first].m->device;
    enum res res = RES_OK;
    for (size_t i = first; i < first + count && res == RES_OK;) {
        size_t n = 1;
        while (i + n < first + count && c->items[i + n].m->epoch == c->items[i].m->epoch) {
            n++;
        }
        struct ingest_stream *s = ingest_cart_stream(device->cart, c->items[i].m->epoch);
        if (s != NULL) {
            res = apply_passed(c, s, &c->items[i], n, watermark_before(b, device->cart, s), why);
        }
        i += n;
    }
    ingest_apply_cart_done(&c->apply, device);
    return res;
}

/* All streams of the cart that memory holds: whoever changes one of them is seen by everybody. */
static void put_streams(struct ingest_commit *c, struct ingest_device *device)
{
    struct ingest_origin o = {ingest_device_id(device), ingest_devices_store(c->devices, device),
                              c->now_ms};
    if (device->cart->current.epoch > 0) {
        ingest_changes_stream(&c->changes, &o, &device->cart->current);
    }
    if (device->cart->previous != NULL) {
        ingest_changes_stream(&c->changes, &o, device->cart->previous);
    }
}

static size_t group_end(const struct ingest_commit *c, size_t first)
{
    size_t end = first + 1;
    while (end < c->count && c->items[end].m->device == c->items[first].m->device) {
        end++;
    }
    return end;
}

static enum res judge_all(struct ingest_commit *c, struct before *befores, struct err *why)
{
    enum res res = RES_OK;
    size_t cart = 0;
    for (size_t i = 0; i < c->count; i++) {
        c->items[i].looked = false;
    }
    for (size_t i = 0; i < c->count && res == RES_OK; i++) {
        struct ingest_item *item = &c->items[i];
        item->accepted = false;
        item->filed = false;
        if (item->part == INGEST_PART_REFUSED) {
            refuse(item, item->m->refusal);
        } else if (item->part == INGEST_PART_ASK) {
            res = ingest_apply_ask(&c->apply, item->m->device, &item->m->event);
        }
        if (!counts(item)) {
            continue;
        }
        if (cart == 0 || c->carts[cart - 1] != item->m->device) {
            befores[cart++] = before_of(item->m->device->cart);
        }
        res = judge(c, item, why);
    }
    return res;
}

static enum res apply_all(struct ingest_commit *c, const struct before *befores, struct err *why)
{
    enum res res = RES_OK;
    size_t cart = 0;
    for (size_t i = 0; i < c->count && res == RES_OK;) {
        size_t end = group_end(c, i);
        bool accepted = false;
        bool member = false;
        for (size_t j = i; j < end; j++) {
            accepted |= c->items[j].accepted;
            member |= counts(&c->items[j]);
        }
        if (member) {
            struct ingest_cart *held = c->carts[cart]->cart;
            struct before now = before_of(held);
            bool moved = memcmp(&now, &befores[cart], sizeof now) != 0;
            c->acked[cart] = accepted || moved;
            if (c->acked[cart]) {
                res = apply_cart(c, i, end - i, &befores[cart], why);
                put_streams(c, c->carts[cart]);
                held->used_ms = c->now_ms;
            }
            cart++;
        }
        i = end;
    }
    return res;
}

/* A device that sends nothing but garbage does not fill the desk: what accounts for nothing is
 * filed as often as its budget allows, and counted always. */
static bool may_file(struct ingest_commit *c, const struct ingest_item *item)
{
    static const struct token_bucket_rate budget = {200000, 100};
    struct ingest_device *device = item->m->device;
    if (device == NULL) {
        return token_bucket_take(&c->strangers, &budget, c->now_ms * 1000);
    }
    if (item->accepted) {
        return true;
    }
    (void)pthread_mutex_lock(&c->devices->lock);
    bool may = token_bucket_take(&device->rarely, &budget, c->now_ms * 1000);
    (void)pthread_mutex_unlock(&c->devices->lock);
    return may;
}

static void raise_security(struct ingest_commit *c, const struct ingest_item *item)
{
    static const struct {
        enum wire_refusal refusal;
        enum ingest_severity severity;
        const char *message;
    } alarms[] = {
        {WIRE_BAD_SIGNATURE, INGEST_HIGH, "Messages in a device's name fail their signature."},
        {WIRE_HIGH_S, INGEST_MEDIUM, "Messages of a device carry signatures that were altered."},
        {WIRE_EQUIVOCATION, INGEST_HIGH,
         "A device signed two events under one counter: its key may be cloned."},
        {WIRE_REVOKED_DEVICE, INGEST_HIGH, "A revoked device still sends."},
    };
    const struct ingest_message *m = item->m;
    for (size_t i = 0; i < sizeof alarms / sizeof alarms[0]; i++) {
        if (alarms[i].refusal == item->refusal && m->device != NULL) {
            struct ingest_alert alert = {.store_id = ingest_devices_store(c->devices, m->device),
                                         .kind = "security",
                                         .severity = alarms[i].severity,
                                         .device_id = ingest_device_id(m->device),
                                         .cause = wire_refusal_name(item->refusal),
                                         .message = alarms[i].message,
                                         .occurrences = 1,
                                         .now_ms = m->received_ms};
            ingest_changes_alert(&c->changes, &alert);
        }
    }
}

static enum res file_all(struct ingest_commit *c)
{
    enum res res = RES_OK;
    for (size_t i = 0; i < c->count && res == RES_OK; i++) {
        struct ingest_item *item = &c->items[i];
        const struct ingest_message *m = item->m;
        if (!item->filed) {
            continue;
        }
        item->filed = may_file(c, item);
        if (!item->filed) {
            INGEST_COUNT(c->counters, refused[item->refusal], 1);
            continue;
        }
        raise_security(c, item);
        struct ingest_dead dead = {
            .topic = span_of(m->topic, m->topic_size),
            .claimed = span_of(m->claimed, m->claimed_size),
            .store_id = m->device != NULL ? ingest_devices_store(c->devices, m->device) : SPAN_NONE,
            .reason = wire_refusal_name(item->refusal),
            .field = m->detail.field,
            .limit = m->detail.limit,
            .epoch = m->epoch,
            .counter = m->counter,
            .frame = span_of(m->frame, m->frame_size),
            .received_ms = m->received_ms};
        res = ingest_changes_dead(&c->changes, &dead);
    }
    return res;
}

/* A device that nobody knows is asked for once; when it turns out to be new, its message is
 * forgotten: it will send it again, and then there is a key to verify it with. */
static enum res look_up_unknown(struct ingest_commit *c, struct err *why)
{
    for (size_t i = 0; i < c->count; i++) {
        struct ingest_item *item = &c->items[i];
        if (item->part != INGEST_PART_REFUSED || item->m->refusal != WIRE_UNKNOWN_DEVICE) {
            continue;
        }
        enum res res = ingest_keys_find(
            &c->keys, c->conn, span_of(item->m->claimed, item->m->claimed_size), c->now_ms, why);
        if (res == RES_OK) {
            item->part = INGEST_PART_NONE;
        } else if (res != RES_NOT_FOUND) {
            return res;
        }
    }
    return RES_OK;
}

static void take_answer(void *user, const struct session_answer *answer)
{
    struct ingest_commit *c = user;
    assert(answer->index >= 0 && (size_t)answer->index < c->apply.payment_count);
    struct ingest_payment *p = &c->apply.payments[answer->index];
    p->answered = true;
    p->accepted = answer->accepted;
    if (span_copy_text(answer->reason, p->reason, sizeof p->reason) != RES_OK) {
        p->reason[0] = '\0';
    }
}

static enum res attempt(struct ingest_commit *c, struct err *why)
{
    struct before befores[INGEST_BATCH_MAX];
    enum res res = look_up_unknown(c, why);
    if (res == RES_OK) {
        res = ingest_load_carts(c->devices, c->carts, c->cart_count, c->conn, c->telemetry, why);
    }
    if (res == RES_OK) {
        res = judge_all(c, befores, why);
    }
    if (res == RES_OK) {
        res = append(c, why);
    }
    if (res == RES_OK) {
        res = apply_all(c, befores, why);
    }
    if (res == RES_OK) {
        res = file_all(c);
    }
    if (res != RES_OK || !ingest_changes_any(&c->changes)) {
        return res;
    }
    res = ingest_changes_commit(&c->changes, c->conn, c->writer, c->partial ? 0 : c->position,
                                take_answer, c, why);
    c->refused = res == RES_INVALID || res == RES_LIMIT;
    return res;
}

enum res ingest_commit_attempt(struct ingest_commit *c, bool muted, struct err *why)
{
    ingest_changes_reset(&c->changes);
    ingest_apply_reset(&c->apply);
    c->apply.muted = muted;
    c->disk_failed = false;
    c->refused = false;
    enum res res = attempt(c, why);
    if (res != RES_OK) {
        drop_carts(c);
        return res;
    }
    int64_t accepted = 0;
    for (size_t i = 0; i < c->count; i++) {
        accepted += c->items[i].accepted ? 1 : 0;
        if (c->items[i].filed) {
            INGEST_COUNT(c->counters, refused[c->items[i].refusal], 1);
        }
    }
    for (size_t i = 0; i < c->cart_count; i++) {
        struct ingest_cart *cart = c->carts[i]->cart;
        if (c->acked[i]) {
            cart->current.version++;
            if (cart->previous != NULL) {
                cart->previous->version++;
            }
        }
    }
    INGEST_COUNT(c->counters, accepted, accepted);
    return RES_OK;
}

static void send_ack(struct ingest_commit *c, const struct ingest_device *device,
                     const struct ingest_stream *s)
{
    if (s->window.watermark == 0) {
        return;
    }
    struct wire_downlink d;
    wire_downlink_init(&d, WIRE_COMMIT_ACK);
    d.cart_id = ingest_device_id(device);
    d.time_ms = c->now_ms;
    d.commit_ack.epoch = s->epoch;
    d.commit_ack.through = s->window.watermark;
    if (ingest_answer_send(&c->answer, &d) == RES_OK) {
        INGEST_COUNT(c->counters, acks, 1);
    }
}

static void send_acks(struct ingest_commit *c, const struct ingest_device *device)
{
    const struct ingest_cart *cart = device->cart;
    if (cart == NULL) {
        return;
    }
    if (cart->previous != NULL) {
        send_ack(c, device, cart->previous);
    }
    send_ack(c, device, &cart->current);
}

static void send_payment(struct ingest_commit *c, const struct ingest_payment *p)
{
    struct wire_downlink d;
    wire_downlink_init(&d, WIRE_PAYMENT);
    d.cart_id = ingest_device_id(p->device);
    d.time_ms = c->now_ms;
    d.payment.epoch = p->epoch;
    d.payment.counter = p->counter;
    d.payment.outcome = p->accepted ? WIRE_ACCEPTED : WIRE_REFUSED;
    if (!p->accepted) {
        d.payment.reason = span_text(p->reason, sizeof p->reason - 1);
    }
    d.payment.token = span_text(p->token, sizeof p->token - 1);
    if (p->answered && ingest_answer_send(&c->answer, &d) == RES_OK) {
        INGEST_COUNT(c->counters, payments, 1);
    }
}

void ingest_commit_answer(struct ingest_commit *c)
{
    for (size_t i = 0; i < c->cart_count; i++) {
        if (c->acked[i]) {
            send_acks(c, c->carts[i]);
        }
    }
    for (size_t i = 0; i < c->apply.payment_count; i++) {
        send_payment(c, &c->apply.payments[i]);
    }
    for (size_t i = 0; i < c->count; i++) {
        const struct ingest_item *item = &c->items[i];
        const struct ingest_message *m = item->m;
        if (item->filed && m->claimed_size > 0) {
            ingest_answer_reject(&c->answer, span_of(m->claimed, m->claimed_size),
                                 wire_refusal_name(item->refusal), m->detail.field, m->epoch,
                                 m->counter);
        }
    }
    int64_t answered = ingest_product_answer(&c->answer, c->conn, c->devices, c->apply.wants,
                                             c->apply.want_count, c->now_ms);
    INGEST_COUNT(c->counters, products, answered);
    drop_doubtful(c);
}

enum res ingest_commit_notices(struct ingest_commit *c, struct err *why)
{
    (void)pthread_mutex_lock(&c->devices->lock);
    struct ingest_device *list = c->devices->notices;
    c->devices->notices = NULL;
    (void)pthread_mutex_unlock(&c->devices->lock);
    ingest_changes_reset(&c->changes);
    while (list != NULL) {
        struct ingest_device *device = list;
        (void)pthread_mutex_lock(&c->devices->lock);
        list = device->next_notice;
        uint8_t notices = device->notices;
        uint32_t flooded = device->flooded;
        device->notices = 0;
        device->flooded = 0;
        (void)pthread_mutex_unlock(&c->devices->lock);
        if ((notices & INGEST_NOTICE_ACK) != 0) {
            send_acks(c, device);
        }
        if ((notices & INGEST_NOTICE_FLOOD) != 0) {
            struct ingest_alert alert = {.store_id = ingest_devices_store(c->devices, device),
                                         .kind = "security",
                                         .severity = INGEST_MEDIUM,
                                         .device_id = ingest_device_id(device),
                                         .cause = "rate_limited",
                                         .message = "A device sends more than it may; the rest is "
                                                    "dropped.",
                                         .occurrences = flooded,
                                         .now_ms = c->now_ms};
            ingest_changes_alert(&c->changes, &alert);
        }
    }
    if (!ingest_changes_any(&c->changes)) {
        return RES_OK;
    }
    return ingest_changes_commit(&c->changes, c->conn, c->writer, 0, take_answer, c, why);
}
