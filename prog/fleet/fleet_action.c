#include "fleet_action.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS_MAX         (INT64_C(30) * 24 * 3600 * 1000)
#define LINE_BYTES_MAX 65536

static const char *const verbs[FLEET_ACTION_VERBS] = {
    [FLEET_ACTION_ON] = "on",
    [FLEET_ACTION_OFF] = "off",
    [FLEET_ACTION_BROWNOUT] = "brownout",
    [FLEET_ACTION_REBOOT] = "reboot",
    [FLEET_ACTION_SLEEP] = "sleep",
    [FLEET_ACTION_WAKE] = "wake",
    [FLEET_ACTION_DISCONNECT] = "disconnect",
    [FLEET_ACTION_OFFLINE] = "offline",
    [FLEET_ACTION_ONLINE] = "online",
    [FLEET_ACTION_CUT] = "cut",
    [FLEET_ACTION_LOSS] = "loss",
    [FLEET_ACTION_DELAY] = "delay",
    [FLEET_ACTION_MUTE] = "mute",
    [FLEET_ACTION_REFUSE] = "refuse",
    [FLEET_ACTION_CLOCK] = "clock",
    [FLEET_ACTION_BATTERY] = "battery",
    [FLEET_ACTION_HEAL] = "heal",
};
static const char *const mutes[] = {"none", "ack", "shown", "all"};

/* --- reading --- */

static enum res read_verb(const json_t *request, enum fleet_action_verb *ret, struct err *why)
{
    const char *text = json_string_value(json_object_get(request, "do"));
    for (int i = 0; text != NULL && i < FLEET_ACTION_VERBS; i++) {
        if (strcmp(verbs[i], text) == 0) {
            *ret = (enum fleet_action_verb)i;
            return RES_OK;
        }
    }
    err_set(why, "`do` is none of on, off, brownout, reboot, sleep, wake, disconnect, offline, "
                 "online, cut, loss, delay, mute, refuse, clock, battery, heal");
    return RES_INVALID;
}

static enum res read_mute(const json_t *request, enum fleet_device_mute *ret, struct err *why)
{
    const json_t *what = json_object_get(request, "what");
    const char *text = what == NULL ? "shown" : json_string_value(what);
    for (size_t i = 0; text != NULL && i < sizeof mutes / sizeof *mutes; i++) {
        if (strcmp(mutes[i], text) == 0) {
            *ret = (enum fleet_device_mute)i;
            return RES_OK;
        }
    }
    err_set(why, "`what` is none, ack, shown (ack and status) or all");
    return RES_INVALID;
}

static bool is_known(const char *key)
{
    static const char *const others[] = {"do", "on", "at", "every", "ids", "what", "tag"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (strcmp(others[i], key) == 0) {
            return true;
        }
    }
    return false;
}

enum res fleet_action_read(const json_t *request, struct fleet_action *ret, struct err *why)
{
    struct fleet_action a = {
        .for_ms = FLEET_DEVICE_FOREVER, .pct = -1, .signal_dbm = 1, .yes = true};
    const struct {
        const char *key;
        int64_t least;
        int64_t most;
        int64_t *to;
    } numbers[] = {
        {"ms", 0, MS_MAX, &a.for_ms},        {"writes", 0, 1000000, &a.writes},
        {"up", 0, 100, &a.up_pct},           {"down", 0, 100, &a.down_pct},
        {"least", 0, 600000, &a.least_ms},   {"most", 0, 600000, &a.most_ms},
        {"ahead", 0, MS_MAX, &a.ahead_ms},   {"ppm", -500000, 1000000, &a.ppm},
        {"utc", -MS_MAX, MS_MAX, &a.utc_ms}, {"pct", 0, 100, &a.pct},
        {"signal", -127, 0, &a.signal_dbm},
    };
    const char *key;
    json_t *value;
    enum res r = read_verb(request, &a.verb, why);
    if (r == RES_OK) {
        r = read_mute(request, &a.mute, why);
    }
    if (r != RES_OK) {
        return r;
    }
    json_object_foreach((json_t *)(uintptr_t)request, key, value)
    {
        size_t i = 0;
        while (i < sizeof numbers / sizeof *numbers && strcmp(numbers[i].key, key) != 0) {
            i++;
        }
        if (i < sizeof numbers / sizeof *numbers && json_is_integer(value) &&
            json_integer_value(value) >= numbers[i].least &&
            json_integer_value(value) <= numbers[i].most) {
            *numbers[i].to = json_integer_value(value);
        } else if (strcmp(key, "yes") == 0 && json_is_boolean(value)) {
            a.yes = json_is_true(value);
        } else if (!is_known(key)) {
            err_set(why, "`%.40s` is unknown, or no integer within its limits", key);
            return RES_INVALID;
        }
    }
    *ret = a;
    return RES_OK;
}

