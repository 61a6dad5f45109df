#include "label_changes.h"

#include <string.h>

#include "alert_level.h"
#include "ecdsa.h"
#include "label_line.h"

#define COLUMN_BYTES_MAX (16 * 1024 * 1024)
#define TEXT_OF(number)  TEXT_OF_IT(number)
#define TEXT_OF_IT(it)   #it

/* Every statement here is a few look-ups by index. A plan made while the tables were small, which
 * the server would keep, must not read them whole when they are large. */
static const char plan_sql[] =
    "SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', "
    "true), set_config('enable_seqscan', 'off', true)";

/* One row a label. Its own words count in the order of its events; the stream only rises; "gone"
 * counts unless it has come since. */
#define WHEN_SHOWN(value, else_value)                                                              \
    "CASE WHEN i.shown AND (i.counter = 0 OR (l.shown_epoch, l.shown_counter) < (i.epoch, "        \
    "i.counter)) THEN " value " ELSE " else_value " END"
#define WHEN_FURTHER(value, else_value)                                                            \
    "CASE WHEN (l.stream_epoch, l.stream_through) < (i.stream, i.through) THEN " value             \
    " ELSE " else_value " END"
static const char labels_sql[] =
    "UPDATE label l SET last_seen_at = greatest(l.last_seen_at, i.seen), "
    "online = CASE WHEN i.up IS NULL OR (NOT i.up AND i.at < l.connected_at) THEN l.online "
    "ELSE i.up END, "
    "connected_at = CASE WHEN i.up THEN greatest(l.connected_at, i.at) ELSE l.connected_at END, "
    "connected_serial = coalesce(i.serial, l.connected_serial), "
    "asleep_until = CASE WHEN i.asleep IS NOT NULL THEN i.asleep WHEN i.up THEN NULL "
    "ELSE l.asleep_until END, "
    "stream_epoch = " WHEN_FURTHER(
        "i.stream",
        "l.stream_epoch") ", "
                          "stream_through = " WHEN_FURTHER(
                              "i.through",
                              "l.stream_through") ", "
                                                  "shown_version = " WHEN_SHOWN(
                                                      "i.version",
                                                      "l.shown_version") ", "
                                                                         "shown_digest "
                                                                         "= " WHEN_SHOWN(
                                                                             "i.digest",
                                                                             "l.shown_digest") ", "
                                                                                               "sho"
                                                                                               "wn_"
                                                                                               "pri"
                                                                                               "ce_"
                                                                                               "min"
                                                                                               "or "
                                                                                               "="
                                                                                               " " WHEN_SHOWN(
                                                                                                   "i.price",
                                                                                                   "l.shown_price_minor") ", "
                                                                                                                          "shown_product_id = " WHEN_SHOWN(
                                                                                                                              "i.product",
                                                                                                                              "l.shown_product_id") ", "
                                                                                                                                                    "shown_at = " WHEN_SHOWN(
                                                                                                                                                        "i.seen", "l.shown_at") ", "
                                                                                                                                                                                "last_update_at = " WHEN_SHOWN(
                                                                                                                                                                                    "coalesce(i.refreshed, l.last_update_at)",
                                                                                                                                                                                    "l.last_update_at") ", "
                                                                                                                                                                                                        "shown_epoch = " WHEN_SHOWN("greatest(i.epoch, l.shown_epoch)", "l.shown_epoch") ", "
                                                                                                                                                                                                                                                                                         "shown_counter = " WHEN_SHOWN("CASE WHEN i.counter = 0 THEN l.shown_counter ELSE i.counter END",
                                                                                                                                                                                                                                                                                                                       "l.shown_counter") " "
                                                                                                                                                                                                                                                                                                                                          "FROM unnest($1::text[], $2::timestamptz[], $3::boolean[], $4::timestamptz[], $5::text[], "
                                                                                                                                                                                                                                                                                                                                          "$6::timestamptz[], $7::bigint[], $8::bigint[], $9::boolean[], $10::bigint[], $11::bigint[], "
                                                                                                                                                                                                                                                                                                                                          "$12::bigint[], $13::bytea[], $14::bigint[], $15::text[], $16::timestamptz[]) "
                                                                                                                                                                                                                                                                                                                                          "AS i(label_id, seen, up, at, serial, asleep, stream, through, shown, epoch, counter, version, "
                                                                                                                                                                                                                                                                                                                                          "digest, price, product, refreshed) WHERE l.label_id = i.label_id";
