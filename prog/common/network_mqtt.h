/* network_mqtt.h: a virtual device's network port over MQTT: its subscriptions, clean start, client
 * id = certificate name = device id.
 */
#ifndef NETWORK_MQTT_H
#define NETWORK_MQTT_H

#include "mqtt_client.h"
#include "network.h"

#define NETWORK_MQTT_FILTERS_MAX 8

struct network_mqtt_settings { /* the texts must stay */
    const char *device_id;
    const char *filters[NETWORK_MQTT_FILTERS_MAX]; /* NULL ends them; refresh asks the last again */
    const char *host;
    uint16_t port;
    const char *ca_file;
    const char *certificate_file;
    const char *key_file;
};

/* What came in during network_mqtt_step, in the order of arrival. */
struct network_mqtt_events {
    void *context;
    void (*connected)(void *context);
    void (*disconnected)(void *context, enum res cause, const char *why); /* mqtt_client.h */
    /* An attempt failed at once; its caller knows, this is for the words. */
    void (*failed)(void *context, const char *why);
    void (*message)(void *context, const struct mqtt_message *message);
};

struct network_mqtt {
    struct network network; /* use this; do not move the struct while it is open */
    struct mqtt_client *client;
    struct network_mqtt_events events;
    struct network_mqtt_settings settings;
    int filter_ids[NETWORK_MQTT_FILTERS_MAX];
    unsigned filters;
    unsigned granted;
    bool attempting; /* an outcome of connect is owed */
    bool up;         /* connected, and every subscription granted */
    bool cut;        /* pretend that there is no network */
};

MUST_CHECK enum res network_mqtt_open(struct network_mqtt *n,
                                      const struct network_mqtt_settings *settings,
                                      const struct network_mqtt_events *events, struct err *why);
void network_mqtt_close(struct network_mqtt *n);
/* Another certificate and key from the next connection on; there must be none now, and no callback
 * of this port be running. On failure the old pair stays. */
MUST_CHECK enum res network_mqtt_use(struct network_mqtt *n, const char *certificate_file,
                                     const char *key_file, struct err *why);
/* Waits up to timeout_ms for the network, and tells what happened. */
void network_mqtt_step(struct network_mqtt *n, unsigned timeout_ms);
/* Cuts the connection without a goodbye to the owner's logic, or mends it. */
void network_mqtt_cut(struct network_mqtt *n, bool cut);

#endif
