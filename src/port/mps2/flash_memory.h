/* flash_memory.h: NOR flash that is mapped into memory; on the MPS2 board the PSRAM stands for it.
 * Freestanding. A program of bytes that are not erased is RES_INVALID.
 */
#ifndef FLASH_MEMORY_H
#define FLASH_MEMORY_H

#include "flash.h"

struct flash_memory {
    struct flash flash; /* use this; do not move the struct */
    uint8_t *base;
};

/* What base holds is the flash's content. RES_INVALID: an impossible geometry. */
MUST_CHECK enum res flash_memory_init(struct flash_memory *m, uint8_t *base, uint32_t sector_bytes,
                                      uint32_t sector_count, uint32_t program_bytes);

#endif
