/* block_merge.h: gathers the events of several small blocks for one record.
 */
#ifndef BLOCK_MERGE_H
#define BLOCK_MERGE_H

#include "block_codec.h"

/* Starts as zeros. */
struct block_merge {
    char writer[TELEMETRY_ID_BYTES_MAX];
    size_t writer_size;
    struct telemetry_event *events; /* TELEMETRY_BATCH_EVENTS_MAX */
    uint16_t *offsets;
    size_t count;
    uint16_t span;
    uint8_t **copies; /* of the bytes, one a block */
    size_t copy_count;
};

void block_merge_deinit(struct block_merge *m);
/* Copies the block, whose record is `offset` after the first. RES_LIMIT: of another writer, or too
 * many events together; RES_NO_MEMORY. */
MUST_CHECK enum res block_merge_add(struct block_merge *m, uint16_t offset,
                                    const struct block_codec_block *block);
/* All of them; valid until deinit. */
struct block_codec_block block_merge_block(const struct block_merge *m);

#endif
