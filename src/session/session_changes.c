#include "session_changes.h"

#include <string.h>

#define COLUMN_BYTES_MAX (4 * 1024 * 1024)

static const char put_sql[] =
    "INSERT INTO session AS s (session_id, cart_id, store_id, epoch, start_counter, end_counter, "
    "last_counter, status, hold_reason, started_at, ended_at, first_received_at, identity_method, "
    "identity_ref, identity_conflict, item_count, scan_count, unpriced, total_minor, currency, "
    "computed_item_count, computed_scan_count, computed_total_minor, mismatch_count, "
    "reconcile_state, reconcile_reasons) "
    "SELECT a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, t, u, v, w, x, y, z, "
    "coalesce(string_to_array(nullif(aa, ''), ','), '{}') "
    "FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], "
    "$7::bigint[], $8::text[], $9::text[], $10::timestamptz[], $11::timestamptz[], "
    "$12::timestamptz[], $13::text[], $14::bytea[], $15::boolean[], $16::bigint[], $17::bigint[], "
    "$18::bigint[], $19::bigint[], $20::text[], $21::bigint[], $22::bigint[], $23::bigint[], "
    "$24::int[], $25::text[], $26::text[]) "
    "AS input(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, t, u, v, w, x, y, z, aa) "
    "ON CONFLICT (session_id) DO UPDATE SET end_counter = excluded.end_counter, "
    "last_counter = excluded.last_counter, status = excluded.status, "
    "hold_reason = excluded.hold_reason, ended_at = excluded.ended_at, "
    "identity_method = excluded.identity_method, identity_ref = excluded.identity_ref, "
    "identity_conflict = excluded.identity_conflict, item_count = excluded.item_count, "
    "scan_count = excluded.scan_count, unpriced = excluded.unpriced, "
    "total_minor = excluded.total_minor, currency = excluded.currency, "
    "computed_item_count = excluded.computed_item_count, "
    "computed_scan_count = excluded.computed_scan_count, "
    "computed_total_minor = excluded.computed_total_minor, "
    "mismatch_count = excluded.mismatch_count, reconcile_state = excluded.reconcile_state, "
    "reconcile_reasons = excluded.reconcile_reasons";
#define PUT_COLUMNS 26

/* A session that memory does not know, of an epoch long gone, must not stop the cart's next one. */
static const char starts_sql[] =
    "UPDATE session s SET status = 'abandoned', hold_reason = NULL, ended_at = i.started, "
    "reconcile_state = 'mismatch', "
    "reconcile_reasons = array_append(s.reconcile_reasons, 'superseded') "
    "FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS i(cart, session, started) "
    "WHERE s.cart_id = i.cart AND s.session_id <> i.session AND s.status IN ('active', 'paused')";
#define START_COLUMNS 3

static const char late_sql[] =
    "UPDATE session s SET late_events = s.late_events + i.n FROM (SELECT id, count(*)::int AS n "
    "FROM unnest($1::text[]) AS u(id) GROUP BY id) AS i "
    "WHERE s.session_id = i.id AND s.ended_at IS NOT NULL";

static const char pay_sql[] =
    "INSERT INTO payment (session_id, store_id, token, amount_minor, currency, status, outcome, "
    "refuse_reason, counter, device_time) "
    "SELECT a, b, c, d, e, f, CASE f WHEN 'approved' THEN 'accepted' ELSE 'refused' END, "
    "CASE f WHEN 'approved' THEN NULL ELSE 'declined' END, g, h "
    "FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], "
    "$7::bigint[], $8::timestamptz[]) AS i(a, b, c, d, e, f, g, h) ON CONFLICT DO NOTHING";
#define PAY_COLUMNS 8

/* A session whose own payment was turned down does not add up, whatever its sums say. */
static const char unpaid_sql[] =
    "UPDATE session s SET reconcile_state = 'mismatch', "
    "reconcile_reasons = array_append(s.reconcile_reasons, 'payment_refused') "
    "FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], "
    "$7::bigint[], $8::timestamptz[]) AS i(a, b, c, d, e, f, g, h) "
    "WHERE s.session_id = i.a AND NOT ('payment_refused' = ANY (s.reconcile_reasons)) "
    "AND (SELECT count(*) FROM payment p WHERE p.session_id = i.a AND p.token = i.c) = 0";

