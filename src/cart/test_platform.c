#include "test_platform.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "secure_sim.h"

#define LINES_MAX 300

struct test_platform *test_platform_new(struct network_sim *net, const char *cart_id)
{
    struct test_platform *p = calloc(1, sizeof *p);
    assert(p != NULL);
    p->net = net;
    p->cart_id = cart_id;
    return p;
}

void test_platform_free(struct test_platform *p)
{
    if (p == NULL) {
        return;
    }
    for (size_t e = 0; e < TEST_PLATFORM_EPOCHS; e++) {
        for (size_t i = 0; i <= TEST_PLATFORM_EVENTS_MAX; i++) {
            free(p->streams[e].events[i].body);
        }
    }
    free(p);
}

int64_t test_platform_price(struct span gtin)
{
    int64_t price = 7;
    for (size_t i = 0; i < gtin.size; i++) {
        price = (price * 31 + gtin.data[i]) % 50000;
    }
    return price + 100;
}

void test_platform_send(struct test_platform *p, struct wire_downlink *message)
{
    uint8_t bytes[NETWORK_SIM_FRAME_BYTES_MAX];
    struct sink s;
    if (message->type != WIRE_CATALOGUE && message->type != WIRE_PRICES) {
        message->cart_id = span_text(p->cart_id, 32);
    }
    message->time_ms = p->now_ms;
    sink_init(&s, bytes, sizeof bytes - WIRE_SIGNATURE_BYTES);
    enum res r = wire_downlink_encode(message, &s);
    assert(r == RES_OK);
    secure_sim_sign_platform(sink_span(&s), bytes + s.size);
    network_sim_send(p->net, span_of(bytes, s.size + WIRE_SIGNATURE_BYTES));
}

static const struct test_platform_event *find(const struct test_platform *p, int64_t epoch,
                                              int64_t counter)
{
    if (epoch < 1 || epoch > TEST_PLATFORM_EPOCHS || counter < 1 ||
        counter > TEST_PLATFORM_EVENTS_MAX) {
        return NULL;
    }
    return &p->streams[epoch - 1].events[counter];
}

bool test_platform_event(const struct test_platform *p, int64_t epoch, int64_t counter,
                         struct wire_event *ret_event)
{
    const struct test_platform_event *e = find(p, epoch, counter);
    struct wire_detail why;
    unsigned unknown;
    return e != NULL && e->body != NULL &&
           wire_event_decode(span_of(e->body, e->size), ret_event, &unknown, &why) == WIRE_FINE;
}

bool test_platform_has(const struct test_platform *p, int64_t epoch, int64_t counter,
                       struct span body)
{
    const struct test_platform_event *e = find(p, epoch, counter);
    return e != NULL && e->body != NULL && span_equal(span_of(e->body, e->size), body);
}

int64_t test_platform_watermark(const struct test_platform *p, int64_t epoch)
{
    return p->streams[epoch - 1].watermark;
}

/* --- a session that ended, against what was received --- */

struct tally {
    int64_t items;
    int64_t scans;
    int64_t unpriced;
    int64_t total;
    int64_t first;
    int64_t last;
    int64_t left[LINES_MAX];
    int64_t price[LINES_MAX];
    uint8_t digest[SECURE_DIGEST_BYTES];
};

static void tally_scan(struct tally *t, const struct wire_event *event, struct span body)
{
    const struct wire_scan *scan = &event->scan;
    uint8_t digest[SECURE_DIGEST_BYTES];
    assert(scan->line >= 1 && scan->line < LINES_MAX);
    secure_sim_digest(body, SPAN_NONE, digest);
    secure_sim_digest(span_of(t->digest, sizeof t->digest), span_of(digest, sizeof digest),
                      t->digest);
    t->scans++;
    t->first = t->first == 0 ? event->counter : t->first;
    t->last = event->counter;
    if (scan->resolves == WIRE_ABSENT) {
        t->items += scan->quantity;
        t->left[scan->line] += scan->quantity;
        assert(t->left[scan->line] >= 0);
    }
    if (scan->price != WIRE_ABSENT) {
        assert(t->price[scan->line] == WIRE_ABSENT || t->price[scan->line] == scan->price);
        t->price[scan->line] = scan->price;
    }
}

static void judge(struct test_platform *p, const struct wire_event *end)
{
    struct tally t;
    struct span cart_id;
    int64_t epoch;
    int64_t start;
    uint8_t hex[2 * SECURE_DIGEST_BYTES];
    struct sink s;
    memset(&t, 0, sizeof t);
    for (size_t i = 0; i < LINES_MAX; i++) {
        t.price[i] = WIRE_ABSENT;
    }
    enum res r = wire_session_id_read(end->session_end.session_id, &cart_id, &epoch, &start);
    assert(r == RES_OK && epoch == end->epoch);
    for (int64_t counter = start; counter < end->counter; counter++) {
        struct wire_event event;
        const struct test_platform_event *stored = find(p, epoch, counter);
        if (test_platform_event(p, epoch, counter, &event) && event.type == WIRE_SCAN) {
            assert(span_equal(event.scan.session_id, end->session_end.session_id));
            tally_scan(&t, &event, span_of(stored->body, stored->size));
        }
    }
    for (size_t i = 0; i < LINES_MAX; i++) {
        if (t.price[i] == WIRE_ABSENT) {
            t.unpriced += t.left[i];
        } else {
            t.total += t.left[i] * t.price[i];
        }
    }
    sink_init(&s, hex, sizeof hex);
    sink_hex(&s, span_of(t.digest, sizeof t.digest));
    assert(t.items == end->session_end.item_count && t.scans == end->session_end.scan_count);
    assert(t.unpriced == end->session_end.unpriced && t.total == end->session_end.total);
    assert(t.first == end->session_end.first_scan && t.last == end->session_end.last_scan);
    assert(span_equal(sink_span(&s), end->session_end.digest));
    p->judged++;
    p->ended[end->session_end.outcome]++;
}

