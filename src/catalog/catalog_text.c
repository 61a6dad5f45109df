#include "catalog_text.h"

enum res catalog_text_filled(struct pg_conn *c, const char *store_id, struct err *why)
{
    static const char sql[] =
        "WITH filled AS (DELETE FROM translation_gap g USING item i WHERE g.store_id = $1 AND "
        "i.item_id = g.item_id AND (i.name ? g.language::text OR i.deleted_at IS NOT NULL) "
        "RETURNING i.sku, g.language) "
        "SELECT resolve_alert($1, 'missing_translation:' || sku || ':' || language) FROM filled";
    struct pg_params p;
    pg_params_init(&p);
    pg_params_cstr(&p, store_id);
    return pg_conn_run(c, sql, &p, NULL, why);
}
