#include "fleet_device.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIGNAL_DBM_FIRST  (-60)
#define BATTERY_PCT_FIRST 90
#define RETRY_START_MS    5000 /* a core that did not start */

/* A message under way, in order of sending. */
struct fleet_device_held {
    struct fleet_device_held *next;
    int64_t due_ms;
    bool up;
    size_t topic_size;
    size_t payload_size;
    size_t signature_size;
    uint8_t bytes[];
};

static void settle(struct fleet_device *d);

/* --- clock --- */

int64_t fleet_device_now(const struct fleet_device *d)
{
    int64_t passed = d->shared->loop->now_ms - d->clock.from_ms;
    return d->clock.at_ms + passed + passed * d->clock.ppm / 1000000;
}

int64_t fleet_device_when(const struct fleet_device *d, int64_t device_ms)
{
    if (device_ms == INT64_MAX) {
        return FLEET_LOOP_NEVER;
    }
    int64_t ahead = device_ms - d->clock.at_ms;
    return d->clock.ppm == 0 ? d->clock.from_ms + ahead
                             : d->clock.from_ms + ahead * 1000000 / (1000000 + d->clock.ppm) + 1;
}

void fleet_device_skew(struct fleet_device *d, int64_t ahead_ms, int64_t ppm)
{
    d->clock.at_ms = fleet_device_now(d) + ahead_ms;
    d->clock.from_ms = d->shared->loop->now_ms;
    d->clock.ppm = ppm;
    settle(d);
}

/* --- messages under way --- */

static void free_held(struct fleet_device *d)
{
    while (d->held != NULL) {
        struct fleet_device_held *gone = d->held;
        d->held = gone->next;
        free(gone);
    }
    d->held_count = 0;
}

static void hold(struct fleet_device *d, bool up, struct span topic, struct span payload,
                 struct span signature)
{
    const struct fleet_device_trouble *t = &d->trouble;
    int64_t spread =
        t->delay_most_ms > t->delay_least_ms ? t->delay_most_ms - t->delay_least_ms : 0;
    struct fleet_device_held *held =
        d->held_count >= FLEET_DEVICE_HELD_MAX
            ? NULL
            : malloc(sizeof *held + topic.size + payload.size + signature.size);
    if (held == NULL) {
        d->shared->lost++;
        return;
    }
    held->next = NULL;
    held->due_ms = d->shared->loop->now_ms + t->delay_least_ms +
                   (int64_t)rng_below(&d->rng, (uint64_t)spread + 1);
    held->up = up;
    held->topic_size = topic.size;
    held->payload_size = payload.size;
    held->signature_size = signature.size;
    struct sink s;
    sink_init(&s, held->bytes, topic.size + payload.size + signature.size);
    sink_bytes(&s, topic);
    sink_bytes(&s, payload);
    sink_bytes(&s, signature);
    struct fleet_device_held **end = &d->held;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = held;
    d->held_count++;
}

static int64_t held_due(const struct fleet_device *d)
{
    int64_t due_ms = FLEET_LOOP_NEVER;
    for (const struct fleet_device_held *h = d->held; h != NULL; h = h->next) {
        due_ms = h->due_ms < due_ms ? h->due_ms : due_ms;
    }
    return due_ms;
}

static void hand_over(struct fleet_device *d, const struct fleet_device_held *h)
{
    struct span topic = span_of(h->bytes, h->topic_size);
    struct span payload = span_of(h->bytes + h->topic_size, h->payload_size);
    struct span signature = span_of(h->bytes + h->topic_size + h->payload_size, h->signature_size);
    if (!h->up) {
        d->kind->message(d, topic, payload, signature);
    } else if (fleet_link_publish(&d->link, topic, payload) != RES_OK) {
        d->shared->lost++;
    }
}

/* Each with its own delay, so that they overtake each other. */
static void release_held(struct fleet_device *d)
{
    int64_t now_ms = d->shared->loop->now_ms;
    struct fleet_device_held **at = &d->held;
    while (*at != NULL) {
        struct fleet_device_held *h = *at;
        if (h->due_ms > now_ms) {
            at = &h->next;
            continue;
        }
        *at = h->next;
        d->held_count--;
        hand_over(d, h);
        free(h);
    }
}

/* --- the network port --- */

static bool chance(struct fleet_device *d, unsigned per_mille)
{
    return per_mille > 0 && rng_below(&d->rng, 1000) < per_mille;
}

