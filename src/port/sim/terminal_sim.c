#include "terminal_sim.h"

#include <string.h>

#include "rng.h"

static enum res request(void *context, struct span reference, int64_t amount_minor,
                        struct span currency)
{
    struct terminal_sim *sim = context;
    (void)currency;
    if (sim->absent || reference.size > sizeof sim->reference) {
        return RES_UNAVAILABLE;
    }
    memcpy(sim->reference, reference.data, reference.size);
    sim->reference_size = reference.size;
    sim->amount_minor = amount_minor;
    sim->pending = true;
    sim->due_ms = sim->now_ms + sim->delay_ms;
    sim->requests++;
    return RES_OK;
}

static void reverse(void *context, struct span reference)
{
    struct terminal_sim *sim = context;
    (void)reference;
    sim->pending = false;
    sim->reversals++;
}

void terminal_sim_init(struct terminal_sim *sim, uint64_t seed)
{
    *sim = (struct terminal_sim){
        .terminal = {.context = sim, .request = request, .reverse = reverse}, .seed = seed};
}

/* FNV-1a of the reference, to seed what is said to it. */
static uint64_t hash(const struct terminal_sim *sim)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325) ^ sim->seed;
    for (size_t i = 0; i < sim->reference_size; i++) {
        h = (h ^ (uint8_t)sim->reference[i]) * UINT64_C(0x100000001b3);
    }
    return h;
}

bool terminal_sim_answer(struct terminal_sim *sim, struct span *ret_reference,
                         enum terminal_answer *ret_answer, struct span *ret_token)
{
    if (!sim->pending || sim->silent || sim->now_ms < sim->due_ms) {
        return false;
    }
    struct rng rng;
    rng_init(&rng, hash(sim));
    bool declined = rng_below(&rng, 1000) < sim->decline_per_mille;
    memcpy(sim->token, "tok_", 4);
    for (size_t i = 4; i < sizeof sim->token; i++) {
        sim->token[i] = (char)('a' + rng_below(&rng, 26));
    }
    sim->pending = false;
    *ret_reference = span_of(sim->reference, sim->reference_size);
    *ret_answer = declined ? TERMINAL_DECLINED : TERMINAL_APPROVED;
    *ret_token = declined ? SPAN_NONE : span_of(sim->token, sizeof sim->token);
    return true;
}