/* Written so that every row is an index look-up: of a join or an EXISTS the planner, asked while
 * the tables are small, makes a hash of the whole table, and keeps that plan when they have grown.
 */
static const char ask_sql[] =
    "SELECT i.n, p.session_id IS NOT DISTINCT FROM i.session, coalesce(p.outcome, ''), "
    "coalesce(p.refuse_reason, ''), p.session_id IS NOT NULL, "
    "(SELECT count(*) FROM session s WHERE s.session_id = i.session) > 0 "
    "FROM unnest($1::bigint[], $2::text[], $3::text[]) AS i(n, session, token) "
    "LEFT JOIN LATERAL (SELECT session_id, outcome, refuse_reason FROM payment "
    "WHERE token = i.token LIMIT 1) AS p ON true";
#define ASK_COLUMNS 3

static const char mismatch_sql[] =
    "INSERT INTO weight_mismatch (cart_id, epoch, counter, session_id, store_id, sku, gtin, "
    "expected_g, actual_g, device_time) SELECT * FROM unnest($1::text[], $2::bigint[], "
    "$3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::int[], $9::int[], "
    "$10::timestamptz[]) ON CONFLICT DO NOTHING";
#define MISMATCH_COLUMNS 10

void session_changes_init(struct session_changes *c)
{
    pg_rows_init(&c->ended, PUT_COLUMNS, COLUMN_BYTES_MAX);
    pg_rows_init(&c->starts, START_COLUMNS, COLUMN_BYTES_MAX);
    pg_rows_init(&c->open, PUT_COLUMNS, COLUMN_BYTES_MAX);
    pg_rows_init(&c->late, 1, COLUMN_BYTES_MAX);
    pg_rows_init(&c->payments, PAY_COLUMNS, COLUMN_BYTES_MAX);
    pg_rows_init(&c->answers, ASK_COLUMNS, COLUMN_BYTES_MAX);
    pg_rows_init(&c->mismatches, MISMATCH_COLUMNS, COLUMN_BYTES_MAX);
}

void session_changes_deinit(struct session_changes *c)
{
    pg_rows_deinit(&c->ended);
    pg_rows_deinit(&c->starts);
    pg_rows_deinit(&c->open);
    pg_rows_deinit(&c->late);
    pg_rows_deinit(&c->payments);
    pg_rows_deinit(&c->answers);
    pg_rows_deinit(&c->mismatches);
}

void session_changes_reset(struct session_changes *c)
{
    pg_rows_reset(&c->ended);
    pg_rows_reset(&c->starts);
    pg_rows_reset(&c->open);
    pg_rows_reset(&c->late);
    pg_rows_reset(&c->payments);
    pg_rows_reset(&c->answers);
    pg_rows_reset(&c->mismatches);
}

bool session_changes_any(const struct session_changes *c)
{
    return c->ended.count + c->open.count + c->late.count + c->payments.count + c->answers.count +
               c->mismatches.count >
           0;
}

static void put_optional(struct pg_array *a, int64_t value, bool there)
{
    if (there) {
        pg_array_i64(a, value);
    } else {
        pg_array_null(a);
    }
}

static void put_name(struct pg_array *a, enum wire_type type, const char *field, int64_t value)
{
    const char *name = value == WIRE_ABSENT ? NULL : wire_enum_name(type, field, value);
    if (name == NULL) {
        pg_array_null(a);
    } else {
        pg_array_span(a, span_of(name, strlen(name)));
    }
}

static void put_identity(struct pg_rows *rows, const struct session *s)
{
    put_name(pg_rows_next(rows), WIRE_IDENTIFY, "method", s->identity_method);
    pg_array_bytes(pg_rows_next(rows),
                   s->identified ? span_of(s->identity_ref, sizeof s->identity_ref) : SPAN_NONE);
    pg_array_bool(pg_rows_next(rows), s->identity_conflict);
}

