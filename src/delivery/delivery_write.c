#include "delivery_write.h"

#include <string.h>
#include <sys/random.h>

#define COLUMN_BYTES_MAX (256 * 1024 * 1024)

/* flashEnabled is the label document's own key: there from the first, and anybody's to change. */
static const char shadow_sql[] =
    "UPDATE shadow s SET desired = '{\"flashEnabled\": false}' || s.desired || x.patch, "
    "version = s.version + 1, desired_at = now() "
    "FROM unnest($1::text[], $2::jsonb[]) AS x(device_id, patch) WHERE s.device_id = x.device_id";

static const char supersede_sql[] =
    "UPDATE delivery d SET state = 'superseded', finished_at = now() "
    "FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bytea[], "
    "$7::uuid[], $8::bigint[], $9::uuid[], $10::integer[], $11::boolean[], $12::boolean[]) "
    "AS x(delivery_id, label_id, store_id, kind, version, digest, item_id, price_id, job_id, "
    "row_number, fall, online) "
    "WHERE d.label_id = x.label_id AND d.kind = x.kind AND d.finished_at IS NULL";

/* What is not online waits for its return: the sender need not look at it (pending, no time). */
static const char insert_sql[] =
    "INSERT INTO delivery (delivery_id, label_id, store_id, kind, version, content_digest, "
    "item_id, price_id, job_id, row_number, after_catalogue, state, next_attempt_at) "
    "SELECT x.delivery_id, x.label_id, x.store_id, x.kind, x.version, x.digest, x.item_id, "
    "x.price_id, x.job_id, x.row_number, CASE WHEN x.fall THEN v.version END, "
    "CASE WHEN x.online THEN 'queued' ELSE 'pending' END, CASE WHEN x.online THEN now() END "
    "FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bytea[], "
    "$7::uuid[], $8::bigint[], $9::uuid[], $10::integer[], $11::boolean[], $12::boolean[]) "
    "AS x(delivery_id, label_id, store_id, kind, version, digest, item_id, price_id, job_id, "
    "row_number, fall, online) LEFT JOIN catalogue_version v ON v.store_id = x.store_id";

/* Once for each product and language (P64). */
static const char gap_sql[] =
    "WITH new AS (INSERT INTO translation_gap (store_id, item_id, language) "
    "SELECT DISTINCT * FROM unnest($1::text[], $2::uuid[], $3::text[]) "
    "ON CONFLICT DO NOTHING RETURNING store_id, item_id, language) "
    "SELECT raise_alert(new.store_id, 'missing_translation', 'low', NULL, i.sku, "
    "'missing_translation:' || i.sku || ':' || new.language, "
    "'Product ' || i.sku || ' has no name in language ' || new.language || "
    "'; its labels show the English one.') FROM new JOIN item i USING (item_id)";

static const char notify_sql[] = "SELECT pg_notify('" DELIVERY_CHANNEL "', '')";

void delivery_write_init(struct delivery_write *w)
{
    pg_rows_init(&w->shadows, 2, COLUMN_BYTES_MAX);
    pg_rows_init(&w->deliveries, 12, COLUMN_BYTES_MAX);
    pg_rows_init(&w->gaps, 3, COLUMN_BYTES_MAX);
}

void delivery_write_deinit(struct delivery_write *w)
{
    pg_rows_deinit(&w->shadows);
    pg_rows_deinit(&w->deliveries);
    pg_rows_deinit(&w->gaps);
}

static void text_or_null(struct pg_array *a, const char *text)
{
    if (text == NULL) {
        pg_array_null(a);
    } else {
        pg_array_span(a, span_text(text, 64));
    }
}

static void number_or_null(struct pg_array *a, int64_t value)
{
    if (value == 0) {
        pg_array_null(a);
    } else {
        pg_array_i64(a, value);
    }
}

void delivery_write_add(struct delivery_write *w, const struct delivery_row *row,
                        const struct delivery_cause *cause)
{
    pg_array_span(pg_rows_next(&w->shadows), row->label_id);
    pg_array_span(pg_rows_next(&w->shadows), row->patch);
    pg_rows_end(&w->shadows);
    struct pg_rows *d = &w->deliveries;
    bool of_job = cause->job_id != NULL && row->row_number > 0;
    text_or_null(pg_rows_next(d), row->delivery_id);
    pg_array_span(pg_rows_next(d), row->label_id);
    pg_array_span(pg_rows_next(d), row->store_id);
    text_or_null(pg_rows_next(d), row->kind);
    pg_array_i64(pg_rows_next(d), row->version);
    pg_array_bytes(pg_rows_next(d), row->digest);
    text_or_null(pg_rows_next(d), row->item_id);
    number_or_null(pg_rows_next(d), row->price_id);
    text_or_null(pg_rows_next(d), of_job ? cause->job_id : NULL);
    number_or_null(pg_rows_next(d), of_job ? row->row_number : 0);
    pg_array_bool(pg_rows_next(d), (cause->fall_first || row->gated) && row->digest.data != NULL);
    pg_array_bool(pg_rows_next(d), row->online);
    pg_rows_end(d);
}

void delivery_write_gap(struct delivery_write *w, struct span store_id, const char *item_id,
                        const char *language)
{
    pg_array_span(pg_rows_next(&w->gaps), store_id);
    text_or_null(pg_rows_next(&w->gaps), item_id);
    text_or_null(pg_rows_next(&w->gaps), language);
    pg_rows_end(&w->gaps);
}

enum res delivery_write_run(struct delivery_write *w, struct pg_conn *c, struct err *why)
{
    if (w->deliveries.count == 0 && w->gaps.count == 0) {
        return RES_OK;
    }
    enum res r = pg_conn_pipeline_begin(c, why);
    if (r != RES_OK) {
        return r;
    }
    r = pg_rows_add(&w->shadows, c, shadow_sql, why);
    if (r == RES_OK) {
        r = pg_rows_add(&w->deliveries, c, supersede_sql, why);
    }
    if (r == RES_OK) {
        r = pg_rows_add(&w->deliveries, c, insert_sql, why);
    }
    if (r == RES_OK) {
        r = pg_rows_add(&w->gaps, c, gap_sql, why);
    }
    if (r == RES_OK && w->deliveries.count > 0) {
        r = pg_conn_pipeline_add(c, notify_sql, NULL, why);
    }
    struct err ignored;
    enum res done = pg_conn_pipeline_finish(c, NULL, NULL, r == RES_OK ? why : &ignored);
    return r == RES_OK ? done : r;
}

enum res delivery_write_id(int64_t now_ms, char ret[DELIVERY_UUID_BYTES])
{
    uint8_t b[16];
    if (getrandom(b, sizeof b, 0) != sizeof b) {
        return RES_IO;
    }
    for (int i = 0; i < 6; i++) {
        b[i] = (uint8_t)((uint64_t)now_ms >> (40 - 8 * i));
    }
    b[6] = (uint8_t)((b[6] & 0x0F) | 0x70);
    b[8] = (uint8_t)((b[8] & 0x3F) | 0x80);
    static const struct {
        size_t from;
        size_t to;
    } groups[] = {{0, 4}, {4, 6}, {6, 8}, {8, 10}, {10, 16}};
    struct sink out;
    sink_init(&out, ret, DELIVERY_UUID_BYTES - 1);
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        if (i > 0) {
            sink_byte(&out, '-');
        }
        sink_hex(&out, span_of(b + groups[i].from, groups[i].to - groups[i].from));
    }
    ret[out.size] = '\0';
    return RES_OK;
}
