/* label_world.h: for tests: a label_ingest with real PostgreSQL and real telemetry, and what it
 * answers, verified. A failure ends the process with words: a test needs no error handling.
 */
#ifndef LABEL_WORLD_H
#define LABEL_WORLD_H

#include "ecdsa.h"
#include "label_ingest.h"
#include "pg_fixture.h"

#define LABEL_WORLD_STORE   "STORE-1"
#define LABEL_WORLD_ANSWERS 4096
#define LABEL_WORLD_ITEM    "11111111-1111-4111-8111-111111111111"

struct label_world_answer {
    char topic[SHELF_TOPIC_BYTES];
    size_t size;
    uint8_t payload[SHELF_DOWN_BYTES_MAX];
};

struct label_world {
    struct pg_fixture pg;
    struct pg_conn *super;
    char telemetry[192];
    char platform_key[192];
    struct label_ingest *ingest;
    int64_t rate_per_second; /* of the next open; 0: no limit */
    int64_t rate_burst;
    enum telemetry_sync sync; /* of the next open */
    unsigned linger_ms;
    /* Takes the answers of the next open instead of the world; NULL: the world keeps them. */
    void (*publish)(void *user, const char *topic, struct span payload, struct span signature);
    pthread_mutex_t *lock; /* of what is heard */
    struct label_world_answer *answers;
    size_t answer_count;
    int64_t unsigned_answers; /* whose signature was not the platform's */
    enum label_ingest_state state;
    int64_t state_changes;
};

/* False: no PostgreSQL here (exit code 77). Makes the store and an item. */
bool label_world_start(struct label_world *w, enum pg_fixture_sync sync);
void label_world_stop(struct label_world *w);
/* Thrown away without flushing. */
void label_world_close(struct label_world *w);
void label_world_open(struct label_world *w, const char *writer);
/* Tables emptied, telemetry removed, `labels` labels ESP32-000001 on with a shadow each, bound to
 * the item and offline. No ingest may be open. */
void label_world_reset(struct label_world *w, unsigned labels);

/* smartshelf/{id}/{tail}, or a whole topic when id is NULL. */
void label_world_offer(struct label_world *w, const char *id, const char *tail,
                       const char *payload);
void label_world_flush(struct label_world *w);
int64_t label_world_number(const struct label_world *w, const char *sql);
void label_world_expect(const struct label_world *w, const char *sql, const char *expected);
struct label_ingest_figures label_world_figures(const struct label_world *w);
/* Events of telemetry, each identity once. */
int64_t label_world_stored(const struct label_world *w, const char *label_id, int64_t epoch);
/* What signs the answers. */
struct ecdsa_public *label_world_platform(void);
/* The newest answer to this label; "" when there was none. Valid until the next call. */
const char *label_world_answer(struct label_world *w, const char *label_id);

/* A display delivery of this version in the given state, its digest made of `digest` (2 hexadecimal
 * digits, repeated) and its id of the label's number and version. */
void label_world_delivery(const struct label_world *w, unsigned label, int64_t version,
                          const char *digest, const char *state);
/* JSON of an ack of that delivery; counter 0: no event. Valid until the fourth call after. */
const char *label_world_ack(unsigned label, int64_t counter, int64_t version, const char *digest);
const char *label_world_status(unsigned label, int64_t counter, int battery_pct, const char *more);

#endif
