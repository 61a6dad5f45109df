#include "bench_load.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "gtin.h"
#include "rng.h"

#define PRODUCTS      2000
#define TEXT_BYTES    64
#define THREADS_MAX   64
#define TOKEN_BYTES   24
#define SCANS_MIN     6
#define SCANS_MAX     24
#define BODY_MAX      (WIRE_EVENT_BYTES_MAX - WIRE_SIGNATURE_BYTES)
#define SCAN_GAP_MS   9000
#define LOAD_START_MS INT64_C(1795262400000) /* 2026-11-21T12:00:00Z */

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "endcap-bench: cannot make the load: %s\n", what);
    exit(1);
}

/* One cart going round the store, again and again. */
struct trip {
    const struct bench_load_cart *cart;
    struct rng rng;
    int64_t epoch;
    int64_t counter;
    int64_t time_ms;
    unsigned step; /* 0: no session; then 1 start, 2 identify, scans, end */
    unsigned scans_left;
    int64_t lines;
    int64_t items;
    int64_t total;
    int64_t first_scan;
    int64_t last_scan;
    uint8_t chain[WIRE_DIGEST_BYTES];
    char session[WIRE_SESSION_ID_BYTES + 1];
    char texts[4][TEXT_BYTES];
};

static struct span text_of(const char *text)
{
    return span_text(text, TEXT_BYTES);
}

static void fill_scan(struct trip *t, struct wire_event *e)
{
    struct rng product;
    rng_init(&product, rng_below(&t->rng, PRODUCTS) * 77 + 1);
    char *gtin = t->texts[0];
    (void)snprintf(gtin, TEXT_BYTES, "890%09llu",
                   (unsigned long long)rng_below(&product, 1000000000));
    gtin[12] = gtin_check_digit(span_of(gtin, 12));
    gtin[13] = '\0';
    (void)snprintf(t->texts[1], TEXT_BYTES, "GRO-%05llu",
                   (unsigned long long)rng_below(&product, 100000));
    int64_t price = 500 + (int64_t)rng_below(&product, 90000);
    int64_t weight = 50 + (int64_t)rng_below(&product, 2000);
    struct wire_scan *m = &e->scan;
    m->session_id = text_of(t->session);
    m->line = ++t->lines;
    m->gtin = text_of(gtin);
    m->sku = text_of(t->texts[1]);
    m->quantity = 1 + (int64_t)(rng_below(&t->rng, 8) == 0);
    m->price = price;
    m->currency = SPAN_LIT("INR");
    m->price_source = WIRE_PRICE_CACHE;
    m->weight_expected_g = weight;
    m->weight_delta_g = weight + (int64_t)rng_below(&t->rng, 9) - 4;
    m->weight = WIRE_WEIGHT_OK;
    t->items += m->quantity;
    t->total += m->quantity * price;
    t->first_scan = t->first_scan == 0 ? t->counter : t->first_scan;
    t->last_scan = t->counter;
}

/* Letters only: digits in a row might make a card number. */
static void fill_token(struct trip *t, char text[TEXT_BYTES])
{
    for (size_t i = 0; i < TOKEN_BYTES; i++) {
        text[i] = (char)('a' + rng_below(&t->rng, 26));
    }
    text[TOKEN_BYTES] = '\0';
}

static void fill_end(struct trip *t, struct wire_event *e)
{
    struct sink digest;
    sink_init(&digest, t->texts[2], TEXT_BYTES);
    sink_hex(&digest, span_of(t->chain, sizeof t->chain));
    fill_token(t, t->texts[3]);
    struct wire_session_end *m = &e->session_end;
    m->session_id = text_of(t->session);
    m->outcome = WIRE_COMPLETE;
    m->item_count = t->items;
    m->scan_count = t->lines;
    m->unpriced = 0;
    m->first_scan = t->first_scan;
    m->last_scan = t->last_scan;
    m->total = t->total;
    m->currency = SPAN_LIT("INR");
    m->digest = sink_span(&digest);
    m->payment_token = text_of(t->texts[3]);
    m->payment_amount = t->total;
    m->payment_status = WIRE_APPROVED;
}

