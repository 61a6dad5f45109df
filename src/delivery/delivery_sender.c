#include "delivery_sender.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "delivery_refresh.h"
#include "delivery_seal.h"
#include "delivery_take.h"

/* Signed before any of them is handed over: 2 ms of work. */
#define GROUP 64
/* Wakings that follow one another this closely are one statement. */
#define COALESCE_MS 2
/* Between two looks for what is pending though its label is there. */
#define SWEEP_EVERY_MS 2000
/* The longest sleep: somebody may have changed a row by hand. */
#define IDLE_MS_MAX 5000
/* Nothing is due sooner after a send than this. */
#define RESEND_MS_MIN 1000
/* After the broker was away: ingest learns who is there. */
#define SETTLE_MS 1000
/* PostgreSQL is away. */
#define RETRY_MS 500
/* The broker's connection is full: so often it is asked again. */
#define FULL_PAUSE_MS 2
/* And whether the connection is there again. */
#define AWAY_MS 50

struct delivery_sender {
    struct delivery_sender_settings settings;
    struct pg_conn *conn;
    struct platform_signer *signer;
    bool listening;
    bool troubled;
    bool told;        /* new ones were committed */
    int64_t wake_ms;  /* by the clock: something may be due */
    int64_t sweep_ms; /* the next sweep */
    int64_t taken_ms; /* the last turn */
    _Atomic int64_t settled_ms;

    pthread_t thread;
    bool running;
    atomic_bool stop;
    int wake_fd;

    _Atomic int64_t sent;
    _Atomic int64_t retried;
    _Atomic int64_t parked;
    _Atomic int64_t failed;
    _Atomic int64_t dropped;
    _Atomic int64_t batches;
};

static void count(_Atomic int64_t *figure)
{
    (void)atomic_fetch_add_explicit(figure, 1, memory_order_relaxed);
}

enum res delivery_sender_new(const struct delivery_sender_settings *settings,
                             struct delivery_sender **ret, struct err *why)
{
    assert(settings->publish != NULL && settings->connected != NULL);
    struct delivery_sender *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return RES_NO_MEMORY;
    }
    s->settings = *settings;
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    enum res r = s->wake_fd < 0 ? RES_IO : RES_OK;
    if (r != RES_OK) {
        err_set(why, "no descriptor for the sender (%s); raise the open-files limit",
                strerror(errno));
    }
    if (r == RES_OK) {
        r = platform_signer_open(settings->platform_key, &s->signer, why);
    }
    if (r == RES_OK) {
        r = model_connect(&settings->place, MODEL_WORKER, settings->instance, 0, &s->conn, why);
    }
    if (r != RES_OK) {
        delivery_sender_free(s);
        return r;
    }
    *ret = s;
    return RES_OK;
}

static void wake(struct delivery_sender *s)
{
    uint64_t one = 1;
    ssize_t put = write(s->wake_fd, &one, sizeof one);
    (void)put; /* full means it is readable already */
}

void delivery_sender_stop(struct delivery_sender *s)
{
    if (s->running) {
        atomic_store(&s->stop, true);
        wake(s);
        (void)pthread_join(s->thread, NULL);
        s->running = false;
    }
}

void delivery_sender_free(struct delivery_sender *s)
{
    if (s == NULL) {
        return;
    }
    delivery_sender_stop(s);
    pg_conn_close(s->conn);
    platform_signer_close(s->signer);
    if (s->wake_fd >= 0) {
        (void)close(s->wake_fd);
    }
    free(s);
}

void delivery_sender_connected(struct delivery_sender *s, bool again)
{
    atomic_store(&s->settled_ms, again ? clock_monotonic_ms() + SETTLE_MS : 0);
    wake(s);
}

void delivery_sender_figures(struct delivery_sender *s, struct delivery_sender_figures *ret)
{
    *ret = (struct delivery_sender_figures){.sent = atomic_load(&s->sent),
                                            .retried = atomic_load(&s->retried),
                                            .parked = atomic_load(&s->parked),
                                            .failed = atomic_load(&s->failed),
                                            .dropped = atomic_load(&s->dropped),
                                            .batches = atomic_load(&s->batches)};
}

