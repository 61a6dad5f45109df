/* shadow_read.h: a device's shadow as people and devices see it: what is stored, and what its row
 * knows from its own words, which is not stored twice (P3).
 */
#ifndef SHADOW_READ_H
#define SHADOW_READ_H

#include <jansson.h>

#include "pg_conn.h"

/* Keys of desired that have a writer of their own (deliveries, certificate renewal): an update by
 * hand could not keep them true. */
extern const char *const shadow_read_reserved[]; /* NULL at the end */
bool shadow_read_is_reserved(const char *key);

struct shadow_document {
    char device_id[32];
    char store_id[32];
    bool is_label;
    int64_t version;
    json_t *desired;
    json_t *reported;
    json_t *delta;      /* of what the device has already, nothing */
    int64_t desired_ms; /* 0: never */
    int64_t reported_ms;
};

void shadow_document_deinit(struct shadow_document *d);

/* The shadows of these devices ('{...}', a text array), those that exist, by rising id; the
 * document is the callback's to read. Another value than RES_OK ends it and is returned. Errors as
 * pg_conn_run; RES_CORRUPT, RES_NO_MEMORY. */
typedef enum res (*shadow_read_visit)(void *user, const struct shadow_document *d);
MUST_CHECK enum res shadow_read(struct pg_conn *c, const char *device_ids, shadow_read_visit visit,
                                void *user, struct err *why);

/* {"deviceId", "storeId", "version", "state": {"desired", "reported", "delta"}, "desiredAt",
 * "reportedAt"} */
json_t *shadow_read_json(const struct shadow_document *d);

#endif
