#include "pricing_run.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "pricing_rule.h"

#define COLUMN_BYTES_MAX (256 * 1024)
#define CATEGORY_BYTES   481 /* 120 characters */

static const char read_store[] =
    "SELECT catalogue_master, (extract(isodow FROM t) - 1)::bigint, (extract(hour FROM t) * 60 + "
    "extract(minute FROM t))::bigint FROM (SELECT catalogue_master, now() AT TIME ZONE timezone "
    "AS t FROM store WHERE store_id = $1 AND closed_at IS NULL) s";
static const char read_rules[] =
    "SELECT rule_id, kind, coalesce(category, ''), item_id, parameters, title FROM pricing_rule "
    "WHERE store_id = $1 AND enabled AND kind <> 'expiry' "
    "ORDER BY priority DESC, created_at, rule_id LIMIT $2::bigint";

/* The base is the last price that people or the till system gave. */
static const char read_items[] =
    "SELECT i.item_id, i.sku, i.category, i.price_minor, coalesce((SELECT b.price_minor FROM price "
    "b WHERE b.item_id = i.item_id AND b.reason NOT IN ('rule', 'competitor_match', "
    "'flash_sale_start', 'flash_sale_end', 'expiry') ORDER BY b.version DESC LIMIT 1), "
    "i.price_minor)::bigint, least(i.mrp_minor, (SELECT min(x.mrp_minor) FROM item_batch x WHERE "
    "x.item_id = i.item_id AND x.store_id = i.store_id AND x.state = 'listed'))::bigint, "
    "i.cost_minor, cb.min_minor, cb.max_minor, "
    "coalesce(cur.reason IN ('rule', 'competitor_match'), false) "
    "FROM item i LEFT JOIN price cur ON cur.item_id = i.item_id AND cur.valid_to IS NULL "
    "LEFT JOIN category_bound cb ON cb.store_id = i.store_id AND cb.category = i.category "
    "WHERE i.store_id = $1 AND i.deleted_at IS NULL AND NOT i.is_flash_sale "
    "AND (cur.reason IN ('rule', 'competitor_match') OR EXISTS (SELECT FROM pricing_rule r WHERE "
    "r.store_id = $1 AND r.enabled AND r.kind <> 'expiry' AND (r.item_id = i.item_id OR "
    "r.item_id IS NULL AND (r.category IS NULL OR r.category = i.category)))) ORDER BY i.item_id";
static const char read_competitors[] =
    "SELECT item_id, price_minor, age::bigint FROM (SELECT DISTINCT ON (item_id, source) item_id, "
    "price_minor, in_stock, floor(extract(epoch FROM now() - scraped_at) / 3600) AS age "
    "FROM competitor_price WHERE store_id = $1 AND scraped_at > now() - interval '30 days' "
    "ORDER BY item_id, source, scraped_at DESC) newest WHERE in_stock ORDER BY item_id";
static const char tell_refusals[] =
    "SELECT CASE WHEN t.refused > 0 THEN raise_alert($1, 'rule_refused', 'medium', NULL, t.sku, "
    "'rule_refused:' || t.rule, left('The pricing rule \"' || t.title || '\" asks for ' || "
    "t.refused || ' prices that may not be, the first one for ' || t.sku || '; change the rule or "
    "the limits.', 500)) ELSE resolve_alert($1, 'rule_refused:' || t.rule) END "
    "FROM unnest($2::text[], $3::text[], $4::bigint[], $5::text[]) AS t(rule, title, refused, sku)";
static const char claim_store[] =
    "WITH due AS (SELECT s.store_id FROM store s LEFT JOIN pricing_run r USING (store_id) "
    "WHERE s.catalogue_master = 'platform' AND s.closed_at IS NULL "
    "AND (r.store_id IS NOT NULL OR EXISTS (SELECT FROM pricing_rule p WHERE p.store_id = "
    "s.store_id AND p.enabled AND p.kind <> 'expiry')) "
    "AND (r.ran_at IS NULL OR r.ran_at < date_trunc('minute', now())) "
    "ORDER BY r.ran_at NULLS FIRST, s.store_id LIMIT 1) "
    "INSERT INTO pricing_run AS r (store_id, ran_at, looked_at, changed_count, refused_count) "
    "SELECT store_id, now(), 0, 0, 0 FROM due ON CONFLICT (store_id) DO UPDATE SET ran_at = now() "
    "WHERE r.ran_at < date_trunc('minute', now()) RETURNING store_id";
