#include "broker_config.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mqtt_tls.h"
#include "span.h"

#define CONFIG_BYTES_MAX 16384
/* At a start, a log larger than this becomes security.log.1. */
#define LOG_TURN_BYTES (16 * 1024 * 1024)

/* %D directory, %P port, %B address, %G plugin, %C connections, %U user line */
static const char template[] =
    "# Written by `endcap up`; changes here are lost at its next start.\n"
    "\n"
    "# One door: TLS 1.2 or later, forward-secret AEAD suites, and a certificate of our CA or\n"
    "# nothing (C-095). The plugin closes TLS session resumption: each connection proves itself.\n"
    "per_listener_settings false\n"
    "listener %P %B\n"
    "cafile %D/ca.crt\n"
    "certfile %D/server.crt\n"
    "keyfile %D/server.key\n"
    "crlfile %D/crl.pem\n"
    "require_certificate true\n"
    "tls_version tlsv1.2\n"
    "ciphers " MQTT_TLS_CIPHERS_12 "\n"
    "ciphers_tls1.3 " MQTT_TLS_CIPHERS_13 "\n"
    "\n"
    "# Who a client is and what it may do is the plugin's to say; without it nobody gets in. It\n"
    "# sets the user name from the certificate: with use_identity_as_username Mosquitto 2.0 would\n"
    "# not ask it at all.\n"
    "allow_anonymous false\n"
    "allow_zero_length_clientid false\n"
    "plugin %G\n"
    "plugin_opt_directory %D\n"
    "plugin_opt_clients %C\n"
    "%U"
    "\n"
    "# Nothing is kept: no promise rests on the broker. Carts resend until the platform has the\n"
    "# events on its own disk, commands live in PostgreSQL, devices use clean sessions only, and\n"
    "# the worker publishes the retained catalogues again when it starts.\n"
    "persistence false\n"
    "\n"
    "# Retained catalogues come from the worker alone, whose grants do not change while it runs;\n"
    "# the check would ask about a client that may be offline.\n"
    "retain_available true\n"
    "check_retain_source false\n"
    "\n"
    "# The largest message is a catalogue chunk; a packet adds topic and properties. Events are "
    "at\n"
    "# most 800 bytes, which ingest checks and answers.\n"
    "message_size_limit 16384\n"
    "max_packet_size 20480\n"
    "\n"
    "# QoS 1 is all we use: the end-to-end watermark removes duplicates, QoS 2 would only cost.\n"
    "max_qos 1\n"
    "\n"
    "# In flight per client and direction. Mosquitto's 20 would throttle ingest, which answers "
    "for\n"
    "# every cart over one connection; a cart itself keeps at most 32 on the way.\n"
    "max_inflight_messages 1000\n"
    "\n"
    "# A reader that falls behind: 5,000 carts with 32 events each are 160,000 messages. Beyond\n"
    "# that the broker drops (and still says success); the carts send again after 5 s.\n"
    "max_queued_messages 200000\n"
    "max_queued_bytes 134217728\n"
    "queue_qos0_messages false\n"
    "\n"
    "# All clients together, so that many slow readers cannot take the machine.\n"
    "memory_limit 1073741824\n"
    "max_connections %C\n"
    "\n"
    "# A silent device is let go after one and a half of this, so that its place is free again.\n"
    "max_keepalive 300\n"
    "\n"
    "# An event waits for nobody's next packet.\n"
    "set_tcp_nodelay true\n"
    "\n"
    "# No one is granted $SYS. Refused clients are in security.log; accepted ones are no news.\n"
    "sys_interval 0\n"
    "connection_messages false\n"
    "log_dest stderr\n"
    "log_type error\n"
    "log_type warning\n"
    "log_timestamp_format %Y-%m-%dT%H:%M:%SZ\n";

_Static_assert(BROKER_MESSAGE_BYTES_MAX == 16384 && BROKER_PACKET_BYTES_MAX == 20480,
               "the template above says the same");

static const char *value_of(char letter, const struct broker_config *c, bool as_root)
{
    switch (letter) {
    case 'D':
        return c->directory;
    case 'B':
        return c->bind_address == NULL ? "127.0.0.1" : c->bind_address;
    case 'G':
        return c->plugin_file;
    case 'U':
        return as_root ? "user " BROKER_USER "\n" : "";
    default:
        return NULL;
    }
}

static void fill_template(struct sink *s, const struct broker_config *c, bool as_root)
{
    for (const char *at = template; *at != '\0'; at++) {
        const char *value = *at == '%' ? value_of(at[1], c, as_root) : NULL;
        if (value != NULL) {
            sink_text(s, value);
        } else if (at[0] == '%' && at[1] == 'P') {
            sink_u64(s, c->port);
        } else if (at[0] == '%' && at[1] == 'C') {
            sink_u64(s,
                     c->connections_max == 0 ? BROKER_CONNECTIONS_MAX_DEFAULT : c->connections_max);
        } else {
            sink_byte(s, (uint8_t)*at);
            continue;
        }
        at++;
    }
}

