#include "block_index.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NONE        UINT32_MAX
#define VARINT_MAX  10
#define ENTRY_BYTES (7 * VARINT_MAX)

struct entry {
    struct block_index_entry e;
    uint32_t next; /* of the same key, or NONE */
};

struct key {
    struct block_index_key name;
    uint32_t first;
    uint32_t last;
    uint32_t count;
};

struct block_index {
    struct key *keys;
    size_t key_count;
    size_t key_room;
    struct entry *entries;
    size_t entry_count;
    size_t entry_room;
    uint32_t *slots; /* key index + 1; 0: free */
    size_t slot_count;
    size_t blocks;
    size_t events;
    struct sealed_buffer page;
    struct sealed_buffer directory;
};

struct block_index_key block_index_key(enum block_index_kind kind, struct span id)
{
    assert(id.size <= TELEMETRY_ID_BYTES_MAX);
    struct block_index_key key = {.size = 1 + id.size};
    key.bytes[0] = (uint8_t)kind;
    if (id.size > 0) {
        memcpy(key.bytes + 1, id.data, id.size);
    }
    return key;
}

static struct span key_span(const struct block_index_key *key)
{
    return span_of(key->bytes, key->size);
}

enum res block_index_new(struct block_index **ret)
{
    struct block_index *x = calloc(1, sizeof *x);
    if (x == NULL) {
        return RES_NO_MEMORY;
    }
    x->slot_count = 2048;
    x->slots = calloc(x->slot_count, sizeof *x->slots);
    if (x->slots == NULL) {
        free(x);
        return RES_NO_MEMORY;
    }
    *ret = x;
    return RES_OK;
}

void block_index_free(struct block_index *x)
{
    if (x == NULL) {
        return;
    }
    free(x->keys);
    free(x->entries);
    free(x->slots);
    sealed_buffer_deinit(&x->page);
    sealed_buffer_deinit(&x->directory);
    free(x);
}

void block_index_clear(struct block_index *x)
{
    memset(x->slots, 0, x->slot_count * sizeof *x->slots);
    x->key_count = 0;
    x->entry_count = 0;
    x->blocks = 0;
    x->events = 0;
}

bool block_index_is_full(const struct block_index *x)
{
    return x->blocks >= BLOCK_INDEX_BLOCKS_MAX || x->entry_count >= BLOCK_INDEX_ENTRIES_MAX ||
           (x->blocks >= BLOCK_INDEX_BLOCKS_FULL && x->events >= BLOCK_INDEX_EVENTS_FULL);
}

size_t block_index_blocks(const struct block_index *x)
{
    return x->blocks;
}

size_t block_index_events(const struct block_index *x)
{
    return x->events;
}

static uint32_t hash_of(uint8_t kind, struct span id)
{
    uint32_t hash = (2166136261u ^ kind) * 16777619u;
    for (size_t i = 0; i < id.size; i++) {
        hash = (hash ^ id.data[i]) * 16777619u;
    }
    return hash ^ (hash >> 15);
}

static bool key_is(const struct block_index_key *key, uint8_t kind, struct span id)
{
    return key->size == 1 + id.size && key->bytes[0] == kind &&
           (id.size == 0 || memcmp(key->bytes + 1, id.data, id.size) == 0);
}

/* The slot that holds the key, or the free one where it belongs. */
static uint32_t *slot_of(const struct block_index *x, uint8_t kind, struct span id)
{
    size_t mask = x->slot_count - 1;
    for (size_t at = hash_of(kind, id) & mask;; at = (at + 1) & mask) {
        uint32_t found = x->slots[at];
        if (found == 0 || key_is(&x->keys[found - 1].name, kind, id)) {
            return &x->slots[at];
        }
    }
}