#define LABEL_COLUMNS 16

/* How often it comes by unasked follows from the configuration it runs on; four times as seldom
 * with a low battery. The day's battery is kept for the estimate of what is left (P68). */
#define SYNC_SQL                                                                                   \
    "(SELECT greatest((c ->> 'syncPeakSeconds')::integer, "                                        \
    "(c ->> 'syncOffPeakSeconds')::integer) FROM (SELECT s.desired -> 'config' AS c FROM shadow "  \
    "s WHERE s.device_id = l.label_id) AS held WHERE (c ->> 'version')::bigint = i.config)"
static const char statuses_sql[] =
    "WITH done AS (UPDATE label l SET battery_pct = i.battery, signal_dbm = i.signal, "
    "display_type = i.display, firmware = i.firmware, shown_language = i.language, "
    "config_version = i.config, status_epoch = greatest(i.epoch, l.status_epoch), "
    "status_counter = CASE WHEN i.counter = 0 THEN l.status_counter ELSE i.counter END, "
    "sync_interval_s = least(86400, coalesce(" SYNC_SQL " * CASE WHEN i.battery < " TEXT_OF(
        ALERT_BATTERY_RESOLVE_PCT) " THEN 4 ELSE 1 END, l.sync_interval_s)) "
                                   "FROM unnest($1::text[], $2::bigint[], $3::bigint[], "
                                   "$4::smallint[], $5::smallint[], "
                                   "$6::text[], $7::text[], $8::text[], $9::bigint[], "
                                   "$10::timestamptz[]) "
                                   "AS i(label_id, epoch, counter, battery, signal, display, "
                                   "firmware, language, config, at) "
                                   "WHERE l.label_id = i.label_id AND (i.counter = 0 OR "
                                   "(l.status_epoch, l.status_counter) < "
                                   "(i.epoch, i.counter)) RETURNING l.label_id, l.store_id, "
                                   "l.battery_pct, i.at) "
                                   "INSERT INTO label_battery (label_id, day, store_id, first_pct, "
                                   "last_pct, updated_at) "
                                   "SELECT label_id, (at AT TIME ZONE 'UTC')::date, store_id, "
                                   "battery_pct, battery_pct, at "
                                   "FROM done ON CONFLICT (label_id, day) DO UPDATE SET last_pct = "
                                   "excluded.last_pct, "
                                   "updated_at = excluded.updated_at";
#define STATUS_COLUMNS 10
/* With the columns of statuses_sql; the rest of them is not looked at. */
static const char battery_low_sql[] =
    "SELECT raise_alert(l.store_id, 'low_battery', 'medium', l.label_id, NULL, 'low_battery:' || "
    "l.label_id, 'The battery of label ' || l.label_id || ' is at ' || l.battery_pct || ' %: "
    "change it.') FROM unnest($1::text[]) AS i(label_id) JOIN label l USING (label_id) "
    "WHERE l.battery_pct < " TEXT_OF(
        ALERT_BATTERY_RAISE_PCT) " AND NOT EXISTS (SELECT FROM alert "
                                 "a WHERE a.cause_key = 'low_battery:' || l.label_id AND a.status "
                                 "<> 'resolved')";
static const char battery_fine_sql[] =
    "UPDATE alert a SET status = 'resolved', resolved_at = now() FROM unnest($1::text[]) AS "
    "i(label_id) JOIN label l USING (label_id) WHERE l.battery_pct >= " TEXT_OF(
        ALERT_BATTERY_RESOLVE_PCT) " AND a.cause_key = 'low_battery:' || l.label_id AND a.status "
                                   "<> 'resolved'";

