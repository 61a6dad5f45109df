#include "dead_letter_http.h"

#include <openssl/evp.h>
#include <string.h>

#include "http_rows.h"

#define BODY_BYTES_MAX  16384 /* the table's own limit */
#define DIGITS_MASKED   12 /* a run this long may be a card number (13 to 19) or a phone number */
#define SIGNATURE_BYTES 64

static const char *const states[] = {"open", "replayed", "discarded", NULL};

#define LETTER_FIELDS                                                                              \
    {.name = "deadLetterId",                                                                       \
     .type = HTTP_INTEGER,                                                                         \
     .source = "d.dead_letter_id",                                                                 \
     .summary = "Its id."},                                                                        \
        {.name = "receivedAt",                                                                     \
         .type = HTTP_TIME,                                                                        \
         .source = "d.received_at",                                                                \
         .summary = "First received."},                                                            \
        {.name = "lastReceivedAt",                                                                 \
         .type = HTTP_TIME,                                                                        \
         .source = "d.last_received_at",                                                           \
         .summary = "Last received."},                                                             \
        {.name = "occurrences",                                                                    \
         .type = HTTP_INTEGER,                                                                     \
         .source = "d.occurrences",                                                                \
         .summary = "How often exactly this came."},                                               \
        {.name = "topic", .type = HTTP_TEXT, .source = "d.topic", .summary = "Where it came in."}, \
        {.name = "claimedDevice",                                                                  \
         .type = HTTP_TEXT,                                                                        \
         .source = "d.claimed_device",                                                             \
         .summary = "As topic or body say; not trusted. Empty: neither could be read."},           \
        {.name = "storeId",                                                                        \
         .type = HTTP_TEXT,                                                                        \
         .nullable = true,                                                                         \
         .source = "d.store_id",                                                                   \
         .summary = "Of the claimed device, when it exists."},                                     \
        {.name = "reason",                                                                         \
         .type = HTTP_TEXT,                                                                        \
         .source = "d.reason",                                                                     \
         .summary = "Why it was refused; docs/wire.md lists the names."},                          \
        {.name = "field",                                                                          \
         .type = HTTP_TEXT,                                                                        \
         .nullable = true,                                                                         \
         .source = "d.field",                                                                      \
         .summary = "The field that breaks its rule."},                                            \
        {.name = "fieldLimit",                                                                     \
         .type = HTTP_INTEGER,                                                                     \
         .nullable = true,                                                                         \
         .source = "d.field_limit",                                                                \
         .summary = "The limit it breaks."},                                                       \
        {.name = "epoch",                                                                          \
         .type = HTTP_INTEGER,                                                                     \
         .nullable = true,                                                                         \
         .source = "d.epoch",                                                                      \
         .summary = "As the body says."},                                                          \
        {.name = "counter",                                                                        \
         .type = HTTP_INTEGER,                                                                     \
         .nullable = true,                                                                         \
         .source = "d.counter",                                                                    \
         .summary = "As the body says."},                                                          \
        {.name = "bodyBytes",                                                                      \
         .type = HTTP_INTEGER,                                                                     \
         .source = "octet_length(d.body)",                                                         \
         .summary = "Kept of it."},                                                                \
        {.name = "bodyDigest",                                                                     \
         .type = HTTP_TEXT,                                                                        \
         .source = "encode(d.body_digest, 'hex')",                                                 \
         .summary = "SHA-256 of the whole frame."},                                                \
    {                                                                                              \
        .name = "state", .type = HTTP_CHOICE, .choices = states, .source = "d.state",              \
        .summary = "What was decided about it."                                                    \
    }

static const struct http_field letter_fields[] = {LETTER_FIELDS, {.name = NULL}};
static const struct http_schema letter_schema = {"DeadLetter", "A message that was refused.",
                                                 letter_fields};
static const struct http_field detail_fields[] = {
    LETTER_FIELDS,
    {.name = "bodyText",
     .type = HTTP_TEXT,
     .nullable = true,
     .summary = "The body when it is clean text; long runs of digits are masked with *."},
    {.name = "bodyBase64",
     .type = HTTP_TEXT,
     .nullable = true,
     .summary = "The whole frame; null when something was masked."},
    {.name = "masked", .type = HTTP_BOOLEAN, .summary = "Whether something was masked."},
    {.name = NULL}};
static const struct http_schema detail_schema = {
    "DeadLetterDetail", "A message that was refused, with its bytes.", detail_fields};

