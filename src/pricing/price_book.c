#include "price_book.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define COLUMN_BYTES_MAX (256 * 1024)
#define UUID_TEXT_BYTES  36

/* Items are locked in the order of their ids, so that two batches never wait for each other in a
 * circle; what they hold is read by a statement of its own, which sees what the other committed.
 *
 * A store's rows come and go by the ten thousand, faster than the planner's statistics: each item
 * is looked up by a subquery of its own, by the one column that names it (the store is compared so
 * that no index on it seems as good), and rows are named by = ANY. So no guess of theirs can turn a
 * batch into a product of two tables. */
#define ASKED                                                                                      \
    "WITH q AS (SELECT * FROM unnest($2::bigint[], $3::uuid[], $4::text[]) AS t(n, item_id, "      \
    "sku)), c AS (SELECT q.n, CASE WHEN q.item_id IS NULL THEN (SELECT i.item_id FROM item i "     \
    "WHERE i.store_id || '' = $1 AND i.sku = q.sku AND i.deleted_at IS NULL) ELSE (SELECT "        \
    "i.item_id FROM item i WHERE i.item_id = q.item_id AND i.store_id || '' = $1 AND "             \
    "i.deleted_at IS NULL) END AS item_id FROM q) "

static const char lock_items[] =
    ASKED "SELECT FROM item WHERE item_id = ANY (ARRAY(SELECT c.item_id FROM c)) "
          "ORDER BY item_id FOR UPDATE";
static const char read_items[] =
    ASKED "SELECT c.n, i.item_id, i.price_minor, i.charge_minor, i.price_version::bigint, "
          "i.is_flash_sale, i.regular_minor, "
          "least(i.mrp_minor, (SELECT min(b.mrp_minor) FROM item_batch b WHERE b.item_id = "
          "i.item_id AND b.store_id = i.store_id AND b.state = 'listed'))::bigint, "
          "cb.min_minor, cb.max_minor, "
          "EXISTS (SELECT FROM label l WHERE l.item_id = i.item_id), "
          "(SELECT p.price_id FROM price p WHERE p.item_id = i.item_id AND p.valid_to IS NULL) "
          "FROM c JOIN item i USING (item_id) LEFT JOIN category_bound cb ON "
          "cb.store_id = i.store_id AND cb.category = i.category "
          "WHERE i.item_id = ANY (ARRAY(SELECT c.item_id FROM c))";
static const char read_store[] = "SELECT currency::text, catalogue_master, clock_timestamp() "
                                 "FROM store WHERE store_id = $1";

/* The row that was open ends where the new one begins: the history has no hole. It is found again
 * by its key: the planner, which takes an array for ten rows, would compare each with each. */
static const char close_prices[] = "UPDATE price SET valid_to = greatest(valid_from, $2) "
                                   "WHERE price_id = ANY ($1::bigint[])";
static const char write_prices[] =
    "INSERT INTO price (item_id, store_id, version, price_minor, previous_minor, mrp_minor, "
    "currency, is_flash_sale, reason, changed_by, valid_from) "
    "SELECT q.item_id, $1, q.version, q.price, q.previous, i.mrp_minor, i.currency, q.flash, $2, "
    "$3, coalesce((SELECT p.valid_to FROM price p WHERE p.price_id = q.open), $9) "
    "FROM unnest($4::uuid[], $5::bigint[], $6::bigint[], $7::bigint[], $8::boolean[], "
    "$10::bigint[]) WITH ORDINALITY AS q(item_id, version, price, previous, flash, open, place) "
    "JOIN item i USING (item_id) WHERE i.item_id = ANY ($4::uuid[]) ORDER BY q.place "
    "RETURNING item_id, price_id";