static const char note_run[] =
    "INSERT INTO pricing_run (store_id, ran_at, looked_at, changed_count, refused_count) "
    "VALUES ($1, now(), $2::bigint, $3::bigint, $4::bigint) ON CONFLICT (store_id) DO UPDATE SET "
    "ran_at = excluded.ran_at, looked_at = excluded.looked_at, "
    "changed_count = excluded.changed_count, refused_count = excluded.refused_count";

struct covering {
    char rule_id[37];
    char title[481]; /* 120 characters */
    char category[CATEGORY_BYTES];
    char item_id[37]; /* "": every item of the category */
    bool sound;       /* its parameters could be read */
    struct pricing_rule rule;
    int64_t refused;
    char refused_sku[33];
};
struct plan {
    struct pg_conn *c;
    const char *store_id;
    struct pricing_moment moment;
    size_t rule_count;
    struct covering *rules;
    bool any_match;
    struct pricing_run run;
    size_t change_room;
    struct err *why;
};

static enum res no_memory(struct err *why)
{
    err_set(why, "out of memory for the pricing rules of a store");
    return RES_NO_MEMORY;
}

static enum res ask(struct plan *p, const char *sql, int64_t limit, PGresult **ret)
{
    struct pg_params params;
    pg_params_init(&params);
    pg_params_cstr(&params, p->store_id);
    if (limit > 0) {
        pg_params_i64(&params, limit);
    }
    return pg_conn_run(p->c, sql, &params, ret, p->why);
}

/* ---- what there is ---- */

static enum res load_store(struct plan *p)
{
    PGresult *rows = NULL;
    enum res r = ask(p, read_store, 0, &rows);
    if (r == RES_OK && PQntuples(rows) == 0) {
        err_set(p->why, "there is no store %.24s", p->store_id);
        r = RES_NOT_FOUND;
    } else if (r == RES_OK && span_equal(pg_get_span(rows, 0, 0), SPAN_LIT("pos"))) {
        err_set(p->why, "the prices of store %.24s come from its till system: no rule may set them",
                p->store_id);
        r = RES_CONFLICT;
    } else if (r == RES_OK) {
        p->moment.weekday = (unsigned)pg_get_i64(rows, 0, 1);
        p->moment.minute = pg_get_i64(rows, 0, 2);
    }
    PQclear(rows);
    return r;
}

static enum res load_rule(struct plan *p, const PGresult *rows, int row)
{
    assert(p->rules != NULL);
    struct covering *one = &p->rules[p->rule_count++];
    struct pricing_rule_faults faults;
    enum pricing_kind kind = PRICING_KINDS;
    pg_get_uuid(rows, row, 0, one->rule_id);
    if (!pg_get_is_null(rows, row, 3)) {
        pg_get_uuid(rows, row, 3, one->item_id);
    }
    if (span_copy_text(pg_get_span(rows, row, 2), one->category, sizeof one->category) != RES_OK ||
        span_copy_text(pg_get_span(rows, row, 5), one->title, sizeof one->title) != RES_OK ||
        pricing_rule_kind_read(pg_get_span(rows, row, 1), &kind) != RES_OK) {
        err_set(p->why, "pricing rule %s has texts that no rule can have", one->rule_id);
        return RES_CORRUPT;
    }
    one->sound = pricing_rule_read(kind, pg_get_span(rows, row, 4), &one->rule, &faults) == RES_OK;
    p->any_match = p->any_match || (one->sound && kind == PRICING_MATCH);
    return RES_OK;
}

