/* revocation.h: keeps broker/revoked.list in memory and reads it again when the file changes.
 */
#ifndef REVOCATION_H
#define REVOCATION_H

#include <stdbool.h>
#include <stdint.h>

#include "result.h"

/* RES_NOT_FOUND, RES_IO, RES_INVALID, RES_LIMIT, RES_NO_MEMORY. */
MUST_CHECK enum res revocation_open(const char *path);
void revocation_close(void);
/* Looks at the file and reads it when it changed; answers how often that happened. A list that
 * cannot be read or is broken leaves the old one in force: taking a certificate off the list needs
 * a good list. */
uint64_t revocation_refresh(void);
bool revocation_has(const char *serial);

#endif
