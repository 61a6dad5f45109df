/* flash_lines.h: numbered records on flash, put one at a time and cleared all at once: the lines of
 * the basket of one session. Freestanding, no allocation.
 *
 * A log: putting a number again takes another place and replaces its record. Put and clear are one
 * program operation each, and happened or did not, at a power cut anywhere. A flipped bit is mended
 * on reading. Reading looks at the log from its end, so lately put records are found first.
 */
#ifndef FLASH_LINES_H
#define FLASH_LINES_H

#include "flash.h"

#define FLASH_LINES_RECORD_BYTES 112
#define FLASH_LINES_SLOT_BYTES   128 /* what a put takes on flash */

struct flash_lines { /* private, for static storage */
    const struct flash *flash;
    uint32_t slots;
    uint32_t generation; /* one a clear */
    uint32_t sequence;   /* of the newest slot */
    uint32_t next;       /* slot for the next put; a sector's first one is erased before */
    uint32_t used;       /* slots of this generation, the ones before `next` */
};

/* `flash` must stay: 3 sectors or more. RES_INVALID: geometry; RES_IO. */
MUST_CHECK enum res flash_lines_open(struct flash_lines *l, const struct flash *flash);
/* Puts between two clears that always fit when no power is cut: the slots of all sectors but two.
 */
uint32_t flash_lines_puts_max(const struct flash_lines *l);
/* Durable on return. number: 1..65,535. RES_FULL: nothing was changed; RES_IO: the old or the new
 * record is there. */
MUST_CHECK enum res flash_lines_put(struct flash_lines *l, uint16_t number,
                                    const uint8_t record[FLASH_LINES_RECORD_BYTES]);
/* RES_NOT_FOUND: not put since the last clear; RES_IO. */
MUST_CHECK enum res flash_lines_read(const struct flash_lines *l, uint16_t number,
                                     uint8_t ret_record[FLASH_LINES_RECORD_BYTES]);
/* Forgets all. RES_IO: they are gone or all there. */
MUST_CHECK enum res flash_lines_clear(struct flash_lines *l);

#endif
