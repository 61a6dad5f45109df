/* label_commit.h: one batch of messages: decode, telemetry, PostgreSQL, answers. Used by the
 * committer's thread alone.
 *
 * An attempt may be thrown away at any point and made again: what the committer remembers of a
 * label changes only when the transaction is committed, and every effect may happen twice.
 */
#ifndef LABEL_COMMIT_H
#define LABEL_COMMIT_H

#include "label_changes.h"
#include "label_counters.h"
#include "label_line.h"
#include "platform_signer.h"

/* A decoded message; spans point into the message or the batch's arena. */
struct label_body {
    enum label_ingest_refusal refusal; /* LABEL_INGEST_REFUSALS: fine */
    const char *field;                 /* of LABEL_INGEST_BAD_FIELD */
    union {
        struct shelf_status status;
        struct shelf_ack ack;
        struct shelf_get get;
        struct shelf_report report;
        struct label_presence presence;
    };
};

struct label_commit {
    struct pg_conn *conn;
    struct telemetry *telemetry;
    struct platform_signer *signer;
    struct label_devices *devices;
    struct label_counters *counters;
    void *user;
    void (*publish)(void *user, const char *topic, struct span payload, struct span signature);

    int64_t now_ms;
    bool disk_failed;           /* the last attempt failed at telemetry */
    struct token_bucket filing; /* of topics that are nobody's */

    struct label_message *const *messages;
    size_t count;
    struct arena arena;
    struct label_body *bodies;
    struct label_fold *folds;
    size_t fold_count;
    struct telemetry_event *events;
    size_t event_count;
    struct label_changes changes;
    /* what the attempt would count */
    int64_t duplicates;
    int64_t refused[LABEL_INGEST_REFUSALS];
    int64_t presences;
};

/* conn, telemetry, signer and publish are the caller's to fill in afterwards. RES_NO_MEMORY. */
MUST_CHECK enum res label_commit_init(struct label_commit *c, struct label_devices *devices,
                                      struct label_counters *counters);
/* Closes conn, telemetry and signer too. */
void label_commit_deinit(struct label_commit *c);

/* Decodes a batch of at most LABEL_INGEST_BATCH_MAX; messages and array stay until the next. */
void label_commit_begin(struct label_commit *c, struct label_message *const *messages,
                        size_t count);
/* One try at `count` messages from `first` on. `muted`: files them instead of applying them.
 * RES_INVALID, RES_LIMIT: PostgreSQL refuses one of them. RES_UNAVAILABLE, RES_AGAIN and others:
 * make it again. disk_failed: telemetry could not be written. */
MUST_CHECK enum res label_commit_attempt(struct label_commit *c, size_t first, size_t count,
                                         bool muted, struct err *why);
/* After an attempt that was committed: answers who asked. A question that cannot be answered now
 * comes again. */
MUST_CHECK enum res label_commit_answer(struct label_commit *c, struct err *why);

#endif