/* An ack, and what came of it; refused ones are told to people. Sorted, so that two writers take
 * the rows in the same order. */
static const char acks_sql[] =
    "WITH done AS (UPDATE delivery d SET state = i.state, finished_at = i.at, detail = i.why "
    "FROM (SELECT DISTINCT ON (id) * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], "
    "$5::bytea[], $6::text[], $7::timestamptz[]) WITH ORDINALITY "
    "AS u(id, label_id, kind, state, digest, why, at, n) ORDER BY id, n DESC) AS i "
    "WHERE d.delivery_id = i.id AND d.label_id = i.label_id AND d.kind = i.kind "
    "AND (d.finished_at IS NULL OR (d.state = 'failed' AND i.state = 'displayed')) "
    "AND (d.kind <> 'display' OR i.state = 'failed' OR d.content_digest = i.digest) "
    "RETURNING d.store_id, d.label_id, d.kind, d.state, d.detail) "
    "SELECT raise_alert(store_id, 'price_update_failed', 'high', label_id, NULL, "
    "'price_update_failed:' || label_id, 'Label ' || label_id || ' refused an update: ' || "
    "coalesce(detail, 'no reason given') || '.') FROM done WHERE state = 'failed' "
    "AND kind <> 'flash'";
#define ACK_COLUMNS 7
static const char confirms_sql[] =
    "UPDATE delivery d SET state = 'displayed', finished_at = i.at "
    "FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[], $5::timestamptz[]) "
    "AS i(label_id, kind, version, digest, at) WHERE d.label_id = i.label_id AND d.kind = i.kind "
    "AND d.version = i.version AND (d.kind <> 'display' OR d.content_digest = i.digest) "
    "AND d.finished_at IS NULL";
#define CONFIRM_COLUMNS 5
/* A status may also confirm late what was given up; further back nobody looks. */
static const char confirms_late_sql[] =
    "UPDATE delivery d SET state = 'displayed', finished_at = i.at "
    "FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[], $5::timestamptz[]) "
    "AS i(label_id, kind, version, digest, at) WHERE d.label_id = i.label_id AND d.kind = i.kind "
    "AND d.version = i.version AND (d.kind <> 'display' OR d.content_digest = i.digest) "
    "AND d.state = 'failed' AND d.created_at > now() - interval '7 days'";
/* The alert is over when every failed delivery has a confirmed one of its kind after it. */
static const char settled_sql[] =
    "UPDATE alert a SET status = 'resolved', resolved_at = now() "
    "FROM (SELECT DISTINCT label_id FROM unnest($1::text[]) AS u(label_id)) AS i "
    "WHERE a.cause_key = 'price_update_failed:' || i.label_id AND a.status <> 'resolved' "
    "AND NOT EXISTS (SELECT FROM delivery d WHERE d.label_id = i.label_id AND d.state = 'failed' "
    "AND d.kind <> 'flash' AND NOT EXISTS (SELECT FROM delivery e WHERE e.label_id = d.label_id "
    "AND e.kind = d.kind AND e.version > d.version AND e.state = 'displayed'))";
#define SETTLED_COLUMNS 1
static const char configs_sql[] =
    "UPDATE label l SET config_version = i.config, "
    "sync_interval_s = coalesce(" SYNC_SQL ", l.sync_interval_s) "
    "FROM (SELECT label_id, max(config) AS config FROM unnest($1::text[], $2::bigint[]) AS "
    "u(label_id, config) GROUP BY label_id) AS i "
    "WHERE l.label_id = i.label_id AND i.config > l.config_version";
#define CONFIG_COLUMNS 2

static const char reports_sql[] =
    "INSERT INTO shadow AS s (device_id, store_id, reported, reported_at) "
    "SELECT l.label_id, l.store_id, i.patch, now() FROM unnest($1::text[], $2::jsonb[]) "
    "AS i(label_id, patch) JOIN label l USING (label_id) ON CONFLICT (device_id) DO UPDATE "
    "SET reported = s.reported || excluded.reported, version = s.version + 1, reported_at = now() "
    "WHERE s.reported || excluded.reported <> s.reported";