static const char write_items[] =
    "UPDATE item i SET price_minor = q.price, price_version = q.version, charge_minor = q.charge, "
    "charge_since = CASE WHEN q.charge IS NULL THEN NULL ELSE $7::timestamptz END, "
    "is_flash_sale = q.flash, regular_minor = q.regular, updated_at = $7 "
    "FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::boolean[], "
    "$6::bigint[]) AS q(item_id, version, price, charge, flash, regular) "
    "WHERE i.item_id = q.item_id AND i.item_id = ANY ($1::uuid[])";
static const char count_deliveries[] =
    "SELECT price_id, count(*) FROM delivery WHERE price_id = ANY ($1::bigint[]) AND finished_at "
    "IS NULL GROUP BY price_id";
static const char raise_catalogue[] =
    "WITH raised AS (UPDATE catalogue_version SET version = version + 1, changed_at = now() "
    "WHERE store_id = $1 RETURNING version) INSERT INTO catalogue_version AS v (store_id, version, "
    "item_count) SELECT $1, 1, (SELECT count(*) FROM item WHERE store_id = $1 AND deleted_at IS "
    "NULL) WHERE NOT EXISTS (SELECT FROM raised) ON CONFLICT (store_id) DO UPDATE SET version = "
    "v.version + 1, changed_at = now()";

/* What an item held when it was locked. */
struct held {
    char item_id[UUID_TEXT_BYTES + 1]; /* "": there is no such item */
    int64_t price_minor;
    int64_t charge_minor; /* 0: none */
    int64_t version;
    int64_t regular_minor; /* 0: none */
    int64_t open_price_id; /* 0: none */
    bool is_flash_sale;
    bool has_labels;
};
struct book {
    struct pg_conn *c;
    const struct price_order *order;
    const struct price_change *changes;
    size_t count;
    struct price_result *results;
    struct held *held;
    char currency[4];
    bool store_found;
    bool till_is_master;
    int64_t now_ms;
    bool only_look; /* nothing is locked or written */
    size_t written;
    size_t again; /* the same price, and whoever asks wants to see it shown */
    struct err *why;
};

/* ---- reading ---- */

static void take_store(struct book *b, const PGresult *rows)
{
    if (PQntuples(rows) == 1) {
        b->store_found = true;
        (void)!span_copy_text(pg_get_span(rows, 0, 0), b->currency, sizeof b->currency);
        b->till_is_master = span_equal(pg_get_span(rows, 0, 1), SPAN_LIT("pos"));
        b->now_ms = pg_get_time_ms(rows, 0, 2);
    }
}

static void take_items(struct book *b, const PGresult *rows)
{
    for (int i = 0; i < PQntuples(rows); i++) {
        size_t at = (size_t)pg_get_i64(rows, i, 0);
        assert(at < b->count);
        struct held *h = &b->held[at];
        pg_get_uuid(rows, i, 1, h->item_id);
        h->price_minor = pg_get_i64(rows, i, 2);
        h->charge_minor = pg_get_i64(rows, i, 3);
        h->version = pg_get_i64(rows, i, 4);
        h->is_flash_sale = pg_get_bool(rows, i, 5);
        h->regular_minor = pg_get_i64(rows, i, 6);
        struct price_limits *limits = &b->results[at].limits;
        limits->mrp_minor = pg_get_i64(rows, i, 7);
        limits->min_minor = pg_get_i64(rows, i, 8);
        limits->max_minor = pg_get_i64(rows, i, 9);
        h->has_labels = pg_get_bool(rows, i, 10);
        h->open_price_id = pg_get_i64(rows, i, 11);
    }
}

static enum res take(void *user, size_t index, const PGresult *rows)
{
    struct book *b = user;
    size_t statement = index + (b->only_look ? 1 : 0);
    if (statement == 1) {
        take_store(b, rows);
    } else if (statement == 2) {
        take_items(b, rows);
    }
    return RES_OK;
}

