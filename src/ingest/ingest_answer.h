/* ingest_answer.h: what the platform says to carts on cart/{id}/response, signed, and to the reader
 * of the reject topic. Nothing here is ever the only copy: every answer is asked for again.
 */
#ifndef INGEST_ANSWER_H
#define INGEST_ANSWER_H

#include "downlink.h"

struct ingest_answer {
    struct downlink downlink;
    void *user;
    void (*publish)(void *user, const char *topic, struct span payload);
};

/* Encodes, signs and publishes on cart/{id}/response. RES_INVALID: the message breaks the wire's
 * rules; RES_NO_MEMORY. */
MUST_CHECK enum res ingest_answer_send(struct ingest_answer *a,
                                       const struct wire_downlink *message);
/* reject/{device}: {"device","reason","field","epoch","counter"}. */
void ingest_answer_reject(struct ingest_answer *a, struct span device, const char *reason,
                          const char *field, int64_t epoch, int64_t counter);

#endif
