#include "shadow_step.h"

#include <stdlib.h>
#include <string.h>

#include "shadow_read.h"
#include "shelf.h"
#include "timestamp.h"

#define LIST_BYTES_MAX 65536
#define TEXT_FORM      (JSON_COMPACT | JSON_REAL_PRECISION(15))

static const char due_sql[] =
    "SELECT s.device_id, l.online FROM shadow s JOIN label l ON l.label_id = s.device_id "
    "WHERE s.delta_version IS NOT NULL ORDER BY s.device_id LIMIT $1::bigint "
    "FOR UPDATE OF s SKIP LOCKED";
static const char done_sql[] =
    "UPDATE shadow SET delta_version = NULL WHERE device_id = ANY ($1::text[])";

struct telling {
    const struct shadow_outlet *outlet;
    int64_t now_ms;
    struct pg_array done;
};

/* A certificate is a field of shelf_state; deliveries bring the other reserved keys; the rest is
 * for who knows it. NULL: nothing to tell. */
static json_t *message_of(const struct telling *t, const struct shadow_document *d)
{
    json_t *state = json_copy(d->delta);
    for (const char *const *key = shadow_read_reserved; *key != NULL; key++) {
        (void)json_object_del(state, *key);
    }
    const json_t *certificate = json_object_get(d->delta, "certificate") == NULL
                                    ? NULL
                                    : json_object_get(d->desired, "certificate");
    if (json_object_size(state) == 0 && certificate == NULL) {
        json_decref(state);
        return NULL;
    }
    char time[TIMESTAMP_TEXT_BYTES];
    struct sink s;
    sink_init(&s, time, sizeof time);
    timestamp_write(&s, t->now_ms);
    json_t *message = json_pack("{s:s, s:I, s:s%, s:o}", "deviceId", d->device_id, "version",
                                (json_int_t)d->version, "timestamp", time, s.size, "state", state);
    if (certificate != NULL) {
        (void)json_object_set_new(message, "certificate", json_deep_copy(certificate));
    }
    return message;
}

static enum res tell(const struct telling *t, const struct shadow_document *d, const char *text)
{
    char topic[SHELF_TOPIC_BYTES];
    char signature[PLATFORM_SIGNER_DIGITS];
    struct span payload = span_of(text, strlen(text));
    if (payload.size > SHELF_DOWN_BYTES_MAX) {
        return RES_OK; /* no label takes it; shadow/get brings what matters */
    }
    shelf_topic_write(span_of(d->device_id, strlen(d->device_id)), SHELF_DELTA, topic);
    enum res r = platform_signer_sign_topic(t->outlet->signer, span_of(topic, strlen(topic)),
                                            payload, signature);
    return r == RES_OK ? t->outlet->publish(t->outlet->user, topic, payload,
                                            span_of(signature, sizeof signature))
                       : r;
}

static enum res tell_one(void *user, const struct shadow_document *d)
{
    struct telling *t = user;
    json_t *message = message_of(t, d);
    char *text = message == NULL ? NULL : json_dumps(message, TEXT_FORM);
    enum res r = message == NULL ? RES_OK : text == NULL ? RES_NO_MEMORY : tell(t, d, text);
    if (r == RES_OK) {
        pg_array_span(&t->done, span_of(d->device_id, strlen(d->device_id)));
    }
    free(text);
    json_decref(message);
    return RES_OK; /* what could not be told stays due */
}

/* Inside the transaction, which holds the rows. */
static enum res tell_due(struct telling *t, struct pg_conn *c, struct err *why)
{
    struct pg_params p;
    struct pg_array online;
    PGresult *rows = NULL;
    pg_params_init(&p);
    pg_params_i64(&p, SHADOW_STEP_MAX);
    pg_array_init(&online, LIST_BYTES_MAX);
    enum res r = pg_conn_run(c, due_sql, &p, &rows, why);
    for (int i = 0; r == RES_OK && i < PQntuples(rows); i++) {
        pg_array_span(pg_get_bool(rows, i, 1) ? &online : &t->done, pg_get_span(rows, i, 0));
    }
    PQclear(rows);
    if (r == RES_OK && online.count > 0) {
        const char *list = pg_array_close(&online);
        r = list == NULL ? RES_NO_MEMORY : shadow_read(c, list, tell_one, t, why);
    }
    if (r == RES_OK && t->done.count > 0) {
        pg_params_init(&p);
        pg_params_cstr(&p, pg_array_close(&t->done));
        r = pg_conn_run(c, done_sql, &p, NULL, why);
    }
    pg_array_deinit(&online);
    return r;
}

enum res shadow_step(struct pg_conn *c, const struct shadow_outlet *outlet, int64_t now_ms,
                     struct err *why)
{
    struct telling t = {.outlet = outlet, .now_ms = now_ms};
    enum res r = pg_conn_command(c, "BEGIN", why);
    if (r != RES_OK) {
        return r;
    }
    pg_array_init(&t.done, LIST_BYTES_MAX);
    r = tell_due(&t, c, why);
    pg_array_deinit(&t.done);
    if (r == RES_OK) {
        return pg_conn_command(c, "COMMIT", why);
    }
    enum res undone = pg_conn_command(c, "ROLLBACK", NULL);
    (void)undone; /* a connection that cannot roll back is dead, and so is its transaction */
    return r;
}
