#include "feed.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "alerts_http.h"
#include "clock.h"
#include "feed_count.h"
#include "http_request.h"
#include "http_rows.h"

#define LOOK_MS         250 /* the thread looks round so often, asked or not */
#define RECONNECT_MS    1000
#define BEAT_MS         1000
#define GATHER_MAX      1000 /* alerts in one reading */
#define IDS_BYTES_MAX   (GATHER_MAX * 40)
#define OVERLAP_MS      10000 /* a transaction may commit so long after its own time */
#define COUNT_COST      20    /* counting takes at most one part in so many of the time */
#define STORE_BYTES_MAX 24
#define UUID_TEXT_BYTES 36

enum kind { ALERTS = 1, DELIVERIES = 2, DEVICES = 4 };

/* What one reader wants; changed by the feed's thread only, under the streams' lock. */
struct tag {
    unsigned kinds;
    char store_id[STORE_BYTES_MAX + 1]; /* "": of every store */
    uint64_t serial;
    int64_t since_ms; /* of Last-Event-ID; 0: none */
    bool greeted;
    bool counted[FEED_COUNT_KINDS]; /* was given every store's counts once */
};

struct feed {
    struct feed_settings settings;
    struct http_streams *streams;
    pthread_t thread;
    bool running;
    int wake; /* eventfd: somebody came, or the end */
    atomic_bool stopping;
    atomic_bool listening;
    _Atomic uint64_t serials;
    /* the thread's own */
    struct pg_conn *c;
    int64_t connect_ms;
    int64_t gathered_ms;
    int64_t counted_ms;
    int64_t count_pause_ms;
    int64_t beaten_ms;
    int64_t last_change_ms; /* of the newest alert that was told */
    struct pg_array ids;    /* alerts to tell */
    struct feed_count counts[FEED_COUNT_KINDS];
};

static int64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- who wants what ---- */

struct wish {
    unsigned kind;
    const char *store_id; /* "": the platform's own */
    uint64_t serial;      /* 0: every reader, else this one */
    bool changed;         /* of counts */
    enum feed_count_kind count;
};

static bool wants(void *tag, void *user)
{
    const struct tag *t = tag;
    const struct wish *w = user;
    return (t->kinds & w->kind) != 0 && t->greeted && (w->serial == 0 || w->serial == t->serial) &&
           (t->store_id[0] == '\0' || strcmp(t->store_id, w->store_id) == 0);
}

static bool wants_kind(void *tag, void *user)
{
    const struct tag *t = tag;
    return t->greeted && (t->kinds & *(const unsigned *)user) != 0;
}

static bool wants_count(void *tag, void *user)
{
    const struct tag *t = tag;
    const struct wish *w = user;
    return wants(tag, user) && (w->changed || !t->counted[w->count]);
}

static bool is_serial(void *tag, void *user)
{
    return ((const struct tag *)tag)->serial == *(const uint64_t *)user;
}

/* Marks those who came up to `serial`; finds nobody. */
static bool mark_counted(void *tag, void *user)
{
    struct tag *t = tag;
    const struct wish *w = user;
    t->counted[w->count] = t->counted[w->count] || (t->greeted && t->serial <= w->serial);
    return false;
}

/* ---- alerts ---- */

static enum res tell(struct feed *f, const char *name, const char *id, const char *data,
                     http_stream_wants who, void *user)
{
    const struct http_event e = {.id = id, .name = name, .data = data};
    return http_streams_send(f->streams, &e, who, user);
}

static enum res tell_alert(struct feed *f, const PGresult *rows, int row, int last_column,
                           uint64_t serial)
{
    char id[24];
    char store[STORE_BYTES_MAX + 1] = "";
    json_t *alert = http_rows_object(&alerts_http_schema, rows, row);
    char *data = alert == NULL ? NULL : json_dumps(alert, JSON_COMPACT | JSON_REAL_PRECISION(15));
    enum res r = RES_NO_MEMORY;
    if (data != NULL) {
        int64_t change_ms = pg_get_i64(rows, row, last_column);
        const char *of = json_string_value(json_object_get(alert, "storeId"));
        (void)snprintf(store, sizeof store, "%s", of == NULL ? "" : of);
        (void)snprintf(id, sizeof id, "%lld", (long long)change_ms);
        struct wish w = {.kind = ALERTS, .store_id = store, .serial = serial};
        r = tell(f, "alert", id, data, wants, &w);
        f->last_change_ms = change_ms > f->last_change_ms ? change_ms : f->last_change_ms;
    }
    free(data);
    json_decref(alert);
    return r;
}

