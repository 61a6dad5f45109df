#include "fleet_provision.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

#include "clock.h"
#include "device_http.h"
#include "file.h"
#include "fleet_audit.h"
#include "fleet_first.h"
#include "fleet_place.h"
#include "fleet_rotation.h"
#include "http_rows.h"
#include "http_transact.h"
#include "pki_registry.h"
#include "timestamp.h"

#define TEXT_BYTES_MAX 64

static const char *const kinds[] = {"cart", "label", NULL};
static const char *const display_types[] = {"eink", "tft", NULL};

/* ---- what goes in and comes out ---- */

static const struct http_field place_fields[] = {
    {.name = "aisle", .type = HTTP_TEXT, .required = true, .summary = "Aisle, or section."},
    {.name = "shelf", .type = HTTP_TEXT, .summary = "Shelf in the aisle."},
    {.name = "position", .type = HTTP_TEXT, .summary = "On the shelf."},
    {.name = NULL}};
static const struct http_schema place_schema = {"DevicePlace", "Where a label is to hang.",
                                                place_fields};
static const struct http_field new_fields[] = {
    {.name = "kind",
     .type = HTTP_CHOICE,
     .required = true,
     .choices = kinds,
     .summary = "What it is."},
    {.name = "storeId",
     .type = HTTP_TEXT,
     .required = true,
     .min = 3,
     .max = 24,
     .charset = "A-Z0-9-",
     .summary = "Its store."},
    {.name = "deviceId",
     .type = HTTP_TEXT,
     .min = 1,
     .max = 24,
     .summary = "CART-[A-Z0-9]{4,12}, or as the store's pattern for labels says; a new one when "
                "absent."},
    {.name = "csr",
     .type = HTTP_TEXT,
     .min = 1,
     .max = PKI_CSR_BYTES_MAX,
     .charset = "A-Za-z0-9+/= \r\n-",
     .summary = "PKCS#10 request, PEM; only its P-256 key is taken. Without one a key is made and "
                "answered, once."},
    {.name = "displayType",
     .type = HTTP_CHOICE,
     .choices = display_types,
     .summary = "Of a label; eink when absent."},
    {.name = "location",
     .type = HTTP_OBJECT,
     .of = &place_schema,
     .summary = "Of a label: a place of the store's layout."},
    {.name = "gatewayId",
     .type = HTTP_TEXT,
     .min = 1,
     .max = 23,
     .summary = "Of a label: the store's gateway it is behind."},
    {.name = "hardwareSerial",
     .type = HTTP_TEXT,
     .min = 1,
     .max = PKI_REGISTRY_HARDWARE_BYTES_MAX,
     .charset = " -~",
     .summary = "Of a cart: burnt at the factory; its id when absent."},
    {.name = NULL}};
static const struct http_schema new_schema = {"DeviceProvision", "A device to be provisioned.",
                                              new_fields};

static const struct http_field made_fields[] = {
    {.name = "deviceId", .type = HTTP_TEXT, .summary = "Its id."},
    {.name = "kind", .type = HTTP_CHOICE, .choices = kinds, .summary = "What it is."},
    {.name = "storeId", .type = HTTP_TEXT, .summary = "Its store."},
    {.name = "serial", .type = HTTP_TEXT, .summary = "Of the certificate, hexadecimal."},
    {.name = "subject", .type = HTTP_TEXT, .summary = "Of the certificate; no other has it."},
    {.name = "notAfter", .type = HTTP_TIME, .summary = "The certificate is valid until."},
    {.name = "certificate", .type = HTTP_TEXT, .summary = "PEM."},
    {.name = "privateKey",
     .type = HTTP_TEXT,
     .nullable = true,
     .summary = "PEM; null with a csr. It is kept nowhere: this is the only time it is shown."},
    {.name = "caCertificate", .type = HTTP_TEXT, .summary = "PEM; what the device pins."},
    {.name = "platformPublicKey",
     .type = HTTP_TEXT,
     .summary = "PEM; what it verifies the platform's messages with."},
    {.name = NULL}};
static const struct http_schema made_schema = {"DeviceProvisioned",
                                               "What a device needs to connect.", made_fields};

static const struct http_field reason_fields[] = {{.name = "reason",
                                                   .type = HTTP_TEXT,
                                                   .min = 1,
                                                   .max = PKI_REGISTRY_REASON_BYTES_MAX,
                                                   .charset = " -~",
                                                   .summary = "Words for the record."},
                                                  {.name = NULL}};
