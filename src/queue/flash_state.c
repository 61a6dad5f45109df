#include "flash_state.h"

#include "crc32c.h"
#include "flash_io.h"
#include "le.h"

/* A copy: this header, then the state, then 0xFF up to the next unit.
 *   0 u16 magic, 2 u16 size, 4 u32 sequence,
 *   8 u32 CRC-32C of the 8 bytes before and the state, begun with the copy's offset */
#define HEADER_BYTES 12
#define MAGIC        0x57e5
#define UNIT_MIN     8

_Static_assert(sizeof(struct flash_state) <= 128, "static RAM of a microcontroller");

struct copy {
    uint32_t sequence;
    uint32_t size;
    uint32_t crc;
};

static uint32_t span_bytes(const struct flash_state *s, uint32_t size)
{
    return flash_io_align_up(HEADER_BYTES + size, s->unit);
}

uint32_t flash_state_bytes_max(const struct flash *flash)
{
    uint32_t fits = flash->sector_bytes / 2 - HEADER_BYTES;
    return fits < FLASH_STATE_BYTES_MAX ? fits : FLASH_STATE_BYTES_MAX;
}

/* RES_NOT_FOUND unless an intact copy begins at `offset`. */
static enum res read_copy(const struct flash_state *s, uint32_t offset, struct copy *ret)
{
    uint8_t part[64];
    enum res r = s->flash->read(s->flash->context, offset, part, HEADER_BYTES);
    if (r != RES_OK) {
        return r;
    }
    struct copy c = {.sequence = le_get_u32(part + 4),
                     .size = le_get_u16(part + 2),
                     .crc = le_get_u32(part + 8)};
    uint32_t room = s->flash->sector_bytes - offset % s->flash->sector_bytes;
    if (le_get_u16(part) != MAGIC || c.size == 0 || c.size > flash_state_bytes_max(s->flash) ||
        span_bytes(s, c.size) > room) {
        return RES_NOT_FOUND;
    }
    uint32_t crc = crc32c(offset, span_of(part, 8));
    for (uint32_t at = 0; at < c.size; at += (uint32_t)sizeof part) {
        uint32_t size = c.size - at < sizeof part ? c.size - at : (uint32_t)sizeof part;
        r = s->flash->read(s->flash->context, offset + HEADER_BYTES + at, part, size);
        if (r != RES_OK) {
            return r;
        }
        crc = crc32c(crc, span_of(part, size));
    }
    if (crc != c.crc) {
        return RES_NOT_FOUND;
    }
    *ret = c;
    return RES_OK;
}

/* Takes note of a sector's copies. One that has none and is not blank holds what a cut tore, and
 * may read well later: it is erased. */
static enum res scan_sector(struct flash_state *s, uint32_t sector)
{
    uint32_t start = sector * s->flash->sector_bytes;
    uint32_t limit = start + s->flash->sector_bytes;
    uint32_t offset = start;
    uint32_t used = start;
    bool any = false;
    while (limit - offset >= HEADER_BYTES) {
        struct copy c;
        enum res r = read_copy(s, offset, &c);
        if (r != RES_OK && r != RES_NOT_FOUND) {
            return r;
        }
        if (r == RES_NOT_FOUND) {
            offset += s->unit;
            continue;
        }
        any = true;
        if (s->size == 0 || c.sequence > s->sequence) {
            s->sequence = c.sequence;
            s->size = c.size;
            s->copies[0] = offset;
            s->copies[1] = offset;
        } else if (c.sequence == s->sequence) {
            s->copies[1] = offset;
            s->kept = sector;
            s->kept_sequence = c.sequence;
        }
        offset += span_bytes(s, c.size);
        if (c.sequence == s->sequence) {
            s->sector = sector;
            s->end = offset;
        }
    }
    enum res r = any ? RES_OK : flash_io_used_end(s->flash, start, limit, &used);
    return r == RES_OK && used != start ? s->flash->erase(s->flash->context, sector) : r;
}

/* What a cut tore behind the newest copy may read well later: its sequence is stepped over, and its
 * place is left alone, to the end of the page or, where its header tells, of the copy. */
static enum res pass_torn(struct flash_state *s)
{
    uint32_t limit = (s->sector + 1) * s->flash->sector_bytes;
    uint32_t used;
    enum res r = flash_io_used_end(s->flash, s->end, limit, &used);
    if (r != RES_OK || used == s->end) {
        return r;
    }
    uint32_t end = flash_io_align_up(used, FLASH_IO_PAGE_BYTES);
    for (uint32_t offset = s->end; offset < used; offset += s->unit) {
        uint8_t header[4];
        r = s->flash->read(s->flash->context, offset, header, sizeof header);
        if (r != RES_OK) {
            return r;
        }
        uint32_t size = le_get_u16(header + 2);
        if (le_get_u16(header) == MAGIC && size <= flash_state_bytes_max(s->flash) &&
            offset + span_bytes(s, size) > end) {
            end = offset + span_bytes(s, size);
        }
    }
    s->sequence += (used - s->end) / s->unit + 1;
    s->end = end < limit ? end : limit;
    return RES_OK;
}

