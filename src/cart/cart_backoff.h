/* cart_backoff.h: how long to wait before the next connection attempt. Pure, freestanding.
 *
 * 1 s doubling to 60 s; after 10 failures in a row one attempt every 5 minutes (S-027, S-028 ask
 * the same of labels). Jitter takes up to a quarter away, never adds, so that a store's carts do
 * not come back in step and no wait is longer than its figure.
 */
#ifndef CART_BACKOFF_H
#define CART_BACKOFF_H

#include <stdint.h>

#define CART_BACKOFF_FIRST_MS     1000
#define CART_BACKOFF_MAX_MS       60000
#define CART_BACKOFF_FAILURES_MAX 10
#define CART_BACKOFF_LOW_POWER_MS 300000

/* failures: attempts that failed since the last success, 1 or more; jitter: any random number. */
int64_t cart_backoff_delay_ms(uint32_t failures, uint32_t jitter);

#endif