/* --- doing --- */

static void set_battery(const struct fleet_action *a, struct fleet_device *d)
{
    d->battery_pct = a->pct >= 0 ? (int32_t)a->pct : d->battery_pct;
    d->signal_dbm = a->signal_dbm <= 0 ? (int32_t)a->signal_dbm : d->signal_dbm;
}

static void set_trouble(const struct fleet_action *a, struct fleet_device *d)
{
    struct fleet_device_trouble *t = &d->trouble;
    if (a->verb == FLEET_ACTION_LOSS) {
        t->loss_up_per_mille = (uint16_t)(a->up_pct * 10);
        t->loss_down_per_mille = (uint16_t)(a->down_pct * 10);
    } else if (a->verb == FLEET_ACTION_DELAY) {
        t->delay_least_ms = (int32_t)a->least_ms;
        t->delay_most_ms = (int32_t)(a->most_ms > a->least_ms ? a->most_ms : a->least_ms);
    } else if (a->verb == FLEET_ACTION_MUTE) {
        t->mute = a->mute;
    } else {
        d->secure.refusing = a->yes;
    }
}

void fleet_action_do(const struct fleet_action *a, struct fleet_device *d)
{
    const int64_t short_ms = a->for_ms == FLEET_DEVICE_FOREVER ? 0 : a->for_ms;
    switch (a->verb) {
    case FLEET_ACTION_ON:
        fleet_device_power_on(d);
        break;
    case FLEET_ACTION_OFF:
        fleet_device_power_off(d);
        break;
    case FLEET_ACTION_BROWNOUT:
        fleet_device_brown_out(d, short_ms, (uint32_t)a->writes);
        break;
    case FLEET_ACTION_REBOOT:
        fleet_device_reboot(d);
        break;
    case FLEET_ACTION_SLEEP:
        fleet_device_sleep(d, a->for_ms);
        break;
    case FLEET_ACTION_WAKE:
        fleet_device_wake(d);
        break;
    case FLEET_ACTION_DISCONNECT:
        fleet_device_disconnect(d);
        break;
    case FLEET_ACTION_OFFLINE:
        fleet_device_offline(d, a->for_ms);
        break;
    case FLEET_ACTION_ONLINE:
        fleet_device_offline(d, 0);
        fleet_device_cut(d, 0);
        break;
    case FLEET_ACTION_CUT:
        fleet_device_cut(d, a->for_ms);
        break;
    case FLEET_ACTION_CLOCK:
        d->clock.utc_offset_ms = a->utc_ms;
        fleet_device_skew(d, a->ahead_ms, a->ppm);
        break;
    case FLEET_ACTION_BATTERY:
        set_battery(a, d);
        break;
    case FLEET_ACTION_HEAL:
        fleet_device_heal(d);
        break;
    case FLEET_ACTION_LOSS:
    case FLEET_ACTION_DELAY:
    case FLEET_ACTION_MUTE:
    case FLEET_ACTION_REFUSE:
    case FLEET_ACTION_VERBS:
        set_trouble(a, d);
        break;
    }
}

/* --- choosing --- */

