#include "ingest.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "identity_scan.h"
#include "ingest_commit.h"
#include "ingest_metrics.h"
#include "ingest_verify.h"

#define WORKERS_MAX       64
#define IDLE_MS           200
#define HOUSEKEEPING_MS   1000
#define RETRY_MS          250
#define QUICK_RETRIES_MAX 20     /* conflicts in a row before a pause */
#define DUPLICATE_ACK_MS  200    /* a duplicate is answered at most this often */
#define CART_IDLE_MS      600000 /* a cart that was quiet for so long leaves memory */
#define EVICT_EVERY_MS    60000
#define GARBAGE_FINE      20 /* tokens that a message with a bad signature costs besides its own */

struct ingest {
    struct ingest_settings settings;
    char writer[INGEST_WRITER_BYTES_MAX + 1];
    struct ingest_counters counters;
    struct ingest_devices devices;
    struct ingest_queue queue;
    struct ingest_commit commit;
    struct token_bucket_rate rate;
    pthread_t committer;
    bool committer_runs;
    pthread_t workers[WORKERS_MAX];
    unsigned worker_count;
    _Atomic int state; /* enum ingest_state */
    _Atomic bool refresh;
    _Atomic int broker_connected; /* -1: not known */
    int64_t kept_ms;              /* last housekeeping */
    int64_t evicted_ms;           /* last look for quiet carts */
};

static const struct token_bucket_rate look_up_rate = {500000, 8};

