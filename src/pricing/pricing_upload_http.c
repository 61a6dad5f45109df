#include "pricing_upload_http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bulk_http.h"
#include "bulk_job.h"
#include "http_transact.h"
#include "price_book.h"
#include "pricing_reply.h"
#include "pricing_update_http.h"
#include "pricing_upload.h"

_Static_assert(PRICING_UPLOAD_ROWS_MAX == BULK_JOB_ROWS_MAX, "an upload is one job");

#define ARRAY_BYTES_MAX (4 * 1024 * 1024)
#define PRICE_TEXT_MAX  64

static const char *const media[] = {"application/json", "text/csv", NULL};
enum { MEDIA_JSON, MEDIA_CSV };

static const struct http_field row_fields[] = {
    PRICING_PRODUCT,
    {.name = "price",
     .type = HTTP_MONEY,
     .required = true,
     .summary = "Positive, at most 2 decimals and 999999.99, never above the MRP."},
    {.name = "currency",
     .type = HTTP_TEXT,
     .min = 3,
     .max = 3,
     .charset = "A-Z",
     .summary = "When given, it must be the store's."},
    {.name = NULL}};
static const struct http_schema row_schema = {"BulkPrice", "A new price of one product.",
                                              row_fields};
static const struct http_field body_fields[] = {
    PRICING_STORE,
    {.name = "updates",
     .type = HTTP_LIST,
     .required = true,
     .of = &row_schema,
     .summary = "1 to 10,000 prices, each product once."},
    {.name = NULL}};
static const struct http_schema body_schema = {
    "BulkPriceUpdate", "Many prices at once. As text/csv: a header productId,price[,currency].",
    body_fields};
static const struct http_param params[] = {{HTTP_IN_QUERY,
                                            {.name = "storeId",
                                             .type = HTTP_TEXT,
                                             .min = 3,
                                             .max = 24,
                                             .charset = "A-Z0-9-",
                                             .summary = "The store, where the body is text/csv."}},
                                           HTTP_PARAM_ONCE_MAYBE,
                                           HTTP_PARAM_END};
static const char *const errors[] = {PRICING_REPLY_ERRORS, PRICING_REPLY_TILL, HTTP_ONCE_ERRORS,
                                     NULL};

struct work {
    struct pricing_upload upload;
    int64_t *prices; /* of each row; 0: none that could be read */
    unsigned *read_faults;
    bool *noted; /* the row has a fault of form already */
    struct price_change changes[PRICE_BOOK_BATCH_MAX];
    struct price_result results[PRICE_BOOK_BATCH_MAX];
    char *text; /* of comma-separated values */
    char store_id[25];
    json_t *details;
    unsigned faults; /* of all rows together */
    bool till;
};

static void work_free(struct work *w)
{
    if (w != NULL) {
        free(w->upload.rows);
        free(w->upload.faults);
        free(w->prices);
        free(w->read_faults);
        free(w->noted);
        free(w->text);
        free(w);
    }
}

static struct work *work_new(size_t body_size)
{
    struct work *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return NULL;
    }
    w->upload.row_room = PRICING_UPLOAD_ROWS_MAX;
    w->upload.fault_room = PRICING_REPLY_DETAILS_MAX;
    w->upload.rows = calloc(w->upload.row_room, sizeof *w->upload.rows);
    w->upload.faults = calloc(w->upload.fault_room, sizeof *w->upload.faults);
    w->prices = calloc(w->upload.row_room, sizeof *w->prices);
    w->read_faults = calloc(w->upload.row_room, sizeof *w->read_faults);
    w->noted = calloc(w->upload.row_room, sizeof *w->noted);
    w->text = malloc(body_size + 1);
    if (w->upload.rows == NULL || w->upload.faults == NULL || w->prices == NULL ||
        w->read_faults == NULL || w->noted == NULL || w->text == NULL) {
        work_free(w);
        return NULL;
    }
    return w;
}

/* ---- form ---- */

