#include "dispatch_catalogue.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog_top.h"
#include "delivery_refresh.h"
#include "ecdsa.h"

/* Somebody may change a version without telling. */
#define LOOK_EVERY_MS 1000
#define STORES_MAX    4096 /* remembered; what is published for more is sent every time */

/* What this process published last. */
struct published {
    char store_id[25];
    uint8_t digest[ECDSA_DIGEST_BYTES];
    int64_t version;
    int64_t at_ms;
};

struct dispatch_catalogue {
    struct dispatch_catalogue_settings settings;
    int64_t look_ms; /* when to look, if nobody tells before */
    size_t count;
    struct published stores[STORES_MAX];
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

void dispatch_catalogue_free(struct dispatch_catalogue *c)
{
    free(c);
}

enum res dispatch_catalogue_listen(struct dispatch_catalogue *c, struct err *why)
{
    c->look_ms = 0;
    return pg_conn_command(c->settings.conn, "LISTEN endcap_catalogue", why);
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

/* The items are zeroed before they are written (catalog_top.c), so that equal ones are equal bytes.
 */
static enum res digest_of(const struct catalog_top *top, uint8_t ret[ECDSA_DIGEST_BYTES])
{
    return ecdsa_sha256_two(span_of(top->currency, sizeof top->currency),
                            span_of(top->items, top->count * sizeof *top->items), ret);
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

struct due {
    char store_id[25];
    int64_t chunks;    /* of the published version */
    int64_t published; /* that version, by whatever worker */
};

static enum res publish(struct dispatch_catalogue *c, const struct due *due, struct published *last,
                        bool all, int64_t now_ms, int64_t *published, struct err *why)
{
    struct catalog_top top;
    uint8_t digest[ECDSA_DIGEST_BYTES];
    enum res r = catalog_top_read(c->settings.conn, due->store_id,
                                  c->settings.dispatch->catalogue_items, &top, why);
    if (r != RES_OK) {
        return r;
    }
    r = digest_of(&top, digest);
    bool same = !all && last != NULL && last->version > 0 && last->version == due->published &&
                memcmp(last->digest, digest, sizeof digest) == 0;
    if (r == RES_OK && !same) {
        r = send_chunks(c, &top, due->chunks, now_ms, why);
        *published += r == RES_OK;
    }
    if (r == RES_OK) {
        r = catalog_top_published(c->settings.conn, &top, why);
    }
    if (r == RES_OK) {
        /* falls in price waited for this */
        r = pg_conn_command(c->settings.conn, "NOTIFY " DELIVERY_CHANNEL, why);
    }
    if (r == RES_OK && last != NULL) {
        last->version = top.version;
        last->at_ms = same ? last->at_ms : now_ms;
        memcpy(last->digest, digest, sizeof digest);
    }
    catalog_top_deinit(&top);
    return r;
}

static enum res publish_due(struct dispatch_catalogue *c, const PGresult *rows, bool all,
                            int64_t now_ms, int64_t *published, struct err *why)
{
    enum res worst = RES_OK;
    for (int i = 0; i < PQntuples(rows); i++) {
        struct due due = {.chunks = pg_get_i64(rows, i, 1), .published = pg_get_i64(rows, i, 2)};
        enum res r = span_copy_text(pg_get_span(rows, i, 0), due.store_id, sizeof due.store_id);
        struct published *last = r == RES_OK ? find(c, due.store_id) : NULL;
        int64_t again_ms = last == NULL ? 0 : last->at_ms + DISPATCH_CATALOGUE_GAP_MS;
        if (!all && again_ms > now_ms && again_ms <= now_ms + DISPATCH_CATALOGUE_GAP_MS) {
            c->look_ms = again_ms < c->look_ms ? again_ms : c->look_ms;
            continue;
        }
        if (r == RES_OK) {
            r = publish(c, &due, last, all, now_ms, published, why);
        }
        worst = r != RES_OK ? r : worst; /* one store's trouble is not the others' */
    }
    return worst;
}

enum res dispatch_catalogue_step(struct dispatch_catalogue *c, int64_t now_ms, bool all,
                                 int64_t *ret_published, struct err *why)
{
    bool due = now_ms >= c->look_ms || c->look_ms > now_ms + LOOK_EVERY_MS;
    if (!was_told(c) && !due && !all) {
        return RES_OK;
    }
    c->look_ms = now_ms + LOOK_EVERY_MS;
    struct pg_params p;
    PGresult *rows = NULL;
    pg_params_init(&p);
    pg_params_bool(&p, all);
    enum res r = pg_conn_run(c->settings.conn,
                             "SELECT store_id::text, chunk_count, published_version "
                             "FROM catalogue_version WHERE $1 OR version > published_version "
                             "ORDER BY store_id",
                             &p, &rows, why);
    if (r == RES_OK) {
        r = publish_due(c, rows, all, now_ms, ret_published, why);
    }
    PQclear(rows);
    return r;
}
