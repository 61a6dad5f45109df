#include "label_line.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum res label_line_init(struct label_line *l, uint64_t size)
{
    assert(size > 0 && (size & (size - 1)) == 0);
    *l = (struct label_line){.size = size};
    l->slots = calloc(size, sizeof *l->slots);
    if (l->slots == NULL) {
        return RES_NO_MEMORY;
    }
    (void)pthread_mutex_init(&l->lock, NULL);
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&l->ready, &attributes);
    (void)pthread_cond_init(&l->room, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    return RES_OK;
}

void label_line_deinit(struct label_line *l)
{
    if (l->slots != NULL) {
        (void)pthread_cond_destroy(&l->ready);
        (void)pthread_cond_destroy(&l->room);
        (void)pthread_mutex_destroy(&l->lock);
        free(l->slots);
        l->slots = NULL;
    }
}

void label_line_stop(struct label_line *l)
{
    (void)pthread_mutex_lock(&l->lock);
    l->stopping = true;
    (void)pthread_cond_broadcast(&l->ready);
    (void)pthread_cond_broadcast(&l->room);
    (void)pthread_mutex_unlock(&l->lock);
}

bool label_line_stopping(struct label_line *l)
{
    (void)pthread_mutex_lock(&l->lock);
    bool stopping = l->stopping;
    (void)pthread_mutex_unlock(&l->lock);
    return stopping;
}

static struct timespec deadline_in(int64_t ms)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += ms % 1000 * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

enum res label_line_offer(struct label_line *l, const struct label_message *head, struct span topic,
                          struct span payload)
{
    (void)pthread_mutex_lock(&l->lock);
    enum res r = l->offered - l->freed < l->size ? RES_OK : RES_AGAIN;
    if (r == RES_OK) {
        struct label_message *m = &l->slots[l->offered & (l->size - 1)];
        m->kind = head->kind;
        m->topic_kind = head->topic_kind;
        m->device = head->device;
        m->received_ms = head->received_ms;
        m->stored = false;
        m->topic_size = smaller(topic.size, sizeof m->topic);
        m->payload_whole = payload.size;
        m->payload_size = smaller(payload.size, sizeof m->payload);
        if (m->topic_size > 0) {
            memcpy(m->topic, topic.data, m->topic_size);
        }
        if (m->payload_size > 0) {
            memcpy(m->payload, payload.data, m->payload_size);
        }
        if (l->offered == l->freed) {
            (void)pthread_cond_signal(&l->ready);
        }
        l->offered++;
    }
    (void)pthread_mutex_unlock(&l->lock);
    return r;
}

void label_line_wait_room(struct label_line *l, int64_t timeout_ms)
{
    struct timespec deadline = deadline_in(timeout_ms);
    (void)pthread_mutex_lock(&l->lock);
    while (!l->stopping && l->offered - l->freed == l->size &&
           pthread_cond_timedwait(&l->room, &l->lock, &deadline) == 0) {
    }
    (void)pthread_mutex_unlock(&l->lock);
}

enum res label_line_wait_empty(struct label_line *l, int64_t timeout_ms)
{
    struct timespec deadline = deadline_in(timeout_ms);
    (void)pthread_mutex_lock(&l->lock);
    uint64_t goal = l->offered;
    while (!l->stopping && l->freed < goal &&
           pthread_cond_timedwait(&l->room, &l->lock, &deadline) == 0) {
    }
    enum res r = l->freed >= goal ? RES_OK : RES_AGAIN;
    (void)pthread_mutex_unlock(&l->lock);
    return r;
}

size_t label_line_ready(struct label_line *l, size_t most, int64_t idle_ms, int64_t linger_ms)
{
    struct timespec deadline = deadline_in(idle_ms);
    (void)pthread_mutex_lock(&l->lock);
    while (!l->stopping && l->offered == l->freed &&
           pthread_cond_timedwait(&l->ready, &l->lock, &deadline) == 0) {
    }
    bool any = l->offered != l->freed;
    bool crowded = l->offered - l->freed > l->size / LABEL_LINE_CROWDED_PART;
    (void)pthread_mutex_unlock(&l->lock);
    /* Nobody is woken for each message: a batch is looked at when its time is over. */
    int64_t linger = crowded ? linger_ms * LABEL_LINE_CROWDED_TIMES : linger_ms;
    for (int64_t waited = 0; any && waited < linger; waited += linger_ms) {
        if (label_line_depth(l) >= most) {
            break;
        }
        label_line_pause(l, linger_ms);
    }
    (void)pthread_mutex_lock(&l->lock);
    size_t count = l->stopping ? 0 : smaller(most, l->offered - l->freed);
    (void)pthread_mutex_unlock(&l->lock);
    return count;
}

struct label_message *label_line_at(struct label_line *l, size_t i)
{
    return &l->slots[(l->freed + i) & (l->size - 1)];
}

void label_line_free(struct label_line *l, size_t count)
{
    (void)pthread_mutex_lock(&l->lock);
    l->freed += count;
    (void)pthread_cond_broadcast(&l->room);
    (void)pthread_mutex_unlock(&l->lock);
}

void label_line_pause(struct label_line *l, int64_t timeout_ms)
{
    struct timespec deadline = deadline_in(timeout_ms);
    (void)pthread_mutex_lock(&l->lock);
    while (!l->stopping && pthread_cond_timedwait(&l->ready, &l->lock, &deadline) == 0) {
    }
    (void)pthread_mutex_unlock(&l->lock);
}

uint64_t label_line_depth(struct label_line *l)
{
    (void)pthread_mutex_lock(&l->lock);
    uint64_t depth = l->offered - l->freed;
    (void)pthread_mutex_unlock(&l->lock);
    return depth;
}