static void fill_health(struct trip *t, struct wire_event *e)
{
    struct wire_health *m = &e->health;
    m->mode = t->step == 0 ? WIRE_IDLE : WIRE_ACTIVE;
    m->battery_pct = 20 + (int64_t)rng_below(&t->rng, 80);
    m->signal_dbm = -80 + (int64_t)rng_below(&t->rng, 40);
    m->laser_deci_c = 280 + (int64_t)rng_below(&t->rng, 80);
    m->drift_g = (int64_t)rng_below(&t->rng, 7) - 3;
    m->link = WIRE_WIFI;
    m->x_cm = (int64_t)rng_below(&t->rng, 4000);
    m->y_cm = (int64_t)rng_below(&t->rng, 3000);
    m->queued = (int64_t)rng_below(&t->rng, 8);
    m->catalog_version = 3;
}

static void fill_boot(struct wire_event *e)
{
    struct wire_boot *m = &e->boot;
    m->firmware = SPAN_LIT("1.4.2");
    m->hardware = SPAN_LIT("endcap-cart-r1");
    m->reason = WIRE_BOOT_POWER;
    m->slot = SPAN_LIT("A");
    m->security_counter = 4;
    m->catalog_version = 3;
    m->command_number = 0;
}

/* What the cart says next. */
static enum wire_type next_type(struct trip *t)
{
    if (t->counter == 1) {
        return WIRE_BOOT;
    }
    if (t->step == 0) {
        return WIRE_SESSION_START;
    }
    if (t->step == 1 && rng_below(&t->rng, 2) == 0) {
        return WIRE_IDENTIFY;
    }
    if (t->scans_left == 0) {
        return WIRE_SESSION_END;
    }
    return rng_below(&t->rng, 7) == 0 ? WIRE_HEALTH : WIRE_SCAN;
}

static void start_session(struct trip *t, struct wire_event *e)
{
    struct sink s;
    sink_init(&s, t->session, sizeof t->session - 1);
    wire_session_id_write(&s, e->cart_id, t->epoch, t->counter);
    t->session[s.size] = '\0';
    t->scans_left = SCANS_MIN + (unsigned)rng_below(&t->rng, SCANS_MAX - SCANS_MIN);
    t->lines = t->items = t->total = t->first_scan = t->last_scan = 0;
    memset(t->chain, 0, sizeof t->chain);
    e->session_start.session_id = text_of(t->session);
    e->session_start.transition = WIRE_START;
    e->session_start.store_id = SPAN_LIT(BENCH_LOAD_STORE);
}

static void next_event(struct trip *t, struct wire_event *e)
{
    t->counter++;
    t->time_ms += 1000 + (int64_t)rng_below(&t->rng, SCAN_GAP_MS);
    enum wire_type type = next_type(t);
    wire_event_init(e, type);
    e->cart_id = text_of(t->cart->id);
    e->epoch = t->epoch;
    e->counter = t->counter;
    e->time_ms = t->time_ms;
    switch (type) {
    case WIRE_BOOT:
        fill_boot(e);
        break;
    case WIRE_SESSION_START:
        start_session(t, e);
        t->step = 1;
        break;
    case WIRE_IDENTIFY:
        fill_token(t, t->texts[0]);
        e->identify.session_id = text_of(t->session);
        e->identify.method = WIRE_LOYALTY;
        e->identify.token = text_of(t->texts[0]);
        t->step = 2;
        break;
    case WIRE_SCAN:
        fill_scan(t, e);
        t->scans_left--;
        t->step = 2;
        break;
    case WIRE_SESSION_END:
        fill_end(t, e);
        t->step = 0;
        break;
    case WIRE_HEALTH:
        fill_health(t, e);
        break;
    case WIRE_FAULT:
    case WIRE_COMMAND:
    case WIRE_COMMIT_ACK:
    case WIRE_PRODUCT:
    case WIRE_PAYMENT:
    case WIRE_CATALOGUE:
    case WIRE_PRICES:
    default:
        die("no such message");
    }
}

/* chain := SHA-256(chain || SHA-256(body)), wire.h */
static void chain_scan(struct trip *t, struct span body)
{
    uint8_t digest[ECDSA_DIGEST_BYTES];
    if (ecdsa_sha256(body, digest) != RES_OK ||
        ecdsa_sha256_two(span_of(t->chain, sizeof t->chain), span_of(digest, sizeof digest),
                         t->chain) != RES_OK) {
        die("no memory");
    }
}

