/* renewal_sim.h: renewal without cryptography: a request is "request {number}", and the only
 * certificate that fits it "certificate {number}". */
#ifndef RENEWAL_SIM_H
#define RENEWAL_SIM_H

#include "renewal.h"

struct renewal_sim {
    struct renewal renewal; /* use this */
    int64_t requested;      /* number of the key that waits, 0: none */
    int64_t installed;
    int64_t present; /* number of the pair in use */
    bool renewed_selected;
    unsigned commits;
};

void renewal_sim_init(struct renewal_sim *sim);

#endif
