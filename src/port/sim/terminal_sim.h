/* terminal_sim.h: a simulated payment terminal. What it says to a reference depends on the seed and
 * the reference alone, so it is idempotent also over restarts of the process it lives in.
 */
#ifndef TERMINAL_SIM_H
#define TERMINAL_SIM_H

#include "terminal.h"

#define TERMINAL_SIM_TOKEN_BYTES 36

struct terminal_sim {
    struct terminal terminal; /* use this */
    uint64_t seed;
    uint32_t decline_per_mille;
    int64_t delay_ms;
    int64_t now_ms; /* set by the owner */
    bool absent;    /* no terminal in reach */
    bool silent;    /* takes requests and never answers */
    bool pending;
    int64_t due_ms;
    char reference[TERMINAL_REFERENCE_BYTES_MAX];
    size_t reference_size;
    char token[TERMINAL_SIM_TOKEN_BYTES];
    int64_t amount_minor;
    unsigned requests;
    unsigned reversals;
};

void terminal_sim_init(struct terminal_sim *sim, uint64_t seed);
/* True when an answer is due: give it to whoever asked. Spans point into sim; the token is empty
 * unless approved. */
bool terminal_sim_answer(struct terminal_sim *sim, struct span *ret_reference,
                         enum terminal_answer *ret_answer, struct span *ret_token);

#endif
