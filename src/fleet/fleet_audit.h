/* fleet_audit.h: who changed what of the fleet, in the transaction that changes it (C-158). */
#ifndef FLEET_AUDIT_H
#define FLEET_AUDIT_H

#include "http_request.h"
#include "pg_conn.h"

#define FLEET_AUDIT_ACTOR "operator" /* until there are accounts */

/* `detail`: an object, in ids and figures; takes the reference. Errors as pg_conn_run;
 * RES_NO_MEMORY. */
MUST_CHECK enum res fleet_audit_write(const struct http_request *q, struct pg_conn *c,
                                      const char *store_id, const char *action,
                                      const char *target_kind, const char *target, json_t *detail,
                                      struct err *why);

#endif
