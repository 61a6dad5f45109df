/* A day as one compressed file, and its end in the store.
 *
 * The file is one zstd frame (with zstd's own checksum) of: a line of text; then records, each a
 * size (8 bytes, little-endian) and a sealed record: "ARC1" with the numbers of blocks and events,
 * every block as block_codec writes it without compression, and "END1" with the SHA-256 chain of
 * the blocks' checks, so that a block that is cut out or put in is noticed as well.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <zstd.h>

#include "ecdsa.h"
#include "telemetry_store.h"
#include "timestamp.h"

#define FIRST_LINE       "ENDCAP TELEMETRY ARCHIVE 1\n"
#define FIRST_KIND       "ARC1"
#define LAST_KIND        "END1"
#define ARCHIVE_LEVEL    9
#define RECORD_BYTES_MAX ((uint64_t)1 << 28)

/* ---- writing ---- */

struct archive_writer {
    ZSTD_CCtx *packer;
    int fd;
    uint8_t chain[ECDSA_DIGEST_BYTES];
    uint8_t out[1 << 16];
};

static enum res write_all(int fd, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? RES_FULL : RES_IO;
        }
        data += n;
        size -= (size_t)n;
    }
    return RES_OK;
}

static enum res pack(struct archive_writer *w, struct span bytes, bool end)
{
    ZSTD_inBuffer in = {bytes.data, bytes.size, 0};
    for (;;) {
        ZSTD_outBuffer out = {w->out, sizeof w->out, 0};
        size_t left =
            ZSTD_compressStream2(w->packer, &out, &in, end ? ZSTD_e_end : ZSTD_e_continue);
        if (ZSTD_isError(left)) {
            return RES_NO_MEMORY;
        }
        enum res r = write_all(w->fd, w->out, out.pos);
        if (r != RES_OK || (end ? left == 0 : in.pos == in.size)) {
            return r;
        }
    }
}

static enum res pack_record(struct archive_writer *w, const struct sealed_buffer *record)
{
    uint8_t size[8];
    struct sealed_buffer b = {size, 0, sizeof size};
    sealed_put_fixed(&b, record->size);
    enum res r = pack(w, span_of(size, sizeof size), false);
    return r == RES_OK ? pack(w, span_of(record->data, record->size), false) : r;
}

static enum res pack_numbers(struct archive_writer *w, struct telemetry *t, int64_t day,
                             const struct day_file_head *head)
{
    enum res r = sealed_start(&t->record, FIRST_KIND);
    if (r == RES_OK) {
        r = sealed_buffer_reserve(&t->record, 16);
    }
    if (r != RES_OK) {
        return r;
    }
    sealed_put_fixed(&t->record, (uint64_t)head->blocks);
    sealed_put_fixed(&t->record, (uint64_t)head->events);
    r = sealed_finish(&t->record, day, 1);
    return r == RES_OK ? pack_record(w, &t->record) : r;
}

static enum res pack_end(struct archive_writer *w, struct telemetry *t, int64_t day)
{
    enum res r = sealed_start(&t->record, LAST_KIND);
    if (r == RES_OK) {
        r = sealed_buffer_reserve(&t->record, sizeof w->chain);
    }
    if (r != RES_OK) {
        return r;
    }
    sealed_put(&t->record, span_of(w->chain, sizeof w->chain));
    r = sealed_finish(&t->record, day, 1);
    return r == RES_OK ? pack_record(w, &t->record) : r;
}

/* chain := SHA-256(chain || the record's own check) */
static enum res chain_record(uint8_t chain[ECDSA_DIGEST_BYTES], struct span record)
{
    uint8_t next[ECDSA_DIGEST_BYTES];
    struct span check = span_of(record.data + record.size - SEALED_CHECK_BYTES, SEALED_CHECK_BYTES);
    enum res r = ecdsa_sha256_two(span_of(chain, ECDSA_DIGEST_BYTES), check, next);
    if (r == RES_OK) {
        memcpy(chain, next, sizeof next);
    }
    return r;
}

