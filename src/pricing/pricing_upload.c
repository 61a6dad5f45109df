#include "pricing_upload.h"

#include <string.h>

#include "csv.h"
#include "json.h"

#define RECORD_BYTES_MAX 4096
#define PRODUCT_RULE     "1 to 32 of A-Z a-z 0-9 . _ / -"

static void fault(struct pricing_upload *u, int64_t row, const char *field, struct span value,
                  const char *constraint)
{
    if (u->fault_count < u->fault_room) {
        u->faults[u->fault_count++] = (struct pricing_upload_fault){row, field, value, constraint};
    }
}

static bool is_product_id(struct span text)
{
    bool fine = text.size >= 1 && text.size <= 32;
    for (size_t i = 0; fine && i < text.size; i++) {
        char c = (char)text.data[i];
        fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               memchr("._/-", c, 4) != NULL;
    }
    return fine;
}

/* False: there is no room. */
static bool add_row(struct pricing_upload *u, const struct pricing_upload_row *row, bool noted)
{
    if (u->row_count == u->row_room) {
        fault(u, 0, "updates", SPAN_NONE, "at most 10000 rows");
        return false;
    }
    u->rows[u->row_count++] = *row;
    int64_t number = (int64_t)u->row_count;
    if (noted) {
        return true; /* its own faults say enough */
    }
    if (!is_product_id(row->product_id)) {
        fault(u, number, "productId", row->product_id, PRODUCT_RULE);
    }
    if (row->price.size == 0) {
        fault(u, number, "price", SPAN_NONE, "required");
    }
    return true;
}

/* ---- JSON ---- */

static bool is_key(struct span name, const char *key)
{
    return span_equal(name, span_text(key, 32));
}

/* Takes a value of the wanted kind; another is a fault and passed over. */
static void take(struct json *j, struct pricing_upload *u, int64_t row, const char *field,
                 enum json_token wanted, struct span *ret, bool *noted)
{
    struct span value = SPAN_NONE;
    enum json_token token = json_next(j, &value);
    if (token == wanted && !(wanted == JSON_STRING && json_has_escapes(value))) {
        *ret = value;
        return;
    }
    if (token != JSON_FAULT) {
        fault(u, row, field, SPAN_NONE,
              wanted == JSON_NUMBER ? "a decimal number" : "a plain text");
        *noted = true;
        bool whole = json_skip(j, token);
        (void)whole; /* broken text shows at the next token */
    }
}

/* The row's object has begun. False: stop. */
static bool read_row(struct json *j, struct pricing_upload *u)
{
    struct pricing_upload_row row = {.price = SPAN_NONE};
    struct span name = SPAN_NONE;
    int64_t number = (int64_t)u->row_count + 1;
    bool noted = false;
    enum json_token token;
    while ((token = json_next(j, &name)) == JSON_KEY) {
        if (is_key(name, "productId")) {
            take(j, u, number, "productId", JSON_STRING, &row.product_id, &noted);
        } else if (is_key(name, "price")) {
            take(j, u, number, "price", JSON_NUMBER, &row.price, &noted);
        } else if (is_key(name, "currency")) {
            take(j, u, number, "currency", JSON_STRING, &row.currency, &noted);
        } else {
            struct span value;
            fault(u, number, "updates", name, "productId, price and currency only");
            noted = true;
            if (!json_skip(j, json_next(j, &value))) {
                return false;
            }
        }
    }
    return token == JSON_OBJECT_END && add_row(u, &row, noted);
}

static bool read_rows(struct json *j, struct pricing_upload *u)
{
    struct span value = SPAN_NONE;
    enum json_token token = json_next(j, &value);
    if (token != JSON_ARRAY_BEGIN) {
        fault(u, 0, "updates", SPAN_NONE, "a list of 1 to 10000 prices");
        return false;
    }
    while ((token = json_next(j, &value)) == JSON_OBJECT_BEGIN) {
        if (!read_row(j, u)) {
            return false;
        }
    }
    if (token != JSON_ARRAY_END) {
        fault(u, (int64_t)u->row_count + 1, "updates", SPAN_NONE, "a JSON object");
    }
    return token == JSON_ARRAY_END;
}

