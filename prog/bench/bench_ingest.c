#include "bench_ingest.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bench_clock.h"
#include "clock.h"
#include "pg_conn.h"

#define FLUSH_MS     120000
#define ROOM_MS      1000
#define OFFERING_MAX 64

static _Noreturn void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "endcap-bench: ingest: %s: %s\n", what, why);
    exit(1);
}

static void must(enum res r, const char *what, const struct err *why)
{
    if (r != RES_OK) {
        die(what, why->text[0] != '\0' ? why->text : res_name(r));
    }
}

static void add_cart(struct pg_conn *super, const struct bench_load_cart *cart, size_t number)
{
    char sql[512];
    char hex[2 * ECDSA_POINT_BYTES + 1];
    struct sink s;
    sink_init(&s, hex, sizeof hex - 1);
    sink_hex(&s, span_of(cart->point, ECDSA_POINT_BYTES));
    hex[s.size] = '\0';
    pg_fixture_cart(super, BENCH_LOAD_STORE, cart->id);
    (void)snprintf(sql, sizeof sql,
                   "INSERT INTO endcap.device_certificate (serial, device_id, kind, store_id, "
                   "subject, public_key, not_before, not_after) VALUES ('%08zX', '%s', 'cart', "
                   "'%s', 'CN=%s', '\\x%s', now() - interval '1 day', now() + interval '1 day')",
                   number + 1, cart->id, BENCH_LOAD_STORE, cart->id, hex);
    pg_fixture_sql(super, sql);
}

bool bench_ingest_start(struct bench_load_cart *carts, size_t cart_count, bool durable,
                        struct bench_ingest_world *ret)
{
    *ret = (struct bench_ingest_world){
        .carts = carts,
        .cart_count = cart_count,
        .sync = durable ? TELEMETRY_SYNC_FULL : TELEMETRY_SYNC_OFF,
    };
    if (!pg_fixture_start(&ret->pg, durable ? PG_FIXTURE_DURABLE : PG_FIXTURE_FAST)) {
        return false;
    }
    struct pg_conn *super = pg_fixture_superuser(&ret->pg);
    pg_fixture_store(super, BENCH_LOAD_STORE);
    for (size_t i = 0; i < cart_count; i++) {
        add_cart(super, &carts[i], i);
    }
    pg_conn_close(super);
    struct err why = {""};
    struct ecdsa_private *key = NULL;
    (void)snprintf(ret->platform_key, sizeof ret->platform_key, "%s/platform.key",
                   ret->pg.directory);
    must(ecdsa_private_new(&key), "no platform key", &why);
    must(ecdsa_private_save(key, ret->platform_key, &why), "no platform key", &why);
    ecdsa_private_free(key);
    return true;
}

void bench_ingest_stop(struct bench_ingest_world *w)
{
    pg_fixture_stop(&w->pg);
}

/* CPU of the PostgreSQL processes that serve the ingest. */
static double database_cpu(const struct bench_ingest_world *w)
{
    struct pg_conn *super = pg_fixture_superuser(&w->pg);
    struct pg_params none;
    PGresult *rows = NULL;
    struct err why = {""};
    double cpu = 0;
    pg_params_init(&none);
    must(pg_conn_run(super,
                     "SELECT pid::bigint FROM pg_stat_activity WHERE usename = 'endcap_ingest'",
                     &none, &rows, &why),
         "cannot ask PostgreSQL for its processes", &why);
    for (int i = 0; i < PQntuples(rows); i++) {
        cpu += bench_clock_cpu_of((pid_t)pg_get_i64(rows, i, 0));
    }
    PQclear(rows);
    pg_conn_close(super);
    return cpu;
}

static void drop_answer(void *user, const char *topic, struct span payload)
{
    (void)user;
    (void)topic;
    (void)payload;
}

static void on_state(void *user, enum ingest_state state, const char *words)
{
    (void)user;
    if (state != INGEST_RUNNING) {
        (void)fprintf(stderr, "endcap-bench: ingest waits: %s\n", words);
    }
}

typedef void (*publish_answer)(void *user, const char *topic, struct span payload);

