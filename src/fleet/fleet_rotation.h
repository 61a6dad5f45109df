/* fleet_rotation.h: a label's certificate is renewed through its shadow (S-036, S-094).
 *
 *   desired.certificate = {number: n}            the label is asked for a signing request
 *   reported.certificate = {number: n, csr}      it made a new key; the private half stays there
 *   desired.certificate = {number: n, der}       the certificate for it, issued by the worker
 *   the label connects with it                   the one before is revoked
 *
 * Both certificates are good until the last line, so that a label that loses its power anywhere in
 * between still comes in. A request of another key under the same number is not answered: it is
 * asked for again with the next number.
 */
#ifndef FLEET_ROTATION_H
#define FLEET_ROTATION_H

#include "pg_conn.h"

struct fleet_rotation_settings {
    const char *ca_directory; /* ca.crt, ca.key */
    const char *broker_directory;
};

/* Asks for the next; in the caller's transaction, as endcap_api or endcap_worker. RES_NOT_FOUND: no
 * such label, or none with a valid certificate. */
MUST_CHECK enum res fleet_rotation_request(struct pg_conn *c, const char *device_id, int64_t now_ms,
                                           int64_t *ret_number, struct err *why);

/* Issues what was requested and revokes what was replaced, some of each; as endcap_worker. Every
 * few seconds. A request that is none raises a security alert and is asked for anew. Errors as
 * pg_conn_run and pki_ca_open. */
MUST_CHECK enum res fleet_rotation_step(const struct fleet_rotation_settings *settings,
                                        struct pg_conn *c, int64_t now_ms, struct err *why);

#endif
