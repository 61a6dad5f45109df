/* fleet_table.h: an uploaded table, CSV or JSON, as rows of texts that a handler judges alike.
 *
 * CSV: the first record names the columns, in any order. JSON: an object whose member `rows_name`
 * is a list of objects. Either way a row is an object of the columns that were given; an empty
 * field of a CSV is not given.
 */
#ifndef FLEET_TABLE_H
#define FLEET_TABLE_H

#include "fleet_refusal.h"

#define FLEET_TABLE_ROWS_MAX    10000
#define FLEET_TABLE_BYTES_MAX   (2U * 1024 * 1024)
#define FLEET_TABLE_COLUMNS_MAX 16

/* `columns` ends with NULL; the first is required. What is wrong with the table as such (syntax,
 * unknown or missing columns, too many rows, none) is added. NULL only when memory is out. */
json_t *fleet_table_csv(struct span body, const char *const *columns, struct fleet_refusal *wrong);
/* `root` is the parsed body. */
json_t *fleet_table_json(const json_t *root, const char *rows_name, const char *const *columns,
                         struct fleet_refusal *wrong);
/* A member's text as it was given, a number in digits; SPAN_NONE when absent or null. `room` holds
 * the digits. */
struct span fleet_table_text(const json_t *row, const char *column, char room[32]);

#endif
