#include "dispatch_catalogue.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog_top.h"
#include "delivery_refresh.h"
#include "dispatch_base.h"

/* Somebody may change a version without telling. */
#define LOOK_EVERY_MS 1000
/* Of the one worker that publishes. */
#define LOCK       "hashtext('endcap catalogues')"
#define STORES_MAX 4096 /* remembered; what is published for more is sent every time */

/* What this process published last. */
struct published {
    char store_id[25];
    struct dispatch_base base; /* what the carts hold; version 0: a supplement cannot be made */
    int64_t version;           /* with the supplement */
    int64_t whole_version;     /* of the last whole catalogue that was begun */
    int64_t chunks;            /* of it */
    int64_t whole_ms;
    int64_t sent_ms;    /* whole or supplement */
    size_t supplement;  /* items in the retained one */
    bool supplement_is; /* one may be retained by the broker */
};

struct dispatch_catalogue {
    struct dispatch_catalogue_settings settings;
    int64_t look_ms; /* when to look, if nobody tells before */
    bool leads;      /* this worker is the one that publishes */
    bool all;        /* the broker may have forgotten */
    size_t count;
    struct published stores[STORES_MAX];
    struct dispatch_change change;
    struct wire_downlink message; /* large */
};

enum res dispatch_catalogue_new(const struct dispatch_catalogue_settings *settings,
                                struct dispatch_catalogue **ret)
{
    struct dispatch_catalogue *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return RES_NO_MEMORY;
    }
    c->settings = *settings;
    *ret = c;
    return RES_OK;
}

static void forget_all(struct dispatch_catalogue *c)
{
    for (size_t i = 0; i < c->count; i++) {
        dispatch_base_forget(&c->stores[i].base);
    }
    c->count = 0;
}

void dispatch_catalogue_free(struct dispatch_catalogue *c)
{
    if (c == NULL) {
        return;
    }
    if (c->leads) {
        /* Now, not when the server notices; if it fails the connection is gone, and the lock. */
        (void)!pg_conn_command(c->settings.conn, "SELECT pg_advisory_unlock(" LOCK ")", NULL);
    }
    forget_all(c);
    free(c);
}

enum res dispatch_catalogue_listen(struct dispatch_catalogue *c, struct err *why)
{
    c->look_ms = 0;
    c->leads = false; /* the lock went with the connection before */
    return pg_conn_command(c->settings.conn, "LISTEN endcap_catalogue", why);
}

/* What another worker gave the carts meanwhile is not known: everything is given anew. */
static enum res try_to_lead(struct dispatch_catalogue *c, struct err *why)
{
    PGresult *rows = NULL;
    enum res r =
        pg_conn_run(c->settings.conn, "SELECT pg_try_advisory_lock(" LOCK ")", NULL, &rows, why);
    if (r == RES_OK && pg_get_bool(rows, 0, 0)) {
        c->leads = true;
        c->all = true;
        forget_all(c);
    }
    PQclear(rows);
    return r;
}

/* True when a version rose since the last look. */
static bool was_told(struct dispatch_catalogue *c)
{
    PGconn *pq = pg_conn_handle(c->settings.conn);
    bool any = false;
    if (pq == NULL || PQconsumeInput(pq) != 1) {
        return true; /* the next statement says what is wrong */
    }
    for (PGnotify *n = PQnotifies(pq); n != NULL; n = PQnotifies(pq)) {
        any = true;
        PQfreemem(n);
    }
    return any;
}

/* NULL: no more are remembered. */
static struct published *find(struct dispatch_catalogue *c, const char *store_id)
{
    for (size_t i = 0; i < c->count; i++) {
        if (strcmp(c->stores[i].store_id, store_id) == 0) {
            return &c->stores[i];
        }
    }
    if (c->count == STORES_MAX) {
        return NULL;
    }
    struct published *p = &c->stores[c->count++];
    *p = (struct published){.version = 0};
    (void)snprintf(p->store_id, sizeof p->store_id, "%s", store_id);
    return p;
}

static bool send(struct dispatch_catalogue *c, const char *topic, struct span payload)
{
    const struct dispatch_settings *d = c->settings.dispatch;
    return d->publish(d->user, topic, payload, true);
}

/* Chunks that the version before had and this one has not: an empty retained message ends them. */
static bool clear_chunks(struct dispatch_catalogue *c, const char *store_id, size_t from,
                         int64_t to)
{
    bool sent = true;
    for (int64_t chunk = (int64_t)from; chunk < to && sent; chunk++) {
        char topic[DOWNLINK_TOPIC_BYTES];
        (void)snprintf(topic, sizeof topic, "store/%s/catalogue/%" PRId64, store_id, chunk);
        sent = send(c, topic, SPAN_LIT(""));
    }
    return sent;
}

