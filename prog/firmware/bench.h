/* bench.h: the cart's core on the bare MPS2 board.
 *
 * The board has memory, a serial line and a clock, and none of the cart's other parts. So codes are
 * read from the serial line as from a serial barcode scanner, the display writes lines to it, the
 * network is always out of reach (stand_in.h). A product replaces each by its driver.
 */
#ifndef BENCH_H
#define BENCH_H

#include "cart.h"

#define BENCH_FLASH_BYTES (2u << 20)

/* Mounts the flash and starts the core on it; again after bench_cut: a power cut. */
MUST_CHECK enum res bench_start(struct cart *c);
struct cart_time bench_now(void);
void bench_blank(void); /* erases the whole flash */

#endif