#define REPORT_COLUMNS 2

static const char losses_sql[] =
    "SELECT raise_alert(l.store_id, 'event_gap', 'medium', l.label_id, NULL, 'event_gap:' || "
    "l.label_id, 'Events ' || i.lost_from || ' to ' || i.lost_to || ' of label ' || l.label_id || "
    "' are lost.') FROM unnest($1::text[], $2::bigint[], $3::bigint[]) "
    "AS i(label_id, lost_from, lost_to) JOIN label l USING (label_id)";
#define LOSS_COLUMNS 3

/* What was on its way to a label that is gone: its shadow will bring it. */
static const char away_sql[] =
    "UPDATE delivery d SET state = 'pending', next_attempt_at = NULL FROM unnest($1::text[]) AS "
    "i(label_id) JOIN label l USING (label_id) WHERE NOT l.online AND d.label_id = l.label_id "
    "AND d.finished_at IS NULL AND d.state = 'sent' AND d.kind <> 'flash'";
#define AWAY_COLUMNS 1
static const char counted_sql[] =
    "WITH gone AS (UPDATE label SET online = false WHERE online AND "
    "coalesce(greatest(connected_at, last_seen_at), '-infinity') < $1::timestamptz RETURNING "
    "label_id) UPDATE delivery d SET state = 'pending', next_attempt_at = NULL FROM gone g "
    "WHERE d.label_id = g.label_id AND d.finished_at IS NULL AND d.state = 'sent' "
    "AND d.kind <> 'flash'";

/* A label that asks is told everything; what its answer does not confirm soon is sent after all. */
static const char back_sql[] =
    "WITH due AS (UPDATE delivery d SET next_attempt_at = now() + interval '5 seconds' "
    "FROM unnest($1::text[]) AS i(label_id) WHERE d.label_id = i.label_id "
    "AND d.finished_at IS NULL AND d.state = 'pending' RETURNING 1) "
    "SELECT pg_notify('endcap_delivery', '') FROM due LIMIT 1";
#define BACK_COLUMNS 1

static const char dead_sql[] =
    "INSERT INTO dead_letter AS d (topic, claimed_device, store_id, reason, field, epoch, counter, "
    "body, body_digest, received_at, last_received_at, occurrences) "
    "SELECT min(topic), claimed, min(store_id), reason, min(field), min(epoch), min(counter), "
    "(array_agg(body))[1], digest, min(at), max(at), count(*) FROM unnest($1::text[], $2::text[], "
    "$3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bytea[], $9::bytea[], "
    "$10::timestamptz[]) AS u(topic, claimed, store_id, reason, field, epoch, counter, body, "
    "digest, at) GROUP BY claimed, reason, digest "
    "ON CONFLICT (claimed_device, reason, body_digest) DO UPDATE SET "
    "occurrences = d.occurrences + excluded.occurrences, "
    "last_received_at = excluded.last_received_at";
#define DEAD_COLUMNS 10

/* ---- gathering ---- */

struct part {
    size_t at; /* in label_changes */
    size_t columns;
};
static const struct part parts[] = {
    {offsetof(struct label_changes, labels), LABEL_COLUMNS},
    {offsetof(struct label_changes, statuses), STATUS_COLUMNS},
    {offsetof(struct label_changes, confirms), CONFIRM_COLUMNS},
    {offsetof(struct label_changes, acks), ACK_COLUMNS},
    {offsetof(struct label_changes, settled), SETTLED_COLUMNS},
    {offsetof(struct label_changes, configs), CONFIG_COLUMNS},
    {offsetof(struct label_changes, reports), REPORT_COLUMNS},
    {offsetof(struct label_changes, losses), LOSS_COLUMNS},
    {offsetof(struct label_changes, away), AWAY_COLUMNS},
    {offsetof(struct label_changes, back), BACK_COLUMNS},
    {offsetof(struct label_changes, dead), DEAD_COLUMNS},
};
#define PARTS (sizeof parts / sizeof parts[0])

