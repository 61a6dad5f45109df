#include "fleet_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "csv.h"

#define RECORD_BYTES_MAX 8192

struct reader {
    const char *const *columns;
    const char *header[FLEET_TABLE_COLUMNS_MAX]; /* of each field; NULL: unknown */
    size_t fields;                               /* 0: the header is still to come */
    json_t *rows;
    struct fleet_refusal *wrong;
};

static const char *find_column(const char *const *columns, struct span name)
{
    for (size_t i = 0; columns[i] != NULL; i++) {
        if (span_equal(name, span_text(columns[i], 64))) {
            return columns[i];
        }
    }
    return NULL;
}

static void take_header(struct reader *x, const struct csv *csv)
{
    bool any_first = false;
    x->fields = csv->field_count;
    if (csv->field_count > FLEET_TABLE_COLUMNS_MAX) {
        fleet_refusal_add(x->wrong, 0, "header", SPAN_NONE, "at most 16 columns");
        return;
    }
    for (size_t i = 0; i < csv->field_count; i++) {
        const char *name = find_column(x->columns, csv->fields[i]);
        bool twice = false;
        for (size_t k = 0; k < i; k++) {
            twice = twice || (name != NULL && x->header[k] == name);
        }
        if (name == NULL || twice) {
            fleet_refusal_add(x->wrong, 0, "header", csv->fields[i],
                              twice ? "each column once" : "a column of this table");
        }
        x->header[i] = twice ? NULL : name;
        any_first = any_first || name == x->columns[0];
    }
    if (!any_first) {
        fleet_refusal_add(x->wrong, 0, "header", span_text(x->columns[0], 64), "required");
    }
}

static void take_record(struct reader *x, const struct csv *csv)
{
    if (x->fields == 0) {
        take_header(x, csv);
        return;
    }
    json_t *row = json_object();
    (void)json_array_append_new(x->rows, row);
    size_t number = json_array_size(x->rows);
    if (csv->field_count != x->fields) {
        fleet_refusal_add(x->wrong, number, "row", SPAN_NONE, "as many fields as the header has");
        return;
    }
    for (size_t i = 0; i < csv->field_count && i < FLEET_TABLE_COLUMNS_MAX; i++) {
        if (x->header[i] == NULL || csv->fields[i].size == 0) {
            continue;
        }
        json_t *text = json_stringn((const char *)csv->fields[i].data, csv->fields[i].size);
        if (text == NULL) {
            fleet_refusal_add(x->wrong, number, x->header[i], csv->fields[i], "UTF-8");
        } else {
            (void)json_object_set_new(row, x->header[i], text);
        }
    }
}

static void take(struct reader *x, const struct csv *csv, enum csv_got got)
{
    if (got == CSV_RECORD) {
        if (json_array_size(x->rows) <= FLEET_TABLE_ROWS_MAX) {
            take_record(x, csv);
        }
    } else if (got == CSV_FAULT) {
        char line[32];
        int size = snprintf(line, sizeof line, "line %zu", csv->line);
        fleet_refusal_add(x->wrong, json_array_size(x->rows) + 1, "row",
                          span_of(line, (size_t)size), csv_fault_words(csv->fault));
    }
}

static void check_size(const json_t *rows, struct fleet_refusal *wrong)
{
    if (json_array_size(rows) == 0 || json_array_size(rows) > FLEET_TABLE_ROWS_MAX) {
        fleet_refusal_add(wrong, 0, "rows", SPAN_NONE, "1 to 10000 rows");
    }
}

json_t *fleet_table_csv(struct span body, const char *const *columns, struct fleet_refusal *wrong)
{
    char buffer[RECORD_BYTES_MAX];
    struct csv csv;
    struct reader x = {.columns = columns, .rows = json_array(), .wrong = wrong};
    enum csv_got got = CSV_MORE;
    if (x.rows == NULL) {
        return NULL;
    }
    csv_init(&csv, buffer, sizeof buffer);
    while ((got = csv_feed(&csv, &body)) != CSV_MORE) {
        take(&x, &csv, got);
    }
    take(&x, &csv, csv_finish(&csv));
    if (wrong->count == 0) {
        check_size(x.rows, wrong);
    }
    return x.rows;
}

static void take_member(json_t *row, size_t number, const char *key, json_t *value,
                        const char *const *columns, struct fleet_refusal *wrong)
{
    const char *name = find_column(columns, span_text(key, 64));
    if (name == NULL) {
        fleet_refusal_add(wrong, number, key, SPAN_NONE, "a column of this table");
    } else if (!json_is_string(value) && !json_is_integer(value) && !json_is_null(value)) {
        fleet_refusal_add(wrong, number, name, SPAN_NONE, "a text or an integer");
    } else if (json_is_string(value) &&
               strlen(json_string_value(value)) != json_string_length(value)) {
        fleet_refusal_add(wrong, number, name, SPAN_NONE, "no NUL");
    } else if (!json_is_null(value)) {
        (void)json_object_set(row, name, value);
    }
}

json_t *fleet_table_json(const json_t *root, const char *rows_name, const char *const *columns,
                         struct fleet_refusal *wrong)
{
    const json_t *list = json_object_get(root, rows_name);
    json_t *rows = json_array();
    if (!json_is_array(list)) {
        fleet_refusal_add(wrong, 0, rows_name, SPAN_NONE, "a list of objects");
        return rows;
    }
    check_size(list, wrong);
    for (size_t i = 0; wrong->count < FLEET_REFUSAL_LISTED_MAX && i < json_array_size(list); i++) {
        const char *key = NULL;
        json_t *value = NULL;
        json_t *given = json_array_get(list, i);
        json_t *row = json_object();
        if (!json_is_object(given)) {
            fleet_refusal_add(wrong, i + 1, "row", SPAN_NONE, "an object");
        }
        json_object_foreach(given, key, value)
        {
            take_member(row, i + 1, key, value, columns, wrong);
        }
        (void)json_array_append_new(rows, row);
    }
    return rows;
}

struct span fleet_table_text(const json_t *row, const char *column, char room[32])
{
    const json_t *value = json_object_get(row, column);
    if (json_is_integer(value)) {
        int size = snprintf(room, 32, "%" PRId64, (int64_t)json_integer_value(value));
        return span_of(room, (size_t)size);
    }
    const char *text = json_string_value(value);
    return text == NULL ? SPAN_NONE : span_of(text, json_string_length(value));
}
