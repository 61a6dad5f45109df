/* led_sim.h: a lamp that remembers what it was told. */
#ifndef LED_SIM_H
#define LED_SIM_H

#include "led.h"

struct led_sim {
    struct led led; /* use this */
    enum led_pattern pattern;
    enum led_colour colour;
    int32_t brightness_pct;
    unsigned sets;
};

void led_sim_init(struct led_sim *sim);

#endif
