/* pricing_upload.h: many prices in one upload, JSON or comma-separated values, taken apart with
 * every fault of form. Pure core: no I/O, no clock, no allocation.
 *
 *   {"storeId": "STORE-MUM-01", "updates": [{"productId": "PROD-1", "price": 65.00,
 *    "currency": "INR"}, ...]}
 *
 *   productId,price,currency
 *   PROD-1,65.00,INR
 *
 * currency may be left out. Whether a price may be is price_check's to say: a price is kept as it
 * was written.
 */
#ifndef PRICING_UPLOAD_H
#define PRICING_UPLOAD_H

#include "span.h"

#define PRICING_UPLOAD_ROWS_MAX  10000
#define PRICING_UPLOAD_BYTES_MAX (4 * 1024 * 1024)

struct pricing_upload_row {
    struct span product_id;
    struct span price; /* as written; empty: missing, and a fault was noted */
    struct span currency;
};
struct pricing_upload_fault {
    int64_t row;       /* from 1; 0: of the upload as a whole */
    const char *field; /* "productId" */
    struct span value;
    const char *constraint;
};

/* Where it is put; rows and faults are the caller's arrays. */
struct pricing_upload {
    struct span store_id; /* JSON only */
    struct pricing_upload_row *rows;
    size_t row_room;
    size_t row_count;
    struct pricing_upload_fault *faults;
    size_t fault_room;
    size_t fault_count; /* further ones are dropped */
};

/* Spans point into body. More rows than row_room is a fault of the whole. */
void pricing_upload_json(struct span body, struct pricing_upload *u);
/* Spans point into text, which needs as many bytes as body has. */
void pricing_upload_csv(struct span body, void *text, struct pricing_upload *u);

#endif
