/* ingest_changes.h: what one batch changes in PostgreSQL, gathered row by row and sent as one
 * pipeline, which is one transaction: streams and checkpoint with everything that follows from the
 * events they account for. All or nothing; that is what makes effects happen exactly once.
 *
 * A stream's row is written only when its version is still the one that was read; otherwise the
 * whole transaction fails (RES_CONFLICT), the carts are read again and the batch is done anew.
 */
#ifndef INGEST_CHANGES_H
#define INGEST_CHANGES_H

#include "ingest_queue.h"
#include "session_changes.h"

struct ingest_changes {
    struct pg_rows streams;
    struct pg_rows gaps;
    struct pg_rows faults;
    struct pg_rows health;
    struct pg_rows boots;
    struct pg_rows commands;
    struct pg_rows dead;
    struct pg_rows alerts;
    struct session_changes sessions;
};

/* Whose event it is. */
struct ingest_origin {
    struct span cart_id;
    struct span store_id;
    int64_t received_ms;
};

/* One refused message, or one event that could not be applied. */
struct ingest_dead {
    struct span topic;
    struct span claimed; /* device, size 0: not readable */
    struct span store_id;
    const char *reason;
    const char *field; /* NULL: none */
    int64_t limit;
    int64_t epoch; /* 0: not readable */
    int64_t counter;
    struct span frame;
    int64_t received_ms;
    struct span unless_session; /* filed only when no such session exists; size 0: always */
};

enum ingest_severity { INGEST_LOW, INGEST_MEDIUM, INGEST_HIGH };
struct ingest_alert {
    struct span store_id; /* size 0: the platform's */
    const char *kind;     /* as the alert table knows it */
    enum ingest_severity severity;
    struct span device_id;
    struct span session_id; /* size 0: none */
    const char *cause;      /* the cause key is "cause:device" */
    bool of_session;        /* "cause:session" instead: over when the session is */
    const char *message;
    int64_t occurrences;
    int64_t now_ms;
};

void ingest_changes_init(struct ingest_changes *c);
void ingest_changes_deinit(struct ingest_changes *c);
void ingest_changes_reset(struct ingest_changes *c);

/* The stream as it is now; version is the one that was read, 0 for a stream without a row. */
void ingest_changes_stream(struct ingest_changes *c, const struct ingest_origin *o,
                           const struct ingest_stream *s);
void ingest_changes_gap(struct ingest_changes *c, const struct ingest_origin *o,
                        const struct wire_event *gap);
void ingest_changes_fault(struct ingest_changes *c, const struct ingest_origin *o,
                          const struct wire_event *fault);
void ingest_changes_health(struct ingest_changes *c, const struct ingest_origin *o,
                           const struct wire_event *health);
void ingest_changes_boot(struct ingest_changes *c, const struct ingest_origin *o,
                         const struct wire_event *boot);
/* RES_NO_MEMORY: the digest of the frame could not be made. */
MUST_CHECK enum res ingest_changes_dead(struct ingest_changes *c, const struct ingest_dead *dead);
void ingest_changes_alert(struct ingest_changes *c, const struct ingest_alert *alert);
/* True when there is anything to write besides a checkpoint. */
bool ingest_changes_any(const struct ingest_changes *c);

/* Called for each answer to session_changes_ask; meant to be believed only when the commit
 * succeeded. */
typedef void (*ingest_changes_answer)(void *user, const struct session_answer *answer);

/* One transaction. RES_CONFLICT: a stream was changed by somebody else. RES_UNAVAILABLE: no word
 * from the server, it may or may not have happened. RES_INVALID: a row breaks a rule of the model;
 * *why names it. RES_LIMIT: too large. RES_AGAIN: deadlock, do it again. Others as pg_conn_run. */
MUST_CHECK enum res ingest_changes_commit(struct ingest_changes *c, struct pg_conn *conn,
                                          const char *writer, int64_t position,
                                          ingest_changes_answer answer, void *user,
                                          struct err *why);

#endif
