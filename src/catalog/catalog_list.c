#include "catalog_list.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "money.h"
#include "pg_get.h"

#define HEADER                                                                                     \
    "gtin,sku,name,name_hi,name_ta,name_te,name_bn,name_mr,description,description_hi,"            \
    "description_ta,description_te,description_bn,description_mr,category,brand,price,mrp,"        \
    "weight_g,per_kg,stock\n"
#define TEXTS 16 /* columns before the price */

static void write_text(FILE *out, struct span text)
{
    (void)fputc('"', out);
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '"') {
            (void)fputc('"', out);
        }
        (void)fputc(text.data[i], out);
    }
    (void)fputs("\",", out);
}

static void write_money(FILE *out, const PGresult *rows, int row, int column)
{
    char text[32];
    struct sink s;
    sink_init(&s, text, sizeof text);
    if (!pg_get_is_null(rows, row, column)) {
        money_write(&s, pg_get_i64(rows, row, column));
    }
    (void)fprintf(out, "%.*s,", (int)s.size, text);
}

static void write_row(FILE *out, const PGresult *rows, int row)
{
    for (int column = 0; column < TEXTS; column++) {
        write_text(out, pg_get_span(rows, row, column));
    }
    write_money(out, rows, row, TEXTS);
    write_money(out, rows, row, TEXTS + 1);
    if (!pg_get_is_null(rows, row, TEXTS + 2)) {
        (void)fprintf(out, "%" PRId64, pg_get_i64(rows, row, TEXTS + 2));
    }
    (void)fprintf(out, ",%d,%" PRId64 "\n", pg_get_bool(rows, row, TEXTS + 3) ? 1 : 0,
                  pg_get_i64(rows, row, TEXTS + 4));
}

static enum res store_exists(struct pg_conn *c, const char *store_id, struct err *why)
{
    struct pg_params p;
    PGresult *rows = NULL;
    pg_params_init(&p);
    pg_params_cstr(&p, store_id);
    enum res r = pg_conn_run(c, "SELECT 1 FROM store WHERE store_id = $1", &p, &rows, why);
    if (r == RES_OK && PQntuples(rows) == 0) {
        err_set(why, "there is no store `%s`; `endcap store list` shows them", store_id);
        r = RES_NOT_FOUND;
    }
    PQclear(rows);
    return r;
}

enum res catalog_list(struct pg_conn *c, const char *store_id, FILE *out, struct err *why)
{
    struct pg_params p;
    PGresult *rows = NULL;
    enum res r = store_exists(c, store_id, why);
    if (r != RES_OK) {
        return r;
    }
    pg_params_init(&p);
    pg_params_cstr(&p, store_id);
    r = pg_conn_run(
        c,
        "SELECT gtin::text, sku, name ->> 'en', name ->> 'hi', name ->> 'ta',"
        " name ->> 'te', name ->> 'bn', name ->> 'mr', description ->> 'en',"
        " description ->> 'hi', description ->> 'ta', description ->> 'te',"
        " description ->> 'bn', description ->> 'mr', category, brand,"
        " price_minor::bigint, mrp_minor::bigint, expected_weight_g::bigint, per_kg,"
        " stock_count::bigint FROM item WHERE store_id = $1 AND deleted_at IS NULL ORDER BY gtin",
        &p, &rows, why);
    if (r != RES_OK) {
        return r;
    }
    (void)fputs(HEADER, out);
    for (int row = 0; row < PQntuples(rows); row++) {
        write_row(out, rows, row);
    }
    PQclear(rows);
    if (fflush(out) != 0 || ferror(out) != 0) {
        err_set(why, "cannot write the list: %s", strerror(errno));
        return RES_IO;
    }
    return RES_OK;
}
