/* bench_broker.h: a broker with mutual TLS and certificates for the carts; and B, what it carries
 * when nothing is done with the messages.
 */
#ifndef BENCH_BROKER_H
#define BENCH_BROKER_H

#include "bench_publish.h"
#include "bench_report.h"

#define BENCH_BROKER_SERVICE "service:ingest"
#define BENCH_BROKER_FILTER  "$share/ingest/cart/+/+"
#define BENCH_BROKER_WAIT_S  120.0

struct bench_broker {
    struct broker_fixture fixture;
    struct broker_identity_files *files; /* one a cart */
    struct broker_identity_files service;
};

/* False: there is no Mosquitto on this machine. */
bool bench_broker_start(const struct bench_load_cart *carts, size_t cart_count,
                        struct bench_broker *ret);
void bench_broker_stop(struct bench_broker *b);
/* Which cart a topic is of, "cart/CART-B007/scan"; cart_count when it is none's. */
size_t bench_broker_cart(struct span topic, size_t cart_count);

struct bench_broker_figure {
    double per_second; /* messages, wall clock, all cores */
    double broker_cpu; /* seconds a message, of the broker alone */
    double all_cpu;    /* seconds a message: carts, broker, receiver */
};
/* A subscriber that only acknowledges. Ends the process on failure. */
void bench_broker_run(const struct bench_broker *b, const struct bench_load_cart *carts,
                      size_t cart_count, const struct bench_load_run *run,
                      struct bench_broker_figure *ret);

#endif
