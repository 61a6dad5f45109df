#include "product_http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog_import.h"
#include "catalog_text.h"
#include "delivery_refresh.h"
#include "http_rows.h"
#include "http_transact.h"
#include "pos_json.h"
#include "product_text.h"

#define ISSUER          "operator" /* until there are accounts */
#define NEW_BYTES_MAX   65536
#define UUID_TEXT_BYTES 36
#define STORE_BYTES     24

static const char *const languages[] = {"en", "hi", "ta", "te", "bn", "mr", NULL};
static const char *const new_media[] = {"application/json", NULL};

/* ---- what a product looks like ---- */

static const struct http_field inventory_fields[] = {
    {.name = "count", .type = HTTP_INTEGER, .summary = "In the store."},
    {.name = "reorderLevel", .type = HTTP_INTEGER, .summary = "Below it more is needed."},
    {.name = NULL}};
static const struct http_schema inventory_schema = {"Inventory", "Stock of a product.",
                                                    inventory_fields};
#define NEXT_BATCH(column)                                                                         \
    "(SELECT b." column " FROM item_batch b WHERE b.item_id = i.item_id AND b.state = 'listed' "   \
    "ORDER BY b.expires_on, b.batch_number LIMIT 1)"
static const struct http_field product_fields[] = {
    {.name = "productId", .type = HTTP_TEXT, .source = "i.sku", .summary = "SKU."},
    {.name = "storeId", .type = HTTP_TEXT, .source = "i.store_id", .summary = "The store."},
    {.name = "name", .type = HTTP_OBJECT, .source = "i.name", .summary = "By language."},
    {.name = "description",
     .type = HTTP_OBJECT,
     .nullable = true,
     .source = "i.description",
     .summary = "By language."},
    {.name = "missingTranslations",
     .type = HTTP_LIST,
     .source = "ARRAY(SELECT l FROM unnest(ARRAY['hi', 'ta', 'te', 'bn', 'mr']) AS l "
               "WHERE (i.name ->> l) IS NULL)",
     .summary = "Languages it has no name in; labels show the English one."},
    {.name = "category", .type = HTTP_TEXT, .source = "i.category", .summary = "Category."},
    {.name = "subCategory",
     .type = HTTP_TEXT,
     .nullable = true,
     .source = "i.sub_category",
     .summary = "Within it."},
    {.name = "brand",
     .type = HTTP_TEXT,
     .nullable = true,
     .source = "i.brand",
     .summary = "Brand."},
    {.name = "price",
     .type = HTTP_MONEY,
     .source = "CASE WHEN i.is_flash_sale THEN coalesce(i.regular_minor, i.price_minor) "
               "ELSE i.price_minor END",
     .summary = "The regular price."},
    {.name = "currency", .type = HTTP_TEXT, .source = "i.currency", .summary = "ISO 4217."},
    {.name = "mrp",
     .type = HTTP_MONEY,
     .nullable = true,
     .source = "i.mrp_minor",
     .summary = "Maximum retail price on the pack."},
    {.name = "isFlashSale",
     .type = HTTP_BOOLEAN,
     .source = "i.is_flash_sale",
     .summary = "On sale now."},
    {.name = "flashSalePrice",
     .type = HTTP_MONEY,
     .nullable = true,
     .source = "CASE WHEN i.is_flash_sale THEN i.price_minor END",
     .summary = "The price while it is on sale."},
    {.name = "chargedPrice",
     .type = HTTP_MONEY,
     .source = "coalesce(i.charge_minor, i.price_minor)",
     .summary = "What cart and till charge now: lower while a rise reaches the shelf."},
    {.name = "priceVersion",
     .type = HTTP_INTEGER,
     .source = "i.price_version",
     .summary = "Of the price book."},
    {.name = "expiryDate",
     .type = HTTP_TEXT,
     .nullable = true,
     .source = NEXT_BATCH("expires_on"),
     .summary = "Of the batch that expires next, a day."},
    {.name = "batchNumber",
     .type = HTTP_TEXT,
     .nullable = true,
     .source = NEXT_BATCH("batch_number"),
     .summary = "Of that batch."},
    {.name = "barcode", .type = HTTP_TEXT, .source = "i.gtin", .summary = "GTIN, 14 digits."},
    {.name = "inventory",
     .type = HTTP_OBJECT,
     .of = &inventory_schema,
     .source = "jsonb_build_object('count', i.stock_count, 'reorderLevel', i.reorder_level)",
     .summary = "Stock."},
    {.name = "perKg",
     .type = HTTP_BOOLEAN,
     .source = "i.per_kg",
     .summary = "The price is of one kilogram."},
    {.name = "weightG",
     .type = HTTP_INTEGER,
     .nullable = true,
     .source = "i.expected_weight_g",
     .summary = "Gross, of one unit."},
    {.name = "ingredients",
     .type = HTTP_OBJECT,
     .nullable = true,
     .source = "i.ingredients",
     .summary = "By language."},
    {.name = "nutrition",
     .type = HTTP_OBJECT,
     .nullable = true,
     .source = "i.nutrition",
     .summary = "Nutrient to amount in 100 g."},
    {.name = "allergens", .type = HTTP_LIST, .source = "i.allergens", .summary = "Warnings."},
    {.name = "createdAt", .type = HTTP_TIME, .source = "i.created_at", .summary = "Since when."},
    {.name = "updatedAt", .type = HTTP_TIME, .source = "i.updated_at", .summary = "Last change."},
    {.name = NULL}};
