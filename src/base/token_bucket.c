#include "token_bucket.h"

#include <assert.h>

struct token_bucket_rate token_bucket_rate(int64_t per_second, int64_t burst)
{
    assert(per_second >= 0 && per_second <= 1000000 && burst >= 1);
    return (struct token_bucket_rate){per_second == 0 ? 0 : 1000000 / per_second, burst};
}

/* The debt that the clock allows: none before now, none beyond a burst. */
static int64_t paid_until(const struct token_bucket *b, const struct token_bucket_rate *rate,
                          int64_t now_us)
{
    int64_t latest = now_us + rate->token_us * rate->burst;
    if (b->paid_until_us < now_us) {
        return now_us;
    }
    return b->paid_until_us > latest ? latest : b->paid_until_us;
}

bool token_bucket_take(struct token_bucket *b, const struct token_bucket_rate *rate, int64_t now_us)
{
    if (rate->token_us == 0) {
        return true;
    }
    b->paid_until_us = paid_until(b, rate, now_us);
    if (b->paid_until_us + rate->token_us > now_us + rate->token_us * rate->burst) {
        return false;
    }
    b->paid_until_us += rate->token_us;
    return true;
}

void token_bucket_fine(struct token_bucket *b, const struct token_bucket_rate *rate, int64_t now_us,
                       int64_t tokens)
{
    int64_t latest = now_us + rate->token_us * rate->burst;
    int64_t paid = paid_until(b, rate, now_us) + rate->token_us * tokens;
    b->paid_until_us = paid > latest ? latest : paid;
}
