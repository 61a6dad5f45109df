#include "label_core.h"

#include "label_power.h"

void label_sleep_battery(struct label *l)
{
    struct board_reading reading = {0};
    l->ports.board->read(l->ports.board->context, &reading);
    l->battery_ms = l->now_ms;
    l->battery_pct = reading.battery_pct;
    l->signal_dbm = reading.signal_dbm;
    l->memory.low_battery = label_power_is_low(l->memory.low_battery, reading.battery_pct);
}

static void watch_battery(struct label *l)
{
    bool before = l->memory.low_battery;
    if (l->now_ms - l->battery_ms < LABEL_BATTERY_MS) {
        return;
    }
    label_sleep_battery(l);
    if (before != l->memory.low_battery) {
        l->unsaved = label_save(l) != RES_OK;
        label_lamp_light(l);
        label_event_status(l, SHELF_CHANGED, 0);
        label_note(l, LABEL_NOTE_BATTERY, "");
    }
}

int32_t label_sleep_sync_s(const struct label *l)
{
    return label_power_sync_s(&l->memory.config, l->clock_known ? label_time_ms(l) : 0,
                              l->memory.low_battery);
}

bool label_sleep_goes_on(struct label *l)
{
    if (l->link != LABEL_ASLEEP) {
        return false;
    }
    if (l->now_ms < l->asleep_until_ms) {
        label_due(l, l->asleep_until_ms);
        return true;
    }
    l->link = LABEL_OFFLINE;
    l->connect_ms = l->now_ms;
    label_used(l);
    l->idle_ms = LABEL_WAKE_LINGER_MS;
    label_sleep_battery(l);
    label_event_status(l, SHELF_WAKE, 0);
    label_note(l, LABEL_NOTE_WAKES, "");
    return false;
}

static void go_down(struct label *l)
{
    const struct network *n = l->ports.network;
    const struct power *power = l->ports.power;
    int64_t sleep_ms = (int64_t)label_sleep_sync_s(l) * 1000;
    l->unsaved = label_save(l) != RES_OK;
    n->disconnect(n->context);
    l->link = LABEL_ASLEEP;
    l->synced = false;
    l->announced = false;
    l->asleep_until_ms = l->now_ms + sleep_ms;
    l->counts.sleeps++;
    label_due(l, l->asleep_until_ms);
    label_note(l, LABEL_NOTE_SLEEPS, "");
    if (power != NULL) {
        power->sleep(power->context, sleep_ms);
    }
}

/* Nothing that it should still do here. */
static bool is_idle(const struct label *l)
{
    return l->link == LABEL_ONLINE && l->synced && !l->asked && !l->report_due && !l->pending &&
           l->lamp.pattern == SHELF_STOP && label_event_all_sent(l);
}

void label_sleep_tick(struct label *l)
{
    watch_battery(l);
    if (l->memory.config.idle_timeout_s == 0 || !is_idle(l)) {
        return;
    }
    if (l->announced) {
        if (l->now_ms >= l->announced_ms + LABEL_SLEEP_LINGER_MS) {
            go_down(l);
        } else {
            label_due(l, l->announced_ms + LABEL_SLEEP_LINGER_MS);
        }
        return;
    }
    if (l->now_ms < l->used_ms + l->idle_ms) {
        label_due(l, l->used_ms + l->idle_ms);
        return;
    }
    label_event_status(l, SHELF_SLEEP, label_sleep_sync_s(l));
    l->announced = true;
    l->announced_ms = l->now_ms;
    label_event_send(l);
    label_due(l, l->announced_ms + LABEL_SLEEP_LINGER_MS);
}
