#include "ingest_robot.h"

#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FLUSH_MS 20000

static void must(bool fine, const char *what, const struct err *why)
{
    if (!fine) {
        (void)fprintf(stderr, "%s: %s\n", what, why != NULL ? why->text : "failed");
        exit(1);
    }
}

static int64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- hearing ---- */

static struct ingest_robot *robot_of(struct ingest_world *w, struct span cart_id)
{
    for (size_t i = 0; i < w->robot_count; i++) {
        if (span_equal(span_text(w->robots[i].id, sizeof w->robots[i].id), cart_id)) {
            return &w->robots[i];
        }
    }
    return NULL;
}

static void hear(struct ingest_robot *r, const struct wire_downlink *d)
{
    if (d->type == WIRE_COMMIT_ACK && d->commit_ack.epoch >= r->acked_epoch) {
        if (d->commit_ack.epoch > r->acked_epoch || d->commit_ack.through > r->acked) {
            r->acked = d->commit_ack.through;
        }
        r->acked_epoch = d->commit_ack.epoch;
    } else if (d->type == WIRE_PAYMENT) {
        r->payments_heard++;
        r->payment_counter = d->payment.counter;
        r->payment_accepted = d->payment.outcome == WIRE_ACCEPTED;
        (void)snprintf(r->payment_reason, sizeof r->payment_reason, "%.*s",
                       (int)d->payment.reason.size, (const char *)d->payment.reason.data);
    } else if (d->type == WIRE_PRODUCT) {
        r->product_counter = d->product.counter;
        r->product_found = d->product.found;
        r->product_price = d->product.price;
    }
}

static void hear_reject(struct ingest_world *w, struct span payload)
{
    const uint8_t *at = memmem(payload.data, payload.size, "\"reason\":\"", 10);
    const uint8_t *end = payload.data + payload.size;
    size_t size = 0;
    for (at = at != NULL ? at + 10 : end; at < end && *at != '"'; at++) {
        if (size + 1 < sizeof w->reject_reason) {
            w->reject_reason[size++] = (char)*at;
        }
    }
    w->reject_reason[size] = '\0';
}

static void publish(void *user, const char *topic, struct span payload)
{
    struct ingest_world *w = user;
    static struct wire_downlink d; /* large; the committer is one thread */
    struct span body;
    struct span signature;
    struct wire_detail detail;
    (void)pthread_mutex_lock(w->lock);
    if (strncmp(topic, "reject/", 7) == 0) {
        w->rejects++;
        hear_reject(w, payload);
    } else if (wire_downlink_split(payload, &body, &signature) != WIRE_FINE ||
               wire_downlink_decode(body, &d, &detail) != WIRE_FINE ||
               ecdsa_verify(w->platform, body, signature) != RES_OK ||
               robot_of(w, d.cart_id) == NULL) {
        w->foreign++;
    } else {
        hear(robot_of(w, d.cart_id), &d);
    }
    (void)pthread_mutex_unlock(w->lock);
}

static void on_state(void *user, enum ingest_state state, const char *words)
{
    struct ingest_world *w = user;
    (void)fprintf(stderr, "ingest: %s\n", words);
    (void)pthread_mutex_lock(w->lock);
    w->state = state;
    w->state_changes++;
    (void)pthread_mutex_unlock(w->lock);
}

