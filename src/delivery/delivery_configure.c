#include "delivery_configure.h"

#include <string.h>

#include "clock.h"
#include "delivery_write.h"
#include "shelf.h"

#define ASKED_BYTES_MAX (64 * 1024 * 1024)
#define ARENA_BYTES     (2 * SHELF_DOWN_BYTES_MAX)

static const struct shelf_config factory = {
    .device_id = {(const uint8_t *)"ESP32-000000", 12},
    .update_id = {(const uint8_t *)"00000000-0000-4000-8000-000000000000", 36},
    .version = 1,
    .language = SHELF_EN,
    .led_brightness_pct = 80,
    .sync_peak_s = 300,
    .sync_off_peak_s = 1800,
    .peak_from_min = 8 * 60,
    .peak_to_min = 22 * 60,
};

/* In the order of ids, as delivery_refresh takes them. */
static const char make_shadows[] =
    "INSERT INTO shadow (device_id, store_id) SELECT l.label_id, l.store_id FROM label l "
    "JOIN unnest($1::text[]) AS a(label_id) USING (label_id) WHERE l.retired_at IS NULL "
    "AND NOT EXISTS (SELECT FROM shadow s WHERE s.device_id = l.label_id) ORDER BY l.label_id "
    "ON CONFLICT DO NOTHING";
static const char lock_shadows[] =
    "SELECT count(*) FROM (SELECT FROM shadow WHERE device_id = ANY ($1::text[]) "
    "ORDER BY device_id FOR UPDATE) AS held";
static const char keep_patches[] =
    "UPDATE shadow s SET own_config = jsonb_strip_nulls(s.own_config || a.patch) "
    "FROM unnest($1::text[], $2::jsonb[]) AS a(label_id, patch) "
    "WHERE s.device_id = a.label_id AND a.patch IS NOT NULL";
/* $3: what holds where nothing was said at all. */
enum column {
    LABEL_ID,
    STORE_ID,
    LANGUAGE,
    ONLINE,
    AISLE,
    SHELF,
    POSITION,
    OFFSET,
    ROW_NUMBER,
    WANTED,
    HELD,
    HELD_ID,
    HELD_LOST,
};
static const char facts_sql[] =
    "WITH facts AS MATERIALIZED (SELECT l.label_id::text, l.store_id::text, coalesce(l.language, "
    "x.language, "
    "s.primary_language)::text, l.online, l.aisle, l.shelf, l.position, "
    "(extract(epoch FROM (now() AT TIME ZONE s.timezone) - (now() AT TIME ZONE 'UTC')) / "
    "60)::bigint, "
    "a.number, $3::jsonb || coalesce(f.config, '{}') || h.own_config, h.desired -> 'config', "
    "(h.desired -> 'config' ->> 'updateId')::uuid AS held "
    "FROM unnest($1::text[], $2::jsonb[]) WITH ORDINALITY AS a(label_id, patch, number) "
    "JOIN label l USING (label_id) JOIN store s ON s.store_id = l.store_id "
    "JOIN shadow h ON h.device_id = l.label_id "
    "LEFT JOIN label_default f ON f.store_id = l.store_id "
    "LEFT JOIN store_section x ON x.store_id = l.store_id AND x.aisle = l.aisle "
    "WHERE l.retired_at IS NULL) SELECT f.*, d.state IN ('failed', 'superseded') FROM facts f "
    "LEFT JOIN delivery d ON d.delivery_id = f.held";

struct configure {
    const struct delivery_cause *cause;
    int64_t first_row;
    size_t facts_step;
    int64_t now_ms;
    struct delivery_write write;
    struct delivery_count count;
    enum res res;
    struct err *why;
};

