#include "ingest_queue.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum res ingest_queue_init(struct ingest_queue *q, uint64_t size)
{
    assert(size > 0 && (size & (size - 1)) == 0);
    memset(q, 0, sizeof *q);
    q->slots = calloc(size, sizeof *q->slots);
    if (q->slots == NULL) {
        return RES_NO_MEMORY;
    }
    q->size = size;
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&q->lock, NULL);
    (void)pthread_cond_init(&q->work, &attr);
    (void)pthread_cond_init(&q->ready, &attr);
    (void)pthread_cond_init(&q->room, &attr);
    (void)pthread_condattr_destroy(&attr);
    return RES_OK;
}

void ingest_queue_deinit(struct ingest_queue *q)
{
    (void)pthread_cond_destroy(&q->room);
    (void)pthread_cond_destroy(&q->ready);
    (void)pthread_cond_destroy(&q->work);
    (void)pthread_mutex_destroy(&q->lock);
    free(q->slots);
}

void ingest_queue_stop(struct ingest_queue *q)
{
    (void)pthread_mutex_lock(&q->lock);
    q->stopping = true;
    (void)pthread_cond_broadcast(&q->work);
    (void)pthread_cond_broadcast(&q->ready);
    (void)pthread_cond_broadcast(&q->room);
    (void)pthread_mutex_unlock(&q->lock);
}

static struct timespec deadline_in(int64_t ms)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += (ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

struct ingest_message *ingest_queue_at(struct ingest_queue *q, uint64_t index)
{
    return &q->slots[index & (q->size - 1)];
}

enum res ingest_queue_offer(struct ingest_queue *q, const struct ingest_message *head,
                            struct span topic, struct span frame)
{
    (void)pthread_mutex_lock(&q->lock);
    if (q->stopping || q->offered - q->freed == q->size) {
        (void)pthread_mutex_unlock(&q->lock);
        return RES_AGAIN;
    }
    struct ingest_message *m = ingest_queue_at(q, q->offered);
    m->device = head->device;
    m->received_ms = head->received_ms;
    m->topic_type = head->topic_type;
    m->topic_fits = head->topic_fits;
    m->repeated = head->repeated;
    m->print = head->print;
    m->claimed_size = head->claimed_size;
    memcpy(m->claimed, head->claimed, sizeof m->claimed);
    m->topic_size = topic.size < sizeof m->topic ? topic.size : sizeof m->topic;
    memcpy(m->topic, topic.data, m->topic_size);
    m->frame_whole = frame.size;
    m->frame_size = frame.size < sizeof m->frame ? frame.size : sizeof m->frame;
    memcpy(m->frame, frame.data, m->frame_size);
    m->ready = false;
    m->appended = false;
    q->offered++;
    (void)pthread_cond_signal(&q->work);
    (void)pthread_mutex_unlock(&q->lock);
    return RES_OK;
}

void ingest_queue_wait_room(struct ingest_queue *q, int64_t timeout_ms)
{
    struct timespec deadline = deadline_in(timeout_ms);
    (void)pthread_mutex_lock(&q->lock);
    while (!q->stopping && q->offered - q->freed == q->size &&
           pthread_cond_timedwait(&q->room, &q->lock, &deadline) == 0) {
    }
    (void)pthread_mutex_unlock(&q->lock);
}

enum res ingest_queue_wait_empty(struct ingest_queue *q, int64_t timeout_ms)
{
    struct timespec deadline = deadline_in(timeout_ms);
    (void)pthread_mutex_lock(&q->lock);
    uint64_t until = q->offered;
    while (!q->stopping && q->freed < until &&
           pthread_cond_timedwait(&q->room, &q->lock, &deadline) == 0) {
    }
    bool empty = q->freed >= until;
    (void)pthread_mutex_unlock(&q->lock);
    return empty ? RES_OK : RES_AGAIN;
}

void ingest_queue_claim(struct ingest_queue *q, uint64_t *ret_first, size_t *ret_count)
{
    (void)pthread_mutex_lock(&q->lock);
    while (!q->stopping && q->claimed == q->offered) {
        (void)pthread_cond_wait(&q->work, &q->lock);
    }
    uint64_t there = q->stopping ? 0 : q->offered - q->claimed;
    *ret_first = q->claimed;
    *ret_count = there < INGEST_CLAIM_MAX ? (size_t)there : INGEST_CLAIM_MAX;
    q->claimed += *ret_count;
    (void)pthread_mutex_unlock(&q->lock);
}

void ingest_queue_done(struct ingest_queue *q, uint64_t first, size_t count)
{
    (void)pthread_mutex_lock(&q->lock);
    for (size_t i = 0; i < count; i++) {
        ingest_queue_at(q, first + i)->ready = true;
    }
    (void)pthread_cond_broadcast(&q->ready);
    (void)pthread_mutex_unlock(&q->lock);
}

static size_t ready_now(struct ingest_queue *q, size_t from, size_t most)
{
    size_t count = from;
    while (count < most && q->freed + count < q->claimed &&
           ingest_queue_at(q, q->freed + count)->ready) {
        count++;
    }
    return count;
}

size_t ingest_queue_ready(struct ingest_queue *q, size_t most, int64_t idle_ms, int64_t linger_ms)
{
    struct timespec deadline = deadline_in(idle_ms);
    (void)pthread_mutex_lock(&q->lock);
    size_t count = ready_now(q, 0, most);
    while (!q->stopping && !q->poked && count == 0 &&
           pthread_cond_timedwait(&q->ready, &q->lock, &deadline) == 0) {
        count = ready_now(q, 0, most);
    }
    q->poked = false;
    bool crowded = q->offered - q->freed > q->size / INGEST_CROWDED_PART;
    deadline = deadline_in(crowded ? linger_ms * INGEST_CROWDED_TIMES : linger_ms);
    while (!q->stopping && count > 0 && count < most && q->freed + count < q->offered &&
           pthread_cond_timedwait(&q->ready, &q->lock, &deadline) == 0) {
        count = ready_now(q, count, most);
    }
    count = q->stopping ? 0 : ready_now(q, count, most);
    (void)pthread_mutex_unlock(&q->lock);
    return count;
}

uint64_t ingest_queue_first(const struct ingest_queue *q)
{
    return q->freed;
}

void ingest_queue_free(struct ingest_queue *q, size_t count)
{
    (void)pthread_mutex_lock(&q->lock);
    q->freed += count;
    (void)pthread_cond_broadcast(&q->room);
    (void)pthread_mutex_unlock(&q->lock);
}

void ingest_queue_poke(struct ingest_queue *q)
{
    (void)pthread_mutex_lock(&q->lock);
    q->poked = true;
    (void)pthread_cond_broadcast(&q->ready);
    (void)pthread_mutex_unlock(&q->lock);
}

uint64_t ingest_queue_depth(struct ingest_queue *q)
{
    (void)pthread_mutex_lock(&q->lock);
    uint64_t depth = q->offered - q->freed;
    (void)pthread_mutex_unlock(&q->lock);
    return depth;
}

void ingest_queue_pause(struct ingest_queue *q, int64_t timeout_ms)
{
    struct timespec deadline = deadline_in(timeout_ms);
    (void)pthread_mutex_lock(&q->lock);
    while (!q->stopping && pthread_cond_timedwait(&q->ready, &q->lock, &deadline) == 0) {
    }
    (void)pthread_mutex_unlock(&q->lock);
}

bool ingest_queue_stopping(struct ingest_queue *q)
{
    (void)pthread_mutex_lock(&q->lock);
    bool stopping = q->stopping;
    (void)pthread_mutex_unlock(&q->lock);
    return stopping;
}
