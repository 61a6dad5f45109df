/* arena.h: a fixed block that hands out pieces and is emptied at once, one arena a message or a
 * batch. Freestanding; the caller owns the block.
 */
#ifndef ARENA_H
#define ARENA_H

#include "span.h"

struct arena {
    uint8_t *block;
    size_t size_max;
    size_t used;
};

void arena_init(struct arena *a, void *block, size_t size_max);
/* Aligned to 16 bytes, zeroed. NULL when full: the caller answers RES_FULL. */
void *arena_take(struct arena *a, size_t size) __attribute__((malloc, alloc_size(2)));
/* A copy of bytes; data is NULL when full. */
struct span arena_copy(struct arena *a, struct span bytes);
void arena_reset(struct arena *a);

#endif
