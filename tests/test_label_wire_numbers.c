/* docs/label-wire.md says numbers of the label's own core in words: they are these. */
#include <assert.h>

#include "backoff.h"
#include "label.h"
#include "label_cache.h"
#include "label_power.h"

#define WORDS "src/shelf/label-wire.md.in says this number in words"

static_assert(LABEL_EVENTS_MAX == 100 && LABEL_CACHE_UPDATES == 10, WORDS);
static_assert(LABEL_QUERY_FIRST_MS == 3000 && LABEL_QUERY_MAX_MS == 60000, WORDS);
static_assert(LABEL_RELEASE_SOON == 32 && LABEL_RELEASE_SOON_MS == 1000 &&
                  LABEL_RELEASE_AT_ONCE == 64 && LABEL_RELEASE_LATE_MS == 30000 &&
                  2 * LABEL_RELEASE_STUCK_MS == 10000,
              WORDS);
static_assert(LABEL_REFUSED_MS == 10000 && LABEL_TRIALS_MAX == 3, WORDS);
static_assert(LABEL_WAKE_LINGER_MS == 2000 && LABEL_SLEEP_LINGER_MS == 500, WORDS);
static_assert(LABEL_POWER_LOW_PCT == 20 && LABEL_POWER_ENOUGH_PCT == 25 &&
                  LABEL_POWER_STRETCH == 4 && LABEL_POWER_SYNC_S_MAX == 86400,
              WORDS);
static_assert(BACKOFF_FIRST_MS == 1000 && BACKOFF_MAX_MS == 60000 && BACKOFF_FAILURES_MAX == 10 &&
                  BACKOFF_LOW_POWER_MS == 300000,
              WORDS);

int main(void)
{
    return 0; /* it compiled */
}
