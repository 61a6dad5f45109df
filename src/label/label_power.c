#include "label_power.h"

#define MINUTES_A_DAY INT64_C(1440)
#define MS_A_MINUTE   INT64_C(60000)

bool label_power_is_low(bool was_low, int32_t battery_pct)
{
    return battery_pct < (was_low ? LABEL_POWER_ENOUGH_PCT : LABEL_POWER_LOW_PCT);
}

/* Of the store's own day, 0..1439. */
static int32_t local_minute(const struct label_config *config, int64_t time_ms)
{
    int64_t minute = time_ms / MS_A_MINUTE % MINUTES_A_DAY + config->utc_offset_min;
    return (int32_t)((minute + MINUTES_A_DAY) % MINUTES_A_DAY);
}

/* From peak_from_min up to and without peak_to_min; both alike: always. */
static bool is_peak(const struct label_config *config, int32_t minute)
{
    if (config->peak_from_min < config->peak_to_min) {
        return minute >= config->peak_from_min && minute < config->peak_to_min;
    }
    return minute >= config->peak_from_min || minute < config->peak_to_min;
}

int32_t label_power_sync_s(const struct label_config *config, int64_t time_ms, bool low)
{
    bool peak = time_ms == 0 || is_peak(config, local_minute(config, time_ms));
    int32_t sync_s = peak ? config->sync_peak_s : config->sync_off_peak_s;
    if (!low) {
        return sync_s;
    }
    return sync_s > LABEL_POWER_SYNC_S_MAX / LABEL_POWER_STRETCH ? LABEL_POWER_SYNC_S_MAX
                                                                 : sync_s * LABEL_POWER_STRETCH;
}

int32_t label_power_brightness_pct(const struct label_config *config, bool low)
{
    return low && config->led_brightness_pct > 1 ? config->led_brightness_pct / 2
                                                 : config->led_brightness_pct;
}
