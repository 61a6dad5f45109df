#include "ingest_changes.h"

#include <assert.h>
#include <string.h>

#include "ecdsa.h"

#define COLUMN_BYTES_MAX    (16 * 1024 * 1024)
#define DEAD_BODY_BYTES_MAX INGEST_FRAME_BYTES_MAX
#define CAUSE_KEY_BYTES_MAX 200
#define CONFLICT_SQLSTATE   "22012" /* division by zero: our own word for it, see streams_sql */
#define STATEMENTS_MAX      16

/* Updates only rows whose version is the one that was read, inserts those that are new; fewer rows
 * than asked for means that another writer was here, and ends the transaction. */
static const char streams_sql[] =
    "WITH input AS (SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bytea[], "
    "$5::bigint[], $6::text[]) AS i(cart_id, epoch, watermark, above, version, store_id) "
    "ORDER BY cart_id, epoch), "
    "done AS (INSERT INTO cart_stream AS s (cart_id, epoch, watermark, above, version, store_id) "
    "SELECT cart_id, epoch, watermark, above, version + 1, store_id FROM input "
    "ON CONFLICT (cart_id, epoch) DO UPDATE SET watermark = excluded.watermark, "
    "above = excluded.above, version = excluded.version, updated_at = now() "
    "WHERE s.version = excluded.version - 1 RETURNING 1) "
    "SELECT 1 / (CASE WHEN (SELECT count(*) FROM done) = (SELECT count(*) FROM input) "
    "THEN 1 ELSE 0 END)";
#define STREAM_COLUMNS 6

static const char gaps_sql[] =
    "INSERT INTO stream_gap (cart_id, epoch, reported_counter, store_id, from_counter, to_counter, "
    "dropped_health, dropped_fault, dropped_scan, received_at) "
    "SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[], "
    "$6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::timestamptz[]) "
    "ON CONFLICT DO NOTHING";
#define GAP_COLUMNS 10

static const char faults_sql[] =
    "WITH input AS (SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], "
    "$5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[], $10::timestamptz[]) "
    "AS i(cart_id, epoch, counter, store_id, code, severity, session_id, detail, device_time, "
    "received_at)), "
    "kept AS (INSERT INTO fault (cart_id, epoch, counter, store_id, code, severity, session_id, "
    "detail, device_time, received_at) SELECT * FROM input ON CONFLICT DO NOTHING) "
    "UPDATE cart c SET fault_code = i.code, fault_at = i.device_time FROM "
    "(SELECT DISTINCT ON (cart_id) * FROM input WHERE code <> 'gap' "
    "ORDER BY cart_id, epoch DESC, counter DESC) AS i WHERE c.cart_id = i.cart_id";
#define FAULT_COLUMNS 10

/* The newest of the batch for each cart, and never an older one over a newer. */
static const char health_sql[] =
    "UPDATE cart c SET mode = i.mode, battery_pct = i.battery, signal_dbm = i.signal, "
    "laser_deci_c = i.laser, drift_g = i.drift, link = i.link, x_cm = coalesce(i.x, c.x_cm), "
    "y_cm = coalesce(i.y, c.y_cm), queued_events = i.queued, catalog_version = i.version, "
    "health_epoch = i.epoch, health_counter = i.counter, online = true, "
    "last_seen_at = i.received_at, last_device_time = i.device_time FROM "
    "(SELECT DISTINCT ON (cart_id) * FROM unnest($1::text[], $2::bigint[], $3::bigint[], "
    "$4::timestamptz[], $5::timestamptz[], $6::text[], $7::smallint[], $8::smallint[], "
    "$9::smallint[], $10::int[], $11::text[], $12::int[], $13::int[], $14::bigint[], "
    "$15::bigint[]) AS u(cart_id, epoch, counter, received_at, device_time, mode, battery, signal, "
    "laser, drift, link, x, y, queued, version) ORDER BY cart_id, epoch DESC, counter DESC) AS i "
    "WHERE c.cart_id = i.cart_id AND "
    "(coalesce(c.health_epoch, 0), coalesce(c.health_counter, 0)) < (i.epoch, i.counter)";
#define HEALTH_COLUMNS 15