static void put_sums(struct pg_rows *rows, const struct session *s)
{
    const char *currency = s->claimed_currency[0] != '\0' ? s->claimed_currency : s->fold.currency;
    put_optional(pg_rows_next(rows), s->claimed_items, s->reconciled);
    put_optional(pg_rows_next(rows), s->claimed_scans, s->reconciled);
    put_optional(pg_rows_next(rows), s->claimed_unpriced, s->reconciled);
    put_optional(pg_rows_next(rows), s->claimed_total, s->reconciled);
    pg_array_span(pg_rows_next(rows), currency[0] != '\0' ? span_of(currency, 3) : SPAN_NONE);
    pg_array_i64(pg_rows_next(rows), s->fold.item_count);
    pg_array_i64(pg_rows_next(rows), s->fold.scan_count);
    pg_array_i64(pg_rows_next(rows), s->fold.total_minor);
    pg_array_i64(pg_rows_next(rows), s->mismatch_count);
}

static void put_reconciliation(struct pg_rows *rows, const struct session *s)
{
    char reasons[256];
    struct sink out;
    sink_init(&out, reasons, sizeof reasons);
    for (unsigned i = 0; i < RECONCILE_REASONS; i++) {
        if ((s->reasons & (1U << i)) != 0) {
            sink_text(&out, out.size > 0 ? "," : "");
            sink_text(&out, reconcile_reason_name((enum reconcile_reason)i));
        }
    }
    const char *state = "open";
    if (s->superseded) {
        sink_text(&out, out.size > 0 ? ",superseded" : "superseded");
        state = "mismatch";
    } else if (s->reconciled) {
        state = s->reasons == 0 ? "reconciled" : "mismatch";
    }
    pg_array_span(pg_rows_next(rows), span_of(state, strlen(state)));
    pg_array_span(pg_rows_next(rows), sink_span(&out));
}

void session_changes_put(struct session_changes *c, const struct session_place *place,
                         const struct session *s)
{
    bool open = session_is_open(s);
    struct pg_rows *rows = open ? &c->open : &c->ended;
    char id[WIRE_SESSION_ID_BYTES];
    struct sink out;
    sink_init(&out, id, sizeof id);
    wire_session_id_write(&out, place->cart_id, s->epoch, s->start_counter);
    const char *status = session_status_name(s->status);
    if (open) {
        pg_array_span(pg_rows_next(&c->starts), place->cart_id);
        pg_array_span(pg_rows_next(&c->starts), sink_span(&out));
        pg_array_time_ms(pg_rows_next(&c->starts), s->started_ms);
        pg_rows_end(&c->starts);
    }
    pg_array_span(pg_rows_next(rows), sink_span(&out));
    pg_array_span(pg_rows_next(rows), place->cart_id);
    pg_array_span(pg_rows_next(rows), place->store_id);
    pg_array_i64(pg_rows_next(rows), s->epoch);
    pg_array_i64(pg_rows_next(rows), s->start_counter);
    put_optional(pg_rows_next(rows), s->end_counter, s->end_counter > 0);
    pg_array_i64(pg_rows_next(rows), s->last_counter);
    pg_array_span(pg_rows_next(rows), span_of(status, strlen(status)));
    put_name(pg_rows_next(rows), WIRE_SESSION_START, "reason", s->hold_reason);
    pg_array_time_ms(pg_rows_next(rows), s->started_ms);
    if (open) {
        pg_array_null(pg_rows_next(rows));
    } else {
        pg_array_time_ms(pg_rows_next(rows), s->ended_ms);
    }
    pg_array_time_ms(pg_rows_next(rows), s->first_received_ms);
    put_identity(rows, s);
    put_sums(rows, s);
    put_reconciliation(rows, s);
    pg_rows_end(rows);
}

void session_changes_late(struct session_changes *c, struct span session_id)
{
    pg_array_span(pg_rows_next(&c->late), session_id);
    pg_rows_end(&c->late);
}

