/* shopper.h: a simulated person who walks a trip file with a cart: scans at a pace, puts the goods
 * on the scale, sometimes identifies, pays, and tries again when the payment is declined. A trip
 * that can't be paid at the cart (a price never came, no terminal, declined three times) is voided:
 * the goods are rung up at a staffed checkout.
 */
#ifndef SHOPPER_H
#define SHOPPER_H

#include "cart.h"
#include "rng.h"
#include "scale_sim.h"
#include "trip_file.h"

#define SHOPPER_PRICE_WAIT_MS  15000 /* for prices that were asked for */
#define SHOPPER_PRICE_LEAVE_MS 3000  /* the same, asked to stop */
#define SHOPPER_PAY_TRIES      3
#define SHOPPER_LEAVE_MS       10000 /* asked to stop: a payment may take this long, then void */

enum shopper_state {
    SHOPPER_BETWEEN, /* no trip of ours is open */
    SHOPPER_WALKING,
    SHOPPER_CHECKOUT, /* everything is in the basket */
    SHOPPER_PAYING,
    SHOPPER_GONE, /* no more trips */
};

struct shopper_settings {
    const struct trip_file *trips;
    int64_t pace_ms;
    int64_t trips_max; /* 0: no limit */
    bool loop;         /* trips at random without end, else each once */
    double identify;   /* share of trips that identify */
    double mismatch;   /* share of scans whose weight is wrong */
};

struct shopper {
    const struct shopper_settings *settings;
    struct cart *cart;
    struct scale_sim *scale;
    struct rng rng;
    enum shopper_state state;
    const struct trip *trip;
    size_t trip_next;
    size_t step;
    int64_t next_ms;  /* when to do the next thing */
    int64_t since_ms; /* of this state */
    unsigned pay_tries;
    bool leaving;
    uint64_t trips;
    uint64_t scans;   /* accepted */
    uint64_t refused; /* any refusal by the cart */
};

/* A trip that a power cut left open is taken to the checkout first. */
void shopper_init(struct shopper *s, const struct shopper_settings *settings, struct cart *cart,
                  struct scale_sim *scale, uint64_t seed, struct cart_time now);
void shopper_step(struct shopper *s, struct cart_time now);
/* No new trips; the one going on is taken to the checkout as it is. */
void shopper_leave(struct shopper *s, struct cart_time now);
bool shopper_is_gone(const struct shopper *s);

#endif
