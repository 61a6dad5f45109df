/* scale_sim.h: a simulated weight platform: it sees what it is told to see. */
#ifndef SCALE_SIM_H
#define SCALE_SIM_H

#include "scale.h"

struct scale_sim {
    struct scale scale; /* use this */
    enum res answer;    /* RES_AGAIN: not settled; RES_UNAVAILABLE: broken */
    int32_t delta_g;    /* since the last RES_OK */
};

void scale_sim_init(struct scale_sim *sim);
void scale_sim_put(struct scale_sim *sim, int32_t grams);

#endif
