/* tls_watch.h: sees every TLS handshake of the broker, also those that fail.
 *
 * Mosquitto tells a plugin nothing of a client that does not pass TLS. OpenSSL does: a plugin in
 * the same process may register an ex_data index for SSL objects, whose `new` function is called by
 * every SSL_new (CRYPTO_get_ex_new_index(3)); there we set the verify and info callbacks. No
 * symbol is interposed, no structure of Mosquitto's is touched.
 */
#ifndef TLS_WATCH_H
#define TLS_WATCH_H

#include "result.h"

/* Before the listeners start. From here on a certificate that is in revocation.h's list fails its
 * handshake, every failed handshake writes a security line, and TLS sessions are not resumed.
 * RES_NO_MEMORY. */
MUST_CHECK enum res tls_watch_start(void);
void tls_watch_stop(void);

#endif
