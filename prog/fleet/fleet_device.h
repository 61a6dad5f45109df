/* fleet_device.h: one virtual device: a core that ships, its power, its clock, its network and the
 * trouble it has with them. What kind of device it is lies behind `struct fleet_device_kind`.
 */
#ifndef FLEET_DEVICE_H
#define FLEET_DEVICE_H

#include "fleet_link.h"
#include "fleet_memory.h"
#include "fleet_secure.h"
#include "fleet_trace.h"
#include "network.h"
#include "rng.h"

#define FLEET_DEVICE_HELD_MAX                                                                      \
    256 /* messages under way when they are delayed; then they are lost                            \
         */
#define FLEET_DEVICE_FOREVER   INT64_MAX
#define FLEET_DEVICE_TOPIC_MAX 80

enum fleet_device_power {
    FLEET_DEVICE_OFF,      /* until it is told */
    FLEET_DEVICE_DOWN,     /* a brown-out: until power_ms */
    FLEET_DEVICE_SLEEPING, /* deep sleep, RAM lost: until power_ms */
    FLEET_DEVICE_RUNNING,
};

enum fleet_device_start { FLEET_DEVICE_POWER_UP, FLEET_DEVICE_WAKE, FLEET_DEVICE_RESTART };

enum fleet_device_mute {
    FLEET_DEVICE_SPEAKS,
    FLEET_DEVICE_MUTE_ACK,  /* topic .../ack */
    FLEET_DEVICE_MUTE_SHOW, /* .../ack and .../status: either tells what is shown */
    FLEET_DEVICE_MUTE_ALL,
};

struct fleet_device;
struct fleet_device_kind {
    const char *name; /* "label" */
    /* Powers the core up on its flash. RES_IO: it cannot start. */
    enum res (*start)(struct fleet_device *d, enum fleet_device_start how);
    void (*connected)(struct fleet_device *d);
    void (*disconnected)(struct fleet_device *d, enum res cause);
    void (*message)(struct fleet_device *d, struct span topic, struct span payload,
                    struct span signature);
    /* Does what is due; when it wants to be called again, by the loop's clock. */
    int64_t (*step)(struct fleet_device *d);
    struct span (*filter)(const struct fleet_device *d, size_t index,
                          char room[FLEET_LINK_FILTER_BYTES_MAX]);
};

/* What was done to it. */
struct fleet_device_trouble {
    int64_t offline_until_ms; /* out of reach: attempts fail; 0: not */
    int64_t cut_until_ms;     /* silently cut; 0: not */
    uint16_t loss_up_per_mille;
    uint16_t loss_down_per_mille;
    int32_t delay_least_ms;
    int32_t delay_most_ms;
    enum fleet_device_mute mute;
};

struct fleet_device_clock {
    int64_t from_ms; /* of the loop's clock ... */
    int64_t at_ms;   /* ... the device's showed this ... */
    int64_t ppm;     /* ... and gained so much since */
    int64_t utc_offset_ms;
};

struct fleet_device_held; /* a message under way */

/* What all devices of a fleet share. */
struct fleet_device_shared {
    struct fleet_loop *loop;
    struct fleet_link_net *net;
    struct fleet_secure *secure;
    struct fleet_trace trace;
    struct fleet_histogram display_us; /* from an update's timestamp to its picture */
    uint64_t lost;                     /* messages dropped on purpose */
    uint64_t muted;
    uint64_t starts;
    uint64_t start_failures;
    void (*died)(struct fleet_device *d, const char *why); /* for the log */
};

/* The caller's storage, must not move. */
struct fleet_device {
    struct fleet_link link; /* first */
    struct fleet_loop_timer timer;
    struct fleet_device_shared *shared;
    const struct fleet_device_kind *kind;
    const struct fleet_identity *identity;
    struct fleet_memory_cell *cell;
    struct fleet_memory_chip chip;
    struct fleet_secure_element secure;
    struct network network;
    struct rng rng;
    enum fleet_device_power power;
    int64_t power_ms;     /* when it changes by itself */
    int64_t sleep_for_ms; /* the core asked for deep sleep; 0: it did not */
    bool restart;         /* the core asked for one */
    bool hopeless;        /* an attempt that a cut lets come to nothing */
    int32_t battery_pct;
    int32_t signal_dbm;
    struct fleet_device_clock clock;
    struct fleet_device_trouble trouble;
    struct fleet_device_held *held;
    uint32_t held_count;
    int64_t down_ms; /* when brown-out by chip ends after so long */
    char why[96];    /* of the last failure to connect */
};

void fleet_device_init(struct fleet_device *d, struct fleet_device_shared *shared,
                       const struct fleet_device_kind *kind, const struct fleet_identity *identity,
                       struct fleet_memory_cell *cell, uint64_t seed);
/* Frees what it holds; nothing is said to the broker unless `politely`. */
void fleet_device_deinit(struct fleet_device *d, bool politely);

/* The device's own clock. */
int64_t fleet_device_now(const struct fleet_device *d);
/* When the loop's clock will show what the device's shows at `device_ms`. */
int64_t fleet_device_when(const struct fleet_device *d, int64_t device_ms);

/* --- what can be done to it; `for_ms` FLEET_DEVICE_FOREVER: until told --- */

void fleet_device_power_on(struct fleet_device *d);
/* RAM is lost, the broker is not told. */
void fleet_device_power_off(struct fleet_device *d);
/* The same for so long. `writes` > 0: only when it is in the middle of its writes-th operation on
 * flash from now on. */
void fleet_device_brown_out(struct fleet_device *d, int64_t for_ms, uint32_t writes);
void fleet_device_reboot(struct fleet_device *d);
/* Deep sleep as if it had wanted to. */
void fleet_device_sleep(struct fleet_device *d, int64_t for_ms);
void fleet_device_wake(struct fleet_device *d);
/* The connection ends; the device finds its way back by itself. */
void fleet_device_disconnect(struct fleet_device *d);
/* Out of the radio's reach for so long; 0: in reach again. */
void fleet_device_offline(struct fleet_device *d, int64_t for_ms);
/* As that, but neither side is told. */
void fleet_device_cut(struct fleet_device *d, int64_t for_ms);
/* Its clock jumps ahead and then gains ppm. */
void fleet_device_skew(struct fleet_device *d, int64_t ahead_ms, int64_t ppm);
/* Ends every trouble. */
void fleet_device_heal(struct fleet_device *d);

#endif