static const char boots_sql[] =
    "UPDATE cart c SET firmware = i.firmware, hardware = i.hardware, slot = i.slot, "
    "security_counter = i.security, catalog_version = i.version, online = true, "
    "last_seen_at = i.received_at, last_device_time = i.device_time, last_boot_at = i.device_time, "
    "boot_reason = i.reason FROM (SELECT DISTINCT ON (cart_id) * FROM unnest($1::text[], "
    "$2::bigint[], $3::bigint[], $4::timestamptz[], $5::timestamptz[], $6::text[], $7::text[], "
    "$8::text[], $9::bigint[], $10::bigint[], $11::text[]) AS u(cart_id, epoch, counter, "
    "received_at, device_time, firmware, hardware, slot, security, version, reason) "
    "ORDER BY cart_id, epoch DESC, counter DESC) AS i WHERE c.cart_id = i.cart_id";
#define BOOT_COLUMNS 11

static const char commands_sql[] =
    "UPDATE command c SET state = i.outcome, answered_at = i.received_at "
    "FROM unnest($1::text[], $2::bigint[], $3::text[], $4::timestamptz[]) "
    "AS i(cart_id, number, outcome, received_at) "
    "WHERE c.cart_id = i.cart_id AND c.number = i.number AND c.state IN ('queued', 'sent')";
#define COMMAND_COLUMNS 4

static const char dead_sql[] =
    "INSERT INTO dead_letter AS d (topic, claimed_device, store_id, reason, field, field_limit, "
    "epoch, counter, body, body_digest, received_at, last_received_at, occurrences) "
    "SELECT min(topic), claimed, min(store_id), reason, min(field), min(field_limit), min(epoch), "
    "min(counter), (array_agg(body))[1], digest, min(received_at), "
    "max(received_at), count(*) FROM (SELECT topic, claimed, store_id, reason, field, field_limit, "
    "epoch, counter, body, digest, received_at FROM unnest($1::text[], $2::text[], $3::text[], "
    "$4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bytea[], $10::bytea[], "
    "$11::timestamptz[], $12::text[]) AS u(topic, claimed, store_id, reason, field, field_limit, "
    "epoch, counter, body, digest, received_at, unless) "
    "WHERE unless IS NULL OR (SELECT count(*) FROM session s WHERE s.session_id = unless) = 0) AS "
    "i "
    "GROUP BY claimed, reason, digest "
    "ON CONFLICT (claimed_device, reason, body_digest) DO UPDATE SET "
    "occurrences = d.occurrences + excluded.occurrences, "
    "last_received_at = excluded.last_received_at";
#define DEAD_COLUMNS 12

static const char alerts_sql[] =
    "INSERT INTO alert AS a (store_id, kind, severity, device_id, session_id, cause_key, message, "
    "occurrences, created_at, last_seen_at) "
    "SELECT store, min(kind), min(severity), min(device), min(session), cause, min(message), "
    "sum(n)::bigint, min(at), max(at) FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], "
    "$5::text[], $6::text[], $7::text[], $8::bigint[], $9::timestamptz[]) "
    "AS u(store, kind, severity, device, session, cause, message, n, at) GROUP BY store, cause "
    "ON CONFLICT (store_id, cause_key) WHERE status <> 'resolved' "
    "DO UPDATE SET occurrences = a.occurrences + excluded.occurrences, "
    "last_seen_at = excluded.last_seen_at, message = excluded.message";
#define ALERT_COLUMNS 9

static const char checkpoint_sql[] =
    "INSERT INTO ingest_checkpoint AS c (writer, position, updated_at) VALUES ($1, $2, now()) "
    "ON CONFLICT (writer) DO UPDATE SET position = greatest(c.position, excluded.position), "
    "updated_at = now()";