#define CHANGE "greatest(a.created_at, a.acknowledged_at, a.resolved_at)"

/* *ret_full: there were more than `limit`, and none was told. */
static enum res tell_alerts(struct feed *f, const char *where, const struct pg_params *p, int limit,
                            uint64_t serial, bool *ret_full, struct err *why)
{
    char sql[HTTP_ROWS_SQL_BYTES_MAX];
    struct sink s;
    PGresult *rows = NULL;
    sink_init(&s, sql, sizeof sql - 1);
    sink_text(&s, "SELECT ");
    http_rows_columns(&alerts_http_schema, &s);
    sink_text(&s, ", (extract(epoch FROM " CHANGE ") * 1000)::bigint FROM alert a WHERE ");
    sink_text(&s, where);
    sink_text(&s, " ORDER BY " CHANGE ", a.alert_id LIMIT ");
    sink_i64(&s, limit + 1);
    sql[s.size] = '\0';
    enum res r = pg_conn_run(f->c, sql, p, &rows, why);
    if (r != RES_OK) {
        return r;
    }
    *ret_full = PQntuples(rows) > limit;
    for (int i = 0; r == RES_OK && !*ret_full && i < PQntuples(rows); i++) {
        r = tell_alert(f, rows, i, PQnfields(rows) - 1, serial);
    }
    PQclear(rows);
    if (r == RES_NO_MEMORY) {
        err_set(why, "out of memory for the live feed");
    }
    return r;
}

/* To one reader of alerts, or all. */
static enum res tell_reset(struct feed *f, uint64_t serial)
{
    unsigned alerts = ALERTS;
    return serial == 0 ? tell(f, "reset", "", "{}", wants_kind, &alerts)
                       : tell(f, "reset", "", "{}", is_serial, &serial);
}

/* Alerts that changed after `since_ms`, to one reader or all. */
static enum res replay(struct feed *f, int64_t since_ms, const char *store_id, uint64_t serial,
                       struct err *why)
{
    struct pg_params p;
    bool full = false;
    pg_params_init(&p);
    pg_params_time_ms(&p, since_ms - OVERLAP_MS);
    pg_params_cstr(&p, store_id[0] == '\0' ? NULL : store_id);
    enum res r = tell_alerts(f, CHANGE " > $1 AND ($2::text IS NULL OR a.store_id = $2)", &p,
                             FEED_REPLAY_MAX, serial, &full, why);
    return r == RES_OK && full ? tell_reset(f, serial) : r;
}

static void take_notifications(struct feed *f)
{
    (void)PQconsumeInput(pg_conn_handle(f->c));
    for (PGnotify *n = PQnotifies(pg_conn_handle(f->c)); n != NULL;
         n = PQnotifies(pg_conn_handle(f->c))) {
        json_t *what = json_loads(n->extra, 0, NULL);
        const char *kind = json_string_value(json_object_get(what, "kind"));
        const char *id = json_string_value(json_object_get(what, "id"));
        if (kind != NULL && id != NULL && strcmp(kind, "alert") == 0 &&
            strlen(id) == UUID_TEXT_BYTES && f->ids.count < GATHER_MAX) {
            pg_array_span(&f->ids, span_text(id, UUID_TEXT_BYTES));
        }
        json_decref(what);
        PQfreemem(n);
    }
}

static enum res tell_gathered(struct feed *f, int64_t now, struct err *why)
{
    if (f->ids.count == 0 || now - f->gathered_ms < FEED_GATHER_MS) {
        return RES_OK;
    }
    f->gathered_ms = now;
    bool overrun = f->ids.count == GATHER_MAX;
    const char *ids = pg_array_close(&f->ids);
    struct pg_params p;
    bool full = false;
    pg_params_init(&p);
    pg_params_cstr(&p, ids);
    enum res r = ids == NULL ? RES_NO_MEMORY
                             : tell_alerts(f, "a.alert_id = ANY ($1::uuid[])", &p, GATHER_MAX, 0,
                                           &full, why);
    pg_array_reset(&f->ids);
    /* Some were not gathered: readers have to look themselves. */
    return r == RES_OK && overrun ? tell_reset(f, 0) : r;
}

/* ---- readers that came ---- */

static bool is_new(void *tag, void *user)
{
    struct tag *t = tag;
    struct tag *ret = user;
    if (t->greeted) {
        return false;
    }
    t->greeted = true;
    *ret = *t;
    return true;
}