static enum shelf_topic topic_of(struct span kind)
{
    return span_equal(kind, SPAN_LIT("display"))  ? SHELF_PRICE_UPDATE
           : span_equal(kind, SPAN_LIT("config")) ? SHELF_CONFIG_UPDATE
                                                  : SHELF_FLASH_COMMAND;
}

static bool may_publish(struct delivery_sender *s)
{
    return s->settings.connected(s->settings.user) &&
           clock_monotonic_ms() >= atomic_load(&s->settled_ms);
}

static void pause_for(int64_t ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    (void)nanosleep(&t, NULL);
}

/* Waits while the connection has no room: the burst is as fast as the broker. */
static enum res hand_over(struct delivery_sender *s, const char *topic, struct span payload,
                          struct span signature)
{
    enum res r = s->settings.publish(s->settings.user, topic, payload, signature);
    while (r == RES_FULL && !atomic_load(&s->stop)) {
        pause_for(FULL_PAUSE_MS);
        r = s->settings.publish(s->settings.user, topic, payload, signature);
    }
    return r;
}

/* Ready to be handed over. */
struct sealed {
    char topic[SHELF_TOPIC_BYTES];
    char seal[DELIVERY_SEAL_BYTES];
    struct span payload;
    bool again; /* not its first send */
};

/* In one go: the connection's thread wakes once for many, not once for each. */
static void send_group(struct delivery_sender *s, const struct sealed *group, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        const struct sealed *m = &group[i];
        enum res r = hand_over(s, m->topic, m->payload, span_of(m->seal, sizeof m->seal));
        count(r == RES_OK ? &s->sent : &s->dropped);
        if (r == RES_OK && m->again) {
            count(&s->retried);
        }
    }
}

static bool seal(struct delivery_sender *s, const struct delivery_taken *t, struct sealed *ret)
{
    shelf_topic_write(t->label_id, topic_of(t->kind), ret->topic);
    ret->payload = t->payload;
    ret->again = t->attempts > 1;
    bool sealed = delivery_seal(s->signer, ret->topic, t->payload, ret->seal) == RES_OK;
    if (!sealed) {
        count(&s->dropped);
    }
    return sealed;
}

static void treat(struct delivery_sender *s, const PGresult *rows)
{
    struct sealed group[GROUP];
    size_t size = 0;
    for (int i = 0; i < PQntuples(rows); i++) {
        struct delivery_taken t;
        delivery_take_row(rows, i, &t);
        if (span_equal(t.state, SPAN_LIT("pending"))) {
            count(&s->parked);
        } else if (span_equal(t.state, SPAN_LIT("failed"))) {
            count(&s->failed);
        } else if (t.payload.data != NULL && seal(s, &t, &group[size])) {
            size++;
        }
        if (size == GROUP) {
            send_group(s, group, size);
            size = 0;
        }
    }
    send_group(s, group, size);
}

static enum res drain(struct delivery_sender *s, struct err *why)
{
    int got = DELIVERY_TAKE_MAX;
    while (got == DELIVERY_TAKE_MAX && may_publish(s) && !atomic_load(&s->stop)) {
        PGresult *rows = NULL;
        enum res r = delivery_take(s->conn, DELIVERY_TAKE_MAX, &rows, why);
        if (r != RES_OK) {
            return r;
        }
        got = PQntuples(rows);
        treat(s, rows);
        PQclear(rows);
        count(&s->batches);
    }
    return RES_OK;
}

static enum res sweep(struct delivery_sender *s, int64_t now_ms, struct err *why)
{
    if (now_ms < s->sweep_ms) {
        return RES_OK;
    }
    int64_t swept;
    s->sweep_ms = now_ms + SWEEP_EVERY_MS;
    return delivery_take_sweep(s->conn, &swept, why);
}

/* True when somebody committed a delivery since the last look. */
static bool was_notified(struct delivery_sender *s)
{
    PGconn *pq = pg_conn_handle(s->conn);
    bool any = false;
    if (pq == NULL || PQconsumeInput(pq) != 1) {
        return true; /* the next statement says what is wrong */
    }
    for (PGnotify *n = PQnotifies(pq); n != NULL; n = PQnotifies(pq)) {
        any = true;
        PQfreemem(n);
    }
    return any;
}

