#include "flash_queue.h"

#include <assert.h>
#include <string.h>

#include "crc32c.h"
#include "flash_io.h"
#include "le.h"

/* A record: this header, little-endian, then the frame, then 0xFF up to the next unit.
 *   0 u16 magic: frame, or mark (no frame: it keeps `counter` and `released` safe)
 *   2 u16 size of the frame
 *   4 u32 epoch
 *   8 u64 counter; of a mark: the next one
 *  16 u32 counter - 1 - released
 *  20 u32 CRC-32C of the frame
 *  24 u32 CRC-32C of the 24 bytes before, begun with the record's offset in flash */
#define HEADER_BYTES 28
#define MAGIC_FRAME  0x51e7
#define MAGIC_MARK   0x4de7
#define UNIT_MIN     8
#define UNIT_MAX     32
#define SPAN_MAX     832 /* of the longest record, in any unit */
#define RESERVE      64  /* at the end of each sector, for two marks */
#define COUNTER_MAX  (INT64_MAX / 2)

_Static_assert(HEADER_BYTES + FLASH_QUEUE_RECORD_BYTES_MAX <= SPAN_MAX &&
                   SPAN_MAX % UNIT_MAX == 0 && SPAN_MAX + RESERVE <= 1024,
               "the longest record fits into the smallest sector");
_Static_assert(RESERVE == 2 * UNIT_MAX && HEADER_BYTES <= UNIT_MAX, "two marks fit in the reserve");
_Static_assert(sizeof(struct flash_queue) <= 512, "static RAM of a microcontroller");

static const uint16_t share_per_mille[FLASH_QUEUE_CLASSES] = {600, 750, 900, 1000};

struct entry { /* a record whose header is valid */
    uint32_t offset;
    uint32_t end; /* where the next one may begin */
    uint32_t size;
    uint32_t crc;
    bool is_mark;
    int64_t counter;
    int64_t released;
};

struct place {
    uint32_t sector;
    uint32_t offset;
};

static uint32_t sector_start(const struct flash_queue *q, uint32_t sector)
{
    return sector * q->flash->sector_bytes;
}

static uint32_t sector_next(const struct flash_queue *q, uint32_t sector)
{
    return sector + 1 == q->flash->sector_count ? 0 : sector + 1;
}

/* How many sectors after the oldest this one is. */
static uint32_t distance(const struct flash_queue *q, uint32_t sector)
{
    uint32_t count = q->flash->sector_count;
    return (sector + count - q->oldest) % count;
}

static uint32_t span_bytes(const struct flash_queue *q, uint32_t frame_bytes)
{
    return flash_io_align_up(HEADER_BYTES + frame_bytes, q->unit);
}

static bool parse(const struct flash_queue *q, uint32_t offset, uint32_t limit, const uint8_t *raw,
                  struct entry *ret)
{
    uint16_t magic = le_get_u16(raw);
    uint64_t counter = le_get_u64(raw + 8);
    uint32_t backlog = le_get_u32(raw + 16);
    uint32_t size = le_get_u16(raw + 2);
    if ((magic != MAGIC_FRAME && magic != MAGIC_MARK) || size > FLASH_QUEUE_RECORD_BYTES_MAX ||
        (size == 0) != (magic == MAGIC_MARK) || span_bytes(q, size) > limit - offset ||
        le_get_u32(raw + 4) != (uint64_t)q->epoch || counter == 0 || counter > COUNTER_MAX ||
        backlog >= counter || crc32c(offset, span_of(raw, 24)) != le_get_u32(raw + 24)) {
        return false;
    }
    *ret = (struct entry){
        .offset = offset,
        .end = offset + span_bytes(q, size),
        .size = size,
        .crc = le_get_u32(raw + 20),
        .is_mark = magic == MAGIC_MARK,
        .counter = (int64_t)counter,
        .released = (int64_t)counter - 1 - (int64_t)backlog,
    };
    return true;
}

