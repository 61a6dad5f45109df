#include "board_sim.h"

#define DRAIN_MS   180000
#define CHARGE_PCT 20
#define FLOOR_CM   4000

static int32_t wander(struct board_sim *sim, int32_t value, int32_t step, int32_t least,
                      int32_t most)
{
    value += (int32_t)rng_below(&sim->rng, (uint64_t)(2 * step + 1)) - step;
    return value < least ? least : value > most ? most : value;
}

static void read(void *context, struct board_reading *ret_reading)
{
    struct board_sim *sim = context;
    struct board_reading *r = &sim->reading;
    while (sim->now_ms - sim->last_ms >= DRAIN_MS) {
        sim->last_ms += DRAIN_MS;
        r->battery_pct = r->battery_pct > CHARGE_PCT ? r->battery_pct - 1 : 100;
    }
    r->signal_dbm = wander(sim, r->signal_dbm, 3, -90, -40);
    r->laser_deci_c = wander(sim, r->laser_deci_c, 5, 220, 450);
    if (sim->laser_fixed_deci_c != 0) {
        r->laser_deci_c = sim->laser_fixed_deci_c;
    }
    r->drift_g = wander(sim, r->drift_g, 1, -20, 20);
    r->x_cm = wander(sim, r->x_cm, 500, 0, FLOOR_CM);
    r->y_cm = wander(sim, r->y_cm, 500, 0, FLOOR_CM);
    r->lte = rng_below(&sim->rng, 20) == 0; /* C-010: about 5 % of the time */
    *ret_reading = *r;
}

static void restart(void *context)
{
    struct board_sim *sim = context;
    sim->restarts++;
}

static void sleep(void *context, bool asleep)
{
    struct board_sim *sim = context;
    sim->asleep = asleep;
}

void board_sim_init(struct board_sim *sim, uint64_t seed)
{
    *sim = (struct board_sim){
        .board = {.context = sim, .read = read, .restart = restart, .sleep = sleep}};
    rng_init(&sim->rng, seed);
    sim->reading = (struct board_reading){
        .battery_pct = 60 + (int32_t)rng_below(&sim->rng, 41),
        .signal_dbm = -60,
        .laser_deci_c = 300,
        .located = true,
        .x_cm = (int32_t)rng_below(&sim->rng, FLOOR_CM),
        .y_cm = (int32_t)rng_below(&sim->rng, FLOOR_CM),
    };
}
