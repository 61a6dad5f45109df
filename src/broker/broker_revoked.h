/* broker_revoked.h: the list of revoked certificates in memory, read from `revoked.list` (one
 * "serial device-id" a line, sorted by serial; serials in upper-case hexadecimal).
 */
#ifndef BROKER_REVOKED_H
#define BROKER_REVOKED_H

#include "span.h"

struct broker_revoked {
    struct span text; /* the file's content, owned by the caller */
};

/* Checks form and order once. RES_INVALID: a line that is no such pair, or out of order. */
MUST_CHECK enum res broker_revoked_init(struct broker_revoked *list, struct span text);
bool broker_revoked_has(const struct broker_revoked *list, struct span serial);

#endif
