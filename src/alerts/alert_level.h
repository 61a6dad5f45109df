/* alert_level.h: when a measured value opens an alert and when it closes it (S-233, S-234). Two
 * limits instead of one, so that a value that trembles around a limit does not open and close an
 * alert again and again; between them nothing changes.
 */
#ifndef ALERT_LEVEL_H
#define ALERT_LEVEL_H

/* Per cent of charge: an alert at 19, none at 20, over at 25 (P5, S-234). */
#define ALERT_BATTERY_RAISE_PCT   20
#define ALERT_BATTERY_RESOLVE_PCT 25

#endif