static enum res port_connect(void *context)
{
    struct fleet_device *d = context;
    if (d->trouble.cut_until_ms != 0) {
        d->hopeless = true; /* no outcome but the core's own patience */
        return RES_OK;
    }
    if (d->trouble.offline_until_ms != 0) {
        (void)snprintf(d->why, sizeof d->why, "out of reach");
        return RES_UNAVAILABLE;
    }
    assert(d->link.state == FLEET_LINK_IDLE);
    fleet_link_want(&d->link);
    return RES_OK;
}

static void port_disconnect(void *context)
{
    struct fleet_device *d = context;
    d->hopeless = false;
    free_held(d);
    fleet_link_drop(&d->link, true);
}

static bool ends_with(struct span topic, const char *tail)
{
    size_t size = strlen(tail);
    return topic.size >= size && memcmp(topic.data + topic.size - size, tail, size) == 0;
}

static bool is_muted(const struct fleet_device *d, struct span topic)
{
    switch (d->trouble.mute) {
    case FLEET_DEVICE_MUTE_ACK:
        return ends_with(topic, "/ack");
    case FLEET_DEVICE_MUTE_SHOW:
        return ends_with(topic, "/ack") || ends_with(topic, "/status");
    case FLEET_DEVICE_MUTE_ALL:
        return true;
    case FLEET_DEVICE_SPEAKS:
        return false;
    }
    return false;
}

static enum res port_publish(void *context, struct span topic, struct span payload)
{
    struct fleet_device *d = context;
    if (!fleet_link_is_up(&d->link)) {
        return RES_UNAVAILABLE;
    }
    if (is_muted(d, topic)) {
        d->shared->muted++;
        return RES_OK;
    }
    if (chance(d, d->trouble.loss_up_per_mille)) {
        d->shared->lost++;
        return RES_OK;
    }
    if (d->trouble.delay_most_ms > 0) {
        hold(d, true, topic, payload, SPAN_NONE);
        return RES_OK;
    }
    return fleet_link_publish(&d->link, topic, payload);
}

static enum res port_refresh(void *context)
{
    struct fleet_device *d = context;
    return fleet_link_refresh(&d->link);
}

/* --- the link's owner --- */

static struct fleet_device *of_link(struct fleet_link *link)
{
    return (struct fleet_device *)link;
}

static void on_up(struct fleet_link *link)
{
    struct fleet_device *d = of_link(link);
    d->why[0] = '\0';
    if (d->power == FLEET_DEVICE_RUNNING) {
        d->kind->connected(d);
    }
    settle(d);
}

static void on_down(struct fleet_link *link, enum res cause, const char *why)
{
    struct fleet_device *d = of_link(link);
    (void)snprintf(d->why, sizeof d->why, "%s", why);
    free_held(d);
    if (d->power == FLEET_DEVICE_RUNNING) {
        d->kind->disconnected(d, cause);
    }
    settle(d);
}

static void on_message(struct fleet_link *link, const struct fleet_mqtt_packet *packet)
{
    struct fleet_device *d = of_link(link);
    struct span signature = SPAN_NONE;
    if (d->power != FLEET_DEVICE_RUNNING) {
        return;
    }
    if (chance(d, d->trouble.loss_down_per_mille)) {
        d->shared->lost++;
        return;
    }
    enum res r = fleet_mqtt_codec_user_property(packet->properties,
                                                SPAN_LIT(SHELF_SIGNATURE_PROPERTY), &signature);
    (void)r; /* without one it is empty, which the core judges */
    if (d->trouble.delay_most_ms > 0) {
        hold(d, false, packet->topic, packet->payload, signature);
    } else {
        d->kind->message(d, packet->topic, packet->payload, signature);
    }
    settle(d);
}

static struct span on_filter(struct fleet_link *link, size_t index,
                             char room[FLEET_LINK_FILTER_BYTES_MAX])
{
    const struct fleet_device *d = of_link(link);
    return d->kind->filter(d, index, room);
}

static const struct fleet_link_owner owner = {
    .up = on_up, .down = on_down, .message = on_message, .filter = on_filter};

/* --- power --- */

static void start(struct fleet_device *d, enum fleet_device_start how)
{
    d->power = FLEET_DEVICE_RUNNING;
    d->sleep_for_ms = 0;
    d->restart = false;
    d->chip.dead = false;
    d->shared->starts++;
    enum res r = d->kind->start(d, how);
    if (r == RES_OK) {
        return;
    }
    /* With a chip that died meanwhile this is no more than the next brown-out. */
    d->shared->start_failures += !d->chip.dead;
    d->power = FLEET_DEVICE_DOWN;
    d->power_ms = d->shared->loop->now_ms + (d->chip.dead ? d->down_ms : RETRY_START_MS);
    if (!d->chip.dead && d->shared->died != NULL) {
        d->shared->died(d, res_name(r));
    }
}