static const struct http_schema reason_schema = {"CertificateRevocation",
                                                 "Why a certificate is revoked.", reason_fields};
static const struct http_field gone_fields[] = {
    {.name = "deviceId", .type = HTTP_TEXT, .summary = "Its id."},
    {.name = "revoked", .type = HTTP_BOOLEAN, .summary = "It had a certificate; it has none now."},
    {.name = "retired", .type = HTTP_BOOLEAN, .summary = "It has left the fleet."},
    {.name = NULL}};
static const struct http_schema gone_schema = {"DeviceShutOut", "A device that may not connect.",
                                               gone_fields};

static const struct http_field renewal_fields[] = {
    {.name = "deviceId", .type = HTTP_TEXT, .summary = "Its id."},
    {.name = "number",
     .type = HTTP_INTEGER,
     .summary = "desired.certificate.number: the label answers it with a signing request."},
    {.name = NULL}};
static const struct http_schema renewal_schema = {
    "CertificateRenewal", "A new certificate that was asked for.", renewal_fields};

/* ---- the CA ---- */

struct desk {
    struct pki_ca *ca;
    struct pki_registry registry;
};

static enum res open_desk(const struct http_request *q, struct pg_conn *c, struct desk *ret,
                          struct err *why)
{
    const struct fleet_provision *x = http_request_context(q);
    if (x->ca_directory == NULL) {
        err_set(why, "this process was not told where the certificate authority is");
        return RES_UNAVAILABLE;
    }
    struct pki_ca *ca = NULL;
    enum res r = pki_ca_open(x->ca_directory, &ca, why);
    if (r == RES_OK) {
        ret->ca = ca;
        ret->registry = (struct pki_registry){c, ca, x->ca_directory, x->broker_directory};
    }
    return r;
}

/* ---- joining ---- */

static struct span text_of(const struct http_request *q, const char *name)
{
    const char *text = http_request_text(q, name);
    return text == NULL ? SPAN_NONE : span_of(text, strlen(text));
}

/* What needs no database. */
static void check_fields(const struct http_request *q, enum pki_kind kind,
                         struct fleet_place *ret_place, struct fleet_refusal *wrong)
{
    struct span id = text_of(q, "deviceId");
    if (id.size > 0 && !pki_identity_id_valid(kind, id)) {
        fleet_refusal_add(wrong, 0, "deviceId", id,
                          kind == PKI_CART ? "CART-[A-Z0-9]{4,12}" : "ESP32-[A-Z0-9]{3,12}");
    }
    static const char *const of_labels[] = {"displayType", "location", "gatewayId"};
    for (size_t i = 0; kind == PKI_CART && i < 3; i++) {
        if (http_request_has(q, of_labels[i])) {
            fleet_refusal_add(wrong, 0, of_labels[i], SPAN_NONE, "given with a label only");
        }
    }
    if (kind == PKI_LABEL && http_request_has(q, "hardwareSerial")) {
        fleet_refusal_add(wrong, 0, "hardwareSerial", text_of(q, "hardwareSerial"),
                          "given with a cart only");
    }
    fleet_place_read(http_request_json(q, "location"), ret_place, wrong);
}

static const char known_sql[] =
    "SELECT s.store_id IS NOT NULL, coalesce($2 ~ s.label_id_pattern, true), s.label_id_pattern, "
    "$3::text IS NULL OR EXISTS (SELECT FROM gateway g WHERE g.gateway_id = $3 AND g.store_id = $1 "
    "AND g.retired_at IS NULL) FROM (SELECT 1) AS one LEFT JOIN store s ON s.store_id = $1";

