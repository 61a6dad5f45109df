/* flash_state.h: one small state on flash, replaced atomically (the session in progress, the
 * highest command number). Freestanding, no allocation.
 *
 * A save either happened or did not, at a power cut anywhere. It is written twice, so that a
 * flipped bit costs nothing; the state before stays until the new one is safe. Wear: sectors are
 * used in turn.
 */
#ifndef FLASH_STATE_H
#define FLASH_STATE_H

#include "flash.h"

#define FLASH_STATE_BYTES_MAX 1024 /* and at most flash_state_bytes_max of this flash */

struct flash_state { /* private, for static storage */
    const struct flash *flash;
    uint32_t unit;
    uint32_t sequence; /* of the newest save */
    uint32_t sector;   /* where the next save goes, at `end` or in a later sector */
    uint32_t end;
    uint32_t size;      /* of the newest save, 0: none */
    uint32_t copies[2]; /* its places; the second may equal the first */
    uint32_t kept;      /* sector of the newest save with two copies; sector_count: none */
    uint32_t kept_sequence;
};

/* What fits twice into a sector. */
uint32_t flash_state_bytes_max(const struct flash *flash);
/* `flash` must stay: 3 sectors or more. Needs 1 KiB of stack when a cut left a save half done.
 * RES_INVALID: geometry; RES_IO. */
MUST_CHECK enum res flash_state_open(struct flash_state *s, const struct flash *flash);
/* RES_NOT_FOUND: nothing was ever saved; RES_LIMIT: larger than size_max; RES_CORRUPT: both copies
 * have rotted since the open; RES_IO. */
MUST_CHECK enum res flash_state_load(const struct flash_state *s, void *data, uint32_t size_max,
                                     uint32_t *ret_size);
/* Durable on return. RES_INVALID: empty; RES_LIMIT; RES_IO: the old or the new one is there. */
MUST_CHECK enum res flash_state_save(struct flash_state *s, struct span state);

#endif