/* --- what came in --- */

static void answer_payment(struct test_platform *p, const struct wire_event *event)
{
    struct wire_downlink m;
    wire_downlink_init(&m, WIRE_PAYMENT);
    m.payment.epoch = event->epoch;
    m.payment.counter = event->counter;
    m.payment.outcome = WIRE_ACCEPTED;
    m.payment.token = event->session_end.payment_token;
    test_platform_send(p, &m);
}

static void answer_product(struct test_platform *p, const struct wire_event *event)
{
    struct wire_downlink m;
    if (p->products_every == 0) {
        return;
    }
    wire_downlink_init(&m, WIRE_PRODUCT);
    m.product.epoch = event->epoch;
    bool again = event->scan.resolves != WIRE_ABSENT;
    m.product.counter = again ? event->scan.resolves : event->counter;
    m.product.gtin = event->scan.gtin;
    m.product.found = (uint64_t)event->counter % p->products_every != 0;
    if (m.product.found == 1) {
        m.product.sku = SPAN_LIT("SKU-ANSWER");
        m.product.name = SPAN_LIT("Answered product");
        m.product.price = test_platform_price(event->scan.gtin);
        m.product.currency = SPAN_LIT("INR");
        m.product.weight_g = 0;
        m.product.per_kg = 0;
    }
    test_platform_send(p, &m);
}

static void apply(struct test_platform *p, const struct wire_event *event)
{
    struct test_platform_stream *stream = &p->streams[event->epoch - 1];
    if (event->type == WIRE_FAULT && event->fault.code == WIRE_FAULT_GAP &&
        event->fault.gap_from > 0) {
        for (int64_t c = event->fault.gap_from; c <= event->fault.gap_to; c++) {
            stream->events[c].known = true;
            stream->events[c].gap = true;
        }
    }
    if (event->type == WIRE_SCAN && event->scan.price == WIRE_ABSENT && event->scan.quantity > 0) {
        answer_product(p, event);
    }
    if (event->type == WIRE_SESSION_END && event->session_end.payment_token.size > 0) {
        p->paid++;
        answer_payment(p, event);
    }
    if (event->type == WIRE_HEALTH && event->health.command_number != WIRE_ABSENT) {
        p->last_health_command = event->health.command_number;
        p->last_health_outcome = event->health.command_outcome;
    }
}

static void advance(struct test_platform *p, int64_t epoch)
{
    struct test_platform_stream *stream = &p->streams[epoch - 1];
    while (stream->watermark < TEST_PLATFORM_EVENTS_MAX &&
           stream->events[stream->watermark + 1].known) {
        struct wire_event event;
        stream->watermark++;
        if (test_platform_event(p, epoch, stream->watermark, &event) &&
            event.type == WIRE_SESSION_END) {
            judge(p, &event);
        }
    }
    struct wire_downlink m;
    wire_downlink_init(&m, WIRE_COMMIT_ACK);
    m.commit_ack.epoch = epoch;
    m.commit_ack.through = stream->watermark;
    test_platform_send(p, &m);
}

static void receive(struct test_platform *p, struct span frame)
{
    struct wire_event event;
    struct wire_detail why;
    struct span body;
    struct span signature;
    unsigned unknown;
    enum wire_refusal refusal = wire_event_split(frame, &body, &signature);
    assert(refusal == WIRE_FINE);
    assert(secure_sim_verify_device(body, signature));
    refusal = wire_event_decode(body, &event, &unknown, &why);
    assert(refusal == WIRE_FINE && unknown == 0);
    assert(event.epoch >= 1 && event.epoch <= TEST_PLATFORM_EPOCHS);
    assert(event.counter >= 1 && event.counter <= TEST_PLATFORM_EVENTS_MAX);
    struct test_platform_stream *stream = &p->streams[event.epoch - 1];
    struct test_platform_event *e = &stream->events[event.counter];
    p->received++;
    if (event.counter > stream->watermark + TEST_PLATFORM_WINDOW) {
        return; /* dropped: it will come again */
    }
    assert(!e->gap); /* declared lost, and yet here */
    if (e->known) {
        /* The same counter with another body would be a reused counter. */
        assert(span_equal(body, span_of(e->body, e->size)));
        p->duplicates++;
    } else {
        e->known = true;
        e->size = (uint16_t)body.size;
        e->body = malloc(body.size);
        assert(e->body != NULL);
        memcpy(e->body, body.data, body.size);
        apply(p, &event);
    }
    advance(p, event.epoch);
}

void test_platform_step(struct test_platform *p)
{
    uint8_t bytes[NETWORK_SIM_FRAME_BYTES_MAX];
    size_t size;
    while (network_sim_take(p->net, true, bytes, &size)) {
        receive(p, span_of(bytes, size));
    }
}