void ingest_changes_init(struct ingest_changes *c)
{
    pg_rows_init(&c->streams, STREAM_COLUMNS, COLUMN_BYTES_MAX);
    pg_rows_init(&c->gaps, GAP_COLUMNS, COLUMN_BYTES_MAX);
    pg_rows_init(&c->faults, FAULT_COLUMNS, COLUMN_BYTES_MAX);
    pg_rows_init(&c->health, HEALTH_COLUMNS, COLUMN_BYTES_MAX);
    pg_rows_init(&c->boots, BOOT_COLUMNS, COLUMN_BYTES_MAX);
    pg_rows_init(&c->commands, COMMAND_COLUMNS, COLUMN_BYTES_MAX);
    pg_rows_init(&c->dead, DEAD_COLUMNS, COLUMN_BYTES_MAX);
    pg_rows_init(&c->alerts, ALERT_COLUMNS, COLUMN_BYTES_MAX);
    session_changes_init(&c->sessions);
}

void ingest_changes_deinit(struct ingest_changes *c)
{
    pg_rows_deinit(&c->streams);
    pg_rows_deinit(&c->gaps);
    pg_rows_deinit(&c->faults);
    pg_rows_deinit(&c->health);
    pg_rows_deinit(&c->boots);
    pg_rows_deinit(&c->commands);
    pg_rows_deinit(&c->dead);
    pg_rows_deinit(&c->alerts);
    session_changes_deinit(&c->sessions);
}

void ingest_changes_reset(struct ingest_changes *c)
{
    pg_rows_reset(&c->streams);
    pg_rows_reset(&c->gaps);
    pg_rows_reset(&c->faults);
    pg_rows_reset(&c->health);
    pg_rows_reset(&c->boots);
    pg_rows_reset(&c->commands);
    pg_rows_reset(&c->dead);
    pg_rows_reset(&c->alerts);
    session_changes_reset(&c->sessions);
}

bool ingest_changes_any(const struct ingest_changes *c)
{
    return c->streams.count + c->gaps.count + c->faults.count + c->health.count + c->boots.count +
                   c->commands.count + c->dead.count + c->alerts.count >
               0 ||
           session_changes_any(&c->sessions);
}

/* Columns by kind, each the next of the row. */
static void text(struct pg_rows *rows, struct span value)
{
    pg_array_span(pg_rows_next(rows), value.size > 0 ? value : SPAN_NONE);
}

static void word(struct pg_rows *rows, const char *value)
{
    pg_array_span(pg_rows_next(rows), value != NULL ? span_of(value, strlen(value)) : SPAN_NONE);
}

static void number(struct pg_rows *rows, int64_t value)
{
    if (value == WIRE_ABSENT) {
        pg_array_null(pg_rows_next(rows));
    } else {
        pg_array_i64(pg_rows_next(rows), value);
    }
}

static void time_ms(struct pg_rows *rows, int64_t value)
{
    pg_array_time_ms(pg_rows_next(rows), value);
}

static void identity(struct pg_rows *rows, const struct ingest_origin *o,
                     const struct wire_event *e)
{
    text(rows, o->cart_id);
    number(rows, e->epoch);
    number(rows, e->counter);
}

static void name(struct pg_rows *rows, enum wire_type type, const char *field, int64_t value)
{
    word(rows, value == WIRE_ABSENT ? NULL : wire_enum_name(type, field, value));
}

void ingest_changes_stream(struct ingest_changes *c, const struct ingest_origin *o,
                           const struct ingest_stream *s)
{
    uint8_t above[STREAM_WINDOW_BYTES_MAX];
    struct sink out;
    sink_init(&out, above, sizeof above);
    stream_window_write(&s->window, &out);
    text(&c->streams, o->cart_id);
    number(&c->streams, s->epoch);
    number(&c->streams, s->window.watermark);
    pg_array_bytes(pg_rows_next(&c->streams), sink_span(&out));
    number(&c->streams, s->version);
    text(&c->streams, o->store_id);
    pg_rows_end(&c->streams);
}

void ingest_changes_gap(struct ingest_changes *c, const struct ingest_origin *o,
                        const struct wire_event *gap)
{
    identity(&c->gaps, o, gap);
    text(&c->gaps, o->store_id);
    const int64_t counts[] = {gap->fault.gap_from, gap->fault.gap_to, gap->fault.gap_health,
                              gap->fault.gap_fault, gap->fault.gap_scan};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        number(&c->gaps, counts[i] > 0 ? counts[i] : 0);
    }
    time_ms(&c->gaps, o->received_ms);
    pg_rows_end(&c->gaps);
}

