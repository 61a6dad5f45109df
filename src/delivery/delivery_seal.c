#include "delivery_seal.h"

#include "base64.h"

enum res delivery_seal(struct platform_signer *signer, const char *topic, struct span payload,
                       char ret[DELIVERY_SEAL_BYTES])
{
    uint8_t block[SHELF_TOPIC_BYTES + 1 + SHELF_DOWN_BYTES_MAX];
    uint8_t signature[ECDSA_SIGNATURE_BYTES];
    struct sink body;
    struct sink text;
    sink_init(&body, block, sizeof block);
    sink_text(&body, topic);
    sink_byte(&body, '\n');
    sink_bytes(&body, payload);
    if (body.overflow || payload.size > SHELF_DOWN_BYTES_MAX) {
        return RES_LIMIT;
    }
    enum res r = platform_signer_sign(signer, sink_span(&body), signature);
    if (r == RES_OK) {
        sink_init(&text, ret, DELIVERY_SEAL_BYTES);
        base64_url_write(&text, span_of(signature, sizeof signature));
    }
    return r;
}
