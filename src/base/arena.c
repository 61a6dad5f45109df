#include "arena.h"

#include <string.h>

#define ARENA_ALIGN 16u

void arena_init(struct arena *a, void *block, size_t size_max)
{
    *a = (struct arena){.block = block, .size_max = size_max};
}

void *arena_take(struct arena *a, size_t size)
{
    size_t padding = (ARENA_ALIGN - ((uintptr_t)(a->block + a->used) % ARENA_ALIGN)) % ARENA_ALIGN;
    if (padding > a->size_max - a->used || size > a->size_max - a->used - padding) {
        return NULL;
    }
    uint8_t *piece = a->block + a->used + padding;
    a->used += padding + size;
    memset(piece, 0, size);
    return piece;
}

struct span arena_copy(struct arena *a, struct span bytes)
{
    uint8_t *copy = arena_take(a, bytes.size);
    if (copy == NULL) {
        return SPAN_NONE;
    }
    if (bytes.size > 0) {
        memcpy(copy, bytes.data, bytes.size);
    }
    return (struct span){copy, bytes.size};
}

void arena_reset(struct arena *a)
{
    a->used = 0;
}
