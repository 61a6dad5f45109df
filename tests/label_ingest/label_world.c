#include "label_world.h"

#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base64.h"
#include "clock.h"

#define FLUSH_MS 20000

static struct ecdsa_public *platform;

struct ecdsa_public *label_world_platform(void)
{
    return platform;
}

static void must(bool fine, const char *what, const struct err *why)
{
    if (!fine) {
        (void)fprintf(stderr, "%s: %s\n", what, why != NULL ? why->text : "failed");
        exit(1);
    }
}

/* ---- hearing ---- */

static bool is_signed(const char *topic, struct span payload, struct span signature)
{
    uint8_t message[SHELF_TOPIC_BYTES + 1 + SHELF_DOWN_BYTES_MAX];
    uint8_t raw[ECDSA_SIGNATURE_BYTES];
    struct sink s;
    struct sink m;
    sink_init(&s, raw, sizeof raw);
    sink_init(&m, message, sizeof message);
    sink_text(&m, topic);
    sink_byte(&m, '\n');
    sink_bytes(&m, payload);
    return base64_url_read(signature, &s) == RES_OK && !m.overflow &&
           ecdsa_verify(platform, sink_span(&m), sink_span(&s)) == RES_OK;
}

static void publish(void *user, const char *topic, struct span payload, struct span signature)
{
    struct label_world *w = user;
    (void)pthread_mutex_lock(w->lock);
    if (!is_signed(topic, payload, signature)) {
        w->unsigned_answers++;
    }
    struct label_world_answer *a = &w->answers[w->answer_count++ % LABEL_WORLD_ANSWERS];
    (void)snprintf(a->topic, sizeof a->topic, "%s", topic);
    a->size = payload.size;
    memcpy(a->payload, payload.data, payload.size);
    (void)pthread_mutex_unlock(w->lock);
}

static void on_state(void *user, enum label_ingest_state state, const char *words)
{
    struct label_world *w = user;
    (void)words;
    (void)pthread_mutex_lock(w->lock);
    w->state = state;
    w->state_changes++;
    (void)pthread_mutex_unlock(w->lock);
}

const char *label_world_answer(struct label_world *w, const char *label_id)
{
    static char text[SHELF_DOWN_BYTES_MAX + 1];
    char topic[SHELF_TOPIC_BYTES];
    (void)snprintf(topic, sizeof topic, "smartshelf/%s/shadow/get/accepted", label_id);
    text[0] = '\0';
    (void)pthread_mutex_lock(w->lock);
    for (size_t i = w->answer_count; i > 0 && text[0] == '\0'; i--) {
        const struct label_world_answer *a = &w->answers[(i - 1) % LABEL_WORLD_ANSWERS];
        if (strcmp(a->topic, topic) == 0) {
            memcpy(text, a->payload, a->size);
            text[a->size] = '\0';
        }
    }
    (void)pthread_mutex_unlock(w->lock);
    return text;
}

/* ---- life ---- */

bool label_world_start(struct label_world *w, enum pg_fixture_sync sync)
{
    struct err why = {""};
    struct ecdsa_private *key = NULL;
    uint8_t point[ECDSA_POINT_BYTES];
    memset(w, 0, sizeof *w);
    w->sync = TELEMETRY_SYNC_OFF;
    w->linger_ms = 1;
    if (!pg_fixture_start(&w->pg, sync)) {
        return false;
    }
    w->lock = malloc(sizeof *w->lock);
    w->answers = calloc(LABEL_WORLD_ANSWERS, sizeof *w->answers);
    must(w->lock != NULL && w->answers != NULL && pthread_mutex_init(w->lock, NULL) == 0, "memory",
         NULL);
    w->super = pg_fixture_superuser(&w->pg);
    (void)snprintf(w->telemetry, sizeof w->telemetry, "%s/telemetry", w->pg.directory);
    (void)snprintf(w->platform_key, sizeof w->platform_key, "%s/platform.key", w->pg.directory);
    must(mkdir(w->telemetry, 0700) == 0, "mkdir", NULL);
    must(ecdsa_private_new(&key) == RES_OK, "key", NULL);
    must(ecdsa_private_save(key, w->platform_key, &why) == RES_OK, "platform key", &why);
    ecdsa_private_point(key, point);
    must(ecdsa_public_new(span_of(point, sizeof point), &platform) == RES_OK, "key", NULL);
    ecdsa_private_free(key);
    pg_fixture_store(w->super, LABEL_WORLD_STORE);
    pg_fixture_sql(w->super,
                   "INSERT INTO item (item_id, store_id, sku, gtin, name, category, price_minor, "
                   "currency) VALUES ('" LABEL_WORLD_ITEM "', '" LABEL_WORLD_STORE
                   "', 'TEA-1', '08901234567890', '{\"en\": \"Tea\"}', 'Drinks', 6500, 'INR')");
    return true;
}

