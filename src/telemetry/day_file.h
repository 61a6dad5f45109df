/* day_file.h: one UTC day of telemetry as one SQLite file, DIR/YYYY-MM-DD.telemetry, in WAL mode.
 *
 * Three tables of numbered sealed records (sealed.h), each dense from 1: blocks, pages, segments
 * (a block may stand for the numbers after it, see block_codec.h); and one head record, rewritten
 * with each append, that says how many of each there are. So a record that is missing, altered or
 * moved is found out whatever the damage to the file's own structure. A file appears under its name
 * complete, with a head: one without is damaged.
 */
#ifndef DAY_FILE_H
#define DAY_FILE_H

#include "block_codec.h"
#include "block_index.h"

#define DAY_FILE_ARCHIVE_BYTES_MAX 1024

enum day_file_table { DAY_FILE_BLOCK, DAY_FILE_PAGE, DAY_FILE_SEGMENT };
#define DAY_FILE_TABLES 3

struct day_file_head {
    int64_t blocks;  /* numbered 1..blocks */
    int64_t indexed; /* blocks 1..indexed are in segments */
    int64_t pages;
    int64_t segments;
    int64_t events;
    int64_t body_bytes; /* bodies and signatures as received */
    int64_t time_min;   /* device time; with events == 0 meaningless */
    int64_t time_max;
    int64_t archived_events; /* of the archive named below; 0 and "" when there is none */
    char archive[DAY_FILE_ARCHIVE_BYTES_MAX];
};

struct day_file; /* opaque */

/* "DIR/YYYY-MM-DD.telemetry". RES_LIMIT: longer than path[size]. */
MUST_CHECK enum res day_file_path(const char *directory, int64_t day, char *path, size_t size);
/* The day of a file name; false: not a day file's name. */
bool day_file_day(const char *name, int64_t *ret_day);

/* Makes the file, whole or not at all; RES_OK when it is there already. RES_FULL, RES_IO,
 * RES_DENIED. */
MUST_CHECK enum res day_file_create(const char *directory, int64_t day, struct err *why);
/* RES_NOT_FOUND, RES_DENIED, RES_CORRUPT, RES_IO, RES_NO_MEMORY. */
MUST_CHECK enum res day_file_open(const char *directory, int64_t day, bool write,
                                  enum telemetry_sync sync, struct day_file **ret, struct err *why);
void day_file_close(struct day_file *f);

/* One snapshot (or, with write, the file's only writer, waiting for the one before) until
 * commit or cancel. RES_AGAIN: another writer did not finish in time. */
MUST_CHECK enum res day_file_begin(struct day_file *f, bool write, struct err *why);
/* Ends it and makes all that was put durable; after a failure nothing was. */
MUST_CHECK enum res day_file_commit(struct day_file *f, struct err *why);
/* Ends it and forgets all that was put. */
void day_file_cancel(struct day_file *f);

/* Within begin..end. The head as of begin. RES_CORRUPT, RES_IO. */
MUST_CHECK enum res day_file_head(struct day_file *f, struct day_file_head *ret, struct err *why);
MUST_CHECK enum res day_file_put_head(struct day_file *f, const struct day_file_head *head,
                                      struct err *why);
/* The checked content of the last record with a number up to `number`, and its own number; valid
 * until the next get from the same table. RES_CORRUPT: missing or altered, and the words name it.
 */
MUST_CHECK enum res day_file_get(struct day_file *f, enum day_file_table table, int64_t number,
                                 int64_t *ret_number, struct span *ret_content, struct err *why);
MUST_CHECK enum res day_file_put(struct day_file *f, enum day_file_table table, int64_t number,
                                 struct span record, struct err *why);
/* Removes the blocks first..last, for one that stands for them all. */
MUST_CHECK enum res day_file_remove(struct day_file *f, int64_t first, int64_t last,
                                    struct err *why);

/* Moves the write-ahead log into the file, as far as readers allow; for a day that is over. */
void day_file_settle(struct day_file *f);
/* Words for a damaged record. Returns RES_CORRUPT. */
enum res day_file_corrupt(const struct day_file *f, enum day_file_table table, int64_t number,
                          struct err *why);
int64_t day_file_number(const struct day_file *f); /* the day */

#endif