/* *block: its number; then the number of the next. */
static enum res pack_block(struct archive_writer *w, struct telemetry *t,
                           struct telemetry_store_day *d, int64_t *block, struct err *why)
{
    struct block_codec_block content;
    int64_t number = 0;
    enum res r = telemetry_store_block(t, d, *block, &number, &content, why);
    if (r != RES_OK) {
        return r;
    }
    *block = number + content.span + 1;
    r = block_codec_encode(t->codec, &content, false, &t->record);
    if (r == RES_OK) {
        r = sealed_finish(&t->record, d->day, number);
    }
    if (r == RES_OK) {
        r = chain_record(w->chain, span_of(t->record.data, t->record.size));
    }
    return r == RES_OK ? pack_record(w, &t->record) : r;
}

static enum res write_failed(const char *path, enum res r, struct err *why)
{
    if (r == RES_FULL) {
        err_set(why, "The disk is full, so the archive %s was not written; free space", path);
    } else if (r == RES_IO) {
        err_set(why, "Cannot write the archive %s: %s", path, strerror(errno));
    } else if (r == RES_NO_MEMORY) {
        err_set(why, "Not enough memory to write the archive %s", path);
    }
    return r; /* others have their words */
}

static enum res write_archive(struct telemetry *t, struct telemetry_store_day *d, int fd,
                              const char *path, struct err *why)
{
    struct archive_writer *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return write_failed(path, RES_NO_MEMORY, why);
    }
    enum res r = RES_NO_MEMORY;
    w->fd = fd;
    w->packer = ZSTD_createCCtx();
    if (w->packer == NULL ||
        ZSTD_isError(ZSTD_CCtx_setParameter(w->packer, ZSTD_c_compressionLevel, ARCHIVE_LEVEL)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(w->packer, ZSTD_c_checksumFlag, 1))) {
        goto out;
    }
    r = pack(w, SPAN_LIT(FIRST_LINE), false);
    if (r == RES_OK) {
        r = pack_numbers(w, t, d->day, &d->head);
    }
    for (int64_t block = 1; block <= d->head.blocks && r == RES_OK;) {
        r = pack_block(w, t, d, &block, why);
    }
    if (r == RES_OK) {
        r = pack_end(w, t, d->day);
    }
    if (r == RES_OK) {
        r = pack(w, SPAN_NONE, true);
    }
    if (r == RES_OK && fsync(fd) != 0) {
        r = RES_IO;
    }
out:
    r = write_failed(path, r, why);
    ZSTD_freeCCtx(w->packer);
    free(w);
    return r;
}

static enum res sync_parent(const char *path, struct err *why)
{
    char parent[PATH_MAX];
    if (span_copy_text(span_text(path, sizeof parent), parent, sizeof parent) != RES_OK) {
        return RES_LIMIT;
    }
    char *slash = strrchr(parent, '/');
    if (slash == NULL) {
        (void)snprintf(parent, sizeof parent, ".");
    } else {
        slash[slash == parent ? 1 : 0] = '\0';
    }
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum res r = fd >= 0 && fsync(fd) == 0 ? RES_OK : write_failed(path, RES_IO, why);
    if (fd >= 0) {
        (void)close(fd);
    }
    return r;
}

/* Under its name only when whole. */
static enum res make_file(struct telemetry *t, struct telemetry_store_day *d, const char *path,
                          struct err *why)
{
    char draft[PATH_MAX];
    int length = snprintf(draft, sizeof draft, "%s.XXXXXX", path);
    if (length < 0 || (size_t)length >= sizeof draft) {
        err_set(why, "The archive's name %s is too long", path);
        return RES_LIMIT;
    }
    int fd = mkostemp(draft, O_CLOEXEC);
    if (fd < 0) {
        return write_failed(path, errno == ENOSPC ? RES_FULL : RES_IO, why);
    }
    enum res r = write_archive(t, d, fd, path, why);
    if (close(fd) != 0 && r == RES_OK) {
        r = write_failed(path, RES_IO, why);
    }
    if (r == RES_OK && rename(draft, path) != 0) {
        r = write_failed(path, RES_IO, why);
    }
    if (r != RES_OK) {
        (void)unlink(draft);
        return r;
    }
    return sync_parent(path, why);
}

