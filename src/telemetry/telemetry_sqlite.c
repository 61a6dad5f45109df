/* The SQLite driver of telemetry.h; telemetry_query.c and telemetry_archive.c are the rest of it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block_merge.h"
#include "telemetry_store.h"
#include "timestamp.h"

#define SIGNATURE_BYTES 64
/* Blocks that hold fewer events on average are merged when their segment is written. */
#define SMALL_BLOCK_EVENTS 64

static enum res check_directory(const struct telemetry_settings *settings, struct err *why)
{
    struct stat about;
    if (settings->writer != NULL && mkdir(settings->directory, S_IRWXU) != 0 && errno != EEXIST) {
        err_set(why,
                "Cannot make the telemetry directory %s: %s; create its parent or name another",
                settings->directory, strerror(errno));
        return errno == EACCES ? RES_DENIED : errno == ENOSPC ? RES_FULL : RES_IO;
    }
    if (stat(settings->directory, &about) != 0 || !S_ISDIR(about.st_mode)) {
        err_set(why,
                "The telemetry directory %s does not exist; start ingest first or name another",
                settings->directory);
        return RES_IO;
    }
    int wanted = settings->writer == NULL ? R_OK | X_OK : R_OK | W_OK | X_OK;
    if (access(settings->directory, wanted) != 0) {
        err_set(why, "May not use the telemetry directory %s: %s; check its owner and permissions",
                settings->directory, strerror(errno));
        return RES_DENIED;
    }
    return RES_OK;
}

/* Positions of a writer never fall, even when the clock does: begin where the store ends. */
static enum res find_append_day(struct telemetry *t, struct err *why)
{
    int64_t *days = NULL;
    size_t count = 0;
    enum res r = telemetry_store_days(t, &days, &count, why);
    if (r == RES_OK) {
        t->append_day = count == 0 ? -1 : days[count - 1];
        free(days);
    }
    if (r == RES_OK && t->append_day >= 0) {
        struct telemetry_store_day *d = NULL;
        r = telemetry_store_begin(t, t->append_day, t->writing, &d, why);
        if (r == RES_OK) {
            r = telemetry_store_load_recent(t, d, why);
            telemetry_store_done(d);
        }
    }
    return r;
}

enum res telemetry_open(const struct telemetry_settings *settings, struct telemetry **ret,
                        struct err *why)
{
    struct telemetry *t = calloc(1, sizeof *t);
    if (t == NULL || block_codec_new(&t->codec) != RES_OK) {
        free(t);
        err_set(why, "Not enough memory to open the telemetry store");
        return RES_NO_MEMORY;
    }
    t->writing = settings->writer != NULL;
    t->sync = settings->sync;
    t->append_day = -1;
    enum res r = check_directory(settings, why);
    if (r != RES_OK) {
        goto out;
    }
    r = span_copy_text(span_text(settings->directory, sizeof t->directory), t->directory,
                       sizeof t->directory);
    if (r == RES_OK && t->writing) {
        r = span_copy_text(span_text(settings->writer, sizeof t->writer), t->writer,
                           sizeof t->writer);
    }
    if (r != RES_OK) {
        err_set(why, "The telemetry directory's or writer's name is too long");
        goto out;
    }
    if (t->writing) {
        r = find_append_day(t, why);
    }
    if (r == RES_OK) {
        *ret = t;
        t = NULL;
    }
out:
    telemetry_close(t);
    return r;
}

void telemetry_close(struct telemetry *t)
{
    if (t == NULL) {
        return;
    }
    while (t->open_count > 0) {
        telemetry_store_forget(t, t->open[0]->day);
    }
    block_codec_free(t->codec);
    sealed_buffer_deinit(&t->record);
    sealed_buffer_deinit(&t->merged);
    free(t);
}

/* ---- append ---- */

