#include "delivery_refresh.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "delivery_compose.h"
#include "delivery_write.h"
#include "ecdsa.h"
#include "money.h"

#define ASKED_BYTES_MAX (64 * 1024 * 1024)
#define CANONICAL_BYTES 2048

/* Whose row is locked while another changes its item, its language or its section? Every caller
 * takes the items first (shared here, for update by who changes them), then the shadows in the
 * order of their ids, and only then reads: nothing read can be older than the locks. */
#define LABELS_OF_ITEMS "FROM label l JOIN unnest($1::uuid[]) AS a(item_id) USING (item_id) "
#define LABELS_BY_ID    "FROM label l JOIN unnest($1::text[]) AS a(label_id) USING (label_id) "
#define NOT_RETIRED     "WHERE l.retired_at IS NULL"
#define ITEMS_SHARED(of)                                                                           \
    "SELECT item_id FROM item WHERE item_id IN (" of ") ORDER BY item_id FOR SHARE"
#define MAKE_SHADOWS(of)                                                                           \
    "INSERT INTO shadow (device_id, store_id) SELECT l.label_id, l.store_id " of NOT_RETIRED       \
    " AND NOT EXISTS (SELECT FROM shadow s WHERE s.device_id = l.label_id) "                       \
    "ORDER BY l.label_id ON CONFLICT DO NOTHING"
#define LOCK_SHADOWS(of)                                                                           \
    "SELECT count(*) FROM (SELECT FROM shadow s WHERE s.device_id IN (SELECT l.label_id " of       \
        NOT_RETIRED ") ORDER BY s.device_id FOR UPDATE) AS held"

/* All that is left of it has expired, or is about to be taken away for that (S-175). */
#define WITHDRAWN                                                                                  \
    "i.deleted_at IS NOT NULL OR (EXISTS (SELECT FROM item_batch b WHERE b.item_id = i.item_id "   \
    "AND b.store_id = l.store_id AND (b.state = 'expired' OR (b.state = 'listed' "                 \
    "AND b.expires_on < (now() AT TIME ZONE s.timezone)::date))) "                                 \
    "AND NOT EXISTS (SELECT FROM item_batch b WHERE b.item_id = i.item_id "                        \
    "AND b.store_id = l.store_id AND b.state = 'listed' "                                          \
    "AND b.expires_on >= (now() AT TIME ZONE s.timezone)::date))"
enum column {
    LABEL_ID,
    STORE_ID,
    LANGUAGE,
    ONLINE,
    ITEM_ID,
    SKU,
    NAME,
    NAME_EN,
    PRICE,
    REGULAR,
    MRP,
    CURRENCY,
    PER_KG,
    SALE,
    IS_WITHDRAWN,
    SLUG,
    URL,
    HELD_VERSION,
    PRICE_ID,
    ROW_NUMBER,
    GAP_IS_NEW,
    HELD,
    SHOWN_VERSION,
    SHOWN_DIGEST,
    SHOWN_AT,
    HELD_DIGEST,
    HELD_LOST,
    HELD_GATED,
};
/* The held delivery is looked up by a plain column, or row security would have the whole table read
 * before an expression over another table's json may be compared with its rows. */
#define FACTS(price_id, row_number, from)                                                          \
    "WITH facts AS MATERIALIZED (SELECT l.label_id::text, l.store_id::text, t.language, "          \
    "l.online, i.item_id, i.sku, i.name ->> t.language, i.name ->> 'en', i.price_minor, "          \
    "i.regular_minor, i.mrp_minor, coalesce(i.currency, s.currency)::text, i.per_kg, "             \
    "i.is_flash_sale, " WITHDRAWN ", coalesce(i.nfc_slug, replace(i.item_id::text, '-', '')), "    \
    "s.settings ->> 'productUrl', (h.desired -> 'display' ->> 'version')::bigint, " price_id       \
    ", " row_number ", CASE WHEN i.name ->> t.language IS NULL THEN NOT EXISTS "                   \
    "(SELECT FROM translation_gap g WHERE g.store_id = l.store_id AND g.item_id = i.item_id "      \
    "AND g.language = t.language) ELSE false END, "                                                \
    "(h.desired -> 'display' ->> 'updateId')::uuid AS held, l.shown_version, "                     \
    "l.shown_digest, l.shown_at " from " JOIN store s ON s.store_id = l.store_id "                 \
    "JOIN shadow h ON h.device_id = l.label_id "                                                   \
    "LEFT JOIN store_section x ON x.store_id = l.store_id AND x.aisle = l.aisle "                  \
    "CROSS JOIN LATERAL (SELECT coalesce(l.language, x.language, s.primary_language)::text AS "    \
    "language) AS t " NOT_RETIRED ") SELECT f.*, d.content_digest, d.state IN ('failed', "         \
    "'superseded') OR (d.state = 'displayed' AND f.shown_digest <> d.content_digest AND "          \
    "f.shown_at > d.finished_at AND f.shown_at < now() - interval '1 minute'), "                   \
    "d.finished_at IS NULL AND d.after_catalogue IS NOT NULL "                                     \
    "FROM facts f LEFT JOIN delivery d ON d.delivery_id = f.held"

