#include "impairment.h"

#include <string.h>

static bool chance(struct impairment *i, double p)
{
    return p > 0 && (double)(rng_next(&i->rng) >> 11) * 0x1p-53 < p;
}

static bool keep(struct impairment_frame *frame, struct span topic, struct span payload)
{
    if (topic.size > sizeof frame->topic || payload.size > sizeof frame->bytes) {
        return false;
    }
    memcpy(frame->topic, topic.data, topic.size);
    memcpy(frame->bytes, payload.data, payload.size);
    frame->topic_size = topic.size;
    frame->size = payload.size;
    return true;
}

static enum res pass(const struct impairment *i, const struct impairment_frame *frame)
{
    return i->real->publish(i->real->context, span_of(frame->topic, frame->topic_size),
                            span_of(frame->bytes, frame->size));
}

static bool hold_back(struct impairment *i, struct span topic, struct span payload)
{
    for (size_t n = 0; n < IMPAIRMENT_HELD_MAX; n++) {
        if (i->held[n].size == 0 && keep(&i->held[n], topic, payload)) {
            i->held[n].due_ms = i->now_ms + (int64_t)rng_below(&i->rng, IMPAIRMENT_HOLD_MS);
            i->reordered++;
            return true;
        }
    }
    return false;
}

static enum res publish(void *context, struct span topic, struct span payload)
{
    struct impairment *i = context;
    if (chance(i, i->drop)) {
        i->dropped++;
        return RES_OK;
    }
    if (chance(i, i->reorder) && hold_back(i, topic, payload)) {
        return RES_OK;
    }
    enum res r = i->real->publish(i->real->context, topic, payload);
    if (r != RES_OK) {
        return r;
    }
    if (keep(&i->memory[i->memory_next], topic, payload)) {
        i->memory_next = (i->memory_next + 1) % IMPAIRMENT_MEMORY;
    }
    if (chance(i, i->replay)) {
        const struct impairment_frame *old = &i->memory[rng_below(&i->rng, IMPAIRMENT_MEMORY)];
        if (old->size > 0 && pass(i, old) == RES_OK) {
            i->replayed++;
        }
    }
    return RES_OK;
}

static enum res connect(void *context)
{
    const struct impairment *i = context;
    return i->real->connect(i->real->context);
}

static void disconnect(void *context)
{
    const struct impairment *i = context;
    i->real->disconnect(i->real->context);
}

static enum res refresh(void *context)
{
    const struct impairment *i = context;
    return i->real->refresh(i->real->context);
}

void impairment_init(struct impairment *i, const struct network *real, uint64_t seed)
{
    memset(i, 0, sizeof *i);
    i->real = real;
    i->network = (struct network){.context = i,
                                  .connect = connect,
                                  .disconnect = disconnect,
                                  .publish = publish,
                                  .refresh = refresh};
    rng_init(&i->rng, seed);
}

void impairment_tick(struct impairment *i)
{
    for (size_t n = 0; n < IMPAIRMENT_HELD_MAX; n++) {
        struct impairment_frame *frame = &i->held[n];
        /* A frame that finds no connection is lost: the device sends it again. */
        if (frame->size > 0 && i->now_ms >= frame->due_ms && pass(i, frame) != RES_AGAIN) {
            frame->size = 0;
        }
    }
}
