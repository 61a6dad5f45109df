#include "pos_sync.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alert.h"
#include "ecdsa.h"
#include "pos_json.h"

#define CHANGED_BY      "pos-sync"
#define VALUE_BYTES_MAX 64

struct sync {
    struct pg_conn *c;
    const struct pos_sync_order *order;
    struct pos_sync_result result;
    uint8_t digest[ECDSA_DIGEST_BYTES];
    bool till_is_master;
    struct err *why;
};

const char *pos_sync_state_name(enum pos_sync_state state)
{
    static const char *const names[] = {"done", "refused", "repeated"};
    return names[state];
}

void pos_sync_result_deinit(struct pos_sync_result *r)
{
    json_decref(r->refusals);
    r->refusals = NULL;
}

static struct span cut(struct span value)
{
    if (value.size > VALUE_BYTES_MAX) {
        value.size = VALUE_BYTES_MAX;
        while (value.size > 0 && (value.data[value.size] & 0xC0) == 0x80) {
            value.size--;
        }
    }
    return value;
}

static void add_refusal(struct sync *s, size_t line, const char *field, struct span value,
                        const char *constraint)
{
    struct span shown = cut(value);
    json_t *text =
        shown.size == 0 ? json_string("") : json_stringn((const char *)shown.data, shown.size);
    if (text == NULL) { /* not UTF-8 */
        text = json_string("");
    }
    (void)json_array_append_new(s->result.refusals,
                                json_pack("{s:I, s:s, s:o, s:s}", "line", (json_int_t)line, "field",
                                          field, "value", text, "constraint", constraint));
}

static void note_refusal(void *user, const struct catalog_refusal *refusal)
{
    struct sync *s = user;
    if (json_array_size(s->result.refusals) < POS_SYNC_REFUSALS_MAX) {
        char field[POS_JSON_FIELD_BYTES];
        bool json = s->order->is_json;
        pos_json_field(refusal->field, field);
        add_refusal(s, refusal->line - (json && refusal->line > 1 ? 1 : 0),
                    json ? field : refusal->field, refusal->value, refusal->reason);
    }
}

/* ---- what was before ---- */

static enum res read_store(struct sync *s)
{
    struct pg_params p;
    PGresult *rows = NULL;
    pg_params_init(&p);
    pg_params_cstr(&p, s->order->store_id);
    enum res r = pg_conn_run(s->c, "SELECT catalogue_master FROM store WHERE store_id = $1", &p,
                             &rows, s->why);
    if (r != RES_OK) {
        return r;
    }
    if (PQntuples(rows) == 0) {
        err_set(s->why, "there is no store %.24s", s->order->store_id);
        r = RES_NOT_FOUND;
    } else {
        s->till_is_master = span_equal(pg_get_span(rows, 0, 0), SPAN_LIT("pos"));
    }
    PQclear(rows);
    if (r == RES_OK) { /* one catalogue at a time: what was last is last until the commit */
        r = pg_conn_run(s->c,
                        "SELECT pg_advisory_xact_lock(hashtextextended('catalogue:' || $1::text, "
                        "0))",
                        &p, NULL, s->why);
    }
    return r;
}

static enum res look_at_last(struct sync *s, bool *ret_repeated)
{
    struct pg_params p;
    PGresult *rows = NULL;
    pg_params_init(&p);
    pg_params_cstr(&p, s->order->store_id);
    enum res r = pg_conn_run(s->c,
                             "SELECT content_digest, mode = 'full', "
                             "coalesce(source_version::bigint, 0) FROM pos_sync WHERE store_id = "
                             "$1 AND state = 'done' ORDER BY finished_at DESC LIMIT 1",
                             &p, &rows, s->why);
    *ret_repeated = false;
    if (r == RES_OK && PQntuples(rows) == 1) {
        struct span digest = pg_get_span(rows, 0, 0);
        int64_t version = pg_get_i64(rows, 0, 2);
        *ret_repeated = span_equal(digest, span_of(s->digest, sizeof s->digest)) &&
                        pg_get_bool(rows, 0, 1) == s->order->full;
        if (!*ret_repeated && s->order->source_version != 0 && s->order->source_version < version) {
            err_set(s->why, "version %lld comes after version %lld was taken; send the newest",
                    (long long)s->order->source_version, (long long)version);
            r = RES_CONFLICT;
        }
    }
    PQclear(rows);
    return r;
}

/* ---- taking it in ---- */