static enum res send_chunks(struct dispatch_catalogue *c, const struct catalog_top *top,
                            int64_t chunks_before, int64_t now_ms, struct err *why)
{
    bool sent = true;
    enum res r = RES_OK;
    for (size_t i = 0; i < top->chunk_count && sent && r == RES_OK; i++) {
        wire_downlink_init(&c->message, WIRE_CATALOGUE);
        c->message.time_ms = now_ms;
        catalog_top_chunk(top, i, &c->message.catalogue);
        r = downlink_make(c->settings.downlink, &c->message);
        sent = r == RES_OK &&
               send(c, c->settings.downlink->topic, downlink_frame(c->settings.downlink));
    }
    if (r != RES_OK) {
        err_set(why, "the catalogue of store %s cannot be put into messages: %s", top->store_id,
                res_name(r));
        return r;
    }
    sent = sent && clear_chunks(c, top->store_id, top->chunk_count, chunks_before);
    return sent ? RES_OK : RES_AGAIN;
}

/* An empty one after a whole catalogue: what the broker retains is of no base that is gone. */
static enum res send_prices(struct dispatch_catalogue *c, const struct catalog_top *top,
                            int64_t base, const struct dispatch_change *change, int64_t now_ms,
                            struct err *why)
{
    wire_downlink_init(&c->message, WIRE_PRICES);
    struct wire_prices *m = &c->message.prices;
    c->message.time_ms = now_ms;
    m->store_id = span_text(top->store_id, sizeof top->store_id);
    m->base = base;
    m->version = top->version;
    m->currency = span_text(top->currency, 3);
    m->item_count = change == NULL ? 0 : change->count;
    for (size_t i = 0; i < m->item_count; i++) {
        m->items[i] = (struct wire_price){.gtin = span_text(change->items[i]->gtin, GTIN_DIGITS),
                                          .price = change->items[i]->price_minor};
    }
    enum res r = downlink_make(c->settings.downlink, &c->message);
    if (r != RES_OK) {
        err_set(why, "the new prices of store %s cannot be put into a message: %s", top->store_id,
                res_name(r));
        return r;
    }
    return send(c, c->settings.downlink->topic, downlink_frame(c->settings.downlink)) ? RES_OK
                                                                                      : RES_AGAIN;
}

struct due {
    char store_id[25];
    int64_t chunks;    /* of the whole catalogue that is out */
    int64_t published; /* its version with the supplement, by whatever worker */
};

static enum res note(struct dispatch_catalogue *c, const char *store_id, int64_t version,
                     int64_t chunks, struct err *why)
{
    enum res r = catalog_top_published(c->settings.conn, store_id, version, chunks, why);
    if (r == RES_OK) {
        /* falls in price waited for this */
        r = pg_conn_command(c->settings.conn, "NOTIFY " DELIVERY_CHANNEL, why);
    }
    return r;
}

/* A version that carts may have already, from before this worker or with other items for what has
 * been sold since, is not what they hold for certain: the next change goes out whole. */
static enum res remember(struct dispatch_catalogue *c, const struct due *due,
                         struct published *last, const struct catalog_top *top, int64_t now_ms)
{
    int64_t before = last->whole_version > 0 ? last->whole_version : due->published;
    bool full = top->count >= c->settings.dispatch->catalogue_items;
    last->version = top->version;
    last->whole_version = top->version;
    last->chunks = (int64_t)top->chunk_count;
    last->whole_ms = now_ms;
    last->sent_ms = now_ms;
    last->supplement = 0;
    if (top->version > before) {
        return dispatch_base_set(&last->base, top, full);
    }
    dispatch_base_forget(&last->base);
    return RES_OK;
}

static enum res publish_whole(struct dispatch_catalogue *c, const struct due *due,
                              struct published *last, int64_t now_ms, struct err *why)
{
    struct catalog_top top;
    enum res r = catalog_top_read(c->settings.conn, due->store_id,
                                  c->settings.dispatch->catalogue_items, &top, why);
    if (r != RES_OK) {
        return r;
    }
    bool clear = last == NULL || last->supplement_is || (last->version == 0 && due->published > 0);
    r = send_chunks(c, &top, due->chunks, now_ms, why);
    if (r != RES_OK && last != NULL) {
        dispatch_base_forget(&last->base);
        last->whole_version = top.version; /* a part of it is out */
    }
    if (r == RES_OK && clear) {
        r = send_prices(c, &top, top.version, NULL, now_ms, why);
    }
    if (r == RES_OK && last != NULL) {
        last->supplement_is = false;
        r = remember(c, due, last, &top, now_ms);
    }
    if (r == RES_OK) {
        r = note(c, due->store_id, top.version, (int64_t)top.chunk_count, why);
    }
    catalog_top_deinit(&top);
    return r;
}

/* *ret_whole: more changed than a supplement can say; nothing was sent. */
static enum res publish_prices(struct dispatch_catalogue *c, struct published *last, int64_t now_ms,
                               bool *ret_whole, struct err *why)
{
    struct catalog_top changed;
    enum res r = catalog_top_read_changes(c->settings.conn, last->store_id, last->base.read_ms,
                                          &changed, why);
    if (r != RES_OK) {
        return r;
    }
    dispatch_base_compare(&last->base, &changed, &c->change);
    *ret_whole = c->change.whole;
    bool news = c->change.count > 0 || last->supplement > 0;
    if (!c->change.whole && news) {
        r = send_prices(c, &changed, last->base.version, &c->change, now_ms, why);
        if (r == RES_OK) {
            last->supplement = c->change.count;
            last->supplement_is = true;
            last->sent_ms = now_ms;
        }
    }
    if (!c->change.whole && r == RES_OK) {
        r = note(c, last->store_id, changed.version, last->chunks, why);
        last->version = r == RES_OK ? changed.version : last->version;
    }
    catalog_top_deinit(&changed);
    return r;
}

