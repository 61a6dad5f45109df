/* supervise.h: starts child processes in order, restarts what ends, stops all in reverse order.
 *
 * One thread, no signal handlers of its own: the caller's loop calls supervise_step, and decides
 * when to stop. Children get PR_SET_PDEATHSIG, so that nothing outlives a supervisor that was
 * killed. A service that ends is started again after 200 ms, doubling to 3 s, and back to 200 ms
 * once it has run for 10 s.
 */
#ifndef SUPERVISE_H
#define SUPERVISE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"

#define SUPERVISE_RESTART_MS_LEAST 200
#define SUPERVISE_RESTART_MS_MOST  3000
#define SUPERVISE_STEADY_MS        10000
#define SUPERVISE_STOP_MS          15000 /* then SIGKILL */

struct supervise_service {
    const char *name;
    const char *const *argv; /* argv[0] is the program's path; ends with NULL */
    const char *user;        /* run as this system user when we are root; NULL: as we are */
    /* Instead of argv and user: called in the child, becomes the server, does not return. */
    void (*become)(void *context);
    int stop_signal;      /* what makes it stop orderly */
    const char *log_path; /* standard output and error are appended there */
    /* RES_OK: it serves; RES_AGAIN: not yet. Called by supervise_start only. */
    enum res (*ready)(void *context, struct err *why);
    void *context; /* of ready and become */
    int64_t ready_ms_max;
    /* private from here on; zero at first */
    pid_t pid;
    int64_t started_ms;
    int64_t restart_at_ms;
    int64_t restart_delay_ms;
    uint64_t restarts;
};

/* Starts one service and waits until it is ready. RES_UNAVAILABLE when it ended or did not become
 * ready in time; the words name its log. Checks *stop (may be NULL) while waiting: RES_AGAIN. */
MUST_CHECK enum res supervise_start(struct supervise_service *service, const volatile int *stop,
                                    struct err *why);
/* Whether one of those that were started has ended already; the words give its last line. For a
 * start that waits in vain because of another service. */
bool supervise_ended_early(struct supervise_service *services, size_t count, struct err *why);
/* Reaps and restarts; returns after at most wait_ms. Calls `ended` (may be NULL) once for each
 * service that ended, with wait(2)'s status: the boundary logs it. */
typedef void (*supervise_tell)(void *context, const struct supervise_service *service, int status);
void supervise_step(struct supervise_service *services, size_t count, int64_t wait_ms,
                    supervise_tell ended, void *context);
/* Last started first: stop signal, wait, SIGKILL for what does not go. Returns false when something
 * had to be killed. */
bool supervise_stop(struct supervise_service *services, size_t count);

#endif