static const struct http_schema product_schema = {"Product", "What a store sells.", product_fields};

#define STORE_FIELD(needed, words)                                                                 \
    {                                                                                              \
        HTTP_IN_QUERY,                                                                             \
        {                                                                                          \
            .name = "storeId", .type = HTTP_TEXT, .required = (needed), .min = 3, .max = 24,       \
            .charset = "A-Z0-9-", .summary = (words)                                               \
        }                                                                                          \
    }
static const struct http_param list_params[] = {
    STORE_FIELD(false, "Only of this store."),
    {HTTP_IN_QUERY,
     {.name = "q",
      .type = HTTP_TEXT,
      .min = 1,
      .max = 100,
      .summary = "Part of the name in any language; or SKU or barcode, whole."}},
    {HTTP_IN_QUERY,
     {.name = "category",
      .type = HTTP_TEXT,
      .min = 1,
      .max = 120,
      .summary = "Only of this category."}},
    {HTTP_IN_QUERY,
     {.name = "missingTranslation",
      .type = HTTP_CHOICE,
      .choices = languages,
      .summary = "Only those without a name in this language."}},
    HTTP_PARAM_LIMIT,
    HTTP_PARAM_CURSOR,
    HTTP_PARAM_END};
static const struct http_param one_params[] = {
    {HTTP_IN_PATH,
     {.name = "id",
      .type = HTTP_TEXT,
      .required = true,
      .min = 1,
      .max = 32,
      .charset = "A-Za-z0-9._/-",
      .summary = "SKU."}},
    STORE_FIELD(false, "The store; needed when the SKU is sold in several."),
    HTTP_PARAM_END};
static const struct http_param new_params[] = {STORE_FIELD(true, "The store."),
                                               HTTP_PARAM_ONCE_MAYBE, HTTP_PARAM_END};

static const struct http_rows_filter filters[] = {
    {"storeId", "i.store_id = ?"},
    {"q", "i.sku = ? OR ltrim(i.gtin, '0') = ltrim(?, '0') OR EXISTS (SELECT FROM "
          "jsonb_each_text(i.name) n WHERE position(lower(?) IN lower(n.value)) > 0)"},
    {"category", "i.category = ?"},
    {"missingTranslation", "(i.name ->> ?) IS NULL"},
    {NULL, NULL}};
