#include "section_http.h"

#include "fleet_audit.h"
#include "http_rows.h"
#include "http_transact.h"
#include "label_group.h"

static const char *const languages[] = {"en", "hi", "ta", "te", "bn", "mr", NULL};

static const struct http_field section_fields[] = {
    {.name = "storeId", .type = HTTP_TEXT, .source = "x.store_id", .summary = "Its store."},
    {.name = "aisle", .type = HTTP_TEXT, .source = "x.aisle", .summary = "Its name."},
    {.name = "language",
     .type = HTTP_CHOICE,
     .choices = languages,
     .source = "coalesce(p.language, s.primary_language)",
     .summary = "Of its labels that have none of their own."},
    {.name = "ownLanguage",
     .type = HTTP_BOOLEAN,
     .source = "p.language IS NOT NULL",
     .summary = "False: its store's primary language."},
    {.name = "labels",
     .type = HTTP_INTEGER,
     .source = "SELECT count(*) FROM label l WHERE l.store_id = x.store_id AND l.aisle = x.aisle "
               "AND l.retired_at IS NULL",
     .summary = "Labels that hang there."},
    {.name = NULL}};
static const struct http_schema section_schema = {
    "StoreSection", "An aisle and its labels' language.", section_fields};
/* An aisle is known by its labels or by a language of its own. */
#define SECTION_FROM                                                                               \
    "(SELECT store_id::text, aisle FROM store_section UNION SELECT store_id::text, aisle FROM "    \
    "label WHERE aisle IS NOT NULL AND retired_at IS NULL) x JOIN store s ON s.store_id = "        \
    "x.store_id LEFT JOIN store_section p ON p.store_id = x.store_id AND p.aisle = x.aisle"

static const struct http_field body_fields[] = {{.name = "language",
                                                 .type = HTTP_CHOICE,
                                                 .required = true,
                                                 .choices = languages,
                                                 .summary = "What its labels show from now on."},
                                                {.name = NULL}};
static const struct http_schema body_schema = {"SectionLanguage", "The language of an aisle.",
                                               body_fields};
static const struct http_field told_fields[] = {
    {.name = "storeId", .type = HTTP_TEXT, .summary = "Its store."},
    {.name = "aisle", .type = HTTP_TEXT, .summary = "Its name."},
    {.name = "language", .type = HTTP_CHOICE, .choices = languages, .summary = "From now on."},
    {.name = "labels", .type = HTTP_INTEGER, .summary = "Labels that hang there."},
    {.name = "changed",
     .type = HTTP_INTEGER,
     .summary = "Labels that get a new configuration or new content."},
    {.name = NULL}};
static const struct http_schema told_schema = {"SectionTold", "What a change of language did.",
                                               told_fields};

#define STORE_PARAM                                                                                \
    {                                                                                              \
        HTTP_IN_PATH,                                                                              \
        {                                                                                          \
            .name = "id", .type = HTTP_TEXT, .required = true, .min = 3, .max = 24,                \
            .charset = "A-Z0-9-", .summary = "The store."                                          \
        }                                                                                          \
    }
static const struct http_param list_params[] = {STORE_PARAM, HTTP_PARAM_LIMIT, HTTP_PARAM_CURSOR,
                                                HTTP_PARAM_END};
static const struct http_param one_params[] = {STORE_PARAM,
                                               {HTTP_IN_PATH,
                                                {.name = "aisle",
                                                 .type = HTTP_TEXT,
                                                 .required = true,
                                                 .min = 1,
                                                 .max = 40,
                                                 .summary = "The aisle's name."}},
                                               HTTP_PARAM_END};

static const struct http_rows_list sections = {
    .schema = &section_schema,
    .from = SECTION_FROM,
    .filters = (const struct http_rows_filter[]){{"id", "x.store_id = ?"}, {NULL, NULL}},
    .cursor_kind = 'y',
    .keys = {{"x.aisle", "text"}}};

static void list_sections(struct http_request *q, void *context)
{
    http_rows_page(q, context, &sections);
}

