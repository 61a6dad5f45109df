#include "flash_memory.h"

#include <string.h>

#include "flash_io.h"

static bool inside(const struct flash_memory *m, uint32_t offset, uint32_t size)
{
    uint32_t bytes = m->flash.sector_bytes * m->flash.sector_count;
    return offset <= bytes && size <= bytes - offset;
}

static enum res memory_read(void *context, uint32_t offset, void *data, uint32_t size)
{
    const struct flash_memory *m = context;
    if (!inside(m, offset, size)) {
        return RES_INVALID;
    }
    memcpy(data, m->base + offset, size);
    return RES_OK;
}

static enum res memory_program(void *context, uint32_t offset, const void *data, uint32_t size)
{
    struct flash_memory *m = context;
    if (!inside(m, offset, size) || offset % m->flash.program_bytes != 0 ||
        size % m->flash.program_bytes != 0) {
        return RES_INVALID;
    }
    for (uint32_t i = 0; i < size; i++) {
        if (m->base[offset + i] != 0xff) {
            return RES_INVALID;
        }
    }
    memcpy(m->base + offset, data, size);
    return RES_OK;
}

static enum res memory_erase(void *context, uint32_t sector)
{
    struct flash_memory *m = context;
    if (sector >= m->flash.sector_count) {
        return RES_INVALID;
    }
    memset(m->base + sector * m->flash.sector_bytes, 0xff, m->flash.sector_bytes);
    return RES_OK;
}

enum res flash_memory_init(struct flash_memory *m, uint8_t *base, uint32_t sector_bytes,
                           uint32_t sector_count, uint32_t program_bytes)
{
    *m = (struct flash_memory){
        .flash =
            {
                .context = m,
                .sector_bytes = sector_bytes,
                .sector_count = sector_count,
                .program_bytes = program_bytes,
                .read = memory_read,
                .program = memory_program,
                .erase = memory_erase,
            },
        .base = base,
    };
    return flash_io_geometry(&m->flash);
}
