/* fleet_place.h: where a label hangs, checked against its store's layout (S-091).
 *
 * store.floor_plan may hold `aisles`: [{"aisle": "Aisle-3", "shelves": ["Shelf-1", ...], ...}].
 * Where it does, a label's aisle must be one of them, and its shelf one of that aisle's where they
 * are listed. A store without a layout takes any place.
 */
#ifndef FLEET_PLACE_H
#define FLEET_PLACE_H

#include "fleet_refusal.h"
#include "pg_conn.h"

#define FLEET_PLACE_BYTES_MAX 40 /* SHELF_PLACE_BYTES_MAX */

/* NULL: not said. Without an aisle there is no shelf, without a shelf no position. */
struct fleet_place {
    const char *aisle;
    const char *shelf;
    const char *position;
};

/* From an object; what is wrong is added. Texts belong to `location`, which may be NULL. */
void fleet_place_read(const json_t *location, struct fleet_place *ret, struct fleet_refusal *wrong);
/* Against the layout. */
MUST_CHECK enum res fleet_place_check(struct pg_conn *c, const char *store_id,
                                      const struct fleet_place *place, struct fleet_refusal *wrong,
                                      struct err *why);

#endif
