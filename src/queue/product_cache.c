#include "product_cache.h"

#include <string.h>

#include "crc32c.h"
#include "flash_io.h"
#include "le.h"

/* A bank's first sector is its directory, of 32-byte places:
 *   place 0: 0 u16 magic, 2 u16 chunks, 4 u32 generation, 8 u64 version, 16 currency, 28 u32 CRC
 *   places 1, 2: the commit, twice: 0 u16 magic, 4 u32 generation, 28 u32 CRC
 *   the others, one a chunk, as they came, order rising by one: 0 u16 magic, 2 u16 chunk, 4 u16
 * count, 6 u16 first slot, 8 u64 first GTIN, 16 u64 last GTIN, 24 u16 order, 28 u32 CRC The others
 * hold slots of 128 bytes: 0 u64 GTIN, 8 u32 price, 12 u32 weight and, in the highest bit, per kg,
 * 16 u8 and 17 u8 sizes of SKU and name, 18 SKU, 50 name, 124 u32 CRC. Every CRC-32C begins with
 * the bank's generation and the place's offset: leftovers of other versions are not taken for this
 * one's. */
#define PLACE_BYTES  32
#define PLACE_CRC_AT 28
#define PLACE_FIRST  3
#define PLACES_MAX   255
#define SLOT_BYTES   128
#define SLOT_CRC_AT  124
#define SKU_AT       18
#define NAME_AT      50
#define PER_KG       UINT32_C(0x80000000)
#define MAGIC_BANK   0xba9c
#define MAGIC_COMMIT 0xc09c
#define MAGIC_CHUNK  0xc49c

_Static_assert(SKU_AT + PRODUCT_CACHE_SKU_BYTES_MAX == NAME_AT, "layout of a slot");
_Static_assert(NAME_AT + PRODUCT_CACHE_NAME_BYTES_MAX <= SLOT_CRC_AT, "layout of a slot");
_Static_assert(sizeof(struct product_cache) <= 256, "static RAM of a microcontroller");

struct chunk_entry {
    uint32_t chunk;
    uint32_t count;
    uint32_t slot;
    uint32_t order;
    uint64_t first;
    uint64_t last;
};

static uint32_t slots_per_sector(const struct product_cache *c)
{
    return c->flash->sector_bytes / SLOT_BYTES;
}

static uint32_t bank_slots(const struct product_cache *c)
{
    return (c->bank_sectors - 1) * slots_per_sector(c);
}

static uint32_t places(const struct product_cache *c)
{
    uint32_t fit = c->flash->sector_bytes / PLACE_BYTES;
    return fit < PLACES_MAX ? fit : PLACES_MAX;
}

static uint32_t place_offset(const struct product_cache *c, const struct product_cache_bank *b,
                             uint32_t place)
{
    return b->first_sector * c->flash->sector_bytes + place * PLACE_BYTES;
}

static uint32_t slot_offset(const struct product_cache *c, const struct product_cache_bank *b,
                            uint32_t slot)
{
    return (b->first_sector + 1) * c->flash->sector_bytes + slot * SLOT_BYTES;
}

static uint32_t crc_start(uint32_t generation, uint32_t offset)
{
    uint8_t raw[8];
    le_put_u32(raw, generation);
    le_put_u32(raw + 4, offset);
    return crc32c(0, span_of(raw, sizeof raw));
}

/* RES_NOT_FOUND: not of this generation, or damaged beyond mending. */
static enum res read_checked(const struct product_cache *c, uint32_t generation, uint32_t offset,
                             uint8_t *raw, uint32_t crc_at)
{
    enum res r = c->flash->read(c->flash->context, offset, raw, crc_at + 4);
    if (r == RES_OK &&
        !crc32c_repair(crc_start(generation, offset), raw, crc_at, le_get_u32(raw + crc_at))) {
        r = RES_NOT_FOUND;
    }
    return r;
}

