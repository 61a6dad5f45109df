#include "platform_signer.h"

#include <stdlib.h>

struct platform_signer {
    struct ecdsa_private *key;
};

enum res platform_signer_open(const char *key_path, struct platform_signer **ret, struct err *why)
{
    struct platform_signer *made = calloc(1, sizeof *made);
    if (made == NULL) {
        err_set(why, "Not enough memory to load the platform's key %s", key_path);
        return RES_NO_MEMORY;
    }
    enum res r = ecdsa_private_load(key_path, &made->key, why);
    if (r != RES_OK) {
        free(made);
        return r;
    }
    *ret = made;
    return RES_OK;
}

void platform_signer_close(struct platform_signer *signer)
{
    if (signer != NULL) {
        ecdsa_private_free(signer->key);
        free(signer);
    }
}

enum res platform_signer_sign(struct platform_signer *signer, struct span body,
                              uint8_t ret_signature[ECDSA_SIGNATURE_BYTES])
{
    return ecdsa_sign(signer->key, body, ret_signature);
}

enum res platform_signer_sign_topic(struct platform_signer *signer, struct span topic,
                                    struct span payload, char ret_text[PLATFORM_SIGNER_DIGITS])
{
    uint8_t raw[PLATFORM_SIGNER_TOPIC_BYTES_MAX + 1 + PLATFORM_SIGNER_PAYLOAD_BYTES_MAX];
    uint8_t signature[ECDSA_SIGNATURE_BYTES];
    struct sink s;
    if (topic.size > PLATFORM_SIGNER_TOPIC_BYTES_MAX ||
        payload.size > PLATFORM_SIGNER_PAYLOAD_BYTES_MAX) {
        return RES_LIMIT;
    }
    sink_init(&s, raw, sizeof raw);
    sink_bytes(&s, topic);
    sink_byte(&s, '\n');
    sink_bytes(&s, payload);
    enum res r = ecdsa_sign(signer->key, sink_span(&s), signature);
    if (r == RES_OK) {
        sink_init(&s, ret_text, PLATFORM_SIGNER_DIGITS);
        base64_url_write(&s, span_of(signature, sizeof signature));
    }
    return r;
}

void platform_signer_point(const struct platform_signer *signer,
                           uint8_t ret_point[ECDSA_POINT_BYTES])
{
    ecdsa_private_point(signer->key, ret_point);
}
