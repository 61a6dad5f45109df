/* downlink.h: what the platform sends to carts, encoded, signed and named: the one place where the
 * platform's key meets a message. Server code.
 */
#ifndef DOWNLINK_H
#define DOWNLINK_H

#include "platform_signer.h"
#include "wire.h"

#define DOWNLINK_TOPIC_BYTES 96

struct downlink {
    struct platform_signer *signer; /* the user's */
    char topic[DOWNLINK_TOPIC_BYTES];
    uint8_t frame[WIRE_PLATFORM_BYTES_MAX];
    size_t frame_size;
};

void downlink_init(struct downlink *d, struct platform_signer *signer);
/* Fills in `topic` (cart/{id}/command, cart/{id}/response, store/{id}/catalogue/{chunk} or
 * store/{id}/catalogue/prices) and `frame`. RES_INVALID, RES_LIMIT: the message breaks the wire's
 * rules; RES_NO_MEMORY. */
MUST_CHECK enum res downlink_make(struct downlink *d, const struct wire_downlink *message);
struct span downlink_frame(const struct downlink *d);

#endif
