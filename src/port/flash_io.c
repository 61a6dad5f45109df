#include "flash_io.h"

#include <string.h>

enum res flash_io_geometry(const struct flash *flash)
{
    uint32_t sector = flash->sector_bytes;
    uint32_t unit = flash->program_bytes;
    if (sector < 1024 || sector > 65536 || (sector & (sector - 1)) != 0) {
        return RES_INVALID;
    }
    if (unit == 0 || unit > 32 || (unit & (unit - 1)) != 0 || unit == 2) {
        return RES_INVALID;
    }
    if (flash->sector_count < 2 || flash->sector_count > UINT32_MAX / sector) {
        return RES_INVALID;
    }
    return RES_OK;
}

uint32_t flash_io_align_up(uint32_t value, uint32_t unit)
{
    return (value + unit - 1) & ~(unit - 1);
}

enum res flash_io_used_end(const struct flash *flash, uint32_t from, uint32_t to, uint32_t *ret_end)
{
    uint8_t page[FLASH_IO_PAGE_BYTES];
    uint32_t end = to;
    while (end > from) {
        uint32_t size = end - from < sizeof page ? end - from : (uint32_t)sizeof page;
        enum res r = flash->read(flash->context, end - size, page, size);
        if (r != RES_OK) {
            return r;
        }
        for (uint32_t i = size; i-- > 0;) {
            if (page[i] != 0xff) {
                *ret_end = end - size + i + 1;
                return RES_OK;
            }
        }
        end -= size;
    }
    *ret_end = from;
    return RES_OK;
}

/* `size` bytes of first || second from `at` on, 0xFF beyond their end. */
static void gather(struct span first, struct span second, size_t at, uint8_t *page, size_t size)
{
    memset(page, 0xff, size);
    size_t done = 0;
    if (at < first.size) {
        done = first.size - at < size ? first.size - at : size;
        memcpy(page, first.data + at, done);
    }
    size_t skip = at + done - first.size;
    if (done < size && at + done >= first.size && skip < second.size) {
        size_t rest = second.size - skip < size - done ? second.size - skip : size - done;
        memcpy(page + done, second.data + skip, rest);
    }
}

enum res flash_io_write(const struct flash *flash, uint32_t offset, struct span first,
                        struct span second)
{
    uint8_t page[FLASH_IO_PAGE_BYTES];
    uint8_t seen[64];
    uint32_t total = flash_io_align_up((uint32_t)(first.size + second.size), flash->program_bytes);
    for (uint32_t at = 0; at < total;) {
        /* Pages are those of the chip: a program never crosses a page boundary. */
        uint32_t room = (uint32_t)sizeof page - (offset + at) % (uint32_t)sizeof page;
        uint32_t size = total - at < room ? total - at : room;
        gather(first, second, at, page, size);
        enum res r = flash->program(flash->context, offset + at, page, size);
        for (uint32_t i = 0; r == RES_OK && i < size; i += (uint32_t)sizeof seen) {
            uint32_t part = size - i < sizeof seen ? size - i : (uint32_t)sizeof seen;
            r = flash->read(flash->context, offset + at + i, seen, part);
            if (r == RES_OK && memcmp(seen, page + i, part) != 0) {
                r = RES_CORRUPT;
            }
        }
        if (r != RES_OK) {
            return r;
        }
        at += size;
    }
    return RES_OK;
}
