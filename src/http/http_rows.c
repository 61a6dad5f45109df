#include "http_rows.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "timestamp.h"

/* The type pg_get_... can read, for each of ours. */
static const char *cast_of(enum http_type type)
{
    switch (type) {
    case HTTP_TEXT:
    case HTTP_CHOICE:
    case HTTP_UUID:
        return "::text";
    case HTTP_INTEGER:
    case HTTP_MONEY:
        return "::bigint";
    case HTTP_BOOLEAN:
        return "::boolean";
    case HTTP_TIME:
        return "::timestamptz";
    case HTTP_OBJECT:
    case HTTP_LIST:
        return "";
    }
    return "";
}

void http_rows_columns(const struct http_schema *schema, struct sink *s)
{
    bool first = true;
    for (const struct http_field *f = schema->fields; f->name != NULL; f++) {
        if (f->source != NULL) {
            sink_text(s, first ? "" : ", ");
            bool json = f->type == HTTP_OBJECT || f->type == HTTP_LIST;
            sink_text(s, json ? "to_jsonb((" : "(");
            sink_text(s, f->source);
            sink_text(s, json ? "))" : ")");
            sink_text(s, cast_of(f->type));
            first = false;
        }
    }
}

static int column_count(const struct http_schema *schema)
{
    int n = 0;
    for (const struct http_field *f = schema->fields; f->name != NULL; f++) {
        n += f->source != NULL;
    }
    return n;
}

static json_t *time_json(int64_t ms)
{
    char text[TIMESTAMP_TEXT_BYTES];
    struct sink s;
    sink_init(&s, text, sizeof text);
    timestamp_write(&s, ms);
    return s.overflow ? json_null() : json_stringn(text, s.size);
}

static json_t *value_json(const struct http_field *f, const PGresult *rows, int row, int column)
{
    struct span text;
    if (pg_get_is_null(rows, row, column)) {
        return json_null();
    }
    switch (f->type) {
    case HTTP_TEXT:
    case HTTP_CHOICE:
    case HTTP_UUID:
        text = pg_get_span(rows, row, column);
        return json_stringn((const char *)text.data, text.size);
    case HTTP_INTEGER:
        return json_integer(pg_get_i64(rows, row, column));
    case HTTP_MONEY:
        return json_real((double)pg_get_i64(rows, row, column) / 100.0);
    case HTTP_BOOLEAN:
        return json_boolean(pg_get_bool(rows, row, column));
    case HTTP_TIME:
        return time_json(pg_get_time_ms(rows, row, column));
    case HTTP_OBJECT:
    case HTTP_LIST:
        text = pg_get_span(rows, row, column);
        return json_loadb((const char *)text.data, text.size, JSON_DECODE_ANY, NULL);
    }
    return json_null();
}

json_t *http_rows_object(const struct http_schema *schema, const PGresult *rows, int row)
{
    json_t *object = json_object();
    int column = 0;
    for (const struct http_field *f = schema->fields; f->name != NULL; f++) {
        if (f->source != NULL) {
            (void)json_object_set_new(object, f->name, value_json(f, rows, row, column++));
        }
    }
    return object;
}

void http_rows_fail(struct http_request *q, enum res r, const struct err *why)
{
    http_request_note(q, why->text);
    switch (r) {
    case RES_UNAVAILABLE:
    case RES_EXPIRED:
    case RES_AGAIN:
    case RES_FULL:
        http_reply_error(q, HTTP_ERROR_UNAVAILABLE, NULL);
        return;
    case RES_OK:
    case RES_INVALID:
    case RES_LIMIT:
    case RES_NOT_FOUND:
    case RES_CONFLICT:
    case RES_DENIED:
    case RES_CORRUPT:
    case RES_IO:
    case RES_NO_MEMORY:
        http_reply_error(q, HTTP_ERROR_INTERNAL, NULL);
        return;
    }
}

/* ---- lists ---- */

static size_t key_count(const struct http_rows_list *list)
{
    size_t n = 1;
    while (n < HTTP_ROWS_KEYS_MAX && list->keys[n].sql != NULL) {
        n++;
    }
    return n;
}

static const char *sql_type_of(enum http_type type)
{
    return type == HTTP_TIME      ? "::timestamptz"
           : type == HTTP_INTEGER ? "::bigint"
           : type == HTTP_BOOLEAN ? "::boolean"
                                  : "::text";
}

static void put_param(struct sink *s, int number, const char *type)
{
    sink_byte(s, '$');
    sink_i64(s, number);
    sink_text(s, type);
}

static void add_value(const struct http_request *q, const char *name, enum http_type type,
                      struct pg_params *p)
{
    if (!http_request_has(q, name)) {
        pg_params_null(p);
    } else if (type == HTTP_TIME) {
        pg_params_time_ms(p, http_request_number(q, name));
    } else if (type == HTTP_INTEGER) {
        pg_params_i64(p, http_request_number(q, name));
    } else if (type == HTTP_BOOLEAN) {
        pg_params_bool(p, http_request_number(q, name) != 0);
    } else {
        pg_params_cstr(p, http_request_text(q, name));
    }
}

