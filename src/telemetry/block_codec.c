#include "block_codec.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <zstd.h>

#define SIGNATURE_BYTES 64
/* Bits of the codec byte. */
#define CODEC_ZSTD     1
#define CODEC_UNSIGNED 2 /* a byte an event says first whether it has a signature */
#define SLOTS          16384
#define VARINT_MAX     10
/* Varints a row may take: device, store, session, size, epoch, counter, two times, block; and its
 * type. */
#define ROW_BYTES_MAX   (9 * VARINT_MAX + 1)
#define PLAIN_BYTES_MAX ((size_t)1 << 28)

static_assert(SLOTS >= 4 * TELEMETRY_BATCH_EVENTS_MAX, "the hash table stays sparse");
static_assert(TELEMETRY_BATCH_EVENTS_MAX < UINT16_MAX, "an index fits a slot");

/* Texts of one block, numbered by first use. */
struct dictionary {
    uint16_t slots[SLOTS]; /* index + 1; 0: free */
    struct span items[TELEMETRY_BATCH_EVENTS_MAX];
    size_t count;
};

/* What the difference columns count from, one a device. */
struct last {
    uint64_t epoch;
    uint64_t counter;
    uint64_t time_ms;
};

struct block_codec {
    ZSTD_CCtx *packer;
    ZSTD_DCtx *unpacker;
    struct sealed_buffer plain;
    struct sealed_buffer unpacked;
    struct dictionary devices;
    struct dictionary stores;
    struct dictionary sessions;
    struct last last[TELEMETRY_BATCH_EVENTS_MAX];
    uint32_t start[TELEMETRY_BATCH_EVENTS_MAX + 1];
    uint16_t device[TELEMETRY_BATCH_EVENTS_MAX]; /* of each event */
    uint16_t order[TELEMETRY_BATCH_EVENTS_MAX];  /* events, device by device */
    uint16_t offsets[TELEMETRY_BATCH_EVENTS_MAX];
    uint16_t store[TELEMETRY_BATCH_EVENTS_MAX];   /* in the order of `order`, while encoding */
    uint16_t session[TELEMETRY_BATCH_EVENTS_MAX]; /* the same */
    struct telemetry_event events[TELEMETRY_BATCH_EVENTS_MAX];
};

enum res block_codec_new(struct block_codec **ret)
{
    struct block_codec *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return RES_NO_MEMORY;
    }
    c->packer = ZSTD_createCCtx();
    c->unpacker = ZSTD_createDCtx();
    if (c->packer == NULL || c->unpacker == NULL) {
        block_codec_free(c);
        return RES_NO_MEMORY;
    }
    *ret = c;
    return RES_OK;
}

void block_codec_free(struct block_codec *c)
{
    if (c == NULL) {
        return;
    }
    ZSTD_freeCCtx(c->packer);
    ZSTD_freeDCtx(c->unpacker);
    sealed_buffer_deinit(&c->plain);
    sealed_buffer_deinit(&c->unpacked);
    free(c);
}

static void dictionary_reset(struct dictionary *d)
{
    memset(d->slots, 0, sizeof d->slots);
    d->count = 0;
}

static uint16_t dictionary_index(struct dictionary *d, struct span text)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < text.size; i++) {
        hash = (hash ^ text.data[i]) * 16777619u;
    }
    hash ^= hash >> 15;
    for (uint32_t slot = hash % SLOTS;; slot = (slot + 1) % SLOTS) {
        uint16_t found = d->slots[slot];
        if (found == 0) {
            d->items[d->count++] = text;
            d->slots[slot] = (uint16_t)d->count;
            return (uint16_t)(d->count - 1);
        }
        if (span_equal(d->items[found - 1], text)) {
            return (uint16_t)(found - 1);
        }
    }
}

static void put_dictionary(struct sealed_buffer *b, const struct dictionary *d)
{
    sealed_put_varint(b, d->count);
    for (size_t i = 0; i < d->count; i++) {
        sealed_put_text(b, d->items[i]);
    }
}

