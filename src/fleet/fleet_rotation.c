#include "fleet_rotation.h"

#include <string.h>

#include "pki_registry.h"

#define STEP_MAX  20 /* renewals of one kind in one step */
#define CSR_BYTES PKI_CSR_BYTES_MAX
#define ID_BYTES  24

/* A new number makes whatever was under way void. Whoever reads desired is told by the delta. */
static const char request_sql[] =
    "WITH known AS (SELECT l.label_id, l.store_id FROM label l WHERE l.label_id = $1 AND "
    "l.retired_at IS NULL AND EXISTS (SELECT FROM device_certificate k WHERE k.device_id = $1 AND "
    "k.revoked_at IS NULL AND k.replaced_at IS NULL AND k.not_after > $2)), "
    "asked AS (INSERT INTO shadow AS s (device_id, store_id, desired, desired_at) SELECT label_id, "
    "store_id, '{\"certificate\": {\"number\": 1}}', $2 FROM known ON CONFLICT (device_id) DO "
    "UPDATE SET desired = jsonb_set(s.desired, '{certificate}', jsonb_build_object('number', "
    "greatest((s.desired #>> '{certificate,number}')::bigint, (s.reported #>> "
    "'{certificate,number}')::bigint, 0) + 1)), version = s.version + 1, desired_at = $2, "
    "delta_version = s.version + 1 RETURNING device_id, store_id, (desired #>> "
    "'{certificate,number}')::bigint AS number) "
    "INSERT INTO label_renewal AS r (label_id, store_id, number, requested_at) SELECT device_id, "
    "store_id, number, $2 FROM asked ON CONFLICT (label_id) DO UPDATE SET number = "
    "excluded.number, issued_serial = NULL, requested_at = excluded.requested_at RETURNING number";

enum res fleet_rotation_request(struct pg_conn *c, const char *device_id, int64_t now_ms,
                                int64_t *ret_number, struct err *why)
{
    struct pg_params p;
    PGresult *rows = NULL;
    pg_params_init(&p);
    pg_params_cstr(&p, device_id);
    pg_params_time_ms(&p, now_ms);
    enum res r = pg_conn_run(c, request_sql, &p, &rows, why);
    if (r == RES_OK && PQntuples(rows) == 0) {
        err_set(why, "%.32s is no label with a valid certificate", device_id);
        r = RES_NOT_FOUND;
    }
    if (r == RES_OK) {
        *ret_number = pg_get_i64(rows, 0, 0);
    }
    PQclear(rows);
    return r;
}

/* ---- the step ---- */

struct renewal {
    char device_id[ID_BYTES];
    char store_id[32];
    char csr[CSR_BYTES]; /* base64 of DER; "" when the certificate is used */
    int64_t number;
};

static const char requested_sql[] =
    "SELECT r.label_id::text, r.store_id::text, h.reported #>> '{certificate,csr}', r.number FROM "
    "label_renewal r JOIN shadow h ON h.device_id = r.label_id WHERE r.issued_serial IS NULL AND "
    "h.reported #> '{certificate,csr}' IS NOT NULL AND (h.reported #>> "
    "'{certificate,number}')::bigint = r.number ORDER BY r.requested_at LIMIT 1 FOR UPDATE OF r, h "
    "SKIP LOCKED";
static const char used_sql[] =
    "SELECT r.label_id::text, r.store_id::text, '', r.number FROM label_renewal r JOIN label l "
    "USING (label_id) JOIN shadow h ON h.device_id = r.label_id WHERE r.issued_serial IS NOT NULL "
    "AND (l.connected_serial = r.issued_serial OR (h.reported #> '{certificate,csr}' IS NULL AND "
    "(h.reported #>> '{certificate,number}')::bigint = r.number)) ORDER BY r.requested_at LIMIT 1 "
    "FOR UPDATE OF r, h SKIP LOCKED";
static const char issued_sql[] =
    "WITH noted AS (UPDATE label_renewal SET issued_serial = $2 WHERE label_id = $1) UPDATE shadow "
    "SET desired = jsonb_set(desired, '{certificate}', jsonb_build_object('number', $3::bigint, "
    "'der', $4::text)), version = version + 1, desired_at = $5, delta_version = version + 1 WHERE "
    "device_id = $1";
