/* worker_jobs.h: the worker's thread of steps. Each is called again and again, with a connection to
 * PostgreSQL that they share; what fails is told once when trouble begins and once when it is over,
 * and never stops the others.
 */
#ifndef WORKER_JOBS_H
#define WORKER_JOBS_H

#include "model.h"

struct worker_job {
    const char *name;
    int64_t every_ms;
    /* One of the two. Leaves no transaction open when it answers RES_OK; RES_AGAIN: next time. */
    enum res (*step)(struct pg_conn *c, int64_t now_ms, struct err *why);
    enum res (*step_of)(void *user, struct pg_conn *c, int64_t now_ms, struct err *why);
};

struct worker_jobs; /* opaque */

#define WORKER_JOBS_MAX 32

/* Starts the thread. `jobs`, their names, `user` and `application` must stay. RES_NO_MEMORY;
 * RES_LIMIT: more than WORKER_JOBS_MAX; else as model_connect. */
MUST_CHECK enum res worker_jobs_start(const struct model_place *place, const char *application,
                                      const struct worker_job *jobs, size_t count, void *user,
                                      struct worker_jobs **ret, struct err *why);
/* Waits for the step under way. NULL is fine. */
void worker_jobs_stop(struct worker_jobs *w);

#endif