static void read_body(struct http_request *q, struct work *w)
{
    struct span body = http_request_body(q);
    const char *asked = http_request_text(q, "storeId");
    if (http_request_media(q) == MEDIA_CSV) {
        pricing_upload_csv(body, w->text, &w->upload);
    } else {
        pricing_upload_json(body, &w->upload);
    }
    struct span store = w->upload.store_id.size > 0 ? w->upload.store_id
                                                    : span_text(asked == NULL ? "" : asked, 24);
    for (size_t i = 0; i < w->upload.fault_count; i++) {
        const struct pricing_upload_fault *f = &w->upload.faults[i];
        pricing_reply_add_field(w->details, f->row, f->field, f->value, f->constraint);
        if (f->row > 0 && (size_t)f->row <= w->upload.row_count) {
            w->noted[f->row - 1] = true;
        }
    }
    if (store.size < 3 || span_copy_text(store, w->store_id, sizeof w->store_id) != RES_OK) {
        pricing_reply_add_field(w->details, 0, "storeId", store, "3 to 24 of A-Z 0-9 -");
        w->store_id[0] = '\0';
    }
    for (size_t i = 0; i < w->upload.row_count; i++) {
        if (!w->noted[i]) {
            w->read_faults[i] = price_check_read(w->upload.rows[i].price, &w->prices[i]);
        }
    }
}

static int by_product(const void *a, const void *b)
{
    const struct pricing_upload_row *x = *(const struct pricing_upload_row *const *)a;
    const struct pricing_upload_row *y = *(const struct pricing_upload_row *const *)b;
    int order = span_compare(x->product_id, y->product_id);
    return order != 0 ? order : x < y ? -1 : x > y;
}

/* Two prices of one product in one upload have no order that could be told to anybody. */
static bool check_doubles(struct work *w)
{
    size_t count = w->upload.row_count;
    const struct pricing_upload_row **sorted = calloc(count + 1, sizeof *sorted);
    if (sorted == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        sorted[i] = &w->upload.rows[i];
    }
    qsort(sorted, count, sizeof *sorted, by_product);
    for (size_t i = 1; i < count; i++) {
        size_t at = (size_t)(sorted[i] - w->upload.rows);
        if (!w->noted[at] && span_equal(sorted[i - 1]->product_id, sorted[i]->product_id)) {
            pricing_reply_add_field(w->details, (int64_t)at + 1, "productId", sorted[i]->product_id,
                                    "each product once in an upload");
        }
    }
    free(sorted);
    return true;
}

/* ---- judgement ---- */

static void judge_row(struct work *w, size_t row, const struct price_result *result)
{
    const struct pricing_upload_row *asked = &w->upload.rows[row];
    char price[PRICE_TEXT_MAX];
    char currency[16];
    struct sink s;
    if (w->noted[row]) {
        return;
    }
    if (result->outcome == PRICE_UNKNOWN_ITEM) {
        pricing_reply_add_field(w->details, (int64_t)row + 1, "productId", asked->product_id,
                                "a product of the store");
    }
    unsigned faults = w->read_faults[row] != 0 ? w->read_faults[row] : result->faults;
    faults |= result->faults & PRICE_CURRENCY;
    if (faults == 0) {
        return;
    }
    sink_init(&s, price, sizeof price - 1);
    sink_bytes(&s, span_of(asked->price.data, asked->price.size < 40 ? asked->price.size : 40));
    price[s.size] = '\0';
    sink_init(&s, currency, sizeof currency - 1);
    sink_bytes(&s,
               span_of(asked->currency.data, asked->currency.size < 8 ? asked->currency.size : 8));
    currency[s.size] = '\0';
    pricing_reply_add(w->details, (int64_t)row + 1, faults, &result->limits, price, currency);
    w->faults |= faults;
}

static enum res judge(struct work *w, struct pg_conn *c, struct err *why)
{
    enum res r = RES_OK;
    for (size_t from = 0; r == RES_OK && from < w->upload.row_count; from += PRICE_BOOK_BATCH_MAX) {
        size_t count = w->upload.row_count - from;
        count = count < PRICE_BOOK_BATCH_MAX ? count : PRICE_BOOK_BATCH_MAX;
        for (size_t i = 0; i < count; i++) {
            size_t row = from + i;
            w->changes[i] = (struct price_change){
                .item_id = "",
                .product_id = w->noted[row] ? SPAN_LIT("-") : w->upload.rows[row].product_id,
                .currency = w->upload.rows[row].currency,
                .price_minor = w->read_faults[row] == 0 && !w->noted[row] ? w->prices[row] : 1};
        }
        r = price_book_look(c, w->store_id, w->changes, count, w->results, &w->till, why);
        for (size_t i = 0; r == RES_OK && i < count; i++) {
            judge_row(w, from + i, &w->results[i]);
        }
    }
    return r;
}