/* Where any filter is given all of them are in the text: a list has four query texts (with a cursor
 * and without), whatever clients combine, and a connection prepares only so many. Without any the
 * planner is not to guess what conditions that do not hold would leave: the list is read in order.
 */
static bool any_filter(const struct http_request *q, const struct http_rows_list *list)
{
    bool any = false;
    for (const struct http_rows_filter *f = list->filters; f != NULL && f->param != NULL; f++) {
        any = any || http_request_has(q, f->param);
    }
    return any;
}

static void add_filter(const struct http_request *q, const struct http_rows_filter *f,
                       struct sink *s, struct pg_params *p)
{
    enum http_type type = http_request_type(q, f->param);
    add_value(q, f->param, type, p);
    sink_text(s, " AND (");
    put_param(s, p->count, sql_type_of(type));
    sink_text(s, " IS NULL OR ");
    for (const char *at = f->sql; *at != '\0'; at++) {
        if (*at == '?') {
            put_param(s, p->count, sql_type_of(type));
        } else {
            sink_byte(s, (uint8_t)*at);
        }
    }
    sink_byte(s, ')');
}

static void add_keys(struct sink *s, const struct http_rows_list *list)
{
    for (size_t k = 0; k < key_count(list); k++) {
        sink_text(s, k == 0 ? "" : ", ");
        sink_text(s, list->keys[k].sql);
    }
}

/* The query has one more row than the page shows: that one says whether there is a next page. */
static void write_query(const struct http_request *q, const struct http_rows_list *list,
                        const struct http_cursor *cursor, int64_t rows_max, struct sink *s,
                        struct pg_params *p)
{
    sink_text(s, "SELECT ");
    http_rows_columns(list->schema, s);
    for (size_t k = 0; k < key_count(list); k++) {
        sink_text(s, ", (");
        sink_text(s, list->keys[k].sql);
        sink_text(s, ")::text");
    }
    sink_text(s, " FROM ");
    sink_text(s, list->from);
    sink_text(s, " WHERE true");
    for (const struct http_rows_filter *f = any_filter(q, list) ? list->filters : NULL;
         f != NULL && f->param != NULL; f++) {
        add_filter(q, f, s, p);
    }
    if (cursor->count > 0) {
        sink_text(s, " AND (");
        add_keys(s, list);
        sink_text(s, list->newest_first ? ") < (" : ") > (");
        for (size_t k = 0; k < cursor->count; k++) {
            pg_params_cstr(p, cursor->parts[k]);
            sink_text(s, k == 0 ? "$" : ", $");
            sink_i64(s, p->count);
            sink_text(s, "::");
            sink_text(s, list->keys[k].type);
        }
        sink_byte(s, ')');
    }
    sink_text(s, " ORDER BY ");
    for (size_t k = 0; k < key_count(list); k++) {
        sink_text(s, k == 0 ? "" : ", ");
        sink_text(s, list->keys[k].sql);
        sink_text(s, list->newest_first ? " DESC" : "");
    }
    pg_params_i64(p, rows_max);
    sink_text(s, " LIMIT $");
    sink_i64(s, p->count);
}

struct page {
    json_t *items;
    size_t limit;
    bool more;
    char last[HTTP_ROWS_KEYS_MAX][144]; /* keys of the last item */
};

static void take_rows(struct page *page, const struct http_rows_list *list, const PGresult *rows)
{
    for (int row = 0; row < PQntuples(rows); row++) {
        if (json_array_size(page->items) == page->limit) {
            page->more = true;
            return;
        }
        (void)json_array_append_new(page->items, http_rows_object(list->schema, rows, row));
        for (size_t k = 0; k < key_count(list); k++) {
            struct span text = pg_get_span(rows, row, column_count(list->schema) + (int)k);
            enum res r = span_copy_text(text, page->last[k], sizeof page->last[k]);
            assert(r == RES_OK && "a key of at most 143 bytes");
            (void)r;
        }
    }
}

static enum res run_list(const struct http_request *q, struct pg_pool *pool,
                         const struct http_rows_list *list, const struct http_cursor *cursor,
                         struct page *page, struct err *why)
{
    char sql[HTTP_ROWS_SQL_BYTES_MAX];
    struct sink s;
    struct pg_params p;
    PGresult *rows = NULL;
    sink_init(&s, sql, sizeof sql - 1);
    pg_params_init(&p);
    write_query(q, list, cursor, (int64_t)(page->limit - json_array_size(page->items)) + 1, &s, &p);
    assert(!s.overflow);
    sql[s.size] = '\0';
    enum res r = pg_pool_run(pool, sql, &p, &rows, why);
    if (r == RES_OK) {
        take_rows(page, list, rows);
    }
    PQclear(rows);
    return r;
}