static const char shadows_of_items[] = MAKE_SHADOWS(LABELS_OF_ITEMS);
static const char lock_of_items[] = LOCK_SHADOWS(LABELS_OF_ITEMS);
static const char facts_of_items[] =
    FACTS("a.price_id", "a.row_number",
          "FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS a(item_id, price_id, row_number) "
          "JOIN item i USING (item_id) JOIN label l ON l.item_id = i.item_id");
static const char share_items[] = ITEMS_SHARED("SELECT l.item_id " LABELS_BY_ID);
static const char shadows_by_id[] = MAKE_SHADOWS(LABELS_BY_ID);
static const char lock_by_id[] = LOCK_SHADOWS(LABELS_BY_ID);
static const char facts_by_id[] =
    FACTS("NULL::bigint", "NULL::bigint", LABELS_BY_ID "LEFT JOIN item i ON i.item_id = l.item_id");
/* Without dashes, an item's own id is unique already and says nothing else. A regional item is not
 * the api's to change: its labels carry the same slug, which is stored when somebody may. */
static const char name_items[] =
    "UPDATE item i SET nfc_slug = replace(i.item_id::text, '-', '') FROM (SELECT item_id FROM "
    "item WHERE item_id = ANY ($1::uuid[]) AND nfc_slug IS NULL ORDER BY item_id) AS x "
    "WHERE i.item_id = x.item_id";
/* By a semi-join: the planner knows nothing yet of labels that were made a moment ago. */
static const char name_items_by_id[] =
    "UPDATE item i SET nfc_slug = replace(i.item_id::text, '-', '') WHERE i.nfc_slug IS NULL AND "
    "i.item_id IN (SELECT l.item_id FROM label l WHERE l.label_id = ANY ($1::text[]))";

struct refresh {
    const struct delivery_cause *cause;
    struct delivery_write write;
    struct delivery_count count;
    int64_t now_ms;
    size_t facts_step; /* which answer holds the facts */
    enum res res;      /* of composing */
};

static enum res facts_of(const PGresult *rows, int row, struct delivery_facts *ret)
{
    *ret = (struct delivery_facts){
        .label_id = pg_get_span(rows, row, LABEL_ID),
        .product_id = pg_get_span(rows, row, SKU),
        .name = pg_get_span(rows, row, NAME),
        .name_en = pg_get_span(rows, row, NAME_EN),
        .price_minor = pg_get_i64(rows, row, PRICE),
        .regular_minor = pg_get_i64(rows, row, REGULAR),
        .mrp_minor = pg_get_i64(rows, row, MRP),
        .currency = pg_get_span(rows, row, CURRENCY),
        .per_kg = pg_get_bool(rows, row, PER_KG),
        .is_flash_sale = pg_get_bool(rows, row, SALE),
        .withdrawn = pg_get_bool(rows, row, IS_WITHDRAWN),
        .slug = pg_get_span(rows, row, SLUG),
        .url = pg_get_span(rows, row, URL),
    };
    return shelf_language_read(pg_get_span(rows, row, LANGUAGE), &ret->language);
}