/* Counting sort of the events by device; stable, so a device's events keep their order. */
static void order_by_device(struct block_codec *c, size_t count, size_t devices)
{
    memset(c->start, 0, (devices + 1) * sizeof c->start[0]);
    for (size_t i = 0; i < count; i++) {
        c->start[c->device[i] + 1u]++;
    }
    for (size_t d = 0; d < devices; d++) {
        c->start[d + 1] += c->start[d];
    }
    for (size_t i = 0; i < count; i++) {
        c->order[c->start[c->device[i]]++] = (uint16_t)i;
    }
    memset(c->last, 0, devices * sizeof c->last[0]);
}

static enum res reserve_plain(struct block_codec *c, const struct telemetry_event *events,
                              size_t count)
{
    size_t bytes = 3 * VARINT_MAX;
    for (size_t i = 0; i < count; i++) {
        bytes += ROW_BYTES_MAX + events[i].body.size + events[i].device_id.size +
                 events[i].store_id.size + events[i].session_id.size + 3 * VARINT_MAX;
    }
    c->plain.size = 0;
    return sealed_buffer_reserve(&c->plain, bytes);
}

static void put_columns(struct block_codec *c, const struct telemetry_event *events, size_t count)
{
    struct sealed_buffer *b = &c->plain;
    struct last *last = c->last;
    for (size_t i = 0; i < count; i++) {
        sealed_put_varint(b, c->store[i]);
    }
    for (size_t i = 0; i < count; i++) {
        sealed_put_varint(b, c->session[i]);
    }
    for (size_t i = 0; i < count; i++) {
        sealed_put_u8(b, events[c->order[i]].type);
    }
    for (size_t i = 0; i < count; i++) {
        sealed_put_varint(b, events[c->order[i]].body.size);
    }
    for (size_t i = 0; i < count; i++) {
        struct last *l = &last[c->device[c->order[i]]];
        uint64_t epoch = (uint64_t)events[c->order[i]].epoch;
        sealed_put_signed(b, (int64_t)(epoch - l->epoch));
        l->epoch = epoch;
    }
    for (size_t i = 0; i < count; i++) {
        struct last *l = &last[c->device[c->order[i]]];
        uint64_t counter = (uint64_t)events[c->order[i]].counter;
        sealed_put_signed(b, (int64_t)(counter - l->counter));
        l->counter = counter;
    }
    for (size_t i = 0; i < count; i++) {
        struct last *l = &last[c->device[c->order[i]]];
        uint64_t time_ms = (uint64_t)events[c->order[i]].device_time_ms;
        sealed_put_signed(b, (int64_t)(time_ms - l->time_ms));
        l->time_ms = time_ms;
    }
    uint64_t received = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t now = (uint64_t)events[i].received_ms;
        sealed_put_signed(b, (int64_t)(now - received));
        received = now;
    }
    for (size_t i = 0; i < count; i++) {
        sealed_put(b, events[c->order[i]].body);
    }
}

static enum res build_plain(struct block_codec *c, const struct block_codec_block *block)
{
    const struct telemetry_event *events = block->events;
    size_t count = block->count;
    enum res r = reserve_plain(c, events, count);
    if (r != RES_OK) {
        return r;
    }
    dictionary_reset(&c->devices);
    dictionary_reset(&c->stores);
    dictionary_reset(&c->sessions);
    for (size_t i = 0; i < count; i++) {
        c->device[i] = dictionary_index(&c->devices, events[i].device_id);
    }
    order_by_device(c, count, c->devices.count);
    for (size_t i = 0; i < count; i++) {
        c->store[i] = dictionary_index(&c->stores, events[c->order[i]].store_id);
        c->session[i] = dictionary_index(&c->sessions, events[c->order[i]].session_id);
    }
    put_dictionary(&c->plain, &c->devices);
    put_dictionary(&c->plain, &c->stores);
    put_dictionary(&c->plain, &c->sessions);
    for (size_t i = 0; i < count; i++) {
        sealed_put_varint(&c->plain, c->device[i]);
    }
    put_columns(c, events, count);
    for (size_t i = 0; i < count && block->span > 0; i++) {
        sealed_put_varint(&c->plain,
                          (uint64_t)(block->offsets[i] - (i == 0 ? 0 : block->offsets[i - 1])));
    }
    return RES_OK;
}

