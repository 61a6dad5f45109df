#include "label_device.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS_FIRST 1024

enum res label_device_table_init(struct label_devices *d, size_t count_max)
{
    *d = (struct label_devices){.slot_count = SLOTS_FIRST, .count_max = count_max};
    d->slots = calloc(SLOTS_FIRST, sizeof *d->slots);
    if (d->slots == NULL) {
        return RES_NO_MEMORY;
    }
    (void)pthread_mutex_init(&d->lock, NULL);
    return RES_OK;
}

void label_device_table_deinit(struct label_devices *d)
{
    if (d->slots == NULL) {
        return;
    }
    for (size_t i = 0; i < d->slot_count; i++) {
        free(d->slots[i]);
    }
    free(d->slots);
    d->slots = NULL;
    (void)pthread_mutex_destroy(&d->lock);
}

struct span label_device_id(const struct label_device *device)
{
    return span_of(device->id, device->id_size);
}

struct span label_device_store(const struct label_device *device)
{
    return span_of(device->store, device->store_size);
}

/* FNV-1a. Ids are names in certificates of our own CA: nobody picks them to collide. */
static size_t hash(struct span id)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < id.size; i++) {
        h = (h ^ id.data[i]) * UINT64_C(1099511628211);
    }
    return (size_t)(h ^ h >> 32);
}

/* The id's slot, or the empty one where it would go. */
static struct label_device **slot_of(struct label_device **slots, size_t slot_count, struct span id)
{
    size_t at = hash(id) & (slot_count - 1);
    while (slots[at] != NULL && !span_equal(label_device_id(slots[at]), id)) {
        at = (at + 1) & (slot_count - 1);
    }
    return &slots[at];
}

static bool grow(struct label_devices *d)
{
    size_t slot_count = d->slot_count * 2;
    struct label_device **slots = calloc(slot_count, sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < d->slot_count; i++) {
        if (d->slots[i] != NULL) {
            *slot_of(slots, slot_count, label_device_id(d->slots[i])) = d->slots[i];
        }
    }
    free(d->slots);
    d->slots = slots;
    d->slot_count = slot_count;
    return true;
}

struct label_device *label_device_table_find(struct label_devices *d, struct span id)
{
    return *slot_of(d->slots, d->slot_count, id);
}

struct label_device *label_device_table_take(struct label_devices *d, struct span id)
{
    struct label_device **slot = slot_of(d->slots, d->slot_count, id);
    if (*slot != NULL || d->count == d->count_max || id.size > SHELF_ID_BYTES_MAX) {
        return *slot;
    }
    if (d->count * 2 >= d->slot_count) {
        if (!grow(d)) {
            return NULL;
        }
        slot = slot_of(d->slots, d->slot_count, id);
    }
    struct label_device *made = calloc(1, sizeof *made);
    if (made != NULL) {
        memcpy(made->id, id.data, id.size);
        made->id_size = (uint8_t)id.size;
        made->fold = -1;
        label_stream_init(&made->stream, 0, 0);
        *slot = made;
        d->count++;
    }
    return made;
}
