#include "wire_vector.h"

#include <assert.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/hmac.h>
#include <openssl/obj_mac.h>
#include <openssl/sha.h>

#include "gtin.h"
#include "timestamp.h"

#define CART  SPAN_LIT("CART-0042")
#define STORE SPAN_LIT("STORE-MUM-01")
#define EPOCH 3
#define TRIP1 "CART-0042.3.3"
#define TRIP2 "CART-0042.3.16"
#define TRIP3 "CART-0042.3.22"
/* 2026-11-21T10:00:00.000Z */
#define BASE_MS     INT64_C(1795255200000)
#define ZERO_DIGEST SPAN_LIT("0000000000000000000000000000000000000000000000000000000000000000")

const uint8_t wire_vector_private_key[32] = {
    0xc9, 0xaf, 0xa9, 0xd8, 0x45, 0xba, 0x75, 0x16, 0x6b, 0x5c, 0x21, 0x57, 0x67, 0xb1, 0xd6, 0x93,
    0x4e, 0x50, 0xc3, 0xdb, 0x36, 0xe8, 0x9b, 0x12, 0x7b, 0x8a, 0x62, 0x2b, 0x12, 0x0f, 0x67, 0x21};
const uint8_t wire_vector_public_key[65] = {
    0x04, 0x60, 0xfe, 0xd4, 0xba, 0x25, 0x5a, 0x9d, 0x31, 0xc9, 0x61, 0xeb, 0x74,
    0xc6, 0x35, 0x6d, 0x68, 0xc0, 0x49, 0xb8, 0x92, 0x3b, 0x61, 0xfa, 0x6c, 0xe6,
    0x69, 0x62, 0x2e, 0x60, 0xf2, 0x9f, 0xb6, 0x79, 0x03, 0xfe, 0x10, 0x08, 0xb8,
    0xbc, 0x99, 0xa4, 0x1a, 0xe9, 0xe9, 0x56, 0x28, 0xbc, 0x64, 0xf2, 0xf1, 0xb2,
    0x0c, 0x2d, 0x7e, 0x9f, 0x51, 0x77, 0xa3, 0xc2, 0x94, 0xd4, 0x46, 0x22, 0x99};

/* HMAC-SHA-256 of v || (separator || private key || hash mod n), RFC 6979 section 3.2 d and f. */
static void hmac(const uint8_t key[32], const uint8_t v[32], int separator, const uint8_t *x,
                 const uint8_t *h, uint8_t ret[32])
{
    uint8_t data[32 + 1 + 32 + 32];
    size_t size = 32;
    memcpy(data, v, 32);
    if (separator >= 0) {
        data[size++] = (uint8_t)separator;
    }
    if (x != NULL) {
        memcpy(data + size, x, 32);
        memcpy(data + size + 32, h, 32);
        size += 64;
    }
    unsigned length = 32;
    uint8_t out[32];
    const uint8_t *done = HMAC(EVP_sha256(), key, 32, data, size, out, &length);
    assert(done != NULL && length == 32);
    (void)done;
    memcpy(ret, out, 32);
}

struct nonces {
    uint8_t key[32];
    uint8_t v[32];
};

static void nonces_init(struct nonces *g, const uint8_t x[32], const uint8_t h[32])
{
    memset(g->v, 1, sizeof g->v);
    memset(g->key, 0, sizeof g->key);
    for (int separator = 0; separator <= 1; separator++) {
        hmac(g->key, g->v, separator, x, h, g->key);
        hmac(g->key, g->v, -1, NULL, NULL, g->v);
    }
}

static void nonces_next(struct nonces *g, const BIGNUM *order, BIGNUM *ret)
{
    for (;;) {
        hmac(g->key, g->v, -1, NULL, NULL, g->v);
        BN_bin2bn(g->v, sizeof g->v, ret);
        if (!BN_is_zero(ret) && BN_cmp(ret, order) < 0) {
            return;
        }
        hmac(g->key, g->v, 0, NULL, NULL, g->key);
        hmac(g->key, g->v, -1, NULL, NULL, g->v);
    }
}

