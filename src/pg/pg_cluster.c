#include "pg_cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

#define SYSTEM_USER    "postgres"
#define PORT           "5432"
#define PASSWORD_BYTES 24
#define POLL_MS        20

/* Chosen for one machine that runs a store: enough connections for a few processes each, quick
 * recovery, slow queries logged (S-015), nothing on the network. */
static const char settings_file[] = "listen_addresses = ''\n"
                                    "unix_socket_permissions = 0770\n"
                                    "max_connections = 100\n"
                                    "password_encryption = 'scram-sha-256'\n"
                                    "shared_buffers = '128MB'\n"
                                    "effective_cache_size = '512MB'\n"
                                    "work_mem = '8MB'\n"
                                    "maintenance_work_mem = '64MB'\n"
                                    "max_wal_size = '512MB'\n"
                                    "checkpoint_timeout = '5min'\n"
                                    "random_page_cost = 1.1\n"
                                    "jit = off\n"
                                    "max_parallel_workers_per_gather = 0\n"
                                    "idle_in_transaction_session_timeout = '60s'\n"
                                    "log_destination = 'stderr'\n"
                                    "logging_collector = off\n"
                                    "log_min_duration_statement = '500ms'\n"
                                    /* values are data: they have no place in a log */
                                    "log_error_verbosity = 'terse'\n"
                                    "log_parameter_max_length = 0\n"
                                    "log_parameter_max_length_on_error = 0\n"
                                    "log_line_prefix = '%m %u %a '\n"
                                    "timezone = 'UTC'\n"
                                    "log_timezone = 'UTC'\n";

static enum res absolute(const char *path, char *ret, struct err *why)
{
    char here[PG_CLUSTER_PATH_MAX] = "";
    if (path[0] != '/' && getcwd(here, sizeof here) == NULL) {
        err_set(why, "cannot tell the current directory: %s", strerror(errno));
        return RES_IO;
    }
    int n = snprintf(ret, PG_CLUSTER_PATH_MAX, "%s%s%s", here, path[0] != '/' ? "/" : "", path);
    if (n < 0 || n >= PG_CLUSTER_PATH_MAX) {
        err_set(why, "the path %s is longer than %d bytes", path, PG_CLUSTER_PATH_MAX - 1);
        return RES_LIMIT;
    }
    return RES_OK;
}

static bool has_server(const char *folder)
{
    char path[PG_CLUSTER_PATH_MAX + 16];
    (void)snprintf(path, sizeof path, "%s/postgres", folder);
    if (access(path, X_OK) != 0) {
        return false;
    }
    (void)snprintf(path, sizeof path, "%s/initdb", folder);
    return access(path, X_OK) == 0;
}

/* The major version an existing cluster was made with: no other server can open it. */
static int version_of(const char *directory)
{
    char path[PG_CLUSTER_PATH_MAX + 16];
    char text[8] = "";
    (void)snprintf(path, sizeof path, "%s/PG_VERSION", directory);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    ssize_t n = read(fd, text, sizeof text - 1);
    (void)close(fd);
    return n > 0 ? (int)strtol(text, NULL, 10) : 0;
}

static bool find_binaries(int wanted_version, char *ret)
{
    if (wanted_version > 0) {
        (void)snprintf(ret, PG_CLUSTER_PATH_MAX, "/usr/lib/postgresql/%d/bin", wanted_version);
        if (has_server(ret)) {
            return true;
        }
    }
    for (int version = 17; version >= 15; version--) {
        (void)snprintf(ret, PG_CLUSTER_PATH_MAX, "/usr/lib/postgresql/%d/bin", version);
        if (has_server(ret)) {
            return true;
        }
    }
    const char *path = getenv("PATH");
    while (path != NULL && *path != '\0') {
        size_t n = strcspn(path, ":");
        if (n > 0 && n < PG_CLUSTER_PATH_MAX) {
            memcpy(ret, path, n);
            ret[n] = '\0';
            if (has_server(ret)) {
                return true;
            }
        }
        path += n + (path[n] == ':' ? 1 : 0);
    }
    return false;
}