static struct ingest *open_ingest(struct bench_ingest_world *w, unsigned workers,
                                  publish_answer publish, void *user)
{
    char telemetry[192];
    char writer[INGEST_WRITER_BYTES_MAX];
    struct ingest *in = NULL;
    struct err why = {""};
    w->runs++;
    (void)snprintf(telemetry, sizeof telemetry, "%s/telemetry-%u", w->pg.directory, w->runs);
    (void)snprintf(writer, sizeof writer, "bench-%u", w->runs);
    const struct ingest_settings settings = {.place = w->pg.place,
                                             .telemetry_directory = telemetry,
                                             .writer = writer,
                                             .platform_key = w->platform_key,
                                             .sync = w->sync,
                                             .workers = workers,
                                             .rate_per_second = INGEST_RATE_NONE,
                                             .user = user,
                                             .publish = publish,
                                             .on_state = on_state};
    must(ingest_new(&settings, &in, &why), "cannot start", &why);
    return in;
}

static void offer(struct ingest *in, struct span topic, struct span frame)
{
    enum res r = RES_AGAIN;
    while ((r = ingest_offer(in, topic, frame, clock_utc_ms())) == RES_AGAIN) {
        ingest_wait_room(in, ROOM_MS);
    }
    if (r != RES_OK) {
        die("refuses a message", res_name(r));
    }
}

/* One of the threads that offer a run from memory: a share of the carts each, so that every cart's
 * events stay in order. */
struct offering {
    const struct bench_ingest_world *world;
    const struct bench_load_run *run;
    struct ingest *ingest;
    size_t first;
    size_t step;
    pthread_t thread;
};

static void *offer_share(void *user)
{
    const struct offering *o = user;
    for (size_t i = 0; i < o->run->count; i++) {
        const struct bench_load_message *m = &o->run->messages[i];
        if (m->cart % o->step == o->first) {
            offer(o->ingest, bench_load_topic(o->world->carts, m), bench_load_frame(m));
        }
    }
    return NULL;
}

static void offer_run(const struct bench_ingest_world *w, struct ingest *in,
                      const struct bench_load_run *run, size_t threads)
{
    struct offering shares[OFFERING_MAX];
    for (size_t i = 0; i < threads; i++) {
        shares[i] = (struct offering){w, run, in, i, threads, 0};
        if (pthread_create(&shares[i].thread, NULL, offer_share, &shares[i]) != 0) {
            die("no thread", "");
        }
    }
    for (size_t i = 0; i < threads; i++) {
        (void)pthread_join(shares[i].thread, NULL);
    }
}

static void flush(struct ingest *in)
{
    struct err why = {""};
    must(ingest_flush(in, FLUSH_MS), "does not finish", &why);
}

/* Everything was stored once, nothing refused: otherwise the figures mean nothing. */
static void check_figures(const struct ingest_figures *f, size_t messages, bool sent_twice)
{
    int64_t refused = 0;
    for (size_t i = 0; i < WIRE_REFUSALS; i++) {
        refused += f->refused[i];
    }
    if (f->accepted != (int64_t)messages || f->stored != (int64_t)messages || refused != 0 ||
        f->far != 0 || (sent_twice && f->duplicates != (int64_t)messages)) {
        char words[160];
        (void)snprintf(words, sizeof words,
                       "%zu sent, %lld accepted, %lld stored, %lld refused, %lld far, %lld "
                       "duplicates",
                       messages, (long long)f->accepted, (long long)f->stored, (long long)refused,
                       (long long)f->far, (long long)f->duplicates);
        die("wrong figures", words);
    }
}

void bench_ingest_memory(struct bench_ingest_world *w, const struct bench_load_run *run,
                         unsigned workers, struct bench_ingest_figure *ret)
{
    struct ingest_figures f;
    struct ingest *in = open_ingest(w, workers, drop_answer, NULL);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t threads = workers != 0 ? workers : cores > OFFERING_MAX ? OFFERING_MAX : (size_t)cores;
    double database = database_cpu(w);
    double cpu = bench_clock_cpu();
    double wall = bench_clock_wall();
    offer_run(w, in, run, 1);
    flush(in);
    wall = bench_clock_wall() - wall;
    cpu = bench_clock_cpu() - cpu;
    database = database_cpu(w) - database;
    ingest_figures(in, &f);
    check_figures(&f, run->count, false);
    double again = bench_clock_wall();
    offer_run(w, in, run, threads);
    flush(in);
    again = bench_clock_wall() - again;
    struct ingest_figures twice;
    ingest_figures(in, &twice);
    check_figures(&twice, run->count, true);
    ingest_free(in);
    double messages = (double)run->count;
    *ret = (struct bench_ingest_figure){
        .per_second = messages / wall,
        .cpu = cpu / messages,
        .database_cpu = database / messages,
        .again_per_second = messages / again,
        .commit_ms = (double)f.commit_us / 1000 / (double)f.batches,
        .batch = messages / (double)f.batches,
    };
}