static enum res greet(struct feed *f, struct err *why)
{
    struct tag t;
    enum res r = RES_OK;
    while (r == RES_OK && http_streams_any(f->streams, is_new, &t)) {
        char id[24];
        (void)snprintf(id, sizeof id, "%lld", (long long)clock_utc_ms());
        r = tell(f, "ready", t.since_ms == 0 ? id : "", "{}", is_serial, &t.serial);
        if (r == RES_OK && t.since_ms != 0 && (t.kinds & ALERTS) != 0) {
            r = replay(f, t.since_ms, t.store_id, t.serial, why);
        }
    }
    return r;
}

/* ---- counts ---- */

struct counting {
    struct feed *f;
    enum feed_count_kind kind;
    unsigned wanted;
};

static enum res tell_count(void *user, const struct feed_count_store *store, bool changed)
{
    const struct counting *x = user;
    struct wish w = {
        .kind = x->wanted, .store_id = store->store_id, .changed = changed, .count = x->kind};
    return tell(x->f, x->kind == FEED_COUNT_DELIVERIES ? "delivery" : "device", "", store->data,
                wants_count, &w);
}

static enum res tell_counts(struct feed *f, int64_t now, struct err *why)
{
    if (now - f->counted_ms < f->count_pause_ms) {
        return RES_OK;
    }
    enum res r = RES_OK;
    for (int k = 0; r == RES_OK && k < FEED_COUNT_KINDS; k++) {
        struct counting x = {f, (enum feed_count_kind)k,
                             k == FEED_COUNT_DELIVERIES ? DELIVERIES : DEVICES};
        struct wish anybody = {
            .kind = x.wanted, .serial = atomic_load(&f->serials), .count = x.kind};
        if (!http_streams_any(f->streams, wants_kind, &x.wanted)) {
            continue;
        }
        r = feed_count_look(&f->counts[k], x.kind, f->c, tell_count, &x, why);
        (void)http_streams_any(f->streams, mark_counted, &anybody);
    }
    f->counted_ms = now_ms();
    int64_t cost_ms = (f->counted_ms - now) * COUNT_COST;
    f->count_pause_ms = cost_ms > FEED_COUNT_MS ? cost_ms : FEED_COUNT_MS;
    return r;
}

/* ---- the thread ---- */

static void disconnect(struct feed *f)
{
    pg_conn_close(f->c);
    f->c = NULL;
    atomic_store(&f->listening, false);
    pg_array_reset(&f->ids);
}

/* What happened while nobody listened is told from the table. */
static void try_connect(struct feed *f, int64_t now)
{
    struct err why;
    if (now - f->connect_ms < RECONNECT_MS) {
        return;
    }
    f->connect_ms = now;
    if (f->settings.open(f->settings.user, &f->c, &why) != RES_OK) {
        f->c = NULL;
        return;
    }
    enum res r = pg_conn_command(f->c, "LISTEN " FEED_CHANNEL, &why);
    if (r == RES_OK) {
        r = replay(f, f->last_change_ms, "", 0, &why);
    }
    if (r != RES_OK) {
        disconnect(f);
        return;
    }
    atomic_store(&f->listening, true);
}

static void wait_for_something(struct feed *f)
{
    struct pollfd fds[2] = {{.fd = f->wake, .events = POLLIN}, {.fd = -1, .events = POLLIN}};
    if (f->c != NULL) {
        fds[1].fd = PQsocket(pg_conn_handle(f->c));
    }
    (void)poll(fds, 2, LOOK_MS);
    if (fds[0].revents != 0) {
        uint64_t count;
        (void)!read(f->wake, &count, sizeof count);
    }
}

static void *run(void *arg)
{
    struct feed *f = arg;
    struct err why;
    while (!atomic_load(&f->stopping)) {
        int64_t now = now_ms();
        if (f->c == NULL) {
            try_connect(f, now);
        }
        if (f->c != NULL) {
            take_notifications(f);
            enum res r = greet(f, &why);
            r = r == RES_OK ? tell_gathered(f, now, &why) : r;
            r = r == RES_OK ? tell_counts(f, now, &why) : r;
            if (r != RES_OK || !pg_conn_alive(f->c)) {
                disconnect(f); /* the feed tells again what this lost, once connected */
            }
        }
        if (now - f->beaten_ms >= BEAT_MS) {
            f->beaten_ms = now;
            http_streams_beat(f->streams);
        }
        wait_for_something(f);
    }
    disconnect(f);
    return NULL;
}

