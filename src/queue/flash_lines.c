#include "flash_lines.h"

#include <string.h>

#include "crc32c.h"
#include "flash_io.h"
#include "le.h"

/* A slot: 0 u16 magic, 2 u16 number (0: a clear), 4 u32 generation, 8 u32 sequence, 12 record,
 * 124 u32 CRC-32C of what is before, begun with the slot's number on flash.
 * Sequences rise by one along the ring. A slot that a cut tore may read well later; by then another
 * slot behind it has its sequence, and whoever walks back from the newest passes over it. */
#define MAGIC     0x11e5
#define RECORD_AT 12
#define CRC_AT    124
#define CLEAR_RESERVE                                                                              \
    4 /* slots kept for clears when the ring is full, since cuts may tear some                     \
       */

_Static_assert(RECORD_AT + FLASH_LINES_RECORD_BYTES == CRC_AT, "the record fills the slot");
_Static_assert(CRC_AT + 4 == FLASH_LINES_SLOT_BYTES && 1024 % FLASH_LINES_SLOT_BYTES == 0,
               "a slot never crosses a page or sector");

static uint32_t per_sector(const struct flash_lines *l)
{
    return l->flash->sector_bytes / FLASH_LINES_SLOT_BYTES;
}

/* RES_NOT_FOUND: blank or damaged beyond mending. */
static enum res read_slot(const struct flash_lines *l, uint32_t slot,
                          uint8_t raw[FLASH_LINES_SLOT_BYTES])
{
    enum res r = l->flash->read(l->flash->context, slot * FLASH_LINES_SLOT_BYTES, raw,
                                FLASH_LINES_SLOT_BYTES);
    if (r != RES_OK) {
        return r;
    }
    uint32_t off = le_get_u16(raw) ^ (uint32_t)MAGIC;
    if ((off & (off - 1)) != 0) {
        return RES_NOT_FOUND; /* blank, mostly: not one flip away */
    }
    if (!crc32c_repair(slot, raw, CRC_AT, le_get_u32(raw + CRC_AT)) || le_get_u16(raw) != MAGIC) {
        return RES_NOT_FOUND;
    }
    return RES_OK;
}

static void skip_slot(struct flash_lines *l)
{
    l->next = l->next + 1 == l->slots ? 0 : l->next + 1;
    l->used++;
}

/* Makes l->next erased space. At a sector's start its old content goes, unless this generation has
 * slots there: that costs them only for a clear, when cuts have used up the slots kept for it. */
static enum res make_place(struct flash_lines *l, bool reserve, bool is_clear)
{
    for (;;) {
        uint32_t in_sector = l->next % per_sector(l);
        uint32_t rest = in_sector == 0 ? 0 : per_sector(l) - in_sector;
        bool last = l->used + rest + per_sector(l) > l->slots; /* no sector after this one */
        if (last && !is_clear && rest <= (reserve ? 0 : CLEAR_RESERVE)) {
            return RES_FULL;
        }
        if (in_sector == 0) {
            return l->flash->erase(l->flash->context, l->next / per_sector(l));
        }
        uint32_t at = l->next * FLASH_LINES_SLOT_BYTES;
        uint32_t end;
        enum res r = flash_io_used_end(l->flash, at, at + FLASH_LINES_SLOT_BYTES, &end);
        if (r != RES_OK || end == at) {
            return r;
        }
        skip_slot(l);
    }
}

/* At l->next, which is erased space. */
static enum res write_slot(struct flash_lines *l, uint16_t number, uint32_t generation,
                           const uint8_t *record)
{
    uint8_t raw[FLASH_LINES_SLOT_BYTES];
    le_put_u16(raw, MAGIC);
    le_put_u16(raw + 2, number);
    le_put_u32(raw + 4, generation);
    le_put_u32(raw + 8, ++l->sequence);
    memcpy(raw + RECORD_AT, record, FLASH_LINES_RECORD_BYTES);
    le_put_u32(raw + CRC_AT, crc32c(l->next, span_of(raw, CRC_AT)));
    uint32_t slot = l->next;
    skip_slot(l);
    return flash_io_write(l->flash, slot * FLASH_LINES_SLOT_BYTES, span_of(raw, sizeof raw),
                          SPAN_NONE);
}

/* A worn slot is passed over once. */
static enum res add_slot(struct flash_lines *l, bool reserve, uint16_t number, uint32_t generation,
                         const uint8_t *record)
{
    enum res r = RES_CORRUPT;
    for (unsigned attempt = 0; attempt < 2 && r == RES_CORRUPT; attempt++) {
        r = make_place(l, reserve, number == 0);
        if (r == RES_OK) {
            r = write_slot(l, number, generation, record);
        }
    }
    return r == RES_CORRUPT ? RES_IO : r;
}

