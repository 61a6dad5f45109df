#include "face_http.h"

#include "ecdsa.h"
#include "face.h"
#include "http_rows.h"

enum side { DESIRED, SHOWN };
static const char *const sides[] = {"desired", "shown", NULL};

static const struct http_param params[] = {
    {HTTP_IN_PATH,
     {.name = "id",
      .type = HTTP_TEXT,
      .required = true,
      .min = 9,
      .max = SHELF_ID_BYTES_MAX,
      .charset = "A-Z0-9-",
      .summary = "The label's id."}},
    {HTTP_IN_QUERY,
     {.name = "state",
      .type = HTTP_CHOICE,
      .choices = sides,
      .summary = "desired (the default): what it shall show; shown: what it confirmed to show, as "
                 "far as that is still known."}},
    HTTP_PARAM_END};

static const char *const errors[] = {"NOTHING_TO_SHOW", NULL};

static const char preview_sql[] =
    "SELECT s.desired->'display', l.shown_digest, l.shown_price_minor FROM label l "
    "LEFT JOIN shadow s ON s.device_id = l.label_id "
    "WHERE l.label_id = $1 AND l.retired_at IS NULL";

static bool has_digest(const struct shelf_display *d, struct span digest)
{
    char text[SHELF_CANONICAL_BYTES];
    uint8_t own[ECDSA_DIGEST_BYTES];
    struct sink s;
    sink_init(&s, text, sizeof text);
    shelf_display_canonical(d, &s);
    return !s.overflow && ecdsa_sha256(sink_span(&s), own) == RES_OK &&
           span_equal(span_of(own, sizeof own), digest);
}

/* What a label shows is kept as a digest. It is what it shall show, or that with the price it
 * confirmed; the digest proves which. Anything else has been forgotten here. */
static bool make_shown(struct shelf_display *d, struct span digest, int64_t price_minor)
{
    if (has_digest(d, digest)) {
        return true;
    }
    d->price_minor = price_minor;
    return has_digest(d, digest);
}

static void reply_picture(struct http_request *q, const struct shelf_display *d)
{
    struct err why;
    struct face_picture picture;
    uint8_t *png = NULL;
    size_t size = 0;
    enum res r = face_draw(d, &picture, &why);
    if (r == RES_OK) {
        r = face_png(&picture, &png, &size, &why);
    }
    if (r != RES_OK) {
        http_rows_fail(q, r, &why);
        return;
    }
    http_reply_text(q, (char *)png, size);
}

static void preview(struct http_request *q, const PGresult *rows)
{
    struct shelf_display d;
    struct shelf_detail detail;
    struct arena arena;
    uint8_t room[SHELF_ARENA_BYTES];
    bool shown = http_request_number(q, "state") == SHOWN;
    if (pg_get_is_null(rows, 0, 0) || (shown && pg_get_is_null(rows, 0, 1))) {
        http_reply_error_code(q, HTTP_ERROR_NOT_FOUND, "NOTHING_TO_SHOW",
                              shown ? "This label has not confirmed to show anything."
                                    : "Nothing was composed for this label yet.");
        return;
    }
    arena_init(&arena, room, sizeof room);
    enum res r = shelf_display_decode(pg_get_span(rows, 0, 0), &arena, &d, &detail);
    if (r != RES_OK) {
        struct err why;
        err_set(&why, "desired.display of %.32s is not a display: %s %s",
                http_request_text(q, "id"), detail.field, detail.rule);
        http_rows_fail(q, RES_IO, &why);
        return;
    }
    if (shown && !make_shown(&d, pg_get_span(rows, 0, 1), pg_get_i64(rows, 0, 2))) {
        http_reply_error_code(q, HTTP_ERROR_NOT_FOUND, "NOTHING_TO_SHOW",
                              "What this label shows is not what it shall show, and is known by "
                              "its digest alone.");
        return;
    }
    reply_picture(q, &d);
}

static void get_preview(struct http_request *q, void *context)
{
    struct pg_params p;
    PGresult *rows = NULL;
    struct err why;
    pg_params_init(&p);
    pg_params_cstr(&p, http_request_text(q, "id"));
    enum res r = pg_pool_run(context, preview_sql, &p, &rows, &why);
    if (r != RES_OK) {
        http_rows_fail(q, r, &why);
    } else if (PQntuples(rows) == 0) {
        http_reply_error(q, HTTP_ERROR_NOT_FOUND, NULL);
    } else {
        preview(q, rows);
    }
    PQclear(rows);
}

const struct http_route face_http_routes[] = {
    {.method = HTTP_GET,
     .path = "/api/devices/{id}/preview.png",
     .operation = "previewDevice",
     .summary = "The picture of a label, drawn as the label draws it.",
     .tag = "devices",
     .params = params,
     .content_type = "image/png",
     .errors = errors,
     .permission = "device.read",
     .handle = get_preview},
    HTTP_ROUTE_END};
