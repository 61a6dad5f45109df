/* api.h: the REST face as a whole: every capability's route table in one server, with what they
 * stand on (PostgreSQL as endcap_api, telemetry for reading), readiness and metrics.
 *
 * Until there are accounts it listens on loopback only and sees every store (scope operator): who
 * can reach it sits at the operator's own machine.
 */
#ifndef API_H
#define API_H

#include <jansson.h>

#include "err.h"
#include "http_server.h"
#include "model.h"

struct api_settings {
    const char *address;
    uint16_t port; /* 0: one the kernel picks */
    unsigned workers;
    struct model_place place;
    const char *stores;              /* NULL: every store (operator); else a comma list */
    const char *telemetry_directory; /* need not exist yet */
    /* Where devices are provisioned: ca.crt, ca.key and platform.pub, and the broker's
     * revoked.list; NULL: such requests get a 503. */
    const char *ca_directory;
    const char *broker_directory;
    void (*on_done)(void *user, const struct http_access *access);
    void *user;
};

struct api; /* opaque */

/* As http_server_start; that PostgreSQL or telemetry is not there is no failure: requests get 503
 * until it is. Texts of settings must outlive it. */
MUST_CHECK enum res api_start(const struct api_settings *settings, struct api **ret,
                              struct err *why);
uint16_t api_port(const struct api *a);
void api_stop(struct api *a);

/* The OpenAPI 3.1 document of every route. NULL when memory is out. */
json_t *api_document(void);

#endif