static const char done_sql[] =
    "WITH gone AS (DELETE FROM label_renewal WHERE label_id = $1) UPDATE shadow SET desired = "
    "desired #- '{certificate,der}', version = version + 1, desired_at = $2 WHERE device_id = $1";
static const char refused_sql[] =
    "SELECT raise_alert($2, 'security', 'medium', $1, NULL, 'certificate_request:' || $1, 'Label ' "
    "|| $1 || ' sent a signing request that is none; it is asked for another.')";

/* The first that is due; RES_NOT_FOUND: none. */
static enum res take(struct pg_conn *c, const char *sql, struct renewal *ret, struct err *why)
{
    PGresult *rows = NULL;
    enum res r = pg_conn_run(c, sql, NULL, &rows, why);
    if (r == RES_OK && PQntuples(rows) == 0) {
        r = RES_NOT_FOUND;
    }
    if (r == RES_OK) {
        r = span_copy_text(pg_get_span(rows, 0, 0), ret->device_id, sizeof ret->device_id);
    }
    if (r == RES_OK) {
        r = span_copy_text(pg_get_span(rows, 0, 1), ret->store_id, sizeof ret->store_id);
    }
    if (r == RES_OK) {
        if (span_copy_text(pg_get_span(rows, 0, 2), ret->csr, sizeof ret->csr) != RES_OK) {
            ret->csr[0] = '\0'; /* longer than any request: refused as none */
        }
        ret->number = pg_get_i64(rows, 0, 3);
    }
    PQclear(rows);
    return r;
}

/* RFC 7468: 64 characters a line. */
static enum res csr_pem(const char *base64, char *room, size_t size, struct span *ret_pem)
{
    struct sink s;
    sink_init(&s, room, size);
    sink_text(&s, "-----BEGIN CERTIFICATE REQUEST-----\n");
    for (size_t left = strlen(base64), at = 0; left > 0;) {
        size_t line = left < 64 ? left : 64;
        sink_bytes(&s, span_of(base64 + at, line));
        sink_byte(&s, '\n');
        at += line;
        left -= line;
    }
    sink_text(&s, "-----END CERTIFICATE REQUEST-----\n");
    *ret_pem = sink_span(&s);
    return s.overflow ? RES_LIMIT : RES_OK;
}

/* What stands between the dashes, without line ends: base64 of the DER. */
static void der_of_pem(const char *pem, char *ret_text, size_t size)
{
    struct sink s;
    sink_init(&s, ret_text, size - 1);
    const char *at = strchr(pem, '\n');
    const char *end = strstr(pem, "-----END");
    for (; at != NULL && at < end; at++) {
        if (*at != '\n' && *at != '\r') {
            sink_byte(&s, (uint8_t)*at);
        }
    }
    ret_text[s.size] = '\0';
}

static enum res write_issued(struct pg_conn *c, const struct renewal *x,
                             const struct pki_certificate *made, int64_t now_ms, struct err *why)
{
    char der[PKI_PEM_BYTES_MAX];
    struct pg_params p;
    der_of_pem(made->pem, der, sizeof der);
    pg_params_init(&p);
    pg_params_cstr(&p, x->device_id);
    pg_params_cstr(&p, made->identity.serial);
    pg_params_i64(&p, x->number);
    pg_params_cstr(&p, der);
    pg_params_time_ms(&p, now_ms);
    return pg_conn_run(c, issued_sql, &p, NULL, why);
}

static enum res refuse(struct pg_conn *c, const struct renewal *x, int64_t now_ms, struct err *why)
{
    struct pg_params p;
    int64_t number = 0;
    pg_params_init(&p);
    pg_params_cstr(&p, x->device_id);
    pg_params_cstr(&p, x->store_id);
    enum res r = pg_conn_run(c, refused_sql, &p, NULL, why);
    if (r == RES_OK) {
        r = fleet_rotation_request(c, x->device_id, now_ms, &number, why);
    }
    return r == RES_NOT_FOUND ? RES_OK : r; /* it lost its certificate meanwhile */
}

