#include "broker_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "broker_plugin_path.h"
#include "clock.h"

#define READY_MS_MAX     20000
#define START_ATTEMPTS   5
#define PLUGIN_BYTES_MAX (16 * 1024 * 1024)
#define SERVER_DAYS      2
#define REVOKED_MAX      1000

static _Noreturn void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "broker_fixture: %s: %s\n", what, why);
    exit(1);
}

static void must(enum res r, const char *what, const struct err *why)
{
    if (r != RES_OK) {
        die(what, why->text[0] != '\0' ? why->text : res_name(r));
    }
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

static void pause_ms(long ms)
{
    const struct timespec delay = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&delay, NULL);
}

static uint16_t free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
        die("no free port", strerror(errno));
    }
    (void)close(fd);
    return ntohs(address.sin_port);
}

static bool answers(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool open = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    return open;
}

/* Without fsync: nothing here outlives the test. */
static void write_bytes(const char *path, const void *bytes, size_t size, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size || close(fd) != 0) {
        die(path, strerror(errno));
    }
}

static void write_file(const char *path, const char *text, mode_t mode)
{
    write_bytes(path, text, strlen(text), mode);
}

/* The build's own directory may be closed to the user the broker runs as. */
static void copy_plugin(const char *to)
{
    struct err why = {""};
    size_t size;
    char *content = malloc(PLUGIN_BYTES_MAX);
    if (content == NULL) {
        die("copying the plugin", "no memory");
    }
    must(file_read(BROKER_PLUGIN_PATH, content, PLUGIN_BYTES_MAX, &size, &why), "the plugin", &why);
    write_bytes(to, content, size, 0644);
    free(content);
}

static void make_server_certificate(const struct broker_fixture *f)
{
    struct err why = {""};
    struct pki_certificate server;
    char path[128];
    char pem[PKI_PEM_BYTES_MAX];
    size_t size;
    must(pki_issue_server(f->ca, NULL, 0, SERVER_DAYS, &server, &why), "server certificate", &why);
    (void)snprintf(path, sizeof path, "%s/server.crt", f->broker_directory);
    write_file(path, server.pem, 0644);
    (void)snprintf(path, sizeof path, "%s/server.key", f->broker_directory);
    write_file(path, server.key_pem, 0600);
    must(file_read(f->ca_file, pem, sizeof pem, &size, &why), "CA certificate", &why);
    (void)snprintf(path, sizeof path, "%s/ca.crt", f->broker_directory);
    write_file(path, pem, 0644);
}

static void make_directories(struct broker_fixture *f)
{
    const char *base = getenv("TMPDIR");
    (void)snprintf(f->directory, sizeof f->directory, "%.30s/endcap-broker-XXXXXX",
                   base != NULL && strlen(base) <= 30 ? base : P_tmpdir);
    if (mkdtemp(f->directory) == NULL || chmod(f->directory, 0711) != 0) {
        die("cannot make a directory", strerror(errno));
    }
    (void)snprintf(f->ca_directory, sizeof f->ca_directory, "%s/ca", f->directory);
    (void)snprintf(f->broker_directory, sizeof f->broker_directory, "%s/broker", f->directory);
    (void)snprintf(f->ca_file, sizeof f->ca_file, "%s/ca.crt", f->ca_directory);
    (void)snprintf(f->security_log, sizeof f->security_log, "%s/security.log", f->broker_directory);
    if (mkdir(f->ca_directory, 0700) != 0 || mkdir(f->broker_directory, 0700) != 0) {
        die("cannot make a directory", strerror(errno));
    }
}

static pid_t spawn(const struct broker_fixture *f)
{
    char log[128];
    (void)snprintf(log, sizeof log, "%s/mosquitto.log", f->directory);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0) {
        die("fork", strerror(errno));
    }
    if (pid == 0) {
        int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        if (fd < 0 || dup2(fd, STDERR_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0 ||
            prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) {
            _exit(126);
        }
        (void)execv(f->command.argv[0], (char *const *)(uintptr_t)f->command.argv);
        _exit(127);
    }
    return pid;
}

/* True once it listens; false when it ended, as it does when somebody else took the port. */
static bool wait_until_ready(struct broker_fixture *f)
{
    for (int waited_ms = 0; waited_ms < READY_MS_MAX; waited_ms += 10) {
        int status;
        if (waitpid(f->pid, &status, WNOHANG) == f->pid) {
            f->pid = 0;
            return false;
        }
        if (answers(f->port)) {
            return true;
        }
        pause_ms(10);
    }
    return false;
}

static void show_log(const struct broker_fixture *f)
{
    char path[128];
    char text[4096];
    size_t size;
    (void)snprintf(path, sizeof path, "%s/mosquitto.log", f->directory);
    if (file_read(path, text, sizeof text, &size, NULL) == RES_OK) {
        (void)fprintf(stderr, "%s", text);
    }
}

static bool start_on(struct broker_fixture *f, uint16_t port)
{
    struct err why = {""};
    char plugin[128];
    (void)snprintf(plugin, sizeof plugin, "%s/plugin.so", f->directory);
    const struct broker_config config = {
        .directory = f->broker_directory, .port = port, .plugin_file = plugin};
    must(broker_config_write(&config, &f->command, &why), "settings", &why);
    f->port = port;
    f->pid = spawn(f);
    return wait_until_ready(f);
}

