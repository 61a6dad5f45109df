#include "fleet_first.h"

#include <assert.h>

#include "delivery_configure.h"

enum res fleet_first_content(struct pg_conn *c, const char *const *label_ids, size_t count,
                             struct err *why)
{
    static const struct delivery_cause cause = {.job_id = NULL};
    struct delivery_count done;
    assert(count <= FLEET_FIRST_MAX);
    enum res r = delivery_refresh_labels(c, label_ids, count, &cause, &done, why);
    return r == RES_OK ? delivery_configure(c, label_ids, NULL, count, &cause, 0, &done, why) : r;
}