/* The slot with the highest sequence; of two with the same, which are near, the later one. */
static enum res find_newest(struct flash_lines *l, uint32_t *ret_slot, bool *ret_any)
{
    uint8_t raw[FLASH_LINES_SLOT_BYTES];
    *ret_any = false;
    for (uint32_t slot = 0; slot < l->slots; slot++) {
        enum res r = read_slot(l, slot, raw);
        if (r != RES_OK && r != RES_NOT_FOUND) {
            return r;
        }
        uint32_t sequence = le_get_u32(raw + 8);
        if (r == RES_OK && (!*ret_any || sequence > l->sequence ||
                            (sequence == l->sequence &&
                             (slot + l->slots - *ret_slot) % l->slots < l->slots / 2))) {
            *ret_any = true;
            *ret_slot = slot;
            l->sequence = sequence;
            l->generation = le_get_u32(raw + 4);
        }
    }
    return RES_OK;
}

static enum res count_used(struct flash_lines *l, uint32_t newest)
{
    uint8_t raw[FLASH_LINES_SLOT_BYTES];
    for (uint32_t slot = 0; slot < l->slots; slot++) {
        enum res r = read_slot(l, slot, raw);
        if (r != RES_OK && r != RES_NOT_FOUND) {
            return r;
        }
        uint32_t distance = (newest + l->slots - slot) % l->slots + 1;
        if (r == RES_OK && le_get_u32(raw + 4) == l->generation && distance > l->used) {
            l->used = distance;
        }
    }
    return RES_OK;
}

/* Writes the newest slot again: it may be a torn one that reads well by chance, and a torn one
 * behind it gets its sequence taken. Not if that was done at the last open. */
static enum res settle(struct flash_lines *l, uint32_t newest, bool torn)
{
    uint8_t last[FLASH_LINES_SLOT_BYTES];
    uint8_t before[FLASH_LINES_SLOT_BYTES];
    enum res r = read_slot(l, newest, last);
    if (r == RES_OK) {
        r = read_slot(l, newest == 0 ? l->slots - 1 : newest - 1, before);
        if (r == RES_OK && !torn && memcmp(last, before, 8) == 0 &&
            memcmp(last + RECORD_AT, before + RECORD_AT, FLASH_LINES_RECORD_BYTES) == 0) {
            return RES_OK;
        }
    }
    if (r == RES_OK || r == RES_NOT_FOUND) {
        r = add_slot(l, true, le_get_u16(last + 2), l->generation, last + RECORD_AT);
    }
    return r == RES_FULL ? RES_OK : r;
}

enum res flash_lines_open(struct flash_lines *l, const struct flash *flash)
{
    *l = (struct flash_lines){.flash = flash};
    if (flash_io_geometry(flash) != RES_OK || flash->sector_count < 3) {
        return RES_INVALID;
    }
    l->slots = flash->sector_count * per_sector(l);
    uint32_t newest = 0;
    bool any;
    enum res r = find_newest(l, &newest, &any);
    if (r != RES_OK || !any) {
        return r;
    }
    r = count_used(l, newest);
    if (r != RES_OK) {
        return r;
    }
    l->next = newest + 1 == l->slots ? 0 : newest + 1;
    uint32_t rest = (per_sector(l) - l->next % per_sector(l)) % per_sector(l);
    uint32_t at = l->next * FLASH_LINES_SLOT_BYTES;
    uint32_t end;
    r = flash_io_used_end(flash, at, at + rest * FLASH_LINES_SLOT_BYTES, &end);
    bool torn = end != at || rest == 0;
    while (r == RES_OK && rest-- > 0 && l->next * FLASH_LINES_SLOT_BYTES < end) {
        skip_slot(l);
    }
    return r == RES_OK ? settle(l, newest, torn) : r;
}

uint32_t flash_lines_puts_max(const struct flash_lines *l)
{
    return l->slots - 2 * per_sector(l);
}

enum res flash_lines_put(struct flash_lines *l, uint16_t number,
                         const uint8_t record[FLASH_LINES_RECORD_BYTES])
{
    if (number == 0) {
        return RES_INVALID;
    }
    return add_slot(l, false, number, l->generation, record);
}

enum res flash_lines_read(const struct flash_lines *l, uint16_t number,
                          uint8_t ret_record[FLASH_LINES_RECORD_BYTES])
{
    uint8_t raw[FLASH_LINES_SLOT_BYTES];
    uint32_t slot = l->next;
    uint32_t sequence = l->sequence + 1;
    for (uint32_t i = 0; number != 0 && i < l->used; i++) {
        slot = slot == 0 ? l->slots - 1 : slot - 1;
        enum res r = read_slot(l, slot, raw);
        if (r != RES_OK && r != RES_NOT_FOUND) {
            return r;
        }
        if (r == RES_OK && le_get_u32(raw + 4) == l->generation && le_get_u32(raw + 8) < sequence) {
            sequence = le_get_u32(raw + 8);
            if (le_get_u16(raw + 2) == number) {
                memcpy(ret_record, raw + RECORD_AT, FLASH_LINES_RECORD_BYTES);
                return RES_OK;
            }
        }
    }
    return RES_NOT_FOUND;
}

enum res flash_lines_clear(struct flash_lines *l)
{
    static const uint8_t nothing[FLASH_LINES_RECORD_BYTES] = {0};
    enum res r = add_slot(l, true, 0, l->generation + 1, nothing);
    if (r == RES_OK) {
        l->generation++;
        l->used = 1;
    }
    return r;
}
