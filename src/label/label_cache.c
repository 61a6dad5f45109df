#include "label_cache.h"

#include <string.h>

#include "crc32c.h"
#include "flash_io.h"
#include "le.h"

/* A sector: header, update, 0xFF, and in its last 32 bytes the mark. Little-endian.
 * header: 0 u16 magic, 2 u16 size of the update, 4 u32 sequence, 8 u32 CRC-32C of the update,
 *         12 u32 CRC-32C of the 12 bytes before, begun with the sector
 * mark:   0 u32 magic, 4 u32 sequence, 8 u32 refreshes, 12 u64 shown_ms,
 *         20 u32 CRC-32C of the 20 bytes before, begun with the sector */
#define HEADER_BYTES 16
#define HEADER_MAGIC 0x1abe
#define MARK_BYTES   24
#define MARK_MAGIC   0x5804e111
#define MARK_PLACE   32 /* a program unit is not larger */
#define FIXED_BYTES  84
#define UPDATE_BYTES_MAX                                                                           \
    (FIXED_BYTES + 5 * 2 + SHELF_UPDATE_ID_BYTES + SHELF_PRODUCT_BYTES_MAX +                       \
     2 * SHELF_NAME_BYTES_MAX + SHELF_URL_BYTES_MAX)
#define TEXTS      5
#define WRITES_MAX 2 /* sectors tried for one update: one may be worn out */

_Static_assert(HEADER_BYTES + UPDATE_BYTES_MAX + MARK_PLACE <= 1024,
               "the smallest sector holds it");
_Static_assert(UPDATE_BYTES_MAX <= LABEL_CACHE_TEXTS_BYTES, "read where the texts will stay");

struct header {
    uint32_t size;
    uint32_t crc;
};

static uint32_t sector_of(uint32_t sequence)
{
    return sequence % LABEL_CACHE_SECTORS;
}

static uint32_t start_of(const struct label_cache *c, uint32_t sequence)
{
    return sector_of(sequence) * c->flash->sector_bytes;
}

static uint32_t mark_place(const struct label_cache *c, uint32_t sequence)
{
    return start_of(c, sequence) + c->flash->sector_bytes - MARK_PLACE;
}

/* RES_NOT_FOUND unless a valid header is in the sector; *ret_sequence is what it says. */
static enum res read_header(const struct label_cache *c, uint32_t sector, struct header *ret,
                            uint32_t *ret_sequence)
{
    uint8_t raw[HEADER_BYTES];
    enum res r =
        c->flash->read(c->flash->context, sector * c->flash->sector_bytes, raw, sizeof raw);
    if (r != RES_OK) {
        return r;
    }
    /* A flipped bit in the header is mended too. */
    if (!crc32c_repair(sector, raw, 12, le_get_u32(raw + 12)) || le_get_u16(raw) != HEADER_MAGIC) {
        return RES_NOT_FOUND;
    }
    uint32_t sequence = le_get_u32(raw + 4);
    uint32_t size = le_get_u16(raw + 2);
    if (sequence == 0 || sector_of(sequence) != sector || size < FIXED_BYTES ||
        size > UPDATE_BYTES_MAX) {
        return RES_NOT_FOUND;
    }
    *ret = (struct header){.size = size, .crc = le_get_u32(raw + 8)};
    *ret_sequence = sequence;
    return RES_OK;
}

/* The bytes of an update into update[UPDATE_BYTES_MAX]. */
static enum res read_update(const struct label_cache *c, uint32_t sequence, uint8_t *update,
                            uint32_t *ret_size)
{
    struct header h;
    uint32_t found;
    enum res r = read_header(c, sector_of(sequence), &h, &found);
    if (r == RES_OK && found != sequence) {
        return RES_NOT_FOUND;
    }
    if (r == RES_OK) {
        r = c->flash->read(c->flash->context, start_of(c, sequence) + HEADER_BYTES, update, h.size);
    }
    if (r == RES_OK && !crc32c_repair(sequence, update, h.size, h.crc)) {
        r = RES_NOT_FOUND;
    }
    if (r == RES_OK) {
        *ret_size = h.size;
    }
    return r;
}