static bool same(const struct shelf_config *held, const struct shelf_config *wanted)
{
    uint8_t room[2][SHELF_DOWN_BYTES_MAX];
    struct sink out[2];
    struct shelf_config other = *wanted;
    other.update_id = held->update_id;
    other.version = held->version;
    other.timestamp_ms = held->timestamp_ms;
    for (size_t i = 0; i < 2; i++) {
        sink_init(&out[i], room[i], sizeof room[i]);
        shelf_config_encode(i == 0 ? held : &other, &out[i]);
    }
    return span_equal(sink_span(&out[0]), sink_span(&out[1]));
}

static enum res decode(struct configure *x, const PGresult *rows, int row, enum column column,
                       struct arena *arena, struct shelf_config *ret)
{
    struct shelf_detail detail = {"", ""};
    enum res r = shelf_config_decode(pg_get_span(rows, row, (int)column), arena, ret, &detail);
    if (r != RES_OK) {
        struct span id = pg_get_span(rows, row, LABEL_ID);
        err_set(x->why, "the configuration of label %.*s cannot be: field %s, %s", (int)id.size,
                (const char *)id.data, detail.field, detail.rule);
    }
    return r;
}

static enum res wanted_of(struct configure *x, const PGresult *rows, int row, struct arena *arena,
                          struct shelf_config *ret)
{
    enum res r = decode(x, rows, row, WANTED, arena, ret);
    if (r == RES_OK) {
        ret->device_id = pg_get_span(rows, row, LABEL_ID);
        ret->aisle = pg_get_span(rows, row, AISLE);
        ret->shelf = pg_get_span(rows, row, SHELF);
        ret->position = pg_get_span(rows, row, POSITION);
        ret->utc_offset_min = (int32_t)pg_get_i64(rows, row, OFFSET);
        r = shelf_language_read(pg_get_span(rows, row, LANGUAGE), &ret->language);
    }
    return r;
}

/* {"config": ..., "syncInterval": 300} */
static enum res patch_of(const struct shelf_config *config, uint8_t room[SHELF_DOWN_BYTES_MAX],
                         struct span *ret)
{
    struct sink patch;
    sink_init(&patch, room, SHELF_DOWN_BYTES_MAX);
    sink_text(&patch, "{\"config\":");
    shelf_config_encode(config, &patch);
    sink_text(&patch, ",\"syncInterval\":");
    sink_i64(&patch, config->sync_peak_s);
    sink_byte(&patch, '}');
    *ret = sink_span(&patch);
    return patch.overflow ? RES_LIMIT : RES_OK;
}

static enum res configure_label(struct configure *x, const PGresult *rows, int row)
{
    uint8_t block[ARENA_BYTES];
    uint8_t room[SHELF_DOWN_BYTES_MAX];
    char delivery_id[DELIVERY_UUID_BYTES];
    struct arena arena;
    struct shelf_config wanted;
    struct shelf_config held = {.version = 0};
    arena_init(&arena, block, sizeof block);
    x->count.labels++;
    enum res r = wanted_of(x, rows, row, &arena, &wanted);
    if (r == RES_OK && !pg_get_is_null(rows, row, HELD)) {
        r = decode(x, rows, row, HELD, &arena, &held);
    }
    if (r != RES_OK ||
        (held.version > 0 && same(&held, &wanted) && !pg_get_bool(rows, row, HELD_LOST))) {
        return r;
    }
    int64_t line =
        x->cause->job_id == NULL ? 0 : x->first_row + pg_get_i64(rows, row, ROW_NUMBER) - 1;
    struct delivery_row out = {.delivery_id = delivery_id,
                               .label_id = wanted.device_id,
                               .store_id = pg_get_span(rows, row, STORE_ID),
                               .kind = "config",
                               .version = held.version + 1,
                               .row_number = line,
                               .online = pg_get_bool(rows, row, ONLINE)};
    r = delivery_write_id(x->now_ms, delivery_id);
    wanted.update_id = span_text(delivery_id, SHELF_UPDATE_ID_BYTES);
    wanted.version = out.version;
    wanted.timestamp_ms = x->now_ms;
    if (r == RES_OK) {
        r = patch_of(&wanted, room, &out.patch);
    }
    if (r == RES_OK) {
        delivery_write_add(&x->write, &out, x->cause);
        x->count.changed++;
    } else {
        err_set(x->why, "a label's configuration cannot be put into a message: %s", res_name(r));
    }
    return r;
}

