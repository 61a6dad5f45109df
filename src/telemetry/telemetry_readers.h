/* telemetry_readers.h: reading handles of one store, shared by many threads (a handle itself is one
 * thread's at a time). Opened when first needed; a store that does not exist yet is no failure for
 * ever.
 */
#ifndef TELEMETRY_READERS_H
#define TELEMETRY_READERS_H

#include "telemetry.h"

#define TELEMETRY_READERS_MAX 16

struct telemetry_readers; /* opaque */

/* At most TELEMETRY_READERS_MAX handles. RES_NO_MEMORY. */
MUST_CHECK enum res telemetry_readers_new(const char *directory, struct telemetry_readers **ret,
                                          struct err *why);
/* Every handle was given back. NULL is fine. */
void telemetry_readers_free(struct telemetry_readers *r);
/* Waits for a free one. Else as telemetry_open. */
MUST_CHECK enum res telemetry_readers_take(struct telemetry_readers *r, struct telemetry **ret,
                                           struct err *why);
/* `sound` false: a call on it failed, it is closed. */
void telemetry_readers_give(struct telemetry_readers *r, struct telemetry *t, bool sound);

#endif
