/* pos_json.h: a catalogue in JSON as the CSV that catalog_row.h reads, so that there is one judge
 * of rows. Numbers pass as they were written: 65.005 is not rounded on the way.
 *
 *   {"items": [{"productId": "TEA-1", "barcode": "8901234567894", "name": {"en": "Tea", "hi": ..},
 *               "price": 65.00, "mrp": 70, "stock": 12, ...}, ...]}
 *
 * Item k becomes line k + 1 of the CSV. Keys it does not know are passed over, as columns are.
 */
#ifndef POS_JSON_H
#define POS_JSON_H

#include <stdio.h>

#include "span.h"

/* RES_INVALID: it is not that form, *ret_what says what is wrong; RES_IO: `out`. */
MUST_CHECK enum res pos_json_to_csv(struct span json, FILE *out, const char **ret_what);

#define POS_JSON_FIELD_BYTES 32
/* The key behind a column, "name_hi" is "name.hi": refusals speak of what was sent. */
void pos_json_field(const char *column, char ret_field[POS_JSON_FIELD_BYTES]);

#endif
