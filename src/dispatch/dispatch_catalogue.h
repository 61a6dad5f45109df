/* dispatch_catalogue.h: private to this folder: gives stores' catalogues to their carts.
 *
 * A cart takes a version only whole (wire.md): all of its chunks carry it. So a version whose
 * content is what the carts have already is noted as published without a word, and versions that
 * follow one another quickly are put together: the first goes out at once, the next a second later.
 */
#ifndef DISPATCH_CATALOGUE_H
#define DISPATCH_CATALOGUE_H

#include "dispatch.h"
#include "downlink.h"
#include "pg_conn.h"

#define DISPATCH_CATALOGUE_GAP_MS 1000 /* between two publications of a store */

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
 * forgotten. *ret_published: catalogues sent. RES_AGAIN: not all could be handed over; they stay
 * due. Else as pg_conn_run. */
MUST_CHECK enum res dispatch_catalogue_step(struct dispatch_catalogue *c, int64_t now_ms, bool all,
                                            int64_t *ret_published, struct err *why);

#endif
