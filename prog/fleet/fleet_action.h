/* fleet_action.h: what is done to devices: read from JSON, checked whole, then done; and to which
 * devices. The words are in fleet_options.c, as `endcap-fleet --help` prints them.
 */
#ifndef FLEET_ACTION_H
#define FLEET_ACTION_H

#include <jansson.h>

#include "fleet_world.h"

enum fleet_action_verb {
    FLEET_ACTION_ON,
    FLEET_ACTION_OFF,
    FLEET_ACTION_BROWNOUT,
    FLEET_ACTION_REBOOT,
    FLEET_ACTION_SLEEP,
    FLEET_ACTION_WAKE,
    FLEET_ACTION_DISCONNECT,
    FLEET_ACTION_OFFLINE,
    FLEET_ACTION_ONLINE,
    FLEET_ACTION_CUT,
    FLEET_ACTION_LOSS,
    FLEET_ACTION_DELAY,
    FLEET_ACTION_MUTE,
    FLEET_ACTION_REFUSE,
    FLEET_ACTION_CLOCK,
    FLEET_ACTION_BATTERY,
    FLEET_ACTION_HEAL,
    FLEET_ACTION_VERBS,
};

struct fleet_action {
    enum fleet_action_verb verb;
    int64_t for_ms; /* FLEET_DEVICE_FOREVER: none given */
    int64_t writes;
    int64_t up_pct;
    int64_t down_pct;
    int64_t least_ms;
    int64_t most_ms;
    int64_t ahead_ms;
    int64_t ppm;
    int64_t utc_ms;
    int64_t pct;
    int64_t signal_dbm;
    enum fleet_device_mute mute;
    bool yes;
};

/* RES_INVALID: words say what is wrong. */
MUST_CHECK enum res fleet_action_read(const json_t *request, struct fleet_action *ret,
                                      struct err *why);
void fleet_action_do(const struct fleet_action *action, struct fleet_device *d);

/* The devices that `on` (may be NULL: all) names. Free *ret. RES_INVALID, RES_NOT_FOUND: an id that
 * is none of ours; RES_NO_MEMORY. */
MUST_CHECK enum res fleet_action_select(struct fleet_world *w, const json_t *on,
                                        struct fleet_device ***ret, size_t *ret_count,
                                        struct err *why);

/* Actions for later: lines of a script, or a request with `at`. */
struct fleet_action_plan {
    struct fleet_action_planned *first;
    size_t count;
};
#define FLEET_ACTION_PLANNED_MAX 10000
/* Takes over nothing of `request`. Its `at` (seconds from now) and `every` (seconds) are read.
 * RES_INVALID; RES_FULL; RES_NO_MEMORY. */
MUST_CHECK enum res fleet_action_plan(struct fleet_action_plan *plan, struct fleet_world *w,
                                      const json_t *request, struct err *why);
/* One JSON object a line; blank lines and lines that begin with # are passed over. */
MUST_CHECK enum res fleet_action_script(struct fleet_action_plan *plan, struct fleet_world *w,
                                        const char *path, struct err *why);
/* Does what is due; in how many ms there will be more. */
int64_t fleet_action_step(struct fleet_action_plan *plan, struct fleet_world *w);
void fleet_action_forget(struct fleet_action_plan *plan);

#endif
