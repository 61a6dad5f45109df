/* dispatch_catalogue.h: private to this folder: gives stores' catalogues to their carts.
 *
 * A cart takes a version only whole (wire.md): all of its chunks carry it. What merely changed in
 * price since goes out as one small message, the supplement, at once and then every 50 ms at most.
 * The whole catalogue goes out when more changed than a supplement can say, at most once a second;
 * and when the supplement is half full, or nothing has changed for a minute, so that there is room
 * for the next changes. A version that brings nothing new is noted without a word.
 *
 * Of several workers one does this, by a lock of its connection to PostgreSQL; another one takes
 * over when that connection is gone, and begins with whole catalogues.
 */
#ifndef DISPATCH_CATALOGUE_H
#define DISPATCH_CATALOGUE_H

#include "dispatch.h"
#include "downlink.h"
#include "pg_conn.h"

#define DISPATCH_CATALOGUE_GAP_MS   1000  /* between two whole catalogues of a store */
#define DISPATCH_CATALOGUE_TIDY_MS  10000 /* ... the second only for a supplement half full */
#define DISPATCH_CATALOGUE_QUIET_MS 60000 /* without a change: the supplement is done with */
#define DISPATCH_PRICES_GAP_MS      50    /* between two supplements of a store */

struct dispatch_catalogue; /* opaque */

struct dispatch_catalogue_settings {
    struct pg_conn *conn;
    struct downlink *downlink;
    const struct dispatch_settings *dispatch;
};

/* RES_NO_MEMORY. The settings' objects must stay. */
MUST_CHECK enum res dispatch_catalogue_new(const struct dispatch_catalogue_settings *settings,
                                           struct dispatch_catalogue **ret);
void dispatch_catalogue_free(struct dispatch_catalogue *c);
/* The connection is a new one: listens on it. Errors as pg_conn_run. */
MUST_CHECK enum res dispatch_catalogue_listen(struct dispatch_catalogue *c, struct err *why);
/* Publishes what is due. Cheap when nothing is: call it often. `all`: the broker may have
 * forgotten; kept in mind until everything is out. *ret_published: catalogues sent. RES_AGAIN: not
 * all could be handed over; they stay due. Else as pg_conn_run. */
MUST_CHECK enum res dispatch_catalogue_step(struct dispatch_catalogue *c, int64_t now_ms, bool all,
                                            int64_t *ret_published, struct err *why);

#endif
