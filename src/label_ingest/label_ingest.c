#include "label_ingest.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "label_commit.h"
#include "label_metrics.h"

#define IDLE_MS           200
#define HOUSEKEEPING_MS   1000
#define RETRY_MS          250
#define QUICK_RETRIES_MAX 20 /* deadlocks in a row before a pause */

struct label_ingest {
    struct label_ingest_settings settings;
    char writer[LABEL_INGEST_WRITER_BYTES_MAX + 1];
    struct label_counters counters;
    struct label_devices devices;
    struct label_line line;
    struct label_commit commit;
    struct token_bucket_rate rate;
    pthread_t committer;
    bool runs;
    _Atomic int state;            /* enum label_ingest_state */
    _Atomic int broker_connected; /* -1: not known */
    int64_t kept_ms;              /* last housekeeping */
};

const char *label_ingest_refusal_name(enum label_ingest_refusal refusal)
{
    static const char *const names[LABEL_INGEST_REFUSALS] = {
        [LABEL_INGEST_TOPIC] = "topic",
        [LABEL_INGEST_TOO_LONG] = "too_long",
        [LABEL_INGEST_BAD_FIELD] = "bad_field",
        [LABEL_INGEST_OTHER_DEVICE] = "other_device",
        [LABEL_INGEST_UNKNOWN_DEVICE] = "unknown_device",
        [LABEL_INGEST_NOT_APPLIED] = "not_applied"};
    return names[refusal];
}

static int64_t monotonic_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void enter(struct label_ingest *in, enum label_ingest_state state, const char *words)
{
    if (atomic_exchange(&in->state, (int)state) != (int)state && in->settings.on_state != NULL) {
        in->settings.on_state(in->settings.user, state, words);
    }
}

void label_ingest_note_broker(struct label_ingest *in, bool connected)
{
    atomic_store(&in->broker_connected, connected ? 1 : 0);
}

enum label_ingest_state label_ingest_state(const struct label_ingest *in)
{
    return (enum label_ingest_state)atomic_load(&in->state);
}

/* ---- the network's side ---- */

static bool begins(struct span topic, struct span with, struct span *ret_rest)
{
    if (topic.size < with.size || memcmp(topic.data, with.data, with.size) != 0) {
        return false;
    }
    *ret_rest = span_of(topic.data + with.size, topic.size - with.size);
    return true;
}

/* Whose topic it is; *ret_id is empty when it is no label's. */
static enum label_line_kind read_topic(struct span topic, struct span *ret_id,
                                       enum shelf_topic *ret_kind)
{
    struct span rest;
    *ret_id = SPAN_NONE;
    if (begins(topic, SPAN_LIT("presence/"), &rest)) {
        if (span_equal(rest, SPAN_LIT("broker"))) {
            return LABEL_LINE_BROKER;
        }
        *ret_id = shelf_id_is_valid(rest) ? rest : SPAN_NONE;
        return LABEL_LINE_PRESENCE;
    }
    struct span id;
    if (shelf_topic_read(topic, &id, ret_kind) == RES_OK && *ret_kind >= SHELF_STATUS) {
        *ret_id = id;
        return LABEL_LINE_SHELF;
    }
    return LABEL_LINE_NONE;
}

/* False: it is over its allowance, or there is no memory for one more. */
static bool admit(struct label_ingest *in, struct label_message *head, struct span id)
{
    (void)pthread_mutex_lock(&in->devices.lock);
    head->device = label_device_table_take(&in->devices, id);
    bool admitted = head->device != NULL &&
                    (head->kind == LABEL_LINE_PRESENCE ||
                     token_bucket_take(&head->device->rate, &in->rate, head->received_ms * 1000));
    (void)pthread_mutex_unlock(&in->devices.lock);
    return admitted;
}

enum res label_ingest_offer(struct label_ingest *in, struct span topic, struct span payload,
                            int64_t now_ms)
{
    struct label_message head;
    struct span id;
    head.received_ms = now_ms;
    head.topic_kind = SHELF_TOPICS;
    head.device = NULL;
    head.kind = read_topic(topic, &id, &head.topic_kind);
    if (head.kind == LABEL_LINE_PRESENCE && id.size == 0) {
        return RES_OK; /* a cart's: its own events say more */
    }
    if (id.size > 0 && !admit(in, &head, id)) {
        LABEL_COUNT(&in->counters, received, 1);
        LABEL_COUNT(&in->counters, rate_limited, 1);
        return RES_OK;
    }
    enum res r = label_line_offer(&in->line, &head, topic, payload);
    LABEL_COUNT(&in->counters, received, r == RES_OK ? 1 : 0);
    return r;
}

void label_ingest_wait_room(struct label_ingest *in, int64_t timeout_ms)
{
    label_line_wait_room(&in->line, timeout_ms);
}

