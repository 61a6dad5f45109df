/* flash.h: raw NOR-like flash, as a port. Freestanding.
 *
 * Sectors are erased to 0xFF; a program changes bytes of an erased, never-programmed unit only.
 * Offsets and sizes of a program are multiples of program_bytes; it never crosses a 256-byte page.
 * A power cut during an operation leaves the unit or sector in any state; operations are otherwise
 * in order and durable on return. RES_IO: the medium refused, or the power is off.
 */
#ifndef FLASH_H
#define FLASH_H

#include "span.h"

struct flash {
    void *context;
    uint32_t sector_bytes;  /* power of two, 1,024..65,536 */
    uint32_t sector_count;  /* >= 2 */
    uint32_t program_bytes; /* 1, 4, 8, 16 or 32: what one program operation writes at least */
    enum res (*read)(void *context, uint32_t offset, void *data, uint32_t size);
    enum res (*program)(void *context, uint32_t offset, const void *data, uint32_t size);
    enum res (*erase)(void *context, uint32_t sector);
};

/* The part of `whole` from first_sector on, as a flash of its own; `slice` is caller's storage and
 * must not move. RES_INVALID: not within `whole`, fewer than 2 sectors, or a geometry outside the
 * limits above. */
struct flash_slice {
    struct flash flash; /* use this */
    const struct flash *whole;
    uint32_t first_sector;
};
MUST_CHECK enum res flash_slice_init(struct flash_slice *slice, const struct flash *whole,
                                     uint32_t first_sector, uint32_t sector_count);

#endif
