#include "label_commit.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "telemetry_types.h"

#define LIST_BYTES_MAX (1024 * 1024)
/* A label is read again after so long: it may have moved, or another process knows more. */
#define LOADED_MS_MAX  60000
#define UNKNOWN_MS_MAX 1000
#define HOLE_MS_MAX    500

/* A refused message is filed for people; a label that sends nothing else fills no disk. */
static const struct token_bucket_rate filing_rate = {2000000, 20};

enum res label_commit_init(struct label_commit *c, struct label_devices *devices,
                           struct label_counters *counters)
{
    memset(c, 0, sizeof *c);
    c->devices = devices;
    c->counters = counters;
    label_changes_init(&c->changes);
    c->bodies = calloc(LABEL_INGEST_BATCH_MAX, sizeof *c->bodies);
    c->folds = calloc(LABEL_INGEST_BATCH_MAX, sizeof *c->folds);
    c->events = calloc(LABEL_INGEST_BATCH_MAX, sizeof *c->events);
    size_t room = (size_t)LABEL_INGEST_BATCH_MAX * SHELF_UP_BYTES_MAX;
    void *block = malloc(room);
    if (c->bodies == NULL || c->folds == NULL || c->events == NULL || block == NULL) {
        free(block);
        return RES_NO_MEMORY;
    }
    arena_init(&c->arena, block, room);
    return RES_OK;
}

void label_commit_deinit(struct label_commit *c)
{
    label_changes_deinit(&c->changes);
    free(c->bodies);
    free(c->folds);
    free(c->events);
    free(c->arena.block);
    pg_conn_close(c->conn);
    telemetry_close(c->telemetry);
    platform_signer_close(c->signer);
}

/* ---- decoding ---- */

static struct span payload_of(const struct label_message *m)
{
    return span_of(m->payload, m->payload_size);
}

static struct span device_of(const struct label_message *m, const struct label_body *b)
{
    switch (m->topic_kind) {
    case SHELF_STATUS:
        return b->status.device_id;
    case SHELF_ACK:
        return b->ack.device_id;
    case SHELF_GET:
        return b->get.device_id;
    case SHELF_REPORT:
        return b->report.device_id;
    case SHELF_PRICE_UPDATE:
    case SHELF_FLASH_COMMAND:
    case SHELF_CONFIG_UPDATE:
    case SHELF_GET_ACCEPTED:
    case SHELF_DELTA:
    case SHELF_TOPICS:
        break;
    }
    return SPAN_NONE;
}

static enum res decode_shelf(struct label_commit *c, const struct label_message *m,
                             struct label_body *b, struct shelf_detail *detail)
{
    struct span payload = payload_of(m);
    if (m->topic_kind == SHELF_STATUS) {
        return shelf_status_decode(payload, &c->arena, &b->status, detail);
    }
    if (m->topic_kind == SHELF_ACK) {
        return shelf_ack_decode(payload, &c->arena, &b->ack, detail);
    }
    if (m->topic_kind == SHELF_GET) {
        return shelf_get_decode(payload, &c->arena, &b->get, detail);
    }
    return shelf_report_decode(payload, &c->arena, &b->report, detail);
}

static void decode(struct label_commit *c, const struct label_message *m, struct label_body *b)
{
    struct shelf_detail detail = {NULL, NULL};
    enum res r = RES_OK;
    b->refusal = LABEL_INGEST_REFUSALS;
    b->field = NULL;
    if (m->kind == LABEL_LINE_NONE) {
        b->refusal = LABEL_INGEST_TOPIC;
    } else if (m->payload_whole > SHELF_UP_BYTES_MAX) {
        b->refusal = LABEL_INGEST_TOO_LONG;
    } else if (m->kind != LABEL_LINE_SHELF) {
        r = label_presence_decode(payload_of(m), &b->presence);
    } else {
        r = decode_shelf(c, m, b, &detail);
        if (r == RES_OK && !span_equal(device_of(m, b), label_device_id(m->device))) {
            b->refusal = LABEL_INGEST_OTHER_DEVICE;
        }
    }
    if (r != RES_OK) {
        b->refusal = LABEL_INGEST_BAD_FIELD;
        b->field = detail.field;
    }
}

void label_commit_begin(struct label_commit *c, struct label_message *const *messages, size_t count)
{
    assert(count <= LABEL_INGEST_BATCH_MAX);
    c->messages = messages;
    c->count = count;
    arena_reset(&c->arena);
    for (size_t i = 0; i < count; i++) {
        decode(c, messages[i], &c->bodies[i]);
    }
}