/* ---- the job ---- */

static enum res make_job(struct http_request *q, struct work *w, struct pg_conn *c,
                         char ret_job_id[BULK_JOB_ID_BYTES + 1], struct err *why)
{
    struct pg_array targets;
    struct pg_array changes;
    const struct bulk_job_new job = {
        .store_id = w->store_id, .kind = BULK_PRICE, .created_by = PRICING_REPLY_ISSUER};
    pg_array_init(&targets, ARRAY_BYTES_MAX);
    pg_array_init(&changes, ARRAY_BYTES_MAX);
    for (size_t i = 0; i < w->upload.row_count; i++) {
        char change[48];
        int n = snprintf(change, sizeof change, "{\"priceMinor\": %lld}", (long long)w->prices[i]);
        pg_array_span(&targets, w->upload.rows[i].product_id);
        pg_array_span(&changes, span_of(change, (size_t)n));
    }
    enum res r = bulk_job_create(c, &job, &targets, &changes, ret_job_id, why);
    json_t *detail = json_pack("{s:I}", "rows", (json_int_t)w->upload.row_count);
    if (r == RES_OK) {
        r = pricing_reply_audit(q, c, w->store_id, "price.bulk", "bulk_job", ret_job_id, detail,
                                why);
    }
    json_decref(detail);
    pg_array_deinit(&targets);
    pg_array_deinit(&changes);
    return r;
}

static enum res upload(struct http_request *q, struct work *w, struct pg_conn *c,
                       json_t **ret_answer, struct err *why)
{
    char job_id[BULK_JOB_ID_BYTES + 1];
    enum res r = w->store_id[0] == '\0' ? RES_OK : judge(w, c, why);
    if (r == RES_NOT_FOUND) {
        pricing_reply_no_store(q, w->store_id);
        return RES_DENIED;
    }
    if (r != RES_OK) {
        return r;
    }
    if (json_array_size(w->details) > 0) {
        pricing_reply_refused(q, json_incref(w->details), w->faults);
        return RES_DENIED;
    }
    if (w->till) {
        pricing_reply_till(q);
        return RES_DENIED;
    }
    r = make_job(q, w, c, job_id, why);
    if (r == RES_OK) {
        *ret_answer =
            json_pack("{s:s, s:I}", "jobId", job_id, "rows", (json_int_t)w->upload.row_count);
        r = *ret_answer == NULL ? RES_NO_MEMORY : RES_OK;
    }
    return r;
}

static enum res bulk(struct http_request *q, struct pg_conn *c, json_t **ret_answer,
                     struct err *why)
{
    struct work *w = work_new(http_request_body(q).size);
    json_t *details = json_array();
    enum res r = RES_NO_MEMORY;
    if (w != NULL && details != NULL) {
        w->details = details;
        read_body(q, w);
        r = check_doubles(w) ? upload(q, w, c, ret_answer, why) : RES_NO_MEMORY;
    }
    if (r == RES_NO_MEMORY) {
        http_reply_error(q, HTTP_ERROR_UNAVAILABLE, "Out of memory; try again.");
        r = RES_DENIED;
    }
    json_decref(details);
    work_free(w);
    return r;
}

static void post_bulk(struct http_request *q, void *context)
{
    http_transact_run(q, context, bulk);
}

const struct http_route pricing_upload_http_routes[] = {
    {.method = HTTP_POST,
     .path = "/api/pricing/bulk-update",
     .operation = "updatePrices",
     .summary =
         "Changes many prices: all rows are checked first, one bad row refuses all; then all "
         "begin, and one that fails stops no other.",
     .tag = "pricing",
     .params = params,
     .body = &body_schema,
     .media = media,
     .body_bytes_max = PRICING_UPLOAD_BYTES_MAX,
     .reply = &bulk_http_started_schema,
     .status = 202,
     .finds = true,
     .errors = errors,
     .permission = "pricing.write",
     .handle = post_bulk},
    HTTP_ROUTE_END};