/* ---- behind the broker ---- */

struct line {
    struct ingest *ingest;
    struct mqtt_client *client;
    _Atomic int subscribed;
};

static void line_publish(void *user, const char *topic, struct span payload)
{
    struct line *l = user;
    enum res r = mqtt_client_publish(l->client, topic, payload, false, NULL, NULL);
    if (r != RES_OK && r != RES_FULL) {
        die("cannot answer", res_name(r));
    }
}

static void line_on_connect(void *context)
{
    struct line *l = context;
    if (mqtt_client_subscribe(l->client, BENCH_BROKER_FILTER, NULL) != RES_OK) {
        die("cannot subscribe", BENCH_BROKER_FILTER);
    }
}

static void line_on_answer(void *context, const struct mqtt_answer *answer)
{
    struct line *l = context;
    if (answer->subscription) {
        atomic_store(&l->subscribed, answer->reason < 0x80 ? 1 : -1);
    }
}

static void line_on_disconnect(void *context, enum res cause, const char *why)
{
    (void)context;
    (void)cause;
    die("lost the broker", why);
}

static void line_on_message(void *context, const struct mqtt_message *message)
{
    struct line *l = context;
    offer(l->ingest, message->topic, message->payload);
}

static void pause_ms(long ms)
{
    const struct timespec pause = {.tv_nsec = ms * 1000000};
    (void)nanosleep(&pause, NULL);
}

static void connect_line(const struct bench_broker *b, struct line *l)
{
    struct mqtt_client_settings settings;
    struct err why = {""};
    broker_fixture_settings(&b->fixture, &b->service, &settings);
    settings.keep_alive_s = 60;
    settings.receive_max = 1000;
    settings.send_max = 1000;
    settings.queued_max = 20000;
    settings.threaded = true;
    settings.context = l;
    settings.on_connect = line_on_connect;
    settings.on_disconnect = line_on_disconnect;
    settings.on_message = line_on_message;
    settings.on_answer = line_on_answer;
    must(mqtt_client_new(&settings, &why, &l->client), "no client", &why);
}

void bench_ingest_broker(struct bench_ingest_world *w, const struct bench_broker *b,
                         const struct bench_load_run *run, struct bench_ingest_figure *ret)
{
    const struct bench_publish_plan plan = {&b->fixture, b->files, w->carts, w->cart_count,
                                            run,         true,     1};
    struct bench_publish senders;
    struct line line = {.ingest = NULL};
    struct err why = {""};
    struct ingest_figures f = {0};
    bench_publish_start(&plan, &senders);
    connect_line(b, &line);
    line.ingest = open_ingest(w, 0, line_publish, &line);
    must(mqtt_client_connect(line.client, &why), "cannot connect", &why);
    double start = bench_clock_wall();
    while (atomic_load(&line.subscribed) != 1) {
        pause_ms(2);
        if (bench_clock_wall() - start > BENCH_BROKER_WAIT_S) {
            die("no subscription", BENCH_BROKER_FILTER);
        }
    }
    double cpu = bench_clock_cpu();
    double wall = bench_clock_wall();
    bench_publish_go(&senders);
    while (f.accepted < (int64_t)run->count) {
        pause_ms(1);
        ingest_figures(line.ingest, &f);
        if (bench_clock_wall() - wall > BENCH_BROKER_WAIT_S) {
            check_figures(&f, run->count, false);
        }
    }
    wall = bench_clock_wall() - wall;
    cpu = bench_clock_cpu() - cpu;
    bench_publish_end(&senders);
    mqtt_client_disconnect(line.client);
    check_figures(&f, run->count, false);
    ingest_free(line.ingest);
    mqtt_client_free(line.client);
    double messages = (double)run->count;
    *ret = (struct bench_ingest_figure){
        .per_second = messages / wall,
        .cpu = cpu / messages,
        .commit_ms = (double)f.commit_us / 1000 / (double)f.batches,
        .batch = messages / (double)f.batches,
    };
}