static enum res digest_of(const struct shelf_display *display, uint8_t ret[SHELF_DIGEST_BYTES])
{
    uint8_t canonical[CANONICAL_BYTES];
    struct sink text;
    sink_init(&text, canonical, sizeof canonical);
    shelf_display_canonical(display, &text);
    return text.overflow ? RES_LIMIT : ecdsa_sha256(sink_span(&text), ret);
}

/* {"display": ..., "price": 65.00} */
static enum res patch_of(const struct shelf_display *display, uint8_t room[SHELF_DOWN_BYTES_MAX],
                         struct span *ret)
{
    struct sink patch;
    sink_init(&patch, room, SHELF_DOWN_BYTES_MAX);
    sink_text(&patch, "{\"display\":");
    shelf_display_encode(display, &patch);
    sink_text(&patch, ",\"price\":");
    if (display->price_minor > 0) {
        money_write(&patch, display->price_minor);
    } else {
        sink_text(&patch, "null");
    }
    sink_byte(&patch, '}');
    *ret = sink_span(&patch);
    return patch.overflow ? RES_LIMIT : RES_OK;
}

static void note_gap(struct refresh *x, const PGresult *rows, int row,
                     const struct delivery_facts *facts)
{
    if (delivery_lacks_translation(facts) && pg_get_bool(rows, row, GAP_IS_NEW)) {
        char item_id[DELIVERY_UUID_BYTES];
        pg_get_uuid(rows, row, ITEM_ID, item_id);
        delivery_write_gap(&x->write, pg_get_span(rows, row, STORE_ID), item_id,
                           shelf_language_name(facts->language));
    }
}

static enum res refresh_label(struct refresh *x, const PGresult *rows, int row)
{
    struct delivery_facts facts;
    struct delivery_texts texts;
    struct shelf_display display;
    enum res r = facts_of(rows, row, &facts);
    if (r != RES_OK) {
        return r;
    }
    x->count.labels++;
    note_gap(x, rows, row, &facts);
    delivery_compose(&facts, &texts, &display);
    r = digest_of(&display, display.digest);
    struct span digest = span_of(display.digest, sizeof display.digest);
    /* The same content again only where it never arrived, was taken back when the label left the
     * fleet, or the label said later that it shows another: a new try, with an id of its own. */
    if (r != RES_OK || (span_equal(digest, pg_get_span(rows, row, HELD_DIGEST)) &&
                        !pg_get_bool(rows, row, HELD_LOST))) {
        return r;
    }
    char delivery_id[DELIVERY_UUID_BYTES];
    char item_id[DELIVERY_UUID_BYTES];
    uint8_t room[SHELF_DOWN_BYTES_MAX];
    /* A label that knows more than we do (from before a backup was restored) takes no lower one. */
    int64_t held = pg_get_i64(rows, row, HELD_VERSION);
    int64_t known = pg_get_i64(rows, row, SHOWN_VERSION);
    struct delivery_row out = {.delivery_id = delivery_id,
                               .label_id = facts.label_id,
                               .store_id = pg_get_span(rows, row, STORE_ID),
                               .kind = "display",
                               .version = (known > held ? known : held) + 1,
                               .digest = digest,
                               .price_id = pg_get_i64(rows, row, PRICE_ID),
                               .row_number = pg_get_i64(rows, row, ROW_NUMBER),
                               .online = pg_get_bool(rows, row, ONLINE),
                               .gated = pg_get_bool(rows, row, HELD_GATED)};
    if (!pg_get_is_null(rows, row, ITEM_ID)) {
        pg_get_uuid(rows, row, ITEM_ID, item_id);
        out.item_id = item_id;
    }
    r = delivery_write_id(x->now_ms, delivery_id);
    display.update_id = span_text(delivery_id, SHELF_UPDATE_ID_BYTES);
    display.version = out.version;
    display.timestamp_ms = x->now_ms;
    if (r == RES_OK) {
        r = patch_of(&display, room, &out.patch);
    }
    if (r == RES_OK) {
        delivery_write_add(&x->write, &out, x->cause);
        x->count.changed++;
    }
    return r;
}

static enum res on_answer(void *user, size_t index, const PGresult *rows)
{
    struct refresh *x = user;
    for (int row = 0; index == x->facts_step && row < PQntuples(rows) && x->res == RES_OK; row++) {
        x->res = refresh_label(x, rows, row);
    }
    return x->res;
}

