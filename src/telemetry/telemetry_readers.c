#include "telemetry_readers.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct telemetry_readers {
    char *directory;
    pthread_mutex_t lock;
    pthread_cond_t change;
    struct telemetry *idle[TELEMETRY_READERS_MAX];
    size_t idle_count;
    size_t taken_count;
};

enum res telemetry_readers_new(const char *directory, struct telemetry_readers **ret,
                               struct err *why)
{
    struct telemetry_readers *r = calloc(1, sizeof *r);
    if (r != NULL) {
        r->directory = strdup(directory);
    }
    if (r == NULL || r->directory == NULL) {
        free(r);
        err_set(why, "no memory for the telemetry readers");
        return RES_NO_MEMORY;
    }
    (void)pthread_mutex_init(&r->lock, NULL);
    (void)pthread_cond_init(&r->change, NULL);
    *ret = r;
    return RES_OK;
}

void telemetry_readers_free(struct telemetry_readers *r)
{
    if (r == NULL) {
        return;
    }
    for (size_t i = 0; i < r->idle_count; i++) {
        telemetry_close(r->idle[i]);
    }
    (void)pthread_cond_destroy(&r->change);
    (void)pthread_mutex_destroy(&r->lock);
    free(r->directory);
    free(r);
}

enum res telemetry_readers_take(struct telemetry_readers *r, struct telemetry **ret,
                                struct err *why)
{
    struct telemetry *t = NULL;
    (void)pthread_mutex_lock(&r->lock);
    while (r->idle_count == 0 && r->taken_count == TELEMETRY_READERS_MAX) {
        (void)pthread_cond_wait(&r->change, &r->lock);
    }
    if (r->idle_count > 0) {
        t = r->idle[--r->idle_count];
    }
    r->taken_count++;
    (void)pthread_mutex_unlock(&r->lock);
    if (t != NULL) {
        *ret = t;
        return RES_OK;
    }
    const struct telemetry_settings settings = {.directory = r->directory, .writer = NULL};
    enum res opened = telemetry_open(&settings, &t, why);
    if (opened != RES_OK) {
        telemetry_readers_give(r, NULL, false);
        return opened;
    }
    *ret = t;
    return RES_OK;
}

void telemetry_readers_give(struct telemetry_readers *r, struct telemetry *t, bool sound)
{
    (void)pthread_mutex_lock(&r->lock);
    r->taken_count--;
    if (sound) {
        r->idle[r->idle_count++] = t;
    }
    (void)pthread_cond_signal(&r->change);
    (void)pthread_mutex_unlock(&r->lock);
    if (!sound) {
        telemetry_close(t);
    }
}