static enum res select_ids(struct fleet_world *w, const json_t *ids, struct fleet_device **to,
                           size_t *ret_count, struct err *why)
{
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const char *id = json_string_value(json_array_get(ids, i));
        struct fleet_device *d = id == NULL ? NULL : fleet_world_find(w, id);
        if (d == NULL || *ret_count >= w->count) {
            err_set(why, "`%.40s` is none of this fleet's devices", id == NULL ? "?" : id);
            return RES_NOT_FOUND;
        }
        to[(*ret_count)++] = d;
    }
    return RES_OK;
}

/* `wanted` of all, each as likely (Knuth's algorithm S). */
static void select_random(struct fleet_world *w, size_t wanted, struct fleet_device **to,
                          size_t *ret_count)
{
    for (size_t i = 0; i < w->count && wanted > 0; i++) {
        if (rng_below(&w->rng, w->count - i) < wanted) {
            to[(*ret_count)++] = w->devices[i];
            wanted--;
        }
    }
}

static enum res select_words(struct fleet_world *w, const char *text, struct fleet_device **to,
                             size_t *ret_count, struct err *why)
{
    char *end = NULL;
    bool labels = strcmp(text, "labels") == 0 || strcmp(text, "all") == 0;
    bool carts = strcmp(text, "carts") == 0 || strcmp(text, "all") == 0;
    double share = strtod(text, &end);
    if (labels || carts) {
        size_t from = labels ? 0 : w->label_count;
        *ret_count = (carts ? w->count : w->label_count) - from;
        memcpy(to, w->devices + from, *ret_count * sizeof *to);
        return RES_OK;
    }
    if (end != text && strcmp(end, "%") == 0 && share >= 0 && share <= 100) {
        select_random(w, (size_t)(share * (double)w->count / 100 + 0.5), to, ret_count);
        return RES_OK;
    }
    struct fleet_device *d = fleet_world_find(w, text);
    if (d == NULL) {
        err_set(why,
                "`%.40s` is neither all, labels, carts, a share such as 5%%, nor a device's id",
                text);
        return RES_NOT_FOUND;
    }
    to[(*ret_count)++] = d;
    return RES_OK;
}

enum res fleet_action_select(struct fleet_world *w, const json_t *on, struct fleet_device ***ret,
                             size_t *ret_count, struct err *why)
{
    struct fleet_device **chosen = calloc(w->count + 1, sizeof(struct fleet_device *));
    size_t count = 0;
    enum res r = RES_OK;
    if (chosen == NULL) {
        err_set(why, "no memory");
        return RES_NO_MEMORY;
    }
    if (on == NULL) {
        r = select_words(w, "all", chosen, &count, why);
    } else if (json_is_string(on)) {
        r = select_words(w, json_string_value(on), chosen, &count, why);
    } else if (json_is_array(on)) {
        r = select_ids(w, on, chosen, &count, why);
    } else if (json_is_integer(on) && json_integer_value(on) >= 0) {
        select_random(w, (size_t)json_integer_value(on), chosen, &count);
    } else {
        err_set(why, "`on` is a text, a list of ids, or how many at random");
        r = RES_INVALID;
    }
    if (r != RES_OK) {
        free(chosen);
        return r;
    }
    *ret = chosen;
    *ret_count = count;
    return RES_OK;
}

/* --- later --- */

struct fleet_action_planned {
    struct fleet_action_planned *next;
    int64_t due_ms;
    int64_t every_ms; /* 0: once */
    struct fleet_action action;
    json_t *on;
};

static enum res read_seconds(const json_t *request, const char *key, int64_t *ret_ms,
                             struct err *why)
{
    const json_t *value = json_object_get(request, key);
    double seconds = json_number_value(value);
    if (value != NULL && (!json_is_number(value) || !(seconds >= 0 && seconds <= 1e6))) {
        err_set(why, "`%s` is a number of seconds", key);
        return RES_INVALID;
    }
    *ret_ms = (int64_t)(seconds * 1000);
    return RES_OK;
}