/* Whether so much time has not passed since; then that is when to look again. A clock that was set
 * back does not make it wait for longer than this. */
static bool is_too_soon(struct dispatch_catalogue *c, int64_t since_ms, int64_t gap_ms,
                        int64_t now_ms)
{
    int64_t again_ms = since_ms + gap_ms;
    if (since_ms == 0 || again_ms <= now_ms || again_ms > now_ms + gap_ms) {
        return false;
    }
    c->look_ms = again_ms < c->look_ms ? again_ms : c->look_ms;
    return true;
}

static enum res publish(struct dispatch_catalogue *c, const struct due *due, int64_t now_ms,
                        int64_t *published, struct err *why)
{
    struct published *last = find(c, due->store_id);
    if (last != NULL && last->version != due->published) {
        /* Another hand was here. */
        dispatch_base_forget(&last->base);
        last->whole_version = 0;
        last->supplement_is = true;
    }
    bool whole = last == NULL || last->base.version == 0;
    enum res r = RES_OK;
    if (!whole && !c->all) {
        if (is_too_soon(c, last->sent_ms, DISPATCH_PRICES_GAP_MS, now_ms)) {
            return RES_OK;
        }
        r = publish_prices(c, last, now_ms, &whole, why);
    }
    if (r != RES_OK || !(whole || c->all) ||
        (!c->all && last != NULL &&
         is_too_soon(c, last->whole_ms, DISPATCH_CATALOGUE_GAP_MS, now_ms))) {
        return r;
    }
    r = publish_whole(c, due, last, now_ms, why);
    *published += r == RES_OK;
    return r;
}

static enum res publish_due(struct dispatch_catalogue *c, const PGresult *rows, int64_t now_ms,
                            int64_t *published, struct err *why)
{
    enum res worst = RES_OK;
    for (int i = 0; i < PQntuples(rows); i++) {
        struct due due = {.chunks = pg_get_i64(rows, i, 1), .published = pg_get_i64(rows, i, 2)};
        enum res r = span_copy_text(pg_get_span(rows, i, 0), due.store_id, sizeof due.store_id);
        if (r == RES_OK) {
            r = publish(c, &due, now_ms, published, why);
        }
        worst = r != RES_OK ? r : worst; /* one store's trouble is not the others' */
    }
    return worst;
}

/* A supplement that has said what it had to gives way to a whole catalogue. */
static enum res tidy(struct dispatch_catalogue *c, int64_t now_ms, int64_t *published,
                     struct err *why)
{
    enum res worst = RES_OK;
    for (size_t i = 0; i < c->count; i++) {
        struct published *p = &c->stores[i];
        bool quiet = now_ms - p->sent_ms >= DISPATCH_CATALOGUE_QUIET_MS;
        bool filling = p->supplement > WIRE_PRICES_ITEMS_MAX / 2 &&
                       now_ms - p->whole_ms >= DISPATCH_CATALOGUE_TIDY_MS;
        if (p->supplement == 0 || (!quiet && !filling)) {
            continue;
        }
        struct due due = {.chunks = p->chunks, .published = p->version};
        memcpy(due.store_id, p->store_id, sizeof due.store_id);
        enum res r = publish_whole(c, &due, p, now_ms, why);
        *published += r == RES_OK;
        worst = r != RES_OK ? r : worst;
    }
    return worst;
}

enum res dispatch_catalogue_step(struct dispatch_catalogue *c, int64_t now_ms, bool all,
                                 int64_t *ret_published, struct err *why)
{
    bool told = was_told(c);
    bool due = now_ms >= c->look_ms || c->look_ms > now_ms + LOOK_EVERY_MS;
    c->all = c->all || all;
    if (!due && (!c->leads || (!told && !all))) {
        return RES_OK;
    }
    c->look_ms = now_ms + LOOK_EVERY_MS;
    enum res r = c->leads ? RES_OK : try_to_lead(c, why);
    if (r != RES_OK || !c->leads) {
        return r;
    }
    struct pg_params p;
    PGresult *rows = NULL;
    pg_params_init(&p);
    pg_params_bool(&p, c->all);
    r = pg_conn_run(c->settings.conn,
                    "SELECT store_id::text, chunk_count, published_version "
                    "FROM catalogue_version WHERE $1 OR version > published_version "
                    "ORDER BY store_id",
                    &p, &rows, why);
    if (r == RES_OK) {
        r = publish_due(c, rows, now_ms, ret_published, why);
    }
    PQclear(rows);
    if (r == RES_OK) {
        c->all = false;
        r = tidy(c, now_ms, ret_published, why);
    }
    return r;
}
