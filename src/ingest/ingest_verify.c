#include "ingest_verify.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum res ingest_verify_init(struct ingest_verify *v, struct ingest_devices *devices)
{
    v->devices = devices;
    v->keys = calloc(INGEST_VERIFY_KEYS, sizeof *v->keys);
    return v->keys != NULL ? RES_OK : RES_NO_MEMORY;
}

void ingest_verify_deinit(struct ingest_verify *v)
{
    for (size_t i = 0; v->keys != NULL && i < INGEST_VERIFY_KEYS; i++) {
        ecdsa_public_free(v->keys[i].key);
    }
    free(v->keys);
}

/* The key may be renewed while we work: the device's part is read under the lock. */
static enum res find_key(struct ingest_verify *v, struct ingest_device *device, bool *ret_revoked,
                         struct ecdsa_public **ret)
{
    uint8_t point[INGEST_KEY_BYTES];
    (void)pthread_mutex_lock(&v->devices->lock);
    uint16_t generation = device->generation;
    *ret_revoked = device->revoked;
    memcpy(point, device->key, sizeof point);
    (void)pthread_mutex_unlock(&v->devices->lock);
    struct ingest_verify_key *k =
        &v->keys[((uintptr_t)device / sizeof *device) % INGEST_VERIFY_KEYS];
    if (k->key != NULL && k->device == device && k->generation == generation) {
        *ret = k->key;
        return RES_OK;
    }
    ecdsa_public_free(k->key);
    k->key = NULL;
    enum res res = ecdsa_public_new(span_of(point, sizeof point), &k->key);
    if (res == RES_OK) {
        k->device = device;
        k->generation = generation;
        *ret = k->key;
    }
    return res;
}

/* Splits by hand: a frame whose size is wrong is refused, but it may still be signed, and then it
 * must not stop its device. A frame that was cut cannot be verified. */
static void split(struct ingest_message *m)
{
    struct span frame = span_of(m->frame, m->frame_size);
    m->refusal = wire_event_split(frame, &m->body, &m->signature);
    if (m->refusal == WIRE_FINE) {
        return;
    }
    bool whole = m->frame_size == m->frame_whole && frame.size > WIRE_SIGNATURE_BYTES;
    size_t size = whole ? frame.size - WIRE_SIGNATURE_BYTES : frame.size;
    m->body = span_of(frame.data, size);
    m->signature = whole ? span_of(frame.data + size, WIRE_SIGNATURE_BYTES) : SPAN_NONE;
}

/* Reads the body. False: whose and which it is cannot be told, or it is not the topic's. */
static bool read_body(struct ingest_message *m)
{
    struct span cart_id = SPAN_NONE;
    unsigned unknown;
    m->detail = (struct wire_detail){NULL, 0};
    if (m->refusal == WIRE_FINE) {
        m->refusal = wire_event_decode(m->body, &m->event, &unknown, &m->detail);
    }
    if (m->refusal == WIRE_FINE) {
        cart_id = m->event.cart_id;
        m->epoch = m->event.epoch;
        m->counter = m->event.counter;
    } else if (!wire_event_identity(m->body, &cart_id, &m->epoch, &m->counter)) {
        return false;
    }
    bool fits = m->topic_fits && span_equal(cart_id, span_of(m->claimed, m->claimed_size)) &&
                (m->refusal != WIRE_FINE || m->event.type == m->topic_type);
    if (!fits) {
        m->refusal = WIRE_TOPIC_MISMATCH;
    }
    return fits && m->epoch >= 1 && m->counter >= 1;
}

static enum res check_signature(struct ingest_verify *v, struct ingest_message *m)
{
    enum wire_refusal form = wire_signature_check(m->signature);
    if (form != WIRE_FINE) {
        m->refusal = form;
        return RES_OK;
    }
    bool revoked = false;
    struct ecdsa_public *key = NULL;
    enum res res = find_key(v, m->device, &revoked, &key);
    if (res == RES_OK && !revoked) {
        res = ecdsa_verify_digest(key, m->digest, m->signature);
    }
    if (res == RES_NO_MEMORY) {
        return res;
    }
    m->signature_valid = res == RES_OK && !revoked;
    if (revoked) {
        m->refusal = WIRE_REVOKED_DEVICE;
    } else if (res != RES_OK) {
        m->refusal = res == RES_LIMIT ? WIRE_HIGH_S : WIRE_BAD_SIGNATURE;
    }
    return RES_OK;
}

enum res ingest_verify_message(struct ingest_verify *v, struct ingest_message *m)
{
    m->has_identity = false;
    m->signature_valid = false;
    m->epoch = 0;
    m->counter = 0;
    split(m);
    enum res res = ecdsa_sha256(m->body, m->digest);
    if (res != RES_OK) {
        return res;
    }
    m->has_identity = read_body(m);
    if (m->device == NULL) {
        m->refusal = m->topic_fits ? WIRE_UNKNOWN_DEVICE : WIRE_TOPIC_MISMATCH;
        return RES_OK;
    }
    if (m->repeated || !m->has_identity) {
        return RES_OK; /* judged before, or refused whoever signed it */
    }
    return check_signature(v, m);
}
