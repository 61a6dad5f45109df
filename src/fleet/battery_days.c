#include "battery_days.h"

#include <stdbool.h>

int32_t battery_days_left(const struct battery_day *days, size_t count)
{
    bool begun = false;
    int64_t from_day = 0;
    int32_t from_pct = 0;
    int32_t level = 0;
    for (size_t i = 0; i < count; i++) {
        if (days[i].day <= days[count - 1].day - BATTERY_DAYS_WINDOW) {
            continue;
        }
        const int32_t readings[] = {days[i].first_pct, days[i].last_pct};
        for (size_t k = 0; k < 2; k++) {
            if (!begun || readings[k] > level + BATTERY_DAYS_RISE_PCT) {
                from_day = days[i].day;
                from_pct = readings[k];
                begun = true;
            }
            level = readings[k];
        }
    }
    int32_t consumed = from_pct - level;
    if (!begun || consumed <= 0) {
        return BATTERY_DAYS_UNKNOWN;
    }
    int64_t elapsed = days[count - 1].day - from_day + 1;
    return (int32_t)(level * elapsed / consumed);
}
