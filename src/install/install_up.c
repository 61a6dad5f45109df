#include "install_up.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "install_keys.h"
#include "install_ready.h"
#include "listen_port.h"
#include "pki_registry.h"

#define READY_MS    30000
#define PLUGIN_NAME "endcap-broker-plugin.so"

static const char *const names[INSTALL_SERVICES] = {"postgres", "broker", "ingest", "worker",
                                                    "api"};

/* run/ports.json says that everything serves: none may be left of one that was killed. */
static void remove_signs(const struct install_up *up)
{
    static const char *const files[] = {"ports.json", "pids.json"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[FILE_PATH_BYTES_MAX];
        if (file_path(path, NULL, "%s/run/%s", up->root, files[i]) == RES_OK) {
            (void)unlink(path);
        }
    }
}

static enum res lock(struct install_up *up, struct err *why)
{
    char path[FILE_PATH_BYTES_MAX];
    enum res r = file_path(path, why, "%s/run/up.lock", up->root);
    if (r != RES_OK) {
        return r;
    }
    up->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (up->lock_fd < 0) {
        err_set(why, "cannot write %s: %s", path, strerror(errno));
        return file_res_of_errno(errno);
    }
    if (flock(up->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        err_set(why, "another `endcap up` runs in %s; stop it or use another --data", up->root);
        (void)close(up->lock_fd);
        up->lock_fd = -1;
        return RES_CONFLICT;
    }
    remove_signs(up);
    return RES_OK;
}

static enum res make_folders(const struct install_up *up, struct err *why)
{
    /* broker/ is read by the broker's own user, everything else is ours; pg/ and run/pg belong to
     * PostgreSQL's and are made by pg_cluster_create. */
    static const struct {
        const char *name;
        mode_t mode;
    } folders[] = {{"run", 0711},       {"ca", 0700},      {"secrets", 0700}, {"broker", 0755},
                   {"telemetry", 0700}, {"objects", 0700}, {"log", 0755}};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char path[FILE_PATH_BYTES_MAX];
        enum res r = file_path(path, why, "%s/%s", up->root, folders[i].name);
        if (r == RES_OK) {
            r = file_make_directory(path, folders[i].mode, why);
        }
        if (r != RES_OK) {
            return r;
        }
    }
    return RES_OK;
}

/* Beside this program in a build tree, or where an installed one has it. */
static enum res find_plugin(struct install_up *up, struct err *why)
{
    static const char *const places[] = {"../broker-plugin", "../lib/endcap"};
    const char *said = settings_text(up->settings, "broker_plugin");
    if (said[0] != '\0') {
        return file_path(up->plugin, why, "%s", said);
    }
    const char *slash = strrchr(up->program, '/');
    int size = slash == NULL ? 0 : (int)(slash - up->program);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char candidate[FILE_PATH_BYTES_MAX];
        enum res r =
            file_path(candidate, why, "%.*s/%s/" PLUGIN_NAME, size, up->program, places[i]);
        if (r != RES_OK) {
            return r;
        }
        if (access(candidate, R_OK) == 0) {
            return file_path(up->plugin, why, "%s", candidate);
        }
    }
    err_set(why,
            "the broker plugin " PLUGIN_NAME " is not beside %s; build it or name it with "
            "`broker_plugin` in endcap.conf",
            up->program);
    return RES_NOT_FOUND;
}

static enum res find_program(struct install_up *up, struct err *why)
{
    ssize_t size = readlink("/proc/self/exe", up->program, sizeof up->program - 1);
    if (size < 0) {
        err_set(why, "cannot tell where this program is: %s", strerror(errno));
        return RES_IO;
    }
    up->program[size] = '\0';
    return find_plugin(up, why);
}

static void set_service(struct install_up *up, enum install_service which, const char *const *argv,
                        int stop_signal)
{
    up->services[which] = (struct supervise_service){.name = names[which],
                                                     .argv = argv,
                                                     .stop_signal = stop_signal,
                                                     .log_path = up->log_paths[which],
                                                     .ready_ms_max = READY_MS};
}

