#include "fleet_secure.h"

#include <string.h>

enum res fleet_secure_open(struct fleet_secure *s, const char *platform_file, bool trusting,
                           struct err *why)
{
    uint8_t point[ECDSA_POINT_BYTES];
    *s = (struct fleet_secure){.trusting = trusting};
    enum res r = ecdsa_point_load(platform_file, point, why);
    if (r == RES_OK) {
        r = ecdsa_public_new(span_of(point, sizeof point), &s->platform);
    }
    s->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    s->md = EVP_MD_CTX_new();
    if (r == RES_OK && (s->sha256 == NULL || s->md == NULL)) {
        r = RES_NO_MEMORY;
    }
    if (r != RES_OK && why->text[0] == '\0') {
        err_set(why, "cannot use the platform's key %s (%s)", platform_file, res_name(r));
    }
    return r;
}

void fleet_secure_close(struct fleet_secure *s)
{
    ecdsa_public_free(s->platform);
    EVP_MD_CTX_free(s->md);
    EVP_MD_free(s->sha256);
    *s = (struct fleet_secure){.platform = NULL};
}

enum res fleet_secure_digest(struct fleet_secure *s, struct span first, struct span second,
                             uint8_t ret_digest[SECURE_DIGEST_BYTES])
{
    bool done = EVP_DigestInit_ex2(s->md, s->sha256, NULL) == 1 &&
                EVP_DigestUpdate(s->md, first.data, first.size) == 1 &&
                EVP_DigestUpdate(s->md, second.data, second.size) == 1 &&
                EVP_DigestFinal_ex(s->md, ret_digest, NULL) == 1;
    return done ? RES_OK : RES_IO;
}

static enum res digest(void *context, struct span first, struct span second,
                       uint8_t ret_digest[SECURE_DIGEST_BYTES])
{
    const struct fleet_secure_element *e = context;
    return fleet_secure_digest(e->shared, first, second, ret_digest);
}

static enum res sign(void *context, struct span message,
                     uint8_t ret_signature[SECURE_SIGNATURE_BYTES])
{
    const struct fleet_secure_element *e = context;
    return e->key == NULL ? RES_UNAVAILABLE : ecdsa_sign(e->key, message, ret_signature);
}

static enum res verify_platform(void *context, struct span message, struct span signature)
{
    const struct fleet_secure_element *e = context;
    enum res r = RES_INVALID;
    if (!e->refusing) {
        r = e->shared->trusting ? RES_OK : ecdsa_verify(e->shared->platform, message, signature);
    }
    e->shared->verified += r == RES_OK;
    e->shared->refused += r != RES_OK;
    return r == RES_OK ? RES_OK : RES_INVALID;
}

static enum res epoch_read(void *context, int64_t *ret_epoch)
{
    const struct fleet_secure_element *e = context;
    *ret_epoch = *e->epoch;
    return RES_OK;
}

static enum res epoch_raise(void *context, int64_t *ret_epoch)
{
    const struct fleet_secure_element *e = context;
    *ret_epoch = ++*e->epoch;
    return RES_OK;
}

static enum res random_bytes(void *context, void *ret_bytes, size_t size)
{
    const struct fleet_secure_element *e = context;
    uint8_t *to = ret_bytes;
    for (size_t i = 0; i < size; i++) {
        to[i] = (uint8_t)rng_next(e->rng);
    }
    return RES_OK;
}

void fleet_secure_element_init(struct fleet_secure_element *e, struct fleet_secure *shared,
                               int64_t *epoch, struct rng *rng, struct ecdsa_private *key)
{
    *e = (struct fleet_secure_element){.shared = shared, .epoch = epoch, .rng = rng, .key = key};
    e->secure = (struct secure_element){.context = e,
                                        .digest = digest,
                                        .sign = sign,
                                        .verify_platform = verify_platform,
                                        .epoch_read = epoch_read,
                                        .epoch_raise = epoch_raise,
                                        .random = random_bytes};
}