/* ---- who they are ---- */

static bool is_stale(const struct label_commit *c, const struct label_device *d)
{
    int64_t age_ms = c->now_ms - d->loaded_ms;
    int64_t limit_ms = !d->known                           ? UNKNOWN_MS_MAX
                       : label_stream_has_hole(&d->stream) ? HOLE_MS_MAX
                                                           : LOADED_MS_MAX;
    return d->loaded_ms == 0 || age_ms >= limit_ms || age_ms < 0;
}

static void take_row(struct label_commit *c, const PGresult *rows, int row)
{
    (void)pthread_mutex_lock(&c->devices->lock);
    struct label_device *d = label_device_table_find(c->devices, pg_get_span(rows, row, 0));
    (void)pthread_mutex_unlock(&c->devices->lock);
    struct span store = pg_get_span(rows, row, 1);
    if (d != NULL && store.size <= sizeof d->store) {
        label_stream_merge(&d->stream, pg_get_i64(rows, row, 2), pg_get_i64(rows, row, 3));
        memcpy(d->store, store.data, store.size);
        d->store_size = (uint8_t)store.size;
        d->known = true;
    }
}

static enum res read_labels(struct label_commit *c, struct pg_array *ids, PGresult **ret_rows,
                            struct err *why)
{
    struct pg_params p;
    const char *list = pg_array_close(ids);
    if (list == NULL) {
        return RES_NO_MEMORY;
    }
    pg_params_init(&p);
    pg_params_cstr(&p, list);
    return pg_conn_run(c->conn,
                       "SELECT label_id::text, store_id::text, stream_epoch, stream_through FROM "
                       "label WHERE label_id = ANY ($1::text[]) AND retired_at IS NULL",
                       &p, ret_rows, why);
}

/* Reads those of the messages' labels that are not known well enough. */
static enum res load(struct label_commit *c, size_t first, size_t count, struct err *why)
{
    struct pg_array ids;
    PGresult *rows = NULL;
    pg_array_init(&ids, LIST_BYTES_MAX);
    for (size_t i = first; i < first + count; i++) {
        struct label_device *d = c->messages[i]->device;
        if (d != NULL && !d->loading && is_stale(c, d)) {
            d->loading = true;
            pg_array_span(&ids, label_device_id(d));
        }
    }
    enum res r = ids.count > 0 ? read_labels(c, &ids, &rows, why) : RES_OK;
    for (size_t i = first; i < first + count; i++) {
        struct label_device *d = c->messages[i]->device;
        if (d != NULL && d->loading) {
            d->loading = false;
            d->loaded_ms = r == RES_OK ? c->now_ms : 0;
            d->known = r != RES_OK && d->known;
        }
    }
    for (int i = 0; r == RES_OK && rows != NULL && i < PQntuples(rows); i++) {
        take_row(c, rows, i);
    }
    PQclear(rows);
    pg_array_deinit(&ids);
    return r;
}

/* ---- what they say ---- */

static struct label_fold *fold_of(struct label_commit *c, struct label_device *d)
{
    if (d->fold < 0) {
        d->fold = (int32_t)c->fold_count;
        label_fold_init(&c->folds[c->fold_count++], d);
    }
    return &c->folds[d->fold];
}

static enum res refuse(struct label_commit *c, const struct label_message *m,
                       enum label_ingest_refusal refusal, const struct label_body *b)
{
    struct label_device *d = m->device;
    bool event = refusal == LABEL_INGEST_NOT_APPLIED;
    const struct label_dead dead = {.topic = span_of(m->topic, m->topic_size),
                                    .claimed = d != NULL ? label_device_id(d) : SPAN_NONE,
                                    .store_id =
                                        d != NULL && d->known ? label_device_store(d) : SPAN_NONE,
                                    .reason = label_ingest_refusal_name(refusal),
                                    .field = b->field,
                                    .epoch = !event                          ? 0
                                             : m->topic_kind == SHELF_STATUS ? b->status.epoch
                                             : m->topic_kind == SHELF_ACK    ? b->ack.epoch
                                                                             : 0,
                                    .counter = !event                          ? 0
                                               : m->topic_kind == SHELF_STATUS ? b->status.counter
                                               : m->topic_kind == SHELF_ACK    ? b->ack.counter
                                                                               : 0,
                                    .payload = payload_of(m),
                                    .received_ms = m->received_ms};
    c->refused[refusal]++;
    (void)pthread_mutex_lock(&c->devices->lock);
    bool filed =
        token_bucket_take(d != NULL ? &d->filing : &c->filing, &filing_rate, m->received_ms * 1000);
    (void)pthread_mutex_unlock(&c->devices->lock);
    if (!filed) {
        LABEL_COUNT(c->counters, unfiled, 1);
        return RES_OK;
    }
    return label_changes_dead(&c->changes, &dead);
}