/* The first record in [offset, limit) with a valid header; RES_NOT_FOUND. */
static enum res find(const struct flash_queue *q, uint32_t offset, uint32_t limit,
                     struct entry *ret)
{
    uint8_t window[128];
    uint32_t from = offset;
    uint32_t to = offset; /* the window holds [from, to) */
    for (; offset < limit && limit - offset >= HEADER_BYTES; offset += q->unit) {
        if (to < offset || to - offset < HEADER_BYTES) {
            uint32_t size = limit - offset < sizeof window ? limit - offset : sizeof window;
            enum res r = q->flash->read(q->flash->context, offset, window, size);
            if (r != RES_OK) {
                return r;
            }
            from = offset;
            to = offset + size;
        }
        if (parse(q, offset, limit, window + (offset - from), ret)) {
            return RES_OK;
        }
    }
    return RES_NOT_FOUND;
}

/* Of a sector of the ring; the head's records end at q->end. */
static uint32_t sector_limit(const struct flash_queue *q, uint32_t sector)
{
    return sector == q->head ? q->end : sector_start(q, sector) + q->flash->sector_bytes;
}

static enum res frame_is_intact(const struct flash_queue *q, const struct entry *e, bool *ret)
{
    uint8_t part[64];
    uint32_t crc = 0;
    for (uint32_t at = 0; at < e->size; at += (uint32_t)sizeof part) {
        uint32_t size = e->size - at < sizeof part ? e->size - at : (uint32_t)sizeof part;
        enum res r = q->flash->read(q->flash->context, e->offset + HEADER_BYTES + at, part, size);
        if (r != RES_OK) {
            return r;
        }
        crc = crc32c(crc, span_of(part, size));
    }
    *ret = crc == e->crc;
    return RES_OK;
}

/* The next intact frame at or after *at within the ring; *at moves behind it. A damaged record's
 * size is not believed: what a cut tore may lie under records that were written after it. */
static enum res step(const struct flash_queue *q, struct place *at, struct entry *ret)
{
    for (;;) {
        enum res r = find(q, at->offset, sector_limit(q, at->sector), ret);
        bool intact = false;
        if (r == RES_OK) {
            r = frame_is_intact(q, ret, &intact);
            at->offset = intact ? ret->end : ret->offset + q->unit;
            if (r != RES_OK || (intact && !ret->is_mark)) {
                return r;
            }
        } else if (r != RES_NOT_FOUND) {
            return r;
        } else if (at->sector == q->head) {
            return RES_NOT_FOUND;
        } else {
            at->sector = sector_next(q, at->sector);
            at->offset = sector_start(q, at->sector);
        }
    }
}

/* The first frame in a sector, whatever came of it. */
static enum res first_in(const struct flash_queue *q, uint32_t sector, struct entry *ret)
{
    uint32_t offset = sector_start(q, sector);
    enum res r;
    do {
        r = find(q, offset, sector_limit(q, sector), ret);
        offset = ret->end;
    } while (r == RES_OK && ret->is_mark);
    return r;
}

/* Moves `oldest` over the sectors that hold released records only: those before a sector whose
 * first record is released, or is the first that is not. */
static enum res retire(struct flash_queue *q)
{
    if (q->released + 1 >= q->next) {
        q->oldest = q->head;
        return RES_OK;
    }
    uint32_t sector = q->oldest;
    while (sector != q->head) {
        struct entry first = {0};
        sector = sector_next(q, sector);
        enum res r = first_in(q, sector, &first);
        if (r == RES_OK && first.counter <= q->released + 1) {
            q->oldest = sector;
        } else if (r != RES_NOT_FOUND) {
            return r;
        }
    }
    return RES_OK;
}

static enum res write_record(struct flash_queue *q, uint16_t magic, int64_t counter,
                             struct span frame)
{
    uint8_t header[HEADER_BYTES];
    le_put_u16(header, magic);
    le_put_u16(header + 2, (uint16_t)frame.size);
    le_put_u32(header + 4, (uint32_t)q->epoch);
    le_put_u64(header + 8, (uint64_t)counter);
    le_put_u32(header + 16, (uint32_t)(counter - 1 - q->released));
    le_put_u32(header + 20, crc32c(0, frame));
    le_put_u32(header + 24, crc32c(q->end, span_of(header, 24)));
    uint32_t offset = q->end;
    /* Whatever comes of it, this place has been used. */
    q->end += span_bytes(q, (uint32_t)frame.size);
    enum res r = flash_io_write(q->flash, offset, span_of(header, sizeof header), frame);
    if (r == RES_OK) {
        q->persisted = q->released;
    }
    return r;
}

