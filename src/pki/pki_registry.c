#include "pki_registry.h"

#include <stdlib.h>
#include <string.h>

/* The same registration again (after a revocation) keeps the row; another store's row stays as it
 * is and answers nothing. */
static const char sql_cart[] =
    "INSERT INTO cart (cart_id, store_id, serial) VALUES ($1, $2, $3) "
    "ON CONFLICT (cart_id) DO UPDATE SET retired_at = NULL, provisioned_at = now() "
    "WHERE cart.store_id = excluded.store_id RETURNING cart_id";
static const char sql_label[] =
    "INSERT INTO label (label_id, store_id) VALUES ($1, $2) "
    "ON CONFLICT (label_id) DO UPDATE SET retired_at = NULL, provisioned_at = now() "
    "WHERE label.store_id = excluded.store_id RETURNING label_id";
static const char sql_pattern[] =
    "SELECT $1 ~ label_id_pattern, label_id_pattern FROM store WHERE store_id = $2";
static const char sql_certificate[] =
    "INSERT INTO device_certificate "
    "(serial, device_id, kind, store_id, subject, public_key, not_before, not_after) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
static const char sql_revoke[] =
    "UPDATE device_certificate SET revoked_at = now(), revoke_reason = $2 "
    "WHERE device_id = $1 AND revoked_at IS NULL";
static const char sql_replace[] =
    "UPDATE device_certificate SET replaced_at = now() "
    "WHERE device_id = $1 AND revoked_at IS NULL AND replaced_at IS NULL";
static const char sql_revoke_replaced[] =
    "UPDATE device_certificate SET revoked_at = now(), revoke_reason = 'replaced' "
    "WHERE device_id = $1 AND revoked_at IS NULL AND replaced_at IS NOT NULL";
/* The list is of every store, whatever this connection is for: one that left the others out would
 * let their revoked devices in again. */
static const char sql_whole[] = "SELECT set_config('endcap.scope', 'operator', true)";
/* Expired ones are refused for that; a week of grace for clocks that differ. */
static const char sql_revoked[] =
    "SELECT serial, device_id, revoked_at FROM device_certificate "
    "WHERE revoked_at IS NOT NULL AND not_after > now() - interval '7 days' ORDER BY serial";
/* One writer of the list at a time, so that an older list never replaces a newer one. */
static const char sql_lock[] =
    "SELECT pg_advisory_xact_lock(hashtext('endcap revocation list'))::text";
static const char sql_list[] =
    "SELECT device_id, kind, coalesce(store_id, ''), serial, not_after, revoked_at "
    "FROM device_certificate WHERE $1::text IS NULL OR store_id = $1 "
    "ORDER BY device_id, issued_at DESC, serial";

static enum res end_transaction(struct pg_conn *c, enum res r, struct err *why)
{
    if (r == RES_OK) {
        return pg_conn_command(c, "COMMIT", why);
    }
    enum res undone = pg_conn_command(c, "ROLLBACK", NULL);
    (void)undone; /* without a connection the server rolls back by itself */
    return r;
}

/* S-091: a store may hold its labels to a stricter pattern. */
static enum res check_pattern(struct pg_conn *c, const struct pki_request *request, struct err *why)
{
    struct pg_params p;
    PGresult *rows = NULL;
    pg_params_init(&p);
    pg_params_text(&p, request->id);
    pg_params_text(&p, request->store_id);
    enum res r = pg_conn_run(c, sql_pattern, &p, &rows, why);
    if (r == RES_OK && PQntuples(rows) == 1 && !pg_get_bool(rows, 0, 0)) {
        struct span pattern = pg_get_span(rows, 0, 1);
        err_set(why, "`%.*s` is not a label id of store %.*s (%.*s)", (int)request->id.size,
                (const char *)request->id.data, (int)request->store_id.size,
                (const char *)request->store_id.data, (int)pattern.size,
                (const char *)pattern.data);
        r = RES_INVALID;
    }
    PQclear(rows);
    return r;
}

static enum res register_device(struct pg_conn *c, const struct pki_request *request,
                                struct span hardware_serial, struct err *why)
{
    struct pg_params p;
    PGresult *rows = NULL;
    pg_params_init(&p);
    pg_params_text(&p, request->id);
    pg_params_text(&p, request->store_id);
    if (request->kind == PKI_CART) {
        pg_params_text(&p, hardware_serial.size > 0 ? hardware_serial : request->id);
    }
    enum res r = pg_conn_run(c, request->kind == PKI_CART ? sql_cart : sql_label, &p, &rows, why);
    if (r == RES_OK && PQntuples(rows) == 0) {
        err_set(why, "%.*s belongs to another store; a device moves by being retired there first",
                (int)request->id.size, (const char *)request->id.data);
        r = RES_CONFLICT;
    } else if (r == RES_CONFLICT) {
        err_set(why, "the hardware serial of %.*s is another cart's", (int)request->id.size,
                (const char *)request->id.data);
    } else if (r == RES_INVALID && strcmp(pg_conn_sqlstate(c), "23503") == 0) {
        err_set(why, "there is no store %.*s; create it first", (int)request->store_id.size,
                (const char *)request->store_id.data);
        r = RES_NOT_FOUND;
    }
    PQclear(rows);
    return r;
}

