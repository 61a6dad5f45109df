/* mqtt_tls.h: the TLS context of an MQTT client.
 */
#ifndef MQTT_TLS_H
#define MQTT_TLS_H

#include <openssl/ssl.h>

#include "err.h"

/* AEAD only, forward secret only. A broker uses the same lists. */
#define MQTT_TLS_CIPHERS_12                                                                        \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:"   \
    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-CHACHA20-POLY1305"
#define MQTT_TLS_CIPHERS_13                                                                        \
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

/* A client context that trusts ca_file only, shows the certificate, and accepts a server whose
 * certificate carries `host` (name or address). The caller frees it with SSL_CTX_free.
 * `certificate_file` and `key_file` NULL: none is shown but what the caller sets on each SSL.
 * RES_IO, RES_CORRUPT, RES_NO_MEMORY with words. */
MUST_CHECK enum res mqtt_tls_context(const char *ca_file, const char *certificate_file,
                                     const char *key_file, const char *host, struct err *why,
                                     SSL_CTX **ret_context);

#endif