/* FIPS 186-4 section 6.4 with s made low. No secret is at stake here: not constant-time. */
void wire_vector_sign(const uint8_t private_key[32], struct span body,
                      uint8_t ret_signature[WIRE_SIGNATURE_BYTES])
{
    uint8_t hash[32];
    uint8_t reduced[32];
    SHA256(body.data, body.size, hash);
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    BN_CTX *ctx = BN_CTX_new();
    assert(group != NULL && ctx != NULL);
    BN_CTX_start(ctx);
    const BIGNUM *n = EC_GROUP_get0_order(group);
    BIGNUM *d = BN_CTX_get(ctx);
    BIGNUM *e = BN_CTX_get(ctx);
    BIGNUM *k = BN_CTX_get(ctx);
    BIGNUM *r = BN_CTX_get(ctx);
    BIGNUM *s = BN_CTX_get(ctx);
    BIGNUM *half = BN_CTX_get(ctx);
    EC_POINT *point = EC_POINT_new(group);
    assert(half != NULL && point != NULL);
    BN_bin2bn(private_key, 32, d);
    BN_bin2bn(hash, sizeof hash, e);
    BN_mod(e, e, n, ctx);
    BN_bn2binpad(e, reduced, sizeof reduced);
    struct nonces nonces;
    nonces_init(&nonces, private_key, reduced);
    do {
        nonces_next(&nonces, n, k);
        EC_POINT_mul(group, point, k, NULL, NULL, ctx);
        EC_POINT_get_affine_coordinates(group, point, r, NULL, ctx);
        BN_mod(r, r, n, ctx);
        BN_mod_mul(s, r, d, n, ctx);
        BN_mod_add(s, s, e, n, ctx);
        BN_mod_inverse(k, k, n, ctx);
        BN_mod_mul(s, s, k, n, ctx);
    } while (BN_is_zero(r) || BN_is_zero(s));
    BN_rshift1(half, n);
    if (BN_cmp(s, half) > 0) {
        BN_sub(s, n, s);
    }
    BN_bn2binpad(r, ret_signature, 32);
    BN_bn2binpad(s, ret_signature + 32, 32);
    EC_POINT_free(point);
    BN_CTX_end(ctx);
    BN_CTX_free(ctx);
    EC_GROUP_free(group);
}

static void sign_frame(struct wire_vector *v, struct sink *body)
{
    size_t body_bytes = body->size;
    assert(body_bytes + WIRE_SIGNATURE_BYTES <= sizeof v->frame);
    wire_vector_sign(wire_vector_private_key, sink_span(body), v->frame + body_bytes);
    v->size = body_bytes + WIRE_SIGNATURE_BYTES;
}

static void write_topic(struct wire_vector *v, struct span cart_id)
{
    struct sink s;
    sink_init(&s, v->topic, sizeof v->topic - 1);
    wire_topic_write(&s, cart_id, v->type);
    v->topic[s.size] = '\0';
}

static void add_event(struct wire_vectors *all, const struct wire_event *event, const char *title)
{
    struct wire_vector *v = &all->events[event->counter - 1];
    struct sink body;
    *v = (struct wire_vector){.title = title, .type = event->type};
    write_topic(v, event->cart_id);
    sink_init(&body, v->frame, sizeof v->frame);
    enum res r = wire_event_encode(event, &body);
    assert(r == RES_OK);
    (void)r;
    sign_frame(v, &body);
}

/* The next event of the story, `seconds` after its beginning. */
static struct wire_event next_event(enum wire_type type, int64_t counter, int64_t seconds)
{
    struct wire_event e;
    wire_event_init(&e, type);
    e.cart_id = CART;
    e.epoch = EPOCH;
    e.counter = counter;
    e.time_ms = BASE_MS + seconds * 1000 + counter * 7 % 1000;
    return e;
}

static void add_boot(struct wire_vectors *all, int64_t counter, int64_t seconds,
                     enum wire_boot_reason reason, struct span firmware, struct span slot,
                     const char *title)
{
    struct wire_event e = next_event(WIRE_BOOT, counter, seconds);
    e.boot.firmware = firmware;
    e.boot.hardware = SPAN_LIT("endcap-cart-r1");
    e.boot.reason = reason;
    e.boot.slot = slot;
    e.boot.security_counter = 4;
    e.boot.catalog_version = 118;
    e.boot.command_number = reason == WIRE_BOOT_POWER ? 40 : 42;
    add_event(all, &e, title);
}

