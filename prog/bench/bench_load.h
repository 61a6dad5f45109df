/* bench_load.h: what carts would send, made and signed beforehand: whole trips of several carts, as
 * frames in the order a broker would deliver them, one message of each cart in turn.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "ecdsa.h"
#include "wire.h"

#define BENCH_LOAD_CARTS_MAX 1024
#define BENCH_LOAD_STORE     "STORE-BENCH"
#define BENCH_LOAD_ID_BYTES  24
#define BENCH_LOAD_TOPIC     64

struct bench_load_cart {
    char id[BENCH_LOAD_ID_BYTES];
    struct ecdsa_private *key;
    uint8_t point[ECDSA_POINT_BYTES];
    char topics[WIRE_EVENT_TYPES][BENCH_LOAD_TOPIC];
};

struct bench_load_message {
    uint32_t cart;
    uint16_t size;
    uint8_t type; /* enum wire_type */
    int64_t counter;
    int64_t time_ms;
    const uint8_t *frame;
    char session_id[WIRE_SESSION_ID_BYTES + 1]; /* "" when there is none */
};

/* A run: every cart's events 1.. of one epoch. */
struct bench_load_run {
    int64_t epoch;
    struct bench_load_message *messages;
    size_t count;
    double bytes; /* of all frames */
    uint8_t *block;
};

/* Makes `count` carts with keys, "CART-B000" and on. Ends the process on failure. */
struct bench_load_cart *bench_load_carts(size_t count);
void bench_load_carts_free(struct bench_load_cart *carts, size_t count);
/* Makes and signs per_cart messages of every cart, on all cores. Ends the process on failure. */
void bench_load_run(struct bench_load_cart *carts, size_t cart_count, size_t per_cart,
                    int64_t epoch, struct bench_load_run *ret);
void bench_load_run_free(struct bench_load_run *run);
/* NUL-terminated; lives as long as the carts. */
struct span bench_load_topic(const struct bench_load_cart *carts,
                             const struct bench_load_message *m);
struct span bench_load_frame(const struct bench_load_message *m);

#endif