static const struct http_rows_list products = {
    .schema = &product_schema,
    .from = "(SELECT * FROM item WHERE store_id IS NOT NULL AND deleted_at IS NULL) i",
    .filters = filters,
    .cursor_kind = 'p',
    .keys = {{"i.store_id", "text"}, {"i.sku", "text"}}};

static void list_products(struct http_request *q, void *context)
{
    http_rows_page(q, context, &products);
}

/* ---- one ---- */

#define SEVERAL_STORES "needed: the product is sold in several stores"
#define ONE_ITEM                                                                                   \
    "i.sku = $1 AND i.store_id IS NOT NULL AND ($2::text IS NULL OR i.store_id = $2) "             \
    "AND i.deleted_at IS NULL"

static void get_product(struct http_request *q, void *context)
{
    struct pg_params p;
    pg_params_init(&p);
    pg_params_cstr(&p, http_request_text(q, "id"));
    pg_params_cstr(&p, http_request_text(q, "storeId"));
    json_t *found = http_rows_all(q, context, &product_schema, "item i", ONE_ITEM, "", &p);
    if (found == NULL) {
        return;
    }
    if (json_array_size(found) == 0) {
        http_reply_error(q, HTTP_ERROR_NOT_FOUND, NULL);
    } else if (json_array_size(found) > 1) {
        http_reply_error_field(q, "storeId", "", SEVERAL_STORES);
    } else {
        http_reply_json(q, json_incref(json_array_get(found, 0)));
    }
    json_decref(found);
}

/* Of the request's id and storeId, locked. RES_DENIED: replied. */
static enum res lock_item(struct http_request *q, struct pg_conn *c,
                          char ret_id[UUID_TEXT_BYTES + 1], char ret_store[STORE_BYTES + 1],
                          struct err *why)
{
    struct pg_params p;
    PGresult *rows = NULL;
    pg_params_init(&p);
    pg_params_cstr(&p, http_request_text(q, "id"));
    pg_params_cstr(&p, http_request_text(q, "storeId"));
    enum res r = pg_conn_run(c,
                             "SELECT i.item_id, i.store_id::text FROM item i WHERE " ONE_ITEM
                             " ORDER BY i.item_id LIMIT 2 FOR UPDATE",
                             &p, &rows, why);
    if (r == RES_OK && PQntuples(rows) == 1) {
        pg_get_uuid(rows, 0, 0, ret_id);
        r = span_copy_text(pg_get_span(rows, 0, 1), ret_store, STORE_BYTES + 1);
    } else if (r == RES_OK && PQntuples(rows) == 0) {
        http_reply_error(q, HTTP_ERROR_NOT_FOUND, NULL);
        r = RES_DENIED;
    } else if (r == RES_OK) {
        http_reply_error_field(q, "storeId", "", SEVERAL_STORES);
        r = RES_DENIED;
    }
    PQclear(rows);
    return r;
}

static enum res read_product(struct pg_conn *c, const char *id, json_t **ret, struct err *why)
{
    struct pg_params p;
    pg_params_init(&p);
    pg_params_cstr(&p, id);
    return http_rows_read_one(c, "SELECT ", &product_schema,
                              " FROM item i WHERE i.item_id = $1::text::uuid", &p, ret, why);
}

/* ---- texts ---- */

static const struct http_field text_fields[] = {
    {.name = "name",
     .type = HTTP_OBJECT,
     .summary = "By language: en, which is needed, hi, ta, te, bn, mr. These and no others from "
                "now on."},
    {.name = "description", .type = HTTP_OBJECT, .summary = "The same."},
    {.name = NULL}};
static const struct http_schema text_schema = {
    "ProductTexts", "Names and descriptions; what is not given stays.", text_fields};

