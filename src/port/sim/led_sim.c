#include "led_sim.h"

static void set(void *context, enum led_pattern pattern, enum led_colour colour,
                int32_t brightness_pct)
{
    struct led_sim *sim = context;
    sim->pattern = pattern;
    sim->colour = colour;
    sim->brightness_pct = brightness_pct;
    sim->sets++;
}

void led_sim_init(struct led_sim *sim)
{
    *sim = (struct led_sim){.led = {.context = sim, .set = set}};
}
