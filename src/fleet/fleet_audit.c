#include "fleet_audit.h"

#include <stdlib.h>

static const char audit_sql[] =
    "INSERT INTO audit_event (store_id, actor, action, target_kind, target, request_id, detail) "
    "VALUES ($1, '" FLEET_AUDIT_ACTOR "', $2, $3, $4, $5::text::uuid, $6::text::jsonb)";

enum res fleet_audit_write(const struct http_request *q, struct pg_conn *c, const char *store_id,
                           const char *action, const char *target_kind, const char *target,
                           json_t *detail, struct err *why)
{
    struct pg_params p;
    char *text = json_dumps(detail, JSON_COMPACT);
    json_decref(detail);
    if (text == NULL) {
        err_set(why, "out of memory for an audit record");
        return RES_NO_MEMORY;
    }
    pg_params_init(&p);
    pg_params_cstr(&p, store_id);
    pg_params_cstr(&p, action);
    pg_params_cstr(&p, target_kind);
    pg_params_cstr(&p, target);
    pg_params_cstr(&p, http_request_id(q));
    pg_params_cstr(&p, text);
    enum res r = pg_conn_run(c, audit_sql, &p, NULL, why);
    free(text);
    return r;
}
