/* http_rows.h: rows of PostgreSQL as JSON, by the same field table that documents them. A field's
 * `source` is its SQL expression; fields without one are the handler's to fill in. Knows no table.
 *
 *   static const struct http_rows_list things = {
 *       .schema = &thing_schema, .from = "thing t",
 *       .filters = (const struct http_rows_filter[]){{"store", "t.store_id = ?"}, {NULL, NULL}},
 *       .cursor_kind = 't', .keys = {{"t.thing_id", "text"}}};
 *   static void list(struct http_request *q, void *context) { http_rows_page(q, pool, &things); }
 *
 * Sources: text kinds, numbers, boolean, timestamptz, uuid as they are; HTTP_MONEY: minor units;
 * HTTP_OBJECT: jsonb; HTTP_LIST: an array or jsonb.
 */
#ifndef HTTP_ROWS_H
#define HTTP_ROWS_H

#include "http_request.h"
#include "pg_pool.h"

#define HTTP_ROWS_SQL_BYTES_MAX 4096
#define HTTP_ROWS_KEYS_MAX      3

struct http_rows_filter {
    const char *param; /* of the route; not given: no condition. NULL ends the list. */
    const char *sql;   /* ? stands for the value: text, bigint, boolean or timestamptz */
};
struct http_rows_key {
    const char *sql;
    const char *type; /* its SQL type, "text", "timestamptz", "bigint" */
};
struct http_rows_list {
    const struct http_schema *schema;
    const char *from;
    const struct http_rows_filter *filters;
    char cursor_kind;
    bool newest_first;
    struct http_rows_key keys[HTTP_ROWS_KEYS_MAX]; /* unique together: the order of the list; the
                                                      later ones may be unused */
};

/* "expression, expression, ..." in the order http_rows_object reads them. */
void http_rows_columns(const struct http_schema *schema, struct sink *s);
/* NULL when memory is out. Columns beyond the schema's are left alone. */
json_t *http_rows_object(const struct http_schema *schema, const PGresult *rows, int row);
/* One page by the route's own parameters, `limit` and `cursor` among them; replies. */
void http_rows_page(struct http_request *q, struct pg_pool *pool,
                    const struct http_rows_list *list);
/* The same over lists that follow one another: every key of the first is before those of the next,
 * and they have the same schema, filters, keys and cursor. What a union of them could not do by
 * index, each does by its own. */
void http_rows_chain(struct http_request *q, struct pg_pool *pool,
                     const struct http_rows_list *lists, size_t count);
/* The one row `where` ("t.thing_id = $1") names, for the caller to complete; NULL when there is
 * none or the database failed, and then the 404 or 503 is replied. */
json_t *http_rows_one(struct http_request *q, struct pg_pool *pool,
                      const struct http_schema *schema, const char *from, const char *where,
                      const struct pg_params *params);
/* Every row (at most HTTP_LIMIT_MAX); `tail`: "ORDER BY ...". NULL as http_rows_one. */
json_t *http_rows_all(struct http_request *q, struct pg_pool *pool,
                      const struct http_schema *schema, const char *from, const char *where,
                      const char *tail, const struct pg_params *params);
/* On a transaction's own connection: the rows of `head`, the schema's columns and `tail` ("SELECT
 * ", " FROM thing t WHERE t.thing_id = $1"; or "INSERT ... RETURNING ", ""), as a list; its errors
 * as pg_conn_run. */
MUST_CHECK enum res http_rows_read(struct pg_conn *c, const char *head,
                                   const struct http_schema *schema, const char *tail,
                                   const struct pg_params *params, json_t **ret_items,
                                   struct err *why);
/* The first of them; RES_NOT_FOUND, with words: there is none. */
MUST_CHECK enum res http_rows_read_one(struct pg_conn *c, const char *head,
                                       const struct http_schema *schema, const char *tail,
                                       const struct pg_params *params, json_t **ret,
                                       struct err *why);
/* Replies what a failed query means to a client; the words go to the log only. */
void http_rows_fail(struct http_request *q, enum res r, const struct err *why);

#endif