/* RES_NOT_FOUND: no mark. */
static enum res read_mark(const struct label_cache *c, uint32_t sequence,
                          struct label_cache_note *ret)
{
    uint8_t raw[MARK_BYTES];
    enum res r = c->flash->read(c->flash->context, mark_place(c, sequence), raw, sizeof raw);
    if (r != RES_OK) {
        return r;
    }
    if (!crc32c_repair(sector_of(sequence), raw, 20, le_get_u32(raw + 20)) ||
        le_get_u32(raw) != MARK_MAGIC || le_get_u32(raw + 4) != sequence) {
        return RES_NOT_FOUND;
    }
    ret->refreshes = le_get_u32(raw + 8);
    ret->shown_ms = (int64_t)le_get_u64(raw + 12);
    return RES_OK;
}

/* As the next one; the sector with the oldest update makes room. */
static enum res write_update(struct label_cache *c, struct span update)
{
    enum res r = RES_IO;
    uint32_t sequence = c->sequence;
    for (int i = 0; i < WRITES_MAX && r != RES_OK; i++) {
        uint8_t header[HEADER_BYTES];
        sequence++;
        le_put_u16(header, HEADER_MAGIC);
        le_put_u16(header + 2, (uint16_t)update.size);
        le_put_u32(header + 4, sequence);
        le_put_u32(header + 8, crc32c(sequence, update));
        le_put_u32(header + 12, crc32c(sector_of(sequence), span_of(header, 12)));
        r = c->flash->erase(c->flash->context, sector_of(sequence));
        if (r == RES_OK) {
            r = flash_io_write(c->flash, start_of(c, sequence), span_of(header, sizeof header),
                               update);
        }
    }
    if (r != RES_OK) {
        return RES_IO;
    }
    c->sequence = sequence;
    c->marked = false;
    return RES_OK;
}

enum res label_cache_open(struct label_cache *c, const struct flash *flash)
{
    uint8_t update[UPDATE_BYTES_MAX];
    struct label_cache_note note;
    uint32_t size = 0;
    uint32_t newest = 0;
    *c = (struct label_cache){.flash = flash};
    if (flash_io_geometry(flash) != RES_OK || flash->sector_count < LABEL_CACHE_SECTORS) {
        return RES_INVALID;
    }
    for (uint32_t sector = 0; sector < LABEL_CACHE_SECTORS; sector++) {
        struct header h;
        uint32_t sequence = 0;
        enum res r = read_header(c, sector, &h, &sequence);
        if (r == RES_OK && sequence > newest) {
            r = read_update(c, sequence, update, &size);
            newest = r == RES_OK ? sequence : newest;
        }
        if (r != RES_OK && r != RES_NOT_FOUND) {
            return r;
        }
    }
    c->sequence = newest;
    if (newest == 0) {
        return RES_OK;
    }
    enum res r = read_mark(c, newest, &note);
    c->marked = r == RES_OK;
    if (r == RES_NOT_FOUND) {
        /* Its write may have been cut and read well by chance, and the place of its mark may be
         * torn: it is written again, whole. */
        r = read_update(c, newest, update, &size);
        if (r == RES_OK) {
            r = write_update(c, span_of(update, size));
        }
    }
    return r;
}

static void put_text(uint8_t *bytes, uint32_t *at, struct span text)
{
    le_put_u16(bytes + *at, (uint16_t)text.size);
    if (text.size > 0) {
        memcpy(bytes + *at + 2, text.data, text.size);
    }
    *at += 2 + (uint32_t)text.size;
}

enum res label_cache_put(struct label_cache *c, const struct shelf_display *d)
{
    uint8_t bytes[UPDATE_BYTES_MAX] = {0};
    uint32_t at = FIXED_BYTES;
    if (d->update_id.size > SHELF_UPDATE_ID_BYTES || d->product_id.size > SHELF_PRODUCT_BYTES_MAX ||
        d->name.size > SHELF_NAME_BYTES_MAX || d->name_en.size > SHELF_NAME_BYTES_MAX ||
        d->url.size > SHELF_URL_BYTES_MAX) {
        return RES_LIMIT;
    }
    le_put_u64(bytes, (uint64_t)d->version);
    le_put_u64(bytes + 8, (uint64_t)d->price_minor);
    le_put_u64(bytes + 16, (uint64_t)d->regular_minor);
    le_put_u64(bytes + 24, (uint64_t)d->mrp_minor);
    le_put_u64(bytes + 32, (uint64_t)d->timestamp_ms);
    memcpy(bytes + 40, d->currency, sizeof d->currency);
    bytes[44] = (uint8_t)d->template;
    bytes[45] = (uint8_t)d->language;
    bytes[46] = d->per_kg;
    bytes[47] = d->is_flash_sale;
    memcpy(bytes + 48, d->digest, SHELF_DIGEST_BYTES);
    put_text(bytes, &at, d->update_id);
    put_text(bytes, &at, d->product_id);
    put_text(bytes, &at, d->name);
    put_text(bytes, &at, d->name_en);
    put_text(bytes, &at, d->url);
    return write_update(c, span_of(bytes, at));
}