static void store(struct label_commit *c, const struct label_message *m, enum telemetry_type type,
                  int64_t epoch, int64_t counter, int64_t time_ms)
{
    if (!m->stored) {
        c->events[c->event_count++] =
            (struct telemetry_event){.device_id = label_device_id(m->device),
                                     .store_id = label_device_store(m->device),
                                     .type = (uint8_t)type,
                                     .epoch = epoch,
                                     .counter = counter,
                                     .device_time_ms = time_ms > 0 ? time_ms : m->received_ms,
                                     .received_ms = m->received_ms,
                                     .body = payload_of(m)};
    }
}

/* Whether the event is new; then it goes to telemetry. Without a counter it is no event. */
static bool take_event(struct label_commit *c, struct label_fold *f, const struct label_message *m,
                       const struct label_body *b)
{
    bool status = m->topic_kind == SHELF_STATUS;
    int64_t epoch = status ? b->status.epoch : b->ack.epoch;
    int64_t counter = status ? b->status.counter : b->ack.counter;
    if (counter == 0) {
        return true;
    }
    if (label_fold_event(f, epoch, counter) == LABEL_STREAM_SEEN) {
        c->duplicates++;
        return false;
    }
    store(c, m, status ? TELEMETRY_STATUS : TELEMETRY_ACK, epoch, counter,
          status ? b->status.time_ms : b->ack.time_ms);
    return true;
}

static enum res take_shelf(struct label_commit *c, const struct label_message *m,
                           const struct label_body *b, bool muted)
{
    struct label_fold *f = fold_of(c, m->device);
    label_fold_seen(f, m->received_ms);
    bool event = m->topic_kind == SHELF_STATUS || m->topic_kind == SHELF_ACK;
    if (event && !take_event(c, f, m, b)) {
        return RES_OK;
    }
    if (muted) {
        return refuse(c, m, LABEL_INGEST_NOT_APPLIED, b);
    }
    if (m->topic_kind == SHELF_STATUS) {
        label_fold_status(f, &b->status, m->received_ms);
    } else if (m->topic_kind == SHELF_ACK) {
        label_fold_ack(f, &b->ack, m->received_ms);
        label_changes_ack(&c->changes, &b->ack, m->received_ms);
    } else if (m->topic_kind == SHELF_GET) {
        f->asks = true;
    } else {
        label_fold_report(f, &b->report);
    }
    return RES_OK;
}

static enum res take(struct label_commit *c, const struct label_message *m,
                     const struct label_body *b, bool muted)
{
    if (b->refusal != LABEL_INGEST_REFUSALS) {
        return refuse(c, m, b->refusal, b);
    }
    if (m->kind == LABEL_LINE_BROKER) {
        c->presences++;
        label_changes_counted(&c->changes, b->presence.counted_ms);
        return RES_OK;
    }
    if (m->kind == LABEL_LINE_PRESENCE) {
        c->presences++;
        if (m->device->known) {
            label_fold_presence(fold_of(c, m->device), &b->presence);
        }
        return RES_OK;
    }
    return m->device->known ? take_shelf(c, m, b, muted)
                            : refuse(c, m, LABEL_INGEST_UNKNOWN_DEVICE, b);
}

static void start(struct label_commit *c)
{
    label_changes_reset(&c->changes);
    c->fold_count = 0;
    c->event_count = 0;
    c->duplicates = 0;
    c->presences = 0;
    memset(c->refused, 0, sizeof c->refused);
}

static void leave_folds(struct label_commit *c, bool committed)
{
    for (size_t i = 0; i < c->fold_count; i++) {
        struct label_device *d = c->folds[i].device;
        d->fold = -1;
        if (committed) {
            d->stream = c->folds[i].stream;
        }
    }
}

