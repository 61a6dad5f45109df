/* ingest_device.h: what ingest remembers of every cart, in two parts.
 *
 * A device (its key, its rate) is small and stays for good; a cart (its windows, fingerprints and
 * open session) is made when the device speaks and dropped when it has been quiet, or whenever what
 * is in PostgreSQL may be newer. Everything of a cart can be read again from PostgreSQL and
 * telemetry, so dropping one is always safe once its events are committed.
 *
 * Threads: `lock` covers the table, the devices, and the windows and rings of carts. Only the
 * committer changes a cart; so it may read one without the lock, and must hold it to write what
 * ingest_offer reads.
 */
#ifndef INGEST_DEVICE_H
#define INGEST_DEVICE_H

#include <pthread.h>

#include "fingerprint.h"
#include "session.h"
#include "stream_window.h"
#include "token_bucket.h"

#define INGEST_DEVICE_ID_BYTES_MAX 24
#define INGEST_STORE_ID_BYTES_MAX  24
#define INGEST_KEY_BYTES           65

struct ingest_stream {
    int64_t epoch;   /* 0: none yet */
    int64_t version; /* of the row in cart_stream; 0: no row yet */
    struct stream_window window;
    struct fingerprint_ring prints;
};

struct ingest_cart {
    struct ingest_stream current;
    struct ingest_stream *previous; /* the epoch before, or NULL */
    struct session *session;        /* the open session, or NULL */
    int64_t used_ms;
    int64_t loaded_ms;
    bool doubtful; /* an event seemed too far ahead: another process may know more */
};

enum ingest_notice {
    INGEST_NOTICE_ACK = 1,   /* a duplicate came: say again how far we are */
    INGEST_NOTICE_FLOOD = 2, /* messages were dropped for their rate */
};

struct ingest_store {
    char id[INGEST_STORE_ID_BYTES_MAX + 1];
    char region[12];
};

struct ingest_device {
    char id[INGEST_DEVICE_ID_BYTES_MAX + 1];
    uint8_t id_size;
    bool revoked;
    uint8_t notices;     /* enum ingest_notice */
    uint16_t generation; /* rises when the key changes */
    uint16_t store;      /* index */
    uint8_t key[INGEST_KEY_BYTES];
    uint32_t flooded;           /* messages dropped since the last notice */
    struct token_bucket rate;   /* of messages */
    struct token_bucket rarely; /* of what costs more: look-ups, dead letters */
    int64_t acked_ms;           /* when a duplicate was last answered */
    struct ingest_cart *cart;
    struct ingest_device *next_notice;
};

struct ingest_devices {
    pthread_mutex_t lock;
    struct ingest_device **slots; /* open addressing */
    size_t slot_count;
    size_t count;
    struct ingest_store *stores;
    size_t store_count;
    struct ingest_device *notices; /* a list, newest first */
    uint8_t key[FINGERPRINT_KEY_BYTES];
};

/* RES_NO_MEMORY. */
MUST_CHECK enum res ingest_devices_init(struct ingest_devices *d);
void ingest_devices_deinit(struct ingest_devices *d);

/* With the lock held. NULL: not known. */
struct ingest_device *ingest_devices_find(struct ingest_devices *d, struct span id);
/* Adds or refreshes a device, with the lock held. RES_LIMIT: an id longer than its limit;
 * RES_NO_MEMORY. */
MUST_CHECK enum res ingest_devices_put(struct ingest_devices *d, struct span id, struct span store,
                                       struct span region, struct span key, bool revoked);
/* With the lock held. */
void ingest_devices_notice(struct ingest_devices *d, struct ingest_device *device,
                           enum ingest_notice notice);
struct span ingest_device_id(const struct ingest_device *device);
struct span ingest_devices_store(const struct ingest_devices *d,
                                 const struct ingest_device *device);

/* NULL when memory is out. */
struct ingest_cart *ingest_cart_new(void);
void ingest_cart_free(struct ingest_cart *cart);
/* The stream of an epoch, or NULL: a newer epoch, or one older than the previous. */
struct ingest_stream *ingest_cart_stream(struct ingest_cart *cart, int64_t epoch);
/* Makes `epoch`, which is higher than the current one, the current. RES_NO_MEMORY. */
MUST_CHECK enum res ingest_cart_turn(struct ingest_cart *cart, int64_t epoch);

#endif
