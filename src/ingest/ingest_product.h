/* ingest_product.h: answers scans of products that the cart did not know (C-186, C-190): the item
 * of the cart's store, else of its region.
 */
#ifndef INGEST_PRODUCT_H
#define INGEST_PRODUCT_H

#include "ingest_answer.h"
#include "ingest_apply.h"

/* One query for all; returns how many were answered. When PostgreSQL does not answer nobody is: the
 * lines stay unpriced, which a cart and its session allow. */
int64_t ingest_product_answer(struct ingest_answer *answer, struct pg_conn *conn,
                              const struct ingest_devices *devices, const struct ingest_want *wants,
                              size_t count, int64_t now_ms);

#endif
