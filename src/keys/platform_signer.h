/* platform_signer.h: signs what the platform sends to devices (commands, commit-acks, answers,
 * catalogue chunks) with the platform's own P-256 key, ca/platform.key of an installation.
 *
 * This driver reads the key from its file. One object is used by one thread at a time.
 */
#ifndef PLATFORM_SIGNER_H
#define PLATFORM_SIGNER_H

#include "ecdsa.h"

struct platform_signer; /* opaque */

/* Errors as ecdsa_private_load. */
MUST_CHECK enum res platform_signer_open(const char *key_path, struct platform_signer **ret,
                                         struct err *why);
void platform_signer_close(struct platform_signer *signer);
/* r || s over SHA-256(body), to be put behind the body (wire.h). RES_NO_MEMORY only. */
MUST_CHECK enum res platform_signer_sign(struct platform_signer *signer, struct span body,
                                         uint8_t ret_signature[ECDSA_SIGNATURE_BYTES]);
/* The public half, as it is pinned in devices. */
void platform_signer_point(const struct platform_signer *signer,
                           uint8_t ret_point[ECDSA_POINT_BYTES]);

#endif