static enum res read_place(const struct product_cache *c, const struct product_cache_bank *b,
                           uint32_t place, uint16_t magic, uint8_t raw[PLACE_BYTES])
{
    enum res r = read_checked(c, b->generation, place_offset(c, b, place), raw, PLACE_CRC_AT);
    return r == RES_OK && le_get_u16(raw) != magic ? RES_NOT_FOUND : r;
}

static enum res write_place(const struct product_cache *c, const struct product_cache_bank *b,
                            uint32_t place, uint8_t raw[PLACE_BYTES])
{
    uint32_t offset = place_offset(c, b, place);
    uint32_t crc = crc32c(crc_start(b->generation, offset), span_of(raw, PLACE_CRC_AT));
    le_put_u32(raw + PLACE_CRC_AT, crc);
    return flash_io_write(c->flash, offset, span_of(raw, PLACE_BYTES), SPAN_NONE);
}

static enum res read_entry(const struct product_cache *c, const struct product_cache_bank *b,
                           uint32_t place, struct chunk_entry *ret)
{
    uint8_t raw[PLACE_BYTES];
    enum res r = read_place(c, b, place, MAGIC_CHUNK, raw);
    if (r != RES_OK) {
        return r;
    }
    struct chunk_entry e = {
        .chunk = le_get_u16(raw + 2),
        .count = le_get_u16(raw + 4),
        .slot = le_get_u16(raw + 6),
        .order = le_get_u16(raw + 24),
        .first = le_get_u64(raw + 8),
        .last = le_get_u64(raw + 16),
    };
    if (e.chunk >= b->chunks || e.slot > bank_slots(c) || e.count > bank_slots(c) - e.slot) {
        return RES_NOT_FOUND;
    }
    *ret = e;
    return RES_OK;
}

static bool all_here(const struct product_cache_bank *b)
{
    for (uint32_t i = 0; i < b->chunks; i++) {
        if (b->entry[i] == 0) {
            return false;
        }
    }
    return b->chunks > 0;
}

/* Writes what is missing of the two commits. */
static enum res commit(const struct product_cache *c, struct product_cache_bank *b)
{
    enum res r = RES_CORRUPT;
    for (uint32_t place = 1; place <= 2; place++) {
        uint8_t raw[PLACE_BYTES];
        uint32_t offset = place_offset(c, b, place);
        uint32_t end;
        enum res seen = read_place(c, b, place, MAGIC_COMMIT, raw);
        if (seen == RES_NOT_FOUND) {
            seen = flash_io_used_end(c->flash, offset, offset + PLACE_BYTES, &end);
            if (seen == RES_OK && end != offset) {
                continue; /* torn: the other one will do */
            }
            memset(raw, 0, sizeof raw);
            le_put_u16(raw, MAGIC_COMMIT);
            le_put_u32(raw + 4, b->generation);
            seen = seen == RES_OK ? write_place(c, b, place, raw) : seen;
        }
        if (seen != RES_OK && seen != RES_CORRUPT) {
            return seen;
        }
        r = seen == RES_OK ? RES_OK : r;
    }
    b->complete = r == RES_OK;
    return r;
}

/* Forgets what a bank takes in. */
static enum res drop(const struct product_cache *c, struct product_cache_bank *b)
{
    b->generation = 0;
    b->complete = false;
    return c->flash->erase(c->flash->context, b->first_sector);
}

/* Rising over all chunks? RES_INVALID, RES_CORRUPT. */
static enum res check_order(const struct product_cache *c, const struct product_cache_bank *b)
{
    uint64_t last = 0;
    for (uint32_t i = 0; i < b->chunks; i++) {
        struct chunk_entry e;
        enum res r = read_entry(c, b, b->entry[i], &e);
        if (r != RES_OK) {
            return r == RES_NOT_FOUND ? RES_CORRUPT : r;
        }
        if (e.count > 0 && e.first <= last) {
            return RES_INVALID;
        }
        last = e.count > 0 ? e.last : last;
    }
    return RES_OK;
}