static enum res ask(struct book *b, const struct pg_params *items)
{
    struct pg_params store;
    pg_params_init(&store);
    pg_params_cstr(&store, b->order->store_id);
    enum res r = pg_conn_pipeline_begin(b->c, b->why);
    if (r != RES_OK) {
        return r;
    }
    if (!b->only_look) {
        r = pg_conn_pipeline_add(b->c, lock_items, items, b->why);
    }
    r = r == RES_OK ? pg_conn_pipeline_add(b->c, read_store, &store, b->why) : r;
    r = r == RES_OK ? pg_conn_pipeline_add(b->c, read_items, items, b->why) : r;
    struct err ignored; /* the first failure is the one to tell */
    enum res end = pg_conn_pipeline_finish(b->c, take, b, r == RES_OK ? b->why : &ignored);
    return r == RES_OK ? end : r;
}

static enum res read_book(struct book *b)
{
    struct pg_array columns[3];
    struct pg_params p;
    for (size_t i = 0; i < 3; i++) {
        pg_array_init(&columns[i], COLUMN_BYTES_MAX);
    }
    for (size_t i = 0; i < b->count; i++) {
        const struct price_change *change = &b->changes[i];
        bool by_id = change->item_id[0] != '\0';
        pg_array_i64(&columns[0], (int64_t)i);
        pg_array_span(&columns[1], by_id ? span_text(change->item_id, UUID_TEXT_BYTES) : SPAN_NONE);
        pg_array_span(&columns[2], by_id ? SPAN_NONE : change->product_id);
    }
    pg_params_init(&p);
    pg_params_cstr(&p, b->order->store_id);
    enum res r = RES_OK;
    for (size_t i = 0; i < 3; i++) {
        const char *text = pg_array_close(&columns[i]);
        r = text == NULL ? RES_LIMIT : r;
        pg_params_cstr(&p, text);
    }
    if (r == RES_OK) {
        r = ask(b, &p);
    } else {
        err_set(b->why, "a batch of %zu prices does not fit in memory", b->count);
    }
    for (size_t i = 0; i < 3; i++) {
        pg_array_deinit(&columns[i]);
    }
    return r;
}

/* ---- judging ---- */

static bool same(const struct held *h, const struct price_change *change)
{
    return h->price_minor == change->price_minor && h->is_flash_sale == change->is_flash_sale &&
           (!change->is_flash_sale || h->regular_minor == change->regular_minor);
}

/* The lowest price a shelf may still show is what is charged, until every label shows the new one;
 * 0: nothing lower, or no label to wait for. */
static int64_t charge_of(const struct held *h, const struct price_change *change)
{
    int64_t charged = h->charge_minor != 0 ? h->charge_minor : h->price_minor;
    return h->has_labels && charged < change->price_minor ? charged : 0;
}

static void judge_one(struct book *b, size_t i)
{
    const struct price_change *change = &b->changes[i];
    const struct held *h = &b->held[i];
    struct price_result *result = &b->results[i];
    memcpy(result->limits.currency, b->currency, sizeof result->limits.currency);
    if (h->item_id[0] == '\0') {
        result->outcome = PRICE_UNKNOWN_ITEM;
        return;
    }
    memcpy(result->item_id, h->item_id, sizeof result->item_id);
    result->previous_minor = h->price_minor;
    result->version = h->version;
    result->faults = price_check(change->price_minor, change->currency, &result->limits);
    if (result->faults != 0) {
        result->outcome = PRICE_REFUSED;
    } else if (same(h, change)) {
        result->outcome = PRICE_SAME;
        result->charged_minor = h->charge_minor != 0 ? h->charge_minor : h->price_minor;
        b->again += b->order->again ? 1 : 0;
    } else {
        int64_t lower = charge_of(h, change);
        result->charged_minor = lower != 0 ? lower : change->price_minor;
        result->outcome = PRICE_CHANGED;
        result->version = h->version + 1;
        b->written++;
    }
}

