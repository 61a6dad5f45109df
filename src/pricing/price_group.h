/* price_group.h: single prices that arrive while another is being written are written together.
 *
 * Every change of a store raises its catalogue's version, so changes of one store wait for each
 * other's commit: one by one that is a disk's speed. Whoever comes first leads: it takes everybody
 * who waits for the same store into one transaction; the next of those who came meanwhile leads the
 * next. Each still gets its own verdict. Thread-safe; no thread of its own.
 */
#ifndef PRICE_GROUP_H
#define PRICE_GROUP_H

#include "pg_pool.h"
#include "price_book.h"

#define PRICE_GROUP_MAX 256 /* of one transaction */

struct price_group; /* opaque */

/* RES_NO_MEMORY. The pool outlives it. */
MUST_CHECK enum res price_group_new(struct pg_pool *pool, struct price_group **ret,
                                    struct err *why);
/* Nobody is in a call. NULL is fine. */
void price_group_free(struct price_group *g);
/* As price_book_change of one change, in a transaction of its own or with others; it is committed
 * when this answers RES_OK. The texts outlive the call. RES_UNAVAILABLE also: no connection. */
MUST_CHECK enum res price_group_change(struct price_group *g, const struct price_order *order,
                                       const struct price_change *change,
                                       struct price_result *ret_result, struct err *why);

#endif
