#include "cart_backoff.h"

#include <assert.h>

int64_t cart_backoff_delay_ms(uint32_t failures, uint32_t jitter)
{
    assert(failures > 0);
    uint32_t delay_ms;
    if (failures > CART_BACKOFF_FAILURES_MAX) {
        delay_ms = CART_BACKOFF_LOW_POWER_MS;
    } else {
        delay_ms = (uint32_t)CART_BACKOFF_FIRST_MS << (failures - 1);
        if (delay_ms > CART_BACKOFF_MAX_MS) {
            delay_ms = CART_BACKOFF_MAX_MS;
        }
    }
    return (int64_t)(delay_ms - jitter % (delay_ms / 4 + 1));
}
