#include "label_core.h"

#include "backoff.h"

#define JITTER_PCT 10

void label_link_up(struct label *l)
{
    l->link = LABEL_ONLINE;
    l->failures = 0;
    l->counts.connects++;
    l->synced = false;
    l->announced = false;
    l->next_send = flash_queue_first_counter(&l->store.queue);
    l->asked_through = 0;
    l->release_ms = INT64_MAX;
    l->stuck = 0;
    label_used(l);
    label_renew_connected(l);
    label_shadow_ask(l);
}

void label_link_down(struct label *l, enum res cause)
{
    (void)cause; /* a refusal and a network that is away look alike to a trial: see label_renew */
    if (l->link != LABEL_CONNECTING && l->link != LABEL_ONLINE) {
        return;
    }
    if (l->link == LABEL_CONNECTING) {
        label_renew_failed(l);
    }
    l->link = LABEL_OFFLINE;
    l->asked = false;
    l->synced = false;
    l->announced = false;
    l->failures++;
    l->connect_ms = l->now_ms + backoff_delay_ms(l->failures, label_random(l), JITTER_PCT);
}

void label_link_renew(struct label *l)
{
    l->reconnect_due = true; /* at the next step: ports are not to close what is calling us */
    label_due(l, l->now_ms);
}

static void reconnect(struct label *l)
{
    const struct network *n = l->ports.network;
    n->disconnect(n->context);
    l->reconnect_due = false;
    l->link = LABEL_OFFLINE;
    l->asked = false;
    l->synced = false;
    l->connect_ms = l->now_ms;
}

void label_link_tick(struct label *l)
{
    const struct network *n = l->ports.network;
    if (l->link == LABEL_CONNECTING && l->now_ms - l->connect_ms >= LABEL_CONNECT_TIMEOUT_MS) {
        n->disconnect(n->context);
        label_link_down(l, RES_UNAVAILABLE);
    }
    if (l->reconnect_due) {
        reconnect(l);
    }
    if (l->link == LABEL_OFFLINE && l->now_ms >= l->connect_ms) {
        const struct renewal *renewal = l->ports.renewal;
        if (renewal != NULL) {
            renewal->select(renewal->context, l->trial && l->trial_selected);
        }
        l->link = LABEL_CONNECTING;
        l->connect_ms = l->now_ms;
        if (n->connect(n->context) != RES_OK) {
            label_link_down(l, RES_UNAVAILABLE);
        }
    }
    if (l->link == LABEL_OFFLINE) {
        label_due(l, l->connect_ms);
    } else if (l->link == LABEL_CONNECTING) {
        label_due(l, l->connect_ms + LABEL_CONNECT_TIMEOUT_MS);
    }
}
