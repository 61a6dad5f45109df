/* network_sim.h: a simulated connection that loses, repeats, delays and reorders messages both
 * ways, and drops. Time is the owner's; one seed is one run.
 */
#ifndef NETWORK_SIM_H
#define NETWORK_SIM_H

#include "network.h"
#include "rng.h"

#define NETWORK_SIM_FRAME_BYTES_MAX 16384
#define NETWORK_SIM_FRAMES_MAX      256 /* in flight; publish answers RES_AGAIN beyond */

struct network_sim_frame {
    bool used;
    bool up; /* from the device */
    int64_t due_ms;
    uint64_t order; /* of being sent: ties arrive in it */
    size_t size;
};

struct network_sim {
    struct network network; /* use this */
    struct rng rng;
    unsigned loss_per_mille;
    unsigned repeat_per_mille;
    int64_t delay_most_ms; /* each message takes 0 to this: above 0 they overtake each other */
    int64_t now_ms;        /* set by the owner */
    bool down;             /* attempts fail */
    bool connected;
    bool attempting;
    unsigned attempts;
    unsigned published;
    unsigned refreshes;
    uint64_t order;
    struct network_sim_frame frames[NETWORK_SIM_FRAMES_MAX];
    uint8_t bytes[NETWORK_SIM_FRAMES_MAX][NETWORK_SIM_FRAME_BYTES_MAX];
};

void network_sim_init(struct network_sim *sim, uint64_t seed);
/* The device's attempt is over: true with its outcome. */
bool network_sim_outcome(struct network_sim *sim, bool *ret_connected);
/* To the device; lost when it is not connected. */
void network_sim_send(struct network_sim *sim, struct span frame);
/* The next message that has arrived by now, at the far end (up) or at the device. Copied into
 * bytes[NETWORK_SIM_FRAME_BYTES_MAX]. */
bool network_sim_take(struct network_sim *sim, bool up, uint8_t *bytes, size_t *ret_size);
/* The connection is gone, and everything in flight to the device; what the device has sent may
 * still arrive. */
void network_sim_cut(struct network_sim *sim);

#endif