/* Makes [q->end, q->end + span) of this sector erased space, skipping what is not, if there is
 * room before `limit`; RES_NOT_FOUND: there is none. */
static enum res find_blank(struct flash_queue *q, uint32_t span, uint32_t limit)
{
    while (q->end + span <= limit) {
        uint32_t used;
        enum res r = flash_io_used_end(q->flash, q->end, q->end + span, &used);
        if (r != RES_OK || used == q->end) {
            return r;
        }
        q->end = flash_io_align_up(used, q->unit);
    }
    return RES_NOT_FOUND;
}

/* A mark at the end of the head sector; RES_NOT_FOUND when torn writes have used the room up. */
static enum res write_mark(struct flash_queue *q)
{
    uint32_t limit = sector_start(q, q->head) + q->flash->sector_bytes;
    enum res r = find_blank(q, span_bytes(q, 0), limit);
    if (r == RES_OK) {
        r = write_record(q, MAGIC_MARK, q->next, SPAN_NONE);
    }
    return r;
}

/* Takes the next sector of the ring into use. */
static enum res advance(struct flash_queue *q)
{
    uint32_t sector = sector_next(q, q->head);
    if (sector == q->oldest && q->oldest != q->head) {
        return RES_FULL;
    }
    enum res r = RES_OK;
    if (q->persisted < q->released) {
        /* Before the records it releases are gone. Without it a cut now would have them reported as
         * damaged, which does no harm. */
        r = write_mark(q);
    }
    if (r == RES_OK || r == RES_NOT_FOUND || r == RES_CORRUPT) {
        r = q->flash->erase(q->flash->context, sector);
    }
    if (r != RES_OK) {
        return r;
    }
    if (q->hint_sector == sector) {
        q->hint = INT64_MAX;
    }
    q->head = sector;
    q->end = sector_start(q, sector);
    if (q->released + 1 >= q->next) {
        q->oldest = sector;
    }
    return RES_OK;
}

/* Erased space for a record of `span` bytes at q->end. */
static enum res make_place(struct flash_queue *q, uint32_t span)
{
    for (;;) {
        uint32_t limit = sector_start(q, q->head) + q->flash->sector_bytes - RESERVE;
        enum res r = find_blank(q, span, limit);
        if (r != RES_NOT_FOUND) {
            return r;
        }
        r = advance(q); /* at most once around: then it is full */
        if (r != RES_OK) {
            return r;
        }
    }
}

/* The end of the head sector's records, and what they tell. */
static enum res walk_head(struct flash_queue *q)
{
    uint32_t offset = sector_start(q, q->head);
    uint32_t limit = offset + q->flash->sector_bytes;
    q->end = offset;
    struct entry e;
    enum res r;
    while ((r = find(q, offset, limit, &e)) == RES_OK) {
        bool intact;
        r = frame_is_intact(q, &e, &intact);
        if (r != RES_OK) {
            return r;
        }
        int64_t after = e.is_mark ? e.counter : e.counter + 1;
        q->next = after > q->next ? after : q->next;
        q->released = e.released > q->released ? e.released : q->released;
        q->end = e.end > q->end ? e.end : q->end;
        offset = intact ? e.end : e.offset + q->unit;
    }
    return r == RES_NOT_FOUND ? RES_OK : r;
}

/* Bytes after the last record with a valid header: an append that a cut tore, or a record whose
 * header rotted. Nobody can tell which, and the second may have been sent: its counter is burnt. */
static enum res burn_tail(struct flash_queue *q)
{
    uint32_t limit = sector_start(q, q->head) + q->flash->sector_bytes;
    uint32_t used;
    enum res r = flash_io_used_end(q->flash, q->end, limit, &used);
    if (r != RES_OK || used == q->end) {
        return r;
    }
    uint32_t records_end = used < limit - RESERVE ? used : limit - RESERVE;
    if (q->end < records_end) {
        q->next += (records_end - q->end + SPAN_MAX - 1) / SPAN_MAX;
    }
    /* A torn operation may have weakened cells up to the end of its page that still read erased. */
    q->end = flash_io_align_up(used, FLASH_IO_PAGE_BYTES);
    return RES_OK;
}

/* The same for the one record that may be torn or rotten at the start of the sector after the
 * head. Once the counter is safe in a mark the sector is erased, or it would be burnt again. */