static enum res load_rules(struct plan *p)
{
    PGresult *rows = NULL;
    enum res r = ask(p, read_rules, PRICING_RUN_RULES_MAX, &rows);
    if (r == RES_OK && PQntuples(rows) > 0) {
        p->rules = calloc((size_t)PQntuples(rows), sizeof *p->rules);
        r = p->rules == NULL ? no_memory(p->why) : RES_OK;
    }
    for (int i = 0; r == RES_OK && i < PQntuples(rows); i++) {
        r = load_rule(p, rows, i);
    }
    PQclear(rows);
    return r;
}

/* Both lists are in the order of item ids; *at goes on behind the item. */
static void add_competitors(const PGresult *rows, int *at, const char *item_id,
                            struct pricing_item *item)
{
    for (; rows != NULL && *at < PQntuples(rows); (*at)++) {
        char id[37];
        pg_get_uuid(rows, *at, 0, id);
        int order = strcmp(id, item_id);
        if (order > 0) {
            return;
        }
        if (order == 0 && item->competitor_count < PRICING_RULE_COMPETITORS_MAX) {
            size_t n = item->competitor_count++;
            item->competitors[n].price_minor = pg_get_i64(rows, *at, 1);
            item->competitors[n].age_hours = pg_get_i64(rows, *at, 2);
        }
    }
}

/* ---- what would be ---- */

static bool covers(const struct covering *rule, const char *item_id, struct span category)
{
    if (!rule->sound) {
        return false;
    }
    if (rule->item_id[0] != '\0') {
        return strcmp(rule->item_id, item_id) == 0;
    }
    return rule->category[0] == '\0' ||
           span_equal(span_text(rule->category, sizeof rule->category), category);
}

static enum res add_change(struct plan *p, const struct pricing_run_change *change)
{
    if (p->run.count == p->change_room) {
        size_t room = p->change_room == 0 ? 64 : p->change_room * 2;
        struct pricing_run_change *grown = realloc(p->run.changes, room * sizeof *grown);
        if (grown == NULL) {
            return no_memory(p->why);
        }
        p->run.changes = grown;
        p->change_room = room;
    }
    p->run.changes[p->run.count++] = *change;
    return RES_OK;
}

static enum res plan_item(struct plan *p, const PGresult *rows, int row,
                          const PGresult *competitors, int *at)
{
    const struct pricing_rule *chosen[PRICING_RUN_RULES_MAX];
    const struct covering *whose[PRICING_RUN_RULES_MAX];
    struct pricing_run_change change = {.rule_id = ""};
    struct pricing_decision d;
    struct pricing_item item = {.price_minor = pg_get_i64(rows, row, 3),
                                .base_minor = pg_get_i64(rows, row, 4),
                                .mrp_minor = pg_get_i64(rows, row, 5),
                                .cost_minor = pg_get_i64(rows, row, 6),
                                .min_minor = pg_get_i64(rows, row, 7),
                                .max_minor = pg_get_i64(rows, row, 8),
                                .by_rule = pg_get_bool(rows, row, 9)};
    size_t count = 0;
    pg_get_uuid(rows, row, 0, change.item_id);
    add_competitors(competitors, at, change.item_id, &item);
    for (size_t i = 0; i < p->rule_count; i++) {
        if (covers(&p->rules[i], change.item_id, pg_get_span(rows, row, 2))) {
            chosen[count] = &p->rules[i].rule;
            whose[count++] = &p->rules[i];
        }
    }
    if (!pricing_rule_decide(chosen, count, &item, &p->moment, &d)) {
        return RES_OK;
    }
    change.price_minor = d.price_minor;
    change.previous_minor = item.price_minor;
    enum res r =
        span_copy_text(pg_get_span(rows, row, 1), change.product_id, sizeof change.product_id);
    if (r == RES_OK && d.rule != PRICING_RULE_NONE) {
        memcpy(change.rule_id, whose[d.rule]->rule_id, sizeof change.rule_id);
        struct sink s;
        sink_init(&s, change.rule_title, sizeof change.rule_title - 1);
        sink_bytes(&s, span_text(whose[d.rule]->title, sizeof change.rule_title - 1));
    }
    return r == RES_OK ? add_change(p, &change) : r;
}