static enum res finish(struct product_cache *c, struct product_cache_bank *b)
{
    enum res r = check_order(c, b);
    if (r == RES_OK) {
        r = commit(c, b);
    }
    if (r == RES_INVALID || r == RES_CORRUPT) {
        enum res dropped = drop(c, b);
        r = dropped != RES_OK ? dropped : r == RES_INVALID ? RES_INVALID : RES_AGAIN;
    }
    if (r == RES_OK) {
        c->active = b == &c->banks[1];
    }
    return r;
}

static enum res write_entry(const struct product_cache *c, struct product_cache_bank *b,
                            const struct chunk_entry *e)
{
    enum res r = RES_CORRUPT;
    while (r == RES_CORRUPT && b->entries < places(c)) {
        uint8_t raw[PLACE_BYTES] = {0};
        uint32_t offset = place_offset(c, b, b->entries);
        uint32_t end;
        le_put_u16(raw, MAGIC_CHUNK);
        le_put_u16(raw + 2, (uint16_t)e->chunk);
        le_put_u16(raw + 4, (uint16_t)e->count);
        le_put_u16(raw + 6, (uint16_t)e->slot);
        le_put_u64(raw + 8, e->first);
        le_put_u64(raw + 16, e->last);
        le_put_u16(raw + 24, (uint16_t)(b->order + 1));
        r = flash_io_used_end(c->flash, offset, offset + PLACE_BYTES, &end);
        if (r == RES_OK) {
            r = end == offset ? write_place(c, b, b->entries, raw) : RES_CORRUPT;
        }
        if (r == RES_OK) {
            b->entry[e->chunk] = (uint8_t)b->entries;
            b->order++;
        }
        b->entries++;
    }
    return r == RES_CORRUPT ? RES_AGAIN : r;
}

/* The directory's entries; *ret_last: the place of the last one, 0 when there is none. */
static enum res read_directory(const struct product_cache *c, struct product_cache_bank *b,
                               uint32_t *ret_last)
{
    uint32_t order = UINT32_MAX;
    *ret_last = 0;
    for (uint32_t place = places(c); place-- > PLACE_FIRST;) {
        struct chunk_entry e;
        enum res r = read_entry(c, b, place, &e);
        if (r != RES_OK && r != RES_NOT_FOUND) {
            return r;
        }
        if (r == RES_NOT_FOUND || e.order >= order) {
            continue;
        }
        order = e.order;
        if (*ret_last == 0) {
            *ret_last = place;
            b->entries = (uint16_t)(place + 1);
            b->order = (uint16_t)order;
        }
        if (b->entry[e.chunk] == 0) {
            b->entry[e.chunk] = (uint8_t)place;
        }
        uint32_t end = flash_io_align_up(e.slot + e.count, slots_per_sector(c));
        b->next_slot = end > b->next_slot ? end : b->next_slot;
    }
    return RES_OK;
}

/* What a bank holds; its generation stays 0 when that is nothing usable. What a cut may have left
 * half written, and yet reads well, is written again before it is relied on. */
static enum res read_bank(const struct product_cache *c, struct product_cache_bank *b)
{
    uint8_t raw[PLACE_BYTES];
    uint32_t last;
    enum res r = read_checked(c, 0, place_offset(c, b, 0), raw, PLACE_CRC_AT);
    if (r != RES_OK || le_get_u16(raw) != MAGIC_BANK) {
        return r == RES_NOT_FOUND ? RES_OK : r;
    }
    b->generation = le_get_u32(raw + 4);
    b->version = (int64_t)le_get_u64(raw + 8);
    b->chunks = le_get_u16(raw + 2);
    memcpy(b->currency, raw + 16, 3);
    b->entries = PLACE_FIRST;
    if (b->chunks == 0 || b->chunks > PRODUCT_CACHE_CHUNKS_MAX || b->version <= 0) {
        b->generation = 0;
        return RES_OK;
    }
    r = read_directory(c, b, &last);
    if (r != RES_OK) {
        return r;
    }
    if (last == 0) {
        b->generation = 0;
        return RES_OK;
    }
    for (uint32_t place = 1; place <= 2; place++) {
        r = read_place(c, b, place, MAGIC_COMMIT, raw);
        if (r != RES_NOT_FOUND) {
            return r == RES_OK ? commit(c, b) : r;
        }
    }
    struct chunk_entry e;
    r = read_entry(c, b, last, &e);
    if (r == RES_OK) {
        r = write_entry(c, b, &e);
    }
    return r == RES_AGAIN ? drop(c, b) : r;
}