static enum res record(struct sync *s)
{
    const struct catalog_import_summary *sum = &s->result.summary;
    bool done = s->result.state == POS_SYNC_DONE;
    char version[24];
    struct pg_params p;
    PGresult *rows = NULL;
    char *refusals = json_dumps(s->result.refusals, JSON_COMPACT);
    if (refusals == NULL) {
        err_set(s->why, "out of memory for the record of a synchronisation");
        return RES_NO_MEMORY;
    }
    (void)snprintf(version, sizeof version, "%lld", (long long)s->order->source_version);
    pg_params_init(&p);
    pg_params_cstr(&p, s->order->store_id);
    pg_params_cstr(&p, s->order->channel == POS_SYNC_REST ? "rest" : "drop");
    pg_params_cstr(&p, s->order->full ? "full" : "delta");
    pg_params_cstr(&p, s->order->source_version == 0 ? NULL : version);
    pg_params_bytes(&p, span_of(s->digest, sizeof s->digest));
    pg_params_cstr(&p, pos_sync_state_name(s->result.state));
    pg_params_i64(&p, sum->read);
    pg_params_i64(&p, sum->refused);
    pg_params_i64(&p, done ? sum->added : 0);
    pg_params_i64(&p, done ? sum->changed : 0);
    pg_params_i64(&p, done ? sum->repriced : 0);
    pg_params_i64(&p, done ? sum->deleted : 0);
    pg_params_cstr(&p, refusals);
    enum res r = pg_conn_run(
        s->c,
        "INSERT INTO pos_sync (store_id, channel, mode, source_version, content_digest, state, "
        "read_count, refused_count, added_count, changed_count, repriced_count, deleted_count, "
        "refusals, finished_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, "
        "$13::text::jsonb, clock_timestamp()) RETURNING sync_id",
        &p, &rows, s->why);
    free(refusals);
    if (r == RES_OK) {
        pg_get_uuid(rows, 0, 0, s->result.sync_id);
    }
    PQclear(rows);
    return r;
}

static enum res tell(struct sync *s)
{
    char cause[64];
    char message[160];
    (void)snprintf(cause, sizeof cause, "pos_sync:%.24s", s->order->store_id);
    if (s->result.state != POS_SYNC_REFUSED) {
        return alert_resolve(s->c, s->order->store_id, cause, s->why);
    }
    (void)snprintf(message, sizeof message,
                   "The till system's catalogue was refused, nothing was changed; rows that are "
                   "wrong: %lld.",
                   (long long)s->result.summary.refused);
    const struct alert_raise alert = {
        .store_id = s->order->store_id, .kind = ALERT_POS_SYNC, .cause = cause, .message = message};
    return alert_raise(s->c, &alert, s->why);
}

/* The upload is at fault, not the platform. */
static bool is_refusal(enum res r, const struct catalog_import_summary *sum)
{
    return (r == RES_DENIED && sum->refused > 0) || r == RES_INVALID || r == RES_LIMIT;
}

static enum res take_in(struct sync *s)
{
    const struct catalog_import_settings settings = {.store_id = s->order->store_id,
                                                     .source = CATALOG_POS,
                                                     .full = s->order->full,
                                                     .partial = true,
                                                     .all_or_nothing = true,
                                                     .keep_prices = !s->till_is_master,
                                                     .changed_by = CHANGED_BY,
                                                     .refused = note_refusal,
                                                     .user = s};
    struct err words = {""};
    struct span csv = s->order->csv.size == 0 ? SPAN_LIT("\n") : s->order->csv;
    union {
        const uint8_t *in;
        void *out;
    } same = {.in = csv.data};
    FILE *in = fmemopen(same.out, csv.size, "r");
    if (in == NULL) {
        err_set(s->why, "out of memory for a synchronisation");
        return RES_NO_MEMORY;
    }
    enum res r = pg_conn_command(s->c, "SAVEPOINT pos_sync", s->why);
    if (r == RES_OK) {
        r = catalog_import_within(s->c, in, &settings, &s->result.summary, &words);
        s->result.state = POS_SYNC_DONE;
        if (is_refusal(r, &s->result.summary)) {
            if (r != RES_DENIED) { /* the header, or the size */
                add_refusal(s, 1, "row", SPAN_NONE, words.text);
                s->result.summary = (struct catalog_import_summary){.refused = 1, .read = 1};
            }
            s->result.state = POS_SYNC_REFUSED;
            r = pg_conn_command(s->c, "ROLLBACK TO SAVEPOINT pos_sync", s->why);
        } else if (r != RES_OK) {
            *s->why = words;
        }
    }
    (void)fclose(in);
    return r;
}

static enum res work(struct sync *s)
{
    bool repeated = false;
    enum res r = read_store(s);
    if (r == RES_OK) {
        r = look_at_last(s, &repeated);
    }
    if (r == RES_OK && repeated) {
        s->result.state = POS_SYNC_REPEATED;
    } else if (r == RES_OK) {
        r = take_in(s);
    }
    if (r == RES_OK) {
        r = record(s);
    }
    return r == RES_OK ? tell(s) : r;
}

enum res pos_sync_run(struct pg_conn *c, const struct pos_sync_order *order,
                      struct pos_sync_result *ret, struct err *why)
{
    struct sync s = {.c = c, .order = order, .why = why};
    s.result.refusals = json_array();
    if (s.result.refusals == NULL || ecdsa_sha256(order->content, s.digest) != RES_OK) {
        json_decref(s.result.refusals);
        err_set(why, "out of memory for a synchronisation");
        return RES_NO_MEMORY;
    }
    enum res r = pg_conn_command(c, "BEGIN", why);
    if (r == RES_OK) {
        r = work(&s);
    }
    if (r == RES_OK) {
        r = pg_conn_command(c, "COMMIT", why);
    } else {
        enum res undone = pg_conn_command(c, "ROLLBACK", NULL);
        (void)undone; /* the first failure is the one to tell */
    }
    if (r == RES_OK) {
        *ret = s.result;
    } else {
        json_decref(s.result.refusals);
    }
    return r;
}
