/* Fuzz target for catalogue files: libFuzzer's entry, no main of its own.
 *
 * Beyond memory safety it holds these to be true: the records do not depend on how the bytes were
 * cut into chunks; a row that is taken has a valid GTIN, a price within its limits and at most its
 * MRP, and texts that are UTF-8; a row that is refused says which field and why.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog_row.h"
#include "csv.h"
#include "json.h"

#define RECORD_BYTES 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hold(bool truth, const char *what)
{
    if (!truth) {
        (void)fprintf(stderr, "does not hold: %s\n", what);
        abort();
    }
}

struct walk {
    struct catalog_row_header header;
    bool has_header;
    uint64_t digest; /* over everything that was read */
};

static void mix(struct walk *w, struct span bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        w->digest = (w->digest ^ bytes.data[i]) * UINT64_C(1099511628211);
    }
    w->digest = (w->digest ^ 0x100) * UINT64_C(1099511628211);
}

static void check_row(const struct walk *w, const struct csv *csv)
{
    struct catalog_row row;
    struct catalog_refusals refusals = {.count = 0};
    if (catalog_row_read(&w->header, csv->fields, csv->field_count, &row, &refusals) != RES_OK) {
        hold(refusals.count > 0 && refusals.items[0].field != NULL &&
                 refusals.items[0].reason != NULL,
             "a refusal says which field and why");
        return;
    }
    hold(strlen(row.gtin) == GTIN_DIGITS && gtin_is_valid(span_of(row.gtin, GTIN_DIGITS)),
         "a taken row has a GTIN");
    hold(row.sku[0] != '\0', "a taken row has a sku");
    hold(row.price_minor >= 1 && row.price_minor <= CATALOG_PRICE_MINOR_MAX, "a price is in range");
    hold(row.mrp_minor == CATALOG_ABSENT || row.price_minor <= row.mrp_minor, "at most the MRP");
    hold(row.name[0].size > 0, "a taken row has a name");
    for (size_t i = 0; i < CATALOG_LANGUAGES; i++) {
        hold(json_utf8_is_valid(row.name[i]) && json_utf8_is_valid(row.description[i]), "UTF-8");
    }
}

static void take(struct walk *w, const struct csv *csv, enum csv_got got)
{
    w->digest = (w->digest ^ csv->line) * UINT64_C(1099511628211);
    if (got == CSV_FAULT) {
        hold(csv->fault != CSV_FINE, "a fault has a reason");
        w->digest ^= (uint64_t)csv->fault << 56;
        return;
    }
    for (size_t i = 0; i < csv->field_count; i++) {
        mix(w, csv->fields[i]);
    }
    const char *what = NULL;
    if (w->has_header) {
        check_row(w, csv);
    } else if (catalog_row_header(csv->fields, csv->field_count, false, &w->header, &what) ==
               RES_OK) {
        w->has_header = true;
    } else {
        hold(what != NULL, "a refused header names the column");
    }
}

static uint64_t read_in_chunks(struct span all, size_t chunk_size)
{
    static char record[RECORD_BYTES];
    static struct walk w;
    struct csv csv;
    w = (struct walk){.has_header = false};
    csv_init(&csv, record, sizeof record);
    while (all.size > 0) {
        struct span chunk = span_of(all.data, all.size < chunk_size ? all.size : chunk_size);
        all = span_of(all.data + chunk.size, all.size - chunk.size);
        for (enum csv_got got; (got = csv_feed(&csv, &chunk)) != CSV_MORE;) {
            take(&w, &csv, got);
        }
    }
    enum csv_got got = csv_finish(&csv);
    if (got != CSV_END) {
        take(&w, &csv, got);
    }
    hold(csv_finish(&csv) == CSV_END, "the end comes once");
    return w.digest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span all = span_of(data, size);
    uint64_t whole = read_in_chunks(all, size > 0 ? size : 1);
    hold(read_in_chunks(all, 1) == whole, "chunks do not matter");
    hold(read_in_chunks(all, 7) == whole, "chunks do not matter");
    return 0;
}
