/* key_file.h: small files that hold keys: read with their permissions checked, written whole or not
 * at all and durable on return.
 */
#ifndef KEY_FILE_H
#define KEY_FILE_H

#include "err.h"
#include "span.h"

/* The whole file into buffer. `secret`: nobody but the owner may be able to read it (RES_DENIED).
 * RES_NOT_FOUND, RES_DENIED, RES_IO; RES_INVALID when larger than the buffer. */
MUST_CHECK enum res key_file_read(const char *path, bool secret, void *buffer, size_t size_max,
                                  size_t *ret_size, struct err *why);
/* Mode 0600; RES_CONFLICT when path is there already. RES_IO, RES_FULL. */
MUST_CHECK enum res key_file_create(const char *path, struct span content, struct err *why);
/* Mode 0644, replaces what is there. RES_IO, RES_FULL. */
MUST_CHECK enum res key_file_replace(const char *path, struct span content, struct err *why);

#endif
