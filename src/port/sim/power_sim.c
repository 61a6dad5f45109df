#include "power_sim.h"

static void sleep_for(void *context, int64_t duration_ms)
{
    struct power_sim *sim = context;
    sim->duration_ms = duration_ms;
    sim->sleeps++;
}

void power_sim_init(struct power_sim *sim)
{
    *sim = (struct power_sim){.power = {.context = sim, .sleep = sleep_for}};
}