static enum res grow_slots(struct block_index *x)
{
    size_t count = x->slot_count * 2;
    uint32_t *slots = calloc(count, sizeof *slots);
    if (slots == NULL) {
        return RES_NO_MEMORY;
    }
    free(x->slots);
    x->slots = slots;
    x->slot_count = count;
    for (size_t i = 0; i < x->key_count; i++) {
        const struct block_index_key *key = &x->keys[i].name;
        *slot_of(x, key->bytes[0], span_of(key->bytes + 1, key->size - 1)) = (uint32_t)(i + 1);
    }
    return RES_OK;
}

/* Makes room for one more element of `size` bytes. */
static enum res grow(void **array, size_t *room, size_t count, size_t size)
{
    if (count < *room) {
        return RES_OK;
    }
    size_t more = *room == 0 ? 1024 : *room * 2;
    void *moved = realloc(*array, more * size);
    if (moved == NULL) {
        return RES_NO_MEMORY;
    }
    *array = moved;
    *room = more;
    return RES_OK;
}

static enum res find_or_add_key(struct block_index *x, enum block_index_kind kind, struct span id,
                                struct key **ret)
{
    uint32_t *slot = slot_of(x, (uint8_t)kind, id);
    if (*slot == 0) {
        void *keys = x->keys;
        enum res r = grow(&keys, &x->key_room, x->key_count, sizeof *x->keys);
        x->keys = keys;
        if (r == RES_OK && x->key_count * 2 >= x->slot_count) {
            r = grow_slots(x);
            slot = slot_of(x, (uint8_t)kind, id);
        }
        if (r != RES_OK) {
            return r;
        }
        x->keys[x->key_count++] =
            (struct key){.name = block_index_key(kind, id), .first = NONE, .last = NONE};
        *slot = (uint32_t)x->key_count;
    }
    *ret = &x->keys[*slot - 1];
    return RES_OK;
}

static bool has_counters(uint8_t kind)
{
    return kind == BLOCK_INDEX_DEVICE || kind == BLOCK_INDEX_WRITER;
}

/* Widens the key's entry of this block, or gives it one. */
static enum res note(struct block_index *x, enum block_index_kind kind, struct span id,
                     int64_t block, const struct telemetry_event *event)
{
    struct key *key = NULL;
    enum res r = find_or_add_key(x, kind, id, &key);
    if (r != RES_OK) {
        return r;
    }
    int64_t epoch = kind == BLOCK_INDEX_DEVICE ? event->epoch : 0;
    int64_t counter = has_counters((uint8_t)kind) ? event->counter : 0;
    int64_t time_ms = event->device_time_ms;
    uint64_t mask = UINT64_C(1) << event->type;
    struct block_index_entry *e = key->last == NONE ? NULL : &x->entries[key->last].e;
    if (e != NULL && e->block == block && e->epoch == epoch) {
        e->counter_min = counter < e->counter_min ? counter : e->counter_min;
        e->counter_max = counter > e->counter_max ? counter : e->counter_max;
        e->time_min = time_ms < e->time_min ? time_ms : e->time_min;
        e->time_max = time_ms > e->time_max ? time_ms : e->time_max;
        e->type_mask |= mask;
        return RES_OK;
    }
    void *entries = x->entries;
    r = grow(&entries, &x->entry_room, x->entry_count, sizeof *x->entries);
    x->entries = entries;
    if (r != RES_OK) {
        return r;
    }
    assert(x->entries != NULL);
    uint32_t at = (uint32_t)x->entry_count++;
    x->entries[at] = (struct entry){
        {block, epoch, counter, counter, time_ms, time_ms, mask},
        NONE,
    };
    if (key->last == NONE) {
        key->first = at;
    } else {
        x->entries[key->last].next = at;
    }
    key->last = at;
    key->count++;
    return RES_OK;
}

