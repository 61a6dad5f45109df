/* fleet_first.h: what labels that have just joined show before anybody binds them.
 */
#ifndef FLEET_FIRST_H
#define FLEET_FIRST_H

#include <stddef.h>

#include "pg_conn.h"

#define FLEET_FIRST_MAX 1000 /* labels in one call */

/* The unassigned face and their store's configuration, in the primary language of section or store
 * (P62); in the transaction that registers them, after their places are known. Errors as
 * delivery_refresh_labels and delivery_configure. */
MUST_CHECK enum res fleet_first_content(struct pg_conn *c, const char *const *label_ids,
                                        size_t count, struct err *why);

#endif