static int64_t clock_ms(clockid_t clock)
{
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t monotonic_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void enter(struct ingest *in, enum ingest_state state, const char *words)
{
    if (atomic_exchange(&in->state, (int)state) != (int)state && in->settings.on_state != NULL) {
        in->settings.on_state(in->settings.user, state, words);
    }
}

void ingest_note_broker(struct ingest *in, bool connected)
{
    atomic_store(&in->broker_connected, connected ? 1 : 0);
}

enum ingest_state ingest_state(const struct ingest *in)
{
    return (enum ingest_state)atomic_load(&in->state);
}

/* ---- the network's side ---- */

enum verdict { PASS, PASS_REPEATED, DROP };

/* Which event a body says it is; nothing of it is believed. Done before any lock is taken. */
static void look_at(const struct ingest *in, struct span frame, struct ingest_message *head)
{
    struct span cart_id;
    head->print = 0;
    head->has_identity = false;
    if (frame.size > WIRE_SIGNATURE_BYTES) {
        struct span body = span_of(frame.data, frame.size - WIRE_SIGNATURE_BYTES);
        head->print = fingerprint_of(in->devices.key, body);
        head->has_identity = identity_scan(body, &head->epoch, &head->counter) ||
                             wire_event_identity(body, &cart_id, &head->epoch, &head->counter);
    }
}

/* Is this body stored already? With the devices' lock held. */
static enum verdict look_for_duplicate(struct ingest *in, struct ingest_device *device,
                                       const struct ingest_message *head)
{
    int64_t now_ms = head->received_ms;
    struct ingest_stream *s = NULL;
    if (device->cart != NULL && head->has_identity) {
        s = ingest_cart_stream(device->cart, head->epoch);
    }
    if (s == NULL || stream_window_place(&s->window, head->counter) != STREAM_WINDOW_SEEN) {
        return PASS;
    }
    enum fingerprint_match match = fingerprint_ring_match(&s->prints, head->counter, head->print);
    if (match == FINGERPRINT_OTHER ||
        (match == FINGERPRINT_FORGOTTEN &&
         token_bucket_take(&device->rarely, &look_up_rate, now_ms * 1000))) {
        return PASS; /* worth a closer look: the signature decides */
    }
    INGEST_COUNT(&in->counters, duplicates, 1);
    if (now_ms - device->acked_ms >= DUPLICATE_ACK_MS || now_ms < device->acked_ms) {
        device->acked_ms = now_ms;
        ingest_devices_notice(&in->devices, device, INGEST_NOTICE_ACK);
    }
    return match == FINGERPRINT_SAME && head->topic_type == WIRE_SESSION_END ? PASS_REPEATED : DROP;
}

static enum verdict judge(struct ingest *in, struct ingest_message *head)
{
    enum verdict verdict = PASS;
    (void)pthread_mutex_lock(&in->devices.lock);
    head->device = ingest_devices_find(&in->devices, span_of(head->claimed, head->claimed_size));
    if (head->device != NULL) {
        if (!token_bucket_take(&head->device->rate, &in->rate, head->received_ms * 1000)) {
            head->device->flooded++;
            ingest_devices_notice(&in->devices, head->device, INGEST_NOTICE_FLOOD);
            INGEST_COUNT(&in->counters, rate_limited, 1);
            verdict = DROP;
        } else {
            verdict = look_for_duplicate(in, head->device, head);
        }
    }
    (void)pthread_mutex_unlock(&in->devices.lock);
    return verdict;
}

enum res ingest_offer(struct ingest *in, struct span topic, struct span frame, int64_t now_ms)
{
    struct ingest_message head;
    struct span claimed = SPAN_NONE;
    head.device = NULL;
    head.received_ms = now_ms;
    head.topic_type = WIRE_SCAN;
    head.topic_fits = wire_topic_read(topic, &claimed, &head.topic_type) == RES_OK &&
                      claimed.size <= sizeof head.claimed;
    head.claimed_size = head.topic_fits ? claimed.size : 0;
    if (head.claimed_size > 0) {
        memcpy(head.claimed, claimed.data, claimed.size);
    }
    look_at(in, frame, &head);
    enum verdict verdict = judge(in, &head);
    INGEST_COUNT(&in->counters, received, 1);
    if (verdict == DROP) {
        return RES_OK;
    }
    head.repeated = verdict == PASS_REPEATED;
    enum res res = ingest_queue_offer(&in->queue, &head, topic, frame);
    if (res != RES_OK) {
        INGEST_COUNT(&in->counters, received, -1); /* it will be offered again */
    }
    return res;
}

void ingest_wait_room(struct ingest *in, int64_t timeout_ms)
{
    ingest_queue_wait_room(&in->queue, timeout_ms);
}

enum res ingest_flush(struct ingest *in, int64_t timeout_ms)
{
    return ingest_queue_wait_empty(&in->queue, timeout_ms);
}

void ingest_refresh(struct ingest *in)
{
    atomic_store(&in->refresh, true);
    ingest_queue_poke(&in->queue);
}

/* ---- signature workers ---- */

static void fine(struct ingest *in, const struct ingest_message *m)
{
    bool forged = m->refusal == WIRE_BAD_SIGNATURE || m->refusal == WIRE_HIGH_S;
    if (m->device != NULL && forged) {
        (void)pthread_mutex_lock(&in->devices.lock);
        token_bucket_fine(&m->device->rate, &in->rate, m->received_ms * 1000, GARBAGE_FINE);
        (void)pthread_mutex_unlock(&in->devices.lock);
    }
}

static void *work(void *user)
{
    struct ingest *in = user;
    struct ingest_verify verify;
    if (ingest_verify_init(&verify, &in->devices) != RES_OK) {
        abort(); /* 24 KB at the start: this machine cannot run us */
    }
    uint64_t first;
    size_t count;
    for (;;) {
        ingest_queue_claim(&in->queue, &first, &count);
        if (count == 0) {
            break;
        }
        for (size_t i = 0; i < count; i++) {
            struct ingest_message *m = ingest_queue_at(&in->queue, first + i);
            while (ingest_verify_message(&verify, m) != RES_OK &&
                   !ingest_queue_stopping(&in->queue)) {
                ingest_queue_pause(&in->queue, RETRY_MS); /* out of memory: wait, lose nothing */
            }
            fine(in, m);
        }
        ingest_queue_done(&in->queue, first, count);
    }
    ingest_verify_deinit(&verify);
    return NULL;
}

/* ---- the committer ---- */

/* PostgreSQL still hears of us, or a full disk would look like a process that is gone. */
static void tell_disk(struct ingest *in)
{
    int64_t now_ms = clock_ms(CLOCK_REALTIME);
    if (now_ms - in->kept_ms >= HOUSEKEEPING_MS || now_ms < in->kept_ms) {
        struct ingest_figures figures;
        in->kept_ms = now_ms;
        ingest_figures(in, &figures);
        enum res told = ingest_metrics_write(in->commit.conn, in->writer, &figures, NULL);
        (void)told; /* figures only: the events wait for the disk anyway */
    }
}

/* After a failed attempt: says so once, and waits for what is missing. */
static void recover(struct ingest *in, enum res res, unsigned tries, const struct err *why)
{
    if (res == RES_CONFLICT || res == RES_AGAIN) {
        INGEST_COUNT(&in->counters, conflicts, 1);
        if (tries > QUICK_RETRIES_MAX) {
            ingest_queue_pause(&in->queue, RETRY_MS);
        }
        return;
    }
    if (in->commit.disk_failed) {
        enter(in, INGEST_WAITS_FOR_DISK, why->text);
        tell_disk(in);
        ingest_queue_pause(&in->queue, RETRY_MS);
        return;
    }
    enter(in, INGEST_WAITS_FOR_DATABASE, why->text);
    while (!ingest_queue_stopping(&in->queue) &&
           pg_conn_reconnect(in->commit.conn, NULL) != RES_OK) {
        ingest_queue_pause(&in->queue, RETRY_MS);
    }
    if (res != RES_UNAVAILABLE) {
        ingest_queue_pause(&in->queue, RETRY_MS); /* it answers, but not as it should: no hurry */
    }
}

/* Until it is committed, or we are stopped (false). What the model refuses is the caller's. */
static bool commit_batch(struct ingest *in, bool muted, enum res *ret_res)
{
    struct err why;
    for (unsigned tries = 1;; tries++) {
        int64_t began = monotonic_us();
        in->commit.now_ms = clock_ms(CLOCK_REALTIME);
        err_set(&why, "no reason was given");
        enum res res = ingest_commit_attempt(&in->commit, muted, &why);
        if (res == RES_OK) {
            int64_t took = monotonic_us() - began;
            INGEST_COUNT(&in->counters, batches, 1);
            INGEST_COUNT(&in->counters, commit_us, took);
            if (took > INGEST_COUNTED(&in->counters, commit_us_max)) {
                atomic_store(&in->counters.commit_us_max, took);
            }
            enter(in, INGEST_RUNNING, "storing events again");
            ingest_commit_answer(&in->commit);
        }
        if (res == RES_OK || in->commit.refused) {
            *ret_res = res;
            return true;
        }
        if (ingest_queue_stopping(&in->queue)) {
            return false;
        }
        recover(in, res, tries, &why);
        if (ingest_queue_stopping(&in->queue)) {
            return false;
        }
    }
}

/* When an event of the batch breaks a rule of the model, the batch is halved until that event is
 * alone, and it is committed without effects; after it the parts grow again. */
static bool commit_all(struct ingest *in, struct ingest_message *const *messages, size_t count)
{
    size_t part = count;
    for (size_t done = 0; done < count;) {
        enum res res;
        size_t n = part < count - done ? part : count - done;
        in->commit.partial = done + n < count;
        ingest_commit_begin(&in->commit, &messages[done], n);
        if (!commit_batch(in, false, &res)) {
            return false;
        }
        if (res != RES_OK && n > 1) {
            part = n / 2;
            continue;
        }
        if (res != RES_OK && !commit_batch(in, true, &res)) {
            return false;
        }
        if (res != RES_OK) {
            /* Not even filed: its cart is not in the model. It stays unacknowledged. */
            INGEST_COUNT(&in->counters, illegal, 1);
        }
        done += n;
        part *= 2;
    }
    return true;
}

static void evict(struct ingest *in, int64_t now_ms)
{
    in->evicted_ms = now_ms;
    (void)pthread_mutex_lock(&in->devices.lock);
    for (size_t i = 0; i < in->devices.slot_count; i++) {
        struct ingest_device *device = in->devices.slots[i];
        if (device != NULL && device->cart != NULL &&
            now_ms - device->cart->used_ms > CART_IDLE_MS) {
            ingest_cart_free(device->cart);
            device->cart = NULL;
        }
    }
    (void)pthread_mutex_unlock(&in->devices.lock);
}

/* About once a second: new and revoked devices, our figures, quiet carts. */
static enum res keep_house(struct ingest *in, struct err *why)
{
    int64_t now_ms = clock_ms(CLOCK_REALTIME);
    bool asked = atomic_exchange(&in->refresh, false);
    bool due = now_ms - in->kept_ms >= HOUSEKEEPING_MS || now_ms < in->kept_ms;
    in->commit.now_ms = now_ms;
    if (asked || due) {
        enum res res = ingest_keys_refresh(&in->commit.keys, in->commit.conn, now_ms, why);
        if (res != RES_OK) {
            atomic_store(&in->refresh, true);
            return res;
        }
    }
    if (due) {
        in->kept_ms = now_ms;
        struct ingest_figures figures;
        ingest_figures(in, &figures);
        enum res res = ingest_metrics_write(in->commit.conn, in->writer, &figures, why);
        if (res != RES_OK) {
            return res;
        }
    }
    if (now_ms - in->evicted_ms >= EVICT_EVERY_MS) {
        evict(in, now_ms);
    }
    return ingest_commit_notices(&in->commit, why);
}

static void *run(void *user)
{
    struct ingest *in = user;
    struct ingest_message *batch[INGEST_BATCH_MAX];
    bool going = true;
    while (going && !ingest_queue_stopping(&in->queue)) {
        size_t count =
            ingest_queue_ready(&in->queue, INGEST_BATCH_MAX, IDLE_MS, in->settings.linger_ms);
        for (size_t i = 0; i < count; i++) {
            batch[i] = ingest_queue_at(&in->queue, ingest_queue_first(&in->queue) + i);
        }
        going = count == 0 || commit_all(in, batch, count);
        struct err why;
        in->commit.disk_failed = false;
        enum res res = going ? keep_house(in, &why) : RES_OK;
        if (res != RES_OK) {
            recover(in, res, 1, &why);
        } else if (going) {
            enter(in, INGEST_RUNNING, "storing events again");
        }
        if (going && count > 0) {
            ingest_queue_free(&in->queue, count);
        }
    }
    return NULL;
}

/* ---- recovery ---- */

struct replay {
    struct ingest *in;
    struct ingest_message *messages; /* INGEST_BATCH_MAX */
    size_t count;
    telemetry_position position; /* of the block under way */
};

/* Collects one block; RES_AGAIN at the first event of the next. */
static enum res collect(void *user, const struct telemetry_event *e, telemetry_position position)
{
    struct replay *r = user;
    if (r->count > 0 && position != r->position) {
        return RES_AGAIN;
    }
    r->position = position;
    (void)pthread_mutex_lock(&r->in->devices.lock);
    struct ingest_device *device = ingest_devices_find(&r->in->devices, e->device_id);
    (void)pthread_mutex_unlock(&r->in->devices.lock);
    if (r->count == INGEST_BATCH_MAX || e->body.size + e->signature.size > INGEST_FRAME_BYTES_MAX) {
        return RES_LIMIT;
    }
    struct ingest_message *m = &r->messages[r->count];
    memset(m, 0, sizeof *m);
    memcpy(m->frame, e->body.data, e->body.size);
    memcpy(m->frame + e->body.size, e->signature.data, e->signature.size);
    m->frame_size = e->body.size + e->signature.size;
    m->frame_whole = m->frame_size;
    m->body = span_of(m->frame, e->body.size);
    m->signature = span_of(m->frame + e->body.size, e->signature.size);
    unsigned unknown;
    if (device == NULL || ecdsa_sha256(m->body, m->digest) != RES_OK ||
        wire_event_decode(m->body, &m->event, &unknown, &m->detail) != WIRE_FINE) {
        return RES_OK; /* not ours to know any more */
    }
    m->device = device;
    m->received_ms = e->received_ms;
    m->topic_fits = true;
    m->topic_type = m->event.type;
    m->has_identity = true;
    m->signature_valid = true;
    m->appended = true;
    m->epoch = e->epoch;
    m->counter = e->counter;
    m->print = fingerprint_of(r->in->devices.key, m->body);
    memcpy(m->claimed, device->id, device->id_size);
    m->claimed_size = device->id_size;
    r->count++;
    return RES_OK;
}

static enum res read_checkpoint(struct ingest *in, telemetry_position *ret, struct err *why)
{
    struct pg_params params;
    pg_params_init(&params);
    pg_params_cstr(&params, in->writer);
    PGresult *rows = NULL;
    enum res res =
        pg_conn_run(in->commit.conn, "SELECT position FROM ingest_checkpoint WHERE writer = $1",
                    &params, &rows, why);
    if (res == RES_OK) {
        *ret = PQntuples(rows) > 0 ? pg_get_i64(rows, 0, 0) : 0;
        PQclear(rows);
    }
    return res;
}

/* What was appended to telemetry but never reached PostgreSQL. */
static enum res replay_tail(struct ingest *in, struct err *why)
{
    struct ingest_message *batch[INGEST_BATCH_MAX];
    struct replay r = {in, calloc(INGEST_BATCH_MAX, sizeof(struct ingest_message)), 0, 0};
    if (r.messages == NULL) {
        return RES_NO_MEMORY;
    }
    telemetry_position after = 0;
    enum res res = read_checkpoint(in, &after, why);
    bool more = res == RES_OK;
    while (more) {
        r.count = 0;
        r.position = after;
        res = telemetry_tail(in->commit.telemetry, in->writer, after, collect, &r, why);
        more = res == RES_AGAIN && r.position > after;
        if (res != RES_OK && res != RES_AGAIN) {
            break;
        }
        res = RES_OK;
        for (size_t i = 0; i < r.count; i++) {
            batch[i] = &r.messages[i];
        }
        in->commit.position = r.position;
        if (r.count > 0 && !commit_all(in, batch, r.count)) {
            res = RES_UNAVAILABLE;
            break;
        }
        after = r.position;
    }
    free(r.messages);
    return res;
}

/* ---- coming and going ---- */

static enum res open_all(struct ingest *in, struct err *why)
{
    const struct ingest_settings *s = &in->settings;
    struct ingest_commit *c = &in->commit;
    enum res res = platform_signer_open(s->platform_key, &c->answer.downlink.signer, why);
    if (res == RES_OK) {
        struct telemetry_settings t = {s->telemetry_directory, in->writer, s->sync};
        res = telemetry_open(&t, &c->telemetry, why);
    }
    if (res == RES_OK) {
        res = model_connect(&s->place, MODEL_INGEST, in->writer, 0, &c->conn, why);
    }
    if (res == RES_OK) {
        c->now_ms = clock_ms(CLOCK_REALTIME);
        in->kept_ms = c->now_ms;
        in->evicted_ms = c->now_ms;
        res = ingest_keys_refresh(&c->keys, c->conn, c->now_ms, why);
    }
    return res == RES_OK ? replay_tail(in, why) : res;
}

static enum res start_threads(struct ingest *in)
{
    unsigned workers = in->settings.workers;
    if (workers == 0) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        workers = cores > 0 ? (unsigned)cores : 1;
    }
    if (workers > WORKERS_MAX) {
        workers = WORKERS_MAX;
    }
    if (pthread_create(&in->committer, NULL, run, in) != 0) {
        return RES_NO_MEMORY;
    }
    in->committer_runs = true;
    while (in->worker_count < workers) {
        if (pthread_create(&in->workers[in->worker_count], NULL, work, in) != 0) {
            return RES_NO_MEMORY;
        }
        in->worker_count++;
    }
    return RES_OK;
}

