/* power_sim.h: deep sleep that its owner carries out: it notes how long was asked for. */
#ifndef POWER_SIM_H
#define POWER_SIM_H

#include "power.h"

struct power_sim {
    struct power power;  /* use this */
    int64_t duration_ms; /* of the last sleep */
    unsigned sleeps;
};

void power_sim_init(struct power_sim *sim);

#endif