enum res block_index_add(struct block_index *x, int64_t number,
                         const struct block_codec_block *block)
{
    enum res r = RES_OK;
    for (size_t i = 0; i < block->count && r == RES_OK; i++) {
        const struct telemetry_event *e = &block->events[i];
        r = note(x, BLOCK_INDEX_DEVICE, e->device_id, number, e);
        if (r == RES_OK && e->session_id.size > 0) {
            r = note(x, BLOCK_INDEX_SESSION, e->session_id, number, e);
        }
        if (r == RES_OK) {
            r = note(x, BLOCK_INDEX_STORE, e->store_id, number, e);
        }
        if (r == RES_OK) {
            r = note(x, BLOCK_INDEX_ALL, SPAN_NONE, number, e);
        }
    }
    if (r == RES_OK) {
        struct telemetry_event ends = {.counter = number};
        r = note(x, BLOCK_INDEX_WRITER, block->writer, number, &ends);
        ends.counter += block->span;
        if (r == RES_OK && block->span > 0) {
            r = note(x, BLOCK_INDEX_WRITER, block->writer, number, &ends);
        }
    }
    x->blocks++;
    x->events += block->count;
    return r;
}

enum res block_index_find(const struct block_index *x, const struct block_index_key *key,
                          block_index_visit visit, void *user)
{
    uint32_t slot = *slot_of(x, key->bytes[0], span_of(key->bytes + 1, key->size - 1));
    enum res r = RES_OK;
    for (uint32_t at = slot == 0 ? NONE : x->keys[slot - 1].first; at != NONE && r == RES_OK;
         at = x->entries[at].next) {
        r = visit(user, &x->entries[at].e);
    }
    return r;
}

static int compare_keys(const void *a, const void *b)
{
    const struct key *left = a;
    const struct key *right = b;
    return span_compare(key_span(&left->name), key_span(&right->name));
}

/* Entries as differences: blocks, counters and times rise from entry to entry. */
static enum res put_key(const struct block_index *x, const struct key *key,
                        struct sealed_buffer *out)
{
    enum res r = sealed_buffer_reserve(out, BLOCK_INDEX_KEY_BYTES_MAX + 2 * VARINT_MAX +
                                                key->count * ENTRY_BYTES);
    if (r != RES_OK) {
        return r;
    }
    sealed_put_text(out, key_span(&key->name));
    sealed_put_varint(out, key->count);
    bool counters = has_counters(key->name.bytes[0]);
    struct block_index_entry last = {0};
    for (uint32_t at = key->first; at != NONE; at = x->entries[at].next) {
        const struct block_index_entry *e = &x->entries[at].e;
        sealed_put_varint(out, (uint64_t)(e->block - last.block));
        sealed_put_signed(out, (int64_t)((uint64_t)e->time_min - (uint64_t)last.time_max));
        sealed_put_varint(out, (uint64_t)e->time_max - (uint64_t)e->time_min);
        sealed_put_varint(out, e->type_mask);
        if (counters) {
            sealed_put_signed(out, (int64_t)((uint64_t)e->epoch - (uint64_t)last.epoch));
            sealed_put_signed(out,
                              (int64_t)((uint64_t)e->counter_min - (uint64_t)last.counter_max));
            sealed_put_varint(out, (uint64_t)e->counter_max - (uint64_t)e->counter_min);
        }
        last = *e;
    }
    return RES_OK;
}

static enum res close_page(struct block_index *x, int64_t day, int64_t number, block_index_put put,
                           void *user)
{
    enum res r = sealed_finish(&x->page, day, number);
    if (r == RES_OK) {
        r = put(user, true, number, span_of(x->page.data, x->page.size));
    }
    return r;
}

