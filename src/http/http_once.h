/* http_once.h: a changing request that happens once, however often it is sent (C-202).
 *
 * The client sends a UUID of its own as Idempotency-Key (declare HTTP_PARAM_ONCE). The work and its
 * answer are one transaction: a repeat gets the first answer again, the same key with another
 * request is a 409. A refusal is not kept: the next try may succeed.
 */
#ifndef HTTP_ONCE_H
#define HTTP_ONCE_H

#include "http_request.h"
#include "pg_pool.h"

#define HTTP_PARAM_ONCE                                                                            \
    {                                                                                              \
        HTTP_IN_HEADER,                                                                            \
        {                                                                                          \
            .name = "Idempotency-Key", .type = HTTP_UUID, .required = true,                        \
            .summary = "A UUID of the client's own; a repeat gets the first answer again."         \
        }                                                                                          \
    }
/* The same where a repeat does no harm: only who sends a key gets the first answer again. */
#define HTTP_PARAM_ONCE_MAYBE                                                                      \
    {                                                                                              \
        HTTP_IN_HEADER,                                                                            \
        {                                                                                          \
            .name = "Idempotency-Key", .type = HTTP_UUID,                                          \
            .summary = "A UUID of the client's own: then a repeat gets the first answer again."    \
        }                                                                                          \
    }
#define HTTP_ONCE_ERRORS "IDEMPOTENCY_CONFLICT" /* for the route's `errors` */

/* Inside the transaction. RES_OK: *ret_answer is the reply, with the route's status, or it replied
 * itself with another 2xx and left it NULL. RES_DENIED: it replied an error itself; all is rolled
 * back. Else the database failed. */
typedef enum res (*http_once_work)(struct http_request *q, struct pg_conn *c, json_t **ret_answer,
                                   struct err *why);

void http_once_run(struct http_request *q, struct pg_pool *pool, http_once_work work);
/* The route knows Idempotency-Key, and the client sent one. */
bool http_once_is_asked(const struct http_request *q);

#endif