static enum res burn_next_sector(struct flash_queue *q)
{
    uint32_t sector = sector_next(q, q->head);
    uint32_t start = sector_start(q, sector);
    struct entry e;
    enum res r = find(q, start, start + q->flash->sector_bytes, &e);
    if (r != RES_NOT_FOUND) {
        return r; /* the ring's other end */
    }
    uint32_t used;
    r = flash_io_used_end(q->flash, start, start + SPAN_MAX, &used);
    if (r != RES_OK || used == start) {
        return r;
    }
    q->next++;
    r = write_mark(q);
    if (r == RES_OK) {
        r = q->flash->erase(q->flash->context, sector);
    }
    return r == RES_NOT_FOUND || r == RES_CORRUPT ? RES_OK : r;
}

/* Where the ring's records begin: the first sector after the head that has any. */
static enum res find_oldest(struct flash_queue *q)
{
    q->oldest = sector_next(q, q->head);
    while (q->oldest != q->head) {
        struct entry e = {0};
        enum res r = first_in(q, q->oldest, &e);
        if (r == RES_OK) {
            break;
        }
        if (r != RES_NOT_FOUND) {
            return r;
        }
        q->oldest = sector_next(q, q->oldest);
    }
    return retire(q);
}

/* The sector with the highest first counter; *ret_head = sector_count when none has a record. */
static enum res find_head(const struct flash_queue *q, uint32_t *ret_head)
{
    uint32_t count = q->flash->sector_count;
    uint32_t best = count;
    int64_t best_counter = 0;
    for (uint32_t sector = 0; sector < count; sector++) {
        struct entry e;
        uint32_t start = sector_start(q, sector);
        enum res r = find(q, start, start + q->flash->sector_bytes, &e);
        if (r == RES_NOT_FOUND) {
            continue;
        }
        if (r != RES_OK) {
            return r;
        }
        /* Of two that begin alike (a write that failed and was repeated) the later in the ring. */
        if (e.counter > best_counter || (e.counter == best_counter && sector == best + 1)) {
            best = sector;
            best_counter = e.counter;
        }
    }
    *ret_head = best;
    return RES_OK;
}

/* The mark comes last: a cut before it leaves no record of this epoch, and the epoch rises again.
 */
static enum res start_epoch(struct flash_queue *q, const struct secure_element *secure)
{
    enum res r = secure->epoch_raise(secure->context, &q->epoch);
    if (r != RES_OK) {
        return r;
    }
    if (q->epoch < 1 || q->epoch > UINT32_MAX) {
        return RES_INVALID;
    }
    for (uint32_t sector = 0; sector < q->flash->sector_count; sector++) {
        uint32_t start = sector_start(q, sector);
        uint32_t used;
        r = flash_io_used_end(q->flash, start, start + q->flash->sector_bytes, &used);
        /* What reads blank after an erase that was cut may not be: the first sector is to be used.
         */
        if (r == RES_OK && (used != start || sector == q->head)) {
            r = q->flash->erase(q->flash->context, sector);
        }
        if (r != RES_OK) {
            return r;
        }
    }
    return write_record(q, MAGIC_MARK, q->next, SPAN_NONE);
}

enum res flash_queue_open(struct flash_queue *q, const struct flash *flash,
                          const struct secure_element *secure)
{
    *q = (struct flash_queue){.flash = flash, .next = 1, .hint = INT64_MAX, .swept = 1};
    if (flash_io_geometry(flash) != RES_OK || flash->sector_count < FLASH_QUEUE_SECTORS_MIN ||
        flash->sector_count > FLASH_QUEUE_SECTORS_MAX) {
        return RES_INVALID;
    }
    q->unit = flash->program_bytes < UNIT_MIN ? UNIT_MIN : flash->program_bytes;
    enum res r = secure->epoch_read(secure->context, &q->epoch);
    uint32_t head = flash->sector_count;
    if (r == RES_OK) {
        r = find_head(q, &head);
    }
    if (r != RES_OK) {
        return r;
    }
    if (head == flash->sector_count) {
        return start_epoch(q, secure);
    }
    q->head = head;
    r = walk_head(q);
    if (r == RES_OK) {
        r = burn_tail(q);
    }
    q->persisted = q->released;
    if (r == RES_OK) {
        r = burn_next_sector(q);
    }
    if (r == RES_OK) {
        r = find_oldest(q);
    }
    q->swept = q->released + 1;
    return r;
}

