/* http_workers.h: a fixed number of threads behind a bounded queue. The I/O thread never waits for
 * a database: it hands a request over, or learns at once that there is no room.
 */
#ifndef HTTP_WORKERS_H
#define HTTP_WORKERS_H

#include <stddef.h>

#include "err.h"

struct http_workers; /* opaque */

/* `run` is called on a worker for each job. RES_NO_MEMORY or RES_IO with words. */
MUST_CHECK enum res http_workers_start(size_t threads, size_t queue_max,
                                       void (*run)(void *user, void *job), void *user,
                                       struct http_workers **ret, struct err *why);
/* RES_FULL: the queue is, or the workers were stopped. */
MUST_CHECK enum res http_workers_give(struct http_workers *w, void *job);
/* Runs what is queued, then ends the threads; further jobs are refused. */
void http_workers_stop(struct http_workers *w);
/* Stops first. NULL is fine. */
void http_workers_free(struct http_workers *w);

#endif