enum res label_ingest_flush(struct label_ingest *in, int64_t timeout_ms)
{
    return label_line_wait_empty(&in->line, timeout_ms);
}

/* ---- the committer ---- */

static enum res tell_figures(struct label_ingest *in, struct err *why)
{
    struct label_ingest_figures figures;
    int64_t now_ms = clock_utc_ms();
    if (now_ms - in->kept_ms < HOUSEKEEPING_MS && now_ms >= in->kept_ms) {
        return RES_OK;
    }
    in->kept_ms = now_ms;
    label_ingest_figures(in, &figures);
    return label_metrics_write(in->commit.conn, in->writer, &figures, why);
}

/* After a failed attempt: says so once, and waits for what is missing. */
static void recover(struct label_ingest *in, enum res res, unsigned tries, const struct err *why)
{
    if (res == RES_AGAIN) {
        if (tries > QUICK_RETRIES_MAX) {
            label_line_pause(&in->line, RETRY_MS);
        }
        return;
    }
    if (in->commit.disk_failed) {
        enter(in, LABEL_INGEST_WAITS_FOR_DISK, why->text);
        enum res told = tell_figures(in, NULL);
        (void)told; /* figures only: the events wait for the disk anyway */
        label_line_pause(&in->line, RETRY_MS);
        return;
    }
    enter(in, LABEL_INGEST_WAITS_FOR_DATABASE, why->text);
    while (!label_line_stopping(&in->line) && pg_conn_reconnect(in->commit.conn, NULL) != RES_OK) {
        label_line_pause(&in->line, RETRY_MS);
    }
    if (res != RES_UNAVAILABLE) {
        label_line_pause(&in->line, RETRY_MS); /* it answers, but not as it should: no hurry */
    }
}

static void note_commit(struct label_ingest *in, int64_t began_us)
{
    int64_t took = monotonic_us() - began_us;
    LABEL_COUNT(&in->counters, batches, 1);
    LABEL_COUNT(&in->counters, commit_us, took);
    if (took > LABEL_COUNTED(&in->counters, commit_us_max)) {
        atomic_store(&in->counters.commit_us_max, took);
    }
    enter(in, LABEL_INGEST_RUNNING, "storing labels' events again");
}

/* Until it is committed, or refused by the model (*ret_res), or we are stopped (false). */
static bool commit_part(struct label_ingest *in, size_t first, size_t count, bool muted,
                        enum res *ret_res)
{
    struct err why;
    for (unsigned tries = 1; !label_line_stopping(&in->line); tries++) {
        int64_t began_us = monotonic_us();
        in->commit.now_ms = clock_utc_ms();
        err_set(&why, "no reason was given");
        enum res res = label_commit_attempt(&in->commit, first, count, muted, &why);
        if (res == RES_OK) {
            note_commit(in, began_us);
            enum res answered = label_commit_answer(&in->commit, &why);
            (void)answered; /* a label that got no answer asks again */
        }
        bool refused = !in->commit.disk_failed && (res == RES_INVALID || res == RES_LIMIT);
        if (res == RES_OK || refused) {
            *ret_res = res;
            return true;
        }
        recover(in, res, tries, &why);
    }
    return false;
}

/* When a message breaks a rule of the model, the batch is halved until that message is alone, and
 * it is filed instead of applied; after it the parts grow again. */
static bool commit_all(struct label_ingest *in, size_t count)
{
    size_t part = count;
    for (size_t done = 0; done < count;) {
        enum res res;
        size_t n = part < count - done ? part : count - done;
        if (!commit_part(in, done, n, false, &res)) {
            return false;
        }
        if (res != RES_OK && n > 1) {
            part = n / 2;
            continue;
        }
        if (res != RES_OK && !commit_part(in, done, n, true, &res)) {
            return false;
        }
        done += n;
        part *= 2;
    }
    return true;
}

static void *run(void *user)
{
    struct label_ingest *in = user;
    struct label_message *batch[LABEL_INGEST_BATCH_MAX];
    bool going = true;
    while (going && !label_line_stopping(&in->line)) {
        struct err why;
        size_t count =
            label_line_ready(&in->line, LABEL_INGEST_BATCH_MAX, IDLE_MS, in->settings.linger_ms);
        for (size_t i = 0; i < count; i++) {
            batch[i] = label_line_at(&in->line, i);
        }
        label_commit_begin(&in->commit, batch, count);
        going = commit_all(in, count);
        enum res res = going ? tell_figures(in, &why) : RES_OK;
        if (res != RES_OK) {
            in->commit.disk_failed = false;
            recover(in, res, 1, &why);
        } else if (going) {
            enter(in, LABEL_INGEST_RUNNING, "storing labels' events again");
        }
        if (going && count > 0) {
            label_line_free(&in->line, count);
        }
    }
    return NULL;
}

