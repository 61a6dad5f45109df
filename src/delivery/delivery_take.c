#include "delivery_take.h"

/* delivery_due_ms of a row. */
#define RESEND "d.sent_at + interval '1 s' * least(4, 1 << (d.attempts - 1))"
#define GATED                                                                                      \
    "d.state = 'queued' AND d.after_catalogue IS NOT NULL AND NOT EXISTS (SELECT FROM "            \
    "catalogue_version v WHERE v.store_id = d.store_id AND v.published_version >= "                \
    "d.after_catalogue)"
#define GATE "d.created_at + interval '2 s'"

/* The rows are found by delivery_due, whose rows are few: what is open and not waiting for its
 * label. A row that another worker holds is that one's. */
static const char take_sql[] =
    "WITH turned AS (SELECT d.ctid AS place, CASE "
    "WHEN d.kind = 'flash' AND (d.body ->> 'expires')::timestamptz <= now() THEN 'late' "
    "WHEN NOT l.online THEN 'away' WHEN d.state = 'sent' AND d.attempts = 4 THEN 'mute' "
    "ELSE 'send' END AS turn "
    "FROM delivery d JOIN label l ON l.label_id = d.label_id "
    "WHERE d.finished_at IS NULL AND d.next_attempt_at <= now() "
    "AND (d.state <> 'sent' OR " RESEND " <= now()) "
    "AND (" GATE " <= now() OR NOT (" GATED ")) "
    "ORDER BY d.next_attempt_at LIMIT $1 FOR UPDATE OF d SKIP LOCKED), "
    "moved AS (UPDATE delivery d SET "
    "state = CASE t.turn WHEN 'send' THEN 'sent' WHEN 'away' THEN 'pending' ELSE 'failed' END, "
    "attempts = CASE WHEN t.turn <> 'send' THEN d.attempts WHEN d.state = 'pending' THEN 1 "
    "ELSE d.attempts + 1 END, "
    "sent_at = CASE t.turn WHEN 'send' THEN now() ELSE d.sent_at END, "
    "next_attempt_at = CASE t.turn WHEN 'away' THEN NULL ELSE d.next_attempt_at END, "
    "finished_at = CASE WHEN t.turn IN ('late', 'mute') THEN now() END, "
    "detail = CASE t.turn WHEN 'late' THEN 'It was not begun before it expired.' "
    "WHEN 'mute' THEN 'The label is online and answered none of four messages.' "
    "ELSE d.detail END "
    "FROM turned t WHERE d.ctid = t.place "
    "RETURNING d.delivery_id, d.label_id, d.store_id, d.kind, d.state, d.attempts, d.body) "
    "SELECT m.label_id::text, m.kind, m.state, m.attempts, "
    "CASE WHEN m.state <> 'sent' THEN NULL WHEN m.kind = 'flash' THEN m.body "
    "WHEN s.desired -> m.kind ->> 'updateId' = m.delivery_id::text THEN s.desired -> m.kind END, "
    "CASE WHEN m.state = 'failed' AND m.kind = 'display' THEN raise_alert(m.store_id, "
    "'price_update_failed', 'high', m.label_id, s.desired -> 'display' ->> 'productId', "
    "'price_update_failed:' || m.label_id, 'Label ' || m.label_id || ' is online but did not "
    "confirm what it shall show, after four messages.') END "
    "FROM moved m LEFT JOIN shadow s ON s.device_id = m.label_id";

static const char sweep_sql[] =
    "UPDATE delivery d SET next_attempt_at = now() FROM label l WHERE d.finished_at IS NULL "
    "AND d.next_attempt_at IS NULL AND d.state = 'pending' AND l.label_id = d.label_id "
    "AND (l.online OR (d.kind = 'flash' AND (d.body ->> 'expires')::timestamptz <= now()))";

/* Less than nothing: due already, or gone meanwhile. */
static const char wait_sql[] =
    "SELECT least($1::bigint, ceil(1000 * extract(epoch FROM min(CASE WHEN d.state = 'sent' "
    "THEN " RESEND " WHEN " GATED " THEN greatest(d.next_attempt_at, " GATE ") "
    "ELSE d.next_attempt_at END) - now()))::bigint) "
    "FROM delivery d WHERE d.finished_at IS NULL AND d.next_attempt_at <= now() + "
    "interval '1 ms' * $1::bigint";

enum res delivery_take(struct pg_conn *c, int64_t limit, PGresult **ret, struct err *why)
{
    struct pg_params p;
    pg_params_init(&p);
    pg_params_i64(&p, limit);
    return pg_conn_run(c, take_sql, &p, ret, why);
}

void delivery_take_row(const PGresult *rows, int row, struct delivery_taken *ret)
{
    ret->label_id = pg_get_span(rows, row, 0);
    ret->kind = pg_get_span(rows, row, 1);
    ret->state = pg_get_span(rows, row, 2);
    ret->attempts = pg_get_i64(rows, row, 3);
    ret->payload = pg_get_span(rows, row, 4);
}

enum res delivery_take_sweep(struct pg_conn *c, int64_t *ret_swept, struct err *why)
{
    PGresult *rows = NULL;
    enum res r = pg_conn_run(c, sweep_sql, NULL, &rows, why);
    if (r == RES_OK) {
        *ret_swept = pg_get_touched(rows);
        PQclear(rows);
    }
    return r;
}

enum res delivery_take_wait(struct pg_conn *c, int64_t max_ms, int64_t *ret_ms, struct err *why)
{
    struct pg_params p;
    PGresult *rows = NULL;
    pg_params_init(&p);
    pg_params_i64(&p, max_ms);
    enum res r = pg_conn_run(c, wait_sql, &p, &rows, why);
    if (r == RES_OK) {
        int64_t ms = pg_get_is_null(rows, 0, 0) ? max_ms : pg_get_i64(rows, 0, 0);
        *ret_ms = ms < 0 ? 0 : ms;
        PQclear(rows);
    }
    return r;
}