enum res product_cache_open(struct product_cache *c, const struct flash *flash)
{
    *c = (struct product_cache){.flash = flash, .bank_sectors = flash->sector_count / 2};
    if (flash_io_geometry(flash) != RES_OK || c->bank_sectors < 2 || bank_slots(c) > UINT16_MAX) {
        return RES_INVALID;
    }
    c->banks[1].first_sector = c->bank_sectors;
    for (unsigned i = 0; i < 2; i++) {
        enum res r = read_bank(c, &c->banks[i]);
        if (r != RES_OK) {
            return r;
        }
    }
    const struct product_cache_bank *b = c->banks;
    if (b[1].complete && (!b[0].complete || b[1].generation > b[0].generation)) {
        c->active = 1;
    }
    struct product_cache_bank *next = &c->banks[!c->active];
    if (next->generation != 0 && !next->complete && all_here(next)) {
        enum res r = finish(c, next);
        return r == RES_INVALID || r == RES_AGAIN ? RES_OK : r;
    }
    return RES_OK;
}

int64_t product_cache_version(const struct product_cache *c)
{
    const struct product_cache_bank *b = &c->banks[c->active];
    return b->complete ? b->version : 0;
}

static bool read_digits(struct span text, uint64_t *ret)
{
    uint64_t value = 0;
    if (text.size != 14) {
        return false;
    }
    for (size_t i = 0; i < 14; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(text.data[i] - '0');
    }
    *ret = value;
    return true;
}

static enum res check_chunk(const struct wire_catalogue *k)
{
    if (k->version < 1 || k->chunks < 1 || k->chunk < 0 || k->chunk >= k->chunks ||
        k->currency.size != 3) {
        return RES_INVALID;
    }
    if (k->chunks > PRODUCT_CACHE_CHUNKS_MAX || k->item_count > WIRE_CATALOGUE_ITEMS_MAX) {
        return RES_LIMIT;
    }
    uint64_t last = 0;
    for (size_t i = 0; i < k->item_count; i++) {
        const struct wire_catalogue_item *item = &k->items[i];
        uint64_t gtin;
        if (!read_digits(item->gtin, &gtin) || gtin <= last) {
            return RES_INVALID;
        }
        if (item->sku.size > PRODUCT_CACHE_SKU_BYTES_MAX || item->price < 0 ||
            item->price > UINT32_MAX || item->weight_g < 0 || item->weight_g >= PER_KG) {
            return RES_LIMIT;
        }
        last = gtin;
    }
    return RES_OK;
}

static enum res begin(struct product_cache *c, struct product_cache_bank *b,
                      const struct wire_catalogue *k)
{
    uint8_t raw[PLACE_BYTES] = {0};
    const struct product_cache_bank *other = &c->banks[b == &c->banks[0]];
    uint32_t above = b->generation > other->generation ? b->generation : other->generation;
    enum res r = drop(c, b);
    if (r != RES_OK) {
        return r;
    }
    le_put_u16(raw, MAGIC_BANK);
    le_put_u16(raw + 2, (uint16_t)k->chunks);
    le_put_u32(raw + 4, above + 1);
    le_put_u64(raw + 8, (uint64_t)k->version);
    memcpy(raw + 16, k->currency.data, 3);
    r = write_place(c, b, 0, raw); /* with generation 0 */
    if (r != RES_OK) {
        return RES_IO;
    }
    b->generation = above + 1;
    b->version = k->version;
    b->next_slot = 0;
    b->chunks = (uint16_t)k->chunks;
    b->entries = PLACE_FIRST;
    b->order = 0;
    memset(b->entry, 0, sizeof b->entry);
    memcpy(b->currency, k->currency.data, 3);
    return RES_OK;
}