static enum res register_certificate(struct pg_conn *c, const struct pki_certificate *made,
                                     struct err *why)
{
    const struct pki_identity *who = &made->identity;
    struct pg_params p;
    pg_params_init(&p);
    pg_params_cstr(&p, who->serial);
    pg_params_cstr(&p, who->id);
    pg_params_cstr(&p, pki_identity_kind_name(who->kind));
    pg_params_cstr(&p, who->store_id);
    pg_params_cstr(&p, made->subject);
    pg_params_bytes(&p, span_of(made->public_key, sizeof made->public_key));
    pg_params_time_ms(&p, made->not_before_ms);
    pg_params_time_ms(&p, made->not_after_ms);
    enum res r = pg_conn_run(c, sql_certificate, &p, NULL, why);
    if (r == RES_CONFLICT) {
        err_set(why,
                "%s is provisioned already; revoke it first (`endcap device revoke --device %s`)",
                who->id, who->id);
    }
    return r;
}

static enum res issue(const struct pki_registry *registry, const struct pki_request *request,
                      struct span csr_pem, struct pki_certificate *ret_made, struct err *why)
{
    return csr_pem.size > 0 ? pki_issue_from_csr(registry->ca, request, csr_pem, ret_made, why)
                            : pki_issue_with_key(registry->ca, request, ret_made, why);
}

enum res pki_registry_register(const struct pki_registry *registry,
                               const struct pki_request *request, struct span csr_pem,
                               struct span hardware_serial, struct pki_certificate *ret_certificate,
                               struct err *why)
{
    struct pg_conn *c = registry->connection;
    struct pki_certificate made;
    if (request->kind == PKI_SERVICE || hardware_serial.size > PKI_REGISTRY_HARDWARE_BYTES_MAX) {
        err_set(why,
                "only carts and labels are provisioned, with a hardware serial of at most %d "
                "bytes",
                PKI_REGISTRY_HARDWARE_BYTES_MAX);
        return RES_INVALID;
    }
    /* Issued before it is registered: until the commit nobody has seen it. */
    enum res r = issue(registry, request, csr_pem, &made, why);
    if (r != RES_OK) {
        return r;
    }
    if (request->kind == PKI_LABEL) {
        r = check_pattern(c, request, why);
    }
    if (r == RES_OK) {
        r = register_device(c, request, hardware_serial, why);
    }
    if (r == RES_OK) {
        r = register_certificate(c, &made, why);
    }
    if (r == RES_OK) {
        *ret_certificate = made;
    }
    pki_issue_cleanse(&made);
    return r;
}

static enum res run_for(struct pg_conn *c, const char *sql, struct span device_id,
                        int64_t *ret_touched, struct err *why)
{
    struct pg_params p;
    PGresult *rows = NULL;
    pg_params_init(&p);
    pg_params_text(&p, device_id);
    enum res r = pg_conn_run(c, sql, &p, &rows, why);
    if (r == RES_OK) {
        *ret_touched = pg_get_touched(rows);
    }
    PQclear(rows);
    return r;
}

enum res pki_registry_renew(const struct pki_registry *registry, const struct pki_request *request,
                            struct span csr_pem, struct pki_certificate *ret_certificate,
                            struct err *why)
{
    struct pki_certificate made;
    int64_t replaced = 0;
    enum res r = issue(registry, request, csr_pem, &made, why);
    if (r != RES_OK) {
        return r;
    }
    r = run_for(registry->connection, sql_replace, request->id, &replaced, why);
    if (r == RES_OK && replaced == 0) {
        err_set(why, "%.*s has no valid certificate to renew", (int)request->id.size,
                (const char *)request->id.data);
        r = RES_NOT_FOUND;
    }
    if (r == RES_OK) {
        r = register_certificate(registry->connection, &made, why);
    }
    if (r == RES_OK) {
        *ret_certificate = made;
    }
    pki_issue_cleanse(&made);
    return r;
}

static enum res copy_revoked(const PGresult *rows, struct pki_revoked *entries)
{
    enum res r = RES_OK;
    for (int i = 0; r == RES_OK && i < PQntuples(rows); i++) {
        entries[i].revoked_ms = pg_get_time_ms(rows, i, 2);
        r = span_copy_text(pg_get_span(rows, i, 0), entries[i].serial, sizeof entries[i].serial);
        if (r == RES_OK) {
            r = span_copy_text(pg_get_span(rows, i, 1), entries[i].id, sizeof entries[i].id);
        }
    }
    return r;
}