static struct pg_rows *rows_at(struct label_changes *c, size_t part)
{
    return (struct pg_rows *)(void *)((char *)c + parts[part].at);
}

void label_changes_init(struct label_changes *c)
{
    c->counted_ms = 0;
    for (size_t i = 0; i < PARTS; i++) {
        pg_rows_init(rows_at(c, i), parts[i].columns, COLUMN_BYTES_MAX);
    }
}

void label_changes_deinit(struct label_changes *c)
{
    for (size_t i = 0; i < PARTS; i++) {
        pg_rows_deinit(rows_at(c, i));
    }
}

void label_changes_reset(struct label_changes *c)
{
    c->counted_ms = 0;
    for (size_t i = 0; i < PARTS; i++) {
        pg_rows_reset(rows_at(c, i));
    }
}

bool label_changes_any(const struct label_changes *c)
{
    return c->counted_ms > 0 || c->labels.count + c->dead.count > 0;
}

static void text(struct pg_rows *rows, struct span value)
{
    pg_array_span(pg_rows_next(rows), value.size > 0 ? value : SPAN_NONE);
}

static void word(struct pg_rows *rows, const char *value)
{
    text(rows, value == NULL ? SPAN_NONE : span_of(value, strlen(value)));
}

static void number(struct pg_rows *rows, int64_t value)
{
    pg_array_i64(pg_rows_next(rows), value);
}

/* 0 is null. */
static void amount(struct pg_rows *rows, int64_t value)
{
    if (value == 0) {
        pg_array_null(pg_rows_next(rows));
    } else {
        number(rows, value);
    }
}

static void time_ms(struct pg_rows *rows, int64_t value)
{
    if (value == 0) {
        pg_array_null(pg_rows_next(rows));
    } else {
        pg_array_time_ms(pg_rows_next(rows), value);
    }
}

static void digest_of(struct pg_rows *rows, const uint8_t *digest)
{
    pg_array_bytes(pg_rows_next(rows),
                   digest == NULL ? SPAN_NONE : span_of(digest, SHELF_DIGEST_BYTES));
}

static void put_label(struct pg_rows *rows, const struct label_fold *f)
{
    const struct label_shown *shown = &f->shown;
    text(rows, label_device_id(f->device));
    time_ms(rows, f->seen_ms);
    if (f->link == LABEL_LINK_UNSAID) {
        pg_array_null(pg_rows_next(rows));
    } else {
        pg_array_bool(pg_rows_next(rows), f->link == LABEL_LINK_UP);
    }
    time_ms(rows, f->link_ms);
    text(rows, f->serial);
    time_ms(rows, f->asleep_until_ms);
    number(rows, f->stream.epoch);
    number(rows, f->stream.through);
    pg_array_bool(pg_rows_next(rows), shown->said);
    number(rows, shown->epoch);
    number(rows, shown->counter);
    amount(rows, shown->version);
    digest_of(rows, shown->version > 0 ? shown->digest : NULL);
    amount(rows, shown->version > 0 ? shown->price_minor : 0);
    text(rows, shown->version > 0 ? shown->product_id : SPAN_NONE);
    time_ms(rows, shown->refreshed_ms);
    pg_rows_end(rows);
}

static void put_status(struct pg_rows *rows, const struct label_fold *f)
{
    const struct shelf_status *s = f->status;
    text(rows, label_device_id(f->device));
    number(rows, s->epoch);
    number(rows, s->counter);
    number(rows, s->battery_pct);
    number(rows, s->signal_dbm);
    word(rows, s->tft ? "tft" : "eink");
    text(rows, s->firmware);
    word(rows, shelf_language_name(s->language));
    number(rows, s->config_version);
    time_ms(rows, f->status_ms);
    pg_rows_end(rows);
}

static void confirm(struct label_changes *c, const struct label_fold *f, const char *kind,
                    int64_t version, const uint8_t *digest)
{
    text(&c->confirms, label_device_id(f->device));
    word(&c->confirms, kind);
    number(&c->confirms, version);
    digest_of(&c->confirms, digest);
    time_ms(&c->confirms, f->status_ms);
    pg_rows_end(&c->confirms);
}

