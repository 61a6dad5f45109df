/* shadow.h: what a device should be (desired) and says it is (reported), as JSON objects, merged
 * and compared by the rules of every device shadow (section K): an update names only what changes,
 * null deletes a key, objects merge key by key and arrays replace. Pure: no I/O and no clock;
 * jansson's heap only.
 */
#ifndef SHADOW_H
#define SHADOW_H

#include <jansson.h>

#include <stdbool.h>

#include "result.h"

#define SHADOW_BYTES_MAX 8192 /* of desired, and of reported, as text */
#define SHADOW_DEPTH_MAX 6

/* Merges `patch` into *state in place (RFC 7396). RES_INVALID: not objects; RES_LIMIT: the result
 * would be deeper than SHADOW_DEPTH_MAX or longer than SHADOW_BYTES_MAX, nothing was changed;
 * RES_NO_MEMORY. *ret_changed: whether anything is different now. */
MUST_CHECK enum res shadow_merge(json_t *state, const json_t *patch, bool *ret_changed);
/* What of `desired` is not in `reported`: a new object, {} when nothing is. NULL: no memory. */
json_t *shadow_delta(const json_t *desired, const json_t *reported);

#endif
