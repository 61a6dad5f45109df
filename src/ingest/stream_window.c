#include "stream_window.h"

#include <assert.h>
#include <string.h>

_Static_assert((STREAM_WINDOW_BITS & (STREAM_WINDOW_BITS - 1)) == 0,
               "a counter finds its bit with a mask");

static bool bit_get(const struct stream_window *w, int64_t counter)
{
    uint64_t bit = (uint64_t)counter & (STREAM_WINDOW_BITS - 1);
    return ((w->above[bit / 64] >> (bit % 64)) & 1U) != 0;
}

static void bit_set(struct stream_window *w, int64_t counter)
{
    uint64_t bit = (uint64_t)counter & (STREAM_WINDOW_BITS - 1);
    w->above[bit / 64] |= UINT64_C(1) << (bit % 64);
}

static void bit_clear(struct stream_window *w, int64_t counter)
{
    uint64_t bit = (uint64_t)counter & (STREAM_WINDOW_BITS - 1);
    w->above[bit / 64] &= ~(UINT64_C(1) << (bit % 64));
}

static void settle(struct stream_window *w)
{
    while (bit_get(w, w->watermark + 1)) {
        w->watermark++;
        bit_clear(w, w->watermark);
    }
}

void stream_window_init(struct stream_window *w, int64_t watermark)
{
    assert(watermark >= 0);
    memset(w, 0, sizeof *w);
    w->watermark = watermark;
}

enum stream_window_place stream_window_place(const struct stream_window *w, int64_t counter)
{
    if (counter <= w->watermark) {
        return STREAM_WINDOW_SEEN;
    }
    if (counter - w->watermark > STREAM_WINDOW_BITS) {
        return STREAM_WINDOW_FAR;
    }
    return bit_get(w, counter) ? STREAM_WINDOW_SEEN : STREAM_WINDOW_NEW;
}

void stream_window_mark(struct stream_window *w, int64_t counter)
{
    assert(stream_window_place(w, counter) == STREAM_WINDOW_NEW);
    bit_set(w, counter);
    settle(w);
}

/* Moves the watermark to a counter ahead of it, forgetting the bits in between. */
static void jump(struct stream_window *w, int64_t watermark)
{
    if (watermark - w->watermark >= STREAM_WINDOW_BITS) {
        memset(w->above, 0, sizeof w->above);
    } else {
        for (int64_t c = w->watermark + 1; c <= watermark; c++) {
            bit_clear(w, c);
        }
    }
    w->watermark = watermark;
    settle(w);
}

bool stream_window_gap(struct stream_window *w, int64_t from, int64_t to)
{
    assert(from >= 1 && from <= to);
    if (to <= w->watermark) {
        return true;
    }
    if (from <= w->watermark + 1) {
        jump(w, to);
        return true;
    }
    int64_t last = w->watermark + STREAM_WINDOW_BITS;
    int64_t end = to < last ? to : last;
    for (int64_t c = from; c <= end; c++) {
        bit_set(w, c);
    }
    return to <= last;
}

bool stream_window_is_flat(const struct stream_window *w)
{
    for (size_t i = 0; i < STREAM_WINDOW_BITS / 64; i++) {
        if (w->above[i] != 0) {
            return false;
        }
    }
    return true;
}

void stream_window_write(const struct stream_window *w, struct sink *above)
{
    if (stream_window_is_flat(w)) {
        return;
    }
    uint8_t bytes[STREAM_WINDOW_BYTES_MAX] = {0};
    size_t used = 0;
    for (int i = 0; i < STREAM_WINDOW_BITS; i++) {
        if (bit_get(w, w->watermark + 1 + i)) {
            bytes[i / 8] = (uint8_t)(bytes[i / 8] | (1U << (i % 8)));
            used = (size_t)i / 8 + 1;
        }
    }
    sink_bytes(above, span_of(bytes, used));
}

enum res stream_window_read(int64_t watermark, struct span above, struct stream_window *ret)
{
    if (watermark < 0 || above.size > STREAM_WINDOW_BYTES_MAX ||
        (above.size > 0 && (above.data[0] & 1U) != 0)) {
        return RES_INVALID;
    }
    struct stream_window w;
    stream_window_init(&w, watermark);
    for (size_t i = 0; i < above.size * 8; i++) {
        if ((((unsigned)above.data[i / 8] >> (i % 8)) & 1U) != 0) {
            bit_set(&w, watermark + 1 + (int64_t)i);
        }
    }
    *ret = w;
    return RES_OK;
}