/* Compressed or as it is, after its size. */
static enum res put_packed(struct block_codec *c, bool compress, struct sealed_buffer *out)
{
    if (!compress) {
        sealed_put_fixed(out, c->plain.size);
        sealed_put(out, span_of(c->plain.data, c->plain.size));
        return RES_OK;
    }
    size_t at = out->size;
    sealed_put_fixed(out, 0); /* the size is known afterwards */
    size_t size =
        ZSTD_compressCCtx(c->packer, out->data + out->size, ZSTD_compressBound(c->plain.size),
                          c->plain.data, c->plain.size, BLOCK_CODEC_LEVEL);
    if (ZSTD_isError(size)) {
        return RES_NO_MEMORY; /* there is room for the worst case: nothing else fails */
    }
    out->size = at;
    sealed_put_fixed(out, size);
    out->size += size;
    return RES_OK;
}

static bool is_all_signed(const struct telemetry_event *events, size_t count)
{
    size_t i = 0;
    while (i < count && events[i].signature.size == SIGNATURE_BYTES) {
        i++;
    }
    return i == count;
}

enum res block_codec_encode(struct block_codec *c, const struct block_codec_block *block,
                            bool compress, struct sealed_buffer *out)
{
    size_t count = block->count;
    assert(count > 0 && count <= TELEMETRY_BATCH_EVENTS_MAX);
    enum res r = build_plain(c, block);
    if (r == RES_OK) {
        r = sealed_start(out, BLOCK_CODEC_KIND);
    }
    if (r == RES_OK) {
        r = sealed_buffer_reserve(out, block->writer.size + 6 * VARINT_MAX +
                                           ZSTD_compressBound(c->plain.size) + count +
                                           count * SIGNATURE_BYTES);
    }
    if (r != RES_OK) {
        return r;
    }
    sealed_put_text(out, block->writer);
    sealed_put_varint(out, block->span);
    sealed_put_varint(out, count);
    bool all_signed = is_all_signed(block->events, count);
    sealed_put_u8(out, (uint8_t)((compress ? CODEC_ZSTD : 0) | (all_signed ? 0 : CODEC_UNSIGNED)));
    sealed_put_varint(out, c->plain.size);
    r = put_packed(c, compress, out);
    for (size_t i = 0; i < count && r == RES_OK && !all_signed; i++) {
        sealed_put_u8(out, block->events[i].signature.size > 0 ? 1 : 0);
    }
    for (size_t i = 0; i < count && r == RES_OK; i++) {
        sealed_put(out, block->events[i].signature);
    }
    return r;
}

static void get_dictionary(struct sealed_reader *in, struct dictionary *d)
{
    size_t count = sealed_get_varint(in);
    if (count > TELEMETRY_BATCH_EVENTS_MAX) {
        in->bad = true;
        count = 0;
    }
    for (size_t i = 0; i < count; i++) {
        d->items[i] = sealed_get_text(in);
    }
    d->count = count;
}

static struct span get_item(struct sealed_reader *in, const struct dictionary *d)
{
    size_t index = sealed_get_varint(in);
    if (index >= d->count) {
        in->bad = true;
        return SPAN_NONE;
    }
    return d->items[index];
}

static void get_columns(struct block_codec *c, struct sealed_reader *in, size_t count)
{
    struct telemetry_event *events = c->events;
    for (size_t i = 0; i < count; i++) {
        events[c->order[i]].store_id = get_item(in, &c->stores);
    }
    for (size_t i = 0; i < count; i++) {
        events[c->order[i]].session_id = get_item(in, &c->sessions);
    }
    for (size_t i = 0; i < count; i++) {
        uint8_t type = sealed_get_u8(in);
        in->bad = in->bad || type >= TELEMETRY_TYPES_MAX; /* it is shifted by, as a mask */
        events[c->order[i]].type = type;
    }
    for (size_t i = 0; i < count; i++) {
        events[c->order[i]].body.size = sealed_get_varint(in);
    }
    for (size_t i = 0; i < count; i++) {
        struct last *l = &c->last[c->device[c->order[i]]];
        l->epoch += (uint64_t)sealed_get_signed(in);
        events[c->order[i]].epoch = (int64_t)l->epoch;
    }
    for (size_t i = 0; i < count; i++) {
        struct last *l = &c->last[c->device[c->order[i]]];
        l->counter += (uint64_t)sealed_get_signed(in);
        events[c->order[i]].counter = (int64_t)l->counter;
    }
    for (size_t i = 0; i < count; i++) {
        struct last *l = &c->last[c->device[c->order[i]]];
        l->time_ms += (uint64_t)sealed_get_signed(in);
        events[c->order[i]].device_time_ms = (int64_t)l->time_ms;
    }
    uint64_t received = 0;
    for (size_t i = 0; i < count; i++) {
        received += (uint64_t)sealed_get_signed(in);
        events[i].received_ms = (int64_t)received;
    }
    for (size_t i = 0; i < count; i++) {
        struct telemetry_event *e = &events[c->order[i]];
        e->body = sealed_get(in, e->body.size);
    }
}