static enum res no_visit(void *user, const struct telemetry_event *event,
                         telemetry_position position)
{
    (void)user;
    (void)event;
    (void)position;
    return RES_OK;
}

/* ---- reading back ---- */

struct archive_reader {
    ZSTD_DCtx *unpacker;
    FILE *file;
    ZSTD_inBuffer in;
    bool frame_ended;
    struct sealed_buffer record;
    struct block_codec *codec;
    uint8_t buffer[1 << 16];
};

/* Exactly size bytes; RES_CORRUPT when the archive ends before. */
static enum res unpack(struct archive_reader *a, uint8_t *to, size_t size)
{
    ZSTD_outBuffer out = {to, size, 0};
    while (out.pos < out.size) {
        if (a->frame_ended) {
            return RES_CORRUPT;
        }
        if (a->in.pos == a->in.size) {
            a->in = (ZSTD_inBuffer){a->buffer, fread(a->buffer, 1, sizeof a->buffer, a->file), 0};
            if (a->in.size == 0) {
                return ferror(a->file) ? RES_IO : RES_CORRUPT;
            }
        }
        size_t left = ZSTD_decompressStream(a->unpacker, &out, &a->in);
        if (ZSTD_isError(left)) {
            return RES_CORRUPT;
        }
        a->frame_ended = left == 0;
    }
    return RES_OK;
}

/* After the last record: the frame's end and checksum, and nothing behind it. */
static enum res unpack_end(struct archive_reader *a)
{
    while (!a->frame_ended) {
        uint8_t beyond;
        ZSTD_outBuffer out = {&beyond, 1, 0};
        if (a->in.pos == a->in.size) {
            a->in = (ZSTD_inBuffer){a->buffer, fread(a->buffer, 1, sizeof a->buffer, a->file), 0};
            if (a->in.size == 0) {
                return ferror(a->file) ? RES_IO : RES_CORRUPT;
            }
        }
        size_t left = ZSTD_decompressStream(a->unpacker, &out, &a->in);
        if (ZSTD_isError(left) || out.pos != 0) {
            return RES_CORRUPT;
        }
        a->frame_ended = left == 0;
    }
    return a->in.pos == a->in.size && fgetc(a->file) == EOF ? RES_OK : RES_CORRUPT;
}

static enum res unpack_record(struct archive_reader *a)
{
    uint8_t size_bytes[8];
    enum res r = unpack(a, size_bytes, sizeof size_bytes);
    if (r != RES_OK) {
        return r;
    }
    struct sealed_reader in = sealed_reader_of(span_of(size_bytes, sizeof size_bytes));
    uint64_t size = sealed_get_fixed(&in);
    if (size < SEALED_HEAD_BYTES + SEALED_CHECK_BYTES || size > RECORD_BYTES_MAX) {
        return RES_CORRUPT;
    }
    a->record.size = 0;
    r = sealed_buffer_reserve(&a->record, size);
    if (r == RES_OK) {
        r = unpack(a, a->record.data, size);
        a->record.size = size;
    }
    return r;
}

struct archive_facts {
    int64_t day;
    int64_t blocks;
    int64_t events;
};

static enum res read_first(struct archive_reader *a, struct archive_facts *facts)
{
    uint8_t line[sizeof FIRST_LINE - 1];
    enum res r = unpack(a, line, sizeof line);
    if (r == RES_OK && memcmp(line, FIRST_LINE, sizeof line) != 0) {
        r = RES_CORRUPT;
    }
    if (r == RES_OK) {
        r = unpack_record(a);
    }
    if (r != RES_OK) {
        return r;
    }
    struct span record = span_of(a->record.data, a->record.size);
    struct sealed_reader head = sealed_reader_of(span_of(record.data + 4, 8));
    struct span content = SPAN_NONE;
    facts->day = (int64_t)sealed_get_fixed(&head);
    r = sealed_open(record, FIRST_KIND, facts->day, 1, &content);
    if (r != RES_OK) {
        return r;
    }
    struct sealed_reader in = sealed_reader_of(content);
    facts->blocks = (int64_t)sealed_get_fixed(&in);
    facts->events = (int64_t)sealed_get_fixed(&in);
    return in.bad || in.at != in.end ? RES_CORRUPT : RES_OK;
}

