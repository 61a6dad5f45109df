#include "catalog_set.h"

#include <stdlib.h>
#include <string.h>

void catalog_set_init(struct catalog_set *s)
{
    *s = (struct catalog_set){0};
}

void catalog_set_deinit(struct catalog_set *s)
{
    free(s->texts);
    free(s->slots);
    *s = (struct catalog_set){0};
}

/* The slot the text is in, or the free one it belongs into. */
static size_t slot_of(const struct catalog_set *s, const char *text)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (const char *at = text; *at != '\0'; at++) {
        hash = (hash ^ (uint8_t)*at) * UINT64_C(1099511628211);
    }
    size_t i = (size_t)hash & (s->slot_count - 1);
    while (s->slots[i] != 0 && strcmp(s->texts + s->slots[i] - 1, text) != 0) {
        i = (i + 1) & (s->slot_count - 1);
    }
    return i;
}

/* Twice the slots, from half full on: a free one is always found. */
static enum res grow_slots(struct catalog_set *s)
{
    struct catalog_set bigger = *s;
    bigger.slot_count = s->slot_count == 0 ? 1024 : s->slot_count * 2;
    bigger.slots = calloc(bigger.slot_count, sizeof *bigger.slots);
    if (bigger.slots == NULL) {
        return RES_NO_MEMORY;
    }
    for (size_t i = 0; i < s->slot_count; i++) {
        if (s->slots[i] != 0) {
            bigger.slots[slot_of(&bigger, s->texts + s->slots[i] - 1)] = s->slots[i];
        }
    }
    free(s->slots);
    s->slots = bigger.slots;
    s->slot_count = bigger.slot_count;
    return RES_OK;
}

enum res catalog_set_add(struct catalog_set *s, const char *text)
{
    size_t size = strlen(text) + 1;
    if (s->texts_used + size >= UINT32_MAX) {
        return RES_LIMIT;
    }
    if ((s->count + 1) * 2 > s->slot_count && grow_slots(s) != RES_OK) {
        return RES_NO_MEMORY;
    }
    size_t slot = slot_of(s, text);
    if (s->slots[slot] != 0) {
        return RES_CONFLICT;
    }
    if (s->texts_used + size > s->texts_room) {
        size_t room = (s->texts_room + size) * 2;
        char *texts = realloc(s->texts, room);
        if (texts == NULL) {
            return RES_NO_MEMORY;
        }
        s->texts = texts;
        s->texts_room = room;
    }
    memcpy(s->texts + s->texts_used, text, size);
    s->slots[slot] = (uint32_t)(s->texts_used + 1);
    s->texts_used += size;
    s->count++;
    return RES_OK;
}