static enum res check_events(const struct telemetry *t, const struct telemetry_event *events,
                             size_t count, int64_t now_ms, struct err *why)
{
    if (!t->writing) {
        err_set(why, "The telemetry store was opened for reading only");
        return RES_DENIED;
    }
    if (count == 0 || count > TELEMETRY_BATCH_EVENTS_MAX || now_ms < 0 ||
        now_ms > TIMESTAMP_MS_MAX) {
        err_set(why, "A telemetry batch has 1 to %d events and a time after 1970",
                TELEMETRY_BATCH_EVENTS_MAX);
        return RES_INVALID;
    }
    for (size_t i = 0; i < count; i++) {
        const struct telemetry_event *e = &events[i];
        if (e->device_id.size == 0 || e->device_id.size > TELEMETRY_ID_BYTES_MAX ||
            e->store_id.size > TELEMETRY_ID_BYTES_MAX ||
            e->session_id.size > TELEMETRY_ID_BYTES_MAX || e->type >= TELEMETRY_TYPES_MAX ||
            e->body.size > TELEMETRY_BODY_BYTES_MAX ||
            (e->signature.size != 0 && e->signature.size != SIGNATURE_BYTES)) {
            err_set(why, "Event %zu of the telemetry batch breaks a limit of the store", i);
            return RES_INVALID;
        }
    }
    return RES_OK;
}

struct put_segment {
    struct telemetry_store_day *day;
    struct err *why;
};

static enum res put_segment(void *user, bool page, int64_t number, struct span record)
{
    struct put_segment *p = user;
    return day_file_put(p->day->file, page ? DAY_FILE_PAGE : DAY_FILE_SEGMENT, number, record,
                        p->why);
}

/* Small blocks become one record: it packs better, and it needs one entry of each key instead of
 * many. Only of one writer. *ret_merged false: they stay as they are. */
static enum res merge_blocks(struct telemetry *t, struct telemetry_store_day *d, bool *ret_merged,
                             struct err *why)
{
    struct block_merge m = {.count = 0};
    int64_t first = d->recent_after + 1;
    enum res r = RES_OK;
    for (int64_t n = first; n <= d->recent_through && r == RES_OK;) {
        struct block_codec_block block;
        int64_t number = 0;
        r = telemetry_store_block(t, d, n, &number, &block, why);
        if (r == RES_OK) {
            r = block_merge_add(&m, (uint16_t)(number - first), &block);
            n = number + block.span + 1;
        }
    }
    *ret_merged = false;
    if (r == RES_LIMIT) { /* of several writers, or too many */
        block_merge_deinit(&m);
        return RES_OK;
    }
    struct block_codec_block merged;
    if (r == RES_OK) {
        merged = block_merge_block(&m);
        r = block_codec_encode(t->codec, &merged, true, &t->merged);
    }
    if (r == RES_OK) {
        r = sealed_finish(&t->merged, d->day, first);
    }
    if (r == RES_OK) {
        r = day_file_remove(d->file, first, d->recent_through, why);
    }
    if (r == RES_OK) {
        r = day_file_put(d->file, DAY_FILE_BLOCK, first, span_of(t->merged.data, t->merged.size),
                         why);
    }
    if (r == RES_OK) {
        block_index_clear(d->recent);
        r = block_index_add(d->recent, first, &merged);
        *ret_merged = r == RES_OK;
    }
    if (r == RES_NO_MEMORY) {
        err_set(why, "Not enough memory to append to telemetry");
    }
    block_merge_deinit(&m);
    return r;
}

/* Writes the newest blocks' keys out as one more segment; head says so when it is put. */
static enum res write_segment(struct telemetry *t, struct telemetry_store_day *d,
                              struct day_file_head *head, struct err *why)
{
    struct put_segment p = {d, why};
    int64_t through = d->recent_through;
    int64_t pages = 0;
    size_t blocks = block_index_blocks(d->recent);
    bool merged = false;
    enum res r = RES_OK;
    if (blocks > 1 && block_index_events(d->recent) < blocks * SMALL_BLOCK_EVENTS) {
        r = merge_blocks(t, d, &merged, why);
    }
    if (r == RES_OK) {
        r = block_index_write(d->recent, d->day, head->segments + 1, head->pages + 1, put_segment,
                              &p, &pages);
    }
    if (merged || r != RES_OK) {
        /* what is in memory is of a transaction that may yet fail: read it again when needed */
        block_index_clear(d->recent);
        d->recent_through = d->recent_after;
    }
    if (r == RES_OK) {
        head->segments++;
        head->pages += pages;
        head->indexed = through;
    }
    return r;
}

static void count_events(struct day_file_head *head, const struct telemetry_event *events,
                         size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int64_t time_ms = events[i].device_time_ms;
        bool first = head->events == 0 && i == 0;
        head->time_min = first || time_ms < head->time_min ? time_ms : head->time_min;
        head->time_max = first || time_ms > head->time_max ? time_ms : head->time_max;
        head->body_bytes += (int64_t)(events[i].body.size + events[i].signature.size);
    }
    head->events += (int64_t)count;
}

