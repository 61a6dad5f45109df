#include "ingest_product.h"

#include <string.h>

#include "gtin.h"

#define COLUMN_BYTES_MAX (1024 * 1024)
#define NAME_BYTES_MAX   96

static const char items_sql[] =
    "SELECT i.n, t.sku, t.name ->> 'en', coalesce(t.charge_minor, t.price_minor), "
    "t.currency::text, t.expected_weight_g, "
    "t.per_kg FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) AS i(n, store, region, "
    "gtin) LEFT JOIN LATERAL (SELECT * FROM item WHERE item.gtin = i.gtin "
    "AND item.deleted_at IS NULL AND (item.store_id = i.store "
    "OR (item.store_id IS NULL AND item.region = i.region)) "
    "ORDER BY item.store_id NULLS LAST LIMIT 1) AS t ON true";

static void fill_found(const PGresult *rows, int row, struct sink *name, struct wire_product *p)
{
    if (pg_get_is_null(rows, row, 1) ||
        wire_name_clean(pg_get_span(rows, row, 2), name) != RES_OK) {
        return;
    }
    p->found = 1;
    p->sku = pg_get_span(rows, row, 1);
    p->name = sink_span(name);
    p->price = pg_get_i64(rows, row, 3);
    p->currency = pg_get_span(rows, row, 4);
    p->weight_g = pg_get_is_null(rows, row, 5) ? 0 : pg_get_i64(rows, row, 5);
    p->per_kg = pg_get_bool(rows, row, 6) ? 1 : 0;
}

static int64_t answer_rows(struct ingest_answer *answer, const PGresult *rows,
                           const struct ingest_want *wants, size_t count, int64_t now_ms)
{
    int64_t answered = 0;
    for (int i = 0; i < PQntuples(rows); i++) {
        int64_t n = pg_get_i64(rows, i, 0);
        if (n < 0 || (size_t)n >= count) {
            continue;
        }
        const struct ingest_want *w = &wants[n];
        char name[NAME_BYTES_MAX];
        struct sink out;
        sink_init(&out, name, sizeof name);
        struct wire_downlink d;
        wire_downlink_init(&d, WIRE_PRODUCT);
        d.cart_id = ingest_device_id(w->device);
        d.time_ms = now_ms;
        d.product.epoch = w->epoch;
        d.product.counter = w->counter;
        d.product.gtin = span_text(w->gtin, sizeof w->gtin - 1);
        d.product.found = 0;
        fill_found(rows, i, &out, &d.product);
        answered += ingest_answer_send(answer, &d) == RES_OK ? 1 : 0;
    }
    return answered;
}

int64_t ingest_product_answer(struct ingest_answer *answer, struct pg_conn *conn,
                              const struct ingest_devices *devices, const struct ingest_want *wants,
                              size_t count, int64_t now_ms)
{
    int64_t answered = 0;
    struct pg_rows asked;
    if (count == 0) {
        return 0;
    }
    pg_rows_init(&asked, 4, COLUMN_BYTES_MAX);
    for (size_t i = 0; i < count; i++) {
        char gtin14[GTIN_DIGITS + 1];
        if (gtin_normalise(span_text(wants[i].gtin, sizeof wants[i].gtin - 1), gtin14) != RES_OK) {
            continue;
        }
        const struct ingest_store *store = &devices->stores[wants[i].device->store];
        pg_array_i64(pg_rows_next(&asked), (int64_t)i);
        pg_array_span(pg_rows_next(&asked), span_text(store->id, sizeof store->id - 1));
        pg_array_span(pg_rows_next(&asked), span_text(store->region, sizeof store->region - 1));
        pg_array_span(pg_rows_next(&asked), span_of(gtin14, GTIN_DIGITS));
        pg_rows_end(&asked);
    }
    struct pg_params params;
    pg_params_init(&params);
    for (size_t i = 0; i < asked.columns; i++) {
        pg_params_cstr(&params, pg_array_close(&asked.column[i]));
    }
    PGresult *rows = NULL;
    if (pg_conn_run(conn, items_sql, &params, &rows, NULL) == RES_OK) {
        answered = answer_rows(answer, rows, wants, count, now_ms);
        PQclear(rows);
    }
    pg_rows_deinit(&asked);
    return answered;
}
