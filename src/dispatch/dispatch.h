/* dispatch.h: what the worker does for carts: commands, catalogues, and what nobody else notices.
 *
 *  - a command is sent when it is queued, and again every 10 s or when the cart is heard of, until
 *    the cart's answer, which ingest records, or its expiry (C-006, C-007, C-161, C-162);
 *  - a store's catalogue is published, retained, when its version changed or the broker is new;
 *  - a cart whose health is missing for three intervals is offline (C-142);
 *  - an open session whose cart has been silent for hours is abandoned (C-123).
 *
 * One thread; every step asks PostgreSQL what is due, so any number of workers may run, and a
 * restart forgets nothing.
 */
#ifndef DISPATCH_H
#define DISPATCH_H

#include "err.h"
#include "model.h"
#include "span.h"

#define DISPATCH_RESEND_S          10
#define DISPATCH_ACTIVE_S          60  /* C-046: health interval of an active cart */
#define DISPATCH_IDLE_S            300 /* and of an idle one */
#define DISPATCH_MISSED            3
#define DISPATCH_ABANDON_DEFAULT_S 14400

struct dispatch; /* opaque */

struct dispatch_settings {
    struct model_place place;
    const char *instance;     /* for metrics and pg_stat_activity: "worker-1" */
    const char *platform_key; /* PEM file */
    int64_t abandon_s;        /* 0: the default */
    unsigned catalogue_items; /* 0: the most that carts keep */

    void *user;
    /* True: handed over. False: not now; it is tried again. */
    bool (*publish)(void *user, const char *topic, struct span payload, bool retain);
};

/* Errors as model_connect and platform_signer_open. */
MUST_CHECK enum res dispatch_new(const struct dispatch_settings *settings, struct dispatch **ret,
                                 struct err *why);
void dispatch_free(struct dispatch *d);
/* Does what is due; call it a few times a second. RES_UNAVAILABLE: PostgreSQL is away; the next
 * step connects again. Others as pg_conn_run. */
MUST_CHECK enum res dispatch_step(struct dispatch *d, int64_t now_ms, struct err *why);
/* The broker may have forgotten what it retained: publish every catalogue again. Thread-safe. */
void dispatch_broker_is_new(struct dispatch *d);
/* A message came on reject/{device}: its named reader counts it (C-064). Thread-safe. */
void dispatch_rejected(struct dispatch *d);

struct dispatch_figures {
    int64_t commands_sent;
    int64_t commands_expired;
    int64_t catalogues;
    int64_t offline;
    int64_t abandoned;
    int64_t rejects;
};
void dispatch_figures(const struct dispatch *d, struct dispatch_figures *ret);

#endif
