#include "price_group.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define DEADLOCK_TRIES 3

/* Lives on the stack of who waits. */
struct waiting {
    struct waiting *next;
    const struct price_order *order;
    const struct price_change *change;
    struct price_result result;
    enum res outcome;
    struct err why;
    bool taken; /* into a transaction that runs */
    bool done;
};

struct price_group {
    struct pg_pool *pool;
    pthread_mutex_t lock;
    pthread_cond_t change;
    struct waiting *first; /* in the order they came; done ones leave */
};

struct party {
    size_t count;
    struct waiting *members[PRICE_GROUP_MAX];
    struct price_change changes[PRICE_GROUP_MAX];
    struct price_result results[PRICE_GROUP_MAX];
};

enum res price_group_new(struct pg_pool *pool, struct price_group **ret, struct err *why)
{
    struct price_group *g = calloc(1, sizeof *g);
    if (g == NULL || pthread_mutex_init(&g->lock, NULL) != 0) {
        free(g);
        err_set(why, "no memory for the price desk");
        return RES_NO_MEMORY;
    }
    if (pthread_cond_init(&g->change, NULL) != 0) {
        (void)pthread_mutex_destroy(&g->lock);
        free(g);
        err_set(why, "no memory for the price desk");
        return RES_NO_MEMORY;
    }
    g->pool = pool;
    *ret = g;
    return RES_OK;
}

void price_group_free(struct price_group *g)
{
    if (g != NULL) {
        (void)pthread_cond_destroy(&g->change);
        (void)pthread_mutex_destroy(&g->lock);
        free(g);
    }
}

/* ---- who goes together; under the lock ---- */

static bool same_order(const struct price_order *a, const struct price_order *b)
{
    return strcmp(a->store_id, b->store_id) == 0 && strcmp(a->reason, b->reason) == 0 &&
           strcmp(a->changed_by, b->changed_by) == 0;
}

static bool store_is_busy(const struct price_group *g, const char *store_id)
{
    for (const struct waiting *w = g->first; w != NULL; w = w->next) {
        if (w->taken && strcmp(w->order->store_id, store_id) == 0) {
            return true;
        }
    }
    return false;
}

static bool has_product(const struct party *p, const struct price_change *change)
{
    for (size_t i = 0; i < p->count; i++) {
        if (span_equal(p->changes[i].product_id, change->product_id)) {
            return true; /* the same product again: in the next transaction, in the order it came */
        }
    }
    return false;
}

static void gather(struct price_group *g, struct waiting *leader, struct party *p)
{
    p->count = 0;
    for (struct waiting *w = g->first; w != NULL && p->count < PRICE_GROUP_MAX; w = w->next) {
        if (!w->taken && same_order(w->order, leader->order) && !has_product(p, w->change)) {
            w->taken = true;
            p->members[p->count] = w;
            p->changes[p->count++] = *w->change;
        }
    }
}

static void leave(struct price_group *g, const struct waiting *who)
{
    struct waiting **at = &g->first;
    while (*at != who) {
        at = &(*at)->next;
    }
    *at = who->next;
}

/* ---- one transaction ---- */

static enum res change_once(struct pg_conn *c, const struct price_order *order,
                            const struct price_change *changes, size_t count,
                            struct price_result *results, struct err *why)
{
    enum res r = pg_conn_command(c, "BEGIN", why);
    if (r != RES_OK) {
        return r;
    }
    r = price_book_change(c, order, changes, count, results, why);
    return pg_conn_end(c, r, why);
}

/* A deadlock was the other's fault as much as ours: the loser tries again. */
static enum res change_some(struct pg_conn *c, const struct price_order *order,
                            const struct price_change *changes, size_t count,
                            struct price_result *results, struct err *why)
{
    enum res r = RES_AGAIN;
    for (int i = 0; r == RES_AGAIN && i < DEADLOCK_TRIES; i++) {
        r = change_once(c, order, changes, count, results, why);
    }
    return r;
}

static void run(struct price_group *g, struct party *p)
{
    assert(p->count > 0); /* the leader, or who came before it with the same product */
    const struct price_order *order = p->members[0]->order;
    struct pg_conn *c = NULL;
    struct err why = {""};
    enum res r = pg_pool_take(g->pool, &c, &why);
    bool alone = p->count == 1;
    if (r == RES_OK) {
        r = change_some(c, order, p->changes, p->count, p->results, &why);
    }
    for (size_t i = 0; i < p->count; i++) {
        struct waiting *w = p->members[i];
        /* What spoils a transaction may be one member's: then each for itself. */
        if (c != NULL && !alone && (r == RES_INVALID || r == RES_LIMIT)) {
            w->outcome = change_some(c, order, &p->changes[i], 1, &p->results[i], &w->why);
        } else {
            w->outcome = r;
            w->why = why;
        }
        w->result = p->results[i];
    }
    if (c != NULL) {
        pg_pool_give(g->pool, c);
    }
}

static void lead(struct price_group *g, struct waiting *leader, struct party *p)
{
    gather(g, leader, p);
    (void)pthread_mutex_unlock(&g->lock);
    run(g, p);
    (void)pthread_mutex_lock(&g->lock);
    for (size_t i = 0; i < p->count; i++) {
        leave(g, p->members[i]);
        p->members[i]->done = true;
    }
    (void)pthread_cond_broadcast(&g->change);
}

static void join(struct price_group *g, struct waiting *me)
{
    struct waiting **end = &g->first;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = me;
}

enum res price_group_change(struct price_group *g, const struct price_order *order,
                            const struct price_change *change, struct price_result *ret_result,
                            struct err *why)
{
    struct waiting me = {.order = order, .change = change};
    struct party *p = calloc(1, sizeof *p);
    if (p == NULL) {
        err_set(why, "out of memory for a price");
        return RES_NO_MEMORY;
    }
    (void)pthread_mutex_lock(&g->lock);
    join(g, &me);
    while (!me.done) {
        if (!me.taken && !store_is_busy(g, order->store_id)) {
            lead(g, &me, p);
        } else {
            (void)pthread_cond_wait(&g->change, &g->lock);
        }
    }
    (void)pthread_mutex_unlock(&g->lock);
    free(p);
    *ret_result = me.result;
    if (me.outcome != RES_OK && why != NULL) {
        *why = me.why;
    }
    return me.outcome;
}
