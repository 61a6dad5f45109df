/* network.h: one message connection to the outside, as a port (MQTT underneath, unseen).
 *
 * The driver subscribes to what it was configured with at each connect, keeps nothing across
 * connections (clean session), delivers at least once while connected, and tells its owner about
 * connects, disconnects and messages by calls of the owner's own making. Freestanding.
 */
#ifndef NETWORK_H
#define NETWORK_H

#include "span.h"

struct network {
    void *context;
    /* Starts one attempt. The outcome arrives later as "connected" or "disconnected", exactly one
     * of them. Any result but RES_OK: the attempt failed at once and no outcome follows. */
    enum res (*connect)(void *context);
    void (*disconnect)(void *context);
    /* Takes a copy. RES_AGAIN: its buffer is full, try later; RES_UNAVAILABLE: not connected.
     * RES_OK promises nothing about arrival. */
    enum res (*publish)(void *context, struct span topic, struct span payload);
    /* Asks for all retained messages of the subscriptions again; they arrive as messages. */
    enum res (*refresh)(void *context);
};

#endif
