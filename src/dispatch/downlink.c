#include "downlink.h"

#include <string.h>

void downlink_init(struct downlink *d, struct platform_signer *signer)
{
    memset(d, 0, sizeof *d);
    d->signer = signer;
}

static enum res name_topic(struct downlink *d, const struct wire_downlink *message)
{
    struct sink out;
    sink_init(&out, d->topic, sizeof d->topic - 1);
    if (message->type == WIRE_CATALOGUE) {
        sink_text(&out, "store/");
        sink_bytes(&out, message->catalogue.store_id);
        sink_text(&out, "/catalogue/");
        sink_i64(&out, message->catalogue.chunk);
    } else if (message->type == WIRE_PRICES) {
        sink_text(&out, "store/");
        sink_bytes(&out, message->prices.store_id);
        sink_text(&out, "/catalogue/prices");
    } else {
        wire_topic_write(&out, message->cart_id, message->type);
    }
    d->topic[out.size] = '\0';
    return out.overflow ? RES_LIMIT : RES_OK;
}

enum res downlink_make(struct downlink *d, const struct wire_downlink *message)
{
    struct sink out;
    sink_init(&out, d->frame, sizeof d->frame);
    enum res res = wire_downlink_encode(message, &out);
    if (res == RES_OK) {
        res = name_topic(d, message);
    }
    if (res != RES_OK) {
        return res;
    }
    uint8_t signature[ECDSA_SIGNATURE_BYTES];
    res = platform_signer_sign(d->signer, sink_span(&out), signature);
    if (res != RES_OK) {
        return res;
    }
    sink_bytes(&out, span_of(signature, sizeof signature));
    d->frame_size = out.size;
    return out.overflow ? RES_LIMIT : RES_OK;
}

struct span downlink_frame(const struct downlink *d)
{
    return span_of(d->frame, d->frame_size);
}