void label_world_stop(struct label_world *w)
{
    label_world_close(w);
    ecdsa_public_free(platform);
    platform = NULL;
    (void)pthread_mutex_destroy(w->lock);
    free(w->lock);
    free(w->answers);
    pg_conn_close(w->super);
    pg_fixture_stop(&w->pg);
}

void label_world_close(struct label_world *w)
{
    label_ingest_free(w->ingest);
    w->ingest = NULL;
}

void label_world_open(struct label_world *w, const char *writer)
{
    struct err why = {""};
    const struct label_ingest_settings settings = {
        .place = w->pg.place,
        .telemetry_directory = w->telemetry,
        .writer = writer,
        .platform_key = w->platform_key,
        .sync = w->sync,
        .linger_ms = w->linger_ms,
        .rate_per_second = w->rate_per_second == 0 ? LABEL_INGEST_RATE_NONE : w->rate_per_second,
        .rate_burst = w->rate_burst,
        .user = w,
        .publish = w->publish != NULL ? w->publish : publish,
        .on_state = on_state};
    must(label_ingest_new(&settings, &w->ingest, &why) == RES_OK, "label_ingest_new", &why);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    return walk->level > 0 ? remove(path) : 0;
}

void label_world_reset(struct label_world *w, unsigned labels)
{
    char sql[1024];
    must(w->ingest == NULL, "close it first", NULL);
    (void)nftw(w->telemetry, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    pg_fixture_sql(w->super, "TRUNCATE delivery, alert, shadow, dead_letter, label_battery, "
                             "process_metric CASCADE; DELETE FROM label");
    (void)snprintf(sql, sizeof sql,
                   "INSERT INTO label (label_id, store_id, item_id) SELECT 'ESP32-' || "
                   "lpad(n::text, 6, '0'), '" LABEL_WORLD_STORE "', '" LABEL_WORLD_ITEM
                   "' FROM generate_series(1, %u) AS n; "
                   "INSERT INTO shadow (device_id, store_id) SELECT label_id, store_id FROM label",
                   labels);
    pg_fixture_sql(w->super, sql);
    w->answer_count = 0;
    w->unsigned_answers = 0;
    w->state_changes = 0;
}

/* ---- acting and looking ---- */

void label_world_offer(struct label_world *w, const char *id, const char *tail, const char *payload)
{
    char topic[128];
    if (id == NULL) {
        (void)snprintf(topic, sizeof topic, "%s", tail);
    } else {
        (void)snprintf(topic, sizeof topic, "smartshelf/%s/%s", id, tail);
    }
    while (label_ingest_offer(w->ingest, span_of(topic, strlen(topic)),
                              span_of(payload, strlen(payload)), clock_utc_ms()) == RES_AGAIN) {
        label_ingest_wait_room(w->ingest, 100);
    }
}

void label_world_flush(struct label_world *w)
{
    must(label_ingest_flush(w->ingest, FLUSH_MS) == RES_OK, "flush in time", NULL);
}

static PGresult *ask(const struct label_world *w, const char *sql)
{
    struct err why = {""};
    PGresult *rows = NULL;
    must(pg_conn_run(w->super, sql, NULL, &rows, &why) == RES_OK, sql, &why);
    return rows;
}

int64_t label_world_number(const struct label_world *w, const char *sql)
{
    PGresult *rows = ask(w, sql);
    int64_t n = PQntuples(rows) == 0 ? -1 : pg_get_i64(rows, 0, 0);
    PQclear(rows);
    return n;
}

void label_world_expect(const struct label_world *w, const char *sql, const char *expected)
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

struct label_ingest_figures label_world_figures(const struct label_world *w)
{
    struct label_ingest_figures f;
    label_ingest_figures(w->ingest, &f);
    return f;
}

static enum res count_one(void *user, const struct telemetry_event *event,
                          telemetry_position position)
{
    (void)event;
    (void)position;
    ++*(int64_t *)user;
    return RES_OK;
}

int64_t label_world_stored(const struct label_world *w, const char *label_id, int64_t epoch)
{
    struct telemetry *t = NULL;
    struct err why = {""};
    int64_t count = 0;
    const struct telemetry_settings settings = {.directory = w->telemetry};
    must(telemetry_open(&settings, &t, &why) == RES_OK, "telemetry", &why);
    must(telemetry_read_stream(t, span_of(label_id, strlen(label_id)), epoch, 1, INT64_MAX,
                               count_one, &count, &why) == RES_OK,
         "telemetry", &why);
    telemetry_close(t);
    return count;
}

/* ---- what labels say ---- */

static const char *digest_text(const char *digest)
{
    static char text[2 * SHELF_DIGEST_BYTES + 1];
    for (size_t i = 0; i < SHELF_DIGEST_BYTES; i++) {
        memcpy(&text[2 * i], digest, 2);
    }
    return text;
}

void label_world_delivery(const struct label_world *w, unsigned label, int64_t version,
                          const char *digest, const char *state)
{
    char sql[1024];
    bool done = strcmp(state, "failed") == 0 || strcmp(state, "displayed") == 0;
    (void)snprintf(sql, sizeof sql,
                   "INSERT INTO delivery (delivery_id, label_id, store_id, kind, version, "
                   "content_digest, item_id, state, attempts, sent_at, finished_at) VALUES "
                   "('00000000-0000-4000-8000-%06u%06lld', 'ESP32-%06u', '" LABEL_WORLD_STORE
                   "', 'display', %lld, '\\x%s', '" LABEL_WORLD_ITEM "', '%s', 1, now(), %s)",
                   label, (long long)version, label, (long long)version, digest_text(digest), state,
                   done ? "now()" : "NULL");
    pg_fixture_sql(w->super, sql);
}

static char *room(void)
{
    static char texts[4][1024];
    static unsigned next;
    return texts[next++ % 4];
}

static const char *event_text(int64_t counter)
{
    static char text[64];
    text[0] = '\0';
    if (counter > 0) {
        (void)snprintf(text, sizeof text, "\"epoch\":1,\"counter\":%lld,", (long long)counter);
    }
    return text;
}

const char *label_world_ack(unsigned label, int64_t counter, int64_t version, const char *digest)
{
    char *text = room();
    (void)snprintf(text, 1024,
                   "{\"deviceId\":\"ESP32-%06u\",%s\"kind\":\"display\",\"status\":\"displayed\","
                   "\"updateId\":\"00000000-0000-4000-8000-%06u%06lld\",\"version\":%lld,"
                   "\"digest\":\"%s\",\"price\":65.00,\"productId\":\"TEA-1\","
                   "\"refreshed\":true,\"timestamp\":\"2026-11-21T10:00:00.000Z\"}",
                   label, event_text(counter), label, (long long)version, (long long)version,
                   digest_text(digest));
    return text;
}

const char *label_world_status(unsigned label, int64_t counter, int battery_pct, const char *more)
{
    char *text = room();
    (void)snprintf(text, 1024,
                   "{\"deviceId\":\"ESP32-%06u\",%s\"batteryLevel\":%d,\"signalStrength\":-61,"
                   "\"displayType\":\"eink\",\"firmwareVersion\":\"1.2.3\"%s}",
                   label, event_text(counter), battery_pct, more);
    return text;
}