static void settle(struct label_changes *c, struct span label_id)
{
    text(&c->settled, label_id);
    pg_rows_end(&c->settled);
}

/* {"location": {...}, "configVersion": n, "certificate": {...}}, of what was said. */
static void put_report(struct pg_rows *rows, const struct label_fold *f)
{
    const struct shelf_report *said = &f->report;
    struct shelf_report r = *said;
    uint8_t room[SHELF_UP_BYTES_MAX];
    struct sink patch;
    r.device_id = label_device_id(f->device);
    sink_init(&patch, room, sizeof room);
    shelf_report_encode(&r, &patch);
    if (!patch.overflow) {
        text(rows, r.device_id);
        text(rows, sink_span(&patch));
        pg_rows_end(rows);
    }
}

static void one(struct pg_rows *rows, const struct label_fold *f)
{
    text(rows, label_device_id(f->device));
    pg_rows_end(rows);
}

void label_changes_fold(struct label_changes *c, const struct label_fold *f)
{
    put_label(&c->labels, f);
    if (f->status != NULL) {
        const struct shelf_status *s = f->status;
        put_status(&c->statuses, f);
        if (s->shows) {
            confirm(c, f, "display", s->display_version, s->display_digest);
        }
        if (s->config_version > 0) {
            confirm(c, f, "config", s->config_version, NULL);
        }
        settle(c, label_device_id(f->device));
    }
    if (f->reports) {
        put_report(&c->reports, f);
    }
    if (f->lost.from > 0) {
        text(&c->losses, label_device_id(f->device));
        number(&c->losses, f->lost.from);
        number(&c->losses, f->lost.to);
        pg_rows_end(&c->losses);
    }
    if (f->link == LABEL_LINK_DOWN) {
        one(&c->away, f);
    }
    if (f->asks) {
        one(&c->back, f);
    }
}

void label_changes_ack(struct label_changes *c, const struct shelf_ack *a, int64_t received_ms)
{
    bool refused = a->status == SHELF_REFUSED;
    bool display = a->kind == SHELF_ACK_DISPLAY;
    if (a->update_id.size > 0) {
        text(&c->acks, a->update_id);
        text(&c->acks, a->device_id);
        word(&c->acks, shelf_ack_kind_name(a->kind));
        word(&c->acks, refused ? "failed" : "displayed");
        digest_of(&c->acks, display && !refused ? a->digest : NULL);
        text(&c->acks, a->why);
        time_ms(&c->acks, received_ms);
        pg_rows_end(&c->acks);
        if (!refused && a->kind != SHELF_ACK_FLASH) {
            settle(c, a->device_id);
        }
    }
    if (a->kind == SHELF_ACK_CONFIG && !refused) {
        text(&c->configs, a->device_id);
        number(&c->configs, a->version);
        pg_rows_end(&c->configs);
    }
}

void label_changes_counted(struct label_changes *c, int64_t counted_ms)
{
    if (counted_ms > c->counted_ms) {
        c->counted_ms = counted_ms;
    }
}

/* A topic comes from outside: what is not printable ASCII is shown as '?'. */
static struct span printable(struct span raw, char room[LABEL_LINE_TOPIC_BYTES_MAX])
{
    size_t size = raw.size < LABEL_LINE_TOPIC_BYTES_MAX ? raw.size : LABEL_LINE_TOPIC_BYTES_MAX;
    for (size_t i = 0; i < size; i++) {
        bool fits = raw.data[i] >= 0x20 && raw.data[i] < 0x7f;
        room[i] = fits ? (char)raw.data[i] : '?';
    }
    return span_of(room, size);
}

