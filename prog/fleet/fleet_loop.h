/* fleet_loop.h: one thread's readiness (epoll) and timers (a binary heap), for tens of thousands of
 * sources. Level-triggered: what is not read now is told again.
 *
 * Sources and timers are the caller's storage and must not move while they are in use. Both may be
 * removed, closed and added again from inside any callback.
 */
#ifndef FLEET_LOOP_H
#define FLEET_LOOP_H

#include <stdbool.h>
#include <sys/epoll.h>

#include "err.h"

#define FLEET_LOOP_EVENTS_MAX 512 /* of one turn */
#define FLEET_LOOP_NEVER      INT64_MAX

struct fleet_loop_source {
    void (*ready)(struct fleet_loop_source *source, uint32_t events);
    int fd;          /* -1: not watched */
    uint32_t events; /* asked for */
};

struct fleet_loop_timer {
    void (*due)(struct fleet_loop_timer *timer);
    int64_t due_ms;
    size_t place; /* in the heap, from 1; 0: not set */
};

struct fleet_loop {
    int epoll_fd;
    int64_t now_ms; /* monotonic, of this turn */
    int64_t now_us;
    size_t timer_count;
    size_t timer_room;
    struct fleet_loop_timer **timers;
    int batch_next;
    int batch_count;
    struct epoll_event batch[FLEET_LOOP_EVENTS_MAX];
};

/* Room for `timers_max` timers. RES_NO_MEMORY, RES_IO. */
MUST_CHECK enum res fleet_loop_open(struct fleet_loop *loop, size_t timers_max, struct err *why);
void fleet_loop_close(struct fleet_loop *loop);

/* RES_FULL: the system takes no more. */
MUST_CHECK enum res fleet_loop_watch(struct fleet_loop *loop, struct fleet_loop_source *source,
                                     int fd, uint32_t events);
void fleet_loop_change(struct fleet_loop *loop, struct fleet_loop_source *source, uint32_t events);
/* Before its descriptor is closed; no call of `ready` follows. Not watched: nothing happens. */
void fleet_loop_forget(struct fleet_loop *loop, struct fleet_loop_source *source);

/* Due at that time of loop.now_ms, once; FLEET_LOOP_NEVER: not any more. Setting it again moves it.
 * At most `timers_max` at a time (an assertion). */
void fleet_loop_set(struct fleet_loop *loop, struct fleet_loop_timer *timer, int64_t due_ms);

/* Reads the clock: before anything else that looks at now_ms outside of a turn. */
void fleet_loop_clock(struct fleet_loop *loop);
/* Waits for readiness or a timer, at most `wait_ms_max`, and makes the calls. A signal ends it. */
void fleet_loop_turn(struct fleet_loop *loop, int64_t wait_ms_max);

#endif
