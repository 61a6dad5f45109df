/* fleet_world.h: the fleet: its devices, what they share, and their coming up at a pace.
 */
#ifndef FLEET_WORLD_H
#define FLEET_WORLD_H

#include "fleet_cart.h"
#include "fleet_label.h"

struct fleet_world_settings {
    const char *label_directory; /* NULL: no labels */
    const char *cart_directory;  /* NULL: no carts */
    const char *platform_file;
    const char *state_file; /* NULL: in memory; carts have STATE.carts */
    const char *trace_file; /* NULL: none */
    struct fleet_link_settings link;
    struct fleet_cart_habits habits;
    uint64_t seed;
    bool trusting;
    bool start_off; /* devices wait to be powered on */
};

struct fleet_world {
    struct fleet_world_settings settings;
    struct fleet_loop loop;
    struct fleet_link_net net;
    struct fleet_secure secure;
    struct fleet_device_shared shared;
    struct fleet_memory label_memory;
    struct fleet_memory cart_memory;
    struct fleet_identity *label_identities;
    struct fleet_identity *cart_identities;
    size_t label_count;
    size_t cart_count;
    struct fleet_label *labels;
    struct fleet_cart *carts;
    struct fleet_cart_shop shop;
    struct fleet_device **devices; /* all, labels first, in order of their ids */
    size_t count;
    size_t started; /* devices[0..started) were powered on by the start */
    int64_t next_start_us;
    struct rng rng; /* for choosing among them */
    int64_t begun_ms;
};

/* Reads certificates, maps the state, opens nothing to the network yet. Raises the soft limit of
 * open files to what is needed; RES_FULL with the numbers when the hard limit is too low. Errors
 * as the parts. Close it in any case. */
MUST_CHECK enum res fleet_world_open(struct fleet_world *w,
                                     const struct fleet_world_settings *settings, struct err *why);
/* Says goodbye to the broker, as far as it listens at once. */
void fleet_world_close(struct fleet_world *w);
/* One turn of everything; waits at most `wait_ms_max`. */
void fleet_world_turn(struct fleet_world *w, int64_t wait_ms_max);
/* NULL: no such device. */
struct fleet_device *fleet_world_find(const struct fleet_world *w, const char *id);
bool fleet_world_is_label(const struct fleet_world *w, const struct fleet_device *d);

#endif
