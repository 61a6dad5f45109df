#include "scale_sim.h"

static enum res delta(void *context, int32_t *ret_delta_g)
{
    struct scale_sim *sim = context;
    if (sim->answer == RES_OK) {
        *ret_delta_g = sim->delta_g;
        sim->delta_g = 0;
    }
    return sim->answer;
}

void scale_sim_init(struct scale_sim *sim)
{
    *sim = (struct scale_sim){.scale = {.context = sim, .delta = delta}, .answer = RES_OK};
}

void scale_sim_put(struct scale_sim *sim, int32_t grams)
{
    sim->delta_g += grams;
}
