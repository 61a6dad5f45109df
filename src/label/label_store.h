/* label_store.h: everything a label keeps on flash: the layout, and one door to its three parts.
 *
 *   memory   configuration and small figures     flash_state.h
 *   cache    the last price updates              label_cache.h
 *   queue    events not yet released             flash_queue.h
 */
#ifndef LABEL_STORE_H
#define LABEL_STORE_H

#include "flash_queue.h"
#include "flash_state.h"
#include "label_cache.h"
#include "shelf.h"

/* Sectors by part; the chip's sectors may be of 1,024 bytes or more, and what is left over is the
 * queue's. With 1,024: 32 KiB in all. */
#define LABEL_STORE_MEMORY_SECTORS 3
#define LABEL_STORE_QUEUE_SECTORS  18
#define LABEL_STORE_SECTORS                                                                        \
    (LABEL_STORE_MEMORY_SECTORS + LABEL_CACHE_SECTORS + LABEL_STORE_QUEUE_SECTORS)

#define LABEL_MEMORY_FORMAT 1

/* The configuration in force, its texts beside it. */
struct label_config {
    int64_t version; /* 0: the defaults */
    int32_t language;
    int32_t refresh_interval_s;
    int32_t led_brightness_pct;
    int32_t idle_timeout_s;
    int32_t sync_peak_s;
    int32_t sync_off_peak_s;
    int16_t peak_from_min;
    int16_t peak_to_min;
    int16_t utc_offset_min;
    char update_id[SHELF_UPDATE_ID_BYTES + 1];
    char aisle[SHELF_PLACE_BYTES_MAX + 1];
    char shelf[SHELF_PLACE_BYTES_MAX + 1];
    char position[SHELF_PLACE_BYTES_MAX + 1];
};

/* What outlives a power cut beside the cache and the queue. Written as it lies in memory, by and
 * for the same firmware; `format` keeps others apart. */
struct label_memory {
    uint32_t format;
    bool low_battery;
    struct label_config config;
    int64_t shadow_version;
    int64_t flash_version; /* of the newest flash command */
    int64_t certificate_number;
    int64_t time_ms; /* of the platform, when this was saved: the label's time is not before */
    int64_t dropped;
};

struct label_store {
    struct flash_slice slices[3];
    struct flash_state state;
    struct label_cache cache;
    struct flash_queue queue;
};

/* RES_INVALID: the flash is too small or its geometry is not ours; RES_IO. */
MUST_CHECK enum res label_store_open(struct label_store *s, const struct flash *flash,
                                     const struct secure_element *secure);
/* The newest memory. RES_NOT_FOUND: none, or of another firmware; RES_IO. */
MUST_CHECK enum res label_store_load(const struct label_store *s, struct label_memory *ret_memory);
MUST_CHECK enum res label_store_save(struct label_store *s, const struct label_memory *memory);

#endif
