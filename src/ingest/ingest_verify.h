/* ingest_verify.h: what a signature worker does with a message: decode strictly, compare the four
 * identities (topic, body, key, and TLS through the broker's topic rights), verify the signature.
 *
 * A worker keeps ready-made key objects of the devices it met lately (ecdsa.h: making one costs a
 * third of a verify). One struct a thread.
 */
#ifndef INGEST_VERIFY_H
#define INGEST_VERIFY_H

#include "ecdsa.h"
#include "ingest_queue.h"

#define INGEST_VERIFY_KEYS 1024 /* about 3 KB each, made as devices are met */

struct ingest_verify_key {
    const struct ingest_device *device;
    uint16_t generation;
    struct ecdsa_public *key;
};

struct ingest_verify {
    struct ingest_devices *devices;
    struct ingest_verify_key *keys; /* by the device's address */
};

/* RES_NO_MEMORY. */
MUST_CHECK enum res ingest_verify_init(struct ingest_verify *v, struct ingest_devices *devices);
void ingest_verify_deinit(struct ingest_verify *v);
/* Fills in the worker's fields of *m. RES_NO_MEMORY: no verdict; the message is to be forgotten,
 * its device sends it again. */
MUST_CHECK enum res ingest_verify_message(struct ingest_verify *v, struct ingest_message *m);

#endif
