/* device_http.h: labels and carts side by side for people's surfaces (S-079, S-080, P4, S-111).
 *
 * `state` of a label is the first that holds of: online (connected); unreachable (its gateway is
 * down, S-269); asleep (it announced deep sleep and is not yet an interval overdue); offline.
 * `needsInspection`: offline for more than 24 hours (P44).
 */
#ifndef DEVICE_HTTP_H
#define DEVICE_HTTP_H

#include "http_request.h"
#include "pg_conn.h"

#define DEVICE_HTTP_INSPECT_S 86400 /* S-120 */

#define DEVICE_HTTP_PARAM_ID                                                                       \
    {                                                                                              \
        HTTP_IN_PATH,                                                                              \
        {                                                                                          \
            .name = "id", .type = HTTP_TEXT, .required = true, .min = 1, .max = 24,                \
            .charset = "A-Z0-9-", .summary = "The device."                                         \
        }                                                                                          \
    }

/* Context: struct pg_pool. */
extern const struct http_route device_http_routes[];

/* What GET /api/devices/{id} shows, for the answers of what changes a device. */
extern const struct http_schema device_http_detail;
/* Inside the caller's transaction. RES_NOT_FOUND: no such device, or it is retired, or another
 * store's. */
MUST_CHECK enum res device_http_read(struct pg_conn *c, const char *device_id, json_t **ret_device,
                                     struct err *why);

#endif