static enum res issue_one(const struct pki_registry *registry, int64_t now_ms, struct err *why)
{
    struct renewal x;
    struct pki_certificate made;
    char room[CSR_BYTES + 512];
    struct span csr = SPAN_NONE;
    struct pg_conn *c = registry->connection;
    enum res r = take(c, requested_sql, &x, why);
    if (r != RES_OK) {
        return r;
    }
    struct pki_request request = {.kind = PKI_LABEL,
                                  .id = span_text(x.device_id, ID_BYTES),
                                  .store_id = span_text(x.store_id, sizeof x.store_id)};
    pki_issue_period(&request, PKI_DEVICE_DAYS_DEFAULT);
    r = csr_pem(x.csr, room, sizeof room, &csr);
    if (r == RES_OK) {
        r = pki_registry_renew(registry, &request, csr, &made, why);
    }
    if (r == RES_OK) {
        return write_issued(c, &x, &made, now_ms, why);
    }
    if (r == RES_NOT_FOUND) { /* it was shut out meanwhile */
        struct pg_params p;
        pg_params_init(&p);
        pg_params_cstr(&p, x.device_id);
        return pg_conn_run(c, "DELETE FROM label_renewal WHERE label_id = $1", &p, NULL, why);
    }
    return r == RES_INVALID || r == RES_LIMIT ? refuse(c, &x, now_ms, why) : r;
}

static enum res finish_one(const struct pki_registry *registry, int64_t now_ms, struct err *why)
{
    struct renewal x;
    struct pg_params p;
    struct pg_conn *c = registry->connection;
    enum res r = take(c, used_sql, &x, why);
    if (r != RES_OK) {
        return r;
    }
    pg_params_init(&p);
    pg_params_cstr(&p, x.device_id);
    pg_params_time_ms(&p, now_ms);
    r = pg_conn_run(c, done_sql, &p, NULL, why);
    return r == RES_OK
               ? pki_registry_withdraw_replaced(registry, span_text(x.device_id, ID_BYTES), why)
               : r;
}

/* Each in a transaction of its own: what one label sent stops no other. */
static enum res repeat(enum res (*work)(const struct pki_registry *registry, int64_t now_ms,
                                        struct err *why),
                       const struct pki_registry *registry, int64_t now_ms, struct err *why)
{
    struct pg_conn *c = registry->connection;
    enum res r = RES_OK;
    for (int i = 0; r == RES_OK && i < STEP_MAX; i++) {
        r = pg_conn_command(c, "BEGIN", why);
        if (r == RES_OK) {
            r = work(registry, now_ms, why);
        }
        if (r == RES_OK) {
            r = pg_conn_command(c, "COMMIT", why);
        } else {
            enum res undone = pg_conn_command(c, "ROLLBACK", NULL);
            (void)undone; /* a connection that cannot roll back is dead, so is its transaction */
        }
    }
    return r == RES_NOT_FOUND ? RES_OK : r;
}

static const char any_sql[] = "SELECT EXISTS (SELECT FROM label_renewal)";

enum res fleet_rotation_step(const struct fleet_rotation_settings *settings, struct pg_conn *c,
                             int64_t now_ms, struct err *why)
{
    struct pki_ca *ca = NULL;
    PGresult *rows = NULL;
    enum res r = pg_conn_run(c, any_sql, NULL, &rows, why);
    bool any = r == RES_OK && pg_get_bool(rows, 0, 0);
    PQclear(rows);
    if (!any) {
        return r;
    }
    r = pki_ca_open(settings->ca_directory, &ca, why);
    if (r != RES_OK) {
        return r;
    }
    const struct pki_registry registry = {c, ca, settings->ca_directory,
                                          settings->broker_directory};
    r = repeat(issue_one, &registry, now_ms, why);
    if (r == RES_OK) {
        r = repeat(finish_one, &registry, now_ms, why);
    }
    pki_ca_close(ca);
    return r;
}