enum res pg_cluster_init(struct pg_cluster *ret, const struct pg_cluster_settings *s,
                         struct err *why)
{
    struct pg_cluster c = {.durable = s->durable, .die_with_parent = s->die_with_parent};
    enum res r = absolute(s->directory, c.directory, why);
    if (r == RES_OK) {
        r = absolute(s->socket_directory, c.socket_directory, why);
    }
    if (r == RES_OK) {
        r = absolute(s->secrets_directory, c.secrets_directory, why);
    }
    if (r != RES_OK) {
        return r;
    }
    if (strlen(c.socket_directory) + strlen("/.s.PGSQL." PORT) > PG_CLUSTER_SOCKET_PATH_MAX) {
        err_set(why,
                "the PostgreSQL socket in %s would have a path longer than %d bytes; choose a data "
                "directory with a shorter path",
                c.socket_directory, PG_CLUSTER_SOCKET_PATH_MAX);
        return RES_LIMIT;
    }
    if (s->binaries != NULL) {
        r = absolute(s->binaries, c.binaries, why);
        if (r == RES_OK && !has_server(c.binaries)) {
            err_set(why, "there is no PostgreSQL server in %s; install the package postgresql-15",
                    c.binaries);
            r = RES_NOT_FOUND;
        }
    } else if (!find_binaries(version_of(c.directory), c.binaries)) {
        err_set(why, "no PostgreSQL server (15 or newer) was found on this machine; install the "
                     "package postgresql-15");
        r = RES_NOT_FOUND;
    }
    if (r == RES_OK) {
        *ret = c;
    }
    return r;
}

/* Who owns the cluster: the user postgres when we are root, else ourselves. */
static enum res system_user(uid_t *ret_uid, gid_t *ret_gid, struct err *why)
{
    *ret_uid = geteuid();
    *ret_gid = getegid();
    if (*ret_uid != 0) {
        return RES_OK;
    }
    const struct passwd *user = getpwnam(SYSTEM_USER);
    if (user == NULL) {
        err_set(why,
                "PostgreSQL does not run as root and there is no user %s; install the package "
                "postgresql-15 or start as another user",
                SYSTEM_USER);
        return RES_NOT_FOUND;
    }
    *ret_uid = user->pw_uid;
    *ret_gid = user->pw_gid;
    return RES_OK;
}

static enum res make_directory(const char *path, mode_t mode, uid_t uid, gid_t gid, struct err *why)
{
    if (mkdir(path, mode) != 0 && errno != EEXIST) {
        err_set(why, "cannot make the directory %s: %s", path, strerror(errno));
        return errno == EACCES ? RES_DENIED : RES_IO;
    }
    if (geteuid() == 0 && chown(path, uid, gid) != 0) {
        err_set(why, "cannot give the directory %s to user %s: %s", path, SYSTEM_USER,
                strerror(errno));
        return RES_IO;
    }
    return RES_OK;
}

/* Exit codes of a child that could not even start the program. */
enum { EXIT_DROP = 120, EXIT_REACH = 121, EXIT_EXEC = 122 };

/* In a child, between fork and exec. */
static void become_system_user(const struct pg_cluster *c)
{
    uid_t uid = 0;
    gid_t gid = 0;
    if (system_user(&uid, &gid, NULL) != RES_OK) {
        _exit(EXIT_DROP);
    }
    if (geteuid() == 0 && (setgroups(1, &gid) != 0 || setgid(gid) != 0 || setuid(uid) != 0)) {
        _exit(EXIT_DROP);
    }
    if (chdir(c->directory) != 0) {
        _exit(EXIT_REACH);
    }
    (void)umask(0077);
}

static enum res exit_words(const struct pg_cluster *c, const char *program, int status,
                           const char *output, struct err *why)
{
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    switch (code) {
    case EXIT_DROP:
        err_set(why, "cannot become user %s to run PostgreSQL", SYSTEM_USER);
        return RES_DENIED;
    case EXIT_REACH:
        err_set(
            why,
            "the user %s, which runs PostgreSQL when started by root, cannot reach %s; choose a "
            "data directory whose parents others may enter (not below /root), or start as "
            "another user",
            SYSTEM_USER, c->directory);
        return RES_DENIED;
    case EXIT_EXEC:
        err_set(why, "cannot run %s/%s", c->binaries, program);
        return RES_IO;
    default:
        err_set(why, "%s failed (exit code %d)%s%.300s", program, code,
                output[0] != '\0' ? ": " : "", output);
        return RES_IO;
    }
}

