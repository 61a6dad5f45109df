/* ingest_keys.h: the carts and their keys, as device_certificate has them: all at the start, then
 * what changed, and single ones that are met before the next look.
 */
#ifndef INGEST_KEYS_H
#define INGEST_KEYS_H

#include "ingest_device.h"
#include "pg_conn.h"

#define INGEST_KEYS_NEGATIVE    256  /* unknown ids remembered as such */
#define INGEST_KEYS_NEGATIVE_MS 5000 /* for this long */
#define INGEST_KEYS_RECENT_MS   5000 /* a look that comes later than this takes all */

struct ingest_keys {
    struct ingest_devices *devices;
    int64_t looked_ms; /* 0: never */
    struct {
        uint64_t id; /* fingerprint */
        int64_t until_ms;
    } unknown[INGEST_KEYS_NEGATIVE];
};

void ingest_keys_init(struct ingest_keys *k, struct ingest_devices *devices);
/* Reads what changed since the last call, or all. Errors as pg_conn_run. */
MUST_CHECK enum res ingest_keys_refresh(struct ingest_keys *k, struct pg_conn *conn, int64_t now_ms,
                                        struct err *why);
/* RES_OK: the device is known now. RES_NOT_FOUND: no such cart; not asked again for a while. */
MUST_CHECK enum res ingest_keys_find(struct ingest_keys *k, struct pg_conn *conn, struct span id,
                                     int64_t now_ms, struct err *why);

#endif