static enum res write_texts(struct pg_conn *c, const char *id, const char *store,
                            const json_t *name, const json_t *description, struct err *why)
{
    char *texts[2] = {name == NULL ? NULL : json_dumps(name, JSON_COMPACT),
                      description == NULL ? NULL : json_dumps(description, JSON_COMPACT)};
    struct pg_params p;
    PGresult *rows = NULL;
    pg_params_init(&p);
    pg_params_cstr(&p, id);
    pg_params_cstr(&p, texts[0]);
    pg_params_cstr(&p, texts[1]);
    enum res r = pg_conn_run(c,
                             "UPDATE item SET name = coalesce($2::text::jsonb, name), description "
                             "= coalesce($3::text::jsonb, description), updated_at = now() WHERE "
                             "item_id = $1::text::uuid AND (name, description) IS DISTINCT FROM "
                             "(coalesce($2::text::jsonb, name), coalesce($3::text::jsonb, "
                             "description))",
                             &p, &rows, why);
    bool changed = r == RES_OK && pg_get_touched(rows) > 0;
    PQclear(rows);
    free(texts[0]);
    free(texts[1]);
    if (changed) { /* carts show names, too */
        pg_params_init(&p);
        pg_params_cstr(&p, store);
        r = pg_conn_run(c,
                        "UPDATE catalogue_version SET version = version + 1, changed_at = now() "
                        "WHERE store_id = $1",
                        &p, NULL, why);
    }
    return r;
}

static enum res do_texts(struct http_request *q, struct pg_conn *c, json_t **ret_answer,
                         struct err *why)
{
    static const struct delivery_cause cause = {.job_id = NULL};
    struct delivery_count count;
    char id[UUID_TEXT_BYTES + 1];
    char store[STORE_BYTES + 1];
    enum res r = lock_item(q, c, id, store, why);
    if (r == RES_OK) {
        r = write_texts(c, id, store, http_request_json(q, "name"),
                        http_request_json(q, "description"), why);
    }
    if (r == RES_OK) {
        const struct delivery_item item = {.item_id = id};
        r = delivery_refresh_items(c, &item, 1, &cause, &count, why);
    }
    if (r == RES_OK) {
        r = catalog_text_filled(c, store, why);
    }
    return r == RES_OK ? read_product(c, id, ret_answer, why) : r;
}

static void put_texts(struct http_request *q, void *context)
{
    const json_t *name = http_request_json(q, "name");
    const json_t *description = http_request_json(q, "description");
    json_t *details = json_array();
    if (name == NULL && description == NULL) {
        json_decref(details);
        http_reply_error_field(q, "name", "", "name, description or both");
        return;
    }
    if (name != NULL) {
        product_text_check("name", name, details);
    }
    if (description != NULL) {
        product_text_check("description", description, details);
    }
    if (json_array_size(details) > 0) {
        http_reply_error_details(q, HTTP_ERROR_PARAMETER, NULL, "Some texts cannot be taken.",
                                 details);
        return;
    }
    json_decref(details);
    http_transact_run(q, context, do_texts);
}

/* ---- a new one ---- */

static const struct http_field new_fields[] = {
    {.name = "productId",
     .type = HTTP_TEXT,
     .min = 1,
     .max = 32,
     .charset = "A-Za-z0-9._/-",
     .summary = "SKU; needed unless there is a barcode."},
    {.name = "barcode",
     .type = HTTP_TEXT,
     .min = 8,
     .max = 14,
     .charset = "0-9",
     .summary = "GTIN; without one it gets one of its SKU."},
    {.name = "name", .type = HTTP_OBJECT, .required = true, .summary = "By language; en needed."},
    {.name = "description", .type = HTTP_OBJECT, .summary = "By language."},
    {.name = "category", .type = HTTP_TEXT, .min = 1, .max = 120, .summary = "Category."},
    {.name = "subCategory", .type = HTTP_TEXT, .min = 1, .max = 120, .summary = "Within it."},
    {.name = "brand", .type = HTTP_TEXT, .min = 1, .max = 120, .summary = "Brand."},
    {.name = "price", .type = HTTP_MONEY, .required = true, .summary = "Its first price."},
    {.name = "mrp", .type = HTTP_MONEY, .summary = "Maximum retail price on the pack."},
    {.name = "cost", .type = HTTP_MONEY, .summary = "What the store pays."},
    {.name = "currency",
     .type = HTTP_TEXT,
     .min = 3,
     .max = 3,
     .charset = "A-Z",
     .summary = "The store's, if given."},
    {.name = "weightG", .type = HTTP_INTEGER, .min = 1, .max = 200000, .summary = "Gross weight."},
    {.name = "perKg", .type = HTTP_BOOLEAN, .summary = "The price is of one kilogram."},
    {.name = "stock", .type = HTTP_INTEGER, .max = 10000000, .summary = "In the store."},
    {.name = "reorderLevel",
     .type = HTTP_INTEGER,
     .max = 10000000,
     .summary = "Below it more is needed."},
    {.name = NULL}};
