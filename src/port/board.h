/* board.h: the cart's own sensors and power, as a port. Freestanding. */
#ifndef BOARD_H
#define BOARD_H

#include "result.h"

#include <stdbool.h>
#include <stdint.h>

struct board_reading {
    int32_t battery_pct;  /* 0..100 */
    int32_t signal_dbm;   /* -127..0 */
    int32_t laser_deci_c; /* scanner laser, tenths of a degree */
    int32_t drift_g;      /* weight platform calibration drift */
    bool lte;             /* on the backup link */
    bool located;         /* x_cm, y_cm are known: on the store's floor plan */
    int32_t x_cm;
    int32_t y_cm;
};

struct board {
    void *context;
    /* Never waits; the last known figures when a sensor is busy. */
    void (*read)(void *context, struct board_reading *ret_reading);
    /* May return: the restart comes after the caller has finished. */
    void (*restart)(void *context);
    /* Lowers or raises the power of scanner and display; the radio keeps listening. */
    void (*sleep)(void *context, bool asleep);
};

#endif