/* ---- the world ---- */

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *ftw)
{
    (void)s;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static void certify(struct ingest_world *w, struct ingest_robot *r)
{
    uint8_t point[ECDSA_POINT_BYTES];
    ecdsa_private_point(r->key, point);
    char hex[2 * ECDSA_POINT_BYTES + 1];
    struct sink s;
    sink_init(&s, hex, sizeof hex - 1);
    sink_hex(&s, span_of(point, sizeof point));
    hex[s.size] = '\0';
    char sql[1024];
    (void)snprintf(sql, sizeof sql,
                   "INSERT INTO device_certificate (serial, device_id, kind, store_id, subject, "
                   "public_key, not_before, not_after) VALUES (upper(md5(random()::text)), '%s', "
                   "'cart', '%s', '/CN=%s/' || random(), '\\x%s', now() - interval '1 day', now() "
                   "+ interval '1 year')",
                   r->id, INGEST_ROBOT_STORE, r->id, hex);
    pg_fixture_sql(w->super, sql);
}

static void make_robots(struct ingest_world *w)
{
    for (size_t i = 0; i < w->robot_count; i++) {
        struct ingest_robot *r = &w->robots[i];
        struct ingest_robot_frame *frames = r->frames;
        size_t room = r->frame_room;
        struct ecdsa_private *key = r->key;
        memset(r, 0, sizeof *r);
        r->frames = frames;
        r->frame_room = room;
        r->key = key;
        r->epoch = 1;
        r->time_ms = now_ms() - 3600000;
        (void)snprintf(r->id, sizeof r->id, "CART-%04u", (unsigned)(i + 1) % 10000U);
    }
}

bool ingest_world_start(struct ingest_world *w, size_t robots)
{
    struct err why;
    memset(w, 0, sizeof *w);
    if (!pg_fixture_start(&w->pg, PG_FIXTURE_FAST)) {
        return false;
    }
    w->lock = malloc(sizeof *w->lock);
    must(w->lock != NULL && pthread_mutex_init(w->lock, NULL) == 0, "lock", NULL);
    w->super = pg_fixture_superuser(&w->pg);
    (void)snprintf(w->telemetry, sizeof w->telemetry, "%s/telemetry", w->pg.directory);
    (void)snprintf(w->platform_key, sizeof w->platform_key, "%s/platform.key", w->pg.directory);
    must(mkdir(w->telemetry, 0700) == 0, "mkdir", NULL);
    struct ecdsa_private *key = NULL;
    uint8_t point[ECDSA_POINT_BYTES];
    must(ecdsa_private_new(&key) == RES_OK, "key", NULL);
    must(ecdsa_private_save(key, w->platform_key, &why) == RES_OK, "platform key", &why);
    ecdsa_private_point(key, point);
    must(ecdsa_public_new(span_of(point, sizeof point), &w->platform) == RES_OK, "key", NULL);
    ecdsa_private_free(key);
    w->robots = calloc(robots, sizeof *w->robots);
    must(w->robots != NULL, "robots", NULL);
    w->robot_count = robots;
    pg_fixture_store(w->super, INGEST_ROBOT_STORE);
    for (size_t i = 0; i < robots; i++) {
        must(ecdsa_private_new(&w->robots[i].key) == RES_OK, "key", NULL);
    }
    make_robots(w);
    for (size_t i = 0; i < robots; i++) {
        pg_fixture_cart(w->super, INGEST_ROBOT_STORE, w->robots[i].id);
        certify(w, &w->robots[i]);
    }
    return true;
}

void ingest_world_stop(struct ingest_world *w)
{
    ingest_world_close(w);
    for (size_t i = 0; i < w->robot_count; i++) {
        ecdsa_private_free(w->robots[i].key);
        free(w->robots[i].frames);
    }
    free(w->robots);
    ecdsa_public_free(w->platform);
    pg_conn_close(w->super);
    pg_fixture_stop(&w->pg);
    (void)pthread_mutex_destroy(w->lock);
    free(w->lock);
}

void ingest_world_reset(struct ingest_world *w)
{
    pg_fixture_sql(w->super,
                   "SET client_min_messages = warning; TRUNCATE cart_stream, stream_gap, "
                   "ingest_checkpoint, session, payment, "
                   "weight_mismatch, fault, dead_letter, alert, command CASCADE; "
                   "UPDATE cart SET health_epoch = NULL, health_counter = NULL, online = false, "
                   "firmware = NULL");
    (void)nftw(w->telemetry, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    must(mkdir(w->telemetry, 0700) == 0, "mkdir", NULL);
    make_robots(w);
    w->rejects = 0;
}

void ingest_world_open(struct ingest_world *w, const char *writer)
{
    struct ingest_settings settings = {
        .place = w->pg.place,
        .telemetry_directory = w->telemetry,
        .writer = writer,
        .platform_key = w->platform_key,
        .sync = TELEMETRY_SYNC_OFF,
        .workers = 2,
        .queue_messages = 256,
        .linger_ms = 1,
        .rate_per_second = w->rate_per_second > 0 ? w->rate_per_second : INGEST_RATE_NONE,
        .rate_burst = w->rate_burst,
        .user = w,
        .publish = publish,
        .on_state = on_state};
    struct err why;
    err_set(&why, "no words");
    must(ingest_new(&settings, &w->ingest, &why) == RES_OK, "ingest_new", &why);
}

void ingest_world_close(struct ingest_world *w)
{
    ingest_free(w->ingest);
    w->ingest = NULL;
}

void ingest_world_offer_raw(struct ingest_world *w, const char *topic, struct span frame)
{
    while (ingest_offer(w->ingest, span_text(topic, 256), frame, now_ms()) == RES_AGAIN) {
        ingest_wait_room(w->ingest, FLUSH_MS);
    }
}

void ingest_world_offer(struct ingest_world *w, const struct ingest_robot *r,
                        const struct ingest_robot_frame *f)
{
    char topic[96];
    struct sink s;
    sink_init(&s, topic, sizeof topic - 1);
    wire_topic_write(&s, span_text(r->id, sizeof r->id), f->type);
    topic[s.size] = '\0';
    ingest_world_offer_raw(w, topic, span_of(f->bytes, f->size));
}

void ingest_world_flush(struct ingest_world *w)
{
    must(ingest_flush(w->ingest, FLUSH_MS) == RES_OK, "ingest_flush", NULL);
}

static PGresult *ask(struct ingest_world *w, const char *sql)
{
    struct pg_params params;
    pg_params_init(&params);
    PGresult *rows = NULL;
    struct err why;
    must(pg_conn_run(w->super, sql, &params, &rows, &why) == RES_OK, sql, &why);
    return rows;
}

int64_t ingest_world_number(struct ingest_world *w, const char *sql)
{
    PGresult *rows = ask(w, sql);
    int64_t value = PQntuples(rows) > 0 ? pg_get_i64(rows, 0, 0) : -1;
    PQclear(rows);
    return value;
}

void ingest_world_expect(struct ingest_world *w, const char *sql, const char *expected)
{
    PGresult *rows = ask(w, sql);
    struct span text = PQntuples(rows) > 0 ? pg_get_span(rows, 0, 0) : SPAN_LIT("(no row)");
    bool same = span_equal(text, span_of(expected, strlen(expected)));
    if (!same) {
        (void)fprintf(stderr, "%s\n  gives    %.*s\n  expected %s\n", sql, (int)text.size,
                      (const char *)text.data, expected);
    }
    PQclear(rows);
    must(same, "expectation", NULL);
}

void ingest_world_wait_ack(struct ingest_world *w, const struct ingest_robot *r, int64_t counter)
{
    int64_t until = now_ms() + FLUSH_MS;
    for (;;) {
        (void)pthread_mutex_lock(w->lock);
        bool heard = r->acked_epoch == r->epoch && r->acked >= counter;
        (void)pthread_mutex_unlock(w->lock);
        if (heard) {
            return;
        }
        must(now_ms() < until, "no commit-ack in time", NULL);
        (void)usleep(2000);
    }
}

/* ---- robots ---- */

static struct ingest_robot_frame *add_frame(struct ingest_robot *r)
{
    if (r->frame_count == r->frame_room) {
        r->frame_room = r->frame_room == 0 ? 64 : r->frame_room * 2;
        r->frames = realloc(r->frames, r->frame_room * sizeof *r->frames);
        must(r->frames != NULL, "frames", NULL);
    }
    return &r->frames[r->frame_count++];
}

static void sign(struct ingest_robot *r, struct ingest_robot_frame *f, size_t body_size)
{
    uint8_t signature[ECDSA_SIGNATURE_BYTES];
    must(ecdsa_sign(r->key, span_of(f->bytes, body_size), signature) == RES_OK, "sign", NULL);
    memcpy(f->bytes + body_size, signature, sizeof signature);
    f->size = body_size + sizeof signature;
}

const struct ingest_robot_frame *ingest_robot_make(struct ingest_robot *r, struct wire_event *e)
{
    struct ingest_robot_frame *f = add_frame(r);
    r->counter++;
    r->time_ms += 700;
    e->cart_id = span_text(r->id, sizeof r->id);
    e->epoch = r->epoch;
    e->counter = r->counter;
    e->time_ms = r->time_ms;
    f->type = e->type;
    f->epoch = e->epoch;
    f->counter = e->counter;
    struct sink s;
    sink_init(&s, f->bytes, sizeof f->bytes - WIRE_SIGNATURE_BYTES);
    struct wire_detail detail = {NULL, 0};
    if (wire_event_encode(e, &s) != RES_OK) {
        (void)fprintf(stderr, "encode: %s\n", wire_refusal_name(wire_event_check(e, &detail)));
        must(false, detail.field != NULL ? detail.field : "encode", NULL);
    }
    sign(r, f, s.size);
    return f;
}

const struct ingest_robot_frame *ingest_robot_sign(struct ingest_robot *r, int64_t counter,
                                                   struct span body)
{
    struct ingest_robot_frame *f = add_frame(r);
    f->type = WIRE_HEALTH;
    f->epoch = r->epoch;
    f->counter = counter;
    memcpy(f->bytes, body.data, body.size);
    sign(r, f, body.size);
    r->counter = counter > r->counter ? counter : r->counter;
    return f;
}

const struct ingest_robot_frame *ingest_robot_boot(struct ingest_robot *r)
{
    struct wire_event e;
    wire_event_init(&e, WIRE_BOOT);
    e.boot.firmware = SPAN_LIT("1.4.2");
    e.boot.hardware = SPAN_LIT("endcap-cart-r1");
    e.boot.reason = WIRE_BOOT_POWER;
    e.boot.slot = SPAN_LIT("A");
    e.boot.security_counter = 1;
    e.boot.catalog_version = 0;
    e.boot.command_number = 0;
    return ingest_robot_make(r, &e);
}

const struct ingest_robot_frame *ingest_robot_health(struct ingest_robot *r)
{
    struct wire_event e;
    wire_event_init(&e, WIRE_HEALTH);
    e.health.mode = WIRE_ACTIVE;
    e.health.battery_pct = 80;
    e.health.signal_dbm = -60;
    e.health.laser_deci_c = 300;
    e.health.drift_g = 1;
    e.health.link = WIRE_WIFI;
    e.health.queued = 0;
    e.health.catalog_version = 0;
    return ingest_robot_make(r, &e);
}

const struct ingest_robot_frame *ingest_robot_start(struct ingest_robot *r)
{
    struct sink s;
    sink_init(&s, r->session, sizeof r->session - 1);
    wire_session_id_write(&s, span_text(r->id, sizeof r->id), r->epoch, r->counter + 1);
    r->session[s.size] = '\0';
    r->line = 0;
    reconcile_init(&r->fold);
    return ingest_robot_change(r, WIRE_START);
}

static struct span session_of(const struct ingest_robot *r)
{
    return span_text(r->session, sizeof r->session);
}

const struct ingest_robot_frame *ingest_robot_change(struct ingest_robot *r,
                                                     enum wire_transition transition)
{
    struct wire_event e;
    wire_event_init(&e, WIRE_SESSION_START);
    e.session_start.session_id = session_of(r);
    e.session_start.transition = transition;
    if (transition == WIRE_HOLD) {
        e.session_start.reason = WIRE_HOLD_CUSTOMER;
    }
    e.session_start.store_id = SPAN_LIT(INGEST_ROBOT_STORE);
    return ingest_robot_make(r, &e);
}

const struct ingest_robot_frame *ingest_robot_scan(struct ingest_robot *r, int64_t price)
{
    struct wire_event e;
    wire_event_init(&e, WIRE_SCAN);
    r->line++;
    e.scan.session_id = session_of(r);
    e.scan.line = r->line;
    e.scan.gtin = SPAN_LIT("8901030865275");
    e.scan.quantity = 1 + r->line % 3;
    if (price != WIRE_ABSENT) {
        e.scan.sku = SPAN_LIT("SKU-1");
        e.scan.price = price;
        e.scan.currency = SPAN_LIT("INR");
        e.scan.price_source = WIRE_PRICE_CACHE;
    }
    e.scan.weight_delta_g = 100;
    e.scan.weight =
        price != WIRE_ABSENT && r->line % 7 == 0 ? WIRE_WEIGHT_MISMATCH : WIRE_WEIGHT_UNKNOWN;
    if (e.scan.weight == WIRE_WEIGHT_MISMATCH) {
        e.scan.weight_expected_g = 300;
    }
    const struct ingest_robot_frame *f = ingest_robot_make(r, &e);
    uint8_t digest[ECDSA_DIGEST_BYTES];
    must(ecdsa_sha256(span_of(f->bytes, f->size - WIRE_SIGNATURE_BYTES), digest) == RES_OK &&
             reconcile_scan(&r->fold, &e.scan, e.counter, digest, ecdsa_sha256_two) == RES_OK,
         "digest", NULL);
    return f;
}

const struct ingest_robot_frame *ingest_robot_ask(struct ingest_robot *r, int64_t counter)
{
    struct wire_event e;
    wire_event_init(&e, WIRE_SCAN);
    e.scan.session_id = session_of(r);
    e.scan.line = r->line;
    e.scan.gtin = SPAN_LIT("8901030865275");
    e.scan.quantity = 1 + r->line % 3;
    e.scan.weight = WIRE_WEIGHT_UNKNOWN;
    e.scan.resolves = counter;
    return ingest_robot_make(r, &e);
}

const struct ingest_robot_frame *ingest_robot_identify(struct ingest_robot *r, const char *token)
{
    struct wire_event e;
    wire_event_init(&e, WIRE_IDENTIFY);
    e.identify.session_id = session_of(r);
    e.identify.method = WIRE_LOYALTY;
    e.identify.token = span_text(token, 64);
    return ingest_robot_make(r, &e);
}

const struct ingest_robot_frame *ingest_robot_end(struct ingest_robot *r, const char *token)
{
    struct wire_event e;
    char hex[2 * WIRE_DIGEST_BYTES];
    struct sink s;
    sink_init(&s, hex, sizeof hex);
    sink_hex(&s, span_of(r->fold.digest, sizeof r->fold.digest));
    wire_event_init(&e, WIRE_SESSION_END);
    e.session_end.session_id = session_of(r);
    e.session_end.outcome = token != NULL ? WIRE_COMPLETE : WIRE_VOIDED;
    e.session_end.item_count = r->fold.item_count;
    e.session_end.scan_count = r->fold.scan_count;
    e.session_end.unpriced = r->fold.unpriced;
    e.session_end.first_scan = r->fold.first_scan;
    e.session_end.last_scan = r->fold.last_scan;
    e.session_end.total = r->fold.total_minor;
    e.session_end.currency = SPAN_LIT("INR");
    e.session_end.digest = sink_span(&s);
    if (token != NULL) {
        e.session_end.payment_token = span_text(token, 64);
        e.session_end.payment_amount = r->fold.total_minor;
        e.session_end.payment_status = r->declined ? WIRE_DECLINED : WIRE_APPROVED;
    }
    return ingest_robot_make(r, &e);
}

const struct ingest_robot_frame *ingest_robot_gap(struct ingest_robot *r, int64_t from, int64_t to)
{
    struct wire_event e;
    wire_event_init(&e, WIRE_FAULT);
    e.fault.code = WIRE_FAULT_GAP;
    e.fault.severity = WIRE_MEDIUM;
    e.fault.gap_from = from;
    e.fault.gap_to = to;
    e.fault.gap_health = 0;
    e.fault.gap_fault = 0;
    e.fault.gap_scan = 0;
    return ingest_robot_make(r, &e);
}

const struct ingest_robot_frame *ingest_robot_frame(const struct ingest_robot *r, int64_t epoch,
                                                    int64_t counter)
{
    for (size_t i = 0; i < r->frame_count; i++) {
        if (r->frames[i].epoch == epoch && r->frames[i].counter == counter) {
            return &r->frames[i];
        }
    }
    must(false, "no such frame", NULL);
    return NULL;
}

void ingest_robot_new_epoch(struct ingest_robot *r)
{
    r->epoch++;
    r->counter = 0;
    r->session[0] = '\0';
}
