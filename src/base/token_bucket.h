/* token_bucket.h: a rate limit in eight bytes (the generic cell rate algorithm of ITU-T I.371):
 * instead of counting tokens it remembers until when the tokens taken so far are paid for.
 *
 * Pure core: no I/O, no clock, no allocation. A refused message costs nothing, so a flooding device
 * goes on at its rate; a clock that steps back can never lock a device out for longer than a burst.
 */
#ifndef TOKEN_BUCKET_H
#define TOKEN_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

struct token_bucket {
    int64_t paid_until_us;
};

struct token_bucket_rate {
    int64_t token_us; /* time that earns one token; 0: no limit */
    int64_t burst;    /* tokens a rested bucket holds */
};

/* One second's worth of `per_second` tokens; per_second 0 means no limit. */
struct token_bucket_rate token_bucket_rate(int64_t per_second, int64_t burst);
/* Takes one token. False: none is left. */
bool token_bucket_take(struct token_bucket *b, const struct token_bucket_rate *rate,
                       int64_t now_us);
/* Takes `tokens` whether or not they are there: a fine for what turned out to be garbage. */
void token_bucket_fine(struct token_bucket *b, const struct token_bucket_rate *rate, int64_t now_us,
                       int64_t tokens);

#endif