/* RAM is gone. `politely`: the radio was shut down in order before. */
static void lose_power(struct fleet_device *d, enum fleet_device_power to, int64_t for_ms,
                       bool politely)
{
    d->hopeless = false;
    free_held(d);
    if (!politely) {
        d->link.cut = true;
    }
    fleet_link_drop(&d->link, politely);
    d->link.cut = false;
    d->power = to;
    d->power_ms =
        for_ms == FLEET_DEVICE_FOREVER ? FLEET_LOOP_NEVER : d->shared->loop->now_ms + for_ms;
}

/* What the core asked for, and what happened to it, during its last call. */
static void follow(struct fleet_device *d)
{
    if (d->chip.dead) {
        lose_power(d, FLEET_DEVICE_DOWN, d->down_ms, false);
    } else if (d->restart) {
        lose_power(d, FLEET_DEVICE_DOWN, 0, true);
    } else if (d->sleep_for_ms > 0) {
        int64_t for_ms = d->sleep_for_ms;
        d->sleep_for_ms = 0;
        lose_power(d, FLEET_DEVICE_SLEEPING, for_ms, true);
    }
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t trouble_due(const struct fleet_device *d)
{
    int64_t due_ms = FLEET_LOOP_NEVER;
    if (d->trouble.offline_until_ms != 0) {
        due_ms = earlier(due_ms, d->trouble.offline_until_ms);
    }
    if (d->trouble.cut_until_ms != 0) {
        due_ms = earlier(due_ms, d->trouble.cut_until_ms);
    }
    return due_ms;
}

/* After anything that concerned the device: lets its core do what is due, and sets the timer. A
 * later time than the one set waits until that one has come: with every message the keep-alive
 * moves, and moving the timer each time would cost more than waking once too often. */
static void settle(struct fleet_device *d)
{
    int64_t due_ms = FLEET_LOOP_NEVER;
    if (d->power == FLEET_DEVICE_RUNNING) {
        due_ms = d->kind->step(d);
        follow(d);
    }
    if (d->power != FLEET_DEVICE_RUNNING) {
        due_ms = d->power == FLEET_DEVICE_OFF ? FLEET_LOOP_NEVER : d->power_ms;
    }
    due_ms = earlier(due_ms, fleet_link_due(&d->link));
    due_ms = earlier(due_ms, trouble_due(d));
    due_ms = earlier(due_ms, held_due(d));
    if (d->timer.place == 0 || due_ms < d->timer.due_ms) {
        fleet_loop_set(d->shared->loop, &d->timer, due_ms);
    }
}

static void on_due(struct fleet_loop_timer *timer)
{
    struct fleet_device *d =
        (struct fleet_device *)(void *)((char *)timer - offsetof(struct fleet_device, timer));
    int64_t now_ms = d->shared->loop->now_ms;
    if (d->trouble.offline_until_ms != 0 && now_ms >= d->trouble.offline_until_ms) {
        d->trouble.offline_until_ms = 0;
    }
    if (d->trouble.cut_until_ms != 0 && now_ms >= d->trouble.cut_until_ms) {
        fleet_device_cut(d, 0);
    }
    if ((d->power == FLEET_DEVICE_DOWN || d->power == FLEET_DEVICE_SLEEPING) &&
        now_ms >= d->power_ms) {
        start(d, d->power == FLEET_DEVICE_SLEEPING ? FLEET_DEVICE_WAKE
                 : d->restart                      ? FLEET_DEVICE_RESTART
                                                   : FLEET_DEVICE_POWER_UP);
    }
    fleet_link_tick(&d->link);
    if (d->held != NULL) {
        release_held(d);
    }
    settle(d);
    fleet_link_flush(&d->link);
}

/* --- what can be done to it --- */

/* From outside of the loop's callbacks. */
static void touched(struct fleet_device *d)
{
    settle(d);
    fleet_link_flush(&d->link);
}

void fleet_device_power_on(struct fleet_device *d)
{
    if (d->power != FLEET_DEVICE_RUNNING) {
        start(d, FLEET_DEVICE_POWER_UP);
    }
    touched(d);
}

void fleet_device_power_off(struct fleet_device *d)
{
    lose_power(d, FLEET_DEVICE_OFF, FLEET_DEVICE_FOREVER, false);
    touched(d);
}

void fleet_device_brown_out(struct fleet_device *d, int64_t for_ms, uint32_t writes)
{
    d->down_ms = for_ms;
    if (writes > 0) {
        d->chip.cut_after = writes;
        return;
    }
    if (d->power != FLEET_DEVICE_OFF) {
        lose_power(d, FLEET_DEVICE_DOWN, for_ms, false);
    }
    touched(d);
}

void fleet_device_reboot(struct fleet_device *d)
{
    if (d->power != FLEET_DEVICE_OFF) {
        lose_power(d, FLEET_DEVICE_DOWN, 0, true);
        start(d, FLEET_DEVICE_RESTART);
    }
    touched(d);
}

void fleet_device_sleep(struct fleet_device *d, int64_t for_ms)
{
    if (d->power == FLEET_DEVICE_RUNNING) {
        lose_power(d, FLEET_DEVICE_SLEEPING, for_ms, true);
    }
    touched(d);
}

void fleet_device_wake(struct fleet_device *d)
{
    if (d->power == FLEET_DEVICE_SLEEPING) {
        start(d, FLEET_DEVICE_WAKE);
    }
    touched(d);
}

/* The core hears of it as of any loss. */
static void lose_connection(struct fleet_device *d)
{
    bool was = d->link.state != FLEET_LINK_IDLE;
    free_held(d);
    fleet_link_drop(&d->link, false);
    if (was && d->power == FLEET_DEVICE_RUNNING) {
        d->kind->disconnected(d, RES_UNAVAILABLE);
    }
    touched(d);
}

void fleet_device_disconnect(struct fleet_device *d)
{
    lose_connection(d);
}

static int64_t until(const struct fleet_device *d, int64_t for_ms)
{
    return for_ms == 0                      ? 0
           : for_ms == FLEET_DEVICE_FOREVER ? FLEET_LOOP_NEVER
                                            : d->shared->loop->now_ms + for_ms;
}

void fleet_device_offline(struct fleet_device *d, int64_t for_ms)
{
    d->trouble.offline_until_ms = until(d, for_ms);
    if (for_ms != 0) {
        lose_connection(d);
    }
    touched(d);
}

void fleet_device_cut(struct fleet_device *d, int64_t for_ms)
{
    d->trouble.cut_until_ms = until(d, for_ms);
    if (for_ms != 0 && d->link.state != FLEET_LINK_IDLE && !fleet_link_is_up(&d->link)) {
        fleet_link_drop(&d->link, false);
        d->hopeless = true;
    } else if (fleet_link_is_up(&d->link)) {
        fleet_link_cut(&d->link, for_ms != 0);
    }
    if (for_ms == 0 && d->hopeless) {
        d->hopeless = false;
        fleet_link_want(&d->link);
    }
    touched(d);
}

void fleet_device_heal(struct fleet_device *d)
{
    d->trouble = (struct fleet_device_trouble){.cut_until_ms = d->trouble.cut_until_ms};
    d->secure.refusing = false;
    d->chip.cut_after = 0;
    d->clock.utc_offset_ms = 0;
    fleet_device_skew(d, 0, 0);
    if (d->trouble.cut_until_ms != 0) {
        fleet_device_cut(d, 0);
    }
    if (d->power == FLEET_DEVICE_DOWN || d->power == FLEET_DEVICE_OFF) {
        fleet_device_power_on(d);
    }
    touched(d);
}

/* --- life --- */

void fleet_device_init(struct fleet_device *d, struct fleet_device_shared *shared,
                       const struct fleet_device_kind *kind, const struct fleet_identity *identity,
                       struct fleet_memory_cell *cell, uint64_t seed)
{
    d->shared = shared;
    d->kind = kind;
    d->identity = identity;
    d->cell = cell;
    d->link.source.fd = -1;
    d->link.net = shared->net;
    d->link.owner = &owner;
    d->link.identity = identity;
    d->timer.due = on_due;
    d->power = FLEET_DEVICE_OFF;
    d->battery_pct = BATTERY_PCT_FIRST;
    d->signal_dbm = SIGNAL_DBM_FIRST;
    d->clock.from_ms = shared->loop->now_ms;
    d->clock.at_ms = shared->loop->now_ms;
    rng_init(&d->rng, seed);
    d->network = (struct network){.context = d,
                                  .connect = port_connect,
                                  .disconnect = port_disconnect,
                                  .publish = port_publish,
                                  .refresh = port_refresh};
}

void fleet_device_deinit(struct fleet_device *d, bool politely)
{
    free_held(d);
    fleet_loop_set(d->shared->loop, &d->timer, FLEET_LOOP_NEVER);
    fleet_link_drop(&d->link, politely);
}