static const struct http_schema new_schema = {"NewProduct", "A product to be.", new_fields};
static const char *const new_errors[] = {"CATALOGUE_MASTER", "PRODUCT_EXISTS", "INVALID_PRICE",
                                         HTTP_ONCE_ERRORS, NULL};

static void note_refusal(void *user, const struct catalog_refusal *refusal)
{
    json_t *details = user;
    char field[POS_JSON_FIELD_BYTES];
    pos_json_field(refusal->field, field);
    json_t *value = json_stringn(refusal->value.size == 0 ? "" : (const char *)refusal->value.data,
                                 refusal->value.size);
    (void)json_array_append_new(details, json_pack("{s:s, s:o, s:s}", "field", field, "value",
                                                   value != NULL ? value : json_string(""),
                                                   "constraint", refusal->reason));
}

/* The one row of a catalogue: so that there is one judge of products, too. NULL: replied. */
static char *csv_of_body(struct http_request *q, size_t *ret_size)
{
    struct span body = http_request_body(q);
    char *csv = NULL;
    char *json = NULL;
    const char *what = "not read";
    FILE *out = open_memstream(&csv, ret_size);
    int size = body.size == 0
                   ? -1
                   : asprintf(&json, "{\"items\":[%.*s]}", (int)body.size, (const char *)body.data);
    enum res r = RES_INVALID;
    if (size > 0 && out != NULL) {
        r = pos_json_to_csv(span_of(json, (size_t)size), out, &what);
        free(json);
    }
    if (out == NULL || fclose(out) != 0) {
        r = RES_NO_MEMORY;
    }
    if (r == RES_OK) {
        return csv;
    }
    free(csv);
    if (r == RES_INVALID) {
        http_reply_error_field(q, "body", "", what);
    } else {
        http_reply_error(q, HTTP_ERROR_UNAVAILABLE, "Out of memory; try again.");
    }
    return NULL;
}

/* RES_DENIED: not there, or its products come from the till; replied. */
static enum res check_master(struct http_request *q, struct pg_conn *c, struct err *why)
{
    struct pg_params p;
    PGresult *rows = NULL;
    pg_params_init(&p);
    pg_params_cstr(&p, http_request_text(q, "storeId"));
    enum res r =
        pg_conn_run(c, "SELECT catalogue_master FROM store WHERE store_id = $1", &p, &rows, why);
    if (r == RES_OK && PQntuples(rows) == 0) {
        http_reply_error(q, HTTP_ERROR_NOT_FOUND, NULL);
        r = RES_DENIED;
    } else if (r == RES_OK && span_equal(pg_get_span(rows, 0, 0), SPAN_LIT("pos"))) {
        http_reply_error_code(q, HTTP_ERROR_CONFLICT, "CATALOGUE_MASTER",
                              "The products of this store come from its till system.");
        r = RES_DENIED;
    }
    PQclear(rows);
    return r;
}

