/* pg_rows.h: rows gathered column by column, to be sent as one set-based statement that unnest()s
 * an array a column. Knows no table.
 *
 *   pg_array_span(pg_rows_next(&rows), cart_id);
 *   pg_array_i64(pg_rows_next(&rows), counter);
 *   pg_rows_end(&rows);
 *   ...
 *   r = pg_rows_add(&rows, conn, "INSERT INTO t SELECT * FROM unnest($1::text[], $2::bigint[])",
 * why);
 */
#ifndef PG_ROWS_H
#define PG_ROWS_H

#include "pg_conn.h"

#define PG_ROWS_COLUMNS_MAX 32

struct pg_rows {
    size_t columns;
    size_t cursor;
    size_t count; /* whole rows */
    struct pg_array column[PG_ROWS_COLUMNS_MAX];
};

/* Each column's text may grow to column_bytes_max. */
void pg_rows_init(struct pg_rows *rows, size_t columns, size_t column_bytes_max);
void pg_rows_deinit(struct pg_rows *rows);
/* Empty again, memory kept. */
void pg_rows_reset(struct pg_rows *rows);
/* The next column of the row under way. */
struct pg_array *pg_rows_next(struct pg_rows *rows);
/* The row is whole: every column was written (asserted). */
void pg_rows_end(struct pg_rows *rows);
/* Adds the statement to the pipeline with the columns as $1, $2, ...; nothing when there are no
 * rows. RES_LIMIT: a column outgrew its limit or memory; else as pg_conn_pipeline_add. */
MUST_CHECK enum res pg_rows_add(struct pg_rows *rows, struct pg_conn *conn, const char *sql,
                                struct err *why);

#endif
