#include "price_flip.h"

#define ITEMS_MAX     1000
#define IDS_BYTES_MAX (64 * 1024)

/* The first statement only locks: what it waited for or passed over may have begun deliveries that
 * its own snapshot cannot see. The second looks again. A label whose newest content failed still
 * shows an older price; it is looked up by a plain column of a step of its own, as row security
 * lets no index be searched by an expression over another table's json. */
#define IS_DUE                                                                                     \
    "((NOT EXISTS (SELECT FROM label l JOIN delivery d ON d.label_id = l.label_id AND d.kind = "   \
    "'display' AND d.finished_at IS NULL WHERE l.item_id = i.item_id) AND NOT EXISTS (SELECT "     \
    "FROM (SELECT (h.desired -> 'display' ->> 'updateId')::uuid AS held FROM label l JOIN shadow " \
    "h ON h.device_id = l.label_id WHERE l.item_id = i.item_id OFFSET 0) AS x JOIN delivery d ON " \
    "d.delivery_id = x.held WHERE d.state = 'failed')) "                                           \
    "OR i.charge_since <= now() - make_interval(secs => coalesce((s.settings ->> "                 \
    "'riseHoldSeconds')::double precision, " HOLD_TEXT ")))"
#define HOLD_TEXT "900"
_Static_assert(PRICE_FLIP_HOLD_DEFAULT_S == 900, "as HOLD_TEXT says");

static const char lock_due[] =
    "SELECT i.item_id FROM item i JOIN store s USING (store_id) WHERE i.charge_minor IS NOT NULL "
    "AND " IS_DUE " ORDER BY i.item_id LIMIT $1::bigint FOR UPDATE OF i SKIP LOCKED";
static const char flip[] =
    "WITH flipped AS (UPDATE item i SET charge_minor = NULL, charge_since = NULL, "
    "updated_at = now() FROM store s WHERE s.store_id = i.store_id AND i.item_id = ANY "
    "($1::uuid[]) AND i.charge_minor IS NOT NULL AND " IS_DUE " RETURNING i.store_id) "
    "UPDATE catalogue_version v SET version = v.version + 1, changed_at = now() "
    "WHERE v.store_id IN (SELECT store_id FROM flipped)";

static enum res flip_locked(struct pg_conn *c, const PGresult *due, struct err *why)
{
    struct pg_array ids;
    struct pg_params p;
    pg_array_init(&ids, IDS_BYTES_MAX);
    for (int i = 0; i < PQntuples(due); i++) {
        char id[37];
        pg_get_uuid(due, i, 0, id);
        pg_array_span(&ids, span_text(id, sizeof id - 1));
    }
    enum res r = RES_NO_MEMORY;
    const char *text = pg_array_close(&ids);
    if (text != NULL) {
        pg_params_init(&p);
        pg_params_cstr(&p, text);
        r = pg_conn_run(c, flip, &p, NULL, why);
    } else {
        err_set(why, "out of memory for the items whose price is charged now");
    }
    pg_array_deinit(&ids);
    return r;
}

enum res price_flip_step(struct pg_conn *c, int64_t now_ms, struct err *why)
{
    (void)now_ms;
    struct pg_params p;
    PGresult *due = NULL;
    pg_params_init(&p);
    pg_params_i64(&p, ITEMS_MAX);
    enum res r = pg_conn_command(c, "BEGIN", why);
    if (r == RES_OK) {
        r = pg_conn_run(c, lock_due, &p, &due, why);
    }
    if (r == RES_OK && PQntuples(due) > 0) {
        r = flip_locked(c, due, why);
    }
    PQclear(due);
    return pg_conn_end(c, r, why);
}
