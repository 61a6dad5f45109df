/* telemetry_store.h: what the files of the SQLite driver share: the handle, its open days, and how
 * a day is looked into. Not for users of telemetry.h.
 */
#ifndef TELEMETRY_STORE_H
#define TELEMETRY_STORE_H

#include <limits.h>

#include "block_codec.h"
#include "block_index.h"
#include "day_file.h"
#include "telemetry.h"

/* Ninety days hot (C-019), and a few that wait for the archive. */
#define TELEMETRY_STORE_OPEN_DAYS_MAX 96

struct telemetry_store_day {
    struct day_file *file;
    int64_t day;
    bool write;
    uint64_t used;              /* when, in calls */
    struct day_file_head head;  /* of the snapshot begun last */
    struct block_index *recent; /* blocks recent_after+1 .. recent_through, not in a segment */
    int64_t recent_after;
    int64_t recent_through;
};

struct telemetry {
    char directory[PATH_MAX];
    char writer[TELEMETRY_ID_BYTES_MAX + 1];
    bool writing;
    enum telemetry_sync sync;
    int64_t append_day; /* appends never go back behind it; -1: no day yet */
    uint64_t calls;
    struct block_codec *codec;
    struct sealed_buffer record; /* of the block being appended */
    struct sealed_buffer merged;
    struct telemetry_store_day *open[TELEMETRY_STORE_OPEN_DAYS_MAX];
    size_t open_count;
};

telemetry_position telemetry_store_position(int64_t day, int64_t block);
int64_t telemetry_store_position_day(telemetry_position position);
int64_t telemetry_store_position_block(telemetry_position position);

/* The days that have a file, rising; the caller frees them. Forgets open days whose file is gone.
 * RES_DENIED, RES_IO, RES_NO_MEMORY. */
MUST_CHECK enum res telemetry_store_days(struct telemetry *t, int64_t **ret_days, size_t *ret_count,
                                         struct err *why);
/* Opens the day if need be and begins a snapshot, its head in (*ret)->head. write: the day's only
 * writer until end. Errors of day_file_open and day_file_begin. */
MUST_CHECK enum res telemetry_store_begin(struct telemetry *t, int64_t day, bool write,
                                          struct telemetry_store_day **ret, struct err *why);
/* Ends it: what was put is durable, or nothing was. */
MUST_CHECK enum res telemetry_store_commit(struct telemetry_store_day *d, struct err *why);
/* Ends it: nothing was put. */
void telemetry_store_done(struct telemetry_store_day *d);
void telemetry_store_forget(struct telemetry *t, int64_t day);

/* Within begin..end: the key's entries, in block order. Another value than RES_OK from visit stops
 * and is returned. RES_CORRUPT, RES_IO, RES_NO_MEMORY. */
MUST_CHECK enum res telemetry_store_find(struct telemetry *t, struct telemetry_store_day *d,
                                         const struct block_index_key *key, block_index_visit visit,
                                         void *user, struct err *why);
/* Within begin..end: the record that holds this block, and its number; valid until the next block
 * is read. */
MUST_CHECK enum res telemetry_store_block(struct telemetry *t, struct telemetry_store_day *d,
                                          int64_t block, int64_t *ret_number,
                                          struct block_codec_block *ret, struct err *why);
/* Brings the newest blocks into d->recent. */
MUST_CHECK enum res telemetry_store_load_recent(struct telemetry *t, struct telemetry_store_day *d,
                                                struct err *why);

#endif
