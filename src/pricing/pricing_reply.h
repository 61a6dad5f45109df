/* pricing_reply.h: refused prices in the error envelope: every broken rule of every row, and the
 * code of the first.
 */
#ifndef PRICING_REPLY_H
#define PRICING_REPLY_H

#include "http_request.h"
#include "pg_pool.h"
#include "price_check.h"

#define PRICING_REPLY_DETAILS_MAX 10000
#define PRICING_REPLY_ISSUER      "operator" /* until there are accounts */
/* For the `errors` of a route whose body holds a price. */
#define PRICING_REPLY_ERRORS                                                                       \
    "INVALID_PRICE", "INVALID_CURRENCY", "PRICE_ABOVE_MRP", "PRICE_OUT_OF_BOUNDS"
#define PRICING_REPLY_TILL "TILL_IS_MASTER"

/* Adds {row, field, value, constraint} for each fault; row 0: not of a list. Beyond
 * PRICING_REPLY_DETAILS_MAX nothing is added. */
void pricing_reply_add(json_t *details, int64_t row, unsigned faults,
                       const struct price_limits *limits, const char *price, const char *currency);
/* One that is no fault of a price. */
void pricing_reply_add_field(json_t *details, int64_t row, const char *field, struct span value,
                             const char *constraint);
/* 400 with the code of the first fault (0: INVALID_PARAMETER); takes the reference. One detail is
 * shown as an object, more as a list. */
void pricing_reply_refused(struct http_request *q, json_t *details, unsigned faults);
/* 404 that names the store. */
void pricing_reply_no_store(struct http_request *q, const char *store_id);
/* 409: the store's prices come from its till system. */
void pricing_reply_till(struct http_request *q);
/* What somebody did, in the same transaction. detail: a JSON object. */
MUST_CHECK enum res pricing_reply_audit(struct http_request *q, struct pg_conn *c,
                                        const char *store_id, const char *action,
                                        const char *target_kind, const char *target,
                                        const json_t *detail, struct err *why);

#endif