static void add_health(struct wire_vectors *all, int64_t counter, int64_t seconds,
                       enum wire_mode mode, int64_t command, const char *title)
{
    struct wire_event e = next_event(WIRE_HEALTH, counter, seconds);
    e.health.mode = mode;
    e.health.battery_pct = 100 - counter;
    e.health.signal_dbm = -61;
    e.health.laser_deci_c = 312;
    e.health.drift_g = -3;
    e.health.link = WIRE_WIFI;
    if (mode == WIRE_ACTIVE) {
        e.health.x_cm = 1240;
        e.health.y_cm = 385;
    }
    e.health.queued = 2;
    e.health.catalog_version = 118;
    if (command > 0) {
        e.health.command_number = command;
        e.health.command_outcome = WIRE_CMD_DONE;
    }
    add_event(all, &e, title);
}

static void add_transition(struct wire_vectors *all, int64_t counter, int64_t seconds,
                           struct span session, enum wire_transition transition, const char *title)
{
    struct wire_event e = next_event(WIRE_SESSION_START, counter, seconds);
    e.session_start.session_id = session;
    e.session_start.transition = transition;
    e.session_start.reason = transition == WIRE_HOLD ? WIRE_HOLD_CUSTOMER : WIRE_ABSENT;
    e.session_start.store_id = STORE;
    add_event(all, &e, title);
}

static void add_identify(struct wire_vectors *all, int64_t counter, int64_t seconds,
                         struct span session, enum wire_method method, const char *title)
{
    struct wire_event e = next_event(WIRE_IDENTIFY, counter, seconds);
    e.identify.session_id = session;
    e.identify.method = method;
    e.identify.token = SPAN_LIT("tok_9vQmXbRzKfHwYpLcTnGd");
    add_event(all, &e, title);
}

struct scan {
    int64_t counter;
    int64_t seconds;
    struct span session;
    int64_t line;
    struct span gtin;
    struct span sku;
    int64_t quantity;
    int64_t price; /* < 0: unknown */
    enum wire_price_source source;
    int64_t measure_g;
    int64_t expected_g; /* 0: unknown */
    int64_t delta_g;
    enum wire_weight weight;
    int64_t resolves;
    const char *title;
};

static void add_scan(struct wire_vectors *all, const struct scan *scan)
{
    struct wire_event e = next_event(WIRE_SCAN, scan->counter, scan->seconds);
    struct wire_scan *m = &e.scan;
    m->session_id = scan->session;
    m->line = scan->line;
    m->gtin = scan->gtin;
    m->sku = scan->sku;
    m->quantity = scan->quantity;
    if (scan->price >= 0) {
        m->price = scan->price;
        m->currency = SPAN_LIT("INR");
        m->price_source = scan->source;
    }
    m->measure_g = scan->measure_g > 0 ? scan->measure_g : WIRE_ABSENT;
    if (scan->expected_g != 0) {
        m->weight_expected_g = scan->expected_g;
        m->weight_delta_g = scan->delta_g;
    }
    m->weight = scan->weight;
    m->resolves = scan->resolves > 0 ? scan->resolves : WIRE_ABSENT;
    add_event(all, &e, scan->title);
}

/* d0 = 32 zero bytes, dn = SHA-256(dn-1 || SHA-256(body n)); wire.h. */
static void make_chain(struct wire_vectors *all, const struct scan *scans)
{
    uint8_t both[2 * WIRE_DIGEST_BYTES] = {0};
    for (size_t i = 0; i < WIRE_VECTOR_SCANS; i++) {
        const struct wire_vector *v = &all->events[scans[i].counter - 1];
        all->scan_counters[i] = scans[i].counter;
        SHA256(v->frame, v->size - WIRE_SIGNATURE_BYTES, all->scan_digests[i]);
        memcpy(both + WIRE_DIGEST_BYTES, all->scan_digests[i], WIRE_DIGEST_BYTES);
        SHA256(both, sizeof both, all->chain[i]);
        memcpy(both, all->chain[i], WIRE_DIGEST_BYTES);
    }
}

