/* clock.h: the two clocks of a server process, in milliseconds; cores are given the time instead.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

/* UTC since 1970: for what is stored and shown. Jumps when somebody sets the clock. */
int64_t clock_utc_ms(void);
/* For deadlines and durations: never jumps, starts anywhere. */
int64_t clock_monotonic_ms(void);

#endif