enum res feed_start(const struct feed_settings *settings, struct feed **ret, struct err *why)
{
    struct feed *f = calloc(1, sizeof *f);
    if (f == NULL) {
        err_set(why, "no memory for the live feed");
        return RES_NO_MEMORY;
    }
    f->settings = *settings;
    f->last_change_ms = clock_utc_ms();
    f->connect_ms = now_ms() - RECONNECT_MS;
    f->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pg_array_init(&f->ids, IDS_BYTES_MAX);
    enum res r = f->wake < 0 ? RES_IO : http_streams_new(&settings->streams, &f->streams, why);
    if (r == RES_OK && pthread_create(&f->thread, NULL, run, f) != 0) {
        r = RES_IO;
    }
    if (r != RES_OK) {
        if (r == RES_IO) {
            err_set(why, "cannot start the thread of the live feed");
        }
        feed_free(f);
        return r;
    }
    f->running = true;
    *ret = f;
    return RES_OK;
}

static void wake(struct feed *f)
{
    uint64_t one = 1;
    (void)!write(f->wake, &one, sizeof one);
}

void feed_close(struct feed *f)
{
    if (f == NULL || !f->running) {
        return;
    }
    atomic_store(&f->stopping, true);
    wake(f);
    (void)pthread_join(f->thread, NULL);
    f->running = false;
    http_streams_close(f->streams);
}

void feed_free(struct feed *f)
{
    if (f == NULL) {
        return;
    }
    http_streams_free(f->streams);
    for (int k = 0; k < FEED_COUNT_KINDS; k++) {
        feed_count_deinit(&f->counts[k]);
    }
    pg_array_deinit(&f->ids);
    if (f->wake >= 0) {
        (void)close(f->wake);
    }
    free(f);
}

void feed_figures(struct feed *f, struct feed_figures *ret)
{
    http_streams_figures(f->streams, &ret->streams);
    ret->listening = atomic_load(&f->listening);
}

/* ---- the route ---- */

/* "alert,device"; 0: none of them, or another word. */
static unsigned read_kinds(const char *text)
{
    static const char *const names[] = {"alert", "delivery", "device"};
    unsigned kinds = 0;
    while (*text != '\0') {
        size_t size = strcspn(text, ",");
        size_t k = 0;
        while (k < 3 && (strlen(names[k]) != size || strncmp(names[k], text, size) != 0)) {
            k++;
        }
        if (k == 3) {
            return 0;
        }
        kinds |= 1U << k;
        text += size + (text[size] == ',' ? 1 : 0);
    }
    return kinds;
}

static void open_feed(struct http_request *q, void *context)
{
    struct feed *f = context;
    const char *kinds = http_request_text(q, "kinds");
    const char *store = http_request_text(q, "storeId");
    unsigned wanted = kinds == NULL ? ALERTS | DELIVERIES | DEVICES : read_kinds(kinds);
    if (wanted == 0) {
        http_reply_error_field(q, "kinds", kinds, "some of alert,delivery,device");
        return;
    }
    struct tag *t = calloc(1, sizeof *t);
    if (t != NULL) {
        t->kinds = wanted;
        t->serial = atomic_fetch_add(&f->serials, 1) + 1;
        t->since_ms = http_request_number(q, "Last-Event-ID");
        (void)snprintf(t->store_id, sizeof t->store_id, "%s", store == NULL ? "" : store);
    }
    if (t == NULL || http_streams_reply(f->streams, q, t) != RES_OK) {
        free(t);
        http_reply_error(q, HTTP_ERROR_UNAVAILABLE, "Too many live feeds are open; try again.");
        return;
    }
    wake(f);
}

static const struct http_param params[] = {
    {HTTP_IN_QUERY,
     {.name = "storeId",
      .type = HTTP_TEXT,
      .min = 3,
      .max = 24,
      .charset = "A-Z0-9-",
      .summary = "Only of this store."}},
    {HTTP_IN_QUERY,
     {.name = "kinds",
      .type = HTTP_TEXT,
      .min = 1,
      .max = 40,
      .charset = "a-z,",
      .summary = "Some of alert,delivery,device; all, unless given."}},
    {HTTP_IN_HEADER,
     {.name = "Last-Event-ID",
      .type = HTTP_INTEGER,
      .max = 9007199254740991,
      .summary = "The id of the last event seen: alerts that changed since are told again."}},
    HTTP_PARAM_END};

const struct http_route feed_http_routes[] = {
    {.method = HTTP_GET,
     .path = "/api/feed",
     .operation = "feed",
     .summary = "What happens now, as server-sent events: ready, alert, delivery, device, reset.",
     .tag = "alerts",
     .params = params,
     .content_type = HTTP_STREAM_CONTENT_TYPE,
     .permission = "alert.read",
     .handle = open_feed},
    HTTP_ROUTE_END};
