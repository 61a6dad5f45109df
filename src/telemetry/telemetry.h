/* telemetry.h: the append-only store of what happened (C-013, C-015), as a port.
 *
 * A batch is one durable block: when telemetry_append returns RES_OK its events survive a power
 * cut (fsync). Blocks are the unit of compression (and of sealing), of recovery and of archive; a
 * block has a position that rises per writer, and a small index beside it (device, session, store,
 * type and time ranges) answers queries. The store is the platform's commit log: PostgreSQL state
 * can always be re-derived from the blocks after a writer's last checkpoint.
 *
 * Days are UTC days of RECEIPT: one file a day, retention is unlinking a file (C-019). Device time
 * is kept beside it and is what queries by time mean (C-134).
 *
 * Drivers: telemetry_sqlite.c (a file a day, WAL, synchronous=FULL). The same test suite runs over
 * every driver. A handle is used by one thread at a time; several processes may open one store.
 */
#ifndef TELEMETRY_H
#define TELEMETRY_H

#include <stdio.h>

#include "err.h"
#include "span.h"

#define TELEMETRY_BATCH_EVENTS_MAX 4096
#define TELEMETRY_ID_BYTES_MAX     48
#define TELEMETRY_PAGE_EVENTS_MAX  1000
#define TELEMETRY_TYPES_MAX        64
#define TELEMETRY_BODY_BYTES_MAX   16384
#define TELEMETRY_CURSOR_BYTES     128

struct telemetry_event {
    struct span device_id;  /* 1..TELEMETRY_ID_BYTES_MAX */
    struct span store_id;   /* <= TELEMETRY_ID_BYTES_MAX */
    struct span session_id; /* size 0: none */
    uint8_t type;           /* 0..63, the caller's numbering */
    int64_t epoch;
    int64_t counter;
    int64_t device_time_ms;
    int64_t received_ms;
    struct span body;      /* exact bytes, <= TELEMETRY_BODY_BYTES_MAX */
    struct span signature; /* 64 bytes, or none: the connection said who spoke */
};

/* Order of blocks of one writer; 0 is before the first. Opaque but comparable. */
typedef int64_t telemetry_position;

struct telemetry; /* opaque */

enum telemetry_sync { TELEMETRY_SYNC_FULL, TELEMETRY_SYNC_OFF /* benchmarks only */ };

struct telemetry_settings {
    const char *directory;
    const char *writer; /* name of this writer, "ingest-1"; NULL opens for reading only */
    enum telemetry_sync sync;
};

/* RES_IO, RES_CORRUPT, RES_DENIED with words. *ret is for telemetry_close. */
MUST_CHECK enum res telemetry_open(const struct telemetry_settings *settings,
                                   struct telemetry **ret, struct err *why);
void telemetry_close(struct telemetry *t);

/* All or nothing, durable on return. RES_FULL: disk full (words say so), nothing was written;
 * RES_IO. `now_ms` chooses the day file. */
MUST_CHECK enum res telemetry_append(struct telemetry *t, const struct telemetry_event *events,
                                     size_t count, int64_t now_ms, telemetry_position *ret_position,
                                     struct err *why);

/* Called once per event, spans valid during the call only; it may not use the same handle. Another
 * value than RES_OK stops the walk and is returned. All readers answer RES_CORRUPT, naming the
 * record, when what they need is damaged or missing; RES_IO, RES_NO_MEMORY. */
typedef enum res (*telemetry_visit)(void *user, const struct telemetry_event *event,
                                    telemetry_position position);

/* Every event of this writer's blocks after `after`, in append order: recovery. RES_CORRUPT as well
 * when the day of `after` ends before it: then acknowledged events are missing. */
MUST_CHECK enum res telemetry_tail(struct telemetry *t, const char *writer,
                                   telemetry_position after, telemetry_visit visit, void *user,
                                   struct err *why);

/* Events of one device and epoch with from <= counter <= to, in counter order, each identity once
 * (the first appended wins). */
MUST_CHECK enum res telemetry_read_stream(struct telemetry *t, struct span device_id, int64_t epoch,
                                          int64_t from, int64_t to, telemetry_visit visit,
                                          void *user, struct err *why);

struct telemetry_filter {
    struct span device_id;  /* size 0: any */
    struct span session_id; /* size 0: any */
    struct span store_id;   /* size 0: any */
    uint64_t type_mask;     /* bit per type; 0: any */
    int64_t from_ms;        /* device time, inclusive */
    int64_t to_ms;          /* device time, exclusive; 0: no end */
};
/* Cursor: opaque text from the page before, empty for the first. */
struct telemetry_page {
    char next_cursor[TELEMETRY_CURSOR_BYTES]; /* "" when there is no more */
    size_t count;
};
/* Ordered by (device time, device, epoch, counter), each identity once, at most limit
 * (1..TELEMETRY_PAGE_EVENTS_MAX). Once means: of events with the same place in that order the first
 * appended; one identity with two device times has two places. RES_INVALID: a cursor that is not
 * ours. */
MUST_CHECK enum res telemetry_query(struct telemetry *t, const struct telemetry_filter *filter,
                                    const char *cursor, size_t limit, telemetry_visit visit,
                                    void *user, struct telemetry_page *ret_page, struct err *why);

struct telemetry_totals {
    int64_t events;
    int64_t blocks;
    int64_t body_bytes;   /* bodies and signatures as received */
    int64_t stored_bytes; /* files on disk */
};
MUST_CHECK enum res telemetry_totals(struct telemetry *t, struct telemetry_totals *ret,
                                     struct err *why);

/* Days are counted from 1970-01-01 (UTC). Archive writes one self-contained compressed file that
 * telemetry_archive_verify can read back and count. Drop refuses (RES_CONFLICT) today, yesterday
 * and the day last appended to, and unless `force` a day whose archive cannot be read through at
 * that moment or holds less than the day. Both need a handle that may write; RES_NOT_FOUND: no such
 * day; RES_FULL, RES_IO. */
MUST_CHECK enum res telemetry_archive_day(struct telemetry *t, int64_t day, const char *path,
                                          int64_t *ret_events, struct err *why);
MUST_CHECK enum res telemetry_archive_verify(const char *path, int64_t *ret_events,
                                             telemetry_visit visit /* may be NULL */, void *user,
                                             struct err *why);
MUST_CHECK enum res telemetry_drop_day(struct telemetry *t, int64_t day, bool force,
                                       struct err *why);

#endif