void ingest_changes_fault(struct ingest_changes *c, const struct ingest_origin *o,
                          const struct wire_event *fault)
{
    identity(&c->faults, o, fault);
    text(&c->faults, o->store_id);
    name(&c->faults, WIRE_FAULT, "code", fault->fault.code);
    name(&c->faults, WIRE_FAULT, "severity", fault->fault.severity);
    text(&c->faults, fault->fault.session_id);
    text(&c->faults, fault->fault.detail);
    time_ms(&c->faults, fault->time_ms);
    time_ms(&c->faults, o->received_ms);
    pg_rows_end(&c->faults);
}

void ingest_changes_health(struct ingest_changes *c, const struct ingest_origin *o,
                           const struct wire_event *health)
{
    const struct wire_health *h = &health->health;
    identity(&c->health, o, health);
    time_ms(&c->health, o->received_ms);
    time_ms(&c->health, health->time_ms);
    name(&c->health, WIRE_HEALTH, "mode", h->mode);
    number(&c->health, h->battery_pct);
    number(&c->health, h->signal_dbm);
    number(&c->health, h->laser_deci_c);
    number(&c->health, h->drift_g);
    name(&c->health, WIRE_HEALTH, "link", h->link);
    number(&c->health, h->x_cm);
    number(&c->health, h->y_cm);
    number(&c->health, h->queued);
    number(&c->health, h->catalog_version);
    pg_rows_end(&c->health);
    if (h->command_number == WIRE_ABSENT || h->command_outcome == WIRE_ABSENT) {
        return;
    }
    text(&c->commands, o->cart_id);
    number(&c->commands, h->command_number);
    name(&c->commands, WIRE_HEALTH, "commandOutcome", h->command_outcome);
    time_ms(&c->commands, o->received_ms);
    pg_rows_end(&c->commands);
}

void ingest_changes_boot(struct ingest_changes *c, const struct ingest_origin *o,
                         const struct wire_event *boot)
{
    identity(&c->boots, o, boot);
    time_ms(&c->boots, o->received_ms);
    time_ms(&c->boots, boot->time_ms);
    text(&c->boots, boot->boot.firmware);
    text(&c->boots, boot->boot.hardware);
    text(&c->boots, boot->boot.slot);
    number(&c->boots, boot->boot.security_counter);
    number(&c->boots, boot->boot.catalog_version);
    name(&c->boots, WIRE_BOOT, "reason", boot->boot.reason);
    pg_rows_end(&c->boots);
}

/* A topic comes from outside: what is not printable ASCII is shown as '?'. */
static struct span printable(struct span raw, char room[INGEST_TOPIC_BYTES_MAX])
{
    size_t size = raw.size < INGEST_TOPIC_BYTES_MAX ? raw.size : INGEST_TOPIC_BYTES_MAX;
    for (size_t i = 0; i < size; i++) {
        bool fits = raw.data[i] >= 0x20 && raw.data[i] < 0x7f;
        room[i] = fits ? (char)raw.data[i] : '?';
    }
    return span_of(room, size);
}

enum res ingest_changes_dead(struct ingest_changes *c, const struct ingest_dead *dead)
{
    uint8_t digest[ECDSA_DIGEST_BYTES];
    enum res res = ecdsa_sha256(dead->frame, digest);
    if (res != RES_OK) {
        return res;
    }
    char topic[INGEST_TOPIC_BYTES_MAX];
    struct span body = dead->frame;
    if (body.size > DEAD_BODY_BYTES_MAX) {
        body.size = DEAD_BODY_BYTES_MAX;
    }
    pg_array_span(pg_rows_next(&c->dead), printable(dead->topic, topic));
    pg_array_span(pg_rows_next(&c->dead), dead->claimed.size > 0 ? dead->claimed : SPAN_LIT(""));
    text(&c->dead, dead->store_id);
    word(&c->dead, dead->reason);
    word(&c->dead, dead->field);
    number(&c->dead, dead->field != NULL ? dead->limit : WIRE_ABSENT);
    number(&c->dead, dead->epoch > 0 ? dead->epoch : WIRE_ABSENT);
    number(&c->dead, dead->epoch > 0 ? dead->counter : WIRE_ABSENT);
    pg_array_bytes(pg_rows_next(&c->dead), body.data != NULL ? body : SPAN_LIT(""));
    pg_array_bytes(pg_rows_next(&c->dead), span_of(digest, sizeof digest));
    time_ms(&c->dead, dead->received_ms);
    text(&c->dead, dead->unless_session);
    pg_rows_end(&c->dead);
    return RES_OK;
}

