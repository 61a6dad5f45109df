/* http_transact.h: a changing request as one transaction, where the request is safe to repeat by
 * itself (PUT, DELETE) or its answer must not be kept (a private key). Otherwise: http_once.h.
 */
#ifndef HTTP_TRANSACT_H
#define HTTP_TRANSACT_H

#include "http_once.h"

/* As http_once_run, without an Idempotency-Key; with one, where the route has HTTP_PARAM_ONCE_MAYBE
 * and the client sent it. The work gives its answer. */
void http_transact_run(struct http_request *q, struct pg_pool *pool, http_once_work work);

#endif
