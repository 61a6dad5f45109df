/* flash_queue.h: store-and-forward on flash, safe against a power cut at any operation (C-048, R2).
 *
 * A ring of sectors holding frames in counter order. An event is on flash before it may be sent and
 * stays until flash_queue_release, which follows the platform's commit-ack. Counters belong to the
 * queue: an append takes the next one, and after any cut no counter that a frame may have carried
 * is ever used again for another body. A blank or unreadable flash raises the epoch in the secure
 * element and starts at counter 1.
 *
 * Room is kept by class, so that a long outage costs health first and never a session or payment
 * event: a class may append while the ring is less full than its share. What is refused never got
 * a counter; the caller counts it and reports it in a signed gap record. Records damaged on flash
 * (bit rot) are skipped, and reported once, as a counter range, by flash_queue_damage.
 *
 * Freestanding, no allocation; the caller owns all storage. Static RAM: sizeof(struct flash_queue).
 */
#ifndef FLASH_QUEUE_H
#define FLASH_QUEUE_H

#include "flash.h"
#include "secure_element.h"

#define FLASH_QUEUE_RECORD_BYTES_MAX 800
#define FLASH_QUEUE_SECTORS_MAX      256

enum flash_queue_class { /* the fraction of the ring each may fill, in per mille */
                         FLASH_QUEUE_HEALTH,  /* 600 */
                         FLASH_QUEUE_FAULT,   /* 750 */
                         FLASH_QUEUE_SCAN,    /* 900 */
                         FLASH_QUEUE_SESSION, /* 1000: session, identify, payment, boot, gap records
                                               */
                         FLASH_QUEUE_CLASSES,
};

struct flash_queue; /* defined below for static storage; fields are private */

/* Mounts, repairs what a cut left, or starts a new epoch. RES_IO, RES_INVALID (geometry). */
MUST_CHECK enum res flash_queue_open(struct flash_queue *q, const struct flash *flash,
                                     const struct secure_element *secure);
int64_t flash_queue_epoch(const struct flash_queue *q);
/* The counter the next append will take. */
int64_t flash_queue_next_counter(const struct flash_queue *q);
/* Oldest unreleased counter; equals next_counter when empty. */
int64_t flash_queue_first_counter(const struct flash_queue *q);
uint32_t flash_queue_count(const struct flash_queue *q);
uint32_t flash_queue_free_per_mille(const struct flash_queue *q);

/* Durable on return. `counter` must be flash_queue_next_counter (an assertion: the frame carries
 * it). RES_FULL for this class; RES_IO: the medium refused, the counter is burnt or not, ask again
 * with flash_queue_next_counter. */
MUST_CHECK enum res flash_queue_append(struct flash_queue *q, enum flash_queue_class class,
                                       int64_t counter, struct span frame);
bool flash_queue_has_room(const struct flash_queue *q, enum flash_queue_class class,
                          uint32_t frame_bytes);
/* The frame of the first counter >= *counter that is on flash; *counter becomes its counter.
 * RES_NOT_FOUND at the end. */
MUST_CHECK enum res flash_queue_read(const struct flash_queue *q, int64_t *counter, void *data,
                                     uint32_t size_max, uint32_t *ret_size);
/* Everything through this counter may be forgotten. A counter of the future is RES_INVALID. Lazy:
 * sectors are erased when they are needed. */
MUST_CHECK enum res flash_queue_release(struct flash_queue *q, int64_t through);
/* The next damaged range not yet taken; RES_NOT_FOUND when there is none. */
MUST_CHECK enum res flash_queue_damage(struct flash_queue *q, int64_t *ret_from, int64_t *ret_to);

#endif