/* ---- life ---- */

static enum res open_all(struct label_ingest *in, struct err *why)
{
    const struct label_ingest_settings *s = &in->settings;
    const struct telemetry_settings telemetry = {s->telemetry_directory, in->writer, s->sync};
    uint64_t queue = s->queue_messages > 0 ? s->queue_messages : LABEL_INGEST_QUEUE_DEFAULT;
    err_set(why, "no memory to take labels' messages");
    enum res r = label_device_table_init(&in->devices, LABEL_INGEST_DEVICES_MAX);
    if (r == RES_OK) {
        r = label_line_init(&in->line, queue);
    }
    if (r == RES_OK) {
        r = label_commit_init(&in->commit, &in->devices, &in->counters);
    }
    if (r != RES_OK) {
        return r;
    }
    in->commit.user = s->user;
    in->commit.publish = s->publish;
    r = platform_signer_open(s->platform_key, &in->commit.signer, why);
    if (r == RES_OK) {
        r = telemetry_open(&telemetry, &in->commit.telemetry, why);
    }
    if (r == RES_OK) {
        r = model_connect(&s->place, MODEL_INGEST, "endcap-ingest-labels", 0, &in->commit.conn,
                          why);
    }
    return r;
}

enum res label_ingest_new(const struct label_ingest_settings *settings, struct label_ingest **ret,
                          struct err *why)
{
    if (strlen(settings->writer) > LABEL_INGEST_WRITER_BYTES_MAX) {
        err_set(why, "the writer's name %s is longer than %d bytes", settings->writer,
                LABEL_INGEST_WRITER_BYTES_MAX);
        return RES_LIMIT;
    }
    struct label_ingest *in = calloc(1, sizeof *in);
    if (in == NULL) {
        err_set(why, "no memory to take labels' messages");
        return RES_NO_MEMORY;
    }
    in->settings = *settings;
    memcpy(in->writer, settings->writer, strlen(settings->writer) + 1);
    atomic_store(&in->broker_connected, -1);
    if (in->settings.linger_ms == 0) {
        in->settings.linger_ms = LABEL_INGEST_LINGER_DEFAULT_MS;
    }
    int64_t rate = settings->rate_per_second;
    int64_t burst = settings->rate_burst;
    in->rate = token_bucket_rate(rate == 0                        ? LABEL_INGEST_RATE_DEFAULT
                                 : rate == LABEL_INGEST_RATE_NONE ? 0
                                                                  : rate,
                                 burst == 0 ? LABEL_INGEST_BURST_DEFAULT : burst);
    enum res r = open_all(in, why);
    if (r == RES_OK && pthread_create(&in->committer, NULL, run, in) != 0) {
        err_set(why, "no thread to take labels' messages");
        r = RES_NO_MEMORY;
    }
    in->runs = r == RES_OK;
    if (r != RES_OK) {
        label_ingest_free(in);
        return r;
    }
    *ret = in;
    return RES_OK;
}

void label_ingest_free(struct label_ingest *in)
{
    if (in == NULL) {
        return;
    }
    if (in->runs) {
        label_line_stop(&in->line);
        (void)pthread_join(in->committer, NULL);
    }
    label_commit_deinit(&in->commit);
    label_line_deinit(&in->line);
    label_device_table_deinit(&in->devices);
    free(in);
}

void label_ingest_figures(struct label_ingest *in, struct label_ingest_figures *ret)
{
    const struct label_counters *c = &in->counters;
    struct label_ingest_figures f = {
        .received = LABEL_COUNTED(c, received),
        .stored = LABEL_COUNTED(c, stored),
        .duplicates = LABEL_COUNTED(c, duplicates),
        .rate_limited = LABEL_COUNTED(c, rate_limited),
        .unfiled = LABEL_COUNTED(c, unfiled),
        .presences = LABEL_COUNTED(c, presences),
        .answers = LABEL_COUNTED(c, answers),
        .batches = LABEL_COUNTED(c, batches),
        .commit_us = LABEL_COUNTED(c, commit_us),
        .commit_us_max = LABEL_COUNTED(c, commit_us_max),
        .queue_depth = (int64_t)label_line_depth(&in->line),
        .waits_for_disk = label_ingest_state(in) == LABEL_INGEST_WAITS_FOR_DISK,
        .broker_connected = atomic_load(&in->broker_connected),
    };
    for (size_t i = 0; i < LABEL_INGEST_REFUSALS; i++) {
        f.refused[i] = LABEL_COUNTED(c, refused[i]);
    }
    (void)pthread_mutex_lock(&in->devices.lock);
    f.devices = (int64_t)in->devices.count;
    (void)pthread_mutex_unlock(&in->devices.lock);
    *ret = f;
}