/* What the store must say to. */
static enum res check_store(const struct http_request *q, struct pg_conn *c, enum pki_kind kind,
                            const struct fleet_place *place, struct fleet_refusal *wrong,
                            struct err *why)
{
    struct pg_params p;
    PGresult *rows = NULL;
    char pattern[160];
    const char *store = http_request_text(q, "storeId");
    pg_params_init(&p);
    pg_params_cstr(&p, store);
    pg_params_cstr(&p, kind == PKI_LABEL ? http_request_text(q, "deviceId") : NULL);
    pg_params_cstr(&p, http_request_text(q, "gatewayId"));
    enum res r = pg_conn_run(c, known_sql, &p, &rows, why);
    if (r != RES_OK) {
        return r;
    }
    if (!pg_get_bool(rows, 0, 0)) {
        fleet_refusal_add(wrong, 0, "storeId", text_of(q, "storeId"), "a store that exists");
    } else {
        if (!pg_get_bool(rows, 0, 1)) {
            r = span_copy_text(pg_get_span(rows, 0, 2), pattern, sizeof pattern);
            fleet_refusal_add(wrong, 0, "deviceId", text_of(q, "deviceId"),
                              r == RES_OK ? pattern : "the store's own pattern for labels");
        }
        if (kind == PKI_LABEL && !pg_get_bool(rows, 0, 3)) {
            fleet_refusal_add(wrong, 0, "gatewayId", text_of(q, "gatewayId"),
                              "a gateway of the store");
        }
    }
    PQclear(rows);
    return fleet_place_check(c, store, place, wrong, why);
}

/* RES_DENIED: refused, and replied. */
static enum res refuse(struct http_request *q, struct pg_conn *c, enum res r, const struct err *why)
{
    const char *constraint = pg_conn_constraint(c);
    if (r == RES_INVALID) {
        http_reply_error_field(q, "csr", "", why->text); /* all else was checked */
    } else if (r == RES_CONFLICT && strcmp(constraint, "device_certificate_current") == 0) {
        http_reply_error_code(q, HTTP_ERROR_CONFLICT, "ALREADY_PROVISIONED",
                              "This device has a valid certificate; revoke that first.");
    } else if (r == RES_CONFLICT && strcmp(constraint, "cart_serial_key") == 0) {
        http_reply_error_code(q, HTTP_ERROR_CONFLICT, "SERIAL_TAKEN",
                              "This hardware serial is another cart's.");
    } else if (r == RES_CONFLICT || r == RES_DENIED) {
        http_reply_error_code(q, HTTP_ERROR_CONFLICT, "ID_TAKEN",
                              "This id is not free; a device does not change its store.");
    } else {
        return r;
    }
    return RES_DENIED;
}

static const char label_sql[] =
    "UPDATE label SET aisle = coalesce($2, aisle), shelf = CASE WHEN $2 IS NULL THEN shelf ELSE $3 "
    "END, position = CASE WHEN $2 IS NULL THEN position ELSE $4 END, display_type = coalesce($5, "
    "display_type), gateway_id = coalesce($6, gateway_id) WHERE label_id = $1";

static enum res first_content(const struct http_request *q, struct pg_conn *c, const char *id,
                              const struct fleet_place *place, struct err *why)
{
    struct pg_params p;
    pg_params_init(&p);
    pg_params_cstr(&p, id);
    pg_params_cstr(&p, place->aisle);
    pg_params_cstr(&p, place->shelf);
    pg_params_cstr(&p, place->position);
    pg_params_cstr(&p, http_request_has(q, "displayType")
                           ? display_types[http_request_number(q, "displayType")]
                           : NULL);
    pg_params_cstr(&p, http_request_text(q, "gatewayId"));
    enum res r = pg_conn_run(c, label_sql, &p, NULL, why);
    return r == RES_OK ? fleet_first_content(c, &id, 1, why) : r;
}

static enum res read_text(const struct fleet_provision *x, const char *name, char *ret_text,
                          size_t size, struct err *why)
{
    char path[FILE_PATH_BYTES_MAX];
    size_t length = 0;
    enum res r = file_path(path, why, "%s/%s", x->ca_directory, name);
    return r == RES_OK ? file_read(path, ret_text, size, &length, why) : r;
}

static json_t *time_json(int64_t ms)
{
    char text[TIMESTAMP_TEXT_BYTES];
    struct sink s;
    sink_init(&s, text, sizeof text);
    timestamp_write(&s, ms);
    return json_stringn(text, s.size);
}

