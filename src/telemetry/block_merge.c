#include "block_merge.h"

#include <stdlib.h>
#include <string.h>

void block_merge_deinit(struct block_merge *m)
{
    for (size_t i = 0; i < m->copy_count; i++) {
        free(m->copies[i]);
    }
    free(m->copies);
    free(m->events);
    free(m->offsets);
    *m = (struct block_merge){.count = 0};
}

static enum res take_room(struct block_merge *m)
{
    if (m->events == NULL) {
        m->events = calloc(TELEMETRY_BATCH_EVENTS_MAX, sizeof *m->events);
        m->offsets = calloc(TELEMETRY_BATCH_EVENTS_MAX, sizeof *m->offsets);
    }
    uint8_t **copies = realloc(m->copies, (m->copy_count + 1) * sizeof *copies);
    if (copies != NULL) {
        m->copies = copies;
    }
    return m->events == NULL || m->offsets == NULL || copies == NULL ? RES_NO_MEMORY : RES_OK;
}

static size_t bytes_of(const struct telemetry_event *e)
{
    return e->device_id.size + e->store_id.size + e->session_id.size + e->body.size +
           e->signature.size;
}

static struct span copy(uint8_t **to, struct span from)
{
    struct span made = {*to, from.size};
    if (from.size > 0) {
        memcpy(*to, from.data, from.size);
        *to += from.size;
    }
    return made;
}

enum res block_merge_add(struct block_merge *m, uint16_t offset,
                         const struct block_codec_block *block)
{
    if (m->count == 0 && block->writer.size <= sizeof m->writer) {
        memcpy(m->writer, block->writer.data, block->writer.size);
        m->writer_size = block->writer.size;
    }
    if (!span_equal(span_of(m->writer, m->writer_size), block->writer) ||
        m->count + block->count > TELEMETRY_BATCH_EVENTS_MAX) {
        return RES_LIMIT;
    }
    enum res r = take_room(m);
    if (r != RES_OK) {
        return r;
    }
    size_t bytes = 0;
    for (size_t i = 0; i < block->count; i++) {
        bytes += bytes_of(&block->events[i]);
    }
    uint8_t *at = malloc(bytes > 0 ? bytes : 1);
    if (at == NULL) {
        return RES_NO_MEMORY;
    }
    m->copies[m->copy_count++] = at;
    for (size_t i = 0; i < block->count; i++) {
        struct telemetry_event *e = &m->events[m->count];
        *e = block->events[i];
        e->device_id = copy(&at, e->device_id);
        e->store_id = copy(&at, e->store_id);
        e->session_id = copy(&at, e->session_id);
        e->body = copy(&at, e->body);
        e->signature = copy(&at, e->signature);
        m->offsets[m->count++] = (uint16_t)(offset + block->offsets[i]);
    }
    m->span = (uint16_t)(offset + block->span);
    return RES_OK;
}

struct block_codec_block block_merge_block(const struct block_merge *m)
{
    return (struct block_codec_block){span_of(m->writer, m->writer_size), m->events, m->offsets,
                                      m->count, m->span};
}
