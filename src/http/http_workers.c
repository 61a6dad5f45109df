#include "http_workers.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct http_workers {
    pthread_mutex_t lock;
    pthread_cond_t work;
    void (*run)(void *user, void *job);
    void *user;
    pthread_t *threads;
    size_t thread_count;
    void **jobs; /* a ring */
    size_t queue_max;
    size_t first;
    size_t count;
    bool stopping;
};

static void *work(void *arg)
{
    struct http_workers *w = arg;
    (void)pthread_mutex_lock(&w->lock);
    for (;;) {
        while (w->count == 0 && !w->stopping) {
            (void)pthread_cond_wait(&w->work, &w->lock);
        }
        if (w->count == 0) {
            break;
        }
        void *job = w->jobs[w->first];
        w->first = (w->first + 1) % w->queue_max;
        w->count--;
        (void)pthread_mutex_unlock(&w->lock);
        w->run(w->user, job);
        (void)pthread_mutex_lock(&w->lock);
    }
    (void)pthread_mutex_unlock(&w->lock);
    return NULL;
}

enum res http_workers_start(size_t threads, size_t queue_max, void (*run)(void *user, void *job),
                            void *user, struct http_workers **ret, struct err *why)
{
    struct http_workers *w = calloc(1, sizeof *w);
    if (w == NULL) {
        err_set(why, "no memory for the request workers");
        return RES_NO_MEMORY;
    }
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_cond_init(&w->work, NULL);
    w->run = run;
    w->user = user;
    w->queue_max = queue_max;
    w->jobs = calloc(queue_max, sizeof *w->jobs);
    w->threads = calloc(threads, sizeof *w->threads);
    if (w->jobs == NULL || w->threads == NULL) {
        err_set(why, "no memory for the request workers");
        http_workers_free(w);
        return RES_NO_MEMORY;
    }
    for (; w->thread_count < threads; w->thread_count++) {
        int error = pthread_create(&w->threads[w->thread_count], NULL, work, w);
        if (error != 0) {
            err_set(why, "cannot start a request worker: %s; lower the number of workers",
                    strerror(error));
            http_workers_free(w);
            return RES_IO;
        }
    }
    *ret = w;
    return RES_OK;
}

enum res http_workers_give(struct http_workers *w, void *job)
{
    enum res r = RES_FULL;
    (void)pthread_mutex_lock(&w->lock);
    if (w->count < w->queue_max && !w->stopping) {
        w->jobs[(w->first + w->count) % w->queue_max] = job;
        w->count++;
        (void)pthread_cond_signal(&w->work);
        r = RES_OK;
    }
    (void)pthread_mutex_unlock(&w->lock);
    return r;
}

void http_workers_stop(struct http_workers *w)
{
    (void)pthread_mutex_lock(&w->lock);
    w->stopping = true;
    (void)pthread_cond_broadcast(&w->work);
    (void)pthread_mutex_unlock(&w->lock);
    for (; w->thread_count > 0; w->thread_count--) {
        (void)pthread_join(w->threads[w->thread_count - 1], NULL);
    }
}

void http_workers_free(struct http_workers *w)
{
    if (w == NULL) {
        return;
    }
    http_workers_stop(w);
    (void)pthread_cond_destroy(&w->work);
    (void)pthread_mutex_destroy(&w->lock);
    free(w->jobs);
    free(w->threads);
    free(w);
}
