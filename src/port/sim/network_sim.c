#include "network_sim.h"

#include <assert.h>
#include <string.h>

static bool chance(struct network_sim *sim, unsigned per_mille)
{
    return per_mille > 0 && rng_below(&sim->rng, 1000) < per_mille;
}

static bool put(struct network_sim *sim, bool up, struct span frame)
{
    assert(frame.size <= NETWORK_SIM_FRAME_BYTES_MAX);
    for (size_t i = 0; i < NETWORK_SIM_FRAMES_MAX; i++) {
        struct network_sim_frame *f = &sim->frames[i];
        if (!f->used) {
            f->used = true;
            f->up = up;
            f->order = sim->order++;
            f->due_ms = sim->now_ms;
            if (sim->delay_most_ms > 0) {
                f->due_ms += (int64_t)rng_below(&sim->rng, (uint64_t)sim->delay_most_ms + 1);
            }
            f->size = frame.size;
            memcpy(sim->bytes[i], frame.data, frame.size);
            return true;
        }
    }
    return false;
}

static enum res carry(struct network_sim *sim, bool up, struct span frame)
{
    if (chance(sim, sim->loss_per_mille)) {
        return RES_OK;
    }
    if (!put(sim, up, frame)) {
        return RES_AGAIN;
    }
    if (chance(sim, sim->repeat_per_mille)) {
        (void)put(sim, up, frame); /* no room: not repeated */
    }
    return RES_OK;
}

static enum res connect(void *context)
{
    struct network_sim *sim = context;
    sim->attempts++;
    sim->attempting = true;
    return RES_OK;
}

static void disconnect(void *context)
{
    network_sim_cut(context);
}

static enum res publish(void *context, struct span topic, struct span payload)
{
    struct network_sim *sim = context;
    (void)topic;
    if (!sim->connected) {
        return RES_UNAVAILABLE;
    }
    sim->published++;
    return carry(sim, true, payload);
}

static enum res refresh(void *context)
{
    struct network_sim *sim = context;
    sim->refreshes++;
    return sim->connected ? RES_OK : RES_UNAVAILABLE;
}

void network_sim_init(struct network_sim *sim, uint64_t seed)
{
    memset(sim, 0, sizeof *sim);
    rng_init(&sim->rng, seed);
    sim->network = (struct network){.context = sim,
                                    .connect = connect,
                                    .disconnect = disconnect,
                                    .publish = publish,
                                    .refresh = refresh};
}

bool network_sim_outcome(struct network_sim *sim, bool *ret_connected)
{
    if (!sim->attempting) {
        return false;
    }
    sim->attempting = false;
    sim->connected = !sim->down;
    *ret_connected = sim->connected;
    return true;
}

void network_sim_send(struct network_sim *sim, struct span frame)
{
    if (sim->connected) {
        (void)carry(sim, false, frame); /* a full pipe loses it, as a broker does */
    }
}

bool network_sim_take(struct network_sim *sim, bool up, uint8_t *bytes, size_t *ret_size)
{
    struct network_sim_frame *next = NULL;
    for (size_t i = 0; i < NETWORK_SIM_FRAMES_MAX; i++) {
        struct network_sim_frame *f = &sim->frames[i];
        if (f->used && f->up == up && f->due_ms <= sim->now_ms &&
            (next == NULL || f->due_ms < next->due_ms ||
             (f->due_ms == next->due_ms && f->order < next->order))) {
            next = f;
        }
    }
    if (next == NULL) {
        return false;
    }
    memcpy(bytes, sim->bytes[next - sim->frames], next->size);
    *ret_size = next->size;
    next->used = false;
    return true;
}

void network_sim_cut(struct network_sim *sim)
{
    sim->connected = false;
    sim->attempting = false;
    for (size_t i = 0; i < NETWORK_SIM_FRAMES_MAX; i++) {
        if (!sim->frames[i].up) {
            sim->frames[i].used = false;
        }
    }
}