enum res label_cache_mark(struct label_cache *c, const struct label_cache_note *note)
{
    uint8_t raw[MARK_BYTES];
    if (c->sequence == 0 || c->marked) {
        return RES_OK;
    }
    le_put_u32(raw, MARK_MAGIC);
    le_put_u32(raw + 4, c->sequence);
    le_put_u32(raw + 8, note->refreshes);
    le_put_u64(raw + 12, (uint64_t)note->shown_ms);
    le_put_u32(raw + 20, crc32c(sector_of(c->sequence), span_of(raw, 20)));
    /* A mark that did not hold stays away: the picture is drawn once more after a power cut. */
    c->marked = true;
    return flash_io_write(c->flash, mark_place(c, c->sequence), span_of(raw, sizeof raw),
                          SPAN_NONE) == RES_OK
               ? RES_OK
               : RES_IO;
}

bool label_cache_is_marked(const struct label_cache *c)
{
    return c->marked;
}

static bool take_text(const uint8_t *bytes, uint32_t size, uint32_t *at, struct span *ret)
{
    if (size - *at < 2 || size - *at - 2 < le_get_u16(bytes + *at)) {
        return false;
    }
    *ret = span_of(bytes + *at + 2, le_get_u16(bytes + *at));
    *at += 2 + (uint32_t)ret->size;
    return true;
}

static bool parse(const uint8_t *bytes, uint32_t size, struct shelf_display *ret)
{
    uint32_t at = FIXED_BYTES;
    *ret = (struct shelf_display){
        .version = (int64_t)le_get_u64(bytes),
        .price_minor = (int64_t)le_get_u64(bytes + 8),
        .regular_minor = (int64_t)le_get_u64(bytes + 16),
        .mrp_minor = (int64_t)le_get_u64(bytes + 24),
        .timestamp_ms = (int64_t)le_get_u64(bytes + 32),
        .template = (enum shelf_template)bytes[44],
        .language = (enum shelf_language)bytes[45],
        .per_kg = bytes[46] != 0,
        .is_flash_sale = bytes[47] != 0,
    };
    memcpy(ret->currency, bytes + 40, sizeof ret->currency - 1);
    memcpy(ret->digest, bytes + 48, SHELF_DIGEST_BYTES);
    struct span *const texts[TEXTS] = {&ret->update_id, &ret->product_id, &ret->name, &ret->name_en,
                                       &ret->url};
    for (size_t i = 0; i < TEXTS; i++) {
        if (!take_text(bytes, size, &at, texts[i])) {
            return false;
        }
    }
    return bytes[44] < SHELF_TEMPLATES && bytes[45] < SHELF_LANGUAGES;
}

enum res label_cache_read(const struct label_cache *c, uint32_t back, uint8_t *texts,
                          struct shelf_display *ret_display)
{
    struct shelf_display display;
    uint32_t size;
    for (uint32_t i = 0; i < LABEL_CACHE_SECTORS && i < c->sequence; i++) {
        enum res r = read_update(c, c->sequence - i, texts, &size);
        if (r != RES_OK && r != RES_NOT_FOUND) {
            return r;
        }
        if (i == 0 && r == RES_NOT_FOUND && back == 0) {
            return r;
        }
        if (r == RES_OK && back-- == 0) {
            if (!parse(texts, size, &display)) {
                return RES_NOT_FOUND;
            }
            *ret_display = display;
            return RES_OK;
        }
    }
    return RES_NOT_FOUND;
}

enum res label_cache_note(const struct label_cache *c, struct label_cache_note *ret_note)
{
    for (uint32_t i = 0; i < LABEL_CACHE_SECTORS && i < c->sequence; i++) {
        enum res r = read_mark(c, c->sequence - i, ret_note);
        if (r != RES_NOT_FOUND) {
            return r;
        }
    }
    return RES_NOT_FOUND;
}