static void make_message(struct trip *t, struct bench_load_message *m, uint8_t *frame)
{
    struct wire_event e;
    struct sink body;
    sink_init(&body, frame, BODY_MAX);
    next_event(t, &e);
    enum res r = wire_event_encode(&e, &body);
    if (r != RES_OK) {
        struct wire_detail detail = {NULL, 0};
        enum wire_refusal refusal = wire_event_check(&e, &detail);
        (void)fprintf(stderr, "%s %s %s\n", wire_type_name(e.type), wire_refusal_name(refusal),
                      detail.field == NULL ? "" : detail.field);
        die("a message breaks the catalogue");
    }
    if (ecdsa_sign(t->cart->key, sink_span(&body), frame + body.size) != RES_OK) {
        die("cannot sign");
    }
    if (e.type == WIRE_SCAN) {
        chain_scan(t, sink_span(&body));
    }
    m->size = (uint16_t)(body.size + WIRE_SIGNATURE_BYTES);
    m->type = (uint8_t)e.type;
    m->counter = e.counter;
    m->time_ms = e.time_ms;
    m->frame = frame;
    bool outside = e.type == WIRE_BOOT || e.type == WIRE_HEALTH;
    (void)snprintf(m->session_id, sizeof m->session_id, "%s", outside ? "" : t->session);
}

struct share {
    struct bench_load_cart *carts;
    struct bench_load_run *run;
    size_t cart_count;
    size_t per_cart;
    size_t first;
    size_t step;
};

static void *make_share(void *user)
{
    const struct share *s = user;
    for (size_t c = s->first; c < s->cart_count; c += s->step) {
        struct trip t = {.cart = &s->carts[c], .epoch = s->run->epoch, .time_ms = LOAD_START_MS};
        rng_init(&t.rng, c * 1000 + (uint64_t)s->run->epoch);
        for (size_t i = 0; i < s->per_cart; i++) {
            size_t at = i * s->cart_count + c;
            s->run->messages[at].cart = (uint32_t)c;
            make_message(&t, &s->run->messages[at], s->run->block + at * WIRE_EVENT_BYTES_MAX);
        }
    }
    return NULL;
}

struct bench_load_cart *bench_load_carts(size_t count)
{
    struct bench_load_cart *carts = calloc(count, sizeof *carts);
    if (carts == NULL || count > BENCH_LOAD_CARTS_MAX) {
        die("no memory for the carts");
    }
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(carts[i].id, sizeof carts[i].id, "CART-B%03u", (unsigned)i);
        if (ecdsa_private_new(&carts[i].key) != RES_OK) {
            die("no key");
        }
        ecdsa_private_point(carts[i].key, carts[i].point);
        for (unsigned type = 0; type < WIRE_EVENT_TYPES; type++) {
            struct sink s;
            sink_init(&s, carts[i].topics[type], BENCH_LOAD_TOPIC - 1);
            wire_topic_write(&s, text_of(carts[i].id), (enum wire_type)type);
        }
    }
    return carts;
}

void bench_load_carts_free(struct bench_load_cart *carts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ecdsa_private_free(carts[i].key);
    }
    free(carts);
}

void bench_load_run(struct bench_load_cart *carts, size_t cart_count, size_t per_cart,
                    int64_t epoch, struct bench_load_run *ret)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t threads = cores < 1 ? 1 : cores > THREADS_MAX ? THREADS_MAX : (size_t)cores;
    pthread_t handles[THREADS_MAX];
    struct share shares[THREADS_MAX];
    *ret = (struct bench_load_run){.epoch = epoch, .count = cart_count * per_cart};
    ret->messages = calloc(ret->count, sizeof *ret->messages);
    ret->block = malloc(ret->count * WIRE_EVENT_BYTES_MAX);
    if (ret->messages == NULL || ret->block == NULL) {
        die("no memory for the messages");
    }
    for (size_t i = 0; i < threads; i++) {
        shares[i] = (struct share){carts, ret, cart_count, per_cart, i, threads};
        if (pthread_create(&handles[i], NULL, make_share, &shares[i]) != 0) {
            die("no thread");
        }
    }
    for (size_t i = 0; i < threads; i++) {
        (void)pthread_join(handles[i], NULL);
    }
    for (size_t i = 0; i < ret->count; i++) {
        ret->bytes += ret->messages[i].size;
    }
}

void bench_load_run_free(struct bench_load_run *run)
{
    free(run->messages);
    free(run->block);
    *run = (struct bench_load_run){0};
}

struct span bench_load_topic(const struct bench_load_cart *carts,
                             const struct bench_load_message *m)
{
    return span_text(carts[m->cart].topics[m->type], BENCH_LOAD_TOPIC);
}

struct span bench_load_frame(const struct bench_load_message *m)
{
    return span_of(m->frame, m->size);
}
