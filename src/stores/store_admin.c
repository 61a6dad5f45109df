#include "store_admin.h"

#include <string.h>

#include "region_language.h"

/* Which rule a refused value broke, in the words of the command's options. */
static void explain(struct pg_conn *c, enum res r, const struct store_admin_new *s, struct err *why)
{
    static const struct {
        const char *constraint;
        const char *words;
    } rules[] = {
        {"store_id_check", "a store id is 3 to 24 of A-Z, 0-9 and -, e.g. STORE-MUM-01"},
        {"partner_partner_id_check", "a partner id is 2 to 24 of A-Z, 0-9 and -"},
        {"store_name_check", "a name has 1 to 200 characters"},
        {"store_region_check", "a region is a country or a part of one, e.g. IN or IN-MH"},
        {"store_timezone_check", "a timezone is an IANA name, e.g. Asia/Kolkata"},
        {"currency_check", "a currency is an ISO 4217 code, e.g. INR"},
        {"language_check", "a language is one of en, hi, ta, te, bn, mr"},
        {"store_catalogue_master_check", "a master is pos or platform"},
    };
    if (r == RES_CONFLICT) {
        err_set(why, "there is a store %.32s already", s->store_id);
        return;
    }
    for (size_t i = 0; r == RES_INVALID && i < sizeof rules / sizeof rules[0]; i++) {
        if (strcmp(pg_conn_constraint(c), rules[i].constraint) == 0) {
            err_set(why, "%s", rules[i].words);
        }
    }
}

enum res store_admin_create(struct pg_conn *c, const struct store_admin_new *s, struct err *why)
{
    struct pg_params p;
    enum res r = pg_conn_command(c, "BEGIN", why);
    if (r != RES_OK) {
        return r;
    }
    pg_params_init(&p);
    pg_params_cstr(&p, s->partner_id);
    pg_params_cstr(&p, s->partner_name != NULL ? s->partner_name : s->partner_id);
    r = pg_conn_run(c,
                    "INSERT INTO partner (partner_id, name) VALUES ($1, $2) "
                    "ON CONFLICT (partner_id) DO NOTHING",
                    &p, NULL, why);
    if (r == RES_OK) {
        pg_params_init(&p);
        pg_params_cstr(&p, s->store_id);
        pg_params_cstr(&p, s->partner_id);
        pg_params_cstr(&p, s->name);
        pg_params_cstr(&p, s->region);
        pg_params_cstr(&p, s->timezone);
        pg_params_cstr(&p, s->currency);
        pg_params_cstr(&p, s->language != NULL ? s->language : region_language_of(s->region));
        pg_params_cstr(&p, s->master != NULL ? s->master : "pos");
        r = pg_conn_run(
            c,
            "INSERT INTO store (store_id, partner_id, name, region, timezone, currency, "
            "primary_language, catalogue_master) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            &p, NULL, why);
    }
    if (r == RES_OK) {
        return pg_conn_command(c, "COMMIT", why);
    }
    explain(c, r, s, why);
    enum res undone = pg_conn_command(c, "ROLLBACK", NULL);
    (void)undone; /* the first failure is the one to tell */
    return r;
}

enum res store_admin_list(struct pg_conn *c,
                          void (*visit)(void *user, const struct store_admin_row *row), void *user,
                          struct err *why)
{
    PGresult *rows = NULL;
    enum res r = pg_conn_run(
        c,
        "SELECT s.store_id, s.partner_id, s.name, s.region, s.timezone, s.currency, "
        "(SELECT count(*) FROM cart WHERE cart.store_id = s.store_id AND retired_at IS NULL), "
        "coalesce(v.item_count, 0), coalesce(v.version, 0) "
        "FROM store s LEFT JOIN catalogue_version v USING (store_id) ORDER BY s.store_id",
        NULL, &rows, why);
    for (int i = 0; r == RES_OK && i < PQntuples(rows); i++) {
        struct store_admin_row row = {.store_id = pg_get_span(rows, i, 0),
                                      .partner_id = pg_get_span(rows, i, 1),
                                      .name = pg_get_span(rows, i, 2),
                                      .region = pg_get_span(rows, i, 3),
                                      .timezone = pg_get_span(rows, i, 4),
                                      .currency = pg_get_span(rows, i, 5),
                                      .carts = pg_get_i64(rows, i, 6),
                                      .items = pg_get_i64(rows, i, 7),
                                      .catalogue_version = pg_get_i64(rows, i, 8)};
        visit(user, &row);
    }
    PQclear(rows);
    return r;
}