static enum res set_services(struct install_up *up, struct err *why)
{
    for (int i = 0; i < INSTALL_SERVICES; i++) {
        enum res r = file_path(up->log_paths[i], why, "%s/log/%s.log", up->root, names[i]);
        if (r != RES_OK) {
            return r;
        }
    }
    (void)snprintf(up->broker_port_text, sizeof up->broker_port_text, "%u", up->broker_port);
    (void)snprintf(up->api_port_text, sizeof up->api_port_text, "%u", up->api_port);
    const char *level = settings_text(up->settings, "log_level");
    const char *address = settings_text(up->settings, "broker_address");
    /* Who listens everywhere is reached on the loopback. */
    const char *host = strcmp(address, "0.0.0.0") == 0 ? "127.0.0.1" : address;
    const char *const ours[][INSTALL_ARGV_MAX] = {
        [INSTALL_INGEST] = {up->program, "ingest", "--data", up->root, "--broker-host", host,
                            "--broker-port", up->broker_port_text, "--log-level", level, NULL},
        [INSTALL_WORKER] = {up->program, "worker", "--data", up->root, "--broker-host", host,
                            "--broker-port", up->broker_port_text, "--log-level", level, NULL},
        [INSTALL_API] = {up->program, "api", "--data", up->root, "--port", up->api_port_text,
                         "--log-level", level, NULL},
    };
    for (int i = INSTALL_INGEST; i <= INSTALL_API; i++) {
        memcpy(up->argv[i], ours[i], sizeof up->argv[i]);
        set_service(up, (enum install_service)i, up->argv[i], SIGTERM);
    }
    /* SIGINT: PostgreSQL's fast shutdown. SIGTERM would wait for every client to leave. */
    set_service(up, INSTALL_POSTGRES, NULL, SIGINT);
    set_service(up, INSTALL_BROKER, up->broker_command.argv, SIGTERM);
    return RES_OK;
}

enum res install_up_init(struct install_up *up, const char *root, const struct settings *settings,
                         struct err *why)
{
    memset(up, 0, sizeof *up);
    up->lock_fd = -1;
    up->settings = settings;
    enum res r = install_settings_check(settings, why);
    if (r == RES_OK) {
        r = file_path(up->root, why, "%s", root);
    }
    if (r == RES_OK) {
        r = make_folders(up, why);
    }
    if (r == RES_OK) {
        r = lock(up, why);
    }
    if (r == RES_OK) {
        r = find_program(up, why);
    }
    if (r == RES_OK) {
        r = listen_port_check(settings_text(settings, "broker_address"),
                              settings_number(settings, "broker_port"), "broker_port",
                              &up->broker_port, why);
    }
    if (r == RES_OK) {
        r = listen_port_check("127.0.0.1", settings_number(settings, "api_port"), "api_port",
                              &up->api_port, why);
    }
    return r == RES_OK ? set_services(up, why) : r;
}

static void become_postgres(void *context)
{
    pg_cluster_exec(context);
}

static enum res start_postgres(struct install_up *up, install_tell tell, const volatile int *stop,
                               struct err *why)
{
    struct supervise_service *service = &up->services[INSTALL_POSTGRES];
    enum res r = model_cluster(up->root, &up->cluster, why);
    if (r != RES_OK) {
        return r;
    }
    up->cluster.die_with_parent = true;
    tell("PostgreSQL");
    r = pg_cluster_create(&up->cluster, why);
    if (r != RES_OK) {
        return r;
    }
    service->become = become_postgres;
    service->ready = install_ready_postgres;
    service->context = &up->cluster;
    r = supervise_start(service, stop, why);
    if (r == RES_OK) {
        size_t migrations = 0;
        r = model_install(&up->cluster, &migrations, why);
    }
    return r;
}

/* What is revoked is known to the database: the broker's lists may be from a backup, or gone. */
static enum res publish_revoked(const struct install_up *up, struct err *why)
{
    char ca_directory[FILE_PATH_BYTES_MAX];
    struct pki_ca *ca = NULL;
    struct pg_conn *c = NULL;
    enum res r = file_path(ca_directory, why, "%s/ca", up->root);
    if (r == RES_OK) {
        r = pki_ca_open(ca_directory, &ca, why);
    }
    if (r == RES_OK) {
        r = model_connect_admin(up->root, &c, why);
    }
    if (r == RES_OK) {
        struct pki_registry registry = {c, ca, ca_directory, up->broker_directory};
        r = pki_registry_publish(&registry, why);
    }
    pg_conn_close(c);
    pki_ca_close(ca);
    return r;
}