/* The one line that says why: the first that names an error, else the last. Cuts `text` there. */
static const char *cause_in(char *text)
{
    static const char *const marks[] = {"PANIC:", "FATAL:", "ERROR:", "error:"};
    size_t n = strlen(text);
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' ')) {
        text[--n] = '\0';
    }
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        char *at = strstr(text, marks[i]);
        if (at != NULL) {
            at[strcspn(at, "\n")] = '\0';
            return at;
        }
    }
    const char *newline = strrchr(text, '\n');
    return newline == NULL ? text : newline + 1;
}

static _Noreturn void exec_initdb(const struct pg_cluster *c, int password_fd, int out)
{
    char program[PG_CLUSTER_PATH_MAX + 16];
    char password_path[32];
    become_system_user(c);
    (void)snprintf(program, sizeof program, "%s/initdb", c->binaries);
    (void)snprintf(password_path, sizeof password_path, "/dev/fd/%d", password_fd);
    if (dup2(out, 1) < 0 || dup2(out, 2) < 0) {
        _exit(EXIT_EXEC);
    }
    const char *arguments[] = {program,
                               "-D",
                               c->directory,
                               "-U",
                               PG_CLUSTER_SUPERUSER,
                               "--pwfile",
                               password_path,
                               "-A",
                               "scram-sha-256",
                               "-E",
                               "UTF8",
                               "--locale=C",
                               "--no-instructions",
                               c->durable ? NULL : "--no-sync",
                               NULL};
    const char *environment[] = {"PATH=/usr/bin:/bin", "LC_ALL=C", NULL};
    union {
        const char **in;
        char *const *out;
    } argv = {.in = arguments}, env = {.in = environment};
    (void)execve(program, argv.out, env.out);
    _exit(EXIT_EXEC);
}

static enum res write_file(const char *path, mode_t mode, int flags, const char *text,
                           struct err *why)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, mode);
    size_t size = strlen(text);
    bool ok = fd >= 0 && write(fd, text, size) == (ssize_t)size && fsync(fd) == 0;
    int saved = errno;
    if (fd >= 0 && close(fd) != 0) {
        ok = false;
    }
    if (!ok) {
        err_set(why, "cannot write %s: %s", path, strerror(saved));
        return saved == ENOSPC ? RES_FULL : RES_IO;
    }
    return RES_OK;
}

/* Puts PATH.new in the place of PATH. */
static enum res take_new(const char *path, struct err *why)
{
    char fresh[PG_CLUSTER_PATH_MAX + 72];
    (void)snprintf(fresh, sizeof fresh, "%s.new", path);
    if (rename(fresh, path) != 0) {
        err_set(why, "cannot write %s: %s", path, strerror(errno));
        return RES_IO;
    }
    return RES_OK;
}

/* A new password: in PATH.new (take_new once the server knows it), and in `ret`. */
static enum res new_password(const struct pg_cluster *c, const char *role, char *ret, size_t size,
                             struct err *why)
{
    uint8_t random[PASSWORD_BYTES];
    char path[PG_CLUSTER_PATH_MAX + 64];
    char fresh[PG_CLUSTER_PATH_MAX + 72];
    enum res r = pg_cluster_password_file(c, role, path, sizeof path);
    if (r != RES_OK) {
        err_set(why, "the path of the password file of %s is too long", role);
        return r;
    }
    if (RAND_bytes(random, sizeof random) != 1) {
        err_set(why, "no random numbers for the password of %s", role);
        return RES_UNAVAILABLE;
    }
    struct sink s;
    sink_init(&s, ret, size - 1);
    sink_hex(&s, span_of(random, sizeof random));
    ret[s.size] = '\0';
    OPENSSL_cleanse(random, sizeof random);
    (void)snprintf(fresh, sizeof fresh, "%s.new", path);
    return write_file(fresh, 0600, O_TRUNC, ret, why);
}

