/* test_fleet_world.h: for the test of endcap-fleet as it ships: a real broker, a platform of the
 * test's own that signs what it sends, and the fleet as a child that is spoken to over its control
 * socket.
 */
#ifndef TEST_FLEET_WORLD_H
#define TEST_FLEET_WORLD_H

#include <jansson.h>
#include <sys/types.h>

#include "broker_fixture.h"
#include "platform_signer.h"
#include "shelf.h"

#define WORLD_LABELS_MAX  256
#define WORLD_DEADLINE_MS 30000

struct world_label { /* as the platform knows it */
    char id[SHELF_ID_BYTES_MAX + 1];
    bool has_desired;
    int64_t version;
    int64_t price_minor;
    uint8_t digest[SHELF_DIGEST_BYTES]; /* of what it is to show */
    char digest_text[2 * SHELF_DIGEST_BYTES + 1];
    int64_t epoch;
    int64_t through;    /* events had without a hole */
    unsigned displayed; /* acks of the desired version with its digest */
    unsigned wrong;     /* acks with another digest than that version's */
    unsigned refused;
    unsigned gets;
};

struct world {
    const char *program;
    struct broker_fixture broker;
    struct platform_signer *signer;
    struct mqtt_client *ingest;
    struct mqtt_client *worker;
    unsigned connects;
    size_t count;
    struct world_label labels[WORLD_LABELS_MAX];
    char labels_directory[128];
    char platform_pub[128];
    char state[128];
    char control[100];
    char report[128];
    char errors[128];
    pid_t fleet; /* 0: not running */
    int socket;
    char line[4 * 1024 * 1024];
    size_t line_size;
};

/* False: no Mosquitto here. */
bool world_open(struct world *w, const char *program, size_t labels);
void world_close(struct world *w);
/* Starts the fleet with these options beside its own, and speaks to it. */
void world_start(struct world *w, const char *const *extra);
/* Waits for its end; its exit status. */
int world_end(struct world *w, int signal_number);
/* The platform's clients are there again after the broker was. */
void world_connect(struct world *w);
/* The platform works for so long. */
void world_run(struct world *w, int64_t ms);
/* Sends a request and works until its answer, which must be ok. Free it with json_decref. */
json_t *world_ask(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same, and the answer must be a refusal. */
void world_refused(struct world *w, const char *request, const char *words);
/* A wait that must come true. */
void world_wait(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A new price for it, signed: into its shadow, and sent unless `quiet`. */
void world_price(struct world *w, struct world_label *l, int64_t price_minor, bool quiet);
/* {"expect":{...}}: every label shows what it is to show. */
void world_expect_shown(struct world *w);
void world_until_displayed(struct world *w, size_t from, size_t to);

#endif
