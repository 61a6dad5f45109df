/* flash_io.h: the few things every store on flash does with the port. Freestanding. */
#ifndef FLASH_IO_H
#define FLASH_IO_H

#include "flash.h"

/* One program operation carries at most this (the page of common SPI NOR). */
#define FLASH_IO_PAGE_BYTES 256

/* RES_INVALID unless the geometry keeps the limits of flash.h. */
MUST_CHECK enum res flash_io_geometry(const struct flash *flash);
uint32_t flash_io_align_up(uint32_t value, uint32_t unit); /* unit: a power of two */
/* *ret_end: the offset just after the last byte in [from, to) that is not 0xFF, `from` if none. */
MUST_CHECK enum res flash_io_used_end(const struct flash *flash, uint32_t from, uint32_t to,
                                      uint32_t *ret_end);
/* Programs first || second at offset (a multiple of program_bytes), padded with 0xFF. Then reads
 * it back: RES_CORRUPT when it is not what was written. */
MUST_CHECK enum res flash_io_write(const struct flash *flash, uint32_t offset, struct span first,
                                   struct span second);

#endif
