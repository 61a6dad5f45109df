/* install_keys.h: the keys and certificates an installation cannot start without.
 */
#ifndef INSTALL_KEYS_H
#define INSTALL_KEYS_H

#include "settings.h"

/* Makes what is missing and leaves what is there: the CA (ca/), the platform's signing key pair
 * (ca/platform.key, .pub), a certificate for each service that connects to the broker
 * (secrets/service-NAME.crt, .key), and in broker/ the broker's own certificate for
 * `broker_names` and `broker_address` (made anew when they change), a copy of ca.crt, and an empty
 * revocation list. */
MUST_CHECK enum res install_keys_ensure(const char *root, const struct settings *settings,
                                        struct err *why);

#endif