static enum res answer(const struct http_request *q, const struct pki_certificate *made,
                       json_t **ret_answer, struct err *why)
{
    char ca[PKI_PEM_BYTES_MAX];
    char platform[PKI_PEM_BYTES_MAX];
    const struct fleet_provision *x = http_request_context(q);
    enum res r = read_text(x, "ca.crt", ca, sizeof ca, why);
    if (r == RES_OK) {
        r = read_text(x, "platform.pub", platform, sizeof platform, why);
    }
    if (r != RES_OK) {
        return r;
    }
    json_t *a = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:s, s:o, s:s, s:s}", "deviceId",
                          made->identity.id, "kind", pki_identity_kind_name(made->identity.kind),
                          "storeId", made->identity.store_id, "serial", made->identity.serial,
                          "subject", made->subject, "notAfter", time_json(made->not_after_ms),
                          "certificate", made->pem, "privateKey",
                          made->key_pem[0] == '\0' ? json_null() : json_string(made->key_pem),
                          "caCertificate", ca, "platformPublicKey", platform);
    if (a == NULL) {
        err_set(why, "out of memory for an answer");
        return RES_NO_MEMORY;
    }
    *ret_answer = a;
    return RES_OK;
}

static enum res join(struct http_request *q, struct pg_conn *c, enum pki_kind kind,
                     const struct fleet_place *place, json_t **ret_answer, struct err *why)
{
    char new_id[PKI_ID_BYTES_MAX + 1];
    struct desk desk;
    struct pki_certificate made = {.pem = ""};
    struct pki_request request = {
        .kind = kind, .id = text_of(q, "deviceId"), .store_id = text_of(q, "storeId")};
    if (request.id.size == 0) {
        pki_issue_new_id(kind, new_id);
        request.id = span_text(new_id, PKI_ID_BYTES_MAX);
    }
    pki_issue_period(&request, PKI_DEVICE_DAYS_DEFAULT);
    enum res r = open_desk(q, c, &desk, why);
    if (r != RES_OK) {
        return r == RES_DENIED || r == RES_CORRUPT ? RES_IO : r; /* ours, not the asker's */
    }
    r = pki_registry_register(&desk.registry, &request, text_of(q, "csr"),
                              text_of(q, "hardwareSerial"), &made, why);
    if (r != RES_OK) {
        r = refuse(q, c, r, why);
    }
    if (r == RES_OK && kind == PKI_LABEL) {
        r = first_content(q, c, made.identity.id, place, why);
    }
    if (r == RES_OK) {
        r = fleet_audit_write(q, c, made.identity.store_id, "device.provision", "device",
                              made.identity.id, json_pack("{s:s}", "serial", made.identity.serial),
                              why);
    }
    if (r == RES_OK) {
        r = answer(q, &made, ret_answer, why);
    }
    pki_issue_cleanse(&made);
    pki_ca_close(desk.ca);
    return r;
}

static enum res provision(struct http_request *q, struct pg_conn *c, json_t **ret_answer,
                          struct err *why)
{
    enum pki_kind kind = http_request_number(q, "kind") == 0 ? PKI_CART : PKI_LABEL;
    struct fleet_place place;
    struct fleet_refusal wrong;
    fleet_refusal_init(&wrong);
    check_fields(q, kind, &place, &wrong);
    enum res r = check_store(q, c, kind, &place, &wrong, why);
    if (r == RES_OK) {
        r = fleet_refusal_reply(&wrong, q) ? RES_DENIED : join(q, c, kind, &place, ret_answer, why);
    }
    fleet_refusal_deinit(&wrong);
    return r;
}

/* ---- leaving ---- */

static const char lock_sql[] =
    "SELECT store_id::text, false FROM label WHERE label_id = $1 AND retired_at IS NULL UNION ALL "
    "SELECT c.store_id::text, EXISTS (SELECT FROM session s WHERE s.cart_id = c.cart_id AND "
    "s.status IN ('active', 'paused')) FROM cart c WHERE c.cart_id = $1 AND c.retired_at IS NULL";

static enum res find_device(struct http_request *q, struct pg_conn *c, char *ret_store, size_t size,
                            bool *ret_in_use, struct err *why)
{
    struct pg_params p;
    PGresult *rows = NULL;
    pg_params_init(&p);
    pg_params_cstr(&p, http_request_text(q, "id"));
    enum res r = pg_conn_run(c, lock_sql, &p, &rows, why);
    if (r == RES_OK && PQntuples(rows) == 0) {
        http_reply_error(q, HTTP_ERROR_NOT_FOUND, NULL);
        r = RES_DENIED;
    }
    if (r == RES_OK) {
        *ret_in_use = pg_get_bool(rows, 0, 1);
        r = span_copy_text(pg_get_span(rows, 0, 0), ret_store, size);
    }
    PQclear(rows);
    return r;
}

