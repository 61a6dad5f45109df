/* block_codec.h: a batch of events as one block, and back.
 *
 * Content of the sealed record "BLK1": writer's name; span; number of events; codec (bit 0:
 * zstd, bit 1: not every event is signed); plain and packed size; the packed columns and bodies;
 * with bit 1 a byte an event, 1: signed; the signatures as they are (they do not compress). Columns
 * are dictionaries of devices, stores and sessions, then the device of each event in append order,
 * then, device by device, the rest as differences to the same device's event before: neighbours are
 * alike, so the block packs well. Order of append is kept exactly. A merged record has a last
 * column, each event's block as the difference to the event before.
 */
#ifndef BLOCK_CODEC_H
#define BLOCK_CODEC_H

#include "sealed.h"
#include "telemetry.h"

#define BLOCK_CODEC_KIND "BLK1"
/* Chosen by measurement, see DESIGN.md. */
#define BLOCK_CODEC_LEVEL 1

struct block_codec; /* opaque: zstd contexts and working memory, one a handle */

MUST_CHECK enum res block_codec_new(struct block_codec **ret);
void block_codec_free(struct block_codec *c);

/* The events of one block; or of several small ones that were merged into one record, which has the
 * number of the first: the record stands for `span` blocks more. */
struct block_codec_block {
    struct span writer;
    const struct telemetry_event *events;
    const uint16_t *offsets; /* rising: each event's block, from the record's number; NULL: all 0 */
    size_t count;
    uint16_t span;
};

/* Writes the record into out, up to sealed_finish. The events keep the limits of telemetry.h (the
 * caller has checked). compress false: codec 0. RES_NO_MEMORY. */
MUST_CHECK enum res block_codec_encode(struct block_codec *c, const struct block_codec_block *block,
                                       bool compress, struct sealed_buffer *out);
/* Reads a block's content (sealed_open). What *ret points to is in the codec's memory and in
 * content, valid until the next decode. RES_CORRUPT, RES_NO_MEMORY. */
MUST_CHECK enum res block_codec_decode(struct block_codec *c, struct span content,
                                       struct block_codec_block *ret);

#endif
