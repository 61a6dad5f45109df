/* alert_level.h: when a measured value opens an alert and when it closes it (S-233, S-234). Two
 * limits instead of one, so that a value that trembles around a limit does not open and close an
 * alert again and again. Pure core: no I/O, no clock, no allocation.
 *
 *   ALERT_BELOW: opens below `raise`, closes at or above `resolve` (raise <= resolve).
 *   ALERT_ABOVE: opens above `raise`, closes at or below `resolve` (raise >= resolve).
 *
 * Between the two limits nothing changes. What is open is the caller's to know: the alert table,
 * or a bit beside the value.
 */
#ifndef ALERT_LEVEL_H
#define ALERT_LEVEL_H

#include <stdbool.h>
#include <stdint.h>

enum alert_side { ALERT_BELOW, ALERT_ABOVE };
struct alert_level {
    enum alert_side side;
    int64_t raise;
    int64_t resolve; /* equal to raise: no hysteresis */
};
enum alert_change { ALERT_STAYS, ALERT_OPENS, ALERT_CLOSES };

/* Per cent of charge: an alert at 19, none at 20, over at 25 (P5, S-234). */
#define ALERT_BATTERY_RAISE_PCT   20
#define ALERT_BATTERY_RESOLVE_PCT 25
extern const struct alert_level alert_level_battery_pct;

/* What a new value does to an alert that is open or not. */
enum alert_change alert_level_step(const struct alert_level *level, bool open, int64_t value);

#endif
