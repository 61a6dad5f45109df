/* pki_registry.h: which device has which certificate, in PostgreSQL (table device_certificate, and
 * the device's own row in cart or label).
 *
 * The database decides, not this code: its unique index holds at most one unrevoked certificate a
 * device, so two operators at once cannot provision one device twice (S-152). The connection is of
 * role endcap_admin, endcap_api or (to renew) endcap_worker and sees the stores concerned.
 */
#ifndef PKI_REGISTRY_H
#define PKI_REGISTRY_H

#include "pg_conn.h"
#include "pki_crl.h"
#include "pki_issue.h"

#define PKI_REGISTRY_REASON_BYTES_MAX   100
#define PKI_REGISTRY_HARDWARE_BYTES_MAX 64

struct pki_registry {
    struct pg_conn *connection;
    const struct pki_ca *ca;
    const char *ca_directory;     /* for crl.pem */
    const char *broker_directory; /* for crl.pem and revoked.list */
};

/* Issues a certificate and registers device and certificate, inside the caller's transaction, for
 * what must come true with it; the caller shows the certificate to nobody before the commit.
 * `csr_pem` empty: a key is made too. `hardware_serial` (cart): burnt at the factory; empty: the
 * id. RES_CONFLICT: the device has a valid certificate already, or belongs to another store;
 * RES_NOT_FOUND: no such store; RES_INVALID as pki_issue, or a label id outside its store's
 * pattern; otherwise as pg_conn_run. */
MUST_CHECK enum res pki_registry_register(const struct pki_registry *registry,
                                          const struct pki_request *request, struct span csr_pem,
                                          struct span hardware_serial,
                                          struct pki_certificate *ret_certificate, struct err *why);
/* In the caller's transaction: a further certificate for a device that has one. Both are good until
 * pki_registry_withdraw_replaced. RES_NOT_FOUND: it has none. */
MUST_CHECK enum res pki_registry_renew(const struct pki_registry *registry,
                                       const struct pki_request *request, struct span csr_pem,
                                       struct pki_certificate *ret_certificate, struct err *why);

/* Marks the device's certificate revoked and writes the CRL and the broker's list, which drops a
 * live session within seconds. The files come before the commit: what a crash leaves behind is a
 * device that is shut out and still shown as valid, and the same call ends it. RES_NOT_FOUND: no
 * valid certificate; RES_LIMIT: the reason is too long; RES_IO and others as pki_crl_write. */
MUST_CHECK enum res pki_registry_revoke(const struct pki_registry *registry, struct span device_id,
                                        struct span reason, struct err *why);

/* The same inside the caller's transaction, as its last statements: the lock on the list is held to
 * the end, and the connection sees every store from here on. */
MUST_CHECK enum res pki_registry_withdraw(const struct pki_registry *registry,
                                          struct span device_id, struct span reason,
                                          struct err *why);
/* As that, for the certificates a renewed one replaced; there may be none. */
MUST_CHECK enum res pki_registry_withdraw_replaced(const struct pki_registry *registry,
                                                   struct span device_id, struct err *why);

/* Writes CRL and list anew from the database, e.g. after a restore. */
MUST_CHECK enum res pki_registry_publish(const struct pki_registry *registry, struct err *why);

struct pki_registry_row {
    struct span device_id;
    struct span kind;
    struct span store_id;
    struct span serial;
    int64_t not_after_ms;
    int64_t revoked_ms; /* 0: not revoked */
};
/* Every certificate, devices in order, newest first; `store_id` empty: of all stores. */
typedef void (*pki_registry_visit)(void *context, const struct pki_registry_row *row);
MUST_CHECK enum res pki_registry_list(const struct pki_registry *registry, struct span store_id,
                                      pki_registry_visit visit, void *context, struct err *why);

#endif
