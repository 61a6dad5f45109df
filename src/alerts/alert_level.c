#include "alert_level.h"

#include <assert.h>

const struct alert_level alert_level_battery_pct = {
    .side = ALERT_BELOW, .raise = ALERT_BATTERY_RAISE_PCT, .resolve = ALERT_BATTERY_RESOLVE_PCT};

enum alert_change alert_level_step(const struct alert_level *level, bool open, int64_t value)
{
    bool below = level->side == ALERT_BELOW;
    assert(below ? level->raise <= level->resolve : level->raise >= level->resolve);
    if (open) {
        bool over = below ? value >= level->resolve : value <= level->resolve;
        return over ? ALERT_CLOSES : ALERT_STAYS;
    }
    bool bad = below ? value < level->raise : value > level->raise;
    return bad ? ALERT_OPENS : ALERT_STAYS;
}
