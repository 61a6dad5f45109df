/* power.h: deep sleep, as a port. Freestanding. */
#ifndef POWER_H
#define POWER_H

#include <stdint.h>

struct power {
    void *context;
    /* Everything off for so long. RAM may be lost: then the device starts anew, and says that it
     * woke. A driver that keeps RAM may return at once and let time pass. */
    void (*sleep)(void *context, int64_t duration_ms);
};

#endif
