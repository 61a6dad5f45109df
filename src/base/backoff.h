/* backoff.h: how long a device waits before its next connection attempt. Pure, freestanding.
 *
 * 1 s doubling to 60 s; after 10 failures in a row one attempt every 5 minutes (S-027, S-028).
 * Jitter takes some away, never adds, so that a store's devices do not come back in step and no
 * wait is longer than its figure.
 */
#ifndef BACKOFF_H
#define BACKOFF_H

#include <stdint.h>

#define BACKOFF_FIRST_MS     1000
#define BACKOFF_MAX_MS       60000
#define BACKOFF_FAILURES_MAX 10
#define BACKOFF_LOW_POWER_MS 300000

/* failures: attempts that failed since the last success, 1 or more; jitter: any random number, of
 * which at most jitter_pct (0..99) per cent of the wait is made. */
int64_t backoff_delay_ms(uint32_t failures, uint32_t jitter, uint32_t jitter_pct);

#endif