enum res fleet_action_plan(struct fleet_action_plan *plan, struct fleet_world *w,
                           const json_t *request, struct err *why)
{
    struct fleet_action_planned *p = calloc(1, sizeof *p);
    struct fleet_device **chosen = NULL;
    size_t count = 0;
    int64_t at_ms = 0;
    enum res r = p == NULL ? RES_NO_MEMORY : RES_OK;
    if (r != RES_OK || plan->count >= FLEET_ACTION_PLANNED_MAX) {
        err_set(why, "no room for more than %d planned actions", FLEET_ACTION_PLANNED_MAX);
        free(p);
        return r == RES_OK ? RES_FULL : r;
    }
    r = fleet_action_read(request, &p->action, why);
    if (r == RES_OK) {
        r = read_seconds(request, "at", &at_ms, why);
    }
    if (r == RES_OK) {
        r = read_seconds(request, "every", &p->every_ms, why);
    }
    if (r == RES_OK) { /* refused now rather than when it is due */
        r = fleet_action_select(w, json_object_get(request, "on"), &chosen, &count, why);
        free(chosen);
    }
    if (r != RES_OK) {
        free(p);
        return r;
    }
    p->due_ms = w->loop.now_ms + at_ms;
    p->on = json_incref(json_object_get(request, "on"));
    p->next = plan->first;
    plan->first = p;
    plan->count++;
    return RES_OK;
}

enum res fleet_action_script(struct fleet_action_plan *plan, struct fleet_world *w,
                             const char *path, struct err *why)
{
    static char line[LINE_BYTES_MAX];
    FILE *file = fopen(path, "re");
    unsigned number = 0;
    enum res r = RES_OK;
    if (file == NULL) {
        err_set(why, "cannot read the script %s: %s", path, strerror(errno));
        return RES_IO;
    }
    while (r == RES_OK && fgets(line, sizeof line, file) != NULL) {
        json_error_t fault;
        number++;
        if (line[strspn(line, " \t\r\n")] == '\0' || line[0] == '#') {
            continue;
        }
        json_t *request = json_loads(line, JSON_REJECT_DUPLICATES, &fault);
        if (request == NULL) {
            err_set(why, "no JSON object: %.80s", fault.text);
            r = RES_INVALID;
        } else {
            r = fleet_action_plan(plan, w, request, why);
        }
        json_decref(request);
        if (r != RES_OK) {
            err_prefix(why, "%s line %u", path, number);
        }
    }
    (void)fclose(file);
    return r;
}

static void do_planned(struct fleet_world *w, const struct fleet_action_planned *p)
{
    struct fleet_device **chosen = NULL;
    size_t count = 0;
    enum res r = fleet_action_select(w, p->on, &chosen, &count, NULL);
    for (size_t i = 0; r == RES_OK && i < count; i++) {
        fleet_action_do(&p->action, chosen[i]);
    }
    free(chosen);
}

int64_t fleet_action_step(struct fleet_action_plan *plan, struct fleet_world *w)
{
    int64_t wait_ms = INT64_MAX;
    struct fleet_action_planned **at = &plan->first;
    while (*at != NULL) {
        struct fleet_action_planned *p = *at;
        if (p->due_ms <= w->loop.now_ms) {
            do_planned(w, p);
            p->due_ms += p->every_ms;
        }
        if (p->due_ms <= w->loop.now_ms && p->every_ms == 0) {
            *at = p->next;
            plan->count--;
            json_decref(p->on);
            free(p);
            continue;
        }
        int64_t left_ms = p->due_ms - w->loop.now_ms;
        wait_ms = left_ms < wait_ms ? left_ms : wait_ms;
        at = &p->next;
    }
    return wait_ms < 0 ? 0 : wait_ms;
}

void fleet_action_forget(struct fleet_action_plan *plan)
{
    while (plan->first != NULL) {
        struct fleet_action_planned *p = plan->first;
        plan->first = p->next;
        json_decref(p->on);
        free(p);
    }
    plan->count = 0;
}
