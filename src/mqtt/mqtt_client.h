/* mqtt_client.h: one MQTT v5 connection over mutual TLS. Knows no topic and no device.
 *
 * What it decides for its user: MQTT v5, clean start, TLS 1.2 or later with AEAD cipher suites
 * only, a client certificate always, the server's certificate and name checked against one CA, QoS
 * 1 for everything. Above it nothing may rest on the broker's word: a PUBACK does not mean stored.
 *
 * Two ways to run it:
 *  - manual (`threaded` false, devices): the caller calls mqtt_client_step() from its own loop;
 * every callback runs inside it. Nothing reconnects by itself: after on_disconnect the caller
 * decides when to call mqtt_client_connect() again. What was unacknowledged is dropped, not sent
 * again.
 *  - threaded (servers): mqtt_client_connect() starts a thread that connects, reconnects with
 *    doubling pauses, and runs the callbacks. Unacknowledged publishes are sent again after a
 *    reconnect; subscriptions are not (clean start): make them in on_connect.
 *
 * mqtt_client_publish() may be called from any thread in threaded mode, and from inside callbacks
 * in both. No other function may be called from a callback except mqtt_client_subscribe().
 */
#ifndef MQTT_CLIENT_H
#define MQTT_CLIENT_H

#include "err.h"
#include "span.h"

#define MQTT_CLIENT_ID_BYTES_MAX    64
#define MQTT_CLIENT_TOPIC_BYTES_MAX 256
#define MQTT_CLIENT_PAYLOAD_MAX     (256 * 1024)
#define MQTT_CLIENT_QUEUED_MAX      65535 /* MQTT packet identifiers are 16 bits */

struct mqtt_client;

struct mqtt_property {
    struct span name;
    struct span value;
};

/* Spans live until the callback returns. */
struct mqtt_message {
    struct span topic;
    struct span payload;
    bool retained;
    struct mqtt_property property; /* the first user property, empty spans when there is none */
};

/* What a PUBACK or SUBACK said: 0..2 is success, 0x80 and up is refused (MQTT v5 section 2.4), e.g.
 * 0x87 not authorized. A SUBACK of one filter has one reason. */
struct mqtt_answer {
    bool subscription;
    int id; /* what mqtt_client_publish or _subscribe returned */
    unsigned reason;
};

struct mqtt_client_settings {
    const char *host; /* a name or address that the server's certificate carries */
    uint16_t port;
    const char *ca_file;          /* PEM: the only CA trusted */
    const char *certificate_file; /* PEM */
    const char *key_file;         /* PEM, readable by the owner only */
    const char *client_id;
    unsigned keep_alive_s;       /* 5..65535 */
    unsigned connect_timeout_ms; /* for TCP, TLS and CONNACK together; 0: 10,000 */
    unsigned send_max;           /* publishes on the wire without PUBACK; 0: 32 */
    unsigned receive_max;        /* the broker's publishes without our PUBACK; 0: 32 */
    unsigned queued_max;         /* publishes without PUBACK in all, then RES_FULL; 0: 1,000 */
    bool threaded;
    unsigned reconnect_min_ms; /* threaded; 0: 250 */
    unsigned reconnect_max_ms; /* threaded; 0: 10,000 */

    void *context; /* given to every callback; each callback may be NULL */
    void (*on_connect)(void *context);
    /* Once for every connection or attempt that ended without mqtt_client_disconnect(). `cause`:
     * RES_UNAVAILABLE (unreachable, refused by TCP, lost, no answer in time), RES_DENIED (TLS or
     * the broker refused us, or it closed the session on purpose), RES_CONFLICT (another client
     * took this client id). `why` is one sentence. */
    void (*on_disconnect)(void *context, enum res cause, const char *why);
    void (*on_message)(void *context, const struct mqtt_message *message);
    void (*on_answer)(void *context, const struct mqtt_answer *answer);
};

/* Reads the certificate files, so that they are checked once and early; copies all settings.
 * RES_INVALID: a setting is out of range. RES_IO: a file cannot be read. RES_CORRUPT: a file is no
 * PEM of its kind, or key and certificate do not belong together. RES_NO_MEMORY. */
MUST_CHECK enum res mqtt_client_new(const struct mqtt_client_settings *settings, struct err *why,
                                    struct mqtt_client **ret_client);
/* Disconnects first. NULL is fine. Never from a callback. */
void mqtt_client_free(struct mqtt_client *client);

/* Manual: begins to connect and returns (only a name lookup can block); step until on_connect or
 * on_disconnect. Threaded: starts the thread. RES_CONFLICT: it runs already. RES_UNAVAILABLE,
 * RES_DENIED: failed at once (manual; on_disconnect is not called then). RES_NO_MEMORY. */
MUST_CHECK enum res mqtt_client_connect(struct mqtt_client *client, struct err *why);
/* Says goodbye and closes; on_disconnect is not called. Threaded: ends the thread. Any state is
 * fine. */
void mqtt_client_disconnect(struct mqtt_client *client);
bool mqtt_client_connected(const struct mqtt_client *client);

/* Manual only: waits up to timeout_ms (and at most a second) for the network and does what is due:
 * reads, writes, keep-alive, callbacks. RES_UNAVAILABLE when there is no connection nor attempt. */
MUST_CHECK enum res mqtt_client_step(struct mqtt_client *client, unsigned timeout_ms);
/* Manual only: the socket for a caller with a poll loop of its own, -1 when there is none. */
int mqtt_client_socket(const struct mqtt_client *client);

/* QoS 1. `property` may be NULL; ret_id may be NULL. RES_OK: handed over, not delivered.
 * RES_UNAVAILABLE: not connected. RES_FULL: queued_max reached. RES_LIMIT: topic or payload too
 * long, or longer than the broker takes. RES_INVALID: not a topic. RES_NO_MEMORY. */
MUST_CHECK enum res mqtt_client_publish(struct mqtt_client *client, const char *topic,
                                        struct span payload, bool retain,
                                        const struct mqtt_property *property, int *ret_id);
/* QoS 1. The broker's answer comes with on_answer. RES_UNAVAILABLE, RES_INVALID, RES_NO_MEMORY. */
MUST_CHECK enum res mqtt_client_subscribe(struct mqtt_client *client, const char *filter,
                                          int *ret_id);

#endif