static void settle_defaults(struct ingest *in)
{
    struct ingest_settings *s = &in->settings;
    if (s->queue_messages == 0) {
        s->queue_messages = INGEST_QUEUE_DEFAULT;
    }
    if (s->linger_ms == 0) {
        s->linger_ms = INGEST_LINGER_DEFAULT_MS;
    }
    int64_t rate = s->rate_per_second == 0 ? INGEST_RATE_DEFAULT : s->rate_per_second;
    int64_t burst = s->rate_burst == 0 ? INGEST_BURST_DEFAULT : s->rate_burst;
    in->rate = token_bucket_rate(rate == INGEST_RATE_NONE ? 0 : rate, burst);
    in->commit.answer.user = s->user;
    in->commit.answer.publish = s->publish;
}

enum res ingest_new(const struct ingest_settings *settings, struct ingest **ret, struct err *why)
{
    assert(settings->publish != NULL && settings->writer != NULL);
    struct ingest *in = calloc(1, sizeof *in);
    if (in == NULL) {
        return RES_NO_MEMORY;
    }
    in->settings = *settings;
    atomic_store(&in->broker_connected, -1);
    enum res res = span_copy_text(span_text(settings->writer, INGEST_WRITER_BYTES_MAX), in->writer,
                                  sizeof in->writer);
    if (res == RES_OK) {
        res = ingest_devices_init(&in->devices);
    }
    if (res != RES_OK) {
        free(in);
        return res;
    }
    ingest_commit_init(&in->commit, in->writer, &in->devices, &in->counters);
    settle_defaults(in);
    res = ingest_queue_init(&in->queue, in->settings.queue_messages);
    if (res != RES_OK) {
        ingest_commit_deinit(&in->commit);
        ingest_devices_deinit(&in->devices);
        free(in);
        return res;
    }
    res = open_all(in, why);
    if (res == RES_OK) {
        res = start_threads(in);
    }
    if (res != RES_OK) {
        ingest_free(in);
        return res;
    }
    *ret = in;
    return RES_OK;
}

