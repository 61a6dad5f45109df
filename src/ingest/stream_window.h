/* stream_window.h: which counters of one stream (cart, epoch) are accounted for.
 *
 * Everything up to `watermark` is accounted for: stored, dead-lettered with a valid signature, or
 * declared lost by a gap record. Beyond it a bitmap of STREAM_WINDOW_BITS counters remembers what
 * came early. A counter further ahead is FAR: not taken, the cart sends it again (C-049, C-133).
 *
 * Invariant: the counter watermark + 1 is never accounted for; so the watermark is the commit-ack.
 * Pure core: no I/O, no clock, no allocation.
 */
#ifndef STREAM_WINDOW_H
#define STREAM_WINDOW_H

#include "span.h"

#define STREAM_WINDOW_BITS      1024
#define STREAM_WINDOW_BYTES_MAX (STREAM_WINDOW_BITS / 8)

struct stream_window {
    int64_t watermark;
    uint64_t above[STREAM_WINDOW_BITS / 64]; /* private: bit of counter c is c % BITS */
};

enum stream_window_place { STREAM_WINDOW_NEW, STREAM_WINDOW_SEEN, STREAM_WINDOW_FAR };

/* Everything through `watermark` (>= 0) is accounted for, nothing beyond. */
void stream_window_init(struct stream_window *w, int64_t watermark);
enum stream_window_place stream_window_place(const struct stream_window *w, int64_t counter);
/* Accounts for a counter that is NEW (asserted), and advances the watermark as far as it goes. */
void stream_window_mark(struct stream_window *w, int64_t counter);
/* Accounts for from..to (1 <= from <= to, asserted) as far as the window reaches. True when all of
 * the range is accounted for on return; false: its tail lies beyond the bitmap, ask again later. */
bool stream_window_gap(struct stream_window *w, int64_t from, int64_t to);
/* True when nothing is accounted for beyond the watermark. */
bool stream_window_is_flat(const struct stream_window *w);

/* The bitmap as stored in cart_stream.above: bit i of byte i/8 (least significant first) is counter
 * watermark + 1 + i; trailing zero bytes left out, so a flat window is empty. */
void stream_window_write(const struct stream_window *w, struct sink *above);
/* RES_INVALID: longer than STREAM_WINDOW_BYTES_MAX, a negative watermark, or the invariant broken.
 */
MUST_CHECK enum res stream_window_read(int64_t watermark, struct span above,
                                       struct stream_window *ret);

#endif