/* The last statements of the transaction (pki_registry.h). */
static enum res shut_out(struct http_request *q, struct pg_conn *c, const char *reason,
                         bool *ret_had_one, struct err *why)
{
    struct desk desk;
    enum res r = open_desk(q, c, &desk, why);
    if (r != RES_OK) {
        return r == RES_DENIED || r == RES_CORRUPT ? RES_IO : r;
    }
    r = pki_registry_withdraw(&desk.registry, text_of(q, "id"),
                              span_text(reason, PKI_REGISTRY_REASON_BYTES_MAX), why);
    pki_ca_close(desk.ca);
    if (r == RES_OK || r == RES_NOT_FOUND) {
        *ret_had_one = r == RES_OK;
        r = RES_OK;
    }
    return r;
}

static enum res gone(const struct http_request *q, bool revoked, bool retired, json_t **ret_answer,
                     struct err *why)
{
    json_t *a = json_pack("{s:s, s:b, s:b}", "deviceId", http_request_text(q, "id"), "revoked",
                          revoked, "retired", retired);
    if (a == NULL) {
        err_set(why, "out of memory for an answer");
        return RES_NO_MEMORY;
    }
    *ret_answer = a;
    return RES_OK;
}

static enum res revoke(struct http_request *q, struct pg_conn *c, json_t **ret_answer,
                       struct err *why)
{
    char store[TEXT_BYTES_MAX];
    bool in_use = false;
    bool had_one = false;
    const char *reason = http_request_text(q, "reason");
    enum res r = find_device(q, c, store, sizeof store, &in_use, why);
    if (r == RES_OK) {
        r = fleet_audit_write(q, c, store, "device.revoke", "device", http_request_text(q, "id"),
                              json_object(), why);
    }
    if (r == RES_OK) {
        r = shut_out(q, c, reason != NULL ? reason : "revoked by " FLEET_AUDIT_ACTOR, &had_one,
                     why);
    }
    if (r == RES_OK && !had_one) {
        http_reply_error_code(q, HTTP_ERROR_CONFLICT, "NOT_PROVISIONED",
                              "This device has no valid certificate.");
        r = RES_DENIED;
    }
    return r == RES_OK ? gone(q, true, false, ret_answer, why) : r;
}

/* Its product is free again, nothing more is sent to it, and what it was blamed for is over. */
static const char *const retire_sql[] = {
    "INSERT INTO label_binding (label_id, store_id, item_id, actor) SELECT label_id, store_id, "
    "NULL, '" FLEET_AUDIT_ACTOR "' FROM label WHERE label_id = $1 AND item_id IS NOT NULL",
    "UPDATE label SET retired_at = now(), item_id = NULL, online = false, asleep_until = NULL "
    "WHERE label_id = $1",
    "SELECT FROM shadow WHERE device_id = $1 FOR UPDATE", /* nobody gives it another meanwhile */
    "UPDATE delivery SET state = 'superseded', finished_at = now() WHERE label_id = $1 AND "
    "finished_at IS NULL",
    "UPDATE cart SET retired_at = now(), online = false WHERE cart_id = $1",
    "UPDATE alert SET status = 'resolved', resolved_at = now() WHERE device_id = $1 AND status <> "
    "'resolved' AND kind IN ('device_offline', 'offline_24h', 'low_battery', "
    "'certificate_expiring', 'price_update_failed', 'fault', 'calibration_drift')",
};

static enum res retire(struct http_request *q, struct pg_conn *c, json_t **ret_answer,
                       struct err *why)
{
    char store[TEXT_BYTES_MAX];
    bool in_use = false;
    bool had_one = false;
    enum res r = find_device(q, c, store, sizeof store, &in_use, why);
    if (r == RES_OK && in_use) {
        http_reply_error_code(q, HTTP_ERROR_CONFLICT, "SESSION_OPEN",
                              "A session is open on this cart.");
        r = RES_DENIED;
    }
    for (size_t i = 0; r == RES_OK && i < sizeof retire_sql / sizeof retire_sql[0]; i++) {
        struct pg_params p;
        pg_params_init(&p);
        pg_params_cstr(&p, http_request_text(q, "id"));
        r = pg_conn_run(c, retire_sql[i], &p, NULL, why);
    }
    if (r == RES_OK) {
        r = fleet_audit_write(q, c, store, "device.retire", "device", http_request_text(q, "id"),
                              json_object(), why);
    }
    if (r == RES_OK) {
        r = shut_out(q, c, "retired", &had_one, why);
    }
    return r == RES_OK ? gone(q, had_one, true, ret_answer, why) : r;
}

