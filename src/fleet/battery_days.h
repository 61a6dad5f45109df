/* battery_days.h: how long a battery will last, from what it lost on the days before (P68). Pure.
 *
 * The average daily consumption is what was lost since the window began or since the last charge
 * (or new battery), whichever is later, over the days of that time; today counts as a day.
 */
#ifndef BATTERY_DAYS_H
#define BATTERY_DAYS_H

#include <stddef.h>
#include <stdint.h>

#define BATTERY_DAYS_WINDOW 14
/* A level that rises by more than this was charged or replaced; less is a gauge that wavers. */
#define BATTERY_DAYS_RISE_PCT 2
#define BATTERY_DAYS_UNKNOWN  (-1)

struct battery_day {
    int64_t day; /* UTC, since 1970 */
    int32_t first_pct;
    int32_t last_pct;
};

/* `days` in rising order; those before the window of the last one are passed over. Whole days left
 * at the average, or BATTERY_DAYS_UNKNOWN where nothing was consumed. */
int32_t battery_days_left(const struct battery_day *days, size_t count);

#endif