int64_t flash_queue_epoch(const struct flash_queue *q)
{
    return q->epoch;
}

int64_t flash_queue_next_counter(const struct flash_queue *q)
{
    return q->next;
}

int64_t flash_queue_first_counter(const struct flash_queue *q)
{
    return q->released + 1;
}

uint32_t flash_queue_count(const struct flash_queue *q)
{
    return (uint32_t)(q->next - 1 - q->released);
}

static uint64_t ring_bytes(const struct flash_queue *q)
{
    return (uint64_t)q->flash->sector_count * q->flash->sector_bytes;
}

static uint64_t used_bytes(const struct flash_queue *q)
{
    return (uint64_t)distance(q, q->head) * q->flash->sector_bytes +
           (q->end - sector_start(q, q->head));
}

uint32_t flash_queue_free_per_mille(const struct flash_queue *q)
{
    uint64_t used = flash_queue_count(q) == 0 ? 0 : used_bytes(q);
    return (uint32_t)(1000 - used * 1000 / ring_bytes(q));
}

bool flash_queue_has_room(const struct flash_queue *q, enum flash_queue_class class,
                          uint32_t frame_bytes)
{
    assert(class < FLASH_QUEUE_CLASSES);
    if (frame_bytes > FLASH_QUEUE_RECORD_BYTES_MAX) {
        return false;
    }
    uint32_t span = span_bytes(q, frame_bytes);
    uint64_t after = used_bytes(q) + span;
    if (q->end + span > sector_start(q, q->head) + q->flash->sector_bytes - RESERVE) {
        if (distance(q, q->head) + 1 == q->flash->sector_count) {
            return false;
        }
        after = (uint64_t)(distance(q, q->head) + 1) * q->flash->sector_bytes + span;
    }
    return flash_queue_count(q) == 0 || after * 1000 <= ring_bytes(q) * share_per_mille[class];
}

enum res flash_queue_append(struct flash_queue *q, enum flash_queue_class class, int64_t counter,
                            struct span frame)
{
    assert(counter == q->next);
    if (frame.size == 0) {
        return RES_INVALID;
    }
    if (frame.size > FLASH_QUEUE_RECORD_BYTES_MAX || q->next == COUNTER_MAX) {
        return RES_LIMIT;
    }
    if (!flash_queue_has_room(q, class, (uint32_t)frame.size)) {
        return RES_FULL;
    }
    /* Erased space can rot too, or wear out: a second place for the same body, then the caller. */
    bool tried = false;
    for (int attempt = 0; attempt < 2; attempt++) {
        enum res r = make_place(q, span_bytes(q, (uint32_t)frame.size));
        if (r != RES_OK) {
            q->next += tried ? 1 : 0;
            return tried ? RES_IO : r;
        }
        tried = true;
        if (write_record(q, MAGIC_FRAME, counter, frame) == RES_OK) {
            q->next++;
            q->swept = q->swept == counter ? q->next : q->swept;
            return RES_OK;
        }
    }
    q->next++;
    return RES_IO;
}

static int64_t reported_through(const struct flash_queue *q, int64_t counter)
{
    for (unsigned i = 0; i < q->reported_count; i++) {
        if (q->reported[i].from <= counter && counter <= q->reported[i].to) {
            return q->reported[i].to;
        }
    }
    return 0;
}

/* [from, to] could not be read: if that is news for a part already swept, sweep again. */
static void note_missing(struct flash_queue *q, int64_t from, int64_t to)
{
    while (from <= to && from < q->swept) {
        int64_t through = reported_through(q, from);
        if (through == 0) {
            q->suspect = true;
            return;
        }
        from = through + 1;
    }
}

/* A place at or before the record of `counter`, which is unreleased. */
static enum res locate(const struct flash_queue *q, int64_t counter, struct place *ret)
{
    if (q->hint <= counter) {
        *ret = (struct place){q->hint_sector, q->hint_offset};
        return RES_OK;
    }
    uint32_t best = q->oldest;
    for (uint32_t sector = best; sector != q->head && counter > q->released + 1;) {
        struct entry first = {0};
        sector = sector_next(q, sector);
        enum res r = first_in(q, sector, &first);
        if (r == RES_OK && first.counter <= counter) {
            best = sector;
        } else if (r != RES_NOT_FOUND && r != RES_OK) {
            return r;
        } else if (r == RES_OK) {
            break;
        }
    }
    *ret = (struct place){best, sector_start(q, best)};
    return RES_OK;
}

