#include "delivery_flash.h"

#include "clock.h"
#include "delivery_refresh.h"
#include "delivery_write.h"

/* The shadow's row is the lock under which deliveries of a label are made. */
static const char lock_sql[] = "SELECT FROM shadow WHERE device_id = $1 FOR UPDATE";
/* Versions are our time in milliseconds, and more than the one under way. */
static const char look_sql[] =
    "SELECT l.online, l.store_id::text, greatest($2::bigint, (SELECT max(d.version) + 1 FROM "
    "delivery d WHERE d.label_id = l.label_id AND d.kind = 'flash' AND d.finished_at IS NULL)) "
    "FROM label l WHERE l.label_id = $1 AND l.retired_at IS NULL";
static const char supersede_sql[] =
    "UPDATE delivery SET state = 'superseded', finished_at = now() "
    "WHERE label_id = $1 AND kind = 'flash' AND finished_at IS NULL";
static const char insert_sql[] =
    "INSERT INTO delivery (label_id, delivery_id, store_id, kind, version, body, state, "
    "next_attempt_at) SELECT l.label_id, $2::text::uuid, l.store_id, 'flash', $3::bigint, "
    "$4::jsonb, "
    "CASE WHEN l.online THEN 'queued' ELSE 'pending' END, CASE WHEN l.online THEN now() END "
    "FROM label l WHERE l.label_id = $1";
static const char notify_sql[] = "NOTIFY " DELIVERY_CHANNEL;

static enum res look(struct pg_conn *c, const struct pg_params *label, int64_t now_ms,
                     struct delivery_flash *ret, int64_t *ret_version, struct err *why)
{
    struct pg_params p = *label;
    PGresult *rows = NULL;
    pg_params_i64(&p, now_ms);
    enum res r = pg_conn_run(c, look_sql, &p, &rows, why);
    if (r != RES_OK) {
        return r;
    }
    if (PQntuples(rows) == 0) {
        err_set(why, "there is no such label");
        r = RES_NOT_FOUND;
    } else {
        ret->online = pg_get_bool(rows, 0, 0);
        r = span_copy_text(pg_get_span(rows, 0, 1), ret->store_id, sizeof ret->store_id);
        *ret_version = pg_get_i64(rows, 0, 2);
    }
    PQclear(rows);
    return r;
}

static enum res insert(struct pg_conn *c, const struct shelf_flash *flash, struct err *why)
{
    char body[SHELF_DOWN_BYTES_MAX];
    struct sink s;
    struct pg_params p;
    sink_init(&s, body, sizeof body - 1);
    shelf_flash_encode(flash, &s);
    body[s.size] = '\0';
    if (s.overflow) {
        return RES_LIMIT;
    }
    pg_params_init(&p);
    pg_params_text(&p, flash->device_id);
    pg_params_text(&p, flash->update_id);
    pg_params_i64(&p, flash->version);
    pg_params_cstr(&p, body);
    return pg_conn_run(c, insert_sql, &p, NULL, why);
}

enum res delivery_flash(struct pg_conn *c, struct span label_id, enum shelf_pattern pattern,
                        int32_t duration_s, enum shelf_colour colour, struct delivery_flash *ret,
                        struct err *why)
{
    struct delivery_flash out;
    int64_t now_ms = clock_utc_ms();
    struct shelf_flash flash = {.device_id = label_id,
                                .pattern = pattern,
                                .duration_s = duration_s,
                                .colour = colour,
                                .expires_ms =
                                    now_ms + DELIVERY_FLASH_REACH_MS + 1000 * (int64_t)duration_s,
                                .timestamp_ms = now_ms};
    struct pg_params label;
    pg_params_init(&label);
    pg_params_text(&label, label_id);
    enum res r = pg_conn_run(c, lock_sql, &label, NULL, why);
    if (r == RES_OK) {
        r = look(c, &label, now_ms, &out, &flash.version, why);
    }
    if (r == RES_OK) {
        r = delivery_write_id(now_ms, out.update_id);
        flash.update_id = span_text(out.update_id, SHELF_UPDATE_ID_BYTES);
    }
    if (r == RES_OK) {
        r = pg_conn_run(c, supersede_sql, &label, NULL, why);
    }
    if (r == RES_OK) {
        r = insert(c, &flash, why);
    }
    if (r == RES_OK) {
        r = pg_conn_command(c, notify_sql, why);
    }
    if (r == RES_OK) {
        out.expires_ms = flash.expires_ms;
        *ret = out;
    }
    return r;
}