void ingest_free(struct ingest *in)
{
    if (in == NULL) {
        return;
    }
    ingest_queue_stop(&in->queue);
    for (unsigned i = 0; i < in->worker_count; i++) {
        (void)pthread_join(in->workers[i], NULL);
    }
    if (in->committer_runs) {
        (void)pthread_join(in->committer, NULL);
    }
    ingest_commit_deinit(&in->commit);
    ingest_queue_deinit(&in->queue);
    ingest_devices_deinit(&in->devices);
    free(in);
}

void ingest_figures(struct ingest *in, struct ingest_figures *ret)
{
    struct ingest_counters *c = &in->counters;
    *ret = (struct ingest_figures){.received = INGEST_COUNTED(c, received),
                                   .accepted = INGEST_COUNTED(c, accepted),
                                   .duplicates = INGEST_COUNTED(c, duplicates),
                                   .far = INGEST_COUNTED(c, far),
                                   .rate_limited = INGEST_COUNTED(c, rate_limited),
                                   .stored = INGEST_COUNTED(c, stored),
                                   .batches = INGEST_COUNTED(c, batches),
                                   .commit_us = INGEST_COUNTED(c, commit_us),
                                   .commit_us_max = INGEST_COUNTED(c, commit_us_max),
                                   .acks = INGEST_COUNTED(c, acks),
                                   .payments = INGEST_COUNTED(c, payments),
                                   .products = INGEST_COUNTED(c, products),
                                   .late = INGEST_COUNTED(c, late),
                                   .illegal = INGEST_COUNTED(c, illegal),
                                   .conflicts = INGEST_COUNTED(c, conflicts)};
    for (size_t i = 0; i < WIRE_REFUSALS; i++) {
        ret->refused[i] = INGEST_COUNTED(c, refused[i]);
    }
    ret->waits_for_disk = ingest_state(in) == INGEST_WAITS_FOR_DISK ? 1 : 0;
    ret->queue_depth = (int64_t)ingest_queue_depth(&in->queue);
    (void)pthread_mutex_lock(&in->devices.lock);
    ret->broker_connected = atomic_load(&in->broker_connected);
    ret->devices = (int64_t)in->devices.count;
    (void)pthread_mutex_unlock(&in->devices.lock);
}