void ingest_changes_alert(struct ingest_changes *c, const struct ingest_alert *alert)
{
    static const char *const severities[] = {"low", "medium", "high"};
    char cause[CAUSE_KEY_BYTES_MAX];
    struct sink out;
    sink_init(&out, cause, sizeof cause);
    sink_text(&out, alert->cause);
    sink_byte(&out, ':');
    sink_bytes(&out, alert->of_session ? alert->session_id : alert->device_id);
    text(&c->alerts, alert->store_id);
    word(&c->alerts, alert->kind);
    word(&c->alerts, severities[alert->severity]);
    text(&c->alerts, alert->device_id);
    text(&c->alerts, alert->session_id);
    pg_array_span(pg_rows_next(&c->alerts), sink_span(&out));
    word(&c->alerts, alert->message);
    number(&c->alerts, alert->occurrences);
    time_ms(&c->alerts, alert->now_ms);
    pg_rows_end(&c->alerts);
}

struct visitor {
    size_t answers;
    ingest_changes_answer answer;
    void *user;
};

static enum res visit(void *user, size_t index, const PGresult *rows)
{
    struct visitor *v = user;
    if (index != v->answers) {
        return RES_OK;
    }
    for (int i = 0; i < PQntuples(rows); i++) {
        struct session_answer answer = session_changes_answer(rows, i);
        v->answer(v->user, &answer);
    }
    return RES_OK;
}

static enum res add_all(struct ingest_changes *c, struct pg_conn *conn, const char *writer,
                        int64_t position, size_t *ret_answers, struct err *why)
{
    const struct {
        struct pg_rows *rows;
        const char *sql;
    } parts[] = {
        {&c->streams, streams_sql}, {&c->gaps, gaps_sql},   {&c->faults, faults_sql},
        {&c->health, health_sql},   {&c->boots, boots_sql}, {&c->commands, commands_sql},
        {&c->alerts, alerts_sql},
    };
    size_t count = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        enum res res = pg_rows_add(parts[i].rows, conn, parts[i].sql, why);
        if (res != RES_OK) {
            return res;
        }
        count += parts[i].rows->count > 0 ? 1 : 0;
    }
    size_t added;
    enum res res = session_changes_add(&c->sessions, conn, count, ret_answers, &added, why);
    if (res == RES_OK) {
        res = pg_rows_add(&c->dead, conn, dead_sql, why); /* after the sessions it asks about */
    }
    if (res != RES_OK || position == 0) {
        return res;
    }
    struct pg_params params;
    pg_params_init(&params);
    pg_params_cstr(&params, writer);
    pg_params_i64(&params, position);
    return pg_conn_pipeline_add(conn, checkpoint_sql, &params, why);
}

enum res ingest_changes_commit(struct ingest_changes *c, struct pg_conn *conn, const char *writer,
                               int64_t position, ingest_changes_answer answer, void *user,
                               struct err *why)
{
    struct visitor v = {SIZE_MAX, answer, user};
    enum res res = pg_conn_pipeline_begin(conn, why);
    if (res != RES_OK) {
        return res;
    }
    res = add_all(c, conn, writer, position, &v.answers, why);
    if (res != RES_OK) {
        /* Half a batch was sent and must not be committed: without its connection it is not. */
        return pg_conn_reconnect(conn, NULL) == RES_OK ? res : RES_UNAVAILABLE;
    }
    res = pg_conn_pipeline_finish(conn, visit, &v, why);
    if (res == RES_INVALID && strcmp(pg_conn_sqlstate(conn), CONFLICT_SQLSTATE) == 0) {
        return RES_CONFLICT;
    }
    return res == RES_CONFLICT ? RES_INVALID : res; /* a unique row that is not ours */
}
