/* scale.h: the weight platform under the basket, as a port. Freestanding. */
#ifndef SCALE_H
#define SCALE_H

#include "result.h"

#include <stdint.h>

struct scale {
    void *context;
    /* Grams by which the settled weight changed since the last RES_OK (removals are negative).
     * RES_AGAIN: it has not settled; RES_UNAVAILABLE or RES_IO: the platform does not answer. Never
     * waits: the scanner's driver has given the goods time to land. */
    enum res (*delta)(void *context, int32_t *ret_delta_g);
};

#endif
