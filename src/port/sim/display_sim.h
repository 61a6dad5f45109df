/* display_sim.h: a display that counts what it showed. */
#ifndef DISPLAY_SIM_H
#define DISPLAY_SIM_H

#include "display.h"

#define DISPLAY_SIM_TEXT_BYTES 100

struct display_sim {
    struct display display; /* use this */
    unsigned shown[DISPLAY_KINDS];
    struct display_view last; /* its text is in `text` */
    char text[DISPLAY_SIM_TEXT_BYTES];
};

void display_sim_init(struct display_sim *sim);

#endif
