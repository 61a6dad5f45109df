#include "pos_http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_rows.h"
#include "pos_json.h"
#include "pos_sync.h"

#define UPLOAD_BYTES_MAX (16 * 1024 * 1024)
#define SYNCS_SHOWN      20
#define TEXT_OF(number)  TEXT_OF_(number)
#define TEXT_OF_(number) #number

static const char *const modes[] = {"delta", "full", NULL};
static const char *const states[] = {"done", "refused", "repeated", NULL};
static const char *const channels[] = {"rest", "drop", NULL};
static const char *const media[] = {"text/csv", "application/json", NULL};

static const struct http_field refusal_fields[] = {
    {.name = "line",
     .type = HTTP_INTEGER,
     .summary = "Of the file, from 1; in JSON the item, from 1."},
    {.name = "field", .type = HTTP_TEXT, .summary = "The column, or row."},
    {.name = "value", .type = HTTP_TEXT, .summary = "As it was given, cut."},
    {.name = "constraint", .type = HTTP_TEXT, .summary = "What it breaks."},
    {.name = NULL}};
static const struct http_schema refusal_schema = {"PosRefusal", "A bad row.", refusal_fields};

#define COUNT(field, column, words)                                                                \
    {                                                                                              \
        .name = (field), .type = HTTP_INTEGER, .source = (column), .summary = (words)              \
    }
static const struct http_field sync_fields[] = {
    {.name = "syncId", .type = HTTP_UUID, .source = "p.sync_id", .summary = "Its id."},
    {.name = "storeId", .type = HTTP_TEXT, .source = "p.store_id", .summary = "The store."},
    {.name = "channel",
     .type = HTTP_CHOICE,
     .choices = channels,
     .source = "p.channel",
     .summary = "rest, or drop: the folder."},
    {.name = "mode",
     .type = HTTP_CHOICE,
     .choices = modes,
     .source = "p.mode",
     .summary = "full: "
                "what it lacks is deleted."},
    {.name = "state",
     .type = HTTP_CHOICE,
     .choices = states,
     .source = "p.state",
     .summary = "repeated: the same as the last one taken, nothing changed."},
    {.name = "sourceVersion",
     .type = HTTP_TEXT,
     .nullable = true,
     .source = "p.source_version",
     .summary = "The till's own."},
    COUNT("read", "p.read_count", "Rows."),
    COUNT("refused", "p.refused_count", "Rows that are wrong: then nothing was changed."),
    COUNT("added", "p.added_count", "Items."),
    COUNT("changed", "p.changed_count", "Items, with the repriced ones."),
    COUNT("repriced", "p.repriced_count", "Items."),
    COUNT("deleted", "p.deleted_count", "Items, kept for history."),
    {.name = "refusals",
     .type = HTTP_LIST,
     .of = &refusal_schema,
     .source = "p.refusals",
     .summary = "At most 1,000 of them."},
    {.name = "finishedAt", .type = HTTP_TIME, .source = "p.finished_at", .summary = "When."},
    {.name = NULL}};
static const struct http_schema sync_schema = {
    "PosSync", "What one synchronisation from the till system did.", sync_fields};

#define STORE_PARAM                                                                                \
    {                                                                                              \
        HTTP_IN_PATH,                                                                              \
        {                                                                                          \
            .name = "storeId", .type = HTTP_TEXT, .required = true, .min = 3, .max = 24,           \
            .charset = "A-Z0-9-", .summary = "The store."                                          \
        }                                                                                          \
    }
static const struct http_param sync_params[] = {
    STORE_PARAM,
    {HTTP_IN_QUERY,
     {.name = "mode",
      .type = HTTP_CHOICE,
      .choices = modes,
      .summary = "delta, unless given; full: it is the whole catalogue."}},
    {HTTP_IN_QUERY,
     {.name = "sourceVersion",
      .type = HTTP_INTEGER,
      .min = 1,
      .max = 9007199254740991,
      .summary = "The till's own number, rising: an older one is refused."}},
    HTTP_PARAM_END};
static const char *const sync_errors[] = {"POS_ROWS_REFUSED", "STALE_VERSION", NULL};

/* ---- taking in ---- */

static void reply_result(struct http_request *q, struct pg_pool *pool,
                         const struct pos_sync_result *r)
{
    if (r->state == POS_SYNC_REFUSED) {
        char words[128];
        (void)snprintf(words, sizeof words, "Rows that are wrong: %lld; nothing was changed.",
                       (long long)r->summary.refused);
        http_reply_error_details(q, HTTP_ERROR_PARAMETER, "POS_ROWS_REFUSED", words,
                                 json_incref(r->refusals));
        return;
    }
    struct pg_params p;
    pg_params_init(&p);
    pg_params_cstr(&p, r->sync_id);
    json_t *row =
        http_rows_one(q, pool, &sync_schema, "pos_sync p", "p.sync_id = $1::text::uuid", &p);
    if (row != NULL) {
        http_reply_json(q, row);
    }
}

