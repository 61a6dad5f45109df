#include "pg_rows.h"

#include <assert.h>

_Static_assert(PG_ROWS_COLUMNS_MAX <= PG_PARAMS_MAX, "a column is a parameter");

void pg_rows_init(struct pg_rows *rows, size_t columns, size_t column_bytes_max)
{
    assert(columns <= PG_ROWS_COLUMNS_MAX);
    rows->columns = columns;
    rows->cursor = 0;
    rows->count = 0;
    for (size_t i = 0; i < columns; i++) {
        pg_array_init(&rows->column[i], column_bytes_max);
    }
}

void pg_rows_deinit(struct pg_rows *rows)
{
    for (size_t i = 0; i < rows->columns; i++) {
        pg_array_deinit(&rows->column[i]);
    }
    rows->count = 0;
}

void pg_rows_reset(struct pg_rows *rows)
{
    for (size_t i = 0; i < rows->columns; i++) {
        pg_array_reset(&rows->column[i]);
    }
    rows->cursor = 0;
    rows->count = 0;
}

struct pg_array *pg_rows_next(struct pg_rows *rows)
{
    assert(rows->cursor < rows->columns);
    return &rows->column[rows->cursor++];
}

void pg_rows_end(struct pg_rows *rows)
{
    assert(rows->cursor == rows->columns);
    rows->cursor = 0;
    rows->count++;
}

enum res pg_rows_add(struct pg_rows *rows, struct pg_conn *conn, const char *sql, struct err *why)
{
    if (rows->count == 0) {
        return RES_OK;
    }
    struct pg_params params;
    pg_params_init(&params);
    for (size_t i = 0; i < rows->columns; i++) {
        const char *text = pg_array_close(&rows->column[i]);
        if (text == NULL) {
            err_set(why, "a statement with %zu rows is larger than its limit", rows->count);
            return RES_LIMIT;
        }
        pg_params_cstr(&params, text);
    }
    return pg_conn_pipeline_add(conn, sql, &params, why);
}