/* What the import made of the one row. */
static enum res judge_new(struct http_request *q, enum res r,
                          const struct catalog_import_summary *s, json_t *details)
{
    if (r == RES_DENIED && s->refused > 0) {
        bool price = false;
        size_t i = 0;
        json_t *one = NULL;
        json_array_foreach(details, i, one)
        {
            const char *field = json_string_value(json_object_get(one, "field"));
            price = price || strcmp(field, "price") == 0;
        }
        http_reply_error_details(q, HTTP_ERROR_PARAMETER, price ? "INVALID_PRICE" : NULL,
                                 "The product cannot be taken.", json_incref(details));
    } else if (r == RES_OK && s->read != 1) {
        http_reply_error_field(q, "body", "", "one product");
    } else if (r == RES_OK && s->added + s->revived != 1) {
        http_reply_error_code(q, HTTP_ERROR_CONFLICT, "PRODUCT_EXISTS",
                              "The store has a product with this productId or barcode.");
    } else {
        return r;
    }
    return RES_DENIED;
}

static enum res import_one(struct http_request *q, struct pg_conn *c, char *csv, size_t size,
                           struct err *why)
{
    json_t *details = json_array();
    const struct catalog_import_settings settings = {.store_id = http_request_text(q, "storeId"),
                                                     .source = CATALOG_PLATFORM,
                                                     .all_or_nothing = true,
                                                     .changed_by = ISSUER,
                                                     .refused = note_refusal,
                                                     .user = details};
    struct catalog_import_summary summary = {.read = 0};
    FILE *in = fmemopen(csv, size, "r");
    enum res r = RES_NO_MEMORY;
    if (in != NULL && details != NULL) {
        r = catalog_import_within(c, in, &settings, &summary, why);
        r = judge_new(q, r, &summary, details);
    } else {
        err_set(why, "out of memory for a product");
    }
    if (in != NULL) {
        (void)fclose(in);
    }
    json_decref(details);
    return r;
}

static enum res do_create(struct http_request *q, struct pg_conn *c, json_t **ret_answer,
                          struct err *why)
{
    size_t size = 0;
    PGresult *rows = NULL;
    enum res r = check_master(q, c, why);
    char *csv = r == RES_OK ? csv_of_body(q, &size) : NULL;
    if (csv == NULL) {
        return r == RES_OK ? RES_DENIED : r;
    }
    r = import_one(q, c, csv, size, why);
    free(csv);
    if (r == RES_OK) { /* the rows of an import stay in their table until the commit */
        r = pg_conn_run(c, "SELECT item_id FROM catalog_stage", NULL, &rows, why);
    }
    if (r == RES_OK) {
        char id[UUID_TEXT_BYTES + 1];
        pg_get_uuid(rows, 0, 0, id);
        r = read_product(c, id, ret_answer, why);
    }
    PQclear(rows);
    return r;
}

static void create_product(struct http_request *q, void *context)
{
    http_transact_run(q, context, do_create);
}

const struct http_route product_http_routes[] = {
    {.method = HTTP_GET,
     .path = "/api/products",
     .operation = "listProducts",
     .summary = "Products, by store and SKU.",
     .tag = "products",
     .params = list_params,
     .reply = &product_schema,
     .page = true,
     .permission = "catalog.read",
     .handle = list_products},
    {.method = HTTP_POST,
     .path = "/api/products",
     .operation = "createProduct",
     .summary = "A new product, where the platform is the catalogue's master.",
     .tag = "products",
     .params = new_params,
     .media = new_media,
     .body = &new_schema,
     .body_bytes_max = NEW_BYTES_MAX,
     .reply = &product_schema,
     .status = 201,
     .errors = new_errors,
     .permission = "catalog.write",
     .handle = create_product},
    {.method = HTTP_GET,
     .path = "/api/products/{id}",
     .operation = "getProduct",
     .summary = "One product.",
     .tag = "products",
     .params = one_params,
     .reply = &product_schema,
     .permission = "catalog.read",
     .handle = get_product},
    {.method = HTTP_PUT,
     .path = "/api/products/{id}/texts",
     .operation = "putProductTexts",
     .summary = "Its names and descriptions by language; labels follow.",
     .tag = "products",
     .params = one_params,
     .body = &text_schema,
     .reply = &product_schema,
     .permission = "catalog.write",
     .handle = put_texts},
    HTTP_ROUTE_END};
