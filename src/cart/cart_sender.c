#include "cart_core.h"

#include "backoff.h"

void cart_sender_init(struct cart *c)
{
    /* After a cut the queue may know less than the snapshot, or more. */
    int64_t released = flash_queue_first_counter(&c->store.queue) - 1;
    c->ledger.acked = released > c->ledger.acked ? released : c->ledger.acked;
    c->next_send = c->ledger.acked + 1;
    c->resend_after_ms = CART_RESEND_FIRST_MS;
    c->connect_ms = c->now.uptime_ms;
}

static void restart_from_watermark(struct cart *c)
{
    c->resent_through = c->next_send - 1;
    c->next_send = c->ledger.acked + 1;
    c->next_gap = 0;
    c->progress_ms = c->now.uptime_ms;
}

void cart_sender_connected(struct cart *c)
{
    c->connected = true;
    c->connecting = false;
    c->failures = 0;
    c->resend_after_ms = CART_RESEND_FIRST_MS;
    restart_from_watermark(c);
}

void cart_sender_disconnected(struct cart *c)
{
    uint32_t jitter = 0;
    if (!c->connected && !c->connecting) {
        return;
    }
    c->connected = false;
    c->connecting = false;
    c->failures++;
    if (c->ports.secure->random(c->ports.secure->context, &jitter, sizeof jitter) != RES_OK) {
        jitter = (uint32_t)c->now.uptime_ms; /* only to spread; no secret */
    }
    c->connect_ms =
        c->now.uptime_ms + backoff_delay_ms(c->failures, jitter, CART_BACKOFF_JITTER_PCT);
}

static void release(struct cart *c)
{
    /* An event that the snapshot does not include must stay, to be folded in after a power cut. */
    int64_t keep = c->line_due ? c->saved_through - 1 : c->saved_through;
    int64_t through = c->ledger.acked < keep ? c->ledger.acked : keep;
    if (through >= flash_queue_first_counter(&c->store.queue)) {
        enum res r = flash_queue_release(&c->store.queue, through);
        cart_health_trouble(c, CART_TROUBLE_FLASH, r == RES_IO);
        cart_ledger_drop_voids(&c->ledger, through);
    }
}

void cart_sender_acknowledged(struct cart *c, const struct wire_commit_ack *ack)
{
    if (ack->epoch != c->ledger.epoch || ack->through < c->ledger.acked ||
        ack->through >= flash_queue_next_counter(&c->store.queue)) {
        return; /* of an earlier epoch, overtaken, or about events that were never made */
    }
    if (ack->through == c->ledger.acked) {
        /* Something beyond a hole has arrived. Once for each watermark, so that a platform that is
         * stuck is not pressed: later the doubling pauses hold. */
        if (!c->hinted && c->resend_after_ms > CART_RESEND_HINTED_MS) {
            c->resend_after_ms = CART_RESEND_HINTED_MS;
        }
        c->hinted = true;
        return;
    }
    c->hinted = false;
    c->ledger.acked = ack->through;
    if (c->next_send <= c->ledger.acked) {
        c->next_send = c->ledger.acked + 1;
    }
    c->progress_ms = c->now.uptime_ms;
    /* Progress that stops short of what was resent: the way is open, and one more was lost on it.
     */
    c->resend_after_ms =
        c->ledger.acked < c->resent_through ? CART_RESEND_HINTED_MS : CART_RESEND_FIRST_MS;
    release(c);
}

static void connect_tick(struct cart *c)
{
    const struct network *n = c->ports.network;
    if (c->connecting && c->now.uptime_ms - c->connect_ms >= CART_CONNECT_TIMEOUT_MS) {
        n->disconnect(n->context);
        cart_sender_disconnected(c);
    } else if (!c->connecting && !c->connected && c->now.uptime_ms >= c->connect_ms) {
        c->connecting = true;
        c->connect_ms = c->now.uptime_ms;
        if (n->connect(n->context) != RES_OK) {
            cart_sender_disconnected(c);
        }
    }
}

/* The event at or after *counter, decoded; its frame is in c->frame. */
static enum res read_event(struct cart *c, int64_t *counter, struct span *ret_frame,
                           struct wire_event *ret_event)
{
    struct wire_detail why;
    struct span body;
    struct span signature;
    unsigned unknown;
    uint32_t size;
    for (;;) {
        enum res r = flash_queue_read(&c->store.queue, counter, c->frame, sizeof c->frame, &size);
        if (r != RES_OK) {
            return r;
        }
        *ret_frame = span_of(c->frame, size);
        if (!cart_ledger_is_void(&c->ledger, *counter) &&
            wire_event_split(*ret_frame, &body, &signature) == WIRE_FINE &&
            wire_event_decode(body, ret_event, &unknown, &why) == WIRE_FINE) {
            return RES_OK;
        }
        ++*counter; /* void, or written by a firmware that knew more: not ours to send */
    }
}

static enum res publish(struct cart *c, const struct wire_event *event, struct span frame)
{
    uint8_t topic_bytes[64];
    struct sink topic;
    sink_init(&topic, topic_bytes, sizeof topic_bytes);
    wire_topic_write(&topic, event->cart_id, event->type);
    enum res r = c->ports.network->publish(c->ports.network->context, sink_span(&topic), frame);
    if (r == RES_OK) {
        c->counts.published++;
    }
    return r;
}

/* The first gap record from next_gap on that tells of counters the platform still waits for; 0. */
static int64_t next_told(const struct cart *c)
{
    int64_t next = 0;
    for (size_t i = 0; i < CART_VOIDS_MAX; i++) {
        int64_t told = c->ledger.voids[i].told;
        if (told > c->ledger.acked && told >= c->next_gap && told <= c->saved_through &&
            (next == 0 || told < next)) {
            next = told;
        }
    }
    return next;
}

static enum res send_gaps(struct cart *c)
{
    int64_t told;
    while ((told = next_told(c)) != 0) {
        struct wire_event event;
        struct span frame;
        int64_t counter = told;
        enum res r = read_event(c, &counter, &frame, &event);
        if (r == RES_OK && counter == told) {
            r = publish(c, &event, frame);
        }
        if (r != RES_OK) {
            return r;
        }
        c->next_gap = told + 1;
    }
    return RES_OK;
}

static enum res send_next(struct cart *c)
{
    struct wire_event event;
    struct span frame;
    int64_t counter = c->next_send;
    enum res r = read_event(c, &counter, &frame, &event);
    if (r == RES_OK && (counter > c->ledger.acked + CART_WINDOW || counter > c->saved_through)) {
        return RES_FULL;
    }
    if (r == RES_OK) {
        r = publish(c, &event, frame);
    }
    if (r == RES_OK) {
        c->next_send = counter + 1;
    }
    return r;
}

void cart_sender_tick(struct cart *c)
{
    connect_tick(c);
    release(c);
    if (!c->connected) {
        return;
    }
    bool waiting = c->next_send > c->ledger.acked + 1;
    if (!waiting) {
        c->progress_ms = c->now.uptime_ms;
    } else if (c->now.uptime_ms - c->progress_ms >= c->resend_after_ms) {
        restart_from_watermark(c);
        c->resend_after_ms *= 2;
        if (c->resend_after_ms > CART_RESEND_MAX_MS) {
            c->resend_after_ms = CART_RESEND_MAX_MS;
        }
    }
    enum res r = send_gaps(c);
    while (r == RES_OK && c->next_send <= c->ledger.acked + CART_WINDOW) {
        r = send_next(c);
    }
}
