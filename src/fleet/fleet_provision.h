/* fleet_provision.h: a device joins and leaves the fleet over REST (S-149..S-152, P6).
 *
 * THE one place of the REST face that reads the CA's key: a file opened for each request that needs
 * it, until a key service holds it. The certificate, the device's row and a label's first content
 * and configuration are one transaction; a private key made here is in the answer and nowhere else,
 * which is why POST /api/devices takes no Idempotency-Key: a repeat is a 409 or another device.
 */
#ifndef FLEET_PROVISION_H
#define FLEET_PROVISION_H

#include "http_route.h"
#include "pg_pool.h"

struct fleet_provision {
    struct pg_pool *pool;
    const char *ca_directory;     /* ca.crt, ca.key, platform.pub; NULL: provisioning is a 503 */
    const char *broker_directory; /* revoked.list is written there */
};

/* Context: struct fleet_provision. */
extern const struct http_route fleet_provision_routes[];

#endif