/* ---- renewal: the worker does the rest ---- */

static enum res rotate(struct http_request *q, struct pg_conn *c, json_t **ret_answer,
                       struct err *why)
{
    char store[TEXT_BYTES_MAX];
    bool in_use = false;
    int64_t number = 0;
    const char *id = http_request_text(q, "id");
    enum res r = find_device(q, c, store, sizeof store, &in_use, why);
    if (r != RES_OK) {
        return r;
    }
    r = fleet_rotation_request(c, id, clock_utc_ms(), &number, why);
    if (r == RES_NOT_FOUND) {
        http_reply_error_code(q, HTTP_ERROR_CONFLICT, "NOT_PROVISIONED",
                              "Only a label with a valid certificate renews it so.");
        return RES_DENIED;
    }
    if (r == RES_OK) {
        r = fleet_audit_write(q, c, store, "device.rotate", "device", id,
                              json_pack("{s:I}", "number", (json_int_t)number), why);
    }
    if (r == RES_OK) {
        *ret_answer = json_pack("{s:s, s:I}", "deviceId", id, "number", (json_int_t)number);
    }
    return r;
}

/* ---- routes ---- */

static void post_rotate(struct http_request *q, void *context)
{
    const struct fleet_provision *x = context;
    http_once_run(q, x->pool, rotate);
}

static void post_device(struct http_request *q, void *context)
{
    const struct fleet_provision *x = context;
    http_transact_run(q, x->pool, provision);
}

static void delete_device(struct http_request *q, void *context)
{
    const struct fleet_provision *x = context;
    http_transact_run(q, x->pool, retire);
}

static void post_revoke(struct http_request *q, void *context)
{
    const struct fleet_provision *x = context;
    http_once_run(q, x->pool, revoke);
}

static const struct http_param id_params[] = {DEVICE_HTTP_PARAM_ID, HTTP_PARAM_END};
static const struct http_param once_params[] = {DEVICE_HTTP_PARAM_ID, HTTP_PARAM_ONCE,
                                                HTTP_PARAM_END};
static const char *const post_errors[] = {"ALREADY_PROVISIONED", "ID_TAKEN", "SERIAL_TAKEN", NULL};
static const char *const delete_errors[] = {"SESSION_OPEN", NULL};
static const char *const revoke_errors[] = {"NOT_PROVISIONED", HTTP_ONCE_ERRORS, NULL};

const struct http_route fleet_provision_routes[] = {
    {.method = HTTP_POST,
     .path = "/api/devices",
     .operation = "provisionDevice",
     .summary = "Gives a new device its certificate; a label also its first content.",
     .tag = "devices",
     .body = &new_schema,
     .reply = &made_schema,
     .status = 201,
     .errors = post_errors,
     .permission = "device.provision",
     .handle = post_device},
    {.method = HTTP_DELETE,
     .path = "/api/devices/{id}",
     .operation = "retireDevice",
     .summary = "Takes a device out of the fleet: unbound, and its certificate revoked.",
     .tag = "devices",
     .params = id_params,
     .reply = &gone_schema,
     .errors = delete_errors,
     .permission = "device.provision",
     .handle = delete_device},
    {.method = HTTP_POST,
     .path = "/api/devices/{id}/revoke-certificate",
     .operation = "revokeCertificate",
     .summary = "Shuts a device out at once; a live connection ends within seconds.",
     .tag = "devices",
     .params = once_params,
     .body = &reason_schema,
     .reply = &gone_schema,
     .errors = revoke_errors,
     .permission = "device.provision",
     .handle = post_revoke},
    {.method = HTTP_POST,
     .path = "/api/devices/{id}/rotate-certificate",
     .operation = "rotateCertificate",
     .summary = "Asks a label to renew its certificate; the old one is good until the new one was "
                "used.",
     .tag = "devices",
     .params = once_params,
     .reply = &renewal_schema,
     .status = 202,
     .errors = revoke_errors,
     .permission = "device.provision",
     .handle = post_rotate},
    HTTP_ROUTE_END};