bool broker_fixture_start(struct broker_fixture *f)
{
    struct err why = {""};
    char path[128];
    *f = (struct broker_fixture){.pid = 0};
    if (access(BROKER_PROGRAM_DEFAULT, X_OK) != 0) {
        (void)fprintf(stderr, "SKIP SKIP SKIP: no %s here; install Mosquitto 2\n",
                      BROKER_PROGRAM_DEFAULT);
        return false;
    }
    f->revoked = calloc(REVOKED_MAX, sizeof *f->revoked);
    if (f->revoked == NULL) {
        die("start", "no memory");
    }
    make_directories(f);
    must(pki_ca_create(f->ca_directory, &why), "CA", &why);
    must(pki_ca_open(f->ca_directory, &f->ca, &why), "CA", &why);
    must(pki_crl_write(f->ca, f->ca_directory, f->broker_directory, f->revoked, 0, &why), "CRL",
         &why);
    make_server_certificate(f);
    (void)snprintf(path, sizeof path, "%s/plugin.so", f->directory);
    copy_plugin(path);
    for (int i = 0; i < START_ATTEMPTS; i++) {
        if (start_on(f, free_port())) {
            return true;
        }
    }
    show_log(f);
    broker_fixture_stop(f);
    die("start", "Mosquitto does not start");
}

static void end(struct broker_fixture *f, int signal_number)
{
    if (f->pid > 0) {
        int status;
        (void)kill(f->pid, signal_number);
        while (waitpid(f->pid, &status, 0) < 0 && errno == EINTR) {
        }
        f->pid = 0;
    }
}

void broker_fixture_kill(struct broker_fixture *f)
{
    end(f, SIGKILL);
}

void broker_fixture_restart(struct broker_fixture *f)
{
    end(f, SIGTERM);
    if (!start_on(f, f->port)) {
        show_log(f);
        die("restart", "Mosquitto does not start");
    }
}

void broker_fixture_stop(struct broker_fixture *f)
{
    end(f, SIGTERM);
    pki_ca_close(f->ca);
    free(f->revoked);
    if (f->directory[0] != '\0' && nftw(f->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0) {
        (void)fprintf(stderr, "broker_fixture: cannot remove %s\n", f->directory);
    }
    *f = (struct broker_fixture){.pid = 0};
}

void broker_fixture_issue(const struct broker_fixture *f, enum pki_kind kind, const char *id,
                          const char *store_id, struct broker_identity_files *ret_files)
{
    struct err why = {""};
    struct pki_request request = {.kind = kind,
                                  .id = span_text(id, 64),
                                  .store_id =
                                      store_id == NULL ? SPAN_NONE : span_text(store_id, 64)};
    pki_issue_period(&request, SERVER_DAYS);
    must(pki_issue_with_key(f->ca, &request, &ret_files->certificate, &why), id, &why);
    (void)snprintf(ret_files->certificate_file, sizeof ret_files->certificate_file, "%s/%s.crt",
                   f->directory, id);
    (void)snprintf(ret_files->key_file, sizeof ret_files->key_file, "%s/%s.key", f->directory, id);
    write_file(ret_files->certificate_file, ret_files->certificate.pem, 0644);
    write_file(ret_files->key_file, ret_files->certificate.key_pem, 0600);
    pki_issue_cleanse(&ret_files->certificate);
}

void broker_fixture_revoke(struct broker_fixture *f, const struct pki_certificate *certificates,
                           size_t count)
{
    struct err why = {""};
    for (size_t i = 0; i < count; i++) {
        if (f->revoked_count == REVOKED_MAX) {
            die("revoke", "too many");
        }
        struct pki_revoked *entry = &f->revoked[f->revoked_count++];
        memcpy(entry->serial, certificates[i].identity.serial, sizeof entry->serial);
        memcpy(entry->id, certificates[i].identity.id, sizeof entry->id);
        entry->revoked_ms = clock_utc_ms();
    }
    must(pki_crl_write(f->ca, f->ca_directory, f->broker_directory, f->revoked, f->revoked_count,
                       &why),
         "revoke", &why);
}

void broker_fixture_settings(const struct broker_fixture *f,
                             const struct broker_identity_files *files,
                             struct mqtt_client_settings *ret_settings)
{
    *ret_settings = (struct mqtt_client_settings){.host = "127.0.0.1",
                                                  .port = f->port,
                                                  .ca_file = f->ca_file,
                                                  .certificate_file = files->certificate_file,
                                                  .key_file = files->key_file,
                                                  .client_id = files->certificate.identity.id,
                                                  .keep_alive_s = 30};
}

char *broker_fixture_log(const struct broker_fixture *f)
{
    struct stat status;
    size_t have = 0;
    int fd = open(f->security_log, O_RDONLY | O_CLOEXEC);
    char *text = fd >= 0 && fstat(fd, &status) == 0 ? malloc((size_t)status.st_size + 1) : NULL;
    if (text == NULL) {
        die(f->security_log, strerror(errno));
    }
    while (have < (size_t)status.st_size) { /* what is written meanwhile is for the next call */
        ssize_t got = read(fd, text + have, (size_t)status.st_size - have);
        if (got <= 0) {
            die(f->security_log, strerror(errno));
        }
        have += (size_t)got;
    }
    text[have] = '\0';
    (void)close(fd);
    return text;
}
