#include "network_mqtt.h"

#include <poll.h>
#include <string.h>

static void lost(struct network_mqtt *n, enum res cause, const char *why)
{
    if (n->up || n->attempting) {
        n->up = false;
        n->attempting = false;
        n->events.disconnected(n->events.context, cause, why);
    }
}

static void on_connect(void *context)
{
    struct network_mqtt *n = context;
    n->granted = 0;
    for (unsigned i = 0; i < n->filters; i++) {
        /* A failure shows as a subscription that is never granted: the attempt times out. */
        if (mqtt_client_subscribe(n->client, n->settings.filters[i], &n->filter_ids[i]) != RES_OK) {
            n->filter_ids[i] = -1;
        }
    }
}

static void on_answer(void *context, const struct mqtt_answer *answer)
{
    struct network_mqtt *n = context;
    if (!answer->subscription || n->up || answer->reason >= 0x80) {
        return;
    }
    for (unsigned i = 0; i < n->filters; i++) {
        if (n->filter_ids[i] == answer->id) {
            n->filter_ids[i] = -1;
            n->granted++;
        }
    }
    /* Before its answers can reach it, a cart that sends would only send again. */
    if (n->granted == n->filters) {
        n->up = true;
        n->attempting = false;
        n->events.connected(n->events.context);
    }
}

static void on_disconnect(void *context, enum res cause, const char *why)
{
    lost(context, cause, why);
}

static void on_message(void *context, const struct mqtt_message *message)
{
    const struct network_mqtt *n = context;
    n->events.message(n->events.context, message);
}

static enum res connect(void *context)
{
    struct network_mqtt *n = context;
    struct err why = {""};
    if (n->cut) {
        return RES_UNAVAILABLE;
    }
    enum res r = mqtt_client_connect(n->client, &why);
    n->attempting = r == RES_OK;
    if (r != RES_OK) {
        n->events.failed(n->events.context, why.text);
    }
    return r;
}

static void disconnect(void *context)
{
    struct network_mqtt *n = context;
    n->up = false;
    n->attempting = false;
    mqtt_client_disconnect(n->client);
}

static enum res publish(void *context, struct span topic, struct span payload)
{
    struct network_mqtt *n = context;
    char text[MQTT_CLIENT_TOPIC_BYTES_MAX + 1];
    if (!n->up) {
        return RES_UNAVAILABLE;
    }
    enum res r = span_copy_text(topic, text, sizeof text);
    if (r == RES_OK) {
        r = mqtt_client_publish(n->client, text, payload, false, NULL, NULL);
    }
    return r == RES_FULL || r == RES_NO_MEMORY ? RES_AGAIN : r;
}

static enum res refresh(void *context)
{
    struct network_mqtt *n = context;
    int id;
    return n->up ? mqtt_client_subscribe(n->client, n->settings.filters[n->filters - 1], &id)
                 : RES_UNAVAILABLE;
}

static enum res make_client(struct network_mqtt *n, const struct network_mqtt_settings *settings,
                            struct err *why, struct mqtt_client **ret_client)
{
    const struct mqtt_client_settings client = {
        .host = settings->host,
        .port = settings->port,
        .ca_file = settings->ca_file,
        .certificate_file = settings->certificate_file,
        .key_file = settings->key_file,
        .client_id = settings->device_id,
        .keep_alive_s = 20,
        .queued_max = 128,
        .context = n,
        .on_connect = on_connect,
        .on_disconnect = on_disconnect,
        .on_message = on_message,
        .on_answer = on_answer,
    };
    return mqtt_client_new(&client, why, ret_client);
}

enum res network_mqtt_open(struct network_mqtt *n, const struct network_mqtt_settings *settings,
                           const struct network_mqtt_events *events, struct err *why)
{
    memset(n, 0, sizeof *n);
    n->events = *events;
    n->settings = *settings;
    n->network = (struct network){.context = n,
                                  .connect = connect,
                                  .disconnect = disconnect,
                                  .publish = publish,
                                  .refresh = refresh};
    while (n->filters < NETWORK_MQTT_FILTERS_MAX && settings->filters[n->filters] != NULL) {
        n->filters++;
    }
    return make_client(n, settings, why, &n->client);
}

enum res network_mqtt_use(struct network_mqtt *n, const char *certificate_file,
                          const char *key_file, struct err *why)
{
    struct network_mqtt_settings settings = n->settings;
    struct mqtt_client *client;
    settings.certificate_file = certificate_file;
    settings.key_file = key_file;
    enum res r = make_client(n, &settings, why, &client);
    if (r == RES_OK) {
        mqtt_client_free(n->client);
        n->client = client;
        n->settings = settings;
    }
    return r;
}

void network_mqtt_close(struct network_mqtt *n)
{
    mqtt_client_free(n->client);
    n->client = NULL;
}

void network_mqtt_step(struct network_mqtt *n, unsigned timeout_ms)
{
    bool live = n->up || n->attempting;
    if (!live || mqtt_client_step(n->client, timeout_ms) == RES_UNAVAILABLE) {
        if (live) {
            lost(n, RES_UNAVAILABLE, "the connection ended");
        }
        (void)poll(NULL, 0, (int)timeout_ms);
    }
}

void network_mqtt_cut(struct network_mqtt *n, bool cut)
{
    n->cut = cut;
    if (cut) {
        mqtt_client_disconnect(n->client);
        lost(n, RES_UNAVAILABLE, "the network is cut");
    }
}