/* Within a write transaction: the block, its segment when one is due, the head. */
static enum res put_block(struct telemetry *t, struct telemetry_store_day *d,
                          const struct telemetry_event *events, size_t count,
                          struct day_file_head *head, struct err *why)
{
    enum res r = telemetry_store_load_recent(t, d, why);
    if (r == RES_OK && block_index_is_full(d->recent)) {
        r = write_segment(t, d, head, why);
    }
    if (r != RES_OK) {
        return r;
    }
    head->blocks++;
    r = sealed_finish(&t->record, d->day, head->blocks);
    if (r != RES_OK) {
        err_set(why, "Not enough memory to append to telemetry");
        return r;
    }
    r = day_file_put(d->file, DAY_FILE_BLOCK, head->blocks, span_of(t->record.data, t->record.size),
                     why);
    if (r != RES_OK) {
        return r;
    }
    count_events(head, events, count);
    return day_file_put_head(d->file, head, why);
}

/* After the commit: what was just written need not be read back. When this fails it will be. */
static void remember_block(struct telemetry_store_day *d, const struct day_file_head *head,
                           const struct block_codec_block *block)
{
    if (d->recent_after != head->indexed) {
        block_index_clear(d->recent);
        d->recent_after = head->indexed;
    }
    if (block_index_add(d->recent, head->blocks, block) == RES_OK) {
        d->recent_through = head->blocks;
    } else {
        block_index_clear(d->recent);
        d->recent_through = d->recent_after;
    }
    d->head = *head;
}

/* A day that is over gets its last segment, so that nobody has to read its newest blocks again.
 * Only an optimisation: when it fails the day stays as it is, complete. */
static void finish_day(struct telemetry *t, int64_t day)
{
    struct telemetry_store_day *d = NULL;
    if (telemetry_store_begin(t, day, true, &d, NULL) != RES_OK) {
        return;
    }
    struct day_file_head head = d->head;
    enum res r = head.blocks > head.indexed ? telemetry_store_load_recent(t, d, NULL) : RES_AGAIN;
    if (r == RES_OK) {
        r = write_segment(t, d, &head, NULL);
    }
    if (r == RES_OK) {
        r = day_file_put_head(d->file, &head, NULL);
    }
    if (r != RES_OK) {
        telemetry_store_done(d);
    } else if (telemetry_store_commit(d, NULL) == RES_OK) {
        day_file_settle(d->file);
    }
    telemetry_store_forget(t, day);
}

enum res telemetry_append(struct telemetry *t, const struct telemetry_event *events, size_t count,
                          int64_t now_ms, telemetry_position *ret_position, struct err *why)
{
    enum res r = check_events(t, events, count, now_ms, why);
    if (r != RES_OK) {
        return r;
    }
    int64_t day = now_ms / TIMESTAMP_DAY_MS;
    if (day < t->append_day) {
        day = t->append_day;
    }
    if (day != t->append_day) {
        r = day_file_create(t->directory, day, why);
        if (r != RES_OK) {
            return r;
        }
        if (t->append_day >= 0) {
            finish_day(t, t->append_day);
        }
        t->append_day = day;
    }
    const struct block_codec_block block = {
        .writer = span_text(t->writer, sizeof t->writer), .events = events, .count = count};
    r = block_codec_encode(t->codec, &block, true, &t->record);
    if (r != RES_OK) {
        err_set(why, "Not enough memory to append to telemetry");
        return r;
    }
    struct telemetry_store_day *d = NULL;
    r = telemetry_store_begin(t, day, true, &d, why);
    if (r != RES_OK) {
        return r;
    }
    struct day_file_head head = d->head;
    r = put_block(t, d, events, count, &head, why);
    if (r == RES_OK) {
        r = telemetry_store_commit(d, why);
    } else {
        telemetry_store_done(d);
    }
    if (r != RES_OK) {
        return r;
    }
    remember_block(d, &head, &block);
    *ret_position = telemetry_store_position(day, head.blocks);
    return RES_OK;
}

/* ---- recovery and totals ---- */

struct numbers {
    int64_t *items;
    size_t count;
    size_t room;
    int64_t after;
};