/* Inside a transaction that holds the lock. */
static enum res publish(const struct pki_registry *registry, struct err *why)
{
    struct pg_params p;
    PGresult *rows = NULL;
    struct pki_revoked *entries = NULL;
    pg_params_init(&p);
    enum res r = pg_conn_run(registry->connection, sql_whole, &p, NULL, why);
    if (r == RES_OK) {
        r = pg_conn_run(registry->connection, sql_revoked, &p, &rows, why);
    }
    if (r != RES_OK) {
        goto out;
    }
    size_t count = (size_t)PQntuples(rows);
    entries = calloc(count + 1, sizeof *entries);
    if (entries == NULL) {
        err_set(why, "no memory for a list of %zu revoked certificates", count);
        r = RES_NO_MEMORY;
        goto out;
    }
    r = copy_revoked(rows, entries);
    if (r != RES_OK) {
        err_set(why, "a revoked certificate's serial or device in the database is too long");
        goto out;
    }
    r = pki_crl_write(registry->ca, registry->ca_directory, registry->broker_directory, entries,
                      count, why);
out:
    free(entries);
    PQclear(rows);
    return r;
}

static enum res take_lock(struct pg_conn *c, struct err *why)
{
    struct pg_params p;
    pg_params_init(&p);
    return pg_conn_run(c, sql_lock, &p, NULL, why);
}

static enum res mark_revoked(struct pg_conn *c, struct span device_id, struct span reason,
                             struct err *why)
{
    struct pg_params p;
    PGresult *rows = NULL;
    pg_params_init(&p);
    pg_params_text(&p, device_id);
    pg_params_text(&p, reason);
    enum res r = pg_conn_run(c, sql_revoke, &p, &rows, why);
    if (r == RES_OK && pg_get_touched(rows) == 0) {
        err_set(why, "%.*s has no valid certificate; `endcap device list` shows which have",
                (int)device_id.size, (const char *)device_id.data);
        r = RES_NOT_FOUND;
    }
    PQclear(rows);
    return r;
}

enum res pki_registry_withdraw(const struct pki_registry *registry, struct span device_id,
                               struct span reason, struct err *why)
{
    struct pg_conn *c = registry->connection;
    if (reason.size > PKI_REGISTRY_REASON_BYTES_MAX || device_id.size > PKI_ID_BYTES_MAX) {
        err_set(why, "the reason is at most %d bytes, the device id %d",
                PKI_REGISTRY_REASON_BYTES_MAX, PKI_ID_BYTES_MAX);
        return RES_LIMIT;
    }
    enum res r = take_lock(c, why);
    if (r == RES_OK) {
        r = mark_revoked(c, device_id, reason, why);
    }
    return r == RES_OK ? publish(registry, why) : r;
}

enum res pki_registry_withdraw_replaced(const struct pki_registry *registry, struct span device_id,
                                        struct err *why)
{
    int64_t revoked = 0;
    enum res r = take_lock(registry->connection, why);
    if (r == RES_OK) {
        r = run_for(registry->connection, sql_revoke_replaced, device_id, &revoked, why);
    }
    return r == RES_OK && revoked > 0 ? publish(registry, why) : r;
}

enum res pki_registry_revoke(const struct pki_registry *registry, struct span device_id,
                             struct span reason, struct err *why)
{
    enum res r = pg_conn_command(registry->connection, "BEGIN", why);
    if (r != RES_OK) {
        return r;
    }
    r = pki_registry_withdraw(registry, device_id, reason, why);
    return end_transaction(registry->connection, r, why);
}

enum res pki_registry_publish(const struct pki_registry *registry, struct err *why)
{
    struct pg_conn *c = registry->connection;
    enum res r = pg_conn_command(c, "BEGIN", why);
    if (r != RES_OK) {
        return r;
    }
    r = take_lock(c, why);
    if (r == RES_OK) {
        r = publish(registry, why);
    }
    return end_transaction(c, r, why);
}

enum res pki_registry_list(const struct pki_registry *registry, struct span store_id,
                           pki_registry_visit visit, void *context, struct err *why)
{
    struct pg_params p;
    PGresult *rows = NULL;
    pg_params_init(&p);
    pg_params_text(&p, store_id);
    enum res r = pg_conn_run(registry->connection, sql_list, &p, &rows, why);
    for (int i = 0; r == RES_OK && i < PQntuples(rows); i++) {
        const struct pki_registry_row row = {
            .device_id = pg_get_span(rows, i, 0),
            .kind = pg_get_span(rows, i, 1),
            .store_id = pg_get_span(rows, i, 2),
            .serial = pg_get_span(rows, i, 3),
            .not_after_ms = pg_get_time_ms(rows, i, 4),
            .revoked_ms = pg_get_is_null(rows, i, 5) ? 0 : pg_get_time_ms(rows, i, 5),
        };
        visit(context, &row);
    }
    PQclear(rows);
    return r;
}
