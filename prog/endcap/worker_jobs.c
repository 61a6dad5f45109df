#include "worker_jobs.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "log.h"

/* PostgreSQL is away: so often it is tried. */
#define RETRY_MS 500

struct worker_jobs {
    const struct worker_job *jobs;
    size_t count;
    void *user;
    struct pg_conn *conn;
    int64_t due_ms[WORKER_JOBS_MAX];
    bool troubled[WORKER_JOBS_MAX];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool stop;
};

/* True when it is time to stop. */
static bool wait_until(struct worker_jobs *w, int64_t deadline_ms)
{
    struct timespec t = {.tv_sec = deadline_ms / 1000, .tv_nsec = deadline_ms % 1000 * 1000000L};
    (void)pthread_mutex_lock(&w->lock);
    int waited = 0;
    while (!w->stop && waited != ETIMEDOUT) {
        waited = pthread_cond_timedwait(&w->ended, &w->lock, &t);
    }
    bool stop = w->stop;
    (void)pthread_mutex_unlock(&w->lock);
    return stop;
}

/* A step that failed may have left its transaction open. */
static void clear_transaction(struct worker_jobs *w)
{
    struct err unused;
    PGconn *pq = pg_conn_handle(w->conn);
    if (pq != NULL && pg_conn_alive(w->conn) && PQtransactionStatus(pq) != PQTRANS_IDLE) {
        enum res r = pg_conn_command(w->conn, "ROLLBACK", &unused);
        (void)r; /* the next step says so */
    }
}

static enum res do_job(struct worker_jobs *w, const struct worker_job *job, struct err *why)
{
    enum res r = RES_OK;
    err_set(why, "no reason was given");
    if (!pg_conn_alive(w->conn)) {
        r = pg_conn_reconnect(w->conn, why);
    }
    if (r == RES_OK) {
        int64_t now_ms = clock_utc_ms();
        r = job->step != NULL ? job->step(w->conn, now_ms, why)
                              : job->step_of(w->user, w->conn, now_ms, why);
    }
    if (r != RES_OK) {
        clear_transaction(w);
    }
    return r == RES_AGAIN ? RES_OK : r;
}

static void tell(struct worker_jobs *w, size_t i, enum res r, const struct err *why)
{
    bool trouble = r != RES_OK;
    if (trouble && !w->troubled[i]) {
        log_event(LOG_ERROR, "job_failed", LOG_TEXT("job", w->jobs[i].name),
                  LOG_TEXT("cause", res_name(r)), LOG_TEXT("why", why->text), LOG_END);
    } else if (!trouble && w->troubled[i]) {
        log_event(LOG_INFO, "job_runs_again", LOG_TEXT("job", w->jobs[i].name), LOG_END);
    }
    w->troubled[i] = trouble;
}

static void *run(void *context)
{
    struct worker_jobs *w = context;
    int64_t next_ms = clock_monotonic_ms();
    while (!wait_until(w, next_ms)) {
        int64_t now_ms = clock_monotonic_ms();
        next_ms = INT64_MAX;
        for (size_t i = 0; i < w->count; i++) {
            if (w->due_ms[i] <= now_ms) {
                struct err why;
                enum res r = do_job(w, &w->jobs[i], &why);
                tell(w, i, r, &why);
                int64_t after_ms = w->jobs[i].every_ms;
                after_ms = r == RES_UNAVAILABLE && after_ms < RETRY_MS ? RETRY_MS : after_ms;
                w->due_ms[i] = clock_monotonic_ms() + after_ms;
            }
            next_ms = w->due_ms[i] < next_ms ? w->due_ms[i] : next_ms;
        }
    }
    return NULL;
}

static enum res start(struct worker_jobs *w, struct err *why)
{
    pthread_condattr_t monotonic;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&w->ended, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    (void)pthread_mutex_init(&w->lock, NULL);
    int error = pthread_create(&w->thread, NULL, run, w);
    if (error != 0) {
        err_set(why, "the thread of the worker's jobs cannot start (%s)", strerror(error));
        (void)pthread_cond_destroy(&w->ended);
        (void)pthread_mutex_destroy(&w->lock);
        return RES_NO_MEMORY;
    }
    return RES_OK;
}

enum res worker_jobs_start(const struct model_place *place, const char *application,
                           const struct worker_job *jobs, size_t count, void *user,
                           struct worker_jobs **ret, struct err *why)
{
    if (count == 0 || count > WORKER_JOBS_MAX) {
        err_set(why, "%zu jobs are not 1 to %d", count, WORKER_JOBS_MAX);
        return RES_LIMIT;
    }
    struct worker_jobs *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return RES_NO_MEMORY;
    }
    w->jobs = jobs;
    w->count = count;
    w->user = user;
    enum res r = model_connect(place, MODEL_WORKER, application, 0, &w->conn, why);
    if (r == RES_OK) {
        r = start(w, why);
    }
    if (r != RES_OK) {
        pg_conn_close(w->conn);
        free(w);
        return r;
    }
    *ret = w;
    return RES_OK;
}

void worker_jobs_stop(struct worker_jobs *w)
{
    if (w == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&w->lock);
    w->stop = true;
    (void)pthread_cond_signal(&w->ended);
    (void)pthread_mutex_unlock(&w->lock);
    (void)pthread_join(w->thread, NULL);
    (void)pthread_cond_destroy(&w->ended);
    (void)pthread_mutex_destroy(&w->lock);
    pg_conn_close(w->conn);
    free(w);
}
