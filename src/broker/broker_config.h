/* broker_config.h: the settings Mosquitto is started with, written new at each start.
 *
 * One listener, TLS with a client certificate or nothing, and limits on everything a client can
 * make the broker hold. The file carries each choice's reason.
 */
#ifndef BROKER_CONFIG_H
#define BROKER_CONFIG_H

#include <stdint.h>

#include "err.h"
#include "file.h"

#define BROKER_PROGRAM_DEFAULT         "/usr/sbin/mosquitto"
#define BROKER_USER                    "mosquitto" /* when we are root; Debian's package makes it */
#define BROKER_CONNECTIONS_MAX_DEFAULT 12000
#define BROKER_MESSAGE_BYTES_MAX       16384 /* the largest message there is: a catalogue chunk */
#define BROKER_PACKET_BYTES_MAX        20480 /* with topic, properties and header */

struct broker_config {
    /* Holds ca.crt, crl.pem, server.crt, server.key and revoked.list; receives mosquitto.conf and
     * security.log. As root the whole path must be searchable by the user `mosquitto`. */
    const char *directory;
    const char *bind_address; /* NULL: 127.0.0.1; "0.0.0.0" for a store's network */
    uint16_t port;
    const char *plugin_file;  /* our plugin, an absolute path that user `mosquitto` can read */
    const char *program;      /* NULL: BROKER_PROGRAM_DEFAULT */
    unsigned connections_max; /* 0: BROKER_CONNECTIONS_MAX_DEFAULT */
};

#define BROKER_ARGV_MAX 4

struct broker_command {
    char config_file[FILE_PATH_BYTES_MAX];
    const char *argv[BROKER_ARGV_MAX]; /* NULL at the end; points into the two structs */
};

/* Writes DIRECTORY/mosquitto.conf, sets a security.log that has grown large aside, hands the
 * listener's key and the log to user `mosquitto` when we are root, and fills in how to start the
 * broker. Stop it with SIGTERM; SIGHUP makes it read its certificate and CRL again.
 * RES_NOT_FOUND: Mosquitto or the plugin is not installed; RES_INVALID: a setting holds a line
 * break; RES_IO, RES_FULL, RES_DENIED. `config` outlives `ret_command`. */
MUST_CHECK enum res broker_config_write(const struct broker_config *config,
                                        struct broker_command *ret_command, struct err *why);

#endif
