/* block_index.h: which blocks of a day hold what: keys (a device, a session, a store, a writer, or
 * all) and for each the blocks with their ranges. Newest blocks are indexed in memory here; every
 * few dozen blocks the keys are written out, sorted, as a segment: a directory record "SEG1" and
 * page records "PAG1", which a lookup reads one directory and one page of.
 *
 * A directory names every page and its first key, so a page that is missing or altered is noticed;
 * the day's head (day_file.h) names how many segments there are.
 */
#ifndef BLOCK_INDEX_H
#define BLOCK_INDEX_H

#include "block_codec.h"

#define BLOCK_INDEX_SEGMENT_KIND "SEG1"
#define BLOCK_INDEX_PAGE_KIND    "PAG1"
/* A segment is written when one is reached, as a lookup walks all that is newer: blocks in any
 * case; blocks when they hold this many events together; entries. */
#define BLOCK_INDEX_BLOCKS_MAX  256
#define BLOCK_INDEX_BLOCKS_FULL 64
#define BLOCK_INDEX_EVENTS_FULL 2048
#define BLOCK_INDEX_ENTRIES_MAX 16384
/* A page is closed when it passes this, so that it fills a database page or two. */
#define BLOCK_INDEX_PAGE_BYTES 3600

enum block_index_kind {
    BLOCK_INDEX_ALL = 'a',
    BLOCK_INDEX_DEVICE = 'd',
    BLOCK_INDEX_SESSION = 's',
    BLOCK_INDEX_STORE = 't',
    BLOCK_INDEX_WRITER = 'w',
};

#define BLOCK_INDEX_KEY_BYTES_MAX (1 + TELEMETRY_ID_BYTES_MAX)
struct block_index_key {
    uint8_t bytes[BLOCK_INDEX_KEY_BYTES_MAX]; /* kind, then the id */
    size_t size;
};
struct block_index_key block_index_key(enum block_index_kind kind, struct span id);

/* A block may have several entries of one key (an entry an epoch). Of writers the counters are the
 * first and the last block that the record stands for; of other kinds than these and devices they
 * are 0, as is the epoch. */
struct block_index_entry {
    int64_t block;
    int64_t epoch;
    int64_t counter_min;
    int64_t counter_max;
    int64_t time_min;
    int64_t time_max;
    uint64_t type_mask;
};
typedef enum res (*block_index_visit)(void *user, const struct block_index_entry *entry);

struct block_index; /* opaque: blocks in memory */

MUST_CHECK enum res block_index_new(struct block_index **ret);
void block_index_free(struct block_index *x);
void block_index_clear(struct block_index *x);
/* Blocks are added in rising order, by the number of their record. RES_NO_MEMORY: x lacks the block
 * or part of it: clear it. */
MUST_CHECK enum res block_index_add(struct block_index *x, int64_t number,
                                    const struct block_codec_block *block);
/* How many were added since it was cleared. */
size_t block_index_blocks(const struct block_index *x);
size_t block_index_events(const struct block_index *x);
bool block_index_is_full(const struct block_index *x);
/* In block order. */
MUST_CHECK enum res block_index_find(const struct block_index *x, const struct block_index_key *key,
                                     block_index_visit visit, void *user);

/* Writing out: gives each finished page, and last the directory, to `put` (with page false). Pages
 * are numbered from first_page on. */
typedef enum res (*block_index_put)(void *user, bool page, int64_t number, struct span record);
MUST_CHECK enum res block_index_write(struct block_index *x, int64_t day, int64_t segment,
                                      int64_t first_page, block_index_put put, void *user,
                                      int64_t *ret_pages);

/* A directory's content: which page may hold the key; 0: none does. RES_CORRUPT. */
MUST_CHECK enum res block_index_page_of(struct span directory, const struct block_index_key *key,
                                        int64_t *ret_page);
/* The key's entries in a page's content, in block order. RES_CORRUPT. */
MUST_CHECK enum res block_index_page_find(struct span page, const struct block_index_key *key,
                                          block_index_visit visit, void *user);

#endif
