/* pg_cluster.h: a private PostgreSQL cluster in a directory. Knows no table.
 *
 * It listens on a Unix socket in a directory of its own and on no network address; every role logs
 * in with SCRAM and a random password kept in a file. PostgreSQL refuses to run as root: then its
 * directories belong to the user `postgres` and it runs as that user.
 *
 *   pg_cluster_init(&cluster, &settings, why)      paths and binaries; touches nothing
 *   pg_cluster_create(&cluster, why)               initdb, once; later calls do nothing
 *   pg_cluster_start(&cluster, why)                starts it, waits until it answers
 *   pg_cluster_stop(&cluster, why)
 *
 * A supervisor that starts processes itself forks and calls pg_cluster_exec in the child, then
 * pg_cluster_wait; SIGINT ends the server at once but cleanly.
 */
#ifndef PG_CLUSTER_H
#define PG_CLUSTER_H

#include <sys/types.h>

#include "pg_conn.h"

#define PG_CLUSTER_PATH_MAX        512
#define PG_CLUSTER_SOCKET_PATH_MAX 107   /* sockaddr_un.sun_path without the NUL */
#define PG_CLUSTER_START_MS        60000 /* recovery after a crash is included */
#define PG_CLUSTER_SUPERUSER       "postgres"

struct pg_cluster_settings {
    const char *directory;         /* the cluster's own; made when missing */
    const char *socket_directory;  /* made when missing; the path must be short */
    const char *secrets_directory; /* exists; password files are made in it, mode 0600 */
    const char *binaries;          /* folder with postgres and initdb; NULL: looked for */
    bool durable;                  /* false: fsync off; for tests only */
    bool die_with_parent;          /* the server ends when the thread that started it does */
};

struct pg_cluster {
    char directory[PG_CLUSTER_PATH_MAX];
    char socket_directory[PG_CLUSTER_PATH_MAX];
    char secrets_directory[PG_CLUSTER_PATH_MAX];
    char binaries[PG_CLUSTER_PATH_MAX];
    bool durable;
    bool die_with_parent;
    pid_t pid; /* of pg_cluster_start; 0: not started */
};

/* RES_NOT_FOUND: PostgreSQL 15+ is not installed (words name the package); RES_LIMIT: a path is
 * too long for a Unix socket. Relative paths are made absolute. */
MUST_CHECK enum res pg_cluster_init(struct pg_cluster *c,
                                    const struct pg_cluster_settings *settings, struct err *why);
/* RES_DENIED: the user `postgres` cannot reach the directory; RES_IO: initdb failed. */
MUST_CHECK enum res pg_cluster_create(const struct pg_cluster *c, struct err *why);
/* In a child process: drops root, becomes the server; does not return. Standard error is the
 * server's log. */
_Noreturn void pg_cluster_exec(const struct pg_cluster *c);
/* Waits until the server answers as superuser. RES_UNAVAILABLE: it ended or was too slow. `pid` is
 * the child running pg_cluster_exec. */
MUST_CHECK enum res pg_cluster_wait(const struct pg_cluster *c, pid_t pid, struct err *why);
MUST_CHECK enum res pg_cluster_start(struct pg_cluster *c, struct err *why);
/* Fast shutdown and waits for the end; does nothing when it was not started. */
MUST_CHECK enum res pg_cluster_stop(struct pg_cluster *c, struct err *why);

/* Whether a server was started there and has not been stopped in order. */
bool pg_cluster_has_socket(const char *socket_directory);
/* "host=... port=... dbname=..." for pg_conn_settings. */
MUST_CHECK enum res pg_cluster_place(const struct pg_cluster *c, const char *database, char *ret,
                                     size_t size);
/* Path of a role's password file: {secrets}/pg-{role}.password. */
MUST_CHECK enum res pg_cluster_password_file(const struct pg_cluster *c, const char *role,
                                             char *ret, size_t size);
/* A connection as the superuser: for creating databases and roles, and for migrations. */
MUST_CHECK enum res pg_cluster_connect(const struct pg_cluster *c, const char *database,
                                       struct pg_conn **ret, struct err *why);
/* Creates the login role with a new random password when it does not exist (or its password file
 * is gone). `admin` is a superuser's connection. */
MUST_CHECK enum res pg_cluster_ensure_role(const struct pg_cluster *c, struct pg_conn *admin,
                                           const char *role, struct err *why);

#endif
