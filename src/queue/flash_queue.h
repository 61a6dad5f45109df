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
 * a counter; the caller counts it and reports it in a signed gap record. Counters whose record is
 * lost (bit rot, or torn by a cut so that it must not be reused) are skipped by flash_queue_read
 * and reported once, as ranges, by flash_queue_damage; after a restart those not yet released are
 * reported again.
 *
 * Freestanding, no allocation; the caller owns all storage. Static RAM: sizeof(struct flash_queue),
 * under 512 bytes; stack: under 1 KiB. The format and the argument for it are in DESIGN.md.
 */
#ifndef FLASH_QUEUE_H
#define FLASH_QUEUE_H

#include "flash.h"
#include "secure_element.h"

#define FLASH_QUEUE_RECORD_BYTES_MAX 800
#define FLASH_QUEUE_SECTORS_MIN      3
#define FLASH_QUEUE_SECTORS_MAX      256
#define FLASH_QUEUE_DAMAGE_MAX       8 /* ranges reported and not yet released */

enum flash_queue_class { /* the fraction of the ring each may fill, in per mille */
                         FLASH_QUEUE_HEALTH,  /* 600 */
                         FLASH_QUEUE_FAULT,   /* 750 */
                         FLASH_QUEUE_SCAN,    /* 900 */
                         FLASH_QUEUE_SESSION, /* 1000: session, identify, payment, boot, gap records
                                               */
                         FLASH_QUEUE_CLASSES,
};

struct flash_queue_range {
    int64_t from;
    int64_t to;
};

/* For static storage; every field is private. */
struct flash_queue {
    const struct flash *flash;
    int64_t epoch;
    int64_t next;      /* counter */
    int64_t released;  /* everything through this counter may be forgotten */
    int64_t persisted; /* the part of `released` that flash knows of */
    uint32_t unit;     /* records begin at multiples of this */
    uint32_t oldest;   /* sector of the first unreleased record */
    uint32_t head;     /* sector that is being filled */
    uint32_t end;      /* offset in flash where the next record goes, in sector `head` or its end */
    int64_t hint;      /* records from this counter on are at or after ... */
    uint32_t hint_sector; /* ... this place */
    uint32_t hint_offset;
    int64_t swept; /* flash_queue_damage has looked at everything below this counter */
    bool suspect;  /* a read found damage below it: look again */
    uint8_t reported_count;
    struct flash_queue_range reported[FLASH_QUEUE_DAMAGE_MAX];
};

/* Mounts, repairs what a cut left, or starts a new epoch. `flash` must stay. RES_INVALID: geometry;
 * RES_IO and others: the flash or the secure element refused, nothing is lost, open again. */
MUST_CHECK enum res flash_queue_open(struct flash_queue *q, const struct flash *flash,
                                     const struct secure_element *secure);
int64_t flash_queue_epoch(const struct flash_queue *q);
/* The counter the next append will take. */
int64_t flash_queue_next_counter(const struct flash_queue *q);
/* Oldest unreleased counter; equals next_counter when empty. */
int64_t flash_queue_first_counter(const struct flash_queue *q);
/* Unreleased counters, damaged ones included. */
uint32_t flash_queue_count(const struct flash_queue *q);
uint32_t flash_queue_free_per_mille(const struct flash_queue *q);

/* Durable, and read back, on return. `counter` must be flash_queue_next_counter (an assertion: the
 * frame carries it). RES_INVALID: empty; RES_LIMIT: longer than FLASH_QUEUE_RECORD_BYTES_MAX;
 * RES_FULL for this class; RES_IO: the medium refused, the counter is burnt or not, ask again with
 * flash_queue_next_counter. */
MUST_CHECK enum res flash_queue_append(struct flash_queue *q, enum flash_queue_class class,
                                       int64_t counter, struct span frame);
bool flash_queue_has_room(const struct flash_queue *q, enum flash_queue_class class,
                          uint32_t frame_bytes);
/* The frame of the first counter >= *counter that is on flash and unreleased; *counter becomes its
 * counter. RES_NOT_FOUND at the end, RES_LIMIT: larger than size_max, RES_IO. `data` may hold
 * anything after a failure. Reading in order costs one look at flash a record. */
MUST_CHECK enum res flash_queue_read(struct flash_queue *q, int64_t *counter, void *data,
                                     uint32_t size_max, uint32_t *ret_size);
/* Everything through this counter may be forgotten; a lower one than before changes nothing. A
 * counter of the future is RES_INVALID. Lazy: it reaches flash with the next append, and sectors
 * are erased when they are needed. RES_IO: noted, but the room could not be counted yet. */
MUST_CHECK enum res flash_queue_release(struct flash_queue *q, int64_t through);
/* The next damaged range not yet taken; RES_NOT_FOUND when there is none, or when
 * FLASH_QUEUE_DAMAGE_MAX of them wait for their release; RES_IO. The first call after an open reads
 * every unreleased record. */
MUST_CHECK enum res flash_queue_damage(struct flash_queue *q, int64_t *ret_from, int64_t *ret_to);

#endif
