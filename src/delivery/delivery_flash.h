/* delivery_flash.h: lights a label's LED, or puts it out (S-018, S-025).
 *
 * A command is a delivery of its own kind: superseded by the next one, sent again like any other,
 * and nothing to begin once its time is over. A label that is away is told so to the caller at
 * once; when it comes back in time it flashes all the same (S-186).
 */
#ifndef DELIVERY_FLASH_H
#define DELIVERY_FLASH_H

#include "pg_conn.h"
#include "shelf.h"

#define DELIVERY_FLASH_S_MAX     600
#define DELIVERY_FLASH_S_DEFAULT 30
/* Time to reach the label, on top of the time it is to flash. */
#define DELIVERY_FLASH_REACH_MS 10000

struct delivery_flash {
    char update_id[SHELF_UPDATE_ID_BYTES + 1];
    bool online; /* false: the label is away now */
    int64_t expires_ms;
    char store_id[25];
};

/* In the caller's transaction; its commit wakes the sender. duration_s is 1..DELIVERY_FLASH_S_MAX,
 * 0 with SHELF_STOP. RES_NOT_FOUND: no such label, or not for this caller; else as pg_conn_run. */
MUST_CHECK enum res delivery_flash(struct pg_conn *c, struct span label_id,
                                   enum shelf_pattern pattern, int32_t duration_s,
                                   enum shelf_colour colour, struct delivery_flash *ret,
                                   struct err *why);

#endif