void session_changes_mismatch(struct session_changes *c, const struct session_place *place,
                              const struct wire_event *scan)
{
    struct pg_rows *rows = &c->mismatches;
    const struct wire_scan *s = &scan->scan;
    pg_array_span(pg_rows_next(rows), place->cart_id);
    pg_array_i64(pg_rows_next(rows), scan->epoch);
    pg_array_i64(pg_rows_next(rows), scan->counter);
    pg_array_span(pg_rows_next(rows), s->session_id);
    pg_array_span(pg_rows_next(rows), place->store_id);
    pg_array_span(pg_rows_next(rows), s->sku.size > 0 ? s->sku : SPAN_NONE);
    pg_array_span(pg_rows_next(rows), s->gtin);
    put_optional(pg_rows_next(rows), s->weight_expected_g, s->weight_expected_g != WIRE_ABSENT);
    put_optional(pg_rows_next(rows), s->weight_delta_g, s->weight_delta_g != WIRE_ABSENT);
    pg_array_time_ms(pg_rows_next(rows), scan->time_ms);
    pg_rows_end(rows);
}

void session_changes_pay(struct session_changes *c, const struct session_payment *p)
{
    struct pg_rows *rows = &c->payments;
    pg_array_span(pg_rows_next(rows), p->session_id);
    pg_array_span(pg_rows_next(rows), p->store_id);
    pg_array_span(pg_rows_next(rows), p->token);
    pg_array_i64(pg_rows_next(rows), p->amount_minor);
    pg_array_span(pg_rows_next(rows), p->currency);
    pg_array_span(pg_rows_next(rows), p->approved ? SPAN_LIT("approved") : SPAN_LIT("declined"));
    pg_array_i64(pg_rows_next(rows), p->counter);
    pg_array_time_ms(pg_rows_next(rows), p->device_ms);
    pg_rows_end(rows);
}

void session_changes_ask(struct session_changes *c, int64_t index, struct span session_id,
                         struct span token)
{
    pg_array_i64(pg_rows_next(&c->answers), index);
    pg_array_span(pg_rows_next(&c->answers), session_id);
    pg_array_span(pg_rows_next(&c->answers), token);
    pg_rows_end(&c->answers);
}

enum res session_changes_add(struct session_changes *c, struct pg_conn *conn, size_t first,
                             size_t *ret_answers, size_t *ret_count, struct err *why)
{
    const struct {
        struct pg_rows *rows;
        const char *sql;
    } parts[] = {
        {&c->ended, put_sql},       {&c->starts, starts_sql},       {&c->open, put_sql},
        {&c->late, late_sql},       {&c->mismatches, mismatch_sql}, {&c->payments, pay_sql},
        {&c->payments, unpaid_sql}, {&c->answers, ask_sql},
    };
    _Static_assert(sizeof parts / sizeof parts[0] == SESSION_STATEMENTS_MAX,
                   "the caller counts on it");
    size_t count = 0;
    size_t answers = SIZE_MAX;
    for (size_t i = 0; i < SESSION_STATEMENTS_MAX; i++) {
        if (parts[i].rows->count == 0) {
            continue;
        }
        enum res res = pg_rows_add(parts[i].rows, conn, parts[i].sql, why);
        if (res != RES_OK) {
            return res;
        }
        answers = parts[i].sql == ask_sql ? first + count : answers;
        count++;
    }
    *ret_answers = answers;
    *ret_count = count;
    return RES_OK;
}

struct session_answer session_changes_answer(const PGresult *rows, int row)
{
    struct session_answer a = {pg_get_i64(rows, row, 0), false, SPAN_NONE};
    bool its_own = pg_get_bool(rows, row, 1);
    bool token_used = pg_get_bool(rows, row, 4);
    bool session_there = pg_get_bool(rows, row, 5);
    if (its_own) {
        a.accepted = span_equal(pg_get_span(rows, row, 2), SPAN_LIT("accepted"));
        a.reason = pg_get_span(rows, row, 3);
    } else if (token_used) {
        a.reason = SPAN_LIT("token_reused");
    } else {
        a.reason = session_there ? SPAN_LIT("session_closed") : SPAN_LIT("unknown_session");
    }
    return a;
}

enum res session_changes_load_open(struct pg_conn *conn, const char *cart_ids, PGresult **ret_rows,
                                   struct err *why)
{
    struct pg_params params;
    pg_params_init(&params);
    pg_params_cstr(&params, cart_ids);
    return pg_conn_run(conn,
                       "SELECT cart_id::text, epoch, start_counter, first_received_at FROM session "
                       "WHERE cart_id = ANY ($1::text[]) AND status IN ('active', 'paused')",
                       &params, ret_rows, why);
}