static enum res check(const struct broker_config *c, struct err *why)
{
    assert(c->directory != NULL && c->plugin_file != NULL);
    const char *texts[] = {c->directory, c->bind_address, c->plugin_file};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (texts[i] != NULL && strpbrk(texts[i], "\r\n") != NULL) {
            err_set(why, "a path or address of the broker holds a line break; rename it");
            return RES_INVALID;
        }
    }
    const char *program = c->program == NULL ? BROKER_PROGRAM_DEFAULT : c->program;
    if (access(program, X_OK) != 0) {
        err_set(why,
                "%s cannot be run (%s); install Mosquitto 2 (Debian: apt install mosquitto) or "
                "set where it is",
                program, strerror(errno));
        return RES_NOT_FOUND;
    }
    if (access(c->plugin_file, R_OK) != 0) {
        err_set(why,
                "the broker plugin %s cannot be read (%s); build and install it, without it the "
                "broker lets nobody in",
                c->plugin_file, strerror(errno));
        return RES_NOT_FOUND;
    }
    return RES_OK;
}

static enum res failed(const char *doing, const char *path, struct err *why)
{
    int error = errno;
    err_set(why, "cannot %s %s: %s", doing, path, strerror(error));
    return file_res_of_errno(error);
}

static enum res turn_log(const char *path, struct err *why)
{
    char old[FILE_PATH_BYTES_MAX];
    struct stat status;
    if (stat(path, &status) != 0 || status.st_size < LOG_TURN_BYTES) {
        return RES_OK;
    }
    enum res r = file_path(old, why, "%s.1", path);
    if (r == RES_OK && rename(path, old) != 0) {
        r = failed("rename", path, why);
    }
    return r;
}

/* The log is there before the broker starts: as root, only this one file is the broker's to write,
 * so a broker that was taken over cannot lead our own writes astray with links. */
static enum res make_log(const char *path, struct err *why)
{
    enum res r = turn_log(path, why);
    if (r != RES_OK) {
        return r;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0) {
        return failed("write", path, why);
    }
    (void)close(fd);
    return RES_OK;
}

static enum res give(const char *path, uid_t user, gid_t group, mode_t mode, struct err *why)
{
    if (lchown(path, user, group) != 0 || chmod(path, mode) != 0) {
        return failed("change the owner of", path, why);
    }
    return RES_OK;
}

static enum res hand_over(const struct broker_config *c, const char *log, struct err *why)
{
    const struct passwd *user = getpwnam(BROKER_USER);
    if (user == NULL) {
        err_set(why,
                "there is no user %s to run the broker as; install Debian's mosquitto package "
                "or do not start as root",
                BROKER_USER);
        return RES_NOT_FOUND;
    }
    char key[FILE_PATH_BYTES_MAX];
    enum res r = file_path(key, why, "%s/server.key", c->directory);
    if (r == RES_OK) {
        r = give(c->directory, 0, user->pw_gid, 0750, why);
    }
    if (r == RES_OK) {
        r = give(key, 0, user->pw_gid, 0640, why);
    }
    if (r == RES_OK) {
        r = give(log, user->pw_uid, user->pw_gid, 0640, why);
    }
    return r;
}

enum res broker_config_write(const struct broker_config *config, struct broker_command *ret_command,
                             struct err *why)
{
    char text[CONFIG_BYTES_MAX];
    char path[FILE_PATH_BYTES_MAX];
    char log[FILE_PATH_BYTES_MAX];
    bool as_root = geteuid() == 0;
    struct sink s;
    sink_init(&s, text, sizeof text);
    enum res r = check(config, why);
    if (r == RES_OK) {
        r = file_path(path, why, "%s/mosquitto.conf", config->directory);
    }
    if (r == RES_OK) {
        r = file_path(log, why, "%s/security.log", config->directory);
    }
    if (r != RES_OK) {
        return r;
    }
    fill_template(&s, config, as_root);
    if (s.overflow) {
        err_set(why, "the broker's settings are longer than %d bytes; choose shorter paths",
                CONFIG_BYTES_MAX);
        return RES_LIMIT;
    }
    r = file_write(path, s.data, s.size, 0644, why);
    if (r == RES_OK) {
        r = make_log(log, why);
    }
    if (r == RES_OK && as_root) {
        r = hand_over(config, log, why);
    }
    if (r == RES_OK) {
        memcpy(ret_command->config_file, path, sizeof path);
        const char *const argv[] = {config->program == NULL ? BROKER_PROGRAM_DEFAULT
                                                            : config->program,
                                    "-c", ret_command->config_file, NULL};
        memcpy(ret_command->argv, argv, sizeof argv);
    }
    return r;
}