/* *block: its number; then the number of the next. */
static enum res read_block(struct archive_reader *a, const struct archive_facts *facts,
                           int64_t *block, telemetry_visit visit, void *user, int64_t *events)
{
    struct span content = SPAN_NONE;
    struct block_codec_block found = {.count = 0};
    enum res r = unpack_record(a);
    if (r == RES_OK) {
        r = sealed_open(span_of(a->record.data, a->record.size), BLOCK_CODEC_KIND, facts->day,
                        *block, &content);
    }
    if (r == RES_OK) {
        r = block_codec_decode(a->codec, content, &found);
    }
    for (size_t i = 0; i < found.count && r == RES_OK; i++) {
        r = visit(user, &found.events[i],
                  telemetry_store_position(facts->day, *block + found.offsets[i]));
    }
    *block += found.span + 1;
    *events += (int64_t)found.count;
    return r;
}

static enum res read_archive(struct archive_reader *a, telemetry_visit visit, void *user,
                             struct archive_facts *ret)
{
    struct archive_facts facts = {0};
    uint8_t chain[ECDSA_DIGEST_BYTES] = {0};
    int64_t events = 0;
    enum res r = read_first(a, &facts);
    for (int64_t block = 1; block <= facts.blocks && r == RES_OK;) {
        r = read_block(a, &facts, &block, visit, user, &events);
        if (r == RES_OK) {
            r = chain_record(chain, span_of(a->record.data, a->record.size));
        }
    }
    if (r == RES_OK) {
        r = unpack_record(a);
    }
    struct span content = SPAN_NONE;
    if (r == RES_OK) {
        r = sealed_open(span_of(a->record.data, a->record.size), LAST_KIND, facts.day, 1, &content);
    }
    if (r == RES_OK &&
        (events != facts.events || !span_equal(content, span_of(chain, sizeof chain)))) {
        r = RES_CORRUPT;
    }
    if (r == RES_OK) {
        r = unpack_end(a);
    }
    if (r == RES_OK) {
        *ret = facts;
    }
    return r;
}

static enum res verify(const char *path, telemetry_visit visit, void *user,
                       struct archive_facts *ret, struct err *why)
{
    struct archive_reader *a = calloc(1, sizeof *a);
    if (a == NULL) {
        err_set(why, "Not enough memory to read the archive %s", path);
        return RES_NO_MEMORY;
    }
    enum res r = RES_NO_MEMORY;
    a->file = fopen(path, "rbe");
    if (a->file == NULL) {
        err_set(why, "Cannot open the archive %s: %s", path, strerror(errno));
        r = errno == ENOENT ? RES_NOT_FOUND : errno == EACCES ? RES_DENIED : RES_IO;
        goto out;
    }
    a->unpacker = ZSTD_createDCtx();
    if (a->unpacker != NULL && block_codec_new(&a->codec) == RES_OK) {
        r = read_archive(a, visit, user, ret);
    }
    if (r == RES_CORRUPT) {
        err_set(why, "The archive %s is damaged: it fails its checks; take another copy", path);
    } else if (r == RES_IO || r == RES_NO_MEMORY) {
        err_set(why, "Cannot read the archive %s to its end: %s", path, res_name(r));
    }
out:
    if (a->file != NULL) {
        (void)fclose(a->file);
    }
    ZSTD_freeDCtx(a->unpacker);
    block_codec_free(a->codec);
    sealed_buffer_deinit(&a->record);
    free(a);
    return r;
}

enum res telemetry_archive_verify(const char *path, int64_t *ret_events, telemetry_visit visit,
                                  void *user, struct err *why)
{
    struct archive_facts facts;
    enum res r = verify(path, visit == NULL ? no_visit : visit, user, &facts, why);
    if (r == RES_OK) {
        *ret_events = facts.events;
    }
    return r;
}

/* ---- a day's end ---- */

