#include "ingest_device.h"

#include <assert.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MIN 1024

_Static_assert(
    sizeof(struct ingest_device) <= 192,
    "with its slots and the heap's own words a quiet device stays below 256 bytes (P22)");

enum res ingest_devices_init(struct ingest_devices *d)
{
    memset(d, 0, sizeof *d);
    d->slots = calloc(SLOTS_MIN, sizeof *d->slots);
    if (d->slots == NULL || RAND_bytes(d->key, sizeof d->key) != 1 ||
        pthread_mutex_init(&d->lock, NULL) != 0) {
        free(d->slots);
        return RES_NO_MEMORY;
    }
    d->slot_count = SLOTS_MIN;
    return RES_OK;
}

void ingest_devices_deinit(struct ingest_devices *d)
{
    for (size_t i = 0; i < d->slot_count; i++) {
        if (d->slots[i] != NULL) {
            ingest_cart_free(d->slots[i]->cart);
            free(d->slots[i]);
        }
    }
    free(d->slots);
    free(d->stores);
    (void)pthread_mutex_destroy(&d->lock);
}

static size_t home(const struct ingest_devices *d, struct span id)
{
    return (size_t)fingerprint_of(d->key, id) & (d->slot_count - 1);
}

static struct ingest_device **slot_of(const struct ingest_devices *d, struct span id)
{
    size_t i = home(d, id);
    while (d->slots[i] != NULL && !span_equal(ingest_device_id(d->slots[i]), id)) {
        i = (i + 1) & (d->slot_count - 1);
    }
    return &d->slots[i];
}

struct ingest_device *ingest_devices_find(struct ingest_devices *d, struct span id)
{
    return *slot_of(d, id);
}

static enum res grow(struct ingest_devices *d)
{
    struct ingest_devices wider = *d;
    wider.slot_count = d->slot_count * 2;
    wider.slots = calloc(wider.slot_count, sizeof *wider.slots);
    if (wider.slots == NULL) {
        return RES_NO_MEMORY;
    }
    for (size_t i = 0; i < d->slot_count; i++) {
        if (d->slots[i] != NULL) {
            *slot_of(&wider, ingest_device_id(d->slots[i])) = d->slots[i];
        }
    }
    free(d->slots);
    d->slots = wider.slots;
    d->slot_count = wider.slot_count;
    return RES_OK;
}

static enum res find_store(struct ingest_devices *d, struct span id, struct span region,
                           uint16_t *ret)
{
    struct ingest_store s = {.id = ""};
    enum res res = span_copy_text(id, s.id, sizeof s.id);
    if (res == RES_OK) {
        res = span_copy_text(region, s.region, sizeof s.region);
    }
    if (res != RES_OK) {
        return res;
    }
    for (size_t i = 0; i < d->store_count; i++) {
        if (strcmp(d->stores[i].id, s.id) == 0) {
            d->stores[i] = s;
            *ret = (uint16_t)i;
            return RES_OK;
        }
    }
    if (d->store_count == UINT16_MAX) {
        return RES_LIMIT;
    }
    struct ingest_store *more = realloc(d->stores, (d->store_count + 1) * sizeof *more);
    if (more == NULL) {
        return RES_NO_MEMORY;
    }
    d->stores = more;
    d->stores[d->store_count] = s;
    *ret = (uint16_t)d->store_count;
    d->store_count++;
    return RES_OK;
}

enum res ingest_devices_put(struct ingest_devices *d, struct span id, struct span store,
                            struct span region, struct span key, bool revoked)
{
    uint16_t store_index;
    if (id.size == 0 || id.size > INGEST_DEVICE_ID_BYTES_MAX || key.size != INGEST_KEY_BYTES) {
        return RES_LIMIT;
    }
    enum res res = find_store(d, store, region, &store_index);
    if (res == RES_OK && (d->count + 1) * 2 > d->slot_count) {
        res = grow(d);
    }
    if (res != RES_OK) {
        return res;
    }
    struct ingest_device **slot = slot_of(d, id);
    if (*slot == NULL) {
        struct ingest_device *made = calloc(1, sizeof *made);
        if (made == NULL) {
            return RES_NO_MEMORY;
        }
        memcpy(made->id, id.data, id.size);
        made->id_size = (uint8_t)id.size;
        *slot = made;
        d->count++;
    }
    struct ingest_device *device = *slot;
    if (memcmp(device->key, key.data, key.size) != 0) {
        memcpy(device->key, key.data, key.size);
        device->generation++;
    }
    device->store = store_index;
    device->revoked = revoked;
    return RES_OK;
}

void ingest_devices_notice(struct ingest_devices *d, struct ingest_device *device,
                           enum ingest_notice notice)
{
    if (device->notices == 0) {
        device->next_notice = d->notices;
        d->notices = device;
    }
    device->notices = (uint8_t)(device->notices | notice);
}

struct span ingest_device_id(const struct ingest_device *device)
{
    return span_of(device->id, device->id_size);
}

struct span ingest_devices_store(const struct ingest_devices *d, const struct ingest_device *device)
{
    return span_text(d->stores[device->store].id, INGEST_STORE_ID_BYTES_MAX);
}

struct ingest_cart *ingest_cart_new(void)
{
    return calloc(1, sizeof(struct ingest_cart));
}

void ingest_cart_free(struct ingest_cart *cart)
{
    if (cart != NULL) {
        free(cart->previous);
        free(cart->session);
        free(cart);
    }
}

struct ingest_stream *ingest_cart_stream(struct ingest_cart *cart, int64_t epoch)
{
    if (cart->current.epoch == epoch) {
        return &cart->current;
    }
    return cart->previous != NULL && cart->previous->epoch == epoch ? cart->previous : NULL;
}

enum res ingest_cart_turn(struct ingest_cart *cart, int64_t epoch)
{
    assert(epoch > cart->current.epoch);
    if (cart->current.epoch > 0) {
        if (cart->previous == NULL) {
            cart->previous = malloc(sizeof *cart->previous);
        }
        if (cart->previous == NULL) {
            return RES_NO_MEMORY;
        }
        *cart->previous = cart->current;
    }
    memset(&cart->current, 0, sizeof cart->current);
    cart->current.epoch = epoch;
    return RES_OK;
}