static enum res start_broker(struct install_up *up, const volatile int *stop, struct err *why)
{
    struct supervise_service *service = &up->services[INSTALL_BROKER];
    enum res r = file_path(up->broker_directory, why, "%s/broker", up->root);
    if (r == RES_OK) {
        r = install_keys_ensure(up->root, up->settings, why);
    }
    if (r == RES_OK) {
        r = publish_revoked(up, why);
    }
    if (r != RES_OK) {
        return r;
    }
    up->broker = (struct broker_config){
        .directory = up->broker_directory,
        .bind_address = settings_text(up->settings, "broker_address"),
        .port = up->broker_port,
        .plugin_file = up->plugin,
        .program = settings_text(up->settings, "mosquitto"),
    };
    r = broker_config_write(&up->broker, &up->broker_command, why);
    if (r != RES_OK) {
        return r;
    }
    /* Started as its user, not as root dropping to it: a change of user would clear the signal
     * that ends it with us. */
    service->user = BROKER_USER;
    service->ready = install_ready_broker;
    service->context = &up->broker;
    return supervise_start(service, stop, why);
}

static enum res write_pids(const struct install_up *up, struct err *why)
{
    char path[FILE_PATH_BYTES_MAX];
    char text[512];
    size_t size = 0;
    enum res r = file_path(path, why, "%s/run/pids.json", up->root);
    if (r != RES_OK) {
        return r;
    }
    for (int i = 0; i < INSTALL_SERVICES; i++) {
        size += (size_t)snprintf(text + size, sizeof text - size, "%s\"%s\":%d", i == 0 ? "{" : ",",
                                 names[i], (int)up->services[i].pid);
    }
    size += (size_t)snprintf(text + size, sizeof text - size, "}\n");
    return file_write(path, text, size, 0644, why);
}

static enum res write_ports(const struct install_up *up, struct err *why)
{
    char path[FILE_PATH_BYTES_MAX];
    char text[128];
    enum res r = file_path(path, why, "%s/run/ports.json", up->root);
    if (r != RES_OK) {
        return r;
    }
    int size =
        snprintf(text, sizeof text, "{\"broker\":%u,\"api\":%u}\n", up->broker_port, up->api_port);
    return file_write(path, text, (size_t)size, 0644, why);
}

/* The API's /readyz asks after ingest and broker too. When one of them has ended, its own last
 * words are the cause, not the waiting. */
static enum res all_ready(void *context, struct err *why)
{
    struct install_up *up = context;
    if (supervise_ended_early(up->services, INSTALL_SERVICES, why)) {
        return RES_UNAVAILABLE;
    }
    return install_ready_api(&up->api_port, why);
}

enum res install_up_start(struct install_up *up, install_tell tell, const volatile int *stop,
                          struct err *why)
{
    enum res r = start_postgres(up, tell, stop, why);
    if (r == RES_OK) {
        tell("broker");
        r = start_broker(up, stop, why);
    }
    for (int i = INSTALL_INGEST; r == RES_OK && i <= INSTALL_API; i++) {
        tell(names[i]);
        if (i == INSTALL_API) {
            up->services[i].ready = all_ready;
            up->services[i].context = up;
        }
        r = supervise_start(&up->services[i], stop, why);
    }
    if (r == RES_OK) {
        r = write_pids(up, why);
    }
    return r == RES_OK ? write_ports(up, why) : r;
}

/* The plugin refuses revoked devices by its own list; the CRL makes the handshake say so too. */
static void renew_crl(struct install_up *up)
{
    char path[FILE_PATH_BYTES_MAX];
    struct stat status;
    if (file_path(path, NULL, "%s/crl.pem", up->broker_directory) != RES_OK ||
        stat(path, &status) != 0) {
        return;
    }
    int64_t changed = (int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec;
    if (up->crl_changed_ns != 0 && up->crl_changed_ns != changed &&
        up->services[INSTALL_BROKER].pid > 0) {
        (void)kill(up->services[INSTALL_BROKER].pid, SIGHUP);
    }
    up->crl_changed_ns = changed;
}

void install_up_step(struct install_up *up, int64_t wait_ms, supervise_tell ended)
{
    pid_t before[INSTALL_SERVICES];
    for (int i = 0; i < INSTALL_SERVICES; i++) {
        before[i] = up->services[i].pid;
    }
    supervise_step(up->services, INSTALL_SERVICES, wait_ms, ended, NULL);
    bool changed = false;
    for (int i = 0; i < INSTALL_SERVICES; i++) {
        changed = changed || before[i] != up->services[i].pid;
    }
    if (changed) {
        enum res r = write_pids(up, NULL);
        (void)r; /* a full disk here is told by whoever loses data by it */
    }
    renew_crl(up);
}

bool install_up_stop(struct install_up *up)
{
    bool orderly = supervise_stop(up->services, INSTALL_SERVICES);
    if (up->lock_fd >= 0) {
        remove_signs(up);
    }
    if (up->lock_fd >= 0) {
        (void)close(up->lock_fd);
        up->lock_fd = -1;
    }
    return orderly;
}
