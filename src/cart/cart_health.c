#include "cart_core.h"

#include <string.h>

static enum wire_mode mode(const struct cart *c)
{
    if (c->ledger.trip.start != 0 && !c->ledger.trip.paused) {
        return WIRE_ACTIVE;
    }
    return c->asleep ? WIRE_SLEEPING : WIRE_IDLE;
}

static int64_t interval_ms(const struct cart *c)
{
    switch (mode(c)) {
    case WIRE_ACTIVE:
        return CART_HEALTH_ACTIVE_MS;
    case WIRE_SLEEPING:
        return CART_HEALTH_SLEEPING_MS;
    case WIRE_IDLE:
        break;
    }
    return CART_HEALTH_IDLE_MS;
}

static int64_t clamp(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

/* --- troubles --- */

static const struct {
    enum wire_fault_code code;
    enum wire_severity severity;
    const char *detail;
} troubles[CART_TROUBLES] = {
    [CART_TROUBLE_SCANNER] = {WIRE_FAULT_SCANNER_JAM, WIRE_MEDIUM, "the scanner does not read"},
    [CART_TROUBLE_SCALE] = {WIRE_FAULT_SCALE, WIRE_MEDIUM, "the weight platform does not answer"},
    [CART_TROUBLE_BATTERY] = {WIRE_FAULT_BATTERY_CLIFF, WIRE_HIGH, "the battery is giving out"},
    [CART_TROUBLE_FLASH] = {WIRE_FAULT_FLASH, WIRE_HIGH, "the flash refused a write"},
    [CART_TROUBLE_CLOCK] = {WIRE_FAULT_CLOCK, WIRE_LOW, "the clock is not set or has stepped"},
    [CART_TROUBLE_LASER] = {WIRE_FAULT_OTHER, WIRE_MEDIUM, "the scanner laser is too hot"},
};

void cart_health_trouble(struct cart *c, enum cart_trouble trouble, bool on)
{
    uint32_t bit = UINT32_C(1) << trouble;
    if (!on) {
        c->troubles &= ~bit;
    } else if ((c->troubles & bit) == 0) {
        c->troubles |= bit;
        c->troubles_due |= bit;
    }
}

static void report_troubles(struct cart *c)
{
    for (unsigned i = 0; i < CART_TROUBLES; i++) {
        uint32_t bit = UINT32_C(1) << i;
        if ((c->troubles_due & bit) != 0) {
            enum res r = cart_health_fault(c, FLASH_QUEUE_FAULT, troubles[i].code,
                                           troubles[i].severity, troubles[i].detail);
            /* RES_FULL is counted for the gap record; other failures are tried again. */
            if (r == RES_OK || r == RES_FULL) {
                c->troubles_due &= ~bit;
            }
        }
    }
}

static void watch_clock(struct cart *c)
{
    int64_t offset_ms = c->now.utc_ms - c->now.uptime_ms;
    int64_t step_ms = offset_ms - c->clock_offset_ms;
    bool stepped = step_ms > CART_CLOCK_STEP_MS || step_ms < -CART_CLOCK_STEP_MS;
    bool unset = c->now.utc_ms < CART_CLOCK_LEAST_MS;
    if (stepped) {
        /* Each step is a fault of its own. */
        cart_health_trouble(c, CART_TROUBLE_CLOCK, false);
    }
    cart_health_trouble(c, CART_TROUBLE_CLOCK, stepped || unset);
    c->clock_offset_ms = offset_ms;
}

static void watch_reading(struct cart *c, const struct board_reading *reading)
{
    bool drop = c->battery_pct - reading->battery_pct >= CART_BATTERY_DROP_PCT;
    bool low = reading->battery_pct <= CART_BATTERY_CLIFF_PCT;
    cart_health_trouble(c, CART_TROUBLE_BATTERY, drop || low);
    c->battery_pct = reading->battery_pct;
    cart_health_trouble(c, CART_TROUBLE_LASER, reading->laser_deci_c > CART_LASER_MAX_DECI_C);
}

/* --- events --- */

enum res cart_health_fault(struct cart *c, enum flash_queue_class class, enum wire_fault_code code,
                           enum wire_severity severity, const char *detail)
{
    char session[WIRE_SESSION_ID_BYTES];
    struct wire_event e;
    wire_event_init(&e, WIRE_FAULT);
    e.fault.code = code;
    e.fault.severity = severity;
    e.fault.session_id = cart_event_session(c, session);
    e.fault.detail = span_text(detail, 64);
    return cart_event_emit(c, class, &e);
}

enum res cart_health_boot(struct cart *c)
{
    char session[WIRE_SESSION_ID_BYTES];
    const struct cart_settings *s = c->settings;
    struct wire_event e;
    wire_event_init(&e, WIRE_BOOT);
    e.boot.firmware = span_text(s->firmware, 32);
    e.boot.hardware = span_text(s->hardware, 32);
    e.boot.reason = s->boot_reason;
    e.boot.slot = span_text(s->slot, 1);
    e.boot.security_counter = s->security_counter;
    e.boot.catalog_version = cart_catalog_version(c);
    e.boot.command_number = c->ledger.command_number;
    e.boot.session_id = cart_event_session(c, session);
    enum res r = cart_event_emit(c, FLASH_QUEUE_SESSION, &e);
    if (r == RES_OK) {
        c->boot_due = false;
    }
    return r;
}

static enum res health(struct cart *c, enum flash_queue_class class, int64_t number,
                       int64_t outcome)
{
    struct board_reading reading = {0};
    c->ports.board->read(c->ports.board->context, &reading);
    watch_reading(c, &reading);
    struct wire_event e;
    wire_event_init(&e, WIRE_HEALTH);
    e.health.mode = mode(c);
    e.health.battery_pct = clamp(reading.battery_pct, 0, 100);
    e.health.signal_dbm = clamp(reading.signal_dbm, -127, 0);
    e.health.laser_deci_c = clamp(reading.laser_deci_c, -500, 1500);
    e.health.drift_g = clamp(reading.drift_g, -1000000, 1000000);
    e.health.link = reading.lte ? WIRE_LTE : WIRE_WIFI;
    if (reading.located) {
        e.health.x_cm = clamp(reading.x_cm, -1000000, 1000000);
        e.health.y_cm = clamp(reading.y_cm, -1000000, 1000000);
    }
    e.health.queued = flash_queue_count(&c->store.queue);
    e.health.catalog_version = cart_catalog_version(c);
    e.health.command_number = number;
    e.health.command_outcome = outcome;
    return cart_event_emit(c, class, &e);
}

enum res cart_health_acknowledge(struct cart *c, int64_t number, enum wire_command_outcome outcome)
{
    return health(c, FLASH_QUEUE_FAULT, number, outcome);
}

/* --- gap records: what flash lost, what flash had no room for --- */

static bool lowest_refused(const struct cart *c, enum flash_queue_class *ret_class)
{
    for (enum flash_queue_class class = FLASH_QUEUE_HEALTH; class < FLASH_QUEUE_SESSION; class ++) {
        if (c->ledger.refused[class] > 0) {
            *ret_class = class;
            return true;
        }
    }
    return false;
}

/* The first lost range that no gap record has told of. */
static const struct cart_void *untold(const struct cart *c)
{
    for (size_t i = 0; i < CART_VOIDS_MAX; i++) {
        if (c->ledger.voids[i].from != 0 && c->ledger.voids[i].told == 0) {
            return &c->ledger.voids[i];
        }
    }
    return NULL;
}

static void report_gap(struct cart *c)
{
    enum flash_queue_class class;
    cart_event_take_damage(c);
    const struct cart_void *lost = untold(c);
    /* What had no room is reported when there is room again, with all of it in one record. */
    bool refused = lowest_refused(c, &class) &&
                   flash_queue_has_room(&c->store.queue, class, WIRE_EVENT_BYTES_MAX) &&
                   c->now.uptime_ms - c->gap_ms >= CART_GAP_REPEAT_MS;
    if (lost == NULL && !refused) {
        return;
    }
    struct wire_event e;
    wire_event_init(&e, WIRE_FAULT);
    e.fault.code = WIRE_FAULT_GAP;
    e.fault.severity = lost != NULL ? WIRE_HIGH : WIRE_MEDIUM;
    e.fault.gap_from = lost != NULL ? lost->from : 0;
    e.fault.gap_to = lost != NULL ? lost->to : 0;
    e.fault.gap_health = c->ledger.refused[FLASH_QUEUE_HEALTH];
    e.fault.gap_fault = c->ledger.refused[FLASH_QUEUE_FAULT];
    e.fault.gap_scan = c->ledger.refused[FLASH_QUEUE_SCAN];
    if (cart_event_emit(c, FLASH_QUEUE_SESSION, &e) == RES_OK) {
        c->next_gap = e.counter < c->next_gap ? e.counter : c->next_gap;
        c->gap_ms = c->now.uptime_ms;
    }
}

void cart_health_tick(struct cart *c)
{
    watch_clock(c);
    report_gap(c);
    report_troubles(c);
    if (c->health_ms == INT64_MIN || c->now.uptime_ms - c->health_ms >= interval_ms(c)) {
        enum res r = health(c, FLASH_QUEUE_HEALTH, WIRE_ABSENT, WIRE_ABSENT);
        if (r == RES_OK || r == RES_FULL) {
            c->health_ms = c->now.uptime_ms;
        }
    }
}