enum res block_index_write(struct block_index *x, int64_t day, int64_t segment, int64_t first_page,
                           block_index_put put, void *user, int64_t *ret_pages)
{
    qsort(x->keys, x->key_count, sizeof *x->keys, compare_keys);
    memset(x->slots, 0, x->slot_count * sizeof *x->slots); /* the keys moved */
    for (size_t i = 0; i < x->key_count; i++) {
        const struct block_index_key *key = &x->keys[i].name;
        *slot_of(x, key->bytes[0], span_of(key->bytes + 1, key->size - 1)) = (uint32_t)(i + 1);
    }
    int64_t pages = 0;
    bool open = false;
    enum res r = sealed_start(&x->directory, BLOCK_INDEX_SEGMENT_KIND);
    for (size_t i = 0; i < x->key_count && r == RES_OK; i++) {
        if (!open) {
            r = sealed_start(&x->page, BLOCK_INDEX_PAGE_KIND);
            if (r == RES_OK) {
                r = sealed_buffer_reserve(&x->directory,
                                          BLOCK_INDEX_KEY_BYTES_MAX + 2 * VARINT_MAX);
            }
            if (r != RES_OK) {
                break;
            }
            sealed_put_text(&x->directory, key_span(&x->keys[i].name));
            sealed_put_varint(&x->directory, (uint64_t)(first_page + pages));
            open = true;
        }
        r = put_key(x, &x->keys[i], &x->page);
        if (r == RES_OK && (x->page.size >= BLOCK_INDEX_PAGE_BYTES || i + 1 == x->key_count)) {
            r = close_page(x, day, first_page + pages, put, user);
            pages++;
            open = false;
        }
    }
    if (r == RES_OK) {
        r = sealed_finish(&x->directory, day, segment);
    }
    if (r == RES_OK) {
        r = put(user, false, segment, span_of(x->directory.data, x->directory.size));
    }
    if (r == RES_OK) {
        *ret_pages = pages;
    }
    return r;
}

enum res block_index_page_of(struct span directory, const struct block_index_key *key,
                             int64_t *ret_page)
{
    struct sealed_reader in = sealed_reader_of(directory);
    int64_t page = 0;
    while (in.at != in.end && !in.bad) {
        struct span first = sealed_get_text(&in);
        int64_t number = (int64_t)sealed_get_varint(&in);
        if (in.bad || span_compare(first, key_span(key)) > 0) {
            break;
        }
        page = number;
    }
    if (in.bad) {
        return RES_CORRUPT;
    }
    *ret_page = page;
    return RES_OK;
}

static void get_entry(struct sealed_reader *in, bool counters, struct block_index_entry *e)
{
    struct block_index_entry last = *e;
    e->block = (int64_t)((uint64_t)last.block + sealed_get_varint(in));
    e->time_min = (int64_t)((uint64_t)last.time_max + (uint64_t)sealed_get_signed(in));
    e->time_max = (int64_t)((uint64_t)e->time_min + sealed_get_varint(in));
    e->type_mask = sealed_get_varint(in);
    if (counters) {
        e->epoch = (int64_t)((uint64_t)last.epoch + (uint64_t)sealed_get_signed(in));
        e->counter_min = (int64_t)((uint64_t)last.counter_max + (uint64_t)sealed_get_signed(in));
        e->counter_max = (int64_t)((uint64_t)e->counter_min + sealed_get_varint(in));
    }
}

enum res block_index_page_find(struct span page, const struct block_index_key *key,
                               block_index_visit visit, void *user)
{
    struct sealed_reader in = sealed_reader_of(page);
    while (in.at != in.end && !in.bad) {
        struct span name = sealed_get_text(&in);
        uint64_t count = sealed_get_varint(&in);
        bool wanted = span_equal(name, key_span(key));
        bool counters = name.size > 0 && has_counters(name.data[0]);
        struct block_index_entry e = {0};
        for (uint64_t i = 0; i < count && !in.bad; i++) {
            get_entry(&in, counters, &e);
            if (wanted && !in.bad) {
                enum res r = visit(user, &e);
                if (r != RES_OK) {
                    return r;
                }
            }
        }
        if (wanted) {
            break;
        }
    }
    return in.bad ? RES_CORRUPT : RES_OK;
}
