#include "fleet_loop.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOOK_AT_CLOCK_EVERY 64 /* calls: a busy turn is long */

void fleet_loop_clock(struct fleet_loop *loop)
{
    struct timespec t = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    loop->now_us = (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
    loop->now_ms = loop->now_us / 1000;
}

enum res fleet_loop_open(struct fleet_loop *loop, size_t timers_max, struct err *why)
{
    *loop = (struct fleet_loop){.epoll_fd = epoll_create1(EPOLL_CLOEXEC), .timer_room = timers_max};
    loop->timers = calloc(timers_max + 1, sizeof(struct fleet_loop_timer *));
    if (loop->epoll_fd < 0) {
        err_set(why, "the system gives no epoll descriptor: %s", strerror(errno));
        return RES_IO;
    }
    if (loop->timers == NULL) {
        err_set(why, "no memory for %zu timers", timers_max);
        return RES_NO_MEMORY;
    }
    fleet_loop_clock(loop);
    return RES_OK;
}

void fleet_loop_close(struct fleet_loop *loop)
{
    if (loop->epoll_fd >= 0) {
        (void)close(loop->epoll_fd);
    }
    free(loop->timers);
    *loop = (struct fleet_loop){.epoll_fd = -1};
}

/* --- sources --- */

enum res fleet_loop_watch(struct fleet_loop *loop, struct fleet_loop_source *source, int fd,
                          uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = source};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        return RES_FULL;
    }
    source->fd = fd;
    source->events = events;
    return RES_OK;
}

void fleet_loop_change(struct fleet_loop *loop, struct fleet_loop_source *source, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = source};
    if (source->fd >= 0 && source->events != events) {
        int bad = epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &event);
        assert(bad == 0); /* it is there, and that cannot fail */
        (void)bad;
        source->events = events;
    }
}

void fleet_loop_forget(struct fleet_loop *loop, struct fleet_loop_source *source)
{
    if (source->fd < 0) {
        return;
    }
    (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
    source->fd = -1;
    for (int i = loop->batch_next; i < loop->batch_count; i++) {
        if (loop->batch[i].data.ptr == source) {
            loop->batch[i].data.ptr = NULL;
        }
    }
}

/* --- timers: a binary heap from 1, the earliest on top --- */

static void put(struct fleet_loop *loop, size_t place, struct fleet_loop_timer *timer)
{
    loop->timers[place] = timer;
    timer->place = place;
}

static void rise(struct fleet_loop *loop, size_t place, struct fleet_loop_timer *timer)
{
    while (place > 1 && loop->timers[place / 2]->due_ms > timer->due_ms) {
        put(loop, place, loop->timers[place / 2]);
        place /= 2;
    }
    put(loop, place, timer);
}

static void sink(struct fleet_loop *loop, size_t place, struct fleet_loop_timer *timer)
{
    for (;;) {
        size_t child = 2 * place;
        if (child < loop->timer_count &&
            loop->timers[child + 1]->due_ms < loop->timers[child]->due_ms) {
            child++;
        }
        if (child > loop->timer_count || loop->timers[child]->due_ms >= timer->due_ms) {
            break;
        }
        put(loop, place, loop->timers[child]);
        place = child;
    }
    put(loop, place, timer);
}

/* The timer at `place` has another time: it goes where it belongs. */
static void settle(struct fleet_loop *loop, size_t place, struct fleet_loop_timer *timer)
{
    if (place > 1 && loop->timers[place / 2]->due_ms > timer->due_ms) {
        rise(loop, place, timer);
    } else {
        sink(loop, place, timer);
    }
}

static void take_out(struct fleet_loop *loop, struct fleet_loop_timer *timer)
{
    size_t place = timer->place;
    struct fleet_loop_timer *last = loop->timers[loop->timer_count--];
    timer->place = 0;
    if (last != timer) {
        settle(loop, place, last);
    }
}

void fleet_loop_set(struct fleet_loop *loop, struct fleet_loop_timer *timer, int64_t due_ms)
{
    if (due_ms == FLEET_LOOP_NEVER) {
        if (timer->place != 0) {
            take_out(loop, timer);
        }
        return;
    }
    if (timer->place == 0) {
        assert(loop->timer_count < loop->timer_room);
        timer->due_ms = due_ms;
        rise(loop, ++loop->timer_count, timer);
    } else if (timer->due_ms != due_ms) {
        timer->due_ms = due_ms;
        settle(loop, timer->place, timer);
    }
}

/* --- a turn --- */

static int wait_ms(const struct fleet_loop *loop, int64_t wait_ms_max)
{
    int64_t wait = wait_ms_max;
    if (loop->timer_count > 0 && loop->timers[1]->due_ms - loop->now_ms < wait) {
        wait = loop->timers[1]->due_ms - loop->now_ms;
    }
    return wait < 0 ? 0 : (int)wait;
}

static void run_sources(struct fleet_loop *loop)
{
    for (loop->batch_next = 0; loop->batch_next < loop->batch_count;) {
        const struct epoll_event *event = &loop->batch[loop->batch_next++];
        struct fleet_loop_source *source = event->data.ptr;
        if (loop->batch_next % LOOK_AT_CLOCK_EVERY == 0) {
            fleet_loop_clock(loop);
        }
        if (source != NULL) {
            source->ready(source, event->events);
        }
    }
    loop->batch_count = 0;
}

/* Only what was due when it began: a timer set anew for this moment waits for the next turn. */
static void run_timers(struct fleet_loop *loop)
{
    const int64_t now_ms = loop->now_ms;
    for (size_t most = loop->timer_count; most > 0 && loop->timer_count > 0; most--) {
        struct fleet_loop_timer *timer = loop->timers[1];
        if (timer->due_ms > now_ms) {
            break;
        }
        take_out(loop, timer);
        timer->due(timer);
        if (most % LOOK_AT_CLOCK_EVERY == 0) {
            fleet_loop_clock(loop);
        }
    }
}

void fleet_loop_turn(struct fleet_loop *loop, int64_t wait_ms_max)
{
    fleet_loop_clock(loop);
    int count =
        epoll_wait(loop->epoll_fd, loop->batch, FLEET_LOOP_EVENTS_MAX, wait_ms(loop, wait_ms_max));
    loop->batch_count = count > 0 ? count : 0;
    fleet_loop_clock(loop);
    run_sources(loop);
    run_timers(loop);
}