static enum res note_block(void *user, const struct block_index_entry *entry)
{
    struct numbers *n = user;
    if (entry->counter_max <= n->after) { /* the last block that the record stands for */
        return RES_OK;
    }
    if (n->count == n->room) {
        size_t room = n->room == 0 ? 1024 : n->room * 2;
        int64_t *items = realloc(n->items, room * sizeof *items);
        if (items == NULL) {
            return RES_NO_MEMORY;
        }
        n->items = items;
        n->room = room;
    }
    n->items[n->count++] = entry->block;
    return RES_OK;
}

static enum res visit_block(struct telemetry *t, struct telemetry_store_day *d, int64_t block,
                            telemetry_position after, telemetry_visit visit, void *user,
                            struct err *why)
{
    struct block_codec_block found = {.count = 0};
    int64_t number = 0;
    enum res r = telemetry_store_block(t, d, block, &number, &found, why);
    for (size_t i = 0; i < found.count && r == RES_OK; i++) {
        telemetry_position position = telemetry_store_position(d->day, number + found.offsets[i]);
        if (position > after) {
            r = visit(user, &found.events[i], position);
        }
    }
    return r;
}

static enum res tail_day(struct telemetry *t, int64_t day, const char *writer,
                         telemetry_position after, telemetry_visit visit, void *user,
                         struct err *why)
{
    struct numbers blocks = {0};
    struct telemetry_store_day *d = NULL;
    enum res r = telemetry_store_begin(t, day, false, &d, why);
    if (r != RES_OK) {
        return r;
    }
    if (telemetry_store_position_day(after) == day) {
        blocks.after = telemetry_store_position_block(after);
        if (blocks.after > d->head.blocks) {
            err_set(why,
                    "Telemetry of %s ends before the position asked for, so acknowledged events "
                    "are missing; restore the day's file and its -wal file from a backup",
                    t->directory);
            r = RES_CORRUPT;
            goto out;
        }
    }
    struct block_index_key key =
        block_index_key(BLOCK_INDEX_WRITER, span_text(writer, TELEMETRY_ID_BYTES_MAX));
    r = telemetry_store_find(t, d, &key, note_block, &blocks, why);
    for (size_t i = 0; i < blocks.count && r == RES_OK; i++) {
        r = visit_block(t, d, blocks.items[i], after, visit, user, why);
    }
out:
    telemetry_store_done(d);
    free(blocks.items);
    return r;
}

enum res telemetry_tail(struct telemetry *t, const char *writer, telemetry_position after,
                        telemetry_visit visit, void *user, struct err *why)
{
    int64_t *days = NULL;
    size_t count = 0;
    enum res r = telemetry_store_days(t, &days, &count, why);
    if (r != RES_OK) {
        return r;
    }
    for (size_t i = 0; i < count && r == RES_OK; i++) {
        if (days[i] >= telemetry_store_position_day(after)) {
            r = tail_day(t, days[i], writer, after, visit, user, why);
        }
    }
    free(days);
    return r;
}

/* The day's file and what SQLite keeps beside it. */
static const char *const file_suffixes[] = {"", "-wal", "-shm"};
#define FILE_SUFFIXES (sizeof file_suffixes / sizeof file_suffixes[0])

static int64_t stored_bytes(const struct telemetry *t, int64_t day)
{
    char path[PATH_MAX];
    char file[PATH_MAX + 8];
    struct stat about;
    int64_t bytes = 0;
    if (day_file_path(t->directory, day, path, sizeof path) != RES_OK) {
        return 0;
    }
    for (size_t i = 0; i < FILE_SUFFIXES; i++) {
        (void)snprintf(file, sizeof file, "%s%s", path, file_suffixes[i]);
        bytes += stat(file, &about) == 0 ? (int64_t)about.st_size : 0;
    }
    return bytes;
}

enum res telemetry_totals(struct telemetry *t, struct telemetry_totals *ret, struct err *why)
{
    int64_t *days = NULL;
    size_t count = 0;
    struct telemetry_totals totals = {0};
    enum res r = telemetry_store_days(t, &days, &count, why);
    for (size_t i = 0; i < count && r == RES_OK; i++) {
        struct telemetry_store_day *d = NULL;
        r = telemetry_store_begin(t, days[i], false, &d, why);
        if (r == RES_OK) {
            totals.events += d->head.events;
            totals.blocks += d->head.blocks;
            totals.body_bytes += d->head.body_bytes;
            totals.stored_bytes += stored_bytes(t, days[i]);
            telemetry_store_done(d);
        }
    }
    if (r == RES_OK) {
        *ret = totals;
    }
    free(days);
    return r;
}
