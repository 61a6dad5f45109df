/* device_binding.h: which product a label shows: one label one product, a product many labels
 * (S-265..S-268). Every change leaves a row in label_binding and gives the label new content in the
 * same transaction.
 */
#ifndef DEVICE_BINDING_H
#define DEVICE_BINDING_H

#include "fleet_refusal.h"
#include "pg_conn.h"

struct device_binding {
    const char *device_id;
    const char *product_id; /* SKU; NULL: unbound */
};

struct device_binding_count {
    int64_t changed; /* others were bound so already */
    int64_t delivered;
};

/* All or nothing, in the caller's transaction. `store_id`: the store the labels must be of; NULL:
 * whichever they are of. What is wrong is added by row (`rows` false: not of a table, there is one)
 * and then nothing was changed. `actor`: account id or automation. Errors as pg_conn_run. */
MUST_CHECK enum res device_binding_apply(struct pg_conn *c, const char *store_id,
                                         const struct device_binding *bindings, size_t count,
                                         bool rows, const char *actor, struct fleet_refusal *wrong,
                                         struct device_binding_count *ret, struct err *why);

#endif