/* Until somebody wakes us, or PostgreSQL says something (when that is wanted), or ms passed. */
static void doze(struct delivery_sender *s, int64_t ms, bool listen)
{
    PGconn *pq = pg_conn_handle(s->conn);
    struct pollfd fds[2] = {{.fd = s->wake_fd, .events = POLLIN},
                            {.fd = listen && pq != NULL ? PQsocket(pq) : -1, .events = POLLIN}};
    if (poll(fds, 2, (int)ms) > 0 && (fds[0].revents & POLLIN) != 0) {
        uint64_t n;
        ssize_t got = read(s->wake_fd, &n, sizeof n);
        (void)got;
    }
}

static enum res turn(struct delivery_sender *s, struct err *why)
{
    int64_t now_ms = clock_monotonic_ms();
    bool due = now_ms >= s->wake_ms;
    if (now_ms - s->taken_ms < COALESCE_MS) {
        pause_for(COALESCE_MS);
    }
    s->taken_ms = now_ms;
    s->told = false;
    enum res r = sweep(s, now_ms, why);
    if (r == RES_OK) {
        r = drain(s, why);
    }
    now_ms = clock_monotonic_ms();
    if (r == RES_OK && due) {
        int64_t wait_ms = 0;
        r = delivery_take_wait(s->conn, IDLE_MS_MAX, &wait_ms, why);
        s->wake_ms = now_ms + (wait_ms < COALESCE_MS ? COALESCE_MS : wait_ms);
    } else if (s->wake_ms > now_ms + RESEND_MS_MIN) {
        s->wake_ms = now_ms + RESEND_MS_MIN;
    }
    return r;
}

/* Connects and listens again when it must. */
static enum res ready(struct delivery_sender *s, struct err *why)
{
    if (!pg_conn_alive(s->conn)) {
        s->listening = false;
        enum res r = pg_conn_reconnect(s->conn, why);
        if (r != RES_OK) {
            return r;
        }
    }
    if (!s->listening) {
        enum res r = pg_conn_command(s->conn, "LISTEN " DELIVERY_CHANNEL, why);
        if (r != RES_OK) {
            return r;
        }
        s->listening = true;
        s->wake_ms = 0; /* what came meanwhile */
    }
    return RES_OK;
}

static void tell_trouble(struct delivery_sender *s, enum res r, const struct err *why)
{
    bool trouble = r != RES_OK;
    if (trouble != s->troubled && s->settings.on_trouble != NULL) {
        s->settings.on_trouble(s->settings.user, trouble ? why->text : NULL);
    }
    s->troubled = trouble;
}

/* How long nothing is to be done, if nobody tells us otherwise. */
static int64_t idle_ms(struct delivery_sender *s)
{
    int64_t now_ms = clock_monotonic_ms();
    int64_t next_ms = s->wake_ms < s->sweep_ms ? s->wake_ms : s->sweep_ms;
    s->told = was_notified(s) || s->told;
    return s->told || next_ms <= now_ms ? 0 : next_ms - now_ms;
}

static void *run(void *context)
{
    struct delivery_sender *s = context;
    while (!atomic_load(&s->stop)) {
        if (!may_publish(s)) {
            s->wake_ms = 0;
            doze(s, AWAY_MS, false);
            continue;
        }
        struct err why = {"no reason was given"};
        enum res r = ready(s, &why);
        int64_t idle = r == RES_OK ? idle_ms(s) : 0;
        if (idle > 0) {
            doze(s, idle, true);
        } else if (r == RES_OK) {
            r = turn(s, &why);
        }
        tell_trouble(s, r, &why);
        if (r != RES_OK) {
            doze(s, RETRY_MS, false);
        }
    }
    return NULL;
}

enum res delivery_sender_start(struct delivery_sender *s, struct err *why)
{
    assert(!s->running);
    int error = pthread_create(&s->thread, NULL, run, s);
    if (error != 0) {
        err_set(why, "the sender's thread cannot start (%s)", strerror(error));
        return RES_NO_MEMORY;
    }
    s->running = true;
    return RES_OK;
}
