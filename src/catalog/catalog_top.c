#include "catalog_top.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The frame's signature, header fields and brackets, with room to spare. */
#define CHUNK_OVERHEAD_BYTES 400
/* An item's keys, quotes and numbers beside its sku and name. */
#define ITEM_OVERHEAD_BYTES 120
/* Retained messages are kept by the broker for each store: a name may be cut, an item is never. */
#define CHUNK_BYTES (WIRE_PLATFORM_BYTES_MAX - CHUNK_OVERHEAD_BYTES)

static const char read_store[] =
    "SELECT s.currency, v.version, now() FROM store s JOIN catalogue_version v USING (store_id) "
    "WHERE s.store_id = $1";

/* Sales first; then the spread: first items of every category, second ones, ... A store's own item
 * hides the region's. */
static const char read_items[] =
    "WITH sold AS (SELECT item_id, sum(quantity) AS quantity FROM sale_daily "
    "WHERE store_id = $1 AND day >= current_date - 28 GROUP BY item_id), "
    "offered AS (SELECT i.*, s.primary_language FROM store s JOIN item i ON i.store_id = "
    "s.store_id "
    "OR (i.store_id IS NULL AND i.region = s.region AND NOT EXISTS (SELECT FROM item own "
    "WHERE own.store_id = s.store_id AND own.gtin = i.gtin AND own.deleted_at IS NULL)) "
    "WHERE s.store_id = $1 AND i.deleted_at IS NULL), "
    "ranked AS (SELECT o.*, coalesce(sold.quantity, 0) AS quantity, row_number() OVER "
    "(PARTITION BY o.category ORDER BY o.source_position NULLS LAST, o.sku) AS spread "
    "FROM offered o LEFT JOIN sold USING (item_id)), "
    "chosen AS (SELECT * FROM ranked ORDER BY quantity DESC, spread, source_position NULLS LAST, "
    "gtin LIMIT $2) "
    "SELECT gtin, sku, coalesce(name ->> primary_language, name ->> 'en'), "
    "coalesce(charge_minor, price_minor), "
    "coalesce(expected_weight_g, 0), per_kg FROM chosen ORDER BY gtin";

static const char read_changes[] =
    "WITH s AS (SELECT store_id, region, currency, primary_language FROM store "
    "WHERE store_id = $1), changed AS (SELECT gtin FROM item WHERE store_id = $1 "
    "AND updated_at >= $2::timestamptz - make_interval(secs => $3::double precision) "
    "UNION SELECT i.gtin FROM item i JOIN s ON i.region = s.region WHERE i.store_id IS NULL "
    "AND i.updated_at >= $2::timestamptz - make_interval(secs => $3::double precision)) "
    "SELECT c.gtin, coalesce(i.sku, ''), "
    "coalesce(i.name ->> primary_language, i.name ->> 'en', ''), "
    "coalesce(i.charge_minor, i.price_minor, 0), coalesce(i.expected_weight_g, 0), "
    "coalesce(i.per_kg, false), i.item_id IS NULL, s.currency, v.version "
    "FROM s JOIN catalogue_version v USING (store_id) LEFT JOIN changed c ON true "
    "LEFT JOIN LATERAL (SELECT * FROM item o WHERE o.gtin = c.gtin AND o.deleted_at IS NULL "
    "AND (o.store_id = s.store_id OR (o.store_id IS NULL AND o.region = s.region)) "
    "ORDER BY o.store_id NULLS LAST LIMIT 1) i ON true ORDER BY c.gtin";

/* The cart's display takes no control characters, quotes or backslashes (docs/wire.md). */
static void display_name(struct span name, char ret[CATALOG_TOP_NAME_BYTES + 1])
{
    size_t n = name.size;
    if (n > CATALOG_TOP_NAME_BYTES) {
        n = CATALOG_TOP_NAME_BYTES;
        while (n > 0 && (name.data[n] & 0xC0) == 0x80) {
            n--;
        }
    }
    for (size_t i = 0; i < n; i++) {
        char c = (char)name.data[i];
        bool control = name.data[i] < ' ' || name.data[i] == 0x7F;
        ret[i] = control ? ' ' : c == '"' ? '\'' : c == '\\' ? '/' : c;
    }
    ret[n] = '\0';
}

static enum res copy_items(const PGresult *rows, struct catalog_top *top)
{
    size_t count = (size_t)PQntuples(rows);
    if (count > 0 && PQgetisnull(rows, 0, 0) == 1) {
        count = 0; /* the one row of a store without changes */
    }
    top->items = calloc(count > 0 ? count : 1, sizeof *top->items);
    top->chunk_start = calloc(count + 2, sizeof *top->chunk_start);
    if (top->items == NULL || top->chunk_start == NULL) {
        return RES_NO_MEMORY;
    }
    top->count = count;
    for (size_t i = 0; i < count; i++) {
        struct catalog_top_item *item = &top->items[i];
        int row = (int)i;
        if (span_copy_text(pg_get_span(rows, row, 0), item->gtin, sizeof item->gtin) != RES_OK ||
            span_copy_text(pg_get_span(rows, row, 1), item->sku, sizeof item->sku) != RES_OK) {
            return RES_CORRUPT; /* the table's own checks exclude it */
        }
        display_name(pg_get_span(rows, row, 2), item->name);
        item->price_minor = pg_get_i64(rows, row, 3);
        item->weight_g = pg_get_i64(rows, row, 4);
        item->per_kg = pg_get_bool(rows, row, 5);
        item->gone = PQnfields(rows) > 6 && pg_get_bool(rows, row, 6);
    }
    return RES_OK;
}

