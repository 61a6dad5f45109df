/* service.h: what the processes of an installation share: options, their
 * connection to the broker, the wait for the signal to stop.
 */
#ifndef SERVICE_H
#define SERVICE_H

#include "file.h"
#include "log.h"
#include "model.h"
#include "mqtt_client.h"

struct service_options {
    const char *command; /* "ingest": also the broker's name for it, service:ingest */
    const char *data;
    const char *instance;
    const char *broker_host;
    long broker_port; /* 0: as the installation's settings say */
    bool verifies;    /* it has workers that verify signatures */
    long workers;
    enum log_level level;
};

/* Paths and places of an installation. */
struct service {
    struct service_options options;
    struct model_place place;
    uint16_t broker_port;
    char root[FILE_PATH_BYTES_MAX];
    char telemetry[FILE_PATH_BYTES_MAX];
    char platform_key[FILE_PATH_BYTES_MAX];
    char ca_file[FILE_PATH_BYTES_MAX];
    char certificate[FILE_PATH_BYTES_MAX];
    char key[FILE_PATH_BYTES_MAX];
    char client_id[64];
};

/* -1: go on; else the exit code. `about` is the first lines of --help. */
int service_read_options(int argc, char **argv, const char *about, struct service_options *o);
MUST_CHECK enum res service_open(const struct service_options *o, struct service *ret,
                                 struct err *why);
/* Opens what needs PostgreSQL, which may start after us: while `open` answers RES_UNAVAILABLE it is
 * asked again. *ret_signal: the signal that ended the wait, or 0. */
MUST_CHECK enum res service_open_when_there(enum res (*open)(void *user, struct err *why),
                                            void *user, int *ret_signal, struct err *why);
/* Settings of a threaded connection to the broker, whose refusals are logged; the other callbacks
 * are the caller's to fill in. */
void service_mqtt(const struct service *s, struct mqtt_client_settings *ret);
/* Before any thread starts: SIGINT and SIGTERM are for service_wait alone. */
void service_block_signals(void);
/* Waits up to timeout_ms. The signal that came, or 0. */
int service_wait(long timeout_ms);

#endif
