/* ingest_robot.h: for tests: carts that sign real events, and an ingest with real PostgreSQL and
 * real telemetry around which they stand. What the platform publishes is decoded and kept.
 *
 * A robot remembers every frame it made, by epoch and counter: that is the model to compare with.
 * A failure ends the process with words: a test needs no error handling.
 */
#ifndef INGEST_ROBOT_H
#define INGEST_ROBOT_H

#include <pthread.h>

#include "ecdsa.h"
#include "ingest.h"
#include "pg_fixture.h"
#include "reconcile.h"

#define INGEST_ROBOT_STORE "STORE-1"

struct ingest_robot_frame {
    enum wire_type type;
    int64_t epoch;
    int64_t counter;
    bool has_session;
    size_t size;
    uint8_t bytes[WIRE_EVENT_BYTES_MAX];
};

struct ingest_robot {
    char id[20];
    struct ecdsa_private *key;
    int64_t epoch;
    int64_t counter; /* of the last event */
    int64_t time_ms;
    char session[WIRE_SESSION_ID_BYTES + 1]; /* "" when none is open */
    int64_t line;
    bool declined; /* the terminal declines the next payment */
    struct reconcile fold;
    struct ingest_robot_frame *frames;
    size_t frame_count;
    size_t frame_room;
    /* heard from the platform, under the world's lock */
    int64_t acked_epoch;
    int64_t acked; /* through, in acked_epoch */
    int64_t payment_counter;
    bool payment_accepted;
    char payment_reason[41];
    int64_t payments_heard;
    int64_t product_counter;
    int64_t product_found;
    int64_t product_price;
};

struct ingest_world {
    struct pg_fixture pg;
    struct pg_conn *super;
    char telemetry[192];
    char platform_key[192];
    struct ecdsa_public *platform;
    struct ingest *ingest;
    struct ingest_robot *robots;
    size_t robot_count;
    pthread_mutex_t *lock; /* of everything that is heard; a second ingest shares it */
    int64_t rejects;
    char reject_reason[41];  /* the last one's */
    int64_t foreign;         /* downlinks that failed decoding or their signature */
    int64_t rate_per_second; /* of the next ingest_world_open; 0: no limit */
    int64_t rate_burst;
    enum ingest_state state;
    int64_t state_changes;
};

/* False: no PostgreSQL here (exit code 77). Makes the store and `robots` carts with certificates,
 * CART-0001 on. */
bool ingest_world_start(struct ingest_world *w, size_t robots);
void ingest_world_stop(struct ingest_world *w);
/* A new ingest object of this writer; the one before must be gone. */
void ingest_world_open(struct ingest_world *w, const char *writer);
/* Thrown away without flushing. */
void ingest_world_close(struct ingest_world *w);
/* Everything forgotten: tables emptied, telemetry removed, robots new. No ingest may be open. */
void ingest_world_reset(struct ingest_world *w);
void ingest_world_offer(struct ingest_world *w, const struct ingest_robot *r,
                        const struct ingest_robot_frame *f);
void ingest_world_offer_raw(struct ingest_world *w, const char *topic, struct span frame);
void ingest_world_flush(struct ingest_world *w);
/* The first column of the first row, as a number. */
int64_t ingest_world_number(struct ingest_world *w, const char *sql);
/* Its text is the expected one; else the test fails. */
void ingest_world_expect(struct ingest_world *w, const char *sql, const char *expected);
/* Waits until the robot has heard a commit-ack of its current epoch through `counter`. */
void ingest_world_wait_ack(struct ingest_world *w, const struct ingest_robot *r, int64_t counter);

/* Events in order; each answers the frame, valid until the next event is made. */
const struct ingest_robot_frame *ingest_robot_boot(struct ingest_robot *r);
const struct ingest_robot_frame *ingest_robot_health(struct ingest_robot *r);
const struct ingest_robot_frame *ingest_robot_start(struct ingest_robot *r);
const struct ingest_robot_frame *ingest_robot_change(struct ingest_robot *r,
                                                     enum wire_transition transition);
/* price WIRE_ABSENT: an unknown product. */
const struct ingest_robot_frame *ingest_robot_scan(struct ingest_robot *r, int64_t price);
/* Asks again for the price of the newest line, whose first scan has this counter. */
const struct ingest_robot_frame *ingest_robot_ask(struct ingest_robot *r, int64_t counter);
const struct ingest_robot_frame *ingest_robot_identify(struct ingest_robot *r, const char *token);
const struct ingest_robot_frame *ingest_robot_end(struct ingest_robot *r, const char *token);
const struct ingest_robot_frame *ingest_robot_gap(struct ingest_robot *r, int64_t from, int64_t to);
/* Any event, its identity filled in and signed as it is. */
const struct ingest_robot_frame *ingest_robot_make(struct ingest_robot *r, struct wire_event *e);
/* A body of the test's own making, signed by the robot. */
const struct ingest_robot_frame *ingest_robot_sign(struct ingest_robot *r, int64_t counter,
                                                   struct span body);
const struct ingest_robot_frame *ingest_robot_frame(const struct ingest_robot *r, int64_t epoch,
                                                    int64_t counter);
void ingest_robot_new_epoch(struct ingest_robot *r);

#endif
