#include "cart_weight.h"

int64_t cart_weight_tolerance_g(int64_t expected_g)
{
    int64_t size_g = expected_g < 0 ? -expected_g : expected_g;
    int64_t part_g = size_g * CART_WEIGHT_TOLERANCE_PCT / 100;
    return part_g > CART_WEIGHT_TOLERANCE_MIN_G ? part_g : CART_WEIGHT_TOLERANCE_MIN_G;
}

enum wire_weight cart_weight_judge(int64_t expected_g, enum res scale, int64_t delta_g)
{
    if (scale == RES_AGAIN) {
        return WIRE_WEIGHT_UNSTABLE;
    }
    if (scale != RES_OK || expected_g == WIRE_ABSENT || expected_g == 0) {
        return WIRE_WEIGHT_UNKNOWN;
    }
    int64_t off_g = delta_g > expected_g ? delta_g - expected_g : expected_g - delta_g;
    return off_g <= cart_weight_tolerance_g(expected_g) ? WIRE_WEIGHT_OK : WIRE_WEIGHT_MISMATCH;
}
