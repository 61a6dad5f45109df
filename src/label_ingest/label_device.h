/* label_device.h: what label_ingest remembers of every label that spoke: its store, where its
 * stream of events stands, and its allowances. All of it can be read again from PostgreSQL.
 *
 * Threads: `lock` covers the table and the allowances. Store and stream are the committer's alone.
 * Entries stay where they are for as long as the table lives.
 */
#ifndef LABEL_DEVICE_H
#define LABEL_DEVICE_H

#include <pthread.h>

#include "label_stream.h"
#include "shelf.h"
#include "token_bucket.h"

#define LABEL_DEVICE_STORE_BYTES_MAX 24

struct label_device {
    char id[SHELF_ID_BYTES_MAX + 1];
    uint8_t id_size;
    /* allowances */
    struct token_bucket rate;   /* messages */
    struct token_bucket filing; /* refused messages that are filed */
    /* the committer's */
    uint8_t store_size;
    char store[LABEL_DEVICE_STORE_BYTES_MAX];
    bool known; /* a label of ours, not retired */
    bool loading;
    int64_t loaded_ms; /* 0: never */
    struct label_stream stream;
    int32_t fold; /* of the batch under way; -1: none */
};

struct label_devices {
    pthread_mutex_t lock;
    struct label_device **slots;
    size_t slot_count; /* a power of two */
    size_t count;
    size_t count_max;
};

/* RES_NO_MEMORY. */
MUST_CHECK enum res label_device_table_init(struct label_devices *d, size_t count_max);
void label_device_table_deinit(struct label_devices *d);
/* With the lock held. Makes the entry when it is not there; NULL: no memory, or count_max are
 * there. `id` is a valid label id. */
struct label_device *label_device_table_take(struct label_devices *d, struct span id);
/* NULL: never spoke. With the lock held. */
struct label_device *label_device_table_find(struct label_devices *d, struct span id);
struct span label_device_id(const struct label_device *device);
struct span label_device_store(const struct label_device *device);

#endif