static enum res write_item(const struct product_cache *c, const struct product_cache_bank *b,
                           uint32_t slot, const struct wire_catalogue_item *item, uint64_t gtin)
{
    uint8_t raw[SLOT_BYTES] = {0};
    if (slot % slots_per_sector(c) == 0) {
        uint32_t sector = b->first_sector + 1 + slot / slots_per_sector(c);
        enum res r = c->flash->erase(c->flash->context, sector);
        if (r != RES_OK) {
            return r;
        }
    }
    size_t name = item->name.size;
    if (name > PRODUCT_CACHE_NAME_BYTES_MAX) {
        name = PRODUCT_CACHE_NAME_BYTES_MAX;
        while (name > 0 && (item->name.data[name] & 0xc0) == 0x80) {
            name--;
        }
    }
    le_put_u64(raw, gtin);
    le_put_u32(raw + 8, (uint32_t)item->price);
    le_put_u32(raw + 12, (uint32_t)item->weight_g | (item->per_kg != 0 ? PER_KG : 0));
    raw[16] = (uint8_t)item->sku.size;
    raw[17] = (uint8_t)name;
    if (item->sku.size > 0) {
        memcpy(raw + SKU_AT, item->sku.data, item->sku.size);
    }
    if (name > 0) {
        memcpy(raw + NAME_AT, item->name.data, name);
    }
    uint32_t offset = slot_offset(c, b, slot);
    le_put_u32(raw + SLOT_CRC_AT,
               crc32c(crc_start(b->generation, offset), span_of(raw, SLOT_CRC_AT)));
    return flash_io_write(c->flash, offset, span_of(raw, sizeof raw), SPAN_NONE);
}

/* RES_FULL: no version of so many products fits; RES_AGAIN: torn chunks have taken the room. */
static enum res check_room(struct product_cache *c, struct product_cache_bank *b, size_t count)
{
    if (b->next_slot + count <= bank_slots(c)) {
        return RES_OK;
    }
    uint64_t all = count;
    for (uint32_t i = 0; i < b->chunks; i++) {
        struct chunk_entry e = {0};
        if (b->entry[i] != 0 && read_entry(c, b, b->entry[i], &e) == RES_OK) {
            all += e.count;
        }
    }
    if (all > bank_slots(c)) {
        return RES_FULL;
    }
    enum res r = drop(c, b);
    return r == RES_OK ? RES_AGAIN : r;
}

static enum res write_chunk(struct product_cache *c, struct product_cache_bank *b,
                            const struct wire_catalogue *k)
{
    struct chunk_entry e = {
        .chunk = (uint32_t)k->chunk, .count = (uint32_t)k->item_count, .slot = b->next_slot};
    enum res r = check_room(c, b, k->item_count);
    if (r != RES_OK) {
        return r;
    }
    for (size_t i = 0; r == RES_OK && i < k->item_count; i++) {
        uint64_t gtin = 0;
        bool valid = read_digits(k->items[i].gtin, &gtin); /* check_chunk has seen it */
        e.first = i == 0 ? gtin : e.first;
        e.last = gtin;
        r = valid ? write_item(c, b, b->next_slot++, &k->items[i], gtin) : RES_INVALID;
    }
    if (r == RES_OK) {
        r = write_entry(c, b, &e);
    }
    if (r == RES_AGAIN) { /* the directory is full of torn entries */
        enum res dropped = drop(c, b);
        return dropped == RES_OK ? RES_AGAIN : dropped;
    }
    if (r != RES_OK) { /* what was written of it stays unused */
        b->next_slot = flash_io_align_up(b->next_slot, slots_per_sector(c));
    }
    return r == RES_CORRUPT ? RES_IO : r;
}

