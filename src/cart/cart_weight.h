/* cart_weight.h: does the basket weigh what was scanned (C-040, C-149)? Pure, freestanding.
 *
 * The answer is a flag for the loss-prevention view; it never blocks a shopper (C-041).
 */
#ifndef CART_WEIGHT_H
#define CART_WEIGHT_H

#include "scale.h"
#include "wire.h"

#define CART_WEIGHT_TOLERANCE_MIN_G 10
#define CART_WEIGHT_TOLERANCE_PCT   5

/* The larger of 10 g and 5 % of what was expected, rounded down. */
int64_t cart_weight_tolerance_g(int64_t expected_g);
/* expected_g: WIRE_ABSENT or 0 when the product's weight is not known; negative for a removal.
 * scale: what scale.delta answered, delta_g its figure when RES_OK. */
enum wire_weight cart_weight_judge(int64_t expected_g, enum res scale, int64_t delta_g);

#endif
