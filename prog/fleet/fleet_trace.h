/* fleet_trace.h: a file with a line for each content that reached a label or was drawn on it, so
 * that what the platform sent can be judged afterwards: JSON, {"id", "by", "updateId", "version",
 * "digest"} with `by` update (price/update), shadow (get/accepted, delta) or panel (drawn).
 */
#ifndef FLEET_TRACE_H
#define FLEET_TRACE_H

#include <stdio.h>

#include "fleet_secure.h"
#include "shelf.h"

struct fleet_trace {
    FILE *file; /* NULL: none is written */
    struct fleet_secure *secure;
};

/* Appends to `path`; NULL: no trace. RES_IO with words. */
MUST_CHECK enum res fleet_trace_open(struct fleet_trace *t, const char *path,
                                     struct fleet_secure *secure, struct err *why);
void fleet_trace_close(struct fleet_trace *t);

/* What a label's message brings, before the label's core has judged it: the digest is made anew
 * from the content, whatever the message claims. Other topics and what cannot be read leave no
 * line. */
void fleet_trace_message(struct fleet_trace *t, const char *id, enum shelf_topic topic,
                         struct span payload);
void fleet_trace_panel(struct fleet_trace *t, const char *id, const struct shelf_display *display,
                       const uint8_t digest[SECURE_DIGEST_BYTES]);

#endif
