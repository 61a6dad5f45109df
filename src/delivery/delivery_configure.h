/* delivery_configure.h: gives labels the configuration that follows from store, section, place and
 * what was said for each alone. Under the same conditions as delivery_refresh.h, and nothing else
 * writes desired.config.
 */
#ifndef DELIVERY_CONFIGURE_H
#define DELIVERY_CONFIGURE_H

#include "delivery_refresh.h"

/* What a label shall have follows from, the later before the earlier:
 * LED 80 %, never asleep, sync every 300 s and 1800 s off peak, peak 08:00-22:00; label_default of
 * its store; what was said for this label alone (shadow.own_config, into which `patches[i]`, a JSON
 * object of fields of desired.config, is merged first: null takes a word back; NULL or patches
 * NULL: nothing new is said); its language, place and the store's offset from UTC, which no patch
 * changes. Where it differs from desired.config it is delivered. Label i is row first_row + i of
 * cause->job_id. RES_INVALID: a field cannot be so, the words name label, field and rule; roll the
 * transaction back. Else as pg_conn_run. */
MUST_CHECK enum res delivery_configure(struct pg_conn *c, const char *const *label_ids,
                                       const char *const *patches, size_t count,
                                       const struct delivery_cause *cause, int64_t first_row,
                                       struct delivery_count *ret, struct err *why);

#endif
