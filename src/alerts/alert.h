/* alert.h: raising and resolving from C, in the caller's transaction. SQL that works on many
 * rows calls raise_alert and resolve_alert of 0019_alert_functions.sql itself: same effect.
 *
 * `cause` says what exactly is wrong, "price_update_failed:ESP32-AB12CD": a store has at most one
 * alert per cause that is not resolved, and a repeat counts an occurrence more.
 */
#ifndef ALERT_H
#define ALERT_H

#include "alert_kind.h"
#include "pg_conn.h"

struct alert_raise {
    const char *store_id; /* NULL: the platform's own */
    enum alert_kind kind; /* with the kind's own severity */
    const char *device_id;
    const char *product_id; /* SKU; both may be NULL */
    const char *cause;      /* 1 to 200 bytes */
    const char *message;    /* one sentence, at most 500 bytes; never names a person */
};

/* Errors as pg_conn_run. */
MUST_CHECK enum res alert_raise(struct pg_conn *c, const struct alert_raise *alert,
                                struct err *why);
/* Nothing happens when none is open. */
MUST_CHECK enum res alert_resolve(struct pg_conn *c, const char *store_id, const char *cause,
                                  struct err *why);

#endif