static int by_rule(const void *a, const void *b)
{
    const struct pricing_run_change *x = a;
    const struct pricing_run_change *y = b;
    int order = strcmp(x->rule_id, y->rule_id);
    return order != 0 ? order : strcmp(x->item_id, y->item_id);
}

static enum res make_plan(struct plan *p)
{
    PGresult *items = NULL;
    PGresult *competitors = NULL;
    int at = 0;
    enum res r = load_store(p);
    if (r == RES_OK) {
        r = load_rules(p);
    }
    if (r == RES_OK) {
        r = ask(p, read_items, 0, &items);
    }
    if (r == RES_OK && p->any_match) {
        r = ask(p, read_competitors, 0, &competitors);
    }
    p->run.looked_at = r == RES_OK ? (size_t)PQntuples(items) : 0;
    for (int i = 0; r == RES_OK && i < PQntuples(items); i++) {
        r = plan_item(p, items, i, competitors, &at);
    }
    PQclear(items);
    PQclear(competitors);
    if (r == RES_OK && p->run.count > 1) {
        qsort(p->run.changes, p->run.count, sizeof *p->run.changes, by_rule);
    }
    return r;
}

/* ---- doing it ---- */

static struct covering *rule_named(const struct plan *p, const char *rule_id)
{
    for (size_t i = 0; i < p->rule_count; i++) {
        if (strcmp(p->rules[i].rule_id, rule_id) == 0) {
            return &p->rules[i];
        }
    }
    return NULL;
}

static void take_result(struct plan *p, struct pricing_run_change *change,
                        const struct price_result *result)
{
    change->limits = result->limits;
    change->faults = result->faults;
    if (result->outcome != PRICE_REFUSED) {
        change->outcome =
            result->outcome == PRICE_CHANGED ? PRICING_RUN_CHANGED : PRICING_RUN_PLANNED;
        return;
    }
    change->outcome = PRICING_RUN_REFUSED;
    p->run.refused++;
    struct covering *rule = rule_named(p, change->rule_id);
    if (rule != NULL && rule->refused++ == 0) {
        memcpy(rule->refused_sku, change->product_id, sizeof rule->refused_sku);
    }
}

/* changes[from, from + count) are one rule's. */
static enum res do_batch(struct plan *p, size_t from, size_t count, bool dry_run)
{
    char author[48] = "rules";
    struct price_change *changes = calloc(count, sizeof *changes);
    struct price_result *results = calloc(count, sizeof *results);
    enum res r = changes == NULL || results == NULL ? no_memory(p->why) : RES_OK;
    const struct covering *rule = rule_named(p, p->run.changes[from].rule_id);
    struct sink s;
    sink_init(&s, author, sizeof author - 1);
    sink_text(&s, rule != NULL ? "rule:" : "rules");
    sink_text(&s, rule != NULL ? rule->rule_id : "");
    author[s.size] = '\0';
    const struct price_order order = {
        .store_id = p->store_id,
        .reason = rule != NULL && rule->rule.kind == PRICING_MATCH ? "competitor_match" : "rule",
        .changed_by = author};
    for (size_t i = 0; r == RES_OK && i < count; i++) {
        changes[i] = (struct price_change){.item_id = p->run.changes[from + i].item_id,
                                           .price_minor = p->run.changes[from + i].price_minor};
    }
    bool till = false;
    if (r == RES_OK && dry_run) {
        r = price_book_look(p->c, p->store_id, changes, count, results, &till, p->why);
    } else if (r == RES_OK) {
        r = pg_conn_command(p->c, "BEGIN", p->why);
        if (r == RES_OK) {
            r = price_book_change(p->c, &order, changes, count, results, p->why);
            r = pg_conn_end(p->c, r, p->why);
        }
    }
    for (size_t i = 0; r == RES_OK && i < count; i++) {
        take_result(p, &p->run.changes[from + i], &results[i]);
        if (dry_run && p->run.changes[from + i].outcome == PRICING_RUN_CHANGED) {
            p->run.changes[from + i].outcome = PRICING_RUN_PLANNED;
        }
    }
    free(changes);
    free(results);
    return r;
}

