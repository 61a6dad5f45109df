#include "model.h"

#include <stdio.h>
#include <string.h>

#include "model_migrations.h"
#include "pg_migrate.h"

const char *model_role_name(enum model_role role)
{
    static const char *const names[MODEL_ROLES] = {
        [MODEL_INGEST] = "endcap_ingest",
        [MODEL_API] = "endcap_api",
        [MODEL_WORKER] = "endcap_worker",
        [MODEL_ADMIN] = "endcap_admin",
    };
    return names[role];
}

static enum res exists(struct pg_conn *c, const char *sql, const char *name, bool *ret,
                       struct err *why)
{
    struct pg_params p;
    PGresult *rows = NULL;
    pg_params_init(&p);
    pg_params_cstr(&p, name);
    enum res r = pg_conn_run(c, sql, &p, &rows, why);
    if (r == RES_OK) {
        *ret = PQntuples(rows) > 0;
    }
    PQclear(rows);
    return r;
}

static enum res ensure_roles(const struct pg_cluster *cluster, struct pg_conn *c, struct err *why)
{
    bool there = false;
    enum res r = exists(c, "SELECT 1 FROM pg_roles WHERE rolname = $1", MODEL_OWNER, &there, why);
    if (r == RES_OK && !there) {
        r = pg_conn_command(c, "CREATE ROLE " MODEL_OWNER " NOLOGIN", why);
    }
    for (int role = 0; r == RES_OK && role < MODEL_ROLES; role++) {
        r = pg_cluster_ensure_role(cluster, c, model_role_name((enum model_role)role), why);
    }
    return r;
}

static enum res ensure_database(struct pg_conn *c, struct err *why)
{
    bool there = false;
    enum res r =
        exists(c, "SELECT 1 FROM pg_database WHERE datname = $1", MODEL_DATABASE, &there, why);
    if (r == RES_OK && !there) {
        r = pg_conn_command(c, "CREATE DATABASE " MODEL_DATABASE " OWNER " MODEL_OWNER, why);
    }
    if (r == RES_OK) {
        r = pg_conn_command(c,
                            "REVOKE ALL ON DATABASE " MODEL_DATABASE " FROM PUBLIC;"
                            "GRANT CONNECT ON DATABASE " MODEL_DATABASE
                            " TO endcap_ingest, endcap_api, endcap_worker, endcap_admin;"
                            /* imports wait in a temporary table */
                            "GRANT TEMPORARY ON DATABASE " MODEL_DATABASE
                            " TO endcap_worker, endcap_api, endcap_admin;"
                            "ALTER DATABASE " MODEL_DATABASE " SET search_path = " MODEL_SCHEMA,
                            why);
    }
    return r;
}

enum res model_install(const struct pg_cluster *cluster, size_t *ret_migrations, struct err *why)
{
    struct pg_conn *c = NULL;
    enum res r = pg_cluster_connect(cluster, "postgres", &c, why);
    if (r == RES_OK) {
        r = ensure_roles(cluster, c, why);
    }
    if (r == RES_OK) {
        r = ensure_database(c, why);
    }
    pg_conn_close(c);
    c = NULL;
    if (r == RES_OK) {
        r = pg_cluster_connect(cluster, MODEL_DATABASE, &c, why);
    }
    if (r == RES_OK) {
        struct pg_migrations all = {.list = model_migrations_list,
                                    .count = model_migrations_count,
                                    .schema = MODEL_SCHEMA,
                                    .owner = MODEL_OWNER};
        r = pg_migrate(c, &all, ret_migrations, why);
    }
    if (r == RES_OK) {
        r = pg_conn_command(c,
                            "REVOKE ALL ON SCHEMA public FROM PUBLIC;"
                            "GRANT USAGE ON SCHEMA " MODEL_SCHEMA
                            " TO endcap_ingest, endcap_api, endcap_worker, endcap_admin",
                            why);
    }
    pg_conn_close(c);
    return r;
}