static enum res append(struct label_commit *c, size_t first, size_t count, struct err *why)
{
    telemetry_position position;
    if (c->event_count == 0) {
        return RES_OK;
    }
    enum res r =
        telemetry_append(c->telemetry, c->events, c->event_count, c->now_ms, &position, why);
    c->disk_failed = r != RES_OK && r != RES_NO_MEMORY;
    if (r == RES_OK) {
        LABEL_COUNT(c->counters, stored, (int64_t)c->event_count);
        for (size_t i = first; i < first + count; i++) {
            c->messages[i]->stored = true;
        }
    }
    return r;
}

static void count_all(struct label_commit *c)
{
    LABEL_COUNT(c->counters, duplicates, c->duplicates);
    LABEL_COUNT(c->counters, presences, c->presences);
    for (size_t i = 0; i < LABEL_INGEST_REFUSALS; i++) {
        LABEL_COUNT(c->counters, refused[i], c->refused[i]);
    }
}

enum res label_commit_attempt(struct label_commit *c, size_t first, size_t count, bool muted,
                              struct err *why)
{
    c->disk_failed = false;
    start(c);
    enum res r = load(c, first, count, why);
    for (size_t i = first; i < first + count && r == RES_OK; i++) {
        r = take(c, c->messages[i], &c->bodies[i], muted);
    }
    if (r == RES_OK) {
        r = append(c, first, count, why);
    }
    for (size_t i = 0; i < c->fold_count && r == RES_OK; i++) {
        label_changes_fold(&c->changes, &c->folds[i]);
    }
    if (r == RES_OK && label_changes_any(&c->changes)) {
        r = label_changes_commit(&c->changes, c->conn, why);
    }
    leave_folds(c, r == RES_OK);
    if (r == RES_OK) {
        count_all(c);
    }
    return r;
}

/* ---- answers ---- */

static enum res answer_row(struct label_commit *c, const PGresult *rows, int row)
{
    char topic[SHELF_TOPIC_BYTES];
    char signature[PLATFORM_SIGNER_DIGITS];
    uint8_t payload[SHELF_DOWN_BYTES_MAX];
    struct sink s;
    const struct shelf_state state = {.device_id = pg_get_span(rows, row, 0),
                                      .version = pg_get_i64(rows, row, 1),
                                      .time_ms = c->now_ms,
                                      .events_epoch = pg_get_i64(rows, row, 5),
                                      .events_through = pg_get_i64(rows, row, 6)};
    const struct shelf_ready ready = {.display = pg_get_span(rows, row, 2),
                                      .config = pg_get_span(rows, row, 3),
                                      .certificate = pg_get_span(rows, row, 4)};
    sink_init(&s, payload, sizeof payload);
    shelf_state_encode_ready(&state, &ready, &s);
    if (s.overflow) {
        return RES_LIMIT;
    }
    shelf_topic_write(state.device_id, SHELF_GET_ACCEPTED, topic);
    enum res r = platform_signer_sign_topic(c->signer, span_of(topic, strlen(topic)), sink_span(&s),
                                            signature);
    if (r == RES_OK) {
        c->publish(c->user, topic, sink_span(&s), span_of(signature, sizeof signature));
        LABEL_COUNT(c->counters, answers, 1);
    }
    return r;
}

static const char answers_sql[] =
    "SELECT l.label_id::text, coalesce(s.version, 1), s.desired -> 'display', s.desired -> "
    "'config', s.desired -> 'certificate', l.stream_epoch, l.stream_through "
    "FROM unnest($1::text[]) AS i(label_id) JOIN label l USING (label_id) "
    "LEFT JOIN shadow s ON s.device_id = l.label_id";

enum res label_commit_answer(struct label_commit *c, struct err *why)
{
    struct pg_params p;
    PGresult *rows = NULL;
    if (c->changes.back.count == 0) {
        return RES_OK;
    }
    pg_params_init(&p);
    pg_params_cstr(&p, pg_array_close(&c->changes.back.column[0]));
    enum res r = pg_conn_run(c->conn, answers_sql, &p, &rows, why);
    if (r != RES_OK) {
        return r;
    }
    for (int i = 0; i < PQntuples(rows); i++) {
        enum res answered = answer_row(c, rows, i);
        if (answered != RES_OK) {
            err_set(why, "a label's state cannot be told: it is longer than %d bytes",
                    SHELF_DOWN_BYTES_MAX);
            r = answered;
        }
    }
    PQclear(rows);
    for (size_t i = 0; i < c->fold_count; i++) {
        if (c->folds[i].asks) {
            label_stream_tell(&c->folds[i].device->stream);
        }
    }
    return r;
}