static void cut_into_chunks(struct catalog_top *top)
{
    size_t in_chunk = 0;
    size_t bytes = 0;
    top->chunk_count = 1;
    for (size_t i = 0; i < top->count; i++) {
        size_t item = ITEM_OVERHEAD_BYTES + strlen(top->items[i].sku) + strlen(top->items[i].name);
        if (in_chunk == WIRE_CATALOGUE_ITEMS_MAX || bytes + item > CHUNK_BYTES) {
            top->chunk_start[top->chunk_count++] = i;
            in_chunk = 0;
            bytes = 0;
        }
        in_chunk++;
        bytes += item;
    }
    top->chunk_start[top->chunk_count] = top->count;
}

enum res catalog_top_read(struct pg_conn *c, const char *store_id, size_t items_max,
                          struct catalog_top *ret, struct err *why)
{
    assert(items_max >= 1 && items_max <= CATALOG_TOP_ITEMS);
    struct catalog_top top = {.count = 0};
    struct pg_params p;
    PGresult *rows = NULL;
    pg_params_init(&p);
    pg_params_cstr(&p, store_id);
    enum res r = pg_conn_run(c, read_store, &p, &rows, why);
    if (r != RES_OK) {
        goto out;
    }
    if (PQntuples(rows) == 0 ||
        span_copy_text(span_text(store_id, 64), top.store_id, sizeof top.store_id) != RES_OK ||
        span_copy_text(pg_get_span(rows, 0, 0), top.currency, sizeof top.currency) != RES_OK) {
        err_set(why,
                "there is no store %.64s with a catalogue; import one with `endcap catalog "
                "import`",
                store_id);
        r = RES_NOT_FOUND;
        goto out;
    }
    top.version = pg_get_i64(rows, 0, 1);
    top.read_ms = pg_get_time_ms(rows, 0, 2);
    PQclear(rows);
    rows = NULL;
    pg_params_i64(&p, (int64_t)items_max);
    r = pg_conn_run(c, read_items, &p, &rows, why);
    if (r == RES_OK) {
        r = copy_items(rows, &top);
        if (r != RES_OK) {
            err_set(why, "out of memory while choosing the carts' items");
        }
    }
    if (r == RES_OK) {
        cut_into_chunks(&top);
        *ret = top;
        top = (struct catalog_top){.count = 0};
    }
out:
    PQclear(rows);
    catalog_top_deinit(&top);
    return r;
}

enum res catalog_top_read_changes(struct pg_conn *c, const char *store_id, int64_t since_ms,
                                  struct catalog_top *ret, struct err *why)
{
    struct catalog_top top = {.read_ms = since_ms};
    struct pg_params p;
    PGresult *rows = NULL;
    pg_params_init(&p);
    pg_params_cstr(&p, store_id);
    pg_params_time_ms(&p, since_ms);
    pg_params_i64(&p, CATALOG_TOP_MARGIN_S);
    enum res r = pg_conn_run(c, read_changes, &p, &rows, why);
    if (r != RES_OK) {
        return r;
    }
    if (PQntuples(rows) == 0 ||
        span_copy_text(span_text(store_id, 64), top.store_id, sizeof top.store_id) != RES_OK ||
        span_copy_text(pg_get_span(rows, 0, 7), top.currency, sizeof top.currency) != RES_OK) {
        err_set(why, "there is no store %.64s with a catalogue any more", store_id);
        r = RES_NOT_FOUND;
    } else {
        top.version = pg_get_i64(rows, 0, 8);
        r = copy_items(rows, &top);
        if (r != RES_OK) {
            err_set(why, "out of memory while reading what changed in the carts' items");
        }
    }
    PQclear(rows);
    if (r != RES_OK) {
        catalog_top_deinit(&top);
        return r;
    }
    *ret = top;
    return RES_OK;
}

void catalog_top_deinit(struct catalog_top *top)
{
    free(top->items);
    free(top->chunk_start);
    *top = (struct catalog_top){.count = 0};
}

void catalog_top_chunk(const struct catalog_top *top, size_t chunk, struct wire_catalogue *ret)
{
    assert(chunk < top->chunk_count);
    size_t from = top->chunk_start[chunk];
    size_t to = top->chunk_start[chunk + 1];
    *ret = (struct wire_catalogue){.store_id = span_text(top->store_id, sizeof top->store_id),
                                   .version = top->version,
                                   .chunk = (int64_t)chunk,
                                   .chunks = (int64_t)top->chunk_count,
                                   .currency = span_text(top->currency, 3),
                                   .item_count = to - from};
    for (size_t i = from; i < to; i++) {
        const struct catalog_top_item *item = &top->items[i];
        ret->items[i - from] =
            (struct wire_catalogue_item){.gtin = span_text(item->gtin, GTIN_DIGITS),
                                         .sku = span_text(item->sku, sizeof item->sku),
                                         .name = span_text(item->name, sizeof item->name),
                                         .price = item->price_minor,
                                         .weight_g = item->weight_g,
                                         .per_kg = item->per_kg ? 1 : 0};
    }
}

enum res catalog_top_published(struct pg_conn *c, const char *store_id, int64_t version,
                               int64_t chunks, struct err *why)
{
    struct pg_params p;
    pg_params_init(&p);
    pg_params_cstr(&p, store_id);
    pg_params_i64(&p, version);
    pg_params_i64(&p, chunks);
    return pg_conn_run(c,
                       "UPDATE catalogue_version SET published_version = $2, published_at = now(), "
                       "chunk_count = $3 WHERE store_id = $1 AND published_version <= $2",
                       &p, NULL, why);
}
