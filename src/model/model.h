/* model.h: the entity model as a whole: every folder's migrations in one list, and the roles.
 *
 * The tables belong to endcap_owner, which cannot log in. Each process logs in with a role of its
 * own that owns nothing and is held by row-level security (settings endcap.scope, endcap.stores and
 * endcap.account, see 0001_ground.sql).
 */
#ifndef MODEL_H
#define MODEL_H

#include "pg_cluster.h"

#define MODEL_DATABASE "endcap"
#define MODEL_SCHEMA   "endcap"
#define MODEL_OWNER    "endcap_owner"

enum model_role { MODEL_INGEST, MODEL_API, MODEL_WORKER, MODEL_ADMIN };
#define MODEL_ROLES 4
/* "endcap_ingest", ... */
const char *model_role_name(enum model_role role);

/* On a private cluster that runs: the database, the roles with their password files, the
 * migrations. Every `endcap up` calls it; with nothing to do it only looks. */
MUST_CHECK enum res model_install(const struct pg_cluster *cluster, size_t *ret_migrations,
                                  struct err *why);

/* Where the model's PostgreSQL is. */
struct model_place {
    char place[640];   /* for pg_conn_settings */
    char secrets[512]; /* folder of pg-{role}.password */
};
/* Of a data directory: `postgres = ...` (libpq keywords with dbname, e.g. a managed server) and in
 * its absence the private cluster in DIR/pg with its socket in DIR/run/pg. RES_LIMIT: too long. */
MUST_CHECK enum res model_place(const char *data_directory, const char *postgres /* or NULL */,
                                struct model_place *ret, struct err *why);
/* The private cluster of a data directory. */
MUST_CHECK enum res model_cluster(const char *data_directory, struct pg_cluster *ret,
                                  struct err *why);

/* A connection as a process's role. `timeout_ms`: statement timeout, 0 none. */
MUST_CHECK enum res model_connect(const struct model_place *place, enum model_role role,
                                  const char *application, int timeout_ms, struct pg_conn **ret,
                                  struct err *why);

/* For the command line: the private cluster of a data directory, as endcap_admin, seeing every
 * store. */
MUST_CHECK enum res model_connect_admin(const char *data_directory, struct pg_conn **ret,
                                        struct err *why);

/* Says which rows the connection sees from now on, until said again: `scope` "operator" for all
 * (the command line, on the operator's own machine), "stores" with a comma list, "login", or "" for
 * none; `account` may be NULL. */
MUST_CHECK enum res model_scope(struct pg_conn *c, const char *scope, const char *stores,
                                const char *account, struct err *why);

#endif