static const struct scan first_trip[WIRE_VECTOR_SCANS] = {
    {4, 41, SPAN_LIT(TRIP1), 1, SPAN_LIT("8901058000290"), SPAN_LIT("MAG-70"), 2, 1400,
     WIRE_PRICE_CACHE, 0, 140, 141, WIRE_WEIGHT_OK, 0, "scan of two packets, weight as expected"},
    {5, 58, SPAN_LIT(TRIP1), 2, SPAN_LIT("8901030865275"), SPAN_NONE, 1, -1, WIRE_PRICE_CACHE, 0, 0,
     0, WIRE_WEIGHT_UNKNOWN, 0, "scan of a product that the cart does not know"},
    {6, 60, SPAN_LIT(TRIP1), 2, SPAN_LIT("8901030865275"), SPAN_LIT("SRF-1000"), 1, 24550,
     WIRE_PRICE_RESPONSE, 0, 0, 0, WIRE_WEIGHT_UNKNOWN, 5,
     "second scan of that line, with the price from the product answer"},
    {8, 95, SPAN_LIT(TRIP1), 3, SPAN_LIT("2101234061251"), SPAN_LIT("BAN-KG"), 1, 6125,
     WIRE_PRICE_EMBEDDED, 875, 875, 869, WIRE_WEIGHT_OK, 0,
     "scan of bananas whose barcode carries the price"},
    {11, 240, SPAN_LIT(TRIP1), 1, SPAN_LIT("8901058000290"), SPAN_LIT("MAG-70"), -1, 1400,
     WIRE_PRICE_CACHE, 0, -70, -69, WIRE_WEIGHT_OK, 0, "one of the two packets is taken out"},
    {12, 255, SPAN_LIT(TRIP1), 4, SPAN_LIT("036000241457"), SPAN_LIT("TIS-100"), 1, 9900,
     WIRE_PRICE_CACHE, 0, 310, 640, WIRE_WEIGHT_MISMATCH, 0,
     "scan with a weight that does not fit; the trip goes on"},
};

static void add_first_trip(struct wire_vectors *all)
{
    for (size_t i = 0; i < WIRE_VECTOR_SCANS; i++) {
        add_scan(all, &first_trip[i]);
    }
    make_chain(all, first_trip);
    struct wire_event e = next_event(WIRE_FAULT, 13, 290);
    e.fault.code = WIRE_FAULT_PAYMENT_FAILED;
    e.fault.severity = WIRE_MEDIUM;
    e.fault.session_id = SPAN_LIT(TRIP1);
    e.fault.detail = SPAN_LIT("terminal declined, asked again");
    add_event(all, &e, "a payment that failed");
    char digest[2 * WIRE_DIGEST_BYTES];
    struct sink hex;
    sink_init(&hex, digest, sizeof digest);
    sink_hex(&hex, span_of(all->chain[WIRE_VECTOR_SCANS - 1], WIRE_DIGEST_BYTES));
    e = next_event(WIRE_SESSION_END, 14, 320);
    struct wire_session_end *m = &e.session_end;
    m->session_id = SPAN_LIT(TRIP1);
    m->outcome = WIRE_COMPLETE;
    m->item_count = 4;
    m->scan_count = WIRE_VECTOR_SCANS;
    m->first_scan = 4;
    m->last_scan = 12;
    m->total = 2 * 1400 + 24550 + 6125 - 1400 + 9900;
    m->currency = SPAN_LIT("INR");
    m->digest = sink_span(&hex);
    m->payment_token = SPAN_LIT("auth_Kq3ZtWmPxVbYsRdLhNcJ");
    m->payment_amount = m->total;
    m->payment_status = WIRE_APPROVED;
    add_event(all, &e, "end of a paid trip");
}

static void add_end(struct wire_vectors *all, int64_t counter, int64_t seconds, struct span session,
                    enum wire_outcome outcome, const char *title)
{
    struct wire_event e = next_event(WIRE_SESSION_END, counter, seconds);
    e.session_end.session_id = session;
    e.session_end.outcome = outcome;
    e.session_end.currency = SPAN_LIT("INR");
    e.session_end.digest = ZERO_DIGEST;
    add_event(all, &e, title);
}

