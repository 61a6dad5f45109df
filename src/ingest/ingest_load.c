#include "ingest_load.h"

#include <stdlib.h>
#include <string.h>

#include "ecdsa.h"
#include "pg_array.h"
#include "session_changes.h"
#include "wire.h"

#define LIST_BYTES_MAX (1024 * 1024)

static const char streams_sql[] =
    "SELECT cart_id::text, epoch, watermark, above, version FROM (SELECT s.*, row_number() OVER "
    "(PARTITION BY cart_id ORDER BY epoch DESC) AS n FROM cart_stream s "
    "WHERE cart_id = ANY ($1::text[])) AS t WHERE n <= 2 ORDER BY cart_id, epoch";

struct loader {
    struct ingest_devices *devices;
    struct pg_conn *conn;
    struct telemetry *telemetry;
    struct pg_array ids;
};

static enum res take_stream(struct loader *l, const PGresult *rows, int row, struct err *why)
{
    struct ingest_device *device = ingest_devices_find(l->devices, pg_get_span(rows, row, 0));
    int64_t epoch = pg_get_i64(rows, row, 1);
    if (device == NULL || device->cart == NULL) {
        return RES_OK;
    }
    struct ingest_cart *cart = device->cart;
    if (epoch <= cart->current.epoch) {
        return RES_OK; /* was loaded before */
    }
    enum res res = ingest_cart_turn(cart, epoch);
    if (res != RES_OK) {
        return res;
    }
    cart->current.version = pg_get_i64(rows, row, 4);
    res = stream_window_read(pg_get_i64(rows, row, 2), pg_get_span(rows, row, 3),
                             &cart->current.window);
    if (res != RES_OK) {
        err_set(why, "the stream of %s in cart_stream cannot be: restore it from a backup",
                device->id);
        return RES_CORRUPT;
    }
    return RES_OK;
}

static enum res load_streams(struct loader *l, const char *ids, struct err *why)
{
    struct pg_params params;
    pg_params_init(&params);
    pg_params_cstr(&params, ids);
    PGresult *rows = NULL;
    enum res res = pg_conn_run(l->conn, streams_sql, &params, &rows, why);
    if (res != RES_OK) {
        return res;
    }
    (void)pthread_mutex_lock(&l->devices->lock);
    for (int i = 0; i < PQntuples(rows) && res == RES_OK; i++) {
        res = take_stream(l, rows, i, why);
    }
    (void)pthread_mutex_unlock(&l->devices->lock);
    PQclear(rows);
    return res;
}

struct refold {
    struct session *session;
    struct span store_id;
};

static enum res fold(void *user, const struct telemetry_event *stored, telemetry_position position)
{
    (void)position;
    struct refold *r = user;
    struct wire_event event;
    struct wire_detail detail;
    unsigned unknown;
    if (wire_event_decode(stored->body, &event, &unknown, &detail) != WIRE_FINE) {
        return RES_OK; /* valid when it was stored; the digest will tell that it is missing */
    }
    uint8_t digest[WIRE_DIGEST_BYTES];
    enum res res = ecdsa_sha256(stored->body, digest);
    if (res != RES_OK) {
        return res;
    }
    struct session_input in = {&event, digest, r->store_id, stored->received_ms, ecdsa_sha256_two};
    struct session older;
    struct session_step step;
    return session_apply(r->session, &in, &older, &step);
}

/* The session as it was when PostgreSQL was last written: its events up to the watermark. Streams
 * were read first: if the session is newer than they are, their version tells before anything is
 * written. */
static enum res load_session(struct loader *l, struct ingest_device *device, int64_t epoch,
                             int64_t start_counter, int64_t first_received_ms, struct err *why)
{
    struct ingest_stream *stream = ingest_cart_stream(device->cart, epoch);
    if (stream == NULL) {
        return RES_OK; /* of an epoch that is gone: the next start abandons it in PostgreSQL */
    }
    if (start_counter > stream->window.watermark) {
        return RES_CONFLICT; /* another process was here between our two looks */
    }
    struct session *session = malloc(sizeof *session);
    if (session == NULL) {
        return RES_NO_MEMORY;
    }
    session_init(session);
    struct refold r = {session, ingest_devices_store(l->devices, device)};
    enum res res = telemetry_read_stream(l->telemetry, ingest_device_id(device), epoch,
                                         start_counter, stream->window.watermark, fold, &r, why);
    if (res != RES_OK) {
        free(session);
        return res;
    }
    if (session_is_open(session) && session->start_counter == start_counter) {
        session->first_received_ms = first_received_ms;
        free(device->cart->session);
        device->cart->session = session;
    } else {
        free(session);
    }
    return RES_OK;
}

static enum res load_sessions(struct loader *l, const char *ids, struct err *why)
{
    PGresult *rows = NULL;
    enum res res = session_changes_load_open(l->conn, ids, &rows, why);
    if (res != RES_OK) {
        return res;
    }
    for (int i = 0; i < PQntuples(rows) && res == RES_OK; i++) {
        (void)pthread_mutex_lock(&l->devices->lock);
        struct ingest_device *device = ingest_devices_find(l->devices, pg_get_span(rows, i, 0));
        (void)pthread_mutex_unlock(&l->devices->lock);
        if (device != NULL && device->cart != NULL) {
            res = load_session(l, device, pg_get_i64(rows, i, 1), pg_get_i64(rows, i, 2),
                               pg_get_time_ms(rows, i, 3), why);
        }
    }
    PQclear(rows);
    return res;
}

static void forget(struct loader *l, struct ingest_device *const *made, size_t count)
{
    (void)pthread_mutex_lock(&l->devices->lock);
    for (size_t i = 0; i < count; i++) {
        ingest_cart_free(made[i]->cart);
        made[i]->cart = NULL;
    }
    (void)pthread_mutex_unlock(&l->devices->lock);
}

enum res ingest_load_carts(struct ingest_devices *devices, struct ingest_device *const *list,
                           size_t count, struct pg_conn *conn, struct telemetry *telemetry,
                           struct err *why)
{
    struct loader l = {.devices = devices, .conn = conn, .telemetry = telemetry};
    struct ingest_device **made = calloc(count > 0 ? count : 1, sizeof *made);
    size_t made_count = 0;
    enum res res = made != NULL ? RES_OK : RES_NO_MEMORY;
    pg_array_init(&l.ids, LIST_BYTES_MAX);
    for (size_t i = 0; i < count && res == RES_OK; i++) {
        if (list[i]->cart != NULL) {
            continue;
        }
        struct ingest_cart *cart = ingest_cart_new();
        if (cart == NULL) {
            res = RES_NO_MEMORY;
            break;
        }
        (void)pthread_mutex_lock(&devices->lock);
        list[i]->cart = cart;
        (void)pthread_mutex_unlock(&devices->lock);
        made[made_count++] = list[i];
        pg_array_span(&l.ids, ingest_device_id(list[i]));
    }
    if (res == RES_OK && made_count > 0) {
        const char *ids = pg_array_close(&l.ids);
        res = ids == NULL ? RES_NO_MEMORY : load_streams(&l, ids, why);
        if (res == RES_OK) {
            res = load_sessions(&l, ids, why);
        }
    }
    if (res != RES_OK && made != NULL) {
        forget(&l, made, made_count);
    }
    pg_array_deinit(&l.ids);
    free(made);
    return res;
}
