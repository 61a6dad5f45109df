/* fleet_memory.h: what the fleet's devices keep without power: flash, epoch counter, and the
 * picture on an e-ink panel. One mapping for all, in memory or of one file.
 *
 * Of a file every change is in the page cache when the call returns: it outlives a kill -9 of the
 * fleet, not a power cut of the machine. Bytes are kept inverted, so that what was never written
 * costs no memory and reads as erased flash.
 */
#ifndef FLEET_MEMORY_H
#define FLEET_MEMORY_H

#include "err.h"
#include "flash.h"
#include "shelf.h"

#define FLEET_MEMORY_PROGRAM_BYTES 16

/* What is on the panel and in the tag, as the driver was told. */
struct fleet_memory_screen {
    bool drawn;
    uint8_t template;
    uint8_t language;
    uint8_t digest[SHELF_DIGEST_BYTES]; /* computed here from what was to be drawn */
    int64_t version;
    int64_t price_minor;
    int64_t drawn_ms; /* our clock */
    int64_t times;
    char update_id[SHELF_UPDATE_ID_BYTES + 1];
    char product_id[SHELF_PRODUCT_BYTES_MAX + 1];
    uint16_t tag_size;
    uint8_t tag[SHELF_URL_BYTES_MAX + 16]; /* the NDEF message */
};

/* At the front of a device's part. All zeros: a device fresh from the factory. */
struct fleet_memory_cell {
    char id[32];
    int64_t epoch;
    struct fleet_memory_screen screen;
};

struct fleet_memory {
    uint8_t *base;
    size_t size;
    size_t part_bytes;
    size_t count;
    int fd;
};

/* `ids` in order; a file made for other devices or another size of flash is RES_CONFLICT. `path`
 * NULL: memory only. RES_IO, RES_NO_MEMORY. */
MUST_CHECK enum res fleet_memory_open(struct fleet_memory *m, const char *path, size_t count,
                                      uint32_t flash_bytes, struct err *why);
void fleet_memory_close(struct fleet_memory *m);
/* The part of device `index`; RES_CONFLICT: it belongs to another id. */
MUST_CHECK enum res fleet_memory_part(const struct fleet_memory *m, size_t index, const char *id,
                                      struct fleet_memory_cell **ret_cell, uint8_t **ret_flash,
                                      struct err *why);

/* A flash chip over such bytes. */
struct fleet_memory_chip {
    struct flash flash; /* use this; must not move */
    uint8_t *bytes;     /* inverted */
    uint32_t cut_after; /* operations until the power fails in the middle of one; 0: it does not */
    bool dead;          /* it has failed: everything is RES_IO */
};
void fleet_memory_chip_init(struct fleet_memory_chip *chip, uint8_t *bytes, uint32_t sector_bytes,
                            uint32_t sector_count);

#endif