static enum res on_answer(void *user, size_t index, const PGresult *rows)
{
    struct configure *x = user;
    for (int row = 0; index == x->facts_step && row < PQntuples(rows) && x->res == RES_OK; row++) {
        x->res = configure_label(x, rows, row);
    }
    return x->res;
}

static enum res run(struct configure *x, struct pg_conn *c, const struct pg_params *labels,
                    const struct pg_params *patches, const struct pg_params *all)
{
    const struct {
        const char *sql;
        const struct pg_params *params;
    } steps[] = {
        {make_shadows, labels}, {lock_shadows, labels}, {keep_patches, patches}, {facts_sql, all}};
    enum { STEPS = sizeof steps / sizeof steps[0] };
    struct err words = {""};
    enum res r = pg_conn_pipeline_begin(c, x->why);
    if (r != RES_OK) {
        return r;
    }
    x->facts_step = STEPS - 1;
    for (size_t i = 0; i < STEPS && r == RES_OK; i++) {
        r = pg_conn_pipeline_add(c, steps[i].sql, steps[i].params, x->why);
    }
    enum res done = pg_conn_pipeline_finish(c, on_answer, x, &words);
    if (x->res != RES_OK) {
        return x->res; /* with its own words */
    }
    if (r == RES_OK && done != RES_OK) {
        err_set(x->why, "%s", words.text);
        r = done;
    }
    return r == RES_OK ? delivery_write_run(&x->write, c, x->why) : r;
}

static void list(struct pg_array *a, const char *const *texts, size_t count, size_t bytes_max)
{
    pg_array_init(a, ASKED_BYTES_MAX);
    for (size_t i = 0; i < count; i++) {
        if (texts == NULL || texts[i] == NULL) {
            pg_array_null(a);
        } else {
            pg_array_span(a, span_text(texts[i], bytes_max));
        }
    }
}

enum res delivery_configure(struct pg_conn *c, const char *const *label_ids,
                            const char *const *patches, size_t count,
                            const struct delivery_cause *cause, int64_t first_row,
                            struct delivery_count *ret, struct err *why)
{
    struct configure x = {
        .cause = cause, .first_row = first_row, .now_ms = clock_utc_ms(), .why = why};
    uint8_t standard[SHELF_DOWN_BYTES_MAX];
    struct sink s;
    sink_init(&s, standard, sizeof standard - 1);
    shelf_config_encode(&factory, &s);
    standard[s.size] = '\0';
    struct pg_array a[2];
    list(&a[0], label_ids, count, SHELF_ID_BYTES_MAX + 1);
    list(&a[1], patches, count, SHELF_DOWN_BYTES_MAX);
    const char *text[2] = {pg_array_close(&a[0]), pg_array_close(&a[1])};
    struct pg_params p[3]; /* with one, two and three of them */
    for (size_t i = 0; i < 3; i++) {
        pg_params_init(&p[i]);
        for (size_t j = 0; j <= i; j++) {
            pg_params_cstr(&p[i], j < 2 ? text[j] : (const char *)standard);
        }
    }
    delivery_write_init(&x.write);
    enum res r = RES_LIMIT;
    if (text[0] == NULL || text[1] == NULL) {
        err_set(why, "%zu labels at once are too many for one configuration", count);
    } else {
        r = run(&x, c, &p[0], &p[1], &p[2]);
    }
    delivery_write_deinit(&x.write);
    pg_array_deinit(&a[0]);
    pg_array_deinit(&a[1]);
    if (r == RES_OK) {
        *ret = x.count;
    }
    return r;
}