static enum res note_archive(struct telemetry *t, int64_t day, const char *path, int64_t events,
                             struct err *why)
{
    struct telemetry_store_day *d = NULL;
    enum res r = telemetry_store_begin(t, day, true, &d, why);
    if (r != RES_OK) {
        return r;
    }
    struct day_file_head head = d->head;
    head.archived_events = events;
    r = span_copy_text(span_text(path, PATH_MAX), head.archive, sizeof head.archive);
    if (r != RES_OK) {
        err_set(why, "The archive's name %s is too long", path);
    } else {
        r = day_file_put_head(d->file, &head, why);
    }
    if (r == RES_OK) {
        return telemetry_store_commit(d, why);
    }
    telemetry_store_done(d);
    return r;
}

enum res telemetry_archive_day(struct telemetry *t, int64_t day, const char *path,
                               int64_t *ret_events, struct err *why)
{
    if (!t->writing) {
        err_set(why, "The telemetry store was opened for reading only");
        return RES_DENIED;
    }
    struct telemetry_store_day *d = NULL;
    enum res r = telemetry_store_begin(t, day, false, &d, why);
    if (r != RES_OK) {
        return r;
    }
    int64_t events = d->head.events;
    r = make_file(t, d, path, why);
    telemetry_store_done(d);
    if (r != RES_OK) {
        return r;
    }
    char whole[PATH_MAX];
    if (realpath(path, whole) == NULL) {
        return write_failed(path, RES_IO, why);
    }
    int64_t read_back = 0;
    r = telemetry_archive_verify(whole, &read_back, NULL, NULL, why);
    if (r == RES_OK) {
        r = note_archive(t, day, whole, events, why);
    }
    if (r == RES_OK) {
        *ret_events = events;
    }
    return r;
}

/* The archive is read once more: it must be there now, not have been there once. */
static enum res check_archived(const struct telemetry_store_day *d, struct err *why)
{
    struct archive_facts facts;
    if (d->head.archive[0] == '\0' || d->head.archived_events != d->head.events) {
        err_set(why, "The day is not archived, or has grown since; archive it first");
        return RES_CONFLICT;
    }
    enum res r = verify(d->head.archive, no_visit, NULL, &facts, why);
    if (r != RES_OK || facts.day != d->day || facts.events != d->head.events) {
        err_set(why, "The day's archive %s is missing or does not hold the day; archive it again",
                d->head.archive);
        return RES_CONFLICT;
    }
    return RES_OK;
}

static enum res unlink_day(struct telemetry *t, int64_t day, struct err *why)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    char path[PATH_MAX];
    char file[PATH_MAX + 8];
    enum res r = day_file_path(t->directory, day, path, sizeof path);
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0] && r == RES_OK; i++) {
        (void)snprintf(file, sizeof file, "%s%s", path, suffixes[i]);
        if (unlink(file) != 0 && errno != ENOENT) {
            err_set(why, "Cannot remove %s: %s", file, strerror(errno));
            r = RES_IO;
        }
    }
    return r == RES_OK ? sync_parent(path, why) : r;
}

enum res telemetry_drop_day(struct telemetry *t, int64_t day, bool force, struct err *why)
{
    if (!t->writing) {
        err_set(why, "The telemetry store was opened for reading only");
        return RES_DENIED;
    }
    if (day >= (int64_t)time(NULL) * 1000 / TIMESTAMP_DAY_MS - 1 || day == t->append_day) {
        err_set(why, "Today's and yesterday's telemetry are never dropped");
        return RES_CONFLICT;
    }
    struct telemetry_store_day *d = NULL;
    enum res r = telemetry_store_begin(t, day, true, &d, why);
    if (r == RES_CORRUPT && force) {
        r = unlink_day(t, day, why);
        telemetry_store_forget(t, day);
        return r;
    }
    if (r != RES_OK) {
        return r;
    }
    r = force ? RES_OK : check_archived(d, why);
    if (r == RES_OK) {
        r = unlink_day(t, day, why);
    }
    telemetry_store_done(d);
    telemetry_store_forget(t, day);
    return r;
}
