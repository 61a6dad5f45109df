#include "flash.h"

#include "flash_io.h"

static enum res slice_read(void *context, uint32_t offset, void *data, uint32_t size)
{
    const struct flash_slice *slice = context;
    const struct flash *whole = slice->whole;
    uint32_t bytes = slice->flash.sector_count * whole->sector_bytes;
    if (offset > bytes || size > bytes - offset) {
        return RES_INVALID;
    }
    return whole->read(whole->context, slice->first_sector * whole->sector_bytes + offset, data,
                       size);
}

static enum res slice_program(void *context, uint32_t offset, const void *data, uint32_t size)
{
    const struct flash_slice *slice = context;
    const struct flash *whole = slice->whole;
    uint32_t bytes = slice->flash.sector_count * whole->sector_bytes;
    if (offset > bytes || size > bytes - offset) {
        return RES_INVALID;
    }
    return whole->program(whole->context, slice->first_sector * whole->sector_bytes + offset, data,
                          size);
}

static enum res slice_erase(void *context, uint32_t sector)
{
    const struct flash_slice *slice = context;
    if (sector >= slice->flash.sector_count) {
        return RES_INVALID;
    }
    return slice->whole->erase(slice->whole->context, slice->first_sector + sector);
}

enum res flash_slice_init(struct flash_slice *slice, const struct flash *whole,
                          uint32_t first_sector, uint32_t sector_count)
{
    if (flash_io_geometry(whole) != RES_OK || sector_count < 2 ||
        first_sector >= whole->sector_count || sector_count > whole->sector_count - first_sector) {
        return RES_INVALID;
    }
    slice->flash = (struct flash){
        .context = slice,
        .sector_bytes = whole->sector_bytes,
        .sector_count = sector_count,
        .program_bytes = whole->program_bytes,
        .read = slice_read,
        .program = slice_program,
        .erase = slice_erase,
    };
    slice->whole = whole;
    slice->first_sector = first_sector;
    return RES_OK;
}