enum res model_cluster(const char *data, struct pg_cluster *ret, struct err *why)
{
    char pg[PG_CLUSTER_PATH_MAX];
    char socket[PG_CLUSTER_PATH_MAX];
    char secrets[PG_CLUSTER_PATH_MAX];
    int n = snprintf(pg, sizeof pg, "%s/pg", data);
    int m = snprintf(socket, sizeof socket, "%s/run/pg", data);
    int k = snprintf(secrets, sizeof secrets, "%s/secrets", data);
    if (n < 0 || m < 0 || k < 0 || (size_t)k >= sizeof secrets) {
        err_set(why, "the data directory's path is too long");
        return RES_LIMIT;
    }
    struct pg_cluster_settings settings = {
        .directory = pg, .socket_directory = socket, .secrets_directory = secrets, .durable = true};
    return pg_cluster_init(ret, &settings, why);
}

enum res model_place(const char *data, const char *postgres, struct model_place *ret,
                     struct err *why)
{
    struct model_place made;
    enum res r = RES_OK;
    int n = snprintf(made.secrets, sizeof made.secrets, "%s/secrets", data);
    int m = 0;
    if (postgres != NULL) {
        m = snprintf(made.place, sizeof made.place, "%s", postgres);
    } else {
        struct pg_cluster cluster;
        r = model_cluster(data, &cluster, why);
        if (r != RES_OK) {
            return r;
        }
        r = pg_cluster_place(&cluster, MODEL_DATABASE, made.place, sizeof made.place);
    }
    if (r != RES_OK || n < 0 || (size_t)n >= sizeof made.secrets || m < 0 ||
        (size_t)m >= sizeof made.place) {
        err_set(why, "the path of the data directory or the setting `postgres` is too long");
        return RES_LIMIT;
    }
    *ret = made;
    return RES_OK;
}

enum res model_connect(const struct model_place *place, enum model_role role,
                       const char *application, int timeout_ms, struct pg_conn **ret,
                       struct err *why)
{
    char password[sizeof place->secrets + 64];
    (void)snprintf(password, sizeof password, "%s/pg-%s.password", place->secrets,
                   model_role_name(role));
    struct pg_conn_settings settings = {.place = place->place,
                                        .user = model_role_name(role),
                                        .password_file = password,
                                        .application = application,
                                        .options = "-c search_path=" MODEL_SCHEMA,
                                        .statement_timeout_ms = timeout_ms};
    return pg_conn_open(&settings, ret, why);
}

enum res model_scope(struct pg_conn *c, const char *scope, const char *stores, const char *account,
                     struct err *why)
{
    struct pg_params p;
    pg_params_init(&p);
    pg_params_cstr(&p, scope);
    pg_params_cstr(&p, stores == NULL ? "" : stores);
    pg_params_cstr(&p, account == NULL ? "" : account);
    return pg_conn_run(c,
                       "SELECT set_config('endcap.scope', $1, false), "
                       "set_config('endcap.stores', $2, false), "
                       "set_config('endcap.account', $3, false)",
                       &p, NULL, why);
}

/* Most often nothing is wrong, only nothing is started. */
static void say_unreachable(const char *data, struct err *why)
{
    char socket[640];
    int n = snprintf(socket, sizeof socket, "%s/run/pg", data);
    if (n > 0 && (size_t)n < sizeof socket && !pg_cluster_has_socket(socket)) {
        err_set(why, "Endcap is not running in %s; start it with `endcap up --data '%s'`", data,
                data);
    } else {
        err_prefix(why, "the database of %s does not answer", data);
    }
}

enum res model_connect_admin(const char *data, struct pg_conn **ret, struct err *why)
{
    struct model_place place;
    struct pg_conn *c = NULL;
    enum res r = model_place(data, NULL, &place, why);
    if (r == RES_OK) {
        r = model_connect(&place, MODEL_ADMIN, "endcap", 0, &c, why);
        if (r != RES_OK) {
            say_unreachable(data, why);
        }
    }
    if (r == RES_OK) {
        r = model_scope(c, "operator", NULL, NULL, why);
    }
    if (r != RES_OK) {
        pg_conn_close(c);
        return r;
    }
    *ret = c;
    return RES_OK;
}