static void add_fault(struct wire_vectors *all, int64_t counter, int64_t seconds,
                      enum wire_fault_code code, int64_t from, int64_t to, int64_t health,
                      const char *title)
{
    struct wire_event e = next_event(WIRE_FAULT, counter, seconds);
    e.fault.code = code;
    e.fault.severity = WIRE_LOW;
    if (code == WIRE_FAULT_GAP) {
        e.fault.severity = WIRE_HIGH;
        e.fault.gap_from = from;
        e.fault.gap_to = to;
        e.fault.gap_health = health;
        e.fault.gap_fault = 0;
        e.fault.gap_scan = 0;
    }
    add_event(all, &e, title);
}

static void add_downlink(struct wire_vectors *all, size_t number, struct wire_downlink *message,
                         const char *title)
{
    struct wire_vector *v = &all->downlinks[number];
    struct sink s;
    *v = (struct wire_vector){.title = title, .type = message->type};
    if (message->type == WIRE_CATALOGUE) {
        sink_init(&s, v->topic, sizeof v->topic - 1);
        sink_text(&s, "store/STORE-MUM-01/catalogue/0");
        v->topic[s.size] = '\0';
    } else if (message->type == WIRE_PRICES) {
        sink_init(&s, v->topic, sizeof v->topic - 1);
        sink_text(&s, "store/STORE-MUM-01/catalogue/prices");
        v->topic[s.size] = '\0';
    } else {
        message->cart_id = CART;
        write_topic(v, message->cart_id);
    }
    sink_init(&s, v->frame, sizeof v->frame);
    enum res r = wire_downlink_encode(message, &s);
    assert(r == RES_OK);
    (void)r;
    sign_frame(v, &s);
}

static void start_downlink(struct wire_downlink *message, enum wire_type type, int64_t seconds)
{
    wire_downlink_init(message, type);
    message->time_ms = BASE_MS + seconds * 1000;
}

static void add_answers(struct wire_vectors *all, struct wire_downlink *m)
{
    start_downlink(m, WIRE_COMMIT_ACK, 61);
    m->commit_ack.epoch = EPOCH;
    m->commit_ack.through = 6;
    add_downlink(all, 2, m, "commit-ack: counters 1..6 of epoch 3 may be deleted");
    start_downlink(m, WIRE_PRODUCT, 59);
    m->product = (struct wire_product){.epoch = EPOCH,
                                       .counter = 5,
                                       .gtin = SPAN_LIT("8901030865275"),
                                       .found = 1,
                                       .sku = SPAN_LIT("SRF-1000"),
                                       .name = SPAN_LIT("सर्फ एक्सेल 1 kg"),
                                       .price = 24550,
                                       .currency = SPAN_LIT("INR"),
                                       .weight_g = 1020,
                                       .per_kg = 0};
    add_downlink(all, 3, m, "product answer to counter 5");
    start_downlink(m, WIRE_PRODUCT, 59);
    m->product.epoch = EPOCH;
    m->product.counter = 26;
    m->product.gtin = SPAN_LIT("96385074");
    add_downlink(all, 4, m, "product answer: nobody knows this code");
    start_downlink(m, WIRE_PAYMENT, 321);
    m->payment.epoch = EPOCH;
    m->payment.counter = 14;
    m->payment.outcome = WIRE_ACCEPTED;
    m->payment.token = SPAN_LIT("auth_Kq3ZtWmPxVbYsRdLhNcJ");
    add_downlink(all, 5, m, "payment answer to counter 14: accepted");
    m->payment.outcome = WIRE_REFUSED;
    m->payment.reason = SPAN_LIT("token_reused");
    add_downlink(all, 6, m, "payment answer: the token belongs to another session");
}