enum res product_cache_put(struct product_cache *c, const struct wire_catalogue *chunk,
                           bool *ret_complete)
{
    enum res r = check_chunk(chunk);
    if (r != RES_OK) {
        return r;
    }
    struct product_cache_bank *b = &c->banks[!c->active];
    bool taking = b->generation != 0 && !b->complete;
    bool old =
        chunk->version <= product_cache_version(c) || (taking && chunk->version < b->version);
    if (!old && (!taking || chunk->version > b->version)) {
        r = begin(c, b, chunk);
    } else if (!old && (chunk->chunks != b->chunks ||
                        !span_equal(chunk->currency, span_of(b->currency, 3)))) {
        r = RES_INVALID;
    }
    if (r == RES_OK && !old && b->entry[chunk->chunk] == 0) {
        r = write_chunk(c, b, chunk);
    }
    if (r != RES_OK) {
        return r;
    }
    bool complete = !old && all_here(b);
    if (complete) {
        r = finish(c, b);
    }
    if (r == RES_OK) {
        *ret_complete = complete;
    }
    return r;
}

static void read_product(const struct product_cache_bank *b, const uint8_t raw[SLOT_BYTES],
                         struct product *ret)
{
    struct product p = {
        .price_minor = le_get_u32(raw + 8),
        .weight_g = le_get_u32(raw + 12) & ~PER_KG,
        .per_kg = (le_get_u32(raw + 12) & PER_KG) != 0,
    };
    uint64_t gtin = le_get_u64(raw);
    for (unsigned i = 14; i-- > 0; gtin /= 10) {
        p.gtin[i] = (char)('0' + gtin % 10);
    }
    memcpy(p.sku, raw + SKU_AT, PRODUCT_CACHE_SKU_BYTES_MAX);
    memcpy(p.name, raw + NAME_AT, PRODUCT_CACHE_NAME_BYTES_MAX);
    memcpy(p.currency, b->currency, 3);
    *ret = p;
}

/* Within [slot, slot + count); a damaged slot is stepped over and leaves a doubt. */
static enum res find_slot(const struct product_cache *c, const struct product_cache_bank *b,
                          uint32_t slot, uint32_t count, uint64_t gtin, struct product *ret)
{
    uint32_t low = slot;
    uint32_t high = slot + count;
    enum res missing = RES_NOT_FOUND;
    while (low < high) {
        uint8_t raw[SLOT_BYTES];
        uint32_t middle = low + (high - low) / 2;
        uint32_t probe = middle;
        enum res r = RES_NOT_FOUND;
        while (probe < high) {
            r = read_checked(c, b->generation, slot_offset(c, b, probe), raw, SLOT_CRC_AT);
            if (r != RES_NOT_FOUND) {
                break;
            }
            missing = RES_CORRUPT;
            probe++;
        }
        if (r != RES_OK && r != RES_NOT_FOUND) {
            return r;
        }
        uint64_t seen = r == RES_OK ? le_get_u64(raw) : UINT64_MAX;
        if (r == RES_OK && seen == gtin) {
            read_product(b, raw, ret);
            return RES_OK;
        }
        if (seen < gtin) {
            low = probe + 1;
        } else {
            high = middle;
        }
    }
    return missing;
}

enum res product_cache_find(const struct product_cache *c, struct span gtin14,
                            struct product *ret_product)
{
    const struct product_cache_bank *b = &c->banks[c->active];
    uint64_t gtin;
    if (!read_digits(gtin14, &gtin)) {
        return RES_INVALID;
    }
    uint32_t low = 0;
    uint32_t high = b->complete ? b->chunks : 0;
    enum res missing = RES_NOT_FOUND;
    while (low < high) {
        struct chunk_entry e = {0};
        uint32_t middle = low + (high - low) / 2;
        uint32_t probe = middle;
        while (probe < high) {
            enum res r =
                b->entry[probe] == 0 ? RES_NOT_FOUND : read_entry(c, b, b->entry[probe], &e);
            if (r == RES_OK && e.count > 0) {
                break;
            }
            if (r == RES_NOT_FOUND) {
                missing = RES_CORRUPT;
            } else if (r != RES_OK) {
                return r;
            }
            probe++;
        }
        if (probe == high || gtin < e.first) {
            high = middle;
        } else if (gtin > e.last) {
            low = probe + 1;
        } else {
            return find_slot(c, b, e.slot, e.count, gtin, ret_product);
        }
    }
    return missing;
}