static void run(struct http_request *q, struct pg_pool *pool, const struct pos_sync_order *order)
{
    struct pg_conn *c = NULL;
    struct err why = {""};
    struct pos_sync_result result;
    enum res r = pg_pool_take(pool, &c, &why);
    if (r == RES_OK) {
        r = pos_sync_run(c, order, &result, &why);
        pg_pool_give(pool, c);
    }
    if (r == RES_OK) {
        reply_result(q, pool, &result);
        pos_sync_result_deinit(&result);
    } else if (r == RES_NOT_FOUND) {
        http_reply_error(q, HTTP_ERROR_NOT_FOUND, NULL);
    } else if (r == RES_CONFLICT && order->source_version != 0) {
        http_reply_error_code(q, HTTP_ERROR_CONFLICT, "STALE_VERSION", why.text);
    } else {
        http_rows_fail(q, r, &why);
    }
}

static void run_json(struct http_request *q, struct pg_pool *pool, struct pos_sync_order *order)
{
    char *csv = NULL;
    size_t size = 0;
    const char *what = NULL;
    FILE *out = open_memstream(&csv, &size);
    enum res r = out == NULL ? RES_NO_MEMORY : pos_json_to_csv(order->content, out, &what);
    if (out != NULL && fclose(out) != 0) {
        r = RES_NO_MEMORY;
    }
    if (r == RES_OK) {
        order->csv = span_of(csv, size);
        order->is_json = true;
        run(q, pool, order);
    } else if (r == RES_INVALID) {
        http_reply_error_field(q, "body", "", what);
    } else {
        http_reply_error(q, HTTP_ERROR_UNAVAILABLE, "Out of memory; try again.");
    }
    free(csv);
}

static void sync(struct http_request *q, void *context)
{
    struct span body = http_request_body(q);
    struct pos_sync_order order = {.store_id = http_request_text(q, "storeId"),
                                   .channel = POS_SYNC_REST,
                                   .full = http_request_number(q, "mode") == 1,
                                   .source_version = http_request_number(q, "sourceVersion"),
                                   .content = body,
                                   .csv = body};
    if (http_request_media(q) == 1) {
        run_json(q, context, &order);
    } else {
        run(q, context, &order);
    }
}

/* ---- health ---- */

static const char *const healths[] = {"never", "good", "refused", NULL};
#define LAST_GOOD                                                                                  \
    "(SELECT max(p.finished_at) FROM pos_sync p WHERE p.store_id = s.store_id AND "                \
    "p.state <> 'refused')"
static const struct http_field health_fields[] = {
    {.name = "storeId", .type = HTTP_TEXT, .source = "s.store_id", .summary = "The store."},
    {.name = "catalogueMaster",
     .type = HTTP_TEXT,
     .source = "s.catalogue_master",
     .summary = "pos: prices come from the till system; platform: only texts and stock do."},
    {.name = "health",
     .type = HTTP_CHOICE,
     .choices = healths,
     .source = "coalesce((SELECT CASE WHEN p.state = 'refused' THEN 'refused' ELSE 'good' END "
               "FROM pos_sync p WHERE p.store_id = s.store_id ORDER BY p.finished_at DESC LIMIT "
               "1), 'never')",
     .summary = "Of the last synchronisation."},
    {.name = "lastGoodAt",
     .type = HTTP_TIME,
     .nullable = true,
     .source = LAST_GOOD,
     .summary = "When the last one was taken."},
    {.name = "openRequests",
     .type = HTTP_INTEGER,
     .source = "(SELECT count(*) FROM price_request r WHERE r.store_id = s.store_id AND r.state = "
               "'open')",
     .summary = "Price requests the till system has not fulfilled yet."},
    {.name = "syncs",
     .type = HTTP_LIST,
     .of = &sync_schema,
     .summary = "The last " TEXT_OF(SYNCS_SHOWN) ", the newest first."},
    {.name = NULL}};
static const struct http_schema health_schema = {
    "PosHealth", "How synchronisation with a store's till system goes.", health_fields};
static const struct http_param health_params[] = {STORE_PARAM, HTTP_PARAM_END};

static void health(struct http_request *q, void *context)
{
    struct pg_params p;
    pg_params_init(&p);
    pg_params_cstr(&p, http_request_text(q, "storeId"));
    json_t *store = http_rows_one(q, context, &health_schema, "store s", "s.store_id = $1", &p);
    if (store == NULL) {
        return;
    }
    json_t *syncs = http_rows_all(q, context, &sync_schema,
                                  "(SELECT * FROM pos_sync WHERE store_id = $1 ORDER BY "
                                  "finished_at DESC LIMIT " TEXT_OF(SYNCS_SHOWN) ") p",
                                  "true", "ORDER BY p.finished_at DESC", &p);
    if (syncs == NULL) {
        json_decref(store);
        return;
    }
    (void)json_object_set_new(store, "syncs", syncs);
    http_reply_json(q, store);
}

const struct http_route pos_http_routes[] = {
    {.method = HTTP_POST,
     .path = "/api/pos/{storeId}/sync",
     .operation = "syncPos",
     .summary = "Takes in the till system's catalogue, whole or not at all.",
     .tag = "pos",
     .params = sync_params,
     .media = media,
     .body_bytes_max = UPLOAD_BYTES_MAX,
     .reply = &sync_schema,
     .errors = sync_errors,
     .permission = "catalog.sync",
     .handle = sync},
    {.method = HTTP_GET,
     .path = "/api/pos/{storeId}",
     .operation = "getPosHealth",
     .summary = "The last synchronisations and how they went.",
     .tag = "pos",
     .params = health_params,
     .reply = &health_schema,
     .permission = "catalog.read",
     .handle = health},
    HTTP_ROUTE_END};