static void add_platform(struct wire_vectors *all)
{
    static struct wire_downlink m;
    start_downlink(&m, WIRE_COMMAND, 400);
    m.command.number = 41;
    m.command.expires_ms = m.time_ms + 300000;
    m.command.kind = WIRE_CMD_CATALOGUE;
    m.command.version = 118;
    add_downlink(all, 0, &m, "command: have catalogue version 118");
    start_downlink(&m, WIRE_COMMAND, 410);
    m.command.number = 42;
    m.command.expires_ms = m.time_ms + 60000;
    m.command.kind = WIRE_CMD_PAUSE;
    m.command.session_id = SPAN_LIT(TRIP1);
    m.command.reason = SPAN_LIT("staff check");
    add_downlink(all, 1, &m, "command: pause the trip");
    add_answers(all, &m);
    start_downlink(&m, WIRE_CATALOGUE, 0);
    m.catalogue.store_id = STORE;
    m.catalogue.version = 118;
    m.catalogue.chunk = 0;
    m.catalogue.chunks = 1;
    m.catalogue.currency = SPAN_LIT("INR");
    m.catalogue.item_count = 2;
    m.catalogue.items[0] = (struct wire_catalogue_item){SPAN_LIT("00036000241457"),
                                                        SPAN_LIT("TIS-100"),
                                                        SPAN_LIT("Tissues, box of 100"),
                                                        9900,
                                                        310,
                                                        0};
    m.catalogue.items[1] = (struct wire_catalogue_item){
        SPAN_LIT("08901058000290"), SPAN_LIT("MAG-70"), SPAN_LIT("Maggi Masala 70 g"), 1400, 70, 0};
    add_downlink(all, 7, &m, "a catalogue of one chunk");
    start_downlink(&m, WIRE_PRICES, 30);
    m.prices.store_id = STORE;
    m.prices.base = 118;
    m.prices.version = 121;
    m.prices.currency = SPAN_LIT("INR");
    m.prices.item_count = 1;
    m.prices.items[0] = (struct wire_price){SPAN_LIT("08901058000290"), 1250};
    add_downlink(all, 8, &m, "a supplement: one price fell since version 118");
}

void wire_vector_make(struct wire_vectors *ret)
{
    memset(ret, 0, sizeof *ret);
    struct span trip1 = SPAN_LIT(TRIP1);
    struct span trip2 = SPAN_LIT(TRIP2);
    struct span trip3 = SPAN_LIT(TRIP3);
    add_boot(ret, 1, 0, WIRE_BOOT_POWER, SPAN_LIT("1.4.2"), SPAN_LIT("A"), "boot after power-up");
    add_health(ret, 2, 10, WIRE_IDLE, 0, "health of an idle cart");
    add_transition(ret, 3, 30, trip1, WIRE_START, "a trip starts");
    add_identify(ret, 7, 80, trip1, WIRE_APP_QR, "a customer identifies with the app");
    add_transition(ret, 9, 120, trip1, WIRE_HOLD, "the trip is held");
    add_transition(ret, 10, 200, trip1, WIRE_RESUME, "the trip goes on");
    add_first_trip(ret);
    add_health(ret, 15, 415, WIRE_ACTIVE, 41, "health that acknowledges command 41");
    add_transition(ret, 16, 500, trip2, WIRE_START, "a second trip starts");
    add_fault(ret, 17, 510, WIRE_FAULT_SCANNER_JAM, 0, 0, 0, "the scanner jams");
    add_identify(ret, 18, 520, trip2, WIRE_LOYALTY, "a customer identifies with a loyalty card");
    add_end(ret, 19, 530, trip2, WIRE_VOIDED, "the trip is given up without a scan");
    add_fault(ret, 20, 600, WIRE_FAULT_GAP, 0, 0, 14, "gap record: 14 health events were dropped");
    add_fault(ret, 21, 601, WIRE_FAULT_GAP, 17, 18, 0, "gap record: counters 17 and 18 are lost");
    add_transition(ret, 22, 700, trip3, WIRE_START, "a third trip starts");
    add_end(ret, 23, 2600, trip3, WIRE_ABANDONED, "the trip is abandoned");
    add_health(ret, 24, 2700, WIRE_SLEEPING, 42, "health of a sleeping cart, acknowledges 42");
    add_boot(ret, 25, 3600, WIRE_BOOT_UPDATE, SPAN_LIT("1.5.0"), SPAN_LIT("B"),
             "boot after a firmware update");
    add_platform(ret);
}
