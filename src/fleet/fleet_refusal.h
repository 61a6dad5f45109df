/* fleet_refusal.h: everything that is wrong with a request, gathered to be answered at once: a 400
 * that lists each field, and of a table each row (S-088, P56).
 */
#ifndef FLEET_REFUSAL_H
#define FLEET_REFUSAL_H

#include "http_request.h"

/* Listed; beyond that only counted. */
#define FLEET_REFUSAL_LISTED_MAX 1000

struct fleet_refusal {
    json_t *list;
    size_t count;
};

void fleet_refusal_init(struct fleet_refusal *r);
void fleet_refusal_deinit(struct fleet_refusal *r);
/* `row` from 1, 0: not of a table. `value` is cut to size. */
void fleet_refusal_add(struct fleet_refusal *r, size_t row, const char *field, struct span value,
                       const char *constraint);
/* Replies the 400; false: nothing is wrong, nothing is replied. */
bool fleet_refusal_reply(const struct fleet_refusal *r, struct http_request *q);

#endif
