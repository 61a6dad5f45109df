#include "telemetry_store.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BITS 32

telemetry_position telemetry_store_position(int64_t day, int64_t block)
{
    return (day << BLOCK_BITS) | block;
}

int64_t telemetry_store_position_day(telemetry_position position)
{
    return position >> BLOCK_BITS;
}

int64_t telemetry_store_position_block(telemetry_position position)
{
    return position & ((INT64_C(1) << BLOCK_BITS) - 1);
}

static enum res no_memory(struct err *why)
{
    err_set(why, "Not enough memory to read telemetry");
    return RES_NO_MEMORY;
}

static void day_free(struct telemetry_store_day *d)
{
    if (d != NULL) {
        day_file_close(d->file);
        block_index_free(d->recent);
        free(d);
    }
}

static void forget_at(struct telemetry *t, size_t at)
{
    day_free(t->open[at]);
    t->open[at] = t->open[--t->open_count];
}

void telemetry_store_forget(struct telemetry *t, int64_t day)
{
    for (size_t i = 0; i < t->open_count; i++) {
        if (t->open[i]->day == day) {
            forget_at(t, i);
            return;
        }
    }
}

static int compare_days(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static void forget_missing(struct telemetry *t, const int64_t *days, size_t count)
{
    for (size_t i = t->open_count; i > 0; i--) {
        if (count == 0 ||
            bsearch(&t->open[i - 1]->day, days, count, sizeof *days, compare_days) == NULL) {
            forget_at(t, i - 1);
        }
    }
}

enum res telemetry_store_days(struct telemetry *t, int64_t **ret_days, size_t *ret_count,
                              struct err *why)
{
    DIR *directory = opendir(t->directory);
    if (directory == NULL) {
        err_set(why, "Cannot read the telemetry directory %s: %s", t->directory, strerror(errno));
        return errno == EACCES ? RES_DENIED : RES_IO;
    }
    int64_t *days = NULL;
    size_t count = 0;
    enum res r = RES_OK;
    for (struct dirent *item = readdir(directory); item != NULL; item = readdir(directory)) {
        int64_t day = 0;
        if (!day_file_day(item->d_name, &day)) {
            continue;
        }
        int64_t *more = count % 64 == 0 ? realloc(days, (count + 64) * sizeof *days) : days;
        if (more == NULL) {
            r = no_memory(why);
            goto out;
        }
        days = more;
        days[count++] = day;
    }
    if (count > 0) {
        qsort(days, count, sizeof *days, compare_days);
    }
    forget_missing(t, days, count);
    *ret_days = days;
    *ret_count = count;
    days = NULL;
out:
    free(days);
    (void)closedir(directory);
    return r;
}

static enum res open_day(struct telemetry *t, int64_t day, bool write,
                         struct telemetry_store_day **ret, struct err *why)
{
    struct telemetry_store_day *d = calloc(1, sizeof *d);
    if (d == NULL) {
        return no_memory(why);
    }
    d->day = day;
    d->write = write;
    enum res r = day_file_open(t->directory, day, write, t->sync, &d->file, why);
    if (r == RES_OK && block_index_new(&d->recent) != RES_OK) {
        r = no_memory(why);
    }
    if (r != RES_OK) {
        day_free(d);
        return r;
    }
    if (t->open_count == TELEMETRY_STORE_OPEN_DAYS_MAX) {
        size_t oldest = 0;
        for (size_t i = 1; i < t->open_count; i++) {
            oldest = t->open[i]->used < t->open[oldest]->used ? i : oldest;
        }
        forget_at(t, oldest);
    }
    t->open[t->open_count++] = d;
    *ret = d;
    return RES_OK;
}

enum res telemetry_store_begin(struct telemetry *t, int64_t day, bool write,
                               struct telemetry_store_day **ret, struct err *why)
{
    struct telemetry_store_day *d = NULL;
    for (size_t i = 0; i < t->open_count; i++) {
        if (t->open[i]->day == day) {
            d = t->open[i];
        }
    }
    if (d != NULL && write && !d->write) {
        telemetry_store_forget(t, day);
        d = NULL;
    }
    enum res r = d == NULL ? open_day(t, day, write, &d, why) : RES_OK;
    if (r != RES_OK) {
        return r;
    }
    d->used = ++t->calls;
    r = day_file_begin(d->file, write, why);
    if (r != RES_OK) {
        return r;
    }
    r = day_file_head(d->file, &d->head, why);
    if (r != RES_OK) {
        day_file_cancel(d->file);
        return r;
    }
    *ret = d;
    return RES_OK;
}

enum res telemetry_store_commit(struct telemetry_store_day *d, struct err *why)
{
    return day_file_commit(d->file, why);
}

void telemetry_store_done(struct telemetry_store_day *d)
{
    day_file_cancel(d->file);
}

enum res telemetry_store_block(struct telemetry *t, struct telemetry_store_day *d, int64_t block,
                               int64_t *ret_number, struct block_codec_block *ret, struct err *why)
{
    struct span content = SPAN_NONE;
    int64_t number = 0;
    enum res r = day_file_get(d->file, DAY_FILE_BLOCK, block, &number, &content, why);
    if (r != RES_OK) {
        return r;
    }
    struct block_codec_block found;
    r = block_codec_decode(t->codec, content, &found);
    if (r == RES_CORRUPT || (r == RES_OK && block > number + found.span)) {
        return day_file_corrupt(d->file, DAY_FILE_BLOCK, block, why);
    }
    if (r != RES_OK) {
        return no_memory(why);
    }
    *ret_number = number;
    *ret = found;
    return RES_OK;
}

enum res telemetry_store_load_recent(struct telemetry *t, struct telemetry_store_day *d,
                                     struct err *why)
{
    if (d->recent_after != d->head.indexed || d->recent_through > d->head.blocks) {
        block_index_clear(d->recent);
        d->recent_after = d->head.indexed;
        d->recent_through = d->head.indexed;
    }
    while (d->recent_through < d->head.blocks) {
        struct block_codec_block block = {.count = 0};
        int64_t number = 0;
        enum res r = telemetry_store_block(t, d, d->recent_through + 1, &number, &block, why);
        if (r != RES_OK) {
            return r;
        }
        if (block_index_add(d->recent, number, &block) != RES_OK) {
            block_index_clear(d->recent);
            d->recent_through = d->recent_after;
            return no_memory(why);
        }
        d->recent_through = number + block.span;
    }
    return RES_OK;
}

static enum res find_in_segment(struct telemetry_store_day *d, int64_t segment,
                                const struct block_index_key *key, block_index_visit visit,
                                void *user, struct err *why)
{
    struct span content = SPAN_NONE;
    int64_t page = 0;
    int64_t number = 0;
    enum res r = day_file_get(d->file, DAY_FILE_SEGMENT, segment, &number, &content, why);
    if (r == RES_OK && number != segment) {
        r = day_file_corrupt(d->file, DAY_FILE_SEGMENT, segment, why);
    }
    if (r != RES_OK) {
        return r;
    }
    if (block_index_page_of(content, key, &page) != RES_OK) {
        return day_file_corrupt(d->file, DAY_FILE_SEGMENT, segment, why);
    }
    if (page == 0) {
        return RES_OK;
    }
    r = day_file_get(d->file, DAY_FILE_PAGE, page, &number, &content, why);
    if (r == RES_OK && number != page) {
        r = day_file_corrupt(d->file, DAY_FILE_PAGE, page, why);
    }
    return r == RES_OK ? block_index_page_find(content, key, visit, user) : r;
}

enum res telemetry_store_find(struct telemetry *t, struct telemetry_store_day *d,
                              const struct block_index_key *key, block_index_visit visit,
                              void *user, struct err *why)
{
    enum res r = RES_OK;
    for (int64_t segment = 1; segment <= d->head.segments && r == RES_OK; segment++) {
        r = find_in_segment(d, segment, key, visit, user, why);
    }
    if (r == RES_OK) {
        r = telemetry_store_load_recent(t, d, why);
    }
    return r == RES_OK ? block_index_find(d->recent, key, visit, user) : r;
}
