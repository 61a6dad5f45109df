/* delivery_review.h: looks at every label now and then, whether it has what is true: what changes
 * without anybody's doing (a batch that expired at midnight, summer time), what two changes at the
 * same time hid from each other, what a label says it shows though it confirmed another.
 */
#ifndef DELIVERY_REVIEW_H
#define DELIVERY_REVIEW_H

#include "pg_conn.h"

#define DELIVERY_REVIEW_STEP_MS 5000 /* a part of the labels each */
#define DELIVERY_REVIEW_PARTS   120  /* all of them in ten minutes */
#define DELIVERY_REVIEW_MAX     2000 /* of one step; of more, some wait for another round */

/* Refreshes and configures the part whose turn it is, but for labels that were given something in
 * the last ten minutes. Transactions of its own. Errors as pg_conn_run. */
MUST_CHECK enum res delivery_review_step(struct pg_conn *c, int64_t now_ms, struct err *why);

#endif
