/* cart_store.h: everything a cart keeps on flash: the layout, and one door to its four parts.
 *
 *   queue   events not yet acknowledged          flash_queue.h
 *   state   the newest snapshot of the ledger    flash_state.h
 *   lines   the basket of the open trip          flash_lines.h
 *   cache   the store's products                 product_cache.h
 */
#ifndef CART_STORE_H
#define CART_STORE_H

#include "cart_ledger.h"
#include "flash_lines.h"
#include "flash_state.h"
#include "product_cache.h"

/* Sectors by part, of 4,096 bytes; what is left over is the queue's, up to its own limit. */
#define CART_STORE_SECTOR_BYTES  4096
#define CART_STORE_STATE_SECTORS 4
#define CART_STORE_LINES_SECTORS 16
#define CART_STORE_CACHE_SECTORS 136
#define CART_STORE_QUEUE_SECTORS 16 /* at least */

struct cart_store {
    struct flash_slice slices[4];
    struct flash_queue queue;
    struct flash_state state;
    struct flash_lines lines;
    struct product_cache cache;
};

/* RES_INVALID: the flash is too small or its geometry is not ours; RES_IO. */
MUST_CHECK enum res cart_store_open(struct cart_store *s, const struct flash *flash,
                                    const struct secure_element *secure);
/* The newest snapshot. RES_NOT_FOUND: none, or of a layout this firmware does not know. */
MUST_CHECK enum res cart_store_load(struct cart_store *s, struct cart_ledger *ret_ledger);
MUST_CHECK enum res cart_store_save(struct cart_store *s, const struct cart_ledger *ledger);
MUST_CHECK enum res cart_store_clear_lines(struct cart_store *s);
/* Changes of lines that a trip may make; beyond them put may answer RES_FULL. */
int64_t cart_store_line_puts_max(const struct cart_store *s);
/* number: 1..CART_LINES_MAX. RES_FULL, RES_IO. */
MUST_CHECK enum res cart_store_put_line(struct cart_store *s, int64_t number,
                                        const struct cart_line *line);
/* RES_NOT_FOUND: not put since the last clear, or damaged; RES_IO. */
MUST_CHECK enum res cart_store_line(struct cart_store *s, int64_t number,
                                    struct cart_line *ret_line);

#endif
