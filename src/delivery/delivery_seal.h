/* delivery_seal.h: the platform's signature on what it says to labels (shelf.h): over
 * `topic LF payload`, as the text of the user property SHELF_SIGNATURE_PROPERTY. Server code.
 */
#ifndef DELIVERY_SEAL_H
#define DELIVERY_SEAL_H

#include "platform_signer.h"
#include "shelf.h"

#define DELIVERY_SEAL_BYTES 86 /* 64 in base64url without padding */

/* RES_LIMIT: the payload is longer than SHELF_DOWN_BYTES_MAX; RES_NO_MEMORY. */
MUST_CHECK enum res delivery_seal(struct platform_signer *signer, const char *topic,
                                  struct span payload, char ret[DELIVERY_SEAL_BYTES]);

#endif