static void get_offsets(struct block_codec *c, struct sealed_reader *in, size_t count,
                        uint64_t span)
{
    uint64_t offset = 0;
    for (size_t i = 0; i < count; i++) {
        offset += span > 0 ? sealed_get_varint(in) : 0;
        if (offset > span) {
            in->bad = true;
            offset = 0;
        }
        c->offsets[i] = (uint16_t)offset;
    }
}

static enum res read_plain(struct block_codec *c, struct span plain, size_t count, uint64_t span)
{
    struct sealed_reader in = sealed_reader_of(plain);
    get_dictionary(&in, &c->devices);
    get_dictionary(&in, &c->stores);
    get_dictionary(&in, &c->sessions);
    for (size_t i = 0; i < count; i++) {
        size_t device = sealed_get_varint(&in);
        if (device >= c->devices.count) {
            return RES_CORRUPT;
        }
        c->device[i] = (uint16_t)device;
        c->events[i].device_id = c->devices.items[device];
    }
    if (in.bad) {
        return RES_CORRUPT;
    }
    order_by_device(c, count, c->devices.count);
    get_columns(c, &in, count);
    get_offsets(c, &in, count, span);
    return in.bad || in.at != in.end ? RES_CORRUPT : RES_OK;
}

static enum res unpack(struct block_codec *c, struct span packed, size_t plain_size,
                       struct span *ret_plain)
{
    c->unpacked.size = 0;
    enum res r = sealed_buffer_reserve(&c->unpacked, plain_size);
    if (r != RES_OK) {
        return r;
    }
    size_t size =
        ZSTD_decompressDCtx(c->unpacker, c->unpacked.data, plain_size, packed.data, packed.size);
    if (ZSTD_isError(size)) {
        return RES_CORRUPT;
    }
    *ret_plain = span_of(c->unpacked.data, size);
    return RES_OK;
}

static void get_signatures(struct block_codec *c, struct sealed_reader *in, size_t count,
                           bool flagged)
{
    struct span flags = flagged ? sealed_get(in, count) : SPAN_NONE;
    for (size_t i = 0; i < count && !in->bad; i++) {
        bool is_signed = !flagged || flags.data[i] != 0;
        c->events[i].signature = is_signed ? sealed_get(in, SIGNATURE_BYTES) : SPAN_NONE;
    }
}

enum res block_codec_decode(struct block_codec *c, struct span content,
                            struct block_codec_block *ret)
{
    struct sealed_reader in = sealed_reader_of(content);
    struct span writer = sealed_get_text(&in);
    uint64_t span = sealed_get_varint(&in);
    size_t count = sealed_get_varint(&in);
    uint8_t codec = sealed_get_u8(&in);
    size_t plain_size = sealed_get_varint(&in);
    struct span packed = sealed_get(&in, sealed_get_fixed(&in));
    if (in.bad || span > UINT16_MAX || count == 0 || count > TELEMETRY_BATCH_EVENTS_MAX ||
        codec > (CODEC_ZSTD | CODEC_UNSIGNED) || plain_size > PLAIN_BYTES_MAX) {
        return RES_CORRUPT;
    }
    struct span plain = packed;
    enum res r = (codec & CODEC_ZSTD) != 0 ? unpack(c, packed, plain_size, &plain) : RES_OK;
    if (r != RES_OK) {
        return r;
    }
    if (plain.size != plain_size || read_plain(c, plain, count, span) != RES_OK) {
        return RES_CORRUPT;
    }
    get_signatures(c, &in, count, (codec & CODEC_UNSIGNED) != 0);
    if (in.bad || in.at != in.end) {
        return RES_CORRUPT;
    }
    *ret = (struct block_codec_block){writer, c->events, c->offsets, count, (uint16_t)span};
    return RES_OK;
}
