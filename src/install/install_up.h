/* install_up.h: everything of one installation, started in order and stopped in reverse.
 *
 *   PostgreSQL -> broker -> ingest -> worker -> api
 *
 * What a process needs to find the others is in DIR/run: ports.json once everything serves,
 * pids.json kept up to date. One thread; the caller's loop calls install_up_step.
 */
#ifndef INSTALL_UP_H
#define INSTALL_UP_H

#include "broker_config.h"
#include "install_settings.h"
#include "model.h"
#include "supervise.h"

enum install_service {
    INSTALL_POSTGRES,
    INSTALL_BROKER,
    INSTALL_INGEST,
    INSTALL_WORKER,
    INSTALL_API,
    INSTALL_SERVICES
};
#define INSTALL_ARGV_MAX 12

struct install_up {
    char root[FILE_PATH_BYTES_MAX];
    char program[FILE_PATH_BYTES_MAX]; /* this program, for ingest, worker and api */
    char plugin[FILE_PATH_BYTES_MAX];
    const struct settings *settings;
    uint16_t broker_port;
    uint16_t api_port;
    char broker_port_text[8];
    char api_port_text[8];
    struct pg_cluster cluster;
    struct broker_config broker;
    struct broker_command broker_command;
    char broker_directory[FILE_PATH_BYTES_MAX];
    char log_paths[INSTALL_SERVICES][FILE_PATH_BYTES_MAX];
    const char *argv[INSTALL_SERVICES][INSTALL_ARGV_MAX];
    struct supervise_service services[INSTALL_SERVICES];
    int lock_fd;
    int64_t crl_changed_ns; /* of broker/crl.pem when the broker last read it */
};

/* Takes the installation for this process (RES_CONFLICT: another `endcap up` has it), makes its
 * folders, checks the ports. `settings` outlives `up`. */
MUST_CHECK enum res install_up_init(struct install_up *up, const char *root,
                                    const struct settings *settings, struct err *why);
/* Starts everything and waits until it serves; `tell` hears of each step. On failure the caller
 * calls install_up_stop. `stop` turning nonzero ends the wait with RES_AGAIN. */
typedef void (*install_tell)(const char *step);
MUST_CHECK enum res install_up_start(struct install_up *up, install_tell tell,
                                     const volatile int *stop, struct err *why);
/* Watches for up to wait_ms: restarts what ended, makes the broker read a changed CRL. */
void install_up_step(struct install_up *up, int64_t wait_ms, supervise_tell ended);
/* False: something had to be killed. Lets the installation go. */
bool install_up_stop(struct install_up *up);

#endif
