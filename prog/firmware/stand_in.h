/* stand_in.h: what stands on the bare MPS2 board for the parts it lacks: a network that is always
 * out of reach, a full battery, and a secure element that computes no cryptography: nobody would
 * accept a signature of it, and it accepts none.
 */
#ifndef STAND_IN_H
#define STAND_IN_H

#include "board.h"
#include "network.h"
#include "secure_element.h"

extern const struct secure_element stand_in_secure;
extern const struct network stand_in_network;
extern const struct board stand_in_board;

/* A line on the serial line. */
void stand_in_say(const char *what, int64_t figure);

#endif
