/* broker_fixture.h: a private Mosquitto with our plugin and a fresh CA, for one test binary.
 *
 *   int main(void) { ... if (!broker_fixture_start(&f)) return 77; ... broker_fixture_stop(&f); }
 *
 * It listens on 127.0.0.1 at a port the kernel chose, lives in a directory of its own, and ends
 * with the test. Any failure of the fixture itself is printed and ends the process with 1.
 */
#ifndef BROKER_FIXTURE_H
#define BROKER_FIXTURE_H

#include <sys/types.h>

#include "broker_config.h"
#include "mqtt_client.h"
#include "pki_crl.h"
#include "pki_issue.h"

struct broker_fixture {
    char directory[64];    /* the test may keep other things here; removed at the end */
    char ca_directory[96]; /* ca.crt, ca.key, crl.pem */
    char broker_directory[96];
    char ca_file[128];
    char security_log[128];
    uint16_t port;
    pid_t pid; /* 0: not running */
    struct pki_ca *ca;
    struct broker_command command;
    struct pki_revoked *revoked;
    size_t revoked_count;
};

struct broker_identity_files {
    struct pki_certificate certificate; /* of the key only the file is kept */
    char certificate_file[160];
    char key_file[160];
};

/* False: no Mosquitto on this machine, said loudly; end the test with exit code 77 (meson's
 * "skipped"). */
bool broker_fixture_start(struct broker_fixture *f);
void broker_fixture_stop(struct broker_fixture *f);

/* SIGKILL, as a crash; everything the broker held is gone. */
void broker_fixture_kill(struct broker_fixture *f);
/* On the same port with the same CA. */
void broker_fixture_restart(struct broker_fixture *f);

/* A certificate of the fixture's CA that is valid now. `store_id` is NULL for a service. */
void broker_fixture_issue(const struct broker_fixture *f, enum pki_kind kind, const char *id,
                          const char *store_id, struct broker_identity_files *ret_files);
/* As `endcap device revoke` does: CRL and list, while the broker runs. */
void broker_fixture_revoke(struct broker_fixture *f, const struct pki_certificate *certificates,
                           size_t count);
/* Host, port, CA, certificate, key and client id; the rest is zero. The texts live in f and files.
 */
void broker_fixture_settings(const struct broker_fixture *f,
                             const struct broker_identity_files *files,
                             struct mqtt_client_settings *ret_settings);
/* The security log so far, ended with a NUL; free it. */
char *broker_fixture_log(const struct broker_fixture *f);

#endif