void pricing_upload_json(struct span body, struct pricing_upload *u)
{
    struct json j;
    struct span name = SPAN_NONE;
    bool noted = false;
    bool whole = false;
    json_init(&j, body);
    if (json_next(&j, &name) == JSON_OBJECT_BEGIN) {
        whole = true;
        while (whole && json_next(&j, &name) == JSON_KEY) {
            if (is_key(name, "storeId")) {
                take(&j, u, 0, "storeId", JSON_STRING, &u->store_id, &noted);
            } else if (is_key(name, "updates")) {
                whole = read_rows(&j, u);
            } else {
                struct span value;
                fault(u, 0, "body", name, "storeId and updates only");
                whole = json_skip(&j, json_next(&j, &value));
            }
        }
        whole = whole && json_next(&j, &name) == JSON_END;
    }
    if (!whole && (u->fault_count == 0 || j.fault != JSON_FINE)) {
        fault(u, 0, "body", SPAN_NONE, "one JSON object, each key once");
    } else if (u->row_count == 0 && u->fault_count == 0) {
        fault(u, 0, "updates", SPAN_NONE, "a list of 1 to 10000 prices");
    }
}

/* ---- comma-separated values ---- */

enum column { PRODUCT, PRICE, CURRENCY, COLUMNS };
static const char *const column_names[] = {"productId", "price", "currency"};

struct header {
    size_t place[COLUMNS]; /* SIZE_MAX: not there */
    size_t count;
};

static bool read_header(const struct csv *c, struct header *h, struct pricing_upload *u)
{
    size_t before = u->fault_count;
    h->count = c->field_count;
    for (size_t k = 0; k < COLUMNS; k++) {
        h->place[k] = SIZE_MAX;
    }
    for (size_t f = 0; f < c->field_count; f++) {
        size_t k = 0;
        while (k < COLUMNS && !is_key(c->fields[f], column_names[k])) {
            k++;
        }
        if (k == COLUMNS || h->place[k] != SIZE_MAX) {
            fault(u, 0, "header", SPAN_NONE, "productId, price and currency, each once");
        } else {
            h->place[k] = f;
        }
    }
    if (h->place[PRODUCT] == SIZE_MAX || h->place[PRICE] == SIZE_MAX) {
        fault(u, 0, "header", SPAN_NONE, "with productId and price");
    }
    return u->fault_count == before;
}

static struct span keep(struct sink *text, struct span field)
{
    size_t from = text->size;
    sink_bytes(text, field);
    return span_of(text->data + from, text->size - from);
}

/* False: there is no room. */
static bool csv_row(const struct csv *c, const struct header *h, struct sink *text,
                    struct pricing_upload *u)
{
    struct pricing_upload_row row = {.price = SPAN_NONE};
    int64_t number = (int64_t)u->row_count + 1;
    if (c->field_count != h->count) {
        fault(u, number, "row", SPAN_NONE, "as many fields as the header has");
        return add_row(u, &row, true);
    }
    row.product_id = keep(text, c->fields[h->place[PRODUCT]]);
    row.price = keep(text, c->fields[h->place[PRICE]]);
    if (h->place[CURRENCY] != SIZE_MAX) {
        row.currency = keep(text, c->fields[h->place[CURRENCY]]);
    }
    return add_row(u, &row, false);
}

void pricing_upload_csv(struct span body, void *text, struct pricing_upload *u)
{
    char record[RECORD_BYTES_MAX];
    struct csv c;
    struct sink kept;
    struct header header = {.count = 0};
    struct span rest = body;
    bool has_header = false;
    bool going = true;
    csv_init(&c, record, sizeof record);
    sink_init(&kept, text, body.size);
    while (going) {
        enum csv_got got = csv_feed(&c, &rest);
        if (got == CSV_MORE) {
            got = csv_finish(&c);
            going = got != CSV_END;
        }
        if (got == CSV_FAULT) {
            struct pricing_upload_row none = {.price = SPAN_NONE};
            fault(u, (int64_t)u->row_count + 1, "row", SPAN_NONE, csv_fault_words(c.fault));
            going = going && has_header && add_row(u, &none, true);
        } else if (got == CSV_RECORD && !has_header) {
            has_header = true;
            going = read_header(&c, &header, u) && going;
        } else if (got == CSV_RECORD) {
            going = csv_row(&c, &header, &kept, u) && going;
        }
        going = going && got != CSV_END;
    }
    if (u->row_count == 0 && u->fault_count == 0) {
        fault(u, 0, "row", SPAN_NONE, "a header and 1 to 10000 rows");
    }
}