static enum res do_all(struct plan *p, bool dry_run)
{
    enum res r = RES_OK;
    for (size_t from = 0; r == RES_OK && from < p->run.count;) {
        size_t to = from + 1;
        while (to < p->run.count && to - from < PRICE_BOOK_BATCH_MAX &&
               strcmp(p->run.changes[to].rule_id, p->run.changes[from].rule_id) == 0) {
            to++;
        }
        r = do_batch(p, from, to - from, dry_run);
        from = to;
    }
    return r;
}

static enum res tell(struct plan *p)
{
    struct pg_array columns[4];
    struct pg_params params;
    if (p->rule_count == 0) {
        return RES_OK;
    }
    for (size_t i = 0; i < 4; i++) {
        pg_array_init(&columns[i], COLUMN_BYTES_MAX);
    }
    for (size_t i = 0; i < p->rule_count; i++) {
        const struct covering *one = &p->rules[i];
        pg_array_span(&columns[0], span_text(one->rule_id, 36));
        pg_array_span(&columns[1], span_text(one->title, sizeof one->title));
        pg_array_i64(&columns[2], one->refused);
        pg_array_span(&columns[3], span_text(one->refused_sku, sizeof one->refused_sku));
    }
    enum res r = RES_OK;
    pg_params_init(&params);
    pg_params_cstr(&params, p->store_id);
    for (size_t i = 0; i < 4; i++) {
        const char *text = pg_array_close(&columns[i]);
        r = text == NULL ? no_memory(p->why) : r;
        pg_params_cstr(&params, text);
    }
    if (r == RES_OK) {
        r = pg_conn_run(p->c, tell_refusals, &params, NULL, p->why);
    }
    for (size_t i = 0; i < 4; i++) {
        pg_array_deinit(&columns[i]);
    }
    return r;
}

static enum res note(struct plan *p)
{
    struct pg_params params;
    size_t changed = 0;
    for (size_t i = 0; i < p->run.count; i++) {
        changed += p->run.changes[i].outcome == PRICING_RUN_CHANGED;
    }
    pg_params_init(&params);
    pg_params_cstr(&params, p->store_id);
    pg_params_i64(&params, (int64_t)p->run.looked_at);
    pg_params_i64(&params, (int64_t)changed);
    pg_params_i64(&params, (int64_t)p->run.refused);
    return pg_conn_run(p->c, note_run, &params, NULL, p->why);
}

enum res pricing_run_store(struct pg_conn *c, const char *store_id, bool dry_run,
                           struct pricing_run *ret, struct err *why)
{
    struct plan p = {.c = c, .store_id = store_id, .why = why};
    enum res r = make_plan(&p);
    if (r == RES_OK) {
        r = do_all(&p, dry_run);
    }
    if (r == RES_OK && !dry_run) {
        r = tell(&p);
    }
    if (r == RES_OK && !dry_run) {
        r = note(&p);
    }
    free(p.rules);
    if (r == RES_OK) {
        *ret = p.run;
    } else {
        pricing_run_deinit(&p.run);
    }
    return r;
}

void pricing_run_deinit(struct pricing_run *run)
{
    free(run->changes);
    *run = (struct pricing_run){.count = 0};
}

enum res pricing_run_due(struct pg_conn *c, struct err *why)
{
    char store_id[32] = "";
    PGresult *rows = NULL;
    enum res r = pg_conn_run(c, claim_store, NULL, &rows, why);
    if (r == RES_OK && PQntuples(rows) == 1) {
        r = span_copy_text(pg_get_span(rows, 0, 0), store_id, sizeof store_id);
    }
    PQclear(rows);
    if (r == RES_OK && store_id[0] != '\0') {
        struct pricing_run run;
        r = pricing_run_store(c, store_id, false, &run, why);
        if (r == RES_OK) {
            pricing_run_deinit(&run);
        }
    }
    return r;
}