static const struct http_param list_params[] = {
    {HTTP_IN_QUERY,
     {.name = "storeId",
      .type = HTTP_TEXT,
      .min = 3,
      .max = 24,
      .charset = "A-Z0-9-",
      .summary = "Only of this store."}},
    {HTTP_IN_QUERY,
     {.name = "reason",
      .type = HTTP_TEXT,
      .min = 1,
      .max = 40,
      .charset = "a-z0-9_",
      .summary = "Only refused for this reason."}},
    {HTTP_IN_QUERY,
     {.name = "device",
      .type = HTTP_TEXT,
      .min = 1,
      .max = 40,
      .charset = "A-Z0-9-",
      .summary = "Only those that claim this device."}},
    {HTTP_IN_QUERY,
     {.name = "state", .type = HTTP_CHOICE, .choices = states, .summary = "Only these."}},
    HTTP_PARAM_LIMIT,
    HTTP_PARAM_CURSOR,
    HTTP_PARAM_END};
static const struct http_param one_params[] = {{HTTP_IN_PATH,
                                                {.name = "id",
                                                 .type = HTTP_INTEGER,
                                                 .required = true,
                                                 .min = 1,
                                                 .max = 9007199254740991,
                                                 .summary = "The dead letter."}},
                                               HTTP_PARAM_END};

static const struct http_rows_filter filters[] = {{"storeId", "d.store_id = ?"},
                                                  {"reason", "d.reason = ?"},
                                                  {"device", "d.claimed_device = ?"},
                                                  {"state", "d.state = ?"},
                                                  {NULL, NULL}};
static const struct http_rows_list letters = {.schema = &letter_schema,
                                              .from = "dead_letter d",
                                              .filters = filters,
                                              .cursor_kind = 'd',
                                              .newest_first = true,
                                              .keys = {{"d.dead_letter_id", "bigint"}}};

static void list_letters(struct http_request *q, void *context)
{
    http_rows_page(q, context, &letters);
}

/* Replaces the digits of long runs; says whether there was one. */
static bool mask_digits(char *text, size_t size)
{
    bool masked = false;
    size_t start = 0;
    for (size_t i = 0; i <= size; i++) {
        if (i < size && text[i] >= '0' && text[i] <= '9') {
            continue;
        }
        if (i - start >= DIGITS_MASKED) {
            memset(text + start, '*', i - start);
            masked = true;
        }
        start = i + 1;
    }
    return masked;
}

static void add_body(json_t *letter, struct span frame)
{
    char text[BODY_BYTES_MAX + 1];
    char base64[BODY_BYTES_MAX * 4 / 3 + 5];
    if (frame.size > BODY_BYTES_MAX) {
        frame.size = BODY_BYTES_MAX;
    }
    struct span body = frame;
    memcpy(text, frame.data, frame.size);
    bool masked = mask_digits(text, frame.size);
    if (!http_uri_is_clean_text(body) && frame.size > SIGNATURE_BYTES) {
        body.size -= SIGNATURE_BYTES; /* a whole frame: text, then the signature */
    }
    bool clean = http_uri_is_clean_text(body);
    (void)EVP_EncodeBlock((unsigned char *)base64, frame.data, (int)frame.size);
    (void)json_object_set_new(letter, "bodyText",
                              clean ? json_stringn(text, body.size) : json_null());
    (void)json_object_set_new(letter, "bodyBase64", masked ? json_null() : json_string(base64));
    (void)json_object_set_new(letter, "masked", json_boolean(masked));
}

static void get_letter(struct http_request *q, void *context)
{
    struct pg_params p;
    struct err why;
    PGresult *rows = NULL;
    pg_params_init(&p);
    pg_params_i64(&p, http_request_number(q, "id"));
    json_t *letter =
        http_rows_one(q, context, &detail_schema, "dead_letter d", "d.dead_letter_id = $1", &p);
    if (letter == NULL) {
        return;
    }
    enum res r = pg_pool_run(context, "SELECT body FROM dead_letter WHERE dead_letter_id = $1", &p,
                             &rows, &why);
    if (r == RES_OK && PQntuples(rows) == 1) {
        add_body(letter, pg_get_span(rows, 0, 0));
        http_reply_json(q, letter);
    } else {
        json_decref(letter);
        http_rows_fail(q, r == RES_OK ? RES_AGAIN : r, &why);
    }
    PQclear(rows);
}

const struct http_route dead_letter_http_routes[] = {
    {.method = HTTP_GET,
     .path = "/api/dead-letters",
     .operation = "listDeadLetters",
     .summary = "Refused messages, newest first.",
     .tag = "dead letters",
     .params = list_params,
     .reply = &letter_schema,
     .page = true,
     .permission = "dead-letter.read",
     .handle = list_letters},
    {.method = HTTP_GET,
     .path = "/api/dead-letters/{id}",
     .operation = "getDeadLetter",
     .summary = "One refused message with its bytes.",
     .tag = "dead letters",
     .params = one_params,
     .reply = &detail_schema,
     .permission = "dead-letter.read",
     .handle = get_letter},
    HTTP_ROUTE_END};
