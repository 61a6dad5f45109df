#include "http_watch.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

struct http_watch_client {
    int fd;
    time_t since; /* when the request now arriving began; 0: none is arriving */
    struct http_watch_client *previous;
    struct http_watch_client *next;
};

struct http_watch {
    pthread_mutex_t lock;
    pthread_cond_t stop;
    pthread_t thread;
    unsigned seconds_max;
    bool stopping;
    struct http_watch_client *first;
};

static struct timespec now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return t;
}

static void *watch(void *arg)
{
    struct http_watch *w = arg;
    (void)pthread_mutex_lock(&w->lock);
    while (!w->stopping) {
        struct timespec until = now();
        until.tv_sec++;
        (void)pthread_cond_timedwait(&w->stop, &w->lock, &until);
        time_t seconds = now().tv_sec;
        for (struct http_watch_client *c = w->first; c != NULL; c = c->next) {
            if (c->since != 0 && seconds - c->since > (time_t)w->seconds_max) {
                (void)shutdown(c->fd, SHUT_RDWR); /* its owner sees the end and closes */
            }
        }
    }
    (void)pthread_mutex_unlock(&w->lock);
    return NULL;
}

enum res http_watch_start(unsigned seconds_max, struct http_watch **ret, struct err *why)
{
    struct http_watch *w = calloc(1, sizeof *w);
    if (w == NULL) {
        err_set(why, "no memory for the connection watch");
        return RES_NO_MEMORY;
    }
    w->seconds_max = seconds_max;
    pthread_condattr_t monotonic;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_cond_init(&w->stop, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    int error = pthread_create(&w->thread, NULL, watch, w);
    if (error != 0) {
        err_set(why, "cannot start the connection watch: %s", strerror(error));
        (void)pthread_cond_destroy(&w->stop);
        (void)pthread_mutex_destroy(&w->lock);
        free(w);
        return RES_IO;
    }
    *ret = w;
    return RES_OK;
}

struct http_watch_client *http_watch_add(struct http_watch *w, int fd)
{
    struct http_watch_client *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return NULL;
    }
    c->fd = fd;
    c->since = now().tv_sec;
    (void)pthread_mutex_lock(&w->lock);
    c->next = w->first;
    if (c->next != NULL) {
        c->next->previous = c;
    }
    w->first = c;
    (void)pthread_mutex_unlock(&w->lock);
    return c;
}

void http_watch_remove(struct http_watch *w, struct http_watch_client *c)
{
    if (c == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&w->lock);
    if (c->previous != NULL) {
        c->previous->next = c->next;
    } else {
        w->first = c->next;
    }
    if (c->next != NULL) {
        c->next->previous = c->previous;
    }
    (void)pthread_mutex_unlock(&w->lock);
    free(c);
}

static void set_since(struct http_watch *w, struct http_watch_client *c, time_t since)
{
    if (c != NULL) {
        (void)pthread_mutex_lock(&w->lock);
        c->since = since;
        (void)pthread_mutex_unlock(&w->lock);
    }
}

void http_watch_request_whole(struct http_watch *w, struct http_watch_client *c)
{
    set_since(w, c, 0);
}

void http_watch_request_next(struct http_watch *w, struct http_watch_client *c)
{
    set_since(w, c, now().tv_sec);
}

void http_watch_stop(struct http_watch *w)
{
    if (w == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&w->lock);
    w->stopping = true;
    (void)pthread_cond_signal(&w->stop);
    (void)pthread_mutex_unlock(&w->lock);
    (void)pthread_join(w->thread, NULL);
    (void)pthread_cond_destroy(&w->stop);
    (void)pthread_mutex_destroy(&w->lock);
    free(w);
}