enum res label_changes_dead(struct label_changes *c, const struct label_dead *dead)
{
    uint8_t digest[ECDSA_DIGEST_BYTES];
    char topic[LABEL_LINE_TOPIC_BYTES_MAX];
    enum res r = ecdsa_sha256(dead->payload, digest);
    if (r != RES_OK) {
        return r;
    }
    struct pg_rows *rows = &c->dead;
    pg_array_span(pg_rows_next(rows), printable(dead->topic, topic));
    pg_array_span(pg_rows_next(rows), dead->claimed.size > 0 ? dead->claimed : SPAN_LIT(""));
    text(rows, dead->store_id);
    word(rows, dead->reason);
    word(rows, dead->field);
    amount(rows, dead->epoch);
    amount(rows, dead->counter);
    pg_array_bytes(pg_rows_next(rows), dead->payload.size > 0 ? dead->payload : SPAN_LIT(""));
    pg_array_bytes(pg_rows_next(rows), span_of(digest, sizeof digest));
    time_ms(rows, dead->received_ms);
    pg_rows_end(rows);
    return RES_OK;
}

/* ---- writing ---- */

/* A statement that takes the first column of rows that another statement has too. */
static enum res add_first_column(struct pg_rows *rows, struct pg_conn *conn, const char *sql,
                                 struct err *why)
{
    if (rows->count == 0) {
        return RES_OK;
    }
    struct pg_params p;
    pg_params_init(&p);
    pg_params_cstr(&p, pg_array_close(&rows->column[0]));
    return pg_conn_pipeline_add(conn, sql, &p, why);
}

static enum res add_counted(struct label_changes *c, struct pg_conn *conn, struct err *why)
{
    if (c->counted_ms == 0) {
        return RES_OK;
    }
    struct pg_params p;
    pg_params_init(&p);
    pg_params_time_ms(&p, c->counted_ms);
    return pg_conn_pipeline_add(conn, counted_sql, &p, why);
}

static enum res add_all(struct label_changes *c, struct pg_conn *conn, struct err *why)
{
    const struct {
        struct pg_rows *rows;
        const char *sql;
        const char *first_column[2]; /* further statements about the same labels */
    } statements[] = {
        {&c->statuses, statuses_sql, {battery_low_sql, battery_fine_sql}},
        {&c->labels, labels_sql, {NULL, NULL}},
        {&c->acks, acks_sql, {NULL, NULL}},
        {&c->confirms, confirms_sql, {NULL, NULL}},
        {&c->confirms, confirms_late_sql, {NULL, NULL}},
        {&c->settled, settled_sql, {NULL, NULL}},
        {&c->configs, configs_sql, {NULL, NULL}},
        {&c->reports, reports_sql, {NULL, NULL}},
        {&c->losses, losses_sql, {NULL, NULL}},
        {&c->away, away_sql, {NULL, NULL}},
        {&c->back, back_sql, {NULL, NULL}},
        {&c->dead, dead_sql, {NULL, NULL}},
    };
    enum res r = RES_OK;
    for (size_t i = 0; i < sizeof statements / sizeof statements[0] && r == RES_OK; i++) {
        r = pg_rows_add(statements[i].rows, conn, statements[i].sql, why);
        for (size_t j = 0; j < 2 && r == RES_OK && statements[i].first_column[j] != NULL; j++) {
            r = add_first_column(statements[i].rows, conn, statements[i].first_column[j], why);
        }
    }
    return r == RES_OK ? add_counted(c, conn, why) : r;
}

enum res label_changes_commit(struct label_changes *c, struct pg_conn *conn, struct err *why)
{
    enum res r = pg_conn_pipeline_begin(conn, why);
    if (r != RES_OK) {
        return r;
    }
    r = pg_conn_pipeline_add(conn, plan_sql, NULL, why);
    if (r == RES_OK) {
        r = add_all(c, conn, why);
    }
    if (r != RES_OK) {
        /* Half a batch was sent and must not be committed: without its connection it is not. */
        return pg_conn_reconnect(conn, NULL) == RES_OK ? r : RES_UNAVAILABLE;
    }
    r = pg_conn_pipeline_finish(conn, NULL, NULL, why);
    return r == RES_CONFLICT ? RES_INVALID : r; /* a unique row that is not ours */
}
