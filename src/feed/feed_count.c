#include "feed_count.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Open deliveries are few (an index has them alone); labels are counted in one scan. */
static const char deliveries[] =
    "SELECT s.store_id::text, coalesce(d.queued, 0), coalesce(d.sent, 0), coalesce(d.pending, 0), "
    "coalesce(f.failed, 0), coalesce(l.shown, 0) FROM store s "
    "LEFT JOIN (SELECT store_id, count(*) FILTER (WHERE state = 'queued') AS queued, "
    "count(*) FILTER (WHERE state = 'sent') AS sent, "
    "count(*) FILTER (WHERE state = 'pending') AS pending FROM delivery "
    "WHERE state IN ('queued', 'sent', 'pending') GROUP BY store_id) d USING (store_id) "
    "LEFT JOIN (SELECT store_id, count(*) AS failed FROM alert WHERE kind = 'price_update_failed' "
    "AND status <> 'resolved' GROUP BY store_id) f USING (store_id) "
    "LEFT JOIN (SELECT store_id, count(*) AS shown FROM label WHERE shown_at > now() - "
    "interval '10 s' GROUP BY store_id) l USING (store_id) ORDER BY s.store_id";
static const char devices[] =
    "SELECT s.store_id::text, coalesce(l.online, 0), coalesce(l.asleep, 0), coalesce(l.offline, "
    "0), coalesce(c.online, 0), coalesce(c.offline, 0) FROM store s "
    "LEFT JOIN (SELECT store_id, count(*) FILTER (WHERE online) AS online, "
    "count(*) FILTER (WHERE NOT online AND asleep_until > now()) AS asleep, "
    "count(*) FILTER (WHERE NOT online AND coalesce(asleep_until <= now(), true)) AS offline "
    "FROM label GROUP BY store_id) l USING (store_id) "
    "LEFT JOIN (SELECT store_id, count(*) FILTER (WHERE online) AS online, "
    "count(*) FILTER (WHERE NOT online) AS offline FROM cart WHERE retired_at IS NULL "
    "GROUP BY store_id) c USING (store_id) ORDER BY s.store_id";

static void read_store(enum feed_count_kind kind, const PGresult *rows, int row,
                       struct feed_count_store *ret)
{
    long long n[5];
    for (int i = 0; i < 5; i++) {
        n[i] = (long long)pg_get_i64(rows, row, 1 + i);
    }
    memset(ret, 0, sizeof *ret);
    if (span_copy_text(pg_get_span(rows, row, 0), ret->store_id, sizeof ret->store_id) != RES_OK) {
        ret->store_id[0] = '\0'; /* cannot be: a store's id has at most 24 bytes */
    }
    if (kind == FEED_COUNT_DELIVERIES) {
        (void)snprintf(ret->data, sizeof ret->data,
                       "{\"storeId\":\"%s\",\"queued\":%lld,\"sent\":%lld,\"pending\":%lld,"
                       "\"failed\":%lld,\"displayed\":%lld}",
                       ret->store_id, n[0], n[1], n[2], n[3], n[4]);
    } else {
        (void)snprintf(ret->data, sizeof ret->data,
                       "{\"storeId\":\"%s\",\"labels\":{\"online\":%lld,\"asleep\":%lld,"
                       "\"offline\":%lld},\"carts\":{\"online\":%lld,\"offline\":%lld}}",
                       ret->store_id, n[0], n[1], n[2], n[3], n[4]);
    }
}

static bool is_known(const struct feed_count *count, const struct feed_count_store *store)
{
    for (size_t low = 0, high = count->store_count; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(store->store_id, count->stores[middle].store_id);
        if (order == 0) {
            return strcmp(store->data, count->stores[middle].data) == 0;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return false;
}

static int by_id(const void *a, const void *b)
{
    const struct feed_count_store *x = a;
    const struct feed_count_store *y = b;
    return strcmp(x->store_id, y->store_id);
}

enum res feed_count_look(struct feed_count *count, enum feed_count_kind kind, struct pg_conn *c,
                         enum res (*visit)(void *user, const struct feed_count_store *store,
                                           bool changed),
                         void *user, struct err *why)
{
    PGresult *rows = NULL;
    enum res r =
        pg_conn_run(c, kind == FEED_COUNT_DELIVERIES ? deliveries : devices, NULL, &rows, why);
    if (r != RES_OK) {
        return r;
    }
    size_t n = (size_t)PQntuples(rows);
    struct feed_count_store *stores = calloc(n + 1, sizeof *stores);
    if (stores == NULL) {
        PQclear(rows);
        err_set(why, "out of memory for counts of %zu stores", n);
        return RES_NO_MEMORY;
    }
    for (size_t i = 0; r == RES_OK && i < n; i++) {
        read_store(kind, rows, (int)i, &stores[i]);
        r = visit(user, &stores[i], !is_known(count, &stores[i]));
    }
    PQclear(rows);
    qsort(stores, n, sizeof *stores, by_id); /* the database's collation is not strcmp's */
    free(count->stores);
    *count = (struct feed_count){stores, n};
    return r;
}

void feed_count_deinit(struct feed_count *count)
{
    free(count->stores);
    *count = (struct feed_count){NULL, 0};
}