struct step {
    const char *sql;
    const struct pg_params *params;
};

static enum res run_steps(struct refresh *x, struct pg_conn *c, const struct step *steps,
                          size_t count, struct err *why)
{
    enum res r = pg_conn_pipeline_begin(c, why);
    if (r != RES_OK) {
        return r;
    }
    x->facts_step = count - 1;
    for (size_t i = 0; i < count && r == RES_OK; i++) {
        r = pg_conn_pipeline_add(c, steps[i].sql, steps[i].params, why);
    }
    struct err unused;
    enum res done = pg_conn_pipeline_finish(c, on_answer, x, r == RES_OK ? why : &unused);
    r = r == RES_OK ? done : r;
    if (x->res != RES_OK) {
        err_set(why, "what a label shall show cannot be put into a message: %s", res_name(x->res));
        return x->res;
    }
    return r == RES_OK ? delivery_write_run(&x->write, c, why) : r;
}

static enum res run(struct pg_conn *c, const struct step *steps, size_t count,
                    const struct delivery_cause *cause, struct delivery_count *ret, struct err *why)
{
    struct refresh x = {.cause = cause, .now_ms = clock_utc_ms()};
    delivery_write_init(&x.write);
    enum res r = run_steps(&x, c, steps, count, why);
    delivery_write_deinit(&x.write);
    if (r == RES_OK) {
        *ret = x.count;
    }
    return r;
}

enum res delivery_refresh_items(struct pg_conn *c, const struct delivery_item *items, size_t count,
                                const struct delivery_cause *cause, struct delivery_count *ret,
                                struct err *why)
{
    enum { ITEM, PRICE_OF, ROW_OF, COLUMNS };
    struct pg_array a[COLUMNS];
    for (size_t i = 0; i < COLUMNS; i++) {
        pg_array_init(&a[i], ASKED_BYTES_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        pg_array_span(&a[ITEM], span_text(items[i].item_id, DELIVERY_UUID_BYTES));
        pg_array_i64(&a[PRICE_OF], items[i].price_id);
        pg_array_i64(&a[ROW_OF], items[i].row_number);
    }
    struct pg_params all;
    struct pg_params ids;
    pg_params_init(&all);
    pg_params_init(&ids);
    bool fits = true;
    for (size_t i = 0; i < COLUMNS; i++) {
        const char *text = pg_array_close(&a[i]);
        fits = fits && text != NULL;
        pg_params_cstr(&all, text);
        if (i == ITEM) {
            pg_params_cstr(&ids, text);
        }
    }
    enum res r = RES_LIMIT;
    if (fits) {
        const struct step steps[] = {{name_items, &ids},
                                     {shadows_of_items, &ids},
                                     {lock_of_items, &ids},
                                     {facts_of_items, &all}};
        r = run(c, steps, sizeof steps / sizeof steps[0], cause, ret, why);
    } else {
        err_set(why, "%zu products at once are too many for one refresh", count);
    }
    for (size_t i = 0; i < COLUMNS; i++) {
        pg_array_deinit(&a[i]);
    }
    return r;
}

enum res delivery_refresh_labels(struct pg_conn *c, const char *const *label_ids, size_t count,
                                 const struct delivery_cause *cause, struct delivery_count *ret,
                                 struct err *why)
{
    struct pg_array ids;
    pg_array_init(&ids, ASKED_BYTES_MAX);
    for (size_t i = 0; i < count; i++) {
        pg_array_span(&ids, span_text(label_ids[i], SHELF_ID_BYTES_MAX + 1));
    }
    struct pg_params p;
    pg_params_init(&p);
    const char *text = pg_array_close(&ids);
    enum res r = RES_LIMIT;
    if (text != NULL) {
        pg_params_cstr(&p, text);
        const struct step steps[] = {{share_items, &p},
                                     {name_items_by_id, &p},
                                     {shadows_by_id, &p},
                                     {lock_by_id, &p},
                                     {facts_by_id, &p}};
        r = run(c, steps, sizeof steps / sizeof steps[0], cause, ret, why);
    } else {
        err_set(why, "%zu labels at once are too many for one refresh", count);
    }
    pg_array_deinit(&ids);
    return r;
}