enum res flash_state_open(struct flash_state *s, const struct flash *flash)
{
    *s = (struct flash_state){.flash = flash, .kept = flash->sector_count};
    if (flash_io_geometry(flash) != RES_OK || flash->sector_count < 3) {
        return RES_INVALID;
    }
    s->unit = flash->program_bytes < UNIT_MIN ? UNIT_MIN : flash->program_bytes;
    s->end = flash->sector_bytes; /* nothing is known of sector 0: the first save erases one */
    for (uint32_t sector = 0; sector < flash->sector_count; sector++) {
        enum res r = scan_sector(s, sector);
        if (r != RES_OK) {
            return r;
        }
    }
    if (s->size == 0) {
        return RES_OK;
    }
    bool single = s->kept == flash->sector_count || s->kept_sequence != s->sequence;
    enum res r = pass_torn(s);
    if (r == RES_OK && single) {
        /* The only copy may be the torn one, and read otherwise next time: make it sure. */
        uint8_t state[FLASH_STATE_BYTES_MAX];
        uint32_t size;
        r = flash_state_load(s, state, sizeof state, &size);
        return r == RES_OK ? flash_state_save(s, span_of(state, size)) : r;
    }
    return r;
}

enum res flash_state_load(const struct flash_state *s, void *data, uint32_t size_max,
                          uint32_t *ret_size)
{
    if (s->size == 0) {
        return RES_NOT_FOUND;
    }
    if (s->size > size_max) {
        return RES_LIMIT;
    }
    for (unsigned i = 0; i < 2; i++) {
        struct copy c;
        enum res r = read_copy(s, s->copies[i], &c);
        if (r == RES_OK) {
            r = s->flash->read(s->flash->context, s->copies[i] + HEADER_BYTES, data, c.size);
        }
        if (r == RES_OK) {
            *ret_size = c.size;
            return RES_OK;
        }
        if (r != RES_NOT_FOUND) {
            return r;
        }
    }
    return RES_CORRUPT;
}

/* Takes another sector into use, never one that holds the newest state or the newest whole one. */
static enum res advance(struct flash_state *s)
{
    uint32_t count = s->flash->sector_count;
    uint32_t newest = s->size == 0 ? count : s->copies[0] / s->flash->sector_bytes;
    uint32_t sector = s->sector;
    do {
        sector = (sector + 1) % count;
    } while (sector == newest || sector == s->kept);
    s->sector = sector;
    s->end = (sector + 1) * s->flash->sector_bytes; /* of no use unless the erase succeeds */
    enum res r = s->flash->erase(s->flash->context, sector);
    if (r == RES_OK) {
        s->end = sector * s->flash->sector_bytes;
    }
    return r;
}

/* Room for two copies at s->end. */
static enum res make_place(struct flash_state *s, uint32_t size)
{
    uint32_t both = 2 * span_bytes(s, size);
    if (s->end + both <= (s->sector + 1) * s->flash->sector_bytes) {
        uint32_t used;
        enum res r = flash_io_used_end(s->flash, s->end, s->end + both, &used);
        if (r != RES_OK || used == s->end) {
            return r;
        }
    }
    return advance(s);
}

static enum res write_copy(struct flash_state *s, uint32_t sequence, struct span state)
{
    uint8_t header[HEADER_BYTES];
    uint32_t offset = s->end;
    le_put_u16(header, MAGIC);
    le_put_u16(header + 2, (uint16_t)state.size);
    le_put_u32(header + 4, sequence);
    le_put_u32(header + 8, crc32c(crc32c(offset, span_of(header, 8)), state));
    s->end += span_bytes(s, (uint32_t)state.size);
    return flash_io_write(s->flash, offset, span_of(header, sizeof header), state);
}

enum res flash_state_save(struct flash_state *s, struct span state)
{
    if (state.size == 0) {
        return RES_INVALID;
    }
    if (state.size > flash_state_bytes_max(s->flash)) {
        return RES_LIMIT;
    }
    uint32_t sequence = s->sequence + 1;
    uint32_t first = 0;
    enum res r = RES_IO;
    for (unsigned attempt = 0; attempt < 2; attempt++) { /* a worn place: another sector */
        r = make_place(s, (uint32_t)state.size);
        if (r != RES_OK) {
            return r;
        }
        first = s->end;
        s->sequence = sequence;
        r = write_copy(s, sequence, state);
        if (r == RES_OK) {
            break;
        }
        s->end = (s->sector + 1) * s->flash->sector_bytes;
    }
    if (r != RES_OK) {
        return RES_IO;
    }
    s->size = (uint32_t)state.size;
    s->copies[0] = first;
    s->copies[1] = first;
    uint32_t second = s->end;
    r = write_copy(s, sequence, state);
    if (r == RES_OK) {
        s->copies[1] = second;
        s->kept = s->sector;
        s->kept_sequence = sequence;
    }
    return r == RES_CORRUPT ? RES_OK : r;
}