void http_rows_chain(struct http_request *q, struct pg_pool *pool,
                     const struct http_rows_list *lists, size_t count)
{
    struct http_cursor cursor = {.count = 0};
    const struct http_rows_list *first = &lists[0];
    if (http_request_cursor(q, first->cursor_kind, key_count(first), &cursor) == RES_INVALID) {
        return;
    }
    struct err why = {""};
    struct page page = {.items = json_array(), .limit = (size_t)http_request_number(q, "limit")};
    enum res r = RES_OK;
    for (size_t i = 0; r == RES_OK && !page.more && i < count; i++) {
        r = run_list(q, pool, &lists[i], &cursor, &page, &why);
    }
    if (r == RES_OK) {
        char next[HTTP_CURSOR_MAX + 1] = "";
        const char *parts[HTTP_ROWS_KEYS_MAX];
        for (size_t k = 0; k < HTTP_ROWS_KEYS_MAX; k++) {
            parts[k] = page.last[k];
        }
        if (page.more) {
            http_request_cursor_write(first->cursor_kind, parts, key_count(first), next);
        }
        http_reply_page(q, page.items, next);
        return;
    }
    json_decref(page.items);
    if (r == RES_INVALID && cursor.count > 0) {
        http_reply_error(q, HTTP_ERROR_CURSOR, NULL); /* a forged key that has not its type */
    } else {
        http_rows_fail(q, r, &why);
    }
}

void http_rows_page(struct http_request *q, struct pg_pool *pool, const struct http_rows_list *list)
{
    http_rows_chain(q, pool, list, 1);
}

/* ---- single rows ---- */

static json_t *objects(const struct http_schema *schema, const PGresult *rows)
{
    json_t *items = json_array();
    for (int row = 0; row < PQntuples(rows); row++) {
        (void)json_array_append_new(items, http_rows_object(schema, rows, row));
    }
    return items;
}

enum res http_rows_read(struct pg_conn *c, const char *head, const struct http_schema *schema,
                        const char *tail, const struct pg_params *params, json_t **ret_items,
                        struct err *why)
{
    char sql[HTTP_ROWS_SQL_BYTES_MAX];
    struct sink s;
    PGresult *rows = NULL;
    sink_init(&s, sql, sizeof sql - 1);
    sink_text(&s, head);
    http_rows_columns(schema, &s);
    sink_text(&s, tail);
    assert(!s.overflow);
    sql[s.size] = '\0';
    enum res r = pg_conn_run(c, sql, params, &rows, why);
    if (r == RES_OK) {
        *ret_items = objects(schema, rows);
    }
    PQclear(rows);
    return r;
}

enum res http_rows_read_one(struct pg_conn *c, const char *head, const struct http_schema *schema,
                            const char *tail, const struct pg_params *params, json_t **ret,
                            struct err *why)
{
    json_t *items = NULL;
    enum res r = http_rows_read(c, head, schema, tail, params, &items, why);
    if (r == RES_OK && json_array_size(items) == 0) {
        err_set(why, "there is no such %s", schema->name);
        r = RES_NOT_FOUND;
    } else if (r == RES_OK) {
        *ret = json_incref(json_array_get(items, 0));
    }
    json_decref(items);
    return r;
}

json_t *http_rows_all(struct http_request *q, struct pg_pool *pool,
                      const struct http_schema *schema, const char *from, const char *where,
                      const char *tail, const struct pg_params *params)
{
    char sql[HTTP_ROWS_SQL_BYTES_MAX];
    struct sink s;
    sink_init(&s, sql, sizeof sql - 1);
    sink_text(&s, "SELECT ");
    http_rows_columns(schema, &s);
    sink_text(&s, " FROM ");
    sink_text(&s, from);
    sink_text(&s, " WHERE ");
    sink_text(&s, where);
    sink_byte(&s, ' ');
    sink_text(&s, tail);
    sink_text(&s, " LIMIT ");
    sink_i64(&s, HTTP_LIMIT_MAX);
    assert(!s.overflow);
    sql[s.size] = '\0';
    struct err why;
    PGresult *rows = NULL;
    enum res r = pg_pool_run(pool, sql, params, &rows, &why);
    if (r != RES_OK) {
        http_rows_fail(q, r, &why);
        return NULL;
    }
    json_t *items = objects(schema, rows);
    PQclear(rows);
    return items;
}

json_t *http_rows_one(struct http_request *q, struct pg_pool *pool,
                      const struct http_schema *schema, const char *from, const char *where,
                      const struct pg_params *params)
{
    json_t *items = http_rows_all(q, pool, schema, from, where, "", params);
    if (items == NULL) {
        return NULL;
    }
    json_t *one = json_incref(json_array_get(items, 0));
    json_decref(items);
    if (one == NULL) {
        http_reply_error(q, HTTP_ERROR_NOT_FOUND, NULL);
    }
    return one;
}
