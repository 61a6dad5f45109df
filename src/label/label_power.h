/* label_power.h: what a label does to spare its battery, as plain functions (P69, P70).
 * Freestanding. */
#ifndef LABEL_POWER_H
#define LABEL_POWER_H

#include "label_store.h"

#define LABEL_POWER_LOW_PCT    20 /* below: low-battery mode ... */
#define LABEL_POWER_ENOUGH_PCT 25 /* ... until here */
#define LABEL_POWER_STRETCH    4  /* low battery: the sync interval so many times */
#define LABEL_POWER_SYNC_S_MAX 86400

/* Whether low-battery mode is on after this reading. */
bool label_power_is_low(bool was_low, int32_t battery_pct);
/* The sync interval in force; time_ms 0 (not known): that of peak hours. */
int32_t label_power_sync_s(const struct label_config *config, int64_t time_ms, bool low);
int32_t label_power_brightness_pct(const struct label_config *config, bool low);

#endif