enum res flash_queue_read(struct flash_queue *q, int64_t *counter, void *data, uint32_t size_max,
                          uint32_t *ret_size)
{
    int64_t wanted = *counter > q->released ? *counter : q->released + 1;
    if (wanted >= q->next) {
        return RES_NOT_FOUND;
    }
    struct place at;
    struct entry e;
    enum res r = locate(q, wanted, &at);
    while (r == RES_OK && (r = step(q, &at, &e)) == RES_OK) {
        if (e.counter < wanted || e.counter >= q->next) {
            continue;
        }
        if (e.size > size_max) {
            return RES_LIMIT;
        }
        r = q->flash->read(q->flash->context, e.offset + HEADER_BYTES, data, e.size);
        if (r != RES_OK || crc32c(0, span_of(data, e.size)) != e.crc) {
            return RES_IO;
        }
        note_missing(q, wanted, e.counter - 1);
        q->hint = e.counter + 1;
        q->hint_sector = at.sector;
        q->hint_offset = at.offset;
        *counter = e.counter;
        *ret_size = e.size;
        return RES_OK;
    }
    if (r == RES_NOT_FOUND) {
        note_missing(q, wanted, q->next - 1);
    }
    return r;
}

enum res flash_queue_release(struct flash_queue *q, int64_t through)
{
    if (through >= q->next) {
        return RES_INVALID;
    }
    if (through <= q->released) {
        return RES_OK;
    }
    q->released = through;
    unsigned kept = 0;
    for (unsigned i = 0; i < q->reported_count; i++) {
        if (q->reported[i].to > through) {
            q->reported[kept++] = q->reported[i];
        }
    }
    q->reported_count = (uint8_t)kept;
    return retire(q);
}

/* Takes what is news of [from, to], its beginning first. RES_NOT_FOUND: nothing is; RES_FULL. */
static enum res take_range(struct flash_queue *q, int64_t from, int64_t to, int64_t *ret_from,
                           int64_t *ret_to)
{
    for (int64_t through; from <= to && (through = reported_through(q, from)) != 0;) {
        from = through + 1;
    }
    if (from > to) {
        return RES_NOT_FOUND;
    }
    if (q->reported_count == FLASH_QUEUE_DAMAGE_MAX) {
        return RES_FULL;
    }
    for (unsigned i = 0; i < q->reported_count; i++) {
        if (q->reported[i].from > from && q->reported[i].from <= to) {
            to = q->reported[i].from - 1;
        }
    }
    q->reported[q->reported_count++] = (struct flash_queue_range){from, to};
    q->swept = to + 1;
    *ret_from = from;
    *ret_to = to;
    return RES_OK;
}

enum res flash_queue_damage(struct flash_queue *q, int64_t *ret_from, int64_t *ret_to)
{
    if (q->suspect || q->swept <= q->released) {
        q->swept = q->released + 1;
        q->suspect = false;
    }
    if (q->swept == q->next) {
        return RES_NOT_FOUND;
    }
    struct place at;
    struct entry e;
    enum res r = locate(q, q->swept, &at);
    while (r == RES_OK && q->swept < q->next) {
        r = step(q, &at, &e);
        if (r != RES_OK && r != RES_NOT_FOUND) {
            return r;
        }
        if (r == RES_OK && (e.counter < q->swept || e.counter >= q->next)) {
            continue;
        }
        int64_t found = r == RES_OK ? e.counter : q->next; /* not found: all the rest is missing */
        if (q->swept < found) {
            enum res taken = take_range(q, q->swept, found - 1, ret_from, ret_to);
            if (taken != RES_NOT_FOUND) {
                return taken == RES_OK ? RES_OK : RES_NOT_FOUND;
            }
        }
        q->swept = r == RES_OK ? found + 1 : found;
        r = RES_OK;
    }
    return r == RES_OK ? RES_NOT_FOUND : r;
}
