/* board_sim.h: simulated sensors and power: figures wander a little, from one seed; the battery
 * falls by one percent in three minutes of running time and is charged at 20.
 */
#ifndef BOARD_SIM_H
#define BOARD_SIM_H

#include "board.h"
#include "rng.h"

struct board_sim {
    struct board board; /* use this */
    struct board_reading reading;
    struct rng rng;
    int64_t now_ms;             /* uptime, set by the owner */
    int64_t last_ms;            /* of the last drain */
    int32_t laser_fixed_deci_c; /* 0: it wanders */
    bool asleep;
    unsigned restarts; /* asked for */
};

void board_sim_init(struct board_sim *sim, uint64_t seed);

#endif
