#include "secure_sim.h"

#include <assert.h>
#include <openssl/evp.h>
#include <string.h>

#define DEVICE_KEY   "simulated device key"
#define PLATFORM_KEY "simulated platform key"

void secure_sim_digest(struct span first, struct span second,
                       uint8_t ret_digest[SECURE_DIGEST_BYTES])
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool done = md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 &&
                EVP_DigestUpdate(md, first.data, first.size) == 1 &&
                EVP_DigestUpdate(md, second.data, second.size) == 1 &&
                EVP_DigestFinal_ex(md, ret_digest, NULL) == 1;
    assert(done);
    EVP_MD_CTX_free(md);
}

static void seal(struct span key, struct span message,
                 uint8_t ret_signature[SECURE_SIGNATURE_BYTES])
{
    secure_sim_digest(key, message, ret_signature);
    secure_sim_digest(span_of(ret_signature, SECURE_DIGEST_BYTES), key,
                      ret_signature + SECURE_DIGEST_BYTES);
}

static bool is_sealed(struct span key, struct span message, struct span signature)
{
    uint8_t expected[SECURE_SIGNATURE_BYTES];
    seal(key, message, expected);
    return span_equal_secret(signature, span_of(expected, sizeof expected));
}

void secure_sim_sign_platform(struct span message, uint8_t ret_signature[SECURE_SIGNATURE_BYTES])
{
    seal(SPAN_LIT(PLATFORM_KEY), message, ret_signature);
}

bool secure_sim_verify_device(struct span message, struct span signature)
{
    return is_sealed(SPAN_LIT(DEVICE_KEY), message, signature);
}

static enum res digest(void *context, struct span first, struct span second,
                       uint8_t ret_digest[SECURE_DIGEST_BYTES])
{
    struct secure_sim *sim = context;
    if (sim->fail_digests > 0) {
        sim->fail_digests--;
        return RES_IO;
    }
    secure_sim_digest(first, second, ret_digest);
    return RES_OK;
}

static enum res sign(void *context, struct span message,
                     uint8_t ret_signature[SECURE_SIGNATURE_BYTES])
{
    (void)context;
    seal(SPAN_LIT(DEVICE_KEY), message, ret_signature);
    return RES_OK;
}

static enum res verify_platform(void *context, struct span message, struct span signature)
{
    (void)context;
    return is_sealed(SPAN_LIT(PLATFORM_KEY), message, signature) ? RES_OK : RES_INVALID;
}

static enum res epoch_read(void *context, int64_t *ret_epoch)
{
    const struct secure_sim *sim = context;
    *ret_epoch = sim->epoch;
    return RES_OK;
}

static enum res epoch_raise(void *context, int64_t *ret_epoch)
{
    struct secure_sim *sim = context;
    *ret_epoch = ++sim->epoch;
    return RES_OK;
}

static enum res random_bytes(void *context, void *ret_bytes, size_t size)
{
    struct secure_sim *sim = context;
    uint8_t *bytes = ret_bytes;
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)rng_next(&sim->rng);
    }
    return RES_OK;
}

void secure_sim_init(struct secure_sim *sim, uint64_t seed)
{
    memset(sim, 0, sizeof *sim);
    rng_init(&sim->rng, seed);
    sim->secure = (struct secure_element){
        .context = sim,
        .digest = digest,
        .sign = sign,
        .verify_platform = verify_platform,
        .epoch_read = epoch_read,
        .epoch_raise = epoch_raise,
        .random = random_bytes,
    };
}
