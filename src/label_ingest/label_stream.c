#include "label_stream.h"

#include <string.h>

void label_stream_init(struct label_stream *s, int64_t epoch, int64_t through)
{
    *s = (struct label_stream){.epoch = epoch, .through = through, .told = -1};
}

static void shift(struct label_stream *s, int64_t by)
{
    if (by >= LABEL_STREAM_WINDOW) {
        memset(s->above, 0, sizeof s->above);
    } else if (by >= 64) {
        s->above[0] = s->above[1] >> (by - 64);
        s->above[1] = 0;
    } else if (by > 0) {
        s->above[0] = s->above[0] >> by | s->above[1] << (64 - by);
        s->above[1] >>= by;
    }
}

/* Everything through `to` is accounted for, and what follows without a hole. */
static void advance(struct label_stream *s, int64_t to)
{
    int64_t before = s->through;
    shift(s, to - s->through);
    s->through = to;
    while ((s->above[0] & 1) != 0) {
        shift(s, 1);
        s->through++;
    }
    s->stuck = s->through > before ? 0 : s->stuck;
}

void label_stream_merge(struct label_stream *s, int64_t epoch, int64_t through)
{
    if (epoch > s->epoch) {
        label_stream_init(s, epoch, through);
    } else if (epoch == s->epoch && through > s->through) {
        advance(s, through);
    }
}

static bool is_above(const struct label_stream *s, int64_t counter)
{
    uint64_t bit = (uint64_t)(counter - s->through - 1);
    return bit < LABEL_STREAM_WINDOW && (s->above[bit / 64] >> (bit % 64) & 1) != 0;
}

static void mark(struct label_stream *s, int64_t counter)
{
    uint64_t bit = (uint64_t)(counter - s->through - 1);
    s->above[bit / 64] |= UINT64_C(1) << (bit % 64);
}

/* Everything through `to` will never come, where it is not here. */
static void give_up(struct label_stream *s, int64_t to, struct label_stream_lost *ret_lost)
{
    *ret_lost = (struct label_stream_lost){s->through + 1, to};
    advance(s, to);
}

/* It is here already, beyond a hole, and comes again. */
static void note_again(struct label_stream *s, int64_t counter, struct label_stream_lost *ret_lost)
{
    if (s->told != s->through) {
        return;
    }
    s->told = -1; /* one answer, one finding */
    s->stuck++;
    if (s->stuck == LABEL_STREAM_STUCK) {
        give_up(s, counter - 1, ret_lost);
    }
}

enum label_stream_place label_stream_take(struct label_stream *s, int64_t epoch, int64_t counter,
                                          struct label_stream_lost *ret_lost)
{
    *ret_lost = (struct label_stream_lost){0, 0};
    if (epoch < s->epoch) {
        return LABEL_STREAM_PAST;
    }
    if (epoch > s->epoch) {
        label_stream_init(s, epoch, 0);
    }
    if (counter <= s->through) {
        return LABEL_STREAM_SEEN;
    }
    if (is_above(s, counter)) {
        note_again(s, counter, ret_lost);
        return LABEL_STREAM_SEEN;
    }
    if (counter > s->through + LABEL_STREAM_WINDOW) {
        give_up(s, counter - LABEL_STREAM_HELD, ret_lost);
    }
    mark(s, counter);
    advance(s, s->through);
    return LABEL_STREAM_NEW;
}

void label_stream_gap(struct label_stream *s, int64_t epoch, int64_t from, int64_t to)
{
    if (epoch != s->epoch || from < 1 || to < from || to > s->through + LABEL_STREAM_WINDOW) {
        return;
    }
    for (int64_t c = from > s->through ? from : s->through + 1; c <= to; c++) {
        mark(s, c);
    }
    advance(s, s->through);
}

void label_stream_tell(struct label_stream *s)
{
    s->told = s->through;
}

bool label_stream_has_hole(const struct label_stream *s)
{
    return (s->above[0] | s->above[1]) != 0;
}