static int by_item(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* One item twice in a batch has no order that could be told to anybody. */
static enum res check_once_each(struct book *b)
{
    const char **ids = calloc(b->count, sizeof *ids);
    if (ids == NULL) {
        err_set(b->why, "out of memory for a batch of prices");
        return RES_NO_MEMORY;
    }
    for (size_t i = 0; i < b->count; i++) {
        ids[i] = b->held[i].item_id;
    }
    qsort(ids, b->count, sizeof *ids, by_item);
    enum res r = RES_OK;
    for (size_t i = 1; i < b->count && r == RES_OK; i++) {
        if (ids[i][0] != '\0' && strcmp(ids[i - 1], ids[i]) == 0) {
            err_set(b->why, "item %.36s stands twice in one batch of prices", ids[i]);
            r = RES_INVALID;
        }
    }
    free(ids);
    return r;
}

static enum res judge(struct book *b)
{
    if (!b->store_found) {
        err_set(b->why, "there is no store %.24s", b->order->store_id);
        return RES_NOT_FOUND;
    }
    if (b->till_is_master && strcmp(b->order->reason, "pos_sync") != 0 &&
        strcmp(b->order->reason, "import") != 0) {
        err_set(b->why,
                "the prices of store %.24s come from its till system; send it a price request",
                b->order->store_id);
        return RES_CONFLICT;
    }
    enum res r = check_once_each(b);
    bool refused = false;
    for (size_t i = 0; i < b->count && r == RES_OK; i++) {
        judge_one(b, i);
        refused = refused || b->results[i].outcome == PRICE_REFUSED ||
                  b->results[i].outcome == PRICE_UNKNOWN_ITEM;
    }
    if (r == RES_OK && refused && b->order->all_or_nothing) {
        err_set(b->why, "a price of the batch was refused, so none was changed");
        r = RES_INVALID;
    }
    return r;
}

/* ---- writing ---- */

enum column { ITEM, VERSION, PRICE, PREVIOUS, CHARGE, FLASH, REGULAR, OPEN, COLUMNS };

static void add_or_null(struct pg_array *a, int64_t value)
{
    if (value == 0) {
        pg_array_null(a);
    } else {
        pg_array_i64(a, value);
    }
}

static void fill_columns(const struct book *b, struct pg_array columns[COLUMNS])
{
    for (size_t i = 0; i < b->count; i++) {
        if (b->results[i].outcome != PRICE_CHANGED) {
            continue;
        }
        const struct price_change *change = &b->changes[i];
        const struct held *h = &b->held[i];
        pg_array_span(&columns[ITEM], span_text(h->item_id, UUID_TEXT_BYTES));
        pg_array_i64(&columns[VERSION], b->results[i].version);
        pg_array_i64(&columns[PRICE], change->price_minor);
        pg_array_i64(&columns[PREVIOUS], h->price_minor);
        add_or_null(&columns[CHARGE], charge_of(h, change));
        pg_array_bool(&columns[FLASH], change->is_flash_sale);
        add_or_null(&columns[REGULAR], change->is_flash_sale ? change->regular_minor : 0);
        add_or_null(&columns[OPEN], h->open_price_id);
    }
}

static enum res take_price_ids(void *user, size_t index, const PGresult *rows)
{
    struct book *b = user;
    if (index != 1) {
        return RES_OK;
    }
    size_t i = 0; /* both are in the order of the batch */
    for (int row = 0; row < PQntuples(rows); row++) {
        char id[UUID_TEXT_BYTES + 1];
        pg_get_uuid(rows, row, 0, id);
        while (i < b->count && strcmp(b->held[i].item_id, id) != 0) {
            i++;
        }
        assert(i < b->count);
        b->results[i].price_id = pg_get_i64(rows, row, 1);
    }
    return RES_OK;
}

static enum res send_writes(struct book *b, const char *const texts[COLUMNS])
{
    struct pg_params p;
    enum res r = pg_conn_pipeline_begin(b->c, b->why);
    if (r != RES_OK) {
        return r;
    }
    pg_params_init(&p);
    pg_params_cstr(&p, texts[OPEN]);
    pg_params_time_ms(&p, b->now_ms);
    r = pg_conn_pipeline_add(b->c, close_prices, &p, b->why);
    pg_params_init(&p);
    pg_params_cstr(&p, b->order->store_id);
    pg_params_cstr(&p, b->order->reason);
    pg_params_cstr(&p, b->order->changed_by);
    pg_params_cstr(&p, texts[ITEM]);
    pg_params_cstr(&p, texts[VERSION]);
    pg_params_cstr(&p, texts[PRICE]);
    pg_params_cstr(&p, texts[PREVIOUS]);
    pg_params_cstr(&p, texts[FLASH]);
    pg_params_time_ms(&p, b->now_ms);
    pg_params_cstr(&p, texts[OPEN]);
    r = r == RES_OK ? pg_conn_pipeline_add(b->c, write_prices, &p, b->why) : r;
    if (r == RES_OK) {
        pg_params_init(&p);
        pg_params_cstr(&p, texts[ITEM]);
        pg_params_cstr(&p, texts[VERSION]);
        pg_params_cstr(&p, texts[PRICE]);
        pg_params_cstr(&p, texts[CHARGE]);
        pg_params_cstr(&p, texts[FLASH]);
        pg_params_cstr(&p, texts[REGULAR]);
        pg_params_time_ms(&p, b->now_ms);
        r = pg_conn_pipeline_add(b->c, write_items, &p, b->why);
    }
    if (r == RES_OK) {
        pg_params_init(&p);
        pg_params_cstr(&p, b->order->store_id);
        r = pg_conn_pipeline_add(b->c, raise_catalogue, &p, b->why);
    }
    struct err ignored;
    enum res end =
        pg_conn_pipeline_finish(b->c, take_price_ids, b, r == RES_OK ? b->why : &ignored);
    return r == RES_OK ? end : r;
}

static enum res write_book(struct book *b)
{
    struct pg_array columns[COLUMNS];
    const char *texts[COLUMNS];
    enum res r = RES_OK;
    for (size_t i = 0; i < COLUMNS; i++) {
        pg_array_init(&columns[i], COLUMN_BYTES_MAX);
    }
    fill_columns(b, columns);
    for (size_t i = 0; i < COLUMNS; i++) {
        texts[i] = pg_array_close(&columns[i]);
        r = texts[i] == NULL ? RES_NO_MEMORY : r;
    }
    if (r == RES_OK) {
        r = send_writes(b, texts);
    } else {
        err_set(b->why, "out of memory for a batch of prices");
    }
    for (size_t i = 0; i < COLUMNS; i++) {
        pg_array_deinit(&columns[i]);
    }
    return r;
}

/* ---- the labels ---- */

/* Of the price that is the item's now; 0: its labels are left alone. */
static int64_t shown_price_id(const struct book *b, size_t i)
{
    switch (b->results[i].outcome) {
    case PRICE_CHANGED:
        return b->results[i].price_id;
    case PRICE_SAME:
        return b->order->again ? b->held[i].open_price_id : 0;
    case PRICE_REFUSED:
    case PRICE_UNKNOWN_ITEM:
        break;
    }
    return 0;
}

static void take_counts(struct book *b, const PGresult *rows)
{
    for (int row = 0; row < PQntuples(rows); row++) {
        int64_t price_id = pg_get_i64(rows, row, 0);
        size_t i = 0;
        while (i < b->count && shown_price_id(b, i) != price_id) {
            i++;
        }
        assert(i < b->count);
        b->results[i].labels = pg_get_i64(rows, row, 1);
    }
}

static enum res count_labels(struct book *b)
{
    struct pg_array ids;
    struct pg_params p;
    PGresult *rows = NULL;
    pg_array_init(&ids, COLUMN_BYTES_MAX);
    for (size_t i = 0; i < b->count; i++) {
        if (shown_price_id(b, i) != 0) {
            pg_array_i64(&ids, shown_price_id(b, i));
        }
    }
    const char *text = pg_array_close(&ids);
    enum res r = RES_NO_MEMORY;
    if (text != NULL) {
        pg_params_init(&p);
        pg_params_cstr(&p, text);
        r = pg_conn_run(b->c, count_deliveries, &p, &rows, b->why);
    } else {
        err_set(b->why, "out of memory for a batch of prices");
    }
    if (r == RES_OK) {
        take_counts(b, rows);
    }
    PQclear(rows);
    pg_array_deinit(&ids);
    return r;
}

/* Falls wait until the carts were told; rises do not. */
static enum res refresh_some(struct book *b, bool falls, struct delivery_item *room,
                             int64_t *deliveries)
{
    size_t n = 0;
    for (size_t i = 0; i < b->count; i++) {
        if (shown_price_id(b, i) != 0 &&
            (b->changes[i].price_minor < b->held[i].price_minor) == falls) {
            room[n++] = (struct delivery_item){.item_id = b->held[i].item_id,
                                               .price_id = shown_price_id(b, i),
                                               .row_number = b->changes[i].row_number};
        }
    }
    if (n == 0) {
        return RES_OK;
    }
    const struct delivery_cause cause = {.job_id = b->order->job_id, .fall_first = falls};
    struct delivery_count count = {.labels = 0};
    enum res r = delivery_refresh_items(b->c, room, n, &cause, &count, b->why);
    *deliveries += r == RES_OK ? count.changed : 0;
    return r;
}

static enum res refresh(struct book *b)
{
    int64_t deliveries = 0;
    struct delivery_item *room = calloc(b->written + b->again, sizeof *room);
    if (room == NULL) {
        err_set(b->why, "out of memory for a batch of prices");
        return RES_NO_MEMORY;
    }
    enum res r = refresh_some(b, true, room, &deliveries);
    if (r == RES_OK) {
        r = refresh_some(b, false, room, &deliveries);
    }
    free(room);
    return r == RES_OK && deliveries > 0 ? count_labels(b) : r;
}

static enum res begin(struct book *b, struct price_result *ret_results)
{
    assert(b->count <= PRICE_BOOK_BATCH_MAX);
    memset(ret_results, 0, b->count * sizeof *ret_results);
    b->results = ret_results;
    b->held = calloc(b->count, sizeof *b->held);
    if (b->held == NULL) {
        err_set(b->why, "out of memory for a batch of prices");
        return RES_NO_MEMORY;
    }
    return read_book(b);
}

enum res price_book_look(struct pg_conn *c, const char *store_id,
                         const struct price_change *changes, size_t count,
                         struct price_result *ret_results, bool *ret_till_is_master,
                         struct err *why)
{
    const struct price_order order = {.store_id = store_id};
    struct book b = {
        .c = c, .order = &order, .changes = changes, .count = count, .only_look = true, .why = why};
    enum res r = begin(&b, ret_results);
    if (r == RES_OK && !b.store_found) {
        err_set(why, "there is no store %.24s", store_id);
        r = RES_NOT_FOUND;
    }
    for (size_t i = 0; r == RES_OK && i < count; i++) {
        judge_one(&b, i);
    }
    if (r == RES_OK) {
        *ret_till_is_master = b.till_is_master;
    }
    free(b.held);
    return r;
}

enum res price_book_change(struct pg_conn *c, const struct price_order *order,
                           const struct price_change *changes, size_t count,
                           struct price_result *ret_results, struct err *why)
{
    struct book b = {.c = c, .order = order, .changes = changes, .count = count, .why = why};
    if (count == 0) {
        return RES_OK;
    }
    enum res r = begin(&b, ret_results);
    if (r == RES_OK) {
        r = judge(&b);
    }
    if (r == RES_OK && b.written > 0) {
        r = write_book(&b);
    }
    if (r == RES_OK && b.written + b.again > 0) {
        r = refresh(&b);
    }
    free(b.held);
    return r;
}
