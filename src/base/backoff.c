#include "backoff.h"

#include <assert.h>

int64_t backoff_delay_ms(uint32_t failures, uint32_t jitter, uint32_t jitter_pct)
{
    assert(failures > 0 && jitter_pct < 100);
    uint32_t delay_ms;
    if (failures > BACKOFF_FAILURES_MAX) {
        delay_ms = BACKOFF_LOW_POWER_MS;
    } else {
        delay_ms = (uint32_t)BACKOFF_FIRST_MS << (failures - 1);
        if (delay_ms > BACKOFF_MAX_MS) {
            delay_ms = BACKOFF_MAX_MS;
        }
    }
    return (int64_t)(delay_ms - jitter % (delay_ms / 100 * jitter_pct + 1));
}
