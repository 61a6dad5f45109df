/* label_changes.h: what a batch changes in PostgreSQL, gathered row by row and written as one
 * transaction of a few set-based statements. Every effect may happen twice.
 */
#ifndef LABEL_CHANGES_H
#define LABEL_CHANGES_H

#include "label_fold.h"
#include "pg_rows.h"

struct label_changes {
    struct pg_rows labels;
    struct pg_rows statuses;
    struct pg_rows confirms; /* what statuses confirm */
    struct pg_rows acks;
    struct pg_rows settled; /* labels whose failed delivery may be over */
    struct pg_rows configs;
    struct pg_rows reports;
    struct pg_rows losses;
    struct pg_rows away; /* labels that may be gone */
    struct pg_rows back; /* labels that asked for their state */
    struct pg_rows dead;
    int64_t counted_ms; /* who was not heard of since is not here; 0: not said */
};

void label_changes_init(struct label_changes *c);
void label_changes_deinit(struct label_changes *c);
void label_changes_reset(struct label_changes *c);
bool label_changes_any(const struct label_changes *c);

/* All of one label in the batch. */
void label_changes_fold(struct label_changes *c, const struct label_fold *f);
/* Each new ack. */
void label_changes_ack(struct label_changes *c, const struct shelf_ack *a, int64_t received_ms);
/* presence/broker. */
void label_changes_counted(struct label_changes *c, int64_t counted_ms);

/* A message that was refused. */
struct label_dead {
    struct span topic; /* as it came */
    struct span claimed;
    struct span store_id; /* empty: the operator's */
    const char *reason;
    const char *field; /* or NULL */
    int64_t epoch;     /* 0: none */
    int64_t counter;
    struct span payload;
    int64_t received_ms;
};
/* RES_NO_MEMORY. */
MUST_CHECK enum res label_changes_dead(struct label_changes *c, const struct label_dead *dead);

/* One transaction; errors as pg_conn_run. RES_INVALID and RES_CONFLICT: a row breaks a rule of the
 * model. RES_AGAIN: deadlock. */
MUST_CHECK enum res label_changes_commit(struct label_changes *c, struct pg_conn *conn,
                                         struct err *why);

#endif
