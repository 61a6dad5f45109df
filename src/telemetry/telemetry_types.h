/* telemetry_types.h: the numbers of the types of events, over all kinds of devices. They are on
 * disk: a number is never given to another type.
 */
#ifndef TELEMETRY_TYPES_H
#define TELEMETRY_TYPES_H

#include "wire.h"

/* 0..6 are the cart's, enum wire_type; the rest are labels', unsigned (shelf.h). */
enum telemetry_type {
    TELEMETRY_STATUS = WIRE_EVENT_TYPES,
    TELEMETRY_ACK,
    TELEMETRY_TYPES,
};

#endif
