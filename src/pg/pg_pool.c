#include "pg_pool.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "clock.h"

/* While the server is away only one taker in this time waits for a connection attempt. */
#define AWAY_MS 500

struct slot {
    struct pg_conn *c; /* NULL: not open */
    bool taken;
    int fd; /* of c while a query may run, else -1 */
    int64_t taken_ms;
};

struct pg_pool {
    struct pg_pool_settings settings;
    pthread_mutex_t lock;
    pthread_cond_t change;
    pthread_t watch;
    bool stopping;
    int64_t away_until_ms;
    struct slot slots[];
};

static struct timespec at_ms(int64_t ms)
{
    return (struct timespec){(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
}

/* libpq waits for ever for a server that neither answers nor closes: cut such a connection. */
static void *watch(void *arg)
{
    struct pg_pool *p = arg;
    (void)pthread_mutex_lock(&p->lock);
    while (!p->stopping) {
        struct timespec until = at_ms(clock_monotonic_ms() + 500);
        (void)pthread_cond_timedwait(&p->change, &p->lock, &until);
        for (size_t i = 0; i < p->settings.connections; i++) {
            struct slot *s = &p->slots[i];
            if (s->fd >= 0 &&
                clock_monotonic_ms() - s->taken_ms > (int64_t)p->settings.query_ms_max) {
                (void)shutdown(s->fd, SHUT_RDWR);
            }
        }
    }
    (void)pthread_mutex_unlock(&p->lock);
    return NULL;
}

enum res pg_pool_new(const struct pg_pool_settings *settings, struct pg_pool **ret, struct err *why)
{
    struct pg_pool *p = calloc(1, sizeof *p + settings->connections * sizeof p->slots[0]);
    if (p == NULL) {
        err_set(why, "no memory for the connection pool");
        return RES_NO_MEMORY;
    }
    p->settings = *settings;
    for (size_t i = 0; i < settings->connections; i++) {
        p->slots[i].fd = -1;
    }
    pthread_condattr_t monotonic;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_cond_init(&p->change, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    int error = pthread_create(&p->watch, NULL, watch, p);
    if (error != 0) {
        err_set(why, "cannot start the watch of the connection pool: %s", strerror(error));
        (void)pthread_cond_destroy(&p->change);
        (void)pthread_mutex_destroy(&p->lock);
        free(p);
        return RES_IO;
    }
    *ret = p;
    return RES_OK;
}

void pg_pool_free(struct pg_pool *p)
{
    if (p == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&p->lock);
    p->stopping = true;
    (void)pthread_cond_broadcast(&p->change);
    (void)pthread_mutex_unlock(&p->lock);
    (void)pthread_join(p->watch, NULL);
    for (size_t i = 0; i < p->settings.connections; i++) {
        assert(!p->slots[i].taken);
        pg_conn_close(p->slots[i].c);
    }
    (void)pthread_cond_destroy(&p->change);
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
}

/* A free slot, an open one first. Holds the lock. */
static struct slot *free_slot(struct pg_pool *p)
{
    struct slot *found = NULL;
    for (size_t i = 0; i < p->settings.connections; i++) {
        struct slot *s = &p->slots[i];
        if (!s->taken && (found == NULL || (found->c == NULL && s->c != NULL))) {
            found = s;
        }
    }
    return found;
}

static void put_back(struct pg_pool *p, struct slot *s, bool failed)
{
    (void)pthread_mutex_lock(&p->lock);
    s->taken = false;
    s->fd = -1;
    p->away_until_ms = failed ? clock_monotonic_ms() + AWAY_MS : 0;
    (void)pthread_cond_broadcast(&p->change);
    (void)pthread_mutex_unlock(&p->lock);
}

static enum res wait_for_slot(struct pg_pool *p, struct slot **ret, struct err *why)
{
    enum res r = RES_OK;
    int64_t deadline = clock_monotonic_ms() + (int64_t)p->settings.wait_ms_max;
    struct timespec until = at_ms(deadline);
    (void)pthread_mutex_lock(&p->lock);
    struct slot *s = free_slot(p);
    while (s == NULL && clock_monotonic_ms() < deadline) {
        (void)pthread_cond_timedwait(&p->change, &p->lock, &until);
        s = free_slot(p);
    }
    if (s == NULL) {
        err_set(why, "every database connection is busy; raise their number or try again");
        r = RES_UNAVAILABLE;
    } else if (s->c == NULL && clock_monotonic_ms() < p->away_until_ms) {
        err_set(why, "PostgreSQL could not be reached a moment ago");
        r = RES_UNAVAILABLE;
    } else {
        s->taken = true;
        s->taken_ms = clock_monotonic_ms();
        *ret = s;
    }
    (void)pthread_mutex_unlock(&p->lock);
    return r;
}

enum res pg_pool_take(struct pg_pool *p, struct pg_conn **ret, struct err *why)
{
    struct slot *s = NULL;
    enum res r = wait_for_slot(p, &s, why);
    if (r != RES_OK) {
        return r;
    }
    struct pg_conn *c = s->c;
    if (c != NULL && !pg_conn_alive(c)) {
        pg_conn_close(c);
        c = NULL;
    }
    if (c == NULL) {
        r = p->settings.open(p->settings.user, &c, why);
    }
    (void)pthread_mutex_lock(&p->lock);
    s->c = c;
    s->fd = c != NULL ? PQsocket(pg_conn_handle(c)) : -1;
    (void)pthread_mutex_unlock(&p->lock);
    if (r != RES_OK) {
        put_back(p, s, true);
        return RES_UNAVAILABLE;
    }
    *ret = c;
    return RES_OK;
}

void pg_pool_give(struct pg_pool *p, struct pg_conn *c)
{
    struct slot *s = NULL;
    (void)pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < p->settings.connections && s == NULL; i++) {
        s = p->slots[i].taken && p->slots[i].c == c ? &p->slots[i] : NULL;
    }
    (void)pthread_mutex_unlock(&p->lock);
    assert(s != NULL && "a connection of this pool that was taken");
    put_back(p, s, false);
}

enum res pg_pool_run(struct pg_pool *p, const char *sql, const struct pg_params *params,
                     PGresult **ret_rows, struct err *why)
{
    enum res r = RES_UNAVAILABLE;
    bool again = true;
    while (again) {
        struct pg_conn *c = NULL;
        r = pg_pool_take(p, &c, why);
        if (r != RES_OK) {
            return r;
        }
        int64_t started_ms = clock_monotonic_ms();
        r = pg_conn_run(c, sql, params, ret_rows, why);
        /* Dead on arrival, not cut for being slow: the next one may be as dead, until all have been
         * opened anew. */
        again = r == RES_UNAVAILABLE && !pg_conn_alive(c) &&
                clock_monotonic_ms() - started_ms < AWAY_MS;
        pg_pool_give(p, c);
    }
    return r;
}
