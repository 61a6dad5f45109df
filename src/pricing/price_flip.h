/* price_flip.h: ends the time in which cart and till charge less than the shelf says.
 *
 * A rise is on the shelf first: item.charge_minor keeps what is charged meanwhile. Once no label of
 * the item has a display under way or to catch up with (a failed one has its alert), or after
 * store.settings.riseHoldSeconds, the new price is charged and the catalogue's version rises.
 */
#ifndef PRICE_FLIP_H
#define PRICE_FLIP_H

#include "pg_conn.h"

#define PRICE_FLIP_HOLD_DEFAULT_S 900

/* A step of the worker; any number may run. Errors as pg_conn_run. */
MUST_CHECK enum res price_flip_step(struct pg_conn *c, int64_t now_ms, struct err *why);

#endif
