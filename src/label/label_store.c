#include "label_store.h"

#include <string.h>

_Static_assert(sizeof(struct label_memory) <= 500, "saved twice in a sector of 1,024 bytes");

enum res label_store_open(struct label_store *s, const struct flash *flash,
                          const struct secure_element *secure)
{
    static const uint32_t first[] = {0, LABEL_STORE_MEMORY_SECTORS,
                                     LABEL_STORE_MEMORY_SECTORS + LABEL_CACHE_SECTORS};
    uint32_t sizes[] = {LABEL_STORE_MEMORY_SECTORS, LABEL_CACHE_SECTORS, 0};
    enum res r = RES_OK;
    memset(s, 0, sizeof *s);
    if (flash->sector_count < LABEL_STORE_SECTORS) {
        return RES_INVALID;
    }
    sizes[2] = flash->sector_count - first[2];
    sizes[2] = sizes[2] > FLASH_QUEUE_SECTORS_MAX ? FLASH_QUEUE_SECTORS_MAX : sizes[2];
    for (size_t i = 0; i < 3 && r == RES_OK; i++) {
        r = flash_slice_init(&s->slices[i], flash, first[i], sizes[i]);
    }
    if (r == RES_OK) {
        r = flash_state_open(&s->state, &s->slices[0].flash);
    }
    if (r == RES_OK) {
        r = label_cache_open(&s->cache, &s->slices[1].flash);
    }
    if (r == RES_OK) {
        r = flash_queue_open(&s->queue, &s->slices[2].flash, secure);
    }
    return r;
}

enum res label_store_load(const struct label_store *s, struct label_memory *ret_memory)
{
    struct label_memory memory;
    uint32_t size;
    enum res r = flash_state_load(&s->state, &memory, sizeof memory, &size);
    if (r == RES_LIMIT || r == RES_CORRUPT ||
        (r == RES_OK && (size != sizeof memory || memory.format != LABEL_MEMORY_FORMAT))) {
        return RES_NOT_FOUND;
    }
    if (r == RES_OK) {
        *ret_memory = memory;
    }
    return r;
}

enum res label_store_save(struct label_store *s, const struct label_memory *memory)
{
    return flash_state_save(&s->state, span_of(memory, sizeof *memory));
}