static enum res run_initdb(const struct pg_cluster *c, const char *password, struct err *why)
{
    int secret[2] = {-1, -1};
    int out[2] = {-1, -1};
    enum res r = RES_IO;
    pid_t pid = -1;
    char output[4096] = "";
    size_t used = 0;
    if (pipe(secret) != 0 || pipe2(out, O_CLOEXEC) != 0) {
        err_set(why, "cannot make a pipe: %s", strerror(errno));
        goto out;
    }
    uid_t uid = 0;
    gid_t gid = 0;
    r = system_user(&uid, &gid, why);
    if (r != RES_OK) {
        goto out;
    }
    r = RES_IO;
    /* initdb opens the pipe by its name in /dev/fd, as the user it runs as. */
    if (geteuid() == 0 && fchown(secret[0], uid, gid) != 0) {
        err_set(why, "cannot give a pipe to user %s: %s", SYSTEM_USER, strerror(errno));
        goto out;
    }
    if (write(secret[1], password, strlen(password)) < 0 || write(secret[1], "\n", 1) != 1) {
        err_set(why, "cannot write to a pipe: %s", strerror(errno));
        goto out;
    }
    (void)close(secret[1]);
    secret[1] = -1;
    pid = fork();
    if (pid == 0) {
        exec_initdb(c, secret[0], out[1]);
    }
    if (pid < 0) {
        err_set(why, "cannot start initdb: %s", strerror(errno));
        goto out;
    }
    (void)close(out[1]);
    out[1] = -1;
    char chunk[512];
    for (ssize_t n = 1; n > 0;) {
        n = read(out[0], chunk, sizeof chunk);
        if (n > 0) { /* keep the end */
            size_t take = (size_t)n < sizeof output - 1 ? (size_t)n : sizeof output - 1;
            size_t keep = used + take < sizeof output ? used : sizeof output - 1 - take;
            memmove(output, output + used - keep, keep);
            memcpy(output + keep, chunk + n - take, take);
            used = keep + take;
            output[used] = '\0';
        }
    }
    int status = 0;
    (void)waitpid(pid, &status, 0);
    r = status == 0 ? RES_OK : exit_words(c, "initdb", status, cause_in(output), why);
out:
    for (int i = 0; i < 2; i++) {
        if (secret[i] >= 0) {
            (void)close(secret[i]);
        }
        if (out[i] >= 0) {
            (void)close(out[i]);
        }
    }
    return r;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

/* The whole cluster in `fresh`, but for its name. */
static enum res fill(const struct pg_cluster *fresh, struct err *why)
{
    char password[PASSWORD_BYTES * 2 + 1];
    char path[PG_CLUSTER_PATH_MAX + 64];
    enum res r = new_password(fresh, PG_CLUSTER_SUPERUSER, password, sizeof password, why);
    if (r == RES_OK) {
        r = run_initdb(fresh, password, why);
    }
    OPENSSL_cleanse(password, sizeof password);
    if (r == RES_OK) {
        r = pg_cluster_password_file(fresh, PG_CLUSTER_SUPERUSER, path, sizeof path);
    }
    if (r == RES_OK) {
        r = take_new(path, why);
    }
    if (r == RES_OK) {
        (void)snprintf(path, sizeof path, "%s/postgresql.conf", fresh->directory);
        r = write_file(path, 0600, O_APPEND, settings_file, why);
    }
    return r;
}

static bool is_created(const struct pg_cluster *c)
{
    char path[PG_CLUSTER_PATH_MAX + 16];
    (void)snprintf(path, sizeof path, "%s/PG_VERSION", c->directory);
    return access(path, F_OK) == 0;
}

/* Filled beside its place and moved there when complete: a creation that was cut short leaves
 * nothing that looks like a cluster, and the next one starts over. */
enum res pg_cluster_create(const struct pg_cluster *c, struct err *why)
{
    struct pg_cluster fresh = *c;
    uid_t uid = 0;
    gid_t gid = 0;
    enum res r = system_user(&uid, &gid, why);
    if (r == RES_OK) {
        r = make_directory(c->socket_directory, 0750, uid, gid, why);
    }
    if (r != RES_OK || is_created(c)) {
        return r;
    }
    int n = snprintf(fresh.directory, sizeof fresh.directory, "%s.new", c->directory);
    if (n < 0 || (size_t)n >= sizeof fresh.directory) {
        err_set(why, "the path of the PostgreSQL cluster is too long");
        return RES_LIMIT;
    }
    if (nftw(fresh.directory, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT) {
        err_set(why, "cannot remove what an earlier start left in %s: %s", fresh.directory,
                strerror(errno));
        return RES_IO;
    }
    r = make_directory(fresh.directory, 0700, uid, gid, why);
    if (r == RES_OK) {
        r = fill(&fresh, why);
    }
    if (r == RES_OK && rename(fresh.directory, c->directory) != 0) {
        err_set(why, "cannot move the new PostgreSQL cluster to %s: %s", c->directory,
                strerror(errno));
        r = RES_IO;
    }
    return r;
}

void pg_cluster_exec(const struct pg_cluster *c)
{
    char program[PG_CLUSTER_PATH_MAX + 16];
    pid_t parent = getppid();
    become_system_user(c);
    /* After setuid, which would clear it. */
    if (c->die_with_parent && (prctl(PR_SET_PDEATHSIG, SIGQUIT) != 0 || getppid() != parent)) {
        _exit(EXIT_DROP);
    }
    (void)snprintf(program, sizeof program, "%s/postgres", c->binaries);
    const char *arguments[] = {program,
                               "-D",
                               c->directory,
                               "-k",
                               c->socket_directory,
                               "-p",
                               PORT,
                               "-c",
                               c->durable ? "fsync=on" : "fsync=off",
                               "-c",
                               c->durable ? "full_page_writes=on" : "full_page_writes=off",
                               NULL};
    const char *environment[] = {"PATH=/usr/bin:/bin", "LC_ALL=C", NULL};
    union {
        const char **in;
        char *const *out;
    } argv = {.in = arguments}, env = {.in = environment};
    (void)execve(program, argv.out, env.out);
    _exit(EXIT_EXEC);
}

enum res pg_cluster_wait(const struct pg_cluster *c, pid_t pid, struct err *why)
{
    int64_t deadline = clock_monotonic_ms() + PG_CLUSTER_START_MS;
    for (;;) {
        struct pg_conn *conn = NULL;
        struct err refused = {""};
        enum res r = pg_cluster_connect(c, "postgres", &conn, &refused);
        pg_conn_close(conn);
        if (r == RES_OK) {
            return RES_OK;
        }
        int status = 0;
        if (waitpid(pid, &status, WNOHANG) == pid) {
            return exit_words(c, "postgres", status, "see the lines it wrote before", why);
        }
        if (r != RES_UNAVAILABLE || clock_monotonic_ms() > deadline) {
            err_set(why, "PostgreSQL was started but does not accept connections: %.300s",
                    refused.text);
            return r == RES_UNAVAILABLE ? r : RES_DENIED;
        }
        (void)poll(NULL, 0, POLL_MS);
    }
}

enum res pg_cluster_start(struct pg_cluster *c, struct err *why)
{
    pid_t pid = fork();
    if (pid == 0) {
        pg_cluster_exec(c);
    }
    if (pid < 0) {
        err_set(why, "cannot start PostgreSQL: %s", strerror(errno));
        return RES_IO;
    }
    c->pid = pid;
    enum res r = pg_cluster_wait(c, pid, why);
    if (r != RES_OK) {
        enum res stopped = pg_cluster_stop(c, NULL);
        (void)stopped; /* the first failure is the one to tell */
    }
    return r;
}

enum res pg_cluster_stop(struct pg_cluster *c, struct err *why)
{
    if (c->pid == 0) {
        return RES_OK;
    }
    pid_t pid = c->pid;
    c->pid = 0;
    if (kill(pid, SIGINT) != 0 && errno != ESRCH) {
        err_set(why, "cannot stop PostgreSQL (process %d): %s", (int)pid, strerror(errno));
        return RES_IO;
    }
    int status = 0;
    if (waitpid(pid, &status, 0) == pid && status != 0) {
        return exit_words(c, "postgres", status, "", why);
    }
    return RES_OK;
}

bool pg_cluster_has_socket(const char *socket_directory)
{
    char path[PG_CLUSTER_PATH_MAX + 32];
    int n = snprintf(path, sizeof path, "%s/.s.PGSQL." PORT, socket_directory);
    return n > 0 && (size_t)n < sizeof path && access(path, F_OK) == 0;
}

enum res pg_cluster_place(const struct pg_cluster *c, const char *database, char *ret, size_t size)
{
    int n =
        snprintf(ret, size, "host='%s' port=" PORT " dbname='%s'", c->socket_directory, database);
    return n < 0 || (size_t)n >= size ? RES_LIMIT : RES_OK;
}

enum res pg_cluster_password_file(const struct pg_cluster *c, const char *role, char *ret,
                                  size_t size)
{
    int n = snprintf(ret, size, "%s/pg-%s.password", c->secrets_directory, role);
    return n < 0 || (size_t)n >= size ? RES_LIMIT : RES_OK;
}

enum res pg_cluster_connect(const struct pg_cluster *c, const char *database, struct pg_conn **ret,
                            struct err *why)
{
    char place[PG_CLUSTER_PATH_MAX + 128];
    char password[PG_CLUSTER_PATH_MAX + 64];
    enum res r = pg_cluster_place(c, database, place, sizeof place);
    if (r == RES_OK) {
        r = pg_cluster_password_file(c, PG_CLUSTER_SUPERUSER, password, sizeof password);
    }
    if (r != RES_OK) {
        err_set(why, "the path of the PostgreSQL cluster is too long");
        return r;
    }
    struct pg_conn_settings settings = {.place = place,
                                        .user = PG_CLUSTER_SUPERUSER,
                                        .password_file = password,
                                        .application = "setup"};
    return pg_conn_open(&settings, ret, why);
}

/* The server gets the SCRAM verifier only: a statement may be logged, a password never. */
static enum res set_password(struct pg_conn *admin, const char *role, const char *password,
                             bool exists, struct err *why)
{
    char sql[512];
    char *verifier = PQencryptPasswordConn(pg_conn_handle(admin), password, role, "scram-sha-256");
    if (verifier == NULL) {
        err_set(why, "cannot derive the password verifier of %s", role);
        return RES_NO_MEMORY;
    }
    (void)snprintf(sql, sizeof sql,
                   "%s ROLE \"%s\" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT "
                   "NOREPLICATION NOBYPASSRLS PASSWORD '%s'",
                   exists ? "ALTER" : "CREATE", role, verifier);
    PQfreemem(verifier);
    return pg_conn_command(admin, sql, why);
}

enum res pg_cluster_ensure_role(const struct pg_cluster *c, struct pg_conn *admin, const char *role,
                                struct err *why)
{
    char path[PG_CLUSTER_PATH_MAX + 64];
    char password[PASSWORD_BYTES * 2 + 1];
    struct pg_params p;
    PGresult *rows = NULL;
    pg_params_init(&p);
    pg_params_cstr(&p, role);
    enum res r =
        pg_conn_run(admin, "SELECT count(*) FROM pg_roles WHERE rolname = $1", &p, &rows, why);
    if (r != RES_OK) {
        return r;
    }
    bool exists = pg_get_i64(rows, 0, 0) == 1;
    PQclear(rows);
    r = pg_cluster_password_file(c, role, path, sizeof path);
    if (r != RES_OK || (exists && access(path, R_OK) == 0)) {
        return r;
    }
    r = new_password(c, role, password, sizeof password, why);
    if (r == RES_OK) {
        r = set_password(admin, role, password, exists, why);
    }
    if (r == RES_OK) {
        r = take_new(path, why);
    }
    OPENSSL_cleanse(password, sizeof password);
    return r;
}
