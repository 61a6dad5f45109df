/* platform_signer.h: signs what the platform sends to devices (commands, commit-acks, answers,
 * catalogue chunks) with the platform's own P-256 key, ca/platform.key of an installation.
 *
 * This driver reads the key from its file. One object is used by one thread at a time.
 */
#ifndef PLATFORM_SIGNER_H
#define PLATFORM_SIGNER_H

#include "base64.h"
#include "ecdsa.h"

#define PLATFORM_SIGNER_TOPIC_BYTES_MAX   256
#define PLATFORM_SIGNER_PAYLOAD_BYTES_MAX 16384
/* Of a signature as text. */
#define PLATFORM_SIGNER_DIGITS BASE64_URL_DIGITS(ECDSA_SIGNATURE_BYTES)

struct platform_signer; /* opaque */

/* Errors as ecdsa_private_load. */
MUST_CHECK enum res platform_signer_open(const char *key_path, struct platform_signer **ret,
                                         struct err *why);
void platform_signer_close(struct platform_signer *signer);
/* r || s over SHA-256(body), to be put behind the body (wire.h). RES_NO_MEMORY only. */
MUST_CHECK enum res platform_signer_sign(struct platform_signer *signer, struct span body,
                                         uint8_t ret_signature[ECDSA_SIGNATURE_BYTES]);
/* For a message whose signature travels beside it: over `topic LF payload`, so that it holds for
 * this topic only; base64url, without a NUL. RES_LIMIT: longer than the limits above;
 * RES_NO_MEMORY. */
MUST_CHECK enum res platform_signer_sign_topic(struct platform_signer *signer, struct span topic,
                                               struct span payload,
                                               char ret_text[PLATFORM_SIGNER_DIGITS]);
/* The public half, as it is pinned in devices. */
void platform_signer_point(const struct platform_signer *signer,
                           uint8_t ret_point[ECDSA_POINT_BYTES]);

#endif