static void get_section(struct http_request *q, void *context)
{
    struct pg_params p;
    pg_params_init(&p);
    pg_params_cstr(&p, http_request_text(q, "id"));
    pg_params_cstr(&p, http_request_text(q, "aisle"));
    json_t *section = http_rows_one(q, context, &section_schema, SECTION_FROM,
                                    "x.store_id = $1 AND x.aisle = $2", &p);
    if (section != NULL) {
        http_reply_json(q, section);
    }
}

static const char set_sql[] =
    "INSERT INTO store_section (store_id, aisle, language) SELECT store_id, $2, $3 FROM store "
    "WHERE store_id = $1 ON CONFLICT (store_id, aisle) DO UPDATE SET language = excluded.language";
/* The last word counts: a label of the aisle gives up a language of its own. */
static const char labels_sql[] =
    "WITH freed AS (UPDATE label SET language = NULL WHERE store_id = $1 AND aisle = $2 AND "
    "language IS NOT NULL) SELECT label_id::text FROM label WHERE store_id = $1 AND aisle = $2 "
    "AND retired_at IS NULL ORDER BY label_id";

static enum res set_language(struct http_request *q, struct pg_conn *c, const struct pg_params *p,
                             struct err *why)
{
    struct pg_params three = *p;
    PGresult *rows = NULL;
    pg_params_cstr(&three, languages[http_request_number(q, "language")]);
    enum res r = pg_conn_run(c, set_sql, &three, &rows, why);
    if (r == RES_OK && pg_get_touched(rows) == 0) {
        http_reply_error(q, HTTP_ERROR_NOT_FOUND, NULL);
        r = RES_DENIED;
    }
    PQclear(rows);
    return r;
}

static enum res change(struct http_request *q, struct pg_conn *c, json_t **ret_answer,
                       struct err *why)
{
    static const struct delivery_cause cause = {.job_id = NULL};
    struct label_group labels = {.count = 0};
    struct pg_params p;
    int64_t changed = 0;
    const char *store = http_request_text(q, "id");
    const char *aisle = http_request_text(q, "aisle");
    const char *language = languages[http_request_number(q, "language")];
    pg_params_init(&p);
    pg_params_cstr(&p, store);
    pg_params_cstr(&p, aisle);
    enum res r = set_language(q, c, &p, why);
    if (r == RES_OK) {
        r = label_group_find(c, labels_sql, &p, &labels, why);
    }
    if (r == RES_OK) {
        r = label_group_tell(c, &labels, &cause, &changed, why);
    }
    if (r == RES_OK) {
        r = fleet_audit_write(q, c, store, "section.language", "section", aisle,
                              json_pack("{s:s}", "language", language), why);
    }
    if (r == RES_OK) {
        *ret_answer =
            json_pack("{s:s, s:s, s:s, s:I, s:I}", "storeId", store, "aisle", aisle, "language",
                      language, "labels", (json_int_t)labels.count, "changed", (json_int_t)changed);
    }
    label_group_free(&labels);
    return r;
}

static void put_section(struct http_request *q, void *context)
{
    http_transact_run(q, context, change);
}

const struct http_route section_http_routes[] = {
    {.method = HTTP_GET,
     .path = "/api/stores/{id}/sections",
     .operation = "listSections",
     .summary = "A store's aisles and the language of their labels.",
     .tag = "stores",
     .params = list_params,
     .reply = &section_schema,
     .page = true,
     .permission = "device.read",
     .handle = list_sections},
    {.method = HTTP_GET,
     .path = "/api/stores/{id}/sections/{aisle}",
     .operation = "getSection",
     .summary = "One aisle.",
     .tag = "stores",
     .params = one_params,
     .reply = &section_schema,
     .permission = "device.read",
     .handle = get_section},
    {.method = HTTP_PUT,
     .path = "/api/stores/{id}/sections/{aisle}",
     .operation = "setSectionLanguage",
     .summary = "Says what language the labels of an aisle show; all of them are told.",
     .tag = "stores",
     .params = one_params,
     .body = &body_schema,
     .reply = &told_schema,
     .permission = "device.configure",
     .handle = put_section},
    HTTP_ROUTE_END};
